"""Statistics of edges (pairs of regions) over runs, updated run by run, in memory that does not grow with the runs."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

# With fewer runs the correlation of edges with motion is too uncertain.
MIN_RUNS = 10
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Moments:
    """Number, mean, and sum of squared deviations from the mean of each edge's values over runs."""

    n: np.ndarray
    mean: np.ndarray
    squares: np.ndarray

    @property
    def deviation(self) -> np.ndarray:
        """Sample standard deviation; NaN for fewer than two runs."""
        return np.asarray(np.sqrt(_divide(self.squares, np.where(self.n > 1, self.n - 1, 0))))


@dataclass(frozen=True)
class EdgeSums:
    """Running sums of edges over the runs added so far.

    Parameters
    ----------
    with_motion, motion
        Moments of the edges and of mean framewise displacement, over the runs that have both.
    products
        Sum of products of the two, each as deviation from its mean.
    without_motion
        Moments of the edges over the runs whose framewise displacement is not known.
    """

    with_motion: Moments
    motion: Moments
    products: np.ndarray
    without_motion: Moments

    @property
    def values(self) -> Moments:
        """Moments of the edges over all runs."""
        return _merge(self.with_motion, self.without_motion)


@dataclass(frozen=True)
class QcFc:
    """Correlation over runs of each edge with mean framewise displacement; NaN where undefined."""

    r: np.ndarray
    p: np.ndarray

    @property
    def n_edges(self) -> int:
        """Number of edges that have a correlation."""
        return int(np.count_nonzero(np.isfinite(self.r)))

    @property
    def share_significant(self) -> float:
        """Share of these edges with p < 0.05, uncorrected."""
        return float(np.count_nonzero(self.p < SIGNIFICANT) / self.n_edges) if self.n_edges else math.nan

    @property
    def share_significant_fdr(self) -> float:
        """Share of these edges with a false discovery rate below 0.05, after Benjamini and Hochberg 1995.

        https://doi.org/10.1111/j.2517-6161.1995.tb02031.x
        """
        from scipy.stats import false_discovery_control

        known = self.p[np.isfinite(self.p)]
        return float(np.mean(false_discovery_control(known) < SIGNIFICANT)) if len(known) else math.nan

    @property
    def median_absolute(self) -> float:
        """Median of their absolute correlations."""
        return float(np.nanmedian(np.abs(self.r))) if self.n_edges else math.nan


@dataclass(frozen=True)
class DistanceDependence:
    """Relation of QC-FC to the distance between regions: Pearson's r, Spearman's rho, and the least-squares line."""

    r: float
    rho: float
    slope: float
    intercept: float


def empty_sums(n_edges: int) -> EdgeSums:
    """Return the running sums before any run is added."""
    empty = Moments(np.zeros(n_edges), np.zeros(n_edges), np.zeros(n_edges))
    return EdgeSums(empty, empty, np.zeros(n_edges), empty)


def add_run(sums: EdgeSums, values: np.ndarray, mean_fd: float) -> EdgeSums:
    """Return the running sums with one more run.

    The updates are those of Welford 1962, https://doi.org/10.1080/00401706.1962.10490022, whose rounding errors do
    not grow with the distance of the values from 0.

    Parameters
    ----------
    values : ndarray of shape (n_edges,)
        The run's value of each edge; NaN if it has none.
    mean_fd
        Mean framewise displacement of the run in mm; NaN if not known.
    """
    has_value = np.isfinite(values)
    if not math.isfinite(mean_fd):
        return replace(sums, without_motion=_add(sums.without_motion, values, has_value))
    motion = np.full(len(values), mean_fd)
    with_motion = _add(sums.with_motion, values, has_value)
    products = sums.products + np.where(has_value, (values - with_motion.mean) * (motion - sums.motion.mean), 0.0)
    return EdgeSums(with_motion, _add(sums.motion, motion, has_value), products, sums.without_motion)


def _add(moments: Moments, values: np.ndarray, counts: np.ndarray) -> Moments:
    n = moments.n + counts
    step = np.where(counts, values - moments.mean, 0.0)
    mean = moments.mean + step / np.maximum(n, 1)
    return Moments(n, mean, moments.squares + step * np.where(counts, values - mean, 0.0))


def _merge(one: Moments, other: Moments) -> Moments:
    """Return the moments of two sets of runs, after Chan et al. 1983, https://doi.org/10.1080/00031305.1983.10483115."""
    n = one.n + other.n
    difference, share = other.mean - one.mean, other.n / np.maximum(n, 1)
    return Moments(n, one.mean + difference * share, one.squares + other.squares + difference**2 * one.n * share)


def _divide(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Return quotients, with NaN for division by 0."""
    return np.asarray(numerator / np.where(denominator > 0, denominator, np.nan))


def mean_over_runs(sums: EdgeSums) -> np.ndarray:
    """Return the mean of each edge over runs, NaN for edges without a value in any run."""
    values = sums.values
    return np.where(values.n > 0, values.mean, np.nan)


def correlate_with_motion(sums: EdgeSums) -> QcFc:
    """Return Pearson's correlation of each edge with motion, and its two-sided p from t with n - 2 degrees of freedom.

    An edge has no correlation if fewer than 10 runs have both its value and their motion.
    """
    from scipy.special import stdtr

    n = sums.with_motion.n
    r = _divide(sums.products, np.sqrt(sums.with_motion.squares) * np.sqrt(sums.motion.squares))
    r = np.where(n >= MIN_RUNS, np.clip(r, -1.0, 1.0), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.abs(r) * np.sqrt((n - 2) / ((1 - r) * (1 + r)))
    return QcFc(r, 2 * stdtr(n - 2, -t))


def median_by_chance(n_runs: int) -> float:
    """Return the median absolute correlation of edges that do not depend on motion, over independent runs.

    It is the r of p = 0.5 in the test of `correlate_with_motion`.
    """
    from scipy.stats import t

    quartile = t.ppf(0.75, n_runs - 2)
    return float(quartile / math.sqrt(n_runs - 2 + quartile**2))


def relate_to_distance(qcfc: np.ndarray, distances: np.ndarray) -> DistanceDependence | None:
    """Return how the edges' correlations with motion depend on their length in mm; None if this is undefined.

    Parameters
    ----------
    qcfc, distances : ndarray of shape (n_edges,)
        NaN for edges without a value.
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
    """Return edges as a square matrix, with NaN on its diagonal."""
    matrix = np.full((n_regions, n_regions), np.nan)
    matrix[np.triu_indices(n_regions, k=1)] = edges
    return np.where(np.isnan(matrix), matrix.T, matrix)


def distances_between(centres: np.ndarray) -> np.ndarray:
    """Return the Euclidean length of each edge, given centres of shape (n_regions, 3) in mm."""
    from scipy.spatial.distance import pdist

    return np.asarray(pdist(centres))
