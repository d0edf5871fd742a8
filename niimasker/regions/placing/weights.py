"""The weights of regions on a space: the points that contribute to each region, and by how much."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import sparse

from niimasker.errors import RegionsError
from niimasker.inputs.spaces import Space
from niimasker.regions.definitions import Seeds

OK = "ok"
OUTSIDE_IMAGE = "empty: outside the image"
NOT_IN_ATLAS = "empty: no point of the atlas belongs to it"
LOST_IN_RESAMPLING = "empty: no voxel of the image is nearest to it"
OUTSIDE_MASK = "empty: no voxel inside the mask"
NO_SIGNAL = "no signal: no voxel is finite"
# The same of vertices and grayordinates.
NO_POINT_IN_MASK = "empty: no point inside the mask"
NO_FINITE_POINT = "no signal: no point is finite"
CONSTANT = "constant"

# The meaning of the rows of weights: means over labels or spheres, maps fitted by least squares, weighted means, or
# single points.
RegionKind = Literal["labels", "maps", "weights", "spheres", "voxels"]


@dataclass(frozen=True)
class SinglePoints:
    """The origin of each column when columns are single points, as with --as_voxels.

    Parameters
    ----------
    rows
        The row of each column's region in `regions`, of shape (n_columns,).
    places
        The position of each column's point in the file, as arrays of shape (n_columns,) by name: the voxel indices i, j
        and k of a grid; on surfaces and grayordinates also structure and vertex, and -1 where a point has no such
        index.
    regions
        The whole regions.
    """

    rows: np.ndarray
    places: Mapping[str, np.ndarray]
    regions: RegionWeights


@dataclass(frozen=True)
class RegionWeights:
    """The regions on one space, with one row of weights per column of the table.

    Parameters
    ----------
    space
        The image's space.
    kind
        The meaning of the rows.
    indices, names, centres
        One per row; centres in mm, of shape (n_rows, 3), NaN where they are not known.
    matrix
        Sparse, of shape (n_rows, n_points), float64, points in the space's order. Rows of means sum to 1; the row of a
        map that is fitted holds the map.
    n_points
        Number of each row's points before the mask is applied, of shape (n_rows,).
    extent, extent_inside
        Size of each row's region as defined, and the part of it in the image's field of view, of shape (n_rows,): for
        labels in voxels of the atlas, for maps in weight, for spheres in voxels of a grid without borders.
    status
        `OK`, or why a row has no points.
    single_points
        The origin of each column if columns are single points, else None.
    seeds, inside
        For spheres, as nilearn's masker takes them: the seeds, and the points that they are restricted to, bool of
        shape (n_points,); None for all points.
    n_vertices
        Vertices among `n_points`, of shape (n_rows,); None on a grid.
    structures
        The structures of each row's points in its atlas, joined by commas; None on a grid.
    """

    space: Space
    kind: RegionKind
    indices: tuple[int, ...]
    names: tuple[str, ...]
    centres: np.ndarray
    matrix: sparse.csr_array
    n_points: np.ndarray
    extent: np.ndarray
    extent_inside: np.ndarray
    status: tuple[str, ...]
    single_points: SinglePoints | None = None
    seeds: Seeds | None = None
    inside: np.ndarray | None = None
    n_vertices: np.ndarray | None = None
    structures: tuple[str, ...] | None = None

    @property
    def whole_regions(self) -> RegionWeights:
        """The weights of whole regions, also if columns are single points."""
        return self if self.single_points is None else self.single_points.regions

    @property
    def filled(self) -> np.ndarray:
        """Which rows have points, bool of shape (n_rows,)."""
        return np.asarray(np.diff(self.matrix.indptr) > 0)

    @property
    def members(self) -> sparse.csr_array:
        """A matrix of the same shape with 1 where a point belongs to a row."""
        ones = np.ones_like(self.matrix.data)
        return sparse.csr_array((ones, self.matrix.indices, self.matrix.indptr), shape=self.matrix.shape)


def make_matrix(rows: np.ndarray, points: np.ndarray, values: np.ndarray, shape: tuple[int, int]) -> sparse.csr_array:
    """Return a sparse matrix from values with their rows and points."""
    return sparse.coo_array((values, (rows, points)), shape=shape).tocsr()


def split_into_points(
    weights: RegionWeights,
    rows: np.ndarray,
    points: np.ndarray,
    *,
    centres: np.ndarray,
    places: Mapping[str, np.ndarray],
) -> RegionWeights:
    """Return weights with one row per point of some regions.

    Parameters
    ----------
    rows, points
        The row of the region and the position in the space of each column, of shape (n_columns,), region by region.
    centres
        Where each column's point lies in mm, of shape (n_columns, 3).
    places
        As in `SinglePoints`.
    """
    n_columns, space = len(points), weights.space
    number_in_region = np.arange(n_columns) - weights.matrix.indptr[rows]
    # Points of a single mask have no region's name before them, as in niimasker 0.0.4.
    prefixes = ("",) * n_columns if len(weights.names) == 1 else tuple(f"{weights.names[row]} " for row in rows)
    return RegionWeights(
        space,
        "voxels",
        indices=tuple(range(n_columns)),
        names=tuple(f"{prefix}{space.point_noun} {n}" for prefix, n in zip(prefixes, number_in_region, strict=True)),
        centres=centres,
        matrix=make_matrix(np.arange(n_columns), points, np.ones(n_columns), (n_columns, space.n_points)),
        n_points=np.ones(n_columns, dtype=int),
        extent=np.ones(n_columns),
        extent_inside=np.ones(n_columns),
        status=(OK,) * n_columns,
        single_points=SinglePoints(rows, places, weights),
    )


def restrict(weights: RegionWeights, is_used: np.ndarray) -> RegionWeights:
    """Return the regions restricted to some of their points.

    Parameters
    ----------
    is_used
        The points of the space to keep, bool of shape (n_points,).
    """
    entries = weights.matrix.tocoo()
    kept = is_used[entries.col]
    rows, points, values = entries.row[kept], entries.col[kept], entries.data[kept]
    if weights.kind == "weights":
        values = values / np.bincount(rows, values, minlength=weights.matrix.shape[0])[rows]
    elif weights.kind != "maps":
        values = 1.0 / np.bincount(rows, minlength=weights.matrix.shape[0])[rows]
    inside = is_used if weights.inside is None else is_used & weights.inside
    matrix = make_matrix(rows, points, values, weights.matrix.shape)
    return dataclasses.replace(weights, matrix=matrix, inside=inside)


def check_overlap(weights: RegionWeights) -> None:
    """Check that no two spheres share voxels.

    Raises
    ------
    RegionsError
        Some spheres overlap; the message names the pairs.
    """
    shared = sparse.triu(weights.members @ weights.members.T, k=1).tocoo()
    if not shared.nnz:
        return
    pairs = [
        f"{weights.names[row]} and {weights.names[column]} ({n:.0f})"
        for row, column, n in sorted(zip(*shared.coords, shared.data, strict=True))
    ]
    more = f" and {len(pairs) - 10} more pairs" if len(pairs) > 10 else ""
    raise RegionsError(
        f"spheres overlap (voxels shared): {', '.join(pairs[:10])}{more}; "
        "give a smaller --radius, or --allow_overlap to permit it."
    )
