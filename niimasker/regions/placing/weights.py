"""From regions to one image's grid: where each region lies there, and the weights of its mean.

nilearn's maskers resample labels and masks to the image by the nearest voxel and maps linearly, which is one call of
scipy; the same call is made here, because importing nilearn costs 2 s, half of a short run. The maskers would drop,
or raise for, the regions that this empties; here every region keeps its row.
"""

from __future__ import annotations

import dataclasses
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
NO_SIGNAL = "no signal: no voxel is finite"
CONSTANT = "constant"

# Voxels looked at for a sphere, which take 60 bytes each: 1 GB. Eight images of 2 mm are half of it.
_MOST_CANDIDATES = 2**24


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
    extent, extent_inside
        Of each row, the size as defined and the part of it inside the image's field of view, of shape (n_rows,): in
        voxels of the atlas, in a map's weight, or in voxels that the image would have.
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
    extent: np.ndarray
    extent_inside: np.ndarray
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
    extent, extent_inside = _measure_labels(regions.indices, definition, grid)
    return _make_weights(regions, grid, "labels", matrix, n_voxels, extent=extent, extent_inside=extent_inside)


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
        extent=np.ones(n_columns),
        extent_inside=np.ones(n_columns),
        status=(OK,) * n_columns,
        voxels=VoxelColumns(rows, ijk, weights),
    )


def _place_maps(regions: Regions, definition: Maps, grid: Grid, inside: np.ndarray | None) -> RegionWeights:
    # Map by map: dense, the maps on the image's grid are as large as a run.
    n_voxels, members, values = [], [], []
    inside_view = _is_inside(definition.grid, grid)
    extents = []
    for number in range(len(regions.indices)):
        weights = resample(definition.weights[..., number], definition.grid, grid, order=1).ravel(order="F")
        voxels = np.flatnonzero(weights)
        n_voxels.append(len(voxels))
        members.append(voxels if inside is None else voxels[inside.ravel(order="F")[voxels]])
        values.append(weights[members[-1]].astype(np.float64))
        extents.append(_measure_map(definition.weights[..., number], inside_view))
    extent, extent_inside = np.array(extents).T
    rows = np.repeat(np.arange(len(members)), [len(voxels) for voxels in members])
    matrix = _rows(rows, np.concatenate(members), np.concatenate(values), (len(members), grid.n_voxels))
    n_in_image = np.array(n_voxels)
    return _make_weights(regions, grid, "maps", matrix, n_in_image, extent=extent, extent_inside=extent_inside)


def _place_seeds(regions: Regions, definition: Seeds, grid: Grid, inside: np.ndarray | None) -> RegionWeights:
    spheres = [sphere(centre, definition.radius, grid) for centre in definition.coordinates]
    members, extent = [voxels for voxels, _ in spheres], np.array([float(n) for _, n in spheres])
    n_voxels = np.array([len(voxels) for voxels in members])
    if inside is not None:
        flat = inside.ravel(order="F")
        members = [voxels[flat[voxels]] for voxels in members]
    counts = np.array([len(voxels) for voxels in members])
    rows = np.repeat(np.arange(len(members)), counts)
    matrix = _rows(rows, np.concatenate(members), 1.0 / counts[rows], (len(members), grid.n_voxels))
    weights = _make_weights(
        regions, grid, "spheres", matrix, n_voxels, extent=extent, extent_inside=n_voxels.astype(np.float64)
    )
    return dataclasses.replace(weights, seeds=definition, mask=None if inside is None else Mask(inside, grid))


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


def restrict(weights: RegionWeights, is_used: np.ndarray) -> RegionWeights:
    """Return the same regions over some of their voxels only.

    Parameters
    ----------
    is_used
        Of each voxel of the grid, bool of shape (n_voxels,).
    """
    entries = weights.matrix.tocoo()
    stays = is_used[entries.col]
    rows, voxels, values = entries.row[stays], entries.col[stays], entries.data[stays]
    if weights.kind != "maps":
        values = 1.0 / np.bincount(rows, minlength=weights.matrix.shape[0])[rows]
    mask = Mask(is_used.reshape(weights.grid.shape, order="F"), weights.grid)
    if weights.mask is not None:
        mask = Mask(mask.voxels & weights.mask.voxels, weights.grid)
    return dataclasses.replace(weights, matrix=_rows(rows, voxels, values, weights.matrix.shape), mask=mask)


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


def _is_inside(source: Grid, target: Grid) -> np.ndarray | None:
    """Return which voxels of a grid lie in the field of view of another, bool of its shape; None where all do."""
    to_target = np.linalg.inv(target.matrix) @ source.matrix
    corners = np.array(np.meshgrid(*((0, n - 1) for n in source.shape), indexing="ij")).reshape(3, -1).T
    if np.all(_in_box(nib.affines.apply_affine(to_target, corners), target)):
        return None
    # Plane by plane: the indices of all voxels at once would take more memory than the atlas.
    i, j = np.meshgrid(*map(np.arange, source.shape[:2]), indexing="ij")
    planes = (np.stack([i, j, np.full_like(i, k)], axis=-1) for k in range(source.shape[2]))
    return np.stack([_in_box(nib.affines.apply_affine(to_target, plane), target) for plane in planes], axis=-1)


def _in_box(ijk: np.ndarray, grid: Grid) -> np.ndarray:
    return np.asarray(np.all((ijk > -0.5) & (ijk < np.array(grid.shape) - 0.5), axis=-1))


def _measure_labels(indices: tuple[int, ...], definition: Parcellation, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of voxels of each region in the atlas, and of those inside the image's field of view."""
    extent = _count_labels(definition.labels, indices).astype(np.float64)
    inside = _is_inside(definition.grid, grid)
    if inside is None:
        return extent, extent
    return extent, _count_labels(definition.labels[inside], indices).astype(np.float64)


def _measure_map(weights: np.ndarray, inside: np.ndarray | None) -> tuple[float, float]:
    extent = float(np.abs(weights).sum(dtype=np.float64))
    return extent, extent if inside is None else float(np.abs(weights).sum(dtype=np.float64, where=inside))


def _make_weights(
    regions: Regions,
    grid: Grid,
    kind: Literal["labels", "maps", "spheres"],
    matrix: sparse.csr_array,
    n_voxels: np.ndarray,
    *,
    extent: np.ndarray,
    extent_inside: np.ndarray,
) -> RegionWeights:
    filled = np.diff(matrix.indptr) > 0
    lost = extent_inside > 0
    status = np.select([filled, n_voxels > 0, lost], [OK, OUTSIDE_MASK, LOST_IN_RESAMPLING], OUTSIDE_IMAGE).tolist()
    return RegionWeights(
        grid,
        kind,
        regions.indices,
        regions.names,
        regions.centres,
        matrix,
        n_voxels,
        extent,
        extent_inside,
        status=tuple(status),
    )
