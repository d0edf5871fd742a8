"""Statistics of edges, run by run, against numpy and scipy with all runs in memory."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import linregress, pearsonr, spearmanr

from niimasker.group.edges import (
    add_run,
    correlate_with_motion,
    distances_between,
    empty_sums,
    matrix_of,
    mean_over_runs,
    relate_to_distance,
)
from niimasker.signals.correlations import upper_triangle

N_EDGES = 45


def add_up(runs: np.ndarray, motion: np.ndarray):
    """Return what is known of edges after all runs, of shape (n_runs, n_edges)."""
    sums = empty_sums(runs.shape[1])
    for values, mean_fd in zip(runs, motion, strict=True):
        sums = add_run(sums, values, mean_fd)
    return sums


def make_runs(n_runs: int, seed: int = 0, centre: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    """Return edges that go with motion to different degrees, around a centre far or not from 0."""
    rng = np.random.default_rng(seed)
    motion = rng.gamma(2, 0.1, n_runs)
    return centre + np.outer(motion, rng.normal(0, 1, N_EDGES)) + rng.normal(0, 0.2, (n_runs, N_EDGES)), motion


class TestMeanAndSpread:
    @given(st.integers(2, 40), st.integers(0, 100), st.sampled_from([0.0, 0.3, -1e4]))
    def test_agree_with_numpy(self, n_runs, seed, centre):
        runs, motion = make_runs(n_runs, seed, centre)
        sums = add_up(runs, motion)
        assert mean_over_runs(sums) == pytest.approx(runs.mean(axis=0), rel=1e-12, abs=1e-12)
        assert sums.values.deviation == pytest.approx(runs.std(axis=0, ddof=1), abs=1e-9)

    def test_missing_values_leave_out_their_edge_alone(self):
        runs, motion = make_runs(20)
        runs[3:9, 7] = np.nan
        sums = add_up(runs, motion)
        assert sums.values.n.tolist() == [14.0 if edge == 7 else 20.0 for edge in range(N_EDGES)]
        assert mean_over_runs(sums) == pytest.approx(np.nanmean(runs, axis=0), abs=1e-12)
        assert sums.values.deviation == pytest.approx(np.nanstd(runs, axis=0, ddof=1), abs=1e-12)

    def test_edge_without_any_value_has_no_mean_and_no_spread(self):
        runs, motion = make_runs(12)
        runs[:, 2] = np.nan
        sums = add_up(runs, motion)
        assert np.flatnonzero(np.isnan(mean_over_runs(sums))).tolist() == [2]
        assert np.flatnonzero(np.isnan(sums.values.deviation)).tolist() == [2]

    def test_one_run_has_no_spread(self):
        sums = add_up(np.full((1, 3), 0.5), np.array([0.1]))
        assert mean_over_runs(sums).tolist() == [0.5] * 3
        assert np.isnan(sums.values.deviation).all()

    def test_runs_without_motion_count(self):
        sums = add_up(np.array([[1.0], [2.0], [6.0]]), np.array([np.nan, 0.1, np.nan]))
        assert mean_over_runs(sums).tolist() == [3.0]
        assert sums.with_motion.n.tolist() == [1.0]


class TestQcFc:
    @given(st.integers(10, 60), st.integers(0, 100), st.sampled_from([0.0, 0.3, -1e4]))
    def test_agrees_with_scipy(self, n_runs, seed, centre):
        runs, motion = make_runs(n_runs, seed, centre)
        qcfc = correlate_with_motion(add_up(runs, motion))
        expected = [pearsonr(edge, motion) for edge in runs.T]
        assert qcfc.r == pytest.approx([each.statistic for each in expected], abs=1e-9)
        assert qcfc.p == pytest.approx([each.pvalue for each in expected], abs=1e-9)

    def test_agrees_with_scipy_where_runs_lack_values_or_motion(self):
        runs, motion = make_runs(40)
        runs[np.random.default_rng(1).random(runs.shape) < 0.2] = np.nan
        motion[[2, 30]] = np.nan
        qcfc = correlate_with_motion(add_up(runs, motion))
        for edge, r, p in zip(runs.T, qcfc.r, qcfc.p, strict=True):
            known = np.isfinite(edge) & np.isfinite(motion)
            expected = pearsonr(edge[known], motion[known])
            assert (r, p) == pytest.approx((expected.statistic, expected.pvalue), abs=1e-9)

    def test_agrees_with_numpy(self):
        runs, motion = make_runs(25)
        expected = np.corrcoef(runs, motion, rowvar=False)[-1, :-1]
        assert correlate_with_motion(add_up(runs, motion)).r == pytest.approx(expected, abs=1e-9)

    def test_numbers_over_edges(self):
        runs, motion = make_runs(30)
        qcfc = correlate_with_motion(add_up(runs, motion))
        p = np.array([pearsonr(edge, motion).pvalue for edge in runs.T])
        assert 0 < qcfc.share_significant < 1
        assert qcfc.share_significant == (p < 0.05).sum() / N_EDGES
        assert qcfc.median_absolute == np.median(np.abs(qcfc.r))

    def test_edge_of_nine_runs_has_none(self):
        runs, motion = make_runs(12)
        runs[:3, 5] = np.nan
        runs[:2, 6] = np.nan
        qcfc = correlate_with_motion(add_up(runs, motion))
        assert np.flatnonzero(np.isnan(qcfc.r)).tolist() == [5]
        assert np.flatnonzero(np.isnan(qcfc.p)).tolist() == [5]
        assert qcfc.n_edges == N_EDGES - 1

    def test_constant_edge_has_none(self):
        runs, motion = make_runs(12)
        runs[:, 4] = 0.1
        assert np.flatnonzero(np.isnan(correlate_with_motion(add_up(runs, motion)).r)).tolist() == [4]

    def test_constant_motion_has_none(self):
        runs, _ = make_runs(12)
        qcfc = correlate_with_motion(add_up(runs, np.full(12, 0.1)))
        assert (qcfc.n_edges, np.isnan(qcfc.share_significant)) == (0, True)

    def test_edge_that_is_motion_correlates_by_one(self):
        motion = np.arange(10.0)
        qcfc = correlate_with_motion(add_up(np.stack([motion, -motion], axis=1), motion))
        assert qcfc.r == pytest.approx([1, -1])
        assert qcfc.p == pytest.approx([0, 0], abs=1e-12)


class TestDistance:
    def test_is_euclidean(self):
        centres = np.array([[0.0, 0, 0], [3, 4, 0], [0, 0, 12]])
        assert distances_between(centres).tolist() == [5, 12, 13]

    def test_dependence_agrees_with_scipy(self):
        rng = np.random.default_rng(0)
        distances = rng.uniform(10, 150, 300)
        qcfc = 0.3 - 0.002 * distances + rng.normal(0, 0.1, 300)
        found = relate_to_distance(qcfc, distances)
        line = linregress(distances, qcfc)
        assert found.r == pytest.approx(np.corrcoef(qcfc, distances)[0, 1], abs=1e-9)
        assert found.rho == pytest.approx(spearmanr(qcfc, distances).statistic, abs=1e-9)
        assert (found.slope, found.intercept) == pytest.approx((line.slope, line.intercept), abs=1e-9)

    def test_edges_without_a_value_take_no_part(self):
        qcfc, distances = np.array([1.0, np.nan, 2, 4, 9]), np.array([1.0, 5, 2, 4, np.nan])
        assert relate_to_distance(qcfc, distances).r == pytest.approx(1)

    @pytest.mark.parametrize(
        ("qcfc", "distances"),
        [([0.1, 0.2], [1, 2]), ([0.1, 0.2, 0.3], [5, 5, 5]), ([0.1] * 3, [1, 2, 3]), ([np.nan] * 4, [1, 2, 3, 4])],
        ids=["two edges", "one length", "one correlation", "no value"],
    )
    def test_there_is_none_where_nothing_varies(self, qcfc, distances):
        assert relate_to_distance(np.array(qcfc), np.array(distances, dtype=float)) is None


class TestMatrices:
    def test_edges_come_row_by_row_and_back(self):
        matrix = np.array([[np.nan, 1, 2, 3], [1, np.nan, 4, 5], [2, 4, np.nan, 6], [3, 5, 6, np.nan]])
        assert upper_triangle(matrix).tolist() == [1, 2, 3, 4, 5, 6]
        assert np.array_equal(matrix_of(upper_triangle(matrix), 4), matrix, equal_nan=True)

    def test_edges_are_in_the_order_of_distances(self):
        centres = np.random.default_rng(0).normal(size=(6, 3))
        expected = np.linalg.norm(centres[:, None] - centres, axis=-1)
        assert distances_between(centres) == pytest.approx(upper_triangle(expected))
