"""Find the runs that files, patterns and folders stand for: an image each, its files, and the name of its outputs."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from niimasker.errors import RunError, RunsError, count
from niimasker.inputs.associated_files import BRAIN_MASK, CONFOUNDS, AssociatedFiles
from niimasker.inputs.closest_files import choose_closest
from niimasker.inputs.entities import RUN_ENTITIES_WITHOUT_ECHO, Entities, read_name, run_entities, show_entities
from niimasker.inputs.file_patterns import expand_patterns
from niimasker.inputs.input_images import find_images
from niimasker.inputs.output_stems import list_paths, name_outputs
from niimasker.inputs.sidecars import Sidecars
from niimasker.inputs.templates import is_template, resolve_template
from niimasker.options.settings import Settings

Value = TypeVar("Value")

# The value of --mask_img for the brain mask beside each image.
AUTO = Path("auto")


@dataclass(frozen=True)
class RegionFiles:
    """A run's own atlases and, if there is one, its mask."""

    roi_files: tuple[str, ...]
    mask_path: Path | None


@dataclass(frozen=True)
class Run:
    """One image, the files that belong to it, and the name of its outputs below the output directory.

    Parameters
    ----------
    own_regions
        The run's atlases and mask, if these differ between runs.
    sidecar_paths
        The image's JSON files, the nearest first.
    faults
        Why the run cannot be processed: a file is missing, or more than one fits.
    """

    image_path: Path
    confounds_path: Path | None
    output_stem: str
    censor_path: Path | None = None
    own_regions: RegionFiles | None = None
    sidecar_paths: tuple[Path, ...] = ()
    faults: tuple[str, ...] = ()


def find_runs(settings: Settings) -> list[Run]:
    """Return the runs that patterns, file names and folders stand for.

    Raises
    ------
    RunsError
        A pattern matches nothing, a file does not exist, a folder holds several versions of its images, images and
        confounds do not pair, two images would share an output name, an image has no name in the layout, or a file
        that every run needs is missing for all of them.
    """
    image_paths, from_folders = find_images(settings)
    output_stems = name_outputs(image_paths, settings.output_layout)
    confounds_paths = _pair_option(
        image_paths, settings.regressor_files, "--regressor_files", "confounds table", allow_unused=bool(from_folders)
    )
    censor_paths = _pair_option(
        image_paths, settings.censor_file, "--censor_file", "censor file", allow_unused=bool(from_folders)
    )
    associated, sidecars = AssociatedFiles(), Sidecars()
    runs = [
        _add_files(
            Run(*parts, sidecar_paths=sidecars.find(parts[0])),
            settings,
            associated,
            is_from_folder=parts[0] in from_folders,
        )
        for parts in zip(image_paths, confounds_paths, output_stems, censor_paths, strict=True)
    ]
    if all(run.faults for run in runs):
        more = f" (and so for all {len(runs)} images)" if len(runs) > 1 else ""
        raise RunsError(f"{runs[0].faults[0]}{more}")
    return runs


def has_own_atlases(settings: Settings) -> bool:
    """Return whether atlases differ between runs."""
    return any(map(is_template, settings.roi_file))


def has_own_mask(settings: Settings) -> bool:
    """Return whether each run has a mask of its own."""
    # With --as_voxels the voxels are those of the regions, and the mask is not used.
    mask_img = None if settings.as_voxels else settings.mask_img
    return mask_img is not None and (mask_img == AUTO or is_template(str(mask_img)))


def _add_files(run: Run, settings: Settings, associated: AssociatedFiles, *, is_from_folder: bool) -> Run:
    """Return a run with the files that are found by its image's name; what is not found is recorded in its faults."""
    run, faults = _without_unfetched_tables(run)
    if not settings.regressor_files and (is_from_folder or settings.needs_confounds):
        missing: list[str] = []
        confounds_path = _find_or_record(lambda: associated.find(run.image_path, CONFOUNDS), missing)
        # If no option needs the table, a run without one only lacks its framewise displacement.
        faults += missing if settings.needs_confounds else []
        run = dataclasses.replace(run, confounds_path=confounds_path)
    if has_own_atlases(settings) or has_own_mask(settings):
        own_regions = _find_or_record(lambda: _find_regions(run.image_path, settings, associated), faults)
        run = dataclasses.replace(run, own_regions=own_regions)
    return dataclasses.replace(run, faults=tuple(faults))


def _without_unfetched_tables(run: Run) -> tuple[Run, list[str]]:
    """Return a run without tables that are links to files that do not exist, and a fault for each of them."""
    faults: list[str] = []
    if run.confounds_path is None and run.censor_path is None:
        return run, faults
    for noun, path in (("confounds table", run.confounds_path), ("censor file", run.censor_path)):
        if path is not None and _is_broken_link(path):
            faults.append(
                f"{run.image_path}: its {noun} {path} is a link to a file that does not exist; "
                "fetch it, as with datalad get."
            )
    confounds_path, censor_path = (
        None if path is None or _is_broken_link(path) else path for path in (run.confounds_path, run.censor_path)
    )
    return dataclasses.replace(run, confounds_path=confounds_path, censor_path=censor_path), faults


def _is_broken_link(path: Path) -> bool:
    return path.is_symlink() and not path.exists()


def _find_or_record(find: Callable[[], Value], faults: list[str]) -> Value | None:
    """Return what `find` finds; where it raises RunError, add the error's text to the faults and return None."""
    try:
        return find()
    except RunError as error:
        faults.append(str(error))
        return None


def _find_regions(image_path: Path, settings: Settings, associated: AssociatedFiles) -> RegionFiles:
    roi_files = tuple(
        str(resolve_template(text, image_path, "--roi_file")) if is_template(text) else text
        for text in settings.roi_file
    )
    return RegionFiles(roi_files, _find_mask(image_path, settings, associated))


def _find_mask(image_path: Path, settings: Settings, associated: AssociatedFiles) -> Path | None:
    if settings.as_voxels:
        return None  # the mask is not used, see has_own_mask
    if not has_own_mask(settings):
        return settings.mask_img
    if settings.mask_img == AUTO:
        return associated.find(image_path, BRAIN_MASK)
    return resolve_template(str(settings.mask_img), image_path, "--mask_img")


def _pair_option(
    image_paths: Sequence[Path], patterns: Sequence[str], option: str, noun: str, *, allow_unused: bool
) -> Sequence[Path | None]:
    if not patterns:
        return [None] * len(image_paths)
    return pair_tables(image_paths, expand_patterns(patterns, option), noun, allow_unused=allow_unused)


def pair_tables(
    image_paths: Sequence[Path],
    table_paths: Sequence[Path],
    noun: str = "confounds table",
    *,
    allow_unused: bool = False,
) -> list[Path]:
    """Return the table of each image, paired by BIDS entities if all names have them, else by order.

    Parameters
    ----------
    allow_unused
        Ignore tables that fit no image, such as those of runs in a folder that are not selected.
    """
    images = {path: run_entities(path.name) for path in image_paths}
    tables = {path: run_entities(path.name) for path in table_paths}
    if not any(images.values()) or not any(tables.values()):
        if len(image_paths) != len(table_paths):
            raise RunsError(
                f"{count(len(image_paths), 'image')} but {count(len(table_paths), noun)}; give one per image."
            )
        return list(table_paths)
    nameless = [path for path, entities in [*images.items(), *tables.items()] if not entities]
    if nameless:
        raise RunsError(
            f"some images and {noun}s are named by BIDS entities, others are not: {list_paths(nameless)}; "
            "rename these, or process them separately."
        )
    by_entities: dict[Entities, list[Path]] = defaultdict(list)
    for path, entities in tables.items():
        by_entities[entities].append(path)
    paired = [_find_table(path, images[path], by_entities, noun) for path in image_paths]
    _check_one_run_per_table(image_paths, paired)
    unused = sorted(tables.keys() - set(paired))
    if unused and not allow_unused:
        raise RunsError(f"no image has the BIDS entities of {unused[0]}; its image is missing or misnamed.")
    return paired


def _check_one_run_per_table(image_paths: Sequence[Path], paired: Sequence[Path]) -> None:
    """Raise RunsError if a table is paired with both run-1 and run-01; images of one run in several spaces share it."""
    runs_of_table: dict[Path, dict[Entities, Path]] = defaultdict(dict)
    for image_path, table_path in zip(image_paths, paired, strict=True):
        run = read_name(image_path.name).identity(RUN_ENTITIES_WITHOUT_ECHO, keeps_zeros=True)
        runs_of_table[table_path][run] = image_path
    for table_path, images in runs_of_table.items():
        if len(images) > 1:
            raise RunsError(
                f"{table_path} has the BIDS entities of more than one run: {list_paths(list(images.values()))}; "
                "give each a table of its own."
            )


def _find_table(image_path: Path, entities: Entities, tables: Mapping[Entities, list[Path]], noun: str) -> Path:
    # fMRIPrep writes one table for all echoes of a run, under a name without echo.
    without_echo = frozenset(entity for entity in entities if entity[0] != "echo")
    candidates = tables.get(entities) or tables.get(without_echo) or []
    if len(candidates) > 1:
        candidates = choose_closest(read_name(image_path.name), candidates) or candidates
    shown = show_entities(entities)
    if not candidates:
        raise RunsError(f"no {noun} has the BIDS entities of {image_path} ({shown}).")
    if len(candidates) > 1:
        raise RunsError(
            f"more than one {noun} has the BIDS entities of {image_path} ({shown}): {list_paths(candidates)}."
        )
    return candidates[0]
