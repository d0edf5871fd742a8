"""--judge: thresholds from a JSON file or an object, and what is said of those that cannot be used."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from niimasker.errors import SettingsError
from niimasker.options.merging import make_settings
from niimasker.options.threshold_files import read_thresholds
from niimasker.options.thresholds import DEFAULT_THRESHOLDS, Threshold, Thresholds

MINIMAL = {"output_dir": "out", "input_files": ["bold.nii.gz"], "roi_file": "atlas.nii.gz"}
SHORT = {"minutes": {"amber": 4, "red": 2}}


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "thresholds.json"


def refusal(given: object) -> str:
    with pytest.raises(SettingsError) as caught:
        make_settings({**MINIMAL, "judge": given})
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    return message


def write(path: Path, content: object) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def test_without_the_option_thresholds_are_the_defaults():
    assert make_settings(MINIMAL).judge == DEFAULT_THRESHOLDS == Thresholds()


@pytest.mark.parametrize("as_file", [True, False], ids=["file", "object"])
def test_values_that_are_not_given_keep_their_defaults(path, as_file):
    thresholds = make_settings({**MINIMAL, "judge": write(path, SHORT) if as_file else SHORT}).judge
    assert thresholds == replace(DEFAULT_THRESHOLDS, minutes=Threshold(4, 2))


def test_null_is_not_judged(path):
    assert read_thresholds(write(path, '{"coverage": null}')) == replace(DEFAULT_THRESHOLDS, coverage=None)


def test_file_may_hold_the_object_as_a_configuration_does(path):
    assert read_thresholds(write(path, {"judge": SHORT})) == read_thresholds(SHORT)


def test_values_in_lists_of_one_are_read_as_r_writes_them(path):
    assert read_thresholds(write(path, {"minutes": [{"amber": [4], "red": [2]}]})) == read_thresholds(SHORT)


def test_numpy_numbers_are_numbers():
    given = {"minutes": {"amber": np.float32(4), "red": np.int64(2)}}
    assert make_settings({**MINIMAL, "judge": given}).judge.minutes == Threshold(4, 2)


def test_equal_thresholds_are_one_limit():
    equal = {"mean_fd": {"amber": 0.3, "red": 0.3}, "minutes": {"amber": 5, "red": 5}}
    assert read_thresholds(equal).mean_fd == Threshold(0.3, 0.3)


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ({"minute": {"amber": 9, "red": 5}}, ["unknown key 'minute'", "the nearest is 'minutes'"]),
        ({"tsnr": {"amber": 9, "red": 5}}, ["unknown key 'tsnr'", "minutes, mean_fd, degrees_of_freedom, coverage"]),
        ({"minutes": {"amber": 9, "rd": 5}}, ["minutes: unknown key 'rd'", "the nearest is 'red'"]),
        ({"minutes": {"amber": 9}}, ["minutes has no 'red'", '{"amber": 9, "red": 5}']),
        ({"mean_fd": {"amber": 0.3}}, ["mean_fd has no 'red'", '{"amber": 0.2, "red": 0.55}']),
        ({"coverage": 0.6}, ["coverage: expected", '{"amber": 0.5, "red": 0.1}', "found 0.6"]),
        ({"minutes": {"amber": None, "red": 5}}, ["minutes has no 'amber'"]),
        ({"minutes": {}}, ["minutes has no 'amber'"]),
        ({"minutes": 9}, ["minutes: expected {", "null", "found 9"]),
        ({"minutes": [9, 5]}, ["minutes: expected {", "found [9, 5]"]),
        ({"minutes": {"amber": "9", "red": 5}}, ["expected a number, 0 or above, as amber", 'found "9"']),
        ({"minutes": {"amber": True, "red": 5}}, ["as amber, found true"]),
        ({"minutes": {"amber": 9, "red": -1}}, ["as red, found -1"]),
        ('{"minutes": {"amber": NaN, "red": 5}}', ["as amber, found NaN"]),
        (f'{{"minutes": {{"amber": {"9" * 400}, "red": 5}}}}', ["as amber, found 999"]),
        ('{"minutes": {"amber": Infinity, "red": 5}}', ["as amber, found Infinity"]),
        ({"minutes": {"amber": 5, "red": 9}}, ["amber 5 is below red 9", "lower values are worse"]),
        ({"degrees_of_freedom": {"amber": 1, "red": 2}}, ["amber 1 is below red 2"]),
        ({"mean_fd": {"amber": 0.5, "red": 0.2}}, ["amber 0.5 is above red 0.2", "higher values are worse"]),
        ({"coverage": {"amber": 50, "red": 10}}, ["coverage: expected a number from 0 to 1", "found 50"]),
        ({"coverage": {"amber": 0.1, "red": 0.5}}, ["amber 0.1 is below red 0.5"]),
        ("{}", ["holds no thresholds", "expected an object such as"]),
        ("[1]", ["holds no thresholds"]),
        ("", ["line 1, column 1: not valid JSON", "the file is empty"]),
        ('{"minutes": {"amber": 9, "red": 5},}', ["not valid JSON", "comma"]),
        ('{"minutes": {"amber": 9, "red": 5, "red": 4}}', ["'red' is given twice"]),
        ('{"minutes": null, "minutes": null}', ["'minutes' is given twice"]),
        ("[" * 10**5, ["nested too deeply"]),
    ],
    ids=str,
)
def test_file_that_cannot_be_used_names_file_and_fault(path, content, parts):
    message = refusal(str(write(path, content)))
    assert all(part in message for part in [str(path), *parts]), message


@pytest.mark.parametrize("number", [math.nan, math.inf, -0.1, False, "1", [1, 2]])
def test_object_with_a_wrong_number_names_its_key(number):
    message = refusal({"coverage": {"amber": number, "red": 0}})
    assert message.startswith("--judge: coverage: expected a number from 0 to 1, as amber, found ")


def test_key_that_is_no_text_is_refused():
    assert "--judge: unknown key '1'" in refusal({1: {"amber": 9, "red": 5}})


def test_missing_file_is_named(path):
    assert refusal(str(path)) == f"--judge: {path} cannot be read (No such file or directory); give a JSON file."


def test_folder_is_refused(tmp_path):
    assert f"--judge: {tmp_path} cannot be read" in refusal(str(tmp_path))


def test_object_on_the_command_line_belongs_in_a_file():
    assert "write the object into a .json file" in refusal('{"minutes": {"amber": 9, "red": 5}}')


def test_pipelines_cannot_differ_in_it():
    with pytest.raises(SettingsError, match="'judge' is the same for all pipelines"):
        make_settings({**MINIMAL, "pipelines": {"a": {"judge": SHORT}}})
