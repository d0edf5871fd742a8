"""Denoising from the command line: the volumes used, the checks, and the files written."""

from __future__ import annotations

import json
import re
import warnings
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from confounds_tables import N_VOLUMES as N_ROWS
from confounds_tables import OLD, ORACLES_OWN, REST, RUN_1, RUN_2, load_quietly
from hypothesis import given
from hypothesis import strategies as st
from images import OBLIQUE, save
from nilearn.interfaces import fmriprep
from nilearn.interfaces.fmriprep.load_confounds_scrub import optimize_scrub
from timelines import make_timeline

from niimasker.cli import main
from niimasker.errors import TooFewVolumesError, record_warnings
from niimasker.inputs.series import open_series
from niimasker.options.merging import make_settings
from niimasker.signals.timeline import Timeline, find_short_segments

SHAPE = (4, 5, 6)
N_VOLUMES = 40
LABELS = np.zeros(SHAPE, dtype=np.int16)
LABELS[1, 1:4, 1:5], LABELS[2, 1:4, 1:5], LABELS[3, 1:4, 1:5] = 1, 2, 5
REASONS = ["non_steady_state", "framewise_displacement", "std_dvars", "neighbour", "segment", "user"]


def make_volumes(seed=0, n_volumes=N_VOLUMES):
    return 1000 + np.random.default_rng(seed).normal(size=(*SHAPE, n_volumes)).cumsum(axis=-1)


def make_table(n_volumes=N_VOLUMES):
    """Confounds of a run without motion; the first row of the motion measures is empty, as in fMRIPrep's tables."""
    values = np.random.default_rng(1).normal(size=(n_volumes, 2)).cumsum(axis=0)
    table = pd.DataFrame(values, columns=["a", "b"])
    table["framewise_displacement"] = [np.nan, *[0.1] * (n_volumes - 1)]
    table["std_dvars"] = [np.nan, *[1.0] * (n_volumes - 1)]
    return table


def write_table(table, path="confounds.tsv"):
    table.to_csv(path, sep="\t", index=False, na_rep="n/a")
    return path


def mark_non_steady(table, *places):
    for number, place in enumerate(places):
        table[f"non_steady_state_outlier{number:02}"] = (np.arange(len(table)) == place).astype(int)
    return table


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The current folder, with an image and an atlas."""
    monkeypatch.chdir(tmp_path)
    save(Path("bold.nii"), make_volumes(), t_r=2.0)
    save(Path("roi.nii"), LABELS)
    return tmp_path


@pytest.fixture
def niimasker(capsys):
    """Return a function that runs a command on the image, and returns its exit code and messages."""

    def run(*words, images=("bold.nii",), roi="roi.nii", out="out"):
        capsys.readouterr()
        code = main([out, "-i", *images, "-r", roi, "--no_report", *map(str, words)])
        return code, capsys.readouterr().err

    return run


@pytest.fixture
def done(niimasker):
    """Return a function that runs a command that succeeds, and returns its warnings, line by line."""

    def run(*words, **options):
        code, err = niimasker(*words, **options)
        assert code == 0, err
        return err.splitlines()

    return run


def read(name, out="out"):
    return pd.read_csv(Path(out, name), sep="\t")


def signals(out="out"):
    return read("bold_timeseries.tsv", out)


def sidecar(out="out", name="bold"):
    return json.loads(Path(out, f"{name}_timeseries.json").read_text(encoding="utf-8"))


def outliers(*reasons):
    """Return the volumes that some columns of the table of outliers mark."""
    table = read("bold_outliers.tsv")
    return {reason: np.flatnonzero(table[reason]).tolist() for reason in reasons}


def censored():
    table = read("bold_outliers.tsv")
    return np.flatnonzero(table[REASONS].any(axis=1)).tolist()


def regional_means():
    return np.stack([make_volumes()[index == LABELS].mean(axis=0) for index in (1, 2, 5)], axis=1)


def one_line(result, code=2):
    """Expect an error of one line and return it."""
    assert result[0] == code, result[1]
    lines = [line for line in result[1].splitlines() if not line.startswith("niimasker: warning")]
    assert len(lines) == 1, result[1]
    return lines[0]


# The timeline, against nilearn's loader


@given(is_outlier=st.lists(st.booleans(), min_size=1, max_size=60), n_least=st.integers(0, 12))
def test_short_segments_are_those_of_nilearn(is_outlier, n_least):
    is_outlier = np.array(is_outlier)
    places = np.flatnonzero(is_outlier)
    expected = np.zeros(len(is_outlier), dtype=bool)
    if len(places) and n_least:
        expected[optimize_scrub(places, len(is_outlier), n_least)] = True
    np.testing.assert_array_equal(find_short_segments(is_outlier, n_least), expected & ~is_outlier)


@pytest.mark.parametrize("name", [RUN_1, RUN_2, REST, ORACLES_OWN], ids=["run-1", "run-2", "rest", "oracles-own"])
@pytest.mark.parametrize("n_least", [0, 5, 7])
@pytest.mark.parametrize(("fd", "dvars"), [(0.5, 1.5), (0.2, 1.2), (0.15, 0), (0, 1.2)])
def test_volumes_kept_are_those_of_nilearns_loader(data_dir, tmp_path, name, n_least, fd, dvars):
    path, n = data_dir / "confounds" / name, N_ROWS[name]
    (tmp_path / "sub-1_desc-confounds_timeseries.tsv").symlink_to(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # Of a run of which nothing is left.
        _, sample_mask = fmriprep.load_confounds(
            str(tmp_path / "sub-1_desc-preproc_bold.nii.gz"),
            strategy=("scrub",),
            scrub=n_least,
            fd_threshold=fd or np.inf,
            std_dvars_threshold=dvars or np.inf,
        )
    # nilearn always removes volumes marked as non-steady, niimasker only with non_steady_state.
    words = ["scrub", "non_steady_state"]
    series = open_series(save(tmp_path / "run.nii", np.zeros((2, 3, 4, n))))
    measures = load_quietly(path, words, n).measures
    given = {"output_dir": "out", "input_files": ["a"], "roi_file": ["b"], "regressor_files": ["c"]}
    thresholds = {"fd_threshold": fd, "std_dvars_threshold": dvars, "scrub_segment": n_least}
    chosen = make_settings(given | thresholds | {"regressors": words})
    if sample_mask is not None and len(sample_mask) == 0:
        with pytest.raises(TooFewVolumesError, match=str(n)):
            make_timeline(series, chosen, measures)
        return
    expected = np.arange(n) if sample_mask is None else sample_mask
    np.testing.assert_array_equal(np.flatnonzero(make_timeline(series, chosen, measures).kept), expected)
    # From framewise_displacement and std_dvars alone.
    with record_warnings():
        alone = make_timeline(series, make_settings(given | thresholds | {"scrub": True}), measures)
    assert set(np.flatnonzero(alone.kept)) - set(expected) == set(
        np.flatnonzero(measures.non_steady_state & alone.kept)
    )
    assert set(expected) <= set(np.flatnonzero(alone.kept))


def test_timeline_counts_each_volume_once():
    reasons = {
        "framewise_displacement": np.isin(np.arange(12), [3, 5]),
        "user": np.isin(np.arange(12), [5, 11]),
    }
    timeline = Timeline(12, 2, reasons)
    np.testing.assert_array_equal(np.flatnonzero(timeline.censored), [3, 5, 11])
    np.testing.assert_array_equal(np.flatnonzero(timeline.kept), [2, 4, 6, 7, 8, 9, 10])
    assert (timeline.n_censored, timeline.n_kept) == (3, 7)


# Discarded volumes


class TestDiscarded:
    def test_auto_discards_the_leading_marked_volumes(self, done):
        write_table(mark_non_steady(make_table(), 0, 1, 2))
        said = done("--regressor_files", "confounds.tsv", "--regressors", "a", "--discard_scans", "auto")
        assert said == []
        assert len(signals()) == N_VOLUMES - 3
        assert outliers("discarded") == {"discarded": [0, 1, 2]}
        assert sidecar()["Volumes"]["Discarded"] == 3

    def test_auto_does_not_discard_volumes_marked_further_on(self, done):
        write_table(mark_non_steady(make_table(), 0, 1, 9))
        done("--regressor_files", "confounds.tsv", "--regressors", "a", "--discard_scans", "auto")
        assert outliers("discarded") == {"discarded": [0, 1]}

    @pytest.mark.parametrize("places", [(), (1, 2)])
    def test_auto_discards_none_if_the_first_is_not_marked(self, done, places):
        write_table(mark_non_steady(make_table(), *places))
        done("--regressor_files", "confounds.tsv", "--regressors", "a", "--discard_scans", "auto")
        assert len(signals()) == N_VOLUMES

    def test_auto_leaves_volumes_marked_later_to_non_steady_state(self, done):
        write_table(mark_non_steady(make_table(), 0, 1, 9))
        words = ("--regressor_files", "confounds.tsv", "--regressors", "a", "non_steady_state")
        assert done(*words, "--discard_scans", "auto") == []
        assert outliers("discarded", "non_steady_state") == {"discarded": [0, 1], "non_steady_state": [9]}
        assert sidecar()["Volumes"]["Kept"] == N_VOLUMES - 3

    def test_auto_is_the_same_as_the_number(self, done):
        write_table(mark_non_steady(make_table(), 0, 1, 2))
        words = ("--regressor_files", "confounds.tsv", "--regressors", "a", "--high_pass", "0.02")
        done(*words, "--discard_scans", "auto")
        auto = Path("out/bold_timeseries.tsv").read_bytes()
        done(*words, "--discard_scans", "3")
        assert Path("out/bold_timeseries.tsv").read_bytes() == auto

    def test_auto_without_a_table_is_wrong_use(self, niimasker):
        assert "--regressor_files" in one_line(niimasker("--discard_scans", "auto"))

    @pytest.mark.parametrize("number", [0, 1, 2])
    def test_discarding_fewer_than_marked_warns_with_both_numbers(self, done, number):
        write_table(mark_non_steady(make_table(), 0, 1, 2))
        said = done("--regressor_files", "confounds.tsv", "--regressors", "a", "--discard_scans", number)
        (line,) = [line for line in said if "non_steady_state" in line or "steady" in line]
        numbers = re.findall(r"\b\d+\b", line)
        assert {"3", str(number)} <= set(numbers)
        assert len(signals()) == N_VOLUMES - number

    @pytest.mark.parametrize("number", [3, 4])
    def test_discarding_as_many_as_marked_is_quiet(self, done, number):
        write_table(mark_non_steady(make_table(), 0, 1, 2))
        said = done("--regressor_files", "confounds.tsv", "--regressors", "a", "--discard_scans", number)
        assert said == []
        assert len(signals()) == N_VOLUMES - number

    def test_discarded_volumes_are_not_censored_too(self, done):
        table = mark_non_steady(make_table(), 0, 1)
        table.loc[[1, 2, 20], "framewise_displacement"] = 3.0
        table.loc[[0, 2], "std_dvars"] = 3.0
        write_table(table)
        np.savetxt("censor.txt", np.isin(np.arange(N_VOLUMES), [0, 2, 30]), fmt="%d")
        words = ("--regressor_files", "confounds.tsv", "--regressors", "a", "--censor_file", "censor.txt")
        done(*words, "--scrub", "--scrub_segment", "0", "--discard_scans", "3")
        expected = {"discarded": [0, 1, 2], "framewise_displacement": [20], "std_dvars": [], "user": [30]}
        assert outliers(*expected) == expected
        assert outliers("non_steady_state", "segment") == {"non_steady_state": [], "segment": []}
        assert sidecar()["Volumes"]["Censored"] == 2
        assert sidecar()["Volumes"]["Kept"] == N_VOLUMES - 5

    def test_measure_that_is_missing_in_the_first_row_keeps_it(self, done):
        write_table(make_table())
        done("--regressor_files", "confounds.tsv", "--regressors", "scrub")
        assert len(signals()) == N_VOLUMES

    def test_regressors_lose_the_same_volumes_as_the_signals(self, done):
        means = regional_means()
        pd.DataFrame({"mine": means[:, 0]}).to_csv("confounds.tsv", sep="\t", index=False)
        done("--regressor_files", "confounds.tsv", "--discard_scans", "4")
        first = signals().iloc[:, 0]
        np.testing.assert_allclose(first, first.mean(), atol=1e-7)


# Censored volumes


class TestScrubbing:
    def scrub(self, done, fd=(), dvars=(), *words):
        table = make_table()
        table.loc[list(fd), "framewise_displacement"] = 0.8
        table.loc[list(dvars), "std_dvars"] = 2.0
        write_table(table)
        return done("--regressor_files", "confounds.tsv", "--regressors", "scrub", *words)

    def test_reasons_are_told_apart(self, done):
        self.scrub(done, [10, 30], [20, 30], "--scrub_segment", "0")
        assert outliers("framewise_displacement", "std_dvars", "segment") == {
            "framewise_displacement": [10, 30],
            "std_dvars": [20, 30],
            "segment": [],
        }
        found = sidecar()["Volumes"]
        assert {name: found[name] for name in ("Read", "Discarded", "Censored", "Kept")} == {
            "Read": N_VOLUMES,
            "Discarded": 0,
            "Censored": 3,
            "Kept": N_VOLUMES - 3,
        }
        assert {reason: n for reason, n in found["CensoredBy"].items() if n} == {
            "framewise_displacement": 2,
            "std_dvars": 2,
        }

    def test_table_has_a_row_per_original_volume_and_a_column_per_reason(self, done):
        self.scrub(done, [10], [], "--discard_scans", "2")
        table = read("bold_outliers.tsv")
        assert table.columns.tolist() == ["discarded", *REASONS]
        assert len(table) == N_VOLUMES
        assert set(np.unique(table)) == {0, 1}

    def test_summary_counts_volumes_as_the_sidecar_does(self, done):
        self.scrub(done, [10, 30], [20], "--discard_scans", "3")
        (row,) = read("niimasker_data/summary.tsv").to_dict("records")
        assert (row["n_discarded"], row["n_censored"], row["n_volumes"]) == (3, 3, N_VOLUMES - 6)
        volumes = sidecar()["Volumes"]
        assert [volumes[name] for name in ("Discarded", "Censored", "Kept")] == [3, 3, N_VOLUMES - 6]

    def test_kept_rows_are_the_kept_volumes_means(self, done):
        self.scrub(done, [10, 30], [20], "--scrub_segment", "0", "--discard_scans", "3")
        expected = np.delete(regional_means(), [0, 1, 2, 10, 20, 30], axis=0)
        np.testing.assert_allclose(signals(), expected, atol=1e-7)

    def test_short_segments_are_censored_too(self, done):
        self.scrub(done, [3, 10, 14, 20, 36], [])
        # Before 3: three; between 10 and 14: three; between 14 and 20: five, enough; behind 36: three.
        assert outliers("segment") == {"segment": [0, 1, 2, 11, 12, 13, 37, 38, 39]}

    def test_first_segment_begins_after_the_discarded_volumes(self, done):
        self.scrub(done, [8], [], "--discard_scans", "5")
        assert outliers("discarded", "segment") == {"discarded": [0, 1, 2, 3, 4], "segment": [5, 6, 7]}

    def test_neighbours_of_volumes_with_motion_are_censored_too(self, done):
        # 10, 20 and 21 by either measure; 1 before and 2 after, as Power et al. 2012.
        words = ("--censor_before", "1", "--censor_after", "2", "--scrub_segment", "0")
        self.scrub(done, [10, 20], [10, 21], *words)
        expected = {"framewise_displacement": [10, 20], "std_dvars": [10, 21], "neighbour": [9, 11, 12, 19, 22, 23]}
        assert outliers(*expected) == expected
        assert sidecar()["Volumes"]["CensoredBy"]["neighbour"] == 6

    def test_neighbours_end_with_the_run_and_count_for_segments(self, done):
        # Before 7 are 5 and 6; 0 to 4 are five volumes, enough, but one is discarded.
        words = ("--censor_before", "2", "--censor_after", "3", "--discard_scans", "1")
        self.scrub(done, [7, 38], [], *words)
        expected = {"discarded": [0], "neighbour": [5, 6, 8, 9, 10, 36, 37, 39], "segment": [1, 2, 3, 4]}
        assert outliers(*expected) == expected

    def test_discarded_volumes_have_no_neighbours(self, done):
        self.scrub(done, [2], [], "--censor_after", "3", "--discard_scans", "3")
        assert outliers("neighbour") == {"neighbour": []}

    def test_neighbours_of_volumes_censored_for_other_reasons_are_kept(self, done):
        np.savetxt("censor.txt", np.arange(N_VOLUMES) == 14, fmt="%d")
        table = mark_non_steady(make_table(), 25)
        table.loc[8, "framewise_displacement"] = 0.8
        write_table(table)
        words = ("--regressor_files", "confounds.tsv", "--regressors", "scrub", "non_steady_state")
        done(*words, "--censor_file", "censor.txt", "--censor_before", "1", "--censor_after", "1")
        expected = {"user": [14], "non_steady_state": [25], "neighbour": [7, 9], "segment": [10, 11, 12, 13]}
        assert outliers(*expected) == expected

    def test_segment_between_volumes_censored_for_different_reasons_counts(self, done):
        np.savetxt("censor.txt", np.arange(N_VOLUMES) == 14, fmt="%d")
        self.scrub(done, [10], [], "--censor_file", "censor.txt")
        assert outliers("user", "segment") == {"user": [14], "segment": [11, 12, 13]}

    @pytest.mark.parametrize(("n_least", "expected"), [(0, []), (3, []), (4, [11, 12, 13])])
    def test_shortest_segment_is_that_of_the_option(self, done, n_least, expected):
        self.scrub(done, [10, 14], [], "--scrub_segment", n_least)
        assert outliers("segment") == {"segment": expected}

    @pytest.mark.parametrize(
        ("option", "column", "threshold"),
        [("--fd_threshold", "framewise_displacement", 0.25), ("--std_dvars_threshold", "std_dvars", 1.25)],
    )
    def test_threshold_is_the_highest_value_that_is_kept(self, done, option, column, threshold):
        table = make_table()
        table[column] = 0.0
        table.loc[[10, 20], column] = [threshold, threshold + 1e-6]
        write_table(table)
        words = ("--regressor_files", "confounds.tsv", "--regressors", "scrub", option, threshold)
        done(*words, "--scrub_segment", "0")
        assert censored() == [20]

    @pytest.mark.parametrize(
        ("option", "column"), [("--fd_threshold", "framewise_displacement"), ("--std_dvars_threshold", "std_dvars")]
    )
    def test_measure_with_a_threshold_of_0_is_not_needed(self, done, option, column):
        table = make_table()
        table.loc[12, ["framewise_displacement", "std_dvars"]] = 9.0
        write_table(table.drop(columns=column))
        words = ("--regressor_files", "confounds.tsv", "--regressors", "scrub", option, "0", "--scrub_segment", "0")
        done(*words)
        assert outliers(column) == {column: []}
        assert censored() == [12]

    def test_scrubbing_without_a_threshold_is_wrong_use(self, niimasker):
        write_table(make_table())
        words = ("--regressor_files", "confounds.tsv", "--regressors", "a", "--scrub")
        result = niimasker(*words, "--fd_threshold", "0", "--std_dvars_threshold", "0")
        assert "--fd_threshold" in one_line(result)

    @pytest.mark.parametrize("column", ["framewise_displacement", "std_dvars"])
    def test_missing_column_is_named_as_fmriprep_calls_it(self, niimasker, column):
        write_table(make_table().drop(columns=column))
        line = one_line(niimasker("--regressor_files", "confounds.tsv", "--regressors", "scrub"))
        assert column in line
        assert "fMRIPrep" in line
        assert "confounds.tsv" in line

    def test_names_of_fmriprep_1_1_are_taken_as_the_same(self, done, data_dir):
        path = data_dir / "confounds" / OLD
        n_volumes = N_ROWS[OLD]
        save(Path("bold.nii"), make_volumes(n_volumes=n_volumes), t_r=2.0)
        words = ("--regressor_files", path, "--regressors", "X", "Y", "--scrub", "--fd_threshold", "0.2")
        done(*words, "--std_dvars_threshold", "1.3", "--scrub_segment", "0", "--discard_scans", "auto")
        table = pd.read_csv(path, sep="\t")
        moved, spiked = table["FramewiseDisplacement"] > 0.2, table["stdDVARS"] > 1.3
        assert 0 < (moved | spiked).sum() < n_volumes
        assert outliers("framewise_displacement", "std_dvars") == {
            "framewise_displacement": np.flatnonzero(moved).tolist(),
            "std_dvars": np.flatnonzero(spiked).tolist(),
        }

    @pytest.mark.parametrize("row", [1, 17, N_VOLUMES - 1])
    @pytest.mark.parametrize("column", ["framewise_displacement", "std_dvars"])
    def test_measure_that_is_missing_after_the_first_row_is_an_error(self, niimasker, column, row):
        table = make_table()
        table.loc[row, column] = np.nan
        write_table(table)
        line = one_line(niimasker("--regressor_files", "confounds.tsv", "--regressors", "scrub"))
        assert column in line
        assert str(row + 1) in re.findall(r"\d+", line)

    @pytest.mark.parametrize("column", ["framewise_displacement", "std_dvars"])
    def test_measure_that_is_missing_in_discarded_volumes_is_no_error(self, done, column):
        table = make_table()
        table.loc[[0, 1, 2], column] = np.nan
        write_table(table)
        done("--regressor_files", "confounds.tsv", "--regressors", "scrub", "--discard_scans", "3")
        assert len(signals()) == N_VOLUMES - 3

    def test_scrubbing_without_a_table_is_wrong_use(self, niimasker):
        assert "--regressor_files" in one_line(niimasker("--scrub"))

    def test_word_and_option_are_the_same(self, done):
        table = make_table()
        table.loc[[10, 11], "framewise_displacement"] = 0.8
        write_table(table)
        words = ("--regressor_files", "confounds.tsv", "--detrend")
        done(*words, "--regressors", "scrub", "a")
        by_word = [Path("out", name).read_bytes() for name in ("bold_timeseries.tsv", "bold_outliers.tsv")]
        done(*words, "--scrub", "--regressors", "a")
        assert [Path("out", name).read_bytes() for name in ("bold_timeseries.tsv", "bold_outliers.tsv")] == by_word
        assert sidecar()["Confounds"] == ["a"]

    def test_word_alone_regresses_nothing(self, done):
        self.scrub(done, [10], [], "--scrub_segment", "0")
        np.testing.assert_allclose(signals(), np.delete(regional_means(), 10, axis=0), atol=1e-7)
        assert sidecar()["Confounds"] == []

    @pytest.mark.filterwarnings("ignore::niimasker.errors.NiimaskerWarning")
    def test_volumes_marked_as_non_steady_are_censored_for_their_own_reason(self, done):
        table = mark_non_steady(make_table(), 0, 1)
        write_table(table)
        done("--regressor_files", "confounds.tsv", "--regressors", "a", "non_steady_state")
        assert outliers("non_steady_state", "discarded") == {"non_steady_state": [0, 1], "discarded": []}
        assert len(signals()) == N_VOLUMES - 2


class TestEverythingCensored:
    def test_the_run_fails_and_others_go_on(self, niimasker):
        still, moving = make_table(), make_table()
        moving.loc[1:, "framewise_displacement"] = 2.0
        save(Path("other.nii"), make_volumes(), t_r=2.0)
        tables = [write_table(moving, "moving.tsv"), write_table(still, "still.tsv")]
        words = ("--regressor_files", *tables, "--regressors", "scrub")
        result = niimasker(*words, images=["bold.nii", "other.nii"])
        line = one_line(result, code=1)
        assert line.startswith("niimasker: failed: ")
        assert "bold.nii" in line
        assert str(N_VOLUMES) in re.findall(r"\d+", line)
        assert not Path("out/bold_timeseries.tsv").exists()
        assert len(read("other_timeseries.tsv")) == N_VOLUMES
        assert read("niimasker_data/summary.tsv")["status"].tolist() == ["failed", "done"]

    def test_censor_file_that_marks_all_volumes_fails_the_run(self, niimasker):
        np.savetxt("censor.txt", np.ones(N_VOLUMES), fmt="%d")
        assert "censor" in one_line(niimasker("--censor_file", "censor.txt"), code=1)

    def test_discarded_and_censored_volumes_count_together(self, niimasker):
        np.savetxt("censor.txt", np.arange(N_VOLUMES) >= 5, fmt="%d")
        one_line(niimasker("--censor_file", "censor.txt", "--discard_scans", "5"), code=1)


class TestCensorFile:
    EXPECTED = (0, 7, 8, N_VOLUMES - 1)
    MARKS = np.isin(np.arange(N_VOLUMES), EXPECTED).astype(int)

    def write(self, kind):
        path = Path(f"censor.{'csv' if kind == 'csv' else 'tsv' if 'table' in kind else 'txt'}")
        if kind == "vector":
            np.savetxt(path, self.MARKS, fmt="%d")
        elif kind == "row":
            np.savetxt(path, self.MARKS[None], fmt="%d")
        elif kind == "floats":
            np.savetxt(path, self.MARKS)
        elif kind == "table":
            pd.DataFrame({"censored": self.MARKS}).to_csv(path, sep="\t", index=False)
        elif kind == "csv":
            pd.DataFrame({"censored": self.MARKS}).to_csv(path, index=False)
        else:
            spikes = np.eye(N_VOLUMES, dtype=int)[:, list(self.EXPECTED)]
            pd.DataFrame(spikes, columns=[f"motion_outlier{n:02}" for n in range(4)]).to_csv(
                path, sep="\t", index=False
            )
        return path

    @pytest.mark.parametrize("kind", ["vector", "row", "floats", "table", "csv", "table of spikes"])
    def test_1_is_censored(self, done, kind):
        done("--censor_file", self.write(kind))
        assert outliers("user") == {"user": list(self.EXPECTED)}
        np.testing.assert_allclose(signals(), regional_means()[self.MARKS == 0], atol=1e-7)
        assert sidecar()["Volumes"]["Censored"] == 4

    def test_rows_are_counted_from_the_first_volume_of_the_file(self, done):
        done("--censor_file", self.write("vector"), "--discard_scans", "2")
        assert outliers("discarded", "user") == {"discarded": [0, 1], "user": [7, 8, N_VOLUMES - 1]}

    @pytest.mark.parametrize("n_rows", [N_VOLUMES - 1, N_VOLUMES + 2])
    def test_another_length_names_both_files_and_numbers(self, niimasker, n_rows):
        np.savetxt("censor.txt", np.zeros(n_rows), fmt="%d")
        line = one_line(niimasker("--censor_file", "censor.txt"))
        assert [part for part in ("censor.txt", "bold.nii", str(n_rows), str(N_VOLUMES)) if part not in line] == []

    @pytest.mark.parametrize("value", ["2", "0.5", "-1", "nan", "n/a", "yes"])
    def test_anything_but_0_and_1_is_refused_by_row(self, niimasker, value):
        cells = ["0"] * N_VOLUMES
        cells[6] = value
        Path("censor.txt").write_text("\n".join(cells) + "\n")
        line = one_line(niimasker("--censor_file", "censor.txt"))
        assert repr(value) in line
        assert "row 7" in line

    def test_each_image_has_its_own(self, done):
        names = []
        for run in (1, 2):
            save(Path(f"sub-1_run-{run}_bold.nii"), make_volumes(run), t_r=2.0)
            np.savetxt(f"sub-1_run-{run}_censor.txt", np.arange(N_VOLUMES) == 10 * run, fmt="%d")
            names.append(f"sub-1_run-{run}_bold.nii")
        done("--censor_file", "sub-1_run-2_censor.txt", "sub-1_run-1_censor.txt", images=names)
        for run in (1, 2):
            assert np.flatnonzero(read(f"sub-1_run-{run}_bold_outliers.tsv")["user"]).tolist() == [10 * run]

    def test_number_of_files_must_be_that_of_the_images(self, niimasker):
        path = self.write("vector")
        Path("more.txt").write_bytes(path.read_bytes())
        line = one_line(niimasker("--censor_file", path, "more.txt"))
        assert "1" in line
        assert "2" in line


class TestRowsOfCensoredVolumes:
    @pytest.mark.parametrize("words", [(), ("--standardize",), ("--high_pass", "0.02", "--detrend")], ids=str)
    def test_nan_keeps_rows_and_changes_nothing_else(self, done, words):
        marks = np.isin(np.arange(N_VOLUMES), [0, 1, 2, 9, 10, 30, N_VOLUMES - 1])
        np.savetxt("censor.txt", marks, fmt="%d")
        words = ("--censor_file", "censor.txt", "--discard_scans", "2", *words)
        done(*words)
        dropped = signals()
        done(*words, "--censored", "nan")
        kept = signals()
        assert len(dropped) == N_VOLUMES - 8 + 1
        assert len(kept) == N_VOLUMES - 2
        is_missing = kept.isna()
        assert np.flatnonzero(is_missing.all(axis=1)).tolist() == [0, 7, 8, 28, N_VOLUMES - 3]
        assert (is_missing.all(axis=1) == is_missing.any(axis=1)).all()
        np.testing.assert_array_equal(kept.dropna(), dropped)

    def test_missing_rows_say_n_a(self, done):
        np.savetxt("censor.txt", np.arange(N_VOLUMES) == 1, fmt="%d")
        done("--censor_file", "censor.txt", "--censored", "nan")
        lines = Path("out/bold_timeseries.tsv").read_text().splitlines()
        assert lines[2] == "n/a\tn/a\tn/a"
        assert len(lines) == 1 + N_VOLUMES
        assert [number for number, line in enumerate(lines) if "n/a" in line] == [2]

    def test_drop_is_the_default(self, done):
        np.savetxt("censor.txt", np.arange(N_VOLUMES) == 1, fmt="%d")
        done("--censor_file", "censor.txt")
        default = Path("out/bold_timeseries.tsv").read_bytes()
        done("--censor_file", "censor.txt", "--censored", "drop")
        assert Path("out/bold_timeseries.tsv").read_bytes() == default

    @pytest.mark.parametrize("rows", ["drop", "nan"])
    def test_no_table_of_outliers_without_any(self, done, rows):
        done("--censored", rows)
        assert not Path("out/bold_outliers.tsv").exists()
        assert len(signals()) == N_VOLUMES

    def test_tables_of_an_earlier_command_go_where_the_new_one_writes_none(self, done):
        write_table(make_table())
        np.savetxt("censor.txt", np.arange(N_VOLUMES) == 1, fmt="%d")
        save(Path("other.nii"), make_volumes(), t_r=2.0)
        words = ("--censor_file", "censor.txt", "--regressor_files", "confounds.tsv", "--regressors", "a")
        done(*words)
        done(*words, images=["other.nii"])
        Path("out/notes_outliers.tsv").write_text("mine")
        done(images=["bold.nii", "other.nii"])
        left = {path.name for path in Path("out").glob("*_outliers.tsv")}
        left |= {path.name for path in Path("out").glob("*_regressors.tsv")}
        assert left == {"notes_outliers.tsv"}

    def test_each_table_is_removed_independently(self, done):
        write_table(make_table())
        np.savetxt("censor.txt", np.arange(N_VOLUMES) == 1, fmt="%d")
        regressing = ("--regressor_files", "confounds.tsv", "--regressors", "a")
        done("--censor_file", "censor.txt", *regressing)
        done(*regressing)
        assert not Path("out/bold_outliers.tsv").exists()
        assert read("bold_regressors.tsv").columns.tolist() == ["a"]
        done("--censor_file", "censor.txt")
        assert not Path("out/bold_regressors.tsv").exists()
        assert censored() == [1]


# Regressors as they are written


class TestRegressors:
    def test_table_holds_them_filled_for_every_original_volume(self, done):
        table = make_table()
        table["a_derivative1"] = table["a"].diff()
        write_table(table)
        np.savetxt("censor.txt", np.isin(np.arange(N_VOLUMES), [4, 20]), fmt="%d")
        words = ("--regressor_files", "confounds.tsv", "--regressors", "b", "a_derivative1", "--detrend")
        done(*words, "--discard_scans", "2", "--censor_file", "censor.txt")
        written = read("bold_regressors.tsv")
        assert written.columns.tolist() == ["b", "a_derivative1"]
        expected = table[["b", "a_derivative1"]].bfill()
        np.testing.assert_allclose(written, expected, rtol=1e-9)
        assert sidecar()["Confounds"] == ["b", "a_derivative1"]

    def test_value_missing_in_the_first_row_is_not_taken_from_a_censored_volume(self, done):
        table = make_table()
        table["a_derivative1"] = table["a"].diff()
        np.savetxt("censor.txt", np.isin(np.arange(N_VOLUMES), [1, 20]), fmt="%d")
        written = []
        for censored_value in (table.loc[1, "a_derivative1"], 50.0):
            table.loc[1, "a_derivative1"] = censored_value
            write_table(table)
            words = ("--regressor_files", "confounds.tsv", "--regressors", "b", "a_derivative1", "--detrend")
            done(*words, "--censor_file", "censor.txt")
            written.append(Path("out/bold_timeseries.tsv").read_bytes())
            assert read("bold_regressors.tsv")["a_derivative1"][0] == pytest.approx(table.loc[2, "a_derivative1"])
        assert written[0] == written[1]

    def test_redundant_regressors_are_named_and_recorded(self, done):
        table = make_table()
        table["flat"], table["again"], table["both"] = 3.0, table["a"], table["a"] - table["b"]
        write_table(table)
        said = done("--regressor_files", "confounds.tsv", "--regressors", "flat", "a", "b", "again", "both")
        assert all(any(re.search(rf"\b{name}\b", line) for line in said) for name in ("flat", "again", "both"))
        assert sidecar()["Confounds"] == ["a", "b"]
        assert list(sidecar()["ConfoundsLeftOut"]) == ["flat", "again", "both"]
        assert sidecar()["DegreesOfFreedom"] == N_VOLUMES - 1 - 2
        assert set(said) == {f"niimasker: warning: {line} (bold)" for line in sidecar()["Warnings"]}
        assert [line for line in said if line.endswith("; ConfoundsLeftOut in the JSON file lists them. (bold)")]

    def test_redundant_regressors_change_nothing(self, done):
        table = make_table()
        table["flat"], table["again"] = 3.0, table["a"]
        write_table(table)
        words = ("--regressor_files", "confounds.tsv", "--detrend", "--high_pass", "0.02", "--regressors", "a", "b")
        done(*words)
        expected = signals()
        done(*words, "flat", "again")
        np.testing.assert_allclose(signals(), expected, atol=1e-7)

    def test_motion_outliers_of_scrubbed_volumes_are_left_out(self, done):
        table = make_table()
        table.loc[[10, 20], "framewise_displacement"] = 2.0
        table["motion_outlier00"], table["motion_outlier01"] = np.eye(N_VOLUMES)[:, [10, 20]].T
        write_table(table)
        words = ("--regressor_files", "confounds.tsv", "--regressors", "a", "motion_outlier*")
        said = done(*words, "--scrub", "--scrub_segment", "0")
        assert any("motion_outlier00" in line and "motion_outlier01" in line for line in said) or (
            sum("motion_outlier0" in line for line in said) == 2
        )
        assert sidecar()["DegreesOfFreedom"] == 38 - 1 - 1

    def test_cosines_with_a_high_pass_filter_warn_that_it_filters_twice(self, done):
        table = make_table()
        table["cosine00"] = np.cos(np.pi * (np.arange(N_VOLUMES) + 0.5) / N_VOLUMES)
        write_table(table)
        words = ("--regressor_files", "confounds.tsv", "--regressors", "cosine*")
        said = [line for line in done(*words, "--high_pass", "0.01") if "cosine" in line]
        assert said
        assert any("twice" in line for line in said)
        assert not [line for line in done(*words) if "twice" in line]


# Degrees of freedom


class TestDegreesOfFreedom:
    def test_no_degrees_of_freedom_fail_that_run_with_the_numbers(self, niimasker):
        save(Path("short.nii"), make_volumes(n_volumes=12), t_r=2.0)
        names = [f"c{number:02}" for number in range(14)]
        for n_volumes in (12, N_VOLUMES):
            values = np.random.default_rng(0).normal(size=(n_volumes, 14))
            pd.DataFrame(values, columns=names).to_csv(f"{n_volumes}.tsv", sep="\t", index=False)
        words = ("--regressor_files", "12.tsv", f"{N_VOLUMES}.tsv", "--regressors", *names)
        line = one_line(niimasker(*words, images=["short.nii", "bold.nii"]), code=1)
        assert line.startswith("niimasker: failed: ")
        assert "short.nii" in line
        assert re.search(r"\b12 volumes", line)
        assert re.search(r"\b1[14] regressors", line)
        assert "--regressors" in line
        assert not list(Path("out").glob("short*"))
        assert sidecar()["DegreesOfFreedom"] == N_VOLUMES - 14 - 1
        summary = read("niimasker_data/summary.tsv")
        assert summary["status"].tolist() == ["failed", "done"]
        assert summary["degrees_of_freedom"].tolist()[1] == N_VOLUMES - 14 - 1

    def test_few_degrees_of_freedom_warn_with_the_numbers(self, done):
        values = np.random.default_rng(0).normal(size=(N_VOLUMES, 25))
        pd.DataFrame(values, columns=[f"c{number}" for number in range(25)]).to_csv("c.tsv", sep="\t", index=False)
        said = done("--regressor_files", "c.tsv", "--regressors", "c*")
        assert said == [
            "niimasker: warning: 14 degrees of freedom are left of 40 volumes after 25 regressors and the mean; "
            "correlations will be unreliable. (bold)"
        ]

    def test_line_through_two_volumes_fails_that_run_alone(self, niimasker):
        save(Path("short.nii"), make_volumes(n_volumes=2), t_r=2.0)
        line = one_line(niimasker("--detrend", images=["short.nii", "bold.nii"]), code=1)
        assert line == (
            "niimasker: failed: short.nii: no degrees of freedom are left of 2 volumes after the mean and the trend "
            "(0); leave --detrend out."
        )
        assert not list(Path("out").glob("short*"))
        assert len(signals()) == N_VOLUMES

    def test_one_volume_left_by_censoring_alone_is_written(self, done):
        np.savetxt("censor.txt", np.arange(N_VOLUMES) != 7, fmt="%d")
        meaning, line = done("--censor_file", "censor.txt")
        assert "censor.txt: 39 of 40 volumes are censored, more than half; 1 means censored" in meaning
        assert "0 degrees of freedom are left of 1 volume after the mean; " in line
        np.testing.assert_allclose(signals(), regional_means()[[7]], atol=1e-7)

    def test_filter_and_censoring_count(self, done):
        np.savetxt("censor.txt", np.isin(np.arange(N_VOLUMES), [4, 20]), fmt="%d")
        done("--censor_file", "censor.txt", "--high_pass", "0.05", "--low_pass", "0.2")
        assert sidecar()["DegreesOfFreedom"] == pytest.approx(38 * 0.6, abs=1e-3)

    @pytest.mark.parametrize("words", [(), ("--detrend",), ("--standardize",)])
    def test_short_run_that_nothing_is_regressed_from_is_quiet(self, done, words):
        save(Path("short.nii"), make_volumes(n_volumes=8), t_r=2.0)
        assert done(*words, images=["short.nii"]) == []


# Constant columns


class TestConstantRegions:
    @pytest.fixture(autouse=True)
    def flat(self):
        volumes = make_volumes()
        volumes[LABELS == 2] = 700
        save(Path("bold.nii"), volumes, t_r=2.0)

    @pytest.mark.parametrize("method", ["zscore_sample", "zscore", "psc"])
    @pytest.mark.parametrize("words", [(), ("--detrend",), ("--high_pass", "0.02")], ids=str)
    @pytest.mark.parametrize("engine", ["stream", "nilearn"])
    def test_standardised_constant_regions_are_missing_and_say_why(self, done, method, words, engine):
        done("--standardize", "--standardize_method", method, *words, "--engine", engine)
        assert read("bold_regions.tsv")["status"].str.startswith(("ok", "constant")).all()
        assert read("bold_regions.tsv")["status"].tolist()[1].startswith("constant")
        assert signals()["roi 2"].isna().all()
        assert signals()[["roi 1", "roi 5"]].notna().all(axis=None)

    @pytest.mark.parametrize("method", ["zscore_sample", "zscore", "psc"])
    @pytest.mark.parametrize("as_voxels", [(), ("--as_voxels",)], ids=str)
    def test_rounding_of_a_large_baseline_is_constant(self, done, method, as_voxels):
        volumes = make_volumes()
        volumes[LABELS == 2] = 1e7 + 0.3 * np.arange(N_VOLUMES)
        save(Path("bold.nii"), volumes, t_r=2.0)
        done("--standardize", "--standardize_method", method, "--detrend", *as_voxels)
        assert read("bold_regions.tsv")["status"].tolist() == ["ok", "constant", "ok"]
        is_missing = signals().isna().all()
        assert {name.partition(" voxel")[0] for name in is_missing.index[is_missing]} == {"roi 2"}
        assert is_missing.sum() == ((LABELS == 2).sum() if as_voxels else 1)

    @pytest.mark.parametrize(("n_flat", "status"), [(11, "ok"), (12, "constant")])
    def test_region_of_voxels_is_constant_when_all_of_them_are(self, done, n_flat, status):
        volumes = make_volumes()
        # Linear trends, which are valid until they are detrended.
        for i, j, k in np.argwhere(LABELS == 2)[:n_flat]:
            volumes[i, j, k] = 700 + np.linspace(0, 3, N_VOLUMES)
        save(Path("bold.nii"), volumes, t_r=2.0)
        done("--as_voxels", "--standardize", "--detrend")
        assert read("bold_regions.tsv")["status"].tolist() == ["ok", status, "ok"]
        assert signals().isna().all().sum() == n_flat

    def test_without_cleaning_constant_regions_keep_their_value(self, done):
        done()
        np.testing.assert_allclose(signals()["roi 2"], 700)

    def test_region_that_varies_in_censored_volumes_alone_is_constant(self, done):
        volumes = make_volumes()
        volumes[LABELS == 2] = 700
        volumes[LABELS == 2, 5] = 100
        save(Path("bold.nii"), volumes, t_r=2.0)
        np.savetxt("censor.txt", np.arange(N_VOLUMES) == 5, fmt="%d")
        done("--standardize", "--censor_file", "censor.txt")
        assert read("bold_regions.tsv")["status"].tolist()[1].startswith("constant")
        assert signals()["roi 2"].isna().all()

    def test_mean_of_voxels_that_cancel_out_is_constant(self, done):
        # Every voxel varies, but the mean of the region does not.
        volumes = make_volumes()
        inside = np.argwhere(LABELS == 2)
        for number, (i, j, k) in enumerate(inside):
            volumes[i, j, k] = 700 + (1 if number % 2 else -1) * np.where(np.arange(N_VOLUMES) % 2, 4, -4)
        save(Path("bold.nii"), volumes, t_r=2.0)
        done("--standardize")
        assert read("bold_regions.tsv")["status"].tolist() == ["ok", "constant", "ok"]
        assert signals()["roi 2"].isna().all()

    @pytest.mark.parametrize("method", ["zscore_sample", "zscore", "psc"])
    def test_single_voxels_without_variance_are_missing_alone(self, done, method):
        done("--as_voxels", "--standardize", "--standardize_method", method)
        is_missing = signals().isna()
        assert (is_missing.all() == is_missing.any()).all()
        assert {name.partition(" voxel")[0] for name in is_missing.columns[is_missing.all()]} == {"roi 2"}
        assert is_missing.all().sum() == (LABELS == 2).sum()

    @pytest.mark.parametrize("method", ["zscore_sample", "zscore", "psc"])
    @pytest.mark.parametrize("engine", ["stream", "nilearn"])
    def test_line_is_constant_once_it_is_detrended(self, done, method, engine):
        volumes = make_volumes()
        volumes[LABELS == 2] = 700 + np.linspace(0, 3, N_VOLUMES)
        save(Path("bold.nii"), volumes, t_r=2.0)
        done("--standardize", "--standardize_method", method, "--detrend", "--engine", engine)
        assert read("bold_regions.tsv")["status"].tolist() == ["ok", "constant", "ok"]
        assert signals()["roi 2"].isna().all()


class TestPercentOfNothing:
    """Data whose mean was removed, as some programs write them."""

    PSC = ("--standardize", "--standardize_method", "psc")
    STATUS = "no percent: its mean is not clearly above 0"

    def write(self, mean=0.0):
        """Write an image in which regions 2 and 5 have no mean, but some voxels of region 5 do."""
        volumes = make_volumes()
        centred = volumes - volumes.mean(axis=-1, keepdims=True)
        volumes = np.where((LABELS == 2)[..., None], centred + mean, volumes)
        some = (LABELS == 5) & (np.arange(SHAPE[2]) < 3)
        volumes = np.where((LABELS == 5)[..., None], centred + 1000 * some[..., None], volumes)
        save(Path("bold.nii"), volumes, t_r=2.0)
        return some

    @pytest.mark.parametrize("mean", [0.0, 1e-9, -50.0])
    @pytest.mark.parametrize("words", [(), ("--detrend",), ("--high_pass", "0.02")], ids=str)
    @pytest.mark.parametrize("engine", ["stream", "nilearn"])
    def test_region_without_a_mean_has_no_percent_and_says_why(self, done, mean, words, engine):
        self.write(mean)
        said = done(*self.PSC, *words, "--engine", engine)
        assert read("bold_regions.tsv")["status"].tolist() == ["ok", self.STATUS, "ok"]
        assert signals()["roi 2"].isna().all()
        assert signals()[["roi 1", "roi 5"]].notna().all(axis=None)
        assert said == [f"niimasker: warning: 1 of 3 regions without signal ({self.STATUS}): roi 2. (bold)"]

    @pytest.mark.parametrize("engine", ["stream", "nilearn"])
    def test_region_of_voxels_says_so_if_no_voxel_has_a_mean(self, done, engine):
        some = self.write()
        said = done(*self.PSC, "--as_voxels", "--engine", engine)
        assert read("bold_regions.tsv")["status"].tolist() == ["ok", self.STATUS, "ok"]
        is_missing = signals().isna()
        assert (is_missing.all() == is_missing.any()).all()
        names = pd.Series(is_missing.columns[is_missing.all()]).str.partition(" voxel")[0].value_counts()
        assert names.to_dict() == {"roi 2": (LABELS == 2).sum(), "roi 5": ((LABELS == 5) & ~some).sum()}
        assert said == [f"niimasker: warning: 1 of 3 regions without signal ({self.STATUS}): roi 2. (bold)"]

    @pytest.mark.parametrize("method", ["zscore_sample", "zscore"])
    def test_z_scores_need_no_mean(self, done, method):
        self.write()
        assert done("--standardize", "--standardize_method", method) == []
        assert signals().notna().all(axis=None)


def test_processes_count_volumes_alike(done):
    table = make_table()
    table.loc[[10, 30], "framewise_displacement"] = 0.8
    words = ("--regressor_files", write_table(table), "--regressors", "a", "scrub", "--standardize", *FILTER)
    done(*words, out="here")
    done(*words, "--n_jobs", "2")
    for name in ("bold_timeseries.tsv", "bold_outliers.tsv", "bold_regions.tsv"):
        assert Path("out", name).read_bytes() == Path("here", name).read_bytes()
    assert len(signals()) == N_VOLUMES - 2


def test_standardize_method_without_standardize_warns(done):
    (line,) = done("--standardize_method", "psc")
    assert "--standardize_method psc" in line
    np.testing.assert_allclose(signals(), regional_means(), atol=1e-7)


def test_percent_signal_change_is_of_the_kept_volumes_mean(done):
    np.savetxt("censor.txt", np.arange(N_VOLUMES) < 10, fmt="%d")
    done("--standardize", "--standardize_method", "psc", "--censor_file", "censor.txt")
    means = regional_means()[10:]
    np.testing.assert_allclose(signals(), 100 * (means / means.mean(axis=0) - 1), atol=1e-7)


# Repetition time


def write_image(t_r=None, unit="sec", name="bold.nii", said=None, n_volumes=N_VOLUMES):
    save(Path(name), make_volumes(n_volumes=n_volumes), t_r=t_r, unit=unit)
    if said is not None:
        Path(name).with_suffix(".json").write_text(json.dumps({"RepetitionTime": said}))


def t_r_of():
    return sidecar()["RepetitionTime"], sidecar()["RepetitionTimeSource"]


FILTER = ("--high_pass", "0.02")


class TestRepetitionTime:
    @pytest.mark.parametrize(("unit", "value"), [("sec", 1.5), ("msec", 1500), ("usec", 1.5e6)])
    def test_header_in_its_unit(self, done, unit, value):
        write_image(value, unit)
        assert done(*FILTER) == []
        assert t_r_of() == (pytest.approx(1.5), "header")

    def test_sidecar_comes_before_the_header(self, done):
        write_image(2.0, said=2.0004)
        assert done(*FILTER) == []
        assert t_r_of() == (2.0004, "sidecar")

    def test_option_comes_before_both(self, done):
        write_image(2.0, said=2.0004)
        assert done(*FILTER, "--t_r", "2.0005") == []
        assert t_r_of()[0] == 2.0005
        assert "t_r" in t_r_of()[1] or t_r_of()[1] == "option"

    @pytest.mark.parametrize("words", [FILTER, ()], ids=["filter", "no filter"])
    @pytest.mark.parametrize(("value", "warns"), [(2.0009, False), (1.9991, False), (2.0011, True), (3.0, True)])
    def test_option_against_the_header_warns_with_both(self, done, words, value, warns):
        said = done(*words, "--t_r", value)
        assert len(said) == warns
        assert all(f"{value:g}" in line and "2" in line and "header" in line for line in said)

    @pytest.mark.parametrize(("value", "warns"), [(2.0009, False), (2.5, True)])
    def test_sidecar_against_the_header_warns_with_both(self, done, value, warns):
        write_image(2.0, said=value)
        said = done(*FILTER)
        assert len(said) == warns
        assert all("2.5" in line and "header" in line for line in said)

    def test_option_without_another_t_r_is_quiet(self, done):
        write_image(None)
        assert done(*FILTER, "--t_r", "2") == []

    @pytest.mark.parametrize("words", [FILTER, ("--low_pass", "0.1"), (*FILTER, "--low_pass", "0.1")])
    def test_filter_without_t_r_is_an_error_that_says_the_way_out(self, niimasker, words):
        write_image(None)
        line = one_line(niimasker(*words))
        assert "--t_r" in line
        assert not Path("out/bold_timeseries.tsv").exists()

    def test_without_a_filter_no_t_r_is_needed(self, done):
        write_image(None)
        assert done() == []
        assert t_r_of() == (None, None)

    @pytest.mark.parametrize("value", ["2000", "0.049", "20.1"])
    @pytest.mark.parametrize("words", [FILTER, ()], ids=["filter", "no filter"])
    def test_option_outside_0_05_to_20_s_is_an_error(self, niimasker, value, words):
        write_image(None)
        line = one_line(niimasker(*words, "--t_r", value))
        assert value in line
        assert ("millisecond" in line or " ms" in line) or float(value) < 1

    @pytest.mark.parametrize(("value", "said"), [(2000.0, None), (None, 2000.0), (2.0, 2000.0)])
    def test_implausible_t_r_of_header_or_sidecar_is_an_error_with_a_filter(self, niimasker, value, said):
        write_image(value, said=said)
        line = one_line(niimasker(*FILTER))
        assert "2000" in line
        assert "millisecond" in line or " ms" in line

    @pytest.mark.parametrize(("value", "said"), [(2000.0, None), (None, 2000.0)])
    def test_implausible_t_r_of_header_or_sidecar_is_a_warning_without_a_filter(self, done, value, said):
        write_image(value, said=said)
        lines = done()
        assert len(lines) == 1
        assert "2000" in lines[0]

    @pytest.mark.parametrize("value", ["0.05", "20"])
    def test_both_limits_are_plausible(self, done, value):
        write_image(None)
        assert done("--t_r", value) == []

    def test_option_overrides_a_header_in_milliseconds(self, done):
        write_image(2000.0)
        lines = done(*FILTER, "--t_r", "2")
        assert len(lines) == 1
        assert "2000" in lines[0]
        assert t_r_of()[0] == 2


class TestFilters:
    @pytest.mark.parametrize("value", ["0.25", "0.3"])
    def test_low_pass_at_nyquist_or_above_is_an_error_with_both(self, niimasker, value):
        line = one_line(niimasker("--low_pass", value))
        assert value in line
        assert "0.25" in line

    def test_high_pass_at_nyquist_is_an_error(self, niimasker):
        assert "0.3" in one_line(niimasker("--high_pass", "0.3"))

    @pytest.mark.parametrize("high_pass", ["0.1", "0.2"])
    def test_high_pass_not_below_low_pass_is_wrong_use(self, niimasker, high_pass):
        line = one_line(niimasker("--high_pass", high_pass, "--low_pass", "0.1"))
        assert high_pass in line
        assert "0.1" in line

    def test_run_too_short_for_the_filter_fails_with_its_length(self, niimasker):
        write_image(2.0, name="short.nii", n_volumes=9)
        code, err = niimasker("--high_pass", "0.02", "--low_pass", "0.1", images=["short.nii", "bold.nii"])
        assert code in (1, 2)
        assert re.search(r"\b9 volumes", err)
        assert "filter" in err

    @pytest.mark.parametrize(("words", "n_least"), [(FILTER, 19), (("--low_pass", "0.1"), 19), (("both",), 34)])
    def test_as_many_volumes_as_the_filter_needs_are_enough(self, niimasker, words, n_least):
        words = (*FILTER, "--low_pass", "0.2") if words == ("both",) else words
        for n_volumes in (n_least - 1, n_least):
            # Discarded volumes do not count.
            write_image(2.0, name=f"run{n_volumes}.nii", n_volumes=n_volumes + 2)
        images = [f"run{n_volumes}.nii" for n_volumes in (n_least - 1, n_least)]
        line = one_line(niimasker(*words, "--discard_scans", "2", images=images), code=1)
        assert f"run{n_least - 1}.nii" in line
        assert re.search(rf"\b{n_least - 1} volumes", line)
        assert len(read(f"run{n_least}_timeseries.tsv")) == n_least

    def test_filter_runs_over_censored_volumes_but_needs_no_more_of_them(self, done):
        # 40 volumes are enough for the filter, although only 14 of them are kept.
        np.savetxt("censor.txt", np.arange(N_VOLUMES) % 3 > 0, fmt="%d")
        done("--censor_file", "censor.txt", "--high_pass", "0.02", "--low_pass", "0.2")
        assert len(signals()) == 14


# Spaces


def run_named(done, image, atlas):
    save(Path(image), make_volumes(), t_r=2.0)
    save(Path(atlas), LABELS)
    return done(images=[image], roi=atlas)


SPACE_A, SPACE_B = "MNI152NLin6Asym", "MNI152NLin2009cAsym"


class TestSpaces:
    @pytest.mark.parametrize(
        ("image", "atlas", "spaces"),
        [
            (f"sub-1_space-{SPACE_A}_bold.nii", f"tpl-{SPACE_B}_atlas-x_dseg.nii", (SPACE_A, SPACE_B)),
            (f"sub-1_space-{SPACE_B}_bold.nii", f"tpl-{SPACE_A}_res-2_dseg.nii", (SPACE_A, SPACE_B)),
            (f"sub-1_space-{SPACE_A}_bold.nii", f"sub-1_space-{SPACE_B}_dseg.nii", (SPACE_A, SPACE_B)),
            ("sub-1_space-T1w_bold.nii", f"tpl-{SPACE_A}_dseg.nii", ("T1w", SPACE_A)),
            (f"func/sub-1_space-{SPACE_A}_bold.nii", f"atlases/tpl-{SPACE_B}_dseg.nii", (SPACE_A, SPACE_B)),
            (f"sub-1_space-{SPACE_A}_bold.nii", "sub-1_space-T1w_dseg.nii", ("T1w", SPACE_A)),
        ],
    )
    def test_names_of_different_spaces_warn_with_both(self, done, image, atlas, spaces):
        (line,) = run_named(done, image, atlas)
        assert line.startswith("niimasker: warning: ")
        assert [space for space in spaces if space not in line] == []

    @pytest.mark.parametrize(
        ("image", "atlas"),
        [
            (f"sub-1_space-{SPACE_A}_bold.nii", f"tpl-{SPACE_A}_atlas-x_dseg.nii"),
            (f"sub-1_space-{SPACE_A}_res-2_bold.nii", f"sub-2_space-{SPACE_A}_dseg.nii"),
            (f"sub-1_space-{SPACE_A}_bold.nii", "atlas.nii"),
            ("sub-1_bold.nii", f"tpl-{SPACE_A}_atlas-x_dseg.nii"),
            ("myspace-T1w.nii", f"tpl-{SPACE_A}_atlas-x_dseg.nii"),
        ],
    )
    def test_names_of_one_space_or_of_none_are_quiet(self, done, image, atlas):
        assert run_named(done, image, atlas) == []

    def write_unplaced(self, name, values):
        img = nib.Nifti1Image(values, OBLIQUE)
        img.header.set_xyzt_units("mm", "sec")
        img.header["pixdim"][4] = 2.0
        img.set_sform(OBLIQUE, 0)
        img.set_qform(None, 0)
        nib.save(img, name)

    def corner(self):
        """Return the affine of a header without codes, so that the atlas lies on the image."""
        self.write_unplaced("bold.nii", make_volumes())
        return nib.load("bold.nii").affine

    def test_image_without_a_space_warns_where_the_atlas_has_one(self, done):
        save(Path("roi.nii"), LABELS, self.corner())
        (line,) = done()
        assert "sform" in line
        assert "qform" in line

    def test_image_and_atlas_without_a_space_are_quiet(self, done):
        self.corner()
        self.write_unplaced("roi.nii", LABELS)
        assert done() == []

    @pytest.mark.parametrize("engine", ["stream", "nilearn"])
    def test_warning_is_recorded_once_for_several_runs(self, done, engine):
        images = [f"sub-{number}_space-T1w_bold.nii" for number in (1, 2)]
        for name in images:
            save(Path(name), make_volumes(), t_r=2.0)
        save(Path("tpl-X_dseg.nii"), LABELS)
        assert len(done("--engine", engine, images=images, roi="tpl-X_dseg.nii")) == 1
        assert all(len(sidecar(name=Path(name).stem)["Warnings"]) == 1 for name in images)
