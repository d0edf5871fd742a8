"""From regions to one image's grid: where each region lies there, and the weights of its mean.

nilearn's maskers resample labels and masks to the image by the nearest voxel and maps linearly, with
`nilearn.image.resample_img`; the same call places them here. The maskers' own `fit` would drop, or raise for,
the regions that this empties; here every region keeps its row.
"""

from __future__ import annotations

from dataclasses import dataclass

import nibabel as nib
import numpy as np
from nilearn.image import resample_img
from scipy import sparse

from niimasker.errors import RegionsError
from niimasker.inputs.images import Grid
from niimasker.regions.definitions import Maps, Mask, Parcellation, Regions, Seeds

OK = "ok"
OUTSIDE_IMAGE = "empty: outside the image"
LOST_IN_RESAMPLING = "empty: no voxel of the image is nearest to it"
OUTSIDE_MASK = "empty: no voxel inside the mask"


@dataclass(frozen=True)
class RegionWeights:
    """The regions on one grid, a row of weights each.

    Parameters
    ----------
    grid
        The image's.
    indices, names, centres
        One per row; centres in mm, of shape (n_regions, 3).
    matrix
        Sparse, of shape (n_regions, n_voxels), float64. Voxels are counted with the first axis fastest, as in a
        NIfTI file. The rows of means sum to 1; a map's row holds the map.
    n_voxels
        Voxels of each region on the grid before the mask, of shape (n_regions,).
    status
        `OK`, or why a region has no voxel.
    placed
        The definition on the grid and inside the mask, as nilearn's maskers take it.
    mask
        The mask on the grid, for spheres; the other kinds hold it already.
    """

    grid: Grid
    indices: tuple[int, ...]
    names: tuple[str, ...]
    centres: np.ndarray
    matrix: sparse.csr_array
    n_voxels: np.ndarray
    status: tuple[str, ...]
    placed: Parcellation | Maps | Seeds | Mask
    mask: Mask | None

    @property
    def filled(self) -> np.ndarray:
        """Which regions have voxels, bool of shape (n_regions,)."""
        return np.asarray(np.diff(self.matrix.indptr) > 0)


def place_regions(regions: Regions, grid: Grid, mask: Mask | None) -> RegionWeights:
    """Return the regions' weights on an image's grid.

    Parameters
    ----------
    mask
        Restricts every kind but the voxels of a mask.
    """
    inside = None if mask is None else resample(mask.voxels, mask.grid, grid).astype(bool)
    definition = regions.definition
    if isinstance(definition, Parcellation):
        return _place_parcellation(regions, definition, grid, inside)
    if isinstance(definition, Maps):
        return _place_maps(regions, definition, grid, inside)
    if isinstance(definition, Seeds):
        return _place_seeds(regions, definition, grid, inside)
    return _place_voxels(definition, grid)


def resample(values: np.ndarray, source: Grid, target: Grid, interpolation: str = "nearest") -> np.ndarray:
    """Return a volume, or maps, on another grid, as nilearn's maskers resample them."""
    if source.shape == target.shape and np.allclose(source.matrix, target.matrix):
        return values
    img = nib.Nifti1Image(values.astype(np.uint8) if values.dtype == bool else values, source.matrix)
    resampled = resample_img(
        img, target_affine=target.matrix, target_shape=target.shape, interpolation=interpolation, copy_header=True
    )
    return np.asarray(resampled.dataobj)


def _place_parcellation(
    regions: Regions, definition: Parcellation, grid: Grid, inside: np.ndarray | None
) -> RegionWeights:
    labels = resample(definition.labels, definition.grid, grid)
    n_voxels = _count_labels(labels, regions.indices)
    masked = labels if inside is None else np.where(inside, labels, 0)
    flat = masked.ravel(order="F")
    voxels = np.flatnonzero(flat)
    rows = np.searchsorted(regions.indices, flat[voxels])
    counts = np.bincount(rows, minlength=len(regions.indices))
    matrix = _rows(rows, voxels, 1.0 / counts[rows], (len(regions.indices), grid.n_voxels))
    reached = [
        _reaches(definition, index, grid) if n == 0 else True
        for index, n in zip(regions.indices, n_voxels, strict=True)
    ]
    return _make_weights(regions, grid, matrix, n_voxels, np.array(reached), Parcellation(masked, grid))


def _place_maps(regions: Regions, definition: Maps, grid: Grid, inside: np.ndarray | None) -> RegionWeights:
    weights = resample(definition.weights, definition.grid, grid, "linear")
    n_voxels = np.count_nonzero(weights, axis=(0, 1, 2))
    if inside is not None:
        weights = np.where(inside[..., None], weights, 0)
    matrix = sparse.csr_array(weights.reshape((grid.n_voxels, -1), order="F").T, dtype=np.float64)
    return _make_weights(regions, grid, matrix, n_voxels, n_voxels > 0, Maps(weights, grid))


def _place_seeds(regions: Regions, definition: Seeds, grid: Grid, inside: np.ndarray | None) -> RegionWeights:
    members = [sphere(centre, definition.radius, grid) for centre in definition.coordinates]
    n_voxels = np.array([len(voxels) for voxels in members])
    if inside is not None:
        flat = inside.ravel(order="F")
        members = [voxels[flat[voxels]] for voxels in members]
    rows = np.repeat(np.arange(len(members)), [len(voxels) for voxels in members])
    values = np.repeat([1.0 / max(len(voxels), 1) for voxels in members], [len(voxels) for voxels in members])
    matrix = _rows(rows, np.concatenate(members), values, (len(members), grid.n_voxels))
    mask = None if inside is None else Mask(inside, grid)
    return _make_weights(regions, grid, matrix, n_voxels, n_voxels > 0, definition, mask)


def _place_voxels(definition: Mask, grid: Grid) -> RegionWeights:
    placed = resample(definition.voxels, definition.grid, grid).astype(bool)
    # nilearn's NiftiMasker counts a mask's voxels with the last axis fastest.
    ijk = np.argwhere(placed)
    voxels = np.asarray(np.ravel_multi_index(tuple(ijk.T), grid.shape, order="F"))
    n_voxels = len(voxels)
    regions = Regions(
        definition,
        indices=tuple(range(n_voxels)),
        names=tuple(f"voxel {index}" for index in range(n_voxels)),
        centres=nib.affines.apply_affine(grid.matrix, ijk),
        source="",
    )
    matrix = _rows(np.arange(n_voxels), voxels, np.ones(n_voxels), (n_voxels, grid.n_voxels))
    return _make_weights(
        regions, grid, matrix, np.ones(n_voxels, dtype=int), np.ones(n_voxels, dtype=bool), Mask(placed, grid)
    )


def sphere(centre: np.ndarray, radius: float | None, grid: Grid) -> np.ndarray:
    """Return the voxels of a sphere: those whose centre lies within the radius, else the nearest one.

    A radius that reaches no voxel's centre, and no radius, take the voxel that holds the sphere's centre.
    The result is empty outside of the image.

    Returns
    -------
    ndarray of int
        Sorted, counted with the first axis fastest.
    """
    nearest = np.round(nib.affines.apply_affine(np.linalg.inv(grid.matrix), centre)).astype(int)
    if radius is not None:
        # The box around the sphere, in voxels, holds every candidate: no tree over a whole volume is needed.
        reach = np.ceil(radius * np.linalg.norm(np.linalg.inv(grid.matrix[:3, :3]), axis=1)).astype(int) + 1
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
    members = (weights.matrix != 0).astype(np.int64)
    shared = sparse.triu(members @ members.T, k=1).tocoo()
    if not shared.nnz:
        return
    pairs = [
        f"{weights.names[row]} and {weights.names[column]} ({n})"
        for row, column, n in zip(*shared.coords, shared.data, strict=True)
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
    matrix: sparse.csr_array,
    n_voxels: np.ndarray,
    reached: np.ndarray,
    placed: Parcellation | Maps | Seeds | Mask,
    mask: Mask | None = None,
) -> RegionWeights:
    filled = np.diff(matrix.indptr) > 0
    status = np.select([filled, n_voxels > 0, reached], [OK, OUTSIDE_MASK, LOST_IN_RESAMPLING], default=OUTSIDE_IMAGE)
    return RegionWeights(
        grid, regions.indices, regions.names, regions.centres, matrix, n_voxels, tuple(map(str, status)), placed, mask
    )
