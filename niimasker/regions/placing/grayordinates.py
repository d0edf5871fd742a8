"""Place regions on the vertices and voxels of a run on surfaces or grayordinates."""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy import sparse

from niimasker.errors import ImageError
from niimasker.inputs.grayordinates import Grayordinates
from niimasker.regions.definitions import AnyMask, Mask, PointLabels, PointMaps, Regions
from niimasker.regions.placing.points import match_points
from niimasker.regions.placing.weights import (
    NO_POINT_IN_MASK,
    NOT_IN_ATLAS,
    OK,
    OUTSIDE_IMAGE,
    RegionKind,
    RegionWeights,
    make_matrix,
    split_into_points,
)


def place_on_grayordinates(regions: Regions, space: Grayordinates, mask: AnyMask | None) -> RegionWeights:
    """Return the regions' weights on a run's points.

    Parameters
    ----------
    mask
        Restricts the regions to its points.

    Raises
    ------
    ImageError
        Regions or mask are of another mesh or other voxels than the run, or in a volume.
    """
    inside = None if mask is None else _find_inside(mask, space)
    definition = regions.definition
    if isinstance(definition, PointLabels):
        weights = _place_labels(regions, definition, space, inside)
        return _split_into_points(weights, definition, space) if regions.as_voxels else weights
    if isinstance(definition, PointMaps):
        return _place_maps(regions, definition, space, inside)
    raise ImageError(f"an image on surfaces or grayordinates, but {regions.source} is in a volume.")


def _find_inside(mask: AnyMask, space: Grayordinates) -> np.ndarray:
    """Return which points of a space are in a mask."""
    if isinstance(mask, Mask):
        raise ImageError("an image on surfaces or grayordinates, but --mask_img is a volume.")
    positions = match_points(mask.space, space)
    return np.asarray((positions >= 0) & mask.inside[positions])


def _place_labels(
    regions: Regions, definition: PointLabels, space: Grayordinates, inside: np.ndarray | None
) -> RegionWeights:
    n_regions = len(regions.names)
    positions = match_points(definition.space, space)
    labels = np.where(positions >= 0, definition.labels[positions], 0)
    n_points = _count(labels, n_regions)
    used = np.flatnonzero(labels if inside is None else np.where(inside, labels, 0))
    rows = labels[used] - 1
    counts = np.bincount(rows, minlength=n_regions)
    matrix = make_matrix(rows, used, 1.0 / counts[rows], (n_regions, space.n_points))
    return _make_weights(
        regions,
        space,
        "labels",
        matrix,
        n_points,
        n_vertices=_count(np.where(space.is_vertex, labels, 0), n_regions),
        extent=_count(definition.labels, n_regions).astype(np.float64),
        extent_inside=n_points.astype(np.float64),
    )


def _count(labels: np.ndarray, n_regions: int) -> np.ndarray:
    return np.bincount(labels, minlength=n_regions + 1)[1:]


def _place_maps(
    regions: Regions, definition: PointMaps, space: Grayordinates, inside: np.ndarray | None
) -> RegionWeights:
    positions = match_points(definition.space, space)
    values = np.where((positions >= 0)[:, None], definition.weights[positions], 0)
    members = values != 0
    kept = members if inside is None else members & inside[:, None]
    points, rows = np.nonzero(kept)
    matrix = make_matrix(rows, points, values[points, rows].astype(np.float64), (len(regions.names), space.n_points))
    if definition.are_weights:
        totals = np.asarray(matrix.sum(axis=1)).ravel()
        matrix = make_matrix(rows, points, values[points, rows] / totals[rows], matrix.shape)
    return _make_weights(
        regions,
        space,
        "weights" if definition.are_weights else "maps",
        matrix,
        members.sum(axis=0),
        n_vertices=members[space.is_vertex].sum(axis=0),
        extent=np.abs(definition.weights).sum(axis=0, dtype=np.float64),
        extent_inside=np.abs(values).sum(axis=0, dtype=np.float64),
    )


def _make_weights(
    regions: Regions,
    space: Grayordinates,
    kind: RegionKind,
    matrix: sparse.csr_array,
    n_points: np.ndarray,
    *,
    n_vertices: np.ndarray,
    extent: np.ndarray,
    extent_inside: np.ndarray,
) -> RegionWeights:
    filled = np.diff(matrix.indptr) > 0
    status = np.select([filled, n_points > 0, extent == 0], [OK, NO_POINT_IN_MASK, NOT_IN_ATLAS], OUTSIDE_IMAGE)
    return RegionWeights(
        space,
        kind,
        regions.indices,
        regions.names,
        regions.centres,
        matrix,
        n_points,
        extent,
        extent_inside,
        status=tuple(status.tolist()),
        n_vertices=n_vertices,
        structures=name_structures(regions),
    )


def name_structures(regions: Regions) -> tuple[str, ...] | None:
    """Return the structures of each region in its atlas, in the atlas's order, joined by commas; None in a volume."""
    definition = regions.definition
    if not isinstance(definition, (PointLabels, PointMaps)):
        return None
    space, n_regions = definition.space, len(regions.names)
    is_in = np.zeros((n_regions, len(space.models)), dtype=bool)
    if isinstance(definition, PointLabels):
        labelled = np.flatnonzero(definition.labels)
        is_in[definition.labels[labelled] - 1, space.structures[labelled]] = True
    else:
        points, rows = np.nonzero(definition.weights)
        is_in[rows, space.structures[points]] = True
    return tuple(
        ",".join(dict.fromkeys(name for name, here in zip(space.structure_names, row, strict=True) if here and name))
        for row in is_in.tolist()
    )


def _split_into_points(weights: RegionWeights, definition: PointLabels, space: Grayordinates) -> RegionWeights:
    """Return weights with one row per point, region by region, within a region in the order of the atlas."""
    matrix = weights.matrix
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    # The order of the run's file is no property of the regions.
    positions = match_points(definition.space, space)[matrix.indices]
    order = np.lexsort((positions, rows))
    points = matrix.indices[order]
    vertex, i, j, k = space.indices[points].T
    structures = np.array(space.structure_names, dtype=object)[space.structures[points]]
    split = split_into_points(
        weights,
        rows[order],
        points,
        centres=space.coordinates[points] if definition.places is None else definition.places[positions[order]],
        places={"structure": structures, "vertex": vertex, "i": i, "j": j, "k": k},
    )
    n_vertices = space.is_vertex[points].astype(int)
    return dataclasses.replace(split, n_vertices=n_vertices, structures=tuple(structures.tolist()))
