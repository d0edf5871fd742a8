"""The content of the files of an example: images, surfaces, tables and JSON."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from nibabel.affines import voxel_sizes

from niimasker.example.template import Brain
from niimasker.outputs.files import replacing


def write_files(folder: Path, contents: dict[str, bytes]) -> None:
    """Write each content to its path in the folder; a file that exists is always complete."""
    for name, content in contents.items():
        with replacing(folder / name) as temporary:
            temporary.write_bytes(content)


def to_json(value: object) -> bytes:
    """Return a value as indented JSON."""
    return (json.dumps(value, indent=4) + "\n").encode()


def to_tsv(table: pd.DataFrame) -> bytes:
    """Return a table as fMRIPrep writes it: separated by tabs, with n/a for missing values."""
    text = table.to_csv(sep="\t", index=False, na_rep="n/a", float_format="%.10g", lineterminator="\n")
    return text.encode()


def to_nifti(brain: Brain, voxels: np.ndarray, *, slope: float = 1, t_r: float | None = None) -> bytes:
    """Return the content of a .nii.gz file with the stored values of the voxels in the mask; a second axis is time."""
    data = np.zeros(brain.mask.shape + voxels.shape[1:], voxels.dtype)
    data[brain.mask] = voxels
    img = nib.Nifti1Image(data, brain.affine)
    img.set_sform(brain.affine, code="mni")
    img.set_qform(brain.affine, code="mni")
    img.header.set_slope_inter(slope, 0)
    img.header.set_xyzt_units("mm", "sec")
    if t_r is not None:
        img.header.set_zooms((*voxel_sizes(brain.affine), t_r))
    # mtime=0: the same data give the same bytes. Compression level 6 takes twice as long and saves 3 %.
    return gzip.compress(img.to_bytes(), compresslevel=4, mtime=0)


def to_gifti(
    side: str, arrays: list[nib.gifti.GiftiDataArray], labels: nib.gifti.GiftiLabelTable | None = None
) -> bytes:
    """Return the content of a GIFTI file of one hemisphere."""
    structure = {"L": "CortexLeft", "R": "CortexRight"}[side]
    meta = nib.gifti.GiftiMetaData({"AnatomicalStructurePrimary": structure})
    content: bytes = nib.gifti.GiftiImage(meta=meta, labeltable=labels, darrays=arrays).to_bytes()
    return content
