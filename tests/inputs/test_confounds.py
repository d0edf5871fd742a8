from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from confounds_tables import (
    FULL_MOTION,
    MOTION,
    N_VOLUMES,
    OLD,
    ORACLES_OWN,
    REST,
    RUN_1,
    RUN_2,
    load,
    load_quietly,
    refuse,
    write,
    write_table,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from niimasker.errors import ConfoundsError, NiimaskerWarning

# Named columns


def test_named_columns_come_in_the_order_asked_for(tmp_path):
    confounds = load(write_table(tmp_path, ["a", "b", "c"]), ["c", "a"])
    assert confounds.names == ("c", "a")
    assert confounds.values.tolist() == [[20, 0], [21, 1], [22, 2]]


def test_values_are_float64_whatever_the_table_looks_like(tmp_path):
    assert load(write_table(tmp_path, ["a"]), ["a"]).values.dtype == np.float64


def test_a_column_named_twice_counts_once(tmp_path):
    assert load(write_table(tmp_path, ["a", "b"]), ["b", "a", "b"]).names == ("b", "a")


def test_columns_win_over_words_of_the_same_name(tmp_path):
    confounds = load(write_table(tmp_path, ["motion", "Params6"]), ["motion", "Params6"])
    assert confounds.values[:, 1].tolist() == [10, 11, 12]


def test_columns_not_asked_for_may_hold_anything(tmp_path):
    path = write(tmp_path / "run.tsv", "a\tb\tc\n1\ttext\tinf\n2\tn/a\tn/a\n3\t\t\n")
    assert load(path, ["a"]).values.tolist() == [[1], [2], [3]]


def test_columns_without_a_name_do_no_harm_beside_named_ones(tmp_path):
    path = write(tmp_path / "run.tsv", "a\t\t\n1\t\t\n2\t\t\n3\t\t\n")
    assert load(path, ["a"]).values.tolist() == [[1], [2], [3]]


def test_numbers_are_read_to_the_last_digit(tmp_path):
    # pandas' default parser is off in the last place for some of these.
    numbers = ["0.1", "5e-324", "1.7976931348623157e+308", "866470.2362364977", "-0.0731242246"]
    path = write(tmp_path / "run.tsv", "a\n" + "\n".join(numbers) + "\n")
    assert load(path, ["a"], 5).values[:, 0].tolist() == [float(number) for number in numbers]


def test_old_camel_case_names_work_as_columns(data_dir):
    confounds = load(data_dir / "confounds" / OLD, ["RotX", "CSF"], N_VOLUMES[OLD])
    assert confounds.values[0].tolist() == [0.0, 6551.281999999999]


# All columns


def test_without_words_all_columns_are_used(tmp_path):
    confounds = load(write_table(tmp_path, ["b", "a"], 8), (), 8)
    assert confounds.names == ("b", "a")
    assert confounds.values[:2].tolist() == [[0, 10], [1, 11]]


def test_all_columns_warn_above_a_quarter_of_the_volumes(tmp_path):
    path = write_table(tmp_path, ["a", "b", "c"], 11)
    with pytest.warns(NiimaskerWarning) as caught:
        load(path, (), 11)
    assert [str(warning.message) for warning in caught] == [
        "all 3 columns of the confounds are used for 11 volumes, more than a quarter, which can remove the signal "
        "itself; choose columns or a strategy with --regressors."
    ]


def test_all_columns_are_quiet_at_a_quarter_of_the_volumes(tmp_path):
    assert load(write_table(tmp_path, ["a", "b", "c"], 12), (), 12).values.shape == (12, 3)


def test_all_columns_fill_the_first_row(tmp_path):
    path = write(tmp_path / "run.tsv", "a\n" + "n/a\n" + "5\n" * 3)
    assert load(path, (), 4).values[:, 0].tolist() == [5, 5, 5, 5]


def test_all_columns_refuse_a_column_without_a_name(tmp_path):
    path = write(tmp_path / "run.csv", ",a\n0,5\n1,6\n2,7\n")
    assert refuse(path, ()) == (
        f"{path}: column 1 has no name; save the table without row numbers, or name the columns to use in --regressors."
    )


# Reading


@pytest.mark.parametrize("missing", ["n/a", "N/A", "NA", "nan", "NaN", "", " "])
def test_values_missing_in_the_first_row_are_the_next_rows(tmp_path, missing):
    path = write(tmp_path / "run.csv", f"a,b\n{missing},1\n7,2\n8,3\n")
    assert load(path, ["a", "b"]).values.tolist() == [[7, 1], [7, 2], [8, 3]]


def test_value_missing_below_the_first_row_is_named(tmp_path):
    path = write(tmp_path / "run.tsv", "a\tb\nn/a\t1\n2\t2\n3\tn/a\n")
    assert refuse(path, ["a", "b"]) == (
        f"{path}: column 'b' has no value in row 3 (the first row below the header is row 1); "
        "correct the table or leave this column out of --regressors."
    )


def test_values_missing_in_the_first_two_rows_are_an_error_at_the_second(tmp_path):
    path = write(tmp_path / "run.tsv", "a\tb\nn/a\t1\nn/a\t2\n3\t3\n")
    assert f"{path}: column 'a' has no value in row 2 (" in refuse(path, ["b", "a"])


def test_value_missing_in_the_only_row_is_an_error(tmp_path):
    path = write(tmp_path / "run.tsv", "a\tb\nn/a\t1\n")
    assert f"{path}: column 'a' has no value in row 1 (" in refuse(path, ["a"], 1)


def test_a_table_of_one_row_is_read(tmp_path):
    assert load(write(tmp_path / "run.tsv", "a\tb\n4\t1\n"), ["a"], 1).values.tolist() == [[4]]


@pytest.mark.parametrize("text", ["bad", "1_0", "0x10", "1,5", "True"])
def test_text_in_a_used_column_is_named(tmp_path, text):
    path = write(tmp_path / "run.tsv", f"a\tb\n1\t1\n2\t{text}\n3\t3\n")
    assert refuse(path, ["a", "b"]) == (
        f"{path}: column 'b' holds '{text}', which is not a number, in row 2 "
        "(the first row below the header is row 1); correct the table or leave this column out of --regressors."
    )


@pytest.mark.parametrize("text", ["inf", "-Infinity", "1e999"])
def test_infinite_value_in_a_used_column_is_named(tmp_path, text):
    path = write(tmp_path / "run.tsv", f"a\n1\n2\n{text}\n")
    assert f"{path}: column 'a' is infinite in row 3 (the first row below the header is row 1); " in refuse(path)


@pytest.mark.parametrize("n_volumes", [2, 4])
def test_wrong_length_names_both_files_and_numbers(tmp_path, n_volumes):
    path = write_table(tmp_path, ["a"])
    assert refuse(path, ["a"], n_volumes) == (
        f"{path} has 3 rows but sub-1_bold.nii.gz has {n_volumes} volumes; "
        "each confounds table must come from the same run as its image."
    )


def test_header_without_rows_counts_as_wrong_length(tmp_path):
    assert "has 0 rows but sub-1_bold.nii.gz has 3 volumes" in refuse(write(tmp_path / "run.tsv", "a\tb\n"))


def test_table_that_cannot_be_read_says_what_is_expected(tmp_path):
    path = tmp_path / "run.tsv"
    assert refuse(path) == (
        f"{path} cannot be read (No such file or directory); give a text table with a header and one row per volume."
    )


CELLS = st.sampled_from(["1", "-2.5", "n/a", "", "inf", "x", '"', "1e999", "a", "\u00e9", "#", "1_0"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(content=st.binary(max_size=60), suffix=st.sampled_from([".tsv", ".csv", ".txt"]), n_volumes=st.integers(1, 3))
def test_any_bytes_give_finite_confounds_or_one_line(tmp_path, content, suffix, n_volumes):
    path = tmp_path / f"run{suffix}"
    path.write_bytes(content)
    assert_finite_or_refused(path, (), n_volumes)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    rows=st.integers(1, 3).flatmap(lambda n: st.lists(st.lists(CELLS, min_size=n, max_size=n), min_size=2, max_size=4)),
    separator=st.sampled_from([("\t", ".tsv"), (",", ".csv"), (" ", ".txt")]),
    regressors=st.lists(
        st.sampled_from(["a", "x", "motion", "Params6", "\u00e9", "[ax]", "*", "scrub", "ica_aroma", "tedana"]),
        max_size=2,
    ),
)
def test_any_cells_give_finite_confounds_or_one_line(tmp_path, rows, separator, regressors):
    delimiter, suffix = separator
    path = write(tmp_path / f"run{suffix}", "\n".join(delimiter.join(cells) for cells in rows))
    assert_finite_or_refused(path, regressors, len(rows) - 1)


def assert_finite_or_refused(path: Path, regressors: Sequence[str], n_volumes: int) -> None:
    try:
        confounds = load_quietly(path, regressors, n_volumes)
    except ConfoundsError as error:
        message = str(error)
    else:
        message = "none"
        assert confounds.values.shape == (n_volumes, len(confounds.names))
        assert np.isfinite(confounds.values).all()
    assert len(message.splitlines()) == 1


# Words


def test_unknown_words_are_named_with_the_nearest_name(tmp_path):
    path = write_table(tmp_path, ["trans_x", "csf"])
    assert refuse(path, ["tran_x", "params6", "globl", "qqqq", "csf"]) == (
        f"{path}: --regressors has unknown words: 'tran_x' (nearest: trans_x), 'params6' (nearest: Params6), "
        "'globl' (nearest: global), 'qqqq'; it takes columns (trans_x, csf), patterns of them, strategies (Params2, "
        "Params6, Params9, Params24, Params36, AnatCompCor, TempCompCor), and words (motion, wm_csf, global_signal, "
        "high_pass, compcor, ica_aroma, tedana, scrub, non_steady_state)."
    )


def test_long_lists_of_columns_are_shortened(tmp_path):
    path = write_table(tmp_path, [f"c{number}" for number in range(40)])
    assert "it takes columns (c0, c1, c2, c3, c4, c5, ... (40 in all)), patterns of them, strategies" in refuse(
        path, ["zz"]
    )


@pytest.mark.parametrize("word", ["Params24", "motion"])
def test_columns_mixed_with_words_for_strategies_add_up(tmp_path, word):
    path = write_table(tmp_path, ["csf", *FULL_MOTION, "cosine00"])
    confounds = load(path, ["csf", word, "trans_x", "cosine00"])
    assert confounds.names[0] == "csf"
    assert sorted(confounds.names) == sorted(["csf", *FULL_MOTION, "cosine00"])


@pytest.mark.parametrize("words", [["Params6", "Params2"], ["Params6", "wm_csf"]])
def test_a_strategy_mixed_with_other_words_adds_up(tmp_path, words):
    path = write_table(tmp_path, ["csf", "white_matter", *FULL_MOTION, "cosine00"])
    assert sorted(load(path, words).names) == sorted(["csf", "white_matter", *MOTION, "cosine00"])


def test_values_follow_the_columns_of_a_mix(tmp_path):
    confounds = load(write_table(tmp_path, ["a", "csf", "c1", "c0", "white_matter"]), ["c0", "wm_csf", "c*", "a"])
    values = dict(zip(confounds.names, confounds.values[0], strict=True))
    assert values == {"a": 0, "csf": 10, "c1": 20, "c0": 30, "white_matter": 40}
    assert confounds.values[2].tolist() == [value + 2 for value in confounds.values[0]]


def test_gap_in_a_column_that_a_pattern_chooses_is_named(tmp_path):
    path = write(tmp_path / "run.tsv", "a\tb\nn/a\t1\n2\t2\n3\tn/a\n")
    assert f"{path}: column 'b' has no value in row 3 (" in refuse(path, ["[ab]"])


@pytest.mark.parametrize("word", ["scrub", "non_steady_state"])
def test_words_about_volumes_alone_give_no_regressor(tmp_path, word):
    confounds = load(write_table(tmp_path, ["a", "framewise_displacement", "std_dvars"]), [word])
    assert confounds.names == ()
    assert confounds.values.shape == (3, 0)


def test_pattern_without_match_gives_no_column_and_is_told_of(tmp_path):
    path = write_table(tmp_path, ["a", "c1", "c0"])
    confounds = load(path, ["b*", "c?", "a", "d[0-9]"])
    assert confounds.names == ("c1", "c0", "a")
    assert confounds.values[0].tolist() == [10, 20, 0]
    assert confounds.unmatched == ("b*", "d[0-9]")


def test_pattern_without_match_alone_gives_no_regressor_and_not_all_columns(tmp_path):
    confounds = load(write_table(tmp_path, ["a", "b"]), ["c*"])
    assert (confounds.names, confounds.values.shape, confounds.unmatched) == ((), (3, 0), ("c*",))


def test_without_words_nothing_is_unmatched(tmp_path):
    assert load(write_table(tmp_path, ["a"], 12), (), 12).unmatched == ()


# Marks of volumes


@pytest.mark.parametrize("name", ["framewise_displacement", "FramewiseDisplacement"])
def test_framewise_displacement_is_marked_whatever_is_regressed_out(tmp_path, name):
    measures = load(write(tmp_path / "run.tsv", f"a\t{name}\n1\tn/a\n2\t0.5\n4\t0.25\n"), ["a"]).measures
    np.testing.assert_array_equal(measures.framewise_displacement, [np.nan, 0.5, 0.25])
    assert measures.std_dvars is None


@pytest.mark.parametrize("name", ["std_dvars", "stdDVARS"])
def test_std_dvars_is_marked_whatever_is_regressed_out(tmp_path, name):
    measures = load(write(tmp_path / "run.tsv", f"a\t{name}\n1\tn/a\n2\t1.5\n4\t0.75\n"), ["a"]).measures
    np.testing.assert_array_equal(measures.std_dvars, [np.nan, 1.5, 0.75])
    assert measures.framewise_displacement is None


@pytest.mark.parametrize("prefix", ["non_steady_state_outlier", "NonSteadyStateOutlier"])
def test_volumes_before_the_steady_state_are_marked_and_counted(tmp_path, prefix):
    names = ["a", f"{prefix}00", f"{prefix}01"]
    rows = ["1\t1\t0", "2\t0\t1", "3\t0\t0", "4\t0\t0"]
    measures = load(write(tmp_path / "run.tsv", "\n".join(["\t".join(names), *rows])), ["a"], 4).measures
    assert measures.non_steady_state.tolist() == [True, True, False, False]
    assert measures.n_non_steady == 2


def test_only_leading_volumes_are_counted_as_before_the_steady_state(tmp_path):
    path = write(tmp_path / "run.tsv", "non_steady_state_outlier00\n0\n1\n0\n")
    measures = load(path, ["scrub"]).measures
    assert (measures.non_steady_state.tolist(), measures.n_non_steady) == ([False, True, False], 0)


def test_table_without_marks_marks_nothing(tmp_path):
    path = write_table(tmp_path, ["a"])
    measures = load(path, ["a"]).measures
    assert (measures.tables, measures.framewise_displacement, measures.std_dvars, measures.n_non_steady) == (
        str(path),
        None,
        None,
        0,
    )
    assert measures.non_steady_state.tolist() == [False] * 3


@pytest.mark.parametrize(
    ("name", "n_marked"),
    [(RUN_1, 0), (RUN_2, 1), (REST, 0), (ORACLES_OWN, 1), (OLD, 1)],
    ids=lambda part: str(part)[:20],
)
def test_real_tables_mark_what_pandas_reads(data_dir, name, n_marked):
    path = data_dir / "confounds" / name
    measures = load(path, ["scrub"], N_VOLUMES[name]).measures
    frame = pd.read_csv(path, sep="\t", na_values="n/a")
    old = name == OLD
    displacement, dvars = ("FramewiseDisplacement", "stdDVARS") if old else ("framewise_displacement", "std_dvars")
    np.testing.assert_allclose(measures.framewise_displacement, frame[displacement], rtol=1e-12)
    np.testing.assert_allclose(measures.std_dvars, frame[dvars], rtol=1e-12)
    assert measures.n_non_steady == measures.non_steady_state.sum() == n_marked


@pytest.mark.parametrize(
    "name", ["framewise_displacement", "std_dvars", "non_steady_state_outlier00", "FramewiseDisplacement"]
)
@pytest.mark.parametrize("text", ["text", "inf"])
def test_marks_not_asked_for_may_hold_anything(tmp_path, name, text):
    path = write(tmp_path / "run.tsv", f"a\t{name}\n1\t0\n2\t{text}\n3\t0\n")
    assert load(path, ["a"]).values.tolist() == [[1], [2], [3]]
