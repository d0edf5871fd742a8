"""The page of pipelines lists the presets as they are, and its command writes what it says."""

from __future__ import annotations

import json
import re
from importlib import resources

import pandas as pd
import pytest
from documentation import IMAGE, PAGES, code_in, table

from niimasker.errors import SettingsError
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
