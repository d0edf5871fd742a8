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
from pathlib import Path, PurePath
from typing import Any

import nibabel as nib

from niimasker.errors import OutputError, OutputLostError
from niimasker.options.paths import DATA_FOLDER as DATA_FOLDER
from niimasker.options.paths import REPORTS_FOLDER as REPORTS_FOLDER
from niimasker.outputs.locks import is_same_file, lock, open_for_locking

# After one of these errors no other file of the study can be written either.
_FATAL_ERRNOS = {errno.ENOSPC, errno.EROFS, getattr(errno, "EDQUOT", None), getattr(errno, "ESTALE", None)}
_PREFIX = ".niimasker-"
_TEMPORARY_NAME = re.compile(re.escape(_PREFIX) + r"[0-9a-f]{32}")
# The file in a temporary folder whose lock says that the folder is in use.
_FOLDER_LOCK = ".in-use"
# Where there are no locks, temporary folders of this age are left over.
_MAX_SECONDS_WITHOUT_LOCKS = 86400.0


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path for a file; on success it replaces the file, on failure it is removed.

    Raises
    ------
    OutputError
        The file cannot be written.
    OutputLostError
        The file cannot be written, nor can any other file.
    """
    with reporting_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        # From a folder beside it, a file can replace another one in one step of the file system.
        with private_folder(path.parent) as folder:
            temporary = folder / path.name
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
def private_folder(parent: Path) -> Iterator[Path]:
    """Provide a new folder that only this user may enter; it is removed at the end with what is left in it.

    As long as this process lives, the kernel keeps a lock on a file in the folder: others tell by it that the folder is
    in use. What is written to the folder is not locked itself, because on SMB a locked file cannot be written.
    """
    with contextlib.ExitStack() as stack:
        while True:
            folder = parent.absolute() / f"{_PREFIX}{uuid.uuid4().hex}"
            folder.mkdir(mode=0o700)
            stack.callback(_remove_folder, folder)
            lock_path = folder / _FOLDER_LOCK
            descriptor = os.open(lock_path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
            stack.callback(os.close, descriptor)
            # Another process may have taken the folder for a leftover before it was locked.
            if lock(descriptor, shared=True) is not False and is_same_file(descriptor, lock_path):
                break
        yield folder


def _remove_folder(folder: Path) -> None:
    try:
        # Most often nothing but the lock is left; this takes a third of the time of rmtree.
        (folder / _FOLDER_LOCK).unlink()
        folder.rmdir()
    except OSError:
        shutil.rmtree(folder, ignore_errors=True)


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


def is_inside(name: str) -> bool:
    """Return whether a recorded name stays in the output folder; somebody may have edited the record."""
    path = PurePath(name)
    return bool(path.parts) and not path.anchor and ".." not in path.parts and "\0" not in name


def find_files(names: Iterable[str], output_dir: Path) -> list[Path]:
    """Return the paths of recorded files; one that lies outside the output folder is not niimasker's."""
    return [output_dir / name for name in names if is_inside(name)]


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
    with contextlib.ExitStack() as stack:
        try:
            folder = stack.enter_context(private_folder(parent))
        except OSError as error:
            raise OutputLostError(
                f"{parent}: no temporary folder can be created there ({error.strerror or error}); "
                "check its permissions and free space."
            ) from error
        yield folder


def remove_leftovers(folders: Iterable[Path]) -> None:
    """Remove temporary folders of killed processes from these folders."""
    for folder in folders:
        with contextlib.suppress(OSError):
            for entry in list(os.scandir(folder)):
                if _TEMPORARY_NAME.fullmatch(entry.name):
                    # What belongs to others, or is no folder of niimasker in spite of its name, stays.
                    with contextlib.suppress(OSError):
                        _remove_leftover(Path(entry.path), entry.stat(follow_symlinks=False))


def _remove_leftover(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISDIR(status.st_mode):
        return
    is_old = time.time() - status.st_mtime > _MAX_SECONDS_WITHOUT_LOCKS
    try:
        descriptor = open_for_locking(path / _FOLDER_LOCK)
    except FileNotFoundError:
        is_left_over = is_old  # the file is made right after the folder
    else:
        try:
            is_locked = lock(descriptor)
            is_left_over = is_old if is_locked is None else is_locked
            if is_left_over:
                # While it is locked: the folder may be a new one, whose process is about to lock it.
                shutil.rmtree(path, ignore_errors=True)
        finally:
            os.close(descriptor)
    if is_left_over:
        # NFS and Windows keep a folder as long as a file in it is open.
        shutil.rmtree(path, ignore_errors=True)


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
    with replacing(path) as temporary:
        nib.save(img, temporary)


def copy_file(source: Path, path: Path) -> None:
    """Copy a file's content."""
    with contextlib.suppress(OSError):  # the file does not exist yet, or cannot exist there
        if path.samefile(source):
            return
    with replacing(path) as temporary:
        shutil.copyfile(source, temporary)
