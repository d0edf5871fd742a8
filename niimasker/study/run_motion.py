"""The motion of a run that cannot be processed, as far as its tables can be read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from niimasker.errors import NiimaskerError, count, record_warnings
from niimasker.inputs.censoring import load_censoring
from niimasker.inputs.confounds import Confounds
from niimasker.inputs.framewise_displacement import complete_measures
from niimasker.inputs.joined_tables import join_tables
from niimasker.inputs.motion_parameters import read_confounds
from niimasker.inputs.runs import Run
from niimasker.inputs.series import Series
from niimasker.inputs.volume_measures import VolumeMeasures, read_measures
from niimasker.options.settings import Settings
from niimasker.signals.motion_filter import filter_confounds, make_motion_filter
from niimasker.signals.timeline import Timeline, mark_volumes


@dataclass(frozen=True, eq=False)
class RunMotion:
    """The motion of a run, and what becomes of its volumes.

    Parameters
    ----------
    measures
        With framewise displacement, whether or not its rows are as many as the image's volumes.
    timeline
        The discarded and censored volumes; None if they are not known. Then `note` says why.
    """

    measures: VolumeMeasures
    timeline: Timeline | None
    note: str = ""

    @property
    def displacement(self) -> np.ndarray:
        """Framewise displacement in mm, of shape (n_rows,)."""
        assert self.measures.framewise_displacement is not None
        return self.measures.framewise_displacement


def find_motion(run: Run, settings: Settings, series: Series | None) -> RunMotion | None:
    """Return a run's motion; None if no table of the run that can be read has it.

    Parameters
    ----------
    series
        None if the image's header cannot be read.
    """
    # What is wrong with the run has been reported.
    with record_warnings():
        measures = next(_read_all_measures(run, settings), None)
        if measures is None:
            return None
        if series is None:
            return RunMotion(measures, None, "the image's header cannot be read.")
        n_rows = len(measures.non_steady_state)
        if n_rows != series.n_volumes:
            found = f"the table has {count(n_rows, 'row')} and the image {count(series.n_volumes, 'volume')}."
            return RunMotion(measures, None, found)
        try:
            measures = _filter_motion(measures, settings, series)
            return RunMotion(measures, mark_volumes(series, settings, measures, _load_censoring(run, settings, series)))
        except NiimaskerError as error:
            return RunMotion(measures, None, str(error))


def _filter_motion(measures: VolumeMeasures, settings: Settings, series: Series) -> VolumeMeasures:
    """Return the measures that censoring would use: with --motion_filter those of filtered motion parameters."""
    motion_filter = make_motion_filter(settings, series, settings.t_r or series.t_r)
    if motion_filter is None:
        return measures
    without_regressors = Confounds((), np.empty((series.n_volumes, 0)), measures)
    filtered = filter_confounds(without_regressors, motion_filter, settings.head_radius).measures
    assert filtered is not None
    return filtered


def _load_censoring(run: Run, settings: Settings, series: Series) -> np.ndarray | None:
    if run.censor_path is None:
        return None
    n_volumes, image_path = series.n_volumes, run.image_path
    return load_censoring(run.censor_path, n_volumes=n_volumes, image_path=image_path, means_kept=settings.censor_keep)


def _read_all_measures(run: Run, settings: Settings) -> Iterator[VolumeMeasures]:
    """Yield the measures of the tables together, then of each table alone, as far as they have motion."""
    together = [run.confounds_paths] if run.confounds_paths else []
    alone = [[path] for path in (*run.confounds_paths, *([run.motion_path] if run.motion_path else []))]
    for paths in [*together, *alone]:
        try:
            measures = _read_measures(paths, settings)
        except NiimaskerError:
            continue
        if measures.framewise_displacement is not None and np.isfinite(measures.framewise_displacement).any():
            yield measures


def _read_measures(paths: Sequence[Path], settings: Settings) -> VolumeMeasures:
    tables = [read_confounds(path, settings.motion_format) for path in paths]
    measures = read_measures(join_tables(tables))
    # A head radius needs motion parameters, which a table may lack that has framewise displacement.
    head_radius = settings.head_radius if measures.motion is not None else None
    return complete_measures(measures, head_radius)
