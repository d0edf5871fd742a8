"""Statistics of edges (pairs of regions) over runs, taken in one run at a time: memory is that of a few edge lists."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

# Fewer runs say nothing of how edges go with motion.
MIN_RUNS = 10
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Moments:
    """Of values over runs, for each edge: their number, their mean, and the sum of squares around it."""

    n: np.ndarray
    mean: np.ndarray
    squares: np.ndarray

    @property
    def deviation(self) -> np.ndarray:
        """The sample standard deviation; NaN for fewer than two runs."""
        return np.asarray(np.sqrt(_over(self.squares, np.where(self.n > 1, self.n - 1, 0))))


@dataclass(frozen=True)
class EdgeSums:
    """What is known of edges after some runs.

    Parameters
    ----------
    coupled, motion
        Values and mean framewise displacement, over the runs that have both.
    products
        The sum of products of these two around their means.
    alone
        Values over the runs whose displacement is not known.
    """

    coupled: Moments
    motion: Moments
    products: np.ndarray
    alone: Moments

    @property
    def values(self) -> Moments:
        """Values over all runs that have one."""
        return _together(self.coupled, self.alone)


@dataclass(frozen=True)
class QcFc:
    """The correlation of each edge with mean framewise displacement over runs; NaN where there is none."""

    r: np.ndarray
    p: np.ndarray

    @property
    def n_edges(self) -> int:
        """The edges that have a correlation."""
        return int(np.count_nonzero(np.isfinite(self.r)))

    @property
    def share_significant(self) -> float:
        """The share of these edges with p < 0.05, uncorrected."""
        return float(np.count_nonzero(self.p < SIGNIFICANT) / self.n_edges) if self.n_edges else math.nan

    @property
    def median_absolute(self) -> float:
        """The median of their absolute correlations."""
        return float(np.nanmedian(np.abs(self.r))) if self.n_edges else math.nan


@dataclass(frozen=True)
class DistanceDependence:
    """How QC-FC goes with the distance of regions: Pearson's r with its line, and Spearman's rho."""

    r: float
    rho: float
    slope: float
    intercept: float


def no_runs(n_edges: int) -> EdgeSums:
    """Return what is known of edges before any run."""
    nothing = Moments(np.zeros(n_edges), np.zeros(n_edges), np.zeros(n_edges))
    return EdgeSums(nothing, nothing, np.zeros(n_edges), nothing)


def add_run(sums: EdgeSums, values: np.ndarray, mean_fd: float) -> EdgeSums:
    """Return what is known of edges after one run more.

    The updates are those of Welford 1962, https://doi.org/10.1080/00401706.1962.10490022, whose rounding errors do
    not grow with the distance of the values from 0.

    Parameters
    ----------
    values : ndarray of shape (n_edges,)
        Of the run; NaN where an edge has none.
    mean_fd
        Mean framewise displacement of the run in mm; NaN when it is not known.
    """
    has_value = np.isfinite(values)
    if not math.isfinite(mean_fd):
        return replace(sums, alone=_add(sums.alone, values, has_value))
    motion = np.full(len(values), mean_fd)
    coupled = _add(sums.coupled, values, has_value)
    products = sums.products + np.where(has_value, (values - coupled.mean) * (motion - sums.motion.mean), 0.0)
    return EdgeSums(coupled, _add(sums.motion, motion, has_value), products, sums.alone)


def _add(moments: Moments, values: np.ndarray, counts: np.ndarray) -> Moments:
    n = moments.n + counts
    step = np.where(counts, values - moments.mean, 0.0)
    mean = moments.mean + step / np.maximum(n, 1)
    return Moments(n, mean, moments.squares + step * np.where(counts, values - mean, 0.0))


def _together(one: Moments, other: Moments) -> Moments:
    """Return the moments of two sets of runs, after Chan et al. 1983, https://doi.org/10.1080/00031305.1983.10483115."""
    n = one.n + other.n
    apart, share = other.mean - one.mean, other.n / np.maximum(n, 1)
    return Moments(n, one.mean + apart * share, one.squares + other.squares + apart**2 * one.n * share)


def _over(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Return quotients, NaN in place of those by 0."""
    return np.asarray(numerator / np.where(denominator > 0, denominator, np.nan))


def mean_over_runs(sums: EdgeSums) -> np.ndarray:
    """Return each edge's mean, NaN for those without a value in any run."""
    values = sums.values
    return np.where(values.n > 0, values.mean, np.nan)


def correlate_with_motion(sums: EdgeSums) -> QcFc:
    """Return Pearson's correlation of each edge with motion, and its two-sided p from t with n - 2 degrees of freedom.

    An edge that fewer than 10 runs have together with motion has none.
    """
    from scipy.special import stdtr

    n = sums.coupled.n
    r = _over(sums.products, np.sqrt(sums.coupled.squares) * np.sqrt(sums.motion.squares))
    r = np.where(n >= MIN_RUNS, np.clip(r, -1.0, 1.0), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.abs(r) * np.sqrt((n - 2) / ((1 - r) * (1 + r)))
    return QcFc(r, 2 * stdtr(n - 2, -t))


def depend_on_distance(qcfc: np.ndarray, distances: np.ndarray) -> DistanceDependence | None:
    """Return how edges' correlations with motion go with their length in mm, None where nothing can be told.

    Parameters
    ----------
    qcfc, distances : ndarray of shape (n_edges,)
        NaN is no value.
    """
    from scipy.stats import linregress, spearmanr

    known = np.isfinite(qcfc) & np.isfinite(distances)
    qcfc, distances = qcfc[known], distances[known]
    if len(qcfc) < 3 or not np.ptp(qcfc) or not np.ptp(distances):
        return None
    line = linregress(distances, qcfc)
    rho = spearmanr(distances, qcfc).statistic
    return DistanceDependence(float(line.rvalue), float(rho), float(line.slope), float(line.intercept))


def matrix_of(edges: np.ndarray, n_regions: int) -> np.ndarray:
    """Return the square matrix of edges, NaN on its diagonal."""
    matrix = np.full((n_regions, n_regions), np.nan)
    matrix[np.triu_indices(n_regions, k=1)] = edges
    return np.where(np.isnan(matrix), matrix.T, matrix)


def distances_between(centres: np.ndarray) -> np.ndarray:
    """Return the Euclidean length of each edge, given centres of shape (n_regions, 3) in mm."""
    from scipy.spatial.distance import pdist

    return np.asarray(pdist(centres))
