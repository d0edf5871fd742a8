"""Leave out the runs that --exclude names by their entities, such as sub-12_ses-2."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from niimasker.errors import RunsError, list_names, shorten_text
from niimasker.inputs.entities import is_pattern
from niimasker.inputs.entity_filters import EntityFilter, normalise_values
from niimasker.inputs.ratings import Ratings, check_matches, find_left_out, is_ratings, parse_ratings
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


@dataclass(frozen=True)
class Exclusions:
    """What --exclude leaves out: runs by their entities, and by a reader's ratings."""

    by_entities: tuple[Exclusion, ...] = ()
    ratings: tuple[Ratings, ...] = ()


def read_exclusions(items: Sequence[str]) -> Exclusions:
    """Return what the items of --exclude leave out; an item may be a file that lists others, or a table of ratings.

    Raises
    ------
    RunsError
        An item is neither entities nor a file, or a file cannot be read or lists something else.
    """
    read = [each for item in items for each in _read_item(item)]
    return Exclusions(
        tuple(each for each in read if isinstance(each, Exclusion)),
        tuple(each for each in read if isinstance(each, Ratings)),
    )


def _read_item(item: str) -> Iterable[Exclusion | Ratings]:
    path = expand_home(item)
    if item.endswith(IMAGE_EXTENSIONS) or describe_missing_file(path) is not None:
        return [_parse(item, f"--exclude: {shorten_text(item)} is neither {_EXPECTED}, nor a file that lists them")]
    text = read_lines(path, RunsError, f"a list of {_EXPECTED}")
    if is_ratings(text):
        return [parse_ratings(path, text)]
    lines = [line.strip() for line in text]
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


def find_excluded(images: Sequence[RunImage], exclusions: Exclusions) -> set[Path]:
    """Return the files of the images that are left out."""
    excluded, _ = _find_by_entities(images, exclusions.by_entities)
    return excluded.union(*(find_left_out(ratings, images) for ratings in exclusions.ratings))


def check_used(images: Sequence[RunImage], exclusions: Exclusions) -> None:
    """Raise RunsError if an exclusion leaves no image out, or ratings are of other images."""
    _, used = _find_by_entities(images, exclusions.by_entities)
    unused = list(dict.fromkeys(each.text for each in exclusions.by_entities if each not in used))
    if unused:
        # Most likely it is misspelled.
        raise RunsError(
            f"--exclude: no image of --input_files has the entities of {list_names(unused)}; correct or remove "
            f"{'it' if len(unused) == 1 else 'them'}."
        )
    for ratings in exclusions.ratings:
        check_matches(ratings, images)


def _find_by_entities(images: Sequence[RunImage], exclusions: Sequence[Exclusion]) -> tuple[set[Path], set[Exclusion]]:
    """Return the files of the images that are left out, and the exclusions that leave any out."""
    if not exclusions:
        return set(), set()
    # By subject: a list of 1000 runs is not compared with each of 10,000 images.
    by_subject: dict[str | None, list[Exclusion]] = defaultdict(list)
    for exclusion in exclusions:
        by_subject[exclusion.subject].append(exclusion)
    excluded: set[Path] = set()
    used: set[Exclusion] = set()
    for image in images:
        subject = image.name.entities.get("sub", "")
        fitting = [each for each in (*by_subject[subject], *by_subject[None]) if each.fits(image)]
        used.update(fitting)
        if fitting:
            excluded.add(image.path)
    return excluded, used
