"""One name for the files of both hemispheres, as in {hemi}.aparc.annot, and the names that it stands for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

# Stands for the hemisphere in a name.
FIELD = "{hemi}"
# How names spell the left and the right hemisphere.
SPELLINGS = (("L", "R"), ("lh", "rh"), ("left", "right"))

_OTHER_SIDES = {side: other for pair in SPELLINGS for side, other in (pair, pair[::-1])}
_SIDE = re.compile(rf"(?<![A-Za-z0-9])({'|'.join(_OTHER_SIDES)})(?![A-Za-z0-9])")
# A file of a surface, and the map that may be chosen in it.
_SURFACE = re.compile(r"(.*?\.(?:gii|annot)(?:\.gz)?)(:.+)?", re.IGNORECASE | re.DOTALL)


def names_gifti(name: str) -> bool:
    """Return whether a file is by its name one of GIFTI."""
    return name.lower().removesuffix(".gz").endswith(".gii")


def names_surface(name: str) -> bool:
    """Return whether a file is by its name one of values on a surface: GIFTI, or an annotation of FreeSurfer."""
    return names_gifti(name) or name.lower().removesuffix(".gz").endswith(".annot")


def fill_hemisphere(name: str) -> list[tuple[str, str]]:
    """Return the names of left and right that a name with {hemi} stands for, in each spelling."""
    return [(name.replace(FIELD, left), name.replace(FIELD, right)) for left, right in SPELLINGS]


def group_hemispheres(texts: Sequence[str]) -> tuple[str, ...]:
    """Return names of atlases, with one name in the place of two that are equal but for the hemisphere.

    Only files of surfaces are grouped, because a volume holds both hemispheres.
    """
    grouped = []
    others = list(texts)
    while others:
        text, *others = others
        for other in others:
            if joined := join_names(text, other):
                text = joined
                others.remove(other)
                break
        grouped.append(text)
    return tuple(grouped)


def join_names(text: str, other: str) -> str | None:
    """Return one name with {hemi} for two files of surfaces that are equal but for the hemisphere, None for others."""
    found = _SURFACE.fullmatch(text)
    if found is None or text == other:
        return None
    file, chosen_map = found[1], found[2] or ""
    return next((joined + chosen_map for swapped, joined in _list_swaps(file) if swapped + chosen_map == other), None)


def _list_swaps(file: str) -> Iterator[tuple[str, str]]:
    """Yield each name that the file of the other hemisphere may have, with the one name for both."""
    for place in _SIDE.finditer(file):
        before, after = file[: place.start()], file[place.end() :]
        yield f"{before}{_OTHER_SIDES[place[1]]}{after}", f"{before}{FIELD}{after}"
    # The folder may name the hemisphere too, as in lh/lh.aparc.annot.
    yield _SIDE.sub(lambda place: _OTHER_SIDES[place[1]], file), _SIDE.sub(FIELD, file)
