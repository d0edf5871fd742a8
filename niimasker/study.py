"""From settings to a study: every run, the regions, and every mistake that shows before extraction."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from niimasker.errors import ConfoundsError, NiimaskerError, RegionsError, RunError, record_warnings, warn
from niimasker.inputs.censoring import load_censoring
from niimasker.inputs.confounds import Confounds, load_confounds
from niimasker.inputs.images import Grid, ImageSeries, open_series
from niimasker.inputs.runs import Run, find_runs
from niimasker.kinds import to_path
from niimasker.regions.definitions import Mask, Regions, Seeds, load_mask, load_regions
from niimasker.regions.spaces import check_spaces
from niimasker.regions.weights import check_overlap, place_regions
from niimasker.settings import Settings
from niimasker.signals.filtering import Cleaning, make_cleaning
from niimasker.signals.timeline import Timeline, make_timeline

_log = logging.getLogger(__name__)


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
    runs
        In the order given.
    plans
        Of the runs that can be started, in the same order.
    broken
        The reasons why the others cannot be done.
    warnings
        What holds for every run.
    """

    settings: Settings
    runs: tuple[Run, ...]
    plans: tuple[Plan, ...]
    broken: Mapping[Run, str]
    atlases: tuple[Regions, ...]
    mask: Mask | None
    warnings: tuple[str, ...]

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
    runs = find_runs(
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
    _check_roi_files(runs, settings)
    plans, broken = _plan_all(runs, settings, atlases)
    study = Study(settings, tuple(runs), plans, broken, atlases, mask, tuple(recorded))
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
) -> tuple[tuple[Plan, ...], dict[Run, str]]:
    plans: list[Plan] = []
    broken: dict[Run, str] = {}
    misfits: list[NiimaskerError] = []
    for run in runs:
        _log.debug("%s: confounds %s, outputs %s", run.image_path, run.confounds_path or "none", run.output_stem)
        try:
            plans.append(_plan(run, settings, atlases))
        except RunError as error:
            broken[run] = str(error)
        except NiimaskerError as error:
            misfits.append(error)
    if misfits:
        more = f" ({len(misfits) - 1} more of {len(runs)} runs do not fit either)" if len(misfits) > 1 else ""
        raise type(misfits[0])(f"{misfits[0]}{more}") from misfits[0]
    if not broken:
        _check_patterns(plans)
    return tuple(plans), broken


def _check_patterns(plans: Sequence[Plan]) -> None:
    """Refuse a pattern of --regressors that matches nothing in any run.

    In some runs it may, and the tables of runs that are broken have not been read.
    """
    in_none = set.intersection(*(set(plan.unmatched) for plan in plans)) if plans else set()
    if in_none:
        raise ConfoundsError(
            f"--regressors: no column of any table matches {', '.join(sorted(in_none))}; "
            f"see the columns of {plans[0].run.confounds_path}."
        )


def _plan(run: Run, settings: Settings, atlases: Sequence[Regions]) -> Plan:
    with record_warnings() as warnings:
        series = open_series(run.image_path)
        # Read to be checked; the worker reads it again, which costs less than to hold every table of a study.
        confounds = load_run_confounds(run, settings, series)
        marks = None if confounds is None else confounds.marks
        timeline = make_timeline(series, settings, marks, _load_run_censoring(run, series))
        cleaning = make_cleaning(settings, series, timeline)
        for regions in atlases:
            check_spaces(series, regions)
    return Plan(run, series, timeline, cleaning, tuple(warnings), () if confounds is None else confounds.unmatched)


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
