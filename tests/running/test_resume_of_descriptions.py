"""Files that are read for a run's page alone do not make --resume extract the run again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from images import make_labels, make_series, save

from niimasker.cli import main

STEM = "sub-05_task-rest_space-MNI_desc-preproc_bold"
WORDS = ["out", "-i", "fmriprep", "-r", "atlas.nii.gz", "--resume"]


def describe(version: str) -> None:
    content = {"DatasetType": "derivative", "GeneratedBy": [{"Name": "fMRIPrep", "Version": version}]}
    Path("fmriprep/dataset_description.json").write_text(json.dumps(content))


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """The current folder, with a run that is done."""
    monkeypatch.chdir(tmp_path)
    labels = make_labels()
    save(Path("atlas.nii.gz"), labels)
    save(Path(f"fmriprep/sub-05/func/{STEM}.nii.gz"), make_series(labels), t_r=2.0)
    describe("24.1.0")
    assert main(WORDS) == 0
    return tmp_path


def test_run_is_skipped_after_descriptions_and_reports_have_changed(capsys):
    capsys.readouterr()
    describe("24.1.1")
    Path("fmriprep/sub-05.html").touch()
    Path("atlas_description.json").write_text('{"ReferencesAndLinks": ["One et al., 2001"]}')
    Path("atlas.json").write_text('{"ReferencesAndLinks": ["Two et al., 2002"]}')
    assert main(WORDS) == 0
    assert "0 runs done, 1 skipped" in capsys.readouterr().out


def test_page_says_what_they_say():
    page = Path(f"out/reports/{STEM}_report.html").read_text("utf-8")
    assert "preprocessed with fMRIPrep 24.1.0 (Esteban et al., 2019)" in page
    assert "Please also cite the atlas; niimasker does not know the reference." in page
    assert "@article{esteban2019," in page
