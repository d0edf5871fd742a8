"""From --labels to one name per region: joined by index where a table gives it, else in ascending order of index."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from niimasker.errors import RegionsError, shorten, warn
from niimasker.inputs.text_tables import HOW_ROWS_COUNT, read_text_table
from niimasker.kinds import to_path, why_no_file

TABLE_SUFFIXES = (".tsv", ".csv")
# Unicode's categories of control characters and of line and paragraph separators: each would break a table's line.
_CONTROL = frozenset({"Cc", "Zl", "Zp"})

LABEL_COLUMNS = ("Labels", "Label", "label", "name")


def choose_names(
    labels: Sequence[str], indices: Sequence[int], source: str, *, ignore_index: bool = False
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

    Raises
    ------
    RegionsError
        The names do not fit the regions.
    """
    if not labels:
        return tuple(f"roi {index}" for index in indices)
    if len(labels) == 1 and Path(labels[0]).suffix.lower() in TABLE_SUFFIXES:
        table_path = to_path(labels[0])
        by_index, in_order = read_labels(table_path)
        if by_index is not None and not ignore_index:
            return make_unique(_join(by_index, indices, table_path.name, source), indices, source)
        return make_unique(_match(in_order, indices, table_path.name, source), indices, source)
    if len(labels) == 1 and (
        not why_no_file(to_path(labels[0])) or labels[0].endswith((".txt", ".json", ".xlsx", ".1D"))
    ):
        raise RegionsError(
            f"--labels: {labels[0]} is a file, but no table; a .tsv or .csv table with a header is expected."
        )
    return make_unique(_match(list(labels), indices, "--labels", source), indices, source)


def read_labels(table_path: Path) -> tuple[dict[int, str] | None, list[str]]:
    """Return a table's names by index, None when it has no column index, and in the table's order.

    Raises
    ------
    RegionsError
        The table has no column of names, or its indices are not whole numbers, each given once.
    """
    table = read_text_table(table_path, RegionsError, "a table with a column of names")
    column = next((name for name in LABEL_COLUMNS if name in table.names), None)
    if column is None:
        raise RegionsError(
            f"{table_path}: no column of names; expected one of {', '.join(LABEL_COLUMNS)}, "
            f"found {shorten(table.names)}."
        )
    names = [name.strip() for name in table.column(column)]
    if "" in names:
        raise RegionsError(f"{table_path}: no name in row {names.index('') + 1} ({HOW_ROWS_COUNT}); give it one.")
    if "index" not in table.names:
        return None, names
    indices = [_read_index(text, table_path) for text in table.column("index")]
    twice = [(index, n) for index, n in Counter(indices).items() if n > 1]
    if twice:
        raise RegionsError(
            f"{table_path}: index {twice[0][0]} is given {twice[0][1]} times; give each a row of its own."
        )
    return dict(zip(indices, names, strict=True)), names


def _read_index(text: str, table_path: Path) -> int:
    try:
        index = float(text)
        if index != int(index):
            raise ValueError
    except (ValueError, OverflowError) as error:
        raise RegionsError(
            f"{table_path}: {text!r} in column index is no whole number; give a region's index."
        ) from error
    return int(index)


def _join(by_index: dict[int, str], indices: Sequence[int], table: str, source: str) -> list[str]:
    if 0 not in indices:  # Background is no region.
        by_index = {index: name for index, name in by_index.items() if index != 0}
    unnamed = [index for index in indices if index not in by_index]
    unknown = sorted(by_index.keys() - set(indices))
    if unnamed or unknown:
        counts = f"{table} names {len(by_index)} indices but {source} has {len(indices)} regions"
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
