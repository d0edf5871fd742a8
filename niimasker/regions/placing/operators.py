"""From weights to the linear operator that turns the values of a volume into those of the regions.

Smoothing is part of the operator: `smoothing` says why that is exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import linalg, sparse

from niimasker.inputs.spaces import Grid, Space
from niimasker.regions.placing.smoothing import SmoothedVoxels, smooth_rows, smooth_voxels, smoothing_sigma
from niimasker.regions.placing.weights import RegionWeights


@dataclass(frozen=True)
class WeightedSums:
    """Sums of values times weights: means of labels and spheres, least squares of maps, single points.

    Parameters
    ----------
    points
        Which points of the space are read, sorted.
    matrix
        Sparse, of shape (n_regions, len(points)).
    solve
        For maps the inverse of their products with each other, of shape (n_regions, n_regions): the least squares
        that nilearn solves, (M'M)^-1 M'x.
    """

    points: np.ndarray
    matrix: sparse.csr_array
    solve: np.ndarray | None = None

    def within(self, points: np.ndarray) -> WeightedSums:
        """Return the same sums from more points, given sorted."""
        return WeightedSums(
            points, _move_columns(self.matrix, np.searchsorted(points, self.points), points), self.solve
        )

    @property
    def n_rows(self) -> int:
        """The number of regions."""
        return int(self.matrix.shape[0])

    def sum(self, columns: np.ndarray) -> np.ndarray:
        """Return sums of shape (n_regions, n_volumes) of columns of shape (n_points, n_volumes)."""
        return np.asarray(self.matrix @ columns)

    def finish(self, sums: np.ndarray) -> np.ndarray:
        """Return the regions' values, of the shape of their sums."""
        return sums if self.solve is None else self.solve @ sums


@dataclass(frozen=True)
class Stacked:
    """Several operators over the same points, one below the other: one reading of an image serves them all."""

    points: np.ndarray
    parts: tuple[WeightedSums | SmoothedVoxels, ...]

    def sum(self, columns: np.ndarray) -> np.ndarray:
        """Return the sums of all parts, of shape (n_rows, n_volumes), of columns of shape (n_points, n_volumes)."""
        return np.concatenate([part.sum(columns) for part in self.parts])

    def finish(self, sums: np.ndarray) -> np.ndarray:
        """Return the values of all parts, of the shape of their sums."""
        ends = np.cumsum([part.n_rows for part in self.parts])
        pieces = np.split(sums, ends[:-1])
        return np.concatenate([part.finish(piece) for part, piece in zip(self.parts, pieces, strict=True)])

    def apply(self, columns: np.ndarray) -> np.ndarray:
        """Return the values of all parts, of shape (n_rows, n_volumes), of columns of shape (n_points, n_volumes)."""
        return self.finish(self.sum(columns))


def stack(
    operators: Sequence[WeightedSums | SmoothedVoxels], space: Space, points: np.ndarray | None = None
) -> Stacked:
    """Return one operator that reads what any of some operators reads, or the points given, which hold these."""
    if points is None:
        points = _distinct(np.concatenate([operator.points for operator in operators]), space)
    return Stacked(points, tuple(operator.within(points) for operator in operators))


def make_operator(weights: RegionWeights, smoothing_fwhm: float | None) -> WeightedSums | SmoothedVoxels:
    """Return the operator that stands for smoothing and averaging.

    Parameters
    ----------
    smoothing_fwhm
        In mm; None or 0 for none.
    """
    if not smoothing_fwhm:
        return _weighted_sums(weights, weights.matrix)
    grid = weights.space
    assert isinstance(grid, Grid)
    sigma = smoothing_sigma(grid, smoothing_fwhm)
    if weights.single_points is not None and weights.filled.any():
        # A voxel's row of the matrix holds that voxel alone.
        return smooth_voxels(weights.matrix.indices, grid, sigma)
    return _weighted_sums(weights, smooth_rows(weights.matrix, grid, sigma))


def _weighted_sums(weights: RegionWeights, matrix: sparse.csr_array) -> WeightedSums:
    points = _distinct(matrix.indices, weights.space)
    solve = _invert_products(weights.matrix) if weights.kind == "maps" else None
    positions = np.zeros(weights.space.n_points, dtype=np.int64)
    positions[points] = np.arange(len(points))
    return WeightedSums(points, _move_columns(matrix, positions, points), solve)


def _distinct(points: np.ndarray, space: Space) -> np.ndarray:
    # A table of flags over the whole space is ten times faster than sorting.
    is_used = np.zeros(space.n_points, dtype=bool)
    is_used[points] = True
    return np.flatnonzero(is_used)


def _move_columns(matrix: sparse.csr_array, positions: np.ndarray, points: np.ndarray) -> sparse.csr_array:
    """Return a matrix over some points, with each column at its position among them."""
    # int32: with 64-bit positions the product waits for memory a fifth longer.
    moved = positions[matrix.indices].astype(np.int32)
    return sparse.csr_array((matrix.data, moved, matrix.indptr.astype(np.int32)), shape=(matrix.shape[0], len(points)))


def _invert_products(matrix: sparse.csr_array) -> np.ndarray:
    """Return the inverse of the maps' products with each other, of shape (n_maps, n_maps).

    Maps are brought to one length first, so that a faint one is not taken for none. Where maps depend on each other
    the pseudo-inverse takes the smallest solution; nilearn's least squares may divide by a rounding error there.
    """
    products = (matrix @ matrix.T).toarray()
    lengths = np.sqrt(np.diag(products))
    scale = np.divide(1.0, lengths, out=np.zeros_like(lengths), where=lengths > 0)
    return np.asarray(scale[:, None] * linalg.pinvh(products * np.outer(scale, scale)) * scale)
