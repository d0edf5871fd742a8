"""Scrubbing and regression by files of motion parameters, through `main`, and what the outputs say of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from confounds_tables import FULL_MOTION, MOTION
from images import SHAPE, make_labels, save

from niimasker.cli import main
from niimasker.signals.motion_filter import MotionFilter, filter_motion

N = 60
JUMPS = [20, 21, 40]
SCRUB = ("--regressors", "scrub", "--std_dvars_threshold", "0", "--scrub_segment", "0")


def make_motion() -> np.ndarray:
    """Slow drifts in mm and radians, at rest but for three volumes."""
    motion = np.linspace(0, [0.6, -0.3, 0.6, 0.006, -0.003, 0.0], N)
    motion[20, 0] += 0.8
    motion[40:, 4] += 0.02
    return motion


def displacement(head_radius=50.0) -> np.ndarray:
    return np.abs(np.diff(make_motion(), axis=0)) @ [1, 1, 1, *[head_radius] * 3]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """The current folder: an image, an atlas, and its motion parameters as mcflirt writes them."""
    monkeypatch.chdir(tmp_path)
    save(Path("bold.nii"), np.random.default_rng(1).integers(0, 1000, (*SHAPE, N), dtype=np.int16), t_r=2.0)
    save(Path("atlas.nii"), make_labels())
    np.savetxt("bold_mcf.par", np.roll(make_motion(), 3, axis=1))
    return tmp_path


@pytest.fixture
def niimasker(capsys):
    """Return a function that runs a command on the image, and returns its exit code and messages."""

    def run(*words: str, table: str = "bold_mcf.par", no_report: bool = True) -> tuple[int, str]:
        capsys.readouterr()
        tables = ["--regressor_files", table] if table else []
        code = main(["out", "-i", "bold.nii", "-r", "atlas.nii", *tables, *["--no_report"] * no_report, *words])
        return code, capsys.readouterr().err

    return run


def sidecar() -> dict:
    return json.loads(Path("out/bold_timeseries.json").read_text("utf-8"))


def mean_fd() -> float:
    return pd.read_csv("out/niimasker_data/summary.tsv", sep="\t")["mean_fd"][0]


def censored(reason="framewise_displacement") -> list[int]:
    return np.flatnonzero(pd.read_csv("out/bold_outliers.tsv", sep="\t")[reason]).tolist()


def write_table(**columns: np.ndarray) -> None:
    frame = pd.DataFrame(make_motion(), columns=list(MOTION)).assign(**columns)
    frame.to_csv("confounds.tsv", sep="\t", index=False, na_rep="n/a")


def test_file_of_mcflirt_scrubs(niimasker):
    assert niimasker("--motion_format", "fsl", *SCRUB) == (0, "")
    assert censored() == JUMPS
    assert mean_fd() == pytest.approx(displacement().mean(), rel=1e-5)
    assert sidecar()["FramewiseDisplacement"] == "motion parameters, head radius 50 mm"
    assert sidecar()["Confounds"] == []


def test_head_radius_is_that_of_the_option(niimasker):
    # 0.02 radians are 1 mm at 50 mm and 0.4 mm at 20 mm.
    assert niimasker("--motion_format", "fsl", *SCRUB, "--head_radius", "20") == (0, "")
    assert censored() == JUMPS[:2]
    assert mean_fd() == pytest.approx(displacement(20).mean(), rel=1e-5)
    assert sidecar()["FramewiseDisplacement"] == "motion parameters, head radius 20 mm"


def test_params24_are_regressed_out(niimasker):
    code, err = niimasker("--motion_format", "fsl", "--regressors", "Params24")
    assert code == 0
    assert "no columns cosine00" in err
    assert {*sidecar()["Confounds"], *sidecar()["ConfoundsLeftOut"]} == set(FULL_MOTION)


def test_pattern_that_matches_a_computed_column_matches(niimasker):
    assert niimasker("--motion_format", "fsl", "--regressors", "*_z_derivative1")[0] == 0
    assert set(sidecar()["Confounds"]) <= {"rot_z_derivative1", "trans_z_derivative1"}


def test_without_a_format_the_option_is_named(niimasker):
    code, err = niimasker(*SCRUB)
    assert (code, Path("out").exists()) == (2, False)
    assert "bold_mcf.par has no header" in err
    assert "--motion_format" in err


def test_wrong_format_is_suspected(niimasker):
    # Read as SPM's, translations of 0.8 mm would be rotations of 0.8 radians.
    code, err = niimasker("--motion_format", "spm", *SCRUB)
    assert code == 0
    assert "bold_mcf.par: the head would turn by 57 degrees, which is implausible; rotations must be in radians" in err


def test_motion_parameters_of_a_table_take_the_place_of_the_column(niimasker):
    write_table()
    assert niimasker(*SCRUB, table="confounds.tsv") == (0, "")
    assert censored() == JUMPS


def test_column_comes_before_the_motion_parameters(niimasker):
    write_table(framewise_displacement=np.where(np.arange(N) == 7, 1.0, 0.1))
    assert niimasker(*SCRUB, table="confounds.tsv") == (0, "")
    assert censored() == [7]
    assert sidecar()["FramewiseDisplacement"] == "column framewise_displacement"
    code, err = niimasker(*SCRUB, "--head_radius", "50", table="confounds.tsv")
    assert (code, err.count("\n")) == (0, 1)
    assert "no head_radius by head_radius 50.0" in err
    assert censored() == JUMPS


def test_neither_column_nor_parameters_is_an_error_only_for_scrubbing(niimasker):
    pd.DataFrame({"csf": np.random.default_rng(0).normal(size=N)}).to_csv("confounds.tsv", sep="\t", index=False)
    code, err = niimasker(*SCRUB, table="confounds.tsv")
    assert code == 2
    assert "has no column framewise_displacement" in err
    assert "and no motion parameters (trans_x, ..., rot_z), which --scrub needs" in err
    assert niimasker("--regressors", "csf", table="confounds.tsv") == (0, "")
    assert sidecar()["FramewiseDisplacement"] is None
    code, err = niimasker("--regressors", "csf", "--head_radius", "40", table="confounds.tsv")
    assert code == 0
    assert "the run's framewise displacement is not known: confounds.tsv has no motion parameters" in err
    assert niimasker(*SCRUB, "--head_radius", "40", table="confounds.tsv")[0] == 2


def test_gap_in_the_parameters_at_a_kept_volume_is_an_error(niimasker):
    motion = make_motion()
    motion[30, 2] = np.nan
    pd.DataFrame(motion, columns=list(MOTION)).to_csv("confounds.tsv", sep="\t", index=False, na_rep="n/a")
    code, err = niimasker(*SCRUB, table="confounds.tsv")
    assert code == 2
    source = "framewise displacement, computed from motion parameters, head radius 50 mm,"
    assert f"confounds.tsv: {source} has no number in row 31 (" in err


def test_format_without_tables_is_ignored(niimasker):
    code, err = niimasker("--motion_format", "spm", table="")
    assert code == 0
    assert "--motion_format spm is ignored without --regressor_files" in err


def test_page_draws_the_motion_and_says_where_it_is_from(niimasker):
    assert niimasker("--motion_format", "fsl", *SCRUB, no_report=False) == (0, "")
    page = Path("out/reports/bold_report.html").read_text("utf-8")
    assert "framewise displacement (mm)" in page
    assert "Framewise displacement is computed from motion parameters, head radius 50 mm." in page
    assert (
        "Framewise displacement was computed from the motion parameters, with rotations as arcs on a sphere of 50 mm"
        in page
    )
    assert "Power et al., 2012" in page


RESPIRATION = ("--motion_filter", "notch", "--band_stop_min", "12", "--band_stop_max", "18")


@pytest.fixture
def breathing(folder) -> np.ndarray:
    """Motion with a breath each four seconds, 15 in a minute, of 0.8 mm to and fro; and one jump, at 40."""
    motion = np.zeros((N, 6))
    motion[:, 1] = 0.4 * np.sin(2 * np.pi * np.arange(N) * 0.8 * 15 / 60)
    motion[40:, 0] = 1.5
    pd.DataFrame(motion, columns=list(MOTION)).to_csv("confounds.tsv", sep="\t", index=False)
    return motion


def test_filter_of_respiration_leaves_the_jump(niimasker, breathing):
    # Volumes 0.8 s apart; without the filter half of the run moves by more than 0.3 mm.
    words = (*SCRUB, "--t_r", "0.8", "--fd_threshold", "0.3")
    niimasker(*words, table="confounds.tsv")
    assert len(censored()) > N / 2
    code, err = niimasker(*words, *RESPIRATION, "--overwrite", table="confounds.tsv")
    assert code == 0, err
    assert 40 in censored()
    assert set(censored()) <= {0, 1, 2, *range(36, 45), N - 2, N - 1}
    assert sidecar()["FramewiseDisplacement"] == (
        "motion parameters, notch filter from 12 to 18 breaths per minute, head radius 50 mm"
    )
    motion_filter = MotionFilter("notch", 12, 18, 0.8)
    changes = np.abs(np.diff(filter_motion(breathing, motion_filter), axis=0)) @ [1, 1, 1, 50, 50, 50]
    assert mean_fd() == pytest.approx(changes.mean(), rel=1e-5)
    assert (1 + np.flatnonzero(changes > 0.3)).tolist() == censored()


def test_filtered_regressors_are_regressed_out_and_written(niimasker, breathing):
    code, err = niimasker("--regressors", "trans_*", "--t_r", "0.8", *RESPIRATION, table="confounds.tsv")
    assert code == 0, err
    written = pd.read_csv("out/bold_regressors.tsv", sep="\t")
    expected = filter_motion(breathing, MotionFilter("notch", 12, 18, 0.8))[:, :3]
    np.testing.assert_allclose(written[["trans_x", "trans_y", "trans_z"]], expected, rtol=1e-9, atol=1e-12)


def test_first_derivative_is_filled_after_filtering(niimasker):
    words = ("--motion_format", "fsl", "--regressors", "motion=derivatives", "--motion_filter", "lp")
    code, err = niimasker(*words, "--band_stop_min", "6", "--discard_scans", "2")
    assert code == 0, err
    written = pd.read_csv("out/bold_regressors.tsv", sep="\t")
    filtered = filter_motion(make_motion(), MotionFilter("lp", 6, None, 2.0))
    changes = np.diff(filtered[:, 0])
    np.testing.assert_allclose(written["trans_x_derivative1"], [changes[0], *changes], rtol=1e-8, atol=1e-12)


def test_page_says_how_motion_was_filtered(niimasker, breathing):
    words = (*SCRUB, "--t_r", "0.8", "--motion_filter", "lp", "--band_stop_min", "6")
    code, err = niimasker(*words, table="confounds.tsv", no_report=False)
    assert code == 0, err
    page = Path("out/reports/bold_report.html").read_text("utf-8")
    assert "filter motion" in page
    assert "with a low-pass filter at 6 breaths per minute, run forwards and backwards (Gratton et al., 2020)" in page
    assert "doi:10.1016/j.neuroimage.2020.116866" in page


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--motion_filter", "lp"], "--motion_filter lp needs --band_stop_min, in breaths per minute."),
        (["--motion_filter", "notch", "--band_stop_min", "12"], "--motion_filter notch needs --band_stop_max, in"),
        (
            ["--motion_filter", "lp", "--band_stop_min", "0.1"],
            "than one breath per minute; if it is in Hz, give 6.",
        ),
        (
            ["--motion_filter", "notch", "--band_stop_min", "14", "--band_stop_max", "12"],
            "--band_stop_min 14 is not below --band_stop_max 12 breaths per minute",
        ),
        (["--motion_filter", "lp", "--band_stop_min", "20"], "not below 15 breaths per minute, the Nyquist frequency"),
    ],
)
def test_filter_that_cannot_be_is_refused(niimasker, words, message):
    code, err = niimasker("--motion_format", "fsl", *SCRUB, *words)
    assert (code, Path("out").exists()) == (2, False)
    assert message in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--band_stop_min", "6"], "--band_stop_min is ignored without --motion_filter lp or notch."),
        (
            ["--motion_filter", "lp", "--band_stop_min", "6", "--band_stop_max", "12"],
            "--band_stop_max is ignored without --motion_filter notch.",
        ),
    ],
)
def test_cut_off_without_its_filter_is_ignored(niimasker, words, message):
    code, err = niimasker("--motion_format", "fsl", *SCRUB, *words)
    assert code == 0
    assert message in err


def test_run_without_motion_parameters_is_refused_a_filter(niimasker):
    pd.DataFrame({"csf": np.random.default_rng(0).normal(size=N)}).to_csv("confounds.tsv", sep="\t", index=False)
    code, err = niimasker("--regressors", "csf", *RESPIRATION, "--t_r", "0.8", table="confounds.tsv")
    assert code == 2
    assert "confounds.tsv has not all motion parameters (trans_x, trans_y, trans_z, rot_x, rot_y, rot_z), which" in err


def test_uneven_volumes_are_refused_a_filter(niimasker):
    times = [*(2.0 * np.arange(N - 1)), 200.0]
    Path("bold.json").write_text(json.dumps({"VolumeTiming": times}), "utf-8")
    words = ("--motion_format", "fsl", *SCRUB, "--motion_filter", "lp", "--band_stop_min", "6")
    code, err = niimasker(*words)
    assert code == 1
    assert "no repetition time; --motion_filter needs evenly spaced volumes: leave the filter out" in err


def test_pipelines_may_differ_in_the_filter(niimasker, breathing):
    pipelines = {"raw": {"regressors": "motion=basic"}, "filtered": {"motion_filter": "lp", "band_stop_min": 6}}
    Path("pipelines.json").write_text(json.dumps(pipelines), "utf-8")
    words = ("--regressors", "motion=basic", "--t_r", "0.8", "--pipelines", "pipelines.json")
    code, err = niimasker(*words, table="confounds.tsv")
    assert code == 0, err
    sources = {
        name: json.loads(Path(f"out/bold_desc-{name}_timeseries.json").read_text("utf-8"))["FramewiseDisplacement"]
        for name in pipelines
    }
    assert sources == {
        "raw": "motion parameters, head radius 50 mm",
        "filtered": "motion parameters, low-pass filter at 6 breaths per minute, head radius 50 mm",
    }
