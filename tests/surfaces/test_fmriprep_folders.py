"""Surfaces and grayordinates by the names of fMRIPrep's versions, XCP-D and the HCP, by pattern and in a folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from extracting import CLOSE, assert_signals, extract_all, extract_run, refuse, run
from images import RAS, make_labels, make_series, save
from made_up_surfaces import save_dtseries, save_label_pair, save_pair
from nilearn.signal import clean
from region_means import mean_of_each
from small_brain import BRAIN, KEYS, N_MESH, NAMES, make_values, write_atlas

pytestmark = pytest.mark.usefixtures("folder")

MESH_KEYS = np.repeat([1, 2, 4], 14)
LEFT_NAMES, RIGHT_NAMES = {1: "a", 2: "b", 4: "c"}, {1: "d", 2: "e", 4: "f"}
N_VOLUMES = 30
SURFACES = (
    "{run}_hemi-{hemi}_space-fsaverage5_bold.func.gii",
    "{run}_space-fsaverage5_hemi-{hemi}_bold.func.gii",
    "{run}_bold_space-fsaverage5.{hemi}.func.gii",
    "{run}_space-fsaverage5_hemi-{hemi}.func.gii",
    "{run}_hemi-{hemi}_space-fsaverage5_desc-preproc_bold.func.gii",
)
GRAYORDINATES = (
    "{run}_space-fsLR_den-91k_bold.dtseries.nii",
    "{run}_space-fsLR_den-91k_desc-preproc_bold.dtseries.nii",
)
OTHERS = (
    "{run}_space-fsLR_den-91k_desc-denoised_bold.dtseries.nii",
    "{run}_space-fsLR_den-91k_desc-denoisedSmoothed_bold.dtseries.nii",
    "rfMRI_REST1_LR_Atlas_MSMAll_hp2000_clean.dtseries.nii",
    "{run}_Atlas_s0.dtseries.nii",
)


def write_surfaces(
    name: str, run_name: str = "sub-01_task-rest", folder: str = "prep/sub-01/func", seed: int = 0
) -> pd.DataFrame:
    """Write a run of both hemispheres and its atlas, and return the means of the regions."""
    both = [make_values(N_MESH, N_VOLUMES, seed=10 * seed + side) for side in (0, 1)]
    save_pair(f"{folder}/{name.format(run=run_name, hemi='{hemi}')}", *both)
    save_label_pair("atlas_hemi-{hemi}.label.gii", MESH_KEYS, MESH_KEYS[::-1], LEFT_NAMES, RIGHT_NAMES)
    parts = [mean_of_each(both[0], MESH_KEYS, LEFT_NAMES), mean_of_each(both[1], MESH_KEYS[::-1], RIGHT_NAMES)]
    return pd.concat(parts, axis=1)


def write_grayordinates(
    name: str, run_name: str = "sub-01_task-rest", folder: str = "prep/sub-01/func", seed: int = 0
) -> pd.DataFrame:
    """Write a run of grayordinates and its atlas, and return the means of the regions."""
    values = make_values(n_volumes=N_VOLUMES, seed=seed)
    save_dtseries(f"{folder}/{name.format(run=run_name)}", values, BRAIN)
    write_atlas()
    return mean_of_each(values, KEYS, NAMES)


def write_volume(name: str = "{run}_space-MNI152NLin2009cAsym_desc-preproc_bold.nii.gz") -> None:
    labels = make_labels()
    save(Path("prep/sub-01/func", name.format(run="sub-01_task-rest")), make_series(labels, N_VOLUMES), RAS, t_r=2.0)
    save(Path("atlas.nii.gz"), labels, RAS)


def write_confounds(name: str = "sub-01_task-rest_desc-confounds_timeseries.tsv") -> np.ndarray:
    values = np.random.default_rng(5).normal(size=(N_VOLUMES, 2)).round(6)
    pd.DataFrame(values, columns=["x", "y"]).to_csv(f"prep/sub-01/func/{name}", sep="\t", index=False)
    return values


PAIR_ATLAS = "atlas_hemi-{hemi}.label.gii"


@pytest.mark.parametrize("name", SURFACES)
def test_pairs_of_every_version_are_one_run_by_pattern(name):
    means = write_surfaces(name)
    assert_signals(extract_run("out", input_files="prep/*/func/*.func.gii", roi_file=PAIR_ATLAS), means)


@pytest.mark.parametrize("name", [*GRAYORDINATES, *OTHERS])
def test_grayordinates_of_every_program_are_a_run_by_pattern(name):
    means = write_grayordinates(name)
    assert_signals(extract_run("out", input_files="prep/*/func/*.dtseries.nii", roi_file="atlas.dlabel.nii"), means)


@pytest.mark.parametrize("name", SURFACES)
def test_pairs_of_every_version_are_found_in_a_folder(name):
    means = write_surfaces(name)
    assert_signals(extract_run("out", input_files="prep", roi_file=PAIR_ATLAS, space="fsaverage5"), means)


@pytest.mark.parametrize("name", GRAYORDINATES)
def test_grayordinates_are_found_in_a_folder(name):
    means = write_grayordinates(name)
    assert_signals(extract_run("out", input_files="prep", roi_file="atlas.dlabel.nii", space="fsLR"), means)


def test_volumes_and_surfaces_without_a_choice_are_an_error_that_lists_them():
    write_volume()
    write_surfaces(SURFACES[0])
    write_grayordinates(GRAYORDINATES[0])
    line = refuse("out", "-i", "prep", "-r", "atlas.nii.gz")
    assert line.startswith("niimasker: error: ")
    assert [name for name in ("--space", "MNI152NLin2009cAsym", "fsaverage5", "fsLR") if name not in line] == []


def test_space_chooses_among_volumes_and_surfaces():
    write_volume()
    surfaces, grayordinates = write_surfaces(SURFACES[0]), write_grayordinates(GRAYORDINATES[0])
    assert_signals(extract_run("a", input_files="prep", roi_file=PAIR_ATLAS, space="fsaverage5"), surfaces)
    assert_signals(extract_run("b", input_files="prep", roi_file="atlas.dlabel.nii", space="fsLR"), grayordinates)
    volume = extract_run("c", input_files="prep", roi_file="atlas.nii.gz", space="MNI152NLin2009cAsym")
    np.testing.assert_allclose(volume.signals["roi 1"], 10 + np.arange(N_VOLUMES))


def test_density_chooses_among_grayordinates():
    of_91k = write_grayordinates(GRAYORDINATES[0])
    of_170k = write_grayordinates("{run}_space-fsLR_den-170k_bold.dtseries.nii", seed=1)
    line = refuse("out", "-i", "prep", "-r", "atlas.dlabel.nii", "--space", "fsLR")
    assert [name for name in ("--den", "91k", "170k") if name not in line] == []
    options = {"input_files": "prep", "roi_file": "atlas.dlabel.nii", "space": "fsLR"}
    assert_signals(extract_run("a", **options, den="91k"), of_91k)
    assert_signals(extract_run("b", **options, den="170k"), of_170k)


def test_spaces_of_surfaces_are_told_apart():
    write_surfaces(SURFACES[0], seed=1)
    means = write_surfaces("{run}_hemi-{hemi}_space-fsnative_bold.func.gii")
    line = refuse("out", "-i", "prep", "-r", PAIR_ATLAS)
    assert [name for name in ("--space", "fsaverage5", "fsnative") if name not in line] == []
    assert_signals(extract_run("a", input_files="prep", roi_file=PAIR_ATLAS, space="fsnative"), means)


@pytest.mark.parametrize("name", [SURFACES[0], SURFACES[1], SURFACES[4]])
def test_confounds_beside_a_pair_are_found(name):
    means = write_surfaces(name)
    confounds = write_confounds()
    extracted = extract_run("out", input_files="prep/*/func/*.func.gii", roi_file=PAIR_ATLAS, regressors=["x", "y"])
    expected = clean(means.to_numpy(), confounds=confounds, detrend=False, standardize=None)
    np.testing.assert_allclose(extracted.signals, expected, atol=1e-6)


@pytest.mark.parametrize("name", [*GRAYORDINATES, OTHERS[0]])
def test_confounds_beside_grayordinates_are_found(name):
    means = write_grayordinates(name)
    confounds = write_confounds()
    extracted = extract_run(
        "out", input_files="prep/*/func/*.dtseries.nii", roi_file="atlas.dlabel.nii", regressors=["x", "y"]
    )
    expected = clean(means.to_numpy(), confounds=confounds, detrend=False, standardize=None)
    np.testing.assert_allclose(extracted.signals, expected, atol=1e-6)


def test_confounds_before_version_1_2_are_found():
    means = write_surfaces(SURFACES[2])
    confounds = write_confounds("sub-01_task-rest_bold_confounds.tsv")
    extracted = extract_run("out", input_files="prep/*/func/*.func.gii", roi_file=PAIR_ATLAS, regressors=["x", "y"])
    expected = clean(means.to_numpy(), confounds=confounds, detrend=False, standardize=None)
    np.testing.assert_allclose(extracted.signals, expected, atol=1e-6)


def test_tables_are_paired_with_runs_by_entities():
    runs = ["sub-01_task-rest_run-1", "sub-01_task-rest_run-2", "sub-01_task-rest_run-10"]
    means = {name: write_surfaces(SURFACES[0], name, seed=number) for number, name in enumerate(runs)}
    tables = {name: np.random.default_rng(runs.index(name)).normal(size=(N_VOLUMES, 1)).round(6) for name in runs}
    for name, values in tables.items():
        pd.DataFrame(values, columns=["x"]).to_csv(f"{name}_confounds.tsv", sep="\t", index=False)
    extracted = extract_all(
        "out",
        input_files="prep/*/func/*.func.gii",
        roi_file=PAIR_ATLAS,
        regressor_files=[f"{name}_confounds.tsv" for name in reversed(runs)],
        regressors="x",
    )
    for name, each in zip(runs, extracted, strict=True):
        expected = clean(means[name].to_numpy(), confounds=tables[name], detrend=False, standardize=None)
        np.testing.assert_allclose(each.signals, expected, atol=1e-6)


def test_runs_of_a_pattern_are_in_natural_order():
    for number in (10, 2, 1):
        write_grayordinates(GRAYORDINATES[0], f"sub-01_task-rest_run-{number}", seed=number)
    extracted = extract_all("out", input_files="prep/*/func/*.dtseries.nii", roi_file="atlas.dlabel.nii")
    for number, each in zip((1, 2, 10), extracted, strict=True):
        expected = mean_of_each(make_values(n_volumes=N_VOLUMES, seed=number), KEYS, NAMES)
        np.testing.assert_allclose(each.signals, expected, **CLOSE)


def test_surfaces_and_grayordinates_by_pattern_are_runs_of_one_call():
    write_surfaces(SURFACES[0])
    write_grayordinates(GRAYORDINATES[0])
    result = run(
        "out", "-i", "prep/*/func/*.gii", "prep/*/func/*.dtseries.nii", "-r", "atlas.dlabel.nii", "--no_report"
    )
    assert result.code == 0, result.err
    assert len(list(Path("out").glob("*_timeseries.tsv"))) == 2


def test_atlas_of_each_subject_is_filled_in():
    means = write_surfaces(SURFACES[0])
    for path in sorted(Path().glob("atlas_hemi-*.label.gii")):
        side = "L" if "hemi-L" in path.name else "R"
        path.rename(f"prep/sub-01/func/sub-01_hemi-{side}_space-fsaverage5_dseg.label.gii")
    roi_file = "sub-{sub}_hemi-{hemi}_space-fsaverage5_dseg.label.gii"
    assert_signals(extract_run("out", input_files="prep/*/func/*_bold.func.gii", roi_file=roi_file), means)
