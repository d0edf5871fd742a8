"""From settings to a study: every run, the regions, and every mistake that shows before extraction."""

from __future__ import annotations

import dataclasses
import functools
import logging
import os
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from niimasker.errors import (
    CensoringError,
    ConfoundsError,
    NiimaskerError,
    RegionsError,
    RunError,
    record_warnings,
    warn,
)
from niimasker.inputs.confounds import read_confounds
from niimasker.inputs.descriptions import check_own
from niimasker.inputs.regressor_words import Source, find_unmatched
from niimasker.inputs.runs import Run, find_runs, has_own_atlases, has_own_mask
from niimasker.inputs.spaces import Space
from niimasker.options.paths import to_path
from niimasker.options.settings import BIDS, Settings
from niimasker.regions.atlas_images import load_mask
from niimasker.regions.atlases.fetching import fetch_atlas
from niimasker.regions.atlases.queries import is_atlas_query
from niimasker.regions.definitions import Mask, Regions, Seeds
from niimasker.regions.loading import check_labels, load_regions
from niimasker.regions.output_names import name_atlases
from niimasker.regions.placing.placement import place_regions
from niimasker.regions.placing.weights import check_overlap
from niimasker.study.plans import Misfit, Plan, plan_run, tried

_log = logging.getLogger(__name__)


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
    keys
        What the files of each atlas are called by.
    atlases, mask
        Those that all runs share; none where each run has its own.
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
    keys: tuple[str, ...]
    atlases: tuple[Regions, ...]
    mask: Mask | None
    warnings: tuple[str, ...]
    mistakes: tuple[NiimaskerError, ...] = ()

    @property
    def broken(self) -> dict[Run, str]:
        """The reasons why runs cannot be done."""
        return {run: str(misfit.errors[0]) for run, misfit in self.misfits.items()}

    @property
    def atlases_by_key(self) -> dict[str, Regions]:
        """The atlases that all runs share, by what they are called."""
        return dict(zip(self.keys, self.atlases, strict=True)) if self.atlases else {}

    @property
    def spaces(self) -> list[Space]:
        """The distinct spaces of the images, in order of appearance."""
        return list(dict.fromkeys(plan.series.space for plan in self.plans))


def prepare(settings: Settings) -> Study:
    """Return the checked study.

    Raises
    ------
    NiimaskerError
        The first mistake of the user's, with the number of further runs that have one.
    """
    study = survey(settings)
    mistakes = [
        error
        for misfit in study.misfits.values()
        if (error := next((each for each in misfit.errors if not _costs_its_run(each, study)), None))
    ]
    if mistakes:
        n_more, first = len(mistakes) - 1, mistakes[0]
        more = f" ({n_more} more of {len(study.runs)} runs do not fit either)" if n_more else ""
        raise type(first)(f"{first}{more}") from first
    if study.mistakes:
        raise study.mistakes[0]
    return study


def _costs_its_run(error: NiimaskerError, study: Study) -> bool:
    """Return whether an error is no mistake of the user's: that run fails, and the others go on."""
    if isinstance(error, RunError):
        return True
    # Nobody gave a table that was found beside an image, as somebody did a censor file.
    is_found = not study.settings.regressor_files and not isinstance(error, CensoringError)
    return isinstance(error, ConfoundsError) and is_found and _has_fitting_table(study)


def _has_fitting_table(study: Study) -> bool:
    """Return whether the confounds of any run fit, as far as a shard tells; else a word of --regressors is wrong."""
    of_runs = [misfit.errors for misfit in study.misfits.values()]
    fit = [not any(isinstance(error, ConfoundsError) for error in errors) for errors in of_runs]
    return bool(study.plans or study.settings.shard) or any(fit)


def survey(settings: Settings) -> Study:
    """Return the study with everything that is wrong with it.

    Raises
    ------
    NiimaskerError
        The runs cannot be told, or the regions are not usable.
    """
    if settings.output_layout == BIDS:
        check_own(settings.output_dir)
    keys = name_atlases(settings)
    all_runs = find_runs(settings)
    _check_roi_files(all_runs, settings)
    with record_warnings() as recorded:
        mask = _load_mask(settings)
        atlases = () if has_own_atlases(settings) else load_atlases(settings.roi_file, settings)
    if not atlases:
        _fetch_atlases(settings)
    check_labels(settings.roi_file, settings.labels)
    shard = settings.shard
    runs = all_runs if shard is None else all_runs[shard.number - 1 :: shard.of]
    plans, misfits = _plan_all(runs, settings, atlases)
    study = Study(settings, tuple(all_runs), tuple(runs), plans, misfits, keys, atlases, mask, tuple(recorded))
    return dataclasses.replace(study, mistakes=tuple(_find_mistakes(study)))


def _find_mistakes(study: Study) -> list[NiimaskerError]:
    """Return what is wrong with the options for all runs together."""
    mistakes: list[NiimaskerError] = []
    tried(mistakes, lambda: _check_patterns(study))
    # Masks of single runs are not read before those are done, and what they leave of spheres may not overlap.
    if not has_own_mask(study.settings):
        for space in study.spaces:
            tried(mistakes, functools.partial(check_spheres, study.atlases, space, study.mask, study.settings))
    return mistakes


def check_spheres(atlases: Sequence[Regions], space: Space, mask: Mask | None, settings: Settings) -> None:
    """Raise RegionsError where spheres share points of a space, unless they may."""
    for regions in atlases:
        if isinstance(regions.definition, Seeds) and not settings.allow_overlap:
            check_overlap(place_regions(regions, space, mask))


def _check_roi_files(runs: Sequence[Run], settings: Settings) -> None:
    images = {os.path.realpath(run.image_path) for run in runs}
    for roi_file in settings.roi_file:
        if os.path.realpath(to_path(roi_file)) in images:  # Path.resolve raises for a loop of links.
            raise RegionsError(
                f"--roi_file: {roi_file} is one of the --input_files; give an atlas, a mask or coordinates."
            )


def _load_mask(settings: Settings) -> Mask | None:
    """Return the mask that all runs share, None where there is none or each has its own."""
    if settings.mask_img is None:
        return None
    if settings.as_voxels:
        warn("--mask_img is ignored: with --as_voxels the mask in --roi_file says which voxels.")
        return None
    return None if has_own_mask(settings) else load_mask(settings.mask_img)


def _fetch_atlases(settings: Settings) -> None:
    """Fetch what runs with atlases of their own share with others, or raise: not each of them is to download it."""
    for query in filter(is_atlas_query, settings.roi_file):
        fetch_atlas(query, settings.atlas_dir)


def load_atlases(roi_files: Sequence[str], settings: Settings) -> tuple[Regions, ...]:
    """Return the regions of some files, as the settings have them."""
    return load_regions(
        roi_files,
        labels=settings.labels,
        as_voxels=settings.as_voxels,
        radius=settings.radius,
        atlas_dir=settings.atlas_dir,
        # One table names the regions of all subjects, and each may lack some: FreeSurfer's names more than any has.
        takes_more_names=has_own_atlases(settings),
    )


def _plan_all(
    runs: Sequence[Run], settings: Settings, atlases: Sequence[Regions]
) -> tuple[tuple[Plan, ...], dict[Run, Misfit]]:
    plans: list[Plan] = []
    misfits: dict[Run, Misfit] = {}
    for run in runs:
        _log.debug("%s: confounds %s, outputs %s", run.image_path, run.confounds_path or "none", run.output_stem)
        planned = plan_run(run, settings, atlases)
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
