"""Find the runs that files, patterns and folders stand for: an image each, its files, and the name of its outputs."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from niimasker.errors import NiimaskerError, RunError, RunsError
from niimasker.inputs.associated_files import BRAIN_MASK, CONFOUNDS, MOTION, AssociatedFiles
from niimasker.inputs.hemispheres import name_pair
from niimasker.inputs.input_images import find_images
from niimasker.inputs.output_stems import add_label, name_outputs
from niimasker.inputs.own_region_files import resolve_regions
from niimasker.inputs.run_images import CIFTI_EXTENSIONS, RunImage
from niimasker.inputs.sidecars import Sidecars
from niimasker.inputs.surfaces.cortex_masks import find_cortex_mask
from niimasker.inputs.table_pairs import pair_censor_files, pair_confounds
from niimasker.inputs.templates import is_template
from niimasker.options.hemisphere_names import names_gifti
from niimasker.options.settings import Pipeline, Settings

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
    image_path
        The image; of two hemispheres, that of the left one.
    own_regions
        The run's atlases and mask, if these differ between runs.
    further_images
        The image of the right hemisphere, if there are two.
    further_tables
        The confounds tables that are joined to the right of the first.
    motion_path
        XCP-D's table of motion beside the image, which gives framewise displacement where no confounds table does.
    sidecar_paths
        The image's JSON files, the nearest first.
    faults
        Why the run cannot be processed: a file is missing, or more than one fits.
    pipeline
        The name of the way of cleaning; each image is a run for every pipeline. Empty without pipelines.
    """

    image_path: Path
    confounds_path: Path | None
    output_stem: str
    censor_path: Path | None = None
    own_regions: RegionFiles | None = None
    further_tables: tuple[Path, ...] = ()
    sidecar_paths: tuple[Path, ...] = ()
    motion_path: Path | None = None
    faults: tuple[str, ...] = ()
    further_images: tuple[Path, ...] = ()
    pipeline: str = ""

    @property
    def image_paths(self) -> tuple[Path, ...]:
        """All files of the image, left before right."""
        return (self.image_path, *self.further_images)

    @property
    def image_name(self) -> str:
        """The name of the image's file, or of those of both hemispheres: hemi-{L,R}_bold.func.gii."""
        names = [path.name for path in self.image_paths]
        return name_pair(*names) if len(names) > 1 else names[0]

    @property
    def confounds_paths(self) -> tuple[Path, ...]:
        """All confounds tables, in the order in which they are joined."""
        first = () if self.confounds_path is None else (self.confounds_path,)
        return (*first, *self.further_tables)


def find_runs(settings: Settings) -> list[Run]:
    """Return the runs that patterns, file names and folders stand for, those of an image one after the other.

    Raises
    ------
    RunsError
        A pattern matches nothing, a file does not exist, a folder holds several versions of its images, or as
        `make_runs` does.
    """
    return make_runs(find_images(settings).images, settings)


def make_runs(images: Sequence[RunImage], settings: Settings) -> list[Run]:
    """Return the runs of images with their files, those of an image one after the other.

    Raises
    ------
    RunsError
        Images and confounds do not pair, two images would share an output name, an image has no name in the layout,
        or a file that every run needs is missing for all of them.
    """
    output_stems = name_outputs(images, settings.output_layout)
    find = _RunFinder(images, output_stems)
    runs = _find_runs_of_pipelines(find, settings) if settings.pipelines else find(settings)
    if all(run.faults for run in runs):
        more = f" (and so for all {len(images)} images)" if len(images) > 1 else ""
        raise RunsError(f"{runs[0].faults[0]}{more}")
    return runs


def _find_runs_of_pipelines(find: _RunFinder, settings: Settings) -> list[Run]:
    """Return the runs of all pipelines, those of an image one after the other."""
    of_pipelines = [_find_runs_of(find, pipeline, settings) for pipeline in settings.pipelines]
    runs = [run for of_image in zip(*of_pipelines, strict=True) for run in of_image]
    _check_names(runs)
    return runs


def _find_runs_of(find: _RunFinder, pipeline: Pipeline, settings: Settings) -> list[Run]:
    """Return a pipeline's run of each image; an error names the pipeline if that sets the patterns of its files."""
    try:
        runs = find(settings.by_pipeline[pipeline.name])
    except NiimaskerError as error:
        if not {"regressor_files", "censor_file"} & dict(pipeline.options).keys():
            raise
        raise type(error)(f"pipeline {pipeline.name!r}: {error}") from error
    stems = [add_label(run.output_stem, pipeline.label, settings.output_layout) for run in runs]
    return [
        dataclasses.replace(run, pipeline=pipeline.name, output_stem=stem)
        for run, stem in zip(runs, stems, strict=True)
    ]


def _check_names(runs: Sequence[Run]) -> None:
    """Raise RunsError if two runs would write files of one name: desc-smooth of an image and a pipeline smooth+raw."""
    by_stem: dict[str, Run] = {}
    for run in runs:
        other = by_stem.setdefault(run.output_stem, run)
        if other is not run:
            raise RunsError(
                f"pipeline {other.pipeline!r} of {other.image_path} and pipeline {run.pipeline!r} of {run.image_path} "
                f"would write outputs of the same name ({run.output_stem}); rename one of the pipelines."
            )


class _RunFinder:
    """Finds the files of each image's run; ways of cleaning that need the same files share the search."""

    def __init__(self, images: Sequence[RunImage], output_stems: Sequence[str]) -> None:
        self._images, self._output_stems = images, output_stems
        self._associated, self._sidecars = AssociatedFiles(), Sidecars()
        self._found: dict[tuple[object, ...], list[Run]] = {}

    def __call__(self, settings: Settings) -> list[Run]:
        """Return the run of each image."""
        needs = (settings.regressor_files, settings.censor_file, settings.needs_confounds, settings.needs_only_motion)
        if needs not in self._found:
            self._found[needs] = list(self._find(settings))
        return self._found[needs]

    def _find(self, settings: Settings) -> Iterator[Run]:
        paths, output_dir = [image.path for image in self._images], settings.output_dir
        allow_unused = any(image.is_from_folder for image in self._images)
        confounds_paths = pair_confounds(paths, settings.regressor_files, output_dir, allow_unused=allow_unused)
        censor_paths = pair_censor_files(paths, settings.censor_file, output_dir, allow_unused=allow_unused)
        for image, stem, tables, censor_path in zip(
            self._images, self._output_stems, confounds_paths, censor_paths, strict=True
        ):
            run = Run(
                image.path,
                next(iter(tables), None),
                stem,
                censor_path,
                further_tables=tables[1:],
                sidecar_paths=self._sidecars.find(*image.paths),
                further_images=image.further_paths,
            )
            yield _add_files(run, settings, self._associated, is_from_folder=image.is_from_folder)


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
    if is_from_folder or settings.needs_confounds:
        with contextlib.suppress(RunError):
            run = dataclasses.replace(run, motion_path=associated.find_optional(run.image_path, MOTION))
    if not settings.regressor_files and (is_from_folder or settings.needs_confounds):
        missing: list[str] = []
        confounds_path = _find_or_record(lambda: associated.find(run.image_path, CONFOUNDS), missing)
        # If no option needs the table, a run without one only lacks its framewise displacement.
        has_enough = run.motion_path is not None and settings.needs_only_motion
        faults += missing if settings.needs_confounds and not has_enough else []
        run = dataclasses.replace(run, confounds_path=confounds_path)
    if has_own_atlases(settings) or has_own_mask(settings):
        own_regions = _find_or_record(lambda: _find_regions(run, settings, associated), faults)
        run = dataclasses.replace(run, own_regions=own_regions)
    return dataclasses.replace(run, faults=tuple(faults))


def _without_unfetched_tables(run: Run) -> tuple[Run, list[str]]:
    """Return a run without tables that are links to files that do not exist, and a fault for each of them."""
    tables = [("confounds table", path) for path in run.confounds_paths]
    tables += [("censor file", run.censor_path)] if run.censor_path else []
    broken = [(noun, path) for noun, path in tables if _is_broken_link(path)]
    faults = [
        f"{run.image_path}: its {noun} {path} is a link to a file that does not exist; fetch it, as with datalad get."
        for noun, path in broken
    ]
    fetched_tables = tuple(path for path in run.confounds_paths if not _is_broken_link(path))
    censor_path = None if run.censor_path is None or _is_broken_link(run.censor_path) else run.censor_path
    fetched = dataclasses.replace(
        run,
        confounds_path=next(iter(fetched_tables), None),
        further_tables=fetched_tables[1:],
        censor_path=censor_path,
    )
    return fetched, faults


def _is_broken_link(path: Path) -> bool:
    return path.is_symlink() and not path.exists()


def _find_or_record(find: Callable[[], Value], faults: list[str]) -> Value | None:
    """Return what `find` finds; where it raises RunError, add the error's text to the faults and return None."""
    try:
        return find()
    except RunError as error:
        faults.append(str(error))
        return None


def _find_regions(run: Run, settings: Settings, associated: AssociatedFiles) -> RegionFiles:
    roi_files = tuple(
        resolve_regions(text, run.image_path, "--roi_file") if is_template(text) else text for text in settings.roi_file
    )
    return RegionFiles(roi_files, _find_mask(run, settings, associated))


def _find_mask(run: Run, settings: Settings, associated: AssociatedFiles) -> Path | None:
    if settings.as_voxels:
        return None  # the mask is not used, see has_own_mask
    if not has_own_mask(settings):
        return settings.mask_img
    if settings.mask_img == AUTO:
        return _find_own_mask(run, associated)
    return Path(resolve_regions(str(settings.mask_img), run.image_path, "--mask_img"))


def _find_own_mask(run: Run, associated: AssociatedFiles) -> Path:
    if run.image_path.name.endswith(CIFTI_EXTENSIONS):
        raise RunError(
            f"{run.image_path}: --mask_img auto is the brain mask of a volume or the cortex mask of surfaces, but "
            "grayordinates are of the brain alone; leave --mask_img out, or give a mask as .dscalar.nii."
        )
    if names_gifti(run.image_path.name):
        return find_cortex_mask(run.image_paths, associated)
    return associated.find(run.image_path, BRAIN_MASK)
