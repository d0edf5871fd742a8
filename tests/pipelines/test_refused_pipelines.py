"""Mistakes in pipelines are refused before anything is written; the message names the pipeline and what to change."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cleaned_studies import OPTIONS, PIPELINES, WORDS
from pipeline_tables import call, extract_quietly, refuse, write_pipelines

from niimasker import extract
from niimasker.errors import SettingsError
from niimasker.options.settings import OPTIONS as ALL_OPTIONS

pytestmark = pytest.mark.usefixtures("study")


def refuse_pipelines(pipelines: object, *words: object) -> str:
    """Return the one line that refuses these pipelines; the same as an option of Python must be refused too."""
    line = refuse(*WORDS, "--pipelines", write_pipelines("pipelines.json", pipelines), *words)
    assert line.startswith("niimasker: error: ")
    return line


def refuse_cleaning(cleaning: object, *words: object) -> str:
    """Return the line that refuses one pipeline among others, without what comes before its name."""
    line = refuse_pipelines({"raw": {}, "odd one.2": cleaning, "csf": {"regressors": ["csf"]}}, *words)
    assert "odd one.2" in line
    return line


SHARED = {
    "input_files": "sub-01_task-rest_bold.nii",
    "roi_file": "mask.nii",
    "mask_img": "mask.nii",
    "labels": ["a"],
    "atlas_name": ["x"],
    "as_voxels": True,
    "radius": 5,
    "space": "MNI",
    "exclude": ["sub-01"],
    "smoothing_fwhm": 6,
    "discard_scans": 2,
    "t_r": 2.0,
    "min_coverage": 0.5,
    "valid_voxels": True,
    "n_decimals": 4,
    "output_layout": "bids",
    "tidy": "tsv.gz",
    "cifti_out": True,
    "no_report": True,
    "engine": "nilearn",
    "n_jobs": 2,
    "resume": True,
    "dry_run": True,
    "quiet": True,
}


class TestSharedOptions:
    @pytest.mark.parametrize("name", SHARED)
    def test_option_of_the_call_in_a_pipeline(self, name):
        line = refuse_cleaning({"detrend": True, name: SHARED[name]})
        assert name in line
        assert "csf" not in line
        # The way out: the option belongs to the call.
        assert any(word in line for word in ("call", "all pipelines", "outside"))

    def test_they_are_those_that_do_not_vary(self):
        varying = {option.name for option in ALL_OPTIONS if option.varies}
        assert not varying & SHARED.keys()

    @pytest.mark.parametrize("name", ["output_dir", "pipelines", "config", "example"])
    def test_what_no_pipeline_can_have(self, name):
        assert name in refuse_cleaning({name: "x"})

    def test_python_says_the_same(self):
        with pytest.raises(SettingsError, match=r"smoothed.*smoothing_fwhm"):
            extract("out", **OPTIONS, pipelines={"raw": {}, "smoothed": {"smoothing_fwhm": 6}})
        assert not Path("out").exists()


class TestUnknownWords:
    def test_option_with_the_nearest_name(self):
        line = refuse_cleaning({"low_pas": 0.1})
        assert "low_pas'" in line or "low_pas " in line
        assert "low_pass" in line.replace("low_pas'", "")

    def test_option_with_dashes(self):
        assert "low_pass" in refuse_cleaning({"--low_pass": 0.1})

    def test_preset_with_the_nearest_name(self):
        line = refuse(*WORDS, "--pipelines", "36P+srub")
        assert "36P+srub" in line
        assert "36P+scrub" in line

    def test_preset_in_python(self):
        with pytest.raises(SettingsError, match=r"simple\+gsrr.*simple\+gsr\b"):
            extract("out", **OPTIONS, pipelines=["simple+gsrr"])

    def test_preset_in_other_case_is_suggested_or_taken(self):
        result = call("out", *WORDS, "--pipelines", "24p")
        assert result.code == 0 or "24P" in result.failures[0]

    def test_file_that_is_missing(self):
        line = refuse(*WORDS, "--pipelines", "my_pipelines.json")
        assert "my_pipelines.json" in line
        assert "preset" not in line.split(";")[0]

    def test_value_of_the_wrong_kind(self):
        line = refuse_cleaning({"low_pass": "fast"})
        assert "low_pass" in line
        assert "fast" in line


class TestNames:
    @pytest.mark.parametrize(
        ("first", "second"), [("a.b", "ab"), ("my pipeline", "mypipeline"), ("scrubbing.5", "scrubbing5")]
    )
    def test_two_pipelines_of_one_label(self, first, second):
        line = refuse_pipelines({first: {}, second: {"detrend": True}})
        assert repr(first) in line or f'"{first}"' in line
        assert repr(second) in line or f'"{second}"' in line

    def test_labels_that_differ_in_case_alone(self):
        """Disks of macOS and Windows take both for one name."""
        line = refuse_pipelines({"Simple": {}, "simple": {"detrend": True}})
        assert "Simple" in line

    @pytest.mark.parametrize("name", ["", " ", "._-", "é"])
    def test_name_without_letters_and_digits(self, name):
        line = refuse_pipelines({"raw": {}, name: {"detrend": True}})
        assert "letter" in line or "name" in line

    def test_one_preset_twice(self):
        assert "simple" in refuse(*WORDS, "--pipelines", "simple", "simple")

    def test_preset_and_a_pipeline_of_its_name(self):
        file = write_pipelines("pipelines.json", {"simple": {"detrend": True}})
        assert "simple" in refuse(*WORDS, "--pipelines", "simple", file)

    def test_name_given_twice_in_one_file(self):
        Path("twice.json").write_text('{"a": {"detrend": true}, "a": {"detrend": false}}')
        line = refuse(*WORDS, "--pipelines", "twice.json")
        assert "'a'" in line or '"a"' in line

    def test_very_long_name(self):
        line = refuse_pipelines({"x" * 300: {}})
        assert len(line) < 600


class TestJson:
    @pytest.mark.parametrize(
        "content",
        [
            "",
            "{",
            "[1, 2]",
            "3",
            '"simple',
            '{"a": 3}',
            '{"a": ["detrend"]}',
            '{"a": "detrend"}',
            '{"a": null}',
            "{}",
            "[]",
            "null",
        ],
        ids=repr,
    )
    def test_content_that_is_no_pipelines(self, content):
        Path("pipelines.json").write_text(content)
        line = refuse(*WORDS, "--pipelines", "pipelines.json")
        assert "pipelines" in line

    def test_line_of_the_mistake(self):
        Path("pipelines.json").write_text('{"a": {"detrend": true},\n "b" {}}')
        line = refuse(*WORDS, "--pipelines", "pipelines.json")
        assert "pipelines.json" in line
        assert "line 2" in line

    def test_binary_file(self):
        Path("pipelines.json").write_bytes(bytes(range(256)))
        assert "pipelines.json" in refuse(*WORDS, "--pipelines", "pipelines.json")

    def test_folder(self):
        Path("pipelines.json").mkdir()
        assert "pipelines.json" in refuse(*WORDS, "--pipelines", "pipelines.json")

    def test_mistake_in_a_file_names_the_file_or_the_pipeline(self):
        line = refuse_pipelines({"a": {"detrend": "often"}})
        assert "'a'" in line or "pipelines.json" in line

    @pytest.mark.parametrize("value", [3, True, {"a": 3}, [3], [[]], {"": {}}, {3: {}}], ids=repr)
    def test_python_value_that_is_no_pipelines(self, value):
        with pytest.raises(SettingsError):
            extract_quietly("out", **OPTIONS, pipelines=value)
        assert not Path("out").exists()


INVALID = {
    "both thresholds 0": {"scrub": True, "fd_threshold": 0, "std_dvars_threshold": 0},
    "high_pass above low_pass": {"high_pass": 0.2, "low_pass": 0.1},
    "z of covariances": {"connectivity": ["covariance"], "fisher_z": True},
    "kind of matrix": {"connectivity": ["spearman"]},
    "method of standardising": {"standardize": True, "standardize_method": "range"},
    "negative cut-off": {"low_pass": -0.1},
    "missing censor file": {"censor_file": "nope_*.txt"},
    "missing table": {"regressor_files": "nope_*.tsv"},
}


class TestCombinations:
    @pytest.mark.parametrize("cleaning", INVALID.values(), ids=INVALID)
    def test_invalid_combination_names_the_pipeline(self, cleaning):
        line = refuse_cleaning(cleaning)
        assert any(name in line for name in cleaning) or "nope_" in line

    def test_combination_with_an_option_of_the_call(self):
        assert "low_pass" in refuse_cleaning({"high_pass": 0.12}, "--low_pass", "0.1")

    def test_option_of_the_call_that_a_pipeline_mends(self):
        file = write_pipelines("pipelines.json", {"a": {"low_pass": 0.2}})
        assert call("out", *WORDS, "--high_pass", "0.1", "--low_pass", "0.05", "--pipelines", file).code == 0

    def test_voxels_have_no_matrix(self):
        assert "as_voxels" in refuse_cleaning({"connectivity": ["pearson"]}, "--as_voxels", "-r", "mask.nii")

    def test_ignored_option_names_its_pipeline(self):
        result = call("out", *WORDS, "--pipelines", write_pipelines("p.json", {"a": {}, "lazy": {"fisher_z": True}}))
        (line,) = [line for line in result.lines if "fisher_z" in line]
        assert "lazy" in line

    def test_good_pipelines_are_not_refused(self):
        assert call("out", *WORDS, "--pipelines", write_pipelines("p.json", PIPELINES)).code == 0


def test_refusals_of_a_config_name_its_pipelines(study):
    config = {**OPTIONS, "pipelines": {"a": {"low_pas": 1}}}
    Path("config.json").write_text(json.dumps(config))
    line = refuse("-c", "config.json")
    assert "low_pass" in line
    assert "'a'" in line or '"a"' in line
