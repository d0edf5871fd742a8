"""Select images of a folder by the entities in their names, as options ask for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path

from natsort import natsorted

from niimasker.errors import RunsError, count, list_names, warn
from niimasker.inputs.datasets import format_counts, suggest_folder
from niimasker.inputs.entities import (
    NONE,
    RUN_ENTITIES_WITHOUT_ECHO,
    Entities,
    is_pattern,
    show_entities,
    strip_zeros,
)
from niimasker.inputs.repeated_runs import check_single_images
from niimasker.inputs.run_images import RunImage, join_hemispheres
from niimasker.options.settings import Settings

# Options that choose by one entity; --entities chooses by any.
_OPTIONS = {
    "sub": "participant_label",
    "ses": "session",
    "task": "task",
    "run": "run",
    "desc": "desc",
    "space": "space",
    "res": "res",
    "den": "den",
    "echo": "echo",
}
_ENTITIES_OPTION = "entities"

# Entities that tell several versions of one run apart.
_VERSION_ENTITIES = {
    "space": "images in several spaces",
    "res": "images of several resolutions",
    "den": "images of several densities",
    "echo": "single echoes",
}


@dataclass(frozen=True)
class EntityFilter:
    """The values of an entity that an option selects, some of them perhaps shell patterns."""

    entity: str
    option: str
    values: tuple[str, ...]

    @cached_property
    def patterns(self) -> tuple[str, ...]:
        """The values that are patterns."""
        return tuple(filter(is_pattern, self.values))

    @property
    def is_explicit(self) -> bool:
        """Whether the filter lists several values, so that images that differ in them are chosen on purpose."""
        return len(self.values) > 1 and not self.patterns

    def fits(self, image: RunImage) -> bool:
        """Return whether an image has one of the values."""
        words = image.list_words(self.entity)
        return not words.isdisjoint(self.values) or any(_matches(words, pattern) for pattern in self.patterns)

    def find_missing(self, images: Iterable[RunImage]) -> list[str]:
        """Return the values that no image has."""
        found = {word for image in images for word in image.list_words(self.entity)}
        return [
            value
            for value in self.values
            if value not in found and not (value in self.patterns and _matches(found, value))
        ]

    def show(self, values: Iterable[str]) -> str:
        """Return values as the option takes them."""
        return " ".join(f"{self.entity}={value}" if self.option == _ENTITIES_OPTION else value for value in values)

    def __str__(self) -> str:
        return f"--{self.option} {self.show(self.values)}"


def _matches(words: Iterable[str], pattern: str) -> bool:
    # A pattern stands for values: --run '*' selects no images without run-.
    return any(word != NONE and fnmatchcase(word, pattern) for word in words)


def make_filters(settings: Settings) -> list[EntityFilter]:
    """Return a filter for each option that selects among a folder's images, in the order in which they apply."""
    by_key: dict[str, list[str]] = defaultdict(list)
    for text in settings.entities:
        key, _, value = text.partition("=")
        by_key[key].append(value)
    given = {entity: _as_tuple(getattr(settings, option)) for entity, option in _OPTIONS.items()}
    if "desc" in by_key and settings.desc == Settings.desc:
        del given["desc"]
    filters = [(entity, _OPTIONS[entity], values) for entity, values in given.items() if values]
    filters += [(key, _ENTITIES_OPTION, tuple(values)) for key, values in by_key.items()]
    return [EntityFilter(entity, option, normalise_values(entity, values)) for entity, option, values in filters]


def _as_tuple(value: str | tuple[str, ...] | None) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else (value,) if value else ()


def normalise_values(entity: str, values: Iterable[str]) -> tuple[str, ...]:
    """Return values of an entity without its key and leading zeros: as in fMRIPrep's options, sub-01 is 01."""
    plain = [value.removeprefix(f"{entity}-") for value in values]
    return tuple(value if is_pattern(value) else strip_zeros(entity, value) for value in plain)


def fits_run(image: RunImage, filters: Sequence[EntityFilter]) -> bool:
    """Return whether an image is of a run that the filters on runs choose; they may choose another version of it."""
    return all(each.fits(image) for each in filters if each.entity in RUN_ENTITIES_WITHOUT_ECHO)


def select_images(images: Sequence[RunImage], filters: Sequence[EntityFilter], folder: Path) -> list[RunImage]:
    """Return the images of a folder that pass all filters, in natural order; two hemispheres of a run are one image.

    Raises
    ------
    RunsError
        No image passes, or several images of one run do.
    """
    images = _apply_filters(images, filters, folder)
    chosen = {entity_filter.entity for entity_filter in filters}
    if "echo" not in chosen:
        images = _without_single_echoes(images)
    images = join_hemispheres(images)
    for entity, versions in _VERSION_ENTITIES.items():
        if entity not in chosen:
            _check_single_version(images, entity, versions, folder)
    ordered: list[RunImage] = natsorted(images, key=lambda image: str(image.path))
    on_purpose = {entity_filter.entity for entity_filter in filters if entity_filter.is_explicit}
    check_single_images(ordered, folder, on_purpose, _OPTIONS)
    return ordered


def _apply_filters(images: Sequence[RunImage], filters: Sequence[EntityFilter], folder: Path) -> Sequence[RunImage]:
    """Return the images that pass all filters; filters on runs apply first, then those on versions of each run."""
    run_filters = [each for each in filters if each.entity in RUN_ENTITIES_WITHOUT_ECHO]
    version_filters = [each for each in filters if each.entity not in RUN_ENTITIES_WITHOUT_ECHO]
    for n_before, entity_filter in enumerate(run_filters):
        selected = _apply_filter(images, entity_filter, folder, run_filters[:n_before])
        _warn_of_runs_without(images, selected, entity_filter, folder)
        images = selected
    _warn_of_missing_labels(images, run_filters, folder)
    for n_before, entity_filter in enumerate(version_filters):
        selected = _apply_filter(images, entity_filter, folder, [*run_filters, *version_filters[:n_before]])
        if len(selected) < len(images):
            _warn_of_dropped_runs(_identify_runs(images) - _identify_runs(selected), entity_filter, folder)
        images = selected
    return images


def _apply_filter(
    images: Sequence[RunImage], entity_filter: EntityFilter, folder: Path, before: Sequence[EntityFilter]
) -> list[RunImage]:
    """Return the images that pass a filter; `before` lists the filters that have been applied already."""
    missing = entity_filter.find_missing(images)
    if missing and (spelled := _find_spelling(images, entity_filter)):
        warn(f"{entity_filter}: read as {spelled.values[0]}, the spelling of the images in {folder}.")
        entity_filter, missing = spelled, []
    if missing:
        among = f" with {' '.join(map(str, before))}" if before else ""
        hint = suggest_folder(folder) if entity_filter.entity == "desc" else ""
        missing_text = entity_filter.show(missing).replace(" ", ", ")
        counted = images if entity_filter.entity == "hemi" else join_hemispheres(images)
        raise RunsError(
            f"--{entity_filter.option} {missing_text}: no such image in {folder}{among}; "
            f"found {format_counts(counted, entity_filter.entity)}{'; or give ' + hint if hint else ''}."
        )
    return [image for image in images if entity_filter.fits(image)]


def _find_spelling(images: Sequence[RunImage], entity_filter: EntityFilter) -> EntityFilter | None:
    """Return the filter as the images spell its space: C-PAC writes MNI152NLin6ASym for MNI152NLin6Asym."""
    if entity_filter.entity != "space" or len(entity_filter.values) > 1:
        return None
    wanted = entity_filter.values[0].casefold()
    found = {word for image in images for word in image.list_words("space") if word.casefold() == wanted}
    return EntityFilter("space", entity_filter.option, (found.pop(),)) if len(found) == 1 else None


def _warn_of_missing_labels(images: Sequence[RunImage], filters: Sequence[EntityFilter], folder: Path) -> None:
    """Warn of labels that some images have, but none together with the other options' labels."""
    for entity_filter in filters:
        missing = entity_filter.find_missing(images)
        if missing:
            others = " ".join(str(other) for other in filters if other != entity_filter)
            labels = entity_filter.show(missing).replace(" ", ", ")
            warn(f"--{entity_filter.option} {labels}: no such image in {folder} with {others}; the others are used.")


def _identify_runs(images: Iterable[RunImage]) -> set[Entities]:
    return {image.name.identity(RUN_ENTITIES_WITHOUT_ECHO, keeps_zeros=True) for image in images}


def _warn_of_dropped_runs(lost: Set[Entities], entity_filter: EntityFilter, folder: Path) -> None:
    if lost:
        names = list_names(natsorted(map(show_entities, lost)))
        warn(f"{entity_filter}: {count(len(lost), 'run')} of {folder} without such an image, left out: {names}.")


def _warn_of_runs_without(
    images: Sequence[RunImage], selected: Sequence[RunImage], entity_filter: EntityFilter, folder: Path
) -> None:
    """Warn of runs left out for lack of an entity, such as the only run of a subject, whose name has no run-."""
    entity = entity_filter.entity
    others = tuple(name for name in RUN_ENTITIES_WITHOUT_ECHO if name != entity)
    kept = {image.name.identity(others) for image in selected}
    left_out = [image for image in images if entity not in image.name.entities and not entity_filter.fits(image)]
    lost = {image.name.identity(others) for image in left_out} - kept
    if lost:
        names = list_names(natsorted(map(show_entities, lost)))
        warn(
            f"{entity_filter}: {count(len(lost), 'run')} of {folder} without {entity}-, left out: {names}; "
            f"add {entity_filter.show([NONE])} to process {'it' if len(lost) == 1 else 'them'}."
        )


def _without_single_echoes(images: Sequence[RunImage]) -> list[RunImage]:
    """Return the images without the single echoes of runs whose echoes are also combined in an image."""
    # Spaces are not compared: fMRIPrep writes single echoes in native space only.
    combined = _identify_runs(image for image in images if "echo" not in image.name.entities)
    return [image for image in images if "echo" not in image.name.entities or not _identify_runs([image]) <= combined]


def _check_single_version(images: Sequence[RunImage], entity: str, versions: str, folder: Path) -> None:
    if len({image.value_of(entity) for image in images}) > 1:
        raise RunsError(f"{folder} has {versions}: {format_counts(images, entity)}; choose one with --{entity}.")
