"""A small made-up brain: two hemispheres of 42 vertices with medial walls, and voxels of two structures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from made_up_surfaces import LAS_2MM, Models, Structure, cortex, make_models, save_dlabel, save_dtseries, save_pair

N_MESH, N_VOLUMES = 42, 8
LEFT_VERTICES = np.delete(np.arange(N_MESH), [3, 17])
RIGHT_VERTICES = np.delete(np.arange(N_MESH), [0, 8, 41])
SHAPE = (9, 10, 11)
THALAMUS = np.array([[i, j, 4] for i in (2, 3, 4) for j in (3, 4, 5, 6)])
ACCUMBENS = np.array([[6, 7, k] for k in (2, 3, 4, 5, 6)])

BRAIN = make_models(
    cortex("L", LEFT_VERTICES, N_MESH),
    cortex("R", RIGHT_VERTICES, N_MESH),
    Structure("THALAMUS_LEFT", THALAMUS),
    Structure("ACCUMBENS_RIGHT", ACCUMBENS),
    affine=LAS_2MM,
    shape=SHAPE,
)
CORTEX = make_models(*BRAIN.structures[:2])

# Keys with gaps; the last vertices of each hemisphere are background.
LEFT_KEYS = np.select([LEFT_VERTICES < 15, LEFT_VERTICES < 36], [1, 2], 0)
RIGHT_KEYS = np.select([RIGHT_VERTICES < 20, RIGHT_VERTICES < 36], [4, 7], 0)
KEYS = np.concatenate([LEFT_KEYS, RIGHT_KEYS, np.full(len(THALAMUS), 9), np.full(len(ACCUMBENS), 12)])
NAMES = {1: "Vis left", 2: "Mot left", 4: "Vis right", 7: "Mot right", 9: "Thalamus", 12: "Accumbens"}
TABLE = {0: "???", **NAMES}


def make_values(n_points: int = BRAIN.n_points, n_volumes: int = N_VOLUMES, seed: int = 0) -> np.ndarray:
    """Return values around 1000 of shape (n_volumes, n_points), as float32."""
    rng = np.random.default_rng(seed)
    return (1000 + rng.normal(0, 20, (n_volumes, n_points))).astype(np.float32)


def write_brain(values: np.ndarray, models: Models = BRAIN, name: str = "rest.dtseries.nii") -> str:
    """Write a run of grayordinates, and return its name."""
    save_dtseries(name, values, models)
    return name


def write_atlas(
    keys: np.ndarray = KEYS, models: Models = BRAIN, table: dict[int, str] = TABLE, name: str = "atlas.dlabel.nii"
) -> str:
    """Write a parcellation of grayordinates, and return its name."""
    save_dlabel(name, keys, models, table)
    return name


def to_mesh(values: np.ndarray, vertices: np.ndarray, n_vertices: int = N_MESH) -> np.ndarray:
    """Return values of some vertices, along the last axis, as values of all vertices; others are 0."""
    whole = np.zeros((*values.shape[:-1], n_vertices), dtype=values.dtype)
    whole[..., vertices] = values
    return whole


def write_hemispheres(
    left: np.ndarray, right: np.ndarray, pattern: str = "rest_hemi-{hemi}_bold.func.gii"
) -> list[str]:
    """Write a run of two hemispheres, and return the names of its files."""
    return [str(Path(path)) for path in save_pair(pattern, left, right)]
