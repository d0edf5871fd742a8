"""The files that these tests write are read by nibabel and Workbench as they are meant."""

from __future__ import annotations

import itertools
import subprocess

import nibabel as nib
import numpy as np
import pytest
from made_up_surfaces import (
    ASCII,
    BASE64,
    BIG,
    COLUMNS,
    EXTERNAL,
    GZIP,
    LITTLE,
    ROWS,
    crop_grid,
    flip_first_axis,
    labels_axis,
    members_of,
    models_axis,
    parcels_axis,
    save_annot,
    save_cifti,
    save_dlabel,
    save_dscalar,
    save_dtseries,
    save_gifti,
    save_label_gii,
    scalars_axis,
    series_axis,
)
from region_means import read_dlabel, read_models, read_parcels, read_values
from small_brain import (
    ACCUMBENS,
    BRAIN,
    CORTEX,
    KEYS,
    LEFT_VERTICES,
    NAMES,
    RIGHT_VERTICES,
    TABLE,
    THALAMUS,
    make_values,
)

pytestmark = pytest.mark.usefixtures("folder")

VALUES = np.random.default_rng(0).uniform(0, 250, (4, 42))


@pytest.mark.parametrize("dtype", ["f4", "i4", "u1"])
def test_gifti_of_every_encoding(dtype):
    values = VALUES.astype(dtype)
    for encoding, endian, order in itertools.product((ASCII, BASE64, GZIP, EXTERNAL), (LITTLE, BIG), (ROWS, COLUMNS)):
        options = {"encoding": encoding, "endian": endian, "order": order}
        of_volumes = nib.load(save_gifti("a.func.gii", list(values), **options))
        assert np.array_equal([array.data for array in of_volumes.darrays], values)
        (of_all,) = nib.load(save_gifti("b.func.gii", [values.T], **options)).darrays
        assert np.array_equal(of_all.data, values.T)


def test_label_tables_keep_their_order():
    img = nib.load(save_label_gii("a.label.gii", np.repeat([5, 2], 21), {5: "a & b", 2: "c"}))
    assert img.labeltable.get_labels_as_dict() == {5: "a & b", 2: "c"}
    save_annot("lh.a.annot", np.repeat([5, -1], 21), {5: "a", 2: "c"})
    keys, _, _ = nib.freesurfer.read_annot("lh.a.annot")
    assert keys.tolist() == [5] * 21 + [-1] * 21


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<i2", "|u1"])
def test_grayordinates_of_every_type(dtype):
    values = make_values().clip(0, 200).astype(dtype)
    save_dtseries("a.dtseries.nii", values, BRAIN, dtype=dtype, step=800.0, exponent=-3)
    img = nib.load("a.dtseries.nii")
    assert np.array_equal(np.asarray(img.dataobj), values)
    assert img.header.get_axis(0).step == pytest.approx(0.8)
    axis = img.header.get_axis(1)
    assert axis.vertex[: CORTEX.n_points].tolist() == [*LEFT_VERTICES.tolist(), *RIGHT_VERTICES.tolist()]
    assert np.array_equal(axis.voxel[CORTEX.n_points :], np.concatenate([THALAMUS, ACCUMBENS]))
    assert np.array_equal(read_values("a.dtseries.nii"), values)
    models = read_models("a.dtseries.nii")
    assert [each.name for each in models.structures] == [each.name for each in BRAIN.structures]
    for one, other in zip(models.structures, BRAIN.structures, strict=True):
        assert np.array_equal(one.points, other.points)
    assert np.array_equal(models.affine, BRAIN.affine)


def test_labels_are_read_by_map():
    save_dlabel("a.dlabel.nii", KEYS, BRAIN, TABLE)
    keys, models, names = read_dlabel("a.dlabel.nii")
    assert {key: name for key, (name, _) in nib.load("a.dlabel.nii").header.get_axis(0).label[0].items()} == TABLE
    assert (keys.tolist(), models.n_points, names) == (KEYS.tolist(), BRAIN.n_points, TABLE)


def test_voxels_on_other_grids_stay_at_their_places():
    places = nib.affines.apply_affine(BRAIN.affine, BRAIN.structures[2].points)
    for other in (flip_first_axis(BRAIN), crop_grid(BRAIN, (1, 2, 2), (8, 8, 8))):
        assert not np.array_equal(other.structures[2].points, BRAIN.structures[2].points)
        assert np.array_equal(nib.affines.apply_affine(other.affine, other.structures[2].points), places)


def test_parcels_have_their_members():
    parcels = parcels_axis(members_of(BRAIN, KEYS, NAMES), BRAIN)
    save_cifti("a.ptseries.nii", np.ones((3, len(NAMES))), series_axis(3), parcels)
    axis = nib.load("a.ptseries.nii").header.get_axis(1)
    n_members = {
        name: sum(map(len, vertices.values())) + len(voxels)
        for name, voxels, vertices in zip(axis.name, axis.voxels, axis.vertices, strict=True)
    }
    assert n_members == {name: np.count_nonzero(key == KEYS) for key, name in NAMES.items()}
    assert read_parcels("a.ptseries.nii").columns.tolist() == list(NAMES.values())


def test_workbench_opens_every_kind(wb_command):
    points, parcels = models_axis(BRAIN), parcels_axis(members_of(BRAIN, KEYS, NAMES), BRAIN)
    save_dtseries("a.dtseries.nii", make_values(), BRAIN)
    save_dscalar("a.dscalar.nii", make_values(), BRAIN)
    save_cifti("a.dlabel.nii", KEYS[None], labels_axis({"a": TABLE}), points)
    save_cifti("a.pscalar.nii", np.ones((1, len(NAMES))), scalars_axis(["a"]), parcels)
    save_cifti("a.pconn.nii", np.ones((len(NAMES),) * 2), parcels, parcels)
    for kind in ("dtseries", "dscalar", "dlabel", "pscalar", "pconn"):
        subprocess.run([wb_command, "-file-information", f"a.{kind}.nii"], check=True, capture_output=True)
