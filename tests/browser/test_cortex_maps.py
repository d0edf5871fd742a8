"""The maps of the cortex on a run's page, in a browser."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from browser.pages import DESK, TELEPHONE, console_messages, open_page, requests_elsewhere, scrolls_sideways
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait
from surface_files import make_space
from surface_views import surface_view

from niimasker.inputs.grayordinates import Grayordinates, VoxelModel
from niimasker.inputs.spaces import Grid
from niimasker.inputs.surfaces.meshes import find_meshes, locate_vertices
from niimasker.reports.run_page import write_report

NAMES = ("L_back", "<b>L_front</b>", "R_back", "R_front")


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    """The page of a run on fsaverage5 whose regions are the back and the front of each hemisphere."""
    output_dir = tmp_path_factory.mktemp("report of a surface")
    space = make_space(10_242, 10_242)
    places = locate_vertices(space, find_meshes(space, "bold.func.gii", []))
    labels = 1 + (places[:, 1] > -15) + 2 * np.repeat([0, 1], 10_242)
    values = 500 + np.random.default_rng(0).normal(size=(30, space.n_points))
    path = output_dir / "reports" / "run_report.html"
    write_report(path, surface_view(output_dir / "bold.func.gii", space, labels, NAMES, values), output_dir)
    return path


@pytest.fixture
def page(browser, report):
    return show(browser, report)


def show(browser, path, *, width=DESK):
    open_page(browser, path, width=width)
    WebDriverWait(browser, 30).until(lambda page: page.execute_script("return document.documentElement.dataset.drawn"))
    return browser


def shown_maps(page):
    return [each.is_displayed() for each in page.find_elements(By.CSS_SELECTOR, ".map")]


def point(page, number, across, down=0.5):
    """Move the pointer to a place, in shares of the shown picture of a hemisphere."""
    images = [each for each in page.find_elements(By.CSS_SELECTOR, ".hemispheres img") if each.is_displayed()]
    image = images[number]
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", image)
    x, y = (across - 0.5) * image.size["width"], (down - 0.5) * image.size["height"]
    actions = ActionChains(page).move_to_element_with_offset(image, round(x), round(y))
    actions.perform()
    return actions


def tip(page):
    (found,) = page.find_elements(By.CSS_SELECTOR, ".tip")
    return found.text if found.is_displayed() else None


def test_console_is_silent_and_nothing_is_fetched_from_elsewhere(page):
    point(page, 0, 0.15)
    assert console_messages(page) == []
    assert requests_elsewhere(page) == []


def test_regions_are_shown_first_and_arrow_keys_change_the_map(page):
    assert shown_maps(page) == [True, False, False, False]
    first, second = page.find_elements(By.CSS_SELECTOR, ".maps > input")[:2]
    first.send_keys(Keys.ARROW_RIGHT)
    assert shown_maps(page) == [False, True, False, False]
    second.send_keys(Keys.ARROW_RIGHT)
    assert shown_maps(page) == [False, False, True, False]


def test_button_changes_the_map(page):
    page.find_elements(By.CSS_SELECTOR, ".maps > label")[2].click()
    assert shown_maps(page) == [False, False, True, False]


@pytest.mark.parametrize(
    ("number", "across", "name"), [(0, 0.08, 1), (0, 0.42, 0), (0, 0.92, 1), (1, 0.08, 3), (1, 0.92, 3)]
)
@pytest.mark.parametrize("width", [DESK, TELEPHONE])
def test_pointer_shows_name_and_numbers_of_the_region_under_it(browser, report, width, number, across, name):
    page = show(browser, report, width=width)
    point(page, number, across)
    assert tip(page).startswith(f"{NAMES[name]}, coverage 1.00, tSNR ")
    assert not scrolls_sideways(page)


def test_pointer_beside_the_brain_shows_nothing(page):
    point(page, 0, 0.1)
    point(page, 0, 0.02, 0.95)
    assert tip(page) is None


def wait_for_layers(page):
    WebDriverWait(page, 10).until(lambda _: page.find_element(By.CSS_SELECTOR, ".maps").get_attribute("data-drawn"))


def colour_at(page, number, across, down=0.5):
    """Red, green, blue and opacity that are painted over a place of the shown picture of a hemisphere."""
    script = """
        const all = [...document.querySelectorAll('.hemisphere canvas')];
        const canvas = all.filter((each) => each.clientWidth)[arguments[0]];
        const place = [arguments[1] * canvas.width, arguments[2] * canvas.height];
        return [...canvas.getContext('2d').getImageData(...place, 1, 1).data];
    """
    return page.execute_script(script, number, across, down)


def test_click_chooses_the_region_in_the_table_and_shows_its_signal(page):
    point(page, 1, 0.4).click().perform()
    assert page.find_element(By.CSS_SELECTOR, ".found-region").text == "R_back"
    assert [row.text for row in page.find_elements(By.CSS_SELECTOR, "tr[aria-current] td.name")] == ["R_back"]


def test_pointer_shows_the_correlation_with_the_chosen_region(page):
    point(page, 1, 0.4).click().perform()
    point(page, 0, 0.08)
    script = "return selection.atlasOf(document.querySelector('.atlas')).correlationsWith(2)[1].toFixed(2)"
    assert tip(page).endswith(f", r {page.execute_script(script)} with R_back")


def test_switch_paints_the_correlations_with_the_chosen_region(page):
    wait_for_layers(page)
    point(page, 0, 0.42).click().perform()
    white = [255, 255, 255, 255]
    assert colour_at(page, 0, 0.42) == colour_at(page, 1, 0.08) == white
    page.find_elements(By.CSS_SELECTOR, ".maps > label")[3].click()
    assert shown_maps(page) == [False, False, False, True]
    assert page.find_element(By.CSS_SELECTOR, ".seed").text == "L_back"
    # The last colour is that of r = 1.
    assert colour_at(page, 0, 0.42) == [0x67, 0x00, 0x1F, 255]
    assert colour_at(page, 1, 0.08) not in (white, [0x67, 0x00, 0x1F, 255])
    page.find_elements(By.CSS_SELECTOR, ".maps > label")[0].click()
    assert colour_at(page, 0, 0.42) == white


def test_chosen_region_has_a_black_border(page):
    wait_for_layers(page)
    count = """
        const all = [...document.querySelectorAll('.hemisphere canvas')];
        const canvas = all.filter((each) => each.clientWidth)[arguments[0]];
        const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        let n = 0;
        for (let place = 0; place < data.length; place += 4) n += data[place] === 0;
        return n;
    """
    point(page, 1, 0.4).click().perform()
    assert page.execute_script(count, 0) == 0
    assert page.execute_script(count, 1) > 500


def test_voxels_and_vertices_have_the_same_choice_and_colours(browser, tmp_path):
    cortex = make_space(10_242, 10_242)
    voxels = np.array([[i, j, k] for i in range(1, 5) for j in range(1, 6) for k in range(1, 7)], dtype=np.int32)
    grid = Grid((6, 7, 8), ((4.0, 0, 0, -10), (0, 4.0, 0, -12), (0, 0, 4.0, -14), (0, 0, 0, 1.0)))
    space = Grayordinates((*cortex.models, VoxelModel("THALAMUS_LEFT", voxels)), grid)
    labels = np.concatenate([np.repeat([1, 2], 10_242), np.full(len(voxels), 3)])
    values = 500 + np.random.default_rng(1).normal(size=(30, space.n_points))
    path = tmp_path / "reports" / "run_report.html"
    view = surface_view(tmp_path / "bold.dtseries.nii", space, labels, ("left", "right", "thalamus"), values)
    write_report(path, view, tmp_path)
    page = show(browser, path)
    wait_for_layers(page)
    brain = page.find_element(By.CSS_SELECTOR, ".brain-view")
    WebDriverWait(page, 10).until(lambda _: brain.get_attribute("data-drawn"))
    found = page.find_element(By.CSS_SELECTOR, ".found-region")
    ActionChains(page).click(brain.find_element(By.CSS_SELECTOR, ".planes")).perform()
    assert found.text == "thalamus"
    brain.find_element(By.CSS_SELECTOR, "[value=correlation]").click()
    assert shown_maps(page)[-1]
    assert page.find_element(By.CSS_SELECTOR, ".seed").text == "thalamus"
    point(page, 1, 0.4).click().perform()
    assert found.text == "right"
    assert "r " in brain.find_element(By.CSS_SELECTOR, ".place").text
    page.find_elements(By.CSS_SELECTOR, ".maps > label")[0].click()
    assert brain.find_element(By.CSS_SELECTOR, "[value=regions]").is_selected()
    assert console_messages(page) == []


def test_print_has_the_chosen_map_without_buttons(page):
    page.find_elements(By.CSS_SELECTOR, ".maps > label")[1].click()
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert shown_maps(page) == [False, True, False, False]
        assert not any(each.is_displayed() for each in page.find_elements(By.CSS_SELECTOR, ".maps > label"))
        assert "Point at a region" not in page.find_element(By.CSS_SELECTOR, ".maps").text
    finally:
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


@pytest.mark.parametrize("width", [DESK, TELEPHONE])
def test_pictures_fit_the_page(browser, report, width):
    page = show(browser, report, width=width)
    assert not scrolls_sideways(page)
    left, right = page.find_elements(By.CSS_SELECTOR, ".map:first-of-type img")
    if width == DESK:
        assert left.location["y"] == right.location["y"]
    else:
        assert left.location["y"] + left.size["height"] <= right.location["y"]
