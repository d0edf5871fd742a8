"""Cleaning: results equal to nilearn's, NaN columns unchanged, and errors before anything is computed."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from images import SHAPE, save
from nilearn import signal

from niimasker.errors import NiimaskerWarning, SignalsError, TooFewVolumesError, record_warnings
from niimasker.inputs.confounds import Confounds
from niimasker.inputs.series import open_series
from niimasker.options.merging import make_settings
from niimasker.signals.cleaning import clean as clean_by
from niimasker.signals.filtering import Cleaning, detrend_and_filter, make_cleaning
from niimasker.signals.nuisance import prepare_nuisance
from niimasker.signals.timeline import Timeline

N_VOLUMES = 60
T_R = 2.0
NOTHING = Cleaning(False, None, None, None, T_R, "header")
DETREND = Cleaning(True, None, None, None, T_R, "header")
STANDARDIZE = Cleaning(False, "zscore_sample", None, None, T_R, "header")
RNG = np.random.default_rng(0)
VALUES = 1000 + RNG.normal(size=(N_VOLUMES, 5)).cumsum(axis=0)
KEEP_ALL = Timeline(N_VOLUMES, 0)

# The same numbers pass through the same steps; a filter amplifies rounding errors by less than 1e3.
TOLERANCE = 1e-9


def make_confounds(n, n_volumes=N_VOLUMES, seed=0):
    values = 5 + np.random.default_rng([1, seed]).normal(size=(n_volumes, n)).cumsum(axis=0)
    return Confounds(tuple(f"c{number}" for number in range(n)), values)


def clean(values, confounds, timeline, cleaning):
    with record_warnings():  # Of few degrees of freedom, which runs of 60 volumes have.
        nuisance = prepare_nuisance(confounds, timeline, cleaning)
    return clean_by(values, nuisance, timeline, cleaning)


def by_nilearn(values, confounds, cleaning):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Of defaults to come, and of a filter without detrending.
        return signal.clean(
            values,
            confounds=confounds,
            detrend=cleaning.detrend,
            standardize="zscore_sample" if cleaning.standardize else None,
            filter="butterworth" if cleaning.high_pass or cleaning.low_pass else False,
            high_pass=cleaning.high_pass,
            low_pass=cleaning.low_pass,
            t_r=cleaning.t_r,
        )


cleanings = st.builds(
    Cleaning,
    detrend=st.booleans(),
    standardize=st.sampled_from([None, "zscore_sample"]),
    high_pass=st.none() | st.floats(0.005, 0.05),
    # At least a fifth of all frequencies passes, so that degrees of freedom are left with six regressors.
    low_pass=st.none() | st.floats(0.15, 0.2),
    t_r=st.floats(1.2, 2.4),
    t_r_source=st.just("header"),
)


class TestAgainstNilearn:
    @given(
        cleaning=cleanings,
        n_confounds=st.integers(0, 6),
        n_discarded=st.sampled_from([0, 4]),
        n_missing=st.integers(0, 3),
        seed=st.integers(0, 2**16),
    )
    @settings(deadline=None, max_examples=80)
    def test_any_options_give_what_nilearn_gives(self, cleaning, n_confounds, n_discarded, n_missing, seed):
        rng = np.random.default_rng(seed)
        values = 1000 + rng.normal(size=(N_VOLUMES - n_discarded, 5)).cumsum(axis=0)
        missing = rng.permutation(5)[:n_missing]
        confounds = make_confounds(n_confounds, seed=seed) if n_confounds else None
        given_values = values.copy()
        given_values[:, missing] = np.nan
        found = clean(given_values, confounds, Timeline(N_VOLUMES, n_discarded), cleaning)
        expected = by_nilearn(values, confounds.values[n_discarded:] if confounds else None, cleaning)
        scale = expected.std(axis=0)
        expected[:, missing] = np.nan
        np.testing.assert_allclose(found / scale, expected / scale, rtol=0, atol=TOLERANCE)

    def test_order_is_that_of_nilearn(self):
        # Unfiltered confounds would leave a part of filtered signals that filtered ones remove.
        cleaning = Cleaning(True, "zscore_sample", 0.02, 0.1, T_R, "header")
        confounds = make_confounds(3)
        found = clean(VALUES, confounds, KEEP_ALL, cleaning)
        np.testing.assert_allclose(found, by_nilearn(VALUES, confounds.values, cleaning), rtol=0, atol=TOLERANCE)


class TestFilterOfAllColumns:
    @pytest.mark.parametrize("n_columns", [1, 5, 501])
    @pytest.mark.parametrize("cut_offs", [(0.01, 0.08), (0.01, None), (None, 0.1)])
    def test_digits_are_those_of_each_column_filtered_alone(self, cut_offs, n_columns):
        cleaning = Cleaning(False, None, *cut_offs, T_R, "header")
        values = 1000 + np.random.default_rng(n_columns).normal(size=(N_VOLUMES, n_columns)).cumsum(axis=0)
        expected = [by_nilearn(values[:, [column]], None, cleaning) for column in range(n_columns)]
        filtered = detrend_and_filter(values, KEEP_ALL, cleaning)
        assert np.array_equal(filtered, np.concatenate(expected, axis=1))
        # Products, as with regressors, would otherwise have other last digits.
        assert filtered.flags.c_contiguous


class TestArithmetic:
    def test_cleaning_without_options_changes_nothing(self):
        np.testing.assert_array_equal(clean(VALUES, None, KEEP_ALL, NOTHING), VALUES)

    @pytest.mark.parametrize("cleaning", [NOTHING, DETREND, STANDARDIZE], ids=["nothing", "detrend", "standardize"])
    def test_input_values_are_not_modified(self, cleaning):
        values = VALUES.copy()
        clean(values, make_confounds(2), KEEP_ALL, cleaning)[:] = 0
        np.testing.assert_array_equal(values, VALUES)

    def test_detrending_takes_out_a_line(self):
        line = 1000 + 3 * np.arange(N_VOLUMES)[:, None] * np.array([1.0, -2.0])
        np.testing.assert_allclose(clean(line, None, KEEP_ALL, DETREND), 0, atol=1e-9)

    def test_standardizing_divides_by_the_deviation_of_a_sample(self):
        found = clean(VALUES, None, KEEP_ALL, STANDARDIZE)
        expected = (VALUES - VALUES.mean(axis=0)) / VALUES.std(axis=0, ddof=1)
        np.testing.assert_allclose(found, expected, atol=TOLERANCE)

    def test_signals_do_not_correlate_with_confounds_afterwards(self):
        confounds = make_confounds(4)
        mixed = VALUES[:, :4] + 100 * confounds.values
        found = clean(mixed, confounds, KEEP_ALL, NOTHING)
        centred = confounds.values - confounds.values.mean(axis=0)
        np.testing.assert_allclose(found.T @ centred / np.linalg.norm(centred, axis=0), 0, atol=1e-6)

    @pytest.mark.parametrize(("frequency", "share"), [(0.01, 0.0), (0.06, 1.0), (0.22, 0.0)])
    def test_filter_keeps_the_band_alone(self, frequency, share):
        time = T_R * np.arange(600)
        wave = np.sin(2 * np.pi * frequency * time)[:, None]
        cleaning = Cleaning(False, None, 0.03, 0.12, T_R, "header")
        found = clean(wave, None, Timeline(600, 0), cleaning)
        # Without the ends, where the filter is not accurate.
        assert found[100:-100].std() / wave.std() == pytest.approx(share, abs=0.01)

    def test_constant_signal_has_no_standardised_value(self):
        values = np.column_stack([VALUES[:, 0], np.full(N_VOLUMES, 7.0)])
        found = clean(values, None, KEEP_ALL, Cleaning(True, "zscore_sample", None, None, T_R, "header"))
        assert np.isnan(found[:, 1]).all()

    def test_constant_signal_is_0_after_detrending(self):
        values = np.column_stack([VALUES[:, 0], np.full(N_VOLUMES, 7.0)])
        np.testing.assert_array_equal(clean(values, None, KEEP_ALL, DETREND)[:, 1], 0)


class TestMissingColumns:
    @pytest.mark.parametrize(
        "cleaning", [NOTHING, Cleaning(True, "zscore_sample", 0.01, 0.1, T_R, "header")], ids=["no", "all"]
    )
    @pytest.mark.parametrize("n_confounds", [0, 3])
    def test_columns_of_nan_stay_and_disturb_nothing(self, cleaning, n_confounds):
        confounds = make_confounds(n_confounds) if n_confounds else None
        with_gaps = np.insert(VALUES, [0, 2, 5], np.nan, axis=1)
        found = clean(with_gaps, confounds, KEEP_ALL, cleaning)
        missing = np.isnan(with_gaps).all(axis=0)
        assert np.isnan(found[:, missing]).all()
        np.testing.assert_array_equal(found[:, ~missing], clean(VALUES, confounds, KEEP_ALL, cleaning))

    def test_nothing_but_nan_stays(self):
        nothing = np.full((N_VOLUMES, 2), np.nan)
        cleaning = Cleaning(True, "zscore_sample", 0.01, 0.1, T_R, "header")
        assert np.isnan(clean(nothing, make_confounds(3), KEEP_ALL, cleaning)).all()


class TestDiscarded:
    @pytest.mark.parametrize("n_discarded", [1, 5])
    def test_confounds_lose_the_same_rows_as_the_signals(self, n_discarded):
        confounds = make_confounds(3)
        found = clean(VALUES[n_discarded:], confounds, Timeline(N_VOLUMES, n_discarded), DETREND)
        shorter = Confounds(confounds.names, confounds.values[n_discarded:])
        expected = clean(VALUES[n_discarded:], shorter, Timeline(N_VOLUMES - n_discarded, 0), DETREND)
        np.testing.assert_array_equal(found, expected)

    def test_confounds_of_discarded_volumes_change_nothing(self):
        confounds = make_confounds(3)
        spoiled = Confounds(confounds.names, confounds.values.copy())
        spoiled.values[:4] = 1e6
        timeline = Timeline(N_VOLUMES, 4)
        found, expected = (clean(VALUES[4:], each, timeline, DETREND) for each in (spoiled, confounds))
        np.testing.assert_array_equal(found, expected)


class TestTooShort:
    @pytest.mark.parametrize(("n_regressors", "n_discarded"), [(59, 0), (54, 5)])
    @pytest.mark.parametrize("cleaning", [NOTHING, STANDARDIZE], ids=["nothing", "standardize"])
    def test_no_more_volumes_than_regressors_and_mean_says_both_numbers(self, n_regressors, n_discarded, cleaning):
        with pytest.raises(SignalsError) as caught:
            clean(VALUES[n_discarded:], make_confounds(n_regressors), Timeline(N_VOLUMES, n_discarded), cleaning)
        assert str(caught.value) == (
            f"no degrees of freedom are left of {N_VOLUMES - n_discarded} volumes after {n_regressors} regressors and "
            "the mean (0); choose fewer columns with --regressors."
        )

    def test_trend_is_one_regressor_more(self):
        with pytest.raises(SignalsError) as caught:
            clean(VALUES, make_confounds(58), KEEP_ALL, DETREND)
        assert str(caught.value) == (
            "no degrees of freedom are left of 60 volumes after 58 regressors, the mean and the trend (0); "
            "choose fewer columns with --regressors."
        )

    @pytest.mark.parametrize(("cleaning", "n_most"), [(NOTHING, 58), (DETREND, 57)], ids=["nothing", "detrend"])
    def test_as_many_regressors_as_leave_one_direction_are_permitted(self, cleaning, n_most):
        found = clean(VALUES, make_confounds(n_most), KEEP_ALL, cleaning)
        # One degree of freedom is left, which is not rounding noise.
        sizes = np.linalg.svd(found - found.mean(axis=0), compute_uv=False)
        assert sizes[0] > 1e-3
        assert sizes[1] < 1e-6 * sizes[0]

    @pytest.mark.parametrize(
        ("options", "n_most"),
        [({"high_pass": 0.01}, 18), ({"low_pass": 0.1}, 18), ({"high_pass": 0.01, "low_pass": 0.1}, 33)],
    )
    def test_run_too_short_for_its_filter_says_so(self, tmp_path, options, n_most):
        path = save(tmp_path / "run.nii", np.zeros((*SHAPE, 40)), t_r=T_R)
        minimal = {"output_dir": "out", "input_files": ["run.nii"], "roi_file": "atlas.nii", **options}

        def make(n_volumes):
            return make_cleaning(make_settings(minimal), open_series(path), Timeline(40, 40 - n_volumes))

        with pytest.raises(TooFewVolumesError, match=rf"^{path}: {n_most} volumes are too few for the filter, which"):
            make(n_most)
        enough = Timeline(n_most + 1, 0)
        found = clean(VALUES[: n_most + 1], None, enough, make(n_most + 1))
        np.testing.assert_allclose(found, by_nilearn(VALUES[: n_most + 1], None, make(n_most + 1)), atol=TOLERANCE)
        # The bound is that of nilearn.
        with pytest.raises(ValueError, match="padlen"):
            by_nilearn(VALUES[:n_most], None, make(n_most + 1))

    @pytest.mark.parametrize("cleaning", [DETREND, STANDARDIZE], ids=["detrend", "standardize"])
    def test_single_volume_is_refused_and_not_left_as_it_is(self, cleaning):
        # nilearn skips both steps, with a warning that is suppressed here.
        with pytest.raises(SignalsError, match=r"\b1 volume\b.*leave --detrend.* out"):
            clean(VALUES[:1], None, Timeline(1, 0), cleaning)

    def test_two_volumes_are_refused_a_line_and_not_made_0(self):
        with pytest.raises(TooFewVolumesError, match=r"\b2 volumes after the mean and the trend \(0\)"):
            clean(VALUES[:2], None, Timeline(2, 0), DETREND)
        assert np.abs(clean(VALUES[:3], None, Timeline(3, 0), DETREND)).max() > 1e-3

    def test_two_volumes_can_be_standardised(self):
        found = clean(VALUES[:2], None, Timeline(2, 0), STANDARDIZE)
        np.testing.assert_allclose(np.abs(found), np.sqrt(0.5), rtol=1e-12)


@pytest.fixture
def make(tmp_path):
    """Return a function that makes the cleaning of an image with a repetition time, given some options."""

    def make(t_r=T_R, unit="sec", **options):
        path = save(tmp_path / "run.nii", np.zeros((*SHAPE, 40)), t_r=t_r, unit=unit)
        minimal = {"output_dir": "out", "input_files": ["run.nii"], "roi_file": "atlas.nii"}
        return make_cleaning(make_settings({**minimal, **options}), open_series(path), Timeline(40, 0))

    return make


def make_with_option(folder, *, header, option, **options):
    path = save(folder / "run.nii", np.zeros((*SHAPE, 40)), t_r=header)
    minimal = {"output_dir": "out", "input_files": ["run.nii"], "roi_file": "atlas.nii", "t_r": option}
    return make_cleaning(make_settings({**minimal, **options}), open_series(path), Timeline(40, 0))


def refusal(make, *arguments, **options):
    with pytest.raises(SignalsError) as caught:
        make(*arguments, **options)
    return str(caught.value)


class TestRepetitionTime:
    def test_t_r_comes_from_the_header_without_an_option(self, make):
        cleaning = make(3.0, high_pass=0.01)
        assert (cleaning.t_r, cleaning.t_r_source) == (pytest.approx(3.0), "header")

    def test_option_overrides_the_header_with_a_warning_that_shows_both(self, tmp_path):
        with pytest.warns(NiimaskerWarning) as caught:
            cleaning = make_with_option(tmp_path, header=3.0, option=2.5)
        assert (cleaning.t_r, cleaning.t_r_source) == (2.5, "t_r")
        assert [str(warning.message) for warning in caught] == ["--t_r 2.5 s is used, but the header says 3 s."]

    @pytest.mark.parametrize("header", [2.5, None])
    def test_option_that_agrees_with_the_header_or_stands_alone_gives_no_warning(self, tmp_path, header):
        assert make_with_option(tmp_path, header=header, option=2.5).t_r == 2.5

    @pytest.mark.parametrize("options", [{}, {"low_pass": 0.1}], ids=["no filter", "filter"])
    def test_option_in_milliseconds_is_refused(self, tmp_path, options):
        with pytest.raises(SignalsError, match=r"would be 2000 s \(from --t_r\); expected 0\.05 to 20 s\. Perhaps"):
            make_with_option(tmp_path, header=None, option=2000, **options)

    @pytest.mark.parametrize("name", ["high_pass", "low_pass"])
    def test_filter_without_t_r_says_how_to_give_it(self, make, tmp_path, name):
        assert refusal(make, None, **{name: 0.05}) == (
            f"{tmp_path / 'run.nii'}: neither its header nor a JSON file beside it gives a repetition time; "
            "--high_pass and --low_pass need one: give --t_r in seconds."
        )

    def test_without_a_filter_no_t_r_is_needed(self, make):
        assert make(None, detrend=True, standardize=True).t_r is None

    def test_milliseconds_in_the_header_are_suspected(self, make, tmp_path):
        assert refusal(make, 2000.0, low_pass=0.1) == (
            f"{tmp_path / 'run.nii'}: its repetition time would be 2000 s (from header); expected 0.05 to 20 s. "
            "Perhaps it is in milliseconds: give --t_r in seconds."
        )

    def test_milliseconds_with_their_unit_are_no_problem(self, make):
        assert make(2000.0, "msec", low_pass=0.1).t_r == pytest.approx(2.0)

    def test_without_a_filter_milliseconds_in_the_header_are_not_recorded_with_a_warning(self, make):
        with pytest.warns(NiimaskerWarning, match="2000 s, which is implausible and ignored"):
            assert make(2000.0).t_r is None

    @pytest.mark.parametrize("name", ["high_pass", "low_pass"])
    @pytest.mark.parametrize(("cut_off", "shown"), [(0.25, "0.25"), (0.3, "0.3"), (100.0, "100")])
    def test_cut_off_at_or_above_the_highest_frequency_is_refused(self, make, tmp_path, name, cut_off, shown):
        assert refusal(make, **{name: cut_off}) == (
            f"{tmp_path / 'run.nii'}: --{name} {shown} Hz is not below 0.25 Hz, "
            "the Nyquist frequency at a repetition time of 2 s; give a lower cut-off."
        )

    def test_cut_off_below_the_highest_frequency_is_accepted(self, make):
        assert make(low_pass=0.2499).low_pass == 0.2499
