"""A run's confounds as they are used: with framewise displacement, and with filtered motion parameters."""

from __future__ import annotations

import dataclasses

from niimasker.errors import ConfoundsError, warn
from niimasker.inputs.confounds import Confounds, add_motion, load_confounds
from niimasker.inputs.framewise_displacement import complete_measures
from niimasker.inputs.runs import Run
from niimasker.inputs.series import Series
from niimasker.options.settings import Settings
from niimasker.signals.filtering import Cleaning
from niimasker.signals.motion_filter import filter_confounds
from niimasker.signals.timeline import Timeline


def load_run_confounds(
    run: Run,
    settings: Settings,
    series: Series,
    timeline: Timeline | None,
    cleaning: Cleaning | None = None,
) -> Confounds | None:
    """Return a run's confounds, None if it has neither a confounds table nor one of motion.

    Without a timeline, each volume needs a value. The motion parameters are filtered as `cleaning` says.
    """
    confounds = None
    try:
        if run.confounds_paths:
            confounds = load_confounds(
                run.confounds_paths,
                settings.requested_regressors,
                n_volumes=series.n_volumes,
                image_path=run.image_path,
                kept=None if timeline is None else timeline.kept,
                high_pass=settings.high_pass,
                motion_format=settings.motion_format,
            )
    except ConfoundsError as error:
        if settings.requested_regressors is not None or settings.needs_confounds:
            raise
        warn(f"the run's framewise displacement is not known: {error}")
        return None
    confounds = add_run_motion(confounds, run, settings, series)
    if confounds is None or timeline is None or not settings.motion_filter:
        return confounds
    return filter_run_motion(confounds, settings, cleaning).complete(timeline.kept)


def filter_run_motion(confounds: Confounds, settings: Settings, cleaning: Cleaning | None) -> Confounds:
    """Return confounds with filtered motion parameters; without a valid filter they have no measures of motion."""
    if cleaning is None or cleaning.motion_filter is None:
        return dataclasses.replace(confounds, measures=None)
    return filter_confounds(confounds, cleaning.motion_filter, settings.head_radius)


def add_run_motion(confounds: Confounds | None, run: Run, settings: Settings, series: Series) -> Confounds | None:
    """Return a run's confounds, with framewise displacement from its table of motion or motion parameters."""
    try:
        if run.motion_path is not None:
            confounds = add_motion(confounds, run.motion_path, n_volumes=series.n_volumes, image_path=run.image_path)
        # Filtered motion parameters give another framewise displacement.
        if confounds is None or confounds.measures is None or settings.motion_filter:
            return confounds
        measures = complete_measures(confounds.measures, settings.head_radius)
        return dataclasses.replace(confounds, measures=measures)
    except ConfoundsError as error:
        if settings.needs_displacement:
            raise
        warn(f"the run's framewise displacement is not known: {error}")
        return confounds
