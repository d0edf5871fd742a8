"""Find runs of which several images are selected, which would count twice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from natsort import natsorted

from niimasker.errors import RunsError, count, warn
from niimasker.inputs.datasets import format_counts
from niimasker.inputs.entities import NONE, RUN_ENTITIES, Entities
from niimasker.inputs.run_images import RunImage

# XCP-D concatenates the runs of a task into an image without run- and dir-, beside those of the single runs.
_CONCATENATED = ("run", "dir")
_BASE_ENTITIES = tuple(entity for entity in RUN_ENTITIES if entity not in _CONCATENATED)

_PERHAPS_COUNTED = (
    "each is processed; if one of them is the concatenation of the others, tables of all runs count these twice"
)
_COUNTED = "each is processed, and tables of all runs count the run several times"


@dataclass(frozen=True)
class Repeats:
    """Images that share their run with another one.

    Parameters
    ----------
    first
        Those of the first such run.
    images
        Those of all such runs.
    entities
        The entities that tell images of one run apart, in the order of file names.
    """

    first: tuple[RunImage, ...]
    images: tuple[RunImage, ...]
    n_runs: int
    entities: tuple[str, ...]

    def __str__(self) -> str:
        names = ", ".join(image.path.name for image in self.first)
        more = f", and so for {count(self.n_runs - 1, 'other run')}" if self.n_runs > 1 else ""
        listed = "; ".join(f"{entity}: {format_counts(self.images, entity)}" for entity in self.entities)
        differ = f"they differ in {listed}" if self.entities else "their names differ in no entity"
        return f"{len(self.first)} images of one run ({names}{more}); {differ}"


def check_single_images(
    images: Sequence[RunImage], folder: Path, on_purpose: Set[str], options: Mapping[str, str]
) -> None:
    """Raise RunsError if a folder has several images of one run.

    Parameters
    ----------
    on_purpose
        Entities of which several values are asked for: images that differ in them are only warned of.
    options
        The option that chooses by an entity; --entities chooses by any other.
    """
    repeats = _find_repeats(images)
    if repeats is None:
        return
    differing = set(repeats.entities)
    if not differing or not differing <= on_purpose:
        raise RunsError(f"{folder} has {repeats}; {_way_out(repeats, options)}.")
    is_certain = not differing <= set(_CONCATENATED)
    warn(f"{folder} has {repeats}; {_COUNTED if is_certain else _PERHAPS_COUNTED}.")


def warn_of_repeats(images: Sequence[RunImage]) -> None:
    """Warn of several images of one run among those that are given by name or pattern."""
    repeats = _find_repeats([image for image in images if "sub" in image.name.entities])
    if repeats is not None:
        warn(f"--input_files has {repeats}; {_COUNTED}; narrow the pattern to choose one.")


def _way_out(repeats: Repeats, options: Mapping[str, str]) -> str:
    if not repeats.entities:
        return "rename one, or give the images by name"
    # One run of several would leave the others out; the image of all of them does not.
    image = natsorted(repeats.first, key=lambda each: [_suggest_order(each, entity) for entity in repeats.entities])[0]
    chosen = [(entity, image.value_of(entity)) for entity in repeats.entities]
    words = [f"--{options[entity]} {value}" for entity, value in chosen if entity in options]
    others = [f"{entity}={value}" for entity, value in chosen if entity not in options]
    return f"choose with {' '.join([*words, *(['--entities', *others] if others else [])])}, for example"


def _suggest_order(image: RunImage, entity: str) -> str:
    value = image.value_of(entity)
    return "" if value == NONE and entity in _CONCATENATED else value


def _find_repeats(images: Sequence[RunImage]) -> Repeats | None:
    """Return the images that share their run with another one of their folder, None if there are none."""
    by_run: dict[tuple[Path, Entities], list[RunImage]] = defaultdict(list)
    for image in images:
        by_run[image.path.parent, image.name.identity(_BASE_ENTITIES, keeps_zeros=True)].append(image)
    groups = [group for candidates in by_run.values() if len(candidates) > 1 for group in _group(candidates)]
    if not groups:
        return None
    members = tuple({image.path: image for group in groups for image in group}.values())
    keys = dict.fromkeys(key for image in members for key in image.name.entities if key != "cohort")
    differing = [key for key in keys if any(len({image.value_of(key) for image in group}) > 1 for group in groups)]
    return Repeats(tuple(groups[0]), members, len(groups), tuple(differing))


def _group(candidates: Sequence[RunImage]) -> list[list[RunImage]]:
    """Return the groups of images of one run, of images that agree in all other entities of runs.

    An image without run- belongs with those of each run, which it may be a concatenation of.
    """
    parts = [image.name.identity(_CONCATENATED, keeps_zeros=True) for image in candidates]
    groups = []
    for part in dict.fromkeys(parts):
        members = [image for image, other in zip(candidates, parts, strict=True) if other == part]
        longer = [image for image, other in zip(candidates, parts, strict=True) if part < other]
        if len(members) > 1:
            groups.append(members)
        elif longer:
            groups.append([*members, *longer])
    return groups
