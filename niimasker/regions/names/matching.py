"""Match the names of --labels or of a look-up table to regions: by index if the table has one, else in their order."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from niimasker.errors import RegionsError, warn
from niimasker.options.paths import describe_missing_file, expand_home
from niimasker.regions.names.tables import COLOR_TABLE_SUFFIXES, TABLE_SUFFIXES, NameTable, read_name_table

# Unicode categories of control characters and of line and paragraph separators, which would break a table's lines.
_CONTROL = frozenset({"Cc", "Zl", "Zp"})


def choose_names(
    labels: Sequence[str],
    indices: Sequence[int],
    source: str,
    *,
    ignore_index: bool = False,
    allow_extra: bool = False,
) -> tuple[str, ...]:
    """Return each region's name: as given, as read from a table, or `roi <index>`.

    Parameters
    ----------
    labels
        The names, or the file name of one table, or nothing.
    indices
        The regions' indices in ascending order.
    source
        The file or query of the regions, as messages call it.
    ignore_index
        Match a table's names by order even if it has a column index.
    allow_extra
        Accept a table with indices that the atlas does not have.

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
            return make_unique(_names_by_index(table, indices, source, allow_extra=allow_extra), indices, source)
        return make_unique(_names_by_order(list(table.names), indices, table_path.name, source), indices, source)
    if len(labels) == 1 and (
        not describe_missing_file(expand_home(labels[0])) or labels[0].endswith((".json", ".xlsx", ".1D"))
    ):
        raise RegionsError(
            f"--labels: {labels[0]} is not a table; give a .tsv or .csv table with a header, or a FreeSurfer colour "
            "table (.txt)."
        )
    return make_unique(_names_by_order(list(labels), indices, "--labels", source), indices, source)


def find_names_path(labels: Sequence[str]) -> Path | None:
    """Return the path of the table that --labels gives, None if it gives names or nothing."""
    is_table = len(labels) == 1 and Path(labels[0]).suffix.lower() in (*TABLE_SUFFIXES, *COLOR_TABLE_SUFFIXES)
    return expand_home(labels[0]) if is_table else None


def name_by_lookup_table(table_path: Path, indices: Sequence[int], image_path: Path) -> tuple[str, ...]:
    """Return each region's name from its image's look-up table, which may name other indices too.

    Raises
    ------
    RegionsError
        The table is not usable, or has no row for a region.
    """
    try:
        table = read_name_table(table_path)
    except RegionsError as error:
        raise RegionsError(
            f"{error} It is the look-up table of {image_path}; give other names with --labels."
        ) from error
    if table.indices is None:
        names = _names_by_order(list(table.names), indices, str(table_path), str(image_path))
    else:
        by_index = _map_indices(table, indices)
        unnamed = [index for index in indices if index not in by_index]
        if unnamed:
            raise RegionsError(
                f"{table_path} has no row for index {unnamed[0]} of {image_path} ({len(unnamed)} of its {len(indices)} "
                "regions have none); correct the table, or give other names with --labels."
            )
        names = [by_index[index] for index in indices]
    return make_unique(names, indices, image_path.name)


def _map_indices(table: NameTable, indices: Sequence[int]) -> dict[int, str]:
    """Return a table's names by index; raise RegionsError if an index of the regions is repeated."""
    assert table.indices is not None
    given = Counter(table.indices)
    repeated = next((index for index in indices if given[index] > 1), None)
    if repeated is not None:
        raise RegionsError(f"{table.path}: index {repeated} is given {given[repeated]} times; give each index one row.")
    return dict(zip(table.indices, table.names, strict=True))


def _names_by_index(table: NameTable, indices: Sequence[int], source: str, *, allow_extra: bool) -> list[str]:
    by_index = _map_indices(table, indices)
    if 0 not in indices:  # the background
        by_index.pop(0, None)
    unnamed = [index for index in indices if index not in by_index]
    unknown = [] if allow_extra or table.serves_many else sorted(by_index.keys() - set(indices))
    if unnamed or unknown:
        counts = f"{table.path.name} names {len(by_index)} indices but {source} has {len(indices)} regions"
        if unnamed:
            raise RegionsError(f"{counts}; index {unnamed[0]} of the image is the first without a name.")
        raise RegionsError(f"{counts}; index {unknown[0]} ({by_index[unknown[0]]!r}) is the first not in the image.")
    return [by_index[index] for index in indices]


def _names_by_order(names: list[str], indices: Sequence[int], table: str, source: str) -> list[str]:
    if len(names) == len(indices) + 1 and names[0].lower() == "background":
        names = names[1:]
    if len(names) != len(indices):
        counts = f"{table} has {len(names)} names but {source} has {len(indices)} regions"
        if len(names) < len(indices):
            raise RegionsError(f"{counts}; index {indices[len(names)]} is the first without a name.")
        raise RegionsError(f"{counts}; {names[len(indices)]!r} is the first without a region.")
    return names


def make_unique(names: Sequence[str], indices: Sequence[int], source: str) -> tuple[str, ...]:
    """Return names that are unique as columns; the index is appended to names of several regions.

    Raises
    ------
    RegionsError
        A name is empty or holds control characters, or names are not unique with their index.
    """
    broken = next((name for name in names if not name.strip() or _CONTROL & {*map(unicodedata.category, name)}), None)
    if broken is not None:
        raise RegionsError(f"{source}: {broken!r} cannot be a column's name; give one without tabs and line breaks.")
    repeated = sorted(name for name, n in Counter(names).items() if n > 1)
    if not repeated:
        return tuple(names)
    warn(f"{source}: more than one region is named {', '.join(map(repr, repeated))}; their index is appended.")
    unique = tuple(f"{name} {index}" if name in repeated else name for name, index in zip(names, indices, strict=True))
    if len(set(unique)) < len(unique):
        raise RegionsError(f"{source}: names are not unique even with their index appended; rename {repeated[0]!r}.")
    return unique
