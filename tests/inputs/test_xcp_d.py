"""XCP-D's tables beside its images: motion gives framewise displacement, outliers censor."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from images import SHAPE, make_labels, save

from niimasker.cli import main

N = 60
FUNC = Path("xcp_d/sub-01/func")
IMAGE = FUNC / "sub-01_task-rest_space-MNI152NLin2009cAsym_desc-denoised_bold.nii.gz"
MOTION, OUTLIERS = FUNC / "sub-01_task-rest_motion.tsv", FUNC / "sub-01_task-rest_outliers.tsv"
MOVED = [9, 10, 30]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """The current folder: an image of XCP-D with its tables of motion and outliers, and an atlas."""
    monkeypatch.chdir(tmp_path)
    noise = np.random.default_rng(1).integers(0, 1000, (*SHAPE, N), dtype=np.int16)
    save(IMAGE, noise, t_r=2.0)
    save(Path("atlas.nii.gz"), make_labels())
    displacement = np.full(N, 0.1)
    displacement[MOVED] = 2.0
    motion = pd.DataFrame(np.zeros((N, 6)), columns=["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"])
    motion.assign(framewise_displacement=displacement, framewise_displacement_filtered=9.0).to_csv(
        MOTION, sep="\t", index=False
    )
    write_outliers()
    return tmp_path


def write_outliers(**columns: np.ndarray) -> None:
    censored = np.isin(np.arange(N), MOVED).astype(int)
    pd.DataFrame({"framewise_displacement": censored, **columns}).to_csv(OUTLIERS, sep="\t", index=False)


def extract(*words: str, source: str | Path = "xcp_d", code: int = 0) -> dict:
    """Run a command and return the sidecar of its table."""
    desc = ["--desc", "denoised"] if source == "xcp_d" else []
    assert main(["out", "-i", str(source), *desc, "-r", "atlas.nii.gz", "--no_report", *words]) == code
    path = Path(f"out/{IMAGE.name.removesuffix('.nii.gz')}_timeseries.json")
    return json.loads(path.read_text()) if path.exists() else {}


def mean_fd() -> float:
    return pd.read_csv("out/niimasker_data/summary.tsv", sep="\t")["mean_fd"][0]


class TestMotion:
    def test_summary_has_its_framewise_displacement(self):
        sidecar = extract()
        assert mean_fd() == pytest.approx((0.1 * 57 + 2.0 * 3) / 60)
        assert sidecar["Sources"]["Motion"]["Path"].endswith(MOTION.name)
        assert "Confounds" not in sidecar["Sources"]

    @pytest.mark.parametrize("source", ["xcp_d", IMAGE], ids=["folder", "file"])
    @pytest.mark.parametrize("scrub", [["--scrub"], ["--regressors", "scrub"]], ids=["option", "word"])
    def test_scrubbing_takes_it(self, source, scrub):
        sidecar = extract(*scrub, "--std_dvars_threshold", "0", "--scrub_segment", "0", source=source)
        assert sidecar["Volumes"]["CensoredBy"]["framewise_displacement"] == len(MOVED)
        outliers = pd.read_csv(next(Path("out").glob("*_outliers.tsv")), sep="\t")
        assert np.flatnonzero(outliers["framewise_displacement"]).tolist() == MOVED

    def test_scrubbing_by_dvars_too_says_how_to_go_without(self, capsys):
        extract("--scrub", code=2)
        assert capsys.readouterr().err.endswith(
            f"{MOTION.name} has no column std_dvars (stdDVARS before fMRIPrep 1.2), which --scrub needs; "
            "--std_dvars_threshold 0 scrubs without it, --censor_file takes volumes of your own.\n"
        )

    def test_confounds_table_without_displacement_is_completed(self):
        table = FUNC / "sub-01_task-rest_desc-confounds_timeseries.tsv"
        pd.DataFrame({"csf": np.random.default_rng(0).normal(size=N)}).to_csv(table, sep="\t", index=False)
        sidecar = extract("--regressors", "csf", "--scrub", "--std_dvars_threshold", "0", "--scrub_segment", "0")
        assert sidecar["Confounds"] == ["csf"]
        assert sidecar["Volumes"]["Censored"] == len(MOVED)
        assert {"Confounds", "Motion"} <= sidecar["Sources"].keys()

    def test_confounds_table_with_displacement_is_not_completed(self):
        table = FUNC / "sub-01_task-rest_desc-confounds_timeseries.tsv"
        pd.DataFrame({"framewise_displacement": np.full(N, 0.2)}).to_csv(table, sep="\t", index=False)
        assert "Motion" not in extract()["Sources"]
        assert mean_fd() == pytest.approx(0.2)

    @pytest.mark.parametrize("words", [["--regressors", "trans_x"], ["--discard_scans", "auto"]], ids=lambda w: w[0])
    def test_it_is_no_confounds_table(self, capsys, words):
        extract(*words, code=2)
        assert capsys.readouterr().err.endswith(
            f"{IMAGE.name}: no confounds table beside it, expected sub-01_task-rest_desc-confounds_timeseries.tsv; put "
            "it there, or give --regressor_files.\n"
        )

    def test_table_of_another_length_is_told_and_not_used(self, capsys):
        MOTION.write_text("framewise_displacement\n0.1\n")
        assert "Motion" not in extract()["Sources"]
        assert capsys.readouterr().err == (
            f"niimasker: warning: the run's framewise displacement is not known: {MOTION} has 1 row but {IMAGE} has 60 "
            "volumes; each table of motion must come from the same run as its image. "
            f"({IMAGE.name.removesuffix('.nii.gz')})\n"
        )

    def test_table_of_another_length_is_an_error_for_scrubbing(self, capsys):
        MOTION.write_text("framewise_displacement\n0.1\n")
        extract("--scrub", "--std_dvars_threshold", "0", code=2)
        assert capsys.readouterr().err == (
            f"niimasker: error: {MOTION} has 1 row but {IMAGE} has 60 volumes; each table of motion must come from the "
            "same run as its image.\n"
        )

    def test_table_without_displacement_is_not_used(self, capsys):
        MOTION.write_text("trans_x\n" + "0\n" * N)
        assert "Motion" not in extract()["Sources"]
        assert np.isnan(mean_fd())

    def test_resume_does_a_run_again_whose_motion_changed(self):
        extract()
        MOTION.write_text("framewise_displacement\n" + "0.3\n" * N)
        extract("--resume")
        assert mean_fd() == pytest.approx(0.3)


class TestOutliers:
    @pytest.mark.parametrize("column", ["framewise_displacement", "outliers"])
    def test_they_serve_as_censor_file(self, column):
        table = pd.read_csv(OUTLIERS, sep="\t").set_axis([column], axis=1)
        table.to_csv(OUTLIERS, sep="\t", index=False)
        sidecar = extract("--censor_file", str(FUNC / "*_outliers.tsv"))
        assert sidecar["Volumes"]["CensoredBy"] == {"user": len(MOVED)}

    def test_volumes_chosen_at_random_are_not_censored(self):
        at_random = (np.arange(N) % 2) & ~np.isin(np.arange(N), MOVED)
        write_outliers(exact_30=at_random.astype(int))
        sidecar = extract("--censor_file", str(OUTLIERS))
        assert sidecar["Volumes"]["CensoredBy"] == {"user": len(MOVED)}

    def test_volumes_that_the_image_lacks_already_are_an_error(self, capsys):
        kept = np.setdiff1d(np.arange(N), MOVED)
        save(IMAGE, np.random.default_rng(1).normal(size=(*SHAPE, len(kept))).astype(np.float32), t_r=2.0)
        MOTION.unlink()
        extract("--censor_file", str(OUTLIERS), code=2)
        assert capsys.readouterr().err == (
            f"niimasker: error: {OUTLIERS} censors 3 volumes of 60, but {IMAGE} has the other 57 only: they are left "
            "out of the image already, as XCP-D does; leave --censor_file out for it.\n"
        )
