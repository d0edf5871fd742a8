"""Names and headers that are odd and yet sound: they give the same tables as plain ones."""

from __future__ import annotations

import json
import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from bad_files import with_fields
from commands import LABELS, run, write_study
from images import N_VOLUMES, OBLIQUE, make_series

VOLUMES = np.arange(N_VOLUMES)
NAMES = [
    "with spaces",
    " leading and trailing ",
    "Gehirn-ä-脳-🧠",
    "-dash",
    "--labels",
    "[brackets]",
    "star*",
    "question?",
    "quote'\"s",
    "dollar$HOME;rm",
    "percent%s%d{}",
    "back\\slash",
    "#hash",
    "..dots..",
    "comma,semi;colon:",
    os.fsdecode(b"latin-\xe9"),
    "~tilde",
    "x" * 200,
]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_study(tmp_path)
    return tmp_path


def assert_means(table_path: Path, names: list[str]) -> None:
    """Check that a table holds index * 10 + volume for each of the indices 1, 2 and 5."""
    signals = pd.read_csv(table_path, sep="\t")
    assert list(signals.columns) == names
    np.testing.assert_allclose(signals.to_numpy(), np.add.outer(VOLUMES, [10.0, 20.0, 50.0]))


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_files_of_any_name_are_read_and_written(name):
    image, atlas, labels, censor = (f"./{name}{suffix}" for suffix in (".nii.gz", "_2.nii.gz", ".tsv", ".txt"))
    renamed = {"bold.nii.gz": image, "atlas.nii.gz": atlas, "labels.tsv": labels, "censor.txt": censor}
    for old, new in renamed.items():
        Path(old).rename(new)
    words = ("-i", image, "-r", atlas, "--labels", labels, "--censor_file", censor, "--censored", "nan")
    assert run(f"./{name}_out", *words).code == 0
    signals = pd.read_csv(Path(f"{name}_out", f"{name}_timeseries.tsv"), sep="\t")
    assert list(signals.columns) == ["a", "b", "c"]
    np.testing.assert_allclose(signals.to_numpy()[:-1], np.add.outer(VOLUMES[:-1], [10.0, 20.0, 50.0]))
    assert "\tdone\t" in Path(f"{name}_out", "niimasker_data", "summary.tsv").read_text()
    assert Path(f"{name}_out", "reports", f"{name}_report.html").is_file()


@pytest.mark.parametrize("name", ["line\nbreak", "tab\tstop", "bell\a"], ids=ascii)
def test_control_characters_in_a_name_are_matched_by_a_pattern(name):
    Path("bold.nii.gz").rename(f"{name}.nii.gz")
    assert run("out", "-i", "*[\n\t\a]*.nii.gz", "-r", "atlas.nii.gz", "--no_report").code == 2
    assert run("out", "-i", f"{name[:2]}*.nii.gz", "-r", "atlas.nii.gz").code == 0
    assert_means(Path("out", f"{name}_timeseries.tsv"), ["roi 1", "roi 2", "roi 5"])
    summary = pd.read_csv("out/niimasker_data/summary.tsv", sep="\t")
    assert list(summary["output"]) == [name]


def test_names_with_a_leading_dash_stand_behind_an_equals_sign_and_two_dashes():
    Path("bold.nii.gz").rename("-dash.nii.gz")
    assert run("-i=-dash.nii.gz", "-r", "atlas.nii.gz", "--no_report", "--", "-out").code == 0
    assert_means(Path("-out/-dash_timeseries.tsv"), ["roi 1", "roi 2", "roi 5"])


def test_names_of_regions_that_are_no_unicode_are_written():
    names = [os.fsdecode(b"\xe9"), "脳", "with space"]
    result = run("out", "-i", "bold.nii.gz", "-r", "atlas.nii.gz", "--labels", *names)
    assert result.code == 0
    assert_means(Path("out/bold_timeseries.tsv"), ["\\udce9", "脳", "with space"])
    facts = pd.read_csv("out/bold_regions.tsv", sep="\t")
    assert list(facts["name"]) == ["\\udce9", "脳", "with space"]


def write_header(**fields: object) -> None:
    """Write the image again with some fields of its header set to anything."""
    img = nib.Nifti1Image(make_series(LABELS).astype(np.float32), OBLIQUE)
    Path("bold.nii").write_bytes(with_fields(img.to_bytes(), **fields))


# Sound as far as niimasker reads it, if only by what the standard says of such values.
ODD_HEADERS = {
    "time unit unknown": {"xyzt_units": 7 * 8},
    "space unit unknown": {"xyzt_units": 15},
    "slope is NaN": {"scl_slope": np.nan},
    "slope is 0": {"scl_slope": 0, "scl_inter": np.nan},
    "repetition time is NaN": {"pixdim": [1, 1, 1, 1, np.nan, 0, 0, 0]},
    "description of any bytes": {"descrip": b"\xff\x00\xfe" * 20},
    "display range is NaN": {"cal_min": np.nan, "cal_max": np.inf},
}


@pytest.mark.parametrize("fields", ODD_HEADERS.values(), ids=ODD_HEADERS)
def test_header_with_odd_values_that_do_not_matter_is_read(fields):
    write_header(**fields)
    result = run("out", "-i", "bold.nii", "-r", "atlas.nii.gz", "--no_report")
    assert result.code == 0
    assert_means(Path("out/bold_timeseries.tsv"), ["roi 1", "roi 2", "roi 5"])


def test_header_that_is_mended_is_told_of():
    write_header(sizeof_hdr=7)
    result = run("out", "-i", "bold.nii", "-r", "atlas.nii.gz", "--no_report")
    assert (
        "bold.nii: its header was corrected when read: sizeof_hdr should be 348; set sizeof_hdr to 348." in result.err
    )
    assert_means(Path("out/bold_timeseries.tsv"), ["roi 1", "roi 2", "roi 5"])


SIDECARS = {
    "number larger than any float": json.dumps({"RepetitionTime": 10**400}),
    "number of many digits": '{"RepetitionTime": ' + "1" * 9999 + "}",
    "nested deeply": "[" * 99_999,
    "text": '{"RepetitionTime": "2"}',
    "list": "[2.0]",
    "negative": '{"RepetitionTime": -2.0}',
    "NaN": '{"RepetitionTime": NaN}',
    "infinite": '{"RepetitionTime": Infinity}',
    "empty": "",
    "Latin-1": "\udce9",
    "endless": " " * 2**25,
}


@pytest.mark.parametrize("content", SIDECARS.values(), ids=SIDECARS)
def test_json_beside_the_image_that_is_broken_leaves_the_header_s_repetition_time(content):
    Path("bold.json").write_bytes(os.fsencode(content))
    assert run("out", "-i", "bold.nii.gz", "-r", "atlas.nii.gz", "--no_report").code == 0
    record = json.loads(Path("out/bold_timeseries.json").read_text())
    assert record["RepetitionTime"] == 2.0
