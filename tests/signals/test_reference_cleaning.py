"""Cleaning against a reference of a few lines of numpy and scipy, written from the specification."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from bridges import interpolate
from confounds_tables import N_VOLUMES, RUN_1, load_quietly
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.signal import butter, sosfiltfilt

from niimasker.inputs.confounds import Confounds
from niimasker.options.settings import INTERPOLATIONS, STANDARDIZE_METHODS
from niimasker.signals.cleaning import clean, percent_baseline
from niimasker.signals.filtering import Cleaning
from niimasker.signals.nuisance import prepare_nuisance
from niimasker.signals.timeline import Timeline

TOLERANCE = 1e-9


# The reference


def without_line(values):
    design = np.column_stack([np.ones(len(values)), np.linspace(-1, 1, len(values))])
    return values - design @ np.linalg.lstsq(design, values, rcond=None)[0]


def within_band(values, high_pass, low_pass, t_r):
    if high_pass is None and low_pass is None:
        return values
    kind = "low" if high_pass is None else "high" if low_pass is None else "bandpass"
    edges = [edge for edge in (high_pass, low_pass) if edge is not None]
    sections = butter(5, edges if len(edges) == 2 else edges[0], kind, fs=1 / t_r, output="sos")
    return sosfiltfilt(sections, values, axis=0)


def without_regressors(values, regressors):
    """Return the residuals of regressors without their means, so that signals keep their means."""
    design = regressors - regressors.mean(axis=0)
    design /= np.linalg.norm(design, axis=0)
    return values - design @ np.linalg.lstsq(design, values - values.mean(axis=0), rcond=None)[0]


def standardized(values, method, means):
    if method is None:
        return values
    centred = values - values.mean(axis=0)
    if method == "psc":
        return 100 * centred / means
    return centred / values.std(axis=0, ddof=1 if method == "zscore_sample" else 0)


def reference(volumes, regressors, timeline, cleaning):
    """Return cleaned signals of a run's volumes, of shape (n_read, n_regions)."""
    is_kept = timeline.kept[timeline.n_discarded :]

    def prepare(values):
        filled = interpolate(values[timeline.kept], is_kept, cleaning.interpolation)
        if cleaning.detrend:
            filled = without_line(filled)
        return within_band(filled, cleaning.high_pass, cleaning.low_pass, cleaning.t_r)[is_kept]

    values = prepare(volumes)
    if regressors is not None:
        values = without_regressors(values, prepare(regressors))
    return standardized(values, cleaning.standardize, volumes[timeline.kept].mean(axis=0))


# Comparison with the reference


@dataclass(frozen=True)
class Case:
    n_volumes: int
    n_discarded: int
    n_confounds: int
    detrend: bool
    standardize: str | None
    high_pass: float | None
    low_pass: float | None
    t_r: float
    censored: str
    share: float
    seed: int
    interpolation: str

    @property
    def timeline(self):
        rng = np.random.default_rng([2, self.seed])
        n = self.n_volumes
        place = np.arange(n)
        masks = {
            "none": np.zeros(n, dtype=bool),
            "random": rng.random(n) < self.share,
            "both ends": (place < n * self.share / 2) | (place >= n - n * self.share / 3),
            "mirrored": np.isin(place, [7, 13, n - 8, n - 14]),
            "long gap": (place >= 10) & (place < 10 + n * self.share),
        }
        mask = masks[self.censored] & (place >= self.n_discarded)
        return Timeline(n, self.n_discarded, {"framewise_displacement": mask & (place % 2 > 0), "user": mask})

    @property
    def cleaning(self):
        return Cleaning(
            self.detrend, self.standardize, self.high_pass, self.low_pass, self.t_r, "header", self.interpolation
        )

    @property
    def degrees_of_freedom(self):
        nyquist = 0.5 / self.t_r
        band = (self.low_pass or nyquist) - (self.high_pass or 0)
        lost = 0 if self.high_pass else 1 + self.detrend
        return self.timeline.n_kept * band / nyquist - self.n_confounds - lost


cases = st.builds(
    Case,
    n_volumes=st.integers(48, 110),
    n_discarded=st.sampled_from([0, 0, 1, 4]),
    n_confounds=st.integers(0, 5),
    detrend=st.booleans(),
    standardize=st.sampled_from([None, *STANDARDIZE_METHODS]),
    high_pass=st.none() | st.floats(0.005, 0.05),
    low_pass=st.none() | st.floats(0.08, 0.2),
    t_r=st.floats(0.5, 2.4),
    censored=st.sampled_from(["none", "random", "both ends", "mirrored", "long gap"]),
    share=st.floats(0.05, 0.5),
    seed=st.integers(0, 2**16),
    interpolation=st.sampled_from(INTERPOLATIONS),
)


def make_values(case):
    rng = np.random.default_rng([3, case.seed])
    baselines = np.array([1000.0, 1.0, 30_000.0])
    volumes = baselines + rng.normal(size=(case.n_volumes, 3)).cumsum(axis=0) * baselines / 200
    scales = 10.0 ** rng.integers(-5, 6, size=case.n_confounds)
    return volumes, scales * (5 + rng.normal(size=(case.n_volumes, case.n_confounds)).cumsum(axis=0))


def make_confounds(values):
    return Confounds(tuple(f"c{number}" for number in range(values.shape[1])), values) if values.shape[1] else None


@pytest.mark.filterwarnings("ignore::niimasker.errors.NiimaskerWarning")
@given(case=cases)
@settings(max_examples=150, deadline=None)
def test_any_options_give_what_the_reference_gives(case):
    assume(case.degrees_of_freedom >= 3)
    timeline, cleaning = case.timeline, case.cleaning
    volumes, regressors = make_values(case)
    nuisance = prepare_nuisance(make_confounds(regressors), timeline, cleaning)
    assert len(nuisance.names) == case.n_confounds
    found = clean(volumes[timeline.kept], nuisance, timeline, cleaning)
    expected = reference(volumes, regressors if case.n_confounds else None, timeline, cleaning)
    assert found.shape == (timeline.n_kept, 3)
    np.testing.assert_allclose((found - expected) / expected.std(axis=0), 0, atol=TOLERANCE)


@pytest.mark.filterwarnings("ignore::niimasker.errors.NiimaskerWarning")
@given(case=cases)
@settings(max_examples=60, deadline=None)
def test_degrees_of_freedom_are_those_of_the_formula(case):
    assume(case.degrees_of_freedom >= 1)
    nuisance = prepare_nuisance(make_confounds(make_values(case)[1]), case.timeline, case.cleaning)
    assert nuisance.degrees_of_freedom == pytest.approx(case.degrees_of_freedom, abs=1e-9)


@pytest.mark.filterwarnings("ignore::niimasker.errors.NiimaskerWarning")
@given(case=cases)
@settings(max_examples=40, deadline=None)
def test_regressors_are_prepared_as_the_reference_prepares_signals(case):
    # The columns may be scaled and centred; only the space that they span matters.
    assume(case.n_confounds and case.degrees_of_freedom >= 3)
    timeline, regressors = case.timeline, make_values(case)[1]
    found = prepare_nuisance(make_confounds(regressors), timeline, case.cleaning).values
    no_scale = replace(case.cleaning, standardize=None)
    expected = reference(regressors, None, timeline, no_scale)
    assert found.shape == expected.shape
    found, expected = (values - values.mean(axis=0) for values in (found, expected))
    found, expected = (values / np.linalg.norm(values, axis=0) for values in (found, expected))
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)


@pytest.mark.filterwarnings("ignore::niimasker.errors.NiimaskerWarning")
@pytest.mark.parametrize("band", [(None, None), (0.008, None), (None, 0.15), (0.008, 0.15)], ids=str)
@pytest.mark.parametrize("detrend", [False, True], ids=["", "detrend"])
@pytest.mark.parametrize("strategy", ["Params6", "Params24", "Params36"])
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_real_regressors_give_what_the_reference_gives(data_dir, interpolation, strategy, detrend, band):
    # Motion, its derivatives and squares: columns of 1e-9 beside columns of 1e3, close to each other.
    confounds = load_quietly(data_dir / "confounds" / RUN_1, [strategy, "scrub"], N_VOLUMES[RUN_1])
    moved = np.nan_to_num(confounds.measures.framewise_displacement) > 0.2
    timeline = Timeline(len(moved), 2, {"framewise_displacement": moved & (np.arange(len(moved)) >= 2)})
    assert timeline.n_censored
    cleaning = Cleaning(detrend, "zscore_sample", *band, 1.615, "header", interpolation)
    volumes = 1000 + np.random.default_rng(0).normal(size=(len(moved), 4)).cumsum(axis=0)
    nuisance = prepare_nuisance(confounds, timeline, cleaning)
    assert nuisance.names == confounds.names
    found = clean(volumes[timeline.kept], nuisance, timeline, cleaning)
    np.testing.assert_allclose(found, reference(volumes, confounds.values, timeline, cleaning), atol=TOLERANCE)


# Standardising, by arithmetic


PLAIN = Timeline(40, 0)
WAVE = np.tile([-1.0, 1.0], 20)


def standardize(values, method, timeline=PLAIN, *, detrend=False):
    cleaning = Cleaning(detrend, method, None, None, 2.0, "header")
    return clean(values, prepare_nuisance(None, timeline, cleaning), timeline, cleaning)


def test_percent_is_of_the_mean():
    found = standardize(np.column_stack([200 + 4 * WAVE, 50 + WAVE]), "psc")
    np.testing.assert_allclose(found, np.column_stack([2 * WAVE, 2 * WAVE]), atol=1e-12)


def test_percent_is_of_the_mean_before_detrending():
    line = np.linspace(-30, 30, 40)
    noise = np.random.default_rng(0).normal(size=40)
    found = standardize((200 + line + noise)[:, None], "psc", detrend=True)
    raw_mean = 200 + noise.mean()
    np.testing.assert_allclose(found[:, 0], 100 * without_line(noise[:, None])[:, 0] / raw_mean, atol=1e-10)


def test_percent_is_of_each_columns_own_mean_after_a_filter():
    # nilearn decides for all columns at once whether the mean was filtered out.
    noise = np.random.default_rng(0).normal(size=(40, 1))
    cleaning = Cleaning(True, "psc", 0.02, None, 2.0, "header")
    nuisance = prepare_nuisance(None, PLAIN, cleaning)
    wide = clean(np.hstack([1000 + noise, 10 + noise]), nuisance, PLAIN, cleaning)
    means = np.array([1000, 10]) + noise.mean()
    np.testing.assert_allclose(wide[:, 0] * means[0], wide[:, 1] * means[1], rtol=1e-6)


@pytest.mark.parametrize("mean", [0.0, 1e-13, -1e-13, 0.9e-3, -0.9e-3, -5.0])
def test_mean_that_is_not_clearly_above_0_is_no_baseline_of_percent(mean):
    # The mean of data that another program has demeaned or z-scored is a rounding error.
    values = np.column_stack([WAVE + mean, WAVE + 100])
    found = standardize(values, "psc")
    assert np.isnan(found[:, 0]).all()
    np.testing.assert_allclose(found[:, 1], WAVE, atol=1e-12)
    np.testing.assert_allclose(percent_baseline(values), [np.nan, 100], rtol=1e-12)


def test_mean_above_a_thousandth_of_the_deviation_is_a_baseline_of_percent():
    values = (WAVE + 1.1e-3)[:, None]
    np.testing.assert_allclose(percent_baseline(values), [1.1e-3], rtol=1e-9)
    np.testing.assert_allclose(standardize(values, "psc")[:, 0], 100 * WAVE / 1.1e-3, rtol=1e-9)


@pytest.mark.parametrize("factor", [1e-9, 1.0, 1e9])
def test_baseline_of_percent_does_not_depend_on_units(factor):
    values = factor * np.column_stack([WAVE + 0.9e-3, WAVE + 1.1e-3])
    assert np.isnan(percent_baseline(values)).tolist() == [True, False]


def test_column_without_values_is_no_baseline_of_percent():
    assert np.isnan(percent_baseline(np.column_stack([np.full(40, np.nan), WAVE + 5]))).tolist() == [True, False]


def test_percent_counts_the_kept_volumes_alone():
    censored = np.zeros(40, dtype=bool)
    censored[30:] = True
    timeline = Timeline(40, 0, {"user": censored})
    found = standardize((200 + 4 * WAVE)[:30, None], "psc", timeline)
    np.testing.assert_allclose(found[:, 0], 2 * WAVE[:30], atol=1e-12)


@pytest.mark.parametrize(("method", "ddof"), [("zscore_sample", 1), ("zscore", 0)])
def test_z_scores_divide_by_the_deviation_that_they_are_named_after(method, ddof):
    found = standardize(np.random.default_rng(0).normal(5, 3, size=(40, 2)), method)
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(found.std(axis=0, ddof=ddof), 1, rtol=1e-12)


@pytest.mark.parametrize("method", STANDARDIZE_METHODS)
@pytest.mark.parametrize("value", [0.0, 7.0, 1e6 / 3])
@pytest.mark.parametrize("detrend", [False, True], ids=["", "detrend"])
def test_column_without_variance_has_no_standardised_value(method, value, detrend):
    values = np.column_stack([200 + 4 * WAVE, np.full(40, value)])
    found = standardize(values, method, detrend=detrend)
    assert np.isnan(found[:, 1]).all()
    assert np.isfinite(found[:, 0]).all()


@pytest.mark.parametrize("method", STANDARDIZE_METHODS)
def test_column_that_varies_in_discarded_and_censored_volumes_alone_has_no_standardised_value(method):
    censored = np.zeros(43, dtype=bool)
    censored[[5, 9, 42]] = True
    timeline = Timeline(43, 3, {"user": censored})
    found = standardize(np.full((37, 1), 7.0), method, timeline, detrend=True)
    assert np.isnan(found).all()


@pytest.mark.parametrize("method", STANDARDIZE_METHODS)
def test_column_that_is_regressed_away_entirely_is_not_scaled_up(method):
    # Only rounding errors are left, which must not be scaled to a standard deviation of 1.
    confounds = Confounds(("a",), np.random.default_rng(0).normal(size=(40, 1)))
    cleaning = Cleaning(False, method, None, None, 2.0, "header")
    nuisance = prepare_nuisance(confounds, PLAIN, cleaning)
    found = clean(1000 + 3 * confounds.values, nuisance, PLAIN, cleaning)
    assert np.isnan(found).all() or np.abs(found).max() < 1e-9


@pytest.mark.parametrize("method", STANDARDIZE_METHODS)
@pytest.mark.parametrize("slope", [0.3, -0.7])
def test_rounding_of_a_large_baseline_is_no_signal(method, slope):
    # A trend of 1e7 leaves rounding errors of 1e-9, more than 1e-10 of its own standard deviation.
    line = 1e7 + slope * np.arange(40)
    rounding = without_line(line[:, None])
    assert rounding.std() > 0
    found = standardize(np.column_stack([line, line + 1e-3 * WAVE, 50 + WAVE]), method, detrend=True)
    assert np.isnan(found[:, 0]).all()
    assert np.isfinite(found[:, 1:]).all()


@pytest.mark.parametrize("method", STANDARDIZE_METHODS)
def test_rounding_of_a_large_baseline_is_no_signal_beside_regressors(method):
    confounds = Confounds(("a",), np.random.default_rng(0).normal(size=(40, 1)))
    cleaning = Cleaning(False, method, None, None, 2.0, "header")
    nuisance = prepare_nuisance(confounds, PLAIN, cleaning)
    found = clean(1e7 + 0.3 * confounds.values, nuisance, PLAIN, cleaning)
    assert np.isnan(found).all()


@pytest.mark.parametrize(("method", "ddof"), [("zscore_sample", 1), ("zscore", 0)])
def test_small_signal_on_a_large_baseline_is_kept(method, ddof):
    found = standardize((1e7 + 1e-3 * WAVE)[:, None], method)
    # The rounding errors of 1e7 are about 1e-9, a millionth of the signal.
    np.testing.assert_allclose(found[:, 0], WAVE / WAVE.std(ddof=ddof), atol=1e-5)


def test_column_without_variance_stays_as_it_is_without_standardising():
    np.testing.assert_allclose(standardize(np.full((40, 1), 7.0), None), 7.0, rtol=1e-12)
