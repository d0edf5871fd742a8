"""Prepare a study from its settings: load the regions, plan every run, and find errors before extraction."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from niimasker.errors import (
    CensoringError,
    ConfoundsError,
    ImageError,
    NiimaskerError,
    RunError,
    SignalsError,
    record_warnings,
    warn,
)
from niimasker.inputs.descriptions import check_output_dataset
from niimasker.inputs.file_states import States, read_settled_states
from niimasker.inputs.input_images import find_images
from niimasker.inputs.joined_tables import show_paths
from niimasker.inputs.runs import Run, has_own_atlases, has_own_mask, make_runs
from niimasker.inputs.shared_readings import share_readings
from niimasker.inputs.spaces import Space
from niimasker.options.settings import BIDS, Settings
from niimasker.regions.atlas_names import name_atlases
from niimasker.regions.atlases.fetching import fetch_atlas
from niimasker.regions.atlases.queries import is_atlas_query
from niimasker.regions.definitions import AnyMask, Origin, Regions, Seeds
from niimasker.regions.loading import check_labels, load_mask, load_regions
from niimasker.regions.placing.placement import place_regions
from niimasker.regions.placing.weights import check_overlap
from niimasker.regions.roi_files import parse_mask
from niimasker.study.parcels import check_parcels
from niimasker.study.plans import InvalidRun, Plan, collect_error, plan_run
from niimasker.study.region_files import check_roi_files
from niimasker.study.regressor_patterns import check_patterns
from niimasker.study.run_inputs import list_shared_regions

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Study:
    """The runs and regions of a study, checked before the first run starts.

    Parameters
    ----------
    all_runs
        All runs, in the order given; with pipelines, the runs of an image follow each other.
    runs
        The runs to process: all, or those of a shard's images.
    plans
        Plans of the runs that can be processed, in the same order.
    invalid_runs
        The other runs, with their errors.
    keys
        For each atlas, its name in the names of output files.
    atlases, mask
        The atlases and mask that all runs share; empty and None if each run has its own.
    option_errors
        Errors in the options that concern all runs together.
    warnings
        Warnings that concern every run.
    region_states
        The states of the files of the shared atlases and mask before they were read.
    left_out
        The names of the runs that --exclude leaves out.
    """

    settings: Settings
    all_runs: tuple[Run, ...]
    runs: tuple[Run, ...]
    plans: tuple[Plan, ...]
    invalid_runs: Mapping[Run, InvalidRun]
    keys: tuple[str, ...]
    atlases: tuple[Regions, ...]
    mask: AnyMask | None
    warnings: tuple[str, ...]
    region_states: States = field(default_factory=dict)
    option_errors: tuple[NiimaskerError, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def failure_reasons(self) -> dict[Run, str]:
        """For each invalid run its first error, or why it is excluded."""
        return {run: invalid_run.reason for run, invalid_run in self.invalid_runs.items()}

    @property
    def atlases_by_key(self) -> dict[str, Regions]:
        """The atlases that all runs share, by key."""
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
        The first error that stops the study, with the number of further runs that have one.
    """
    study = inspect_study(settings)
    planned = {plan.run.image_paths for plan in study.plans}
    first_errors = [
        error
        for run, invalid_run in study.invalid_runs.items()
        # What another pipeline of the same image does without is not wrong for all.
        if run.image_paths not in planned
        and (error := next((found for found in invalid_run.errors if not _fails_one_run(found, study)), None))
    ]
    if first_errors:
        n_more, first = len(first_errors) - 1, first_errors[0]
        more = f" ({n_more} more of {len(study.runs)} runs have errors too)" if n_more else ""
        raise type(first)(f"{first}{more}") from first
    if study.option_errors:
        raise study.option_errors[0]
    return study


def _fails_one_run(error: NiimaskerError, study: Study) -> bool:
    """Return whether only the run with this error fails, and the others continue."""
    if isinstance(error, RunError):
        return True
    if isinstance(error, ConfoundsError):
        # Tables found beside the images were not chosen by the user, unlike --regressor_files and censor files.
        is_found = not study.settings.regressor_files and not isinstance(error, CensoringError)
        return is_found and _has_run_without(ConfoundsError, study)
    # The repetition time of one task, or an image of three axes; if all runs have it, an option is probably wrong.
    kinds = (SignalsError, ImageError)
    return any(isinstance(error, kind) and _has_run_without(kind, study) for kind in kinds)


def _has_run_without(kind: type[NiimaskerError], study: Study) -> bool:
    """Return whether any run has no error of a kind."""
    # A shard may hold only runs with such an error, while those of other shards have none.
    if study.plans or study.settings.shard:
        return True
    errors_of_runs = [invalid_run.errors for invalid_run in study.invalid_runs.values()]
    return any(not any(isinstance(error, kind) for error in errors) for errors in errors_of_runs)


def inspect_study(settings: Settings) -> Study:
    """Return the study with all errors in its runs and options.

    Raises
    ------
    NiimaskerError
        The runs cannot be determined, or the regions are not usable.
    """
    if settings.output_layout == BIDS:
        check_output_dataset(settings.output_dir)
    keys = name_atlases(settings)
    found = find_images(settings)
    all_runs = make_runs(found.images, settings)
    check_roi_files(all_runs, settings)
    region_states = read_settled_states(list_shared_regions(settings))
    with record_warnings() as recorded:
        mask = _load_mask(settings)
        atlases = () if has_own_atlases(settings) else load_atlases(settings.roi_file, settings)
    if not atlases:
        _fetch_atlases(settings)
    check_labels(settings.roi_file, settings.labels)
    runs = _select_shard(all_runs, settings)
    plans, invalid_runs = _plan_all(runs, settings, list_origins(atlases, mask, settings))
    study = Study(
        settings,
        tuple(all_runs),
        tuple(runs),
        plans,
        invalid_runs,
        keys,
        atlases,
        mask,
        tuple(recorded),
        region_states,
        left_out=found.left_out,
    )
    return dataclasses.replace(study, option_errors=tuple(_find_option_errors(study)))


def _select_shard(runs: Sequence[Run], settings: Settings) -> Sequence[Run]:
    """Return the runs of every N-th image."""
    shard, n_pipelines = settings.shard, len(settings.by_pipeline)
    if shard is None:
        return runs
    return [run for number, run in enumerate(runs) if number // n_pipelines % shard.n_shards == shard.number - 1]


def _find_option_errors(study: Study) -> list[NiimaskerError]:
    """Return the errors in the options that concern all runs together."""
    errors: list[NiimaskerError] = []
    collect_error(errors, lambda: check_patterns(study.settings, study.all_runs, study.plans))
    collect_error(errors, lambda: _check_cifti_out(study))
    # The masks of single runs are not read yet, and spheres may not overlap within them.
    if not has_own_mask(study.settings):
        for space in study.spaces:
            collect_error(errors, functools.partial(check_spheres, study.atlases, space, study.mask, study.settings))
    return errors


def _check_cifti_out(study: Study) -> None:
    for plan in study.plans:
        check_parcels(study.atlases, plan.series, study.settings)


def check_spheres(atlases: Sequence[Regions], space: Space, mask: AnyMask | None, settings: Settings) -> None:
    """Raise RegionsError if spheres share points of a space, unless --allow_overlap is given."""
    for regions in atlases:
        if isinstance(regions.definition, Seeds) and not settings.allow_overlap:
            check_overlap(place_regions(regions, space, mask))


def _load_mask(settings: Settings) -> AnyMask | None:
    """Return the mask that all runs share, None if there is none or each run has its own."""
    if settings.mask_img is None:
        return None
    if settings.as_voxels:
        warn("--mask_img is ignored: with --as_voxels the mask in --roi_file says which voxels.")
        return None
    return None if has_own_mask(settings) else load_mask(settings.mask_img)


def _fetch_atlases(settings: Settings) -> None:
    """Fetch the nilearn atlases of a study whose runs also have their own, so that workers need not download them."""
    for query in filter(is_atlas_query, settings.roi_file):
        fetch_atlas(query, settings.atlas_dir)


def load_atlases(roi_files: Sequence[str], settings: Settings) -> tuple[Regions, ...]:
    """Return the regions of each file or atlas in `roi_files`."""
    return load_regions(
        roi_files,
        labels=settings.labels,
        as_voxels=settings.as_voxels,
        radius=settings.radius,
        atlas_dir=settings.atlas_dir,
        # One table names the regions of all subjects, each of whom may lack some; FreeSurfer's names more than any has.
        allow_extra_names=has_own_atlases(settings),
    )


def list_origins(atlases: Sequence[Regions], mask: AnyMask | None, settings: Settings) -> list[Origin]:
    """Return what the atlases and the mask that all runs share say about their space."""
    mask_name = f"the mask {parse_mask(settings.mask_img).name}" if settings.mask_img else ""
    masks = [] if mask is None else [Origin(mask_name, has_known_space=False, outline=mask.outline)]
    return [*(regions.origin for regions in atlases), *masks]


def _plan_all(
    runs: Sequence[Run], settings: Settings, origins: Sequence[Origin]
) -> tuple[tuple[Plan, ...], dict[Run, InvalidRun]]:
    plans: list[Plan] = []
    invalid_runs: dict[Run, InvalidRun] = {}
    for _, of_image in itertools.groupby(runs, key=lambda run: run.image_paths):
        with share_readings():
            for run in of_image:
                tables = show_paths(run.confounds_paths) or "none"
                _log.debug("%s: confounds %s, outputs %s", run.image_path, tables, run.output_stem)
                checked = plan_run(run, settings.by_pipeline[run.pipeline], origins)
                if isinstance(checked, InvalidRun):
                    invalid_runs[run] = checked
                else:
                    plans.append(checked)
    return tuple(plans), invalid_runs
