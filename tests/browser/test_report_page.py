"""The page of a run in a browser."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from browser.pages import DESK, TELEPHONE, console_messages, open_page, requests_elsewhere, scrolls_sideways
from images import make_labels, save
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from niimasker import extract
from niimasker.options.settings import CONNECTIVITY_KINDS

HOSTILE = "</script><script>document.title='run'</script>"
NAMES = ("LH_Vis_1", HOSTILE, "RH_<b>Vis</b>_1")
N_VOLUMES = 80


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    """The page of a run with everything on it: motion, censored volumes, a filter, regressors, hostile names."""
    folder = tmp_path_factory.mktemp("report of a run")
    rng = np.random.default_rng(2)
    labels = make_labels((1, 2, 10))
    values = 500 + rng.normal(size=(*labels.shape, N_VOLUMES)) + labels[..., None] * 10
    save(folder / "bold #1.nii.gz", values.astype(np.float32), t_r=2.0)
    save(folder / "atlas.nii.gz", labels)
    motion = pd.DataFrame(rng.normal(size=(N_VOLUMES, 2)), columns=["x", "y"])
    motion["framewise_displacement"] = [np.nan, *np.where(np.arange(1, N_VOLUMES) % 20 == 10, 0.9, 0.1)]
    motion["std_dvars"] = [np.nan, *np.ones(N_VOLUMES - 1)]
    motion.to_csv(folder / "confounds.tsv", sep="\t", index=False, na_rep="n/a")
    (outcome,) = extract(
        folder / "out",
        input_files=[folder / "bold #1.nii.gz"],
        roi_file=str(folder / "atlas.nii.gz"),
        labels=list(NAMES),
        regressor_files=[folder / "confounds.tsv"],
        regressors=["x", "y"],
        scrub=True,
        scrub_segment=0,
        discard_scans=2,
        low_pass=0.1,
        standardize=True,
    )
    return outcome.result.report_path


@pytest.fixture
def page(browser, report):
    """The page at a desk, drawn."""
    return show(browser, report)


def show(browser, path, *, width=DESK):
    open_page(browser, path, width=width)
    WebDriverWait(browser, 30).until(lambda page: page.execute_script("return document.documentElement.dataset.drawn"))
    return browser


def viewer_curves(page):
    return page.execute_script("return document.querySelector('.viewer').data.map((trace) => trace.y)")


def found(page):
    return page.find_element(By.CSS_SELECTOR, ".found-region").text


def type_region(page, text):
    field = page.find_element(By.CSS_SELECTOR, ".find-region")
    field.send_keys(Keys.CONTROL, "a")
    field.send_keys(text)


def table_names(page):
    return [cell.text for cell in page.find_elements(By.CSS_SELECTOR, "table.regions td.name")]


def test_console_is_silent_and_nothing_is_fetched_from_elsewhere(page):
    assert console_messages(page) == []
    assert requests_elsewhere(page) == []


def test_every_figure_is_drawn(page):
    script = "return [...document.querySelectorAll('[data-figure]')].map((each) => each.querySelectorAll('svg').length)"
    n_drawings = page.execute_script(script)
    assert len(n_drawings) == 7
    assert all(n_drawings)


def test_first_region_is_shown_from_the_table_s_values(page, report):
    table = pd.read_csv(report.parents[1] / "bold #1_timeseries.tsv", sep="\t").to_numpy()
    after = np.array(viewer_curves(page)[1], dtype=float)
    assert len(after) == N_VOLUMES
    assert np.flatnonzero(np.isnan(after)).tolist() == [0, 1, 10, 30, 50, 70]
    np.testing.assert_allclose(after[np.isfinite(after)], table[:, 0], atol=1e-3)


def test_typing_a_region_s_name_changes_the_plot(page):
    before = viewer_curves(page)
    type_region(page, "RH_")
    assert found(page) == NAMES[2]
    assert viewer_curves(page) != before


def test_typing_a_name_that_is_none_says_so_and_keeps_the_plot(page):
    before = viewer_curves(page)
    type_region(page, "zzz")
    assert found(page) == "no region matches this name"
    assert viewer_curves(page) == before


def test_hostile_name_is_shown_and_not_run(page):
    type_region(page, HOSTILE)
    assert found(page) == HOSTILE
    assert page.title == "bold #1.nii.gz: region signals"
    assert HOSTILE in table_names(page)
    ticks = page.execute_script(
        "return [...document.querySelectorAll('[data-figure^=carpet] .ytick text')].map((e) => e.textContent)"
    )
    assert any(tick.startswith("RH_<b>") for tick in ticks)


def test_headers_sort_the_table(page):
    def click(header):
        page.find_element(
            By.XPATH, f"//table[contains(@class, 'regions')]//th//button[contains(., '{header}')]"
        ).click()

    first = table_names(page)
    click("Mean")
    click("Mean")
    assert table_names(page) == list(reversed(first))


def test_filter_finds_rows(page):
    page.find_element(By.CSS_SELECTOR, ".filter input").send_keys("lh_vis")
    assert table_names(page) == [NAMES[0]]


def test_copy_button_copies_the_methods(page):
    page.find_element(By.CSS_SELECTOR, "[data-copy]").click()
    said = page.find_element(By.CSS_SELECTOR, "#methods output")
    WebDriverWait(page, 5).until(lambda _: said.text == "copied")
    field = page.find_element(By.CSS_SELECTOR, ".find-region")
    field.clear()
    field.send_keys(Keys.CONTROL, "v")
    assert field.get_attribute("value").startswith("The first 2 volumes of the run were discarded. Volumes with a")


def test_references_are_copied_in_bibtex(page):
    details = page.find_element(By.CSS_SELECTOR, "details.bibtex")
    details.find_element(By.TAG_NAME, "summary").click()
    details.find_element(By.TAG_NAME, "button").click()
    said = details.find_element(By.TAG_NAME, "output")
    WebDriverWait(page, 5).until(lambda _: said.text == "copied")
    field = page.find_element(By.CSS_SELECTOR, ".find-region")
    field.clear()
    field.send_keys(Keys.CONTROL, "v")
    # A field of one line takes no line breaks.
    assert field.get_attribute("value").startswith("@article{abraham2014,")


def test_every_image_has_alt_text(page):
    images = page.find_elements(By.TAG_NAME, "img")
    assert images
    assert all(image.get_attribute("alt") for image in images)
    assert all(image.get_property("naturalWidth") for image in images)
    plots = page.find_elements(By.CSS_SELECTOR, "[data-figure]")
    assert all(plot.get_attribute("role") == "img" and plot.get_attribute("aria-label") for plot in plots)


@pytest.mark.parametrize("width", [TELEPHONE, DESK])
def test_page_does_not_scroll_sideways(browser, report, width):
    assert not scrolls_sideways(show(browser, report, width=width))


def test_folder_can_be_moved(browser, report):
    moved = report.parent.with_name("moved")
    report.parent.rename(moved)
    try:
        page = show(browser, moved / report.name)
        assert console_messages(page) == []
        assert viewer_curves(page)
    finally:
        moved.rename(report.parent)


def test_figures_fit_the_paper(page):
    page.execute_script("dispatchEvent(new Event('beforeprint'))")
    widths = page.execute_script(
        "return [...document.querySelectorAll('[data-figure]')].map((each) => each.layout.width)"
    )
    assert max(widths) == 670


def test_hovering_the_carpet_names_the_region(page):
    # The middle of three rows, which are grouped by hemisphere.
    carpet = page.find_element(By.CSS_SELECTOR, "[data-figure^=carpet] .heatmaplayer image")
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", carpet)
    ActionChains(page).move_to_element(carpet).perform()
    script = "return [...document.querySelectorAll('.hoverlayer tspan')].map((each) => each.textContent)"
    name, when, z = WebDriverWait(page, 5).until(lambda _: page.execute_script(script))
    assert name == NAMES[2]
    assert when in ("78 s", "80 s")
    assert z.startswith("z ")


def test_clicking_a_row_of_the_carpet_shows_its_region(page):
    page.execute_script(
        "const place = document.querySelector('[data-figure^=carpet]');"
        "place.emit('plotly_click', {points: [{y: place.data[0].y[1]}]});"
    )
    assert found(page) == NAMES[2]


def test_zoomed_figures_stay_zoomed_when_the_window_changes(page):
    axis = "document.querySelector('[data-figure^=carpet]').layout.xaxis.range"
    page.execute_script("Plotly.relayout(document.querySelector('[data-figure^=carpet]'), {'xaxis.range': [20, 60]})")
    page.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 700, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    )
    script = "return document.querySelector('[data-figure^=carpet]').layout.width"
    WebDriverWait(page, 5).until(lambda _: page.execute_script(script) < 700)
    assert page.execute_script(f"return {axis}") == [20, 60]


def test_matrix_has_as_many_names_as_fit(browser, tmp_path):
    rng = np.random.default_rng(3)
    labels = np.arange(1, 25, dtype=np.int16).reshape(2, 3, 4)
    save(tmp_path / "bold.nii.gz", rng.normal(500, 1, (*labels.shape, 30)).astype(np.float32), t_r=2.0)
    save(tmp_path / "atlas.nii.gz", labels)
    (outcome,) = extract(
        tmp_path / "out", input_files=[tmp_path / "bold.nii.gz"], roi_file=str(tmp_path / "atlas.nii.gz")
    )
    n_ticks = "return document.querySelectorAll('[data-figure^=matrix] .ytick text').length"
    assert show(browser, outcome.result.report_path).execute_script(n_ticks) == 24
    assert show(browser, outcome.result.report_path, width=TELEPHONE).execute_script(n_ticks) == 12


@pytest.mark.filterwarnings("ignore:connectivity is measured without nuisance regression")
def test_matrices_that_are_asked_for_are_drawn_at_a_desk_and_on_a_telephone(browser, tmp_path):
    rng = np.random.default_rng(4)
    labels = make_labels((1, 2, 5))
    values = 500 + rng.normal(size=(*labels.shape, 40)) + rng.normal(size=40)
    save(tmp_path / "bold.nii.gz", values, t_r=2.0)
    save(tmp_path / "atlas.nii.gz", labels)
    inputs = {"input_files": [tmp_path / "bold.nii.gz"], "roi_file": str(tmp_path / "atlas.nii.gz")}
    (outcome,) = extract(tmp_path / "out", **inputs, connectivity=CONNECTIVITY_KINDS)
    edges = (
        "return [...document.querySelectorAll('[data-figure^=matrix]')]"
        ".map((each) => each.querySelector('svg').getBoundingClientRect().right)"
    )
    for width in (DESK, TELEPHONE):
        page = show(browser, outcome.result.report_path, width=width)
        rights = page.execute_script(edges)
        assert len(rights) == len(CONNECTIVITY_KINDS)
        assert max(rights) <= width
        assert not scrolls_sideways(page)
        assert console_messages(page) == []
