"""Read an image's voxels in blocks of volumes, unscaled; the next block is read while the caller computes with one."""

from __future__ import annotations

import bz2
import io
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import cycle
from pathlib import Path
from typing import Any, Protocol

import nibabel as nib
import numpy as np
from isal import igzip, isal_zlib
from nibabel.openers import Opener

from niimasker.errors import BrokenImageError
from niimasker.inputs.images import check_memory, describe_storage
from niimasker.inputs.storage import VoxelStorage

# The size of a block once converted to float64, whatever the file's type. Two blocks in the file's type are in memory,
# one to compute with while the next is read. A block holds at least one volume.
BLOCK_BYTES = 64 * 2**20

# Small enough to stay in the processor's cache: reading 32 MB at once takes 1.4 times as long.
_PIECE_BYTES = 2**20

_READ_ERRORS: Any = (OSError, EOFError, zlib.error, isal_zlib.error)

# ISA-L decompresses gzip in about half of zlib's time.
_DECOMPRESSORS: dict[str, Callable[[Any], Any]] = {".gz": igzip.open, ".bz2": bz2.open}


class Digest(Protocol):
    """The interface of hashlib's objects."""

    def update(self, data: Any, /) -> None:
        """Add bytes to the digest."""


class _DigestedFile(io.RawIOBase):
    """A file that adds its bytes to a digest as they are read, so that the checksum needs no second reading."""

    def __init__(self, path: Path, digest: Digest) -> None:
        self._file = path.open("rb", buffering=0)
        self._digest = digest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        n_bytes = self._file.readinto(buffer) or 0
        self._digest.update(memoryview(buffer)[:n_bytes])
        return n_bytes

    def close(self) -> None:
        self._file.close()
        super().close()


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
    n_per_block = max(1, block_bytes // (voxels.n_points * max(voxels.dtype.itemsize, 8)))
    starts = range(first, voxels.n_volumes, n_per_block)
    size = min(n_per_block, voxels.n_volumes - first) * voxels.volume_bytes
    # Two buffers are used in turn: new memory for each block would take a tenth of the reading time. For a volume
    # larger than a block they grow as it is read, because the header may state a size that the file does not hold.
    initial = min(size, block_bytes)
    buffers = cycle([bytearray(initial), bytearray(initial if len(starts) > 1 else 0)])
    with ExitStack() as stack:
        try:
            file = _open(voxels.path, digest, stack)
        except OSError as error:
            raise _make_broken_error(voxels, 0, str(error)) from error
        reader = stack.enter_context(ThreadPoolExecutor(max_workers=1))
        pending = reader.submit(_read_block, file, voxels, first, next(buffers), 0)
        for start in starts[1:]:
            block = pending.result()
            pending = reader.submit(_read_block, file, voxels, start, next(buffers), voxels.first_byte(start))
            yield block
        block = pending.result()
        _check_end(file, voxels)
        yield block


def _open(path: Path, digest: Digest | None, stack: ExitStack) -> Any:
    decompressor = _DECOMPRESSORS.get(path.suffix.lower())
    if path.suffix.lower() == ".zst":  # nibabel finds an installed package for it, but opens files by name only
        if digest is not None:
            digest.update(path.read_bytes())
        return stack.enter_context(Opener(str(path), "rb")).fobj
    raw = stack.enter_context(path.open("rb") if digest is None else io.BufferedReader(_DigestedFile(path, digest)))
    return raw if decompressor is None else stack.enter_context(decompressor(raw))


def _read_block(file: Any, voxels: VoxelStorage, start: int, buffer: bytearray, position: int) -> np.ndarray:
    """Return the volumes from `start` on that fill a buffer; `position` is the file's current byte."""
    n_volumes = min(max(1, len(buffer) // voxels.volume_bytes), voxels.n_volumes - start)
    begin = voxels.first_byte(start)
    end = begin + n_volumes * voxels.volume_bytes
    # In a broken stream the last piece is lost, which is then no more than a volume.
    piece_bytes = min(_PIECE_BYTES, voxels.volume_bytes)
    reason = "the file ends early"
    try:
        # Bytes before the block are read rather than skipped, because the digest needs every byte.
        while position < end and (
            piece := file.read1(min((begin if position < begin else end) - position, piece_bytes))
        ):
            if position >= begin:
                # Writing past the buffer's end extends it.
                buffer[position - begin : position - begin + len(piece)] = piece
            position += len(piece)
    except _READ_ERRORS as error:
        reason = str(error)
    if position < end:
        raise _make_broken_error(voxels, max(0, position - voxels.offset) // voxels.volume_bytes, reason)
    return np.frombuffer(memoryview(buffer)[: end - begin], dtype=voxels.dtype).reshape(n_volumes, -1)


def _check_end(file: Any, voxels: VoxelStorage) -> None:
    """Raise BrokenImageError if the file is longer than its header says, or its gzip checksum is wrong."""
    # The decompressor checks the checksum when it reaches the end of the stream.
    try:
        rest = file.read(1)
    except _READ_ERRORS as error:
        raise _make_broken_error(voxels, voxels.n_volumes, str(error)) from error
    if rest:
        raise _make_broken_error(voxels, voxels.n_volumes, "the file holds more after the last volume")


def _make_broken_error(voxels: VoxelStorage, n_read: int, reason: str) -> BrokenImageError:
    return BrokenImageError(
        f"{voxels.image_path}: broken: its header says {voxels.n_volumes} volumes, {n_read} could be read "
        f"({reason.rstrip('.')}); fetch or make it again."
    )


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
