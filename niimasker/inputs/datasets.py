"""List the BOLD images in a folder of BIDS derivatives, such as fMRIPrep's outputs."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from natsort import natsorted

from niimasker.errors import RunsError, count, list_names, warn
from niimasker.inputs.entities import NONE, is_hidden, read_name
from niimasker.inputs.run_images import IMAGE_EXTENSIONS, RunImage

# Files of surfaces and grayordinates that are no series of all their points.
_OTHER_SURFACE_EXTENSIONS = (".gii", ".ptseries.nii", ".pconn.nii", ".dconn.nii", ".dscalar.nii", ".pscalar.nii")


def list_images(folder: Path) -> list[RunImage]:
    """Return all BOLD images of a folder, whatever version of a run they are.

    Parameters
    ----------
    folder
        The root of a dataset, or the folder of a subject or a session, or a `func` folder.

    Raises
    ------
    RunsError
        There is none, or all have a prefix before sub-.
    """
    func_folders = _find_func_folders(folder)
    images = [image for func in func_folders for image in _list_images(func)]
    if not images:
        explanation = _explain_absence(folder, func_folders)
        raise RunsError(f"--input_files: {folder} holds no BOLD images in sub-*/ses-*/func{explanation}")
    return _without_prefixed(images, folder)


def _without_prefixed(images: Sequence[RunImage], folder: Path) -> list[RunImage]:
    """Return the images without those that have a prefix before sub-, with a warning."""
    prefixed = [image for image in images if _has_prefix(image)]
    if not prefixed:
        return list(images)
    names = list_names([image.path.name for image in prefixed])
    way_out = "give such images by a pattern to process them."
    if len(prefixed) == len(images):
        raise RunsError(f"--input_files: all BOLD images in {folder} have a prefix before sub- ({names}); {way_out}")
    warn(f"{folder} has {count(len(prefixed), 'image')} with a prefix before sub-, left out: {names}; {way_out}")
    return [image for image in images if not _has_prefix(image)]


def _has_prefix(image: RunImage) -> bool:
    # SPM writes usub-01_task-rest_bold.nii, swusub-01_task-rest_bold.nii, ... beside its images.
    entities = image.name.entities
    return "sub" not in entities and any(key.endswith("sub") for key in entities)


def _explain_absence(folder: Path, func_folders: Sequence[Path]) -> str:
    """Return the end of the message about a folder without BOLD images."""
    surfaces = [name for func in func_folders for name in _list_names(func) if name.endswith(_OTHER_SURFACE_EXTENSIONS)]
    if surfaces:
        found = f"only {count(len(surfaces), 'file')} of surfaces or grayordinates, such as {min(surfaces)}"
        return (
            f", {found}, that are no series; niimasker reads series in .nii, .nii.gz, .dtseries.nii and .func.gii "
            "files: give a folder that holds them, or give files by name."
        )
    return f"; give {suggest_folder(folder) or 'a folder of BIDS derivatives, files, or patterns'}."


def format_counts(images: Sequence[RunImage], entity: str, max_listed: int = 10) -> str:
    """Return the values that images have of an entity, each with the number of images."""
    counts = Counter(image.value_of(entity) for image in images)
    listed = [f"{value} ({_format_count(value, counts[value], entity)})" for value in natsorted(counts)]
    more = f" and {len(listed) - max_listed} more" if len(listed) > max_listed else ""
    return f"{', '.join(listed[:max_listed])}{more}"


def _format_count(value: str, n_images: int, entity: str) -> str:
    return f"{count(n_images, 'image')}{f' without {entity}-' if value == NONE else ''}"


def _list_images(func: Path) -> Iterator[RunImage]:
    for file_name in _list_names(func):
        is_image = file_name.endswith(IMAGE_EXTENSIONS) and not is_hidden(file_name)
        name = read_name(file_name) if is_image else None
        if (
            name
            and name.suffix == "bold"
            and name.extension in IMAGE_EXTENSIONS
            and name.entities.get("part") != "phase"
        ):
            yield RunImage(func / file_name, name, is_from_folder=True)


def _find_func_folders(folder: Path) -> list[Path]:
    """Return the `func` folders in a folder at any level of a dataset.

    Only sub-*, ses-* and func are entered, no work or surface folders. A folder that holds none of them is itself taken
    as a `func` folder.
    """
    subjects = _list_folders(folder, "sub-*")
    inner = [path for subject in subjects or [folder] for path in _list_folders(subject, "ses-*", "func")]
    found = [func for path in inner for func in ([path] if path.name == "func" else _list_folders(path, "func"))]
    return found if found or subjects else [folder]


def _list_folders(folder: Path, *patterns: str) -> list[Path]:
    names = [name for name in _list_names(folder) if any(fnmatchcase(name, pattern) for pattern in patterns)]
    return [path for name in names if (path := folder / name).is_dir()]


def _list_names(folder: Path) -> list[str]:
    # glob skips folders that cannot be read without an error, and their runs would be missing.
    try:
        return os.listdir(folder)  # noqa: PTH208
    except OSError as error:
        raise RunsError(
            f"--input_files: {folder} cannot be read ({error.strerror}); make it readable, or give other folders."
        ) from error


def suggest_folder(folder: Path) -> str:
    """Return a text that names the folders below with subjects, "" if there are none."""
    subjects = [*folder.glob("*/sub-*"), *folder.glob("*/*/sub-*")]
    # A folder of reports holds files such as sub-01_report.html, but no subject folders.
    inner = natsorted({path.parent for path in subjects if path.is_dir()}, key=str)
    return f"the folder that holds sub-*: {', '.join(map(str, inner[:3]))}" if inner else ""
