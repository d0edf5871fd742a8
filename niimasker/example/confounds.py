"""The confounds that fMRIPrep would compute from the made-up volumes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from niimasker.example.template import Brain

N_NON_STEADY = 1
N_COMPONENTS = 10
CUTOFF_PERIOD = 128  # s, the high-pass cut-off of fMRIPrep
HEAD_RADIUS = 50  # mm, for framewise displacement
MOTION = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")


def make_confounds(
    brain: Brain, motion: np.ndarray, volumes: np.ndarray, t_r: float
) -> tuple[pd.DataFrame, dict[str, object]]:
    """Return the confounds that fMRIPrep would compute from the made-up volumes, and their JSON metadata.

    Parameters
    ----------
    motion : ndarray of shape (n_volumes, 6)
        The parameters of MOTION, in mm and radians.
    volumes : ndarray of shape (n_voxels, n_volumes)
        Voxels of the brain.
    t_r
        In seconds.
    """
    n_volumes = volumes.shape[1]
    cosines = make_cosines(n_volumes, t_r)
    means = {
        "global_signal": volumes.mean(axis=0),
        "csf": volumes[brain.csf].mean(axis=0),
        "white_matter": volumes[brain.white_matter].mean(axis=0),
    }
    framewise = make_framewise(motion, volumes)
    components, metadata = make_components(brain, volumes, cosines)
    outliers = (framewise["framewise_displacement"] > 0.5) | (framewise["std_dvars"] > 1.5)  # the defaults of fMRIPrep
    columns = expand(means) | framewise | components | cosines | expand(dict(zip(MOTION, motion.T, strict=True)))
    one_hot = np.eye(n_volumes)
    columns |= number_columns("non_steady_state_outlier", one_hot[:N_NON_STEADY])
    return pd.DataFrame(columns | number_columns("motion_outlier", one_hot[outliers])), metadata


def expand(signals: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return each signal with its derivative and the squares of both, named as fMRIPrep names them."""
    columns = {}
    for name, signal in signals.items():
        columns[name] = signal
        columns[f"{name}_derivative1"] = difference(signal)
        columns[f"{name}_power2"] = signal**2
        columns[f"{name}_derivative1_power2"] = difference(signal) ** 2
    return columns


def difference(signals: np.ndarray) -> np.ndarray:
    """Return the change since the previous volume, along the last axis; NaN for the first volume."""
    changes: np.ndarray = np.diff(signals, axis=-1, prepend=np.nan)
    return changes


def make_framewise(motion: np.ndarray, volumes: np.ndarray) -> dict[str, np.ndarray]:
    """Return the measures of change from each volume to the next, in the signal and in the position of the head.

    ``std_dvars`` is DVARS divided by its median; fMRIPrep divides by the value expected of noise, which is similar.
    ``rmsd`` is Jenkinson's for small angles (https://www.fmrib.ox.ac.uk/datasets/techrep/tr99mj1), for a head of 80 mm
    radius.
    """
    dvars = np.sqrt(np.mean(difference(volumes) ** 2, axis=0))
    shift, turn = np.split(difference(motion.T), 2)
    return {
        "std_dvars": dvars / np.nanmedian(dvars),
        "dvars": dvars,
        "framewise_displacement": framewise_displacement(motion),
        "rmsd": np.sqrt((shift**2).sum(axis=0) + 80**2 / 5 * 2 * (turn**2).sum(axis=0)),
    }


def framewise_displacement(motion: np.ndarray) -> np.ndarray:
    """Return the framewise displacement in mm; NaN for the first volume.

    It is that of Power et al. 2012, https://doi.org/10.1016/j.neuroimage.2011.10.018.
    """
    shift, turn = np.split(np.abs(difference(motion.T)), 2)
    displacement: np.ndarray = shift.sum(axis=0) + HEAD_RADIUS * turn.sum(axis=0)
    return displacement


def make_cosines(n_volumes: int, t_r: float) -> dict[str, np.ndarray]:
    """Return the discrete cosines of periods above CUTOFF_PERIOD; 0 before the steady state, as in fMRIPrep."""
    n_steady = n_volumes - N_NON_STEADY
    orders = np.arange(1, int(2 * n_steady * t_r / CUTOFF_PERIOD) + 1)
    cosines = np.sqrt(2 / n_steady) * np.cos(np.pi / n_steady * np.outer(orders, np.arange(n_steady) + 0.5))
    return number_columns("cosine", np.pad(cosines, ((0, 0), (N_NON_STEADY, 0))))


def make_components(
    brain: Brain, volumes: np.ndarray, cosines: Mapping[str, np.ndarray]
) -> tuple[dict[str, np.ndarray], dict[str, object]]:
    """Return the CompCor components, and the metadata by which load_confounds chooses among them."""
    slow = np.stack(list(cosines.values()))[:, N_NON_STEADY:]
    residuals = volumes[:, N_NON_STEADY:] - volumes[:, N_NON_STEADY:].mean(axis=1, keepdims=True)
    residuals -= (residuals @ slow.T) @ slow
    variance = residuals.var(axis=1)
    temporal = number_columns("t_comp_cor_", decompose(residuals[variance > np.quantile(variance, 0.98)]))
    anatomical = number_columns("a_comp_cor_", decompose(residuals[brain.csf | brain.white_matter]))
    metadata: dict[str, object] = {name: {"Method": "tCompCor", "Retained": True} for name in temporal}
    metadata |= {name: {"Method": "aCompCor", "Mask": "combined", "Retained": True} for name in anatomical}
    return temporal | anatomical, metadata


def decompose(residuals: np.ndarray) -> np.ndarray:
    """Return the first principal components of the z-scored voxels, shape (N_COMPONENTS, n_volumes)."""
    z_scores = residuals / residuals.std(axis=1, keepdims=True)
    components = np.linalg.eigh(z_scores.T @ z_scores)[1].T[: -N_COMPONENTS - 1 : -1]
    # Signs are arbitrary and last digits differ between LAPACK libraries: make the largest value positive, and round.
    largest = np.take_along_axis(components, np.abs(components).argmax(axis=1)[:, None], axis=1)
    return np.pad(np.round(components * np.sign(largest), 8), ((0, 0), (N_NON_STEADY, 0)))


def number_columns(name: str, signals: np.ndarray) -> dict[str, np.ndarray]:
    """Return the signals, named by the name and a number of two digits."""
    return {f"{name}{number:02d}": signal for number, signal in enumerate(signals)}
