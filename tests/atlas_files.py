"""Small atlases in the folders where nilearn keeps the real ones, and the fetching of them."""

from __future__ import annotations

import warnings

import nibabel
import numpy as np
import pytest

from niimasker.errors import NiimaskerWarning, RegionsError
from niimasker.regions.atlases.fetching import fetch_atlas
from niimasker.regions.loading import load_regions

AFFINE = np.diag([-4.0, 4.0, 4.0, 1.0])  # first axis from right to left, as FSL's and SPM's atlases have it
SHAPE = (8, 5, 6)


def put(path, content):
    """Write a text, or an image from its voxels, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, str):
        path.write_text(content)
    else:
        nibabel.Nifti1Image(content, AFFINE).to_filename(path)


def label_image(*indices):
    """Return a label image with one slab of the second axis per index, from 1 on, and background."""
    voxels = np.zeros(SHAPE, dtype=np.int16)
    for slab, index in enumerate(indices, start=1):
        voxels[:, slab] = index
    return voxels


def maps(n_maps):
    return np.ones((*SHAPE, n_maps), dtype=np.float32)


def fsl_xml(*names):
    labels = "".join(f'<label index="{index}" x="1" y="2" z="3">{name}</label>' for index, name in enumerate(names))
    return f"<?xml version='1.0' encoding='us-ascii'?><atlas><data>{labels}</data></atlas>"


def aal_xml(**index_by_name):
    labels = "".join(f"<label><index>{i}</index><name>{name}</name></label>" for name, i in index_by_name.items())
    return f"<?xml version='1.0'?><atlas><data>{labels}</data></atlas>"


def put_schaefer(atlas_dir, *names, n_rois=100, voxels=None):
    rows = "".join(f"{index}\t{name}\t120\t18\t{index}\t0\n" for index, name in enumerate(names, start=1))
    folder = atlas_dir / "schaefer_2018"
    put(folder / f"Schaefer2018_{n_rois}Parcels_7Networks_order.txt", rows)
    image = label_image(*range(1, len(names) + 1)) if voxels is None else voxels
    put(folder / f"Schaefer2018_{n_rois}Parcels_7Networks_order_FSLMNI152_2mm.nii.gz", image)


def put_aal(atlas_dir, voxels, **index_by_name):
    put(atlas_dir / "aal_SPM12" / "aal" / "atlas" / "AAL.nii", voxels)
    put(atlas_dir / "aal_SPM12" / "aal" / "atlas" / "AAL.xml", aal_xml(**index_by_name))


def put_fsl(atlas_dir, family, atlas, labels, voxels, *names):
    root = atlas_dir / "fsl" / "data" / "atlases"
    put(root / labels, fsl_xml(*names))
    put(root / family / f"{family}-{atlas}.nii.gz", voxels)


def error_of(query, atlas_dir):
    with pytest.raises(RegionsError) as caught:
        fetch_atlas(query, atlas_dir)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def fetch_and_load(query, atlas_dir):
    """Return an atlas whose regions can be loaded, too: some come as images in memory."""
    atlas = fetch_atlas(query, atlas_dir)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NiimaskerWarning)  # made-up atlases may have names twice
        (regions,) = load_regions([query], labels=(), as_voxels=False, radius=None, atlas_dir=atlas_dir)
    assert len(regions.names) == len(regions.indices) > 0
    return atlas
