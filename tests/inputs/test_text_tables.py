from __future__ import annotations

import numpy as np
import pytest
from confounds_tables import write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from niimasker.errors import NiimaskerError, RegionsError
from niimasker.inputs.text_tables import TextTable, parse_number, read_text_table


class OwnError(NiimaskerError):
    """What a caller asks to be raised."""


def read(path):
    return read_text_table(path, OwnError, "a table of tests")


def refuse(path):
    """Return the message with which a file is refused, in one line."""
    with pytest.raises(OwnError) as caught:
        read(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("run.tsv", "a\tb\n1\t4\n2\t5\n3\t6\n"),
        ("RUN.CSV", "a,b\n1,4\n2,5\n3,6\n"),
        ("run.csv", "a,b\n1,4\n2,5\n3,6\n"),
        ("run.csv", 'a, "b"\n1, 4\n2, "5"\n3, 6'),
        ("run.txt", "a b\n1 4\n2 5\n3 6\n"),
        ("run.par", "  a \t  b  \n  1   4\n 2\t5 \n\t3 6\n"),
        ("run", "a b\r\n1 4\r\n2 5\r\n3 6\r\n"),
        ("run.tsv", "a\tb\r1\t4\r2\t5\r3\t6\r"),
        ("run.csv", '"a","b"\n1,4\n"2","5"\n3,6\n'),
        ("run.txt", '"a" "b"\n1 4\n2 5\n3 6\n'),
        ("run.csv", "\ufeffa,b\n1,4\n2,5\n3,6\n"),
        ("run.csv", "\na,b\n1,4\n\n2,5\n3,6\n\n  \n"),
    ],
    ids=["tsv", "capitals", "csv", "spaces", "txt", "par", "crlf", "cr", "quotes", "r-quotes", "bom", "blank-lines"],
)
def test_tables_are_split_as_their_name_says(tmp_path, name, text):
    table = read(write(tmp_path / name, text))
    assert (table.names, table.rows) == (("a", "b"), (("1", "4"), ("2", "5"), ("3", "6")))


def test_column_is_found_by_its_name(tmp_path):
    assert read(write(tmp_path / "run.tsv", "a\tb\n1\t4\n2\t5\n")).column("b") == ["4", "5"]


def test_cells_stay_text(tmp_path):
    assert read(write(tmp_path / "run.csv", "a,b\nn/a,007\n1.0,True\n")).rows == (("n/a", "007"), ("1.0", "True"))


def test_spaces_inside_a_name_become_one(tmp_path):
    assert read(write(tmp_path / "run.csv", "  left   amygdala ,b\n1,2\n")).names == ("left amygdala", "b")


def test_several_columns_may_have_no_name(tmp_path):
    assert read(write(tmp_path / "run.tsv", "a\t\t\n1\t\t\n")).names == ("a", "", "")


def test_header_alone_is_a_table_without_rows(tmp_path):
    assert read(write(tmp_path / "run.tsv", "a\tb\n")).rows == ()


def test_missing_header_is_said(tmp_path):
    path = write(tmp_path / "rp_run.txt", "0.1 -2e-3 nan\n1 2 3\n4 5 6\n")
    assert refuse(path) == (
        f"{path} has no header: its first row holds no names (0.1, -2e-3, nan); "
        "put a row with the columns' names above it."
    )


def test_repeated_names_are_listed(tmp_path):
    path = write(tmp_path / "run.tsv", "a\tb\ta\tb\tc\n" + "1\t2\t3\t4\t5\n" * 3)
    assert refuse(path) == f"{path} has columns of the same name: a, b; give every column its own name."


def test_row_of_another_length_is_named(tmp_path):
    path = write(tmp_path / "run.tsv", "a\tb\tc\n1\t2\t3\n1\t2\n1\t2\t3\n")
    assert refuse(path) == (
        f"{path} has 2 values in row 2 but 3 names in the header (the first row below the header is row 1); "
        "correct that row."
    )


def test_row_names_as_r_writes_them_are_recognised(tmp_path):
    path = write(tmp_path / "run.txt", '"a" "b"\n"1" 5 6\n"2" 7 8\n"3" 9 10\n')
    assert refuse(path) == (
        f"{path} has 3 values in row 1 but 2 names in the header (the first row below the header is row 1); "
        "save it without row names."
    )


@pytest.mark.parametrize(
    ("name", "row", "separator"),
    [
        ("rp.txt", "0.1,0.2,-1e-3", "white space"),
        ("rp.txt", "0,1\t0,2\t-0,003", "white space"),
        ("rp.txt", "1.0D-01 2.0D-01", "white space"),
        ("rp.csv", "0.1 0.2 0.3", "commas"),
        ("rp.csv", "0.1;0.2;0.3", "commas"),
        ("rp.tsv", "0.1 0.2 0.3", "tabs"),
    ],
)
def test_numbers_that_are_written_otherwise_are_no_names(tmp_path, name, row, separator):
    path = write(tmp_path / name, f"{row}\n{row}\n")
    message = refuse(path)
    assert message.startswith(f"{path} cannot be split into numbers: its first row holds {row.split()[0][:3]}")
    assert message.endswith(f"; separate columns by {separator}, and write decimal points.")
    with pytest.raises(OwnError, match="cannot be split into numbers"):
        read_without_header(path)


@pytest.mark.parametrize("text", ["", "\n \n", "\ufeff"])
def test_empty_file_is_said(tmp_path, text):
    path = write(tmp_path / "run.txt", text)
    assert refuse(path) == f"{path} is empty; give a table of tests."


def test_file_with_zero_bytes_is_binary(tmp_path):
    path = write(tmp_path / "run.tsv", "a\tb\n\0\0\0\n")
    assert refuse(path) == f"{path} is a binary file (it holds zero bytes); give a text table."


@pytest.mark.parametrize(
    ("content", "byte"),
    [("a\u00e9\n1\n".encode("latin-1"), "e9"), ("a\n1\n".encode("utf-16"), "ff"), (b"\x1f\x8b\x08\x00", "8b")],
    ids=["latin-1", "utf-16", "gzip"],
)
def test_other_encodings_name_the_byte(tmp_path, content, byte):
    path = tmp_path / "run.tsv"
    path.write_bytes(content)
    assert refuse(path) == f"{path} is not UTF-8 text (byte 0x{byte}); give an uncompressed text table saved as UTF-8."


def test_missing_file_is_said(tmp_path):
    path = tmp_path / "run.tsv"
    assert refuse(path) == f"{path} cannot be read (No such file or directory); give a table of tests."


def test_folder_is_refused(tmp_path):
    assert refuse(tmp_path) == f"{tmp_path} cannot be read (Is a directory); give a table of tests."


def test_endless_cell_is_refused(tmp_path):
    path = write(tmp_path / "run.tsv", "a\n" + "1" * 200_000 + "\n")
    assert refuse(path) == f"{path} is not a table (field larger than field limit (131072)); give a table of tests."


def test_error_is_of_the_type_asked_for(tmp_path):
    with pytest.raises(RegionsError):
        read_text_table(tmp_path / "seeds.tsv", RegionsError, "coordinates")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(content=st.binary(max_size=60), suffix=st.sampled_from([".tsv", ".csv", ".txt"]))
def test_any_bytes_are_a_rectangular_table_or_refused_in_one_line(tmp_path, content, suffix):
    path = tmp_path / f"run{suffix}"
    path.write_bytes(content)
    try:
        table, message = read(path), ""
    except OwnError as error:
        table, message = None, str(error)
    assert len(message.splitlines()) == (table is None)
    assert table is None or {len(table.names)} >= {len(row) for row in table.rows}


# Tables that need no header


def read_without_header(path):
    return read_text_table(path, OwnError, "a table of tests", needs_header=False)


@pytest.mark.parametrize(
    ("name", "text"), [("run.tsv", "1\t2\n3\t4\n"), ("run.csv", "1,2\n3,4\n"), ("run.txt", "  1  2\n3   4\n\n")]
)
def test_columns_without_header_are_called_by_number(tmp_path, name, text):
    table = read_without_header(write(tmp_path / name, text))
    assert (table.names, table.rows) == (("1", "2"), (("1", "2"), ("3", "4")))


def test_header_that_is_not_needed_is_still_a_header(tmp_path):
    table = read_without_header(write(tmp_path / "run.tsv", "a\tb\n1\t2\n"))
    assert (table.names, table.rows) == (("a", "b"), (("1", "2"),))


def test_first_row_with_one_name_is_a_header(tmp_path):
    table = read_without_header(write(tmp_path / "run.tsv", "1\tb\n3\t4\n"))
    assert (table.names, table.rows) == (("1", "b"), (("3", "4"),))


@pytest.mark.parametrize("first", ["n/a 1", "nan 1", "NA NA"])
def test_first_row_of_missing_values_is_no_header(tmp_path, first):
    table = read_without_header(write(tmp_path / "run.txt", f"{first}\n3 4\n"))
    assert (table.names, len(table.rows)) == (("1", "2"), 2)


def test_repeated_numbers_in_the_first_row_are_no_repeated_names(tmp_path):
    assert read_without_header(write(tmp_path / "run.txt", "0 0\n1 0\n")).rows == (("0", "0"), ("1", "0"))


def test_repeated_names_are_refused_in_a_header_that_is_not_needed(tmp_path):
    path = write(tmp_path / "run.tsv", "a\ta\n1\t2\n")
    with pytest.raises(OwnError, match="has columns of the same name: a"):
        read_without_header(path)


def test_row_of_another_length_is_named_without_a_header(tmp_path):
    path = write(tmp_path / "run.txt", "1 2 3\n1 2 3\n1 2\n")
    with pytest.raises(OwnError) as caught:
        read_without_header(path)
    message = str(caught.value)
    assert "2 values in row 3" in message
    assert "3" in message.partition(" but ")[2]
    assert "names in the header" not in message


@pytest.mark.parametrize(
    ("content", "found"),
    [(b"", "is empty"), (b"\0", "is a binary file"), (b"\x1f\x8b", "is not UTF-8 text"), (None, "cannot be read")],
    ids=["empty", "binary", "gzip", "missing"],
)
def test_files_that_are_no_tables_are_refused_without_a_header_too(tmp_path, content, found):
    path = tmp_path / "run.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(OwnError, match=f"run.txt {found}"):
        read_without_header(path)


@pytest.mark.parametrize(("cell", "value"), [("1", 1.0), (" -2e-3 ", -0.002), ("inf", float("inf")), (".5", 0.5)])
def test_numbers_are_read(cell, value):
    assert parse_number(cell) == value


@pytest.mark.parametrize("cell", ["", " ", "n/a", "N/A", "NA", "nan", "NaN"])
def test_missing_values_are_nan(cell):
    assert parse_number(cell) != parse_number(cell)


@pytest.mark.parametrize("cell", ["x", "1_2", "1,5", "0x10", "True", "--1"])
def test_text_is_no_number(cell):
    with pytest.raises(ValueError, match="could not convert"):
        parse_number(cell)


def test_numbers_of_a_column_are_read_only_and_text_in_it_is_an_error(tmp_path):
    table = TextTable(tmp_path / "a.tsv", ("", "a", "b", ""), (("1", "2", "x", "3"), ("4", "n/a", "5", "6")))
    numbers = table.numbers("a")
    assert np.array_equal(numbers, [2, np.nan], equal_nan=True)
    assert not numbers.flags.writeable
    assert table.numbers("").tolist() == [1, 4]
    for _ in range(2):
        with pytest.raises(ValueError, match="x"):
            table.numbers("b")
