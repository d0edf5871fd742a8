"""Where the numbers come from by which a run is judged, or why they are not known, in words."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from niimasker.errors import count
from niimasker.inputs.confounds import Confounds
from niimasker.inputs.framewise_displacement import is_computed
from niimasker.inputs.runs import Run
from niimasker.inputs.volume_measures import VolumeMeasures
from niimasker.signals.filtering import Cleaning
from niimasker.signals.nuisance import Nuisance, find_used_volumes, list_removed
from niimasker.signals.timeline import Timeline
from niimasker.study.plans import Plan
from niimasker.study.run_limits import measure_max_fd, measure_mean_fd_of

_T_R_SOURCES = {"t_r": "--t_r", "sidecar": "the JSON file beside the image", "header": "the image's header"}


@dataclass(frozen=True)
class NumberOrigins:
    """Where minutes, framewise displacement (FD) and degrees of freedom of a run come from.

    Parameters
    ----------
    n_spiked
        Number of kept volumes that a spike regressor removes.
    max_fd
        The highest framewise displacement in mm of the volumes that are not discarded; None if it is not known.
    """

    n_spiked: int
    minutes: str
    displacement: str
    degrees_of_freedom: str
    max_fd: float | None


def find_origins(plan: Plan, confounds: Confounds | None, nuisance: Nuisance) -> NumberOrigins:
    """Return where the numbers of a run come from."""
    measures = None if confounds is None else confounds.measures
    max_fd = measure_max_fd(measures, plan.timeline)
    has_volume_times = plan.series.volume_times is not None
    return NumberOrigins(
        n_spiked=nuisance.n_spiked,
        minutes=_describe_minutes(plan.cleaning, plan.timeline, nuisance.n_spiked, has_volume_times=has_volume_times),
        displacement=describe_displacement(plan.run, measures, find_used_volumes(plan.timeline, nuisance)),
        degrees_of_freedom=(
            f"left of {count(plan.timeline.n_kept, 'kept volume')} after {list_removed(nuisance, plan.cleaning)}"
        ),
        max_fd=None if math.isnan(max_fd) else max_fd,
    )


def _describe_minutes(cleaning: Cleaning, timeline: Timeline, n_spiked: int, *, has_volume_times: bool) -> str:
    if cleaning.t_r is not None:
        used = count(timeline.n_kept - n_spiked, "volume")
        spiked = f"; {n_spiked:,} more are removed by spike regressors" if n_spiked else ""
        source = _T_R_SOURCES.get(cleaning.t_r_source or "", "")
        return f"{used} of {cleaning.t_r:.4g} s" + (f", TR from {source}" if source else "") + spiked
    if has_volume_times:
        return "the JSON file beside the image gives times of volumes, no repetition time"
    return "neither the image's header nor a JSON file beside it gives a usable repetition time (--t_r)"


def describe_displacement(run: Run, measures: VolumeMeasures | None, used: np.ndarray) -> str:
    """Return what a run's framewise displacement comes from, or why it is not known."""
    if measures is not None and measures.framewise_displacement is not None:
        if math.isnan(measure_mean_fd_of(measures, used)):
            return f"{measures.displacement_source} has no number at the kept volumes"
        return f"FD {_describe_source(measures.displacement_source or 'known')}"
    if not run.confounds_paths and run.motion_path is None:
        return "no confounds table was read for this run (--regressor_files)"
    if measures is None:
        return "the run's tables could not be used for framewise displacement; see the warnings"
    return "the confounds table has neither framewise displacement nor all six motion parameters"


def _describe_source(source: str) -> str:
    if is_computed(source):
        return f"computed from {source}"
    return f"from {source}" if " of " in source else f"from {source} of the confounds table"
