"""Atomic writing of files: a file under its final name is always complete."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import math
import os
import platform
import re
import shutil
import time
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import nibabel as nib

from niimasker.errors import OutputError, OutputLostError
from niimasker.options.option_types import Shard
from niimasker.options.paths import DATA_FOLDER as DATA_FOLDER
from niimasker.options.paths import REPORTS_FOLDER as REPORTS_FOLDER
from niimasker.options.paths import SUMMARY_NAME

# After one of these errors no other file of the study can be written either.
_FATAL_ERRNOS = {errno.ENOSPC, errno.EROFS, getattr(errno, "EDQUOT", None), getattr(errno, "ESTALE", None)}
_TEMPORARY_NAME = re.compile(r"\.niimasker-([0-9a-f]{8})-(\d+)-")
_MAX_SECONDS_ON_OTHER_MACHINES = 86400.0


def summary_name(shard: Shard | None) -> str:
    """Return the file name of the summary of a study, or of one of its shards."""
    return SUMMARY_NAME if shard is None else f"summary_shard-{shard.number}-of-{shard.n_shards}.tsv"


def shard_summaries(folder: Path) -> list[Path]:
    """Return the paths of the shards' summaries that exist."""
    return sorted(folder.glob("summary_shard-*.tsv"))


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
    # A temporary file in the same folder can replace the file in one step of the file system.
    temporary = path.with_name(f"{temporary_prefix()}{uuid.uuid4().hex}{suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        reason = error.strerror or error
        kind = OutputLostError if error.errno in _FATAL_ERRNOS else OutputError
        raise kind(f"{path} cannot be written ({reason}); fix that, or give another output_dir.") from error


def make_folder(path: Path) -> None:
    """Make a folder and its parents where they do not exist.

    Raises
    ------
    OutputError
        The folder cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or error
        raise OutputError(f"{path} cannot be written ({reason}); fix that, or give another output_dir.") from error


def temporary_prefix() -> str:
    """Return the prefix of this process's temporary files, which names its machine and its process id."""
    return f".niimasker-{_machine_id()}-{os.getpid()}-"


def _machine_id() -> str:
    return hashlib.sha256(platform.node().encode("utf-8", "surrogateescape")).hexdigest()[:8]


def remove_leftovers(folders: Iterable[Path]) -> None:
    """Remove temporary files and folders of killed processes from these folders."""
    for folder in folders:
        with contextlib.suppress(OSError):
            for entry in list(os.scandir(folder)):
                if _is_left_over(entry):
                    _remove(Path(entry.path))


def _is_left_over(entry: os.DirEntry[str]) -> bool:
    match = _TEMPORARY_NAME.match(entry.name)
    if match is None:
        return False
    machine, pid = match.groups()
    if machine == _machine_id():
        return not _is_alive(int(pid))
    # A process on another machine of a cluster may still be writing it.
    return time.time() - entry.stat().st_mtime > _MAX_SECONDS_ON_OTHER_MACHINES


def _is_alive(pid: int) -> bool:
    if os.name != "posix":
        return True  # on Windows, signal 0 would end the process
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # the process belongs to another user
    return True


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def check_output_dir(output_dir: Path) -> None:
    """Raise OutputLostError if the output directory no longer exists or is not writable."""
    if not output_dir.is_dir():
        raise OutputLostError(
            f"{output_dir} cannot be written (it no longer exists); fix that, or give another output_dir."
        )
    if not os.access(output_dir, os.W_OK | os.X_OK):
        raise OutputLostError(f"{output_dir} cannot be written (no permission); fix that, or give another output_dir.")


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON object, in UTF-8 and indented; NaN and infinity, which JSON does not have, become null."""
    text = json.dumps(_without_nan(content), indent=2, ensure_ascii=False) + "\n"
    with replacing(path) as temporary:
        # A file name that is not valid Unicode becomes \udcXX, which Python's JSON reader restores.
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


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
