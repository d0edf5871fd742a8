"""From --labels or a look-up table to one name per region: by index where a table gives it, else in ascending order."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from niimasker.errors import RegionsError, warn
from niimasker.options.paths import describe_missing_file, expand_home
from niimasker.regions.names.tables import COLOR_TABLE_SUFFIXES, TABLE_SUFFIXES, NameTable, read_name_table

# Unicode's categories of control characters and of line and paragraph separators: each would break a table's line.
_CONTROL = frozenset({"Cc", "Zl", "Zp"})


def choose_names(
    labels: Sequence[str],
    indices: Sequence[int],
    source: str,
    *,
    ignore_index: bool = False,
    takes_more: bool = False,
) -> tuple[str, ...]:
    """Return each region's name: given, read from a table, or `roi <index>`.

    Parameters
    ----------
    labels
        Names, or one table's file name, or nothing.
    indices
        The regions' indices in ascending order.
    source
        What the regions came from, as messages call it.
    ignore_index
        Match a table's names by order although it has a column index.
    takes_more
        Let a table with a column index name regions that are not there.

    Raises
    ------
    RegionsError
        The names do not fit the regions.
    """
    if not labels:
        return tuple(f"roi {index}" for index in indices)
    table_path = find_names_path(labels)
    if table_path is not None:
        table = read_name_table(table_path)
        if table.indices is not None and not ignore_index:
            return make_unique(_join(table, indices, source, takes_more=takes_more), indices, source)
        return make_unique(_match(list(table.names), indices, table_path.name, source), indices, source)
    if len(labels) == 1 and (
        not describe_missing_file(expand_home(labels[0])) or labels[0].endswith((".json", ".xlsx", ".1D"))
    ):
        raise RegionsError(
            f"--labels: {labels[0]} is a file, but no table; a .tsv or .csv table with a header is expected, or a "
            ".txt of FreeSurfer's colours."
        )
    return make_unique(_match(list(labels), indices, "--labels", source), indices, source)


def find_names_path(labels: Sequence[str]) -> Path | None:
    """Return the table that --labels is, None when it is names or nothing."""
    is_table = len(labels) == 1 and Path(labels[0]).suffix.lower() in (*TABLE_SUFFIXES, *COLOR_TABLE_SUFFIXES)
    return expand_home(labels[0]) if is_table else None


def name_by_lookup_table(table_path: Path, indices: Sequence[int], image_path: Path) -> tuple[str, ...]:
    """Return each region's name in the look-up table that lies with its image; it may name others too.

    Raises
    ------
    RegionsError
        The table is not usable, or has no row for a region.
    """
    try:
        table = read_name_table(table_path)
    except RegionsError as error:
        raise RegionsError(f"{error} It is taken as the names of {image_path}; --labels gives others.") from error
    if table.indices is None:
        names = _match(list(table.names), indices, str(table_path), str(image_path))
    else:
        by_index = _by_index(table, indices)
        unnamed = [index for index in indices if index not in by_index]
        if unnamed:
            raise RegionsError(
                f"{table_path} has no row for index {unnamed[0]} of {image_path} ({len(unnamed)} of its {len(indices)} "
                "regions have none); correct the table, or give other names with --labels."
            )
        names = [by_index[index] for index in indices]
    return make_unique(names, indices, image_path.name)


def _by_index(table: NameTable, indices: Sequence[int]) -> dict[int, str]:
    """Return a table's names by index; one that the regions have must be given once."""
    assert table.indices is not None
    given = Counter(table.indices)
    twice = next((index for index in indices if given[index] > 1), None)
    if twice is not None:
        raise RegionsError(f"{table.path}: index {twice} is given {given[twice]} times; give each a row of its own.")
    return dict(zip(table.indices, table.names, strict=True))


def _join(table: NameTable, indices: Sequence[int], source: str, *, takes_more: bool) -> list[str]:
    by_index = _by_index(table, indices)
    if 0 not in indices:  # Background is no region.
        by_index.pop(0, None)
    unnamed = [index for index in indices if index not in by_index]
    unknown = [] if takes_more or table.serves_many else sorted(by_index.keys() - set(indices))
    if unnamed or unknown:
        counts = f"{table.path.name} names {len(by_index)} indices but {source} has {len(indices)} regions"
        if unnamed:
            raise RegionsError(f"{counts}; index {unnamed[0]} of the image is the first without a name.")
        raise RegionsError(f"{counts}; index {unknown[0]} ({by_index[unknown[0]]!r}) is the first not in the image.")
    return [by_index[index] for index in indices]


def _match(names: list[str], indices: Sequence[int], table: str, source: str) -> list[str]:
    if len(names) == len(indices) + 1 and names[0].lower() == "background":
        names = names[1:]
    if len(names) != len(indices):
        counts = f"{table} has {len(names)} names but {source} has {len(indices)} regions"
        if len(names) < len(indices):
            raise RegionsError(f"{counts}; index {indices[len(names)]} is the first without a name.")
        raise RegionsError(f"{counts}; {names[len(indices)]!r} is the first without a region.")
    return names


def make_unique(names: Sequence[str], indices: Sequence[int], source: str) -> tuple[str, ...]:
    """Return names that can be columns: each used once, with the index appended where it was not.

    Raises
    ------
    RegionsError
        A name is empty or holds control characters.
    """
    broken = next((name for name in names if not name.strip() or _CONTROL & {*map(unicodedata.category, name)}), None)
    if broken is not None:
        raise RegionsError(f"{source}: {broken!r} cannot be a column's name; give one without tabs and line breaks.")
    twice = sorted(name for name, n in Counter(names).items() if n > 1)
    if not twice:
        return tuple(names)
    warn(f"{source}: more than one region is named {', '.join(map(repr, twice))}; their index is appended.")
    unique = tuple(f"{name} {index}" if name in twice else name for name, index in zip(names, indices, strict=True))
    if len(set(unique)) < len(unique):
        raise RegionsError(f"{source}: names are not unique even with their index appended; rename {twice[0]!r}.")
    return unique
