"""The colours of the verdict in a browser: they differ by grade, and text on them can be read."""

from __future__ import annotations

import math

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
from verdict_pages import panel, write_page

# WCAG 2's smallest contrast of text, level AA.
LEAST_CONTRAST = 4.5
PANELS = {
    "green": {},
    "amber": {"minutes": 8.9, "mean_fd_kept": 0.21, "degrees_of_freedom": 49.0, "min_coverage": 0.49},
    "red": {"minutes": 4.9, "mean_fd_kept": 0.56, "degrees_of_freedom": 19.0, "min_coverage": 0.09},
    "not-known": dict.fromkeys(("minutes", "mean_fd_kept", "degrees_of_freedom", "min_coverage"), math.nan),
}
COLOURS = """
const colourOf = (element, property) => getComputedStyle(element)[property].match(/[0-9.]+/g).slice(0, 3).map(Number);
return [...document.querySelectorAll(arguments[0])].map(each => {
  const box = each.closest('.tile, .status');
  return [colourOf(each, 'color'), colourOf(box, 'backgroundColor'), colourOf(box, 'borderTopColor')];
});
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A page with a panel for each grade."""
    return write_page(tmp_path_factory.mktemp("verdicts"), *(panel(**numbers) for numbers in PANELS.values()))


def luminance(colour: list[float]) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (value / 255 for value in colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: list[float], other: list[float]) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("number", range(1, 5))
def test_tiles_of_each_grade_have_colours_of_their_own(browser, path, number):
    open_page(browser, path)
    found = browser.execute_script(COLOURS, f".tile:nth-child({number}) .tile-value")
    grounds, borders = ({tuple(each[part]) for each in found} for part in (1, 2))
    assert len(found) == len(grounds) == len(borders) == len(PANELS)


def test_statuses_of_each_grade_have_colours_of_their_own(browser, path):
    open_page(browser, path)
    green, amber, red, unknown = browser.execute_script(COLOURS, ".status")
    assert len({tuple(each[1]) for each in (green, amber, red)}) == 3
    assert unknown == green


def test_text_can_be_read_on_every_colour(browser, path):
    open_page(browser, path)
    texts = browser.execute_script(COLOURS, ".status, .tile span")
    assert len(texts) > 100
    assert min(contrast(text, ground) for text, ground, _ in texts) >= LEAST_CONTRAST


@pytest.mark.parametrize("width", [DESK, TELEPHONE])
def test_page_does_not_scroll_sideways(browser, path, width):
    open_page(browser, path, width=width)
    assert not scrolls_sideways(browser)
    assert (console_messages(browser), requests_elsewhere(browser)) == ([], [])


def test_paper_has_three_tiles_in_a_row_and_grades_on_lines_of_their_own(browser, path):
    open_page(browser, path)
    script = """
      const box = (element) => element.getBoundingClientRect();
      const tiles = [...document.querySelector('ul.verdict').querySelectorAll('.tile')];
      return tiles.map((tile) => [box(tile).left, ...['.tile-value', '.grade', '.rule'].flatMap((part) =>
        [box(tile.querySelector(part)).top, box(tile.querySelector(part)).bottom])]);"""
    with on_paper(browser):
        tiles = browser.execute_script(script)
    assert len({left for left, *_ in tiles}) == 3
    for _, _, end_of_value, top, bottom, start_of_rule, _ in tiles:
        assert end_of_value <= top + 1
        assert bottom <= start_of_rule + 1


def test_long_status_is_whole_on_a_telephone(browser, tmp_path):
    grave = {"minutes": 4.9, "mean_fd_kept": 0.56, "degrees_of_freedom": 19.0, "min_coverage": 0.09}
    open_page(browser, write_page(tmp_path, panel(**grave)), width=TELEPHONE)
    script = """
      const pill = document.querySelector('.status'), text = document.createRange();
      text.selectNodeContents(pill);
      const [outer, lines] = [pill.getBoundingClientRect(), [...text.getClientRects()]];
      const isInside = (box) => box.left >= outer.left + 8 && box.right <= outer.right - 8
        && box.top >= outer.top && box.bottom <= outer.bottom;
      return [lines.length, lines.every(isInside), parseFloat(getComputedStyle(pill).borderTopLeftRadius)];"""
    n_lines, is_inside, radius = browser.execute_script(script)
    assert n_lines > 1
    assert is_inside
    assert radius < 16
