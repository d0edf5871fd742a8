"""Tissues of an image's voxels from fMRIPrep's segmentations; expected numbers of voxels are counted in the files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from images import LAS, OBLIQUE, save

from niimasker.inputs.spaces import Grid
from niimasker.inputs.tissues import CSF, GREY_MATTER, WHITE_MATTER, find_tissues

SHAPE = (7, 8, 9)
GRID = Grid(SHAPE, tuple(map(tuple, OBLIQUE.tolist())))
LABELS = np.random.default_rng(0).integers(0, 4, SHAPE).astype(np.uint8)
SPACE = "space-MNI152NLin2009cAsym_res-2"
IMAGE = Path(f"sub-01/ses-1/func/sub-01_ses-1_task-rest_{SPACE}_desc-preproc_bold.nii.gz")
ANAT = Path(f"sub-01/ses-1/anat/sub-01_ses-1_{SPACE}_dseg.nii.gz")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    IMAGE.parent.mkdir(parents=True)
    return tmp_path


def find(image=IMAGE):
    return find_tissues(image, GRID)


@pytest.mark.parametrize(
    "path",
    [
        ANAT,
        Path(f"sub-01/anat/sub-01_{SPACE}_dseg.nii.gz"),
        Path(f"sub-01/anat/sub-01_acq-mprage_{SPACE}_dseg.nii"),
        IMAGE.with_name(f"sub-01_ses-1_task-rest_{SPACE}_dseg.nii.gz"),
        ANAT.with_name(ANAT.name.replace("res-2", "res-02")),
    ],
    ids=lambda path: path.name,
)
def test_discrete_segmentation_has_its_own_labels(path):
    save(path, LABELS)
    found = find()
    assert found.path == path.absolute()
    # Points are counted with the first axis fastest.
    np.testing.assert_array_equal(found.labels, LABELS.flatten(order="F"))


def test_labels_may_differ_from_whole_numbers_by_rounding_errors():
    save(ANAT, (LABELS * 1.000001).astype(np.float32))
    np.testing.assert_array_equal(find().labels, LABELS.flatten(order="F"))


def test_fractions_are_no_tissues():
    save(ANAT, (LABELS * 0.5).astype(np.float32))
    assert find() is None


@pytest.mark.parametrize(
    "name",
    [
        ANAT.name.replace("sub-01", "sub-02"),
        ANAT.name.replace("ses-1", "ses-2"),
        ANAT.name.replace("res-2", "res-1"),
        ANAT.name.replace("_res-2", ""),
        ANAT.name.replace("2009cAsym", "6Asym"),
        ANAT.name.replace("_dseg", "_atlas-Schaefer_dseg"),
        ANAT.name.replace("_dseg", "_desc-carpet_dseg"),
        f"._{ANAT.name}",
    ],
)
def test_segmentation_of_something_else_is_not_used(name):
    save(ANAT.with_name(name), LABELS)
    assert find() is None


def test_segmentation_of_another_run_beside_the_image_is_not_used():
    save(IMAGE.with_name(f"sub-01_ses-1_task-faces_{SPACE}_dseg.nii.gz"), LABELS)
    assert find() is None


@pytest.mark.parametrize(
    ("labels", "affine"), [(LABELS, LAS), (LABELS[:-1], OBLIQUE), (LABELS[..., None].repeat(2, 3), OBLIQUE)]
)
def test_segmentation_on_another_grid_is_not_used(labels, affine):
    save(ANAT, labels, affine)
    assert find() is None


def test_other_labels_are_no_tissues():
    save(ANAT, LABELS * 5)
    assert find() is None


def test_broken_segmentation_is_not_used():
    ANAT.parent.mkdir(parents=True)
    ANAT.write_bytes(b"nothing")
    assert find() is None


def test_image_without_entities_or_folders_has_no_tissues():
    assert find(Path("bold.nii.gz")) is None
    assert find(Path("nowhere/bold.nii.gz")) is None


@pytest.mark.parametrize("desc", ["aseg", "aparcaseg"])
def test_freesurfers_labels_become_tissues(desc):
    grey = (3, 42, 8, 47, 10, 49, 11, 12, 13, 17, 18, 26, 28, 50, 54, 58, 60)
    grey += (1035, 2001) if desc == "aparcaseg" else ()
    white, fluid, neither = (2, 41, 7, 46, 77, 251), (4, 43, 5, 14, 15, 24, 31), (0, 16, 30, 85)
    codes = np.array([*grey, *white, *fluid, *neither], dtype=np.int16)
    values = np.resize(codes, SHAPE)
    save(IMAGE.with_name(f"sub-01_ses-1_task-rest_{SPACE}_desc-{desc}_dseg.nii.gz"), values)
    labels = find().labels
    flat = values.flatten(order="F")
    for tissue, of_tissue in ((GREY_MATTER, grey), (WHITE_MATTER, white), (CSF, fluid), (0, neither)):
        np.testing.assert_array_equal(labels == tissue, np.isin(flat, of_tissue))


def test_three_tissues_come_before_freesurfers():
    save(IMAGE.with_name(f"sub-01_ses-1_task-rest_{SPACE}_desc-aseg_dseg.nii.gz"), np.full(SHAPE, 3, np.int16))
    save(ANAT, LABELS)
    assert find().path == ANAT.absolute()


@pytest.mark.parametrize("labels", [("GM",), ("GM", "WM", "CSF")], ids="+".join)
def test_most_probable_tissue_above_a_half_counts(labels):
    shares = np.random.default_rng(1).dirichlet([0.4, 0.4, 0.4, 0.4], SHAPE).astype(np.float32)
    for position, label in enumerate(labels):
        save(ANAT.with_name(f"sub-01_ses-1_{SPACE}_label-{label}_probseg.nii.gz"), shares[..., position])
    found = find().labels
    for position, _ in enumerate(labels):
        np.testing.assert_array_equal(found == position + 1, (shares[..., position] > 0.5).flatten(order="F"))
