"""Made-up confounds tables with the columns of fMRIPrep, and the JSON file beside each."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

T_R = 2.0
HIGH_PASS_SECONDS = 128.0  # of fMRIPrep's cosines
HEAD_RADIUS = 50.0  # mm
N_COMPONENTS = {"combined": 40, "WM": 30, "CSF": 12}
# Volumes at which the head moves, isolated ones and bursts, and by how many mm.
MOVED = (40, 41, 75, 76, 77, 78, 110, 143, 144, 180)
MOVED_LITTLE = (20, 41, 90, 91, 92, 125, 165)
MOVED_MM, MOVED_LITTLE_MM = 0.7, 0.3
# Volumes near the start: with them, pipelines begin at different volumes.
MOVED_AT_START = (2, 3)


def write_fmriprep_table(path: Path, n_volumes: int, *, is_steady: bool = True) -> None:
    """Write a table of confounds and its JSON file.

    Parameters
    ----------
    is_steady
        Whether the run begins in the steady state and without motion. Otherwise pipelines begin at three different
        volumes, as they differ in what they censor.
    """
    rng = np.random.default_rng(0)
    moved = MOVED if is_steady else (*MOVED_AT_START, *MOVED)
    motion = make_motion(rng, n_volumes, moved)
    tissues = {name: rng.normal(10_000, 50, n_volumes) for name in ("csf", "white_matter", "global_signal")}
    components = {name: rng.normal(size=n_volumes) for name in describe_components()}
    table = {
        **expand(tissues),
        **expand(motion),
        "framewise_displacement": displace(motion),
        "std_dvars": np.concatenate([[np.nan], rng.gamma(100, 0.01, n_volumes - 1)]),
        **make_cosines(n_volumes),
        **components,
        **({} if is_steady else {"non_steady_state_outlier00": (np.arange(n_volumes) == 0).astype(int)}),
    }
    path.with_suffix(".json").write_text(json.dumps(describe_components(), indent=2), encoding="utf-8")
    pd.DataFrame(table).to_csv(path, sep="\t", index=False, na_rep="n/a", float_format="%.10g")


def make_motion(rng: np.random.Generator, n_volumes: int, moved: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Return six motion parameters, in mm and radians, in which the head moves at the volumes given and some others."""
    steps = {name: rng.normal(0, 0.005, n_volumes) for name in ("trans_x", "trans_y", "trans_z")}
    steps |= {name: rng.normal(0, 0.005 / HEAD_RADIUS, n_volumes) for name in ("rot_x", "rot_y", "rot_z")}
    steps["trans_z"][_within(moved, n_volumes)] += MOVED_MM
    steps["trans_y"][_within(MOVED_LITTLE, n_volumes)] += MOVED_LITTLE_MM
    # A head that has moved comes back slowly.
    return {name: (step - step.mean()).cumsum() for name, step in steps.items()}


def _within(volumes: tuple[int, ...], n_volumes: int) -> list[int]:
    return [volume for volume in volumes if volume < n_volumes]


def displace(motion: dict[str, np.ndarray]) -> np.ndarray:
    """Return the framewise displacement of Power et al. 2012 (doi:10.1016/j.neuroimage.2011.10.018), NaN at first."""
    radii = {name: HEAD_RADIUS if name.startswith("rot") else 1.0 for name in motion}
    steps = sum(radii[name] * np.abs(np.diff(values)) for name, values in motion.items())
    return np.concatenate([[np.nan], np.asarray(steps)])


def expand(columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return columns with their derivatives, and the squares of both, under fMRIPrep's names."""
    expanded = {}
    for name, values in columns.items():
        derivative = np.concatenate([[np.nan], np.diff(values)])
        expanded |= {name: values, f"{name}_derivative1": derivative}
        expanded |= {f"{name}_power2": values**2, f"{name}_derivative1_power2": derivative**2}
    return expanded


def make_cosines(n_volumes: int) -> dict[str, np.ndarray]:
    """Return the cosines up to fMRIPrep's cut-off."""
    n_cosines = int(2 * n_volumes * T_R / HIGH_PASS_SECONDS)
    times = (np.arange(n_volumes) + 0.5) / n_volumes
    return {f"cosine{n:02}": np.cos(np.pi * (n + 1) * times) for n in range(n_cosines)}


def describe_components() -> dict[str, dict[str, object]]:
    """Return the JSON records of CompCor's components, of which each explains less variance than the one before."""
    prefixes = {"combined": "a", "WM": "w", "CSF": "c"}
    described: dict[str, dict[str, object]] = {}
    for mask, n_components in N_COMPONENTS.items():
        shares = 0.5 * 0.9 ** np.arange(n_components) / np.sum(0.9 ** np.arange(n_components))
        for number, (share, total) in enumerate(zip(shares, shares.cumsum(), strict=True)):
            described[f"{prefixes[mask]}_comp_cor_{number:02}"] = {
                "CumulativeVarianceExplained": round(float(total), 10),
                "Mask": mask,
                "Method": "aCompCor",
                "Retained": True,
                "SingularValue": round(float(300 * share**0.5), 10),
                "VarianceExplained": round(float(share), 10),
            }
    return described
