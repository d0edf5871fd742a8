"""Find the voxels of a sphere around coordinates."""

from __future__ import annotations

import nibabel as nib
import numpy as np

from niimasker.errors import RegionsError
from niimasker.inputs.spaces import Grid

# The most voxels to test for one sphere, 1 GB at 60 bytes each. The largest box on a 2 mm image, twice the image along
# each axis, has about half of them.
_MAX_CANDIDATES = 2**24


def find_sphere_voxels(centre: np.ndarray, radius: float | None, grid: Grid) -> tuple[np.ndarray, int]:
    """Return a sphere's voxels in the image, and the number of its voxels on a grid without borders.

    A sphere's voxels are those whose centres lie within the radius. Without a radius, or if it reaches no voxel's
    centre, the sphere is the voxel that holds its centre.

    Returns
    -------
    ndarray of int
        The voxels' sorted positions, counted with the first axis fastest.
    int
        The number of voxels, including those outside the image.
    """
    to_voxels = np.linalg.inv(grid.matrix)
    nearest = np.round(nib.affines.apply_affine(to_voxels, centre)).astype(int)
    members = nearest[None] if radius is None else _find_within(radius, centre, nearest, grid, to_voxels)
    if not len(members):
        members = nearest[None]
    in_image = members[np.all((members >= 0) & (members < grid.shape), axis=1)]
    return np.sort(np.ravel_multi_index(tuple(in_image.T), grid.shape, order="F")), len(members)


def _find_within(
    radius: float, centre: np.ndarray, nearest: np.ndarray, grid: Grid, to_voxels: np.ndarray
) -> np.ndarray:
    """Return the indices of the voxels, inside or outside the image, whose centres lie within a radius."""
    # The box around the sphere holds all candidates, so that no search tree over the volume is needed.
    reach = np.ceil(radius * np.linalg.norm(to_voxels[:3, :3], axis=1)) + 1
    # Bounded by the image, so that a mistyped radius does not fill the memory.
    reach = np.minimum(reach, np.maximum(np.abs(nearest), np.abs(nearest - grid.shape)) + 1).astype(int)
    # In float64, because the product of large reaches overflows int64.
    if np.prod(2.0 * reach + 1) > _MAX_CANDIDATES:
        shown = ", ".join(f"{mm:g}" for mm in centre)
        raise RegionsError(
            f"--radius: a sphere of {radius:g} mm around {shown} has more voxels than a brain; "
            "give radius and coordinates in mm."
        )
    low, high = nearest - reach, nearest + reach + 1
    box = np.stack(np.meshgrid(*map(np.arange, low, high), indexing="ij"), axis=-1).reshape(-1, 3)
    distances = np.linalg.norm(nib.affines.apply_affine(grid.matrix, box) - centre, axis=1)
    # The tolerance keeps voxels exactly at the radius inside, in spite of rounding.
    return np.asarray(box[distances <= radius * (1 + 1e-9)])
