"""The pipelines that the package provides are valid, and each fixes all that makes it the published one."""

from __future__ import annotations

import json
from importlib import resources

import pytest

from niimasker.options.merging import make_settings
from niimasker.options.settings import OPTIONS_BY_NAME

PRESETS = json.loads(resources.files("niimasker.options").joinpath("presets.json").read_text("utf-8"))
MINIMAL = {"output_dir": "out", "input_files": ["bold.nii.gz"], "roi_file": "atlas.nii.gz"}
WANG = [
    "baseline",
    "simple",
    "simple+gsr",
    "scrubbing.5",
    "scrubbing.5+gsr",
    "scrubbing.2",
    "scrubbing.2+gsr",
    "compcor",
    "compcor6",
    "aroma",
]
CIRIC = ["24P", "36P", "36P+scrub", "aCompCor"]
ALL = pytest.mark.parametrize("name", [*WANG, *CIRIC])

FIXED = {"regressors", "motion_filter", "scrub", "detrend", "high_pass", "low_pass"}
THRESHOLDS = {"fd_threshold", "std_dvars_threshold", "scrub_segment", "censor_before", "censor_after"}


def test_presets_are_those_of_the_two_benchmarks():
    assert [*PRESETS] == [*WANG, *CIRIC]


@ALL
def test_preset_is_valid_and_without_warning(name):
    # A warning is an error in this test run.
    built = make_settings(MINIMAL, PRESETS[name])
    assert built.regressors == tuple(PRESETS[name]["regressors"])
    assert built.needs_confounds


@ALL
def test_preset_sets_regressors_scrubbing_trend_and_filters_and_leaves_the_rest_to_the_call(name):
    assert set(PRESETS[name]) == (FIXED | THRESHOLDS if PRESETS[name]["scrub"] else FIXED)
    assert all(OPTIONS_BY_NAME[option].varies for option in PRESETS[name])


@ALL
def test_preset_overrides_what_the_call_sets(name):
    call = {"regressors": "csf", "scrub": not PRESETS[name]["scrub"], "detrend": False, "high_pass": 0.02}
    alone = make_settings(MINIMAL, PRESETS[name])
    assert make_settings(MINIMAL, {**call, **PRESETS[name]}) == alone
