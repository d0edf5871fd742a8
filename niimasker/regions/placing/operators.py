"""From weights to the linear operator that turns a volume's voxels into the regions' values.

Smoothing is part of the operator. The Gaussian filter that nilearn applies to a volume (scipy's, reflecting at the
borders) is its own adjoint, so the mean over a smoothed volume is the product of the volume and smoothed weights.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import linalg, ndimage, sparse

from niimasker.inputs.images import Grid
from niimasker.regions.placing.weights import RegionWeights

_FWHM_PER_SIGMA = np.sqrt(8 * np.log(2))
_TRUNCATE = 4.0  # scipy's default, which nilearn leaves as it is: the kernel ends at 4 sigma.


@dataclass(frozen=True)
class WeightedSums:
    """Sums of voxels times weights: means of labels and spheres, least squares of maps, single voxels.

    Parameters
    ----------
    voxels
        Positions on the grid that are read, counted with the first axis fastest, sorted.
    matrix
        Sparse, of shape (n_regions, len(voxels)).
    solve
        For maps the inverse of their products with each other, of shape (n_regions, n_regions): the least squares
        that nilearn solves, (M'M)^-1 M'x.
    """

    voxels: np.ndarray
    matrix: sparse.csr_array
    solve: np.ndarray | None = None

    def within(self, voxels: np.ndarray) -> WeightedSums:
        """Return the same sums from more voxels, given sorted."""
        return WeightedSums(
            voxels, _move_columns(self.matrix, np.searchsorted(voxels, self.voxels), voxels), self.solve
        )

    @property
    def n_rows(self) -> int:
        """The number of regions."""
        return int(self.matrix.shape[0])

    def sum(self, columns: np.ndarray) -> np.ndarray:
        """Return sums of shape (n_regions, n_volumes) of columns of shape (n_voxels, n_volumes)."""
        return np.asarray(self.matrix @ columns)

    def finish(self, sums: np.ndarray) -> np.ndarray:
        """Return the regions' values, of the shape of their sums."""
        return sums if self.solve is None else self.solve @ sums


@dataclass(frozen=True)
class SmoothedVoxels:
    """Voxels of smoothed volumes; what is smoothed is the box around them that their kernels reach.

    Parameters
    ----------
    voxels
        Positions on the grid that are read, sorted.
    box
        Which of them are the box's.
    shape
        The box's.
    sigma
        Per axis, in voxels.
    inside
        Positions in the box of the voxels that are wanted, in the order of the columns.
    """

    voxels: np.ndarray
    box: np.ndarray
    shape: tuple[int, ...]
    sigma: tuple[float, ...]
    inside: np.ndarray

    def within(self, voxels: np.ndarray) -> SmoothedVoxels:
        """Return the same values from more voxels, given sorted."""
        return dataclasses.replace(self, voxels=voxels, box=np.searchsorted(voxels, self.voxels[self.box]))

    @property
    def n_rows(self) -> int:
        """The number of voxels wanted."""
        return len(self.inside)

    def sum(self, columns: np.ndarray) -> np.ndarray:
        """Return the voxels' values, of shape (n_wanted, n_volumes), of columns of shape (n_voxels, n_volumes)."""
        values = [
            ndimage.gaussian_filter(column.reshape(self.shape, order="F"), self.sigma).ravel(order="F")[self.inside]
            for column in columns[self.box].T
        ]
        return np.stack(values, axis=1)

    def finish(self, sums: np.ndarray) -> np.ndarray:
        """Return the same: nothing is left to do."""
        return sums


@dataclass(frozen=True)
class Stacked:
    """Several operators over the same voxels, one below the other: one reading of an image serves them all."""

    voxels: np.ndarray
    parts: tuple[WeightedSums | SmoothedVoxels, ...]

    def sum(self, columns: np.ndarray) -> np.ndarray:
        """Return the sums of all parts, of shape (n_rows, n_volumes), of columns of shape (n_voxels, n_volumes)."""
        return np.concatenate([part.sum(columns) for part in self.parts])

    def finish(self, sums: np.ndarray) -> np.ndarray:
        """Return the values of all parts, of the shape of their sums."""
        ends = np.cumsum([part.n_rows for part in self.parts])
        pieces = np.split(sums, ends[:-1])
        return np.concatenate([part.finish(piece) for part, piece in zip(self.parts, pieces, strict=True)])

    def apply(self, columns: np.ndarray) -> np.ndarray:
        """Return the values of all parts, of shape (n_rows, n_volumes), of columns of shape (n_voxels, n_volumes)."""
        return self.finish(self.sum(columns))


def stack(operators: Sequence[WeightedSums | SmoothedVoxels], grid: Grid, voxels: np.ndarray | None = None) -> Stacked:
    """Return one operator that reads what any of some operators reads, or the voxels given, which hold these."""
    if voxels is None:
        voxels = _distinct(np.concatenate([operator.voxels for operator in operators]), grid)
    return Stacked(voxels, tuple(operator.within(voxels) for operator in operators))


def make_operator(weights: RegionWeights, smoothing_fwhm: float | None) -> WeightedSums | SmoothedVoxels:
    """Return the operator that stands for smoothing and averaging.

    Parameters
    ----------
    smoothing_fwhm
        In mm; None or 0 for none.
    """
    sigma = smoothing_sigma(weights.grid, smoothing_fwhm) if smoothing_fwhm else None
    if sigma is not None and weights.kind == "voxels" and weights.filled.any():
        return _smooth_voxels(weights, sigma)
    matrix = weights.matrix if sigma is None else smooth_rows(weights.matrix, weights.grid, sigma)
    voxels = _distinct(matrix.indices, weights.grid)
    solve = _invert_products(weights.matrix) if weights.kind == "maps" else None
    positions = np.zeros(weights.grid.n_voxels, dtype=np.int64)
    positions[voxels] = np.arange(len(voxels))
    return WeightedSums(voxels, _move_columns(matrix, positions, voxels), solve)


def _distinct(voxels: np.ndarray, grid: Grid) -> np.ndarray:
    # On a grid a table of flags is ten times faster than sorting.
    is_used = np.zeros(grid.n_voxels, dtype=bool)
    is_used[voxels] = True
    return np.flatnonzero(is_used)


def smoothing_sigma(grid: Grid, fwhm: float) -> tuple[float, ...]:
    """Return the Gaussian's standard deviation along each axis in voxels, for a width in mm."""
    voxel_sizes = np.sqrt(np.sum(grid.matrix[:3, :3] ** 2, axis=0))
    return tuple((fwhm / (_FWHM_PER_SIGMA * voxel_sizes)).tolist())


def smooth_rows(matrix: sparse.csr_array, grid: Grid, sigma: tuple[float, ...]) -> sparse.csr_array:
    """Return weights of shape (n_regions, n_voxels), each row smoothed as a volume."""
    if not matrix.shape[0]:
        return matrix
    parts = [_smooth_row(matrix, row, grid, sigma) for row in range(matrix.shape[0])]
    sizes = [len(voxels) for voxels, _ in parts]
    return sparse.csr_array(
        (
            np.concatenate([values for _, values in parts]),
            np.concatenate([voxels for voxels, _ in parts]),
            np.concatenate([[0], np.cumsum(sizes)]),
        ),
        shape=matrix.shape,
    )


def _smooth_row(
    matrix: sparse.csr_array, row: int, grid: Grid, sigma: tuple[float, ...]
) -> tuple[np.ndarray, np.ndarray]:
    here = slice(matrix.indptr[row], matrix.indptr[row + 1])
    voxels, values = matrix.indices[here], matrix.data[here]
    if not len(voxels):
        return voxels, values
    box, positions = _box_around(voxels, grid, sigma)
    crop = np.zeros(tuple(part.stop - part.start for part in box))
    crop[positions] = values
    smooth = ndimage.gaussian_filter(crop, sigma).ravel(order="F")
    return _box_voxels(box, grid), smooth


def _smooth_voxels(weights: RegionWeights, sigma: tuple[float, ...]) -> SmoothedVoxels:
    # A voxel's row of the matrix holds that voxel alone.
    box, positions = _box_around(weights.matrix.indices, weights.grid, sigma)
    shape = tuple(part.stop - part.start for part in box)
    inside = np.ravel_multi_index(positions, shape, order="F")
    voxels = _box_voxels(box, weights.grid)
    return SmoothedVoxels(voxels, np.arange(len(voxels)), shape, sigma, inside)


def _box_around(
    voxels: np.ndarray, grid: Grid, sigma: tuple[float, ...]
) -> tuple[tuple[slice, ...], tuple[np.ndarray, ...]]:
    """Return the box that the kernels of some voxels reach, and the voxels' indices in it.

    Zeros fill it up to its sides, so that what is reflected there is 0, as outside of the box; at the image's own
    border it ends where the image does and reflects what the image reflects.
    """
    ijk = np.stack(np.unravel_index(voxels, grid.shape, order="F"))
    reach = np.array([int(_TRUNCATE * each + 0.5) for each in sigma])
    low = np.maximum(ijk.min(axis=1) - reach, 0)
    high = np.minimum(ijk.max(axis=1) + reach + 1, grid.shape)
    return tuple(map(slice, low.tolist(), high.tolist())), tuple(ijk - low[:, None])


def _box_voxels(box: tuple[slice, ...], grid: Grid) -> np.ndarray:
    i, j, k = (np.arange(part.start, part.stop) for part in box)
    positions = i[:, None, None] + grid.shape[0] * (j[None, :, None] + grid.shape[1] * k[None, None, :])
    return np.asarray(positions.ravel(order="F"))


def _move_columns(matrix: sparse.csr_array, positions: np.ndarray, voxels: np.ndarray) -> sparse.csr_array:
    """Return a matrix over some voxels, with each column at its position among them."""
    # int32: with 64-bit positions the product waits for memory a fifth longer.
    moved = positions[matrix.indices].astype(np.int32)
    return sparse.csr_array((matrix.data, moved, matrix.indptr.astype(np.int32)), shape=(matrix.shape[0], len(voxels)))


def _invert_products(matrix: sparse.csr_array) -> np.ndarray:
    """Return the inverse of the maps' products with each other, of shape (n_maps, n_maps).

    Maps are brought to one length first, so that a faint one is not taken for none. Where maps depend on each other
    the pseudo-inverse takes the smallest solution; nilearn's least squares may divide by a rounding error there.
    """
    products = (matrix @ matrix.T).toarray()
    lengths = np.sqrt(np.diag(products))
    scale = np.divide(1.0, lengths, out=np.zeros_like(lengths), where=lengths > 0)
    return np.asarray(scale[:, None] * linalg.pinvh(products * np.outer(scale, scale)) * scale)
