"""Values that worker processes take over through files, in which whoever else may write to a folder can plant no code.

A file holds a pickle of the value without its arrays, and then the raw data of the arrays, which all processes of a
machine share. The task that names the file comes over a channel that only this user writes to: a pipe, or Dask's
connection. It carries the checksum of the pickle, and a pickle with another checksum is never loaded.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import mmap
import os
import pickle
import secrets
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from niimasker.errors import OutputLostError

Value = TypeVar("Value")

_ALIGNMENT = 64
_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH
# Windows has no user IDs and opens no folders; its folder for temporary files is the user's own.
_HAS_OWNERS = hasattr(os, "geteuid")
_FILE_FLAGS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class _ForeignError(Exception):
    """A folder or file is not the one in which the value was stored."""


@dataclass(frozen=True)
class OnDisk(Generic[Value]):
    """A value in a file, whose arrays all processes of a machine share.

    Parameters
    ----------
    name
        The name of the file: random, so that no other folder holds a file of that name.
    owner
        The user ID of the new file; None on Windows.
    sizes
        The number of bytes of the pickle, and of each array.
    sha256
        The checksum of the pickle.
    """

    folder: Path
    name: str
    owner: int | None
    sizes: tuple[int, ...]
    sha256: str

    def load(self) -> Value:
        """Return the value; its arrays are read-only and memory-mapped, so that they are read when they are used.

        Raises
        ------
        OutputLostError
            The file is gone, or another folder or file is in its place.
        """
        value: Value = _load(self)
        return value

    @property
    def n_bytes(self) -> int:
        """The size of the file."""
        return _offsets(self.sizes)[-1]

    def remove(self) -> None:
        """Remove the file."""
        # On Windows a file that a process has open stays until the folder is removed.
        with contextlib.suppress(OSError):
            (self.folder / self.name).unlink()


def store(value: Value, folder: Path) -> OnDisk[Value]:
    """Write a value to a new file in a folder that only this user may write to.

    Raises
    ------
    OutputLostError
        The file cannot be written, for example because the disk is full, or the folder is another user's.
    """
    pickled, arrays = _split(value)
    name = f"regions-{secrets.token_hex(16)}.bin"
    try:
        owner = _write([pickled, *arrays], folder, name)
    except OSError as error:
        raise OutputLostError(
            f"{folder.parent}: the regions cannot be stored for the worker processes ({error.strerror or error}); "
            "free some space there, or set the environment variable TMPDIR to another folder."
        ) from error
    except _ForeignError as error:
        raise _refuse(folder, error) from error
    sizes = (len(pickled), *(array.nbytes for array in arrays))
    return OnDisk(folder, name, owner, sizes, hashlib.sha256(pickled).hexdigest())


class _Pickler(pickle.Pickler):
    """Leaves the data of arrays out of the pickle, also of memory-mapped arrays and of parts of arrays."""

    def reducer_override(self, value: Any) -> Any:
        """Return how to pickle an array."""
        if type(value) not in (np.ndarray, np.memmap):
            return NotImplemented
        is_whole = value.flags.c_contiguous or value.flags.f_contiguous
        return np.asarray(value, order=None if is_whole else "C").__reduce_ex__(pickle.HIGHEST_PROTOCOL)


def _split(value: Any) -> tuple[bytes, list[memoryview]]:
    """Return a pickle of a value without its arrays, and the data of the arrays."""
    stream = io.BytesIO()
    arrays: list[pickle.PickleBuffer] = []
    _Pickler(stream, pickle.HIGHEST_PROTOCOL, buffer_callback=arrays.append).dump(value)
    return stream.getvalue(), [array.raw() for array in arrays]


def _offsets(sizes: Sequence[int]) -> list[int]:
    """Return where each part of a file begins, and the size of the file."""
    return [0, *accumulate(-(-size // _ALIGNMENT) * _ALIGNMENT for size in sizes)]


def _write(parts: Sequence[bytes | memoryview], folder: Path, name: str) -> int | None:
    """Write a new file, and return its user ID."""
    with _open_folder(folder) as directory:
        if directory is not None:
            # On some file systems a new folder has the permissions of its parent, whatever was asked for.
            with contextlib.suppress(OSError):
                os.fchmod(directory, stat.S_IRWXU)
        with _open_file(folder, name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, directory) as file:
            owner = None
            if directory is not None:
                owner = os.fstat(file).st_uid
                _check_folder(directory, {owner})
            with open(file, "wb", closefd=False) as stream:
                for part in parts:
                    stream.write(part)
                    stream.write(bytes(-len(part) % _ALIGNMENT))
            return owner


@lru_cache(maxsize=1)
def _load(stored: OnDisk[Any]) -> Any:
    try:
        content = _map(stored)
        offsets = _offsets(stored.sizes)
        pickled, *arrays = (
            content[start : start + size] for start, size in zip(offsets[:-1], stored.sizes, strict=True)
        )
        # Another process could still change what is mapped.
        copied = bytes(pickled)
        if hashlib.sha256(copied).hexdigest() != stored.sha256:
            raise _ForeignError(f"the content of {stored.name} has changed")
    except OSError as error:
        raise OutputLostError(
            f"{stored.folder}: the regions stored there for the worker processes cannot be read "
            f"({error.strerror or error})."
        ) from error
    except _ForeignError as error:
        raise _refuse(stored.folder, error) from error
    return pickle.loads(copied, buffers=arrays)


def _map(stored: OnDisk[Any]) -> memoryview:
    """Return the content of a file, read-only, if the file and its folder are those of this user."""
    with _open_folder(stored.folder) as directory:
        # Root may be nobody on the disk of another machine, and containers number users in their own way.
        owners = set() if directory is None else {stored.owner, os.geteuid()}
        if directory is not None:
            _check_folder(directory, owners)
        with _open_file(stored.folder, stored.name, os.O_RDONLY, directory) as file:
            status = os.fstat(file)
            if not stat.S_ISREG(status.st_mode):
                raise _ForeignError(f"{stored.name} is not a regular file")
            if owners and status.st_uid not in owners:
                raise _ForeignError(f"{stored.name} belongs to the user with the ID {status.st_uid}")
            if status.st_size != stored.n_bytes:
                raise _ForeignError(f"{stored.name} has {status.st_size} bytes; expected {stored.n_bytes}")
            return memoryview(mmap.mmap(file, stored.n_bytes, access=mmap.ACCESS_READ))


@contextlib.contextmanager
def _open_folder(folder: Path) -> Iterator[int | None]:
    """Provide the descriptor of a folder, which stays the same folder whatever is renamed; None on Windows."""
    if not _HAS_OWNERS:
        yield None
        return
    directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | _FILE_FLAGS)
    try:
        yield directory
    finally:
        os.close(directory)


@contextlib.contextmanager
def _open_file(folder: Path, name: str, flags: int, directory: int | None) -> Iterator[int]:
    """Provide the descriptor of a file in a folder."""
    path = folder / name if directory is None else name
    file = os.open(path, flags | _FILE_FLAGS, stat.S_IRUSR | stat.S_IWUSR, dir_fd=directory)
    try:
        yield file
    finally:
        os.close(file)


def _check_folder(directory: int, owners: set[int | None]) -> None:
    """Raise if anybody but the owners may write to a folder."""
    status = os.fstat(directory)
    if status.st_uid not in owners:
        raise _ForeignError(f"the folder belongs to the user with the ID {status.st_uid}")
    if status.st_mode & _WRITABLE_BY_OTHERS:
        raise _ForeignError(f"other users may write to the folder, whose mode is {stat.S_IMODE(status.st_mode):04o}")


def _refuse(folder: Path, error: _ForeignError) -> OutputLostError:
    return OutputLostError(
        f"{folder}: the regions for the worker processes are not taken from this folder, because {error}; use a folder "
        "that only you may write to: TMPDIR for --n_jobs, the output directory for --scheduler."
    )
