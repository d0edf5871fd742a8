"""Leave out the runs that --exclude names by their entities, such as sub-12_ses-2."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from niimasker.errors import RunsError, list_names, shorten_text
from niimasker.inputs.entities import is_pattern
from niimasker.inputs.entity_filters import EntityFilter, normalise_values
from niimasker.inputs.run_images import IMAGE_EXTENSIONS, RunImage
from niimasker.inputs.text_tables import read_lines
from niimasker.options.paths import describe_missing_file, expand_home

_EXPECTED = "entities of runs, such as sub-07_ses-2"
_ENTITY = re.compile(r"([a-z]+)-([0-9A-Za-z+*?\[\]!]+)")


@dataclass(frozen=True)
class Exclusion:
    """The entities of the runs that one item of --exclude leaves out, and the item itself."""

    text: str
    filters: tuple[EntityFilter, ...]

    @property
    def subject(self) -> str | None:
        """The subject of the runs; None if they may be of several."""
        sub = next((each.values[0] for each in self.filters if each.entity == "sub"), None)
        return None if sub is None or is_pattern(sub) else sub

    def fits(self, image: RunImage) -> bool:
        """Return whether an image has all of the entities."""
        return all(entity_filter.fits(image) for entity_filter in self.filters)


def read_exclusions(items: Sequence[str]) -> list[Exclusion]:
    """Return what the items of --exclude leave out; an item may be a file that lists others.

    Raises
    ------
    RunsError
        An item is neither entities nor a file, or a file cannot be read or lists something else.
    """
    return [exclusion for item in items for exclusion in _read_item(item)]


def _read_item(item: str) -> Iterable[Exclusion]:
    path = expand_home(item)
    if item.endswith(IMAGE_EXTENSIONS) or describe_missing_file(path) is not None:
        return [_parse(item, f"--exclude: {shorten_text(item)} is neither {_EXPECTED}, nor a file that lists them")]
    lines = [line.strip() for line in read_lines(path, RunsError, f"a list of {_EXPECTED}")]
    wanted = [(number, line) for number, line in enumerate(lines, start=1) if line and not line.startswith("#")]
    if not wanted:
        raise RunsError(f"--exclude: {path} lists nothing; expected {_EXPECTED}, one on each line.")
    return [
        _parse(
            line,
            f"--exclude: {path}, line {number}: {shorten_text(line)!r} is not {_EXPECTED}",
        )
        for number, line in wanted
    ]


def _parse(text: str, problem: str) -> Exclusion:
    """Return what a text such as sub-12_ses-2 leaves out; the name of an image stands for its entities."""
    name = Path(text).name
    parts = name.partition(".")[0].split("_")
    if name.endswith(IMAGE_EXTENSIONS):
        # The file of one hemisphere stands for the run.
        parts = [part for part in parts if "-" in part and not part.startswith("hemi-")]
    entities = [_ENTITY.fullmatch(part) for part in parts]
    if not entities or None in entities:
        raise RunsError(f"{problem}; correct it.")
    found = [entity.groups() for entity in entities if entity is not None]
    return Exclusion(text, tuple(EntityFilter(key, "exclude", normalise_values(key, [value])) for key, value in found))


def exclude(images: Sequence[RunImage], exclusions: Sequence[Exclusion]) -> tuple[list[RunImage], set[Exclusion]]:
    """Return the images that are not left out, and the exclusions that leave any out."""
    if not exclusions:
        return list(images), set()
    # By subject: a list of 1000 runs is not compared with each of 10,000 images.
    by_subject: dict[str | None, list[Exclusion]] = defaultdict(list)
    for exclusion in exclusions:
        by_subject[exclusion.subject].append(exclusion)
    kept: list[RunImage] = []
    used: set[Exclusion] = set()
    for image in images:
        subject = image.name.entities.get("sub", "")
        fitting = [each for each in (*by_subject[subject], *by_subject[None]) if each.fits(image)]
        used.update(fitting)
        if not fitting:
            kept.append(image)
    return kept, used


def check_used(exclusions: Sequence[Exclusion], used: Set[Exclusion]) -> None:
    """Raise RunsError if an exclusion leaves no image out: it is most likely misspelled."""
    unused = list(dict.fromkeys(each.text for each in exclusions if each not in used))
    if unused:
        raise RunsError(
            f"--exclude: no image of --input_files has the entities of {list_names(unused)}; correct or remove "
            f"{'it' if len(unused) == 1 else 'them'}."
        )
