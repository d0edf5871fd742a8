"""Accumulate sums over the volumes of a run, block by block, in one pass over the image."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from niimasker.regions.placing.operators import Stacked
from niimasker.regions.placing.weights import RegionWeights
from niimasker.signals.partial_sums import PartialSums
from niimasker.signals.timeline import Timeline

# Blocks of points are taken apart, so that the differences stay in the processor's cache.
_PIECE_BYTES = 2**21


@dataclass(frozen=True)
class PointStatistics:
    """Statistics of single points over the kept volumes of a run; arrays of shape (n_points,).

    Parameters
    ----------
    points
        Indices of the points in the space, sorted.
    mean, deviation
        Temporal mean and population standard deviation, in the image's units; non-finite values count as 0.
    is_finite
        Whether the point is finite in every kept volume.
    n_volumes
        The number of kept volumes.
    """

    points: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray
    is_finite: np.ndarray
    n_volumes: int

    @property
    def is_valid(self) -> np.ndarray:
        """Which points are finite and vary, bool of shape (n_points,)."""
        # With a single volume, no point can vary.
        return self.is_finite & ((self.deviation > 0) | (self.n_volumes == 1))


class MeanVolume:
    """The mean of the kept volumes, taken from the blocks while they are extracted.

    float32 is precise enough for a figure and takes half the time of float64.
    """

    def __init__(self) -> None:
        self._total: np.ndarray | None = None
        self._n_volumes = 0

    def watch(self, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield blocks of shape (n_volumes, n_points) unchanged, and add them to the sum."""
        for block in blocks:
            total = block.sum(axis=0, dtype=np.float32)
            self._total = total if self._total is None else self._total + total
            self._n_volumes += len(block)
            yield block

    def watch_points(
        self, blocks: Iterable[tuple[int, np.ndarray]], kept: np.ndarray, n_points: int
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Yield blocks of points unchanged, and add their kept volumes to the sum.

        Parameters
        ----------
        blocks
            The position of the first point, and values of shape (n_points, n_volumes).
        """
        total = np.zeros(n_points, dtype=np.float32)
        self._total, self._n_volumes = total, int(np.count_nonzero(kept))
        for start, block in blocks:
            values = block if kept.all() else block[:, kept]
            total[start : start + len(block)] = values.sum(axis=1, dtype=np.float32)
            yield start, block

    def mean(self) -> np.ndarray:
        """Return the mean of the volumes so far, float32 of shape (n_points,), unscaled; 0 where not finite."""
        assert self._total is not None
        with np.errstate(invalid="ignore"):
            mean = self._total / self._n_volumes
        return np.nan_to_num(mean, posinf=0.0, neginf=0.0)


def select_kept(blocks: Iterable[np.ndarray], timeline: Timeline) -> Iterator[np.ndarray]:
    """Yield the kept volumes of blocks that start after the discarded volumes."""
    start, kept = timeline.n_discarded, timeline.kept
    for block in blocks:
        is_kept = kept[start : start + len(block)]
        start += len(block)
        if is_kept.all():
            yield block
        elif is_kept.any():
            yield block[is_kept]


@dataclass(frozen=True)
class Accumulated:
    """The sums that one pass over an image gives.

    Parameters
    ----------
    sums
        Weighted sums of the differences from the first volume, of shape (n_rows, n_volumes).
    first
        Values of the first volume, of shape (n_points,).
    """

    sums: np.ndarray
    first: np.ndarray
    statistics: PointStatistics

    def compute_signals(self, operator: Stacked) -> np.ndarray:
        """Return the unscaled signals, of shape (n_volumes, n_rows)."""
        # Baseline and differences are solved apart to keep rounding errors of the baseline out of the time courses.
        return np.asarray((operator.finish(self.sums) + operator.apply(self.first[:, None])).T)

    def restrict(self, weights: Sequence[RegionWeights], restricted: Sequence[RegionWeights]) -> Accumulated:
        """Return the sums over a subset of the points; the other points must be constant, so that they add nothing."""
        factors = np.concatenate([_rescaling_factors(*pair) for pair in zip(weights, restricted, strict=True)])
        return dataclasses.replace(self, sums=self.sums * factors[:, None])


def _rescaling_factors(weights: RegionWeights, restricted: RegionWeights) -> np.ndarray:
    """Return the factors that turn each row's mean over all its points into one over the restricted points."""
    n_all, n_restricted = np.diff(weights.matrix.indptr), np.diff(restricted.matrix.indptr)
    if weights.kind == "maps":
        return np.ones(len(n_all))
    if weights.kind == "weights":
        return _share_of_weights(weights, restricted)
    return np.asarray(np.divide(n_all, n_restricted, out=np.zeros(len(n_all)), where=n_restricted > 0))


def _share_of_weights(weights: RegionWeights, restricted: RegionWeights) -> np.ndarray:
    """Return for each row by how much weights grow where they are divided by the sum of the restricted ones."""
    is_kept = restricted.members.multiply(weights.matrix)
    kept = np.asarray(is_kept.sum(axis=1)).ravel()
    return np.asarray(np.divide(1.0, kept, out=np.zeros(len(kept)), where=kept > 0))


def accumulate(blocks: Iterable[np.ndarray], operator: Stacked, *, zero: float = 0.0) -> Accumulated:
    """Return sums and point statistics of unscaled blocks of shape (n_volumes, n_points).

    Parameters
    ----------
    zero
        The stored value that stands for 0; it replaces non-finite values.

    Notes
    -----
    Differences from the first volume are summed, so that the deviation of a constant point is exactly 0 and the sums of
    squares are as small as the signal, however high its baseline. All sums are float64: with float32 and a baseline of
    10,000, the error is 1e-3 of the signal's standard deviation.
    """
    blocks = iter(blocks)
    first_block = next(blocks)
    first = _replace_non_finite(zero, np.take(first_block[0], operator.points).astype(np.float64))
    is_finite = np.ones(len(first), dtype=bool)
    sums, squares = np.zeros(len(first)), np.zeros(len(first))
    parts: list[np.ndarray] = []
    for block in chain([first_block], blocks):
        reads_all = block.shape[1] == len(operator.points)
        volumes = (block if reads_all else np.take(block, operator.points, axis=1)).astype(np.float64)
        volumes -= first
        with np.errstate(invalid="ignore"):  # infinity minus infinity
            block_sums = volumes.sum(axis=0)
        # The sum over time is not finite if any value is not, so that finite blocks need no second pass.
        is_bad = ~np.isfinite(block_sums)
        if is_bad.any():
            is_finite &= ~is_bad
            volumes[:, is_bad] = _replace_non_finite(zero - first[is_bad], volumes[:, is_bad])
            block_sums = volumes.sum(axis=0)
        sums += block_sums
        squares += np.einsum("tv,tv->v", volumes, volumes)
        parts.append(operator.sum(volumes.T))
    n_volumes = sum(part.shape[1] for part in parts)
    means = sums / n_volumes
    variance = np.maximum(squares / n_volumes - means**2, 0.0)
    statistics = PointStatistics(operator.points, first + means, np.sqrt(variance), is_finite, n_volumes)
    return Accumulated(np.concatenate(parts, axis=1), first, statistics)


def accumulate_points(
    blocks: Iterable[tuple[int, np.ndarray]], operator: Stacked, kept: np.ndarray, *, zero: float = 0.0
) -> Accumulated:
    """Return sums and point statistics of unscaled blocks of points, as `accumulate` does of blocks of volumes.

    Parameters
    ----------
    blocks
        The position of the first point, and values of shape (n_points, n_volumes).
    kept
        The volumes to keep, bool of shape (n_volumes,).
    """
    n_volumes, n_points = int(np.count_nonzero(kept)), len(operator.points)
    first, means, deviations = np.zeros(n_points), np.zeros(n_points), np.zeros(n_points)
    is_finite = np.ones(n_points, dtype=bool)
    sums = PartialSums(operator, n_volumes)
    n_per_piece = max(1, _PIECE_BYTES // (8 * n_volumes))
    for start, block in blocks:
        low, high = np.searchsorted(operator.points, [start, start + len(block)])
        for piece in sums.iter_pieces(low, high, n_per_piece):
            here = piece.positions
            values = _take_series(block, operator.points[here] - start, kept)
            first[here], means[here], deviations[here], is_finite[here] = _subtract_first(values, zero)
            sums.add(piece, values)
    statistics = PointStatistics(operator.points, first + means, deviations, is_finite, n_volumes)
    return Accumulated(sums.totals, first, statistics)


def _take_series(block: np.ndarray, rows: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Return the kept volumes of some points as float64, of shape (n_points, n_kept)."""
    series: np.ndarray = block[rows] if kept.all() else block[rows][:, kept]
    return series.astype(np.float64)


def _subtract_first(series: np.ndarray, zero: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Subtract from each point's series its first value, in place.

    Returns
    -------
    first, mean, deviation, is_finite
        Of each point: the first value, mean and population standard deviation of the differences, and whether all
        values are finite; others count as `zero`.
    """
    first = _replace_non_finite(zero, series[:, 0])
    with np.errstate(invalid="ignore"):  # infinity minus infinity
        series -= first[:, None]
        sums = series.sum(axis=1)
    # The sum is not finite if any value is not, so that finite series need no second pass.
    is_finite = np.isfinite(sums)
    if not is_finite.all():
        is_bad = ~is_finite
        series[is_bad] = _replace_non_finite(zero - first[is_bad, None], series[is_bad])
        sums = series.sum(axis=1)
    mean = sums / series.shape[1]
    squares = np.einsum("pt,pt->p", series, series) / series.shape[1]
    return first, mean, np.sqrt(np.maximum(squares - mean**2, 0.0)), is_finite


def _replace_non_finite(replacement: np.ndarray | float, values: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(values), values, replacement)
