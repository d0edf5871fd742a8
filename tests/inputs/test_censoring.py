"""Volumes that the user censors, as files give them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from confounds_tables import write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from images import make_labels, make_series, save

from niimasker.cli import main
from niimasker.errors import ConfoundsError
from niimasker.inputs.censoring import load_censoring

IMAGE = Path("sub-1_bold.nii.gz")


def load(path: Path, n_volumes: int = 4) -> list[bool]:
    censored = load_censoring(path, n_volumes=n_volumes, image_path=IMAGE)
    assert (censored.dtype, censored.shape) == (bool, (n_volumes,))
    return censored.tolist()


def refuse(path: Path, n_volumes: int = 4) -> str:
    """Return the message with which a file is refused, in one line that names it."""
    with pytest.raises(ConfoundsError) as caught:
        load(path, n_volumes)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("c.txt", "0\n1\n0\n1\n"),
        ("c.txt", "0\n1\n0\n1"),
        ("c.1D", "0 1 0 1\n"),
        ("c.txt", "0\t1 0  1"),
        ("c.tsv", "0\t1\t0\t1\n"),
        ("c.csv", "0,1,0,1\n"),
        ("c.csv", "0\r\n1\r\n0\r\n1\r\n"),
        ("c.tsv", "censored\n0\n1\n0\n1\n"),
        ("c.csv", "censored\n0\n1\n0\n1\n"),
        ("c.txt", "0.0\n1.0\n0\n1e0\n"),
        ("c.txt", "  0.0000000e+00  \n  1.0000000e+00  \n  0  \n  1  \n"),
        ("c", "0\n1\n0\n1\n"),
        ("c.txt", "\ufeff0\n1\n0\n1\n"),
        ("c.txt", "0\n1\n0\n1\n\n\n"),
        ("c.csv", "censored\nFALSE\nTRUE\nFALSE\nTRUE\n"),
        ("c.txt", "False\ntrue\n0\nTrue\n"),
        ("c.csv", "FALSE,TRUE,FALSE,TRUE\n"),
    ],
    ids=[
        "column",
        "column-without-last-newline",
        "row",
        "row-of-mixed-blanks",
        "row-of-tabs",
        "row-of-commas",
        "crlf",
        "header-tsv",
        "header-csv",
        "fractions",
        "exponents",
        "no-suffix",
        "bom",
        "blank-lines-at-the-end",
        "logical-of-r",
        "logical-in-any-case-without-header",
        "row-of-logicals",
    ],
)
def test_vector_says_which_volumes_are_censored(tmp_path, name, text):
    assert load(write(tmp_path / name, text)) == [False, True, False, True]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("c.tsv", "motion_outlier00\tmotion_outlier01\n0\t0\n1\t0\n0\t0\n0\t1\n"),
        ("c.tsv", "0\t0\n1\t0\n0\t0\n0\t1\n"),
        ("c.csv", "a,b,c\n0,0,0\n1,1,0\n0,0,0\n1,1,1\n"),
        ("c.txt", "0  0\n1  0\n0  0\n0  1\n"),
        ("c.csv", "a,b\nFALSE,FALSE\nTRUE,FALSE\nFALSE,FALSE\nFALSE,TRUE\n"),
    ],
    ids=["fmriprep", "without-header", "both", "fsl", "logical"],
)
def test_one_in_any_column_censors_its_volume(tmp_path, name, text):
    assert load(write(tmp_path / name, text)) == [False, True, False, True]


def test_square_table_is_read_by_rows(tmp_path):
    path = write(tmp_path / "c.txt", "0 1 0\n0 0 0\n0 0 0\n")
    assert load(path, 3) == [True, False, False]


@pytest.mark.parametrize(
    ("text", "expected"), [("1\n", True), ("0\n", False), ("censored\n1\n", True), ("0 1\n", True)]
)
def test_single_volume_is_a_single_row(tmp_path, text, expected):
    assert load(write(tmp_path / "c.txt", text), 1) == [expected]


def test_nothing_censored_is_allowed(tmp_path):
    assert load(write(tmp_path / "c.txt", "0\n" * 4)) == [False] * 4


@pytest.mark.parametrize("n_volumes", [3, 5])
@pytest.mark.parametrize("text", ["0\n1\n0\n1\n", "censored\n0\n1\n0\n1\n"], ids=["vector", "header"])
def test_wrong_length_names_both_files_and_numbers(tmp_path, text, n_volumes):
    path = write(tmp_path / "c.txt", text)
    assert refuse(path, n_volumes) == (
        f"{path} has 4 rows but {IMAGE} has {n_volumes} volumes; "
        "each --censor_file must come from the same run as its image."
    )


@pytest.mark.parametrize("n_volumes", [3, 7])
def test_row_of_wrong_length_names_its_number_of_values(tmp_path, n_volumes):
    message = refuse(write(tmp_path / "c.txt", "0 1 0 0 1\n"), n_volumes)
    assert "has 5 values" in message
    assert f"{IMAGE} has {n_volumes} volumes" in message
    assert "--censor_file must come from the same run as its image" in message


def test_header_without_rows_counts_as_wrong_length(tmp_path):
    assert f"has 0 rows but {IMAGE} has 4 volumes" in refuse(write(tmp_path / "c.tsv", "censored\n"))


@pytest.mark.parametrize("cell", ["2", "-1", "0.5", "n/a", "nan", "inf", "x", "T", "yes", "True1", "1_0", "1;"])
def test_value_that_is_neither_0_nor_1_is_named_with_its_row(tmp_path, cell):
    message = refuse(write(tmp_path / "c.tsv", f"censored\n0\n1\n{cell}\n0\n"))
    assert f"holds {cell!r} in row 3 (" in message
    assert "expected 0, or 1 for a censored volume, without row names." in message


def test_names_of_rows_are_said_to_be_none_of_the_marks(tmp_path):
    # As write.csv of R writes a table, unless it is told not to.
    path = write(tmp_path / "c.csv", '"","censored"\n"1",0\n"2",1\n"3",0\n"4",0\n')
    message = refuse(path)
    assert "holds '2' in row 2 (" in message
    assert "without row names" in message


def test_first_value_that_is_missing_is_no_header(tmp_path):
    message = refuse(write(tmp_path / "c.txt", "n/a\n1\n0\n0\n"))
    assert "holds 'n/a' in row 1 (" in message


def test_other_value_in_a_row_vector_is_named(tmp_path):
    assert "holds '7'" in refuse(write(tmp_path / "c.txt", "0 1 7 0\n"))


def test_other_value_in_a_second_column_is_named(tmp_path):
    assert "holds '3' in row 2 (" in refuse(write(tmp_path / "c.txt", "1 0\n1 3\n0 0\n0 0\n"))


def test_long_value_is_shortened(tmp_path):
    assert len(refuse(write(tmp_path / "c.tsv", "censored\n" + "x" * 1000 + "\n0\n0\n0\n"))) < 300 + len(str(tmp_path))


@pytest.mark.parametrize("text", ["", "\n\n", "  \n"])
def test_empty_file_is_said_with_what_is_expected(tmp_path, text):
    path = write(tmp_path / "c.txt", text)
    assert refuse(path) == (f"{path} is empty; give a vector or a table of 0 and 1 (1: censored), one row per volume.")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"\x00\x01\x00\x01", "is a binary file (it holds zero bytes); give a text table"),
        (b"\x1f\x8b\x08\x00", "is not UTF-8 text (byte 0x8b); give an uncompressed text table"),
    ],
    ids=["bytes", "gzip"],
)
def test_binary_file_is_said(tmp_path, content, found):
    path = tmp_path / "c.txt"
    path.write_bytes(content)
    assert found in refuse(path)


def test_missing_file_is_said(tmp_path):
    assert "cannot be read (No such file or directory); give a vector or a table of 0 and 1" in refuse(tmp_path / "c")


def test_rows_of_different_lengths_are_refused_with_the_row(tmp_path):
    message = refuse(write(tmp_path / "c.txt", "0 1\n0 0\n1\n0 0\n"))
    assert "1 value" in message
    assert "row 3" in message
    assert "names in the header" not in message


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    marks=st.lists(st.booleans(), min_size=2, max_size=30),
    name=st.sampled_from(["c.tsv", "c.csv", "c.txt", "c.1D"]),
    shape=st.sampled_from(["column", "row", "header", "one column each"]),
)
def test_any_vector_comes_back_in_every_shape(tmp_path, marks, name, shape):
    delimiter = {"c.tsv": "\t", "c.csv": ","}.get(name, " ")
    digits = [str(int(mark)) for mark in marks]
    if shape == "one column each":
        rows = np.diag(np.array(marks, dtype=int)).astype(str).tolist()
    else:
        rows = [digits] if shape == "row" else [[digit] for digit in digits]
    header = ["censored\n"] if shape == "header" else []
    path = write(tmp_path / name, "".join([*header, *(delimiter.join(cells) + "\n" for cells in rows)]))
    assert load(path, len(marks)) == marks


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=40) | st.text("01 \t,\nax.n/", max_size=20).map(str.encode), n=st.integers(1, 3))
def test_any_bytes_are_marks_or_refused_in_one_line(tmp_path, content, n):
    path = tmp_path / "c.txt"
    path.write_bytes(content)
    try:
        censored, message = load_censoring(path, n_volumes=n, image_path=IMAGE), ""
    except ConfoundsError as error:
        censored, message = None, str(error)
    assert len(message.splitlines()) == (censored is None)
    assert censored is None or (censored.dtype, censored.shape) == (bool, (n,))


class TestMeaningOfOne:
    """What 1 means, and what is said where it seems to mean the opposite."""

    @pytest.fixture(autouse=True)
    def run_of_12_volumes(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        save(tmp_path / "bold.nii.gz", make_series(make_labels()), t_r=2.0)
        save(tmp_path / "atlas.nii.gz", make_labels())

    def extract(self, *words: str) -> int:
        return main(["out", "-i", "bold.nii.gz", "-r", "atlas.nii.gz", "--no_report", *words])

    def read_volumes(self) -> list[int]:
        """Return the volumes in the table: the signal of roi 1 is 10 + volume."""
        table = pd.read_csv("out/bold_timeseries.tsv", sep="\t")
        return [round(value) - 10 for value in table["roi 1"]]

    @pytest.mark.parametrize("text", ["1\n1\n0\n" + "1\n" * 9, "a\tb\n1\t1\n1\t1\n1\t0\n" + "1\t1\n" * 9])
    def test_censor_keep_reads_one_as_kept(self, text, capsys):
        Path("censor.tsv").write_text(text)
        assert self.extract("--censor_file", "censor.tsv", "--censor_keep") == 0
        assert "more than half" not in capsys.readouterr().err
        assert self.read_volumes() == [0, 1, *range(3, 12)]
        assert json.loads(Path("out/bold_timeseries.json").read_text())["Settings"]["censor_keep"] is True

    def test_file_that_censors_more_than_half_warns(self, capsys):
        Path("censor.txt").write_text("1\n" * 7 + "0\n" * 5)
        assert self.extract("--censor_file", "censor.txt") == 0
        assert self.read_volumes() == [7, 8, 9, 10, 11]
        assert capsys.readouterr().err.splitlines()[0] == (
            "niimasker: warning: censor.txt: 7 of 12 volumes are censored, more than half; 1 means censored, but AFNI, "
            "C-PAC and xcpEngine write 1 for kept volumes, which --censor_keep reads. (bold)"
        )

    def test_file_that_keeps_less_than_half_warns_with_censor_keep(self, capsys):
        Path("censor.txt").write_text("1\n" * 5 + "0\n" * 7)
        assert self.extract("--censor_file", "censor.txt", "--censor_keep") == 0
        assert self.read_volumes() == [0, 1, 2, 3, 4]
        assert capsys.readouterr().err.splitlines()[0] == (
            "niimasker: warning: censor.txt: 7 of 12 volumes are censored, more than half; with --censor_keep 1 means "
            "kept, without it 1 means censored. (bold)"
        )

    def test_file_that_censors_half_does_not_warn(self, capsys):
        Path("censor.txt").write_text("1\n" * 6 + "0\n" * 6)
        assert self.extract("--censor_file", "censor.txt") == 0
        assert "more than half" not in capsys.readouterr().err

    def test_censor_keep_without_a_file_is_ignored_with_a_warning(self, capsys):
        assert self.extract("--censor_keep") == 0
        assert capsys.readouterr().err == "niimasker: warning: --censor_keep is ignored without --censor_file.\n"

    def test_run_of_which_all_is_censored_is_told_of_both_meanings(self, capsys):
        Path("censor.txt").write_text("1\n" * 12)
        assert self.extract("--censor_file", "censor.txt") == 1
        assert (
            "bold.nii.gz: all 12 volumes that are not discarded are censored (user 12); correct its --censor_file (1 "
            "means censored, with --censor_keep kept), or leave this run out."
        ) in capsys.readouterr().err
