"""How the page of a run ends: which tells complete pages from cut ones, and from those of runs that have failed."""

from __future__ import annotations

from pathlib import Path

_COMPLETE = b"</html>"
# No page of a run that is done ends like this, so that --resume never takes the page of a failed run for complete.
FAILED = "<!-- niimasker: the run has no tables -->"


def is_complete_page(path: Path) -> bool:
    """Return whether a page ends as that of every run with tables does; after a power cut it may be empty or cut."""
    return _ends_with(path, _COMPLETE)


def is_failed_page(path: Path) -> bool:
    """Return whether a page is one that niimasker wrote about a run without tables."""
    return _ends_with(path, FAILED.encode())


def _ends_with(path: Path, end: bytes) -> bool:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - len(end)))
            return file.read() == end
    except (OSError, ValueError):  # ValueError: no file can have such a name
        return False
