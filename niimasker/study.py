"""From settings to a study: every run, the regions, and every mistake that shows before extraction."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from niimasker.errors import ConfoundsError, NiimaskerError, RegionsError, RunError, record_warnings, warn
from niimasker.inputs.censoring import load_censoring
from niimasker.inputs.confounds import Confounds, load_confounds
from niimasker.inputs.datasets import check_own
from niimasker.inputs.images import Grid, ImageSeries, open_series
from niimasker.inputs.runs import Run, find_runs
from niimasker.kinds import to_path
from niimasker.regions.definitions import Mask, Regions, Seeds, load_mask, load_regions
from niimasker.regions.keys import name_atlases
from niimasker.regions.spaces import check_spaces
from niimasker.regions.weights import check_overlap, place_regions
from niimasker.settings import BIDS, Settings
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
    warnings
        What holds for every run.
    """

    settings: Settings
    all_runs: tuple[Run, ...]
    runs: tuple[Run, ...]
    plans: tuple[Plan, ...]
    misfits: Mapping[Run, tuple[NiimaskerError, ...]]
    atlases: tuple[Regions, ...]
    mask: Mask | None
    warnings: tuple[str, ...]

    @property
    def broken(self) -> dict[Run, str]:
        """The reasons why runs cannot be done."""
        return {run: str(errors[0]) for run, errors in self.misfits.items()}

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
        for errors in study.misfits.values()
        if (error := next((each for each in errors if not isinstance(each, RunError)), None))
    ]
    if mistakes:
        n_more, first = len(mistakes) - 1, mistakes[0]
        more = f" ({n_more} more of {len(study.runs)} runs do not fit either)" if n_more else ""
        raise type(first)(f"{first}{more}") from first
    # The tables of runs that are broken, or of other shards, have not been read.
    if not study.misfits and settings.shard is None:
        _check_patterns(study.plans)
    return study


def survey(settings: Settings) -> Study:
    """Return the study with everything that is wrong with its runs.

    Raises
    ------
    NiimaskerError
        The runs cannot be told, or the regions are not usable.
    """
    if settings.output_layout == BIDS:
        check_own(settings.output_dir)
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
    atlases = name_atlases(atlases, settings.roi_file, settings.atlas_name, as_entities=settings.output_layout == BIDS)
    _check_roi_files(all_runs, settings)
    shard = settings.shard
    runs = all_runs if shard is None else all_runs[shard.number - 1 :: shard.of]
    plans, misfits = _plan_all(runs, settings, atlases)
    study = Study(settings, tuple(all_runs), tuple(runs), plans, misfits, atlases, mask, tuple(recorded))
    if not settings.allow_overlap:
        for regions in atlases:
            _check_spheres(regions, study)
    return study


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
) -> tuple[tuple[Plan, ...], dict[Run, tuple[NiimaskerError, ...]]]:
    plans: list[Plan] = []
    misfits: dict[Run, tuple[NiimaskerError, ...]] = {}
    for run in runs:
        _log.debug("%s: confounds %s, outputs %s", run.image_path, run.confounds_path or "none", run.output_stem)
        errors: list[NiimaskerError] = []
        plan = _plan(run, settings, atlases, errors)
        if plan is None:
            misfits[run] = tuple(errors)
        else:
            plans.append(plan)
    return tuple(plans), misfits


def _check_patterns(plans: Sequence[Plan]) -> None:
    """Refuse a pattern of --regressors that matches nothing in any run; in some it may."""
    in_none = set.intersection(*(set(plan.unmatched) for plan in plans)) if plans else set()
    if in_none:
        raise ConfoundsError(
            f"--regressors: no column of any table matches {', '.join(sorted(in_none))}; "
            f"see the columns of {plans[0].run.confounds_path}."
        )


def _plan(run: Run, settings: Settings, atlases: Sequence[Regions], errors: list[NiimaskerError]) -> Plan | None:
    """Return a run's plan, None when something is wrong with it, all of which is added to the errors."""
    with record_warnings() as warnings:
        series = _tried(errors, lambda: open_series(run.image_path))
        if series is None:
            return None
        # Read to be checked; the worker reads it again, which costs less than to hold every table of a study.
        confounds = _tried(errors, lambda: load_run_confounds(run, settings, series))
        marks = None if confounds is None else confounds.marks
        censoring = _tried(errors, lambda: _load_run_censoring(run, series))
        if errors:
            return None
        timeline = _tried(errors, lambda: make_timeline(series, settings, marks, censoring))
        cleaning = None if timeline is None else _tried(errors, lambda: make_cleaning(settings, series, timeline))
        for regions in atlases:
            check_spaces(series, regions)
    if timeline is None or cleaning is None:
        return None
    return Plan(run, series, timeline, cleaning, tuple(warnings), () if confounds is None else confounds.unmatched)


def _tried(errors: list[NiimaskerError], check: Callable[[], Value]) -> Value | None:
    """Return what a check returns, None when it fails, which is added to the errors."""
    try:
        return check()
    except NiimaskerError as error:
        errors.append(error)
        return None


def _load_run_censoring(run: Run, series: ImageSeries) -> np.ndarray | None:
    if run.censor_path is None:
        return None
    return load_censoring(run.censor_path, n_volumes=series.n_volumes, image_path=run.image_path)


def load_run_confounds(run: Run, settings: Settings, series: ImageSeries) -> Confounds | None:
    """Return a run's confounds, None when it has none."""
    if run.confounds_path is None:
        return None
    return load_confounds(
        run.confounds_path, settings.regressors, n_volumes=series.n_volumes, image_path=run.image_path
    )
