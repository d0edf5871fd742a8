"""The panel with the verdict on a run's page: its words, colours and origins, and how --resume replaces it."""

from __future__ import annotations

import dataclasses
import math
import re

import pytest
from verdict_pages import DEFAULT_THRESHOLDS, ORIGINS, REGIONS, panel, result

from niimasker.options.thresholds import Threshold
from niimasker.reports.verdict_panel import RegionCoverage, describe_coverage, make_panel, update_panel

NUMBERS = ("minutes", "mean_fd_kept", "degrees_of_freedom", "min_coverage")
# By grade, a value of each number.
VALUES = {
    "green": dict(zip(NUMBERS, (9.0, 0.2, 50.0, 0.5), strict=True)),
    "amber": dict(zip(NUMBERS, (8.9, 0.21, 49.0, 0.49), strict=True)),
    "red": dict(zip(NUMBERS, (4.9, 0.56, 19.0, 0.09), strict=True)),
    "not known": dict.fromkeys(NUMBERS, math.nan),
}
SHORT = dataclasses.replace(DEFAULT_THRESHOLDS, minutes=Threshold(4, 2))


def tiles(text: str) -> list[str]:
    return [" ".join(re.sub("<[^>]*>", " ", tile).split()) for tile in re.findall("<li.*?</li>", text, re.DOTALL)]


def status(text: str) -> tuple[str, str]:
    ((kind, words),) = re.findall(r'<span class="status (\w+)">([^<]*)</span>', text)
    return kind, words


@pytest.mark.parametrize("grade", VALUES)
@pytest.mark.parametrize("number", range(4), ids=NUMBERS)
def test_tile_has_the_class_and_the_word_of_its_grade(grade, number):
    text = panel(**{NUMBERS[number]: VALUES[grade][NUMBERS[number]]})
    classes = re.findall(r'<li class="tile ([\w-]+)">', text)
    expected = ["green"] * 4 + ["not-judged"]
    expected[number] = grade.replace(" ", "-")
    assert classes == expected
    assert f" {grade} " in tiles(text)[number]


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ({}, ("good", "complete")),
        ({"minutes": 8}, ("warn", "complete, look at minutes kept")),
        (
            {"mean_fd_kept": 0.6, "min_coverage": 0.3},
            ("bad", "complete, look at mean FD of kept volumes and lowest coverage"),
        ),
        ({"minutes": 8, "exclusion": "a reason"}, ("bad", "excluded")),
        ({"mean_fd_kept": math.nan}, ("good", "complete")),
    ],
    ids=str,
)
def test_status_has_the_colour_of_the_worst_number(numbers, expected):
    assert status(panel(**numbers)) == expected


def test_tile_says_thresholds_and_origin():
    minutes, mean_fd, degrees_of_freedom, coverage, tsnr = tiles(panel())
    assert minutes == "Minutes kept 12.0 min ✓ green amber below 9, red below 5 min (default) 360 volumes of 2 s"
    assert "mean of all volumes 0.12 mm highest 0.80 mm FD from column framewise_displacement" in mean_fd
    assert "amber below 50, red below 20 (default) left of 360 volumes" in degrees_of_freedom
    assert "none of 2 regions below 0.5 lowest: Left A share of the region with a valid signal" in coverage
    assert "Median tSNR 60.0 - not judged no threshold" in tsnr


def test_given_thresholds_are_those_of_the_option():
    minutes, mean_fd, *_ = tiles(panel(SHORT))
    assert "amber below 4, red below 2 min (--judge)" in minutes
    assert "(default)" in mean_fd


def test_number_that_is_not_judged_is_shown():
    *_, coverage, _ = tiles(panel(dataclasses.replace(DEFAULT_THRESHOLDS, coverage=None), min_coverage=0.05))
    assert "Lowest coverage 0.05 - not judged not judged (--judge) lowest: Left A" in coverage


def test_places_among_the_runs_are_filled_by_a_script():
    assert re.findall(r'<span class="place-among" data-rank="(\w+)"></span>', panel()) == ["mean_fd", "median_tsnr"]
    unknown = panel(mean_fd=math.nan, mean_fd_kept=math.nan, median_tsnr=math.nan)
    assert "data-rank" not in unknown


def test_unknown_number_says_why():
    origins = dataclasses.replace(ORIGINS, displacement="no confounds table was read", max_fd=None)
    mean_fd = tiles(panel(origins=origins, mean_fd=math.nan, mean_fd_kept=math.nan))[1]
    assert "not known ? not known amber above 0.2" in mean_fd
    assert mean_fd.endswith("no confounds table was read")


@pytest.mark.parametrize(
    ("coverages", "said"),
    [
        ([1, 1], ["none of 2 regions below 0.5"]),
        ([0.4, 0.3, 1], ["2 of 3 regions below 0.5", "lowest: b"]),
        ([0, 0, 0, 1], ["3 of 4 regions below 0.5", "lowest: a and 2 others"]),
        ([0.5, 0.9], ["none of 2 regions below 0.5", "lowest: a"]),
        ([0.2], ["1 of 1 region below 0.5", "lowest: a"]),
    ],
)
def test_coverage_counts_and_names_regions(coverages, said):
    regions = [RegionCoverage(name, share) for name, share in zip("abcd", coverages, strict=False)]
    assert list(describe_coverage(regions, Threshold(0.5, 0.1)))[:-1] == said


def test_hostile_names_are_escaped():
    name = '</script><script>alert(1)</script>" onclick="'
    origins = dataclasses.replace(ORIGINS, displacement=name)
    text = panel(regions=[RegionCoverage(name, 0.1)], origins=origins, exclusion=name)
    assert "<script>" not in text
    assert 'onclick="' not in text


class TestUpdate:
    @pytest.fixture
    def page(self, tmp_path):
        path = tmp_path / "page.html"
        path.write_bytes(self.make(panel()))
        return path

    @staticmethod
    def make(text: str) -> bytes:
        return f"<h1>a</h1>\n{text}\n<div>b</div></html>".encode()

    @pytest.mark.parametrize("exclusion", [None, "another <reason> & more"])
    @pytest.mark.parametrize("thresholds", [DEFAULT_THRESHOLDS, SHORT], ids=["default", "given"])
    def test_panel_is_that_of_the_call(self, page, exclusion, thresholds):
        update_panel(page, result(exclusion=exclusion), thresholds, lambda: REGIONS)
        assert page.read_bytes() == self.make(panel(thresholds, exclusion=exclusion))
        update_panel(page, result(), DEFAULT_THRESHOLDS, lambda: REGIONS)
        assert page.read_bytes() == self.make(panel())

    def test_page_that_says_so_already_is_not_written(self, page):
        before = page.stat()
        update_panel(page, result(), DEFAULT_THRESHOLDS, lambda: pytest.fail("regions are read"))
        assert (page.stat().st_ino, page.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)

    def test_page_of_another_version_stays_as_it_is(self, tmp_path):
        path = tmp_path / "page.html"
        path.write_text("<p>of another version</p></html>", "utf-8")
        update_panel(path, result(exclusion="a reason"), SHORT, lambda: REGIONS)
        assert path.read_text("utf-8") == "<p>of another version</p></html>"

    def test_origins_with_odd_characters_are_read_back(self, tmp_path):
        origins = dataclasses.replace(ORIGINS, displacement="FD from column a of sub-\udce9_é\"'&.tsv")
        path = tmp_path / "page.html"
        made = make_panel(result(), DEFAULT_THRESHOLDS, origins, REGIONS).encode("utf-8", "backslashreplace")
        path.write_bytes(made)
        update_panel(path, result(), SHORT, lambda: REGIONS)
        update_panel(path, result(), DEFAULT_THRESHOLDS, lambda: REGIONS)
        assert path.read_bytes() == made
