"""Weighted sums over points that arrive in pieces, each with the whole series of its points."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from niimasker.regions.placing.operators import Stacked, WeightedSums


@dataclass(frozen=True)
class Piece:
    """Some points and their weights, as the columns of a sparse matrix.

    Parameters
    ----------
    positions
        The positions of the points in the operator's points.
    rows
        The rows in which any of them has a weight, sorted.
    compact_rows, weights
        The position in `rows` and the value of each weight, point by point.
    starts
        The first weight of each point, and the number of weights.
    """

    positions: np.ndarray
    rows: np.ndarray
    compact_rows: np.ndarray
    weights: np.ndarray
    starts: np.ndarray


class PartialSums:
    """The sums over the points that have been added.

    A piece is added to the rows of its own regions. Adding it to all rows, most of them zeros, takes longer than the
    sums.

    Parameters
    ----------
    n_volumes
        The number of kept volumes.
    """

    def __init__(self, operator: Stacked, n_volumes: int) -> None:
        # Smoothed voxels need whole volumes; only grids have them.
        parts = [part.matrix for part in operator.parts if isinstance(part, WeightedSums)]
        assert len(parts) == len(operator.parts)
        self._columns = sparse.vstack(parts, format="csc")
        self._totals = np.zeros((self._columns.shape[0], n_volumes))

    @property
    def totals(self) -> np.ndarray:
        """The sums, of shape (n_rows, n_volumes)."""
        return self._totals

    def iter_pieces(self, low: int, high: int, n_per_piece: int) -> Iterator[Piece]:
        """Yield some points in pieces, in the order of their first rows, so that each piece has few rows.

        Parameters
        ----------
        low, high
            The position of the first of these points in the operator's points, and of the first one after them.
        """
        starts = self._columns.indptr[low : high + 1]
        first_rows = np.zeros(high - low, dtype=self._columns.indices.dtype)
        has_rows = np.diff(starts) > 0
        first_rows[has_rows] = self._columns.indices[starts[:-1][has_rows]]
        positions = low + np.argsort(first_rows, kind="stable")
        # Taken apart without the indexing of scipy, whose checks take as long as the sums.
        sorted_columns = self._columns[:, positions]
        for begin in range(0, high - low, n_per_piece):
            starts = sorted_columns.indptr[begin : begin + n_per_piece + 1]
            entries = slice(starts[0], starts[-1])
            yield Piece(
                positions[begin : begin + n_per_piece],
                *np.unique(sorted_columns.indices[entries], return_inverse=True),
                sorted_columns.data[entries],
                starts - starts[0],
            )

    def add(self, piece: Piece, series: np.ndarray) -> None:
        """Add the values of a piece's points, of shape (n_points, n_volumes)."""
        shape = (len(piece.rows), len(piece.positions))
        weights = sparse.csc_array((piece.weights, piece.compact_rows, piece.starts), shape=shape)
        self._totals[piece.rows] += weights @ series
