"""The voxels of a sphere around coordinates."""

from __future__ import annotations

import nibabel as nib
import numpy as np

from niimasker.errors import RegionsError
from niimasker.inputs.spaces import Grid

# Voxels looked at for a sphere, which take 60 bytes each: 1 GB. Eight images of 2 mm are half of it.
_MOST_CANDIDATES = 2**24


def sphere(centre: np.ndarray, radius: float | None, grid: Grid) -> tuple[np.ndarray, int]:
    """Return the voxels of a sphere, and how many there would be if the image went on for ever.

    The voxels are those whose centre lies within the radius, else the nearest one: a radius that reaches no voxel's
    centre, and no radius, take the voxel that holds the sphere's centre. There is none outside of the image.

    Returns
    -------
    ndarray of int
        Sorted, counted with the first axis fastest.
    int
    """
    to_voxels = np.linalg.inv(grid.matrix)
    nearest = np.round(nib.affines.apply_affine(to_voxels, centre)).astype(int)
    members = nearest[None] if radius is None else _within(radius, centre, nearest, grid, to_voxels)
    if not len(members):
        members = nearest[None]
    in_image = members[np.all((members >= 0) & (members < grid.shape), axis=1)]
    return np.sort(np.ravel_multi_index(tuple(in_image.T), grid.shape, order="F")), len(members)


def _within(radius: float, centre: np.ndarray, nearest: np.ndarray, grid: Grid, to_voxels: np.ndarray) -> np.ndarray:
    """Return the indices of the voxels, in the image or beside it, whose centre lies within a radius."""
    # The box around the sphere, in voxels, holds every candidate: no tree over a whole volume is needed.
    reach = np.ceil(radius * np.linalg.norm(to_voxels[:3, :3], axis=1)) + 1
    # As far as the image goes and not farther: a radius of a kilometre is a mistake that need not fill the memory.
    reach = np.minimum(reach, np.maximum(np.abs(nearest), np.abs(nearest - grid.shape)) + 1).astype(int)
    # In float64: the product of large reaches is no int64.
    if np.prod(2.0 * reach + 1) > _MOST_CANDIDATES:
        shown = ", ".join(f"{mm:g}" for mm in centre)
        raise RegionsError(
            f"--radius: a sphere of {radius:g} mm around {shown} has more voxels than a brain; "
            "give radius and coordinates in mm."
        )
    low, high = nearest - reach, nearest + reach + 1
    box = np.stack(np.meshgrid(*map(np.arange, low, high), indexing="ij"), axis=-1).reshape(-1, 3)
    distances = np.linalg.norm(nib.affines.apply_affine(grid.matrix, box) - centre, axis=1)
    # A centre at the very radius is inside, whatever rounding says.
    return np.asarray(box[distances <= radius * (1 + 1e-9)])
