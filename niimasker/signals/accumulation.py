"""Sums over the volumes of a run, block by block: what one reading of an image adds up to."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from niimasker.regions.placing.operators import Stacked
from niimasker.regions.placing.weights import RegionWeights
from niimasker.signals.timeline import Timeline


@dataclass(frozen=True)
class PointStatistics:
    """What is known of single points after a run has been read, each of shape (n_points,).

    Parameters
    ----------
    points
        Which points of the space, sorted.
    mean, deviation
        Over the kept volumes, in the image's units; non-finite values count as 0.
    is_finite
        In every kept volume.
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
        # In a single volume nothing can vary.
        return self.is_finite & ((self.deviation > 0) | (self.n_volumes == 1))


class MeanVolume:
    """The mean of the kept volumes, taken from the blocks that pass by on their way to extraction.

    In float32, which is enough for a picture and costs half of the time.
    """

    def __init__(self) -> None:
        self._total: np.ndarray | None = None
        self._n_volumes = 0

    def watch(self, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield blocks of shape (n_volumes, n_points) as they come, and add them up."""
        for block in blocks:
            total = block.sum(axis=0, dtype=np.float32)
            self._total = total if self._total is None else self._total + total
            self._n_volumes += len(block)
            yield block

    def mean(self) -> np.ndarray:
        """Return the mean of what has passed, float32 of shape (n_points,), not scaled; 0 where not finite."""
        assert self._total is not None
        with np.errstate(invalid="ignore"):
            mean = self._total / self._n_volumes
        return np.nan_to_num(mean, posinf=0.0, neginf=0.0)


def select_kept(blocks: Iterable[np.ndarray], timeline: Timeline) -> Iterator[np.ndarray]:
    """Yield of blocks that begin after the discarded volumes those volumes that are kept."""
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
    """What one reading of an image adds up to.

    Parameters
    ----------
    sums
        Of differences from the first volume, of shape (n_rows, n_volumes).
    first
        The first volume's values, of shape (n_points,).
    """

    sums: np.ndarray
    first: np.ndarray
    facts: PointStatistics

    def values(self, operator: Stacked) -> np.ndarray:
        """Return the signals, unscaled, of shape (n_volumes, n_rows)."""
        # Apart: solved together, the maps' baseline would bring its rounding errors to their course.
        return np.asarray((operator.finish(self.sums) + operator.apply(self.first[:, None])).T)

    def over(self, weights: Sequence[RegionWeights], restricted: Sequence[RegionWeights]) -> Accumulated:
        """Return the same over some of the points, where all others are constant and so add no differences."""
        factors = np.concatenate([_factors(*pair) for pair in zip(weights, restricted, strict=True)])
        return dataclasses.replace(self, sums=self.sums * factors[:, None])


def _factors(weights: RegionWeights, restricted: RegionWeights) -> np.ndarray:
    """Return by what sums over all points of each row are multiplied to be sums over some of them."""
    n_all, n_some = np.diff(weights.matrix.indptr), np.diff(restricted.matrix.indptr)
    if weights.kind == "maps":
        return np.ones(len(n_all))
    return np.asarray(np.divide(n_all, n_some, out=np.zeros(len(n_all)), where=n_some > 0))


def accumulate(blocks: Iterable[np.ndarray], operator: Stacked, *, zero: float = 0.0) -> Accumulated:
    """Return sums and facts of points of unscaled blocks of shape (n_volumes, n_points).

    Parameters
    ----------
    zero
        What stands for 0 in the file: non-finite values count as it.

    Notes
    -----
    Differences from the first volume are summed: a constant point has exactly no deviation, and the sums of squares
    stay as small as the signal, however high its baseline. Float64 throughout: in float32 the error over a baseline
    of 10,000 is 1e-3 of the signal's standard deviation.
    """
    blocks = iter(blocks)
    first_block = next(blocks)
    first = _finite_or(zero, np.take(first_block[0], operator.points).astype(np.float64))
    is_finite = np.ones(len(first), dtype=bool)
    sums, squares = np.zeros(len(first)), np.zeros(len(first))
    parts: list[np.ndarray] = []
    for block in chain([first_block], blocks):
        volumes = np.take(block, operator.points, axis=1).astype(np.float64)
        volumes -= first
        with np.errstate(invalid="ignore"):  # infinity less infinity
            block_sums = volumes.sum(axis=0)
        # One sum a voxel shows whether any of its values is not finite; good blocks are not looked through again.
        bad = ~np.isfinite(block_sums)
        if bad.any():
            is_finite &= ~bad
            volumes[:, bad] = _finite_or(zero - first[bad], volumes[:, bad])
            block_sums = volumes.sum(axis=0)
        sums += block_sums
        squares += np.einsum("tv,tv->v", volumes, volumes)
        parts.append(operator.sum(volumes.T))
    n_volumes = sum(part.shape[1] for part in parts)
    means = sums / n_volumes
    variance = np.maximum(squares / n_volumes - means**2, 0.0)
    facts = PointStatistics(operator.points, first + means, np.sqrt(variance), is_finite, n_volumes)
    return Accumulated(np.concatenate(parts, axis=1), first, facts)


def _finite_or(replacement: np.ndarray | float, values: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(values), values, replacement)
