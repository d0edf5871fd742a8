"""The buttons that save the numbers and the picture of each figure: what arrives, and whether it is what tables say."""

from __future__ import annotations

import os
import shutil
import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from browser.pages import DESK, console_messages, open_page, requests_elsewhere
from compared_pipelines import make_correlations, write_study
from group_members import make_edges, write_members
from images import make_labels, save
from index_rows import HOSTILE, done
from PIL import Image
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from niimasker import extract
from niimasker.group.connectivity import make_groups
from niimasker.outputs.provenance import software_versions
from niimasker.outputs.study_names import name_comparison_files
from niimasker.reports.group_page import make_group_page
from niimasker.reports.index_page import make_index_page
from niimasker.reports.pages import write_assets, write_page
from niimasker.reports.pipelines_page import write_comparison

DATE = datetime(2026, 11, 2, 9, 5, tzinfo=UTC)
NAMES = ("RH_Vis_1", "LH_<b>Vis</b>_1", "LH_Vis_2")
N_VOLUMES = 80
ROUNDING = 1e-9


@pytest.fixture
def downloads(browser, tmp_path):
    """The folder into which the browser saves files."""
    folder = tmp_path / "downloads"
    folder.mkdir()
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)})
    return folder


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    """The page of a run with regressors and censored volumes."""
    folder = tmp_path_factory.mktemp("downloads of a run")
    rng = np.random.default_rng(2)
    labels = make_labels((1, 2, 10))
    values = 500 + rng.normal(size=(*labels.shape, N_VOLUMES)) + labels[..., None] * 10
    save(folder / "sub-01_bold.nii.gz", values.astype(np.float32), t_r=0.8)
    save(folder / "atlas.nii.gz", labels)
    confounds = pd.DataFrame(rng.normal(size=(N_VOLUMES, 2)), columns=["csf", "trans_x"])
    confounds["framewise_displacement"] = [np.nan, *np.where(np.arange(1, N_VOLUMES) % 20 == 10, 0.9, 0.1)]
    confounds.to_csv(folder / "confounds.tsv", sep="\t", index=False, na_rep="n/a")
    (outcome,) = extract(
        folder / "out",
        input_files=[folder / "sub-01_bold.nii.gz"],
        roi_file=str(folder / "atlas.nii.gz"),
        labels=list(NAMES),
        regressor_files=[folder / "confounds.tsv"],
        regressors=["csf", "trans_x"],
        scrub=True,
        scrub_segment=0,
        std_dvars_threshold=0,
        low_pass=0.3,
        connectivity=["pearson"],
    )
    return outcome.result.report_path


def show(browser, path):
    open_page(browser, path, width=DESK)
    script = "return document.documentElement.dataset.drawn ?? !document.querySelector('[data-figure]')"
    WebDriverWait(browser, 30).until(lambda page: page.execute_script(script))
    return browser


def press(page, downloads, selector, text):
    """Press the button of a figure and return the file that arrives."""
    known = set(downloads.iterdir())
    (button,) = [
        each
        for each in page.find_elements(By.CSS_SELECTOR, f"figure:has({selector}) .downloads button")
        if each.text == text
    ]
    # From the keyboard, as a reader without a mouse does.
    button.send_keys(Keys.ENTER)

    def arrived(_):
        return [path for path in set(downloads.iterdir()) - known if path.suffix in (".tsv", ".svg", ".png")]

    (path,) = WebDriverWait(page, 20).until(arrived)
    return path


def read(path):
    return pd.read_csv(path, sep="\t", index_col=0, na_values="n/a", keep_default_na=False)


def figure_of(name):
    return f"[data-figure^='{name}-figure']"


def signals_of(report):
    return pd.read_csv(report.parents[1] / "sub-01_bold_timeseries.tsv", sep="\t")


class TestRun:
    def test_matrix_is_the_table_s_with_full_names(self, browser, report, downloads):
        path = press(show(browser, report), downloads, figure_of("matrix-pearson"), "TSV")
        assert path.name == "sub-01_bold_matrix-pearson.tsv"
        shown = read(path)
        written = read(report.parents[1] / "sub-01_bold_connectivity-pearson_relmat.tsv")
        assert set(shown.columns) == set(NAMES)
        # Correlations are packed in steps of 0.01.
        np.testing.assert_allclose(shown, written.loc[shown.index, shown.columns], rtol=0, atol=0.005 + ROUNDING)

    @pytest.mark.skipif(os.name == "nt", reason="names are Unicode on Windows")
    def test_name_that_is_not_unicode_has_the_buttons_too(self, browser, report, downloads):
        page = show(browser, shutil.copy(report, report.with_name(os.fsdecode(b"task-\xff_report.html"))))
        path = press(page, downloads, figure_of("matrix-pearson"), "TSV")
        assert path.name == "task--FF_matrix-pearson.tsv"
        assert console_messages(page) == []

    def test_carpet_has_a_row_per_volume(self, browser, report, downloads):
        table = read(press(show(browser, report), downloads, figure_of("carpet"), "TSV"))
        assert table.index.name == "time (s)"
        np.testing.assert_allclose(table.index, 0.8 * np.arange(N_VOLUMES))
        signals = signals_of(report)
        kept = table[list(NAMES)].dropna()
        assert len(kept) == len(signals)
        # z-scores are packed in steps of 0.1.
        z = (signals - signals.mean()) / signals.std(ddof=0)
        np.testing.assert_allclose(kept, z[list(NAMES)], rtol=0, atol=0.05 + ROUNDING)

    def test_motion_has_columns_that_say_what_they_are(self, browser, report, downloads):
        table = read(press(show(browser, report), downloads, figure_of("motion"), "TSV"))
        assert table.index.name == "time (s)"
        measures = ["framewise displacement (mm)", "DVARS before cleaning (%)", "DVARS after cleaning (%)"]
        assert table.columns[:3].tolist() == measures
        assert np.isnan(table[measures[0]].iloc[0])
        assert table[measures[0]].iloc[10] == 0.9
        first, *others = table.columns[3:]
        assert first.startswith("before cleaning: ")
        assert others[-1].startswith("after cleaning: ")
        assert table.columns.is_unique
        assert len(table) == N_VOLUMES

    def test_viewer_is_of_the_chosen_region(self, browser, report, downloads):
        page = show(browser, report)
        page.find_element(By.CSS_SELECTOR, ".find-region").send_keys(NAMES[2])
        path = press(page, downloads, figure_of("viewer"), "TSV")
        assert path.name == "sub-01_bold_viewer_LH_Vis_2.tsv"
        signals = signals_of(report)[NAMES[2]]
        after = read(path)["after cleaning (image units)"].dropna()
        # A row is packed in 65,534 steps from its minimum to its maximum.
        np.testing.assert_allclose(after, signals, rtol=0, atol=np.ptp(signals) / 65_534 + 1e-5)

    def test_regressors_are_before_and_after_in_one_table(self, browser, report, downloads):
        table = read(press(show(browser, report), downloads, figure_of("regressors"), "TSV"))
        assert table.columns.tolist() == [
            f"{when} cleaning: {name}" for when in ("before", "after") for name in ("trans_x", "csf")
        ]

    def test_spectrum_has_its_frequencies(self, browser, report, downloads):
        table = read(press(show(browser, report), downloads, figure_of("spectrum"), "TSV"))
        assert table.index.name == "frequency (Hz)"
        assert table.columns.tolist() == ["before cleaning", "after cleaning"]

    @pytest.mark.parametrize("name", ["carpet", "viewer", "matrix-pearson", "regressors", "spectrum"])
    def test_picture_is_an_svg_of_the_size_shown(self, browser, report, downloads, name):
        page = show(browser, report)
        path = press(page, downloads, figure_of(name), "SVG")
        root = ET.fromstring(path.read_text(encoding="utf-8"))
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        width = page.execute_script(f'return document.querySelector("{figure_of(name)}").layout.width')
        assert float(root.attrib["width"]) == pytest.approx(width)
        assert console_messages(page) == []
        assert requests_elsewhere(page) == []

    def test_picture_of_the_regions_is_the_page_s(self, browser, report, downloads):
        page = show(browser, report)
        path = press(page, downloads, ".brain", "PNG")
        assert path.name == "sub-01_bold_regions.png"
        image = page.find_element(By.CSS_SELECTOR, ".brain img")
        with Image.open(path) as picture:
            assert picture.size == (image.get_property("naturalWidth"), image.get_property("naturalHeight"))

    def test_picture_of_the_view_is_what_its_canvas_shows(self, browser, report, downloads):
        page = show(browser, report)
        cuts = page.find_element(By.CSS_SELECTOR, ".brain-view canvas")
        path = press(page, downloads, "canvas[id^='brain-cuts']", "PNG")
        assert path.name == "sub-01_bold_brain.png"
        with Image.open(path) as picture:
            assert picture.size == (cuts.get_property("width"), cuts.get_property("height"))
            assert len(np.unique(np.asarray(picture))) > 5
        assert console_messages(page) == []

    def test_numbers_of_the_regions_are_the_table(self, browser, report, downloads):
        table = pd.read_csv(press(show(browser, report), downloads, ".brain", "TSV"), sep="\t")
        written = pd.read_csv(report.parents[1] / "sub-01_bold_regions.tsv", sep="\t")
        assert table["Name"].tolist() == written["name"].tolist()
        np.testing.assert_allclose(table["tSNR"], written["tsnr"], atol=0.05 + ROUNDING)

    def test_buttons_have_names_and_are_not_printed(self, browser, report):
        page = show(browser, report)
        buttons = page.find_elements(By.CSS_SELECTOR, ".downloads button")
        assert all(button.get_attribute("aria-label") for button in buttons)
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
        try:
            assert not any(button.is_displayed() for button in buttons)
        finally:
            page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


class TestLabels:
    def names_beside(self, page):
        script = "return [...document.querySelectorAll(arguments[0] + ' .ytick text')].map((each) => each.textContent)"
        return page.execute_script(script, figure_of("mean"))

    @pytest.mark.parametrize("width", [390, 700, 1280])
    @pytest.mark.parametrize("has_networks", [True, False])
    def test_labels_of_many_regions_do_not_overlap(self, browser, tmp_path, width, has_networks):
        # Networks of one region are thinner than a label.
        n_regions = 120
        nets = ("Vis", "SomMot", "Limbic", "Cont") * (n_regions // 4 - 4) + tuple("abcdefghijklmnop")
        names = [f"LH_{net}_{n}" if has_networks else f"region {n} of all" for n, net in enumerate(nets)]
        edges, motion = make_edges(12, n_regions * (n_regions - 1) // 2)
        members = write_members(tmp_path, edges, motion, names=names, centres=np.zeros((n_regions, 3)))
        open_page(browser, write_group(tmp_path, members), width=width)
        drawn = "return document.documentElement.dataset.drawn"
        WebDriverWait(browser, 30).until(lambda page: page.execute_script(drawn))
        boxes = browser.execute_script(
            "return [...document.querySelectorAll(arguments[0] + ' .ytick text')].map((each) => {"
            "const box = each.getBoundingClientRect(); return [(box.top + box.bottom) / 2, box.left, box.right] })",
            figure_of("mean"),
        )
        assert len(boxes) >= 4
        assert min(np.diff(sorted(box[0] for box in boxes))) >= 11.5
        left = browser.find_element(By.CSS_SELECTOR, figure_of("mean")).rect["x"]
        assert min(box[1] for box in boxes) >= left - 1

    def test_zoom_shows_every_name(self, browser, tmp_path):
        names = [f"region {n}" for n in range(120)]
        edges, motion = make_edges(12, 120 * 119 // 2)
        members = write_members(tmp_path, edges, motion, names=names, centres=np.zeros((120, 3)))
        page = show(browser, write_group(tmp_path, members))
        assert len(self.names_beside(page)) < 60
        figure = f'document.querySelector("{figure_of("mean")}")'
        page.execute_script(f"Plotly.relayout({figure}, {{'yaxis.range': [49.5, 39.5]}})")
        WebDriverWait(page, 5).until(lambda _: self.names_beside(page) == names[40:50])


def write_group(folder, members):
    path = folder / "reports/group.html"
    write_assets(path.parent)
    groups = list(make_groups(members, ["pearson"]))
    page = make_group_page(groups, members, [None] * len(members), date=DATE, versions=software_versions())
    write_page(path, page)
    return path


class TestGroup:
    def test_qcfc_of_each_edge_is_saved(self, browser, downloads, tmp_path):
        edges, motion = make_edges(30)
        path = write_group(tmp_path, write_members(tmp_path, edges, motion, names=HOSTILE[:6]))
        page = show(browser, path)
        table = pd.read_csv(press(page, downloads, figure_of("distance"), "TSV"), sep="\t")
        assert table.columns.tolist() == ["name", "distance between the regions' centres (mm)", "QC-FC correlation r"]
        expected = [np.corrcoef(edge, motion)[0, 1] for edge in np.asarray(edges).T]
        # Dots have three digits.
        dots = table[table["name"] != "least-squares fit"]
        np.testing.assert_allclose(dots.iloc[:, 2], expected, rtol=0.005)
        ET.fromstring(press(page, downloads, figure_of("distance"), "SVG").read_text(encoding="utf-8"))
        assert console_messages(page) == []

    def test_histogram_counts_every_edge(self, browser, downloads, tmp_path):
        edges, motion = make_edges(30)
        page = show(browser, write_group(tmp_path, write_members(tmp_path, edges, motion)))
        path = press(page, downloads, figure_of("qcfc"), "TSV")
        assert path.name == "group_qcfc.tsv"
        assert read(path).to_numpy().sum() == np.asarray(edges).shape[1]


class TestComparison:
    @pytest.fixture
    def page(self, browser, tmp_path):
        correlations, motion = make_correlations()
        study = write_study(tmp_path, correlations, motion)
        write_comparison(tmp_path, study.compare())
        return show(browser, name_comparison_files(tmp_path).page_path)

    def test_trade_off_has_the_numbers_of_the_table(self, page, downloads):
        table = pd.read_csv(press(page, downloads, figure_of("tradeoff"), "TSV"), sep="\t")
        pipelines = [each.text.split(" ", 1)[1] for each in page.find_elements(By.CSS_SELECTOR, ".pipeline-key")]
        assert table["name"].tolist() == pipelines
        cells = page.find_elements(By.CSS_SELECTOR, "table.measures tbody td:nth-child(2)")
        expected = [float(cell.get_attribute("data-value")) for cell in cells]
        np.testing.assert_allclose(table["median |QC-FC|"], expected, rtol=1e-4)

    def test_distributions_are_densities(self, page, downloads):
        table = pd.read_csv(press(page, downloads, figure_of("distributions"), "TSV"), sep="\t")
        for name, rows in table.groupby("name"):
            r, density = rows.iloc[:, 1].to_numpy(), rows["density"].to_numpy()
            if not name.endswith(", median"):
                width = np.diff(np.unique(r)).min()
                # The density by chance beyond the axis is not drawn.
                assert 0.9 < density.sum() * width <= 1.01


def test_strip_of_the_index_has_every_run(browser, downloads, tmp_path):
    rows = [done(f"sub-{number:02d}", mean_fd_kept=0.1 + number / 100) for number in range(12)]
    path = tmp_path / "reports" / "index.html"
    write_assets(path.parent)
    write_page(path, make_index_page(rows, [None] * 12, date=DATE, versions={"niimasker": "1.2.3"}))
    page = show(browser, path)
    strips = page.find_elements(By.CSS_SELECTOR, "figure.strip")
    page.execute_script("arguments[0].forEach((strip, place) => strip.dataset.place = place)", strips)
    place = next(strip.get_attribute("data-place") for strip in strips if strip.text.startswith("Mean FD"))
    strip = f"canvas):is([data-place='{place}']"
    saved = press(page, downloads, strip, "TSV")
    assert saved.name == "index_mean_fd_kept.tsv"
    table = pd.read_csv(saved, sep="\t").sort_values("run")
    np.testing.assert_allclose(table["mean_fd_kept"], [row["mean_fd_kept"] for row in rows])
    with Image.open(press(page, downloads, strip, "PNG")) as picture:
        assert len(np.unique(np.asarray(picture))) > 5
    assert console_messages(page) == []
