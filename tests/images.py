"""Images whose expected tables are arithmetic: axes of different lengths, an oblique affine, known values."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.openers import Opener

SHAPE = (7, 8, 9)
N_VOLUMES = 12

RAS = np.array([[3.0, 0, 0, -9], [0, 3, 0, -12], [0, 0, 3, -6], [0, 0, 0, 1]])
LAS = np.array([[-3.0, 0, 0, 9], [0, 3, 0, -12], [0, 0, 3, -6], [0, 0, 0, 1]])
OBLIQUE = np.array([[2.9, 0.3, -0.1, -9], [-0.4, 3.3, 0.2, -12], [0.2, -0.3, 4.1, -6], [0, 0, 0, 1]])


def make_labels(indices: tuple[int, ...] = (1, 2, 5), shape: tuple[int, int, int] = SHAPE) -> np.ndarray:
    """Labels in slabs along the second axis, background on both sides."""
    labels = np.zeros(shape, dtype=np.int16)
    for place, index in enumerate(indices):
        labels[1:-1, 1 + 2 * place : 3 + 2 * place, 1:-1] = index
    return labels


def make_series(labels: np.ndarray, n_volumes: int = N_VOLUMES) -> np.ndarray:
    """Every voxel of a region is index * 10 + volume, so that its mean is too."""
    return labels[..., None] * 10.0 + np.arange(n_volumes)


def save(
    path: Path,
    values: np.ndarray,
    affine: np.ndarray = OBLIQUE,
    *,
    t_r: float | None = None,
    unit: str = "sec",
    klass: type[nib.Nifti1Image] = nib.Nifti1Image,
) -> Path:
    """Write an image and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    img = klass(values, affine)
    if t_r is not None:
        img.header.set_xyzt_units("mm", unit)
        img.header["pixdim"][4] = t_r
    nib.save(img, path)
    return path


def save_stored(
    path: Path,
    stored: np.ndarray,
    affine: np.ndarray = OBLIQUE,
    *,
    slope: float = 1.0,
    intercept: float = 0.0,
    klass: type[nib.Nifti1Image] = nib.Nifti1Image,
) -> Path:
    """Write voxels bit by bit as they are, in their own type and byte order, under a header that scales them."""
    header = klass.header_class(endianness=">" if stored.dtype.str[0] == ">" else "<")
    header.set_data_dtype(stored.dtype)
    header.set_data_shape(stored.shape)
    header.set_sform(affine, 1)
    header["scl_slope"], header["scl_inter"] = slope, intercept
    header["vox_offset"] = header.single_vox_offset
    with Opener(str(path), "wb") as file:
        file.write(header.binaryblock + bytes(4) + stored.tobytes(order="F"))
    return path
