from __future__ import annotations

import html
import json
import re
import subprocess
import sys
import warnings
from html.parser import HTMLParser
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from ica_files import make_mixing, write_tedana
from images import OBLIQUE, make_labels, make_series, save

from niimasker import extract
from niimasker.cli import main
from niimasker.errors import NiimaskerWarning
from niimasker.options.settings import CONNECTIVITY_KINDS
from niimasker.reports.packing import unpack

RNG = np.random.default_rng(1)
LABELS = make_labels()
N_VOLUMES = 60
HOSTILE = (
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)\' & 額葉 ' + "long" * 45,
)


class Page(HTMLParser):
    """What a page's HTML holds."""

    def __init__(self, path):
        super().__init__()
        self.tags, self.texts, self.data, self._in = [], [], {}, None
        self.source = Path(path).read_text("utf-8")
        self.feed(self.source)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._in = self.tags[-1]

    def handle_endtag(self, tag):
        self._in = None

    def handle_data(self, data):
        if self._in and self._in[0] == "script":
            if "id" in self._in[1]:
                self.data[self._in[1]["id"]] = json.loads(data)
        else:
            self.texts.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]

    def figure(self, name, number=1):
        return self.data[f"{name}-figure-{number}"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """The current folder: an image of 60 volumes, an atlas of three regions, confounds with motion."""
    monkeypatch.chdir(tmp_path)
    values = 500 + RNG.normal(size=(*LABELS.shape, N_VOLUMES)) + 10 * LABELS[..., None]
    save(Path("bold.nii.gz"), values.astype(np.float32), t_r=2.0)
    save(Path("atlas.nii.gz"), LABELS)
    motion = pd.DataFrame(RNG.normal(size=(N_VOLUMES, 3)), columns=["x", "y", "csf"])
    motion["framewise_displacement"] = [np.nan, *np.where(np.arange(1, N_VOLUMES) % 20 == 10, 0.9, 0.1)]
    motion["std_dvars"] = [np.nan, *np.full(N_VOLUMES - 1, 1.0)]
    motion.to_csv("confounds.tsv", sep="\t", index=False, na_rep="n/a")
    return tmp_path


@pytest.fixture
def shared_signal(folder) -> None:
    """The image's regions share a signal, of which they have more from the first to the last."""
    shared = np.outer(np.arange(1, 4), RNG.normal(size=N_VOLUMES)) / 10
    values = 500 + RNG.normal(size=(*LABELS.shape, N_VOLUMES))
    for region, index in enumerate((1, 2, 5)):
        values[np.equal(LABELS, index)] += shared[region]
    save(folder / "bold.nii.gz", values, t_r=2.0)


CONFOUNDS = {"regressor_files": ["confounds.tsv"], "regressors": ["x", "y"]}


def report(roi_file="atlas.nii.gz", image="bold.nii.gz", **options) -> Page:
    """The page of the one run that these options make."""
    with warnings.catch_warnings():
        # What is warned of is on the page.
        warnings.simplefilter("ignore", NiimaskerWarning)
        (outcome,) = extract("out", input_files=[image], roi_file=roi_file, **options)
    assert outcome.reason is None
    return Page(outcome.result.report_path)


def read_table(name="bold_timeseries.tsv"):
    return pd.read_csv(Path("out") / name, sep="\t").to_numpy()


def read_relmat(name):
    return pd.read_csv(Path("out") / name, sep="\t", index_col="node", na_values="n/a").to_numpy()


class TestHead:
    def test_run_without_warnings_says_so(self):
        text = report().text
        assert "complete, look at minutes kept" in text
        assert "No warnings." in text

    def test_warnings_are_shown_and_change_no_status(self):
        page = report(t_r=3.0)
        assert "complete, look at minutes kept" in page.text
        assert "--t_r 3 s is used, but the header says 2 s." in page.text

    def test_volumes_are_counted(self):
        page = report(discard_scans=3, scrub=True, scrub_segment=0, **CONFOUNDS)
        for part in ("60 volumes read", "3 discarded", "3 censored: framewise displacement 3", "54 kept (90%)"):
            assert part in page.text

    def test_reasons_of_censoring_add_up_unless_they_overlap(self):
        motion = pd.read_csv("confounds.tsv", sep="\t", na_values="n/a")
        motion.loc[[5, 10], "std_dvars"] = 2.0
        motion.to_csv("confounds.tsv", sep="\t", index=False, na_rep="n/a")
        text = report(scrub=True, scrub_segment=0, **CONFOUNDS).text
        assert "4 censored: framewise displacement 3, std DVARS 2; some for several reasons" in text
        motion.loc[10, "std_dvars"] = 1.0
        motion.to_csv("confounds.tsv", sep="\t", index=False, na_rep="n/a")
        text = report(scrub=True, scrub_segment=0, **CONFOUNDS).text
        assert "4 censored: framewise displacement 3, std DVARS 1 56 kept" in text

    def test_sources_of_the_judged_numbers_are_shown(self):
        text = report(discard_scans=1, scrub=True, scrub_segment=0, **CONFOUNDS).text
        assert "56 volumes of 2 s, TR from the image's header" in text
        assert "highest 0.90 mm FD from column framewise_displacement of the confounds table" in text
        assert "left of 56 kept volumes after 2 regressors and the mean" in text

    def test_displacement_that_a_table_lacks_is_said_to_be_lacking(self):
        Path("columns.tsv").write_text("x\n" + "0\n1\n" * (N_VOLUMES // 2))
        lacking = "the confounds table has neither framewise displacement nor all six motion parameters"
        page = report(regressor_files=["columns.tsv"], regressors="none")
        assert f"(default) {lacking}" in page.text
        assert f"Framewise displacement is not shown: {lacking}." in page.text

    def test_source_of_t_r_is_shown(self):
        assert "2 s TR, from the header" in report().text

    def test_run_without_t_r_says_so_and_counts_volumes(self):
        save(Path("no_tr.nii.gz"), RNG.normal(size=(*LABELS.shape, 20)), t_r=0.0)
        page = report(image="no_tr.nii.gz")
        assert "not known TR" in page.text
        assert page.figure("carpet")["layout"]["xaxis"]["title"]["text"] == "volume"
        assert page.figure("spectrum")["layout"]["xaxis"]["title"]["text"] == "frequency (cycles per volume)"

    def test_orthogonalised_components_are_a_step_with_their_numbers(self):
        path = write_tedana(Path(), make_mixing(N_VOLUMES))
        page = report(low_pass=0.1, regressor_files=[str(path)], regressors=["tedana=orthogonal"])
        steps = re.findall("<li><b>(.*?)</b> (.*?)</li>", page.source)
        assert steps[-2:] == [("orthogonalise", "3 rejected components to 5 accepted"), ("regress", "3 regressors")]
        assert "3 rejected independent components were orthogonalised to those of 5 accepted" in page.text

    def test_steps_are_those_done_in_order(self):
        page = report(discard_scans=3, detrend=True, low_pass=0.1, standardize=True, smoothing_fwhm=6, **CONFOUNDS)
        steps = re.findall("<li><b>(.*?)</b> (.*?)</li>", page.source)
        assert steps == [
            ("discard", "3 volumes"),
            ("smooth", "6 mm FWHM"),
            ("extract", "3 regions"),
            ("detrend", "linear"),
            ("filter", "low-pass 0.1 Hz"),
            ("regress", "2 regressors"),
            ("standardise", "z-score (sample SD)"),
        ]

    def test_connectivity_without_regressors_is_a_step_that_is_missing(self):
        page = report(connectivity=["pearson"], standardize=True)
        steps = re.findall("<li><b>(.*?)</b> (.*?)</li>", page.source)
        assert [verb for verb, _ in steps] == [
            "extract",
            "no nuisance regression",
            "standardise",
            "measure connectivity",
        ]
        assert "connectivity is measured without nuisance regression" in page.text
        assert "No nuisance regression was applied." in page.text

    @pytest.mark.parametrize("given", [{}, {"connectivity": ["pearson"], **CONFOUNDS}])
    def test_nothing_is_missing_with_regressors_or_without_connectivity(self, given):
        assert "nuisance regression" not in report(**given).text

    @pytest.mark.parametrize(
        ("interpolation", "words"),
        [("pchip", "monotone cubic"), ("linear", "straight lines"), ("cubic", "cubic spline")],
        ids=["pchip", "linear", "cubic"],
    )
    def test_bridging_is_a_step_where_censored_volumes_are_filtered(self, interpolation, words):
        np.savetxt("censor.txt", np.isin(np.arange(N_VOLUMES), [5, 30]), fmt="%d")
        page = report(censor_file="censor.txt", detrend=True, interpolation=interpolation)
        steps = re.findall("<li><b>(.*?)</b> (.*?)</li>", page.source)
        assert steps == [
            ("censor", "2 volumes (censor file 2)"),
            ("extract", "3 regions"),
            ("bridge gaps", words),
            ("detrend", "linear"),
        ]


class TestFigures:
    def test_viewer_holds_what_the_tables_hold(self):
        page = report(standardize=True, detrend=True)
        np.testing.assert_allclose(unpack(page.data["signals-data-1"]["after"]).T, read_table(), atol=1e-3)

    def test_viewer_holds_the_signals_before_cleaning(self):
        cleaned = report(standardize=True, detrend=True).data["signals-data-1"]["before"]
        report()
        np.testing.assert_allclose(unpack(cleaned).T, read_table(), rtol=1e-5)

    def test_matrix_is_the_table_s_correlation(self):
        page = report(standardize=True)
        shown = unpack(page.figure("matrix-pearson")["data"][0]["z"])
        np.testing.assert_allclose(shown, np.corrcoef(read_table().T), atol=0.005)

    def test_without_connectivity_pearsons_correlation_is_shown_with_its_histogram(self):
        page = report()
        assert [name for name in page.data if name.startswith(("matrix", "histogram"))] == [
            "matrix-pearson-figure-1",
            "histogram-figure-1",
        ]

    @pytest.mark.usefixtures("shared_signal")
    @pytest.mark.parametrize("fisher_z", [False, True])
    def test_matrices_asked_for_are_shown_instead_and_hold_what_the_tables_hold(self, fisher_z):
        page = report(connectivity=CONNECTIVITY_KINDS, fisher_z=fisher_z)
        assert [name for name in page.data if name.startswith(("matrix", "histogram"))] == [
            f"matrix-{kind}-figure-1" for kind in CONNECTIVITY_KINDS
        ]
        for kind in CONNECTIVITY_KINDS:
            (heatmap,) = page.figure(f"matrix-{kind}")["data"]
            written = read_relmat(f"bold_connectivity-{kind.replace('_', '')}_relmat.tsv")
            limit, pairs = heatmap["zmax"], ~np.eye(3, dtype=bool)
            assert heatmap["zmin"] == -limit
            np.testing.assert_allclose(unpack(heatmap["z"])[pairs], written[pairs], atol=0.006 * limit)

    @pytest.mark.usefixtures("shared_signal")
    def test_colours_of_correlations_reach_1_and_of_others_their_pairs(self):
        page = report(connectivity=CONNECTIVITY_KINDS)
        limits = {kind: page.figure(f"matrix-{kind}")["data"][0]["zmax"] for kind in CONNECTIVITY_KINDS}
        assert limits["pearson"] == limits["correlation"] == 1
        for kind in ("partial_correlation", "covariance", "precision"):
            written = read_relmat(f"bold_connectivity-{kind.replace('_', '')}_relmat.tsv")
            largest = np.abs(written[np.triu_indices(3, 1)]).max()
            assert limits[kind] == float(f"{limits[kind]:.0e}")
            assert 0.99 * largest < limits[kind] <= 2 * largest
            assert np.isnan(unpack(page.figure(f"matrix-{kind}")["data"][0]["z"]).diagonal()).all()
            assert f"The colour scale ends at ±{limits[kind]:g}; the diagonal is blank." in page.text

    @pytest.mark.usefixtures("shared_signal")
    def test_captions_tell_shrinkage_and_fisher_z(self):
        page = report(connectivity=["pearson", "partial_correlation"], fisher_z=True)
        facts = json.loads(Path("out/bold_connectivity-partialcorrelation_relmat.json").read_text("utf-8"))
        assert "Pearson correlation of cleaned signals, as Fisher z, in the atlas's order. The colour" in page.text
        assert f"Ledoit-Wolf shrinkage {facts['Shrinkage']:.3f}." in page.text
        values = read_relmat("bold_connectivity-pearson_relmat.tsv")[np.triu_indices(3, 1)]
        low, median, high = values.min(), np.median(values), values.max()
        assert f"3 pairs of regions: median {median:.3g}, range {low:.3g} to {high:.3g}." in page.text

    def test_matrices_are_a_step_and_in_the_methods(self):
        page = report(connectivity=["pearson", "precision"], fisher_z=True)
        assert "<b>measure connectivity</b> pearson, precision (Fisher z)" in page.source
        assert "measured by Pearson correlations, and by inverse covariances estimated with" in page.text

    def test_correlations_with_regressors_that_are_regressed_out_are_told_and_not_drawn(self):
        page = report(**CONFOUNDS)
        (before,) = (unpack(trace["z"]) for trace in page.figure("regressors")["data"])
        assert "After cleaning, all are below 0.005 and are not drawn." in page.text
        report()
        regressors = pd.read_csv("confounds.tsv", sep="\t")[["x", "y"]].to_numpy()
        np.testing.assert_allclose(before, np.corrcoef(read_table().T, regressors.T)[:3, 3:], atol=0.005)

    def test_correlations_that_cleaning_leaves_are_drawn(self):
        page = report(low_pass=0.1, **CONFOUNDS)
        after = unpack(page.figure("regressors")["data"][1]["z"])
        assert f" and {np.abs(after).max():.2f} after it." in page.text
        regressors = pd.read_csv("confounds.tsv", sep="\t")[["x", "y"]].to_numpy()
        np.testing.assert_allclose(after, np.corrcoef(read_table().T, regressors.T)[:3, 3:], atol=0.005)

    def test_regressor_that_lacks_its_first_value_is_shown_as_it_is_regressed_out(self):
        table = pd.read_csv("confounds.tsv", sep="\t").assign(x_derivative1=lambda table: table["x"].diff())
        # The first volume has the value of the next one that is kept, which is not this one.
        table.loc[1, "x_derivative1"] = 1000.0
        table.to_csv("confounds.tsv", sep="\t", index=False, na_rep="n/a")
        np.savetxt("censor.txt", np.arange(N_VOLUMES) == 1, fmt="%d")
        page = report(regressor_files=["confounds.tsv"], regressors=["x_derivative1"], censor_file=["censor.txt"])
        assert "After cleaning, all are below 0.005 and are not drawn." in page.text

    def test_motion_is_shown_over_all_volumes_on_the_carpets_axis(self):
        page = report(discard_scans=3, scrub=True, scrub_segment=0, **CONFOUNDS)
        figure, of_regions = page.data["motion-figure"], page.figure("carpet")
        names = [annotation["text"] for annotation in figure["layout"]["annotations"]]
        assert {"framewise displacement (mm)", "std DVARS"} <= set(names)
        motion = next(trace for trace in figure["data"] if trace.get("hovertemplate", "").startswith("framewise"))
        assert motion["y"] == [None, *(0.9 if volume % 20 == 10 else 0.1 for volume in range(1, 60))]
        before, after, regions = (
            unpack(trace["z"])
            for trace in (*figure["data"], *of_regions["data"])
            if (trace["type"] == "heatmap" and "coloraxis" in trace) or trace.get("colorscale") == "Greys"
        )
        # Censored volumes are drawn before cleaning.
        assert np.flatnonzero(np.isnan(before).all(axis=0)).tolist() == [0, 1, 2]
        for z in (after, regions):
            assert np.flatnonzero(np.isnan(z).all(axis=0)).tolist() == [0, 1, 2, 10, 30, 50]

    def test_run_without_confounds_says_so(self):
        page = report()
        assert "Framewise displacement is not shown: no confounds table was read for this run" in page.text
        assert "No regressors: nothing is regressed out." in page.text

    def test_confounds_table_that_only_censors_is_not_reported_missing(self):
        page = report(regressor_files=["confounds.tsv"], regressors=["scrub"])
        assert "No regressors: no column of the confounds table is regressed out." in page.text
        assert "no confounds table" not in page.text

    def test_several_atlases_have_a_section_each(self):
        save(Path("maps.nii"), np.stack([LABELS == 1, LABELS == 2], axis=-1).astype(np.float32))
        page = report(["atlas.nii.gz", "maps.nii"])
        assert "Atlas 1 of 2: atlas" in page.text
        assert "Atlas 2 of 2: maps" in page.text
        assert len(page.all("img")) == 2
        assert unpack(page.data["signals-data-2"]["after"]).shape == (2, N_VOLUMES)

    def test_spheres_are_drawn(self):
        x, y, z, _ = OBLIQUE @ [3, 4, 4, 1]
        Path("seeds.tsv").write_text(f"x\ty\tz\n{x}\t{y}\t{z}\n")
        assert report("seeds.tsv", radius=6).all("img")[0]["alt"].startswith("1 of 1 region in colour")

    def test_censored_volumes_do_not_touch_the_spectrum(self):
        np.savetxt("censor.txt", np.arange(N_VOLUMES) == 30, fmt="%d")
        spectra = []
        for spike in (0, 1e6):
            values = nib.load("bold.nii.gz").get_fdata()
            values[..., 30] += spike
            save(Path("spike.nii.gz"), values.astype(np.float32), t_r=2.0)
            page = report(image="spike.nii.gz", censor_file=["censor.txt"])
            spectra.append([trace["y"] for trace in page.figure("spectrum")["data"]])
        np.testing.assert_allclose(spectra[0], spectra[1], rtol=1e-3)
        assert "Straight lines bridge censored volumes" in page.text

    def test_every_picture_is_described(self):
        page = report(**CONFOUNDS)
        pictures = page.all("img") + [attrs for attrs in page.all("div") if attrs.get("role") == "img"]
        assert len(pictures) == 8
        assert [attrs for attrs in pictures if not (attrs.get("alt") or attrs.get("aria-label"))] == []


class TestOddRuns:
    def test_single_volume_has_a_page(self):
        save(Path("one.nii.gz"), RNG.normal(size=(*LABELS.shape, 1)), t_r=2.0)
        page = report(image="one.nii.gz")
        assert "No matrix: 1 kept volume, but correlations need at least 3." in page.text
        assert "No spectrum: it needs at least 16 kept volumes." in page.text

    def test_run_whose_columns_are_all_missing_has_a_page(self):
        save(Path("flat.nii.gz"), np.full((*LABELS.shape, 20), 7.0), t_r=2.0)
        page = report(image="flat.nii.gz", standardize=True)
        assert "complete, look at minutes kept, degrees of freedom and lowest coverage" in page.text
        assert "0 regions with signal" in page.text
        assert "No matrix: it needs two regions with a signal." in page.text
        assert "No spectrum: the mean signal does not vary." in page.text

    def test_emptied_regions_come_first_in_the_table_and_not_in_the_matrix(self):
        save(Path("mask.nii"), (LABELS != 5).astype(np.uint8))
        page = report(mask_img="mask.nii")
        rows = re.findall(r'<td class="name">.*?</span>(.*?)</td>', page.source)
        assert rows == ["roi 5", "roi 1", "roi 2"]
        assert page.figure("matrix-pearson")["data"][0]["y"] == ["roi 1", "roi 2"]
        assert "Left out: 1 column without a signal." in page.text

    def test_emptied_regions_are_in_no_matrix_that_is_asked_for(self):
        save(Path("mask.nii"), (LABELS != 5).astype(np.uint8))
        page = report(mask_img="mask.nii", connectivity="covariance")
        assert page.figure("matrix-covariance")["data"][0]["y"] == ["roi 1", "roi 2"]
        assert "Left out: 1 column without a signal." in page.text

    def test_regions_of_one_signal_have_a_page_with_fisher_z(self):
        save(Path("ramp.nii.gz"), make_series(LABELS, 30), t_r=2.0)
        page = report(image="ramp.nii.gz", connectivity="pearson", fisher_z=True)
        assert "No pair of regions has a value." in page.text

    def test_more_regions_than_fit_a_picture_are_in_the_tables(self):
        labels = np.arange(1, 1101, dtype=np.int16).reshape(10, 10, 11)
        save(Path("many.nii.gz"), RNG.normal(500, 1, (*labels.shape, 30)), t_r=2.0)
        save(Path("many_atlas.nii.gz"), labels)
        page = report("many_atlas.nii.gz", image="many.nii.gz", connectivity="pearson")
        assert "No matrix: 1,100 columns are too many for a figure. Its table has all values." in page.text
        assert read_relmat("many_connectivity-pearson_relmat.tsv").shape == (1100, 1100)

    def test_voxels_are_columns_and_many_are_averaged(self):
        save(Path("big.nii.gz"), RNG.normal(size=(12, 13, 14, 20)), t_r=2.0)
        save(Path("big_mask.nii"), np.ones((12, 13, 14), dtype=np.uint8))
        page = report("big_mask.nii", image="big.nii.gz", as_voxels=True)
        signals = page.data["signals-data-1"]
        table = read_table("big_timeseries.tsv")
        assert signals["names"][0] == "voxel 0 to voxel 4"
        np.testing.assert_allclose(unpack(signals["after"])[0], table[:, :5].mean(axis=1), atol=1e-3)
        np.testing.assert_allclose(unpack(signals["after"])[-1], table[:, 2180:].mean(axis=1), atol=1e-3)
        assert "No matrix: 2,184 columns are too many for a figure." in page.text

    def test_scaled_integers_are_shown_in_the_image_s_units(self):
        from images import save_stored

        stored = RNG.integers(0, 100, (*LABELS.shape, 20)).astype(np.int16)
        save_stored(Path("scaled.nii"), stored, slope=2.0, intercept=1000.0)
        before = unpack(report(image="scaled.nii", standardize=True).data["signals-data-1"]["before"])
        assert before.min() > 1000


class TestSafety:
    def test_hostile_names_are_shown_and_not_run(self):
        page = report(labels=list(HOSTILE))
        assert [
            attrs for attrs in page.all("script") if "src" not in attrs and attrs.get("type") != "application/json"
        ] == []
        assert len(page.all("img")) == 1
        assert page.data["signals-data-1"]["names"] == list(HOSTILE)
        for name in HOSTILE:
            assert name in " ".join(page.texts)

    def test_hostile_names_are_no_markup_to_plotly(self):
        page = report(labels=list(HOSTILE))
        shown = page.figure("matrix-pearson")["data"][0]["y"]
        assert not [name for name in shown if "<" in name]
        assert html.unescape(shown[0]) == HOSTILE[0]

    def test_hostile_file_name_is_shown(self):
        name = "<b>&'x.nii.gz"
        Path("bold.nii.gz").rename(name)
        assert f"<h1>{html.escape(name)}</h1>".replace("&#x27;", "&#39;") in report(image=name).source

    def test_nothing_is_loaded_from_elsewhere(self):
        page = report(**CONFOUNDS)
        links = [attrs[key] for _, attrs in page.tags for key in ("src", "href") if key in attrs]
        assert [link for link in links if not re.match(r"(data:|assets/|#)", link)] == []
        assert not re.search(r"url\((?!data:)|@import", Path("out/reports/assets/style.css").read_text("utf-8"))
        for link in links:
            if link.startswith("assets/"):
                assert (Path("out/reports") / link).is_file()


class TestFiles:
    def test_folders_of_the_mirror_layout_reach_the_assets(self):
        for run in ("a", "b"):
            Path(run).mkdir()
            Path(run, "bold.nii.gz").write_bytes(Path("bold.nii.gz").read_bytes())
        outcomes = extract("out", input_files=["*/bold.nii.gz"], roi_file="atlas.nii.gz", output_layout="mirror")
        for outcome, run in zip(outcomes, ("a", "b"), strict=True):
            assert outcome.result.report_path == Path("out/reports", run, "bold_report.html")
            assert {attrs["src"] for attrs in Page(outcome.result.report_path).all("script") if "src" in attrs} == {
                f"../assets/{name}"
                for name in (
                    "plotly.min.js",
                    "table.js",
                    "arrays.js",
                    "selection.js",
                    "labels.js",
                    "report.js",
                    "downloads.js",
                    "marks.js",
                    "brainsprite.min.js",
                    "brain_volumes.js",
                    "brain.js",
                    "../runs.js",
                    "ratings.js",
                    "study.js",
                )
            }

    def test_no_report_writes_none(self):
        (outcome,) = extract("out", input_files=["bold.nii.gz"], roi_file="atlas.nii.gz", no_report=True)
        assert outcome.result.report_path is None
        assert not Path("out/reports").exists()

    def test_no_report_imports_nothing_that_draws(self):
        code = (
            "import sys, niimasker; niimasker.extract('out', input_files=['bold.nii.gz'], roi_file='atlas.nii.gz', "
            "no_report=True); print(sorted({'jinja2', 'plotly', 'PIL', 'matplotlib'} & {*sys.modules}))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "[]"

    def test_same_run_writes_the_same_page_in_one_process_and_in_two(self):
        pages = []
        for n_jobs in (1, 2):
            report(n_jobs=n_jobs)
            page = Path("out/reports/bold_report.html").read_text("utf-8")
            pages.append(page.replace(f"<code>{n_jobs}</code>", ""))
        assert pages[0] == pages[1]

    def test_assets_are_not_written_again(self):
        report()
        path = Path("out/reports/assets/plotly.min.js")
        before = path.stat().st_mtime_ns
        report()
        assert path.stat().st_mtime_ns == before

    def test_asset_of_another_version_is_replaced(self):
        report()
        path = Path("out/reports/assets/style.css")
        path.write_text("body {}")
        report()
        assert "--ink" in path.read_text("utf-8")

    def test_report_that_cannot_be_written_costs_a_warning_and_not_the_table(self, capsys):
        Path("out").mkdir()
        Path("out/reports").write_text("in the way")
        assert main(["out", "-i", "bold.nii.gz", "-r", "atlas.nii.gz"]) == 0
        said = capsys.readouterr().err
        assert "warning: the tables are complete, but the report could not be written: " in said
        assert "reports" in said
        assert read_table().shape == (N_VOLUMES, 3)

    def test_page_of_an_earlier_call_does_not_outlive_one_that_failed(self):
        path = Path("out/reports/bold_report.html")
        report()
        assets = path.parent / "assets"
        (assets / "style.css").unlink()
        (assets / "style.css").mkdir()
        with pytest.warns(NiimaskerWarning) as said:
            (outcome,) = extract("out", input_files=["bold.nii.gz"], roi_file="atlas.nii.gz")
        assert any("the report could not be written" in str(warning.message) for warning in said)
        assert outcome.result.report_path is None
        assert outcome.status == "done"
        assert not path.exists()

    def test_provenance_is_on_the_page(self):
        page = report()
        digest = json.loads(Path("out/bold_timeseries.json").read_text())["Sources"]["Image"]["SHA256"]
        assert digest in page.text
        assert "standardize_method" in page.text
        assert "Called from Python." in page.text

    def test_command_is_on_the_page(self):
        assert main(["out", "-i", "bold.nii.gz", "-r", "atlas.nii.gz"]) == 0
        assert "niimasker out -i bold.nii.gz -r atlas.nii.gz" in Page("out/reports/bold_report.html").text

    def test_page_of_400_regions_and_1200_volumes_is_below_3_mb(self):
        labels = np.zeros((20, 21, 22), dtype=np.int16)
        labels.ravel()[:8000] = np.repeat(np.arange(1, 401), 20)
        save(Path("many.nii.gz"), RNG.normal(1000, 10, (20, 21, 22, 1200)).astype(np.float32), t_r=1.0)
        save(Path("labels.nii.gz"), labels)
        (outcome,) = extract("out", input_files=["many.nii.gz"], roi_file="labels.nii.gz", standardize=True)
        assert outcome.result.report_path.stat().st_size < 3e6


def test_regions_in_colour_without_a_signal_are_counted():
    image = nib.load("bold.nii.gz")
    values = image.get_fdata()
    values[np.equal(LABELS, 2)] = 0
    save(Path("bold.nii.gz"), values.astype(np.float32), t_r=2.0)
    assert "3 of 3 regions in colour, 1 of them without a signal, on " in report().source
