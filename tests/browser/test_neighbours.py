"""The page of a run among the other runs: its neighbours, and the rank of its numbers."""

from __future__ import annotations

from pathlib import Path

import pytest
from browser.pages import TELEPHONE, console_messages, open_page, requests_elsewhere, scrolls_sideways
from browser.report_folders import write_study
from index_rows import done, failed

NAMES = ("sub-1_task-rest_bold", "sub-2_task-rest_bold", "sub-10_task-rest_bold", "sub-11_task-rest_bold")


@pytest.fixture
def visit(browser, tmp_path):
    """A function that writes these runs and opens the page of one of them."""

    def run(rows, output, *, with_index=True, **how):
        folder = write_study(tmp_path / "out", rows, with_index=with_index)
        open_page(browser, folder / f"{output}_report.html", **how)
        return browser

    return run


def texts(browser, selector):
    return [element.text for element in browser.find_elements("css selector", selector)]


def links(browser):
    """The links of the upper bar: text and file."""
    found = browser.find_elements("css selector", "nav.neighbours")[0].find_elements("css selector", "a")
    return [(link.text, link.get_attribute("href").split("/reports/")[1]) for link in found]


def test_page_links_to_the_runs_before_and_after_it(visit):
    browser = visit([done(name) for name in NAMES], NAMES[1])
    assert links(browser) == [
        ("← sub-1 · rest", "sub-1_task-rest_bold_report.html"),
        ("all runs", "index.html"),
        ("sub-10 · rest →", "sub-10_task-rest_bold_report.html"),
    ]
    assert texts(browser, "nav.neighbours .links") == ["← sub-1 · rest\nall runs (2 of 4)\nsub-10 · rest →"] * 2
    assert console_messages(browser) == []
    assert requests_elsewhere(browser) == []


def test_first_and_last_run_say_so(visit):
    rows = [done(name) for name in NAMES]
    assert "first run" in texts(visit(rows, NAMES[0]), ".links")[0]
    assert "last run" in texts(visit(rows, NAMES[3]), ".links")[0]


def test_runs_without_a_page_are_passed_over(visit):
    rows = [done(NAMES[0]), failed(NAMES[1]), done(NAMES[2])]
    assert links(visit(rows, NAMES[2]))[0] == ("← sub-1 · rest", "sub-1_task-rest_bold_report.html")


def test_neighbour_that_needs_a_look_has_a_sign(visit):
    rows = [done(NAMES[0], mean_fd=0.9), done(NAMES[1]), done(NAMES[2], mean_fd=0.3)]
    assert [text for text, _ in links(visit(rows, NAMES[1]))] == ["← !! sub-1 · rest", "all runs", "! sub-10 · rest →"]


def test_links_lead_from_and_to_folders(visit):
    rows = [done("a/f#1/x é"), done("b/x%")]
    browser = visit(rows, "a/f#1/x é")
    browser.find_elements("css selector", "a[rel=next]")[0].click()
    assert browser.current_url.endswith("/reports/b/x%25_report.html")
    browser.find_elements("css selector", "a[rel=prev]")[0].click()
    assert browser.current_url.endswith("/reports/a/f%231/x%20%C3%A9_report.html")
    browser.find_elements("css selector", ".links a[href$='index.html']")[0].click()
    assert browser.current_url.endswith("/reports/index.html")


def test_runs_of_the_pipeline_come_first(visit):
    rows = [done(f"sub-{k}_desc-{name}", pipeline=name) for k in (1, 2) for name in ("24P", "36P")]
    browser = visit(rows, "sub-1_desc-36P")
    # After the last run of a pipeline comes the first one of the next.
    assert [text for text, _ in links(browser)] == ["all runs", "sub-2 →"]
    assert [text for text, _ in links(visit(rows, "sub-2_desc-36P"))] == [
        "← sub-1",
        "all runs",
        "sub-1 (24P) →",
    ]


def test_keys_turn_pages_but_not_in_fields(visit):
    browser = visit([done(name) for name in NAMES], NAMES[1])
    field = browser.find_element("id", "field")
    field.send_keys("np")
    assert field.get_attribute("value") == "np"
    assert "sub-2_" in browser.current_url
    browser.find_element("css selector", "body").send_keys("n")
    assert "sub-10_" in browser.current_url
    browser.find_element("css selector", "body").send_keys("p")
    assert "sub-2_" in browser.current_url


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([12.9, 40, 50, 60], "lowest of 4"),
        ([45, 40, 50, 60], "2nd lowest of 4"),
        ([55, 40, 50, 60], "2nd highest of 4"),
        ([99, 40, 50, 60], "highest of 4"),
        ([40, 40, 50, 60], "joint lowest of 4"),
        ([50, 40, 50, 60], "joint 2nd lowest of 4"),
        ([60, 60, 60, 60], "the same in all 4"),
        ([12.9, None, 50, 60], "lowest of 3"),
        ([None, 40, 50, 60], ""),
        ([12.9, None, None, None], ""),
    ],
)
def test_rank_is_said_in_words(visit, values, words):
    rows = [done(name, median_tsnr=value) for name, value in zip(NAMES, values, strict=True)]
    assert texts(visit(rows, NAMES[0]), "[data-rank=median_tsnr]") == [words]


@pytest.mark.parametrize(
    ("value", "words"), [(7.3, "lowest of 7, an outlier: the median is 47.0"), (44, "lowest of 7")]
)
def test_rank_of_an_outlier_says_so(visit, value, words):
    rows = [done(f"sub-{k}", median_tsnr=tsnr) for k, tsnr in enumerate([value, 45, 46, 47, 48, 49, 50])]
    assert texts(visit(rows, "sub-0"), "[data-rank=median_tsnr]") == [words]


@pytest.mark.parametrize(
    ("numbers", "pills"),
    [
        ({"median_tsnr": 7.3}, ["complete", "outlier among the runs: median tSNR 7.3 (median 47.0)"]),
        ({"mean_fd": 0.53}, ["complete", "outlier among the runs: mean FD of all volumes 0.53 mm (median 0.18 mm)"]),
        ({"median_tsnr": 99}, ["complete"]),
        ({"mean_fd": 0.01}, ["complete"]),
        ({}, ["complete"]),
    ],
    ids=str,
)
def test_outlier_on_the_bad_side_is_named_beside_the_status(visit, numbers, pills):
    rows = [done(f"sub-{k}", median_tsnr=44 + k, mean_fd=0.14 + k / 100) for k in range(7)]
    rows[0] = {**rows[0], **numbers}
    assert texts(visit(rows, "sub-0"), "#verdict .status") == pills


def test_rank_has_the_right_ending(visit):
    rows = [done(f"sub-{k}", mean_fd=k / 100) for k in range(1, 60)]
    found = [texts(visit(rows, f"sub-{k}"), "[data-rank=mean_fd]")[0].split()[0] for k in (3, 11, 12, 13, 21, 22, 24)]
    assert found == ["3rd", "11th", "12th", "13th", "21st", "22nd", "24th"]


def test_rank_is_that_among_the_runs_of_the_pipeline(visit):
    rows = [done(f"sub-{k}_desc-{name}", pipeline=name, mean_fd=k / 10) for k in (1, 2) for name in ("24P", "36P")]
    assert texts(visit(rows, "sub-1_desc-36P"), "[data-rank=mean_fd]") == ["lowest of 2"]


def test_page_written_before_the_index_logs_nothing(visit):
    browser = visit([done(name) for name in NAMES], NAMES[0], with_index=False)
    assert console_messages(browser) == []
    assert texts(browser, ".links") == ["all runs"] * 2
    assert texts(browser, "[data-rank]") == ["", ""]
    assert len(texts(browser, ".rate")) == 4


def test_page_that_the_index_does_not_list_logs_nothing(visit):
    browser = visit([done(name) for name in NAMES], NAMES[0])
    known = Path(browser.current_url.removeprefix("file://"))
    page = known.with_name("sub-99_report.html")
    page.write_text(known.read_text("utf-8").replace(NAMES[0], "sub-99"), encoding="utf-8")
    open_page(browser, page)
    assert console_messages(browser) == []
    assert texts(browser, ".links") == ["all runs"] * 2


def test_bar_fits_a_telephone(visit):
    browser = visit([done(f"sub-{'long' * 30}{k}") for k in range(3)], f"sub-{'long' * 30}1", width=TELEPHONE)
    assert scrolls_sideways(browser) is False


def test_five_thousand_runs_take_a_moment(visit):
    rows = [done(f"sub-{k:04}_task-rest_bold", median_tsnr=float(k)) for k in range(5000)]
    browser = visit(rows, "sub-2500_task-rest_bold")
    assert texts(browser, "[data-rank=median_tsnr]") == ["2500th highest of 5000"]
    assert links(browser)[0][0] == "← sub-2499 · rest"
