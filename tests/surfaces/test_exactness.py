"""Means of regions in every kind of file, against Workbench and against numpy in float64."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from extracting import AS_FLOAT32, assert_signals, extract_all, extract_run
from made_up_surfaces import (
    Models,
    cortex,
    crop_grid,
    flip_first_axis,
    make_models,
    models_axis,
    save_cifti,
    save_dlabel,
    save_dtseries,
    series_axis,
)
from region_means import keys_at, mean_of_each, read_dlabel, read_models, read_parcels, read_values

SERIES = "cifti_jl/test.dtseries.nii"
ATLAS = "tian/Schaefer2018_100Parcels_7Networks_order_Tian_Subcortex_S1.dlabel.nii"

# Grayordinates: variants of one real series and one real atlas. Each takes and returns rows of values and their points.

Points = tuple[np.ndarray, Models]


def order_structures(values: np.ndarray, models: Models, order: Sequence[int]) -> Points:
    positions = np.concatenate([models.parts[number] for number in order])
    return values[:, positions], models.take(positions)


def keep(values: np.ndarray, models: Models, is_kept: np.ndarray) -> Points:
    return values[:, is_kept], models.take(np.flatnonzero(is_kept))


def all_points(values, models) -> Points:
    return values, models


def cortex_only(values, models) -> Points:
    values, models = keep(values, models, models.is_vertex)
    return values, Models(models.structures)


def subcortex_only(values, models) -> Points:
    return keep(values, models, ~models.is_vertex)


def with_medial_wall_and_subcortex(values, models) -> Points:
    """Give cortex all vertices, 0 in the medial wall, in the order of the mesh."""
    parts, structures = [], []
    for structure, part in zip(models.structures, models.parts, strict=True):
        if structure.n_vertices:
            whole = np.zeros((len(values), structure.n_vertices))
            whole[:, structure.points] = values[:, part]
            parts.append(whole)
            structures.append(replace(structure, points=np.arange(structure.n_vertices)))
        else:
            parts.append(values[:, part])
            structures.append(structure)
    return np.hstack(parts), replace(models, structures=tuple(structures))


def with_medial_wall(values, models) -> Points:
    return cortex_only(*with_medial_wall_and_subcortex(values, models))


def own_wall(values, models) -> Points:
    """Leave out some vertices of each hemisphere and every ninth voxel."""
    is_kept = []
    for structure in models.structures:
        numbers = structure.points if structure.n_vertices else np.arange(len(structure.points))
        is_kept.append(numbers >= 3000 if structure.name == "CORTEX_RIGHT" else numbers % 9 != 3)
    return keep(values, models, np.concatenate(is_kept))


def right_first(values, models) -> Points:
    return order_structures(values, models, [1, 0, *range(2, len(models.structures))])


def subcortex_first(values, models) -> Points:
    return order_structures(values, models, list(reversed(range(len(models.structures)))))


def points_in_another_order(values, models) -> Points:
    """Shuffle the points within each structure."""
    rng = np.random.default_rng(0)
    positions = np.concatenate([rng.permutation(part) for part in models.parts])
    return values[:, positions], models.take(positions)


def first_axis_flipped(values, models) -> Points:
    return values, flip_first_axis(models)


def smaller_field_of_view(values, models) -> Points:
    voxels = np.concatenate([each.points for each in models.structures if not each.n_vertices])
    first, last = voxels.min(axis=0), voxels.max(axis=0)
    return values, crop_grid(models, first, tuple((last - first + 1).tolist()))


VARIANTS: dict[str, Callable[[np.ndarray, Models], Points]] = {
    "91282": all_points,
    "64984": with_medial_wall,
    "59412": cortex_only,
    "medial wall and subcortex": with_medial_wall_and_subcortex,
    "subcortex only": subcortex_only,
    "own wall": own_wall,
    "right first": right_first,
    "subcortex first": subcortex_first,
    "points shuffled": points_in_another_order,
    "RAS": first_axis_flipped,
    "smaller field of view": smaller_field_of_view,
}
N_POINTS = {"91282": 91282, "64984": 64984, "59412": 59412, "medial wall and subcortex": 96854}


@pytest.fixture(scope="module")
def series(data_dir) -> Points:
    """The values and the points of the real series."""
    path = data_dir / "surfaces" / SERIES
    return read_values(path), read_models(path)


@pytest.fixture(scope="module")
def atlas(data_dir) -> tuple[np.ndarray, Models, dict[int, str]]:
    """The keys, the points and the names of the real atlas."""
    return read_dlabel(data_dir / "surfaces" / ATLAS)


def write_run(name: str, series: Points) -> Points:
    """Write a variant of the series as run.dtseries.nii."""
    values, models = VARIANTS[name](*series)
    save_dtseries("run.dtseries.nii", values, models, step=0.8)
    assert models.n_points == N_POINTS.get(name, models.n_points)
    return values, models


def write_atlas(name: str, atlas: tuple[np.ndarray, Models, dict[int, str]]) -> Points:
    """Write a variant of the atlas as atlas.dlabel.nii."""
    keys, models, names = atlas
    keys, models = VARIANTS[name](keys[None], models)
    save_dlabel("atlas.dlabel.nii", keys, models, names)
    return keys[0].astype(int), models


def parcellate(wb_command: str) -> pd.DataFrame:
    """Return Workbench's means of the run's parcels."""
    words = ["run.dtseries.nii", "atlas.dlabel.nii", "COLUMN", "workbench.ptseries.nii"]
    subprocess.run([wb_command, "-cifti-parcellate", *words], check=True, capture_output=True)
    return read_parcels(Path("workbench.ptseries.nii"))


def check_against_numpy(run_name: str, atlas_name: str, series, atlas) -> None:
    values, models = write_run(run_name, series)
    keys, atlas_models = write_atlas(atlas_name, atlas)
    extracted = extract_run("out", input_files="run.dtseries.nii", roi_file="atlas.dlabel.nii")
    stored = values.astype(np.float32)  # as written
    expected = mean_of_each(stored, keys_at(models, atlas_models, keys), atlas[2])
    assert_signals(extracted, expected)
    is_empty = extracted.regions["status"].str.startswith("empty").tolist()
    assert is_empty == expected.isna().all().tolist()


@pytest.mark.parametrize("name", VARIANTS)
def test_run_in_any_order_and_with_any_points_has_the_means_of_numpy(folder, series, atlas, name):
    check_against_numpy(name, "91282", series, atlas)


@pytest.mark.parametrize("name", [name for name in VARIANTS if name != "91282"])
def test_atlas_in_any_order_and_with_any_points_has_the_means_of_numpy(folder, series, atlas, name):
    check_against_numpy("91282", name, series, atlas)


@pytest.mark.parametrize(
    ("run_name", "atlas_name"),
    [("own wall", "subcortex first"), ("RAS", "smaller field of view"), ("64984", "own wall"), ("59412", "64984")],
)
def test_run_and_atlas_may_differ_at_the_same_time(folder, series, atlas, run_name, atlas_name):
    check_against_numpy(run_name, atlas_name, series, atlas)


# Workbench wants the same grid, and every point of the atlas in the run.
@pytest.mark.parametrize(
    ("run_name", "atlas_name"),
    [
        ("medial wall and subcortex", "91282"),
        ("right first", "91282"),
        ("subcortex first", "own wall"),
        ("points shuffled", "right first"),
        ("91282", "64984"),
        ("64984", "59412"),
        ("59412", "59412"),
        ("own wall", "own wall"),
    ],
)
def test_means_are_those_of_workbench(folder, series, atlas, wb_command, run_name, atlas_name):
    write_run(run_name, series)
    write_atlas(atlas_name, atlas)
    expected = parcellate(wb_command)
    signals = extract_run("out", input_files="run.dtseries.nii", roi_file="atlas.dlabel.nii").signals
    present = signals.columns[signals.notna().all()]
    assert set(present) <= set(expected.columns)
    assert len(present) >= 100
    np.testing.assert_allclose(signals[present], expected[present], **AS_FLOAT32)


@pytest.mark.parametrize(
    ("image", "regions", "oracle", "n_regions"),
    [
        (SERIES, ATLAS, "workbench/test_atlas-Schaefer100Tian.ptseries.nii", 116),
        (
            "nitest/Conte69.MyelinAndCorrThickness.32k_fs_LR.dtseries.nii",
            "nixtract/Schaefer2018_100Parcels_7Networks_order.dlabel.nii",
            "workbench/conte69_atlas-Schaefer100.ptseries.nii",
            100,
        ),
        # The parcels of a ptseries are regions themselves.
        (
            SERIES,
            "workbench/test_atlas-Schaefer100Tian.ptseries.nii",
            "workbench/test_atlas-Schaefer100Tian.ptseries.nii",
            116,
        ),
        (SERIES, "cifti_jl/test.ptseries.nii", "cifti_jl/test.ptseries.nii", 281),
        (
            "nitest/Conte69.MyelinAndCorrThickness.32k_fs_LR.dtseries.nii",
            "nitest/Conte69.MyelinAndCorrThickness.32k_fs_LR.ptseries.nii",
            "nitest/Conte69.MyelinAndCorrThickness.32k_fs_LR.ptseries.nii",
            54,
        ),
    ],
    ids=[
        "Schaefer and Tian",
        "Schaefer on a wall of its own",
        "ptseries with voxels",
        "ptseries",
        "ptseries of one hemisphere",
    ],
)
def test_means_are_those_of_files_that_workbench_wrote(tmp_path, surfaces_dir, image, regions, oracle, n_regions):
    signals = extract_run(tmp_path / "out", input_files=surfaces_dir / image, roi_file=surfaces_dir / regions).signals
    expected = read_parcels(surfaces_dir / oracle)
    assert signals.shape[1] == expected.shape[1] == n_regions
    np.testing.assert_allclose(signals[expected.columns], expected, **AS_FLOAT32)


def test_first_of_several_maps_has_the_means_that_workbench_wrote(tmp_path, surfaces_dir):
    extracted = extract_run(
        tmp_path / "out",
        input_files=surfaces_dir / "nitest/Conte69.MyelinAndCorrThickness.32k_fs_LR.dtseries.nii",
        roi_file=f"{surfaces_dir}/nitest/Conte69.parcellations_VGD11b.32k_fs_LR.dlabel.nii:1",
    )
    expected = read_parcels(surfaces_dir / "nitest/Conte69.MyelinAndCorrThickness.32k_fs_LR.ptseries.nii")
    np.testing.assert_allclose(extracted.signals[expected.columns], expected, **AS_FLOAT32)
    empty = set(extracted.signals.columns) - set(expected.columns)
    assert len(empty) == 95 - 54
    assert extracted.signals[sorted(empty)].isna().all(axis=None)


NAMES = {1: "a", 2: "b", 3: "c"}
KEYS = np.repeat([1, 2, 3], 14)
VALUES = np.random.default_rng(1).uniform(0, 250, (6, 42))
LEFT = make_models(cortex("L", np.arange(42), 42))


@pytest.mark.parametrize("dtype", ["<f4", "<f8", "<i2", "<i4", "|u1", ">f4", ">i2"])
def test_values_of_any_type_and_byte_order_have_the_means_of_numpy(folder, dtype):
    values = VALUES.astype(dtype)
    save_dtseries("run.dtseries.nii", values, LEFT, dtype=dtype)
    save_dlabel("atlas.dlabel.nii", KEYS, LEFT, NAMES)
    extracted = extract_run("out", input_files="run.dtseries.nii", roi_file="atlas.dlabel.nii")
    assert_signals(extracted, mean_of_each(values, KEYS, NAMES))


@pytest.mark.parametrize("dtype", ["<f4", "<i4", "<i2", "|u1", ">f4"])
def test_keys_of_an_atlas_may_have_any_type(folder, dtype):
    values = VALUES.astype("f4")
    save_dtseries("run.dtseries.nii", values, LEFT)
    save_dlabel("atlas.dlabel.nii", KEYS, LEFT, NAMES, dtype=dtype)
    extracted = extract_run("out", input_files="run.dtseries.nii", roi_file="atlas.dlabel.nii")
    assert_signals(extracted, mean_of_each(values, KEYS, NAMES))


def test_scaled_integers_are_in_the_units_of_the_image(folder):
    stored = np.random.default_rng(0).integers(-3000, 3000, (6, 42))
    axes = series_axis(len(stored)), models_axis(LEFT)
    save_cifti("run.dtseries.nii", stored, *axes, dtype="<i2", slope=0.25, intercept=100.0)
    save_dlabel("atlas.dlabel.nii", KEYS, LEFT, NAMES)
    extracted = extract_run("out", input_files="run.dtseries.nii", roi_file="atlas.dlabel.nii")
    assert_signals(extracted, mean_of_each(0.25 * stored + 100, KEYS, NAMES))


@pytest.mark.parametrize("dtype", ["<f4", ">i2"])
def test_gzipped_grayordinates_have_the_means_of_numpy(folder, dtype):
    values = VALUES.astype(dtype)
    axes = series_axis(len(values)), models_axis(LEFT)
    save_cifti("run.dtseries.nii.gz", values, *axes, dtype=dtype, kind=".dtseries.nii")
    save_dlabel("atlas.dlabel.nii", KEYS, LEFT, NAMES)
    extracted = extract_run("out", input_files="run.dtseries.nii.gz", roi_file="atlas.dlabel.nii")
    assert_signals(extracted, mean_of_each(values, KEYS, NAMES))
    assert extracted.signals_path.name == "run_timeseries.tsv"


@pytest.mark.parametrize(("n_points", "n_volumes"), [(42, 1), (42, 2), (42, 3000), (20000, 2), (5000, 300)])
def test_runs_of_any_size_have_the_means_of_numpy(folder, n_points, n_volumes):
    rng = np.random.default_rng(0)
    values = rng.normal(1000, 50, (n_volumes, n_points)).astype(np.float32)
    keys = rng.integers(0, 4, n_points)
    models = make_models(cortex("L", np.arange(n_points), n_points))
    save_dtseries("run.dtseries.nii", values, models)
    save_dlabel("atlas.dlabel.nii", keys, models, NAMES)
    extracted = extract_run("out", input_files="run.dtseries.nii", roi_file="atlas.dlabel.nii")
    assert_signals(extracted, mean_of_each(values, keys, NAMES))


def test_runs_of_one_call_may_have_their_points_in_different_orders(folder, series, atlas):
    names = ["91282", "own wall", "right first", "59412"]
    runs = {name: VARIANTS[name](*series) for name in names}
    for number, (values, models) in enumerate(runs.values()):
        save_dtseries(f"run{number}.dtseries.nii", values, models, step=0.8)
    keys, atlas_models = write_atlas("subcortex first", atlas)
    extracted = extract_all("out", input_files="run*.dtseries.nii", roi_file="atlas.dlabel.nii")
    for each, (values, models) in zip(extracted, runs.values(), strict=True):
        found = keys_at(models, atlas_models, keys)
        assert_signals(each, mean_of_each(values.astype(np.float32), found, atlas[2]))
