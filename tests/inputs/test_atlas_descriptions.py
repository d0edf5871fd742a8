"""References of an atlas in its JSON files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from niimasker.inputs.atlas_descriptions import find_references

ATLAS = "atlas-Mine_space-MNI_dseg.nii.gz"


def describe(path: Path, references) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"Name": "Mine", "ReferencesAndLinks": references}))


@pytest.mark.parametrize(
    "name", ["atlas-Mine_space-MNI_dseg.json", "atlas-Mine_description.json", "atlas_description.json"]
)
def test_each_json_file_of_an_atlas_is_read(tmp_path, name):
    describe(tmp_path / name, ["One et al., 2001", "https://example.org"])
    assert find_references(tmp_path / ATLAS) == ("One et al., 2001", "https://example.org")


def test_nearest_file_with_references_counts(tmp_path):
    describe(tmp_path / "atlas-Mine_space-MNI_dseg.json", [])
    describe(tmp_path / "atlas_description.json", "of any atlas")
    describe(tmp_path / "atlas-Mine_description.json", "of this\natlas")
    assert find_references(tmp_path / ATLAS) == ("of this atlas",)


def test_folders_above_are_searched_up_to_the_root_of_the_dataset(tmp_path):
    describe(tmp_path / "atlas-Mine_description.json", "above the dataset")
    (tmp_path / "set/atlas-Mine").mkdir(parents=True)
    (tmp_path / "set/dataset_description.json").write_text("{}")
    path = tmp_path / "set/atlas-Mine" / ATLAS
    assert find_references(path) == ()
    describe(tmp_path / "set/atlas-Mine_description.json", "in the dataset")
    assert find_references(path) == ("in the dataset",)


@pytest.mark.parametrize("text", ["", "[1]", '{"ReferencesAndLinks": 3}', '{"ReferencesAndLinks": [3, " "]}', "\udcff"])
def test_a_file_that_cannot_be_read_says_nothing(tmp_path, text):
    (tmp_path / "atlas_description.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert find_references(tmp_path / ATLAS) == ()
