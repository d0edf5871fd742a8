"""The words for the points of a space: voxels, vertices or grayordinates."""

from __future__ import annotations

from dataclasses import dataclass

from niimasker.inputs.spaces import Space


@dataclass(frozen=True)
class PointWords:
    """The words for the points of a space.

    Parameters
    ----------
    singular, plural
        The points.
    where
        Where regions made of such points are; empty for voxels, where it goes without saying.
    own_mask
        The mask that `--mask_img auto` finds for a run.
    """

    singular: str
    plural: str
    where: str = ""
    own_mask: str = "brain mask"

    def count(self, n: int) -> str:
        """Return a number of points with its noun."""
        return f"{n:,} {self.singular if n == 1 else self.plural}"


VOXELS = PointWords("voxel", "voxels")
VERTICES = PointWords("vertex", "vertices", "on the cortical surface", "cortex mask")
GRAYORDINATES = PointWords(
    "grayordinate",
    "grayordinates",
    "in grayordinates (vertices of the cortical surface and voxels of other structures)",
)


_BY_NOUN = {words.singular: words for words in (VOXELS, VERTICES, GRAYORDINATES)}


def find_point_words(space: Space) -> PointWords:
    """Return the words for the points of a space."""
    return _BY_NOUN[space.point_noun]
