"""Links from pages of runs to the reports of their preprocessing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from niimasker.reports.links import Link, link_to_preprocessing

IMAGE = Path("derivatives/fmri prep/sub-05/func/sub-05_task-rest_bold.nii.gz")
PAGE = Path("out/reports/sub-05_task-rest_bold_report.html")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """The current folder, with the report of the subject."""
    monkeypatch.chdir(tmp_path)
    IMAGE.parent.mkdir(parents=True)
    Path("derivatives/fmri prep/sub-05.html").touch()
    return tmp_path


def test_link_is_relative_to_the_page_and_quoted():
    link = link_to_preprocessing(IMAGE, PAGE)
    assert link == Link("../../derivatives/fmri%20prep/sub-05.html", "report of the preprocessing (sub-05.html)")


def test_absolute_paths_give_the_same_link(folder):
    assert link_to_preprocessing(folder / IMAGE, folder / PAGE) == link_to_preprocessing(IMAGE, PAGE)


def test_link_names_the_program():
    description = {"DatasetType": "derivative", "GeneratedBy": [{"Name": "fMRIPrep", "Version": "24.1.1"}]}
    Path("derivatives/fmri prep/dataset_description.json").write_text(json.dumps(description))
    link = link_to_preprocessing(IMAGE, PAGE)
    assert link is not None
    assert link.text == "fMRIPrep's report (sub-05.html)"


def test_there_is_no_link_to_a_missing_report():
    Path("derivatives/fmri prep/sub-05.html").unlink()
    assert link_to_preprocessing(IMAGE, PAGE) is None
