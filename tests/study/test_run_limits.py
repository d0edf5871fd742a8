"""The limits of --min_minutes, --max_mean_fd and --max_censored, and the reasons that they give."""

from __future__ import annotations

import math

import numpy as np
import pytest

from niimasker.inputs.volume_measures import VolumeMeasures
from niimasker.options.merging import make_settings
from niimasker.options.settings import Settings
from niimasker.signals.timeline import Timeline
from niimasker.study.run_limits import RunQuality, find_exclusion, measure_mean_fd, measure_quality

GOOD = {"n_kept": 150, "n_censored": 50, "t_r": 2.0, "mean_fd": 0.25}


def limited(**limits: float) -> Settings:
    return make_settings({"output_dir": "out", "input_files": "a.nii", "roi_file": "b.nii", **limits})


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({}, None),
        ({"min_minutes": 5}, None),
        ({"min_minutes": 5.01}, "only 5 min of volumes are kept, below --min_minutes 5.01"),
        ({"max_mean_fd": 0.25}, None),
        ({"max_mean_fd": 0.2}, "its mean FD, 0.25 mm, is above --max_mean_fd 0.2"),
        ({"max_censored": 0.25}, None),
        ({"max_censored": 0.2}, "its share of censored volumes, 0.25, is above --max_censored 0.2"),
        ({"max_censored": 0}, "its share of censored volumes, 0.25, is above --max_censored 0"),
        (
            {"min_minutes": 6, "max_mean_fd": 0.1},
            "only 5 min of volumes are kept, below --min_minutes 6; its mean FD, 0.25 mm, is above --max_mean_fd 0.1",
        ),
    ],
)
def test_run_is_compared_with_each_limit(limits, reason):
    assert find_exclusion(limited(**limits), RunQuality(**GOOD)) == reason


@pytest.mark.parametrize("t_r", [float(np.float32(0.72)), float(np.float32(2.2)), 0.1, 1 / 3])
@pytest.mark.parametrize("n_kept", [7, 150, 1234])
def test_minutes_that_are_the_limit_but_for_the_precision_of_a_header_are_enough(t_r, n_kept):
    quality = RunQuality(n_kept, 0, t_r, math.nan)
    assert find_exclusion(limited(min_minutes=n_kept * round(t_r, 6) / 60), quality) is None
    assert find_exclusion(limited(min_minutes=(n_kept + 1) * t_r / 60), quality)


def test_reason_has_the_digits_that_show_the_excess():
    quality = RunQuality(100, 0, 2.0, 0.500004)
    assert "mean FD, 0.500004 mm, is above --max_mean_fd 0.5" in str(find_exclusion(limited(max_mean_fd=0.5), quality))


@pytest.mark.parametrize(("n_censored", "n_kept", "limit"), [(3, 7, 0.3), (1, 2, 1 / 3), (49, 1, 0.98)])
def test_share_that_is_the_limit_is_within_it(n_censored, n_kept, limit):
    assert find_exclusion(limited(max_censored=limit), RunQuality(n_kept, n_censored, None, math.nan)) is None


def test_what_is_not_known_excludes_nothing():
    limits = limited(min_minutes=100, max_mean_fd=0.001)
    assert find_exclusion(limits, RunQuality(1, 0, None, math.nan)) is None


def test_discarded_volumes_count_nowhere():
    outliers = {"user": np.array([False, False, True, False, False])}
    measures = VolumeMeasures("a.tsv", np.array([np.nan, 9.0, 0.5, 0.1, 0.3]))
    quality = measure_quality(Timeline(5, 2, outliers), 2.0, measures)
    assert quality == RunQuality(2, 1, 2.0, pytest.approx(0.3))


@pytest.mark.parametrize("values", [None, np.full(3, np.nan)])
def test_mean_fd_of_no_values_is_not_known(values):
    assert math.isnan(measure_mean_fd(VolumeMeasures("a.tsv", values), Timeline(3, 0)))
