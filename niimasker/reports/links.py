"""Links from pages to other pages."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from niimasker.inputs.preprocessing import find_programs, find_report


@dataclass(frozen=True)
class Link:
    """A link, relative to the page, and its text."""

    href: str
    text: str


def to_href(link: str) -> str:
    """Return a link to a file as a URL."""
    # A file name may contain characters with a meaning in URLs (#, ?, %), and bytes that are not valid Unicode.
    return quote(link, errors="surrogateescape")


def link_to_preprocessing(image_path: Path, page_path: Path) -> Link | None:
    """Return the link from a run's page to the report of its preprocessing, None if there is no such file."""
    report_path = find_report(image_path)
    if report_path is None:
        return None
    try:
        # Links are not resolved, as a browser does not either.
        relative = Path(os.path.relpath(report_path, page_path.parent)).as_posix()
    except ValueError:  # on another drive
        return None
    programs = find_programs(image_path)
    text = f"{programs[0].name}'s report" if programs else "report of the preprocessing"
    return Link(to_href(relative), f"{text} ({report_path.name})")
