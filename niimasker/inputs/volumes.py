"""Stream a 4D image: blocks of volumes as they are on disk, read beside the arithmetic on the block before."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
from isal import igzip, isal_zlib
from nibabel.openers import Opener

from niimasker.errors import BrokenImageError
from niimasker.inputs.images import ImageSeries

# Two blocks are in memory at a time: one is computed with while the next is read. A block is one volume at least.
BLOCK_BYTES = 32 * 2**20

_READ_ERRORS: Any = (OSError, EOFError, zlib.error, isal_zlib.error)


def iter_blocks(series: ImageSeries, first: int = 0, *, block_bytes: int = BLOCK_BYTES) -> Iterator[np.ndarray]:
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
    n_per_block = max(1, block_bytes // series.volume_bytes)
    starts = range(first, series.n_volumes, n_per_block)
    with _open(series) as file, ThreadPoolExecutor(max_workers=1) as reader:
        pending = reader.submit(_read_block, file, series, starts[0], n_per_block, seek=True)
        for start in starts[1:]:
            block = pending.result()
            pending = reader.submit(_read_block, file, series, start, n_per_block)
            yield block
        block = pending.result()
        _check_end(file, series)
        yield block


@contextmanager
def _open(series: ImageSeries) -> Iterator[Any]:
    path = series.voxels.path
    # ISA-L decompresses gzip in about half of zlib's time; nibabel knows the other endings.
    with igzip.open(path, "rb") if path.suffix == ".gz" else Opener(str(path), "rb") as file:
        yield file


def _read_block(file: Any, series: ImageSeries, start: int, n_most: int, *, seek: bool = False) -> np.ndarray:
    n_volumes = min(n_most, series.n_volumes - start)
    buffer = bytearray(n_volumes * series.volume_bytes)
    view, filled = memoryview(buffer), 0
    try:
        if seek:
            file.seek(series.voxels.offset + start * series.volume_bytes)
        while filled < len(view) and (n_bytes := file.readinto(view[filled:])):
            filled += n_bytes
    except _READ_ERRORS as error:
        raise _broken(series, start + filled // series.volume_bytes, str(error)) from error
    if filled < len(view):
        raise _broken(series, start + filled // series.volume_bytes, "the file ends early")
    return np.frombuffer(buffer, dtype=series.voxels.dtype).reshape(n_volumes, -1)


def _check_end(file: Any, series: ImageSeries) -> None:
    # The checksum of a gzip stream is compared when its end is reached.
    try:
        rest = file.read(1)
    except _READ_ERRORS as error:
        raise _broken(series, series.n_volumes, str(error)) from error
    if rest:
        raise _broken(series, series.n_volumes, "the file goes on after the last of them")


def _broken(series: ImageSeries, n_read: int, reason: str) -> BrokenImageError:
    return BrokenImageError(
        f"{series.path}: broken: its header says {series.n_volumes} volumes, {n_read} could be read "
        f"({reason.rstrip('.')}); fetch or make it again."
    )
