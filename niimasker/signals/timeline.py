"""The discarded, censored and kept volumes of a run, decided here for all other modules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from niimasker.errors import ConfoundsError, ImageError, TooFewVolumesError, count, warn
from niimasker.inputs.confounds import FRAMEWISE_DISPLACEMENT, STD_DVARS, VolumeMeasures
from niimasker.inputs.series import Series
from niimasker.inputs.text_tables import ROW_NUMBERING
from niimasker.options.settings import Settings

# The reasons for censoring a volume, in the order of the columns of _outliers.tsv.
REASONS = ("non_steady_state", "framewise_displacement", "std_dvars", "segment", "user")


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


def make_timeline(
    series: Series, settings: Settings, measures: VolumeMeasures | None = None, user: np.ndarray | None = None
) -> Timeline:
    """Return a run's timeline.

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
        All volumes are censored.
    """
    n_discarded = _count_discarded(series, settings, measures)
    outliers = {} if measures is None else _find_outliers(settings, measures, n_discarded)
    if user is not None:
        outliers["user"] = user
    after_discarded = np.arange(series.n_volumes) >= n_discarded
    outliers = {reason: censors & after_discarded for reason, censors in outliers.items()}
    timeline = Timeline(series.n_volumes, n_discarded, outliers)
    if settings.scrubs:
        short = find_short_segments(timeline.censored[n_discarded:], settings.scrub_segment)
        in_full = np.concatenate([np.zeros(n_discarded, dtype=bool), short])
        timeline = Timeline(series.n_volumes, n_discarded, {**outliers, "segment": in_full})
    _check_kept(series, timeline)
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


def _find_outliers(settings: Settings, measures: VolumeMeasures, n_discarded: int) -> dict[str, np.ndarray]:
    outliers = {}
    if "non_steady_state" in settings.regressors:
        outliers["non_steady_state"] = measures.non_steady_state
    if settings.scrubs:
        for reason, values, threshold, spellings in (
            ("framewise_displacement", measures.framewise_displacement, settings.fd_threshold, FRAMEWISE_DISPLACEMENT),
            ("std_dvars", measures.std_dvars, settings.std_dvars_threshold, STD_DVARS),
        ):
            if threshold:
                outliers[reason] = _check_measure(values, spellings, measures, n_discarded) > threshold
    return outliers


def _check_measure(
    values: np.ndarray | None, spellings: tuple[str, ...], measures: VolumeMeasures, n_discarded: int
) -> np.ndarray:
    option = "fd_threshold" if spellings == FRAMEWISE_DISPLACEMENT else "std_dvars_threshold"
    if values is None:
        raise ConfoundsError(
            f"{measures.path} has no column {spellings[0]} ({spellings[1]} before fMRIPrep 1.2), which --scrub needs; "
            f"--{option} 0 scrubs without it, --censor_file takes volumes of your own."
        )
    # The first volume has no volume before it to compare with.
    n_without = max(1, n_discarded)
    missing = np.flatnonzero(np.isnan(values[n_without:]))
    if len(missing):
        row = missing[0] + n_without + 1
        raise ConfoundsError(
            f"{measures.path}: column {spellings[0]} has no number in row {row} ({ROW_NUMBERING}), so --scrub cannot "
            f"judge that volume; correct the table, or give --{option} 0 to scrub without this column."
        )
    return values


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


def _check_kept(series: Series, timeline: Timeline) -> None:
    if timeline.n_kept:
        return
    ways_out = {
        "segment": "raise the thresholds, lower --scrub_segment",
        "user": "correct its --censor_file (1 means censored)",
    }
    helpful = [way_out for reason, way_out in ways_out.items() if reason in timeline.outliers]
    counts = ", ".join(f"{reason} {np.count_nonzero(is_censored)}" for reason, is_censored in timeline.outliers.items())
    raise TooFewVolumesError(
        f"{series.path}: all {timeline.n_read - timeline.n_discarded} volumes that are not discarded are censored "
        f"({counts}); {', '.join([*helpful, 'or leave this run out' if helpful else 'leave this run out'])}."
    )
