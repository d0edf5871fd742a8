"""What pipelines remove: runs, volumes and degrees of freedom."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Losses:
    """What a pipeline removes.

    Parameters
    ----------
    n_runs_lost
        Runs without a result, of all runs.
    censored_share
        Mean over the compared runs of the share of censored volumes.
    degrees_of_freedom
        Mean over the compared runs.
    degrees_of_freedom_lost_share
        Mean over the compared runs of the share of volumes that is lost as degrees of freedom.

    Notes
    -----
    Shares are of the volumes that are not discarded, because no pipeline has the others. Wang et al. 2024,
    https://doi.org/10.1371/journal.pcbi.1011942, count regressors and censored volumes as lost degrees of freedom. The
    degrees of freedom of niimasker also account for the mean, the trend and the filter.
    """

    n_runs_lost: int
    censored_share: float
    degrees_of_freedom: float
    degrees_of_freedom_lost_share: float


def measure_losses(rows: Sequence[Mapping[str, Any]], n_runs_lost: int) -> Losses:
    """Return what a pipeline removes.

    Parameters
    ----------
    rows
        The rows of summary.tsv of its compared runs.
    """
    kept, censored, left = (
        np.array([row[name] for row in rows], dtype=np.float64)
        for name in ("n_volumes", "n_censored", "degrees_of_freedom")
    )
    available = kept + censored
    return Losses(n_runs_lost, _mean(censored / available), _mean(left), _mean(1 - left / available))


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else math.nan
