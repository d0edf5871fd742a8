"""The section of motion of a run's page in a browser."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from browser.pages import DESK, TELEPHONE, console_messages, on_paper, open_page, scrolls_sideways
from images import RAS, save
from selenium.webdriver.support.ui import WebDriverWait

from niimasker import extract

SHAPE, N_VOLUMES, JUMP = (9, 10, 12), 80, 40
NAME = "sub-01_task-rest_space-MNI152NLin6Asym"


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    """The page of a run whose white matter jumps in one volume."""
    folder = tmp_path_factory.mktemp("a run with motion")
    rng = np.random.default_rng(4)
    tissues = np.zeros(SHAPE, np.uint8)
    tissues[1:-1, 1:-1, 1:6], tissues[1:-1, 1:-1, 6:10], tissues[1:-1, 1:-1, 10:11] = 1, 2, 3
    values = 1000 + 20 * rng.normal(size=(*SHAPE, N_VOLUMES))
    values[tissues == 2, JUMP] += 200
    image_path = folder / "sub-01/func" / f"{NAME}_desc-preproc_bold.nii.gz"
    save(image_path, (values * (tissues > 0)[..., None]).astype(np.float32), RAS, t_r=2.0)
    save(folder / "sub-01/anat" / f"{NAME.replace('_task-rest', '')}_dseg.nii.gz", tissues, RAS)
    save(folder / "atlas.nii.gz", (tissues > 0).astype(np.uint8), RAS)
    displacement = np.r_[np.nan, np.where(np.arange(1, N_VOLUMES) == JUMP, 1.5, 0.1)]
    pd.DataFrame({"x": rng.normal(size=N_VOLUMES), "framewise_displacement": displacement}).to_csv(
        folder / "confounds.tsv", sep="\t", index=False, na_rep="n/a"
    )
    (outcome,) = extract(
        folder / "out",
        input_files=[image_path],
        roi_file=str(folder / "atlas.nii.gz"),
        regressor_files=[folder / "confounds.tsv"],
        regressors=["x"],
        standardize=True,
    )
    return outcome.result.report_path


def show(browser, path, width):
    open_page(browser, path, width=width)
    WebDriverWait(browser, 30).until(lambda page: page.execute_script("return document.documentElement.dataset.drawn"))
    return browser


@pytest.mark.parametrize("width", [DESK, TELEPHONE])
def test_section_is_drawn_at_any_width(browser, report, width):
    page = show(browser, report, width)
    drawn = page.execute_script(
        """const figure = document.querySelector('[data-figure="motion-figure"]');
        return [figure.querySelectorAll('.heatmaplayer image').length,
                figure.querySelectorAll('.scatterlayer .trace').length,
                [...figure.querySelectorAll('.annotation-text')].map((each) => each.textContent)];"""
    )
    assert drawn[:2] == [2, 3]
    # The label of CSF, a narrow band, is in the legend alone.
    assert drawn[2].count("grey matter") == drawn[2].count("white matter") == 2
    assert {"0.5", "0.2"} <= set(drawn[2])
    assert console_messages(page) == []
    assert not scrolls_sideways(page)


def test_jump_of_white_matter_is_drawn_in_its_rows_alone(browser, report):
    page = show(browser, report, DESK)
    rows = page.execute_script(
        f"""const [before, after] = document.querySelector('[data-figure="motion-figure"]').data
          .filter((trace) => trace.type === 'heatmap');
        return before.y.map((name, row) => [name, before.z[row][{JUMP}], after.z[row][{JUMP}]]);"""
    )
    for name, before, after in rows:
        is_white = name.startswith("white matter")
        assert is_white == (before > 4) == (after > 4)


def test_figure_fits_a_page_of_paper_with_its_caption(browser, report):
    page = show(browser, report, DESK)
    script = """
      const figure = document.querySelector('[data-figure="motion-figure"]').closest('figure');
      return [figure.getBoundingClientRect().height, getComputedStyle(figure).breakInside];"""
    with on_paper(page):
        # A4 without its margins is 1017 pixels high; the title takes some.
        WebDriverWait(page, 10).until(lambda page: page.execute_script(script)[0] < 950)
        assert page.execute_script(script)[1] == "avoid"
