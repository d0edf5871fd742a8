"""Resample volumes to another grid, and find the voxels of one grid in the field of view of another."""

from __future__ import annotations

import warnings

import nibabel as nib
import numpy as np
from scipy import linalg, ndimage

from niimasker.inputs.spaces import Grid


def resample(values: np.ndarray, source: Grid, target: Grid, order: int = 0) -> np.ndarray:
    """Return a volume resampled to another grid as nilearn's maskers do, 0 outside its own field of view.

    Parameters
    ----------
    order
        0 takes the nearest voxel, 1 interpolates linearly.
    """
    if source.shape == target.shape and np.allclose(source.matrix, target.matrix):
        return values
    transform = linalg.inv(source.matrix) @ target.matrix
    rotation, offset = transform[:3, :3], transform[:3, 3]
    if np.all(np.diag(np.diag(rotation)) == rotation):  # scipy is faster for a diagonal, and rounds differently
        rotation = np.diag(rotation)
    resampled = np.zeros(target.shape, dtype=values.dtype, order="F")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*has changed in SciPy 0.18")  # raised until SciPy 1.15
        ndimage.affine_transform(values, rotation, offset, target.shape, output=resampled, order=order)
    return resampled


def is_inside(source: Grid, target: Grid) -> np.ndarray | None:
    """Return which voxels of `source` lie in the field of view of `target`, of shape source.shape; None if all do."""
    to_target = np.linalg.inv(target.matrix) @ source.matrix
    corners = np.array(np.meshgrid(*((0, n - 1) for n in source.shape), indexing="ij")).reshape(3, -1).T
    if np.all(_in_box(nib.affines.apply_affine(to_target, corners), target)):
        return None
    # One plane at a time: the indices of all voxels would take more memory than the atlas.
    i, j = np.meshgrid(*map(np.arange, source.shape[:2]), indexing="ij")
    planes = (np.stack([i, j, np.full_like(i, k)], axis=-1) for k in range(source.shape[2]))
    return np.stack([_in_box(nib.affines.apply_affine(to_target, plane), target) for plane in planes], axis=-1)


def _in_box(ijk: np.ndarray, grid: Grid) -> np.ndarray:
    return np.asarray(np.all((ijk > -0.5) & (ijk < np.array(grid.shape) - 0.5), axis=-1))
