"""A methods paragraph with the references that it cites."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from niimasker.reports.bibtex import format_bibtex
from niimasker.reports.references import Cited, Reference, Software, Text


@dataclass(frozen=True)
class Paragraph:
    """A text, the full references that it cites, and the same in BibTeX.

    Parameters
    ----------
    uncited
        What else is to be cited, whose references are not known: "the atlas", "the preprocessing".
    """

    text: str
    references: tuple[str, ...]
    bibtex: str
    uncited: tuple[str, ...] = ()


def make_paragraph(
    text: str,
    publications: Iterable[Reference | Software],
    of_files: Iterable[Text] = (),
    uncited: Iterable[str] = (),
) -> Paragraph:
    """Return a paragraph with the references that its text cites.

    Parameters
    ----------
    publications
        What the text may cite.
    of_files
        References as files give them, which the text cannot cite in short.
    uncited
        What else is to be cited.
    """
    found: list[Cited] = [each for each in publications if each.short in text]
    cited = sorted(dict.fromkeys([*found, *of_files]), key=lambda each: each.full)
    return Paragraph(text, tuple(each.full for each in cited), format_bibtex(cited), tuple(uncited))
