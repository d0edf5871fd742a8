"""Read the atlases and masks that single runs have of their own."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence, Set

from niimasker.errors import NiimaskerError, record_warnings
from niimasker.inputs.runs import RegionFiles, Run
from niimasker.inputs.series import Series
from niimasker.options.settings import Settings
from niimasker.regions.definitions import AnyMask, Regions
from niimasker.regions.loading import load_mask
from niimasker.regions.placing.compatibility import check_compatible
from niimasker.regions.placing.template_spaces import check_spaces
from niimasker.study.parcels import check_parcels
from niimasker.study.plans import InvalidRun, Plan, collect_error
from niimasker.study.preparation import Study, check_spheres, load_atlases


def load_own_regions(
    files: RegionFiles, series: Series, settings: Settings, shared: Sequence[Regions]
) -> tuple[Sequence[Regions], AnyMask | None]:
    """Return the atlases and the mask of a run that has files of its own; its atlases may be those that all share.

    Raises
    ------
    NiimaskerError
        A file cannot be used, or spheres overlap.
    """
    atlases = shared or load_atlases(files.roi_files, settings)
    mask = None if files.mask_path is None else load_mask(files.mask_path)
    for regions in atlases:
        check_compatible(series, regions.origin)
        check_spaces(series, regions.origin)
    check_parcels(atlases, series, settings)
    check_spheres(atlases, series.space, mask, settings)
    return atlases, mask


def check_own_regions(study: Study, finished: Set[Run]) -> Study:
    """Return the study with the errors and warnings that reading each run's own atlases and mask gives.

    Runs that are finished are not checked. Otherwise these files are read when their run is processed.
    """
    checked = {
        plan.run: plan if plan.run in finished else _check_own_regions(plan, study.settings, study.atlases)
        for plan in study.plans
    }
    plans = tuple(each for each in checked.values() if isinstance(each, Plan))
    invalid_runs = {run: each for run, each in checked.items() if isinstance(each, InvalidRun)}
    return dataclasses.replace(study, plans=plans, invalid_runs={**study.invalid_runs, **invalid_runs})


def _check_own_regions(plan: Plan, settings: Settings, shared: Sequence[Regions]) -> Plan | InvalidRun:
    files = plan.run.own_regions
    if files is None:
        return plan
    errors: list[NiimaskerError] = []
    with record_warnings() as warnings:
        collect_error(errors, lambda: load_own_regions(files, plan.series, settings, shared))
    if errors:
        return InvalidRun(tuple(errors), plan.series)
    return dataclasses.replace(plan, warnings=tuple(dict.fromkeys((*plan.warnings, *warnings))))
