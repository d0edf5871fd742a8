"""Checks of GIFTI files: their size, their number of arrays and what the arrays hold."""

from __future__ import annotations

import math
from pathlib import Path

from niimasker.errors import ImageError
from niimasker.inputs.gifti.arrays import ArrayDescription, find_external_file
from niimasker.inputs.gifti.content import BrokenGiftiError
from niimasker.inputs.images import MAX_COMPRESSION_RATIO

# The file's last bytes, in which the root element must be closed.
_TAIL_BYTES = 1024

# Intents of arrays that hold no values of vertices, with what a file of such arrays is.
_OTHER_INTENTS = {
    "POINTSET": "a surface mesh",
    "TRIANGLE": "a surface mesh",
    "NODE_INDEX": "values of some of a surface's vertices, with the list of those (NIFTI_INTENT_NODE_INDEX)",
}


def check_arrays(path: Path, description: ArrayDescription, n_arrays: int) -> None:
    """Raise BrokenGiftiError if arrays of this kind are larger than the file; no memory is allocated for them before.

    Parameters
    ----------
    n_arrays
        The number of arrays that the file announces.
    """
    if n_arrays < 1:
        raise BrokenGiftiError(f"it says that it holds {n_arrays} arrays")
    find_external_file(description, path.parent)
    n_bytes = path.stat().st_size * MAX_COMPRESSION_RATIO.get(path.suffix.lower(), 1)
    if n_arrays * description.min_text_bytes > n_bytes:
        shape = "x".join(map(str, description.shape))
        n_most = math.floor(n_bytes / description.min_text_bytes)
        raise BrokenGiftiError(f"it says {n_arrays} arrays of {shape} values, its size allows {n_most} at most")


def check_count(expected: int | None, found: int) -> None:
    """Raise BrokenGiftiError unless a file holds as many arrays as it announces."""
    if expected is not None and expected != found:
        raise BrokenGiftiError(f"it says that it holds {expected} arrays, and holds {found}")


def check_intent(path: Path, intent: str) -> None:
    """Raise ImageError for an array that does not hold a value for each vertex."""
    if intent in _OTHER_INTENTS:
        raise ImageError(f"{path}: found {_OTHER_INTENTS[intent]}; expected a value for each vertex of a surface.")


def check_shapes(descriptions: list[ArrayDescription]) -> None:
    """Raise BrokenGiftiError unless all arrays hold a value for each vertex, or there is one with several."""
    first = descriptions[0]
    for number, each in enumerate(descriptions[1:], start=2):
        if each.shape != first.shape or len(each.shape) > 1:
            shapes = ["x".join(map(str, shape)) for shape in (each.shape, first.shape)]
            raise BrokenGiftiError(f"array {number} holds {shapes[0]} values, the first one {shapes[1]}")


def check_end(path: Path) -> None:
    """Raise BrokenGiftiError for an uncompressed file that ends before its root element does."""
    if path.suffix.lower() in MAX_COMPRESSION_RATIO:
        return
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        if b"</GIFTI" not in file.read():
            raise BrokenGiftiError("the file ends early")
