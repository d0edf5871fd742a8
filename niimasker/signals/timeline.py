"""The discarded, censored and kept volumes of a run, decided here for all other modules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from niimasker.errors import ConfoundsError, ImageError, TooFewVolumesError, count, warn
from niimasker.inputs.framewise_displacement import is_computed
from niimasker.inputs.series import Series
from niimasker.inputs.text_tables import ROW_NUMBERING
from niimasker.inputs.volume_measures import FRAMEWISE_DISPLACEMENT, STD_DVARS, VolumeMeasures
from niimasker.options.settings import Settings

# The reasons for censoring a volume, in the order of the columns of _outliers.tsv.
REASONS = ("non_steady_state", "framewise_displacement", "std_dvars", "neighbour", "segment", "user")

# The options with the thresholds of --scrub, by reason.
_OPTIONS = {"framewise_displacement": "fd_threshold", "std_dvars": "std_dvars_threshold"}


@dataclass(frozen=True, eq=False)
class Timeline:
    """The discarded, censored and kept volumes of a run.

    Parameters
    ----------
    n_read
        Number of volumes in the file.
    n_discarded
        Number of first volumes that are removed before anything else.
    outliers
        For each reason in `REASONS`, the volumes it censors, bool of shape (n_read,); False for discarded volumes.
    """

    n_read: int
    n_discarded: int
    outliers: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def censored(self) -> np.ndarray:
        """Which volumes are censored, bool of shape (n_read,)."""
        return np.asarray(np.any([np.zeros(self.n_read, dtype=bool), *self.outliers.values()], axis=0))

    @property
    def kept(self) -> np.ndarray:
        """Which volumes are kept, bool of shape (n_read,)."""
        return np.asarray(~self.censored & (np.arange(self.n_read) >= self.n_discarded))

    @property
    def n_censored(self) -> int:
        """The number of censored volumes."""
        return int(np.count_nonzero(self.censored))

    @property
    def n_kept(self) -> int:
        """The number of volumes that signals are extracted from."""
        return self.n_read - self.n_discarded - self.n_censored


def mark_volumes(
    series: Series, settings: Settings, measures: VolumeMeasures | None = None, user: np.ndarray | None = None
) -> Timeline:
    """Return a run's timeline, even if no volume is kept.

    Parameters
    ----------
    measures
        Motion and steady-state measures from the run's confounds table; None without a table.
    user
        Which volumes --censor_file censors, bool of shape (n_volumes,).

    Raises
    ------
    ImageError
        All volumes are discarded.
    ConfoundsError
        The table lacks a column or value that censoring needs.
    TooFewVolumesError
        The confounds mark all volumes as scanned before the steady state.
    """
    n_discarded = _count_discarded(series, settings, measures)
    outliers = {} if measures is None else _find_outliers(settings, measures)
    if user is not None:
        outliers["user"] = user
    after_discarded = np.arange(series.n_volumes) >= n_discarded
    outliers = {reason: censors & after_discarded for reason, censors in outliers.items()}
    timeline = Timeline(series.n_volumes, n_discarded, outliers)
    if measures is not None:
        _check_gaps(settings, measures, timeline.censored, n_discarded)
    if settings.scrubs:
        outliers |= _find_neighbours(settings, outliers, after_discarded)
        censored = Timeline(series.n_volumes, n_discarded, outliers).censored[n_discarded:]
        short = find_short_segments(censored, settings.scrub_segment)
        in_full = np.concatenate([np.zeros(n_discarded, dtype=bool), short])
        timeline = Timeline(series.n_volumes, n_discarded, {**outliers, "segment": in_full})
    return timeline


def _count_discarded(series: Series, settings: Settings, measures: VolumeMeasures | None) -> int:
    n_marked = measures.n_non_steady if measures else 0
    n_discarded = n_marked if settings.discard_scans == "auto" else int(settings.discard_scans)
    if n_discarded >= series.n_volumes and settings.discard_scans == "auto":
        raise TooFewVolumesError(
            f"{series.path}: its confounds mark all {series.n_volumes} volumes as non_steady_state_outlier; "
            "give --discard_scans a number, or leave this run out."
        )
    if n_discarded >= series.n_volumes:
        raise ImageError(
            f"{series.path} has {count(series.n_volumes, 'volume')}; --discard_scans {n_discarded} leaves none of them."
        )
    if n_discarded < n_marked and "non_steady_state" not in settings.regressors:
        warn(
            f"--discard_scans {n_discarded} keeps volumes before the steady state: the confounds mark "
            f"{count(n_marked, 'first volume')} as non_steady_state_outlier; see --discard_scans auto."
        )
    return n_discarded


def _find_outliers(settings: Settings, measures: VolumeMeasures) -> dict[str, np.ndarray]:
    outliers = {}
    if "non_steady_state" in settings.regressors:
        outliers["non_steady_state"] = measures.non_steady_state
    for measure in _list_measures(settings, measures):
        outliers[measure.reason] = measure.values > measure.threshold
    return outliers


@dataclass(frozen=True, eq=False)
class _Measure:
    """A measure that --scrub compares with a threshold, NaN where it is not known; its source is for messages."""

    reason: str
    source: str
    values: np.ndarray
    threshold: float


def _list_measures(settings: Settings, measures: VolumeMeasures) -> list[_Measure]:
    """Return the measures that --scrub needs; raise ConfoundsError if the table has no such column."""
    found = measures.displacement_source
    displacement = f"framewise displacement, computed from {found}," if is_computed(found) else str(found)
    columns = {
        FRAMEWISE_DISPLACEMENT: (displacement, measures.framewise_displacement, settings.fd_threshold),
        STD_DVARS: (f"column {STD_DVARS[0]}", measures.std_dvars, settings.std_dvars_threshold),
    }
    listed = []
    for spellings, (source, values, threshold) in columns.items():
        if not (settings.scrubs and threshold):
            continue
        if values is None:
            motion = ", and no motion parameters (trans_x, ..., rot_z)" if spellings == FRAMEWISE_DISPLACEMENT else ""
            raise ConfoundsError(
                f"{measures.tables} has no column {spellings[0]} ({spellings[1]} before fMRIPrep 1.2){motion}, which "
                f"--scrub needs; --{_OPTIONS[spellings[0]]} 0 scrubs without it, --censor_file takes volumes of your "
                "own."
            )
        listed.append(_Measure(spellings[0], source, values, threshold))
    return listed


def _check_gaps(settings: Settings, measures: VolumeMeasures, censored: np.ndarray, n_discarded: int) -> None:
    """Raise ConfoundsError where a measure is not known at a volume that nothing censors."""
    # The first volume has no volume before it to compare with.
    is_judged = ~censored & (np.arange(len(censored)) >= max(1, n_discarded))
    for measure in _list_measures(settings, measures):
        missing = np.flatnonzero(np.isnan(measure.values) & is_judged)
        if len(missing):
            raise ConfoundsError(
                f"{measures.tables}: {measure.source} has no number in row {missing[0] + 1} ({ROW_NUMBERING}), so "
                f"--scrub cannot judge that volume; correct the table, or give --{_OPTIONS[measure.reason]} 0 to scrub "
                "without it."
            )


def _find_neighbours(
    settings: Settings, outliers: Mapping[str, np.ndarray], after_discarded: np.ndarray
) -> dict[str, np.ndarray]:
    """Return the neighbours of the volumes that a measure censors; nothing if none are to be censored."""
    if not (settings.censor_before or settings.censor_after):
        return {}
    by_measure = np.any([outliers[reason] for reason in _OPTIONS if reason in outliers], axis=0)
    neighbours = find_neighbours(by_measure, n_before=settings.censor_before, n_after=settings.censor_after)
    return {"neighbour": neighbours & after_discarded}


def find_neighbours(censored: np.ndarray, *, n_before: int, n_after: int) -> np.ndarray:
    """Return which volumes that are not censored are among those before and after a censored one, bool.

    After Power et al. 2012 (doi:10.1016/j.neuroimage.2011.10.018), who censored 1 volume before and 2 after.
    """
    is_near = np.zeros_like(censored)
    for volume in np.flatnonzero(censored):
        is_near[max(0, volume - n_before) : volume + n_after + 1] = True
    return np.asarray(is_near & ~censored)


def find_short_segments(censored: np.ndarray, min_length: int) -> np.ndarray:
    """Return which volumes that are not censored lie in a segment shorter than `min_length` volumes, bool.

    A run without censored volumes has no short segments, as in nilearn's `load_confounds`. After Power et al. 2014
    (doi:10.1016/j.neuroimage.2013.08.048).
    """
    is_short = np.zeros_like(censored)
    if not censored.any():
        return is_short
    edges = np.flatnonzero(np.diff(np.concatenate([[True], censored, [True]])))
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        is_short[start:stop] = stop - start < min_length
    return is_short


def check_kept(series: Series, timeline: Timeline) -> None:
    """Raise TooFewVolumesError if all volumes are censored."""
    if timeline.n_kept:
        return
    ways_out = {
        "segment": "raise the thresholds, lower --scrub_segment",
        "neighbour": "lower --censor_before and --censor_after",
        "user": "correct its --censor_file (1 means censored, with --censor_keep kept)",
    }
    helpful = [way_out for reason, way_out in ways_out.items() if reason in timeline.outliers]
    counts = ", ".join(f"{reason} {np.count_nonzero(is_censored)}" for reason, is_censored in timeline.outliers.items())
    raise TooFewVolumesError(
        f"{series.path}: all {timeline.n_read - timeline.n_discarded} volumes that are not discarded are censored "
        f"({counts}); {', '.join([*helpful, 'or leave this run out' if helpful else 'leave this run out'])}."
    )
