"""Definitions of regions as the user gives them: parcellation, maps, seeds or mask, without any image of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import nibabel as nib
import numpy as np

from niimasker.inputs.spaces import Grid
from niimasker.regions.names.joins import NamesJoin


@dataclass(frozen=True)
class Parcellation:
    """A label image: int32 of shape grid.shape, 0 for background."""

    labels: np.ndarray
    grid: Grid


@dataclass(frozen=True)
class Maps:
    """Probabilistic maps: float of shape (*grid.shape, n_maps)."""

    weights: np.ndarray
    grid: Grid


@dataclass(frozen=True)
class Seeds:
    """Centres of spheres in mm, of shape (n_seeds, 3); without a radius each seed is the nearest voxel."""

    coordinates: np.ndarray
    radius: float | None


@dataclass(frozen=True)
class Mask:
    """Voxels that regions are restricted to: bool of shape grid.shape."""

    voxels: np.ndarray
    grid: Grid


@dataclass(frozen=True)
class Origin:
    """What regions say about their space: the file or query that they come from, and whether its header names one."""

    source: str
    has_known_space: bool


@dataclass(frozen=True)
class Regions:
    """The regions of one --roi_file: their definition and their names.

    Parameters
    ----------
    definition
        Where the regions lie.
    indices, names
        In ascending order of index.
    centres
        In mm, of shape (n_regions, 3).
    source
        The file or query, as messages call it.
    as_voxels
        Whether each voxel of a region is a column of its own.
    has_known_space
        Whether the atlas says which space it is in.
    names_join
        The table that the names come from, if there is one, and how it was joined with the regions.
    """

    definition: Parcellation | Maps | Seeds
    indices: tuple[int, ...]
    names: tuple[str, ...]
    centres: np.ndarray
    source: str
    as_voxels: bool = False
    has_known_space: bool = True
    names_join: NamesJoin | None = None

    @property
    def origin(self) -> Origin:
        """What the regions say about their space."""
        return Origin(self.source, self.has_known_space)


def find_centres(definition: Parcellation | Maps, indices: Sequence[int]) -> np.ndarray:
    """Return the regions' centres of mass in mm, of shape (n_regions, 3)."""
    if isinstance(definition, Parcellation):
        i, j, k = np.nonzero(definition.labels)
        voxels = np.column_stack([i, j, k]).astype(np.float64)
        position = np.searchsorted(indices, definition.labels[i, j, k])
        totals = np.bincount(position, minlength=len(indices))
        sums = np.stack([np.bincount(position, axis, minlength=len(indices)) for axis in voxels.T], axis=1)
        centres = sums / totals[:, None]
    else:
        centres = np.array([_map_centre(definition.weights[..., n]) for n in range(len(indices))])
    return np.asarray(nib.affines.apply_affine(definition.grid.matrix, centres))


def _map_centre(weights: np.ndarray) -> np.ndarray:
    # In Fortran order, as the voxels lie in memory: five times faster.
    flat = weights.ravel(order="F")
    voxels = np.flatnonzero(flat)
    mass = np.abs(flat[voxels]).astype(np.float64)
    # An empty map has no centre; NaN is written as n/a.
    if not mass.sum():
        return np.full(3, np.nan)
    ijk = np.stack(np.unravel_index(voxels, weights.shape, order="F"))
    return np.asarray(ijk @ mass / mass.sum())
