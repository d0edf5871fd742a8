"""-c parameters.json: the record of an earlier call gives the same settings, and runs the same again."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from pathlib import Path

import pytest
from images import make_labels, make_series, save
from studies import results_in

from niimasker.cli import main
from niimasker.errors import NiimaskerWarning, SettingsError
from niimasker.options.config_file import read_config
from niimasker.options.merging import make_settings
from niimasker.options.settings import OPTIONS, PER_CALL_OPTIONS, Settings
from niimasker.outputs.study_names import parameters_path
from niimasker.outputs.summaries import write_parameters

MINIMAL = {"output_dir": "first", "input_files": ["sub-*_bold.nii.gz"], "roi_file": ["atlas.nii.gz"]}

# A value of each option that is not its default, with the options that it needs.
VALUES = {
    "input_files": {"input_files": ["b d.nii.gz", "~/c.nii.gz", "sub-\udce9_bold.nii", '"q"\\é[1].nii']},
    "participant_label": {"participant_label": ["01", "0*"]},
    "session": {"session": ["1"]},
    "task": {"task": ["rest", "none"]},
    "run": {"run": [1, "02"]},
    "echo": {"echo": ["2"]},
    "space": {"space": "MNIInfant:cohort-2"},
    "res": {"res": 2},
    "den": {"den": "91k"},
    "desc": {"desc": "optcom_whitened"},
    "entities": {"entities": {"reg": "default", "acq": ["a", "none"]}},
    "exclude": {"exclude": ["sub-07", "lists/excluded.txt"]},
    "roi_file": {"roi_file": ["nilearn:aal", "sub-{sub}_dseg.nii.gz", "../seeds.tsv"]},
    "mask_img": {"mask_img": "./~/mask.nii.gz"},
    "labels": {"labels": ["a", "b c", "é", "\udce9"]},
    "atlas_name": {"atlas_name": ["A"]},
    "as_voxels": {"as_voxels": True},
    "radius": {"radius": 4.5},
    "allow_overlap": {"allow_overlap": True},
    "atlas_dir": {"atlas_dir": "../atlases"},
    "regressor_files": {"regressor_files": ["sub-*_a.tsv", "sub-*_b.tsv"]},
    "regressors": {"regressors": {"motion": "full", "n_compcor": 3, "high_pass": True}},
    "motion_format": {"motion_format": "afni", "regressor_files": ["*.1D"]},
    "smoothing_fwhm": {"smoothing_fwhm": 0.1 + 0.2},
    "discard_scans": {"discard_scans": "auto"},
    "motion_filter": {"motion_filter": "notch", "band_stop_min": 12, "band_stop_max": 18.5},
    "band_stop_min": {"motion_filter": "notch", "band_stop_min": 12, "band_stop_max": 18.5},
    "band_stop_max": {"motion_filter": "notch", "band_stop_min": 12, "band_stop_max": 18.5},
    "scrub": {"scrub": True},
    "fd_threshold": {"fd_threshold": 0, "scrub": True},
    "head_radius": {"head_radius": 35.5},
    "std_dvars_threshold": {"std_dvars_threshold": 0, "scrub": True},
    "scrub_segment": {"scrub_segment": 0, "scrub": True},
    "censor_before": {"censor_before": 1, "scrub": True},
    "censor_after": {"censor_after": 2, "scrub": True},
    "censor_file": {"censor_file": "censor*.txt"},
    "censor_keep": {"censor_keep": True, "censor_file": ["a.txt"]},
    "censored": {"censored": "nan"},
    "min_minutes": {"min_minutes": 5},
    "max_mean_fd": {"max_mean_fd": 0.5},
    "max_censored": {"max_censored": 0},
    "judge": {"judge": {"minutes": {"amber": 4, "red": 1.5}, "coverage": None}},
    "detrend": {"detrend": True},
    "high_pass": {"high_pass": 1 / 128},
    "low_pass": {"low_pass": 0.1},
    "interpolation": {"interpolation": "cubic", "detrend": True, "censor_file": ["a.txt"]},
    "t_r": {"t_r": 2},
    "standardize": {"standardize": True},
    "standardize_method": {"standardize_method": "psc", "standardize": True},
    "min_coverage": {"min_coverage": 0},
    "valid_voxels": {"valid_voxels": True},
    "connectivity": {"connectivity": ["partial correlation", "precision"]},
    "fisher_z": {"fisher_z": True, "connectivity": ["pearson"]},
    "pipelines": {"pipelines": {"24P": {"regressors": ["motion"], "low_pass": None}, "b": {"scrub": True}}},
    "n_decimals": {"n_decimals": 0},
    "output_layout": {"output_layout": "bids"},
    "tidy": {"tidy": "parquet"},
    "cifti_out": {"cifti_out": True},
    "no_report": {"no_report": True},
    "engine": {"engine": "nilearn"},
}
# Options of one call, which its record holds but another call does not take from it.
PER_CALL_VALUES = {
    "n_jobs": 3,
    "timeout": 60,
    "scheduler": "tcp://a:1",
    "shard": "2/3",
    "resume": True,
    "overwrite": True,
    "dry_run": True,
    "fail_fast": True,
    "quiet": True,
    "verbose": True,
}

# What niimasker 0.0.4 recorded of `niimasker out -i a_bold.nii.gz -r atlas.nii.gz --discard_scans 2`.
OLD_RECORD = {
    "command": "/usr/bin/niimasker out -i a_bold.nii.gz -r atlas.nii.gz --discard_scans 2",
    "parameters": {
        "output_dir": "out",
        "input_files": ["a_bold.nii.gz"],
        "roi_file": "atlas.nii.gz",
        "mask_img": None,
        "labels": None,
        "regressor_files": None,
        "regressor_names": None,
        "as_voxels": False,
        "radius": None,
        "allow_overlap": False,
        "standardize": False,
        "t_r": None,
        "high_pass": None,
        "low_pass": None,
        "detrend": False,
        "smoothing_fwhm": None,
        "discard_scans": 2,
        "n_jobs": 4,
    },
    "meta_data": {"python": "3.8.10", "niimasker": "0.0.4", "numpy": "1.19.5", "nilearn": "0.7.1"},
}


def record(settings: Settings, folder: Path) -> Path:
    """Write the parameters.json of a call, and return its path."""
    settings = dataclasses.replace(settings, output_dir=folder)
    write_parameters(settings, [], ["niimasker"], [])
    return parameters_path(folder)


def write(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content))
    return path


def test_values_are_those_of_every_option():
    assert [*VALUES, *PER_CALL_VALUES] == [option.name for option in OPTIONS if not option.only_command_line]
    assert set(PER_CALL_VALUES) == PER_CALL_OPTIONS
    for name, given in VALUES.items():
        value = getattr(make_settings({**MINIMAL, **given}), name)
        assert value != getattr(make_settings(MINIMAL), name)


@pytest.mark.parametrize("name", VALUES)
def test_every_option_is_read_back_as_it_was(name, tmp_path):
    settings = make_settings({**MINIMAL, **VALUES[name]})
    config = read_config(record(settings, tmp_path))
    # A warning is an error in this test run.
    assert make_settings({"output_dir": "first"}, config) == settings


@pytest.mark.parametrize("name", PER_CALL_VALUES)
def test_options_of_one_call_are_those_of_the_new_call(name, tmp_path):
    path = record(make_settings({**MINIMAL, name: PER_CALL_VALUES[name]}), tmp_path)
    assert make_settings({"output_dir": "first"}, read_config(path)) == make_settings(MINIMAL)
    given = {"output_dir": "first", "n_jobs": 2, "resume": True, "shard": "1/4"}
    assert make_settings(given, read_config(path)) == make_settings({**MINIMAL, **given})


def test_output_dir_is_that_of_the_new_call(tmp_path):
    config = read_config(record(make_settings(MINIMAL), tmp_path))
    assert make_settings({"output_dir": "second"}, config).output_dir == Path("second")
    with pytest.raises(SettingsError, match="output_dir is missing"):
        make_settings({}, config)


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("smoothing_fwhm", 6.0, "6.0"),
        ("labels", ["a"], '."a".'),
        ("scrub", True, "true"),
        ("desc", "smooth", '"smooth"'),
    ],
)
def test_what_was_not_given_stays_so_with_a_warning(name, value, found, tmp_path):
    config = read_config(record(make_settings(MINIMAL), tmp_path))
    with pytest.warns(NiimaskerWarning, match=f"--{name} is {found} on the command line .*; the JSON file wins"):
        assert make_settings({"output_dir": "first", name: value}, config) == make_settings(MINIMAL)


class TestOldRecords:
    def test_record_of_0_0_4_is_read(self, tmp_path):
        config = read_config(write(tmp_path / "parameters.json", OLD_RECORD))
        expected = {"input_files": "a_bold.nii.gz", "roi_file": "atlas.nii.gz", "discard_scans": 2}
        assert make_settings({"output_dir": "new"}, config) == make_settings({"output_dir": "new", **expected})

    @pytest.mark.parametrize(
        ("old", "new", "value", "expected"),
        [("regressor_names", "regressors", ["csf"], ("csf",)), ("sphere_size", "radius", 5, 5.0)],
    )
    def test_deprecated_names_are_read_with_a_warning(self, old, new, value, expected, tmp_path):
        old_record = {**OLD_RECORD, "parameters": {**OLD_RECORD["parameters"], old: value}}
        del old_record["parameters"][new if new in old_record["parameters"] else "mask_img"]
        config = read_config(write(tmp_path / "parameters.json", old_record))
        with pytest.warns(NiimaskerWarning, match=f"'{old}' is deprecated"):
            assert getattr(make_settings({"output_dir": "new"}, config), new) == expected

    def test_deprecated_name_without_a_value_is_not_needed(self, tmp_path):
        parameters = {**OLD_RECORD["parameters"], "sphere_size": None, "radius": 5, "regressors": ["csf"]}
        config = read_config(write(tmp_path / "parameters.json", {**OLD_RECORD, "parameters": parameters}))
        settings = make_settings({"output_dir": "new"}, config)
        assert (settings.radius, settings.regressors) == (5.0, ("csf",))

    def test_value_of_an_unknown_option_is_an_error(self, tmp_path):
        parameters = {**OLD_RECORD["parameters"], "denoising_strategy": ["Params2"]}
        path = write(tmp_path / "parameters.json", {**OLD_RECORD, "parameters": parameters})
        with pytest.raises(SettingsError, match=r"parameters\.json: unknown option 'denoising_strategy'"):
            read_config(path)

    @pytest.mark.parametrize("content", [{"parameters": {}}, {"parameters": [], "meta_data": {}}, {"meta_data": {}}])
    def test_other_objects_are_no_records(self, content, tmp_path):
        with pytest.raises(SettingsError, match="unknown option"):
            read_config(write(tmp_path / "a.json", content))


@pytest.fixture
def study(tmp_path, monkeypatch) -> Path:
    """The current folder: two runs whose names are odd, with confounds, an atlas and a list of exclusions."""
    monkeypatch.chdir(tmp_path)
    labels = make_labels((1, 2, 5))
    for number, name in enumerate(["sub-01_a b[é]", "sub-02_a b[é]", "sub-03_a b[é]"]):
        save(Path(f"in/{name}_bold.nii.gz"), make_series(labels) + number, t_r=2.0)
        rows = "".join(f"{(row + number) % 3}\t{row % 2}\n" for row in range(12))
        Path(f"in/{name}_confounds.tsv").write_text(f"x\ty\n{rows}")
    save(Path("in/atlas.nii.gz"), labels)
    Path("exclude.txt").write_text("sub-02\n")
    return tmp_path


WORDS = (
    *("-i", "in/*_bold.nii.gz", "-r", "in/atlas.nii.gz", "--regressor_files", "in/sub-0[13]*.tsv"),
    *("--regressors", "x", "--exclude", "exclude.txt", "--labels", "é", "b c", '"d"', "--smoothing_fwhm", "2.7"),
    *(
        "--discard_scans",
        "1",
        "--connectivity",
        "pearson",
        "--fisher_z",
        "--tidy",
        "tsv.gz",
        "--output_layout",
        "mirror",
    ),
)


def tables_in(output_dir: str) -> dict[str, bytes]:
    return {name: content for name, content in results_in(Path(output_dir)).items() if ".tsv" in name}


class TestCommand:
    def test_second_folder_has_the_same_tables(self, study):
        assert main(["first", *WORDS]) == 0
        assert main(["second", "-c", "first/niimasker_data/parameters.json"]) == 0
        assert len(tables_in("first")) == 2 * 5 + 1
        assert tables_in("second") == tables_in("first")

    def test_record_of_a_shard_runs_the_whole_study(self, study):
        assert main(["first", *WORDS, "--no_report"]) == 0
        assert main(["shards", *WORDS, "--no_report", "--shard", "1/2", "-q"]) == 0
        assert main(["shards", *WORDS, "--no_report", "--shard", "2/2", "-q"]) == 0
        assert main(["second", "-c", "shards/niimasker_data/parameters.json"]) == 0
        assert tables_in("second") == tables_in("first")

    def test_same_folder_is_up_to_date(self, study, capsys):
        assert main(["first", *WORDS]) == 0
        assert main(["first", "-c", "first/niimasker_data/parameters.json", "--resume"]) == 0
        assert "0 runs done, 2 skipped" in capsys.readouterr().out

    def test_record_copied_elsewhere_works_from_the_same_folder(self, study):
        assert main(["first", *WORDS, "--no_report"]) == 0
        Path("elsewhere").mkdir()
        shutil.move("first/niimasker_data/parameters.json", "elsewhere/record.json")
        assert main(["second", "-c", "elsewhere/record.json"]) == 0
        assert tables_in("second") == tables_in("first")

    def test_record_of_0_0_4_runs(self, study):
        os.link("in/sub-01_a b[é]_bold.nii.gz", "a_bold.nii.gz")
        os.link("in/atlas.nii.gz", "atlas.nii.gz")
        write(Path("old.json"), OLD_RECORD)
        assert main(["old", "-c", "old.json", "--no_report"]) == 0
        assert main(["new", "-i", "a_bold.nii.gz", "-r", "atlas.nii.gz", "--discard_scans", "2", "--no_report"]) == 0
        assert tables_in("old") == tables_in("new")
