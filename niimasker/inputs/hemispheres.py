"""The hemisphere in the name of a file, and the name of the same file of the other hemisphere."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

LEFT, RIGHT = "L", "R"

# hemi-L and hemi-R of BIDS, hemi-left of the dHCP; .L. and .R. of the HCP and of fMRIPrep before 1.2; lh. and rh. of
# FreeSurfer; and the same letters or words between other separators, as in tpl-fsLR_L_midthickness. Entities such as
# task-left are none.
_PATTERNS = (
    re.compile(r"(?:^|(?<=_))hemi-(?P<side>L|R|left|right|lh|rh|LH|RH)(?=[_.])"),
    re.compile(r"(?<=\.)(?P<side>L|R)(?=\.)"),
    re.compile(r"(?:^|(?<=[._-]))(?<!task-)(?<!acq-)(?P<side>lh|rh|LH|RH)(?=[._-])"),
    re.compile(r"(?:^|(?<=[._]))(?P<side>L|R|left|right)(?=[._])"),
)
_SEPARATORS = re.compile(r"([._-])")
_OTHER_SIDES = {"L": "R", "lh": "rh", "LH": "RH", "left": "right"}
_OTHER_SIDES |= {other: side for side, other in _OTHER_SIDES.items()}

# Each way to write a hemisphere.
SIDES = {"L": LEFT, "lh": LEFT, "LH": LEFT, "left": LEFT, "R": RIGHT, "rh": RIGHT, "RH": RIGHT, "right": RIGHT}

SideName = Literal["left", "right"]
SIDE_NAMES: dict[str, SideName] = {LEFT: "left", RIGHT: "right"}


@dataclass(frozen=True)
class Hemisphere:
    """What a file's name says about its hemisphere.

    Parameters
    ----------
    side
        `LEFT` or `RIGHT`.
    other_name
        The name of the file of the other hemisphere.
    shared_name
        The name without the hemisphere, which both share.
    """

    side: str
    other_name: str
    shared_name: str


def read_hemisphere(name: str) -> Hemisphere | None:
    """Return the hemisphere in a file's name, None if it names none.

    A name may tell its hemisphere more than once, as desc-A_L_hemi-L_mask.label.gii and rest.L.10k_fsavg_L.func.gii do.
    """
    marks = [found for pattern in _PATTERNS for found in pattern.finditer(name)]
    if not marks:
        return None
    side = SIDES[marks[0]["side"]]
    same = {found.span("side"): found for found in reversed(marks) if SIDES[found["side"]] == side}
    other, shared = name, name
    for (start, end), found in sorted(same.items(), reverse=True):
        other = f"{other[:start]}{_OTHER_SIDES[found['side']]}{other[end:]}"
        shared = _cut(shared, found.start(), end)
    return Hemisphere(side, other, shared)


def _cut(name: str, start: int, end: int) -> str:
    """Return a name without a part of it, and without the separator before that part or, at its beginning, after it."""
    return name[end:].lstrip("._-") if start == 0 else name[: start - 1] + name[end:]


def find_other_hemisphere(path: Path) -> Path | None:
    """Return the path that the file of the other hemisphere would have beside a file, None without a hemisphere."""
    hemisphere = read_hemisphere(path.name)
    return None if hemisphere is None else path.with_name(hemisphere.other_name)


def name_pair(left: str, right: str) -> str:
    """Return the names of the files of both hemispheres as one text: hemi-{L,R}_bold.func.gii."""
    words, others = _SEPARATORS.split(left), _SEPARATORS.split(right)
    differing = [place for place, (word, other) in enumerate(zip(words, others, strict=True)) if word != other]
    first, end = differing[0], differing[-1] + 1
    sides = ",".join("".join(each[first:end]) for each in (words, others))
    return f"{''.join(words[:first])}{{{sides}}}{''.join(words[end:])}"
