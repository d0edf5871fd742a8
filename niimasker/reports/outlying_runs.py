"""Runs that stand out: numbers far from the median of the runs of their pipeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

# Factors that scale the median and the mean absolute deviation to the standard deviation of a normal distribution: Leys
# et al. 2013, https://doi.org/10.1016/j.jesp.2013.03.013, and Iglewicz and Hoaglin 1993. The mean is used where more
# than half of the values are equal, as the numbers of volumes often are.
_MEDIAN_DEVIATION, _MEAN_DEVIATION = 1.4826, 1.2533
OUTLIER_DEVIATIONS = 3.0
MIN_RUNS_FOR_OUTLIERS = 5


def find_outliers_by_pipeline(rows: Sequence[Mapping[str, Any]], values: np.ndarray) -> tuple[int, ...]:
    """Return the positions of values far from the median of their pipeline."""
    positions: dict[str | None, list[int]] = {}
    for position, row in enumerate(rows):
        positions.setdefault(row["pipeline"], []).append(position)
    distance_of = {
        of_pipeline[place]: abs(values[of_pipeline[place]] - np.nanmedian(values[of_pipeline]))
        for of_pipeline in positions.values()
        for place in find_outliers(values[of_pipeline])
    }
    found, distances = list(distance_of), np.array(list(distance_of.values()))
    return tuple(np.array(found, dtype=int)[np.argsort(-distances, kind="stable")].tolist())


def find_medians_by_pipeline(rows: Sequence[Mapping[str, Any]], values: np.ndarray) -> np.ndarray:
    """Return for each row the median of its pipeline; NaN where no value of it is known."""
    pipelines = np.array([row["pipeline"] or "" for row in rows], dtype=object)
    medians = np.full(len(values), np.nan)
    for pipeline in set(pipelines):
        of_pipeline = pipelines == pipeline
        known = values[of_pipeline & np.isfinite(values)]
        medians[of_pipeline] = np.median(known) if len(known) else np.nan
    return medians


def find_outliers(values: np.ndarray) -> tuple[int, ...]:
    """Return the positions of values far from the median, furthest first; none if values are few. NaN is missing."""
    known = values[np.isfinite(values)]
    if len(known) < MIN_RUNS_FOR_OUTLIERS:
        return ()
    distances = np.nan_to_num(np.abs(values - np.median(known)), nan=0.0)
    far = np.flatnonzero(distances > OUTLIER_DEVIATIONS * scaled_deviation(known))
    return tuple(far[np.argsort(-distances[far], kind="stable")].tolist())


def scaled_deviation(values: np.ndarray) -> float:
    """Return a robust measure of spread, on the scale of a standard deviation."""
    distances = np.abs(values - np.median(values))
    return float(_MEDIAN_DEVIATION * np.median(distances) or _MEAN_DEVIATION * distances.mean())
