"""The brain structure of a surface, by what its file says and by the file's name."""

from __future__ import annotations

import re
from pathlib import Path

from niimasker.errors import ImageError
from niimasker.inputs.grayordinates import CORTEX_LEFT, CORTEX_RIGHT
from niimasker.inputs.hemispheres import LEFT, RIGHT, SIDE_NAMES, read_hemisphere

# The cerebral cortex of each hemisphere, and the other way round.
CORTICES = {LEFT: CORTEX_LEFT, RIGHT: CORTEX_RIGHT}
CORTEX_SIDES = {structure: side for side, structure in CORTICES.items()}

# The one surface that Workbench has without a side.
_CEREBELLUM = "CEREBELLUM"


def parse_structure(text: str) -> str | None:
    """Return CIFTI's name of a structure, without its prefix, for GIFTI's AnatomicalStructurePrimary.

    None for "Invalid", as Workbench writes, and for everything else that names no side, such as "Cortex".
    """
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", text.strip().removeprefix("CIFTI_STRUCTURE_"))
    name = "_".join(words).upper()
    if name == _CEREBELLUM or (find_side(name) is not None and "_AND_" not in name):
        return name
    return None


def find_side(structure: str) -> str | None:
    """Return the hemisphere of a structure, `LEFT` or `RIGHT`; None if it has none."""
    if structure.endswith("_LEFT"):
        return LEFT
    return RIGHT if structure.endswith("_RIGHT") else None


def find_structure(path: Path, stated: str | None) -> str:
    """Return the structure of a surface file.

    Parameters
    ----------
    path
        The file, whose name may give the hemisphere.
    stated
        The structure that the file itself states, as `parse_structure` returns it.

    Raises
    ------
    ImageError
        The file and its name contradict each other, or neither gives a structure.
    """
    hemisphere = read_hemisphere(path.name)
    if stated is None:
        if hemisphere is None:
            raise ImageError(
                f"{path}: neither the file (AnatomicalStructurePrimary) nor its name says which hemisphere it is; name "
                "it with hemi-L or hemi-R, with lh. or rh., or with .L. or .R."
            )
        return CORTICES[hemisphere.side]
    if hemisphere is not None and find_side(stated) not in (hemisphere.side, None):
        raise ImageError(
            f"{path}: its name says {SIDE_NAMES[hemisphere.side]} hemisphere, but the file says {stated}; rename it, "
            "or correct it with wb_command -set-structure."
        )
    return stated
