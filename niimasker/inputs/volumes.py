"""Read an image's voxels in blocks of volumes, unscaled."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np

from niimasker.inputs.blocks import BLOCK_BYTES, Digest, Rows, iter_rows
from niimasker.inputs.images import check_memory, describe_storage
from niimasker.inputs.storage import VoxelStorage


def iter_blocks(
    voxels: VoxelStorage, first: int = 0, *, digest: Digest | None = None, block_bytes: int = BLOCK_BYTES
) -> Iterator[np.ndarray]:
    """Yield the volumes from `first` on, in blocks.

    Parameters
    ----------
    digest
        Gets the bytes of the whole file, as stored.
    block_bytes
        The largest size of a block as float64, unless one volume is larger.

    Yields
    ------
    ndarray of shape (n_volumes_in_block, n_voxels)
        Unscaled, in the file's type, voxels with the first axis fastest. Valid until the next block is requested.

    Raises
    ------
    BrokenImageError
        The file ends early, is damaged, or holds more than its header says.
    """
    rows = Rows(voxels, "volumes", voxels.n_volumes, voxels.n_points, first)
    for _, block in iter_rows(rows, digest=digest, block_bytes=block_bytes):
        yield block


def read_voxels(img: nib.nifti1.Nifti1Pair, dtype: type) -> np.ndarray:
    """Return all voxels of an image from `load_image`, scaled, of shape (n_i, n_j, n_k, n_volumes).

    The checksum of a compressed file is checked; nibabel stops reading before it. Voxels that are already in memory
    are not read again.

    Raises
    ------
    BrokenImageError
        The file ends early, is damaged, or holds more than its header says.
    """
    if not nib.is_proxy(img.dataobj):
        return np.asarray(img.dataobj, dtype=dtype).reshape((*img.shape[:3], -1))
    values = read_values(describe_storage(img, Path(img.get_filename())), dtype=dtype)
    return values.T.reshape((*img.shape[:3], len(values)), order="F")


def read_values(voxels: VoxelStorage, first: int = 0, *, dtype: type, digest: Digest | None = None) -> np.ndarray:
    """Return the values of all volumes from `first` on, scaled, of shape (n_volumes - first, n_points).

    Errors are those of `read_voxels`.
    """
    n_bytes = (voxels.n_volumes - first) * voxels.n_points * np.dtype(dtype).itemsize
    # Twice: the blocks and their concatenation.
    check_memory(voxels.image_path, "reading it", 2 * n_bytes)
    values = np.concatenate([block.astype(dtype) for block in iter_blocks(voxels, first, digest=digest)])
    if (voxels.slope, voxels.intercept) != (1.0, 0.0):
        values = values * dtype(voxels.slope) + dtype(voxels.intercept)
    return values
