"""The publications of programs that preprocess images."""

from __future__ import annotations

from collections.abc import Mapping

from niimasker.inputs.preprocessing import Program
from niimasker.reports.references import DUPRE_2021, ESTEBAN_2019, MEHTA_2024, Reference

# By their names, in lower case and as XCP-D writes its own.
OF_PROGRAMS: Mapping[str, Reference] = {
    "fmriprep": ESTEBAN_2019,
    "xcp_d": MEHTA_2024,
    "xcp-d": MEHTA_2024,
    "tedana": DUPRE_2021,
}
_SPELLINGS = {"xcp_d": "XCP-D"}


def find_publication(program: Program) -> Reference | None:
    """Return the publication of a program, None if it is not known."""
    return OF_PROGRAMS.get(program.name.lower())


def cite_program(program: Program) -> str:
    """Return a program as a text cites it, with its version and its publication where they are known."""
    named = " ".join(filter(None, [_SPELLINGS.get(program.name, program.name), program.version]))
    publication = find_publication(program)
    return named if publication is None else f"{named} ({publication.short})"
