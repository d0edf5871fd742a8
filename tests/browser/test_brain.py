"""The interactive view of the brain, and the choice of a region in all views of a run's page, in a browser."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from browser.pages import DESK, TELEPHONE, console_messages, open_page, requests_elsewhere, scrolls_sideways
from images import save
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from niimasker import extract
from niimasker.errors import NiimaskerWarning

# The first axis runs to the left; voxels are no cubes.
SHAPE, AFFINE = (12, 14, 10), np.array([[-5.0, 0, 0, 30], [0, 5, 0, -40], [0, 0, 8, -36], [0, 0, 0, 1]])
NAMES = ("LH_Vis_1", "LH_Som_1", "RH_Vis_1", "RH_Som_1", "RH_Limbic_1")
N_VOLUMES = 60
AXES = "xyz"


def make_atlas() -> np.ndarray:
    """Four blocks, the left of the brain at the end of the first axis, and an empty block of the fifth region."""
    labels = np.zeros(SHAPE, dtype=np.int16)
    labels[7:11, 2:6, 2:8], labels[7:11, 8:12, 2:8] = 1, 2
    labels[1:5, 2:6, 2:8], labels[1:5, 8:12, 2:8] = 3, 4
    labels[2:4, 6:8, 4:6] = 5
    return labels


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    """The page of a run with two atlases: one of five regions, of which one has no signal, and one of a single mask."""
    folder = tmp_path_factory.mktemp("brain of a run")
    rng = np.random.default_rng(5)
    labels = make_atlas()
    signals = rng.normal(size=(6, N_VOLUMES)) + rng.normal(size=N_VOLUMES) * np.array([0, 1, 0.3, 1, -1, 0])[:, None]
    values = 500 + 5 * signals[labels] + rng.normal(size=(*SHAPE, N_VOLUMES))
    values[labels == 5] = 300
    save(folder / "bold.nii.gz", values.astype(np.float32), AFFINE, t_r=2.0)
    save(folder / "atlas-Blocks_dseg.nii.gz", labels, AFFINE)
    save(folder / "mask.nii.gz", (labels == 2).astype(np.uint8), AFFINE)
    motion = pd.DataFrame(rng.normal(size=(N_VOLUMES, 2)), columns=["trans_x", "rot_x"])
    motion.to_csv(folder / "confounds.tsv", sep="\t", index=False)
    pd.DataFrame({"index": range(1, 6), "name": NAMES}).to_csv(folder / "atlas-Blocks_dseg.tsv", sep="\t", index=False)
    with pytest.warns(NiimaskerWarning, match="1 of 5 regions without signal"):
        (outcome,) = extract(
            folder / "out",
            input_files=[folder / "bold.nii.gz"],
            roi_file=[str(folder / "atlas-Blocks_dseg.nii.gz"), str(folder / "mask.nii.gz")],
            regressor_files=[folder / "confounds.tsv"],
            regressors=["trans_x", "rot_x"],
            connectivity=["pearson"],
        )
    return outcome.result.report_path


@pytest.fixture
def page(browser, report):
    return show(browser, report)


def show(browser, path, *, width=DESK):
    open_page(browser, path, width=width)
    views = "return [...document.querySelectorAll('.brain-view')].every((each) => each.dataset.drawn)"
    WebDriverWait(browser, 30).until(lambda page: page.execute_script(views))
    return browser


def section_of(page, number=1):
    return page.find_element(By.CSS_SELECTOR, f"[data-atlas='{number}']")


def part(page, selector, number=1):
    return section_of(page, number).find_element(By.CSS_SELECTOR, selector)


def find_box(planes, axis):
    """Where brainsprite draws a cut: left, top, width and height in pixels from the corner of the view."""
    millimetres = [n * size for n, size in zip(SHAPE, (5, 5, 8), strict=True)]
    total = 2 * millimetres[0] + millimetres[1]
    width = [planes.size["width"] * millimetres[side] / total for side in (1, 0, 0)]
    height = [width[cut] * millimetres[up] / millimetres[right] for cut, (right, up) in enumerate(IN_PLANE)]
    return sum(width[:axis]), (max(height) - height[axis]) / 2, width[axis], height[axis]


# The axes to the right and upwards of each cut.
IN_PLANE = ((1, 2), (0, 2), (0, 1))


def place_in_cut(planes, axis, voxel):
    """The middle of a voxel of the image in RAS+ orientation, in pixels from the middle of the view."""
    left, top, width, height = find_box(planes, axis)
    right, up = IN_PLANE[axis]
    x = left + (voxel[right] + 0.5) / SHAPE[right] * width - planes.size["width"] / 2
    y = top + (1 - (voxel[up] + 0.5) / SHAPE[up]) * height - planes.size["height"] / 2
    return round(x), round(y)


def click_cut(page, axis, voxel, number=1):
    planes = part(page, ".planes", number)
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", planes)
    ActionChains(page).move_to_element_with_offset(planes, *place_in_cut(planes, axis, voxel)).click().perform()


def typed_place(page, number=1):
    return [float(each) for each in part(page, ".position", number).get_attribute("value").split(",")]


def label_at(millimetres):
    """The label of the atlas at a place, by nibabel."""
    i, j, k = nib.affines.apply_affine(np.linalg.inv(AFFINE), millimetres).round().astype(int)
    return make_atlas()[i, j, k]


def chosen(page, number=1):
    """The names of the region that each view marks."""
    marked = """
        const [section, kind] = arguments;
        const figure = section.querySelector(`[data-figure^=${kind}]`);
        const all = figure.data[0].y;
        return figure.layout.shapes.filter((shape) => shape.yref === "y").map((shape) => all[shape.y0 + 0.5])
    """
    section = section_of(page, number)
    names = {kind: page.execute_script(marked, section, kind) for kind in ("carpet", "matrix", "regressors")}
    table = [row.text for row in section.find_elements(By.CSS_SELECTOR, "tr[aria-current] td.name")]
    return {
        "field": [part(page, ".find-region", number).get_attribute("value")],
        "found": [part(page, ".found-region", number).text.split(";")[0]],
        "table": table,
        **names,
    }


def assert_all_chose(page, name):
    assert chosen(page) == {view: [name] for view in ("field", "found", "table", "carpet", "matrix", "regressors")}


def told(page, number=1):
    return part(page, ".place", number).text


def test_console_is_silent_and_nothing_is_fetched_from_elsewhere(page):
    click_cut(page, 2, (3, 4, 5))
    assert console_messages(page) == []
    assert requests_elsewhere(page) == []


def test_first_region_is_chosen_and_the_cross_hair_is_in_it(page):
    assert told(page).startswith("LH_Vis_1 (chosen) at ")
    assert label_at(typed_place(page)) == 1
    # The field suggests names to a reader who has chosen none.
    assert chosen(page) == {**{view: ["LH_Vis_1"] for view in chosen(page)}, "field": [""]}


@pytest.mark.parametrize("axis", [0, 1, 2], ids=AXES)
@pytest.mark.parametrize("voxel", [(3, 10, 4), (9, 3, 6), (8, 9, 3)])
def test_click_in_a_cut_chooses_the_region_there_in_all_views(page, axis, voxel):
    # First the other two coordinates, in another cut.
    click_cut(page, (axis + 1) % 3, voxel)
    click_cut(page, axis, voxel)
    canonical = nib.as_closest_canonical(nib.Nifti1Image(make_atlas(), AFFINE))
    expected = nib.affines.apply_affine(canonical.affine, voxel)
    np.testing.assert_allclose(typed_place(page), expected, atol=0.051)
    label = label_at(expected)
    assert label
    assert_all_chose(page, NAMES[label - 1])
    assert told(page).startswith(f"{NAMES[label - 1]} (chosen) at ")


def test_click_beside_the_regions_moves_the_cross_hair_and_keeps_the_choice(page):
    click_cut(page, 2, (3, 10, 4))
    click_cut(page, 2, (0, 0, 4))
    assert told(page).startswith("no region at -25, -40, ")
    assert_all_chose(page, "LH_Som_1")


@pytest.mark.parametrize(("row", "column"), [(0, 3), (2, 1)])
def test_click_on_a_matrix_cell_chooses_the_region_of_its_row(page, report, row, column):
    cells = part(page, "[data-figure^=matrix] .heatmaplayer image")
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", cells)
    side = cells.size["width"] / 4
    ActionChains(page).move_to_element_with_offset(
        cells, round((column - 1.5) * side), round((row - 1.5) * side)
    ).click().perform()
    shown = page.execute_script("return document.querySelector('[data-figure^=matrix]').data[0].y")
    # Regions are grouped by their hemisphere and network; the empty one is left out.
    assert shown == [NAMES[number] for number in (0, 1, 2, 3)]
    WebDriverWait(page, 5).until(lambda _: chosen(page)["found"] == [shown[row]])
    assert_all_chose(page, shown[row])
    (path,) = report.parents[1].glob("*atlas-Blocks*pearson*relmat.tsv")
    matrix = pd.read_csv(path, sep="\t", index_col=0)
    r = matrix.loc[shown[row], shown[column]]
    assert part(page, ".found-region").text == f"{shown[row]}; {r:.2f} with {shown[column]}"
    assert label_at(typed_place(page)) == NAMES.index(shown[row]) + 1


@pytest.mark.parametrize("kind", ["carpet", "regressors"])
def test_click_on_a_row_of_a_figure_chooses_its_region(page, kind):
    rows = part(page, f"[data-figure^={kind}] .heatmaplayer image")
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", rows)
    down = round((3.5 / 5 - 0.5) * rows.size["height"])
    ActionChains(page).move_to_element_with_offset(rows, 3, down).click().perform()
    WebDriverWait(page, 5).until(lambda _: chosen(page)["found"] == [NAMES[3]])
    assert_all_chose(page, NAMES[3])
    assert label_at(typed_place(page)) == 4


def test_name_in_the_table_is_a_button_that_chooses_the_region(page):
    button = section_of(page).find_element(By.XPATH, ".//button[contains(., 'RH_Vis_1')]")
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
    top = page.execute_script("return scrollY")
    button.send_keys(Keys.ENTER)
    assert_all_chose(page, "RH_Vis_1")
    assert label_at(typed_place(page)) == 3
    assert page.execute_script("return scrollY") == top


def test_region_without_a_signal_says_so(page):
    click_cut(page, 2, (9, 7, 4))
    click_cut(page, 1, (9, 7, 4))
    assert part(page, ".found-region").text.startswith("RH_Limbic_1 (no signal: ")
    assert label_at(typed_place(page)) == 5
    part(page, "[value=correlation]").click()
    assert console_messages(page) == []


def test_arrow_keys_move_the_cross_hair_and_enter_chooses(page):
    planes = part(page, ".planes")
    click_cut(page, 2, (3, 4, 4))
    x, y, z = typed_place(page)
    planes.send_keys(Keys.ARROW_RIGHT)
    assert typed_place(page) == [x + 5, y, z]
    planes.send_keys(Keys.ARROW_UP, Keys.PAGE_UP)
    assert typed_place(page) == [x + 5, y + 5, z + 8]
    planes.send_keys("x", Keys.ARROW_UP, Keys.PAGE_DOWN)
    assert typed_place(page) == [x, y + 5, z + 16]
    planes.send_keys(*[Keys.ARROW_RIGHT] * 4)
    assert label_at(typed_place(page)) == 2
    r = page.execute_script(
        "return selection.atlasOf(document.querySelector('.atlas')).correlationsWith(0)[1].toFixed(2)"
    )
    assert told(page).startswith(f"LH_Som_1, r {r} with LH_Vis_1, at ")
    assert chosen(page)["found"] == ["LH_Vis_1"]
    planes.send_keys(Keys.ENTER)
    assert_all_chose(page, "LH_Som_1")
    assert typed_place(page) == [x, y + 25, z + 16]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("-17, 9.5 -12", "LH_Som_1, r "),
        ("0; 0; 0", "no region at 0, 0, 4 mm"),
        ("900, 0, 0", "“900, 0, 0” is outside the view"),
        ("left", "“left” is not three numbers"),
    ],
)
def test_typed_millimetres_move_the_cross_hair(page, text, said):
    field = part(page, ".position")
    field.clear()
    field.send_keys(text, Keys.TAB)
    assert told(page).startswith(said)


def test_correlations_are_those_of_the_table(page, report):
    """A two-byte signal differs from the table's by half a step of 1/65,534 of its range.

    With a range below 10 SD that is 0.00008 SD, so a correlation of two of them changes by less than 0.0002.
    """
    (path,) = report.parents[1].glob("*atlas-Blocks*timeseries.tsv")
    table = pd.read_csv(path, sep="\t")[list(NAMES[:4])].to_numpy()
    script = "return selection.atlasOf(document.querySelector('.atlas')).correlationsWith(arguments[0])"
    found = [page.execute_script(script, region) for region in range(4)]
    np.testing.assert_allclose([row[:4] for row in found], np.corrcoef(table.T), atol=2e-4)
    assert [row[4] for row in found] == [None] * 4


def test_switch_colours_the_regions_by_their_correlation(page):
    pixel = """
        const canvas = document.querySelector('.planes canvas');
        return [...canvas.getContext('2d').getImageData(arguments[0], arguments[1], 1, 1).data.slice(0, 3)]
    """
    planes = part(page, ".planes")
    places = {}
    for name, voxel in (("RH_Vis_1", (8, 2, 4)), ("RH_Som_1", (8, 10, 4))):
        x, y = place_in_cut(planes, 2, voxel)
        places[name] = x + planes.size["width"] // 2, y + planes.size["height"] // 2
    click_cut(page, 2, (3, 4, 4))
    part(page, "[value=correlation]").click()
    assert part(page, ".legend").is_displayed()
    red, _, blue = page.execute_script(pixel, *places["RH_Vis_1"])
    assert red > blue + 30
    red, _, blue = page.execute_script(pixel, *places["RH_Som_1"])
    assert blue > red + 30
    part(page, "[value=regions]").click()
    assert not part(page, ".legend").is_displayed()


def test_left_of_the_brain_is_on_the_left(page):
    click_cut(page, 2, (2, 4, 4))
    assert typed_place(page)[0] < 0
    assert part(page, ".found-region").text == "LH_Vis_1"


def test_each_atlas_has_a_choice_of_its_own(page):
    click_cut(page, 2, (8, 4, 4))
    assert part(page, ".found-region", 2).text != part(page, ".found-region", 1).text
    click_cut(page, 2, (3, 10, 4), number=2)
    assert "(chosen)" in told(page, 2)
    assert_all_chose(page, "RH_Vis_1")


def test_touch_chooses_a_region(page):
    planes = part(page, ".planes")
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", planes)
    x, y = place_in_cut(planes, 2, (8, 10, 4))
    box = page.execute_script("const {x, y, width, height} = arguments[0].getBoundingClientRect();"
                              "return [x + width / 2, y + height / 2]", planes)  # fmt: skip
    point = {"x": box[0] + x, "y": box[1] + y}
    page.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True})
    try:
        page.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [point]})
        page.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        WebDriverWait(page, 5).until(lambda _: chosen(page)["found"] == ["RH_Som_1"])
    finally:
        page.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})


def test_telephone_has_the_cuts_without_scrolling_sideways(browser, report):
    page = show(browser, report, width=TELEPHONE)
    assert not scrolls_sideways(page)
    click_cut(page, 0, (3, 10, 4))
    assert part(page, ".found-region").text == "LH_Som_1"
    assert console_messages(page) == []


def test_cuts_follow_the_width_of_the_window(page):
    metrics = {"width": 700, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    canvas = part(page, ".planes canvas")
    WebDriverWait(page, 5).until(lambda _: 400 < canvas.size["width"] < 700)
    click_cut(page, 2, (8, 10, 4))
    assert part(page, ".found-region").text == "RH_Som_1"


@pytest.mark.parametrize("shape", [(4, 4, 60), (1, 14, 10), (4, 60, 4)])
def test_cuts_of_a_narrow_volume_fit_the_window(browser, tmp_path, shape):
    labels = np.ones(shape, np.int16)
    labels[:, : shape[1] // 2] = 2
    values = 500 + np.random.default_rng(0).normal(size=(*shape, 20)) + labels[..., None]
    save(tmp_path / "bold.nii.gz", values.astype(np.float32), np.eye(4), t_r=2.0)
    save(tmp_path / "atlas.nii.gz", labels, np.eye(4))
    (outcome,) = extract(
        tmp_path / "out", input_files=[tmp_path / "bold.nii.gz"], roi_file=str(tmp_path / "atlas.nii.gz")
    )
    planes = part(show(browser, outcome.result.report_path), ".planes")
    # brainsprite adds a line for coordinates.
    assert 600 < planes.size["height"] < 720
    assert console_messages(browser) == []


def test_print_has_the_cuts_of_all_regions_only(page):
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert not part(page, ".brain-view").is_displayed()
        assert part(page, ".brain img").is_displayed()
        assert section_of(page).find_element(By.XPATH, ".//td[contains(., 'RH_Vis_1')]").text == "RH_Vis_1"
    finally:
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_browser_that_cannot_decompress_has_the_cuts_and_a_note(browser, report):
    script = {"source": "delete window.DecompressionStream"}
    added = browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", script)
    try:
        open_page(browser, report)
        drawn = "return document.documentElement.dataset.drawn"
        WebDriverWait(browser, 30).until(lambda page: page.execute_script(drawn))
        assert not part(browser, ".brain-view").is_displayed()
        assert "needs a browser of 2023" in part(browser, ".brain-note").text
        assert part(browser, ".brain img").is_displayed()
        assert console_messages(browser) == []
    finally:
        browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)
