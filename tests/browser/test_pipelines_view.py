"""The page that compares pipelines in a browser: its figures and tables, and how it fits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from browser.pages import (
    DESK,
    TELEPHONE,
    console_messages,
    on_paper,
    open_page,
    requests_elsewhere,
    scrolls_sideways,
)
from compared_pipelines import make_correlations, write_study
from index_rows import HOSTILE
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from niimasker.outputs.study_names import name_comparison_files
from niimasker.reports.pipelines_page import write_comparison

SUBJECTS = ["a", "a", "b", "b", *"cdefghijkl"]
TEN = [f"scrubbing.{number}+gsr" for number in range(10)]


@pytest.fixture(scope="module", params=[TEN, HOSTILE], ids=["ten", "hostile"])
def comparison_page(request, tmp_path_factory) -> Path:
    """The page of a comparison of pipelines with these names."""
    folder = tmp_path_factory.mktemp("comparison")
    correlations, motion = make_correlations()
    few = list(correlations.values())
    noise = np.random.default_rng(0).normal(0, 0.02, (len(request.param), *few[0].shape))
    edges = {name: few[number % 3] * 0.9 + noise[number] for number, name in enumerate(request.param)}
    study = write_study(folder, edges, motion, subjects=SUBJECTS, names=HOSTILE[:6])
    study.rows[1].update(status="failed", reason=HOSTILE[0])
    write_comparison(folder, study.compare())
    return name_comparison_files(folder).page_path


@pytest.fixture(params=[DESK, TELEPHONE])
def page(request, browser, comparison_page):
    """The page at a width, drawn."""
    open_page(browser, comparison_page, width=request.param)
    WebDriverWait(browser, 30).until(lambda page: page.execute_script("return document.documentElement.dataset.drawn"))
    return browser


def test_page_logs_nothing_loads_nothing_from_the_network_and_fits(page):
    figures = page.find_elements(By.CSS_SELECTOR, ".plot")
    assert [figure.get_attribute("data-figure") for figure in figures] == [
        "distributions-figure-1",
        "tradeoff-figure-1",
    ]
    for figure in figures:
        picture = figure.find_element(By.CSS_SELECTOR, "svg.main-svg")
        assert picture.size["height"] > 100
        assert abs(picture.size["width"] - figure.size["width"]) <= 1
    assert console_messages(page) == []
    assert requests_elsewhere(page) == []
    assert scrolls_sideways(page) is False


def test_wide_tables_scroll_in_frames_that_the_keyboard_reaches(page):
    for frame in page.find_elements(By.CSS_SELECTOR, ".frame"):
        assert frame.get_attribute("tabindex") == "0"
        page_width = page.execute_script("return document.documentElement.clientWidth")
        assert frame.size["width"] <= page_width


def test_number_and_name_of_a_pipeline_stay_together_in_the_key(page):
    for key in page.find_elements(By.CSS_SELECTOR, ".pipeline-key"):
        assert key.size["width"] <= key.find_element(By.XPATH, "..").size["width"]
        if "scrubbing" in key.text:
            assert key.size["height"] < 2 * key.find_element(By.CSS_SELECTOR, ".rank").size["height"]


def test_names_of_pipelines_stay_in_view_and_leave_room_for_numbers(page):
    frame = page.find_element(By.CSS_SELECTOR, ".frame")
    page.execute_script("arguments[0].scrollLeft = 10000", frame)
    name = frame.find_element(By.CSS_SELECTOR, "tbody th")
    assert abs(name.rect["x"] - frame.rect["x"]) <= 1
    assert name.rect["width"] < 0.6 * frame.rect["width"]


def test_head_of_a_column_sorts_pipelines_from_the_keyboard(page):
    button = page.find_elements(By.CSS_SELECTOR, "table.measures button.sorter")[1]
    button.send_keys(Keys.ENTER)
    values = [float(cell.get_attribute("data-value")) for cell in page.find_elements(
        By.CSS_SELECTOR, "table.measures tbody td:nth-child(2)")]  # fmt: skip
    assert values == sorted(values)


def test_names_of_pipelines_stay_whole_on_paper(browser, tmp_path):
    correlations, motion = make_correlations()
    few = list(correlations.values())
    names = ["baseline", "simple", "simple+gsr", "scrubbing.2", "compcor", "36P"]
    edges = {name: few[number % 3] * (1 - number / 100) for number, name in enumerate(names)}
    write_comparison(tmp_path, write_study(tmp_path, edges, motion, subjects=SUBJECTS).compare())
    open_page(browser, name_comparison_files(tmp_path).page_path)
    script = """
      return [...document.querySelectorAll('.pipeline-name')].filter((name) => {
        const text = document.createRange();
        text.selectNodeContents(name.lastChild);
        return new Set([...text.getClientRects()].map((box) => Math.round(box.top))).size > 1;
      }).map((name) => name.textContent);"""
    with on_paper(browser):
        assert browser.execute_script(script) == []
        assert scrolls_sideways(browser) is False
