"""Write files so that one under its final name is complete."""

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

DATA_FOLDER = "niimasker_data"
REPORTS_FOLDER = "reports"

# With these no other file can be written either.
_LOST = {errno.ENOSPC, errno.EROFS, getattr(errno, "EDQUOT", None), getattr(errno, "ESTALE", None)}
_TEMPORARY = re.compile(r"\.niimasker-([0-9a-f]{8})-(\d+)-")
_MOST_SECONDS_OF_OTHERS = 86400.0


def summary_name(shard: Shard | None) -> str:
    """Return what the summary of a study, or of one of its shards, is called."""
    return "summary.tsv" if shard is None else f"summary_shard-{shard.number}-of-{shard.n_shards}.tsv"


def shard_summaries(folder: Path) -> list[Path]:
    """Return the summaries of shards that are there."""
    return sorted(folder.glob("summary_shard-*.tsv"))


@contextlib.contextmanager
def replacing(path: Path, suffix: str = ".tmp") -> Iterator[Path]:
    """Give a temporary path beside a file; what is written there replaces the file at the end, or vanishes.

    Raises
    ------
    OutputError
        The file cannot be written.
    OutputLostError
        Nor can any other.
    """
    # In the same folder, so that the replacement is one step of the file system.
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
        kind = OutputLostError if error.errno in _LOST else OutputError
        raise kind(f"{path} cannot be written ({reason}); mend that, or give another output_dir.") from error


def make_folder(path: Path) -> None:
    """Make a folder, and those above it, where it is not there.

    Raises
    ------
    OutputError
        It cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or error
        raise OutputError(f"{path} cannot be written ({reason}); mend that, or give another output_dir.") from error


def temporary_prefix() -> str:
    """Return how the names of this process's temporary files begin: with its machine and its number."""
    return f".niimasker-{_machine()}-{os.getpid()}-"


def _machine() -> str:
    return hashlib.sha256(platform.node().encode("utf-8", "surrogateescape")).hexdigest()[:8]


def remove_leftovers(folders: Iterable[Path]) -> None:
    """Remove the temporary files and folders in some folders whose process was killed."""
    for folder in folders:
        with contextlib.suppress(OSError):
            for entry in list(os.scandir(folder)):
                if _is_left_over(entry):
                    _remove(Path(entry.path))


def _is_left_over(entry: os.DirEntry[str]) -> bool:
    made_by = _TEMPORARY.match(entry.name)
    if made_by is None:
        return False
    machine, pid = made_by.groups()
    if machine == _machine():
        return not _is_alive(int(pid))
    # Another machine of a cluster may be at it.
    return time.time() - entry.stat().st_mtime > _MOST_SECONDS_OF_OTHERS


def _is_alive(pid: int) -> bool:
    if os.name != "posix":
        return True  # there, signal 0 would end the process
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # somebody else's
    return True


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def check_output_dir(output_dir: Path) -> None:
    """Raise OutputLostError when an output directory that was there is gone or does not let files in."""
    if not output_dir.is_dir():
        raise OutputLostError(f"{output_dir} cannot be written (it is gone); mend that, or give another output_dir.")
    if not os.access(output_dir, os.W_OK | os.X_OK):
        raise OutputLostError(f"{output_dir} cannot be written (no permission); mend that, or give another output_dir.")


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON object, UTF-8 and indented; NaN and infinity, which JSON has not, as null."""
    text = json.dumps(_without_nan(content), indent=2, ensure_ascii=False) + "\n"
    with replacing(path) as temporary:
        # A file name that is no Unicode becomes \udcXX, which JSON reads back as Python wrote it.
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def _without_nan(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _without_nan(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_without_nan(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def write_image(path: Path, img: nib.spatialimages.SpatialImage) -> None:
    """Write an image; the suffix decides whether it is compressed."""
    with replacing(path, suffix="".join(path.suffixes[-2:])) as temporary:
        nib.save(img, temporary)


def copy_file(source: Path, path: Path) -> None:
    """Copy a file's content."""
    with contextlib.suppress(OSError):  # there is no such file yet, or none can be there
        if path.samefile(source):
            return
    with replacing(path) as temporary:
        shutil.copyfile(source, temporary)
