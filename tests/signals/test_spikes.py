"""Spike regressors: the volumes that they remove, in the signals and in what a run is judged by."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from studies import summary, write_study

from niimasker.cli import main
from niimasker.signals.spikes import find_spiked

N_VOLUMES = 12
SPIKED = (4, 7)


def test_columns_with_a_single_value_remove_a_volume():
    regressors = np.array([[0, 1, 1, 0.0], [0, 1, 0, 0.5], [3, 1, 0, 0.2], [0, 1, 1, 0.0]])
    assert find_spiked(regressors).tolist() == [False, False, True, False]


def test_no_regressor_removes_no_volume():
    assert not find_spiked(np.empty((5, 0))).any()


@pytest.fixture
def spiked_run(tmp_path, monkeypatch) -> None:
    """The current folder: a run with spike regressors at two volumes of high motion."""
    monkeypatch.chdir(tmp_path)
    write_study(tmp_path, 1)
    displacement = np.where(np.isin(np.arange(N_VOLUMES), SPIKED), 3.0, 0.1)
    spikes = {f"motion_outlier{k:02}": (np.arange(N_VOLUMES) == at).astype(float) for k, at in enumerate(SPIKED)}
    table = pd.DataFrame({"framewise_displacement": displacement, **spikes})
    table.to_csv("sub-00_confounds.tsv", sep="\t", index=False)
    censored = np.isin(np.arange(N_VOLUMES), SPIKED).astype(int)
    Path("sub-00_censored.txt").write_text("\n".join(map(str, censored)))


def run(folder: str, *words: str) -> pd.Series:
    inputs = ("-i", "sub-00_bold.nii.gz", "-r", "atlas.nii.gz", "--regressor_files", "sub-00_confounds.tsv")
    assert main([folder, *inputs, *words]) == 0
    return summary(Path(folder)).iloc[0]


@pytest.mark.usefixtures("spiked_run")
@pytest.mark.filterwarnings("ignore::niimasker.errors.NiimaskerWarning")
class TestJudged:
    def test_minutes_and_motion_are_those_of_a_run_that_is_censored_there(self):
        spiked = run("spiked", "--regressors", "motion_outlier*")
        censored = run("censored", "--regressors", "none", "--censor_file", "sub-00_censored.txt")
        assert spiked["n_volumes"] == N_VOLUMES
        for column in ("minutes", "mean_fd_kept"):
            assert spiked[column] == pytest.approx(censored[column], rel=1e-5)
        assert spiked["mean_fd_kept"] == pytest.approx(0.1)

    def test_nothing_is_left_of_the_volumes(self):
        run("spiked", "--regressors", "motion_outlier*", "--no_report")
        table = pd.read_csv("spiked/sub-00_bold_timeseries.tsv", sep="\t")
        differences = np.abs(table - table.mean()).to_numpy()
        # Tables have eight decimals.
        assert differences[list(SPIKED)].max() < 1e-7 < differences.max()

    def test_page_says_so(self):
        run("spiked", "--regressors", "motion_outlier*")
        page = Path("spiked/reports/sub-00_bold_report.html").read_text("utf-8")
        assert "2 more are removed by spike regressors" in page
        assert "2 regressors, 2 of them spikes" in page
