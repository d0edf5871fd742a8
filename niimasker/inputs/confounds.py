"""Confounds: the columns of one run's table that named columns or a strategy choose."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from niimasker.errors import ConfoundsError, warn
from niimasker.inputs.regressor_words import Source, choose_columns, find_unmatched
from niimasker.inputs.text_tables import HOW_ROWS_COUNT, TextTable, check_length, parse_number, read_text_table

# What fMRIPrep calls the measures by which volumes are censored, 1.2 and later first, then 1.0 and 1.1.
FRAMEWISE_DISPLACEMENT = ("framewise_displacement", "FramewiseDisplacement")
STD_DVARS = ("std_dvars", "stdDVARS")
_NON_STEADY_STATE = ("non_steady_state_outlier", "NonSteadyStateOutlier")


@dataclass(frozen=True, eq=False)
class ScanMarks:
    """What a table of confounds says of single volumes.

    Parameters
    ----------
    path
        The table, for messages.
    framewise_displacement, std_dvars
        In mm, and in standard deviations, of shape (n_volumes,); NaN in the first row, None without such a column.
    non_steady_state
        Whether fMRIPrep marks a volume as scanned before the steady state, bool of shape (n_volumes,).
    """

    path: Path
    framewise_displacement: np.ndarray | None = None
    std_dvars: np.ndarray | None = None
    non_steady_state: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=bool))

    @property
    def n_non_steady(self) -> int:
        """The number of leading volumes before the steady state."""
        return len(self.non_steady_state) if self.non_steady_state.all() else int(np.argmin(self.non_steady_state))


@dataclass(frozen=True, eq=False)
class Confounds:
    """One run's regressors.

    Attributes
    ----------
    names : tuple of str
        The regressors' names, in the order of the columns of `values`.
    values : ndarray of shape (n_volumes, n_regressors), float64
        Finite, in the table's units, column means not removed.
    marks : ScanMarks, optional
        What the table says of the volumes themselves.
    lacks_first : ndarray of shape (n_regressors,), bool, optional
        Which regressors have no value of their own in the first row.
    unmatched : tuple of str
        Patterns that no column of this table matches: some columns are written only for runs that need them.
    """

    names: tuple[str, ...]
    values: np.ndarray
    marks: ScanMarks | None = None
    lacks_first: np.ndarray | None = None
    unmatched: tuple[str, ...] = ()

    def filled(self, kept: np.ndarray) -> np.ndarray:
        """Return the values with those that the table lacks in the first row taken from the next volume that is kept.

        Parameters
        ----------
        kept : ndarray of shape (n_volumes,), bool
        """
        following = np.flatnonzero(kept[1:]) + 1
        if self.lacks_first is None or not kept[0] or not len(following):
            return self.values
        first = np.where(self.lacks_first, self.values[following[0]], self.values[0])
        return np.vstack([first, self.values[1:]])


def load_confounds(
    table_path: Path, regressors: Sequence[str] | None, *, n_volumes: int, image_path: Path
) -> Confounds:
    """Return the regressors of one run, one row per volume of its image.

    Parameters
    ----------
    table_path : Path
        Table with a header: `.tsv` is split at tabs, `.csv` at commas, anything else at white space. fMRIPrep's JSON is
        looked for beside it under the same stem, and only for CompCor.
    regressors : sequence of str, optional
        Columns, patterns of columns, strategies and words, as `choose_columns` takes them; without any all columns,
        with None no column.
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
    table = read_confounds(table_path)
    check_confounds_length(table, n_volumes, image_path)
    return choose_confounds(table, regressors, image_path)


def read_confounds(table_path: Path) -> TextTable:
    """Return a table's text; raise ConfoundsError when it is no table."""
    return read_text_table(table_path, ConfoundsError, "a text table with a header and one row per volume")


def check_confounds_length(table: TextTable, n_volumes: int, image_path: Path) -> None:
    """Raise ConfoundsError when a table has not one row for each volume of its image."""
    n_rows, noun = len(table.rows), "confounds table"
    check_length(table, n_rows, ConfoundsError, n_volumes=n_volumes, image_path=image_path, noun=noun)


def choose_confounds(table: TextTable, regressors: Sequence[str] | None, image_path: Path) -> Confounds:
    """Return the regressors that a table holds, as `load_confounds` does, whatever the number of its rows."""
    if regressors is None:
        return Confounds((), np.empty((len(table.rows), 0)), _read_marks(table))
    source = Source(table.names, table.path, image_path)
    names = choose_columns(regressors, source) if regressors else _name_all(table)
    numbers = _read_numbers(table, names)
    values = _fill_first_row(table, names, numbers)
    if not regressors:
        _warn_of_many(table, names)
    lacks_first = np.isnan(numbers[0]) if len(numbers) else None
    return Confounds(names, values, _read_marks(table), lacks_first, find_unmatched(regressors, source))


def _read_marks(table: TextTable) -> ScanMarks:
    marking = [name for name in table.names if name.startswith(_NON_STEADY_STATE)]
    is_marked = np.zeros(len(table.rows), dtype=bool)
    for name in marking:
        is_marked |= _read_leniently(table, name) == 1
    return ScanMarks(
        table.path, _read_measure(table, FRAMEWISE_DISPLACEMENT), _read_measure(table, STD_DVARS), is_marked
    )


def _read_measure(table: TextTable, spellings: Sequence[str]) -> np.ndarray | None:
    name = next((name for name in spellings if name in table.names), None)
    return None if name is None else _read_leniently(table, name)


def _read_leniently(table: TextTable, name: str) -> np.ndarray:
    """Return a column, NaN where it holds no finite number: only who censors by it needs all of them."""
    values = np.full(len(table.rows), np.nan)
    for row, cell in enumerate(table.column(name)):
        with contextlib.suppress(ValueError):
            values[row] = parse_number(cell)
    return np.where(np.isfinite(values), values, np.nan)


def _read_numbers(table: TextTable, names: Sequence[str]) -> np.ndarray:
    """Return the named columns, NaN where the table has no value."""
    columns = [_read_column(table, name) for name in names]
    return np.column_stack(columns) if columns else np.empty((len(table.rows), 0))


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


def _name_all(table: TextTable) -> tuple[str, ...]:
    if "" in table.names:
        # Saved row numbers would be taken for a linear trend.
        raise ConfoundsError(
            f"{table.path}: column {table.names.index('') + 1} has no name; save the table without row numbers, "
            "or name the columns to use in --regressors."
        )
    return table.names


def _warn_of_many(table: TextTable, names: Sequence[str]) -> None:
    n_volumes = len(table.rows)
    if 4 * len(names) > n_volumes:
        warn(
            f"all {len(names)} columns of the confounds are used for {n_volumes} volumes, more than a quarter, which "
            "can remove the signal itself; choose columns or a strategy with --regressors."
        )
