"""Paths as a user writes them, and what lies at a path."""

from __future__ import annotations

import contextlib
import stat
from pathlib import Path


def describe_missing_file(path: Path) -> str | None:
    """Return what is at a path instead of a file; None where there is one."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: no file can have such a name
        return "no such file"
    except OSError as error:
        return error.strerror or "no such file"
    if stat.S_ISREG(mode):
        return None
    return "a folder" if stat.S_ISDIR(mode) else "no regular file"


def expand_home(text: str) -> Path:
    """Return a path, with ~ for the home directory where there is one of that name."""
    with contextlib.suppress(RuntimeError):
        return Path(text).expanduser()
    return Path(text)
