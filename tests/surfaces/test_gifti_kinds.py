"""Surfaces in every way of writing GIFTI, in pairs and alone, against numpy in float64 and nilearn's masker."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from extracting import assert_signals, extract_run
from made_up_surfaces import (
    ASCII,
    BASE64,
    BIG,
    COLUMNS,
    EXTERNAL,
    GZIP,
    LITTLE,
    NONE,
    ROWS,
    SIDES,
    TIME_SERIES,
    save_gifti,
    save_label_gii,
    save_label_pair,
    save_pair,
)
from region_means import mean_of_each

pytestmark = pytest.mark.usefixtures("folder")

NAMES = {1: "a", 2: "b", 3: "c"}
KEYS = np.repeat([1, 2, 3], 14)
VALUES = np.random.default_rng(1).uniform(0, 250, (6, 42))


@pytest.fixture
def small_atlas(folder) -> str:
    save_label_gii("atlas_hemi-L.label.gii", KEYS, NAMES, primary="CortexLeft")
    return "atlas_hemi-L.label.gii"


def check_gifti(values: np.ndarray, arrays: list[np.ndarray], atlas: str, **options: str) -> None:
    name = "rest_hemi-L_bold.func.gii"
    save_gifti(name, arrays, primary="CortexLeft", **options)
    extracted = extract_run("out", input_files=name, roi_file=atlas)
    assert_signals(extracted, mean_of_each(values, KEYS, NAMES))


@pytest.mark.parametrize("endian", [LITTLE, BIG])
@pytest.mark.parametrize("encoding", [ASCII, BASE64, GZIP, EXTERNAL])
@pytest.mark.parametrize("dtype", ["f4", "f8", "i4", "i2", "u1"])
def test_encodings_byte_orders_and_types_have_the_means_of_numpy(small_atlas, encoding, endian, dtype):
    values = VALUES.astype(dtype)
    check_gifti(values, list(values), small_atlas, encoding=encoding, endian=endian)


@pytest.mark.parametrize("order", [ROWS, COLUMNS])
@pytest.mark.parametrize("encoding", [ASCII, BASE64, GZIP, EXTERNAL])
@pytest.mark.parametrize("shape", ["an array for each volume", "one array"])
def test_one_array_of_all_volumes_is_read_in_either_index_order(small_atlas, encoding, order, shape):
    values = VALUES.astype("f4")
    arrays = [values.T] if shape == "one array" else list(values)
    check_gifti(values, arrays, small_atlas, encoding=encoding, order=order)


@pytest.mark.parametrize("intent", [NONE, TIME_SERIES, "NIFTI_INTENT_NORMAL", "NIFTI_INTENT_SHAPE"])
@pytest.mark.parametrize("shape", ["an array for each volume", "one array"])
def test_intents_do_not_matter(small_atlas, intent, shape):
    values = VALUES.astype("f4")
    check_gifti(values, [values.T] if shape == "one array" else list(values), small_atlas, intent=intent)


def test_file_may_be_compressed_as_a_whole(small_atlas):
    values = VALUES.astype("f4")
    save_gifti("rest_hemi-L_bold.func.gii.gz", list(values), primary="CortexLeft")
    extracted = extract_run("out", input_files="rest_hemi-L_bold.func.gii.gz", roi_file=small_atlas)
    assert_signals(extracted, mean_of_each(values, KEYS, NAMES))


@pytest.mark.parametrize("side", ["L", "R"])
def test_one_hemisphere_alone_has_the_means_of_numpy(folder, side):
    values = VALUES.astype("f4")
    save_gifti(f"rest_hemi-{side}_bold.func.gii", list(values), primary=SIDES[side])
    save_label_gii(f"atlas_hemi-{side}.label.gii", KEYS, NAMES, primary=SIDES[side])
    extracted = extract_run(
        "out", input_files=f"rest_hemi-{side}_bold.func.gii", roi_file=f"atlas_hemi-{side}.label.gii"
    )
    assert_signals(extracted, mean_of_each(values, KEYS, NAMES))
    assert set(extracted.regions["structure"]) == {"CORTEX_LEFT" if side == "L" else "CORTEX_RIGHT"}


@pytest.mark.parametrize("given", ["names", "pattern", "left", "right", "reversed"])
def test_pair_is_one_run_left_before_right(folder, given):
    values = {"L": VALUES.astype("f4"), "R": (VALUES[:, ::-1] + 7).astype("f4")}
    names = {side: f"rest_hemi-{side}_bold.func.gii" for side in values}
    for side, each in values.items():
        save_gifti(names[side], list(each), primary=SIDES[side])
    right = {1: "d", 2: "e", 3: "f"}
    save_label_pair("atlas_hemi-{hemi}.label.gii", KEYS, KEYS[::-1], NAMES, right)
    paths = {
        "names": list(names.values()),
        "pattern": "rest_hemi-*_bold.func.gii",
        "left": list(names.values()),
        "right": list(names.values()),
        "reversed": [names["R"], names["L"]],
    }
    atlas = {"left": "atlas_hemi-L.label.gii", "right": "atlas_hemi-R.label.gii"}
    extracted = extract_run("out", input_files=paths[given], roi_file=atlas.get(given, "atlas_hemi-{hemi}.label.gii"))
    expected = [mean_of_each(values["L"], KEYS, NAMES), mean_of_each(values["R"], KEYS[::-1], right)]
    assert_signals(extracted, pd.concat(expected, axis=1))


def test_real_pair_with_annotations_has_the_means_of_numpy(tmp_path, surfaces_dir):
    image = surfaces_dir / "fsaverage5_rest/sub-01_task-rest_hemi-{}_space-fsaverage5_bold.func.gii"
    annot = surfaces_dir / "nixtract/{}.Schaefer2018_100Parcels_7Networks_order.annot"
    extracted = extract_run(
        tmp_path / "out",
        input_files=[str(image).format(side) for side in "LR"],
        roi_file=[str(annot).format(side) for side in ("lh", "rh")],
    )
    expected = []
    for side, hemisphere in (("L", "lh"), ("R", "rh")):
        keys, _, names = nib.freesurfer.read_annot(str(annot).format(hemisphere))
        values = np.stack(nib.load(str(image).format(side)).agg_data())
        expected.append(mean_of_each(values.T, keys, {key: name.decode() for key, name in enumerate(names)}))
    assert_signals(extracted, pd.concat(expected, axis=1))
    assert extracted.signals.shape == (40, 100)


def test_real_annotation_of_one_hemisphere_has_the_means_of_numpy(folder, surfaces_dir):
    annot = surfaces_dir / "gifti_kinds/aparc_fsaverage5_left.annot"
    Path("lh.aparc.annot").write_bytes(annot.read_bytes())
    image = surfaces_dir / "fsaverage5_rest/sub-01_task-rest_hemi-L_space-fsaverage5_bold.func.gii"
    extracted = extract_run("out", input_files=image, roi_file="lh.aparc.annot")
    keys, _, names = nib.freesurfer.read_annot(annot)
    values = np.stack(nib.load(image).agg_data()).T
    assert_signals(extracted, mean_of_each(values, keys, {key: name.decode() for key, name in enumerate(names)}))


def test_file_that_freesurfer_wrote_has_the_means_of_numpy(folder, surfaces_dir):
    content = (surfaces_dir / "gifti_kinds/task.func.gii").read_bytes()
    Path("lh.task.func.gii").write_bytes(content)
    values = np.stack(nib.load("lh.task.func.gii").agg_data()).T
    keys = np.arange(642) // 100
    names = {key: f"part {key}" for key in range(7)}
    save_label_gii("lh.parts.label.gii", keys, names)
    extracted = extract_run("out", input_files="lh.task.func.gii", roi_file="lh.parts.label.gii")
    assert_signals(extracted, mean_of_each(values, keys, names))


def test_arrays_of_one_column_are_volumes(small_atlas):
    values = VALUES.astype("f4")
    check_gifti(values, [volume[:, None] for volume in values], small_atlas)


@pytest.mark.parametrize("n_volumes", [1, 2, 500])
def test_runs_of_any_length_have_the_means_of_numpy(small_atlas, n_volumes):
    values = np.random.default_rng(0).normal(1000, 50, (n_volumes, 42)).astype("f4")
    check_gifti(values, list(values), small_atlas)


@pytest.mark.parametrize("side", ["L", "R"])
def test_hemisphere_that_is_given_alone_is_a_run_of_its_own_with_a_warning(folder, side):
    """The file of the other hemisphere lies beside it, but is not asked for."""
    values = VALUES.astype("f4")
    save_pair("rest_hemi-{hemi}_bold.func.gii", values, values)
    save_label_gii(f"atlas_hemi-{side}.label.gii", KEYS, NAMES)
    name = f"rest_hemi-{side}_bold.func.gii"
    extracted = extract_run("out", input_files=name, roi_file=f"atlas_hemi-{side}.label.gii")
    assert_signals(extracted, mean_of_each(values, KEYS, NAMES))
    assert extracted.warnings_with(name)


def test_hemispheres_may_be_written_in_different_ways(folder):
    left, right = VALUES.astype("f4"), (VALUES + 7).astype("i4")
    save_gifti("rest_hemi-L_bold.func.gii", [left.T], primary="CortexLeft", encoding=ASCII, order=COLUMNS)
    save_gifti("rest_hemi-R_bold.func.gii", list(right), primary="CortexRight", encoding=EXTERNAL, endian=BIG)
    other = {1: "d", 2: "e", 3: "f"}
    save_label_pair("atlas_hemi-{hemi}.label.gii", KEYS, KEYS[::-1], NAMES, other)
    extracted = extract_run("out", input_files="rest_hemi-*.gii", roi_file="atlas_hemi-{hemi}.label.gii")
    parts = [mean_of_each(left, KEYS, NAMES), mean_of_each(right, KEYS[::-1], other)]
    assert_signals(extracted, pd.concat(parts, axis=1))


def test_real_annotation_in_gifti_has_the_colours_of_its_regions_as_keys(surfaces_dir):
    atlas = surfaces_dir / "gifti_kinds/rh.aparc.annot.gii"
    img = nib.load(atlas)
    keys = img.agg_data()
    values = np.stack([np.arange(keys.size) % 251, np.arange(keys.size) % 13]).astype("u1")
    save_gifti("rh.rest.func.gii", list(values), primary="CortexRight")
    extracted = extract_run("out", input_files="rh.rest.func.gii", roi_file=atlas)
    assert_signals(extracted, mean_of_each(values, keys, img.labeltable.get_labels_as_dict()))
    assert extracted.regions["index"].max() > 2**23


# nilearn's masker


@pytest.fixture
def real_pair(surfaces_dir) -> dict[str, object]:
    """The options of a real run on fsaverage5 and of an atlas of both hemispheres."""
    image = surfaces_dir / "fsaverage5_rest/sub-01_task-rest_hemi-{}_space-fsaverage5_bold.func.gii"
    annot = surfaces_dir / "nixtract/{}.Schaefer2018_100Parcels_7Networks_order.annot"
    return {
        "input_files": [str(image).format(side) for side in "LR"],
        "roi_file": [str(annot).format(side) for side in ("lh", "rh")],
    }


@pytest.mark.parametrize(
    "options",
    [{}, {"standardize": True, "detrend": True}, {"high_pass": 0.02, "low_pass": 0.2, "t_r": 1.0}],
    ids=str,
)
def test_engine_of_nilearn_gives_the_same_numbers(real_pair, options):
    stream = extract_run("stream", **real_pair, **options)
    nilearn = extract_run("nilearn", **real_pair, **options, engine="nilearn")
    assert nilearn.signals.columns.tolist() == stream.signals.columns.tolist()
    np.testing.assert_allclose(nilearn.signals, stream.signals, atol=1e-6, rtol=1e-6)


def test_engine_of_nilearn_does_not_merge_the_keys_of_both_hemispheres(real_pair):
    nilearn = extract_run("nilearn", **real_pair, engine="nilearn").signals
    left = nilearn.filter(like="_LH_")
    right = nilearn.filter(like="_RH_")
    assert (left.shape[1], right.shape[1]) == (50, 50)
    assert not np.allclose(left, right)


def test_engine_of_nilearn_takes_one_hemisphere(real_pair):
    one = {name: values[1] for name, values in real_pair.items()}
    stream = extract_run("stream", **one).signals
    nilearn = extract_run("nilearn", **one, engine="nilearn").signals
    np.testing.assert_allclose(nilearn[stream.columns], stream, atol=1e-6, rtol=1e-6)


def test_engine_of_nilearn_needs_no_mesh():
    # No masker uses where vertices lie, so that any mesh with as many does.
    save_gifti("rest_hemi-L_bold.func.gii", list(VALUES.astype("f4")), primary="CortexLeft")
    save_label_gii("atlas_hemi-L.label.gii", KEYS, NAMES)
    options = {"input_files": "rest_hemi-L_bold.func.gii", "roi_file": "atlas_hemi-L.label.gii"}
    stream, nilearn = (extract_run(engine, **options, engine=engine) for engine in ("stream", "nilearn"))
    np.testing.assert_allclose(nilearn.signals, stream.signals, atol=1e-6, rtol=1e-6)
