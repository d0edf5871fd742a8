"""Power by frequency of one signal."""

from __future__ import annotations

import math

import numpy as np
from scipy.signal import welch

# A stretch this long shows frequencies 0.004 Hz apart, enough for the usual cut-off of 0.01 Hz.
_SECONDS, _LEAST_VOLUMES = 256.0, 64


def power_spectrum(signal: np.ndarray, t_r: float | None) -> tuple[np.ndarray, np.ndarray]:
    """Return frequencies, and of each the share of the signal's power by Welch's method.

    Parameters
    ----------
    signal : ndarray of shape (n_volumes,)
        NaN where a volume is not kept: at the ends it is left out, in between a straight line bridges it.
    t_r
        In seconds; without it frequencies are in cycles per volume.

    Returns
    -------
    frequencies : ndarray
        In Hz, without 0.
    shares : ndarray
        They sum to 1; NaN for a signal that does not vary.
    """
    signal = _bridge(signal)
    n_least = _LEAST_VOLUMES if t_r is None else max(_LEAST_VOLUMES, math.ceil(_SECONDS / t_r))
    frequencies, power = welch(signal, fs=1.0 if t_r is None else 1.0 / t_r, nperseg=min(len(signal), n_least))
    total = power[1:].sum()
    return frequencies[1:], power[1:] / (total if total > 0 else np.nan)


def _bridge(signal: np.ndarray) -> np.ndarray:
    # Closing the gaps would break the phase of every oscillation at each: of a band-passed signal with a tenth of its
    # volumes censored, 1 % of the power then lies above the band, with lines 0.2 %.
    known = np.flatnonzero(np.isfinite(signal))
    return np.asarray(np.interp(np.arange(known[0], known[-1] + 1), known, signal[known]))
