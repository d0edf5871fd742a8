"""Gaussian smoothing on a grid, applied to weights instead of volumes.

The filter that nilearn applies to a volume (scipy's, reflecting at the borders) is its own adjoint, so a region's mean
in a smoothed volume equals the product of the volume and the region's smoothed weights.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from scipy import ndimage, sparse

from niimasker.inputs.spaces import Grid

_FWHM_PER_SIGMA = np.sqrt(8 * np.log(2))
_TRUNCATE = 4.0  # the kernel ends at 4 sigma: scipy's default, which nilearn keeps


@dataclass(frozen=True)
class SmoothedVoxels:
    """The operator of single voxels in smoothed volumes; it smooths the box around them that their kernels reach.

    Parameters
    ----------
    points
        The points of the grid that are read, sorted.
    box
        Positions of the box's voxels among `points`.
    shape
        The shape of the box.
    sigma
        Per axis, in voxels.
    inside
        Positions of the wanted voxels in the box, in the order of the rows.
    """

    points: np.ndarray
    box: np.ndarray
    shape: tuple[int, ...]
    sigma: tuple[float, ...]
    inside: np.ndarray

    def within(self, points: np.ndarray) -> SmoothedVoxels:
        """Return the same operator on a larger, sorted set of points."""
        return dataclasses.replace(self, points=points, box=np.searchsorted(points, self.points[self.box]))

    @property
    def n_rows(self) -> int:
        """The number of wanted voxels."""
        return len(self.inside)

    def sum(self, columns: np.ndarray) -> np.ndarray:
        """Return the smoothed values, of shape (n_rows, n_volumes), for values of shape (n_points, n_volumes)."""
        values = [
            ndimage.gaussian_filter(column.reshape(self.shape, order="F"), self.sigma).ravel(order="F")[self.inside]
            for column in columns[self.box].T
        ]
        return np.stack(values, axis=1)

    def finish(self, sums: np.ndarray) -> np.ndarray:
        """Return the sums as they are: they are the voxels' values already."""
        return sums


def smoothing_sigma(grid: Grid, fwhm: float) -> tuple[float, ...]:
    """Return the Gaussian's standard deviation along each axis in voxels, for a full width at half maximum in mm."""
    voxel_sizes = np.sqrt(np.sum(grid.matrix[:3, :3] ** 2, axis=0))
    return tuple((fwhm / (_FWHM_PER_SIGMA * voxel_sizes)).tolist())


def smooth_rows(matrix: sparse.csr_array, grid: Grid, sigma: tuple[float, ...]) -> sparse.csr_array:
    """Return weights of shape (n_regions, n_points), each row smoothed as a volume."""
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


def make_smoothed_voxels(voxels: np.ndarray, grid: Grid, sigma: tuple[float, ...]) -> SmoothedVoxels:
    """Return the operator of single voxels in smoothed volumes, one per row."""
    box, positions = _box_around(voxels, grid, sigma)
    shape = tuple(part.stop - part.start for part in box)
    inside = np.ravel_multi_index(positions, shape, order="F")
    points = _box_voxels(box, grid)
    return SmoothedVoxels(points, np.arange(len(points)), shape, sigma, inside)


def _box_around(
    voxels: np.ndarray, grid: Grid, sigma: tuple[float, ...]
) -> tuple[tuple[slice, ...], tuple[np.ndarray, ...]]:
    """Return the box that the kernels of some voxels reach, and the voxels' indices in it.

    Inside the image the box is padded with zeros by the kernels' reach, so that reflection at its sides adds nothing.
    At the image's border the box ends with the image and reflects as the image does.
    """
    ijk = np.stack(np.unravel_index(voxels, grid.shape, order="F"))
    reach = np.array([int(_TRUNCATE * axis_sigma + 0.5) for axis_sigma in sigma])
    low = np.maximum(ijk.min(axis=1) - reach, 0)
    high = np.minimum(ijk.max(axis=1) + reach + 1, grid.shape)
    return tuple(map(slice, low.tolist(), high.tolist())), tuple(ijk - low[:, None])


def _box_voxels(box: tuple[slice, ...], grid: Grid) -> np.ndarray:
    i, j, k = (np.arange(part.start, part.stop) for part in box)
    positions = i[:, None, None] + grid.shape[0] * (j[None, :, None] + grid.shape[1] * k[None, None, :])
    return np.asarray(positions.ravel(order="F"))
