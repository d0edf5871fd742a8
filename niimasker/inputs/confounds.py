"""Confounds: the columns of one run's table that named columns or a strategy choose."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from niimasker.errors import ConfoundsError, nearest, shorten, warn
from niimasker.inputs.strategies import FLEXIBLE_WORDS, STRATEGIES, choose_by_strategy, combine_words
from niimasker.inputs.text_tables import HOW_ROWS_COUNT, TextTable, parse_number, read_text_table


@dataclass(frozen=True, eq=False)
class Confounds:
    """One run's regressors.

    Attributes
    ----------
    names : tuple of str
        The regressors' names, in the order of the columns of `values`.
    values : ndarray of shape (n_volumes, n_regressors), float64
        Finite, in the table's units, column means not removed.
    """

    names: tuple[str, ...]
    values: np.ndarray


def load_confounds(table_path: Path, regressors: Sequence[str], *, n_volumes: int, image_path: Path) -> Confounds:
    """Return the regressors of one run, one row per volume of its image.

    Parameters
    ----------
    table_path : Path
        Table with a header: `.tsv` is split at tabs, `.csv` at commas, anything else at white space. fMRIPrep's JSON is
        looked for beside it under the same stem, and only for CompCor.
    regressors : sequence of str
        Names of columns; or one of `STRATEGIES`; or some of `FLEXIBLE_WORDS`; or nothing for all columns.
    n_volumes : int
        Volumes of the image, before any is discarded.
    image_path : Path
        The image, for messages.

    Returns
    -------
    Confounds
        All rows of the table. A value missing in the first row (derivatives have none) is the next row's.

    Raises
    ------
    ConfoundsError
        The table cannot be read, does not fit the image, or lacks what `regressors` ask for.
    """
    table = read_text_table(table_path, ConfoundsError, "a text table with a header and one row per volume")
    _check_length(table, n_volumes, image_path)
    names = _choose_columns(table, tuple(dict.fromkeys(regressors)))
    values = _fill_first_row(table, names, _read_numbers(table, names))
    if not regressors:
        _warn_of_many(table, names)
    return Confounds(names, values)


def _check_length(table: TextTable, n_volumes: int, image_path: Path) -> None:
    if len(table.rows) != n_volumes:
        raise ConfoundsError(
            f"{table.path} has {len(table.rows)} rows but {image_path} has {n_volumes} volumes; "
            "each confounds table must come from the same run as its image."
        )


def _read_numbers(table: TextTable, names: Sequence[str]) -> np.ndarray:
    """Return the named columns, NaN where the table has no value."""
    return np.column_stack([_read_column(table, name) for name in names])


def _read_column(table: TextTable, name: str) -> np.ndarray:
    position = table.names.index(name)
    values = np.empty(len(table.rows))
    for row, cells in enumerate(table.rows, start=1):
        try:
            values[row - 1] = parse_number(cells[position])
        except ValueError as error:
            raise _make_cell_error(table, name, row, f"holds {cells[position][:40]!r}, which is no number,") from error
        if np.isinf(values[row - 1]):
            raise _make_cell_error(table, name, row, "is infinite")
    return values


def _fill_first_row(table: TextTable, names: Sequence[str], values: np.ndarray) -> np.ndarray:
    """Return the values with those missing in the first row taken from the second; raise at any other gap."""
    n_excused = 1 if len(values) > 1 else 0
    gaps = np.argwhere(np.isnan(values[n_excused:]))
    if len(gaps):
        row, column = gaps[0]
        raise _make_cell_error(table, names[column], row + n_excused + 1, "has no value")
    if not n_excused:
        return values
    return np.vstack([np.where(np.isnan(values[0]), values[1], values[0]), values[1:]])


def _make_cell_error(table: TextTable, name: str, row: int, found: str) -> ConfoundsError:
    return ConfoundsError(
        f"{table.path}: column {name!r} {found} in row {row} ({HOW_ROWS_COUNT}); "
        "correct the table or leave this column out of --regressors."
    )


def _choose_columns(table: TextTable, words: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of the columns that the words stand for."""
    if not words:
        return _name_all(table)
    if set(words) <= set(table.names):
        return words
    label = " ".join(words)
    if label in STRATEGIES:
        return choose_by_strategy(table.names, table.path, label=label, arguments=STRATEGIES[label])
    if set(words) <= set(FLEXIBLE_WORDS):
        return choose_by_strategy(table.names, table.path, label=label, arguments=combine_words(words))
    raise ConfoundsError(_explain_words(table, words))


def _name_all(table: TextTable) -> tuple[str, ...]:
    if "" in table.names:
        # Saved row numbers would be taken for a linear trend.
        raise ConfoundsError(
            f"{table.path}: column {table.names.index('') + 1} has no name; save the table without row numbers, "
            "or name the columns to use in --regressors."
        )
    return table.names


def _explain_words(table: TextTable, words: Sequence[str]) -> str:
    """Return why the words are neither columns, nor one strategy, nor flexible words."""
    columns = [word for word in words if word in table.names]
    others = [word for word in words if word not in columns]
    known = [*STRATEGIES, *FLEXIBLE_WORDS, *filter(None, table.names)]
    unknown = [_add_nearest(word, known) for word in others if word not in known]
    if unknown:
        found = f"has unknown words: {', '.join(unknown)}"
    elif columns:
        found = f"mixes columns ({', '.join(columns)}) with words for strategies ({', '.join(others)})"
    else:
        found = f"mixes strategies ({', '.join(others)})"
    return (
        f"{table.path}: --regressors {found}; it takes columns ({shorten(table.names)}), or one strategy "
        f"({', '.join(STRATEGIES)}), or flexible words ({', '.join(FLEXIBLE_WORDS)})."
    )


def _add_nearest(word: str, known: Iterable[str]) -> str:
    name = nearest(word, known)
    return repr(word) if name is None else f"{word!r} (nearest: {name})"


def _warn_of_many(table: TextTable, names: Sequence[str]) -> None:
    n_volumes = len(table.rows)
    if 4 * len(names) > n_volumes:
        warn(
            f"{table.path}: all {len(names)} columns are used for {n_volumes} volumes, more than a quarter, which can "
            "remove the signal itself; choose columns or a strategy with --regressors."
        )
