"""Read an atlas or a mask from an image."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np

from niimasker.errors import RegionsError, count, warn
from niimasker.inputs.images import is_unscaled_float32, load_image
from niimasker.inputs.spaces import Grid
from niimasker.inputs.volumes import read_voxels
from niimasker.regions.definitions import Maps, Mask, Parcellation
from niimasker.regions.whole_numbers import holds_fractions, read_indices, read_mask

# Between probabilities in percent and parcellations, see `check_no_stack`.
_MIN_EQUAL, _MIN_AT_EDGE = 0.45, 0.15
# Volumes that are looked at: each takes 0.3 s where the maps are at 1 mm.
_N_CHECKED = 10


def read_definition(img: nib.nifti1.Nifti1Pair, source: str) -> Parcellation | Maps:
    """Return the regions that an image defines: maps for a 4D image, a parcellation for a 3D image, also for a mask.

    A 4D image of one volume is a map if its values are fractions. NaN counts as 0, as in nilearn.

    Raises
    ------
    RegionsError
        The image's values define no regions.
    """
    if len([n for n in img.shape[3:] if n != 1]) > 1:
        raise RegionsError(f"{source}: a {img.ndim}D image; expected a 3D image or 4D maps.")
    # float32 files stay float32, because maps are large.
    values = read_voxels(img, np.float32 if is_unscaled_float32(img) else np.float64)
    values = _without_nan(values, source)
    if values.shape[3] > 1 or (img.ndim > 3 and holds_fractions(values)):
        return _make_maps(values, Grid.from_image(img), source)
    return Parcellation(read_indices(values[..., 0], source, "voxel"), Grid.from_image(img))


def _without_nan(values: np.ndarray, source: str) -> np.ndarray:
    is_nan = np.isnan(values)
    if not (n_voxels := int(np.count_nonzero(is_nan.any(axis=3)))):
        return values
    if is_nan.all():
        raise RegionsError(f"{source}: every voxel is NaN; expected at least one region.")
    warn(f"{source}: {count(n_voxels, 'voxel')} of it {'is' if n_voxels == 1 else 'are'} NaN and counted as 0.")
    return np.where(is_nan, values.dtype.type(0), values)


def list_indices(definition: Parcellation | Maps) -> tuple[int, ...]:
    """Return the indices of the regions in ascending order; maps are counted from 1."""
    if isinstance(definition, Maps):
        return tuple(range(1, definition.weights.shape[-1] + 1))
    distinct = np.unique(definition.labels)
    return tuple(int(value) for value in distinct[distinct != 0])


def _make_maps(weights: np.ndarray, grid: Grid, source: str) -> Maps:
    if not np.isfinite(weights).all():
        raise RegionsError(f"{source}: its maps hold infinite values; expected numbers, 0 outside a region.")
    if not weights.any():
        raise RegionsError(f"{source}: every voxel of its maps is 0; expected at least one region.")
    return Maps(weights, grid)


def check_no_stack(definition: Parcellation | Maps, source: str) -> None:
    """Refuse maps that are a stack of parcellations: whole numbers whose every value fills patches.

    Probabilities in percent are whole numbers too, and fall off towards the edge of their map. Of FSL's Harvard-Oxford
    and Juelich maps 36% and 43% of neighbouring voxels are equal at most, and the values at the edge are up to 0.03
    and 0.10 of the largest; of parcellations at 3 mm or 6 mm these are 52% to 97% and 0.29 to 0.84.

    Raises
    ------
    RegionsError
        It is one.
    """
    if not isinstance(definition, Maps) or definition.weights.shape[-1] < 2:
        return
    n_volumes = definition.weights.shape[-1]
    checked = np.unique(np.linspace(0, n_volumes - 1, _N_CHECKED).astype(int))
    if 2 * sum(_is_parcellation(definition.weights[..., n]) for n in checked) > len(checked):
        raise RegionsError(
            f"{source}: a stack of {n_volumes} parcellations, as each volume holds several whole "
            "numbers; expected one 3D parcellation, or probabilistic maps. Take one volume out of it, as with fslroi "
            "or nibabel's img.slicer[..., 0]."
        )


def _is_parcellation(values: np.ndarray) -> bool:
    # The values alone first: most maps are fractions, and comparing neighbours takes ten times as long.
    largest = values.max()
    if values.min() < 0 or np.any(values != np.round(values)) or not np.any((values > 0) & (values < largest)):
        return False
    n_pairs = n_equal = n_edge = 0
    edge = 0.0
    for axis in range(3):
        low, high = np.moveaxis(values, axis, 0)[:-1], np.moveaxis(values, axis, 0)[1:]
        is_pair = (low > 0) & (high > 0)
        n_pairs += int(np.count_nonzero(is_pair))
        n_equal += int(np.count_nonzero(is_pair & (low == high)))
        for inner, outer in ((low, high), (high, low)):
            is_edge = (inner > 0) & (outer == 0)
            n_edge += int(np.count_nonzero(is_edge))
            edge += float(inner[is_edge].sum(dtype=np.float64))
    return n_equal >= _MIN_EQUAL * n_pairs and edge >= _MIN_AT_EDGE * largest * n_edge


def load_voxel_mask(mask_path: Path) -> Mask:
    """Return the mask of an image's voxels that are not 0.

    Raises
    ------
    RegionsError, ImageError
        The file is not a 3D image of 0 and one other value.
    """
    img = load_image(mask_path)
    if int(np.prod(img.shape[3:])) != 1:
        raise RegionsError(f"{mask_path}: a {img.ndim}D image; expected a 3D mask.")
    inside = read_mask(read_voxels(img, np.float64)[..., 0], str(mask_path))
    return Mask(inside, Grid.from_image(img))
