"""Sums over blocks of points, as files of grayordinates store them, are those over blocks of volumes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from niimasker.regions.placing.operators import Stacked, WeightedSums
from niimasker.signals.accumulation import MeanVolume, accumulate, accumulate_points, select_kept
from niimasker.signals.timeline import Timeline

N_POINTS, N_VOLUMES = 1300, 9


@pytest.fixture
def values():
    generator = np.random.default_rng(1)
    return (1000 + generator.normal(size=(N_VOLUMES, N_POINTS))).astype(np.float32)


@pytest.fixture
def operator():
    generator = np.random.default_rng(2)
    points = np.flatnonzero(generator.uniform(size=N_POINTS) < 0.8)
    matrix = sparse.random_array((6, len(points)), density=0.3, rng=generator).tocsr()
    return Stacked(points, (WeightedSums(points, matrix),))


def split_points(values, size):
    for start in range(0, N_POINTS, size):
        yield start, values[:, start : start + size].T


def compare(of_points, of_volumes, operator):
    assert of_points.compute_signals(operator) == pytest.approx(of_volumes.compute_signals(operator), rel=1e-12)
    for name in ("points", "is_finite", "n_volumes"):
        assert np.array_equal(getattr(of_points.statistics, name), getattr(of_volumes.statistics, name))
    assert of_points.statistics.mean == pytest.approx(of_volumes.statistics.mean, rel=1e-12)
    assert of_points.statistics.deviation == pytest.approx(of_volumes.statistics.deviation, rel=1e-9)


@pytest.mark.parametrize("size", [1, 100, 1300])
def test_blocks_of_points_give_the_same_sums(values, operator, size):
    kept = np.ones(N_VOLUMES, dtype=bool)
    compare(accumulate_points(split_points(values, size), operator, kept), accumulate([values], operator), operator)


def test_discarded_and_censored_volumes_change_no_digit(values, operator):
    timeline = Timeline(N_VOLUMES, 2, {"user": np.arange(N_VOLUMES) == 5})
    before = accumulate_points(split_points(values, 100), operator, timeline.kept)
    compare(before, accumulate(select_kept([values[2:]], timeline), operator), operator)
    values[[0, 1, 5]] = np.nan
    after = accumulate_points(split_points(values, 100), operator, timeline.kept)
    assert np.array_equal(before.compute_signals(operator), after.compute_signals(operator))


def test_values_that_are_not_finite_count_as_zero(values, operator):
    point = int(operator.points[3])
    values[2, point], values[4, operator.points[4]] = np.nan, np.inf
    kept = np.ones(N_VOLUMES, dtype=bool)
    of_points = accumulate_points(split_points(values, 200), operator, kept)
    compare(of_points, accumulate([values], operator), operator)
    assert np.flatnonzero(~of_points.statistics.is_finite).tolist() == [3, 4]


def test_deviation_of_a_constant_point_is_zero(values, operator):
    values[:, operator.points[7]] = 12345.678
    accumulated = accumulate_points(split_points(values, 200), operator, np.ones(N_VOLUMES, dtype=bool))
    assert accumulated.statistics.deviation[7] == 0


def test_mean_of_the_points_is_that_of_the_kept_volumes(values, operator):
    kept = np.arange(N_VOLUMES) > 1
    mean = MeanVolume()
    accumulate_points(mean.watch_points(split_points(values, 300), kept, N_POINTS), operator, kept)
    assert mean.mean() == pytest.approx(values[2:].mean(axis=0), rel=1e-6)
