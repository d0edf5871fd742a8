"""References in BibTeX."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from niimasker.reports.references import Cited, Reference, Software

_SPECIAL = {
    "\\": r"\textbackslash{}",
    # Braces must be in pairs, and BibTeX counts those after a backslash too.
    "{": r"\textbraceleft{}",
    "}": r"\textbraceright{}",
    **{letter: f"\\{letter}" for letter in "&%$#_"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}


def format_bibtex(references: Iterable[Cited]) -> str:
    """Return the entries of references in BibTeX."""
    return "\n\n".join(map(_format_entry, references))


def _format_entry(reference: Cited) -> str:
    if isinstance(reference, Reference):
        return _format(*_describe_publication(reference))
    if isinstance(reference, Software):
        fields = {
            "author": f"{{{_escape(reference.authors)}}}",
            "title": f"{{{_escape(reference.name)}: {_escape(reference.description)}}}",
            "note": f"Version {_escape(reference.number)} [computer software]",
        }
        return _format("misc", reference.key, fields)
    fields = {"title": f"{{{_escape(reference.name)}}}", "note": _escape(reference.text)}
    return _format("misc", reference.key, fields)


def _describe_publication(reference: Reference) -> tuple[str, str, dict[str, str]]:
    fields = {
        "author": " and ".join(map(_format_author, reference.authors.split(", "))),
        # The inner braces keep capitals.
        "title": f"{{{_escape(reference.title)}}}",
        "booktitle" if reference.is_in_book else "journal": _escape(reference.source),
        "year": str(reference.year),
        "volume": reference.volume,
        "pages": reference.pages.replace("-", "--"),
        "doi": reference.doi,
    }
    return "inproceedings" if reference.is_in_book else "article", reference.key, fields


def _format_author(name: str) -> str:
    """Return an author as BibTeX separates the parts of names: "Power JD" is "Power, J. D."."""
    if name == "et al.":
        return "others"
    surname, _, initials = name.rpartition(" ")
    parts = re.findall("-?[^-]", initials)
    return f"{_escape(surname)}, {' '.join(f'{part}.' for part in parts).replace(' -', '-')}"


def _format(kind: str, key: str, fields: Mapping[str, str]) -> str:
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
    return "\n".join([f"@{kind}{{{key},", *lines, "}"])


def _escape(text: str) -> str:
    """Return a text in which what LaTeX would read as a command is written out."""
    return "".join(_SPECIAL.get(letter, letter) for letter in text)
