"""Head motion of a made-up run, and what it leaves in the images."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist

from niimasker.example.confounds import HEAD_RADIUS, framewise_displacement
from niimasker.example.template import Brain

# Bursts of motion begin in slots of so many volumes, one in each: segments between them are worth keeping.
_SLOT = 12
_BURST_LENGTHS = range(3, 7)
# At most so many of the volumes move, whatever the mean framewise displacement is.
_MOST_MOVING = 0.3
# A displaced volume is darker everywhere, by so much per mm; the signal needs three more volumes to recover.
_DARKENING, _RECOVERY = 0.008, (1.0, 0.6, 0.3, 0.1)
# It also changes in patches, which neighbouring regions share: their number, width (SD) in mm, and size per mm.
_N_PATCHES, _PATCH_WIDTH, _PATCH_SIZE = 100, 16.0, 0.016
_LARGEST_DISPLACEMENT = 2.0  # mm, beyond which the artefacts do not grow


def make_bursts(mean_fd: float, n_volumes: int, rng: np.random.Generator) -> np.ndarray:
    """Return MOTION in mm and radians, shape (n_volumes, 6): a slow random walk, and bursts of larger motion.

    Parameters
    ----------
    mean_fd
        About what the mean framewise displacement is, in mm.
    """
    to_radians = np.array([1.0] * 3 + [1 / HEAD_RADIUS] * 3)
    walk = np.cumsum(rng.normal(scale=0.01 + 0.015 * mean_fd, size=(n_volumes, 6)), axis=0) * to_radians
    is_moving = _choose_moving(mean_fd, n_volumes, rng)
    bursts = is_moving[:, None] * rng.normal(size=(n_volumes, 6)) * to_radians
    motion: np.ndarray = walk + (mean_fd - _mean_fd(walk)) / _mean_fd(bursts) * bursts
    return motion


def _choose_moving(mean_fd: float, n_volumes: int, rng: np.random.Generator) -> np.ndarray:
    """Return which volumes the bursts are in, at least one burst."""
    n_slots = n_volumes // _SLOT
    n_moving = n_volumes * min(_MOST_MOVING, mean_fd)
    n_bursts = int(np.clip(np.round(n_moving / np.mean(_BURST_LENGTHS)), 1, n_slots))
    is_moving = np.zeros(n_volumes, bool)
    for slot in rng.choice(n_slots, n_bursts, replace=False):
        start = slot * _SLOT + 1
        is_moving[start : start + rng.choice(_BURST_LENGTHS)] = True
    return is_moving


def make_artefacts(brain: Brain, motion: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return what head motion adds to the signal, in fractions of the baseline, shape (n_voxels, n_volumes)."""
    size = np.minimum(np.nan_to_num(framewise_displacement(motion)), _LARGEST_DISPLACEMENT)
    darkening = np.convolve(size, _RECOVERY)[: len(size)]
    artefacts: np.ndarray = np.outer(-_DARKENING * rng.normal(1, 0.3, len(brain.baseline)), darkening)
    centres = brain.positions[rng.choice(len(brain.positions), _N_PATCHES, replace=False)]
    patches = np.exp(-(cdist(brain.positions, centres) ** 2) / (2 * _PATCH_WIDTH**2))
    artefacts += patches @ (_PATCH_SIZE * size * rng.normal(size=(_N_PATCHES, len(size))))
    return artefacts


def _mean_fd(motion: np.ndarray) -> float:
    return float(np.nanmean(framewise_displacement(motion)))
