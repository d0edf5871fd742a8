"""A reader's ratings: kept by the browser, shown on all pages of a study, saved to a file and read from it."""

from __future__ import annotations

import csv
import time

import pytest
from browser.pages import TELEPHONE, console_messages, on_paper, open_page, requests_elsewhere, scrolls_sideways
from browser.report_folders import write_study
from index_rows import done, failed

from niimasker.inputs.exclusions import read_exclusions

NAMES = ("sub-1_task-rest_bold", "sub-2_task-rest_bold", "sub-10_task-rest_bold")
HEADER = "output\timage\trating\tnote\trated_at\n"


@pytest.fixture
def study(browser, tmp_path):
    """The folder of reports of three runs, of which the first has failed; downloads go to tmp_path."""
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    return write_study(tmp_path / "out", [failed(NAMES[0]), done(NAMES[1]), done(NAMES[2])])


@pytest.fixture
def index(browser, study):
    open_page(browser, study / "index.html")
    return browser


def find(browser, selector):
    return browser.find_elements("css selector", selector)


def row_of(browser, name):
    (row,) = [row for row in find(browser, "table.runs tbody tr") if find_name(row) == name]
    return row


def find_name(row):
    return row.find_element("css selector", "td.name a, td.name span").text


def rate(place, rating):
    place.find_element("css selector", f".rate.{rating}").click()


def rated(place):
    """The rating that is pressed, and the note."""
    pressed = place.find_elements("css selector", ".rate[aria-pressed=true]")
    return [button.text for button in pressed], place.find_element("css selector", ".note").get_property("value")


def write_note(place, text):
    field = place.find_element("css selector", ".note")
    field.clear()
    field.send_keys(text, "\ue007")


def counts(browser):
    return [link.text for link in find(browser, "#ratings .counts a")]


def saved(browser, folder):
    path = folder / "ratings.tsv"
    path.unlink(missing_ok=True)
    browser.find_element("xpath", "//button[text()='Save ratings.tsv']").click()
    end = time.monotonic() + 10
    while not path.exists() and time.monotonic() < end:
        time.sleep(0.05)
    return path.read_text("utf-8")


def read_file(browser, path):
    """Choose a file with the button to read ratings, and return what the page says."""
    find(browser, "#ratings input[type=file]")[0].send_keys(str(path))
    output = find(browser, "#ratings output")[0]
    end = time.monotonic() + 10
    while path.name not in output.text and time.monotonic() < end:
        time.sleep(0.05)
    return output.text


def test_ratings_are_counted_and_stay(index, study):
    assert counts(index) == ["0 keep", "0 leave", "3 not rated"]
    rate(row_of(index, "sub-2"), "keep")
    rate(row_of(index, "sub-10"), "leave")
    assert counts(index) == ["1 keep", "1 leave", "1 not rated"]
    open_page(index, study / "index.html")
    assert counts(index) == ["1 keep", "1 leave", "1 not rated"]
    assert rated(row_of(index, "sub-10")) == (["leave"], "")
    assert console_messages(index) == []
    assert requests_elsewhere(index) == []


def test_second_press_takes_the_rating_back(index):
    rate(row_of(index, "sub-2"), "keep")
    rate(row_of(index, "sub-2"), "leave")
    assert rated(row_of(index, "sub-2")) == (["leave"], "")
    rate(row_of(index, "sub-2"), "leave")
    assert counts(index) == ["0 keep", "0 leave", "3 not rated"]


def test_pages_of_runs_share_them(index, study):
    rate(row_of(index, "sub-2"), "leave")
    write_note(row_of(index, "sub-2"), "stripes")
    open_page(index, study / f"{NAMES[1]}_report.html")
    assert [rated(nav) for nav in find(index, "nav.neighbours")] == [(["leave"], "stripes")] * 2
    rate(find(index, "nav.neighbours")[1], "keep")
    assert rated(find(index, "nav.neighbours")[0]) == (["keep"], "stripes")
    open_page(index, study / f"{NAMES[2]}_report.html")
    assert rated(find(index, "nav.neighbours")[0]) == ([], "")
    open_page(index, study / "index.html")
    assert rated(row_of(index, "sub-2")) == (["keep"], "stripes")


def test_keys_rate_the_run_but_not_in_fields(index, study):
    open_page(index, study / f"{NAMES[1]}_report.html")
    nav = find(index, "nav.neighbours")[0]
    find(index, "body")[0].send_keys("k")
    assert rated(nav) == (["keep"], "")
    find(index, "body")[0].send_keys("l")
    assert rated(nav) == (["leave"], "")
    write_note(nav, "looks ok")
    assert rated(nav) == (["leave"], "looks ok")
    assert nav.find_element("css selector", ".keep").get_attribute("title") == "Keep this run in the analysis (key K)"


def test_index_in_another_tab_follows(index, study):
    first = index.current_window_handle
    index.switch_to.new_window("tab")
    try:
        open_page(index, study / f"{NAMES[1]}_report.html")
        rate(find(index, "nav.neighbours")[0], "leave")
    finally:
        index.close()
        index.switch_to.window(first)
    end = time.monotonic() + 10
    while counts(index)[1] != "1 leave" and time.monotonic() < end:
        time.sleep(0.05)
    assert rated(row_of(index, "sub-2")) == (["leave"], "")


def test_another_study_has_ratings_of_its_own(index, tmp_path):
    rate(row_of(index, "sub-2"), "leave")
    other = write_study(tmp_path / "other", [done(name) for name in NAMES])
    open_page(index, other / "index.html")
    assert counts(index) == ["0 keep", "0 leave", "3 not rated"]


def test_ratings_stay_when_the_folder_moves_and_when_pages_are_written_again(index, study, tmp_path):
    rate(row_of(index, "sub-2"), "leave")
    moved = study.parent.rename(tmp_path / "moved")
    write_study(moved, [done(name) for name in NAMES])
    open_page(index, moved / "reports" / "index.html")
    assert rated(row_of(index, "sub-2")) == (["leave"], "")


@pytest.mark.parametrize(
    ("words", "found"),
    [("rating:leave", ["sub-2"]), ("rating:none", ["sub-1"]), ("has:note", ["sub-10"]), ("spike", ["sub-10"])],
)
def test_filter_finds_ratings_and_notes(index, words, found):
    rate(row_of(index, "sub-2"), "leave")
    rate(row_of(index, "sub-10"), "keep")
    write_note(row_of(index, "sub-10"), "one spike")
    field = find(index, ".tools input")[0]
    field.send_keys(words)
    assert [find_name(row) for row in find(index, "table.runs tbody tr")] == found


def test_counts_filter_and_the_column_sorts(index):
    rate(row_of(index, "sub-2"), "leave")
    find(index, "#ratings .counts a")[1].click()
    assert [find_name(row) for row in find(index, "table.runs tbody tr")] == ["sub-2"]
    find(index, ".tools input")[0].clear()
    find(index, "table.runs thead button")[1].click()
    assert find_name(find(index, "table.runs tbody tr")[0]) == "sub-2"


def test_paper_has_ratings_as_text(index, study):
    rate(row_of(index, "sub-2"), "leave")
    write_note(row_of(index, "sub-2"), "stripes")
    rate(row_of(index, "sub-10"), "keep")
    with on_paper(index):
        assert [cell.text for cell in find(index, "td.rating")] == ["", "leave: stripes", "keep"]
        assert [each for each in find(index, "input, .rate") if each.is_displayed()] == []
    open_page(index, study / f"{NAMES[1]}_report.html")
    with on_paper(index):
        assert [nav.text for nav in find(index, "nav.neighbours")] == ["leave: stripes", ""]
        assert [each for each in find(index, ".note, .rate") if each.is_displayed()] == []


def test_note_that_is_being_typed_is_printed(index):
    rate(row_of(index, "sub-2"), "keep")
    row_of(index, "sub-2").find_element("css selector", ".note").send_keys("spike")
    with on_paper(index):
        assert row_of(index, "sub-2").find_element("css selector", "td.rating").text == "keep: spike"
    assert rated(row_of(index, "sub-2")) == (["keep"], "spike")


class TestFile:
    def test_table_has_a_row_for_each_rated_run(self, index, tmp_path):
        rate(row_of(index, "sub-10"), "leave")
        rate(row_of(index, "sub-2"), "keep")
        rate(row_of(index, "sub-1"), "keep")
        write_note(row_of(index, "sub-1"), "motion?")
        rate(row_of(index, "sub-1"), "keep")
        text = saved(index, tmp_path)
        rows = [line.split("\t") for line in text.splitlines()]
        assert text.startswith(HEADER)
        assert [row[:4] for row in rows[1:]] == [
            [NAMES[0], f"/data/{NAMES[0]}.nii.gz", "n/a", "motion?"],
            [NAMES[1], f"/data/{NAMES[1]}.nii.gz", "keep", "n/a"],
            [NAMES[2], f"/data/{NAMES[2]}.nii.gz", "leave", "n/a"],
        ]
        assert all(row[4].endswith("Z") and row[4][:4].isdigit() for row in rows[1:])
        assert "3 runs in ratings.tsv" in find(index, "#ratings output")[0].text

    def test_exclude_reads_it(self, index, tmp_path):
        rate(row_of(index, "sub-10"), "leave")
        rate(row_of(index, "sub-2"), "keep")
        saved(index, tmp_path)
        (ratings,) = read_exclusions([str(tmp_path / "ratings.tsv")]).ratings
        assert [(each.image, each.is_left_out) for each in ratings.rows] == [
            (f"/data/{NAMES[1]}.nii.gz", False),
            (f"/data/{NAMES[2]}.nii.gz", True),
        ]

    def test_notes_cannot_break_it(self, index, study, tmp_path):
        note = 'a "tab"\tand\r\nlines; 1,5'
        key = index.execute_script("return Object.keys(localStorage).at(-1)")
        open_page(index, study / "index.html")
        index.execute_script(
            "openRatings(JSON.parse(document.getElementById('study').textContent).id)"
            ".set(arguments[0], {rating: 'leave', note: arguments[1]})",
            NAMES[1],
            note,
        )
        open_page(index, study / "index.html")
        text = saved(index, tmp_path)
        header, row = csv.reader(text.splitlines(), delimiter="\t")
        assert dict(zip(header, row, strict=True))["note"] == 'a "tab" and lines; 1,5'
        assert key is None or isinstance(key, str)

    def test_saved_ratings_are_read_elsewhere(self, index, tmp_path):
        rate(row_of(index, "sub-10"), "leave")
        write_note(row_of(index, "sub-10"), 'say "no"')
        saved(index, tmp_path)
        other = write_study(tmp_path / "other", [done(name) for name in NAMES])
        open_page(index, other / "index.html")
        assert read_file(index, tmp_path / "ratings.tsv") == "1 of 1 ratings taken from ratings.tsv"
        assert rated(row_of(index, "sub-10")) == (["leave"], 'say "no"')
        assert counts(index) == ["0 keep", "1 leave", "2 not rated"]

    def test_later_rating_counts(self, index, tmp_path):
        rate(row_of(index, "sub-2"), "keep")
        path = tmp_path / "mine.tsv"
        row = f"{NAMES[1]}\t/data/x.nii.gz\tleave\tn/a\t"
        path.write_text(f"{HEADER}{row}2020-01-01T00:00:00.000Z\n", encoding="utf-8")
        assert read_file(index, path) == "0 of 1 ratings taken from mine.tsv; 1 older than yours"
        assert rated(row_of(index, "sub-2")) == (["keep"], "")
        path = tmp_path / "later.tsv"
        path.write_text(f"{HEADER}{row}2999-01-01T00:00:00.000Z\n", encoding="utf-8")
        assert read_file(index, path) == "1 of 1 ratings taken from later.tsv"
        assert rated(row_of(index, "sub-2")) == (["leave"], "")

    def test_file_that_a_spreadsheet_saved_is_read(self, index, tmp_path):
        path = tmp_path / "excel.csv"
        lines = [
            "\ufeffoutput;image;rating;note;rated_at",
            f'{NAMES[1]};a.nii;LEAVE;"a; b";01.02.2026 10:00',
            "sub-9;b.nii;keep;;",
            ";;;;",
        ]
        text = "".join(f"{line}\r\n" for line in lines)
        path.write_bytes(text.encode("utf-8"))
        assert read_file(index, path) == "1 of 2 ratings taken from excel.csv; 1 of runs that are not in this study"
        assert rated(row_of(index, "sub-2")) == (["leave"], "a; b")

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            ("sub-1\nsub-2\n", "it has no columns output and rating"),
            ("", "it has no columns output and rating"),
            ("output\trating\nsub-1\tbad\n", "row 1 has the rating bad; expected keep, leave or n/a"),
            ('output\trating\tnote\nsub-1\tkeep\t"moved\nsub-2\tkeep\t\n', "a quotation mark in it is never closed"),
        ],
    )
    def test_other_file_is_refused_in_words(self, index, tmp_path, content, reason):
        path = tmp_path / "other.tsv"
        path.write_text(content, encoding="utf-8")
        assert read_file(index, path) == f"other.tsv is not a table of ratings: {reason}."
        assert counts(index) == ["0 keep", "0 leave", "3 not rated"]


class TestWithoutStorage:
    BREAKS = (
        "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('', 'SecurityError'); }})",
        "Storage.prototype.setItem = () => { throw new DOMException('', 'QuotaExceededError'); }",
    )

    @pytest.fixture(params=BREAKS)
    def without(self, browser, request):
        script = browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": request.param})
        yield browser
        browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)

    def test_index_keeps_ratings_while_it_is_open_and_says_so(self, without, study, tmp_path):
        open_page(without, study / "index.html")
        rate(row_of(without, "sub-2"), "leave")
        rate(row_of(without, "sub-10"), "keep")
        assert counts(without) == ["1 keep", "1 leave", "1 not rated"]
        (message,) = [each.text for each in find(without, "#ratings .not-kept")]
        assert message.startswith("This browser does not keep your ratings: they are lost when this page is closed.")
        assert len(saved(without, tmp_path).splitlines()) == 3
        assert console_messages(without) == []

    def test_page_of_a_run_says_so(self, without, study):
        open_page(without, study / f"{NAMES[1]}_report.html")
        rate(find(without, "nav.neighbours")[0], "leave")
        assert [rated(nav) for nav in find(without, "nav.neighbours")] == [(["leave"], "")] * 2
        assert find(without, ".not-kept")[0].text.endswith(
            "on the page of all runs instead, and save ratings.tsv there."
        )
        assert console_messages(without) == []


def test_what_is_stored_may_be_anything(index, study):
    key = "niimasker ratings " + index.execute_script(
        "return JSON.parse(document.getElementById('study').textContent).id"
    )
    for content in (
        "{",
        "null",
        "[]",
        "3",
        '{"sub-2_task-rest_bold": 7}',
        '{"sub-2_task-rest_bold": ["worse", 3, null]}',
    ):
        index.execute_script("localStorage.setItem(arguments[0], arguments[1])", key, content)
        open_page(index, study / "index.html")
        assert counts(index) == ["0 keep", "0 leave", "3 not rated"]
        rate(row_of(index, "sub-2"), "keep")
        assert counts(index) == ["1 keep", "0 leave", "2 not rated"]
    assert console_messages(index) == []


def test_ratings_are_reached_and_given_by_keyboard(index):
    find(index, ".frame")[0].send_keys("\ue004")
    for _ in range(20):
        if "keep" in index.switch_to.active_element.get_attribute("class"):
            break
        index.switch_to.active_element.send_keys("\ue004")
    index.switch_to.active_element.send_keys(" ")
    assert counts(index)[0] == "1 keep"


def test_index_with_ratings_fits_a_telephone(browser, study):
    open_page(browser, study / "index.html", width=TELEPHONE)
    assert scrolls_sideways(browser) is False
