"""From weights to the nilearn masker that extracts the same; the factory behind `--engine nilearn`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import nibabel as nib
import numpy as np
from nilearn.maskers import NiftiLabelsMasker, NiftiMapsMasker, NiftiMasker, NiftiSpheresMasker
from nilearn.maskers.base_masker import BaseMasker

from niimasker.regions.placing.weights import RegionWeights


@dataclass(frozen=True)
class PlacedMasker:
    """A masker whose regions lie on the image's grid, and its column for each row that has voxels."""

    masker: BaseMasker
    columns: np.ndarray


def make_masker(weights: RegionWeights, smoothing_fwhm: float | None) -> PlacedMasker:
    """Return nilearn's masker for some weights.

    It smooths and averages; cleaning is left to `niimasker.signals.cleaning`.

    Parameters
    ----------
    smoothing_fwhm
        In mm; None or 0 for none.
    """
    options = {"smoothing_fwhm": smoothing_fwhm or None, "reports": False, "standardize": False}
    masker = MASKERS[weights.kind](weights, options)
    return PlacedMasker(masker, _column_order(weights))


def _labels_masker(weights: RegionWeights, options: Mapping[str, object]) -> BaseMasker:
    rows = np.repeat(np.arange(weights.matrix.shape[0]), np.diff(weights.matrix.indptr))
    labels = np.zeros(weights.grid.n_voxels, dtype=np.int32)
    labels[weights.matrix.indices] = rows + 1
    return NiftiLabelsMasker(_make_image(labels, weights), **options)


def _maps_masker(weights: RegionWeights, options: Mapping[str, object]) -> BaseMasker:
    return NiftiMapsMasker(_make_image(weights.matrix[weights.filled].toarray().T, weights), **options)


def _spheres_masker(weights: RegionWeights, options: Mapping[str, object]) -> BaseMasker:
    assert weights.seeds is not None
    mask_img = weights.mask and nib.Nifti1Image(weights.mask.voxels.astype(np.uint8), weights.grid.matrix)
    seeds = weights.seeds.coordinates[weights.filled].tolist()
    # Overlap has been refused, or permitted, by name.
    return NiftiSpheresMasker(seeds, weights.seeds.radius, mask_img, allow_overlap=True, **options)


def _voxels_masker(weights: RegionWeights, options: Mapping[str, object]) -> BaseMasker:
    mask = np.zeros(weights.grid.n_voxels, dtype=np.uint8)
    mask[weights.matrix.indices] = 1
    return NiftiMasker(_make_image(mask, weights), **options)


MASKERS = {"labels": _labels_masker, "maps": _maps_masker, "spheres": _spheres_masker, "voxels": _voxels_masker}


def _make_image(values: np.ndarray, weights: RegionWeights) -> nib.Nifti1Image:
    shape = (*weights.grid.shape, *values.shape[1:])
    return nib.Nifti1Image(values.reshape(shape, order="F"), weights.grid.matrix)


def _column_order(weights: RegionWeights) -> np.ndarray:
    n_columns = np.count_nonzero(weights.filled)
    if weights.voxels is None:
        return np.arange(n_columns)
    # NiftiMasker counts all voxels with the last axis fastest, whatever region they are of.
    places = np.ravel_multi_index(tuple(weights.voxels.ijk.T), weights.grid.shape)
    return np.argsort(np.argsort(places))
