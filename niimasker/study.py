"""From settings to a study: every run, the regions, and every mistake that shows before extraction."""

from __future__ import annotations

import dataclasses
import functools
import logging
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from niimasker.errors import ConfoundsError, NiimaskerError, RegionsError, RunError, record_warnings, warn
from niimasker.inputs.censoring import check_censoring_length, find_censored, read_censoring, read_marks
from niimasker.inputs.confounds import (
    Confounds,
    check_confounds_length,
    choose_confounds,
    load_confounds,
    read_confounds,
)
from niimasker.inputs.images import Grid, ImageSeries, open_series
from niimasker.inputs.regressor_words import Source, find_unmatched
from niimasker.inputs.runs import Run, find_runs
from niimasker.kinds import to_path
from niimasker.regions.definitions import Mask, Regions, Seeds, load_mask, load_regions
from niimasker.regions.spaces import check_spaces
from niimasker.regions.weights import check_overlap, place_regions
from niimasker.settings import Settings
from niimasker.signals.filtering import Cleaning, make_cleaning
from niimasker.signals.timeline import Timeline, make_timeline

_log = logging.getLogger(__name__)

Value = TypeVar("Value")


@dataclass(frozen=True)
class Plan:
    """A run whose header and confounds have been checked; `unmatched` are patterns that match none of its columns."""

    run: Run
    series: ImageSeries
    timeline: Timeline
    cleaning: Cleaning
    warnings: tuple[str, ...]
    unmatched: tuple[str, ...] = ()


@dataclass(frozen=True)
class Misfit:
    """All that is wrong with a run, and what its image's header says; None when the header cannot be read."""

    errors: tuple[NiimaskerError, ...]
    series: ImageSeries | None


@dataclass(frozen=True)
class Study:
    """Everything that is known before the first run starts.

    Parameters
    ----------
    all_runs
        In the order given.
    runs
        Those of them that are to be done: all, or a shard.
    plans
        Of the runs that can be started, in the same order.
    misfits
        What is wrong with the others.
    mistakes
        What is wrong with the options for all runs together.
    warnings
        What holds for every run.
    """

    settings: Settings
    all_runs: tuple[Run, ...]
    runs: tuple[Run, ...]
    plans: tuple[Plan, ...]
    misfits: Mapping[Run, Misfit]
    atlases: tuple[Regions, ...]
    mask: Mask | None
    warnings: tuple[str, ...]
    mistakes: tuple[NiimaskerError, ...] = ()

    @property
    def broken(self) -> dict[Run, str]:
        """The reasons why runs cannot be done."""
        return {run: str(misfit.errors[0]) for run, misfit in self.misfits.items()}

    @property
    def keys(self) -> tuple[str, ...]:
        """What the files of each atlas are called by."""
        return tuple(regions.key for regions in self.atlases)

    @property
    def grids(self) -> list[Grid]:
        """The distinct grids of the images, in order of appearance."""
        return list(dict.fromkeys(plan.series.grid for plan in self.plans))


def prepare(settings: Settings) -> Study:
    """Return the checked study.

    Raises
    ------
    NiimaskerError
        The first mistake of the user's, with the number of further runs that have one.
    """
    study = survey(settings)
    # A damaged image is no mistake of the user's: that run fails.
    mistakes = [
        error
        for misfit in study.misfits.values()
        if (error := next((each for each in misfit.errors if not isinstance(each, RunError)), None))
    ]
    if mistakes:
        n_more, first = len(mistakes) - 1, mistakes[0]
        more = f" ({n_more} more of {len(study.runs)} runs do not fit either)" if n_more else ""
        raise type(first)(f"{first}{more}") from first
    if study.mistakes:
        raise study.mistakes[0]
    return study


def survey(settings: Settings) -> Study:
    """Return the study with everything that is wrong with it.

    Raises
    ------
    NiimaskerError
        The runs cannot be told, or the regions are not usable.
    """
    all_runs = find_runs(
        settings.input_files,
        settings.regressor_files,
        settings.censor_file,
        output_layout=settings.output_layout,
    )
    with record_warnings() as recorded:
        mask = _load_mask(settings)
        atlases = load_regions(
            settings.roi_file,
            labels=settings.labels,
            as_voxels=settings.as_voxels,
            radius=settings.radius,
            atlas_dir=settings.atlas_dir,
        )
    _check_roi_files(all_runs, settings)
    shard = settings.shard
    runs = all_runs if shard is None else all_runs[shard.number - 1 :: shard.of]
    plans, misfits = _plan_all(runs, settings, atlases)
    study = Study(settings, tuple(all_runs), tuple(runs), plans, misfits, atlases, mask, tuple(recorded))
    return dataclasses.replace(study, mistakes=tuple(_find_mistakes(study)))


def _find_mistakes(study: Study) -> list[NiimaskerError]:
    """Return what is wrong with the options for all runs together."""
    mistakes: list[NiimaskerError] = []
    _tried(mistakes, lambda: _check_patterns(study))
    if not study.settings.allow_overlap:
        for regions in study.atlases:
            _tried(mistakes, functools.partial(_check_spheres, regions, study))
    return mistakes


def _check_spheres(regions: Regions, study: Study) -> None:
    if isinstance(regions.definition, Seeds):
        for grid in study.grids:
            check_overlap(place_regions(regions, grid, study.mask))


def _check_roi_files(runs: Sequence[Run], settings: Settings) -> None:
    images = {run.image_path.resolve() for run in runs}
    for roi_file in settings.roi_file:
        if to_path(roi_file).resolve() in images:
            raise RegionsError(
                f"--roi_file: {roi_file} is one of the --input_files; give an atlas, a mask or coordinates."
            )


def _load_mask(settings: Settings) -> Mask | None:
    if settings.mask_img is None:
        return None
    if settings.as_voxels:
        warn("--mask_img is ignored: with --as_voxels the mask in --roi_file says which voxels.")
        return None
    return load_mask(settings.mask_img)


def _plan_all(
    runs: Sequence[Run], settings: Settings, atlases: Sequence[Regions]
) -> tuple[tuple[Plan, ...], dict[Run, Misfit]]:
    plans: list[Plan] = []
    misfits: dict[Run, Misfit] = {}
    for run in runs:
        _log.debug("%s: confounds %s, outputs %s", run.image_path, run.confounds_path or "none", run.output_stem)
        planned = _plan(run, settings, atlases)
        if isinstance(planned, Misfit):
            misfits[run] = planned
        else:
            plans.append(planned)
    return tuple(plans), misfits


def _check_patterns(study: Study) -> None:
    """Refuse a pattern of --regressors that matches nothing in any run; in some it may."""
    unmatched = set(study.settings.regressors).intersection(*(plan.unmatched for plan in study.plans))
    # The tables of other shards and of runs that do not fit, read for this only where all others lack a column.
    planned = {plan.run for plan in study.plans}
    for run in study.all_runs:
        if unmatched and run not in planned:
            unmatched &= _find_unmatched(unmatched, run)
    if unmatched:
        raise ConfoundsError(
            f"--regressors: no column of any table matches {', '.join(sorted(unmatched))}; "
            f"see the columns of {study.all_runs[0].confounds_path}."
        )


def _find_unmatched(words: Set[str], run: Run) -> set[str]:
    """Return the patterns among the words that match nothing in a run's table; none when it cannot be read."""
    if run.confounds_path is None:
        return set()
    try:
        table = read_confounds(run.confounds_path)
    except ConfoundsError:
        return set()
    return set(find_unmatched(tuple(words), Source(table.names, table.path, run.image_path)))


def _plan(run: Run, settings: Settings, atlases: Sequence[Regions]) -> Plan | Misfit:
    """Return a run's plan, or all that is wrong with it: what is wrong in one file leaves the others to be checked."""
    errors: list[NiimaskerError] = []
    with record_warnings() as warnings:
        series = _tried(errors, lambda: open_series(run.image_path))
        # Read to be checked; the worker reads it again, which costs less than to hold every table of a study.
        confounds = _check_confounds(run, settings, series, errors)
        censoring = _check_censoring(run, series, errors)
        if series is None:
            return Misfit(tuple(errors), None)
        # Without the tables that do not fit, this finds fewer mistakes, none that is not there.
        marks = None if confounds is None else confounds.marks
        timeline = _tried(errors, lambda: make_timeline(series, settings, marks, censoring))
        cleaning = _tried(errors, lambda: make_cleaning(settings, series, timeline))
        for regions in atlases:
            check_spaces(series, regions)
    if errors or timeline is None or cleaning is None:
        return Misfit(tuple(errors), series)
    return Plan(run, series, timeline, cleaning, tuple(warnings), () if confounds is None else confounds.unmatched)


def _check_confounds(
    run: Run, settings: Settings, series: ImageSeries | None, errors: list[NiimaskerError]
) -> Confounds | None:
    """Return a run's confounds, None when it has none that fit; all that is wrong with them is added to the errors."""
    path, n_before = run.confounds_path, len(errors)
    table = None if path is None else _tried(errors, lambda: read_confounds(path))
    if table is None:
        return None
    if series is not None:
        _tried(errors, lambda: check_confounds_length(table, series.n_volumes, run.image_path))
    confounds = _tried(errors, lambda: choose_confounds(table, settings.regressors, run.image_path))
    return confounds if len(errors) == n_before else None


def _check_censoring(run: Run, series: ImageSeries | None, errors: list[NiimaskerError]) -> np.ndarray | None:
    """Return which volumes a run's file censors, None when it has none that fits; the errors are added to."""
    path, n_before = run.censor_path, len(errors)
    table = None if path is None else _tried(errors, lambda: read_censoring(path))
    if table is None:
        return None
    if series is not None:
        _tried(errors, lambda: check_censoring_length(table, series.n_volumes, run.image_path))
    marks = _tried(errors, lambda: read_marks(table))
    if series is None or marks is None or len(errors) > n_before:
        return None
    return find_censored(marks, series.n_volumes)


def _tried(errors: list[NiimaskerError], check: Callable[[], Value]) -> Value | None:
    """Return what a check returns, None when it fails, which is added to the errors."""
    try:
        return check()
    except NiimaskerError as error:
        errors.append(error)
        return None


def load_run_confounds(run: Run, settings: Settings, series: ImageSeries) -> Confounds | None:
    """Return a run's confounds, None when it has none."""
    if run.confounds_path is None:
        return None
    return load_confounds(
        run.confounds_path, settings.regressors, n_volumes=series.n_volumes, image_path=run.image_path
    )
