"""The mean image of the kept volumes of a run, taken while its image is read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np


class MeanVolumes:
    """The mean of each selection of volumes, taken from the blocks while they are extracted.

    float32 is precise enough for a figure and takes half the time of float64.

    Parameters
    ----------
    kept
        The selections, bool of shape (n_volumes,).
    n_points
        Points of a volume.
    """

    def __init__(self, kept: Sequence[np.ndarray], n_points: int) -> None:
        self._kept = kept
        self._n_points = n_points
        self._totals: list[np.ndarray | None] = [None] * len(kept)

    def watch(self, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield blocks of shape (n_volumes, n_points) unchanged, and add them to the sums."""
        start = 0
        for block in blocks:
            by_rows: dict[bytes, np.ndarray] = {}
            for number, selection in enumerate(self._kept):
                rows = selection[start : start + len(block)]
                if not rows.any():
                    continue
                if rows.tobytes() not in by_rows:
                    by_rows[rows.tobytes()] = (block if rows.all() else block[rows]).sum(axis=0, dtype=np.float32)
                total = self._totals[number]
                added = by_rows[rows.tobytes()]
                self._totals[number] = added if total is None else total + added
            start += len(block)
            yield block

    def watch_points(self, blocks: Iterable[tuple[int, np.ndarray]]) -> Iterator[tuple[int, np.ndarray]]:
        """Yield blocks of points unchanged, and add their kept volumes to the sums.

        Parameters
        ----------
        blocks
            The position of the first point, and values of shape (n_points, n_volumes).
        """
        totals = [np.zeros(self._n_points, dtype=np.float32) for _ in self._kept]
        self._totals = list(totals)
        for start, block in blocks:
            for total, kept in zip(totals, self._kept, strict=True):
                values = block if kept.all() else block[:, kept]
                total[start : start + len(block)] = values.sum(axis=1, dtype=np.float32)
            yield start, block

    def means(self) -> list[np.ndarray]:
        """Return the mean of each selection, float32 of shape (n_points,), unscaled; 0 where not finite."""
        return [self._mean(number) for number in range(len(self._kept))]

    def _mean(self, number: int) -> np.ndarray:
        total = self._totals[number]
        assert total is not None
        with np.errstate(invalid="ignore"):
            mean = total / np.count_nonzero(self._kept[number])
        return np.nan_to_num(mean, posinf=0.0, neginf=0.0)
