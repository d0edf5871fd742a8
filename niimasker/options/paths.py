"""Paths as a user writes them, checks of what is there, and the names of the folders of the output directory."""

from __future__ import annotations

import contextlib
import stat
from pathlib import Path

# Folders of the output directory, and files in the first of them.
DATA_FOLDER = "niimasker_data"
REPORTS_FOLDER = "reports"
RECORD_NAME = "parameters.json"
SUMMARY_NAME = "summary.tsv"


def describe_missing_file(path: Path) -> str | None:
    """Return what is found at a path instead of a file; None if there is a file."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: the name cannot be that of a file
        return "no such file"
    except OSError as error:
        return error.strerror or "no such file"
    if stat.S_ISREG(mode):
        return None
    return "a folder" if stat.S_ISDIR(mode) else "not a regular file"


def is_named_pipe(path: Path) -> bool:
    """Return whether a path is that of a pipe, which is read for ever where nobody writes to it.

    The shell's pipes, as in `-c <(command)` and `/dev/stdin`, have no path of their own and end with their writer.
    """
    return path.is_fifo() and path.resolve().parent.name != "fd"


def expand_home(text: str) -> Path:
    """Return a path with a leading ~ expanded; unchanged if there is no home directory of that name."""
    with contextlib.suppress(RuntimeError):
        return Path(text).expanduser()
    return Path(text)
