"""Sums over blocks of points, as files of grayordinates store them, are those over blocks of volumes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import sparse

from niimasker.regions.placing.operators import Stacked, WeightedSums
from niimasker.signals.accumulation import accumulate, accumulate_points
from niimasker.signals.mean_volumes import MeanVolumes
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


EVERYTHING = np.ones(N_VOLUMES, dtype=bool)


def sum_volumes(values, operator, kept=EVERYTHING):
    (accumulated,) = accumulate([values], operator, [kept])
    return accumulated


def sum_points(blocks, operator, kept=EVERYTHING):
    (accumulated,) = accumulate_points(blocks, operator, [kept])
    return accumulated


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
    compare(sum_points(split_points(values, size), operator), sum_volumes(values, operator), operator)


def test_discarded_and_censored_volumes_change_no_digit(values, operator):
    timeline = Timeline(N_VOLUMES, 2, {"user": np.arange(N_VOLUMES) == 5})
    before = sum_points(split_points(values, 100), operator, timeline.kept)
    compare(before, sum_volumes(values, operator, timeline.kept), operator)
    values[[0, 1, 5]] = np.nan
    after = sum_points(split_points(values, 100), operator, timeline.kept)
    assert np.array_equal(before.compute_signals(operator), after.compute_signals(operator))


def test_values_that_are_not_finite_count_as_zero(values, operator):
    point = int(operator.points[3])
    values[2, point], values[4, operator.points[4]] = np.nan, np.inf
    of_points = sum_points(split_points(values, 200), operator)
    compare(of_points, sum_volumes(values, operator), operator)
    assert np.flatnonzero(~of_points.statistics.is_finite).tolist() == [3, 4]


def test_deviation_of_a_constant_point_is_zero(values, operator):
    values[:, operator.points[7]] = 12345.678
    accumulated = sum_points(split_points(values, 200), operator)
    assert accumulated.statistics.deviation[7] == 0


def test_mean_of_the_points_is_that_of_the_kept_volumes(values, operator):
    kept = np.arange(N_VOLUMES) > 1
    means = MeanVolumes([kept, EVERYTHING], N_POINTS)
    accumulate_points(means.watch_points(split_points(values, 300)), operator, [kept])
    assert means.means()[0] == pytest.approx(values[2:].mean(axis=0), rel=1e-6)
    assert means.means()[1] == pytest.approx(values.mean(axis=0), rel=1e-6)


def test_mean_of_volumes_is_that_of_each_selection(values):
    kept = np.arange(N_VOLUMES) % 3 > 0
    means = MeanVolumes([kept, EVERYTHING], N_POINTS)
    assert sum(len(block) for block in means.watch(np.split(values, [4]))) == N_VOLUMES
    assert means.means()[0] == pytest.approx(values[kept].mean(axis=0), rel=1e-6)
    assert means.means()[1] == pytest.approx(values.mean(axis=0), rel=1e-6)


SELECTIONS = st.lists(
    st.lists(st.booleans(), min_size=N_VOLUMES, max_size=N_VOLUMES).filter(any), min_size=1, max_size=5
)


@given(selections=SELECTIONS, sizes=st.sampled_from([[9], [4, 5], [1, 3, 5], [2, 2, 2, 3]]), spoiled=st.booleans())
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_each_selection_is_summed_as_if_it_were_alone(values, operator, selections, sizes, spoiled):
    values = values.copy()
    if spoiled:
        values[3, operator.points[:9]], values[0, operator.points[5:20]] = np.nan, np.inf
    kept = [np.array(selection) for selection in selections]
    blocks = np.split(values, np.cumsum(sizes)[:-1])
    of_volumes = accumulate(blocks, operator, kept)
    of_points = accumulate_points(split_points(values, 400), operator, kept)
    for number, selection in enumerate(kept):
        outside = np.where(selection[:, None], values, np.float32(7)).astype(np.float32)
        (alone,) = accumulate(np.split(outside, np.cumsum(sizes)[:-1]), operator, [selection])
        check_same_digits(of_volumes[number], alone)
        (alone,) = accumulate_points(split_points(outside, 400), operator, [selection])
        check_same_digits(of_points[number], alone)


def check_same_digits(found, expected):
    assert found.sums.tobytes() == expected.sums.tobytes()
    assert found.first.tobytes() == expected.first.tobytes()
    for name in ("mean", "deviation", "is_finite"):
        assert getattr(found.statistics, name).tobytes() == getattr(expected.statistics, name).tobytes()
