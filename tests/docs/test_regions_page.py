"""The page of regions has every atlas of nilearn's, and every column that holds names."""

from __future__ import annotations

import re

from documentation import PAGES, code_in, table

from niimasker.regions.atlases.fetching import ATLASES
from niimasker.regions.atlases.queries import describe_form
from niimasker.regions.names.columns import NAME_COLUMNS


def test_atlas_table_has_every_atlas_and_how_its_query_is_written():
    rows = table("atlas", "query", "parameters")
    assert [row[0] for row in rows] == list(ATLASES)
    assert [code_in(row[1]) for row in rows] == [[describe_form(name, source)] for name, source in ATLASES.items()]


def test_atlas_table_has_every_word_with_the_default_in_bold():
    parameters = {row[0]: row[2] for row in table("atlas", "query", "parameters")}
    listed = [
        (name, parameter)
        for name, source in ATLASES.items()
        for parameter in source.parameters
        if parameter.words and (name, parameter.name) != ("harvard_oxford", "atlas")
    ]
    for name, parameter in listed:
        words = ", ".join(f"**{word}**" if word == parameter.default else word for word in parameter.words)
        assert f"{parameter.name}: {words}" in parameters[name].split("; ")


def test_words_of_harvard_oxford_are_those_of_juelich_after_a_part():
    harvard_oxford, juelich = (ATLASES[name].parameters[0].words for name in ("harvard_oxford", "juelich"))
    parts = ("cort-", "cortl-", "sub-")
    assert set(harvard_oxford) == {f"{part}{word}" for part in parts for word in juelich}
    assert "atlas: cort-, cortl- or sub- before a word of juelich" in PAGES["regions"]


def test_columns_of_names_are_the_codes():
    (section,) = re.findall(r"^### Names from --labels\n(.*?)^##", PAGES["regions"], re.MULTILINE | re.DOTALL)
    listed = {column.lower().replace("_", " ") for column in code_in(section)}
    assert set(NAME_COLUMNS) <= listed
