"""From regions to one image's grid: where each region lies there, and the weights of its mean.

nilearn's maskers resample labels and masks to the image by the nearest voxel and maps linearly, which is one call of
scipy; the same call is made here, because importing nilearn costs 2 s, half of a short run. The maskers would drop,
or raise for, the regions that this empties; here every region keeps its row.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Literal

import nibabel as nib
import numpy as np
from scipy import linalg, ndimage, sparse

from niimasker.errors import RegionsError
from niimasker.inputs.images import Grid
from niimasker.regions.definitions import Maps, Mask, Parcellation, Regions, Seeds

OK = "ok"
OUTSIDE_IMAGE = "empty: outside the image"
LOST_IN_RESAMPLING = "empty: no voxel of the image is nearest to it"
OUTSIDE_MASK = "empty: no voxel inside the mask"
NO_SIGNAL = "no signal: no voxel is finite and varies over time"


@dataclass(frozen=True)
class VoxelColumns:
    """With --as_voxels, where each column comes from.

    Parameters
    ----------
    rows
        Of each column's region among `regions`, of shape (n_columns,).
    ijk
        Voxel indices, of shape (n_columns, 3).
    regions
        The regions as a whole.
    """

    rows: np.ndarray
    ijk: np.ndarray
    regions: RegionWeights


@dataclass(frozen=True)
class RegionWeights:
    """The regions on one grid, a row of weights for each column of the table.

    Parameters
    ----------
    grid
        The image's.
    kind
        How the rows are to be understood: means over labels or spheres, maps to be solved for, or single voxels.
    indices, names, centres
        One per row; centres in mm, of shape (n_rows, 3).
    matrix
        Sparse, of shape (n_rows, n_voxels), float64. Voxels are counted with the first axis fastest, as in a
        NIfTI file. The rows of means sum to 1; a map's row holds the map.
    n_voxels
        Voxels of each row on the grid before the mask, of shape (n_rows,).
    status
        `OK`, or why a row has no voxel.
    voxels
        For single voxels, where they are.
    seeds, mask
        For spheres, as nilearn's masker takes them; the mask is on the grid.
    """

    grid: Grid
    kind: Literal["labels", "maps", "spheres", "voxels"]
    indices: tuple[int, ...]
    names: tuple[str, ...]
    centres: np.ndarray
    matrix: sparse.csr_array
    n_voxels: np.ndarray
    status: tuple[str, ...]
    voxels: VoxelColumns | None = None
    seeds: Seeds | None = None
    mask: Mask | None = None

    @property
    def of_regions(self) -> RegionWeights:
        """The regions as a whole, also where each voxel is a column."""
        return self if self.voxels is None else self.voxels.regions

    @property
    def filled(self) -> np.ndarray:
        """Which rows have voxels, bool of shape (n_rows,)."""
        return np.asarray(np.diff(self.matrix.indptr) > 0)

    @property
    def members(self) -> sparse.csr_array:
        """1 where a voxel belongs to a row, of the matrix's shape."""
        ones = np.ones_like(self.matrix.data)
        return sparse.csr_array((ones, self.matrix.indices, self.matrix.indptr), shape=self.matrix.shape)


def place_regions(regions: Regions, grid: Grid, mask: Mask | None) -> RegionWeights:
    """Return the regions' weights on an image's grid.

    Parameters
    ----------
    mask
        Regions are restricted to its voxels.
    """
    inside = None if mask is None else resample(mask.voxels.astype(np.uint8), mask.grid, grid) != 0
    definition = regions.definition
    if isinstance(definition, Parcellation):
        weights = _place_parcellation(regions, definition, grid, inside)
        return _split_into_voxels(weights) if regions.as_voxels else weights
    if isinstance(definition, Maps):
        return _place_maps(regions, definition, grid, inside)
    return _place_seeds(regions, definition, grid, inside)


def resample(values: np.ndarray, source: Grid, target: Grid, order: int = 0) -> np.ndarray:
    """Return a volume on another grid, as nilearn's maskers resample it: 0 outside of its own.

    Parameters
    ----------
    order
        0 takes the nearest voxel, 1 interpolates linearly.
    """
    if source.shape == target.shape and np.allclose(source.matrix, target.matrix):
        return values
    transform = linalg.inv(source.matrix) @ target.matrix
    rotation, offset = transform[:3, :3], transform[:3, 3]
    if np.all(np.diag(np.diag(rotation)) == rotation):  # scipy is faster, and rounds otherwise, for a diagonal.
        rotation = np.diag(rotation)
    resampled = np.zeros(target.shape, dtype=values.dtype, order="F")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*has changed in SciPy 0.18")  # said until SciPy 1.15
        ndimage.affine_transform(values, rotation, offset, target.shape, output=resampled, order=order)
    return resampled


def _place_parcellation(
    regions: Regions, definition: Parcellation, grid: Grid, inside: np.ndarray | None
) -> RegionWeights:
    labels = resample(definition.labels, definition.grid, grid)
    n_voxels = _count_labels(labels, regions.indices)
    flat = (labels if inside is None else np.where(inside, labels, 0)).ravel(order="F")
    voxels = np.flatnonzero(flat)
    rows = np.searchsorted(regions.indices, flat[voxels])
    counts = np.bincount(rows, minlength=len(regions.indices))
    matrix = _rows(rows, voxels, 1.0 / counts[rows], (len(regions.indices), grid.n_voxels))
    reached = [n > 0 or _reaches(definition, index, grid) for index, n in zip(regions.indices, n_voxels, strict=True)]
    return _make_weights(regions, grid, "labels", matrix, n_voxels, np.array(reached))


def _split_into_voxels(weights: RegionWeights) -> RegionWeights:
    """Return a row per voxel: region by region, within each with the last axis fastest, as nilearn counts voxels."""
    matrix, grid = weights.matrix, weights.grid
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    ijk = np.stack(np.unravel_index(matrix.indices, grid.shape, order="F"), axis=1)
    order = np.lexsort((*ijk.T[::-1], rows))
    rows, ijk, voxels = rows[order], ijk[order], matrix.indices[order]
    n_columns = len(voxels)
    in_region = np.arange(n_columns) - matrix.indptr[rows]
    # A mask's voxels need no other name: niimasker 0.0.4 gave them none.
    prefixes = ("",) * n_columns if len(weights.names) == 1 else tuple(f"{weights.names[row]} " for row in rows)
    return RegionWeights(
        grid,
        "voxels",
        indices=tuple(range(n_columns)),
        names=tuple(f"{prefix}voxel {n}" for prefix, n in zip(prefixes, in_region, strict=True)),
        centres=nib.affines.apply_affine(grid.matrix, ijk),
        matrix=_rows(np.arange(n_columns), voxels, np.ones(n_columns), (n_columns, grid.n_voxels)),
        n_voxels=np.ones(n_columns, dtype=int),
        status=(OK,) * n_columns,
        voxels=VoxelColumns(rows, ijk, weights),
    )


def _place_maps(regions: Regions, definition: Maps, grid: Grid, inside: np.ndarray | None) -> RegionWeights:
    # Map by map: dense, the maps on the image's grid are as large as a run.
    n_voxels, members, values = [], [], []
    for number in range(len(regions.indices)):
        weights = resample(definition.weights[..., number], definition.grid, grid, order=1).ravel(order="F")
        voxels = np.flatnonzero(weights)
        n_voxels.append(len(voxels))
        members.append(voxels if inside is None else voxels[inside.ravel(order="F")[voxels]])
        values.append(weights[members[-1]].astype(np.float64))
    rows = np.repeat(np.arange(len(members)), [len(voxels) for voxels in members])
    matrix = _rows(rows, np.concatenate(members), np.concatenate(values), (len(members), grid.n_voxels))
    return _make_weights(regions, grid, "maps", matrix, np.array(n_voxels))


def _place_seeds(regions: Regions, definition: Seeds, grid: Grid, inside: np.ndarray | None) -> RegionWeights:
    members = [sphere(centre, definition.radius, grid) for centre in definition.coordinates]
    n_voxels = np.array([len(voxels) for voxels in members])
    if inside is not None:
        flat = inside.ravel(order="F")
        members = [voxels[flat[voxels]] for voxels in members]
    counts = np.array([len(voxels) for voxels in members])
    rows = np.repeat(np.arange(len(members)), counts)
    matrix = _rows(rows, np.concatenate(members), 1.0 / counts[rows], (len(members), grid.n_voxels))
    mask = None if inside is None else Mask(inside, grid)
    return _make_weights(regions, grid, "spheres", matrix, n_voxels, seeds=definition, mask=mask)


def sphere(centre: np.ndarray, radius: float | None, grid: Grid) -> np.ndarray:
    """Return the voxels of a sphere: those whose centre lies within the radius, else the nearest one.

    A radius that reaches no voxel's centre, and no radius, take the voxel that holds the sphere's centre.
    The result is empty outside of the image.

    Returns
    -------
    ndarray of int
        Sorted, counted with the first axis fastest.
    """
    to_voxels = np.linalg.inv(grid.matrix)
    nearest = np.round(nib.affines.apply_affine(to_voxels, centre)).astype(int)
    if radius is not None:
        # The box around the sphere, in voxels, holds every candidate: no tree over a whole volume is needed.
        reach = np.ceil(radius * np.linalg.norm(to_voxels[:3, :3], axis=1)).astype(int) + 1
        low, high = np.maximum(nearest - reach, 0), np.minimum(nearest + reach + 1, grid.shape)
        box = np.stack(np.meshgrid(*map(np.arange, low, high), indexing="ij"), axis=-1).reshape(-1, 3)
        distances = np.linalg.norm(nib.affines.apply_affine(grid.matrix, box) - centre, axis=1)
        # A centre at the very radius is inside, whatever rounding says.
        box = box[distances <= radius * (1 + 1e-9)]
        if len(box):
            return np.sort(np.ravel_multi_index(tuple(box.T), grid.shape, order="F"))
    if np.any(nearest < 0) or np.any(nearest >= grid.shape):
        return np.array([], dtype=int)
    return np.array([np.ravel_multi_index(tuple(nearest), grid.shape, order="F")])


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


def _rows(rows: np.ndarray, voxels: np.ndarray, values: np.ndarray, shape: tuple[int, int]) -> sparse.csr_array:
    return sparse.coo_array((values, (rows, voxels)), shape=shape).tocsr()


def _count_labels(labels: np.ndarray, indices: tuple[int, ...]) -> np.ndarray:
    present = labels[labels != 0]
    return np.bincount(np.searchsorted(indices, present), minlength=len(indices))


def _reaches(definition: Parcellation, index: int, grid: Grid) -> bool:
    """Return whether any voxel of a region lies inside the image's field of view."""
    centres = nib.affines.apply_affine(definition.grid.matrix, np.argwhere(definition.labels == index))
    ijk = nib.affines.apply_affine(np.linalg.inv(grid.matrix), centres)
    return bool(np.any(np.all((ijk > -0.5) & (ijk < np.array(grid.shape) - 0.5), axis=1)))


def _make_weights(
    regions: Regions,
    grid: Grid,
    kind: Literal["labels", "maps", "spheres"],
    matrix: sparse.csr_array,
    n_voxels: np.ndarray,
    reached: np.ndarray | None = None,
    seeds: Seeds | None = None,
    mask: Mask | None = None,
) -> RegionWeights:
    filled = np.diff(matrix.indptr) > 0
    lost = np.zeros(len(filled), dtype=bool) if reached is None else reached
    status = np.select([filled, n_voxels > 0, lost], [OK, OUTSIDE_MASK, LOST_IN_RESAMPLING], OUTSIDE_IMAGE).tolist()
    return RegionWeights(
        grid,
        kind,
        regions.indices,
        regions.names,
        regions.centres,
        matrix,
        n_voxels,
        status=tuple(status),
        seeds=seeds,
        mask=mask,
    )
