"""Runs and atlases of random points, orders, grids and encodings against numpy in float64."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from extracting import assert_signals, extract_run
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_surfaces import (
    ASCII,
    BASE64,
    BIG,
    COLUMNS,
    EXTERNAL,
    GZIP,
    LAS_2MM,
    LITTLE,
    NONE,
    ROWS,
    SIDES,
    TIME_SERIES,
    Models,
    Structure,
    crop_grid,
    flip_first_axis,
    make_models,
    save_dlabel,
    save_dtseries,
    save_gifti,
    save_label_gii,
)
from region_means import keys_at, mean_of_each

N_MESH, SHAPE = 30, (7, 8, 9)
NAMES = {1: "a", 2: "b", 3: "c", 5: "d", 8: "e", 13: "f"}
ALL_VOXELS = np.argwhere(np.ones(SHAPE))


def draw_models(rng: np.random.Generator) -> Models:
    """Return some points of some structures in any order; each voxel belongs to one structure at most."""
    owners = rng.integers(0, 6, len(ALL_VOXELS))
    structures = [
        Structure(f"CORTEX_{side}", rng.permutation(N_MESH)[: rng.integers(1, N_MESH)], N_MESH)
        for side in ("LEFT", "RIGHT")
    ]
    for number, name in enumerate(("THALAMUS_LEFT", "BRAIN_STEM", "AMYGDALA_RIGHT")):
        voxels = rng.permutation(ALL_VOXELS[owners == number])
        structures.append(Structure(name, voxels[: rng.integers(1, len(voxels))]))
    chosen = rng.permutation(len(structures))[: rng.integers(1, len(structures) + 1)]
    return make_models(*(structures[number] for number in chosen), affine=LAS_2MM, shape=SHAPE)


def move_grid(models: Models, rng: np.random.Generator) -> Models:
    """Return the same voxels on a grid that runs the other way, or on a larger one."""
    if models.affine is None:
        return models
    flipped = flip_first_axis(models) if rng.random() < 0.5 else models
    return crop_grid(flipped, (-2, -1, -3), (12, 12, 14)) if rng.random() < 0.5 else flipped


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=25)
def test_random_grayordinates_have_the_means_of_numpy(seed):
    rng = np.random.default_rng(seed)
    models, atlas = move_grid(draw_models(rng), rng), move_grid(draw_models(rng), rng)
    dtype = rng.choice(["<f4", ">f4", "<f8", "<i2", "|u1"])
    values = rng.uniform(0, 250, (int(rng.integers(1, 9)), models.n_points)).astype(dtype)
    keys = rng.choice([0, *NAMES], atlas.n_points)
    found = keys_at(models, atlas, keys)
    if not found.any():
        return
    with tempfile.TemporaryDirectory() as folder:
        run, labels = Path(folder, "run.dtseries.nii"), Path(folder, "atlas.dlabel.nii")
        save_dtseries(run, values, models, dtype=dtype)
        save_dlabel(labels, keys, atlas, {key: NAMES[key] for key in rng.permutation(list(NAMES)).tolist()})
        extracted = extract_run(Path(folder, "out"), input_files=run, roi_file=labels)
        assert_signals(extracted, mean_of_each(values, found, NAMES))


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=25)
def test_random_surfaces_have_the_means_of_numpy(seed):
    rng = np.random.default_rng(seed)
    n_volumes = int(rng.integers(1, 9))
    sides = ["L", "R"] if rng.random() < 0.7 else [rng.choice(["L", "R"])]
    parts = []
    with tempfile.TemporaryDirectory() as folder:
        for side in sides:
            n_vertices = int(rng.integers(20, 60))
            values = rng.uniform(0, 250, (n_volumes, n_vertices)).astype(rng.choice(["f4", "i4", "u1"]))
            save_gifti(
                Path(folder, f"run_hemi-{side}_bold.func.gii"),
                [values.T] if rng.random() < 0.4 else list(values),
                primary=rng.choice([SIDES[side], "Invalid"]) if rng.random() < 0.8 else None,
                encoding=rng.choice([ASCII, BASE64, GZIP, EXTERNAL]),
                endian=rng.choice([LITTLE, BIG]),
                order=rng.choice([ROWS, COLUMNS]),
                intent=rng.choice([TIME_SERIES, NONE]),
            )
            keys = rng.choice([0, -1, *NAMES], n_vertices)
            table = {key: f"{side}{NAMES[key]}" for key in rng.permutation(list(NAMES)).tolist()}
            save_label_gii(Path(folder, f"atlas_hemi-{side}.label.gii"), keys, table)
            parts.append(mean_of_each(values, np.maximum(keys, 0), table))
        extracted = extract_run(
            Path(folder, "out"),
            input_files=f"{folder}/run_hemi-*.func.gii",
            roi_file=f"{folder}/atlas_hemi-{'{hemi}' if len(sides) == 2 else sides[0]}.label.gii",
        )
    assert_signals(extracted, pd.concat(parts, axis=1))


def test_structures_of_the_same_voxels_in_another_file_are_told_apart():
    """A place belongs to a region only in the structure that the atlas says."""
    thalamus, stem = (Structure(name, ALL_VOXELS[:20]) for name in ("THALAMUS_LEFT", "BRAIN_STEM"))
    run, atlas = (make_models(each, affine=LAS_2MM, shape=SHAPE) for each in (thalamus, stem))
    both = replace(atlas, structures=(thalamus, replace(stem, points=ALL_VOXELS[20:30])))
    assert not keys_at(run, atlas, np.ones(20, dtype=int)).any()
    values = np.random.default_rng(0).uniform(0, 9, (4, 20)).astype("f4")
    with tempfile.TemporaryDirectory() as folder:
        image, labels = Path(folder, "run.dtseries.nii"), Path(folder, "atlas.dlabel.nii")
        save_dtseries(image, values, run)
        save_dlabel(labels, np.repeat([1, 2], [20, 10]), both, {1: "thalamus", 2: "stem"})
        extracted = extract_run(Path(folder, "out"), input_files=image, roi_file=labels)
        expected = mean_of_each(values, np.ones(20, dtype=int), {1: "thalamus", 2: "stem"})
        assert_signals(extracted, expected)
