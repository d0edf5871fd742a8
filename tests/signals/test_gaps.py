"""Gaps of censored volumes are bridged from the kept volumes, by a monotone cubic or by nilearn's cubic spline."""

from __future__ import annotations

import warnings
from itertools import pairwise

import numpy as np
import pytest
from bridges import interpolate
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from nilearn import signal

from niimasker.inputs.confounds import Confounds
from niimasker.options.settings import CUBIC, INTERPOLATIONS, LINEAR, PCHIP
from niimasker.signals.cleaning import clean
from niimasker.signals.filtering import Cleaning, detrend_and_filter, fill_gaps
from niimasker.signals.nuisance import prepare_nuisance
from niimasker.signals.timeline import Timeline

with_every_interpolation = pytest.mark.parametrize("interpolation", INTERPOLATIONS)
BAND = {"detrend": True, "standardize": None, "high_pass": 0.01, "low_pass": 0.1, "t_r": 2.0, "t_r_source": "header"}


@st.composite
def gapped_values(draw, n_least=4):
    """Return values of kept volumes, and which are kept."""
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    n_volumes = draw(st.integers(8, 60))
    is_kept = rng.random(n_volumes) >= draw(st.floats(0, 0.9))
    is_kept[rng.permutation(n_volumes)[:n_least]] = True
    return rng.normal(size=(is_kept.sum(), 3)).cumsum(axis=0), is_kept


def keep(*places, n_volumes=9):
    return np.isin(np.arange(n_volumes), places)


def censor(*places, n_volumes):
    return Timeline(n_volumes, 0, {"user": np.isin(np.arange(n_volumes), places)})


@with_every_interpolation
@given(gapped=gapped_values())
@settings(deadline=None)
def test_gaps_are_filled_as_the_reference_fills_them(interpolation, gapped):
    values, is_kept = gapped
    filled = fill_gaps(values, is_kept, interpolation)
    np.testing.assert_array_equal(filled[is_kept], values)
    expected = interpolate(values, is_kept, interpolation)
    # Both round at each of some ten operations on numbers that are no larger than the largest result.
    np.testing.assert_allclose(filled, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


@given(gapped=gapped_values(n_least=1))
@settings(deadline=None)
def test_monotone_bridges_stay_between_the_kept_volumes_around_them(gapped):
    values, is_kept = gapped
    filled = fill_gaps(values, is_kept, PCHIP)
    kept = np.flatnonzero(is_kept)
    for left, right in pairwise(kept):
        steps = np.diff(filled[left : right + 1], axis=0) * np.sign(filled[right] - filled[left])
        assert (steps >= -1e-14 * np.abs(values).max()).all()


@given(gapped=gapped_values(), factor=st.sampled_from([-1e9, -1.0, 1e-9, 1e6]), shift=st.floats(-1e4, 1e4))
@settings(deadline=None)
def test_bridges_do_not_depend_on_units(gapped, factor, shift):
    # The shift is added to values of about 1, whose rounding grows by it.
    values, is_kept = gapped
    for interpolation in INTERPOLATIONS:
        filled = fill_gaps(values, is_kept, interpolation)
        moved = fill_gaps(factor * (values + shift), is_kept, interpolation)
        size = np.abs(filled).max() + abs(shift)
        np.testing.assert_allclose(moved / factor, filled + shift, rtol=0, atol=1e-12 * size)


@pytest.mark.parametrize("interpolation", [LINEAR, CUBIC])
@given(gapped=gapped_values())
@settings(deadline=None)
def test_bridge_of_a_sum_is_the_sum_of_the_bridges(interpolation, gapped):
    values, is_kept = gapped
    filled = fill_gaps(np.column_stack([values, values.sum(axis=1)]), is_kept, interpolation)
    np.testing.assert_allclose(
        filled[:, -1], filled[:, :-1].sum(axis=1), rtol=0, atol=1e-12 * np.abs(filled).max() * filled.shape[1]
    )


@given(gapped=gapped_values())
@settings(deadline=None)
def test_bridges_are_the_same_backwards_in_time(gapped):
    values, is_kept = gapped
    for interpolation in INTERPOLATIONS:
        filled = fill_gaps(values, is_kept, interpolation)
        turned = fill_gaps(values[::-1], is_kept[::-1], interpolation)[::-1]
        np.testing.assert_allclose(turned, filled, rtol=0, atol=1e-12 * np.abs(filled).max())


def test_spline_overshoots_a_long_gap_and_a_monotone_cubic_does_not():
    is_kept = keep(0, 1, 2, 32, 33, 34, n_volumes=35)
    values = np.array([[0.0], [0.0], [1.0], [1.0], [0.0], [0.0]])
    assert np.abs(fill_gaps(values, is_kept, CUBIC)).max() > 5
    filled = fill_gaps(values, is_kept, PCHIP)[:, 0]
    np.testing.assert_array_equal(filled[2:33], 1)


def test_spline_goes_through_a_polynomial_of_third_degree_and_ends_are_constant():
    is_kept = np.array([False, False, True, True, False, True, True, True, False])
    places = np.flatnonzero(is_kept)
    filled = fill_gaps(np.column_stack([places**3.0, places * 2.0]), is_kept, CUBIC)
    np.testing.assert_allclose(filled[:, 0], [8, 8, 8, 27, 64, 125, 216, 343, 343])
    np.testing.assert_allclose(filled[:, 1], [4, 4, 4, 6, 8, 10, 12, 14, 14])


def test_monotone_cubic_by_arithmetic():
    # At 3 and 5: slopes between 19, 49 and 91, of spacings 1, 2, 1. The bridge at 4 is the mean of both neighbours and
    # a quarter of the difference of their slopes, twice as far apart as volumes.
    is_kept = np.array([False, False, True, True, False, True, True, True, False])
    places = np.flatnonzero(is_kept)
    filled = fill_gaps(np.column_stack([places**3.0, places * 2.0]), is_kept, PCHIP)
    slope_at_3, slope_at_5 = 9 / (5 / 19 + 4 / 49), 9 / (4 / 49 + 5 / 91)
    expected = (27 + 125) / 2 + 2 * (slope_at_3 - slope_at_5) / 8
    np.testing.assert_allclose(filled[:, 0], [8, 8, 8, 27, expected, 125, 216, 343, 343], rtol=1e-14)
    np.testing.assert_allclose(filled[:, 1], [4, 4, 4, 6, 8, 10, 12, 14, 14], rtol=1e-14)


@with_every_interpolation
@pytest.mark.parametrize("n_kept", [1, 2, 3])
def test_gaps_between_few_kept_volumes_are_filled(interpolation, n_kept):
    is_kept = keep(*[4, 1, 6][:n_kept])
    values = np.flatnonzero(is_kept)[:, None] * 2.0
    expected = 2.0 * np.clip(np.arange(9), np.flatnonzero(is_kept)[0], np.flatnonzero(is_kept)[-1])
    np.testing.assert_allclose(fill_gaps(values, is_kept, interpolation)[:, 0], expected, rtol=1e-12)


@with_every_interpolation
@pytest.mark.parametrize("n_end", [1, 5, 20])
def test_gaps_at_both_ends_take_the_nearest_kept_volume(interpolation, n_end):
    rng = np.random.default_rng(0)
    is_kept = np.ones(60, dtype=bool)
    is_kept[:n_end] = is_kept[-n_end:] = False
    values = rng.normal(size=(is_kept.sum(), 3)).cumsum(axis=0)
    expected = np.vstack([np.tile(values[0], (n_end, 1)), values, np.tile(values[-1], (n_end, 1))])
    np.testing.assert_array_equal(fill_gaps(values, is_kept, interpolation), expected)


@with_every_interpolation
@given(gapped=gapped_values())
@settings(deadline=None, max_examples=30)
def test_a_column_is_bridged_alike_whatever_is_beside_it(interpolation, gapped):
    values, is_kept = gapped
    together = fill_gaps(values, is_kept, interpolation)
    alone = [fill_gaps(column[:, None], is_kept, interpolation)[:, 0] for column in values.T]
    np.testing.assert_array_equal(together, np.column_stack(alone))


@with_every_interpolation
def test_region_without_values_stays_so_and_changes_no_other(interpolation):
    timeline = censor(0, 7, 8, 30, 31, 32, 79, n_volumes=80)
    cleaning = Cleaning(**{**BAND, "standardize": "zscore_sample"}, interpolation=interpolation)
    values = 100 + np.random.default_rng(0).normal(size=(timeline.n_kept, 4)).cumsum(axis=0)
    nuisance = prepare_nuisance(None, timeline, cleaning)
    expected = clean(values, nuisance, timeline, cleaning)
    values[:, 2] = np.nan
    values[5, 1] = np.inf
    found = clean(values, nuisance, timeline, cleaning)
    assert np.isnan(found[:, 2]).all()
    # Sums over volumes are rounded in another order where there are fewer columns.
    np.testing.assert_allclose(found[:, [0, 3]], expected[:, [0, 3]], rtol=0, atol=1e-12)


# Comparison with nilearn


def mirror_kept(n_volumes, places):
    """Return those of the places whose mirror image, counted from the last volume, is none of them."""
    return [place for place in places if n_volumes - 1 - place not in places]


@given(
    n_volumes=st.integers(60, 120),
    places=st.sets(st.integers(1, 58), min_size=1, max_size=25),
    high_pass=st.none() | st.floats(0.005, 0.05),
    low_pass=st.none() | st.floats(0.08, 0.2),
    seed=st.integers(0, 2**16),
)
@settings(max_examples=60, deadline=None)
def test_spline_is_nilearns_where_nilearn_interpolates_the_censored_volumes(
    n_volumes, places, high_pass, low_pass, seed
):
    # nilearn 0.14.1 interpolates a censored volume only if the one as far from the other end of the run is kept, and
    # extrapolates before the first kept volume and after the last one, which are kept here.
    censored = mirror_kept(n_volumes, places)
    assume(censored and (high_pass or low_pass))
    timeline = censor(*censored, n_volumes=n_volumes)
    values = 50 + np.random.default_rng(seed).normal(size=(n_volumes, 3)).cumsum(axis=0)
    cleaning = Cleaning(True, None, high_pass, low_pass, 2.0, "header", CUBIC)
    found = detrend_and_filter(values[timeline.kept], timeline, cleaning)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = signal.clean(
            values,
            sample_mask=np.flatnonzero(timeline.kept),
            detrend=True,
            standardize=None,
            filter="butterworth",
            high_pass=high_pass,
            low_pass=low_pass,
            t_r=2.0,
        )
    # nilearn solves the spline in seconds, and keeps its rounding errors at the kept volumes.
    np.testing.assert_allclose((found - expected) / expected.std(axis=0), 0, atol=1e-9)


# What a monotone cubic costs: its bridges are not linear in the kept values


TIMELINE = censor(0, 20, 21, 22, 23, 40, 58, 59, 60, 61, 62, 80, 119, n_volumes=120)


@with_every_interpolation
def test_sum_of_regressors_is_left_out_across_gaps(interpolation):
    one, two = np.random.default_rng(0).normal(size=(2, 120)).cumsum(axis=1)
    confounds = Confounds(("one", "two", "sum"), np.column_stack([one, two, 3 * one - 2 * two + 5]))
    with pytest.warns(match="sum"):
        nuisance = prepare_nuisance(confounds, TIMELINE, Cleaning(**BAND, interpolation=interpolation))
    assert nuisance.left_out == {"sum": "a combination of others"}


@with_every_interpolation
@pytest.mark.parametrize("factor", [-3.0, 1e-6, 1e5])
def test_signal_that_is_a_regressor_is_regressed_away_across_gaps(interpolation, factor):
    regressor, other = np.random.default_rng(0).normal(size=(2, 120)).cumsum(axis=1)
    cleaning = Cleaning(**BAND, interpolation=interpolation)
    nuisance = prepare_nuisance(Confounds(("a", "b"), np.column_stack([regressor, other])), TIMELINE, cleaning)
    values = factor * regressor[TIMELINE.kept, None]
    found = clean(values, nuisance, TIMELINE, cleaning)
    # The mean of the signal stays.
    assert found.std() < 1e-9 * values.std()


def test_signal_that_is_a_sum_of_regressors_leaves_little_across_gaps():
    regressors = np.random.default_rng(0).normal(size=(120, 2)).cumsum(axis=0)
    left = {}
    for interpolation in INTERPOLATIONS:
        cleaning = Cleaning(**BAND, interpolation=interpolation)
        nuisance = prepare_nuisance(Confounds(("a", "b"), regressors), TIMELINE, cleaning)
        values = regressors[TIMELINE.kept].sum(axis=1, keepdims=True)
        filtered = detrend_and_filter(values, TIMELINE, cleaning)
        left[interpolation] = clean(values, nuisance, TIMELINE, cleaning).std() / filtered.std()
    assert left[CUBIC] < 1e-9
    assert 1e-6 < left[PCHIP] < 0.1
