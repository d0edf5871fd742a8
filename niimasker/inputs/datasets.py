"""From a folder of BIDS derivatives, such as fMRIPrep's outputs, to the images in it that are to be done."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from natsort import natsorted

from niimasker.errors import RunsError, count
from niimasker.inputs.entities import RUN_ENTITIES, BidsName, plain_value, read_name
from niimasker.settings import Settings

# Folders that may hold a subject's runs, from the root down; work folders and surfaces are not gone through.
_LEVELS = ("sub-*", "ses-*", "func")
_ENDINGS = (".nii", ".nii.gz", ".nii.bz2", ".nii.zst")

# How --space and --res call images whose names do not have that entity: fMRIPrep leaves space out of images in the
# space of the run itself, and res out of those on a grid of the run's own resolution.
WITHOUT = {"space": "func", "res": "native"}

# Entities by which one run may be there several times.
_VERSIONS = {
    "space": "images in several spaces",
    "res": "images of several resolutions",
    "echo": "single echoes",
}


@dataclass(frozen=True)
class Choice:
    """Which values of an entity are wanted; `option` is who says so."""

    entity: str
    option: str
    values: tuple[str, ...]

    def fits(self, image: DatasetImage) -> bool:
        """Return whether an image has one of the values."""
        return plain_value(self.entity, image.value_of(self.entity)) in self.values


@dataclass(frozen=True)
class DatasetImage:
    """An image of a dataset, and its name in parts."""

    path: Path
    name: BidsName

    def value_of(self, entity: str) -> str:
        """Return the value of an entity, or the word for images without it."""
        return self.name.entities.get(entity, WITHOUT.get(entity, f"no {entity}"))


def choices_of(settings: Settings) -> list[Choice]:
    """Return what the options say of the runs of a folder, in the order in which they narrow them down."""
    given = (
        ("sub", "participant_label", settings.participant_label),
        ("ses", "session", settings.session),
        ("task", "task", settings.task),
        ("run", "run", settings.run),
        ("desc", "desc", (settings.desc,)),
        ("space", "space", (settings.space,) if settings.space else ()),
        ("res", "res", (settings.res,) if settings.res else ()),
        ("echo", "echo", settings.echo),
    )
    return [Choice(entity, option, _plain(entity, values)) for entity, option, values in given if values]


def _plain(entity: str, values: Iterable[str]) -> tuple[str, ...]:
    # As in fMRIPrep's own options, sub-01 and 01 are the same.
    return tuple(plain_value(entity, value.removeprefix(f"{entity}-")) for value in values)


def find_images(folder: Path, choices: Sequence[Choice]) -> list[Path]:
    """Return the images of a folder that are chosen, in natural order.

    Parameters
    ----------
    folder
        The root of a dataset, or the folder of a subject, of a session, or `func`.

    Raises
    ------
    RunsError
        None is chosen, or what is given does not say which of several versions of each run is.
    """
    images = list(_list_images(folder))
    if not images:
        raise RunsError(f"--input_files: {folder} holds no BOLD images in {'/'.join(_LEVELS)}{_hint(folder)}.")
    for choice in choices:
        images = _narrow(images, choice, folder)
    images = _without_single_echoes(images)
    chosen = {choice.entity for choice in choices}
    for entity, versions in _VERSIONS.items():
        if entity not in chosen:
            _check_single(images, entity, versions, folder)
    in_order: list[Path] = natsorted((image.path for image in images), key=str)
    return in_order


def _list_images(folder: Path) -> Iterator[DatasetImage]:
    for func in _func_folders(folder):
        for file_name in _names_in(func):
            name = read_name(file_name) if file_name.endswith(_ENDINGS) else None
            if name and name.suffix == "bold" and name.extension in _ENDINGS and name.entities.get("part") != "phase":
                yield DatasetImage(func / file_name, name)


def _func_folders(folder: Path) -> list[Path]:
    """Return the folders with functional images, whatever level of a dataset the folder is."""
    name = folder.resolve().name
    if name == "func":
        return [folder]
    is_session, is_subject = name.startswith("ses-"), name.startswith("sub-")
    below = [] if is_session else ["ses-*/func"] if is_subject else ["sub-*/func", "sub-*/ses-*/func"]
    patterns = [*below, "func"] if is_session or is_subject else below
    return [path for pattern in patterns for path in folder.glob(pattern) if path.is_dir()]


def _names_in(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208
    except OSError as error:
        raise RunsError(f"--input_files: {folder} cannot be read ({error.strerror}); mend that.") from error


def _hint(folder: Path) -> str:
    """Return where else to look, where that shows."""
    inner = natsorted({path.parent for path in [*folder.glob("*/sub-*"), *folder.glob("derivatives/*/sub-*")]})
    return f"; give the folder that holds sub-*: {', '.join(map(str, inner[:3]))}" if inner else ""


def _narrow(images: Sequence[DatasetImage], choice: Choice, folder: Path) -> list[DatasetImage]:
    counts = Counter(image.value_of(choice.entity) for image in images)
    there = {plain_value(choice.entity, value) for value in counts}
    missing = [value for value in choice.values if value not in there]
    if missing:
        raise RunsError(
            f"--{choice.option} {missing[0]}: no image of {folder} has it; found {_shown(choice.entity, counts)}"
            f"{_hint(folder) if choice.entity == 'desc' else ''}."
        )
    return [image for image in images if choice.fits(image)]


def _shown(entity: str, counts: Counter[str], most: int = 10) -> str:
    listed = [f"{value} ({count(counts[value], 'image')})" for value in natsorted(counts)]
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return f"{entity} {', '.join(listed[:most])}{more}"


def _without_single_echoes(images: Sequence[DatasetImage]) -> list[DatasetImage]:
    """Return the images without the single echoes of runs that are there with their echoes combined."""
    others = tuple(entity for entity in (*RUN_ENTITIES, "space", "res", "cohort") if entity != "echo")
    combined = {image.name.identity(others) for image in images if "echo" not in image.name.entities}
    return [
        image for image in images if "echo" not in image.name.entities or image.name.identity(others) not in combined
    ]


def _check_single(images: Sequence[DatasetImage], entity: str, versions: str, folder: Path) -> None:
    counts = Counter(image.value_of(entity) for image in images)
    if len(counts) > 1:
        raise RunsError(f"{folder} has {versions}: {_shown(entity, counts)}; choose one with --{entity}.")
