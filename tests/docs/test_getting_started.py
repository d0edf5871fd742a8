"""Getting started shows what the example prints and writes."""

from __future__ import annotations

import itertools
import re

import pytest
from documentation import IMAGE, PAGES, ROOT, SIGNALS, blocks

FROM_A_CLONE = (
    "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/niimasker example_output --example",
    'python3 -m venv .venv && .venv/bin/pip install ".[test]" && .venv/bin/pytest',
)


def shown(file_name: str) -> list[list[str]]:
    """The lines that a console block shows of a file."""
    block = next(block for block in blocks("console") if file_name in block)
    return [line.split("\t") for line in block.splitlines()[1:]]


def assert_same_cells(found: list[list[str]], expected: list[list[str]], digits: float) -> None:
    assert [len(row) for row in found] == [len(row) for row in expected]
    for cell, other in zip(itertools.chain(*found), itertools.chain(*expected), strict=True):
        if re.fullmatch(r"-?\d+\.\d+", other):
            assert float(cell) == pytest.approx(float(other), rel=digits, abs=digits)
        else:
            assert cell == other


def test_the_two_commands_from_a_clone_are_named():
    assert set(FROM_A_CLONE) <= set("".join(blocks("sh", "getting_started")).splitlines())


def test_what_the_example_prints_is_shown(example):
    assert example.printed in blocks("text", "getting_started")


def test_first_rows_of_the_examples_signals_are_shown(example):
    expected = [row[:5] for row in example.lines(SIGNALS, 4)]
    assert_same_cells(shown("_timeseries.tsv"), expected, digits=1e-6)


def test_first_rows_of_the_examples_regions_are_shown(example):
    assert_same_cells(shown("_regions.tsv"), example.lines(f"example_output/{IMAGE}_regions.tsv", 3), digits=1e-4)


def test_configuration_of_the_example_is_shown(example):
    assert (example.folder / "example_output/data/config.json").read_text("utf-8") in blocks("json", "getting_started")


@pytest.mark.parametrize("page", ["index", "getting_started"])
def test_picture_of_the_report_is_there_and_small(page):
    (picture,) = re.findall(r"!\[[^\]]+\]\((\S+)\)", PAGES[page])
    assert 10_000 < (ROOT / "docs" / picture).stat().st_size < 300_000


def test_landing_page_lists_every_page_and_every_page_is_in_its_contents():
    others = set(PAGES) - {"index"}
    assert set(re.findall(r"^\| \[[^\]]+\]\((\w+)\.md\)", PAGES["index"], re.M)) == others
    assert {name for block in blocks(r"\{toctree\}", "index") for name in block.split() if name in PAGES} == others
