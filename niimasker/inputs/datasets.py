"""From a folder of BIDS derivatives, such as fMRIPrep's outputs, to the images in it that are to be done."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from natsort import natsorted

from niimasker.errors import RunsError, count, list_names, warn
from niimasker.inputs.entities import (
    BUT_ECHO,
    RUN_ENTITIES,
    BidsName,
    Entities,
    is_hidden,
    plain_value,
    read_name,
    show_entities,
)
from niimasker.options.settings import Settings

ENDINGS = (".nii", ".nii.gz", ".nii.bz2", ".nii.zst")

# How --space and --res call images whose names do not have that entity: fMRIPrep leaves space out of images in the
# space of the run itself, and res out of those on a grid of the run's own resolution.
WITHOUT = {"space": "func", "res": "native"}

# As in fMRIPrep's --output-spaces: the cohorts of a template are spaces that differ.
_COHORT = ":cohort-"

# Choices of these leave some runs out; those of others leave one version of each.
_OF_RUNS = ("sub", "ses", "task", "run")

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
        return not self.words_for(image).isdisjoint(self.values)

    def words_for(self, image: DatasetImage) -> set[str]:
        """Return what the option may call an image: a space with its cohort, or without."""
        value = plain_value(self.entity, image.value_of(self.entity))
        return {value, value.partition(_COHORT)[0]}

    def __str__(self) -> str:
        return f"--{self.option} {' '.join(self.values)}"


@dataclass(frozen=True)
class DatasetImage:
    """An image of a dataset, and its name in parts."""

    path: Path
    name: BidsName

    def value_of(self, entity: str) -> str:
        """Return the value of an entity, or the word for images without it."""
        value = self.name.entities.get(entity, WITHOUT.get(entity, f"no {entity}-"))
        cohort = self.name.entities.get("cohort")
        return f"{value}{_COHORT}{cohort}" if entity == "space" and cohort else value


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
        raise RunsError(
            f"--input_files: {folder} holds no BOLD images in sub-*/ses-*/func; "
            f"give {_hint(folder) or 'the folder of fMRIPrep or alike, files, or patterns'}."
        )
    images = _without_single_echoes(_choose(images, choices, folder))
    chosen = {choice.entity for choice in choices}
    for entity, versions in _VERSIONS.items():
        if entity not in chosen:
            _check_single(images, entity, versions, folder)
    images = natsorted(images, key=lambda image: str(image.path))
    _check_cohorts([image for image in images if "cohort" in image.name.entities])
    return [image.path for image in images]


def _choose(images: Sequence[DatasetImage], choices: Sequence[Choice], folder: Path) -> Sequence[DatasetImage]:
    """Return the images that fit all choices; those of runs come first."""
    of_runs = [choice for choice in choices if choice.entity in _OF_RUNS]
    of_versions = [choice for choice in choices if choice.entity not in _OF_RUNS]
    for place, choice in enumerate(of_runs):
        images = _narrow(images, choice, folder, of_runs[:place])
    _warn_of_labels(images, of_runs, folder)
    for place, choice in enumerate(of_versions):
        narrowed = _narrow(images, choice, folder, [*of_runs, *of_versions[:place]])
        if len(narrowed) < len(images):
            _warn_of_runs(_runs_of(images) - _runs_of(narrowed), choice, folder)
        images = narrowed
    return images


def _list_images(folder: Path) -> Iterator[DatasetImage]:
    for func in _func_folders(folder):
        for file_name in _names_in(func):
            is_taken = file_name.endswith(ENDINGS) and not is_hidden(file_name)
            name = read_name(file_name) if is_taken else None
            if name and name.suffix == "bold" and name.extension in ENDINGS and name.entities.get("part") != "phase":
                yield DatasetImage(func / file_name, name)


def _func_folders(folder: Path) -> list[Path]:
    """Return the folders with functional images, whatever level of a dataset the folder is.

    Work folders and surfaces are not gone through. What holds no subjects, sessions or func is taken for func.
    """
    subjects = _folders_in(folder, "sub-*")
    inner = [path for subject in subjects or [folder] for path in _folders_in(subject, "ses-*", "func")]
    found = [func for path in inner for func in ([path] if path.name == "func" else _folders_in(path, "func"))]
    return found if found or subjects else [folder]


def _folders_in(folder: Path, *patterns: str) -> list[Path]:
    names = [name for name in _names_in(folder) if any(fnmatchcase(name, pattern) for pattern in patterns)]
    return [path for name in names if (path := folder / name).is_dir()]


def _names_in(folder: Path) -> list[str]:
    # Not by a pattern: that passes over folders that cannot be read, and their runs would be missing in silence.
    try:
        return os.listdir(folder)  # noqa: PTH208
    except OSError as error:
        raise RunsError(f"--input_files: {folder} cannot be read ({error.strerror}); mend that.") from error


def _hint(folder: Path) -> str:
    """Return where else to look, where that shows."""
    subjects = [*folder.glob("*/sub-*"), *folder.glob("*/*/sub-*")]
    # A folder of pages has sub-01_report.html, and is none of subjects.
    inner = natsorted({path.parent for path in subjects if path.is_dir()}, key=str)
    return f"the folder that holds sub-*: {', '.join(map(str, inner[:3]))}" if inner else ""


def _narrow(
    images: Sequence[DatasetImage], choice: Choice, folder: Path, before: Sequence[Choice]
) -> list[DatasetImage]:
    """Return the images that fit a choice, of those that earlier choices left."""
    missing = _missing(images, choice)
    if missing:
        among = f" with {' '.join(map(str, before))}" if before else ""
        counts = Counter(image.value_of(choice.entity) for image in images)
        raise RunsError(
            f"--{choice.option} {', '.join(missing)}: no such image in {folder}{among}; found {_shown(counts)}"
            f"{'; or give ' + hint if choice.entity == 'desc' and (hint := _hint(folder)) else ''}."
        )
    return [image for image in images if choice.fits(image)]


def _missing(images: Sequence[DatasetImage], choice: Choice) -> list[str]:
    there = {word for image in images for word in choice.words_for(image)}
    return [value for value in choice.values if value not in there]


def _warn_of_labels(images: Sequence[DatasetImage], choices: Sequence[Choice], folder: Path) -> None:
    """Warn of labels that are there, but not together with the other labels."""
    for choice in choices:
        missing = _missing(images, choice)
        if missing:
            others = " ".join(str(each) for each in choices if each != choice)
            labels = ", ".join(missing)
            warn(f"--{choice.option} {labels}: no such image in {folder} with {others}; the others are taken.")


def _runs_of(images: Iterable[DatasetImage]) -> set[Entities]:
    return {image.name.identity(BUT_ECHO, is_padded=True) for image in images}


def _warn_of_runs(lost: Set[Entities], choice: Choice, folder: Path) -> None:
    if lost:
        names = list_names(natsorted(map(show_entities, lost)))
        warn(f"{choice}: {count(len(lost), 'run')} of {folder} without such an image, left out: {names}.")


def _shown(counts: Counter[str], most: int = 10) -> str:
    listed = [f"{value} ({count(counts[value], 'image')})" for value in natsorted(counts)]
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return f"{', '.join(listed[:most])}{more}"


def _without_single_echoes(images: Sequence[DatasetImage]) -> list[DatasetImage]:
    """Return the images without the single echoes of runs that are there with their echoes combined."""
    # Whatever the space: fMRIPrep writes single echoes in the run's own alone.
    combined = _runs_of(image for image in images if "echo" not in image.name.entities)
    return [image for image in images if "echo" not in image.name.entities or not _runs_of([image]) <= combined]


def _check_single(images: Sequence[DatasetImage], entity: str, versions: str, folder: Path) -> None:
    counts = Counter(image.value_of(entity) for image in images)
    if len(counts) > 1:
        raise RunsError(f"{folder} has {versions}: {_shown(counts)}; choose one with --{entity}.")


def _check_cohorts(images: Sequence[DatasetImage]) -> None:
    """Refuse a run that is there in several cohorts of one space; runs of different cohorts go together."""
    by_run: dict[Entities, DatasetImage] = {}
    for image in images:
        run = image.name.identity(RUN_ENTITIES, is_padded=True)
        other = by_run.setdefault(run, image)
        if image.value_of("space") != other.value_of("space"):
            raise RunsError(
                f"{image.path.parent} has a run in several cohorts: {other.path.name}, {image.path.name}; "
                f"choose one with --space {other.value_of('space')}."
            )
