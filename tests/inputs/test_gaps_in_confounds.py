"""Gaps in confounds count only at volumes that are used."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from images import SHAPE, make_labels, save

from niimasker.cli import main

N = 60
CENSORED, DISCARDED = (1, 20, 21, 40), 2
CLEANINGS = {
    "plain": [],
    "detrend": ["--detrend"],
    "band": ["--high_pass", "0.02", "--low_pass", "0.15", "--standardize"],
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """The current folder: an image of noise, an atlas, confounds without a gap, and a censor file."""
    monkeypatch.chdir(tmp_path)
    noise = np.random.default_rng(1).integers(0, 1000, (*SHAPE, N), dtype=np.int16)
    save(tmp_path / "bold.nii.gz", noise, t_r=2.0)
    save(tmp_path / "atlas.nii.gz", make_labels())
    write_confounds({})
    Path("censor.txt").write_text("".join(f"{int(volume in CENSORED)}\n" for volume in range(N)))
    return tmp_path


def write_confounds(cells: dict[int, str]) -> None:
    """Write two columns of noise, with other cells in some rows of the second."""
    columns = np.random.default_rng(0).normal(size=(N, 2)).round(6).astype(str)
    for row, cell in cells.items():
        columns[row, 1] = cell
    pd.DataFrame(columns, columns=["a", "b"]).to_csv("confounds.tsv", sep="\t", index=False)


def extract(output: str, *words: str) -> bytes:
    """Return the table of time series that a command writes."""
    given = ["-i", "bold.nii.gz", "-r", "atlas.nii.gz", "--regressor_files", "confounds.tsv", "--no_report"]
    assert main([output, *given, *words]) == 0
    return Path(output, "bold_timeseries.tsv").read_bytes()


@pytest.mark.parametrize("cell", ["n/a", "", "-1000000.0", "inf"])
@pytest.mark.parametrize("cleaning", CLEANINGS)
def test_values_at_censored_volumes_change_no_byte(cleaning, cell):
    words = ["--censor_file", "censor.txt", "--regressors", "a", "b", *CLEANINGS[cleaning]]
    expected = extract("whole", *words)
    write_confounds(dict.fromkeys(CENSORED, cell))
    assert extract("gaps", *words) == expected


@pytest.mark.parametrize("cell", ["n/a", "7.5"])
def test_values_at_discarded_volumes_change_no_byte(cell):
    words = ["--discard_scans", str(DISCARDED), "--regressors", "a", "b", "--detrend"]
    expected = extract("whole", *words)
    write_confounds(dict.fromkeys(range(DISCARDED), cell))
    assert extract("gaps", *words) == expected


def test_gap_at_a_volume_that_is_scrubbed_counts_no_more_than_elsewhere():
    table = pd.read_csv("confounds.tsv", sep="\t").assign(framewise_displacement=0.1)
    table.loc[30, ["b", "framewise_displacement"]] = [np.nan, 2.0]
    table.to_csv("confounds.tsv", sep="\t", index=False, na_rep="n/a")
    extract("out", "--scrub", "--std_dvars_threshold", "0", "--regressors", "a", "b")
    assert json.loads(Path("out/bold_timeseries.json").read_text())["Confounds"] == ["a", "b"]


def test_first_row_is_filled_from_the_next_kept_volume():
    write_confounds({0: "n/a", 1: "n/a"})
    extract("out", "--censor_file", "censor.txt", "--regressors", "a", "b")
    written, given = (pd.read_csv(path, sep="\t")["b"] for path in ("out/bold_regressors.tsv", "confounds.tsv"))
    assert written[0] == given[2]
    assert np.isnan(written[1])


@pytest.mark.parametrize(("cell", "found"), [("n/a", "has no value"), ("inf", "is infinite")])
@pytest.mark.parametrize("words", [[], ["--dry_run"]], ids=["run", "dry_run"])
def test_gap_at_a_kept_volume_is_an_error(capsys, words, cell, found):
    write_confounds({20: "n/a", 22: cell})
    given = ["-i", "bold.nii.gz", "-r", "atlas.nii.gz", "--regressor_files", "confounds.tsv", "--no_report"]
    assert main(["out", *given, "--censor_file", "censor.txt", "--regressors", "b", *words]) == 2
    assert capsys.readouterr().err == (
        f"niimasker: error: confounds.tsv: column 'b' {found} in row 23 (the first row below the header is row 1); "
        "correct the table or leave this column out of --regressors.\n"
    )


def test_gap_in_a_measure_of_motion_counts_only_where_nothing_else_censors(capsys):
    measures = pd.DataFrame({"framewise_displacement": np.full(N, 0.1), "std_dvars": np.ones(N)})
    measures.loc[20, "framewise_displacement"] = np.nan
    measures.loc[[30, 31], ["framewise_displacement", "std_dvars"]] = [np.nan, 9.0]
    measures.to_csv("confounds.tsv", sep="\t", index=False, na_rep="n/a")
    extract("out", "--regressors", "scrub", "--censor_file", "censor.txt", "--scrub_segment", "0")
    assert json.loads(Path("out/bold_timeseries.json").read_text())["Volumes"]["Censored"] == len(CENSORED) + 2
