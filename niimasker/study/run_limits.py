"""Which runs are excluded: those with more motion, or fewer minutes of kept volumes, than the options allow."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from niimasker.errors import ConfoundsError, SignalsError, TimingError
from niimasker.inputs.series import Series
from niimasker.inputs.volume_measures import VolumeMeasures
from niimasker.options.settings import Settings
from niimasker.signals.timeline import Timeline

# A repetition time that a header stores with 32 bits is off by up to 6e-8 of it.
_MINUTES_TOLERANCE = 1e-6


@dataclass(frozen=True)
class RunQuality:
    """What limits are compared with.

    Parameters
    ----------
    n_kept, n_censored
        Numbers of volumes; those that are discarded count in neither.
    t_r
        Repetition time in seconds; None if it is not known.
    mean_fd
        Mean framewise displacement in mm; NaN if it is not known.
    """

    n_kept: int
    n_censored: int
    t_r: float | None
    mean_fd: float


def find_exclusion(settings: Settings, quality: RunQuality) -> str | None:
    """Return why a run is excluded; None if it is within the limits, as far as what they need is known."""
    return "; ".join(_list_exceeded(settings, quality)) or None


def _list_exceeded(settings: Settings, quality: RunQuality) -> Iterator[str]:
    if settings.min_minutes is not None and quality.t_r is not None:
        minutes = quality.n_kept * quality.t_r / 60
        if minutes < settings.min_minutes * (1 - _MINUTES_TOLERANCE):
            limit = settings.min_minutes
            yield f"only {format_beside(minutes, limit)} min of volumes are kept, below --min_minutes {limit:g}"
    if settings.max_mean_fd is not None and quality.mean_fd > settings.max_mean_fd:
        limit = settings.max_mean_fd
        yield f"its mean FD, {format_beside(quality.mean_fd, limit)} mm, is above --max_mean_fd {limit:g}"
    n_volumes = quality.n_kept + quality.n_censored
    if settings.max_censored is not None and n_volumes and quality.n_censored / n_volumes > settings.max_censored:
        share, limit = format_beside(quality.n_censored / n_volumes, settings.max_censored), settings.max_censored
        yield f"its share of censored volumes, {share}, is above --max_censored {limit:g}"


def format_beside(value: float, limit: float) -> str:
    """Return a number with three digits, or with as many as show on which side of the limit it is."""
    texts = (f"{value:.{n_digits}g}" for n_digits in range(3, 18))
    return next((text for text in texts if (float(text) > limit) == (value > limit) and float(text) != limit), "")


def measure_quality(timeline: Timeline, t_r: float | None, measures: VolumeMeasures | None) -> RunQuality:
    """Return what a run's limits are compared with."""
    return RunQuality(timeline.n_kept, timeline.n_censored, t_r, measure_mean_fd(measures, timeline))


def measure_mean_fd(measures: VolumeMeasures | None, timeline: Timeline) -> float:
    """Return the mean framewise displacement in mm of the volumes that are not discarded, NaN if it is not known."""
    return measure_mean_fd_of(measures, np.arange(timeline.n_read) >= timeline.n_discarded)


def measure_mean_fd_of(measures: VolumeMeasures | None, selected: np.ndarray) -> float:
    """Return the mean framewise displacement in mm of the selected volumes, NaN if it is not known."""
    measured = _select_fd(measures, selected)
    return float(measured.mean()) if len(measured) else math.nan


def measure_max_fd(measures: VolumeMeasures | None, timeline: Timeline) -> float:
    """Return the highest framewise displacement in mm of the volumes that are not discarded, NaN if it is not known."""
    measured = _select_fd(measures, np.arange(timeline.n_read) >= timeline.n_discarded)
    return float(measured.max()) if len(measured) else math.nan


def _select_fd(measures: VolumeMeasures | None, selected: np.ndarray) -> np.ndarray:
    """Return the framewise displacement of selected volumes, without those where it is not known."""
    if measures is None or measures.framewise_displacement is None:
        return np.empty(0)
    displacement = measures.framewise_displacement
    return np.asarray(displacement[selected & np.isfinite(displacement)])


def measure_minutes(n_volumes: int, t_r: float | None) -> float:
    """Return the minutes that volumes last, NaN if the repetition time is not known."""
    # Rounded, because a header stores the repetition time with 32 bits: 300 volumes of 1 s are 5 minutes, not fewer.
    return math.nan if t_r is None else round(n_volumes * t_r / 60, 4)


def check_t_r(settings: Settings, series: Series, t_r: float | None) -> None:
    """Raise SignalsError if --min_minutes is given and the repetition time is not known."""
    if settings.min_minutes is None or t_r is not None:
        return
    if series.volume_times is not None:
        raise TimingError(
            f"{series.path}: VolumeTiming in the image's JSON file gives times of volumes and no repetition time, "
            "which --min_minutes needs; give --t_r if the volumes are evenly spaced, or leave --min_minutes out."
        )
    raise SignalsError(
        f"{series.path}: neither its header nor a JSON file beside it gives a usable repetition time; "
        "--min_minutes needs one: give --t_r in seconds."
    )


def check_mean_fd(settings: Settings, series: Series, quality: RunQuality, measures: VolumeMeasures | None) -> None:
    """Raise ConfoundsError if --max_mean_fd is given and the run's framewise displacement is not known."""
    if settings.max_mean_fd is None or not math.isnan(quality.mean_fd):
        return
    found = "it has no confounds table" if measures is None else f"{measures.tables} has none"
    raise ConfoundsError(
        f"{series.path}: its framewise displacement is not known ({found}), so --max_mean_fd cannot judge this run; "
        "give a table with a column framewise_displacement, or leave --max_mean_fd or this run out."
    )
