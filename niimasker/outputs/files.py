"""Atomic writing of files: a file under its final name is always complete."""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import re
import shutil
import stat
import time
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import nibabel as nib

from niimasker.errors import OutputError, OutputLostError
from niimasker.options.paths import DATA_FOLDER as DATA_FOLDER
from niimasker.options.paths import REPORTS_FOLDER as REPORTS_FOLDER
from niimasker.outputs.locks import is_abandoned, is_same_file, lock, open_for_locking

# After one of these errors no other file of the study can be written either.
_FATAL_ERRNOS = {errno.ENOSPC, errno.EROFS, getattr(errno, "EDQUOT", None), getattr(errno, "ESTALE", None)}
_PREFIX = ".niimasker-"
_TEMPORARY_NAME = re.compile(re.escape(_PREFIX) + r"[0-9a-f]{32}(\..*)?")
# The file in a temporary folder whose lock says that the folder is in use.
_FOLDER_LOCK = ".in-use"
# Where there are no locks, temporary files of this age are left over.
_MAX_SECONDS_WITHOUT_LOCKS = 86400.0


@contextlib.contextmanager
def replacing(path: Path, suffix: str = ".tmp") -> Iterator[Path]:
    """Yield a temporary path beside a file; on success it replaces the file, on failure it is removed.

    Raises
    ------
    OutputError
        The file cannot be written.
    OutputLostError
        The file cannot be written, nor can any other file.
    """
    with reporting_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary_file(path.parent, suffix) as temporary:
            yield temporary
            flush(temporary)
            temporary.replace(path)
        flush(path.parent)


@contextlib.contextmanager
def reporting_errors(path: Path) -> Iterator[None]:
    """Raise OutputError for an OSError at writing a file, OutputLostError if no other file can be written either."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        kind = OutputLostError if error.errno in _FATAL_ERRNOS else OutputError
        raise kind(f"{path} cannot be written ({reason}); fix that, or give another output_dir.") from error


@contextlib.contextmanager
def temporary_file(folder: Path, suffix: str = ".tmp") -> Iterator[Path]:
    """Yield the path of a new file in a folder; it is removed at the end, unless it has been moved away.

    As long as this process lives, the kernel keeps a lock on the file: others tell by it that it is in use.
    """
    # A temporary file in the same folder can replace the file in one step of the file system.
    while True:
        path = folder / f"{_PREFIX}{uuid.uuid4().hex}{suffix}"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o666)
        # Another process may have taken the file for a leftover before it was locked.
        if lock(descriptor, shared=True) is not False and is_same_file(descriptor, path):
            break
        os.close(descriptor)
    try:
        yield path
    finally:
        os.close(descriptor)
        # On a disk that has become read-only it stays, as that of a killed process, for the next call.
        with contextlib.suppress(OSError):
            path.unlink()


def flush(path: Path) -> None:
    """Have the disk keep what was written to a file, or the names in a folder, before anything that follows."""
    if os.name != "posix":
        return  # Windows opens no folders
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems keep folders at once and refuse to flush them.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def make_folder(path: Path) -> None:
    """Make a folder and its parents where they do not exist.

    Raises
    ------
    OutputError
        The folder cannot be made.
    """
    with reporting_errors(path):
        path.mkdir(parents=True, exist_ok=True)


@contextlib.contextmanager
def temporary_folder(parent: Path) -> Iterator[Path]:
    """Provide a new folder that only this user may enter; it is removed at the end.

    Folders that killed processes have left beside it are removed first.

    Raises
    ------
    OutputLostError
        No folder can be made there.
    """
    remove_leftovers([parent])
    folder = parent.absolute() / f"{_PREFIX}{uuid.uuid4().hex}"
    with contextlib.ExitStack() as stack:
        try:
            folder.mkdir(mode=0o700)
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            descriptor = os.open(folder / _FOLDER_LOCK, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
            stack.callback(os.close, descriptor)
            lock(descriptor)
        except OSError as error:
            raise OutputLostError(
                f"{parent}: no temporary folder can be created there ({error.strerror or error}); "
                "check its permissions and free space."
            ) from error
        yield folder


def remove_leftovers(folders: Iterable[Path]) -> None:
    """Remove temporary files and folders of killed processes from these folders."""
    for folder in folders:
        with contextlib.suppress(OSError):
            for entry in list(os.scandir(folder)):
                if _TEMPORARY_NAME.fullmatch(entry.name):
                    # What belongs to others, or is no file of niimasker in spite of its name, stays.
                    with contextlib.suppress(OSError):
                        _remove_leftover(Path(entry.path), entry.stat(follow_symlinks=False))


def _remove_leftover(path: Path, status: os.stat_result) -> None:
    is_old = time.time() - status.st_mtime > _MAX_SECONDS_WITHOUT_LOCKS
    if stat.S_ISDIR(status.st_mode):
        # The lock is made right after the folder.
        is_left_over = is_abandoned(path / _FOLDER_LOCK) if (path / _FOLDER_LOCK).exists() else is_old
        if is_left_over or (is_left_over is None and is_old):
            shutil.rmtree(path, ignore_errors=True)
    elif stat.S_ISREG(status.st_mode):
        descriptor = open_for_locking(path)
        try:
            is_left_over = lock(descriptor)
            if is_left_over or (is_left_over is None and is_old):
                path.unlink()
        finally:
            os.close(descriptor)


def check_output_dir(output_dir: Path) -> None:
    """Raise OutputLostError if the output directory no longer exists or is not writable."""
    if not output_dir.is_dir():
        raise OutputLostError(
            f"{output_dir} cannot be written (it no longer exists); fix that, or give another output_dir."
        )
    if not os.access(output_dir, os.W_OK | os.X_OK):
        raise OutputLostError(f"{output_dir} cannot be written (no permission); fix that, or give another output_dir.")


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Replace a file by a JSON object, as `save_json` writes it."""
    with replacing(path) as temporary:
        save_json(temporary, content)


def save_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON object, in UTF-8 and indented; NaN and infinity, which JSON does not have, become null."""
    text = json.dumps(_without_nan(content), indent=2, ensure_ascii=False) + "\n"
    # A file name that is not valid Unicode becomes \udcXX, which Python's JSON reader restores.
    path.write_text(text, encoding="utf-8", errors="backslashreplace")


def _without_nan(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _without_nan(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_without_nan(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def write_image(path: Path, img: nib.spatialimages.SpatialImage) -> None:
    """Write an image, compressed if its suffix says so."""
    with replacing(path, suffix="".join(path.suffixes[-2:])) as temporary:
        nib.save(img, temporary)


def copy_file(source: Path, path: Path) -> None:
    """Copy a file's content."""
    with contextlib.suppress(OSError):  # the file does not exist yet, or cannot exist there
        if path.samefile(source):
            return
    with replacing(path) as temporary:
        shutil.copyfile(source, temporary)
