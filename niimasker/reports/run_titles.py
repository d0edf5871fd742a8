"""Titles of runs: the entities of an image's name in plain words, as in "sub-05 · rest · run 1"."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from niimasker.inputs.entities import read_name, strip_zeros
from niimasker.inputs.hemispheres import SIDE_NAMES

_SEPARATOR = " · "

# Entities of the title, those behind it, and how they are written; all others keep their name, as in acq-multiband.
_IN_TITLE = ("sub", "ses", "task", "acq", "ce", "rec", "dir", "run", "echo", "chunk")
_BEHIND_TITLE = ("space", "cohort", "res", "den")
_WORDS = {
    "task": "{}",
    "run": "run {}",
    "echo": "echo {}",
    "chunk": "chunk {}",
    "space": "{}",
    "den": "{}",
    "desc": "{}",
    "hemi": "{} hemisphere",
}
# What nearly every image is.
_USUAL_DESC, _USUAL_SUFFIX = "preproc", "bold"

# The part of the name of a pair of images in which they differ, as in hemi-{L,R}.
_PAIR = re.compile(r"\{[^{},]+,[^{},]+\}")


@dataclass(frozen=True)
class Title:
    """What a run is called.

    Parameters
    ----------
    main
        Subject, session, task and what else tells runs apart; the file's name if it does not follow BIDS.
    rest
        Space, resolution, hemisphere and what else the name says; it may be empty.
    """

    main: str
    rest: str


def make_title(image_name: str, pipeline: str = "") -> Title:
    """Return the title of a run.

    Parameters
    ----------
    image_name
        The name of the image's file, or of those of both hemispheres: hemi-{L,R}_bold.func.gii.
    pipeline
        The way of cleaning; empty without pipelines.
    """
    name = read_name(image_name)
    behind = [f"pipeline {pipeline}"] if pipeline else []
    if "sub" not in name.entities:
        return Title(_SEPARATOR.join([image_name, *behind]), "")
    main = [*_list_words(name.entities, _IN_TITLE), *behind]
    others = [key for key in name.entities if key not in (*_IN_TITLE, *_BEHIND_TITLE)]
    rest = [*_list_words(name.entities, (*_BEHIND_TITLE, *others))]
    rest += ["both hemispheres"] if _PAIR.search(image_name) else []
    rest += [name.suffix] if name.suffix not in ("", _USUAL_SUFFIX) else []
    return Title(_SEPARATOR.join(main), _SEPARATOR.join(rest))


def _list_words(entities: Mapping[str, str], keys: Sequence[str]) -> Iterator[str]:
    """Yield the words for the entities that a name has, in the order of the keys."""
    for key in keys:
        value = entities.get(key)
        if value is not None and (key, value) != ("desc", _USUAL_DESC):
            shown = SIDE_NAMES[value] if key == "hemi" else strip_zeros(key, value)
            yield _WORDS.get(key, f"{key}-{{}}").format(shown)
