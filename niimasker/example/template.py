"""The brain that the data are simulated on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from nibabel.affines import apply_affine
from nilearn import datasets

from niimasker.example.parcellation import nearest_regions

SPACE = "MNI152NLin2009aSym"  # the template that nilearn ships; the default of fMRIPrep is 2009cAsym


@dataclass(frozen=True)
class Brain:
    """The template that the data are simulated on; the arrays other than affine and mask have one row per voxel."""

    affine: np.ndarray
    mask: np.ndarray
    positions: np.ndarray  # in mm
    baseline: np.ndarray  # template intensity, 0 to 1000
    gradient: np.ndarray  # of the baseline per mm along x, y and z
    csf: np.ndarray
    white_matter: np.ndarray  # voxels of nothing else
    tissues: np.ndarray  # 1 grey matter, 2 white matter, 3 CSF, as fMRIPrep labels them
    regions: np.ndarray  # index of the region of each voxel, 0 outside all regions


def load_brain(resolution: int) -> Brain:
    """Return the template in voxels of this size in mm, its tissues and the example's regions."""
    template_img = datasets.load_mni152_template(resolution=resolution)
    mask = datasets.load_mni152_brain_mask(resolution=resolution).get_fdata() > 0
    grey_matter = datasets.load_mni152_gm_template(resolution=resolution).get_fdata()[mask]
    white_matter = datasets.load_mni152_wm_template(resolution=resolution).get_fdata()[mask]
    # Rounded to whole numbers, so that the last bit of nilearn's resampling cannot change the values of the example.
    template = np.round(1000 * template_img.get_fdata())
    millimetres = apply_affine(template_img.affine, np.argwhere(mask))
    csf = grey_matter + white_matter < 0.2
    return Brain(
        affine=template_img.affine,
        mask=mask,
        positions=millimetres,
        baseline=template[mask],
        gradient=np.stack(np.gradient(template, resolution), axis=-1)[mask],
        csf=csf,
        white_matter=white_matter > 0.95,
        tissues=np.where(csf, 3, np.where(grey_matter < white_matter, 2, 1)).astype(np.uint8),
        regions=np.where(grey_matter > 0.4, nearest_regions(millimetres), 0).astype(np.int16),
    )
