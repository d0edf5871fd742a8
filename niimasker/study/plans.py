"""Check a run's header, confounds and censored volumes before extraction, and plan how it is processed."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from niimasker.errors import (
    ImageError,
    NiimaskerError,
    RegionsError,
    RunError,
    TooFewVolumesError,
    record_warnings,
    warn,
)
from niimasker.inputs.censoring import (
    check_censoring_length,
    find_censored,
    read_censoring,
    read_marks,
    warn_of_many_censored,
)
from niimasker.inputs.confounds import (
    Confounds,
    check_confounds_length,
    choose_confounds,
)
from niimasker.inputs.file_states import States, read_states
from niimasker.inputs.joined_tables import join_tables
from niimasker.inputs.motion_parameters import read_confounds
from niimasker.inputs.runs import RegionFiles, Run
from niimasker.inputs.series import Series, open_series
from niimasker.inputs.volume_measures import VolumeMeasures
from niimasker.options.settings import Settings
from niimasker.regions.definitions import Origin
from niimasker.regions.loading import check_regions_file, find_names_paths
from niimasker.regions.names.tables import read_label_table
from niimasker.regions.placing.compatibility import check_compatible, check_options
from niimasker.regions.placing.template_spaces import check_spaces
from niimasker.regions.roi_files import parse_mask, parse_roi_file
from niimasker.signals.connectivity import warn_of_missing_regression
from niimasker.signals.filtering import Cleaning, check_length, make_cleaning
from niimasker.signals.timeline import Timeline, check_kept, mark_volumes
from niimasker.study.run_confounds import add_run_motion, filter_run_motion, load_run_confounds
from niimasker.study.run_inputs import list_run_files
from niimasker.study.run_limits import check_mean_fd, check_t_r, find_exclusion, measure_quality

Value = TypeVar("Value")


@dataclass(frozen=True)
class Plan:
    """A checked run.

    Parameters
    ----------
    unmatched
        The patterns of --regressors that match none of its columns.
    states
        The states of its files before they were read.
    exclusion
        Why the run is beyond a limit of the options; None if it is not.
    """

    run: Run
    series: Series
    timeline: Timeline
    cleaning: Cleaning
    warnings: tuple[str, ...]
    unmatched: tuple[str, ...] = ()
    states: States = field(default_factory=dict)
    exclusion: str | None = None


@dataclass(frozen=True)
class InvalidRun:
    """A run that cannot be processed: its errors, and its series unless the image's header cannot be read.

    Parameters
    ----------
    exclusion
        Why the run is beyond a limit of the options, if nothing is wrong with it but too few volumes; otherwise None.
    """

    errors: tuple[NiimaskerError, ...]
    series: Series | None
    exclusion: str | None = None

    @property
    def reason(self) -> str:
        """The first error, or why the run is excluded."""
        return str(self.errors[0]) if self.exclusion is None else describe_exclusion(self.exclusion, self.errors[0])


def describe_exclusion(exclusion: str, error: NiimaskerError) -> str:
    """Return why a run is excluded that has too few volumes for tables."""
    return f"{exclusion}. It has no tables: {error}"


def plan_run(run: Run, settings: Settings, origins: Sequence[Origin]) -> Plan | InvalidRun:
    """Return a run's plan, or all its errors: after an error in one file the others are still checked.

    Parameters
    ----------
    origins
        The origin of each atlas that all runs share.
    """
    states = read_states(list_run_files(run, settings))
    errors: list[NiimaskerError] = [RunError(fault) for fault in run.faults]
    with record_warnings() as warnings:
        series = collect_error(errors, lambda: open_series(run.image_path, run.sidecar_paths, run.further_images))
        # The worker reads the table again, which costs less than keeping all tables of a study in memory.
        confounds = _check_confounds(run, settings, series, errors)
        censoring = _check_censoring(run, settings, series, errors)
        if run.own_regions is not None:
            _check_own_regions(run.own_regions, settings, errors)
        if series is None:
            return InvalidRun(tuple(errors), None)
        cleaning = collect_error(errors, lambda: make_cleaning(settings, series, None))
        if confounds is not None and settings.motion_filter:
            unfiltered = confounds
            confounds = collect_error(errors, lambda: filter_run_motion(unfiltered, settings, cleaning))
        # Without an invalid table, these checks may miss errors but report no false ones.
        measures = None if confounds is None else confounds.measures
        timeline = collect_error(errors, lambda: mark_volumes(series, settings, measures, censoring))
        if timeline is not None:
            collect_error(errors, functools.partial(check_kept, series, timeline))
        if confounds is not None and timeline is not None:
            collect_error(errors, lambda: confounds.complete(timeline.kept))
        if cleaning is not None and timeline is not None:
            collect_error(errors, lambda: check_length(cleaning, series, timeline))
        if settings.connectivity and not errors:
            warn_of_missing_regression(confounds, run.image_path)
        if series.t_r_note and settings.t_r is None:
            warn(series.t_r_note)
        collect_error(errors, lambda: check_options(series, settings))
        for origin in origins:
            collect_error(errors, functools.partial(check_compatible, series, origin))
            check_spaces(series, origin)
        exclusion = (
            None if timeline is None else _find_exclusion(settings, series, timeline, cleaning, measures, errors)
        )
    if errors or timeline is None or cleaning is None:
        has_too_few = all(isinstance(error, TooFewVolumesError) for error in errors)
        return InvalidRun(tuple(errors), series, exclusion if has_too_few else None)
    unmatched = () if confounds is None else confounds.unmatched
    return Plan(run, series, timeline, cleaning, tuple(warnings), unmatched, states, exclusion)


def _find_exclusion(
    settings: Settings,
    series: Series,
    timeline: Timeline,
    cleaning: Cleaning | None,
    measures: VolumeMeasures | None,
    errors: list[NiimaskerError],
) -> str | None:
    """Return why a run is beyond a limit, None if it is not; errors are added if that is not known."""
    t_r = (settings.t_r or series.t_r) if cleaning is None else cleaning.t_r
    quality = measure_quality(timeline, t_r, measures)
    collect_error(errors, lambda: check_t_r(settings, series, t_r))
    # Of a table that is missing or invalid, an error says so already.
    if measures is not None or not errors:
        collect_error(errors, lambda: check_mean_fd(settings, series, quality, measures))
    return find_exclusion(settings, quality)


def _check_confounds(
    run: Run, settings: Settings, series: Series | None, errors: list[NiimaskerError]
) -> Confounds | None:
    """Return a run's confounds, None if there are none or they are invalid; their errors are added to `errors`."""
    n_errors_before = len(errors)
    if not run.confounds_paths:
        return None if series is None else collect_error(errors, lambda: add_run_motion(None, run, settings, series))
    if settings.requested_regressors is None and not settings.needs_confounds:
        return None if series is None else load_run_confounds(run, settings, series, None)
    motion_format = settings.motion_format
    tables = [
        collect_error(errors, functools.partial(read_confounds, path, motion_format)) for path in run.confounds_paths
    ]
    read = [table for table in tables if table is not None]
    if series is not None:
        for table in read:
            collect_error(errors, functools.partial(check_confounds_length, table, series.n_volumes, run.image_path))
    # Tables of different lengths cannot be joined; the columns of a single one are checked whatever its length.
    joined = collect_error(errors, lambda: join_tables(read)) if len(read) == len(tables) else None
    if joined is None or (len(read) > 1 and len(errors) > n_errors_before):
        return None
    words, high_pass = settings.requested_regressors, settings.high_pass
    confounds = collect_error(errors, lambda: choose_confounds(joined, words, run.image_path, high_pass=high_pass))
    if confounds is None or series is None or len(errors) > n_errors_before:
        return None
    return collect_error(errors, lambda: add_run_motion(confounds, run, settings, series))


def _check_censoring(
    run: Run, settings: Settings, series: Series | None, errors: list[NiimaskerError]
) -> np.ndarray | None:
    """Return which volumes a run's censor file censors, None if there is none or it is invalid; adds to `errors`."""
    path, n_errors_before = run.censor_path, len(errors)
    table = None if path is None else collect_error(errors, lambda: read_censoring(path))
    if table is None:
        return None
    if series is not None:
        collect_error(errors, lambda: check_censoring_length(table, series.n_volumes, run.image_path))
    marks = collect_error(errors, lambda: read_marks(table))
    if series is None or marks is None or len(errors) > n_errors_before:
        return None
    censored = find_censored(~marks if settings.censor_keep else marks, series.n_volumes)
    warn_of_many_censored(table.path, censored, means_kept=settings.censor_keep)
    return censored


def collect_error(errors: list[NiimaskerError], check: Callable[[], Value]) -> Value | None:
    """Return the result of a check, or None if it fails; the error is added to `errors`."""
    try:
        return check()
    except NiimaskerError as error:
        errors.append(error)
        return None


def _check_own_regions(files: RegionFiles, settings: Settings, errors: list[NiimaskerError]) -> None:
    """Check that the images of a run's own regions open, and that the look-up tables of their names can be read.

    Their values are read when the run is processed, and by --dry_run.
    """
    roi_files = [*map(parse_roi_file, files.roi_files), *([parse_mask(files.mask_path)] if files.mask_path else [])]
    for path in [path for each in roi_files if each.is_image for path in each.paths]:
        try:
            check_regions_file(path)
        except ImageError as error:
            # A RunError, because other runs have other files.
            errors.append(RunError(str(error)))
    try:
        for table_path in filter(None, find_names_paths(files.roi_files, settings.labels)):
            read_label_table(table_path)
    except RegionsError as error:
        errors.append(RunError(str(error)))
