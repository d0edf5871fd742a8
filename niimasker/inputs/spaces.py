"""Spaces: the points at which an image has values, and when two images share them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import nibabel as nib
import numpy as np


@dataclass(frozen=True, eq=False)
class Volume:
    """Values on a regular grid, to be drawn or written as an image.

    Parameters
    ----------
    values
        Of shape (n_i, n_j, n_k).
    affine
        From the indices of `values` to mm, of shape (4, 4).
    """

    values: np.ndarray
    affine: np.ndarray


class Space(Protocol):
    """The points that have a value in each volume of a series.

    Series whose spaces are equal have the same points: regions are placed once on each space, and values of all points
    are arrays of shape (n_points,) in the order in which the file stores them.
    """

    def __hash__(self) -> int: ...

    @property
    def n_points(self) -> int:
        """The number of points."""
        ...

    @property
    def point_noun(self) -> str:
        """What a point is called: voxel, vertex or grayordinate."""
        ...

    @property
    def points_noun(self) -> str:
        """What points are called: voxels, vertices or grayordinates."""
        ...

    @property
    def structure_names(self) -> tuple[str, ...]:
        """The brain structures that have points; none where the file does not say."""
        ...

    def to_volume(self, values: np.ndarray) -> Volume | None:
        """Return values of shape (n_points,) as a volume to draw, None for points that no volume holds."""
        ...


@dataclass(frozen=True)
class Grid:
    """The voxels of a NIfTI image: a shape and the affine from voxel indices to mm.

    Points are voxels, counted with the first axis fastest, as a NIfTI file stores them.
    """

    shape: tuple[int, int, int]
    affine: tuple[tuple[float, ...], ...]

    @classmethod
    def from_image(cls, img: nib.nifti1.Nifti1Pair) -> Grid:
        """Return the grid of a loaded image."""
        rows = np.asarray(img.affine, dtype=np.float64).tolist()
        return cls(tuple(int(n) for n in img.shape[:3]), tuple(map(tuple, rows)))  # type: ignore[arg-type]

    @property
    def matrix(self) -> np.ndarray:
        """The affine, as an array of shape (4, 4)."""
        return np.array(self.affine)

    @property
    def n_points(self) -> int:
        """The number of voxels of a volume."""
        return math.prod(self.shape)

    @property
    def point_noun(self) -> str:
        """What a point is called."""
        return "voxel"

    @property
    def points_noun(self) -> str:
        """What points are called."""
        return "voxels"

    @property
    def structure_names(self) -> tuple[str, ...]:
        """None: an image in a volume does not name structures."""
        return ()

    def to_volume(self, values: np.ndarray) -> Volume:
        """Return values of shape (n_points,) as a volume of the grid's shape."""
        return Volume(values.reshape(self.shape, order="F"), self.matrix)
