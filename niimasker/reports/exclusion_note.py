"""The note on a run's page that the run is excluded."""

from __future__ import annotations

from markupsafe import Markup


def make_note(exclusion: str | None) -> Markup:
    """Return the note as HTML, empty if the run is not excluded."""
    if exclusion is None:
        return Markup('<div id="exclusion"></div>')
    return Markup(
        '<div id="exclusion"><p class="box"><b>Excluded:</b> {}. '
        "The tables of the run are written, but the group page and the table of --tidy leave it out.</p></div>"
    ).format(exclusion)
