"""table.js on tables whose rows are in the HTML."""

from __future__ import annotations

from importlib.resources import files

import pytest
from browser.pages import console_messages, open_page

ROWS = """
<tr><td>10</td><td>Vis_10</td><td data-value="0.5">50 %</td><td>b</td></tr>
<tr><td>9</td><td>vis_9</td><td data-value="0.05">5 %</td><td>a</td></tr>
<tr><td>&minus;3.5</td><td>Vis_100</td><td data-value="">none</td><td>n/a</td></tr>
<tr><td>n/a</td><td>Aud_1</td><td data-value="1">100 %</td><td>c</td></tr>
<tr><td>1e3</td><td>Vis_2 &lt;b&gt;</td><td data-value="0.25">25 %</td><td></td></tr>
"""


@pytest.fixture
def show(browser, tmp_path):
    """A function that opens a page with a table of these attributes."""
    (tmp_path / "table.js").write_bytes((files("niimasker.reports") / "assets" / "table.js").read_bytes())

    def run(attributes='class="sortable"', rows=ROWS):
        head = "".join(f"<th>{name}</th>" for name in ("Index", "Name", "Coverage")) + "<th data-fixed>Note</th>"
        page = f"""<!DOCTYPE html><meta charset="utf-8"><script src="table.js" defer></script>
            <div class="frame"><table {attributes}><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"""
        (tmp_path / "page.html").write_text(page, encoding="utf-8")
        open_page(browser, tmp_path / "page.html")
        return browser

    return run


def column(browser, place):
    script = "return [...document.querySelectorAll('tbody tr')].map((row) => row.cells[arguments[0]].textContent)"
    return browser.execute_script(script, place)


def press(browser, name):
    browser.find_element("xpath", f"//th/button[text()='{name}']").click()


def test_numbers_sort_as_numbers_and_missing_ones_stay_last(show):
    browser = show()
    press(browser, "Index")
    assert column(browser, 0) == ["\N{MINUS SIGN}3.5", "9", "10", "1e3", "n/a"]
    press(browser, "Index")
    assert column(browser, 0) == ["1e3", "10", "9", "\N{MINUS SIGN}3.5", "n/a"]


def test_third_click_brings_the_first_order_back(show):
    browser = show()
    before = column(browser, 0)
    for _ in range(3):
        press(browser, "Index")
    assert column(browser, 0) == before


def test_texts_sort_naturally_whatever_their_case(show):
    browser = show()
    press(browser, "Name")
    assert column(browser, 1) == ["Aud_1", "Vis_2 <b>", "vis_9", "Vis_10", "Vis_100"]


def test_a_value_given_goes_before_the_text(show):
    browser = show()
    press(browser, "Coverage")
    assert column(browser, 2) == ["5 %", "25 %", "50 %", "100 %", "none"]


def test_fixed_column_has_no_button_and_no_order(show):
    browser = show()
    assert [button.text for button in browser.find_elements("css selector", "th button")] == [
        "Index",
        "Name",
        "Coverage",
    ]
    header = browser.find_elements("css selector", "th")[3]
    assert header.get_attribute("aria-sort") is None


def test_other_tables_are_left_alone(show):
    assert show("").find_elements("css selector", "button, input, output") == []


def test_table_without_filter_or_pages_shows_no_tools(show):
    assert not show().find_element("css selector", ".tools").is_displayed()


def test_filter_has_the_label_given_and_finds_rows(show):
    browser = show('class="sortable" data-filter="Find a region"')
    assert browser.find_element("css selector", "label").text == "Find a region"
    field = browser.find_element("css selector", "label input")
    field.send_keys("VIS 9")
    assert column(browser, 1) == ["vis_9"]
    field.clear()
    field.send_keys("<b>")
    assert column(browser, 1) == ["Vis_2 <b>"]


def test_pages_hold_so_many_rows(show):
    browser = show('class="sortable" data-page-size="2"')
    assert column(browser, 0) == ["10", "9"]
    browser.find_element("css selector", "[aria-label='Last page']").click()
    assert column(browser, 0) == ["1e3"]
    assert browser.find_element("css selector", "output").text == "rows 5 to 5 of 5"


def test_empty_table_raises_no_error(show):
    browser = show('class="sortable" data-filter="Find" data-page-size="2"', rows="")
    press(browser, "Index")
    assert column(browser, 0) == []
    assert console_messages(browser) == []


def printed(browser, place=0):
    """Prepare the page for printing, and return a column and the line about the rows, which is empty if hidden."""
    browser.execute_script("window.dispatchEvent(new Event('beforeprint'))")
    lines = [line.text for line in browser.find_elements("css selector", ".on-paper") if line.is_displayed()]
    return column(browser, place), "".join(lines)


def back_on_screen(browser):
    browser.execute_script("window.dispatchEvent(new Event('afterprint'))")


class TestPaper:
    PAGES = 'class="sortable" data-filter="Find" data-page-size="2" data-file="all.tsv"'

    def test_all_pages_are_printed_and_the_page_shown_comes_back(self, show):
        browser = show(self.PAGES)
        browser.find_element("css selector", "[aria-label='Next page']").click()
        shown = column(browser, 0)
        assert printed(browser) == (["10", "9", "\N{MINUS SIGN}3.5", "n/a", "1e3"], "")
        back_on_screen(browser)
        assert column(browser, 0) == shown
        assert browser.find_element("css selector", "output").text == "rows 3 to 4 of 5"
        assert not browser.find_element("css selector", ".on-paper").is_displayed()

    def test_rows_found_are_printed_in_the_order_chosen_with_their_number(self, show):
        browser = show(self.PAGES)
        press(browser, "Name")
        browser.find_element("css selector", "label input").send_keys("vis")
        names = ["Vis_2 <b>", "vis_9", "Vis_10", "Vis_100"]
        assert printed(browser, 1) == (names, "4 found among 5; all are in all.tsv")

    @pytest.mark.parametrize(
        ("n_rows", "n_printed", "words"),
        [(500, 500, ""), (501, 2, "rows 3 to 4 of 501; all are in all.tsv")],
    )
    def test_a_very_long_table_says_which_rows_are_printed(self, show, n_rows, n_printed, words):
        rows = "".join(f"<tr><td>{k}</td><td>a</td><td>b</td><td>c</td></tr>" for k in range(n_rows))
        browser = show(self.PAGES, rows)
        browser.find_element("css selector", "[aria-label='Next page']").click()
        rows_printed, line = printed(browser)
        assert (len(rows_printed), line) == (n_printed, words)
