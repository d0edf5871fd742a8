"""Place regions on a grid of voxels.

Like nilearn's maskers, labels and masks are resampled to the image's grid by the nearest voxel, and maps linearly. The
scipy function that nilearn calls is called here directly, because importing nilearn takes 2 s, half of a short run.
Regions without voxels on the grid keep their rows, where nilearn's maskers drop them or raise an error.
"""

from __future__ import annotations

import dataclasses

import nibabel as nib
import numpy as np
from scipy import sparse

from niimasker.errors import ImageError
from niimasker.inputs.spaces import Grid
from niimasker.regions.definitions import AnyMask, Maps, Mask, Parcellation, Regions, Seeds
from niimasker.regions.placing.resampling import is_inside, resample
from niimasker.regions.placing.spheres import find_sphere_voxels
from niimasker.regions.placing.weights import (
    LOST_IN_RESAMPLING,
    OK,
    OUTSIDE_IMAGE,
    OUTSIDE_MASK,
    RegionKind,
    RegionWeights,
    make_matrix,
    split_into_points,
)


def place_on_grid(regions: Regions, grid: Grid, mask: AnyMask | None) -> RegionWeights:
    """Return the regions' weights on an image's grid.

    Parameters
    ----------
    mask
        Restricts the regions to its voxels.

    Raises
    ------
    ImageError
        Regions or mask are on surfaces or grayordinates.
    """
    inside = None if mask is None else _find_inside(mask, grid)
    definition = regions.definition
    if isinstance(definition, Parcellation):
        weights = _place_parcellation(regions, definition, grid, inside)
        return _split_into_voxels(weights, grid) if regions.as_voxels else weights
    if isinstance(definition, Maps):
        return _place_maps(regions, definition, grid, inside)
    if isinstance(definition, Seeds):
        return _place_seeds(regions, definition, grid, inside)
    raise ImageError(f"an image in a volume, but {regions.source} is on surfaces or grayordinates.")


def _find_inside(mask: AnyMask, grid: Grid) -> np.ndarray:
    """Return which voxels of a grid are in a mask."""
    if not isinstance(mask, Mask):
        raise ImageError(f"an image in a volume, but {mask.source} is on surfaces or grayordinates.")
    return np.asarray(resample(mask.voxels.astype(np.uint8), mask.grid, grid) != 0)


def _place_parcellation(
    regions: Regions, definition: Parcellation, grid: Grid, inside: np.ndarray | None
) -> RegionWeights:
    labels = resample(definition.labels, definition.grid, grid)
    n_points = _count_labels(labels, regions.indices)
    flat = (labels if inside is None else np.where(inside, labels, 0)).ravel(order="F")
    voxels = np.flatnonzero(flat)
    rows = np.searchsorted(regions.indices, flat[voxels])
    counts = np.bincount(rows, minlength=len(regions.indices))
    matrix = make_matrix(rows, voxels, 1.0 / counts[rows], (len(regions.indices), grid.n_points))
    extent, extent_inside = _measure_labels(regions.indices, definition, grid)
    return _make_weights(regions, grid, "labels", matrix, n_points, extent=extent, extent_inside=extent_inside)


def _split_into_voxels(weights: RegionWeights, grid: Grid) -> RegionWeights:
    """Return weights with one row per voxel, region by region, the last axis fastest within a region as in nilearn."""
    matrix = weights.matrix
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    ijk = np.stack(np.unravel_index(matrix.indices, grid.shape, order="F"), axis=1)
    order = np.lexsort((*ijk.T[::-1], rows))
    ijk = ijk[order]
    return split_into_points(
        weights,
        rows[order],
        matrix.indices[order],
        centres=nib.affines.apply_affine(grid.matrix, ijk),
        places=dict(zip("ijk", ijk.T, strict=True)),
    )


def _place_maps(regions: Regions, definition: Maps, grid: Grid, inside: np.ndarray | None) -> RegionWeights:
    # One map at a time: all maps on the image's grid, as dense arrays, would be as large as a run.
    n_points, members, values = [], [], []
    in_field_of_view = is_inside(definition.grid, grid)
    extents = []
    for number in range(len(regions.indices)):
        weights = resample(definition.weights[..., number], definition.grid, grid, order=1).ravel(order="F")
        voxels = np.flatnonzero(weights)
        n_points.append(len(voxels))
        members.append(voxels if inside is None else voxels[inside.ravel(order="F")[voxels]])
        values.append(weights[members[-1]].astype(np.float64))
        extents.append(_measure_map(definition.weights[..., number], in_field_of_view))
    extent, extent_inside = np.array(extents).T
    rows = np.repeat(np.arange(len(members)), [len(voxels) for voxels in members])
    matrix = make_matrix(rows, np.concatenate(members), np.concatenate(values), (len(members), grid.n_points))
    n_in_image = np.array(n_points)
    return _make_weights(regions, grid, "maps", matrix, n_in_image, extent=extent, extent_inside=extent_inside)


def _place_seeds(regions: Regions, definition: Seeds, grid: Grid, inside: np.ndarray | None) -> RegionWeights:
    spheres = [find_sphere_voxels(centre, definition.radius, grid) for centre in definition.coordinates]
    members, extent = [voxels for voxels, _ in spheres], np.array([float(n) for _, n in spheres])
    n_points = np.array([len(voxels) for voxels in members])
    if inside is not None:
        flat = inside.ravel(order="F")
        members = [voxels[flat[voxels]] for voxels in members]
    counts = np.array([len(voxels) for voxels in members])
    rows = np.repeat(np.arange(len(members)), counts)
    matrix = make_matrix(rows, np.concatenate(members), 1.0 / counts[rows], (len(members), grid.n_points))
    weights = _make_weights(
        regions, grid, "spheres", matrix, n_points, extent=extent, extent_inside=n_points.astype(np.float64)
    )
    return dataclasses.replace(weights, seeds=definition, inside=None if inside is None else inside.ravel(order="F"))


def _count_labels(labels: np.ndarray, indices: tuple[int, ...]) -> np.ndarray:
    present = labels[labels != 0]
    return np.bincount(np.searchsorted(indices, present), minlength=len(indices))


def _measure_labels(indices: tuple[int, ...], definition: Parcellation, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of each region's voxels in the atlas, and of those in the image's field of view."""
    extent = _count_labels(definition.labels, indices).astype(np.float64)
    inside = is_inside(definition.grid, grid)
    if inside is None:
        return extent, extent
    return extent, _count_labels(definition.labels[inside], indices).astype(np.float64)


def _measure_map(weights: np.ndarray, inside: np.ndarray | None) -> tuple[float, float]:
    extent = float(np.abs(weights).sum(dtype=np.float64))
    return extent, extent if inside is None else float(np.abs(weights).sum(dtype=np.float64, where=inside))


def _make_weights(
    regions: Regions,
    grid: Grid,
    kind: RegionKind,
    matrix: sparse.csr_array,
    n_points: np.ndarray,
    *,
    extent: np.ndarray,
    extent_inside: np.ndarray,
) -> RegionWeights:
    filled = np.diff(matrix.indptr) > 0
    lost = extent_inside > 0
    status = np.select([filled, n_points > 0, lost], [OK, OUTSIDE_MASK, LOST_IN_RESAMPLING], OUTSIDE_IMAGE).tolist()
    return RegionWeights(
        grid,
        kind,
        regions.indices,
        regions.names,
        regions.centres,
        matrix,
        n_points,
        extent,
        extent_inside,
        status=tuple(status),
    )
