"""The hemisphere in the name of a file, and the name of the same file of the other hemisphere."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

LEFT, RIGHT = "L", "R"

# hemi-L and hemi-R of BIDS; lh. and rh. of FreeSurfer; .L. and .R. of the HCP and of fMRIPrep before 1.2; and the same
# letters or words between other separators, as in tpl-fsLR_L_midthickness.
_PATTERNS = (
    re.compile(r"(?P<before>(?:^|_)hemi-)(?P<side>L|R|lh|rh|left|right)(?=[_.])"),
    re.compile(r"(?P<before>(?:^|[._-]))(?P<side>lh|rh)(?=[._-])"),
    re.compile(r"(?P<before>\.)(?P<side>L|R)(?=\.)"),
)
_OTHER_SIDES = {"L": "R", "R": "L", "lh": "rh", "rh": "lh", "left": "right", "right": "left"}
_SIDES = {"L": LEFT, "lh": LEFT, "left": LEFT, "R": RIGHT, "rh": RIGHT, "right": RIGHT}


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
    """Return the hemisphere in a file's name, None if it names none."""
    for pattern in _PATTERNS:
        found = pattern.search(name)
        if found is not None:
            side, start, end = found["side"], *found.span("side")
            shared = name[: found.start()] + name[end:]
            # lh.name and hemi-L_name begin with the separator that followed the hemisphere.
            shared = shared.lstrip("._-") if found.start() == 0 else shared
            return Hemisphere(_SIDES[side], f"{name[:start]}{_OTHER_SIDES[side]}{name[end:]}", shared)
    return None


def find_other_hemisphere(path: Path) -> Path | None:
    """Return the path that the file of the other hemisphere would have beside a file, None without a hemisphere."""
    hemisphere = read_hemisphere(path.name)
    return None if hemisphere is None else path.with_name(hemisphere.other_name)
