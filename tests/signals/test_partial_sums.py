"""Sums over pieces of points are those over all points."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from niimasker.regions.placing.operators import Stacked, WeightedSums
from niimasker.signals.partial_sums import PartialSums

N_POINTS, N_VOLUMES = 130, 7


@pytest.fixture
def operator():
    generator = np.random.default_rng(0)
    matrices = [sparse.random_array((n, N_POINTS), density=0.1, rng=generator).tocsr() for n in (5, 3)]
    return Stacked(np.arange(N_POINTS), tuple(WeightedSums(np.arange(N_POINTS), each) for each in matrices))


@pytest.mark.parametrize("n_per_piece", [1, 7, N_POINTS])
def test_pieces_of_two_blocks_give_the_sums_of_both_atlases(operator, n_per_piece):
    series = np.random.default_rng(1).normal(size=(N_POINTS, N_VOLUMES))
    sums = PartialSums(operator, N_VOLUMES)
    for low, high in ((0, 50), (50, N_POINTS)):
        for piece in sums.iter_pieces(low, high, n_per_piece):
            sums.add(piece, series[piece.positions])
    assert sums.totals == pytest.approx(operator.sum(series), abs=1e-12)


def test_every_point_is_in_one_piece_and_pieces_of_a_parcellation_have_few_rows():
    labels = np.random.default_rng(2).integers(0, 10, N_POINTS)
    matrix = sparse.csr_array((np.ones(N_POINTS), (labels, np.arange(N_POINTS))), shape=(10, N_POINTS))
    points = np.arange(N_POINTS)
    pieces = list(PartialSums(Stacked(points, (WeightedSums(points, matrix),)), 1).iter_pieces(0, N_POINTS, 10))
    assert np.array_equal(np.sort(np.concatenate([piece.positions for piece in pieces])), points)
    assert sum(len(piece.rows) for piece in pieces) < 10 + len(pieces)


def test_no_points_give_zeros(operator):
    sums = PartialSums(operator, N_VOLUMES)
    assert list(sums.iter_pieces(0, 0, 10)) == []
    assert np.array_equal(sums.totals, np.zeros((8, N_VOLUMES)))
