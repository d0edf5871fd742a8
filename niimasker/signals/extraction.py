"""The signal of each region in the kept volumes, and how much of each region it comes from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from niimasker.errors import warn
from niimasker.inputs.series import Series
from niimasker.regions.placing.placement import Placement
from niimasker.regions.placing.weights import CONSTANT, NO_FINITE_POINT, NO_SIGNAL, NOT_IN_ATLAS, RegionWeights
from niimasker.signals.accumulation import PointStatistics
from niimasker.signals.reading import RawSignals


@dataclass(frozen=True)
class Signals:
    """Raw signals of a run's kept volumes, and measures of the regions that they come from.

    Parameters
    ----------
    values
        In the image's units, of shape (n_kept, n_columns), float64; NaN for a region without voxels.
    n_valid
        Number of valid voxels of each region, which are finite and vary over time, of shape (n_regions,).
    coverage
        Share of each region, as defined in its atlas, that its valid voxels make up, of shape (n_regions,).
    mean
        Temporal mean of each region's signal, of shape (n_regions,); NaN for a region without voxels.
    tsnr
        Temporal mean divided by temporal standard deviation, averaged over each region's finite voxels that vary.
        Of shape (n_regions,).
    status
        For each region `OK`, or why it has no signal.
    """

    values: np.ndarray
    n_valid: np.ndarray
    coverage: np.ndarray
    mean: np.ndarray
    tsnr: np.ndarray
    status: tuple[str, ...]


def make_signals(raw: RawSignals, series: Series, placement: Placement, *, valid_voxels: bool = False) -> list[Signals]:
    """Return the signals of each atlas, and warn of values that are not finite.

    Parameters
    ----------
    valid_voxels
        Whether the raw signals are averages over valid voxels only.
    """
    n_not_finite = np.count_nonzero(~raw.statistics.is_finite)
    if n_not_finite:
        noun = series.space.points_noun
        what = f"those {noun} are left out" if valid_voxels else "those values count as 0"
        warn(f"{n_not_finite} of the {noun} read hold NaN or infinite values; {what}.")
    ends = np.cumsum([len(weights.names) for weights in placement.weights])
    parts = np.split(raw.values, ends[:-1], axis=1)
    return [
        _make_signals(part, raw.statistics, weights, members)
        for part, weights, members in zip(parts, placement.weights, raw.members, strict=True)
    ]


def _make_signals(
    values: np.ndarray, statistics: PointStatistics, weights: RegionWeights, members: sparse.csr_array
) -> Signals:
    regions = weights.whole_regions
    varies = statistics.is_finite & (statistics.deviation > 0)
    point_tsnr = np.divide(statistics.mean, statistics.deviation, out=np.zeros_like(statistics.mean), where=varies)
    n_valid = np.rint(members @ statistics.is_valid.astype(np.float64)).astype(int)
    n_finite = members @ statistics.is_finite.astype(np.float64)
    n_varying = members @ varies.astype(np.float64)
    tsnr = np.divide(members @ point_tsnr, n_varying, out=np.full(len(n_valid), np.nan), where=n_varying > 0)
    is_silent = regions.filled & (n_valid == 0)
    no_signal = NO_SIGNAL if regions.structures is None else NO_FINITE_POINT
    status = np.select([is_silent & (n_finite > 0), is_silent], [CONSTANT, no_signal], regions.status)
    # For a map without signal, least squares would return what the other maps leave unexplained.
    no_values = ~weights.filled | (is_silent if weights.kind == "maps" else False)
    coverage = _measure_coverage(regions, n_valid)
    values = np.where(no_values, np.nan, values)
    return Signals(values, n_valid, coverage, _average_over_time(values, weights), tsnr, tuple(status.tolist()))


def _average_over_time(values: np.ndarray, weights: RegionWeights) -> np.ndarray:
    """Return the temporal mean of each region; where each voxel is a column, averaged over its columns."""
    means = values.mean(axis=0)
    if weights.single_points is None:
        return np.asarray(means)
    rows, n_regions = weights.single_points.rows, len(weights.whole_regions.names)
    n_columns = np.bincount(rows, minlength=n_regions)
    sums = np.bincount(rows, means, minlength=n_regions)
    return np.asarray(np.divide(sums, n_columns, out=np.full(n_regions, np.nan), where=n_columns > 0))


def _measure_coverage(regions: RegionWeights, n_valid: np.ndarray) -> np.ndarray:
    """Return the share of each region that its valid voxels make up; outside the field of view none are valid.

    It is NaN for a region that has no point in its atlas.
    """
    # Divided once: 7 of 20 points in the image times 4 valid ones of these 7 is less than 0.2 in floating point.
    inside, total = regions.extent_inside * n_valid, regions.extent * regions.n_points
    coverage = np.divide(inside, total, out=np.zeros(len(n_valid)), where=total > 0)
    is_defined = np.array([status != NOT_IN_ATLAS for status in regions.status])
    return np.where(is_defined, coverage, np.nan)
