"""The data set of --example: what is in it, that nilearn reads it, and that it shows what it claims to show."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nilearn.interfaces.fmriprep import load_confounds
from nilearn.maskers import NiftiLabelsMasker

from niimasker import extract
from niimasker.errors import OutputError
from niimasker.example.two_runs import make_configurations, write_two_runs
from niimasker.inputs.runs import find_runs
from niimasker.options.merging import make_settings

SPACE = "MNI152NLin2009aSym"
ATLAS = f"atlas/tpl-{SPACE}_atlas-Example_dseg"
RUNS = [f"fmriprep/sub-{subject}/func/sub-{subject}_task-rest" for subject in ("01", "02")]
FULL_MOTION = {"motion": "full"}
STRATEGIES = {
    "Params2": (["high_pass", "wm_csf"], {"wm_csf": "basic"}, 5),
    "Params6": (["high_pass", "motion"], {"motion": "basic"}, 9),
    "Params9": (["high_pass", "motion", "wm_csf", "global_signal"], {"motion": "basic"}, 12),
    "Params24": (["high_pass", "motion"], FULL_MOTION, 27),
    "Params36": (
        ["high_pass", "motion", "wm_csf", "global_signal"],
        FULL_MOTION | {"wm_csf": "full", "global_signal": "full"},
        39,
    ),
    "AnatCompCor": (
        ["high_pass", "motion", "compcor"],
        FULL_MOTION | {"compcor": "anat_combined", "n_compcor": 10},
        37,
    ),
    "TempCompCor": (["high_pass", "compcor"], {"compcor": "temporal", "n_compcor": 6}, 9),
}


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory) -> Path:
    return write_two_runs(tmp_path_factory.mktemp("example") / "not there yet" / "results [1]").parent


@pytest.fixture(scope="session")
def region_signals(data_dir) -> np.ndarray:
    # Images, not paths: nilearn takes the folder's brackets for a pattern.
    masker = NiftiLabelsMasker(nib.load(data_dir / f"{ATLAS}.nii.gz"), standardize=None)
    return masker.fit_transform(nib.load(bold_path(data_dir, RUNS[0])))


@pytest.fixture(scope="session")
def denoised_signals(data_dir, region_signals) -> np.ndarray:
    """What Params24 leaves of the volumes in the steady state."""
    strategy, options, _ = STRATEGIES["Params24"]
    confounds, steady = load_confounds(str(bold_path(data_dir, RUNS[0])), strategy=strategy, **options)
    regressors = confounds.assign(constant=1.0).to_numpy()[steady]
    return region_signals[steady] - regressors @ np.linalg.lstsq(regressors, region_signals[steady], rcond=None)[0]


def bold_path(data_dir: Path, run: str) -> Path:
    return data_dir / f"{run}_space-{SPACE}_desc-preproc_bold.nii.gz"


def mask_path(data_dir: Path, run: str) -> Path:
    return data_dir / f"{run}_space-{SPACE}_desc-brain_mask.nii.gz"


def confounds_of(data_dir: Path, run: str) -> pd.DataFrame:
    return pd.read_csv(data_dir / f"{run}_desc-confounds_timeseries.tsv", sep="\t")


def content_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_files_are_named_as_fmriprep_names_them(data_dir):
    suffixes = (
        f"_space-{SPACE}_desc-preproc_bold.nii.gz",
        f"_space-{SPACE}_desc-preproc_bold.json",
        f"_space-{SPACE}_desc-brain_mask.nii.gz",
        "_desc-confounds_timeseries.tsv",
        "_desc-confounds_timeseries.json",
    )
    runs = {f"{run}{suffix}" for run in RUNS for suffix in suffixes}
    runs |= {f"fmriprep/sub-{subject}/anat/sub-{subject}_space-{SPACE}_dseg.nii.gz" for subject in ("01", "02")}
    surface_suffixes = [
        *(f"_hemi-{side}_space-fsaverage5_bold.{ending}" for side in "LR" for ending in ("func.gii", "json")),
        "_desc-confounds_timeseries.tsv",
        "_desc-confounds_timeseries.json",
    ]
    surfaces = {f"surfaces/sub-01/func/sub-01_task-rest{suffix}" for suffix in surface_suffixes}
    atlases = {f"{ATLAS}.nii.gz", f"{ATLAS}.tsv", "atlas/seeds.tsv"}
    atlases |= {f"atlas/tpl-fsaverage_den-10k_hemi-{side}_atlas-Example_dseg.label.gii" for side in "LR"}
    folders = {f"{folder}/dataset_description.json" for folder in ("fmriprep", "surfaces")}
    assert set(content_of(data_dir)) == runs | surfaces | atlases | folders | {"config.json", "surfaces.json"}


def test_data_stay_small(data_dir):
    sizes = {name: len(content) for name, content in content_of(data_dir).items()}
    n_bytes_of_surfaces = sum(size for name, size in sizes.items() if name.startswith("surfaces/"))
    assert sum(sizes.values()) - n_bytes_of_surfaces < 12e6
    assert n_bytes_of_surfaces < 4e6


@pytest.mark.parametrize("run", RUNS)
def test_images_are_four_dimensional_with_t_r_in_seconds(data_dir, run):
    img = nib.load(bold_path(data_dir, run))
    assert img.shape == (50, 59, 48, 120)
    assert img.header.get_zooms() == (4, 4, 4, 2)
    assert img.header.get_xyzt_units() == ("mm", "sec")
    assert img.get_data_dtype() == np.int16
    sidecar = json.loads(bold_path(data_dir, run).with_suffix("").with_suffix(".json").read_text())
    assert sidecar["RepetitionTime"] == 2.0


@pytest.mark.parametrize("run", RUNS)
def test_background_is_zero_and_the_brain_is_not(data_dir, run):
    mask = np.asarray(nib.load(mask_path(data_dir, run)).dataobj) == 1
    mean = np.asarray(nib.load(bold_path(data_dir, run)).dataobj).mean(axis=-1)
    assert np.array_equal(mean > 0, mask)


def test_every_image_lies_on_one_grid(data_dir):
    paths = sorted(data_dir.rglob("*.nii.gz"))
    affines = [nib.load(path).affine for path in paths]
    assert {nib.load(path).shape[:3] for path in paths} == {(50, 59, 48)}
    assert all(np.array_equal(affine, affines[0]) for affine in affines)


def test_parcellation_holds_the_indices_of_its_table(data_dir):
    table = pd.read_csv(data_dir / f"{ATLAS}.tsv", sep="\t")
    parcellation = np.asarray(nib.load(data_dir / f"{ATLAS}.nii.gz").dataobj)
    assert parcellation.dtype == np.int16
    assert list(np.unique(parcellation)) == [0, *table["index"]]
    assert len(table) == 30
    assert table["name"].is_unique


def test_left_regions_are_the_mirror_image_of_right_regions(data_dir):
    parcellation = np.asarray(nib.load(data_dir / f"{ATLAS}.nii.gz").dataobj)
    mirrored = parcellation[::-1]
    left = (parcellation > 0) & (parcellation <= 15)
    assert np.array_equal(mirrored[left], parcellation[left] + 15)


def test_seeds_lie_in_the_regions_whose_names_they_bear(data_dir):
    seeds = pd.read_csv(data_dir / "atlas/seeds.tsv", sep="\t")
    indices = pd.read_csv(data_dir / f"{ATLAS}.tsv", sep="\t", index_col="name")["index"]
    img = nib.load(data_dir / f"{ATLAS}.nii.gz")
    voxels = nib.affines.apply_affine(np.linalg.inv(img.affine), seeds[["x", "y", "z"]]).round().astype(int)
    assert len(seeds) == 10
    for (i, j, k), name in zip(voxels, seeds["name"], strict=True):
        nearby = np.asarray(img.dataobj)[i - 1 : i + 2, j - 1 : j + 2, k - 1 : k + 2]
        assert set(nearby[nearby > 0]) == {indices[name]}


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_loads(data_dir, run, name):
    strategy, options, n_columns = STRATEGIES[name]
    confounds, sample_mask = load_confounds(str(bold_path(data_dir, run)), strategy=strategy, **options)
    assert confounds.shape == (120, n_columns)
    assert np.isfinite(confounds.to_numpy()).all()
    assert np.linalg.matrix_rank(confounds.iloc[1:] / confounds.iloc[1:].std()) == n_columns
    assert list(sample_mask) == list(range(1, 120))


@pytest.mark.parametrize("run", RUNS)
def test_confounds_are_those_of_the_stored_image(data_dir, run):
    confounds = confounds_of(data_dir, run)
    mask = np.asarray(nib.load(mask_path(data_dir, run)).dataobj) == 1
    volumes = np.asarray(nib.load(bold_path(data_dir, run)).dataobj)[mask]
    assert confounds["global_signal"].to_numpy() == pytest.approx(volumes.mean(axis=0), rel=1e-9)
    dvars = np.sqrt(np.mean(np.diff(volumes) ** 2, axis=0))
    assert confounds["dvars"][1:].to_numpy() == pytest.approx(dvars, rel=1e-9)


def test_only_what_needs_a_volume_before_is_missing_in_the_first_row(data_dir):
    text = (data_dir / f"{RUNS[0]}_desc-confounds_timeseries.tsv").read_text()
    header, first, *rest = (line.split("\t") for line in text.splitlines())
    missing = {name for name, value in zip(header, first, strict=True) if value == "n/a"}
    framewise = {"std_dvars", "dvars", "framewise_displacement", "rmsd"}
    assert missing == framewise | {name for name in header if "derivative1" in name}
    assert not any("n/a" in row for row in rest)


@pytest.mark.parametrize("run", RUNS)
def test_every_motion_outlier_has_its_column(data_dir, run):
    confounds = confounds_of(data_dir, run)
    columns = confounds.filter(like="motion_outlier")
    flagged = (confounds["framewise_displacement"] > 0.5) | (confounds["std_dvars"] > 1.5)
    assert (columns.sum() == 1).all()
    assert np.array_equal(columns.sum(axis=1) == 1, flagged)


def test_homologous_regions_correlate_more_than_random_pairs(data_dir, denoised_signals):
    correlation = np.corrcoef(denoised_signals.T)
    homologous = np.diag(correlation, k=15)
    names = pd.read_csv(data_dir / f"{ATLAS}.tsv", sep="\t")["name"].str.split("_", expand=True)
    other_network = correlation[names[1].to_numpy()[:, None] != names[1].to_numpy()]
    same_network = correlation[(names[1].to_numpy()[:, None] == names[1].to_numpy()) & ~np.eye(30, dtype=bool)]
    assert homologous.min() > 0.5
    assert homologous.mean() > same_network.mean() + 0.2
    assert same_network.mean() > abs(other_network.mean()) + 0.2


@pytest.mark.parametrize("run", RUNS)
def test_spikes_show_in_displacement_and_signal_at_once(data_dir, run):
    confounds = confounds_of(data_dir, run).iloc[2:]  # the step to the steady state is no motion
    displaced = confounds["framewise_displacement"] > 0.5
    assert displaced.sum() == 8  # four jumps, there and back
    assert np.array_equal(displaced, confounds["std_dvars"] > 1.5)
    assert np.array_equal(displaced, confounds["global_signal"].diff().abs() > 10)


def test_spikes_show_in_the_regions(data_dir, region_signals):
    displacement = confounds_of(data_dir, RUNS[0])["framewise_displacement"].iloc[2:]
    step = np.abs(np.diff(region_signals, axis=0)).mean(axis=1)[1:]
    assert step[displacement > 0.5].min() > 2 * step[displacement <= 0.5].max()


def test_subjects_differ(data_dir):
    first, second = (bold_path(data_dir, run).read_bytes() for run in RUNS)
    assert first != second


def test_writing_again_gives_the_same_bytes_and_leaves_other_files(data_dir):
    before = content_of(data_dir)
    own_path = data_dir / "notes.txt"
    own_path.write_bytes(b"mine")
    (data_dir / "config.json").write_text("half a fi")
    write_two_runs(data_dir.parent)
    after = content_of(data_dir)
    own_path.unlink()
    assert after == before | {"notes.txt": b"mine"}


def test_paths_in_config_start_with_the_folder_as_given(data_dir):
    config = json.loads((data_dir / "config.json").read_text())
    assert config["roi_file"] == f"{data_dir}/{ATLAS}.nii.gz"
    assert config["input_files"] == f"{data_dir}/fmriprep"


def test_folder_in_config_holds_the_runs_with_their_confounds(data_dir):
    runs = find_runs(make_settings({"output_dir": "out"}, json.loads((data_dir / "config.json").read_text())))
    assert [run.image_path for run in runs] == [bold_path(data_dir, run) for run in RUNS]
    assert [run.confounds_path for run in runs] == [data_dir / f"{run}_desc-confounds_timeseries.tsv" for run in RUNS]


@pytest.mark.parametrize("folder", ["example_output/data", "results/../results/data", "/srv/example/data"])
def test_folder_is_neither_resolved_nor_shortened(folder):
    config = json.loads(make_configurations(Path(folder))["config.json"])
    assert config["roi_file"] == f"{Path(folder)}/{ATLAS}.nii.gz"
    assert config["input_files"] == f"{Path(folder)}/fmriprep"


def test_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(OutputError, match=r"taken/data/.* cannot be written"):
        write_two_runs(tmp_path / "taken")


def test_run_on_the_surface_has_the_signals_of_the_volumes(data_dir, tmp_path):
    on_volumes, on_surfaces = (
        extract(
            tmp_path / name,
            input_files=str(data_dir / folder),
            participant_label="01",
            roi_file=str(data_dir / atlas),
            discard_scans="auto",
        )
        for name, folder, atlas in (
            ("volumes", "fmriprep", f"{ATLAS}.nii.gz"),
            ("surfaces", "surfaces", "atlas/tpl-fsaverage_den-10k_hemi-{hemi}_atlas-Example_dseg.label.gii"),
        )
    )
    tables = [pd.read_csv(each[0].tables[0].signals_path, sep="\t") for each in (on_volumes, on_surfaces)]
    assert list(tables[0]) == list(tables[1])
    assert np.diag(np.corrcoef(*[table.T for table in tables])[:30, 30:]).min() > 0.9
