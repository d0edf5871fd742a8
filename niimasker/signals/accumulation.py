"""Accumulate sums over the volumes of a run, block by block, in one pass over the image."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from niimasker.regions.placing.operators import Stacked
from niimasker.regions.placing.weights import RegionWeights
from niimasker.signals.partial_sums import PartialSums

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


def accumulate(
    blocks: Iterable[np.ndarray], operator: Stacked, kept: Sequence[np.ndarray], *, zero: float = 0.0
) -> list[Accumulated]:
    """Return sums and point statistics for each selection of volumes, from unscaled blocks.

    Parameters
    ----------
    blocks
        Of shape (n_volumes, n_points).
    kept
        Selections of the volumes, bool of shape (n_volumes,), each with a volume or more.
    zero
        The stored value that stands for 0; it replaces non-finite values.

    Notes
    -----
    Differences from the first volume are summed, so that the deviation of a constant point is exactly 0 and the sums of
    squares are as small as the signal, however high its baseline. All sums are float64: with float32 and a baseline of
    10,000, the error is 1e-3 of the signal's standard deviation.

    No digit of a selection depends on the others or on volumes outside it. Selections that begin with the same volume
    share the differences from it and their weighted sums, which are nearly all of the work.
    """
    sharing: dict[int, list[int]] = defaultdict(list)
    for number, volumes in enumerate(kept):
        sharing[int(np.argmax(volumes))].append(number)
    sums = [SharedSums([kept[number] for number in numbers], operator, zero) for numbers in sharing.values()]
    start = 0
    for block in blocks:
        reads_all = block.shape[1] == len(operator.points)
        # Once for all sums: taking the points out of a volume takes as long as summing them.
        values = block if reads_all else np.take(block, operator.points, axis=1)
        for each in sums:
            each.add(start, values)
        start += len(block)
    done = {
        number: accumulated
        for numbers, each in zip(sharing.values(), sums, strict=True)
        for number, accumulated in zip(numbers, each.finish(), strict=True)
    }
    return [done[number] for number in range(len(kept))]


class SharedSums:
    """Sums over selections of volumes that begin with the same volume.

    Parameters
    ----------
    kept
        The selections, bool of shape (n_volumes,).
    """

    def __init__(self, kept: Sequence[np.ndarray], operator: Stacked, zero: float) -> None:
        self._kept, self._operator, self._zero = kept, operator, zero
        self._any = np.logical_or.reduce(kept)
        self._first: np.ndarray | None = None
        n_points = len(operator.points)
        self._sums, self._squares = np.zeros((len(kept), n_points)), np.zeros((len(kept), n_points))
        self._is_finite = np.ones((len(kept), n_points), dtype=bool)
        self._parts: list[list[np.ndarray]] = [[] for _ in kept]

    def add(self, start: int, block: np.ndarray) -> None:
        """Add a block of volumes.

        Parameters
        ----------
        start
            The number of the block's first volume.
        block
            The operator's points, of shape (n_volumes, n_points).
        """
        is_kept = self._any[start : start + len(block)]
        if not is_kept.any():
            return
        volumes = (block if is_kept.all() else block[is_kept]).astype(np.float64)
        if self._first is None:
            self._first = _replace_non_finite(self._zero, volumes[0])
        first = self._first
        volumes -= first
        with np.errstate(invalid="ignore"):  # infinity minus infinity
            block_sums = volumes.sum(axis=0)
        # The sum over time is not finite if any value is not, so that finite blocks need no second pass.
        is_bad = ~np.isfinite(block_sums)
        finite_values = np.isfinite(volumes[:, is_bad])
        if is_bad.any():
            volumes[:, is_bad] = _replace_non_finite(self._zero - first[is_bad], volumes[:, is_bad])
            block_sums = volumes.sum(axis=0)
        products = self._operator.sum(volumes.T)
        by_rows: dict[bytes, tuple[np.ndarray, np.ndarray]] = {}
        for number, selection in enumerate(self._kept):
            rows = selection[start : start + len(is_kept)][is_kept]
            if not rows.any():
                continue
            self._is_finite[number, is_bad] &= finite_values[rows].all(axis=0)
            if rows.tobytes() not in by_rows:
                chosen = volumes if rows.all() else volumes[rows]
                sums = block_sums if rows.all() else chosen.sum(axis=0)
                by_rows[rows.tobytes()] = sums, np.einsum("tv,tv->v", chosen, chosen)
            for totals, added in zip((self._sums, self._squares), by_rows[rows.tobytes()], strict=True):
                totals[number] += added
            self._parts[number].append(products[:, rows])

    def finish(self) -> list[Accumulated]:
        """Return the sums and point statistics of each selection."""
        return [self._finish(number) for number in range(len(self._kept))]

    def _finish(self, number: int) -> Accumulated:
        assert self._first is not None
        parts = np.concatenate(self._parts[number], axis=1)
        n_volumes = parts.shape[1]
        means = self._sums[number] / n_volumes
        variance = np.maximum(self._squares[number] / n_volumes - means**2, 0.0)
        statistics = PointStatistics(
            self._operator.points, self._first + means, np.sqrt(variance), self._is_finite[number], n_volumes
        )
        return Accumulated(parts, self._first, statistics)


def accumulate_points(
    blocks: Iterable[tuple[int, np.ndarray]], operator: Stacked, kept: Sequence[np.ndarray], *, zero: float = 0.0
) -> list[Accumulated]:
    """Return sums and point statistics of unscaled blocks of points, as `accumulate` does of blocks of volumes.

    Parameters
    ----------
    blocks
        The position of the first point, and values of shape (n_points, n_volumes).
    """
    sums = [SumsOfPoints(operator, volumes, zero) for volumes in kept]
    for start, block in blocks:
        for each in sums:
            each.add(start, block)
    return [each.finish() for each in sums]


class SumsOfPoints:
    """Sums over a selection of the volumes, bool of shape (n_volumes,), of blocks of points."""

    def __init__(self, operator: Stacked, kept: np.ndarray, zero: float) -> None:
        self._operator, self._kept, self._zero = operator, kept, zero
        n_volumes, n_points = int(np.count_nonzero(kept)), len(operator.points)
        self._first, self._means, self._deviations = np.zeros(n_points), np.zeros(n_points), np.zeros(n_points)
        self._is_finite = np.ones(n_points, dtype=bool)
        self._sums = PartialSums(operator, n_volumes)
        self._n_per_piece = max(1, _PIECE_BYTES // (8 * n_volumes))

    def add(self, start: int, block: np.ndarray) -> None:
        """Add a block of shape (n_points, n_volumes) that starts with a point of the space."""
        low, high = np.searchsorted(self._operator.points, [start, start + len(block)])
        for piece in self._sums.iter_pieces(low, high, self._n_per_piece):
            here = piece.positions
            values = _take_series(block, self._operator.points[here] - start, self._kept)
            of_points = _subtract_first(values, self._zero)
            self._first[here], self._means[here], self._deviations[here], self._is_finite[here] = of_points
            self._sums.add(piece, values)

    def finish(self) -> Accumulated:
        """Return the sums and point statistics."""
        n_volumes = int(np.count_nonzero(self._kept))
        statistics = PointStatistics(
            self._operator.points, self._first + self._means, self._deviations, self._is_finite, n_volumes
        )
        return Accumulated(self._sums.totals, self._first, statistics)


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
