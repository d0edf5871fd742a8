"""From placed regions to the nilearn masker that extracts them; the factory behind `--engine nilearn`."""

from __future__ import annotations

import nibabel as nib
import numpy as np
from nilearn.maskers import NiftiLabelsMasker, NiftiMapsMasker, NiftiMasker, NiftiSpheresMasker
from nilearn.maskers.base_masker import BaseMasker

from niimasker.regions.definitions import Maps, Mask, Parcellation
from niimasker.regions.weights import RegionWeights


def make_masker(weights: RegionWeights, *, smoothing_fwhm: float | None) -> BaseMasker:
    """Return a masker whose columns are the regions that have voxels, in order.

    Every masker leaves cleaning to `niimasker.signals.cleaning`: it smooths and averages.

    Parameters
    ----------
    smoothing_fwhm
        In mm; None or 0 for none.
    """
    shared = {"smoothing_fwhm": smoothing_fwhm or None, "reports": False, "standardize": False}
    affine = weights.grid.matrix
    placed = weights.placed
    if isinstance(placed, Parcellation):
        return NiftiLabelsMasker(nib.Nifti1Image(placed.labels, affine), **shared)
    if isinstance(placed, Maps):
        return NiftiMapsMasker(nib.Nifti1Image(placed.weights[..., weights.filled], affine), **shared)
    if isinstance(placed, Mask):
        return NiftiMasker(nib.Nifti1Image(placed.voxels.astype(np.uint8), affine), **shared)
    mask_img = weights.mask and nib.Nifti1Image(weights.mask.voxels.astype(np.uint8), affine)
    seeds = placed.coordinates[weights.filled].tolist()
    # Overlap has been refused, or permitted, by name.
    return NiftiSpheresMasker(seeds, placed.radius, mask_img, allow_overlap=True, **shared)
