"""Find the images to process in a folder of BIDS derivatives, such as fMRIPrep's outputs."""

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
    RUN_ENTITIES,
    RUN_ENTITIES_WITHOUT_ECHO,
    BidsName,
    Entities,
    is_hidden,
    read_name,
    show_entities,
    strip_zeros,
)
from niimasker.options.settings import Settings

IMAGE_EXTENSIONS = (".nii", ".nii.gz", ".nii.bz2", ".nii.zst")

# The words of --space and --res for images without that entity: fMRIPrep writes no space entity for images in the run's
# native space, and no res entity for images at the run's native resolution.
WORDS_FOR_ABSENT = {"space": "func", "res": "native"}

# As in fMRIPrep's --output-spaces: each cohort of a template is a space of its own.
_COHORT = ":cohort-"

# Filters on these entities select runs; filters on other entities select one version of each run.
_RUN_FILTER_ENTITIES = ("sub", "ses", "task", "run")

# Entities that tell several versions of one run apart.
_VERSION_ENTITIES = {
    "space": "images in several spaces",
    "res": "images of several resolutions",
    "echo": "single echoes",
}


@dataclass(frozen=True)
class EntityFilter:
    """The values of an entity that an option selects."""

    entity: str
    option: str
    values: tuple[str, ...]

    def fits(self, image: DatasetImage) -> bool:
        """Return whether an image has one of the values."""
        return not self.words_for(image).isdisjoint(self.values)

    def words_for(self, image: DatasetImage) -> set[str]:
        """Return the values that select an image; a space is selected with or without its cohort."""
        value = strip_zeros(self.entity, image.value_of(self.entity))
        return {value, value.partition(_COHORT)[0]}

    def __str__(self) -> str:
        return f"--{self.option} {' '.join(self.values)}"


@dataclass(frozen=True)
class DatasetImage:
    """An image of a dataset and its parsed name."""

    path: Path
    name: BidsName

    def value_of(self, entity: str) -> str:
        """Return the value of an entity, or the option's word for images without it."""
        value = self.name.entities.get(entity, WORDS_FOR_ABSENT.get(entity, f"no {entity}-"))
        cohort = self.name.entities.get("cohort")
        return f"{value}{_COHORT}{cohort}" if entity == "space" and cohort else value


def make_filters(settings: Settings) -> list[EntityFilter]:
    """Return a filter for each option that selects among a folder's images, in the order in which they apply."""
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
    return [EntityFilter(entity, option, _normalise(entity, values)) for entity, option, values in given if values]


def _normalise(entity: str, values: Iterable[str]) -> tuple[str, ...]:
    # As in fMRIPrep's options, sub-01 and 01 mean the same.
    return tuple(strip_zeros(entity, value.removeprefix(f"{entity}-")) for value in values)


def find_images(folder: Path, filters: Sequence[EntityFilter]) -> list[Path]:
    """Return the images of a folder that pass all filters, in natural order.

    Parameters
    ----------
    folder
        The root of a dataset, or the folder of a subject or a session, or a `func` folder.

    Raises
    ------
    RunsError
        No image passes, or several versions of a run do.
    """
    images = list(_list_images(folder))
    if not images:
        raise RunsError(
            f"--input_files: {folder} holds no BOLD images in sub-*/ses-*/func; "
            f"give {_suggest_folder(folder) or 'a folder of BIDS derivatives, files, or patterns'}."
        )
    images = _without_single_echoes(_apply_filters(images, filters, folder))
    chosen = {entity_filter.entity for entity_filter in filters}
    for entity, versions in _VERSION_ENTITIES.items():
        if entity not in chosen:
            _check_single_version(images, entity, versions, folder)
    images = natsorted(images, key=lambda image: str(image.path))
    _check_cohorts([image for image in images if "cohort" in image.name.entities])
    return [image.path for image in images]


def _apply_filters(
    images: Sequence[DatasetImage], filters: Sequence[EntityFilter], folder: Path
) -> Sequence[DatasetImage]:
    """Return the images that pass all filters; filters on runs apply first."""
    run_filters = [entity_filter for entity_filter in filters if entity_filter.entity in _RUN_FILTER_ENTITIES]
    version_filters = [entity_filter for entity_filter in filters if entity_filter.entity not in _RUN_FILTER_ENTITIES]
    for n_before, entity_filter in enumerate(run_filters):
        images = _apply_filter(images, entity_filter, folder, run_filters[:n_before])
    _warn_of_missing_labels(images, run_filters, folder)
    for n_before, entity_filter in enumerate(version_filters):
        selected = _apply_filter(images, entity_filter, folder, [*run_filters, *version_filters[:n_before]])
        if len(selected) < len(images):
            _warn_of_dropped_runs(_identify_runs(images) - _identify_runs(selected), entity_filter, folder)
        images = selected
    return images


def _list_images(folder: Path) -> Iterator[DatasetImage]:
    for func in _find_func_folders(folder):
        for file_name in _list_names(func):
            is_image = file_name.endswith(IMAGE_EXTENSIONS) and not is_hidden(file_name)
            name = read_name(file_name) if is_image else None
            if (
                name
                and name.suffix == "bold"
                and name.extension in IMAGE_EXTENSIONS
                and name.entities.get("part") != "phase"
            ):
                yield DatasetImage(func / file_name, name)


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


def _suggest_folder(folder: Path) -> str:
    """Return a text that names the folders below with subjects, "" if there are none."""
    subjects = [*folder.glob("*/sub-*"), *folder.glob("*/*/sub-*")]
    # A folder of reports holds files such as sub-01_report.html, but no subject folders.
    inner = natsorted({path.parent for path in subjects if path.is_dir()}, key=str)
    return f"the folder that holds sub-*: {', '.join(map(str, inner[:3]))}" if inner else ""


def _apply_filter(
    images: Sequence[DatasetImage], entity_filter: EntityFilter, folder: Path, before: Sequence[EntityFilter]
) -> list[DatasetImage]:
    """Return the images that pass a filter; `before` lists the filters that have been applied already."""
    missing = _find_missing(images, entity_filter)
    if missing:
        among = f" with {' '.join(map(str, before))}" if before else ""
        counts = Counter(image.value_of(entity_filter.entity) for image in images)
        hint = _suggest_folder(folder) if entity_filter.entity == "desc" else ""
        raise RunsError(
            f"--{entity_filter.option} {', '.join(missing)}: no such image in {folder}{among}; "
            f"found {_format_counts(counts)}{'; or give ' + hint if hint else ''}."
        )
    return [image for image in images if entity_filter.fits(image)]


def _find_missing(images: Sequence[DatasetImage], entity_filter: EntityFilter) -> list[str]:
    found = {word for image in images for word in entity_filter.words_for(image)}
    return [value for value in entity_filter.values if value not in found]


def _warn_of_missing_labels(images: Sequence[DatasetImage], filters: Sequence[EntityFilter], folder: Path) -> None:
    """Warn of labels that some images have, but none together with the other options' labels."""
    for entity_filter in filters:
        missing = _find_missing(images, entity_filter)
        if missing:
            others = " ".join(str(other) for other in filters if other != entity_filter)
            labels = ", ".join(missing)
            warn(f"--{entity_filter.option} {labels}: no such image in {folder} with {others}; the others are used.")


def _identify_runs(images: Iterable[DatasetImage]) -> set[Entities]:
    return {image.name.identity(RUN_ENTITIES_WITHOUT_ECHO, keeps_zeros=True) for image in images}


def _warn_of_dropped_runs(lost: Set[Entities], entity_filter: EntityFilter, folder: Path) -> None:
    if lost:
        names = list_names(natsorted(map(show_entities, lost)))
        warn(f"{entity_filter}: {count(len(lost), 'run')} of {folder} without such an image, left out: {names}.")


def _format_counts(counts: Counter[str], max_listed: int = 10) -> str:
    listed = [f"{value} ({count(counts[value], 'image')})" for value in natsorted(counts)]
    more = f" and {len(listed) - max_listed} more" if len(listed) > max_listed else ""
    return f"{', '.join(listed[:max_listed])}{more}"


def _without_single_echoes(images: Sequence[DatasetImage]) -> list[DatasetImage]:
    """Return the images without the single echoes of runs whose echoes are also combined in an image."""
    # Spaces are not compared: fMRIPrep writes single echoes in native space only.
    combined = _identify_runs(image for image in images if "echo" not in image.name.entities)
    return [image for image in images if "echo" not in image.name.entities or not _identify_runs([image]) <= combined]


def _check_single_version(images: Sequence[DatasetImage], entity: str, versions: str, folder: Path) -> None:
    counts = Counter(image.value_of(entity) for image in images)
    if len(counts) > 1:
        raise RunsError(f"{folder} has {versions}: {_format_counts(counts)}; choose one with --{entity}.")


def _check_cohorts(images: Sequence[DatasetImage]) -> None:
    """Refuse a run with images in several cohorts of one space; different runs may have different cohorts."""
    by_run: dict[Entities, DatasetImage] = {}
    for image in images:
        run = image.name.identity(RUN_ENTITIES, keeps_zeros=True)
        other = by_run.setdefault(run, image)
        if image.value_of("space") != other.value_of("space"):
            raise RunsError(
                f"{image.path.parent} has a run in several cohorts: {other.path.name}, {image.path.name}; "
                f"choose one with --space {other.value_of('space')}."
            )
