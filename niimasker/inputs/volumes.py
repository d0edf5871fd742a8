"""Read an image's voxels: blocks of volumes as they are on disk, each read beside the arithmetic on the one before."""

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
from niimasker.inputs.images import VoxelStorage, check_memory, storage_of

# Of a block as float64, as which it is computed with, whatever the file's type. Two blocks are in memory as they are on
# disk, one computed with while the next is read. A block is one volume at least.
BLOCK_BYTES = 64 * 2**20

# A piece stays in the processor's cache between decompressor and block: reading 32 MB at once takes 1.4 times as long.
_PIECE_BYTES = 2**20

_READ_ERRORS: Any = (OSError, EOFError, zlib.error, isal_zlib.error)

# ISA-L decompresses gzip in about half of zlib's time.
_DECOMPRESSORS: dict[str, Callable[[Any], Any]] = {".gz": igzip.open, ".bz2": bz2.open}


class Digest(Protocol):
    """What hashlib's objects are."""

    def update(self, data: Any, /) -> None:
        """Take in some bytes."""


class _ReadThrough(io.RawIOBase):
    """A file whose bytes are taken into a digest as they are read: an image is read once, its checksum included."""

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
    """Yield the volumes from one on, in blocks.

    Parameters
    ----------
    digest
        Takes in the bytes of the whole file, as they are on disk.
    block_bytes
        The most that a block takes as float64, unless one volume takes more.

    Yields
    ------
    ndarray of shape (n_volumes_in_block, n_voxels)
        Unscaled, in the file's type; voxels with the first axis fastest. Valid until the next one is asked for.

    Raises
    ------
    BrokenImageError
        The file ends early, is damaged, or holds more than its header says.
    """
    n_per_block = max(1, block_bytes // (voxels.n_voxels * max(voxels.dtype.itemsize, 8)))
    starts = range(first, voxels.n_volumes, n_per_block)
    size = min(n_per_block, voxels.n_volumes - first) * voxels.volume_bytes
    # Two buffers take turns: fresh memory for each block costs a tenth of the reading. For a volume larger than a block
    # they grow with what is read, not with what the header says.
    begin = min(size, block_bytes)
    buffers = cycle([bytearray(begin), bytearray(begin if len(starts) > 1 else 0)])
    with ExitStack() as stack:
        try:
            file = _open(voxels.path, digest, stack)
        except OSError as error:
            raise _broken(voxels, 0, str(error)) from error
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
    if path.suffix.lower() == ".zst":  # nibabel knows which of several packages reads it, by name alone.
        if digest is not None:
            digest.update(path.read_bytes())
        return stack.enter_context(Opener(str(path), "rb")).fobj
    raw = stack.enter_context(path.open("rb") if digest is None else io.BufferedReader(_ReadThrough(path, digest)))
    return raw if decompressor is None else stack.enter_context(decompressor(raw))


def _read_block(file: Any, voxels: VoxelStorage, start: int, buffer: bytearray, position: int) -> np.ndarray:
    """Return the volumes from `start` on that fill a buffer; the file stands at the byte `position`."""
    n_volumes = min(max(1, len(buffer) // voxels.volume_bytes), voxels.n_volumes - start)
    begin = voxels.first_byte(start)
    end = begin + n_volumes * voxels.volume_bytes
    # What a broken stream held in its last piece is lost: no more than a volume.
    piece_bytes = min(_PIECE_BYTES, voxels.volume_bytes)
    reason = "the file ends early"
    try:
        # What comes before is read, not sought: the digest wants every byte.
        while position < end and (
            piece := file.read1(min((begin if position < begin else end) - position, piece_bytes))
        ):
            if position >= begin:
                # At the buffer's end this makes it longer.
                buffer[position - begin : position - begin + len(piece)] = piece
            position += len(piece)
    except _READ_ERRORS as error:
        reason = str(error)
    if position < end:
        raise _broken(voxels, max(0, position - voxels.offset) // voxels.volume_bytes, reason)
    return np.frombuffer(memoryview(buffer)[: end - begin], dtype=voxels.dtype).reshape(n_volumes, -1)


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
    An image that is in memory already is taken from there.

    Raises
    ------
    BrokenImageError
        The file ends early, is damaged, or holds more than its header says.
    """
    if not nib.is_proxy(img.dataobj):
        return np.asarray(img.dataobj, dtype=dtype).reshape((*img.shape[:3], -1))
    values = read_values(storage_of(img, Path(img.get_filename())), dtype=dtype)
    return values.T.reshape((*img.shape[:3], len(values)), order="F")


def read_values(voxels: VoxelStorage, first: int = 0, *, dtype: type, digest: Digest | None = None) -> np.ndarray:
    """Return the values of all volumes from one on, scaled, of shape (n_volumes - first, n_points).

    Errors are those of `read_voxels`.
    """
    n_bytes = (voxels.n_volumes - first) * voxels.n_voxels * np.dtype(dtype).itemsize
    # Its blocks, and they in one piece.
    check_memory(voxels.image_path, "what is read", 2 * n_bytes)
    values = np.concatenate([block.astype(dtype) for block in iter_blocks(voxels, first, digest=digest)])
    if (voxels.slope, voxels.intercept) != (1.0, 0.0):
        values = values * dtype(voxels.slope) + dtype(voxels.intercept)
    return values
