"""Make the nilearn masker that extracts the same signals as some weights, for `--engine nilearn`."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import nibabel as nib
import numpy as np
from nilearn.maskers import NiftiLabelsMasker, NiftiMapsMasker, NiftiMasker, NiftiSpheresMasker
from nilearn.maskers.base_masker import BaseMasker

from niimasker.inputs.spaces import Grid
from niimasker.regions.placing.weights import RegionWeights


@dataclass(frozen=True)
class PlacedMasker:
    """A masker whose regions lie on the image's grid, and its columns in the order of the rows with voxels."""

    masker: BaseMasker
    columns: np.ndarray
    grid: Grid

    def transform(self, values: np.ndarray) -> np.ndarray:
        """Return the rows' values, of shape (n_volumes, n_rows), of values of shape (n_volumes, n_points)."""
        with warnings.catch_warnings():
            # niimasker has warned of overlaps itself, and nilearn's notes on future defaults do not concern users.
            warnings.simplefilter("ignore")
            return np.asarray(self.masker.fit_transform(_make_image(values.T, self.grid)))[:, self.columns]


def make_masker(weights: RegionWeights, smoothing_fwhm: float | None) -> PlacedMasker:
    """Return nilearn's masker for some weights.

    The masker smooths and averages; `niimasker.signals.cleaning` cleans.

    Parameters
    ----------
    smoothing_fwhm
        In mm; None or 0 for none.
    """
    options = {"smoothing_fwhm": smoothing_fwhm or None, "reports": False, "standardize": False}
    masker = MASKERS[weights.kind](weights, options)
    return PlacedMasker(masker, _column_order(weights), get_grid(weights))


def _labels_masker(weights: RegionWeights, options: Mapping[str, object]) -> BaseMasker:
    rows = np.repeat(np.arange(weights.matrix.shape[0]), np.diff(weights.matrix.indptr))
    labels = np.zeros(weights.space.n_points, dtype=np.int32)
    labels[weights.matrix.indices] = rows + 1
    return NiftiLabelsMasker(_make_image(labels, get_grid(weights)), **options)


def _maps_masker(weights: RegionWeights, options: Mapping[str, object]) -> BaseMasker:
    return NiftiMapsMasker(_make_image(weights.matrix[weights.filled].toarray().T, get_grid(weights)), **options)


def _spheres_masker(weights: RegionWeights, options: Mapping[str, object]) -> BaseMasker:
    assert weights.seeds is not None
    inside = weights.inside
    mask_img = None if inside is None else _make_image(inside.astype(np.uint8), get_grid(weights))
    seeds = weights.seeds.coordinates[weights.filled].tolist()
    # `check_overlap` has run before, unless --allow_overlap is given.
    return NiftiSpheresMasker(seeds, weights.seeds.radius, mask_img, allow_overlap=True, **options)


def _voxels_masker(weights: RegionWeights, options: Mapping[str, object]) -> BaseMasker:
    mask = np.zeros(weights.space.n_points, dtype=np.uint8)
    mask[weights.matrix.indices] = 1
    return NiftiMasker(_make_image(mask, get_grid(weights)), **options)


MASKERS = {"labels": _labels_masker, "maps": _maps_masker, "spheres": _spheres_masker, "voxels": _voxels_masker}


def _make_image(values: np.ndarray, grid: Grid) -> nib.Nifti1Image:
    shape = (*grid.shape, *values.shape[1:])
    return nib.Nifti1Image(values.reshape(shape, order="F"), grid.matrix)


def get_grid(weights: RegionWeights) -> Grid:
    """Return the grid that regions lie on, the only kind of space of nilearn's Nifti maskers."""
    assert isinstance(weights.space, Grid)
    return weights.space


def _column_order(weights: RegionWeights) -> np.ndarray:
    n_columns = np.count_nonzero(weights.filled)
    if weights.single_points is None:
        return np.arange(n_columns)
    # NiftiMasker orders voxels with the last axis fastest, whatever their regions.
    positions = np.ravel_multi_index([weights.single_points.places[axis] for axis in "ijk"], get_grid(weights).shape)
    return np.argsort(np.argsort(positions))
