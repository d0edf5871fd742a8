"""What other programs for surfaces and grayordinates get wrong: each a small file, with the numbers that are right."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from extracting import assert_signals, extract_all, extract_run, numbers_in, refuse
from made_up_surfaces import (
    NONE,
    Models,
    cortex,
    labels_axis,
    make_models,
    models_axis,
    save_annot,
    save_cifti,
    save_func,
    save_label_gii,
    save_label_pair,
)
from region_means import mean_of_each, read_dlabel, read_models, read_values
from small_brain import (
    BRAIN,
    CORTEX,
    KEYS,
    LEFT_VERTICES,
    N_MESH,
    NAMES,
    RIGHT_VERTICES,
    TABLE,
    make_values,
    to_mesh,
    write_atlas,
    write_brain,
    write_hemispheres,
)

pytestmark = pytest.mark.usefixtures("folder")

MESH_KEYS = np.repeat([1, 2, 4], 14)


# Points


def test_structures_in_another_order_than_the_atlas():
    values = make_values()
    order = np.concatenate([BRAIN.parts[number] for number in (3, 1, 2, 0)])
    write_brain(values[:, order], BRAIN.take(order))
    extracted = extract_run("out", input_files="rest.dtseries.nii", roi_file=write_atlas())
    assert_signals(extracted, mean_of_each(values, KEYS, NAMES))


def test_series_with_medial_wall_and_subcortex():
    values = make_values()
    whole = [to_mesh(values[:, part], each.points) for each, part in zip(CORTEX.structures, CORTEX.parts, strict=True)]
    meshes = [replace(each, points=np.arange(N_MESH)) for each in CORTEX.structures]
    models = Models((*meshes, *BRAIN.structures[2:]), BRAIN.affine, BRAIN.shape)
    write_brain(np.hstack([*whole, values[:, CORTEX.n_points :]]), models)
    extracted = extract_run("out", input_files="rest.dtseries.nii", roi_file=write_atlas())
    assert_signals(extracted, mean_of_each(values, KEYS, NAMES))


def test_series_of_cortex_alone_has_empty_columns_for_the_rest():
    values = make_values(CORTEX.n_points)
    write_brain(values, CORTEX)
    extracted = extract_run("out", input_files="rest.dtseries.nii", roi_file=write_atlas())
    assert_signals(extracted, mean_of_each(values, KEYS[: CORTEX.n_points], NAMES))
    assert extracted.signals[["Thalamus", "Accumbens"]].isna().all(axis=None)
    status = extracted.facts["status"]
    assert status[["Vis left", "Mot left", "Vis right", "Mot right"]].tolist() == ["ok"] * 4
    assert [text.split(":")[0] for text in status[["Thalamus", "Accumbens"]]] == ["empty", "empty"]


def test_vertex_without_a_number_counts_as_0_and_is_counted():
    values = make_values()
    position = np.flatnonzero(KEYS == 4)[5]
    values[3, position] = np.nan
    write_brain(values)
    extracted = extract_run("out", input_files="rest.dtseries.nii", roi_file=write_atlas())
    assert_signals(extracted, mean_of_each(np.nan_to_num(values), KEYS, NAMES))
    (text,) = [text for text in extracted.warnings if "nan" in text.lower() or "finite" in text.lower()]
    assert 1 in numbers_in(text)
    facts = extracted.facts.loc["Vis right"]
    n_members = np.count_nonzero(KEYS == 4)
    assert (facts["n_valid"], facts["status"]) == (n_members - 1, "ok")
    assert facts["coverage"] == pytest.approx(1 - 1 / n_members, abs=1e-3)


def test_vertex_without_a_number_in_one_hemisphere_counts_as_0():
    left = make_values(N_MESH)
    left[2, 5] = np.inf
    save_func("rest_hemi-L_bold.func.gii", left, primary="CortexLeft")
    save_label_gii("atlas_hemi-L.label.gii", MESH_KEYS, {1: "a", 2: "b", 4: "c"})
    extracted = extract_run("out", input_files="rest_hemi-L_bold.func.gii", roi_file="atlas_hemi-L.label.gii")
    counted = np.where(np.isfinite(left), left, 0)
    assert_signals(extracted, mean_of_each(counted, MESH_KEYS, {1: "a", 2: "b", 4: "c"}))


# Names and keys


@pytest.mark.parametrize("order", [[12, 4, 0, 1, 9, 7, 2], [0, 12, 9, 7, 4, 2, 1]], ids=str)
def test_label_table_that_is_not_sorted_by_key(order):
    values = make_values()
    write_brain(values)
    write_atlas(table={key: TABLE[key] for key in order})
    extracted = extract_run("out", input_files="rest.dtseries.nii", roi_file="atlas.dlabel.nii")
    assert_signals(extracted, mean_of_each(values, KEYS, NAMES))
    assert extracted.regions["index"].tolist() == [1, 2, 4, 7, 9, 12]


def test_label_table_of_a_surface_that_is_not_sorted_by_key():
    left = make_values(N_MESH)
    save_func("rest_hemi-L_bold.func.gii", left, primary="CortexLeft")
    save_label_gii("atlas_hemi-L.label.gii", MESH_KEYS, {4: "c", 0: "???", 2: "b", 1: "a"})
    extracted = extract_run("out", input_files="rest_hemi-L_bold.func.gii", roi_file="atlas_hemi-L.label.gii")
    assert_signals(extracted, mean_of_each(left, MESH_KEYS, {1: "a", 2: "b", 4: "c"}))


@pytest.mark.parametrize("name", ["Medial_Wall", "unknown", "", "Background+FreeSurfer_Defined_Medial_Wall"])
def test_key_0_is_the_background_whatever_its_name(name):
    values = make_values()
    write_brain(values)
    write_atlas(table={0: name, **NAMES})
    extracted = extract_run("out", input_files="rest.dtseries.nii", roi_file="atlas.dlabel.nii")
    assert_signals(extracted, mean_of_each(values, KEYS, NAMES))


def test_unknown_labels_of_another_key_than_0_are_the_background():
    values = make_values()
    write_brain(values)
    write_atlas(table={1: "Vis left", 2: "???", 4: "Vis right", 7: "Mot right", 9: "Thalamus", 12: "Accumbens"})
    extracted = extract_run("out", input_files="rest.dtseries.nii", roi_file="atlas.dlabel.nii")
    names = {key: name for key, name in NAMES.items() if key != 2}
    assert_signals(extracted, mean_of_each(values, KEYS, names))


def test_annotation_with_unlabelled_vertices_and_a_gap_in_its_table():
    left, keys = make_values(N_MESH), np.repeat([-1, 0, 1, 2, 4, 5], 7)
    save_func("lh.rest.func.gii", left)
    save_annot("lh.atlas.annot", keys, {0: "unknown", 1: "a", 2: "b", 4: "c", 5: "d"})
    extracted = extract_run("out", input_files="lh.rest.func.gii", roi_file="lh.atlas.annot")
    assert_signals(extracted, mean_of_each(left, keys, {1: "a", 2: "b", 4: "c", 5: "d"}))
    assert extracted.regions["index"].tolist() == [1, 2, 4, 5]


def test_annotation_with_a_name_that_no_vertex_has():
    left, keys = make_values(N_MESH), np.repeat([-1, 0, 1, 2, 4, 5], 7)
    save_func("lh.rest.func.gii", left)
    names = {1: "a", 2: "b", 3: "corpuscallosum", 4: "c", 5: "d"}
    save_annot("lh.atlas.annot", keys, {0: "unknown", **names})
    extracted = extract_run("out", input_files="lh.rest.func.gii", roi_file="lh.atlas.annot")
    assert_signals(extracted, mean_of_each(left, keys, names))
    assert extracted.facts["status"]["corpuscallosum"].startswith("empty")


# Maps


@pytest.fixture
def three_maps() -> tuple[np.ndarray, dict[str, dict[int, str]]]:
    """Write a run and an atlas of three maps, and return the values, and the names by key of each map."""
    values = make_values()
    write_brain(values)
    tables = {
        "Schaefer100": TABLE,
        "two parts (fs_LR)": {0: "???", 1: "x", 2: "y"},
        "MEDIAL WALL": {0: "???", 5: "wall"},
    }
    keys = np.stack([KEYS, np.arange(len(KEYS)) % 3, np.where(np.arange(len(KEYS)) < 9, 5, 0)])
    save_cifti("atlas.dlabel.nii", keys, labels_axis(tables), models_axis(BRAIN))
    return values, tables


def test_several_maps_and_no_choice_is_an_error_that_lists_them(three_maps):
    line = refuse("out", "-i", "rest.dtseries.nii", "-r", "atlas.dlabel.nii")
    assert line.startswith("niimasker: error: ")
    assert [name for name in three_maps[1] if name not in line] == []
    assert "atlas.dlabel.nii" in line


@pytest.mark.parametrize("choice", ["Schaefer100", "1"])
def test_first_map_is_chosen_by_name_or_number(three_maps, choice):
    extracted = extract_run("out", input_files="rest.dtseries.nii", roi_file=f"atlas.dlabel.nii:{choice}")
    assert_signals(extracted, mean_of_each(three_maps[0], KEYS, NAMES))


@pytest.mark.parametrize("choice", ["two parts (fs_LR)", "2"])
def test_second_map_is_chosen_by_name_or_number(three_maps, choice):
    extracted = extract_run("out", input_files="rest.dtseries.nii", roi_file=f"atlas.dlabel.nii:{choice}")
    assert_signals(extracted, mean_of_each(three_maps[0], np.arange(len(KEYS)) % 3, {1: "x", 2: "y"}))


@pytest.mark.parametrize("choice", ["Glasser", "4", "0"])
def test_map_that_is_not_there_is_an_error_that_lists_those_that_are(three_maps, choice):
    line = refuse("out", "-i", "rest.dtseries.nii", "-r", f"atlas.dlabel.nii:{choice}")
    assert [name for name in three_maps[1] if name not in line] == []


def test_maps_of_one_file_are_several_atlases(three_maps):
    roi_file = ["atlas.dlabel.nii:Schaefer100", "atlas.dlabel.nii:2"]
    extracted = extract_run("out", input_files="rest.dtseries.nii", roi_file=roi_file, atlas_name=["A", "B"])
    assert extracted.signals.columns.tolist() == list(NAMES.values())
    (second,) = Path("out").glob("*_atlas-B_timeseries.tsv")
    assert second.read_text().splitlines()[0] == "x\ty"


def test_map_of_a_real_file_is_chosen_by_its_name(surfaces_dir):
    image = surfaces_dir / "nitest/Conte69.MyelinAndCorrThickness.32k_fs_LR.dtseries.nii"
    atlas = surfaces_dir / "nitest/Conte69.parcellations_VGD11b.32k_fs_LR.dlabel.nii"
    extracted = extract_run("out", input_files=image, roi_file=f"{atlas}:MEDIAL WALL lh (fs_LR)")
    keys, models, names = read_dlabel(atlas, 2)
    of_run = {each.name: each.points for each in read_models(image).structures}
    by_mesh = {each.name: to_mesh(keys[part], each.points, 32492) for each, part in _parts(models)}
    found = np.concatenate([by_mesh[name][points] for name, points in of_run.items()])
    assert_signals(extracted, mean_of_each(read_values(image).astype(np.float32), found, names))


def _parts(models: Models):
    return zip(models.structures, models.parts, strict=True)


# Hemispheres


def test_right_series_with_a_left_atlas_is_an_error():
    save_func("rest_hemi-R_bold.func.gii", make_values(N_MESH), primary="CortexRight")
    save_annot("lh.atlas.annot", MESH_KEYS, {0: "unknown", 1: "a", 2: "b", 4: "c"})
    line = refuse("out", "-i", "rest_hemi-R_bold.func.gii", "-r", "lh.atlas.annot")
    assert "lh.atlas.annot" in line
    assert "left" in line.lower()
    assert "right" in line.lower()


def test_right_series_with_an_atlas_of_both_hemispheres_has_its_own_regions():
    right = make_values(N_MESH)
    save_func("rest_hemi-R_bold.func.gii", right, primary="CortexRight")
    save_label_pair(
        "atlas_hemi-{hemi}.label.gii", MESH_KEYS, MESH_KEYS[::-1], {1: "a", 2: "b", 4: "c"}, {1: "d", 2: "e"}
    )
    extracted = extract_run("out", input_files="rest_hemi-R_bold.func.gii", roi_file="atlas_hemi-{hemi}.label.gii")
    expected = mean_of_each(right, MESH_KEYS[::-1], {1: "d", 2: "e"})
    np.testing.assert_allclose(extracted.signals[["d", "e"]], expected, rtol=1e-9)
    assert extracted.signals[["a", "b", "c"]].isna().all(axis=None)


def test_same_keys_of_both_hemispheres_are_never_merged():
    left, right = make_values(N_MESH), make_values(N_MESH, seed=1)
    write_hemispheres(left, right)
    names = [{1: "L_V1_ROI", 2: "L_MST_ROI", 4: "L_V6_ROI"}, {1: "R_V1_ROI", 2: "R_MST_ROI", 4: "R_V6_ROI"}]
    save_label_pair("atlas_hemi-{hemi}.label.gii", MESH_KEYS, MESH_KEYS[::-1], *names)
    extracted = extract_run("out", input_files="rest_hemi-*_bold.func.gii", roi_file="atlas_hemi-{hemi}.label.gii")
    parts = [mean_of_each(left, MESH_KEYS, names[0]), mean_of_each(right, MESH_KEYS[::-1], names[1])]
    assert_signals(extracted, pd.concat(parts, axis=1))


# Files


@pytest.mark.parametrize("intent", [NONE, "NIFTI_INTENT_NORMAL"])
def test_intent_that_is_not_that_of_a_time_series(intent):
    left = make_values(N_MESH)
    save_func("rest_hemi-L_bold.func.gii", left, intent=intent, primary="CortexLeft")
    save_label_gii("atlas_hemi-L.label.gii", MESH_KEYS, {1: "a", 2: "b", 4: "c"})
    extracted = extract_run("out", input_files="rest_hemi-L_bold.func.gii", roi_file="atlas_hemi-L.label.gii")
    assert_signals(extracted, mean_of_each(left, MESH_KEYS, {1: "a", 2: "b", 4: "c"}))


@pytest.fixture
def equal_names() -> dict[str, np.ndarray]:
    """Write runs of the same names in two folders, and return the values of each folder."""
    values = {name: make_values(seed=seed) for seed, name in enumerate("ab")}
    for name, each in values.items():
        write_brain(each, name=f"{name}/rest.dtseries.nii")
        left, right = (each[:, part] for part in CORTEX.parts)
        write_hemispheres(
            to_mesh(left, LEFT_VERTICES), to_mesh(right, RIGHT_VERTICES), f"{name}/rest_hemi-{{hemi}}_bold.func.gii"
        )
    write_atlas()
    left, right = (
        to_mesh(KEYS[part], vertices)
        for part, vertices in zip(CORTEX.parts, (LEFT_VERTICES, RIGHT_VERTICES), strict=True)
    )
    left_names, right_names = ({key: TABLE[key] for key in keys} for keys in ((0, 1, 2), (0, 4, 7)))
    save_label_pair("atlas_hemi-{hemi}.label.gii", left, right, left_names, right_names)
    return values


@pytest.mark.parametrize(
    ("pattern", "atlas"),
    [("*/rest.dtseries.nii", "atlas.dlabel.nii"), ("*/rest_hemi-*_bold.func.gii", "atlas_hemi-L.label.gii")],
    ids=["cifti", "gifti"],
)
def test_equal_names_in_two_folders_are_two_runs(equal_names, pattern, atlas):
    extracted = extract_all("out", input_files=pattern, roi_file=atlas, output_layout="mirror")
    assert len({each.signals_path for each in extracted}) == 2
    for each, values in zip(extracted, equal_names.values(), strict=True):
        expected = mean_of_each(values, KEYS, NAMES)
        assert_signals(each, expected[each.signals.columns.tolist()])
        assert each.signals.shape[1] == (6 if "dtseries" in pattern else 4)


@pytest.mark.parametrize(
    ("pattern", "atlas"),
    [("*/rest.dtseries.nii", "atlas.dlabel.nii"), ("*/rest_hemi-*_bold.func.gii", "atlas_hemi-L.label.gii")],
    ids=["cifti", "gifti"],
)
def test_equal_names_that_would_write_one_file_are_an_error(equal_names, pattern, atlas):
    line = refuse("out", "-i", pattern, "-r", atlas)
    assert "--output_layout mirror" in line


def test_vertices_in_descending_order():
    values = make_values(N_MESH)
    vertices = np.arange(N_MESH)[::-1]
    write_brain(values[:, ::-1], make_models(cortex("L", vertices, N_MESH)))
    write_atlas(MESH_KEYS, make_models(cortex("L", np.arange(N_MESH), N_MESH)), {1: "a", 2: "b", 4: "c"})
    extracted = extract_run("out", input_files="rest.dtseries.nii", roi_file="atlas.dlabel.nii")
    assert_signals(extracted, mean_of_each(values, MESH_KEYS, {1: "a", 2: "b", 4: "c"}))
