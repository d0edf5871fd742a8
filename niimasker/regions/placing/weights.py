"""The weights of regions on a space: which points each region's mean is of, and how much each counts."""

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
LOST_IN_RESAMPLING = "empty: no voxel of the image is nearest to it"
OUTSIDE_MASK = "empty: no voxel inside the mask"
NO_SIGNAL = "no signal: no voxel is finite"
CONSTANT = "constant"


@dataclass(frozen=True)
class SinglePoints:
    """Where each column comes from when each is a single point, as with --as_voxels.

    Parameters
    ----------
    rows
        Of each column's region among `regions`, of shape (n_columns,).
    places
        Where the points are in the file, each of shape (n_columns,), by the names of the columns that tell it: the
        voxel indices i, j and k of a grid.
    regions
        The regions as a whole.
    """

    rows: np.ndarray
    places: Mapping[str, np.ndarray]
    regions: RegionWeights


@dataclass(frozen=True)
class RegionWeights:
    """The regions on one space, a row of weights for each column of the table.

    Parameters
    ----------
    space
        The image's.
    kind
        How the rows are to be understood: means over labels or spheres, maps to be solved for, or single points.
    indices, names, centres
        One per row; centres in mm, of shape (n_rows, 3).
    matrix
        Sparse, of shape (n_rows, n_points), float64, points in the space's order. The rows of means sum to 1; a map's
        row holds the map.
    n_points
        Points of each row in the space before the mask, of shape (n_rows,).
    extent, extent_inside
        Of each row, the size as defined and the part of it inside the image's field of view, of shape (n_rows,): in
        voxels of the atlas, in a map's weight, or in voxels that the image would have.
    status
        `OK`, or why a row has no point.
    single_points
        Where each column is a single point, where it is.
    seeds, inside
        For spheres, as nilearn's masker takes them: the seeds, and which points they are restricted to, bool of shape
        (n_points,); None for all.
    """

    space: Space
    kind: Literal["labels", "maps", "spheres", "voxels"]
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

    @property
    def of_regions(self) -> RegionWeights:
        """The regions as a whole, also where each point is a column."""
        return self if self.single_points is None else self.single_points.regions

    @property
    def filled(self) -> np.ndarray:
        """Which rows have points, bool of shape (n_rows,)."""
        return np.asarray(np.diff(self.matrix.indptr) > 0)

    @property
    def members(self) -> sparse.csr_array:
        """1 where a point belongs to a row, of the matrix's shape."""
        ones = np.ones_like(self.matrix.data)
        return sparse.csr_array((ones, self.matrix.indices, self.matrix.indptr), shape=self.matrix.shape)


def rows_matrix(rows: np.ndarray, points: np.ndarray, values: np.ndarray, shape: tuple[int, int]) -> sparse.csr_array:
    """Return a sparse matrix of values by their rows and points."""
    return sparse.coo_array((values, (rows, points)), shape=shape).tocsr()


def restrict(weights: RegionWeights, is_used: np.ndarray) -> RegionWeights:
    """Return the same regions over some of their points only.

    Parameters
    ----------
    is_used
        Of each point of the space, bool of shape (n_points,).
    """
    entries = weights.matrix.tocoo()
    stays = is_used[entries.col]
    rows, points, values = entries.row[stays], entries.col[stays], entries.data[stays]
    if weights.kind != "maps":
        values = 1.0 / np.bincount(rows, minlength=weights.matrix.shape[0])[rows]
    inside = is_used if weights.inside is None else is_used & weights.inside
    matrix = rows_matrix(rows, points, values, weights.matrix.shape)
    return dataclasses.replace(weights, matrix=matrix, inside=inside)


def check_overlap(weights: RegionWeights) -> None:
    """Refuse spheres that share voxels.

    Raises
    ------
    RegionsError
        With the names of the pairs.
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
