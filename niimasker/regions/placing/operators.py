"""Linear operators that turn the values of a volume into those of the regions.

Smoothing is part of the operator; see `smoothing` for why that is exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import linalg, sparse

from niimasker.inputs.spaces import Grid, Space
from niimasker.regions.placing.smoothing import SmoothedVoxels, make_smoothed_voxels, smooth_rows, smoothing_sigma
from niimasker.regions.placing.weights import RegionWeights


@dataclass(frozen=True)
class WeightedSums:
    """The operator of weighted sums: means over labels and spheres, least squares of maps, or single points.

    Parameters
    ----------
    points
        The points of the space that are read, sorted.
    matrix
        Sparse, of shape (n_regions, len(points)).
    solve
        For maps, the inverse of their Gram matrix, of shape (n_regions, n_regions), which completes the least squares
        solution (M'M)^-1 M'x that nilearn computes.
    """

    points: np.ndarray
    matrix: sparse.csr_array
    solve: np.ndarray | None = None

    def within(self, points: np.ndarray) -> WeightedSums:
        """Return the same operator on a larger, sorted set of points."""
        return WeightedSums(
            points, _move_columns(self.matrix, np.searchsorted(points, self.points), points), self.solve
        )

    @property
    def n_rows(self) -> int:
        """The number of regions."""
        return int(self.matrix.shape[0])

    def sum(self, columns: np.ndarray) -> np.ndarray:
        """Return the sums, of shape (n_regions, n_volumes), for values of shape (n_points, n_volumes)."""
        # One volume after the other: scipy would first copy all of them to have each point's values side by side.
        return np.stack([self.matrix @ column for column in columns.T], axis=1)

    def finish(self, sums: np.ndarray) -> np.ndarray:
        """Return the regions' values from their sums, of the same shape."""
        return sums if self.solve is None else self.solve @ sums


@dataclass(frozen=True)
class Stacked:
    """Several operators over the same points, one below the other, so that all need one reading of an image."""

    points: np.ndarray
    parts: tuple[WeightedSums | SmoothedVoxels, ...]

    def sum(self, columns: np.ndarray) -> np.ndarray:
        """Return the sums of all parts, of shape (n_rows, n_volumes), for values of shape (n_points, n_volumes)."""
        return np.concatenate([part.sum(columns) for part in self.parts])

    def finish(self, sums: np.ndarray) -> np.ndarray:
        """Return the values of all parts from their sums, of the same shape."""
        ends = np.cumsum([part.n_rows for part in self.parts])
        pieces = np.split(sums, ends[:-1])
        return np.concatenate([part.finish(piece) for part, piece in zip(self.parts, pieces, strict=True)])

    def apply(self, columns: np.ndarray) -> np.ndarray:
        """Return the values of all parts, of shape (n_rows, n_volumes), for values of shape (n_points, n_volumes)."""
        return self.finish(self.sum(columns))


def stack(
    operators: Sequence[WeightedSums | SmoothedVoxels], space: Space, points: np.ndarray | None = None
) -> Stacked:
    """Return one operator from several, over all points that any of them reads or over the given, larger set."""
    if points is None:
        points = _sort_unique(np.concatenate([operator.points for operator in operators]), space)
    return Stacked(points, tuple(operator.within(points) for operator in operators))


def make_operator(weights: RegionWeights, smoothing_fwhm: float | None) -> WeightedSums | SmoothedVoxels:
    """Return the operator that smooths a volume and averages over the regions.

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
        # Each row of the matrix holds a single voxel.
        return make_smoothed_voxels(weights.matrix.indices, grid, sigma)
    return _weighted_sums(weights, smooth_rows(weights.matrix, grid, sigma))


def _weighted_sums(weights: RegionWeights, matrix: sparse.csr_array) -> WeightedSums:
    points = _sort_unique(matrix.indices, weights.space)
    solve = _invert_products(weights.matrix) if weights.kind == "maps" else None
    positions = np.zeros(weights.space.n_points, dtype=np.int64)
    positions[points] = np.arange(len(points))
    return WeightedSums(points, _move_columns(matrix, positions, points), solve)


def _sort_unique(points: np.ndarray, space: Space) -> np.ndarray:
    # Flags over the whole space are ten times faster than sorting.
    is_used = np.zeros(space.n_points, dtype=bool)
    is_used[points] = True
    return np.flatnonzero(is_used)


def _move_columns(matrix: sparse.csr_array, positions: np.ndarray, points: np.ndarray) -> sparse.csr_array:
    """Return the matrix over a set of points, each column moved to its position among them."""
    # int32, because 64-bit positions make the product a fifth slower.
    moved = positions[matrix.indices].astype(np.int32)
    return sparse.csr_array((matrix.data, moved, matrix.indptr.astype(np.int32)), shape=(matrix.shape[0], len(points)))


def _invert_products(matrix: sparse.csr_array) -> np.ndarray:
    """Return the inverse of the maps' Gram matrix, of shape (n_maps, n_maps).

    Maps are scaled to the same norm first, so that a faint map is not taken for an empty one. For linearly dependent
    maps the pseudo-inverse gives the solution of least norm, where nilearn's least squares may divide by a rounding
    error.
    """
    products = (matrix @ matrix.T).toarray()
    lengths = np.sqrt(np.diag(products))
    scale = np.divide(1.0, lengths, out=np.zeros_like(lengths), where=lengths > 0)
    return np.asarray(scale[:, None] * linalg.pinvh(products * np.outer(scale, scale)) * scale)
