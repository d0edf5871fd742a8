"""Words of --regressors and files of censored volumes, through `main`, in an own folder of small images."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from confounds_tables import FULL_MOTION, MOTION, N_VOLUMES, REST, RUN_1
from ica_files import (
    ACCEPTED,
    FMRIPOST_METRICS,
    FMRIPREP_MIXING,
    NOISE_COMPONENTS,
    REJECTED,
    TEDANA_METRICS,
    make_mixing,
    write_fmripost,
    write_fmriprep,
    write_tedana,
)
from images import SHAPE, make_labels, save
from nilearn import signal
from nilearn.interfaces import fmriprep

from niimasker import extract
from niimasker.cli import main

N = 60
LABELS = make_labels((1, 2, 5))
COSINES = ("cosine00", "cosine01")
NAMES = ("mine", *FULL_MOTION, "csf", "white_matter", "global_signal", *COSINES, "aroma_motion_01", "aroma_motion_04")
RUN = ("-i", "bold.nii.gz", "-r", "atlas.nii.gz")
TABLE = ("--regressor_files", "confounds.tsv")
FILTERS_TWICE = "filtered twice"


@dataclass(frozen=True)
class Result:
    """What a command left behind."""

    code: int
    err: str

    @property
    def lines(self) -> list[str]:
        return self.err.splitlines()


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    """A folder of an image of noise, an atlas, and confounds."""
    folder = tmp_path_factory.mktemp("files")
    save(folder / "atlas.nii.gz", LABELS)
    save_noise(folder / "bold.nii.gz", N)
    write_confounds(folder / "confounds.tsv")
    return folder


@pytest.fixture(autouse=True)
def folder(files, tmp_path, monkeypatch) -> Path:
    """The current folder: copies of those files."""
    shutil.copytree(files, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def niimasker(capsys):
    def run(*words: str) -> Result:
        capsys.readouterr()
        try:
            code = main([*words, "--no_report"])
        except SystemExit as error:
            code = error.code
        return Result(code, capsys.readouterr().err)

    return run


def save_noise(path: Path, n_volumes: int) -> Path:
    noise = np.random.default_rng(1).integers(0, 1000, (*SHAPE, n_volumes), dtype=np.int16)
    return save(path, noise, t_r=2.0)


def write_confounds(path: Path, names: Sequence[str] = NAMES) -> Path:
    """Write noise under these names: derivatives lack their first value, cosines are cosines, turns are small."""
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(N, len(names))).round(6), columns=list(names))
    for number, name in enumerate(name for name in names if name.startswith("cosine")):
        frame[name] = np.cos((number + 1) * np.pi * (np.arange(N) + 0.5) / N).round(6)
    turns = [name for name in names if name.startswith("rot_")]
    frame[turns] = (frame[turns] / 100).round(6)
    frame.loc[0, [name for name in names if "derivative" in name]] = np.nan
    frame.to_csv(path, sep="\t", index=False, na_rep="n/a")
    return path


def write_motion(path: Path, moved: Sequence[int] = (20, 40)) -> Path:
    """Write a table with measures of motion, above both thresholds at some volumes."""
    measures = {"framewise_displacement": np.full(N, 0.1), "std_dvars": np.full(N, 1.0)}
    for values in measures.values():
        values[list(moved)] = 5
        values[0] = np.nan
    frame = pd.DataFrame({"x": np.random.default_rng(2).normal(size=N).round(6), **measures})
    frame.to_csv(path, sep="\t", index=False, na_rep="n/a")
    return path


def write_vector(path: Path, censored: Sequence[int] = (3, 30), *, separator: str = "\n") -> Path:
    path.write_text(separator.join(str(int(volume in censored)) for volume in range(N)) + "\n")
    return path


def read(path: str | Path) -> pd.DataFrame:
    return pd.read_csv(path, sep="\t")


def read_sidecar(path: str | Path = "out/bold_timeseries.json") -> Mapping:
    return json.loads(Path(path).read_text(encoding="utf-8"))


def assert_refused(result: Result, *parts: str) -> None:
    """Wrong use: exit code 2, one line that holds these parts, nothing written."""
    assert result.code == 2
    assert len(result.lines) == 1
    assert result.err.startswith("niimasker: error: ")
    assert [part for part in parts if part not in result.err] == []
    assert not Path("out").exists()


def clean_directly(names: Sequence[str], table: str = "confounds.tsv") -> np.ndarray:
    """Return the regions' means as nilearn cleans them with these columns."""
    volumes = np.asarray(nib.load("bold.nii.gz").dataobj, dtype=float)
    means = np.stack([volumes[np.equal(LABELS, index)].mean(axis=0) for index in (1, 2, 5)], axis=1)
    confounds = read(table)[list(names)].bfill(limit=1).to_numpy()
    return signal.clean(means, confounds=confounds, detrend=False, standardize=None, filter=False)


# Choosing


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["motion=basic"], [*MOTION]),
        (["Params6"], [*COSINES, *MOTION]),
        (["mine", "wm_csf", "global"], ["mine", "csf", "white_matter", "global_signal"]),
        (["cosine*", "mine", "Params2"], [*COSINES, "mine", "csf", "white_matter"]),
        (["ica_aroma", "rot_?"], ["aroma_motion_01", "aroma_motion_04", "rot_x", "rot_y", "rot_z"]),
        (["motion=derivatives", "trans_x"], [name for name in FULL_MOTION if "power2" not in name]),
    ],
    ids=lambda words: " ".join(words)[:30],
)
def test_signals_are_those_of_the_columns_that_words_stand_for(niimasker, words, expected):
    assert niimasker("out", *RUN, *TABLE, "--regressors", *words).code == 0
    assert sorted(read_sidecar()["Confounds"]) == sorted(expected)
    values = read("out/bold_timeseries.tsv").to_numpy()
    np.testing.assert_allclose(values, clean_directly(expected), rtol=0, atol=1e-7)


def test_sidecar_lists_the_columns_in_their_order(niimasker):
    assert niimasker("out", *RUN, *TABLE, "--regressors", "mine", "cosine*", "wm_csf", "trans_x").code == 0
    assert read_sidecar()["Confounds"] == ["mine", *COSINES, "csf", "white_matter", "trans_x"]


@pytest.mark.parametrize(
    ("words", "in_json"),
    [
        (["motion=derivatives", "wm_csf", "high_pass"], {"motion": "derivatives", "wm_csf": True, "high_pass": True}),
        (["motion=derivatives", "wm_csf"], ["motion=derivatives", "wm_csf"]),
        (["Params6", "mine"], {"Params6": True, "mine": True, "global_signal": False}),
        (["cosine*"], "cosine*"),
    ],
    ids=["object", "list", "object-of-strategies", "text"],
)
def test_json_chooses_as_the_command_line_does(niimasker, words, in_json):
    Path("config.json").write_text(json.dumps({"regressors": in_json}))
    assert niimasker("typed", *RUN, *TABLE, "--regressors", *words).code == 0
    assert niimasker("in_json", *RUN, *TABLE, "-c", "config.json").code == 0
    for name in ("bold_timeseries.tsv", "bold_regressors.tsv"):
        assert Path("typed", name).read_bytes() == Path("in_json", name).read_bytes()
    typed, config = (read_sidecar(f"{folder}/bold_timeseries.json") for folder in ("typed", "in_json"))
    assert typed["Settings"]["regressors"] == config["Settings"]["regressors"] == words


def test_python_takes_an_object_of_words():
    given = {"input_files": ["bold.nii.gz"], "roi_file": "atlas.nii.gz", "regressor_files": ["confounds.tsv"]}
    (outcome,) = extract("out", **given, regressors={"wm_csf": "basic", "mine": True})
    assert outcome.status == "done"
    assert read_sidecar()["Confounds"] == ["csf", "white_matter", "mine"]


@pytest.mark.parametrize("column", ["motion", "global_signal", "Params6"])
def test_word_that_is_a_columns_name_is_that_column(niimasker, column):
    write_confounds(Path("confounds.tsv"), ["x", column])
    result = niimasker("out", *RUN, *TABLE, "--regressors", column)
    assert (result.code, result.err) == (0, "")
    assert read_sidecar()["Confounds"] == [column]


# Refused


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["param6"], ["confounds.tsv", "'param6' (nearest: Params6)"]),
        (["white_mater"], ["confounds.tsv", "'white_mater' (nearest: white_matter)"]),
        (["mine", "fd_threshold=0.2"], ["'fd_threshold=0.2'", "--fd_threshold"]),
        (["motion=more"], ["motion=more", "basic, power2, derivatives, full"]),
        (["motion", "motion=basic"], ["motion=full", "motion=basic", "give one of them"]),
        (["motion", "n_compcor=5"], ["n_compcor", "add compcor"]),
        (["b_comp_cor_*"], ["--regressors: no column of any table matches b_comp_cor_*; see ", " confounds.tsv."]),
        (["mine", "motion", "x*", "b?"], ["--regressors: no column of any table matches b?, x*; see the columns of "]),
        (["scrub=0.3"], ["'scrub=0.3' (use the options --fd_threshold, --scrub_segment, ...)"]),
        (["motoin=derivatives"], ["'motoin=derivatives' (nearest: motion=derivatives)"]),
        (["mine,csf"], ["'mine,csf' (words are separated by spaces, in JSON they are a list)"]),
        (["mine csf"], ["'mine csf' (give each of its words by itself, in JSON in a list)"]),
        (["compcor", "high_pass"], ["confounds.json is missing", "fMRIPrep 1.4"]),
        (["ica_aroma=full"], ["bold.nii.gz", "ica_aroma=full", "ica_aroma=basic"]),
        (["tedana"], ["confounds.tsv", "desc-ICA_mixing.tsv"]),
        (["tedana=non-aggressive"], ["tedana=non-aggressive", "tedana=orthogonal", "tedana=aggressive", "accepted"]),
    ],
    ids=lambda part: " ".join(part)[:40],
)
def test_wrong_words_are_one_line_before_anything_is_written(niimasker, words, parts):
    assert_refused(niimasker("out", *RUN, *TABLE, "--regressors", *words), *parts)


def test_wrong_value_in_an_object_names_option_and_value(niimasker):
    Path("config.json").write_text('{"regressors": {"motion": ["full", "basic"]}}')
    assert_refused(
        niimasker("out", *RUN, *TABLE, "-c", "config.json"),
        "--regressors: expected ",
        '{"motion": ["full", "basic"]}',
        "('motion' takes a single string or number, true or false)",
    )


@pytest.mark.parametrize(
    ("in_json", "part"),
    [
        ('{"fd_threshold": 0.2}', "'fd_threshold=0.2' (use the options --fd_threshold)"),
        ('{"scrub": [0.3]}', "'scrub=0.3' (use the options --fd_threshold, --scrub_segment, ...)"),
        ('{"compcor": true, "n_compcor": 1.5}', "n_compcor=1.5 is not known; it takes a whole number above 0, or all"),
        ('{"motion": false}', "(every word in it is off; "),
    ],
)
def test_what_an_object_says_wrongly_is_one_line_with_a_way_out(niimasker, in_json, part):
    Path("config.json").write_text(f'{{"regressors": {in_json}}}')
    assert_refused(niimasker("out", *RUN, *TABLE, "-c", "config.json"), part)


# Patterns that match in some runs


def write_two_runs(*names: str) -> tuple[str, ...]:
    """Write two runs, of which the second's table alone has these columns; return the words that name them."""
    for number in (1, 2):
        shutil.copy("bold.nii.gz", f"sub-{number}_bold.nii.gz")
        write_confounds(Path(f"sub-{number}_confounds.tsv"), ["mine", *(names if number == 2 else ())])
    images = ("-i", "sub-1_bold.nii.gz", "sub-2_bold.nii.gz", "-r", "atlas.nii.gz")
    return (*images, "--regressor_files", "sub-1_confounds.tsv", "sub-2_confounds.tsv")


def test_pattern_that_matches_in_one_run_takes_nothing_in_the_others(niimasker):
    runs = write_two_runs("motion_outlier00", "motion_outlier01")
    result = niimasker("out", *runs, "--regressors", "mine", "motion_outlier*")
    assert (result.code, result.err) == (0, "")
    columns = [read_sidecar(f"out/sub-{number}_bold_timeseries.json")["Confounds"] for number in (1, 2)]
    assert columns == [["mine"], ["mine", "motion_outlier00", "motion_outlier01"]]


def test_pattern_alone_that_matches_in_another_run_regresses_nothing_out(niimasker):
    runs = write_two_runs("motion_outlier00")
    result = niimasker("out", *runs, "--regressors", "motion_outlier*")
    assert (result.code, result.err) == (0, "")
    assert read_sidecar("out/sub-1_bold_timeseries.json")["Confounds"] == []
    assert niimasker("raw", *RUN).code == 0
    assert Path("out/sub-1_bold_timeseries.tsv").read_bytes() == Path("raw/bold_timeseries.tsv").read_bytes()
    assert not Path("out/sub-1_bold_regressors.tsv").exists()


def test_pattern_that_matches_in_no_run_is_refused_for_all(niimasker):
    runs = write_two_runs("motion_outlier00")
    result = niimasker("out", *runs, "--regressors", "mine", "motion_outlier*", "b_comp_cor_*")
    assert_refused(result, "--regressors: no column of any table matches b_comp_cor_*; see the columns of ")
    assert result.err.endswith("sub-1_confounds.tsv.\n")


def test_patterns_that_match_in_one_run_each_are_both_fine(niimasker):
    runs = write_two_runs("late")
    write_confounds(Path("sub-1_confounds.tsv"), ["mine", "early"])
    result = niimasker("out", *runs, "--regressors", "late*", "early*")
    assert (result.code, result.err) == (0, "")
    columns = [read_sidecar(f"out/sub-{number}_bold_timeseries.json")["Confounds"] for number in (1, 2)]
    assert columns == [["early"], ["late"]]


# Warnings


def test_one_warning_about_the_confounds_of_many_runs_is_told_once(niimasker):
    runs = write_two_runs()
    for number in (1, 2):
        write_confounds(Path(f"sub-{number}_confounds.tsv"), MOTION)
    result = niimasker("out", *runs, "--regressors", "Params6")
    assert result.code == 0
    assert result.lines == [
        "niimasker: warning: the confounds have no columns cosine00, ...; Params6 applies no high-pass filter, "
        "see --high_pass. (2 runs, first sub-1_bold)"
    ]


# The table of regressors


def test_regressors_are_written_as_selected_and_filled(niimasker):
    words = ["mine", "trans_x_derivative1", "motion=derivatives"]
    assert niimasker("out", *RUN, *TABLE, "--regressors", *words).code == 0
    written, source = read("out/bold_regressors.tsv"), read("confounds.tsv")
    assert list(written.columns) == read_sidecar()["Confounds"]
    assert list(written.columns[:2]) == ["mine", "trans_x_derivative1"]
    assert len(written.columns) == 13
    assert source["trans_x_derivative1"].isna().sum() == 1
    np.testing.assert_allclose(written, source[written.columns].bfill(limit=1), rtol=1e-9)


def test_regressors_that_are_left_out_are_written_but_not_said_to_be_used(niimasker):
    write_confounds(Path("confounds.tsv"), ["a", "b"])
    frame = read("confounds.tsv").assign(same=lambda table: table["a"], flat=1.0)
    frame.to_csv("confounds.tsv", sep="\t", index=False)
    assert niimasker("out", *RUN, *TABLE, "--regressors", "a", "same", "flat", "b").code == 0
    assert list(read("out/bold_regressors.tsv").columns) == ["a", "same", "flat", "b"]
    sidecar = read_sidecar()
    assert sidecar["Confounds"] == ["a", "b"]
    assert set(sidecar["ConfoundsLeftOut"]) == {"same", "flat"}


def test_all_columns_are_written_without_words(niimasker):
    write_confounds(Path("confounds.tsv"), ["b", "a"])
    assert niimasker("out", *RUN, *TABLE).code == 0
    pd.testing.assert_frame_equal(read("out/bold_regressors.tsv"), read("confounds.tsv"))


def test_without_confounds_there_is_no_table_of_regressors(niimasker):
    assert niimasker("out", *RUN).code == 0
    assert not Path("out/bold_regressors.tsv").exists()


def test_table_of_regressors_serves_as_confounds(niimasker):
    assert niimasker("out", *RUN, *TABLE, "--regressors", "motion=full", "mine").code == 0
    assert niimasker("again", *RUN, "--regressor_files", "out/bold_regressors.tsv", "--regressors", "*").code == 0
    assert Path("out/bold_timeseries.tsv").read_bytes() == Path("again/bold_timeseries.tsv").read_bytes()


# Cosines and high_pass


@pytest.mark.parametrize("words", [["high_pass"], ["Params2"], ["cosine*"], ["mine", "cosine01"]], ids=" ".join)
def test_cosines_together_with_high_pass_warn(niimasker, words):
    result = niimasker("out", *RUN, *TABLE, "--regressors", *words, "--high_pass", "0.01")
    assert result.code == 0
    (line,) = [line for line in result.lines if FILTERS_TWICE in line]
    assert line.startswith("niimasker: warning: ")
    assert "--high_pass" in line
    assert "cosine" in line
    assert any(FILTERS_TWICE in warning for warning in read_sidecar()["Warnings"])


@pytest.mark.parametrize("cut_off", ["0.01", "0.05", "0.2"])
def test_cosines_together_with_any_high_pass_warn(niimasker, cut_off):
    result = niimasker("out", *RUN, *TABLE, "--regressors", "high_pass", "--high_pass", cut_off)
    assert result.code == 0
    assert FILTERS_TWICE in result.err


@pytest.mark.parametrize(
    ("words", "options"),
    [(["wm_csf"], ["--high_pass", "0.01"]), (["high_pass"], ["--low_pass", "0.2"]), (["high_pass"], ["--detrend"])],
    ids=["without-cosines", "low-pass", "without-filter"],
)
def test_cosines_or_high_pass_alone_do_not_warn(niimasker, words, options):
    result = niimasker("out", *RUN, *TABLE, "--regressors", *words, *options)
    assert result.code == 0
    assert FILTERS_TWICE not in result.err


# Words about volumes


def test_word_scrub_means_the_option(niimasker):
    write_motion(Path("confounds.tsv"))
    assert niimasker("word", *RUN, *TABLE, "--regressors", "x", "scrub").code == 0
    assert niimasker("option", *RUN, *TABLE, "--regressors", "x", "--scrub").code == 0
    for name in ("bold_timeseries.tsv", "bold_outliers.tsv", "bold_regressors.tsv"):
        assert Path("word", name).read_bytes() == Path("option", name).read_bytes()
    sidecar = read_sidecar("word/bold_timeseries.json")
    assert sidecar["Confounds"] == ["x"]
    assert sidecar["Volumes"]["Censored"] == 2


def test_word_scrub_alone_regresses_nothing_out(niimasker):
    write_motion(Path("confounds.tsv"))
    assert niimasker("out", *RUN, *TABLE, "--regressors", "scrub").code == 0
    assert niimasker("raw", *RUN).code == 0
    kept = np.delete(read("raw/bold_timeseries.tsv").to_numpy(), [20, 40], axis=0)
    assert read_sidecar()["Confounds"] == []
    np.testing.assert_array_equal(read("out/bold_timeseries.tsv").to_numpy(), kept)


def test_word_none_regresses_out_nothing(niimasker):
    assert niimasker("plain", *RUN).code == 0
    assert niimasker("out", *RUN, *TABLE, "--regressors", "none") == Result(0, "")
    assert Path("out/bold_timeseries.tsv").read_bytes() == Path("plain/bold_timeseries.tsv").read_bytes()
    assert not Path("out/bold_regressors.tsv").exists()


def test_word_none_needs_no_table(niimasker):
    assert niimasker("out", *RUN, "--regressors", "none") == Result(0, "")


def test_word_scrub_takes_the_thresholds_of_the_options(niimasker):
    write_motion(Path("confounds.tsv"))
    words = ["--regressors", "scrub", "--fd_threshold", "6", "--std_dvars_threshold", "6"]
    assert niimasker("out", *RUN, *TABLE, *words).code == 0
    assert read_sidecar()["Volumes"]["Censored"] == 0


def test_word_non_steady_state_censors_the_marked_volumes(niimasker):
    write_confounds(Path("confounds.tsv"), ["x", "non_steady_state_outlier00"])
    frame = read("confounds.tsv")
    frame["non_steady_state_outlier00"] = (frame.index == 0).astype(int)
    frame.to_csv("confounds.tsv", sep="\t", index=False)
    assert niimasker("out", *RUN, *TABLE, "--regressors", "x", "non_steady_state").code == 0
    sidecar = read_sidecar()
    assert sidecar["Confounds"] == ["x"]
    assert (sidecar["Volumes"]["Discarded"], sidecar["Volumes"]["Censored"]) == (0, 1)
    assert len(read("out/bold_timeseries.tsv")) == N - 1


@pytest.mark.parametrize("cell", ["n/a", "text", "inf"])
def test_measure_without_a_number_is_refused_by_who_scrubs_by_it_alone(niimasker, cell):
    write_motion(Path("confounds.tsv"))
    frame = read("confounds.tsv").astype({"framewise_displacement": object})
    frame.loc[4, "framewise_displacement"] = cell
    frame.to_csv("confounds.tsv", sep="\t", index=False, na_rep="n/a")
    words = [*RUN, *TABLE, "--regressors", "x"]
    assert_refused(niimasker("out", *words, "scrub"), "confounds.tsv", "framewise_displacement", "row 5")
    assert niimasker("out", *words).code == 0
    assert read_sidecar()["Volumes"]["Censored"] == 0


# Files of censored volumes


def test_censor_file_leaves_its_volumes_out(niimasker):
    write_vector(Path("censor.txt"), (0, 3, 30, N - 1))
    assert niimasker("out", *RUN, "--censor_file", "censor.txt").code == 0
    assert niimasker("raw", *RUN).code == 0
    raw = read("raw/bold_timeseries.tsv").to_numpy()
    expected = np.delete(raw, [0, 3, 30, N - 1], axis=0)
    np.testing.assert_array_equal(read("out/bold_timeseries.tsv").to_numpy(), expected)
    assert np.flatnonzero(read("out/bold_outliers.tsv")["user"]).tolist() == [0, 3, 30, N - 1]
    assert Path(read_sidecar()["Sources"]["CensorFile"]["Path"]).name == "censor.txt"


@pytest.mark.parametrize("shape", ["row", "header", "table", "csv", "logical"])
def test_censor_file_of_any_shape_says_the_same(niimasker, shape):
    column = write_vector(Path("column.txt"))
    path = Path(f"other.{'csv' if shape == 'csv' else 'tsv'}")
    if shape in ("row", "csv"):
        write_vector(path, separator="," if shape == "csv" else "\t")
    elif shape == "header":
        path.write_text("censored\n" + column.read_text())
    elif shape == "logical":
        path.write_text("censored\n" + column.read_text().replace("1", "TRUE").replace("0", "FALSE"))
    else:
        rows = ["motion_outlier00\tmotion_outlier01", *(f"{int(row == 3)}\t{int(row == 30)}" for row in range(N))]
        path.write_text("\n".join(rows))
    assert niimasker("out", *RUN, "--censor_file", "column.txt").code == 0
    assert niimasker("other", *RUN, "--censor_file", str(path)).code == 0
    assert Path("out/bold_timeseries.tsv").read_bytes() == Path("other/bold_timeseries.tsv").read_bytes()


def test_censor_files_go_to_their_images(niimasker):
    for number, censored in ((1, (5,)), (2, (6, 7))):
        shutil.copy("bold.nii.gz", f"sub-{number}_bold.nii.gz")
        write_vector(Path(f"sub-{number}_censor.txt"), censored)
    images = ["-i", "sub-1_bold.nii.gz", "sub-2_bold.nii.gz", "-r", "atlas.nii.gz"]
    assert niimasker("out", *images, "--censor_file", "sub-2_censor.txt", "sub-1_censor.txt").code == 0
    censored = [np.flatnonzero(read(f"out/sub-{n}_bold_outliers.tsv")["user"]).tolist() for n in (1, 2)]
    assert censored == [[5], [6, 7]]


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("0\n1\n", ["2 rows", f"{N} volumes"]),
        ("0\n" * (N - 1) + "2\n", ["'2'", f"row {N}", "expected 0, or 1"]),
        ("", ["empty", "0 and 1"]),
        ("\0", ["binary", "text table"]),
    ],
    ids=["length", "value", "empty", "binary"],
)
def test_wrong_censor_file_is_one_line_before_anything_is_written(niimasker, content, parts):
    Path("censor.txt").write_text(content)
    assert_refused(niimasker("out", *RUN, "--censor_file", "censor.txt"), "censor.txt", *parts)


def test_missing_censor_file_is_one_line_before_anything_is_written(niimasker):
    assert_refused(niimasker("out", *RUN, "--censor_file", "nope.txt"), "--censor_file", "nope.txt", "does not exist")


# ICA-AROMA and tedana


def test_ica_aroma_of_a_denoised_image_takes_no_component(niimasker):
    image = "sub-1_desc-smoothAROMAnonaggr_bold"
    shutil.copy("bold.nii.gz", f"{image}.nii.gz")
    words = ["-i", f"{image}.nii.gz", "-r", "atlas.nii.gz", *TABLE, "--regressors", "ica_aroma", "wm_csf"]
    assert niimasker("out", *words).code == 0
    assert read_sidecar(f"out/{image}_timeseries.json")["Confounds"] == ["csf", "white_matter"]


def test_tedanas_rejected_components_are_regressed_out(niimasker):
    shutil.copy("bold.nii.gz", "sub-1_desc-optcom_bold.nii.gz")
    write_confounds(Path("sub-1_desc-ICA_mixing.tsv"), ["ICA_00", "ICA_01", "ICA_02"])
    metrics = "Component\tclassification\nICA_0\taccepted\nICA_1\trejected\nICA_2\trejected\n"
    Path("sub-1_desc-tedana_metrics.tsv").write_text(metrics)
    words = ["-i", "sub-1_desc-optcom_bold.nii.gz", "-r", "atlas.nii.gz", "--regressors", "tedana"]
    assert niimasker("out", *words, "--regressor_files", "sub-1_desc-ICA_mixing.tsv").code == 0
    stem = "out/sub-1_desc-optcom_bold_timeseries"
    assert read_sidecar(f"{stem}.json")["Confounds"] == ["ICA_01", "ICA_02"]
    expected = clean_directly(["ICA_01", "ICA_02"], "sub-1_desc-ICA_mixing.tsv")
    np.testing.assert_allclose(read(f"{stem}.tsv").to_numpy(), expected, rtol=0, atol=1e-7)


ICA = {
    "tedana": (write_tedana, [f"ICA_{number - 1:02d}" for number in REJECTED]),
    "ica_aroma": (write_fmriprep, [f"aroma_motion_{number:02d}" for number in REJECTED]),
}


@pytest.mark.parametrize("word", ICA)
def test_rejected_components_are_regressed_out_orthogonal_to_the_accepted_ones(niimasker, word):
    write_table, names = ICA[word]
    mixing = make_mixing(N)
    path = write_table(Path(), mixing)
    result = niimasker("out", *RUN, "--regressor_files", str(path), "--regressors", f"{word}=orthogonal")
    assert (result.code, result.err) == (0, "")
    rejected, accepted = (mixing[:, [number - 1 for number in numbers]] for numbers in (REJECTED, ACCEPTED))
    residuals = rejected - accepted @ np.linalg.lstsq(accepted, rejected, rcond=None)[0]
    pd.DataFrame(residuals, columns=names).to_csv("residuals.tsv", sep="\t", index=False)
    found = read("out/bold_timeseries.tsv").to_numpy()
    np.testing.assert_allclose(found, clean_directly(names, "residuals.tsv"), rtol=0, atol=1e-7)
    sidecar = read_sidecar()
    assert sidecar["Confounds"] == sidecar["ConfoundsOrthogonalised"] == names
    assert len(sidecar["PreservedComponents"]) == len(ACCEPTED)
    sources = sidecar["Sources"]["Components"]
    read_beside = {Path(source["Path"]).name for source in (sources if isinstance(sources, list) else [sources])}
    assert read_beside == {"tedana": {TEDANA_METRICS}, "ica_aroma": {FMRIPREP_MIXING, NOISE_COMPONENTS}}[word]


def test_table_of_regressors_has_the_components_as_they_were_read(niimasker):
    path = write_tedana(Path(), mixing := make_mixing(N))
    words = ["--regressor_files", str(path), "--regressors", "tedana=orthogonal", "--low_pass", "0.1"]
    assert niimasker("out", *RUN, *words).code == 0
    written = read("out/bold_regressors.tsv")
    np.testing.assert_allclose(written, mixing[:, [number - 1 for number in REJECTED]], atol=1e-9)


def test_fmripost_aromas_components_are_those_of_its_own_orthogonal_columns(niimasker):
    path = write_fmripost(Path(), make_mixing(N))
    words = [*RUN, "--regressor_files", str(path), "--regressors", "ica_aroma=orthogonal"]
    assert niimasker("computed", *words).code == 0
    Path(FMRIPOST_METRICS).unlink()
    assert niimasker("given", *words).code == 0
    computed, given = (read(f"{folder}/bold_timeseries.tsv") for folder in ("computed", "given"))
    np.testing.assert_allclose(computed, given, rtol=0, atol=1e-7)
    assert read_sidecar("given/bold_timeseries.json")["PreservedComponents"] == []


@pytest.mark.parametrize("missing", [FMRIPREP_MIXING, NOISE_COMPONENTS])
def test_missing_file_of_an_ica_is_one_line_before_anything_is_written(niimasker, missing):
    path = write_fmriprep(Path(), make_mixing(N))
    Path(missing).unlink()
    words = ["--regressor_files", str(path), "--regressors", "ica_aroma=orthogonal"]
    assert_refused(niimasker("out", *RUN, *words), missing, "cannot be read")


def test_json_takes_the_orthogonal_components_as_an_object(niimasker):
    path = write_tedana(Path(), make_mixing(N))
    options = {"regressor_files": str(path), "regressors": {"tedana": "orthogonal"}}
    Path("config.json").write_text(json.dumps(options), "utf-8")
    assert niimasker("out", *RUN, "--config", "config.json").code == 0
    assert len(read_sidecar()["PreservedComponents"]) == len(ACCEPTED)


# Real tables


@pytest.mark.parametrize(
    ("name", "words", "asked"),
    [
        (
            RUN_1,
            ["motion=derivatives", "wm_csf", "compcor=temporal_anat_combined", "n_compcor=3", "high_pass"],
            {
                "strategy": ("motion", "wm_csf", "compcor", "high_pass"),
                "motion": "derivatives",
                "wm_csf": "basic",
                "compcor": "temporal_anat_combined",
                "n_compcor": 3,
            },
        ),
        (
            REST,
            ["Params36"],
            {
                "strategy": ("high_pass", "motion", "wm_csf", "global_signal"),
                "motion": "full",
                "wm_csf": "full",
                "global_signal": "full",
            },
        ),
    ],
    ids=["words", "strategy"],
)
def test_real_tables_give_nilearns_regressors(niimasker, data_dir, name, words, asked):
    save_noise(Path("real.nii.gz"), N_VOLUMES[name])
    table = data_dir / "confounds" / name
    for suffix in (".tsv", ".json"):
        Path(f"sub-1_desc-confounds_timeseries{suffix}").symlink_to(table.with_suffix(suffix))
    frame, _ = fmriprep.load_confounds("sub-1_desc-preproc_bold.nii.gz", demean=False, **asked)
    result = niimasker(
        "out", "-i", "real.nii.gz", "-r", "atlas.nii.gz", "--regressor_files", str(table), "--regressors", *words
    )
    assert (result.code, result.err) == (0, "")
    written = read("out/real_regressors.tsv")
    assert list(written.columns) == list(frame.columns) == read_sidecar("out/real_timeseries.json")["Confounds"]
    np.testing.assert_allclose(written, frame, rtol=1e-9)
