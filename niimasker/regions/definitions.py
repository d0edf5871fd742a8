"""Definitions of regions as the user gives them: parcellation, maps, seeds or mask, without any image of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import nibabel as nib
import numpy as np

from niimasker.inputs.grayordinates import Grayordinates, Outline
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

    @property
    def outline(self) -> None:
        """None: the mask is in a volume."""
        return None


@dataclass(frozen=True)
class PointLabels:
    """A parcellation of vertices and voxels.

    Parameters
    ----------
    labels
        The position of each point's region, counted from 1, 0 for background; int32 of shape (space.n_points,).
    places
        Where each point lies in mm, of shape (space.n_points, 3), NaN where that is not known; None for voxels alone.
    """

    labels: np.ndarray
    space: Grayordinates
    places: np.ndarray | None = None


@dataclass(frozen=True)
class PointMaps:
    """Maps of real numbers on vertices and voxels: float of shape (space.n_points, n_maps).

    Parameters
    ----------
    are_weights
        Whether the only map holds the weights of a mean; maps are fitted by least squares otherwise.
    """

    weights: np.ndarray
    space: Grayordinates
    are_weights: bool = False


@dataclass(frozen=True)
class PointMask:
    """Vertices and voxels that regions are restricted to: bool of shape (space.n_points,)."""

    inside: np.ndarray
    space: Grayordinates
    source: str

    @property
    def outline(self) -> Outline:
        """The structures that the mask is on."""
        return self.space.outline


Definition = Parcellation | Maps | Seeds | PointLabels | PointMaps
AnyMask = Mask | PointMask


@dataclass(frozen=True)
class Origin:
    """What regions say about their space, to tell whether an image fits them.

    Parameters
    ----------
    source
        The file or query that they come from.
    has_known_space
        Whether its header says which space it is in.
    outline
        The structures of regions on surfaces or grayordinates; None for regions in volumes.
    are_seeds
        Whether the regions are given by coordinates.
    """

    source: str
    has_known_space: bool
    outline: Outline | None = None
    are_seeds: bool = False


@dataclass(frozen=True)
class Regions:
    """The regions of one --roi_file: their definition and their names.

    Parameters
    ----------
    definition
        Where the regions lie.
    indices, names
        In ascending order of index; on GIFTI surfaces those of the left hemisphere come first, and both hemispheres
        may have the same indices.
    centres
        In mm, of shape (n_regions, 3); NaN where they are not known.
    source
        The file or query, as messages call it.
    as_voxels
        Whether each voxel of a region is a column of its own.
    has_known_space
        Whether the atlas says which space it is in.
    names_join
        The table that the names come from, if there is one, and how it was joined with the regions.
    """

    definition: Definition
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
        definition = self.definition
        outline = definition.space.outline if isinstance(definition, (PointLabels, PointMaps)) else None
        return Origin(self.source, self.has_known_space, outline, isinstance(definition, Seeds))


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
