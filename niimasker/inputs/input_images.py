"""Find the images that --input_files stands for: files, patterns of files, and folders of BIDS derivatives."""

from __future__ import annotations

import contextlib
import glob
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from natsort import natsorted

from niimasker.errors import RunsError, count
from niimasker.inputs.datasets import list_images
from niimasker.inputs.earlier_outputs import expand_images, leave_out_folders
from niimasker.inputs.entity_filters import EntityFilter, fits_run, make_filters, select_images
from niimasker.inputs.exclusions import check_used, find_excluded, read_exclusions
from niimasker.inputs.repeated_runs import warn_of_repeats
from niimasker.inputs.run_images import RunImage, join_hemispheres, name_runs, warn_of_missing_hemispheres
from niimasker.options.paths import describe_missing_file, expand_home
from niimasker.options.settings import Settings

# Beginnings of the names of folders in a dataset that hold runs.
_DATASET_FOLDERS = ("sub-", "ses-", "func")


@dataclass(frozen=True)
class InputImages:
    """The images of a call, and the names of the runs that --exclude leaves out."""

    images: tuple[RunImage, ...]
    left_out: tuple[str, ...]


def find_images(settings: Settings) -> InputImages:
    """Return the images that --input_files stands for, without those of --exclude; the hemispheres of a run as one.

    Raises
    ------
    RunsError
        A pattern matches nothing, a file does not exist, a folder holds no such images or several of one run, or an
        exclusion fits no image.
    """
    filters, exclusions = make_filters(settings), read_exclusions(settings.exclude)
    groups = list(_list_groups(settings))
    listed = [image for _, group in groups for image in group]
    excluded = find_excluded(listed, exclusions)
    check_used(listed, exclusions)
    images: list[RunImage] = []
    left_out: list[RunImage] = []
    for folder, group in groups:
        left_out += [
            image for image in group if image.path in excluded and (folder is None or fits_run(image, filters))
        ]
        kept = [image for image in group if image.path not in excluded]
        images += select_images(kept, filters, folder) if kept and folder is not None else kept
    if not images:
        raise RunsError("--exclude leaves no image of --input_files; exclude fewer runs.")
    if not any(image.is_from_folder for image in images):
        _refuse_filters(filters)
    images = join_hemispheres(images)
    _check_fetched([path for image in images for path in image.paths])
    warn_of_repeats([image for image in images if not image.is_from_folder])
    chooses_hemisphere = any(entity_filter.entity == "hemi" for entity_filter in filters)
    warn_of_missing_hemispheres([] if chooses_hemisphere else images, listed)
    return InputImages(tuple(images), name_runs(left_out, [*left_out, *images]))


def _list_groups(settings: Settings) -> Iterator[tuple[Path | None, list[RunImage]]]:
    """Yield the images of each folder, and those that are given by name or pattern, with None for the folder."""
    for text in settings.input_files:
        folders = leave_out_folders(text, _find_folders(text), settings.output_dir, _holds_images)
        for folder in folders:
            _check_output_dir(folder, settings.output_dir)
            yield folder, list_images(folder)
        if not folders:
            yield None, [RunImage.from_path(path) for path in expand_images(text, settings.output_dir)]


def _find_folders(text: str) -> list[Path]:
    """Return the folder that an item of --input_files names, or the dataset folders that it matches, such as sub-*."""
    path = expand_home(text)
    if describe_missing_file(path) == "a folder":
        return [path]
    if not (glob.has_magic(text) and path.name.startswith(_DATASET_FOLDERS)):
        return []
    matches = map(Path, glob.glob(str(path)))  # noqa: PTH207
    folders: list[Path] = natsorted(match for match in matches if describe_missing_file(match) == "a folder")
    return folders


def _holds_images(folder: Path) -> bool:
    with contextlib.suppress(RunsError):
        return bool(list_images(folder))
    return False


def _check_output_dir(folder: Path, output_dir: Path) -> None:
    if folder.resolve() == output_dir.resolve():
        raise RunsError(f"output_dir: {output_dir} is the folder of the images; give another one for the results.")


def _check_fetched(image_paths: Sequence[Path]) -> None:
    """Raise RunsError if all images are links to files that do not exist; if only some are, only their runs fail."""
    if all(path.is_symlink() and not path.exists() for path in image_paths):
        raise RunsError(
            f"--input_files: no image has been fetched, only {count(len(image_paths), 'link')} to files that do not "
            f"exist, such as {image_paths[0]}; fetch them, as with datalad get."
        )


def _refuse_filters(filters: Sequence[EntityFilter]) -> None:
    # The default of --desc is always among the filters.
    given = next((entity_filter for entity_filter in filters if entity_filter.values != (Settings.desc,)), None)
    if given is not None:
        raise RunsError(
            f"--{given.option} chooses among the runs of a folder, but --input_files gives files; "
            "give the folder, or choose by a pattern."
        )
