"""Regressors: redundant ones are left out with a warning, the others determine the degrees of freedom."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from niimasker.errors import RunError, SignalsError, TooFewVolumesError, record_warnings
from niimasker.inputs.confounds import Confounds
from niimasker.signals.filtering import Cleaning
from niimasker.signals.nuisance import format_degrees, prepare_nuisance
from niimasker.signals.timeline import Timeline

T_R = 2.0
N = 100
TIMELINE = Timeline(N, 0)
PLAIN = Cleaning(False, None, None, None, T_R, "header")
DETREND = Cleaning(True, None, None, None, T_R, "header")
HIGH = Cleaning(False, None, 0.05, None, T_R, "header")
LOW = Cleaning(False, None, None, 0.1, T_R, "header")
BAND = Cleaning(True, "zscore_sample", 0.01, 0.1, T_R, "header")
CLEANINGS = {"plain": PLAIN, "detrend": DETREND, "high": HIGH, "low": LOW, "band": BAND}
with_every_cleaning = pytest.mark.parametrize("cleaning", CLEANINGS.values(), ids=CLEANINGS)


def noise(n_columns=1, n_volumes=N, seed=0):
    return np.random.default_rng(seed).normal(size=(n_volumes, n_columns))


def prepare(columns, timeline=TIMELINE, cleaning=PLAIN):
    """Return the prepared regressors of named columns, and the warnings."""
    values = np.column_stack([np.asarray(column, dtype=float) for column in columns.values()])
    with record_warnings() as said:
        return prepare_nuisance(Confounds(tuple(columns), values), timeline, cleaning), said


def prepare_noise(n_columns, timeline=TIMELINE, cleaning=PLAIN):
    values = noise(n_columns, timeline.n_read)
    return prepare({f"c{number}": values[:, number] for number in range(n_columns)}, timeline, cleaning)


def censor(*places, n_volumes=N):
    return {"user": np.isin(np.arange(n_volumes), places)}


def assert_left_out(result, *names):
    """Expect that only these are left out, and that one warning names each of them."""
    nuisance, said = result
    assert list(nuisance.left_out) == list(names)
    assert not set(names) & set(nuisance.names)
    for name in names:
        assert [line for line in said if re.search(rf"\b{re.escape(name)}\b", line)]


A, B = noise(2).T


class TestRegressorsThatAddNothing:
    @with_every_cleaning
    @pytest.mark.parametrize("value", [0.0, 1.0, 1e6 / 3])
    def test_constant_is_left_out_by_name(self, cleaning, value):
        result = prepare({"first": A, "flat": np.full(N, value), "last": B}, cleaning=cleaning)
        assert_left_out(result, "flat")
        assert result[0].names == ("first", "last")
        assert "constant" in result[0].left_out["flat"]

    @with_every_cleaning
    def test_column_that_varies_in_censored_volumes_alone_is_constant(self, cleaning):
        # fMRIPrep's motion_outlier columns, each 1 in one volume, after --scrub.
        spike = np.eye(N)[7]
        result = prepare({"first": A, "motion_outlier00": spike}, Timeline(N, 0, censor(7, 50)), cleaning)
        assert_left_out(result, "motion_outlier00")

    @with_every_cleaning
    def test_column_that_varies_in_discarded_volumes_alone_is_constant(self, cleaning):
        spike = np.eye(N)[1]
        assert_left_out(prepare({"first": A, "early": spike}, Timeline(N, 3), cleaning), "early")

    def test_spike_at_a_kept_volume_is_no_constant(self):
        nuisance, said = prepare({"first": A, "spike": np.eye(N)[7]}, Timeline(N, 0, censor(8, 50)))
        assert (nuisance.names, said) == (("first", "spike"), [])

    @with_every_cleaning
    def test_second_of_two_equal_ones_is_left_out(self, cleaning):
        assert_left_out(prepare({"first": A, "second": B, "again": A}, cleaning=cleaning), "again")

    @with_every_cleaning
    @pytest.mark.parametrize(("factor", "shift"), [(-1, 0), (1, 1000), (1e-6, 0), (1e4, -3)])
    def test_multiple_of_another_is_left_out(self, cleaning, factor, shift):
        assert_left_out(prepare({"first": A, "scaled": factor * A + shift}, cleaning=cleaning), "scaled")

    @with_every_cleaning
    def test_sum_of_others_is_left_out(self, cleaning):
        assert_left_out(prepare({"one": A, "two": B, "sum": 3 * A - 2 * B + 5}, cleaning=cleaning), "sum")

    def test_columns_that_are_equal_where_volumes_are_kept_are_duplicates(self):
        other = A.copy()
        other[[7, 50]] += 3
        assert_left_out(prepare({"first": A, "second": other}, Timeline(N, 0, censor(7, 50)), BAND), "second")
        assert prepare({"first": A, "second": other}, cleaning=BAND)[0].names == ("first", "second")

    def test_line_is_left_out_after_detrending(self):
        result = prepare({"drift": np.linspace(3, 9, N), "first": A}, cleaning=DETREND)
        assert_left_out(result, "drift")

    def test_line_stays_without_detrending(self):
        nuisance, said = prepare({"drift": np.linspace(3, 9, N), "first": A})
        assert (nuisance.names, said) == (("drift", "first"), [])

    def test_columns_that_differ_by_a_line_are_duplicates_after_detrending(self):
        columns = {"first": A, "tilted": A + np.linspace(0, 5, N)}
        assert_left_out(prepare(columns, cleaning=DETREND), "tilted")
        assert prepare(columns)[0].names == ("first", "tilted")

    def test_line_through_censored_volumes_is_left_out_after_detrending(self):
        columns = {"drift": np.linspace(3, 9, N), "first": A}
        assert_left_out(prepare(columns, Timeline(N, 2, censor(20, 21, 22, 60)), DETREND), "drift")

    def test_wave_outside_of_the_band_is_left_out(self):
        # Long enough that less than 1e-6 of the wave is left at both ends of the filter.
        n = 4000
        time = T_R * np.arange(n)
        slow = np.sin(2 * np.pi * 0.0005 * time) * np.hanning(n) ** 4
        values = {"first": noise(1, n)[:, 0], "slow": slow}
        cleaning = Cleaning(False, None, 0.1, None, T_R, "header")
        assert_left_out(prepare(values, Timeline(n, 0), cleaning), "slow")

    @with_every_cleaning
    def test_each_reason_is_given_for_its_own_column(self, cleaning):
        columns = {"flat": np.ones(N), "one": A, "again": A, "two": B, "sum": A + B}
        nuisance, said = prepare(columns, cleaning=cleaning)
        assert nuisance.names == ("one", "two")
        assert list(nuisance.left_out) == ["flat", "again", "sum"]
        assert len(set(nuisance.left_out.values())) >= 2
        assert all(any(name in line for line in said) for name in nuisance.left_out)

    def test_warning_says_where_all_are_listed(self):
        columns = {"first": A} | {f"flat{number}": np.full(N, number) for number in range(9)}
        nuisance, said = prepare(columns)
        assert len(nuisance.left_out) == 9
        listed = ", ".join(f"flat{number} (constant)" for number in range(6))
        assert said == [f"regressors left out: {listed}, ... (9 in all); ConfoundsLeftOut in the JSON file lists them."]

    def test_nothing_is_left_when_all_are_constant(self):
        nuisance, _ = prepare({"flat": np.ones(N), "zero": np.zeros(N)})
        assert (nuisance.names, nuisance.values.shape) == ((), (N, 0))
        assert nuisance.degrees_of_freedom == N - 1


class TestRegressorsThatAddSomething:
    @with_every_cleaning
    def test_order_is_that_of_the_table(self, cleaning):
        nuisance, said = prepare({"z": A, "a": B}, cleaning=cleaning)
        assert (nuisance.names, dict(nuisance.left_out)) == (("z", "a"), {})
        assert not [line for line in said if "constant" in line or "collinear" in line]

    @with_every_cleaning
    @pytest.mark.parametrize("scale", [1e-8, 1e-4, 1e9])
    def test_units_do_not_count(self, cleaning, scale):
        # Rotations are in rad, a global signal is in the image's units.
        nuisance, _ = prepare({"large": 1e4 + A, "small": scale * B}, cleaning=cleaning)
        assert nuisance.names == ("large", "small")

    @with_every_cleaning
    def test_small_variation_over_a_large_baseline_counts(self, cleaning):
        nuisance, _ = prepare({"first": A, "bold": 1e5 + B}, cleaning=cleaning)
        assert nuisance.names == ("first", "bold")

    @with_every_cleaning
    def test_nearly_equal_ones_both_stay(self, cleaning):
        nuisance, _ = prepare({"first": A, "near": A + 1e-4 * B}, cleaning=cleaning)
        assert nuisance.names == ("first", "near")

    @given(n_columns=st.integers(1, 30), n_copies=st.integers(0, 10), seed=st.integers(0, 2**16))
    def test_remaining_regressors_have_full_rank_and_span_all(self, n_columns, n_copies, seed):
        rng = np.random.default_rng(seed)
        values = rng.normal(size=(N, n_columns))
        values = np.hstack([values, values @ rng.normal(size=(n_columns, n_copies))])
        nuisance, _ = prepare({f"c{number}": column for number, column in enumerate(values.T)})
        assert nuisance.names == tuple(f"c{number}" for number in range(n_columns))
        kept = nuisance.values - nuisance.values.mean(axis=0)
        assert np.linalg.matrix_rank(kept) == n_columns
        assert nuisance.degrees_of_freedom == N - n_columns - 1
        centred = values - values.mean(axis=0)
        left = centred - kept @ np.linalg.lstsq(kept, centred, rcond=None)[0]
        np.testing.assert_allclose(left, 0, atol=1e-9)

    def test_no_table_gives_no_regressors(self):
        nuisance = prepare_nuisance(None, TIMELINE, PLAIN)
        assert (nuisance.names, nuisance.values.shape, dict(nuisance.left_out)) == ((), (N, 0), {})

    def test_confounds_are_not_modified(self):
        confounds = Confounds(("a", "b"), noise(2))
        prepare_nuisance(confounds, TIMELINE, BAND).values[:] = 0
        np.testing.assert_array_equal(confounds.values, noise(2))


def freedom(n_regressors=0, timeline=TIMELINE, cleaning=PLAIN):
    return prepare_noise(n_regressors, timeline, cleaning)[0].degrees_of_freedom


class TestDegreesOfFreedom:
    """The Nyquist frequency is 0.25 Hz."""

    @pytest.mark.parametrize(
        ("cleaning", "expected"),
        [
            (PLAIN, 100 - 1),
            (DETREND, 100 - 2),
            (HIGH, 100 * 0.8),
            (LOW, 100 * 0.4 - 1),
            (BAND, 100 * 0.36),
            (Cleaning(True, None, 0.05, None, T_R, "header"), 100 * 0.8),
            (Cleaning(True, None, None, 0.1, T_R, "header"), 100 * 0.4 - 2),
            (Cleaning(False, None, None, 0.1, 1.0, "header"), 100 * 0.2 - 1),
        ],
    )
    @pytest.mark.parametrize("n_regressors", [0, 1, 6])
    def test_mean_trend_filter_and_regressors_take_degrees_of_freedom(self, cleaning, expected, n_regressors):
        values = noise(max(n_regressors, 1))
        confounds = Confounds(tuple(f"c{number}" for number in range(n_regressors)), values[:, :n_regressors])
        with record_warnings():
            found = prepare_nuisance(confounds if n_regressors else None, TIMELINE, cleaning).degrees_of_freedom
        assert found == pytest.approx(expected - n_regressors)

    def test_volumes_not_kept_give_no_degrees_of_freedom(self):
        timeline = Timeline(N, 5, censor(10, 11, 50))
        assert prepare_noise(3, timeline, LOW)[0].degrees_of_freedom == pytest.approx(92 * 0.4 - 3 - 1)

    def test_regressors_left_out_take_no_degrees_of_freedom(self):
        found, _ = prepare({"one": A, "again": A, "flat": np.ones(N)})
        assert found.degrees_of_freedom == N - 1 - 1


class TestTooFew:
    @pytest.mark.parametrize(("n_kept", "n_regressors"), [(10, 9), (10, 12), (30, 29)])
    def test_no_degrees_of_freedom_are_refused_with_both_numbers(self, n_kept, n_regressors):
        with pytest.raises(TooFewVolumesError) as caught:
            prepare_noise(n_regressors, Timeline(n_kept, 0))
        message = str(caught.value)
        assert "\n" not in message
        assert re.search(rf"\b{n_kept} volumes", message)
        # The number of regressors, or the rank of the volumes if there are more regressors.
        assert re.search(rf"\b({n_regressors}|{n_kept - 1}) regressors", message)
        assert "--regressors" in message

    def test_failure_is_that_runs_alone(self):
        assert issubclass(TooFewVolumesError, RunError)
        assert issubclass(TooFewVolumesError, SignalsError)

    def test_one_degree_of_freedom_is_enough(self):
        nuisance, said = prepare_noise(8, Timeline(10, 0))
        assert nuisance.degrees_of_freedom == 1
        assert len(said) == 1

    def test_detrending_takes_the_last_degree_of_freedom(self):
        with pytest.raises(TooFewVolumesError):
            prepare_noise(8, Timeline(10, 0), DETREND)

    def test_filter_counts(self):
        # 36 of 100 frequencies are left.
        assert freedom(35, cleaning=BAND) == pytest.approx(1)
        with pytest.raises(TooFewVolumesError) as caught:
            freedom(36, cleaning=BAND)
        assert str(caught.value) == (
            "no degrees of freedom are left of 100 volumes after 36 regressors and a filter that passes 36% of all "
            "frequencies (0); choose fewer columns with --regressors or choose a wider filter."
        )

    def test_censoring_counts(self):
        timeline = Timeline(N, 0, censor(*range(80)))
        assert freedom(18, timeline) == 1
        with pytest.raises(TooFewVolumesError, match=r"\b20 volumes"):
            freedom(19, timeline)

    def test_message_names_censoring_only_where_there_is_some(self):
        with pytest.raises(TooFewVolumesError, match="censor"):
            freedom(19, Timeline(N, 0, censor(*range(80))))
        with pytest.raises(TooFewVolumesError) as caught:
            freedom(19, Timeline(20, 0))
        assert "censor" not in str(caught.value)

    @pytest.mark.parametrize(("n_kept", "n_regressors", "warns"), [(100, 79, False), (100, 80, True), (60, 40, True)])
    def test_fewer_than_20_left_warn(self, n_kept, n_regressors, warns):
        nuisance, said = prepare_noise(n_regressors, Timeline(n_kept, 0))
        assert len(said) == warns
        assert all(f"{nuisance.degrees_of_freedom:g}" in line and str(n_kept) in line for line in said)

    @pytest.mark.parametrize(("n_regressors", "warns"), [(359, False), (360, True)])
    def test_fewer_than_a_tenth_left_warn(self, n_regressors, warns):
        nuisance, said = prepare_noise(n_regressors, Timeline(400, 0))
        assert nuisance.degrees_of_freedom == 399 - n_regressors
        assert len(said) == warns
        assert all("39" in line and "400" in line for line in said)

    @pytest.mark.parametrize(
        ("timeline", "cleaning"),
        [
            (Timeline(30, 0, censor(*range(15), n_volumes=30)), PLAIN),
            (Timeline(40, 0), LOW),
        ],
        ids=["censored", "filtered"],
    )
    def test_few_left_by_censoring_or_a_filter_alone_warn(self, timeline, cleaning):
        with record_warnings() as said:
            nuisance = prepare_nuisance(None, timeline, cleaning)
        assert nuisance.degrees_of_freedom < 20
        assert len(said) == 1

    @pytest.mark.parametrize("cleaning", [PLAIN, DETREND])
    @pytest.mark.parametrize("timeline", [Timeline(10, 0), Timeline(3, 0), Timeline(12, 5)])
    def test_short_runs_that_nothing_is_done_to_are_quiet(self, timeline, cleaning):
        with record_warnings() as said:
            prepare_nuisance(None, timeline, cleaning)
        assert said == []

    @pytest.mark.parametrize("timeline", [Timeline(2, 0), Timeline(1, 0), Timeline(12, 11)])
    @pytest.mark.parametrize("confounds", [None, Confounds(("flat",), np.ones((12, 1)))], ids=["none", "left out"])
    def test_shortest_runs_that_nothing_is_done_to_do_not_fail(self, timeline, confounds):
        if confounds:
            confounds = Confounds(confounds.names, confounds.values[: timeline.n_read])
        with record_warnings() as said:
            nuisance = prepare_nuisance(confounds, timeline, PLAIN)
        assert nuisance.degrees_of_freedom == timeline.n_kept - 1
        assert not [line for line in said if "degrees of freedom" in line]

    @pytest.mark.parametrize(
        ("timeline", "said", "way_out"),
        [
            (Timeline(2, 0), "2 volumes after the mean and the trend (0)", "leave --detrend out."),
            (Timeline(1, 0), "1 volume after the mean and the trend (-1)", "leave --detrend out."),
            (Timeline(12, 10), "2 volumes after the mean and the trend (0)", "leave --detrend out."),
            (
                Timeline(N, 0, censor(*range(N - 2))),
                "2 volumes after the mean and the trend (0)",
                "censor less or leave --detrend out.",
            ),
        ],
        ids=["two", "one", "discarded", "censored"],
    )
    def test_line_through_all_that_is_left_is_refused(self, timeline, said, way_out):
        with pytest.raises(TooFewVolumesError) as caught:
            prepare_nuisance(None, timeline, DETREND)
        assert str(caught.value) == f"no degrees of freedom are left of {said}; {way_out}"

    def test_filter_alone_can_leave_no_degrees_of_freedom(self):
        with pytest.raises(TooFewVolumesError) as caught:
            prepare_nuisance(None, Timeline(N, 0, censor(*range(N - 1))), HIGH)
        assert str(caught.value) == (
            "no degrees of freedom are left of 1 volume after a filter that passes 80% of all frequencies (0.8); "
            "choose a wider filter or censor less."
        )

    def test_censoring_alone_never_fails(self):
        with record_warnings() as said:
            nuisance = prepare_nuisance(None, Timeline(N, 0, censor(*range(N - 1))), PLAIN)
        assert nuisance.degrees_of_freedom == 0
        assert said == ["0 degrees of freedom are left of 1 volume after the mean; correlations will be unreliable."]

    def test_message_names_what_takes_degrees_of_freedom(self):
        _, said = prepare_noise(1, Timeline(10, 0))
        assert said == [
            "8 degrees of freedom are left of 10 volumes after 1 regressor and the mean; "
            "correlations will be unreliable."
        ]
        _, said = prepare_noise(3, Timeline(30, 0), Cleaning(True, None, None, 0.1, T_R, "header"))
        assert said == [
            "7 degrees of freedom are left of 30 volumes after 3 regressors, the mean, the trend and "
            "a filter that passes 40% of all frequencies; correlations will be unreliable."
        ]


@pytest.mark.parametrize(
    ("value", "text"), [(102.46, "102"), (10, "10"), (9.96, "10"), (9.94, "9.9"), (3, "3"), (np.nan, "n/a")]
)
def test_degrees_of_freedom_are_whole_numbers_from_10_on(value, text):
    assert format_degrees(value) == text
