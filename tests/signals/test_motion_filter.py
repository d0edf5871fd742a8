"""Filters of respiration in the motion parameters: XCP-D's definitions, and signals whose answer is known."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from confounds_tables import FULL_MOTION, MOTION, N_VOLUMES, OLD, RUN_1, load, load_quietly, write_table
from images import SHAPE, save
from scipy.signal import lfilter, lfilter_zi

from niimasker.errors import ConfoundsError, SignalsError
from niimasker.inputs.confounds import Confounds
from niimasker.inputs.series import open_series
from niimasker.inputs.volume_measures import VolumeMeasures
from niimasker.options.merging import make_settings
from niimasker.signals.filtering import make_cleaning
from niimasker.signals.motion_filter import MotionFilter, filter_confounds, filter_motion

T_R = 0.8
TIMES = T_R * np.arange(400)
LOW_PASS, NOTCH = MotionFilter("lp", 6, None, T_R), MotionFilter("notch", 12, 18, T_R)
# Away from the ends, at which every filter has a transient.
MIDDLE = slice(60, -60)


def breathe(per_minute: float) -> np.ndarray:
    return np.sin(2 * np.pi * per_minute / 60 * TIMES)


def make_motion(seed=0, n_volumes=400) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n_volumes, 6)).cumsum(axis=0) * [*[0.02] * 3, *[0.0004] * 3]


def butterworth(cut_off: float) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients of the low-pass filter of order 2, by the bilinear transform of 1 / (s^2 + sqrt(2) s + 1)."""
    c = 1 / np.tan(np.pi * cut_off / 60 * T_R)
    b = np.array([1, 2, 1]) / (c**2 + np.sqrt(2) * c + 1)
    return b, np.array([c**2 + np.sqrt(2) * c + 1, 2 - 2 * c**2, c**2 - np.sqrt(2) * c + 1]) / (
        c**2 + np.sqrt(2) * c + 1
    )


def notch(low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients of the notch filter of order 2 with its zeros on the unit circle at the middle of the band.

    The gain is -3 dB where the band begins and ends (Orfanidis, Introduction to Signal Processing, 11.3).
    """
    centre, width = 2 * np.pi * (low + high) / 2 / 60 * T_R, 2 * np.pi * (high - low) / 60 * T_R
    gain = 1 / (1 + np.tan(width / 2))
    return gain * np.array([1, -2 * np.cos(centre), 1]), np.array([1, -2 * gain * np.cos(centre), 2 * gain - 1])


def forwards_and_backwards(b: np.ndarray, a: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Filter twice, with the outermost values repeated n - 1 times, from the steady state of the first of them."""
    n = len(values) - 1
    padded = np.concatenate([np.full(n, values[0]), values, np.full(n, values[-1])])
    for _ in range(2):
        padded = lfilter(b, a, padded, zi=lfilter_zi(b, a) * padded[0])[0][::-1]
    return padded[n:-n]


@pytest.mark.parametrize(
    ("motion_filter", "coefficients"), [(LOW_PASS, butterworth(6)), (NOTCH, notch(12, 18))], ids=["lp", "notch"]
)
@pytest.mark.parametrize("n_volumes", [2, 10, 400])
def test_filters_are_those_of_xcp_d(motion_filter, coefficients, n_volumes):
    # Rounding errors of coefficients that are computed in two ways, over 1200 steps of a recursion.
    motion = make_motion(n_volumes=n_volumes)
    expected = np.column_stack([forwards_and_backwards(*coefficients, column) for column in motion.T])
    np.testing.assert_allclose(filter_motion(motion, motion_filter), expected, rtol=0, atol=1e-10)


def test_respiration_vanishes_and_drifts_stay():
    motion = np.column_stack([breathe(15), TIMES / 100, breathe(15) + TIMES / 100, breathe(1), breathe(30), breathe(3)])
    by_notch, by_low_pass = filter_motion(motion, NOTCH)[MIDDLE], filter_motion(motion, LOW_PASS)[MIDDLE]
    drift = motion[MIDDLE, 1]
    for filtered in (by_notch, by_low_pass):
        # A low-pass of order 2 at 6 lets 1 / (1 + (15 / 6)^4) of 15 through, forwards and backwards, and less after the
        # bilinear transform.
        assert np.abs(filtered[:, 0]).max() < 0.03
        np.testing.assert_allclose(filtered[:, 1], drift, rtol=0, atol=1e-6)
        np.testing.assert_allclose(filtered[:, 2], drift, rtol=0, atol=0.03)
        np.testing.assert_allclose(filtered[:, 3], motion[MIDDLE, 3], rtol=0, atol=0.03)
    assert np.abs(by_notch[:, 0]).max() < 1e-3
    # A notch keeps what is faster than its band, a low-pass does not.
    assert np.abs(by_notch[:, 4]).max() > 0.9
    assert np.abs(by_low_pass[:, 4]).max() < 0.01
    assert np.abs(by_low_pass[:, 5]).max() > 0.9


def test_gain_at_the_cut_offs_is_half_after_both_passes():
    motion = np.column_stack([breathe(6), breathe(12), breathe(18)] * 2)
    by_low_pass, by_notch = filter_motion(motion, LOW_PASS)[MIDDLE], filter_motion(motion, NOTCH)[MIDDLE]
    # The samples of a sine need not meet its peaks: its amplitude is that of its variance.
    amplitudes = np.sqrt(2) * np.array([by_low_pass[:, 0].std(), by_notch[:, 1].std(), by_notch[:, 2].std()])
    # The bilinear transform moves the ends of the notch a little, towards higher frequencies.
    np.testing.assert_allclose(amplitudes, 0.5, atol=0.03)


def make_confounds(names, motion=None) -> Confounds:
    motion = make_motion() if motion is None else motion
    values = np.random.default_rng(1).normal(size=(len(motion), len(names)))
    measures = VolumeMeasures("table.tsv", np.zeros(len(motion)), motion=motion, displacement_source="column a")
    return Confounds(tuple(names), values, measures)


def test_regressors_are_computed_from_the_filtered_parameters():
    confounds = make_confounds(["csf", *FULL_MOTION])
    found = filter_confounds(confounds, NOTCH, None)
    filtered = dict(zip(MOTION, filter_motion(confounds.measures.motion, NOTCH).T, strict=True))
    columns = dict(zip(found.names, found.values.T, strict=True))
    np.testing.assert_array_equal(columns.pop("csf"), confounds.values[:, 0])
    for name, values in filtered.items():
        derivative = np.append(np.nan, values[1:] - values[:-1])
        np.testing.assert_array_equal(columns.pop(name), values)
        np.testing.assert_array_equal(columns.pop(f"{name}_derivative1"), derivative)
        np.testing.assert_array_equal(columns.pop(f"{name}_power2"), values**2)
        np.testing.assert_array_equal(columns.pop(f"{name}_derivative1_power2"), derivative**2)
    assert not columns


@pytest.mark.parametrize(("head_radius", "radius"), [(None, 50), (35.0, 35)])
def test_displacement_is_computed_from_the_filtered_parameters(head_radius, radius):
    confounds = make_confounds(["csf"])
    found = filter_confounds(confounds, NOTCH, head_radius).measures
    changes = np.abs(np.diff(filter_motion(confounds.measures.motion, NOTCH), axis=0))
    np.testing.assert_allclose(found.framewise_displacement[1:], changes @ [1, 1, 1, *[radius] * 3], rtol=1e-12)
    assert np.isnan(found.framewise_displacement[0])
    assert found.displacement_source == (
        f"motion parameters, notch filter from 12 to 18 breaths per minute, head radius {radius} mm"
    )


@pytest.mark.parametrize("name", [RUN_1, OLD])
def test_real_tables_of_both_spellings_are_filtered(data_dir, name):
    words = ["motion=basic" if name == RUN_1 else "RotX"]
    confounds = load_quietly(data_dir / "confounds" / name, words, N_VOLUMES[name])
    found = filter_confounds(confounds, dataclasses.replace(LOW_PASS, t_r=2.0), None)
    assert (found.values != confounds.values).all(axis=0).all()
    # Without the fast changes there is less motion.
    before, after = (np.nanmean(each.measures.framewise_displacement) for each in (confounds, found))
    assert 0.1 * before < after < before


def test_table_without_a_parameter_is_refused(tmp_path):
    confounds = load(write_table(tmp_path, MOTION[1:]), MOTION[1:])
    with pytest.raises(ConfoundsError, match=r"run.tsv has not all motion parameters \(trans_x, .*--motion_filter"):
        filter_confounds(confounds, LOW_PASS, None)


def test_gap_is_refused():
    motion = make_motion()
    motion[7, 4] = np.nan
    with pytest.raises(ConfoundsError, match=r"^table.tsv: rot_y has no number in row 8 \(.*needs one at every volume"):
        filter_confounds(make_confounds(["csf"], motion), LOW_PASS, None)


def test_regressor_that_cannot_be_computed_is_refused():
    with pytest.raises(ConfoundsError, match="not known how to compute trans_x_lag1 from the filtered"):
        filter_confounds(make_confounds(["trans_x_lag1", "trans_x"]), LOW_PASS, None)


@pytest.fixture
def make(tmp_path):
    """Return a function that makes the filter of an image with a repetition time, given some options."""

    def make(header=T_R, **options):
        path = save(tmp_path / "run.nii", np.zeros((*SHAPE, 40)), t_r=header)
        minimal = {"output_dir": "out", "input_files": ["run.nii"], "roi_file": "atlas.nii"}
        return make_cleaning(make_settings({**minimal, **options}), open_series(path), None).motion_filter

    return make


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, None),
        ({"motion_filter": "lp", "band_stop_min": 6}, "low-pass filter at 6 breaths per minute"),
        (
            {"motion_filter": "notch", "band_stop_min": 12, "band_stop_max": 18},
            "notch filter from 12 to 18 breaths per minute",
        ),
    ],
)
def test_filter_is_that_of_the_options(make, options, expected):
    found = make(**options)
    assert (found and str(found)) == expected
    assert found is None or found.t_r == pytest.approx(T_R)


def test_t_r_is_needed(make):
    with pytest.raises(SignalsError, match="gives a repetition time; --motion_filter needs one: give --t_r in seconds"):
        make(None, motion_filter="lp", band_stop_min=6)
    assert make(None, motion_filter="lp", band_stop_min=6, t_r=2).t_r == 2


@pytest.mark.parametrize(
    ("options", "option", "alias"),
    [
        ({"motion_filter": "lp", "band_stop_min": 18}, "band_stop_min 18", 12),
        ({"motion_filter": "lp", "band_stop_min": 15}, "band_stop_min 15", 15),
        ({"motion_filter": "notch", "band_stop_min": 12, "band_stop_max": 20}, "band_stop_max 20", 10),
        ({"motion_filter": "notch", "band_stop_min": 31, "band_stop_max": 40}, "band_stop_min 31", 1),
    ],
)
def test_cut_off_above_nyquist_is_refused_with_the_alias(make, options, option, alias):
    # At a repetition time of 2 s, 15 breaths per minute are two volumes a breath.
    with pytest.raises(SignalsError) as caught:
        make(2.0, **options)
    assert f"--{option} is not below 15 breaths per minute, the Nyquist frequency" in str(caught.value)
    assert f"where breathing at that rate appears as {alias} breaths per minute; give cut-offs below it" in str(
        caught.value
    )
