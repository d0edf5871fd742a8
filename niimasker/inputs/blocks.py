"""Read an array in blocks of rows, unscaled; the next block is read while the caller computes with one."""

from __future__ import annotations

import bz2
import io
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import cycle, pairwise
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from isal import igzip, isal_zlib
from nibabel.openers import Opener

from niimasker.errors import BrokenImageError
from niimasker.inputs.images import MAX_COMPRESSION_RATIO
from niimasker.inputs.storage import ArrayStorage

# The size of a block once converted to float64, whatever the file's type. Two blocks in the file's type are in memory,
# one to compute with while the next is read. A block holds at least one row.
BLOCK_BYTES = 64 * 2**20

# Small enough to stay in the processor's cache: reading 32 MB at once takes 1.4 times as long.
_PIECE_BYTES = 2**20
# Smaller pieces are no faster, and a series of CIFTI takes a few kilobytes.
_MIN_PIECE_BYTES = 2**16

READ_ERRORS: Any = (OSError, EOFError, zlib.error, isal_zlib.error)

# ISA-L decompresses gzip in about half of zlib's time.
_DECOMPRESSORS: dict[str, Callable[[Any], Any]] = {".gz": igzip.open, ".bz2": bz2.open}


class Digest(Protocol):
    """The interface of hashlib's objects."""

    def update(self, data: Any, /) -> None:
        """Add bytes to the digest."""


@dataclass(frozen=True)
class Rows:
    """The rows of an array: the volumes of a NIfTI image, or the series of CIFTI's grayordinates.

    Parameters
    ----------
    noun
        What a row is, in the plural, for messages.
    n_rows
        The number of rows in the file.
    n_values
        The number of values in a row.
    first
        The first row to read.
    """

    array: ArrayStorage
    noun: str
    n_rows: int
    n_values: int
    first: int = 0

    @property
    def row_bytes(self) -> int:
        """The size of an uncompressed row."""
        return self.n_values * self.array.dtype.itemsize

    def first_byte(self, row: int) -> int:
        """Return the byte of the uncompressed file at which a row begins."""
        return self.array.offset + row * self.row_bytes


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


def open_decompressed(path: Path, stack: ExitStack, digest: Digest | None = None) -> Any:
    """Return a file opened for reading its uncompressed bytes; the stack closes it.

    Parameters
    ----------
    digest
        Gets the bytes that are read from the file, as stored.
    """
    decompressor = _DECOMPRESSORS.get(path.suffix.lower())
    if path.suffix.lower() == ".zst":  # nibabel finds an installed package for it, but opens files by name only
        if digest is not None:
            digest.update(path.read_bytes())
        return stack.enter_context(Opener(str(path), "rb")).fobj
    raw = stack.enter_context(path.open("rb") if digest is None else io.BufferedReader(_DigestedFile(path, digest)))
    return raw if decompressor is None else stack.enter_context(decompressor(raw))


def iter_rows(
    rows: Rows, *, digest: Digest | None = None, block_bytes: int = BLOCK_BYTES
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the rows from the first on, in blocks.

    Parameters
    ----------
    digest
        Gets the bytes of the whole file, as stored.
    block_bytes
        The largest size of a block as float64, unless one row is larger.

    Yields
    ------
    int
        The block's first row.
    ndarray of shape (n_rows_in_block, n_values)
        Unscaled, in the file's type. Valid until the next block is requested.

    Raises
    ------
    BrokenImageError
        The file ends early, is damaged, or holds more than its header says.
    """
    n_per_block = max(1, block_bytes // (rows.n_values * max(rows.array.dtype.itemsize, 8)))
    starts = range(rows.first, rows.n_rows, n_per_block)
    size = min(n_per_block, rows.n_rows - rows.first) * rows.row_bytes
    # Two buffers are used in turn: new memory for each block would take a tenth of the reading time. For a row larger
    # than a block they grow as it is read, because the header may state a size that the file does not hold.
    initial = min(size, block_bytes)
    buffers = cycle([bytearray(initial), bytearray(initial if len(starts) > 1 else 0)])
    with ExitStack() as stack:
        try:
            file = open_decompressed(rows.array.path, stack, digest)
        except OSError as error:
            raise _make_broken_error(rows, 0, str(error)) from error
        reader = stack.enter_context(ThreadPoolExecutor(max_workers=1))
        pending = reader.submit(_read_block, file, rows, rows.first, next(buffers), 0)
        for previous, start in pairwise(starts):
            block = pending.result()
            pending = reader.submit(_read_block, file, rows, start, next(buffers), rows.first_byte(start))
            yield previous, block
        block = pending.result()
        _check_end(file, rows)
        yield starts[-1], block


def _read_block(file: Any, rows: Rows, start: int, buffer: bytearray, position: int) -> np.ndarray:
    """Return the rows from `start` on that fill a buffer; `position` is the file's current byte."""
    n_rows = min(max(1, len(buffer) // rows.row_bytes), rows.n_rows - start)
    begin = rows.first_byte(start)
    end = begin + n_rows * rows.row_bytes
    # In a broken compressed stream the last piece is lost, which is then no more than a row.
    is_compressed = rows.array.path.suffix.lower() in MAX_COMPRESSION_RATIO
    piece_bytes = min(_PIECE_BYTES, rows.row_bytes if is_compressed else max(_MIN_PIECE_BYTES, rows.row_bytes))
    reason = "the file ends early"
    try:
        # Bytes before the block are read rather than skipped, because the digest needs every byte.
        while position < begin and (piece := file.read1(min(begin - position, piece_bytes))):
            position += len(piece)
        while begin <= position < end:
            stop = min(position + piece_bytes, end)
            if (n_bytes := _read_piece(file, buffer, position - begin, stop - begin)) == 0:
                break
            position += n_bytes
    except READ_ERRORS as error:
        reason = str(error)
    if position < end:
        raise _make_broken_error(rows, max(0, position - rows.array.offset) // rows.row_bytes, reason)
    return np.frombuffer(memoryview(buffer)[: end - begin], dtype=rows.array.dtype).reshape(n_rows, -1)


def _read_piece(file: Any, buffer: bytearray, begin: int, end: int) -> int:
    """Read up to the bytes from `begin` to `end` of a buffer, which is extended if need be; return how many came."""
    if len(buffer) < end:
        buffer.extend(bytes(end - len(buffer)))
    with memoryview(buffer) as view, view[begin:end] as piece:
        n_bytes: int = file.readinto1(piece)
    return n_bytes


def _check_end(file: Any, rows: Rows) -> None:
    """Raise BrokenImageError if the file is longer than its header says, or its gzip checksum is wrong."""
    # The decompressor checks the checksum when it reaches the end of the stream.
    try:
        rest = file.read(1)
    except READ_ERRORS as error:
        raise _make_broken_error(rows, rows.n_rows, str(error)) from error
    if rest:
        raise _make_broken_error(rows, rows.n_rows, f"the file holds more after the last {rows.noun.removesuffix('s')}")


def _make_broken_error(rows: Rows, n_read: int, reason: str) -> BrokenImageError:
    return BrokenImageError(
        f"{rows.array.image_path}: broken: its header says {rows.n_rows} {rows.noun}, {n_read} could be read "
        f"({reason.rstrip('.')}); fetch or make it again."
    )
