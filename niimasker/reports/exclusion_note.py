"""The note on a run's page that the run is excluded, which changes when a later call with --resume has other limits."""

from __future__ import annotations

import re
from pathlib import Path

from markupsafe import Markup

from niimasker.outputs.files import replacing

_NOTE = re.compile(rb'<div id="exclusion">.*?</div>')
# In bytes. The note is near the beginning of the page, after the names of the image's files.
_MOST_BEFORE_NOTE = 1 << 16


def make_note(exclusion: str | None) -> Markup:
    """Return the note as HTML, empty if the run is not excluded."""
    if exclusion is None:
        return Markup('<div id="exclusion"></div>')
    return Markup(
        '<div id="exclusion"><p class="box"><b>Excluded:</b> {}. '
        "The tables of the run are written, but the group page and the table of --tidy leave it out.</p></div>"
    ).format(exclusion)


def update_note(page_path: Path, exclusion: str | None) -> None:
    """Replace the note of a page, if it says something else.

    Raises
    ------
    OutputError
        The page cannot be written.
    """
    note = make_note(exclusion).encode("utf-8", "backslashreplace")
    with page_path.open("rb") as file:
        found = _NOTE.search(file.read(_MOST_BEFORE_NOTE))
        if found is None or found[0] == note:
            return
        file.seek(0)
        content = file.read()
    with replacing(page_path) as temporary:
        temporary.write_bytes(content[: found.start()] + note + content[found.end() :])
