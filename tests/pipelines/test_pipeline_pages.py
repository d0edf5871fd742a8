"""Each pipeline of each run has a page, and the index leads to them."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from cleaned_studies import PIPELINES, WORDS
from pipeline_tables import call, label_of, write_pipelines

PAGES = {f"sub-0{number}_task-rest_bold_desc-{label_of(name)}_report.html" for number in (1, 2) for name in PIPELINES}


@pytest.fixture
def words(study) -> list[str]:
    """The words of a call that writes pages."""
    return ["out", *WORDS[:-1], "--pipelines", write_pipelines("pipelines.json", PIPELINES)]


def links(page: str) -> set[str]:
    return {unquote(link) for link in re.findall(r'href="([^"#?]+)', page)}


def test_every_run_and_pipeline_has_a_page_that_the_index_leads_to(words):
    assert call(*words).code == 0
    assert {path.name for path in Path("out/reports").glob("*_report.html")} == PAGES
    index = Path("out/reports/index.html").read_text("utf-8")
    found = {each for each in PAGES if each in index or each.replace("+", "%2B") in index}
    assert found == PAGES
    for name in PIPELINES:
        assert name in index
        page = Path(f"out/reports/sub-01_task-rest_bold_desc-{label_of(name)}_report.html").read_text("utf-8")
        assert name in page
        assert name in re.search(r"<title>(.*?)</title>", page, re.DOTALL)[1]


def test_links_of_pages_lead_somewhere(words):
    call(*words)
    for path in Path("out/reports").glob("*.html"):
        for link in links(path.read_text("utf-8")):
            if not re.match(r"[a-z]+:", link):
                assert (path.parent / link).exists(), (path.name, link)


def test_other_layouts_have_a_page_each(words):
    assert call(*words, "--output_layout", "bids").code == 0
    assert len(list(Path("out/reports").rglob("*_report.html"))) == len(PAGES)


def test_page_of_a_pipeline_that_fails_does_not_stay(words):
    """The table of the index says so instead."""
    file = write_pipelines("bad.json", {"raw": {}, "bad": {"regressors": ["compcor"]}})
    assert call(*words[:-1], file).code == 1
    index = Path("out/reports/index.html").read_text("utf-8")
    assert "desc-raw_report.html" in index
    assert "bad" in index
    assert "comp" in index
