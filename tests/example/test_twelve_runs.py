"""The data set of --example study: what is in it, and that motion leaves in it what motion leaves in real data."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nilearn.interfaces.fmriprep import load_confounds
from nilearn.maskers import NiftiLabelsMasker
from scipy.stats import pearsonr

from niimasker.cli import main
from niimasker.errors import SettingsError
from niimasker.example.template import load_brain
from niimasker.example.twelve_runs import RESOLUTION, RUNS, StudyRun, make_run, write_twelve_runs
from niimasker.options.command_line import read_command_line
from niimasker.options.merging import make_settings
from niimasker.options.thresholds import Threshold

SPACE = "MNI152NLin2009aSym"
ATLAS = f"atlas/tpl-{SPACE}_res-08_atlas-Example_dseg"
STILL, MOVING = min(RUNS, key=lambda run: run.mean_fd), max(RUNS, key=lambda run: run.mean_fd)


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory) -> Path:
    return write_twelve_runs(tmp_path_factory.mktemp("study") / "results [1]").parent


def bold_path(data_dir: Path, run: StudyRun) -> Path:
    return data_dir / f"study/{run.stem}_space-{SPACE}_desc-preproc_bold.nii.gz"


def confounds_of(data_dir: Path, run: StudyRun) -> pd.DataFrame:
    return pd.read_csv(data_dir / f"study/{run.stem}_desc-confounds_timeseries.tsv", sep="\t")


def region_signals(data_dir: Path, run: StudyRun) -> np.ndarray:
    """Return what nilearn extracts of the volumes in the steady state."""
    masker = NiftiLabelsMasker(nib.load(data_dir / f"{ATLAS}.nii.gz"), standardize=None)
    return masker.fit_transform(nib.load(bold_path(data_dir, run)))[1:]


def fd_of(data_dir: Path, run: StudyRun) -> np.ndarray:
    """Return the framewise displacement of the volumes in the steady state."""
    return confounds_of(data_dir, run)["framewise_displacement"].to_numpy()[1:]


def test_twelve_runs_of_eight_subjects_are_named_as_fmriprep_names_them(data_dir):
    suffixes = (
        f"_space-{SPACE}_desc-preproc_bold.nii.gz",
        f"_space-{SPACE}_desc-preproc_bold.json",
        f"_space-{SPACE}_desc-brain_mask.nii.gz",
        "_desc-confounds_timeseries.tsv",
        "_desc-confounds_timeseries.json",
    )
    assert (len(RUNS), len({run.subject for run in RUNS})) == (12, 8)
    files = {f"study/{run.stem}{suffix}" for run in RUNS for suffix in suffixes}
    subjects = {f"sub-{run.subject:02}" for run in RUNS}
    files |= {f"study/{subject}/anat/{subject}_space-{SPACE}_dseg.nii.gz" for subject in subjects}
    files |= {f"{ATLAS}.nii.gz", f"{ATLAS}.tsv", "study/dataset_description.json", "study.json"}
    assert {path.relative_to(data_dir).as_posix() for path in data_dir.rglob("*") if path.is_file()} == files


def test_data_stay_small(data_dir):
    assert sum(path.stat().st_size for path in data_dir.rglob("*") if path.is_file()) < 10e6


def test_regions_are_those_of_the_example_and_none_is_empty(data_dir):
    table = pd.read_csv(data_dir / f"{ATLAS}.tsv", sep="\t")
    parcellation = np.asarray(nib.load(data_dir / f"{ATLAS}.nii.gz").dataobj)
    assert list(np.unique(parcellation)) == [0, *table["index"]]
    assert {name.split("_")[1] for name in table["name"]} == {"Vis", "SomMot", "DorsAttn", "Limbic", "Default"}
    assert np.bincount(parcellation[parcellation > 0]).min(initial=99, where=np.arange(31) > 0) > 20


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.stem)
def test_mean_motion_is_about_what_the_run_is_made_for(data_dir, run):
    assert fd_of(data_dir, run).mean() == pytest.approx(run.mean_fd, rel=0.1)


def test_runs_range_from_still_to_moving(data_dir):
    means = [fd_of(data_dir, run).mean() for run in RUNS]
    assert (min(means), max(means)) == pytest.approx((0.05, 0.56), abs=0.01)


def test_motion_comes_in_bursts(data_dir):
    displacement = fd_of(data_dir, MOVING)
    assert np.median(displacement) < 0.2
    assert 0.3 < (displacement > 0.5).mean() < 0.4
    assert (fd_of(data_dir, STILL) > 0.2).sum() == 0


def test_displacement_is_that_of_the_motion_parameters(data_dir):
    table = confounds_of(data_dir, MOVING)
    changes = table[["trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"]].diff().abs().to_numpy()
    expected = changes[:, :3].sum(axis=1) + 50 * changes[:, 3:].sum(axis=1)
    assert table["framewise_displacement"][1:].to_numpy() == pytest.approx(expected[1:], rel=1e-6)


def test_volumes_that_move_are_darker_as_a_whole(data_dir):
    table = confounds_of(data_dir, MOVING)[2:]
    assert pearsonr(table["framewise_displacement"], table["global_signal"]).statistic < -0.5


def test_motion_makes_near_regions_more_alike_than_far_ones(data_dir):
    """In volumes that move, beside what all regions share: the patches that neighbours have in common."""
    parcellation = np.asarray(nib.load(data_dir / f"{ATLAS}.nii.gz").dataobj)
    centres = np.array([8.0 * np.argwhere(parcellation == index).mean(axis=0) for index in range(1, 31)])
    pairs = np.triu_indices(30, k=1)
    distance = np.linalg.norm(centres[pairs[0]] - centres[pairs[1]], axis=1)
    signals, moves = region_signals(data_dir, MOVING), fd_of(data_dir, MOVING) > 0.5
    signals = signals - signals.mean(axis=1, keepdims=True)
    moving, still = (np.corrcoef(signals[rows].T)[pairs] for rows in (moves, ~moves))
    assert pearsonr(moving - still, distance).statistic < -0.2


@pytest.mark.parametrize("run", [STILL, MOVING], ids=["still", "moving"])
@pytest.mark.parametrize(
    ("strategy", "n_columns"),
    [
        ({"strategy": ["high_pass", "motion", "wm_csf"], "motion": "full", "wm_csf": "basic"}, 32),
        ({"strategy": ["motion", "wm_csf", "global_signal"], "wm_csf": "full", "global_signal": "full"}, 36),
        ({"strategy": ["high_pass", "motion", "compcor"], "compcor": "anat_combined", "n_compcor": "all"}, 40),
    ],
    ids=["simple", "36P", "compcor"],
)
def test_nilearn_reads_the_confounds_of_published_strategies(data_dir, run, strategy, n_columns):
    confounds, sample_mask = load_confounds(str(bold_path(data_dir, run)), **strategy)
    assert confounds.shape == (150, n_columns)
    assert np.linalg.matrix_rank(confounds.iloc[1:] / confounds.iloc[1:].std()) == n_columns
    assert list(sample_mask) == list(range(1, 150))


def test_each_call_makes_the_same_bytes(data_dir):
    brain = load_brain(RESOLUTION)
    first, second = (make_run(brain, MOVING) for _ in range(2))
    assert np.array_equal(first.stored, second.stored)
    stored = np.asarray(nib.load(bold_path(data_dir, MOVING)).dataobj.get_unscaled())
    assert np.array_equal(stored[brain.mask], first.stored)


def test_paths_in_the_configuration_start_with_the_folder_as_given(data_dir):
    config = json.loads((data_dir / "study.json").read_text())
    assert config["input_files"] == f"{data_dir}/study"
    assert config["roi_file"] == f"{data_dir}/{ATLAS}.nii.gz"
    settings = make_settings({"output_dir": "out"}, config)
    assert len(settings.pipelines) == 6
    assert settings.judge.minutes == Threshold(amber=6, red=4)


def test_other_words_name_the_choice(capsys, tmp_path):
    assert main([str(tmp_path / "out"), "--example", "studies"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("niimasker: error: --example: expected no word or 'study', found 'studies'")
    assert len(said.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_output_dir_may_follow_the_example():
    assert read_command_line(["--example", "out"]) == {"output_dir": "out", "example": ""}
    assert read_command_line(["out", "--example", "study"]) == {"output_dir": "out", "example": "study"}
    with pytest.raises(SettingsError, match="output_dir is missing"):
        read_command_line(["--example", "study"])
