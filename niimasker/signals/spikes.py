"""Volumes that a spike regressor removes: it is 1 there and 0 elsewhere, so that no signal is left of the volume."""

from __future__ import annotations

import numpy as np


def find_spiked(regressors: np.ndarray) -> np.ndarray:
    """Return the volumes of which a spike regressor leaves nothing, bool of shape (n_volumes,).

    Parameters
    ----------
    regressors : ndarray of shape (n_volumes, n_regressors)
        At the kept volumes, before any filter.
    """
    is_other = regressors != 0
    spikes = is_other[:, np.count_nonzero(is_other, axis=0) == 1]
    return np.asarray(spikes.any(axis=1))
