"""Which name belongs to which region: by a column of the table that holds the image's indices, else by order.

What a table says of indices is evidence. A column whose whole numbers are the image's indices is the index, whatever
it is called. Where two columns are and disagree, or where a table has numbers that could be indices but are not the
image's, nothing is guessed.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

from niimasker.errors import RegionsError, count, list_names
from niimasker.regions.names.joins import Joined, NamesJoin
from niimasker.regions.names.label_table import LabelTable, NumberColumn, find_numbered_words, is_background

_SIDES = ("left", "right", "lh", "rh", "l", "r")


def join_names(table: LabelTable, indices: Sequence[int], source: str, *, are_maps: bool = False) -> Joined:
    """Return the name of each region.

    Parameters
    ----------
    indices
        The regions' indices in ascending order.
    source
        What the regions came from, as messages call it.
    are_maps
        Whether the indices are the numbers of maps, which tables may count from 0.

    Raises
    ------
    RegionsError
        The table does not say which name belongs to which region, or has none for one.
    """
    covering = _covering(table, indices)
    if covering:
        return _join_by(_choose(covering, table, indices, source), table, indices)
    if (sides := _find_sides(table, indices)) is not None:
        return _join_by_sides(*sides, table, indices)
    if are_maps and (column := _count_from_0(table, indices)) is not None:
        from_1 = tuple(None if number is None else number + 1 for number in column.numbers)
        return _join_by(NumberColumn(f"{column.title}, which counts from 0", from_1), table, indices)
    blocking = [column for column in table.columns if column.could_be_index]
    for column in blocking:
        _check_once(column, table, indices)
    if blocking and not _are_row_numbers(blocking, table, indices):
        raise RegionsError(_describe_missing_indices(blocking, table, indices, source))
    return _join_by_order(table, indices, source)


def match_in_order(names: Sequence[str], indices: Sequence[int], table: str, source: str) -> tuple[str, ...]:
    """Return names in ascending order of index, without a leading Background where the others fit.

    Raises
    ------
    RegionsError
        There are not as many names as regions.
    """
    if len(names) == len(indices) + 1 and is_background(names[0]):
        names = names[1:]
    if len(names) != len(indices):
        counts = f"{table} has {count(len(names), 'name')} but {source} has {count(len(indices), 'region')}"
        if len(names) < len(indices):
            raise RegionsError(f"{counts}; index {indices[len(names)]} is the first without a name.")
        raise RegionsError(f"{counts}; {names[len(indices)]!r} is the first without a region.")
    return tuple(names)


def _covering(table: LabelTable, indices: Sequence[int]) -> list[NumberColumn]:
    """Return the columns that hold every index; row numbers only where no other does."""
    covering = [column for column in table.columns if set(indices) <= set(column.numbers)]
    others = [column for column in covering if not column.counts_rows]
    return others or covering


def _choose(covering: Sequence[NumberColumn], table: LabelTable, indices: Sequence[int], source: str) -> NumberColumn:
    """Return the column that is the index, where several hold all indices; refuse those that disagree."""
    named = [column for column in covering if column.is_named_index and not _counts_from_0(column, table, indices)]
    # A number that several names share is of a network or the like.
    once = [column for column in covering if not _find_twice(column, table, indices)]
    chosen, *others = named or once or covering
    by_index = _by_index(chosen, table, indices)
    for other in () if named else others:
        given = _names_by_index(other, table)
        index = next((index for index in indices if given[index] != [by_index[index]]), None)
        if index is not None:
            raise RegionsError(
                f"{table.path}, {table.format}: {chosen.title} and {other.title} both hold the indices of {source} "
                f"and name index {index} {by_index[index]!r} and {given[index][0]!r}; call the right one index in a "
                "header, or remove the other."
            )
    return chosen


def _counts_from_0(column: NumberColumn, table: LabelTable, indices: Sequence[int]) -> bool:
    """Return whether a column may only count the table's rows from 0, as pandas does: its 0 is no background."""
    is_count = column.numbers == tuple(range(len(column.numbers)))
    return is_count and 0 not in indices and not is_background(table.names[0])


def _names_by_index(column: NumberColumn, table: LabelTable) -> dict[int, list[str]]:
    """Return the different names of each index."""
    names: dict[int, list[str]] = defaultdict(list)
    for number, name in zip(column.numbers, table.names, strict=True):
        if number is not None and name not in names[number]:
            names[number].append(name)
    return names


def _by_index(column: NumberColumn, table: LabelTable, indices: Sequence[int]) -> dict[int, str]:
    """Return the name of each index; one that the image has must have one name."""
    names = _names_by_index(column, table)
    _check_once(column, table, indices)
    unnamed = next((index for index in indices if not names[index][0]), None)
    if unnamed is not None:
        row = column.numbers.index(unnamed) + 1
        note = f" ({table.row_note})" if table.row_note else ""
        raise RegionsError(f"{table.path}: no name in row {row}{note}, of index {unnamed}; give it one.")
    return {index: each[0] for index, each in names.items()}


def _find_twice(column: NumberColumn, table: LabelTable, indices: Sequence[int]) -> int | None:
    """Return the first index that a column gives to several names."""
    names = _names_by_index(column, table)
    return next((index for index in indices if len(names[index]) > 1), None)


def _check_once(column: NumberColumn, table: LabelTable, indices: Sequence[int]) -> None:
    twice = _find_twice(column, table, indices)
    if twice is not None:
        raise RegionsError(
            f"{table.path}: index {twice} is given {column.numbers.count(twice)} times in {column.title}; "
            "give each index one row."
        )


def _join_by(column: NumberColumn, table: LabelTable, indices: Sequence[int]) -> Joined:
    by_index = _by_index(column, table, indices)
    unknown = {index: name for index, name in by_index.items() if index not in {0, *indices}}
    join = NamesJoin(table.path, table.format, column.title)
    return Joined(tuple(by_index[index] for index in indices), join, unknown)


def _find_sides(table: LabelTable, indices: Sequence[int]) -> tuple[dict[str, NumberColumn], str] | None:
    """Return the columns of the two sides by side, as left.label and right.label, where both together hold all indices.

    The second value is how messages call them.
    """
    by_rest: dict[str, dict[str, NumberColumn]] = defaultdict(dict)
    for column in table.columns:
        words = re.findall(r"[a-z0-9]+", (column.heading or "").lower())
        side = next((word for word in words if word in _SIDES), None)
        if side is not None:
            by_rest[" ".join(word for word in words if word != side)][side] = column
    for columns in by_rest.values():
        held = {number for column in columns.values() for number in column.numbers}
        if len(columns) == 2 and set(indices) <= held:
            titles = " and ".join(column.heading or "" for column in columns.values())
            return columns, f"columns {titles}"
    return None


def _join_by_sides(
    columns: Mapping[str, NumberColumn], title: str, table: LabelTable, indices: Sequence[int]
) -> Joined:
    """Return names with their side: a name that has one index on either side is of a region on each."""
    numbers: list[int | None] = []
    names: list[str] = []
    for place, name in enumerate(table.names):
        of_row = {side: column.numbers[place] for side, column in columns.items()}
        is_one = len(set(of_row.values())) == 1
        for side, number in of_row.items():
            numbers.append(number)
            names.append(name if is_one else f"{name} {side}")
    both = LabelTable(table.path, table.format, tuple(names), row_note=table.row_note)
    return _join_by(NumberColumn(title, tuple(numbers)), both, indices)


def _count_from_0(table: LabelTable, indices: Sequence[int]) -> NumberColumn | None:
    """Return the column that numbers the maps from 0, one each, if there is just one."""
    expected = tuple(range(len(indices)))
    found = [
        column for column in table.columns if tuple(sorted(n for n in column.numbers if n is not None)) == expected
    ]
    if len(found) != 1 or len(table.names) != len(indices):
        return None
    return None if is_background(table.names[found[0].numbers.index(0)]) else found[0]


def _are_row_numbers(columns: Sequence[NumberColumn], table: LabelTable, indices: Sequence[int]) -> bool:
    """Return whether numbers only count rows that fit the regions one by one."""
    fit = len(table.names) == len(indices) and not is_background(table.names[0])
    return fit and all(column.counts_rows for column in columns)


def _describe_missing_indices(
    blocking: Sequence[NumberColumn], table: LabelTable, indices: Sequence[int], source: str
) -> str:
    lacks = {column.title: next(index for index in indices if index not in column.numbers) for column in blocking}
    if len(blocking) > 1:
        shown = list_names([f"{title} lacks {index}" for title, index in lacks.items()])
        return (
            f"{table.path.name}, {table.format}: no column holds the {len(indices)} indices of {source} ({shown}); "
            "correct the table, or remove the columns of other numbers."
        )
    (column,) = blocking
    n_named = len({number for number in column.numbers if number} | ({0} & set(indices)))
    return (
        f"{table.path.name}, {table.format}, names {n_named} {'index' if n_named == 1 else 'indices'} in "
        f"{column.title} but {source} has "
        f"{count(len(indices), 'region')}; index {lacks[column.title]} of the image is the first without a name."
    )


def _check_numbered_words(table: LabelTable, indices: Sequence[int]) -> None:
    """Refuse to join by order where words hold the indices in another order, as ROI3, ROI1, ROI2."""
    for column in (*table.numbered_words, *find_numbered_words("its names", table.names)):
        numbers = [number for number in column.numbers if number is not None]
        holds, holds_from_0 = set(indices) <= set(numbers), {index - 1 for index in indices} <= set(numbers)
        if (holds or holds_from_0) and numbers != sorted(numbers):
            found = list_names(list(map(str, numbers)))
            raise RegionsError(
                f"{table.path}, {table.format}: the numbers in the words of {column.title} are the image's indices"
                f"{'' if holds else ' counted from 0'}, in another order ({found}); give the indices as whole "
                "numbers, in a column index."
            )


def _join_by_order(table: LabelTable, indices: Sequence[int], source: str) -> Joined:
    names = match_in_order(table.names, indices, f"{table.path.name}, {table.format},", source)
    numbers = [re.search(r"\d{1,9}$", name) for name in names]
    found = [int(number[0]) for number in numbers if number is not None]
    if len(found) == len(names) > 1 and len(set(found)) == len(found) and found != sorted(found):
        raise RegionsError(
            f"{table.path}, {table.format}: its names end in numbers that are not in order ({list_names(names)}), and "
            "no column says which index each belongs to; add a column index."
        )
    _check_numbered_words(table, indices)
    if "" in names:
        note = f" ({table.row_note})" if table.row_note else ""
        raise RegionsError(f"{table.path}: no name in row {table.names.index('') + 1}{note}; give it one.")
    return Joined(names, NamesJoin(table.path, table.format, table.order), {})
