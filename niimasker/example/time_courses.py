"""Time courses like those of BOLD signals at rest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter1d

from niimasker.example.parcellation import CENTRES, N_PAIRS, region_table


@dataclass(frozen=True)
class Sampling:
    """When the volumes of a run are scanned: how many there are, and the repetition time in seconds."""

    n_volumes: int
    t_r: float


def make_slow_signals(n_signals: int, sampling: Sampling, rng: np.random.Generator) -> np.ndarray:
    """Return noise with most of its power below 0.1 Hz, shape (n_signals, n_volumes), SD 1."""
    noise = gaussian_filter1d(rng.standard_normal((n_signals, sampling.n_volumes)), sigma=3 / sampling.t_r, axis=1)
    signals: np.ndarray = noise / noise.std(axis=1, keepdims=True)
    return signals


def make_region_signals(sampling: Sampling, rng: np.random.Generator) -> np.ndarray:
    """Return the signal of each region, shape (n_regions, n_volumes), SD 1: of its network, its pair and its own."""
    pairs = np.tile(np.arange(N_PAIRS), 2)
    networks = pd.factorize(region_table()["network"])[0]
    signals = 0.7 * make_slow_signals(len(CENTRES), sampling, rng)[networks]
    signals += 0.6 * make_slow_signals(N_PAIRS, sampling, rng)[pairs]
    signals += 0.4 * make_slow_signals(2 * N_PAIRS, sampling, rng)
    return signals
