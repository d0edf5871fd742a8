"""Random combinations of options against nilearn's maskers called directly."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from images import LAS, OBLIQUE, RAS, save
from nilearn.image import index_img
from nilearn.maskers import NiftiLabelsMasker, NiftiMapsMasker, NiftiMasker, NiftiSpheresMasker

from niimasker import extract
from niimasker.options.settings import ENGINES

SHAPE = (9, 10, 11)
N_VOLUMES = 48
T_R = 2.0

# Both sides compute in float64 from the same float64 voxels; the table's 12 decimals and a different order of sums
# are 1e-9 of a signal with a standard deviation of about 1. A filter amplifies rounding by less than a thousand.
TOLERANCE = 1e-6


@dataclass(frozen=True)
class Case:
    kind: str
    affine: str
    masked: bool
    smoothing_fwhm: float | None
    discard_scans: int
    n_confounds: int
    detrend: bool
    standardize: bool
    high_pass: float | None
    low_pass: float | None
    seed: int


cases = st.builds(
    Case,
    kind=st.sampled_from(["labels", "mask", "voxels", "maps", "spheres"]),
    affine=st.sampled_from(["RAS", "LAS", "OBLIQUE"]),
    masked=st.booleans(),
    smoothing_fwhm=st.sampled_from([None, 5.0]),
    discard_scans=st.sampled_from([0, 3]),
    n_confounds=st.sampled_from([0, 4]),
    detrend=st.booleans(),
    standardize=st.booleans(),
    high_pass=st.sampled_from([None, 0.02]),
    low_pass=st.sampled_from([None, 0.1]),
    seed=st.integers(0, 2**16),
)
AFFINES = {"RAS": RAS, "LAS": LAS, "OBLIQUE": OBLIQUE}


@dataclass(frozen=True)
class Files:
    image: Path
    roi: Path
    mask: Path
    confounds: Path


def write_files(case: Case, folder: Path) -> Files:
    rng = np.random.default_rng(case.seed)
    affine = AFFINES[case.affine]
    volumes = 1000 + rng.normal(size=(*SHAPE, N_VOLUMES)).cumsum(axis=-1)
    image = save(folder / "bold.nii.gz", volumes, affine, t_r=T_R)
    mask = save(folder / "mask.nii.gz", (rng.random(SHAPE) < 0.7).astype(np.uint8), affine)
    table = pd.DataFrame(rng.normal(size=(N_VOLUMES, 4)).cumsum(axis=0), columns=list("abcd"))
    table.to_csv(folder / "confounds.tsv", sep="\t", index=False)
    return Files(image, write_regions(case, affine, rng, folder), mask, folder / "confounds.tsv")


def write_regions(case: Case, affine: np.ndarray, rng: np.random.Generator, folder: Path) -> Path:
    if case.kind == "labels":
        # Regions reach the volume's edge.
        return save(folder / "roi.nii.gz", rng.choice([0, 2, 3, 7, 40], size=SHAPE).astype(np.int16), affine)
    if case.kind in ("mask", "voxels"):
        return save(folder / "roi.nii.gz", (rng.random(SHAPE) < 0.1).astype(np.uint8), affine)
    if case.kind == "maps":
        weights = rng.random((*SHAPE, 3)) * (rng.random((*SHAPE, 3)) < 0.4)
        return save(folder / "roi.nii.gz", weights, affine)
    centres = nib.affines.apply_affine(affine, [[2, 2, 3], [6, 7, 8], [5, 5, 5]])
    pd.DataFrame(centres, columns=["x", "y", "z"]).to_csv(folder / "roi.tsv", sep="\t", index=False)
    return folder / "roi.tsv"


def by_niimasker(case: Case, files: Files, folder: Path, engine: str) -> np.ndarray:
    options = {
        name: getattr(case, name)
        for name in ("smoothing_fwhm", "discard_scans", "detrend", "standardize", "high_pass", "low_pass")
    }
    if case.n_confounds:
        options |= {"regressor_files": str(files.confounds), "regressors": list("abcd"[: case.n_confounds])}
    if case.kind == "spheres":
        options |= {"radius": 6.5, "allow_overlap": True}
    if case.kind == "voxels":
        options |= {"as_voxels": True}
    elif case.masked:
        options |= {"mask_img": files.mask}
    (outcome,) = extract(
        folder / "out",
        no_report=True,
        input_files=str(files.image),
        roi_file=files.roi,
        engine=engine,
        n_decimals=12,
        **options,
    )
    assert outcome.reason is None
    return pd.read_csv(outcome.tables[0].signals_path, sep="\t").to_numpy()


def by_nilearn(case: Case, files: Files) -> np.ndarray:
    shared = {
        "smoothing_fwhm": case.smoothing_fwhm,
        "detrend": case.detrend,
        "standardize": "zscore_sample" if case.standardize else None,
        "high_pass": case.high_pass,
        "low_pass": case.low_pass,
        "t_r": T_R,
        "reports": False,
    }
    mask_img = str(files.mask) if case.masked else None
    if case.kind in ("labels", "mask"):
        masker = NiftiLabelsMasker(str(files.roi), mask_img=mask_img, **shared)
    elif case.kind == "voxels":
        masker = NiftiMasker(str(files.roi), **shared)
    elif case.kind == "maps":
        masker = NiftiMapsMasker(str(files.roi), mask_img=mask_img, **shared)
    else:
        seeds = pd.read_csv(files.roi, sep="\t").to_numpy().tolist()
        masker = NiftiSpheresMasker(seeds, radius=6.5, mask_img=mask_img, allow_overlap=True, **shared)
    confounds = pd.read_csv(files.confounds, sep="\t").to_numpy()[case.discard_scans :, : case.n_confounds]
    img = index_img(str(files.image), slice(case.discard_scans, None))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return masker.fit_transform(img, confounds=confounds if case.n_confounds else None)


@pytest.mark.parametrize("engine", ENGINES)
@given(case=cases)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.filterwarnings("ignore::niimasker.errors.NiimaskerWarning")
def test_signals_equal_those_of_nilearn(engine, case, tmp_path_factory):
    folder = tmp_path_factory.mktemp("case")
    files = write_files(case, folder)
    found, expected = by_niimasker(case, files, folder, engine), by_nilearn(case, files)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < TOLERANCE * expected.std(axis=0).min()


@pytest.mark.filterwarnings("ignore:From release 0.14.0:DeprecationWarning")  # nilearn 0.13, of its own default
def test_filter_and_confounds_together_equal_nilearn_of_today(data_dir, tmp_path):
    """0.0.4's table of this case differs from nilearn after 0.7.1, which filters the confounds too."""
    run, roi = data_dir / "bold/haxby/run-01", data_dir / "bold/haxby/masks/hoc.nii.gz"
    (outcome,) = extract(
        tmp_path,
        no_report=True,
        input_files=str(run / "bold_25mm.nii.gz"),
        roi_file=roi,
        regressor_files=str(run / "motion.tsv"),
        detrend=True,
        high_pass=0.01,
        t_r=2.5,
        standardize=True,
    )
    found = pd.read_csv(outcome.tables[0].signals_path, sep="\t")
    masker = NiftiLabelsMasker(
        str(roi), detrend=True, high_pass=0.01, t_r=2.5, standardize="zscore_sample", reports=False
    )
    img = nib.load(run / "bold_25mm.nii.gz")
    in_float = nib.Nifti1Image(np.asarray(img.dataobj, dtype=np.float64), img.affine)
    confounds = pd.read_csv(run / "motion.tsv", sep="\t").to_numpy()
    expected = masker.fit_transform(in_float, confounds=confounds)
    assert np.abs(found.to_numpy() - expected).max() < TOLERANCE
