"""Which columns of a table are coordinates in mm, by their headings."""

from __future__ import annotations

import re
from collections.abc import Sequence

# What may stand beside the axis in a heading; anything else, such as voxel, says that it is no coordinate in mm.
_BESIDE_TEXT = """
mni mm icbm tal talairach coord coords coordinate coordinates centroid center centre peak cog com seed pos
position ras
"""
_BESIDE = frozenset(_BESIDE_TEXT.split())
_AXES = {"x": 0, "y": 1, "z": 2}
# As centroid tables name them: right, anterior, superior.
_RAS = ("r", "a", "s")


def find_axes(headings: Sequence[str]) -> list[tuple[int, int, int]]:
    """Return the places of every three columns that hold x, y and z, in any case: x, MNI_X, X (mm), x_mm, ..."""
    found: dict[tuple[str, ...], dict[str, int]] = {}
    for place, heading in enumerate(headings):
        if (read := _read_heading(heading)) is not None:
            axis, beside = read
            found.setdefault(beside, {}).setdefault(axis, place)
    complete = [(axes["x"], axes["y"], axes["z"]) for axes in found.values() if len(axes) == len(_AXES)]
    spelt = [heading.strip().lower() for heading in headings]
    if not complete and all(spelt.count(axis) == 1 for axis in _RAS):
        return [(spelt.index("r"), spelt.index("a"), spelt.index("s"))]
    return complete


def find_axis(headings: Sequence[str], axis: str) -> bool:
    """Return whether a heading is of this axis."""
    return any(read is not None and read[0] == axis for read in map(_read_heading, headings))


def _read_heading(heading: str) -> tuple[str, tuple[str, ...]] | None:
    """Return a heading's axis and the words beside it, None for one that is no coordinate."""
    words = re.findall(r"[a-z]+|\d+", heading.lower())
    axes = [word for word in words if word in _AXES]
    beside = tuple(sorted(word for word in words if word not in _AXES))
    if len(axes) == 1 and all(word in _BESIDE for word in beside):
        return axes[0], beside
    # In one word, as xmni, mniX and xcoord.
    if len(words) == 1 and not axes:
        word = words[0]
        for axis, rest in ((word[0], word[1:]), (word[-1], word[:-1])):
            if axis in _AXES and rest in _BESIDE:
                return axis, (rest,)
    return None
