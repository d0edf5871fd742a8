"""From a run to its plan: its header, confounds and censored volumes checked, nothing extracted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from niimasker.errors import ConfoundsError, ImageError, NiimaskerError, RunError, record_warnings, warn
from niimasker.inputs.censoring import check_censoring_length, find_censored, read_censoring, read_marks
from niimasker.inputs.confounds import (
    Confounds,
    check_confounds_length,
    choose_confounds,
    load_confounds,
    read_confounds,
)
from niimasker.inputs.images import load_image
from niimasker.inputs.runs import RegionFiles, Run
from niimasker.inputs.series import Series, open_series
from niimasker.options.paths import expand_home
from niimasker.options.settings import Settings
from niimasker.regions.definitions import Regions
from niimasker.regions.loading import is_image
from niimasker.regions.placing.template_spaces import check_spaces
from niimasker.signals.filtering import Cleaning, make_cleaning
from niimasker.signals.timeline import Timeline, make_timeline

Value = TypeVar("Value")


@dataclass(frozen=True)
class Plan:
    """A run whose header and confounds have been checked; `unmatched` are patterns that match none of its columns."""

    run: Run
    series: Series
    timeline: Timeline
    cleaning: Cleaning
    warnings: tuple[str, ...]
    unmatched: tuple[str, ...] = ()


@dataclass(frozen=True)
class InvalidRun:
    """All that is wrong with a run, and what its image's header says; None when the header cannot be read."""

    errors: tuple[NiimaskerError, ...]
    series: Series | None


def plan_run(run: Run, settings: Settings, atlases: Sequence[Regions]) -> Plan | InvalidRun:
    """Return a run's plan, or all that is wrong with it: what is wrong in one file leaves the others to be checked."""
    errors: list[NiimaskerError] = [RunError(fault) for fault in run.faults]
    with record_warnings() as warnings:
        series = collect_error(errors, lambda: open_series(run.image_path))
        # Read to be checked; the worker reads it again, which costs less than to hold every table of a study.
        confounds = _check_confounds(run, settings, series, errors)
        censoring = _check_censoring(run, series, errors)
        if run.own_regions is not None:
            _check_own_regions(run.own_regions, errors)
        if series is None:
            return InvalidRun(tuple(errors), None)
        # Without the tables that do not fit, this finds fewer mistakes, none that is not there.
        marks = None if confounds is None else confounds.marks
        timeline = collect_error(errors, lambda: make_timeline(series, settings, marks, censoring))
        cleaning = collect_error(errors, lambda: make_cleaning(settings, series, timeline))
        for regions in atlases:
            check_spaces(series, regions)
    if errors or timeline is None or cleaning is None:
        return InvalidRun(tuple(errors), series)
    return Plan(run, series, timeline, cleaning, tuple(warnings), () if confounds is None else confounds.unmatched)


def _check_confounds(
    run: Run, settings: Settings, series: Series | None, errors: list[NiimaskerError]
) -> Confounds | None:
    """Return a run's confounds, None when it has none that fit; all that is wrong with them is added to the errors."""
    path, n_before = run.confounds_path, len(errors)
    if path is not None and settings.requested_regressors is None and not settings.needs_confounds:
        return None if series is None else load_run_confounds(run, settings, series)
    table = None if path is None else collect_error(errors, lambda: read_confounds(path))
    if table is None:
        return None
    if series is not None:
        collect_error(errors, lambda: check_confounds_length(table, series.n_volumes, run.image_path))
    confounds = collect_error(errors, lambda: choose_confounds(table, settings.requested_regressors, run.image_path))
    return confounds if len(errors) == n_before else None


def _check_censoring(run: Run, series: Series | None, errors: list[NiimaskerError]) -> np.ndarray | None:
    """Return which volumes a run's file censors, None when it has none that fits; the errors are added to."""
    path, n_before = run.censor_path, len(errors)
    table = None if path is None else collect_error(errors, lambda: read_censoring(path))
    if table is None:
        return None
    if series is not None:
        collect_error(errors, lambda: check_censoring_length(table, series.n_volumes, run.image_path))
    marks = collect_error(errors, lambda: read_marks(table))
    if series is None or marks is None or len(errors) > n_before:
        return None
    return find_censored(marks, series.n_volumes)


def collect_error(errors: list[NiimaskerError], check: Callable[[], Value]) -> Value | None:
    """Return what a check returns, None when it fails, which is added to the errors."""
    try:
        return check()
    except NiimaskerError as error:
        errors.append(error)
        return None


def load_run_confounds(run: Run, settings: Settings, series: Series) -> Confounds | None:
    """Return a run's confounds, None when it has none."""
    if run.confounds_path is None:
        return None
    try:
        return load_confounds(
            run.confounds_path, settings.requested_regressors, n_volumes=series.n_volumes, image_path=run.image_path
        )
    except ConfoundsError as error:
        if settings.requested_regressors is not None or settings.needs_confounds:
            raise
        warn(f"the run's framewise displacement is not known: {error}")
        return None


def _check_own_regions(files: RegionFiles, errors: list[NiimaskerError]) -> None:
    """Open the images of a run's own regions; their voxels are read where the run is done."""
    images = [expand_home(roi_file) for roi_file in files.roi_files if is_image(roi_file)]
    for path in [*images, *([files.mask_path] if files.mask_path else [])]:
        try:
            load_image(path)
        except ImageError as error:
            # Others have files of their own, which may be sound.
            errors.append(RunError(str(error)))
