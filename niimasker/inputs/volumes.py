"""Read an image's voxels: blocks of volumes as they are on disk, each read beside the arithmetic on the one before."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from isal import igzip, isal_zlib
from nibabel.openers import Opener

from niimasker.errors import BrokenImageError
from niimasker.inputs.images import VoxelStorage, storage_of

# Two blocks are in memory at a time: one is computed with while the next is read. A block is one volume at least.
BLOCK_BYTES = 32 * 2**20

_READ_ERRORS: Any = (OSError, EOFError, zlib.error, isal_zlib.error)


def iter_blocks(voxels: VoxelStorage, first: int = 0, *, block_bytes: int = BLOCK_BYTES) -> Iterator[np.ndarray]:
    """Yield the volumes from one on, in blocks.

    Yields
    ------
    ndarray of shape (n_volumes_in_block, n_voxels)
        Unscaled, in the file's type; voxels with the first axis fastest.

    Raises
    ------
    BrokenImageError
        The file ends early, is damaged, or holds more than its header says.
    """
    n_per_block = max(1, block_bytes // voxels.volume_bytes)
    starts = range(first, voxels.n_volumes, n_per_block)
    with _open(voxels) as file, ThreadPoolExecutor(max_workers=1) as reader:
        pending = reader.submit(_read_block, file, voxels, starts[0], n_per_block, seek=True)
        for start in starts[1:]:
            block = pending.result()
            pending = reader.submit(_read_block, file, voxels, start, n_per_block)
            yield block
        block = pending.result()
        _check_end(file, voxels)
        yield block


@contextmanager
def _open(voxels: VoxelStorage) -> Iterator[Any]:
    path = voxels.path
    # ISA-L decompresses gzip in about half of zlib's time; nibabel knows the other endings.
    with igzip.open(path, "rb") if path.suffix == ".gz" else Opener(str(path), "rb") as file:
        yield file


def _read_block(file: Any, voxels: VoxelStorage, start: int, n_most: int, *, seek: bool = False) -> np.ndarray:
    n_volumes = min(n_most, voxels.n_volumes - start)
    buffer = bytearray(n_volumes * voxels.volume_bytes)
    view, filled = memoryview(buffer), 0
    try:
        if seek:
            file.seek(voxels.offset + start * voxels.volume_bytes)
        while filled < len(view) and (n_bytes := file.readinto(view[filled:])):
            filled += n_bytes
    except _READ_ERRORS as error:
        raise _broken(voxels, start + filled // voxels.volume_bytes, str(error)) from error
    if filled < len(view):
        raise _broken(voxels, start + filled // voxels.volume_bytes, "the file ends early")
    return np.frombuffer(buffer, dtype=voxels.dtype).reshape(n_volumes, -1)


def _check_end(file: Any, voxels: VoxelStorage) -> None:
    # The checksum of a gzip stream is compared when its end is reached.
    try:
        rest = file.read(1)
    except _READ_ERRORS as error:
        raise _broken(voxels, voxels.n_volumes, str(error)) from error
    if rest:
        raise _broken(voxels, voxels.n_volumes, "the file goes on after the last of them")


def _broken(voxels: VoxelStorage, n_read: int, reason: str) -> BrokenImageError:
    return BrokenImageError(
        f"{voxels.image_path}: broken: its header says {voxels.n_volumes} volumes, {n_read} could be read "
        f"({reason.rstrip('.')}); fetch or make it again."
    )


def read_voxels(img: nib.nifti1.Nifti1Pair, dtype: type) -> np.ndarray:
    """Return all voxels of an image as `load_image` gave it, scaled, of shape (i, j, k, n_volumes).

    nibabel stops reading before the end of a compressed stream and so before its checksum; here it is compared.

    Raises
    ------
    BrokenImageError
        The file ends early, is damaged, or holds more than its header says.
    """
    return read_volumes(storage_of(img, Path(img.get_filename())), img.shape[:3], dtype=dtype)


def read_volumes(voxels: VoxelStorage, shape: tuple[int, ...], first: int = 0, *, dtype: type) -> np.ndarray:
    """Return volumes from one on, scaled, of shape (*shape, n_volumes - first); errors as for `read_voxels`."""
    values = np.concatenate([block.astype(dtype) for block in iter_blocks(voxels, first)])
    if (voxels.slope, voxels.intercept) != (1.0, 0.0):
        values = values * dtype(voxels.slope) + dtype(voxels.intercept)
    return values.T.reshape((*shape, len(values)), order="F")
