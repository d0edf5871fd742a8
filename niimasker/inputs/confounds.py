"""Confounds: the columns of a run's table that --regressors selects, and the table's measures of single volumes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from niimasker.errors import ConfoundsError, warn
from niimasker.inputs.ica_components import Preserved, read_preserved
from niimasker.inputs.joined_tables import JoinedTable, join_tables
from niimasker.inputs.motion_parameters import read_confounds
from niimasker.inputs.regressor_words import Source, choose_columns, find_components, find_unmatched
from niimasker.inputs.text_tables import ROW_NUMBERING, TextTable, check_length, is_number
from niimasker.inputs.volume_measures import VolumeMeasures, read_measures
from niimasker.options.settings import Settings


@dataclass(frozen=True, eq=False)
class Confounds:
    """One run's regressors.

    Attributes
    ----------
    names : tuple of str
        The regressors' names, in the order of the columns of `values`.
    values : ndarray of shape (n_volumes, n_regressors), float64
        In the table's units, not demeaned; missing (NaN) or infinite where the table has no finite number.
    measures : VolumeMeasures, optional
        The table's measures of single volumes.
    paths : Mapping of str to Path
        The table of each regressor, for messages.
    unmatched : tuple of str
        Patterns that match no column of this table; fMRIPrep writes some columns only for runs that need them.
    preserved : Preserved, optional
        Accepted components of an ICA, to which rejected ones among the regressors are orthogonalised.
    """

    names: tuple[str, ...]
    values: np.ndarray
    measures: VolumeMeasures | None = None
    paths: Mapping[str, Path] = field(default_factory=dict)
    unmatched: tuple[str, ...] = ()
    preserved: Preserved | None = None

    def complete(self, kept: np.ndarray) -> Confounds:
        """Return the confounds with a finite value at every kept volume, NaN where another volume has none.

        A value missing in the first row, as in derivatives, is taken from the next kept volume.

        Parameters
        ----------
        kept : ndarray of shape (n_volumes,), bool

        Raises
        ------
        ConfoundsError
            A value is missing or infinite at another kept volume.
        """
        values = self.values.copy()
        # Where the first volume is not used, its row is filled for the table of regressors only.
        following = np.flatnonzero(kept[1:]) + 1 if kept[:1].any() else np.arange(1, len(values))
        if len(following):
            values[0] = np.where(np.isnan(values[0]), values[following[0]], values[0])
        is_finite = np.isfinite(values)
        gaps = np.argwhere(~is_finite & kept[:, None]).tolist()
        if gaps:
            # A gap in the first row may come from the row that would fill it.
            row, column = min(gaps, key=lambda gap: (gap[0] == 0, gap))
            found = "has no value" if np.isnan(values[row, column]) else "is infinite"
            name = self.names[column]
            raise _make_cell_error(self.paths.get(name), name, row + 1, found)
        values = np.where(is_finite, values, np.nan)
        if self.preserved is None:
            return dataclasses.replace(self, values=values)
        preserved = self.preserved.complete(kept, dict(zip(self.names, values.T, strict=True)))
        return dataclasses.replace(self, values=values, preserved=preserved)


def load_confounds(
    table_paths: Sequence[Path],
    regressors: Sequence[str] | None,
    *,
    n_volumes: int,
    image_path: Path,
    kept: np.ndarray | None = None,
    high_pass: float | None = None,
    motion_format: str = Settings.motion_format,
) -> Confounds:
    """Return the regressors of one run, one row per volume of its image.

    Parameters
    ----------
    table_paths : sequence of Path
        Tables with a header, which are joined side by side: `.tsv` is split at tabs, `.csv` at commas, anything else at
        white space. fMRIPrep's JSON file is read only for CompCor; it lies beside the table of the components and has
        the same stem.
    regressors : sequence of str, optional
        Columns, patterns of columns, strategies and words, as `choose_columns` takes them. An empty sequence selects
        all columns, None selects none.
    n_volumes : int
        Volumes of the image, before any is discarded.
    image_path : Path
        The image, for messages.
    kept : ndarray of shape (n_volumes,), bool, optional
        The volumes that need a value; all by default.
    high_pass : float, optional
        Cut-off of the high-pass filter of signals and confounds, in Hz; without it CompCor's words warn.
    motion_format : str
        What a table without a header holds, as in `read_confounds`.

    Returns
    -------
    Confounds
        All rows of the table, with a value at every kept volume.

    Raises
    ------
    ConfoundsError
        A table cannot be read, does not fit the image or another table, has a gap at a kept volume, or lacks columns
        that `regressors` select.
    """
    tables = [read_confounds(path, motion_format) for path in table_paths]
    for table in tables:
        check_confounds_length(table, n_volumes, image_path)
    confounds = choose_confounds(join_tables(tables), regressors, image_path, high_pass=high_pass)
    return confounds.complete(np.ones(n_volumes, dtype=bool) if kept is None else kept)


def find_displacement_source(confounds: Confounds | None) -> str | None:
    """Return what a run's framewise displacement comes from, None if it is not known."""
    return None if confounds is None or confounds.measures is None else confounds.measures.displacement_source


def add_motion(confounds: Confounds | None, motion_path: Path, *, n_volumes: int, image_path: Path) -> Confounds | None:
    """Return confounds with framewise displacement from a table of motion, if they have none.

    Parameters
    ----------
    confounds : Confounds, optional
        None if the run has no confounds table.
    motion_path : Path
        XCP-D's table of motion, with a column framewise_displacement.

    Raises
    ------
    ConfoundsError
        The table of motion cannot be read or does not fit the image.
    """
    measures = None if confounds is None else confounds.measures
    if measures is not None and measures.framewise_displacement is not None:
        return confounds
    table = read_confounds(motion_path)
    noun = "table of motion"
    check_length(table, len(table.rows), ConfoundsError, n_volumes=n_volumes, image_path=image_path, noun=noun)
    found = read_measures(join_tables([table]))
    if found.framewise_displacement is None:
        return confounds
    if measures is None:
        measures = VolumeMeasures(str(motion_path), non_steady_state=np.zeros(n_volumes, dtype=bool))
    measures = dataclasses.replace(
        measures,
        framewise_displacement=found.framewise_displacement,
        motion_path=motion_path,
        motion=found.motion,
        displacement_source=f"{found.displacement_source} of {motion_path.name}",
    )
    return dataclasses.replace(confounds or Confounds((), np.empty((n_volumes, 0))), measures=measures)


def check_confounds_length(table: TextTable, n_volumes: int, image_path: Path) -> None:
    """Raise ConfoundsError unless a table has one row per volume of its image."""
    n_rows, noun = len(table.rows), "confounds table"
    check_length(table, n_rows, ConfoundsError, n_volumes=n_volumes, image_path=image_path, noun=noun)


def choose_confounds(
    table: JoinedTable, regressors: Sequence[str] | None, image_path: Path, *, high_pass: float | None = None
) -> Confounds:
    """Return the regressors of a run's tables, without checking their number of rows and gaps."""
    if regressors is None:
        return Confounds((), np.empty((table.n_rows, 0)), read_measures(table))
    source = Source(table.names, table.paths, image_path, high_pass)
    names = choose_columns(regressors, source) if regressors else _all_columns(table)
    values = _read_numbers(table, names)
    if not regressors:
        _warn_of_many_columns(table, names)
    preserved = read_preserved(find_components(regressors, source), table, names)
    unmatched = find_unmatched(regressors, source)
    return Confounds(names, values, read_measures(table), table.paths, unmatched, preserved)


def _read_numbers(table: JoinedTable, names: Sequence[str]) -> np.ndarray:
    """Return the named columns, NaN where the table has no value."""
    columns = [_read_column(table, name) for name in names]
    return np.column_stack(columns) if columns else np.empty((table.n_rows, 0))


def _read_column(table: JoinedTable, name: str) -> np.ndarray:
    try:
        return table.numbers(name)
    except ValueError as error:
        row, cell = next((row, cell) for row, cell in enumerate(table.column(name), start=1) if not is_number(cell))
        found = f"holds {cell[:40]!r}, which is not a number,"
        raise _make_cell_error(table.paths[name], name, row, found) from error


def _make_cell_error(path: Path | None, name: str, row: int, found: str) -> ConfoundsError:
    return ConfoundsError(
        f"{path}: column {name!r} {found} in row {row} ({ROW_NUMBERING}); "
        "correct the table or leave this column out of --regressors."
    )


def _all_columns(table: JoinedTable) -> tuple[str, ...]:
    if "" in table.names:
        nameless = table.origins[""]
        # A nameless column usually holds row numbers, which would act as a linear trend.
        raise ConfoundsError(
            f"{nameless.path}: column {nameless.names.index('') + 1} has no name; save the table without row numbers, "
            "or name the columns to use in --regressors."
        )
    return tuple(name for name in table.names if name not in table.origins[name].computed)


def _warn_of_many_columns(table: JoinedTable, names: Sequence[str]) -> None:
    n_volumes = table.n_rows
    if 4 * len(names) > n_volumes:
        warn(
            f"all {len(names)} columns of the confounds are used for {n_volumes} volumes, more than a quarter, which "
            "can remove the signal itself; choose columns or a strategy with --regressors."
        )
