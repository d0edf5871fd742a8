"""The page of a study in a browser: what its scripts draw, sort, find and link."""

from __future__ import annotations

import itertools
import time
from datetime import UTC, datetime

import pytest
from browser.pages import (
    TELEPHONE,
    console_messages,
    open_page,
    requests,
    requests_elsewhere,
    scrolls_sideways,
)
from index_rows import HOSTILE, done, excluded, failed, not_started, study_rows

from niimasker.options.thresholds import DEFAULT_THRESHOLDS
from niimasker.reports.index_page import make_index_page
from niimasker.reports.pages import write_assets, write_page
from niimasker.study.verdicts import judge

STUDY = "0123456789abcdef"
DATE = datetime(2026, 11, 2, 9, 5, tzinfo=UTC)
RATING, RUN, KEPT, FD, TSNR, COVERAGE, FREEDOM, WARNINGS = range(1, 9)
MEAN_FD = FD - KEPT  # among the strips


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of reports with its assets."""
    path = tmp_path_factory.mktemp("out") / "reports"
    write_assets(path)
    return path


@pytest.fixture
def show(browser, folder):
    """A function that writes the page of these runs, all with a page of their own if done, and opens it."""

    def run(rows, **how):
        links = [f"{row['output']}_report.html" if row["status"] == "done" else None for row in rows]
        path = folder / "index.html"
        write_page(path, make_index_page(rows, links, date=DATE, versions={"niimasker": "1.2.3"}, study_id=STUDY))
        open_page(browser, path, **how)
        return browser

    return run


def find(browser, selector):
    return browser.find_elements("css selector", selector)


def column(browser, place):
    """The texts of a column, of rows that have it."""
    script = (
        "return [...document.querySelectorAll('table.runs tbody tr')].map((row) => row.cells[arguments[0]]?.innerText)"
    )
    return [text for text in browser.execute_script(script, place) if text is not None]


def names(browser):
    script = """
      const cells = [...document.querySelectorAll("td.name")];
      return cells.map((cell) => cell.querySelector("a, span").textContent);"""
    return browser.execute_script(script)


def sort_by(browser, place):
    find(browser, "table.runs thead button")[place].click()


def counted(browser):
    (count,) = find(browser, ".tools output")
    return count.text


def type_into_filter(browser, text):
    (field,) = find(browser, ".tools input")
    field.clear()
    field.send_keys(text)


def pager(browser, label):
    return browser.find_element("css selector", f".tools button[aria-label='{label} page']")


def pixels(browser, place, colour):
    """How many pixels of a strip have a colour, about."""
    # A strip is drawn once its size is known, which is before the frame after the next one.
    script = """
      const [place, [red, green, blue], done] = arguments;
      const count = () => {
        const canvas = document.querySelectorAll("figure.strip canvas")[place];
        const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        const near = (at, value) => Math.abs(data[at] - value) < 30;
        let counted = 0;
        for (let at = 0; at < data.length; at += 4)
          counted += data[at + 3] > 100 && near(at, red) && near(at + 1, green) && near(at + 2, blue);
        return counted;
      };
      requestAnimationFrame(() => requestAnimationFrame(() => done(count())));"""
    return browser.execute_async_script(script, place, colour)


BLUE, VERMILLION, AMBER, RED = (0, 114, 178), (213, 94, 0), (184, 98, 0), (163, 38, 11)


def few_runs():
    return [
        done("sub-10", n_volumes=580, n_censored=16, mean_fd=0.19, n_warnings=2),
        done("sub-9", n_volumes=590, n_censored=6, mean_fd=float("nan")),
        failed("sub-2", reason="sub-2.tsv has 198 rows but sub-2.nii.gz has 200 volumes"),
        done("sub-1", n_volumes=560, n_censored=36, mean_fd=0.12),
        not_started("sub-3"),
    ]


class TestDrawing:
    @pytest.mark.parametrize("n_runs", [3, 40])
    @pytest.mark.parametrize("width", [1280, TELEPHONE])
    def test_page_logs_nothing_loads_nothing_from_the_network_and_fits(self, show, n_runs, width):
        browser = show(study_rows(n_runs), width=width)
        assert console_messages(browser) == []
        assert scrolls_sideways(browser) is False
        asked = requests(browser)
        assert len([url for url in asked if url.startswith("file://")]) == 6
        assert [url for url in asked if not url.startswith(("file://", "data:"))] == []

    def test_failed_runs_come_first_with_their_reason(self, show):
        browser = show(few_runs())
        assert names(browser) == ["sub-2", "sub-3", "sub-10", "sub-9", "sub-1"]
        assert find(browser, "tr.bad .reason")[0].text == "sub-2.tsv has 198 rows but sub-2.nii.gz has 200 volumes"
        assert column(browser, 0) == ["✕ failed", "○ not started", *["✓ complete"] * 3]

    def test_numbers_are_written_with_what_they_are_of(self, show):
        browser = show(few_runs())
        assert column(browser, KEPT) == ["9.7\n580 of 600", "9.8\n590 of 600", "9.3\n560 of 600"]
        assert column(browser, FD) == ["0.19", "n/a", "0.12"]

    def test_runs_link_to_their_pages(self, show):
        browser = show([done("sub-1/50%#"), failed("b")])
        links = find(browser, "td.name a")
        assert [link.get_attribute("href").split("/reports/")[1] for link in links] == ["sub-1/50%25%23_report.html"]

    def test_hostile_names_are_shown_and_not_run(self, show):
        rows = [done(name, mean_fd=0.1 + place) for place, name in enumerate(HOSTILE)]
        browser = show([*rows, failed("a", reason=HOSTILE[0])], width=TELEPHONE)
        assert set(HOSTILE) < set(names(browser))
        assert find(browser, ".reason")[0].text == HOSTILE[0]
        assert find(browser, "table b, table img, td script") == []
        assert len(find(browser, "script")) == 5
        assert console_messages(browser) == []
        assert scrolls_sideways(browser) is False


class TestTable:
    def test_numbers_sort_as_numbers_with_missing_ones_last(self, show):
        browser = show(few_runs())
        sort_by(browser, KEPT)
        assert names(browser) == ["sub-1", "sub-10", "sub-9", "sub-2", "sub-3"]
        sort_by(browser, KEPT)
        assert names(browser) == ["sub-9", "sub-10", "sub-1", "sub-2", "sub-3"]
        sort_by(browser, FD)
        assert names(browser)[:2] == ["sub-1", "sub-10"]
        sort_by(browser, FD)
        assert names(browser)[:2] == ["sub-10", "sub-1"]

    def test_names_sort_naturally(self, show):
        browser = show(few_runs())
        sort_by(browser, RUN)
        assert names(browser) == ["sub-1", "sub-2", "sub-3", "sub-9", "sub-10"]

    def test_third_click_brings_failed_runs_back_to_the_top(self, show):
        browser = show(few_runs())
        before = names(browser)
        for _ in range(3):
            sort_by(browser, RUN)
        assert names(browser) == before

    def test_every_column_sorts_and_says_so(self, show):
        browser = show(few_runs())
        for place, order in itertools.product(range(9), ("ascending", "descending", "none")):
            sort_by(browser, place)
            said = [header.get_attribute("aria-sort") for header in find(browser, "table.runs th")]
            assert said == ["none"] * place + [order] + ["none"] * (8 - place)

    def test_headers_are_reached_and_pressed_by_keyboard(self, show):
        browser = show(few_runs())
        browser.execute_script("document.querySelectorAll('table.runs thead button')[0].focus()")
        for _ in range(2):
            browser.switch_to.active_element.send_keys("\ue004")  # tab
        browser.switch_to.active_element.send_keys("\ue007")  # enter
        assert names(browser)[0] == "sub-1"

    @pytest.mark.parametrize(
        ("words", "found"),
        [
            ("SUB-1", ["sub-10", "sub-1"]),
            ("198 rows", ["sub-2"]),
            ("sub status:complete", ["sub-10", "sub-9", "sub-1"]),
            ("has:warnings", ["sub-10"]),
            ("nobody", []),
        ],
    )
    def test_typing_leaves_rows_with_all_words(self, show, words, found):
        browser = show(few_runs())
        type_into_filter(browser, words)
        assert names(browser) == found
        assert counted(browser) == (f"{len(found)} found among 5" if found else "nothing found among 5 rows")

    def test_found_rows_stay_in_the_order_chosen(self, show):
        browser = show(few_runs())
        sort_by(browser, KEPT)
        type_into_filter(browser, "complete")
        assert names(browser) == ["sub-1", "sub-10", "sub-9"]

    def test_count_in_the_head_shows_these_runs(self, show):
        browser = show(few_runs())
        (link,) = find(browser, ".counts .bad")
        link.click()
        assert names(browser) == ["sub-2"]

    def test_pages_are_turned(self, show):
        browser = show(study_rows(250))
        assert (len(names(browser)), counted(browser)) == (100, "rows 1 to 100 of 250")
        pager(browser, "Next").click()
        assert counted(browser) == "rows 101 to 200 of 250"
        pager(browser, "Last").click()
        assert (len(names(browser)), counted(browser)) == (50, "rows 201 to 250 of 250")
        assert not pager(browser, "Next").is_enabled()
        pager(browser, "First").click()
        assert not pager(browser, "Previous").is_enabled()

    def test_turning_at_the_last_row_shows_the_first(self, show):
        browser = show(study_rows(250))
        below = find(browser, ".frame + .pager button[aria-label='Next page']")[0]
        browser.execute_script("arguments[0].scrollIntoView({block: 'end'})", below)
        below.click()
        first = find(browser, "table.runs tbody tr")[0]
        assert browser.execute_script("return arguments[0].getBoundingClientRect().top >= 0", first)

    def test_sorting_sorts_all_pages(self, show):
        browser = show(study_rows(250))
        sort_by(browser, FD)
        sort_by(browser, FD)
        assert names(browser)[:2] == ["sub-250", "sub-249"]

    def test_few_runs_need_no_pages(self, show):
        assert find(show(study_rows(40)), ".pager") == []


class TestStrips:
    def test_points_and_outliers_are_drawn(self, show):
        rows = [done(f"sub-{k}", mean_fd=0.1 + k / 1000) for k in range(20)]
        browser = show([*rows, done("sub-x", mean_fd=3)])
        assert pixels(browser, MEAN_FD, BLUE) > 100
        assert pixels(browser, MEAN_FD, VERMILLION) > 50
        assert pixels(browser, 0, VERMILLION) == 0

    def test_every_picture_has_a_text(self, show):
        browser = show(study_rows(40))
        texts = [picture.get_attribute("aria-label") for picture in find(browser, "canvas, img, svg")]
        assert len(texts) == 5
        assert [text for text in texts if "over 38 runs: median" not in text] == []

    def test_outlier_is_named_on_hover(self, show):
        rows = [done(f"sub-{k}", mean_fd=0.1 + k / 1000) for k in range(20)]
        browser = show([*rows, done("sub-x<b>", mean_fd=3)])
        webdriver = pytest.importorskip("selenium.webdriver")
        canvas = find(browser, "figure.strip canvas")[MEAN_FD]
        edge = canvas.size["width"] // 2 - 12
        height = (canvas.size["height"] - 20) // 2 - canvas.size["height"] // 2
        webdriver.ActionChains(browser).move_to_element_with_offset(canvas, edge, height).perform()
        assert find(browser, ".tip")[MEAN_FD].text == "3.00 mm sub-x<b>"
        webdriver.ActionChains(browser).move_to_element(find(browser, "h1")[0]).perform()
        assert not find(browser, ".tip")[MEAN_FD].is_displayed()

    def test_outlier_is_named_and_linked_below_its_strip(self, show):
        rows = [done(f"sub-{k}", mean_fd=0.1 + k / 1000) for k in range(20)]
        browser = show([*rows, done("sub-x", mean_fd=3)])
        (link,) = find(browser, ".outliers a")
        assert (link.text, link.get_attribute("href").rsplit("/", 1)[1]) == ("sub-x", "sub-x_report.html")

    def test_more_outliers_are_shown_in_the_table(self, show):
        rows = [done(f"sub-{k}", median_tsnr=60 + k / 10) for k in range(30)]
        browser = show([*rows, *(done(f"sub-x{k}", median_tsnr=200 + k) for k in range(5))])
        (more,) = find(browser, ".outliers [data-find]")
        assert more.text == "and 2 more"
        more.click()
        assert names(browser) == [f"sub-x{k}" for k in range(5)]
        assert [cell.text for cell in find(browser, "td.outlier")] == [f"{200 + k}.0" for k in range(5)]


class TestConcerns:
    def test_runs_that_need_a_look_say_why(self, show):
        browser = show(
            [done("a"), done("b", mean_fd=0.53), done("c", min_coverage=0.04, minutes=8.96), excluded("d", mean_fd=0.9)]
        )
        assert names(browser) == ["c", "b", "d", "a"]
        assert column(browser, 0) == ["!! needs a look", "! needs a look", "⊘ excluded", "✓ complete"]
        rows = find(browser, "table.runs tbody tr")
        said = [[line.text for line in row.find_elements("css selector", ".concern")] for row in rows]
        assert said == [
            ["!! lowest coverage 0.04, below 0.1", "! minutes kept 8.96 min, below 9 min"],
            ["! mean FD of kept volumes 0.53 mm, above 0.2 mm"],
            [],
            [],
        ]

    def test_concerns_have_the_words_of_the_summary(self, show):
        row = done("b", mean_fd=0.2003, minutes=4.2, degrees_of_freedom=19.99, min_coverage=0.3)
        browser = show([done("a"), row])
        concerns = judge(row, DEFAULT_THRESHOLDS).concerns
        assert [line.text.partition(" ")[2] for line in find(browser, ".concern")] == [
            each.concern for each in concerns
        ]

    def test_judged_numbers_have_a_sign(self, show):
        browser = show([done("a"), done("b", mean_fd=0.53)])
        assert column(browser, FD) == ["! 0.53", "0.15"]
        assert find(browser, "td.number.amber")[0].get_attribute("title") == (
            "mean FD of kept volumes 0.53 mm, above 0.2 mm"
        )

    @pytest.mark.parametrize(
        ("words", "found"),
        [("needs:look", ["c", "b"]), ("coverage", ["c"]), ("status:red", ["c"]), ("status:complete", ["a"])],
    )
    def test_filter_finds_concerns(self, show, words, found):
        browser = show([done("a"), done("b", mean_fd=0.53), done("c", min_coverage=0.04)])
        type_into_filter(browser, words)
        assert names(browser) == found

    def test_marks_and_thresholds_have_colours_of_their_own(self, show):
        browser = show([done("a"), done("b"), done("c", mean_fd=0.3), done("d", mean_fd=0.6)])
        # On the axis of coverage, all have the same good value, and no threshold is near.
        assert pixels(browser, MEAN_FD + 2, AMBER) == pixels(browser, MEAN_FD + 2, RED) == 0
        # No threshold is on the axis of numbers that are all amber or all red.
        assert pixels(show([done("a", mean_fd=0.3), done("b", mean_fd=0.4)]), MEAN_FD, AMBER) > 10
        browser = show([done("a", mean_fd=0.6), done("b", mean_fd=0.7)])
        assert pixels(browser, MEAN_FD, RED) > 10
        # tSNR is not judged.
        assert pixels(browser, MEAN_FD + 1, BLUE) > 10
        plain = [done("a", mean_fd=0.1), done("b", mean_fd=0.12)]
        browser = show(plain)
        assert pixels(browser, MEAN_FD, AMBER) == pixels(browser, MEAN_FD, RED) == 0
        dashed = [done(f"{k}", mean_fd=0.1) for k in range(300)]
        browser = show([*dashed, done("c", mean_fd=0.6), done("d", mean_fd=0.61)])
        assert pixels(browser, MEAN_FD, AMBER) > 10

    @pytest.mark.parametrize("width", [320, TELEPHONE, 800, 1280])
    def test_marks_do_not_touch_the_edges_of_their_strip(self, show, width):
        rows = [done(f"{k}", mean_fd=0.1, median_tsnr=k % 2 + 50) for k in range(60)]
        rows += [done(f"x{k}", mean_fd=0.6 + k, median_tsnr=20) for k in range(20)]
        browser = show(rows, width=width)
        script = """
          const done = arguments[0];
          const isEmpty = (canvas) => {
            const {width, height} = canvas, context = canvas.getContext("2d");
            // Ticks and their numbers are below.
            const strips = [[0, 0, width, 2], [0, 0, 2, height - 44], [width - 2, 0, 2, height - 44]];
            return strips.every((strip) => context.getImageData(...strip).data.every((value) => !value));
          };
          requestAnimationFrame(() => requestAnimationFrame(
            () => done([...document.querySelectorAll("figure.strip canvas")].map(isEmpty))));"""
        assert all(browser.execute_async_script(script))
        assert scrolls_sideways(browser) is False

    def test_wide_table_shows_that_it_goes_on(self, show):
        browser = show(few_runs(), width=TELEPHONE)
        frame = find(browser, ".frame")[0]
        assert browser.execute_script("return arguments[0].scrollWidth > arguments[0].clientWidth", frame)
        assert frame.value_of_css_property("background-attachment") == "local, local, scroll, scroll"


class TestOutliers:
    def test_complete_outlier_says_so_and_is_found_by_the_count(self, show):
        rows = [done(f"sub-{k}", median_tsnr=60 + k / 10) for k in range(20)]
        browser = show([*rows, done("high", median_tsnr=99), done("low", median_tsnr=7.3)])
        assert names(browser)[:2] == ["low", "sub-0"]
        assert column(browser, 0)[:2] == ["✓ complete, outlier: median tSNR", "✓ complete"]
        (link,) = find(browser, ".counts [data-find='is:outlier']")
        assert link.text == "1 outlier"
        link.click()
        assert names(browser) == ["low"]


class TestTenThousandRuns:
    @pytest.fixture
    def large(self, show):
        start = time.monotonic()
        browser = show(study_rows(10_000))
        assert time.monotonic() - start < 20
        return browser

    def test_page_stays_usable(self, large):
        assert len(find(large, "table.runs tbody tr")) == 100
        elements = large.execute_script("return document.querySelectorAll('*').length")
        assert elements < 3000
        for action in ("cycleSort(1)", "cycleSort(3)", "filter('sub-99')", "go(3)"):
            took = large.execute_script(f"""
              const table = sortableTable(document.querySelector("table.runs")), start = performance.now();
              table.{action};
              return performance.now() - start;""")
            assert took < 1500, action
        assert counted(large) == "rows 101 to 111 of 111 found among 10,000"
        assert requests_elsewhere(large) == []
        assert console_messages(large) == []
