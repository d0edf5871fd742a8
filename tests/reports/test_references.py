"""References in full and in BibTeX, and those of atlases and programs."""

from __future__ import annotations

import re
from pathlib import Path

import nilearn.datasets
import pytest

from niimasker.inputs.preprocessing import Program
from niimasker.regions.atlases.sources import ATLASES
from niimasker.reports import pipelines_methods, references
from niimasker.reports.atlas_references import OF_NILEARN, cite_atlas
from niimasker.reports.bibtex import format_bibtex
from niimasker.reports.program_references import cite_program
from niimasker.reports.references import NIIMASKER, POWER_2012, Reference, Text

OF_PAGES = [
    each for module in (references, pipelines_methods) for each in vars(module).values() if isinstance(each, Reference)
]
ALL = list(dict.fromkeys([*OF_PAGES, *(each for cited in OF_NILEARN.values() for each in cited)]))
# What nilearn's documentation of each fetcher cites, by the keys of its bibliography.
IN_NILEARN = {
    "aal": ("Tzourio-Mazoyer2002",),
    "allen": ("Allen2011",),
    "basc": ("Bellec2010",),
    "craddock": ("Craddock2012",),
    "destrieux": ("Destrieux2010",),
    "difumo": ("Dadi2020",),
    "harvard_oxford": ("Makris2006", "Frazier2005", "Desikan2006", "Goldstein2007"),
    "juelich": ("Amunts2020",),
    "msdl": ("Varoquaux2011",),
    "pauli": ("Pauli2018",),
    "schaefer": ("Schaefer2017",),
    "smith": ("Smith2009b",),
    "talairach": ("Lancaster1997", "Lancaster2000"),
    "yeo": ("Yeo2011",),
}
DESCRIPTIONS = {"destrieux": "destrieux_surface", "msdl": "msdl_atlas", "talairach": "talairach_atlas"}


def parse_bibtex(text: str) -> dict[str, dict[str, str]]:
    """The fields of each entry by its key; an error where BibTeX's grammar does not hold."""
    entries: dict[str, dict[str, str]] = {}
    place = 0
    while match := re.compile(r"\s*@(article|inproceedings|misc)\{([a-z0-9:A-Z]+),\s*").match(text, place):
        place, fields = match.end(), {"kind": match[1]}
        while field := re.compile(r"([a-z]+) = \{").match(text, place):
            start = place = field.end()
            depth = 1
            while depth:
                depth += {"{": 1, "}": -1}.get(text[place], 0)
                place += 1
            assert field[1] not in fields
            fields[field[1]] = text[start : place - 1]
            comma = re.compile(r",\s*").match(text, place)
            assert comma
            place = comma.end()
        assert text[place] == "}"
        place += 1
        assert match[2] not in entries
        entries[match[2]] = fields
    assert not text[place:].strip()
    return entries


def test_bibtex_has_an_entry_with_all_parts_of_each_reference():
    entries = parse_bibtex(format_bibtex(ALL))
    assert len(entries) == len(ALL) == len({each.key for each in ALL})
    for each in ALL:
        entry = entries[each.key]
        assert entry["doi"] == each.doi
        assert entry["year"] == str(each.year)
        assert entry["title"] == f"{{{each.title}}}"
        assert entry["pages"].replace("--", "-") == each.pages
        assert len(entry["author"].split(" and ")) == len(each.authors.split(", "))
        assert each.source in (entry.get("journal"), entry.get("booktitle"))


def test_authors_are_in_the_order_that_bibtex_takes():
    (entry,) = parse_bibtex(format_bibtex([POWER_2012])).values()
    assert entry["author"].startswith("Power, J. D. and Barnes, K. A.")
    (entry,) = parse_bibtex(format_bibtex([pipelines_methods.BLONDEL_2008])).values()
    assert "Guillaume, J.-L. and" in entry["author"]
    (entry,) = parse_bibtex(format_bibtex([references.ABRAHAM_2014])).values()
    assert entry["author"].endswith(" and others")


def test_what_latex_would_read_as_a_command_is_written_out():
    text = format_bibtex([Text("a_b.nii", "50 % of {this & \\that", "atlas:ab:1")])
    assert parse_bibtex(text) == {
        "atlas:ab:1": {
            "kind": "misc",
            "title": r"{a\_b.nii}",
            "note": r"50 \% of \textbraceleft{}this \& \textbackslash{}that",
        }
    }


@pytest.mark.parametrize("reference", ALL, ids=lambda each: each.key)
def test_references_are_complete(reference):
    assert re.fullmatch(r"10\.\d{4,5}/\S+", reference.doi)
    assert re.fullmatch(r"[A-Za-z]?\d+(-\d+)?", reference.pages)
    assert not reference.title.endswith(".")
    assert reference.volume.isdecimal() or not reference.volume


def test_niimasker_is_cited_as_its_citation_file_says():
    lines = (Path(__file__).parents[2] / "CITATION.cff").read_text("utf-8").splitlines()
    said = dict(re.findall(r"^(?:  - )?(\w+): (.+)$", "\n".join(lines), re.M))
    assert NIIMASKER.name == said["title"]
    assert NIIMASKER.number == said["version"]
    assert NIIMASKER.description == said["abstract"]
    assert NIIMASKER.authors == said["name"]
    (entry,) = parse_bibtex(format_bibtex([NIIMASKER])).values()
    assert said["version"] in entry["note"]


class TestAtlases:
    def test_every_atlas_of_a_query_has_references(self):
        assert OF_NILEARN.keys() == ATLASES.keys() == IN_NILEARN.keys()
        assert all(cite_atlas(f"nilearn:{name}:1").publications for name in ATLASES)

    @pytest.mark.parametrize("name", IN_NILEARN)
    def test_references_are_those_of_nilearns_documentation(self, name):
        cited = [re.sub(r"[^a-z]", "", each.surnames[0].lower()) for each in OF_NILEARN[name]]
        assert cited == [re.sub(r"[^a-z]", "", key.lower().rstrip("b0123456789")) for key in IN_NILEARN[name]]
        folder = Path(nilearn.datasets.__file__).parent / "description"
        description = "".join(path.read_text("utf-8") for path in folder.glob(f"{DESCRIPTIONS.get(name, name)}*.rst"))
        assert set(IN_NILEARN[name]) <= set(re.findall(r":footcite:t:`([^`]+)`", description))

    def test_files_have_the_references_of_their_json_files(self, tmp_path):
        path = tmp_path / "my atlas.nii.gz"
        assert cite_atlas(str(path)).of_files == ()
        (tmp_path / "my atlas.json").write_text('{"ReferencesAndLinks": ["One, 2001", "Two, 2002"]}')
        of_files = cite_atlas(str(path)).of_files
        assert [each.full for each in of_files] == ["my atlas.nii.gz: One, 2001", "my atlas.nii.gz: Two, 2002"]
        assert [each.key for each in of_files] == ["atlas:myatlas:1", "atlas:myatlas:2"]


@pytest.mark.parametrize(
    ("program", "cited"),
    [
        (Program("fMRIPrep", "24.1.1"), "fMRIPrep 24.1.1 (Esteban et al., 2019)"),
        (Program("xcp_d", "0.10.6"), "XCP-D 0.10.6 (Mehta et al., 2024)"),
        (Program("tedana", ""), "tedana (DuPre et al., 2021)"),
        (Program("mine", "1"), "mine 1"),
    ],
)
def test_programs_are_cited_with_version_and_publication(program, cited):
    assert cite_program(program) == cited
