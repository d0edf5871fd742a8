"""Regions and grids as values, without files."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from niimasker.inputs.spaces import Grid
from niimasker.regions.definitions import Maps, Mask, Parcellation, Regions, Seeds, find_centres


def make_grid(shape: Sequence[int], affine: np.ndarray) -> Grid:
    """Return a grid."""
    return Grid(tuple(shape), tuple(map(tuple, np.asarray(affine, dtype=float).tolist())))


def make_parcels(labels: np.ndarray, affine: np.ndarray, *, as_voxels: bool = False) -> Regions:
    """Return the regions of a label image."""
    definition = Parcellation(labels.astype(np.int32), make_grid(labels.shape, affine))
    indices = tuple(int(index) for index in np.unique(labels) if index)
    names = tuple(f"roi {index}" for index in indices)
    return Regions(definition, indices, names, find_centres(definition, indices), "atlas.nii.gz", as_voxels)


def make_maps(weights: np.ndarray, affine: np.ndarray) -> Regions:
    """Return the regions of maps, counted along the last axis."""
    definition = Maps(weights, make_grid(weights.shape[:3], affine))
    indices = tuple(range(1, weights.shape[-1] + 1))
    names = tuple(f"roi {index}" for index in indices)
    return Regions(definition, indices, names, find_centres(definition, indices), "maps.nii.gz")


def make_seeds(centres: Sequence[Sequence[float]], radius: float | None) -> Regions:
    """Return spheres around centres in mm."""
    coordinates = np.array(centres, dtype=float)
    indices = tuple(range(len(coordinates)))
    names = tuple(f"roi {index}" for index in indices)
    return Regions(Seeds(coordinates, radius), indices, names, coordinates, "seeds.tsv")


def make_mask(voxels: np.ndarray, affine: np.ndarray) -> Mask:
    """Return a mask."""
    return Mask(voxels.astype(bool), make_grid(voxels.shape, affine))


def flat(volumes: np.ndarray) -> np.ndarray:
    """Return volumes of shape (i, j, k, ...) with voxels as in a file: one axis, the first of three fastest."""
    return volumes.reshape((-1, *volumes.shape[3:]), order="F")
