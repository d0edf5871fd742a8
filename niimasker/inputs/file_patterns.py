"""Expand the names and patterns of files that options give."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path

from natsort import natsorted

from niimasker.errors import RunsError, shorten_text
from niimasker.inputs.file_search import find_matches
from niimasker.options.paths import describe_missing_file, expand_home


def expand_patterns(patterns: Sequence[str], option: str) -> list[Path]:
    """Return the files that names and patterns stand for; matches of a pattern sorted naturally by file name."""
    return [path for pattern in patterns for path in _expand_pattern(str(expand_home(pattern)), option)]


def _expand_pattern(pattern: str, option: str) -> list[Path]:
    # An existing file is not taken as a pattern, even if its name holds brackets.
    found = describe_missing_file(Path(pattern))
    if found is None:
        return [Path(pattern)]
    if not glob.has_magic(pattern):
        problem = {"a folder": "is a folder", "no such file": "does not exist"}.get(found, f"cannot be used ({found})")
        folder = "a folder, " if option == "--input_files" else ""
        raise RunsError(f"{option}: {shorten_text(pattern)} {problem}; give {folder}files or patterns.")
    matches = [path for path in find_matches(pattern) if _is_match(path)]
    if not matches:
        raise RunsError(f"{option}: no file matches {shorten_text(pattern)} (searched from {Path.cwd()}).")
    ordered: list[Path] = natsorted(matches, key=lambda path: (path.name, str(path)))
    return ordered


def _is_match(path: Path) -> bool:
    # Broken links are kept, so that a run whose file is not fetched is reported and not silently left out.
    found = describe_missing_file(path)
    return found is None or (found == "no such file" and path.is_symlink())
