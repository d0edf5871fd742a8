"""The page of pipelines lists the presets as they are, and its command writes what it says."""

from __future__ import annotations

import json
import re
from importlib import resources

import pandas as pd
import pytest
from documentation import COMMANDS, IMAGE, PAGES, ROOT, blocks, code_in, table
from example_runs import STUDY_FOLDER

from niimasker.cli import main
from niimasker.errors import EXIT_DONE, SettingsError
from niimasker.group.edges import median_by_chance
from niimasker.options.merging import make_settings
from niimasker.options.settings import OPTIONS

PRESETS = json.loads(resources.files("niimasker.options").joinpath("presets.json").read_text("utf-8"))
MINIMAL = {"output_dir": "out", "input_files": ["bold.nii.gz"], "roi_file": "atlas.nii.gz"}
NAMES = ("simple", "scrubbing.5", "raw", "9P+scrub")
TABLES = {name: f"{IMAGE}_desc-{name.replace('.', '')}_timeseries" for name in NAMES}


def test_every_preset_is_described():
    assert [row[0] for row in table("preset", "regresses out", "censors", "source")] == [*PRESETS]


def test_options_of_presets_are_the_files():
    thresholds = ("fd_threshold", "std_dvars_threshold", "scrub_segment", "censor_before", "censor_after")
    header = ("preset", "regressors", "motion_filter", "scrub", *thresholds, "detrend", "high_pass", "low_pass")
    described = {
        name: {
            option: code_in(cell)[0].split() if option == "regressors" else json.loads(cell)
            for option, cell in zip(header[1:], cells, strict=True)
            if cell
        }
        for name, *cells in table(*header)
    }
    assert described == PRESETS


def test_options_that_may_differ_are_the_codes():
    listed = [name for (cell,) in table("options in which pipelines may differ") for name in code_in(cell)]
    assert sorted(listed) == sorted(option.name for option in OPTIONS if option.varies)


@pytest.mark.parametrize("name", ["smoothing_fwhm", "discard_scans"])
def test_options_that_may_not_differ_are_refused(name):
    assert f"`{name}`" in PAGES["pipelines"]
    with pytest.raises(SettingsError, match=f"{name}' is the same for all pipelines"):
        make_settings({**MINIMAL, "pipelines": {"mine": {name: 1}}})


def test_file_name_of_a_preset_is_the_codes():
    (label,) = re.findall(r"`scrubbing.5\+gsr` writes `<image>_desc-(\S+)_timeseries.tsv`", PAGES["pipelines"])
    built = make_settings({**MINIMAL, "pipelines": "scrubbing.5+gsr"})
    assert [pipeline.label for pipeline in built.pipelines] == [label]


def test_command_writes_the_tables_of_each_pipeline(example):
    folder = example.output("pipelines_output")
    assert all((folder / f"{stem}.tsv").is_file() for stem in TABLES.values())
    assert len([*folder.glob("*_timeseries.tsv")]) == 2 * len(NAMES)
    assert not (folder / f"{IMAGE}_timeseries.tsv").exists()


def test_sidecars_and_summary_name_the_pipelines(example):
    folder = example.output("pipelines_output")
    sidecars = {name: json.loads((folder / f"{stem}.json").read_text("utf-8")) for name, stem in TABLES.items()}
    assert {name: sidecar["Pipeline"] for name, sidecar in sidecars.items()} == {name: name for name in NAMES}
    assert sidecars["scrubbing.5"]["Settings"]["fd_threshold"] == 0.5
    assert sidecars["9P+scrub"]["Settings"]["fd_threshold"] == 0.3
    summary = pd.read_csv(folder / "niimasker_data/summary.tsv", sep="\t")
    assert sorted(summary["pipeline"]) == sorted(2 * NAMES)


@pytest.fixture(scope="module")
def measures(example) -> pd.DataFrame:
    """The measures of the made-up study, with a row for each pipeline."""
    return pd.read_csv(example.study / "niimasker_data/pipelines.tsv", sep="\t", index_col="pipeline")


class TestComparison:
    def test_command_prints_what_is_shown(self, example):
        assert [STUDY_FOLDER, "--example", "study"] in COMMANDS
        assert example.study.with_suffix(".out").read_text("utf-8") in blocks("text", "pipelines")
        assert (example.study / "reports/pipelines.html").is_file()

    def test_its_json_file_gives_the_same_tables(self, example, measures, tmp_path, monkeypatch):
        monkeypatch.chdir(example.folder)
        words = [str(tmp_path), "-c", f"{STUDY_FOLDER}/data/study.json", "--no_report", "-q"]
        assert main(words) == EXIT_DONE
        for path in (*example.study.glob("*.tsv"), example.study / "niimasker_data/pipelines.tsv"):
            assert (tmp_path / path.relative_to(example.study)).read_bytes() == path.read_bytes()

    def test_runs_move_as_much_as_is_told(self, example, measures):
        summary = pd.read_csv(example.study / "niimasker_data/summary.tsv", sep="\t")
        (low, high) = re.findall(r"from (0\.\d+) to (0\.\d+) mm", PAGES["pipelines"])[0]
        assert [f"{value:.2f}" for value in (summary["mean_fd"].min(), summary["mean_fd"].max())] == [low, high]
        assert set(measures["n_runs"]) == {12}
        assert set(measures["n_subjects"]) == {8}

    def test_qcfc_is_as_told(self, measures):
        medians = measures["qcfc_median_abs_r"]
        assert [round(median_by_chance(n), 2) for n in (12, 100)] == [0.22, 0.07]
        assert medians["baseline"] == pytest.approx(0.39, abs=0.01)
        assert medians.drop("baseline").between(0.20, 0.24).all()
        assert measures["qcfc_share_p05"].idxmax() == "baseline"

    def test_distance_dependence_is_as_told(self, measures):
        rho = measures["qcfc_distance_rho"]
        assert [round(rho[name], 2) for name in ("simple", "simple+gsr")] == [-0.13, -0.10]
        assert rho[["scrubbing.2", "compcor"]].abs().max() < 0.05

    def test_costs_are_as_told(self, measures):
        lost = measures["degrees_of_freedom_lost_share"]
        assert lost[["scrubbing.2", "36P"]].tolist() == pytest.approx([0.5, 0.8], abs=0.03)
        assert lost.idxmin() == "baseline"
        assert measures.index[measures["censored_share"] > 0].tolist() == ["scrubbing.2"]
        assert set(measures["n_runs_lost"]) == {0}

    def test_signal_that_is_left_is_as_told(self, measures):
        assert set(measures["modularity"].nlargest(2).index) == {"simple+gsr", "36P"}
        assert set(measures["modularity_networks"]) == {"names"}
        assert (measures["similarity_difference"] > 0).all()

    def test_picture_is_there_and_small(self):
        (picture,) = re.findall(r"!\[[^\]]+\]\((\S+)\)", PAGES["pipelines"])
        assert 10_000 < (ROOT / "docs" / picture).stat().st_size < 300_000
