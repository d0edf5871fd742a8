"""Made-up studies whose runs have confounds with motion, and images and regions of every kind on small spaces."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from confounds_tables import FULL_MOTION
from images import OBLIQUE, save, save_stored
from made_up_surfaces import (
    LAS_2MM,
    Structure,
    cortex,
    make_models,
    save_dlabel,
    save_dtseries,
    save_label_pair,
    save_pair,
    save_shape,
)

SHAPE = (5, 6, 7)
N_VOLUMES, T_R = 48, 2.0
N_MESH = 30
STEM = "sub-1_task-rest"

# Ways of cleaning that differ in all that matters; the last has a dot in its name.
PIPELINES: dict[str, dict[str, Any]] = {
    "raw": {},
    "6P+filter": {"regressors": ["motion=basic"], "detrend": True, "low_pass": 0.1, "standardize": True},
    "scrubbing.5": {
        "regressors": ["global_signal", "csf"],
        "scrub": True,
        "std_dvars_threshold": 0,
        "scrub_segment": 0,
        "standardize": True,
        "connectivity": ["pearson"],
    },
}
WORDS = ("-i", "sub-*_bold.nii", "-r", "atlas.nii", "--no_report")
OPTIONS = {"input_files": "sub-*_bold.nii", "roi_file": "atlas.nii"}


def make_confounds(rng: np.random.Generator, n_volumes: int = N_VOLUMES) -> pd.DataFrame:
    """Return a table with fMRIPrep's columns; a fifth of the volumes move by more than 0.5 mm."""
    names = [*FULL_MOTION, "csf", "white_matter", "global_signal", "a", "b"]
    steps = rng.normal(size=(n_volumes, len(names)))
    # In mm and radians, with a few jumps.
    steps[:, : len(FULL_MOTION)] *= np.where([name.startswith("rot") for name in FULL_MOTION], 0.0006, 0.03)
    steps[:, 0] += 0.8 * (rng.random(n_volumes) < 0.1)
    table = pd.DataFrame(steps.cumsum(axis=0).round(6), columns=names)
    table["cosine00"] = np.cos(np.pi * (np.arange(n_volumes) + 0.5) / n_volumes).round(6)
    table["framewise_displacement"] = (
        np.where(rng.random(n_volumes) < 0.2, 0.9, 0.2) + rng.random(n_volumes).round(6) / 9
    )
    table["std_dvars"] = (0.6 + rng.random(n_volumes)).round(6)
    table.loc[
        0, [name for name in table if "derivative" in name or name in ("framewise_displacement", "std_dvars")]
    ] = np.nan
    return table


def save_confounds(path: Path | str, table: pd.DataFrame) -> None:
    """Write a table as fMRIPrep does."""
    table.to_csv(path, sep="\t", index=False, na_rep="n/a")


def make_volumes(rng: np.random.Generator, n_volumes: int = N_VOLUMES) -> np.ndarray:
    """Return random walks around 1000 of shape (*SHAPE, n_volumes)."""
    return (1000 + rng.normal(size=(*SHAPE, n_volumes)).cumsum(axis=-1)).astype(np.float32)


def write_study(n_runs: int, seed: int = 0) -> None:
    """Write runs, their confounds and two atlases into the current folder."""
    rng = np.random.default_rng(seed)
    for number in range(1, n_runs + 1):
        save(Path(f"sub-{number:02}_task-rest_bold.nii"), make_volumes(rng), t_r=T_R)
        save_confounds(f"sub-{number:02}_task-rest_desc-confounds_timeseries.tsv", make_confounds(rng))
    save(Path("atlas.nii"), rng.choice([0, 2, 3, 7], size=SHAPE).astype(np.int16))
    save(Path("mask.nii"), (rng.random(SHAPE) < 0.3).astype(np.uint8))


def censor_runs(numbers: tuple[int, ...], volumes: range = range(N_VOLUMES)) -> str:
    """Write a censor file for each of both runs, and return their pattern; that of some runs censors these volumes."""
    for number in (1, 2):
        flags = [int(number in numbers and volume in volumes) for volume in range(N_VOLUMES)]
        Path(f"sub-{number:02}_task-rest_censor.txt").write_text("".join(f"{flag}\n" for flag in flags))
    return "sub-*_censor.txt"


# Single runs of every kind

IMAGES = ("nii", "nii.gz", "int16", "gifti", "dtseries")
VOLUME_REGIONS = ("labels", "mask", "maps", "spheres")
SURFACE_REGIONS = ("labels", "mask")
_VOXELS = np.argwhere(np.ones((3, 3, 2)))
_MODELS = make_models(
    cortex("L", np.arange(N_MESH), N_MESH),
    cortex("R", np.arange(N_MESH), N_MESH),
    Structure("THALAMUS_LEFT", _VOXELS),
    affine=LAS_2MM,
    shape=SHAPE,
)


def n_points(kind: str) -> int:
    """Return the number of points of a volume of an image."""
    return {"gifti": 2 * N_MESH, "dtseries": _MODELS.n_points}.get(kind, int(np.prod(SHAPE)))


def make_series(kind: str, rng: np.random.Generator, *, n_nan: int = 0, n_constant: int = 0) -> np.ndarray:
    """Return values of shape (N_VOLUMES, n_points) with points that are NaN in some volumes, and constant points."""
    values = (1000 + rng.normal(size=(N_VOLUMES, n_points(kind))).cumsum(axis=0)).astype(np.float32)
    chosen = rng.permutation(values.shape[1])[: n_nan + n_constant]
    values[:, chosen[n_nan:]] = values[:1, chosen[n_nan:]]
    for point in chosen[:n_nan]:
        values[rng.random(N_VOLUMES) < rng.choice([0.05, 0.4, 1.0]), point] = rng.choice([np.nan, np.inf])
    return values


def save_series(kind: str, values: np.ndarray) -> str:
    """Write an image of some kind, and return its name or the pattern of its files."""
    name = f"{STEM}_bold.{kind}"
    if kind == "gifti":
        save_pair(f"{STEM}_hemi-{{hemi}}_bold.func.gii", values[:, :N_MESH], values[:, N_MESH:])
        return f"{STEM}_hemi-*_bold.func.gii"
    if kind == "dtseries":
        save_dtseries(f"{name}.nii", values, _MODELS, step=T_R)
        return f"{name}.nii"
    volumes = values.T.reshape(*SHAPE, -1)
    if kind == "int16":
        stored = np.round((np.nan_to_num(volumes, nan=900, posinf=900) - 900) / 0.05).astype(np.int16)
        save_stored(Path(f"{STEM}_bold.nii"), stored, slope=0.05, intercept=900)
        return f"{STEM}_bold.nii"
    save(Path(name), volumes, t_r=T_R)
    return name


def save_regions(kind: str, image: str, rng: np.random.Generator, number: int) -> str:
    """Write regions of some kind on the space of an image, and return their file."""
    keys = rng.choice([0, 2, 3, 7], n_points(image))
    if kind == "mask":
        keys = (keys > 2).astype(int)
    names = {2: "b", 3: "c", 7: "g"} if kind == "labels" else {1: "one"}
    if image == "gifti":
        if kind == "mask":
            for side, part in (("L", keys[:N_MESH]), ("R", keys[N_MESH:])):
                save_shape(f"roi{number}_hemi-{side}.shape.gii", part)
            return f"roi{number}_hemi-{{hemi}}.shape.gii"
        save_label_pair(f"roi{number}_hemi-{{hemi}}.label.gii", keys[:N_MESH], keys[N_MESH:], {0: "???", **names})
        return f"roi{number}_hemi-{{hemi}}.label.gii"
    if image == "dtseries":
        save_dlabel(f"roi{number}.dlabel.nii", keys, _MODELS, {0: "???", **names})
        return f"roi{number}.dlabel.nii"
    if kind == "spheres":
        centres = rng.permutation(np.argwhere(np.ones(SHAPE)))[:3] @ OBLIQUE[:3, :3].T + OBLIQUE[:3, 3]
        pd.DataFrame(centres, columns=["x", "y", "z"]).to_csv(f"roi{number}.tsv", sep="\t", index=False)
        return f"roi{number}.tsv"
    values = keys.reshape(SHAPE).astype(np.int16)
    if kind == "maps":
        values = rng.random((*SHAPE, 3)) * (rng.random((*SHAPE, 3)) < 0.4)
    save(Path(f"roi{number}.nii"), values)
    return f"roi{number}.nii"


def save_tables(rng: np.random.Generator) -> None:
    """Write the confounds of the single run, other confounds and two censor files."""
    save_confounds(f"{STEM}_desc-confounds_timeseries.tsv", make_confounds(rng))
    save_confounds("other.tsv", make_confounds(rng))
    for name in ("few.txt", "many.txt"):
        share = 0.1 if name == "few.txt" else 0.5
        Path(name).write_text("".join(f"{int(flag)}\n" for flag in rng.random(N_VOLUMES) < share))
