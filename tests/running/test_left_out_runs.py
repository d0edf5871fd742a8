"""The terminal says which runs --exclude leaves out."""

from __future__ import annotations

from pathlib import Path

import pytest
from studies import write_study

from niimasker.cli import main

CALL = ("out", "-i", "sub-*_bold.nii.gz", "-r", "atlas.nii.gz", "--no_report")
RATINGS = "image\trating\nsub-00_bold.nii.gz\tleave\nsub-01_bold.nii.gz\tkeep\nsub-02_bold.nii.gz\tleave\n"


@pytest.fixture(autouse=True)
def study(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_study(tmp_path, 4)
    Path("ratings.tsv").write_text(RATINGS)


@pytest.mark.parametrize("is_dry", [True, False])
@pytest.mark.parametrize(
    ("exclude", "line"),
    [
        (["sub-03"], "1 run left out by --exclude: sub-03"),
        (["ratings.tsv", "sub-03"], "3 runs left out by --exclude: sub-00, sub-02, sub-03"),
    ],
)
def test_runs_are_counted_and_named(exclude, line, is_dry, capsys):
    assert main([*CALL, "--exclude", *exclude, *(["--dry_run"] if is_dry else [])]) == 0
    assert capsys.readouterr().out.splitlines().count(line) == 1


def test_nothing_is_said_when_quiet_or_without_exclude(capsys):
    assert main([*CALL, "--exclude", "sub-03", "-q"]) == 0
    assert capsys.readouterr().out == ""
    assert main([*CALL]) == 0
    assert "left out" not in capsys.readouterr().out
