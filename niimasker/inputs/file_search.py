"""Search for the files that a pattern matches, as glob does, but without following links in a circle."""

from __future__ import annotations

import contextlib
import glob
import os
import re
from collections.abc import Iterator
from pathlib import Path

_SEPARATORS = re.escape(os.sep + (os.altsep or ""))
# A part of the path that is ** alone, which stands for any folders.
_ANY_FOLDERS = re.compile(rf"(?:^|(?<=[{_SEPARATORS}]))\*\*([{_SEPARATORS}]+|$)")


def find_matches(pattern: str) -> list[Path]:
    """Return the files and folders that a pattern matches, each once; ** stands for any folders that are not hidden.

    As glob does, ** follows links to folders; but not those to a folder that contains the link, which glob follows
    again and again.
    """
    return list(dict.fromkeys(map(Path, _match(pattern))))


def _match(pattern: str) -> Iterator[str]:
    found = _ANY_FOLDERS.search(pattern)
    if found is None:
        yield from glob.iglob(pattern)  # noqa: PTH207
        return
    head, tail = pattern[: found.start()], pattern[found.end() :]
    for start in glob.iglob(head) if head else [""]:  # noqa: PTH207
        for folder in _walk(start):
            if tail:
                yield from _match(os.path.join(glob.escape(folder), tail))  # noqa: PTH118
                continue
            if folder:
                yield folder
            if not found[1]:
                yield from (entry.path for entry in _list_entries(folder))


def _walk(folder: str) -> Iterator[str]:
    """Yield a folder and all folders below it."""
    folders = [folder]
    while folders:
        folder = folders.pop()
        yield folder
        folders += [entry.path for entry in _list_entries(folder) if _is_below(entry)]


def _list_entries(folder: str) -> Iterator[os.DirEntry[str]]:
    # Folders that cannot be read are empty to glob, and hidden ones not there.
    with contextlib.suppress(OSError), os.scandir(folder or os.curdir) as entries:
        yield from (entry for entry in entries if not entry.name.startswith("."))


def _is_below(entry: os.DirEntry[str]) -> bool:
    """Return whether an entry is a folder to be entered."""
    try:
        return entry.is_dir() and not (entry.is_symlink() and _leads_back(Path(entry.path)))
    except OSError:  # a link to itself
        return False


def _leads_back(link: Path) -> bool:
    """Return whether a link leads to one of the folders that contain it, on its way there or where they really are."""
    target = link.stat()
    path = Path(os.path.abspath(link))  # noqa: PTH100 - resolve() would follow the link
    return any(os.path.samestat(folder.stat(), target) for folder in {*path.parents, *path.parent.resolve().parents})
