"""The page of a group in a browser: its figures, its table, and how it fits."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from browser.pages import DESK, TELEPHONE, console_messages, open_page, requests_elsewhere, scrolls_sideways
from group_members import make_edges, write_member, write_members
from index_rows import HOSTILE
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from niimasker.group.connectivity import Member, make_groups
from niimasker.outputs.provenance import software_versions
from niimasker.reports.group_page import make_group_page
from niimasker.reports.pages import write_assets, write_page

DATE = datetime(2026, 11, 2, 9, 5, tzinfo=UTC)
N_RUNS = 30
# More edges than are drawn as dots.
MANY = 80


def write_group_page(folder: Path, members: list[Member]) -> Path:
    """Write the page of a group with its assets and return its path."""
    groups = list(make_groups(members, ["pearson"]))
    links = [f"{member.name}_report.html" for member in members]
    path = folder / "reports/group.html"
    write_assets(path.parent)
    write_page(path, make_group_page(groups, members, links, date=DATE, versions=software_versions()))
    return path


def write_many_regions(folder: Path) -> list[Member]:
    """Write runs with long names of regions in groups, one run of which has another name."""
    names = [
        f"7Networks_{side}H_{net}_{n}" for side in "LR" for net in ("Vis", "SalVentAttn") for n in range(MANY // 4)
    ]
    centres = np.random.default_rng(1).uniform(-70, 70, (MANY, 3))
    edges, motion = make_edges(N_RUNS, MANY * (MANY - 1) // 2)
    members = write_members(folder, edges, motion, names=names, centres=centres)
    return [*members, write_member(folder, "odd", edges[0], names=["x", *names[1:]], centres=centres)]


def write_hostile(folder: Path) -> list[Member]:
    """Write runs and regions with names that are markup."""
    members = write_members(folder, *make_edges(N_RUNS), names=HOSTILE[:6])
    return [dataclasses.replace(members[0], name=HOSTILE[0], subject=HOSTILE[1]), *members[1:]]


@pytest.fixture(scope="module", params=[write_many_regions, write_hostile], ids=["many", "hostile"])
def group_page(request, tmp_path_factory) -> Path:
    """The page of a group of runs."""
    folder = tmp_path_factory.mktemp("group")
    return write_group_page(folder, request.param(folder))


@pytest.fixture(params=[DESK, TELEPHONE])
def page(request, browser, group_page):
    """The page at a width, drawn."""
    open_page(browser, group_page, width=request.param)
    WebDriverWait(browser, 30).until(lambda page: page.execute_script("return document.documentElement.dataset.drawn"))
    return browser


def drawn(page, figure):
    """Bring a figure into view and return its picture once it is drawn."""
    page.execute_script("arguments[0].scrollIntoView()", figure)
    pictures = WebDriverWait(page, 30).until(lambda _: figure.find_elements(By.CSS_SELECTOR, "svg.main-svg"))
    return pictures[0]


def test_page_logs_nothing_loads_nothing_from_the_network_and_fits(page):
    figures = page.find_elements(By.CSS_SELECTOR, ".plot")
    assert [figure.get_attribute("data-figure") for figure in figures] == [
        f"{name}-figure-1" for name in ("mean", "spread", "qcfc", "distance")
    ]
    for figure in figures:
        assert drawn(page, figure).size["height"] > 100
    assert console_messages(page) == []
    assert requests_elsewhere(page) == []
    assert scrolls_sideways(page) is False


def test_every_figure_is_as_wide_as_its_place_and_has_a_text(page):
    for figure in page.find_elements(By.CSS_SELECTOR, ".plot"):
        assert abs(drawn(page, figure).size["width"] - figure.size["width"]) <= 1
        assert figure.get_attribute("role") == "img"
        assert figure.get_attribute("aria-label")


def test_runs_are_found_by_what_is_typed(page):
    field = page.find_element(By.CSS_SELECTOR, ".tools input")
    field.send_keys("sub-1")
    names = [cell.text for cell in page.find_elements(By.CSS_SELECTOR, "#runs td.name") if cell.is_displayed()]
    assert names == [f"sub-1{digit}_bold" for digit in range(10)]
