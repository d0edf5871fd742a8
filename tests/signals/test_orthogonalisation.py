"""Regressing out rejected components preserves the accepted ones; numpy's lstsq and nilearn are the oracles."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ica_files import make_mixing
from nilearn import signal

from niimasker.errors import record_warnings
from niimasker.inputs.confounds import Confounds
from niimasker.inputs.ica_components import Preserved
from niimasker.signals.cleaning import clean
from niimasker.signals.filtering import Cleaning, detrend_and_filter
from niimasker.signals.nuisance import prepare_nuisance
from niimasker.signals.orthogonalisation import orthogonalise
from niimasker.signals.timeline import Timeline

T_R, N, N_COMPONENTS, N_REJECTED = 2.0, 120, 14, 5
PLAIN = Cleaning(False, None, None, None, T_R, "header")
CLEANINGS = {
    "plain": PLAIN,
    "detrend": Cleaning(True, None, None, None, T_R, "header"),
    "high": Cleaning(False, None, 0.02, None, T_R, "header"),
    "low": Cleaning(False, None, None, 0.1, T_R, "header"),
    "band": Cleaning(True, None, 0.01, 0.1, T_R, "header"),
}
CENSORED = np.isin(np.arange(N), [0, 11, 12, 13, 14, 30, 50, 51, 99, 100, 101, 119])
TIMELINES = {
    "all volumes": Timeline(N, 0),
    "discarded": Timeline(N, 4),
    "censored": Timeline(N, 2, {"user": CENSORED & (np.arange(N) >= 2)}),
}
with_every_cleaning = pytest.mark.parametrize("cleaning", CLEANINGS.values(), ids=CLEANINGS)
with_every_timeline = pytest.mark.parametrize("timeline", TIMELINES.values(), ids=TIMELINES)


def make_confounds(mixing, n_rejected=N_REJECTED, others=()):
    """Return the first components as regressors that are orthogonalised to the later ones, beside other columns."""
    rejected = tuple(f"r{number}" for number in range(n_rejected))
    accepted = tuple(f"a{number}" for number in range(n_rejected, mixing.shape[1]))
    preserved = Preserved(rejected, accepted, mixing[:, n_rejected:])
    names = (*rejected, *(f"o{number}" for number in range(len(others))))
    return Confounds(names, np.column_stack([mixing[:, :n_rejected], *others]), preserved=preserved)


def prepare(confounds, timeline, cleaning):
    with record_warnings() as said:
        return prepare_nuisance(confounds, timeline, cleaning), said


def clean_with(confounds, values, timeline, cleaning):
    nuisance, _ = prepare(confounds, timeline, cleaning)
    return clean(values[timeline.kept], nuisance, timeline, cleaning)


def orthogonalise_as_tedana_documents(rejected, accepted):
    """The residuals of a least-squares fit, after tedana.readthedocs.io/en/stable/denoising.html."""
    betas = np.linalg.lstsq(accepted, rejected, rcond=None)[0]
    return rejected - np.dot(accepted, betas)


def share_lost(cleaned, before):
    """The share of each column's variance that cleaning has removed."""
    removed = (before - before.mean(axis=0)) - (cleaned - cleaned.mean(axis=0))
    return removed.var(axis=0) / before.var(axis=0)


@pytest.mark.parametrize("seed", range(5))
def test_z_scored_components_are_orthogonalised_as_tedana_documents(seed):
    mixing = make_mixing(N, N_COMPONENTS, seed)
    expected = orthogonalise_as_tedana_documents(mixing[:, :N_REJECTED], mixing[:, N_REJECTED:])
    nuisance, _ = prepare(make_confounds(mixing), TIMELINES["all volumes"], PLAIN)
    np.testing.assert_allclose(nuisance.values, expected, atol=1e-12)
    assert nuisance.names == nuisance.orthogonalised == ("r0", "r1", "r2", "r3", "r4")
    assert nuisance.preserved == tuple(f"a{number}" for number in range(5, 14))
    assert nuisance.degrees_of_freedom == N - N_REJECTED - 1


@with_every_timeline
@with_every_cleaning
def test_regressors_are_the_residuals_of_filtered_components_at_the_kept_volumes(timeline, cleaning):
    mixing = make_mixing(N, N_COMPONENTS)
    filtered = detrend_and_filter(mixing[timeline.kept], timeline, cleaning)
    accepted = np.column_stack([np.ones(timeline.n_kept), filtered[:, N_REJECTED:]])
    expected = orthogonalise_as_tedana_documents(filtered[:, :N_REJECTED], accepted)
    nuisance, _ = prepare(make_confounds(mixing), timeline, cleaning)
    np.testing.assert_allclose(nuisance.values, expected, atol=1e-9)


@pytest.mark.parametrize("others", [0, 2])
def test_signals_are_cleaned_as_nilearn_cleans_them_with_the_residuals(others):
    rng = np.random.default_rng(1)
    mixing, values = make_mixing(N, N_COMPONENTS), 100 + rng.normal(size=(N, 6)).cumsum(axis=0)
    columns = rng.normal(size=(others, N))
    residuals = orthogonalise_as_tedana_documents(mixing[:, :N_REJECTED], mixing[:, N_REJECTED:])
    found = clean_with(make_confounds(mixing, others=columns), values, TIMELINES["all volumes"], PLAIN)
    regressors = np.column_stack([residuals, *columns])
    expected = signal.clean(values, confounds=regressors, detrend=False, standardize=None, filter=False)
    np.testing.assert_allclose(found - found.mean(axis=0), expected - expected.mean(axis=0), atol=1e-9)


@with_every_timeline
@with_every_cleaning
def test_accepted_components_survive_and_are_lost_in_part_without_orthogonalisation(timeline, cleaning):
    confounds = make_confounds(make_mixing(N, N_COMPONENTS))
    values = 500 + 3 * confounds.preserved.values
    before = detrend_and_filter(values[timeline.kept], timeline, cleaning)
    found = clean_with(confounds, values, timeline, cleaning)
    np.testing.assert_allclose(found, before, rtol=0, atol=1e-9 * before.std(axis=0).max())
    aggressive = clean_with(dataclasses.replace(confounds, preserved=None), values, timeline, cleaning)
    assert share_lost(aggressive, before).min() > 0.01


@given(
    n_components=st.integers(2, 30),
    n_rejected=st.integers(1, 29),
    cleaning=st.sampled_from(list(CLEANINGS.values())),
    timeline=st.sampled_from(list(TIMELINES.values())),
    seed=st.integers(0, 2**16),
)
@settings(deadline=None, max_examples=60)
def test_products_with_accepted_components_are_those_before_the_regression(
    n_components, n_rejected, cleaning, timeline, seed
):
    confounds = make_confounds(make_mixing(N, n_components, seed), min(n_rejected, n_components - 1))
    values = np.random.default_rng(seed).normal(size=(N, 3)).cumsum(axis=0)
    accepted = detrend_and_filter(confounds.preserved.values[timeline.kept], timeline, cleaning)
    accepted = accepted - accepted.mean(axis=0)
    before = detrend_and_filter(values[timeline.kept], timeline, cleaning)
    after = clean_with(confounds, values, timeline, cleaning)
    scale = np.linalg.norm(before - before.mean(axis=0)) * np.linalg.norm(accepted)
    np.testing.assert_allclose(accepted.T @ after, accepted.T @ before, rtol=0, atol=1e-9 * scale)


def test_orthogonalising_before_a_filter_would_not_preserve_them():
    mixing, timeline, band = make_mixing(N, N_COMPONENTS), TIMELINES["censored"], CLEANINGS["band"]
    early = mixing[:, :N_REJECTED].copy()
    kept = timeline.kept
    early[kept] = orthogonalise(mixing[kept, :N_REJECTED], mixing[kept, N_REJECTED:])
    confounds = make_confounds(mixing)
    names = confounds.names
    before = detrend_and_filter(mixing[kept, N_REJECTED:], timeline, band)
    found = clean_with(Confounds(names, early), mixing[:, N_REJECTED:], timeline, band)
    assert share_lost(found, before).mean() > 0.01


@with_every_cleaning
def test_values_of_volumes_not_kept_change_no_digit(cleaning):
    timeline, mixing = TIMELINES["censored"], make_mixing(N, N_COMPONENTS)
    values = np.random.default_rng(3).normal(size=(N, 4)).cumsum(axis=0)
    expected = clean_with(make_confounds(mixing), values, timeline, cleaning)
    for filler in (np.nan, 1e30, 0.0):
        spoiled = np.where(timeline.kept[:, None], mixing, filler)
        np.testing.assert_array_equal(clean_with(make_confounds(spoiled), values, timeline, cleaning), expected)


@with_every_cleaning
@with_every_timeline
def test_component_that_the_accepted_ones_explain_is_left_out(cleaning, timeline):
    mixing = make_mixing(N, N_COMPONENTS)
    mixing[:, 1] = mixing[:, 8] - 0.3 * mixing[:, 10] + 5
    nuisance, said = prepare(make_confounds(mixing), timeline, cleaning)
    assert nuisance.left_out == {"r1": "a combination of the accepted components"}
    assert nuisance.names == nuisance.orthogonalised == ("r0", "r2", "r3", "r4")
    assert "regressors left out: r1 (a combination of the accepted components)" in said[0]


def test_other_reasons_come_before_that_of_the_accepted_components():
    mixing = make_mixing(N, N_COMPONENTS)
    mixing[:, 0], mixing[:, 1] = 4.0, mixing[:, 2] + 2 * mixing[:, 9]
    nuisance, _ = prepare(make_confounds(mixing), TIMELINES["all volumes"], PLAIN)
    assert nuisance.left_out == {"r0": "constant", "r2": "the same as r1"}


def test_more_accepted_components_than_volumes_leave_no_regressor():
    timeline = Timeline(N, 80)
    nuisance, _ = prepare(make_confounds(make_mixing(N, 60)), timeline, PLAIN)
    assert nuisance.names == ()
    assert set(nuisance.left_out.values()) == {"a combination of the accepted components"}
    assert nuisance.degrees_of_freedom == 39


def test_other_regressors_are_not_orthogonalised():
    mixing, csf = make_mixing(N, N_COMPONENTS), np.random.default_rng(5).normal(size=N)
    nuisance, _ = prepare(make_confounds(mixing, others=[csf]), TIMELINES["all volumes"], PLAIN)
    np.testing.assert_array_equal(nuisance.values[:, -1], csf)
    assert nuisance.orthogonalised == nuisance.names[:-1]


@pytest.mark.parametrize("scale", [1e-8, 1e9])
def test_units_of_the_accepted_components_do_not_count(scale):
    mixing = make_mixing(N, N_COMPONENTS)
    rejected, accepted = mixing[:, :N_REJECTED], mixing[:, N_REJECTED:]
    scaled = accepted * np.where(np.arange(accepted.shape[1]) % 2, 1, scale)
    np.testing.assert_allclose(orthogonalise(rejected, scaled), orthogonalise(rejected, accepted), atol=1e-9)


def test_nothing_to_preserve_leaves_the_components_as_they_are():
    rejected = make_mixing(N, 3) + 2
    found = orthogonalise(rejected, np.empty((N, 0)))
    np.testing.assert_allclose(found, rejected - rejected.mean(axis=0), atol=1e-12)


def test_constant_accepted_component_preserves_nothing():
    mixing = make_mixing(N, 5)
    flat = np.column_stack([mixing[:, 2:], np.full(N, 1e6)])
    np.testing.assert_allclose(
        orthogonalise(mixing[:, :2], flat), orthogonalise(mixing[:, :2], mixing[:, 2:]), atol=1e-9
    )


def test_accepted_component_of_which_a_filter_leaves_nothing_changes_nothing():
    n = 4000
    time = T_R * np.arange(n)
    mixing = make_mixing(n, 6)
    mixing[:, 5] = np.sin(2 * np.pi * 0.0005 * time) * np.hanning(n) ** 4
    high, timeline = Cleaning(False, None, 0.1, None, T_R, "header"), Timeline(n, 0)
    with_slow, _ = prepare(make_confounds(mixing, 2), timeline, high)
    without, _ = prepare(make_confounds(mixing[:, :5], 2), timeline, high)
    np.testing.assert_allclose(with_slow.values, without.values, atol=1e-12)


ORTH = ("aroma_orth_motion_01", "aroma_orth_motion_03")


@pytest.mark.parametrize(
    ("cleaning", "timeline", "warns"),
    [
        (PLAIN, "all volumes", False),
        (PLAIN, "discarded", False),
        (PLAIN, "censored", True),
        (CLEANINGS["detrend"], "all volumes", True),
        (CLEANINGS["low"], "all volumes", True),
    ],
)
def test_columns_orthogonalised_by_fmripost_aroma_warn_where_cleaning_undoes_it(cleaning, timeline, warns):
    confounds = Confounds(ORTH, make_mixing(N, 2))
    _, said = prepare(confounds, TIMELINES[timeline], cleaning)
    assert any("orthogonal to the signal components only before" in line for line in said) == warns
