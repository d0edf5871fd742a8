"""The verdict on a run: which numbers are a concern, on each side of each threshold, and in which words."""

from __future__ import annotations

import dataclasses
import math

import pytest

from niimasker.options.thresholds import DEFAULT_THRESHOLDS, Threshold, Thresholds
from niimasker.study.verdicts import CRITERIA, judge

SOUND = {"minutes": 12.0, "mean_fd_kept": 0.1, "degrees_of_freedom": 150.0, "min_coverage": 0.9}
STEP = 1e-9
# The column of each number, its thresholds by default, and the direction in which it gets worse.
NUMBERS = [
    ("minutes", 9, 5, -1),
    ("mean_fd_kept", 0.2, 0.55, 1),
    ("degrees_of_freedom", 50, 20, -1),
    ("min_coverage", 0.5, 0.1, -1),
]


def grade(column: str, value: float | None, thresholds: Thresholds = DEFAULT_THRESHOLDS) -> str:
    verdict = judge({**SOUND, column: value}, thresholds)
    return next(each.grade for each in verdict.judgements if each.criterion.column == column)


def test_sound_run_is_complete():
    verdict = judge(SOUND, DEFAULT_THRESHOLDS)
    assert (verdict.grade, verdict.words, verdict.numbers, verdict.concerns) == ("green", "complete", "", ())


@pytest.mark.parametrize(("column", "amber", "red", "worse"), NUMBERS, ids=[column for column, *_ in NUMBERS])
def test_grade_changes_just_beyond_each_threshold(column, amber, red, worse):
    for limit, at, beyond in ((amber, "green", "amber"), (red, "amber", "red")):
        assert [grade(column, limit - worse * STEP), grade(column, limit), grade(column, limit + worse * STEP)] == [
            at,
            at,
            beyond,
        ]
        verdict = judge({**SOUND, column: limit + worse * STEP}, DEFAULT_THRESHOLDS)
        assert (verdict.grade, len(verdict.concerns)) == (beyond, 1)


def test_every_number_is_tried():
    assert [criterion.column for criterion in CRITERIA] == [column for column, *_ in NUMBERS]
    assert [criterion.key for criterion in CRITERIA] == [field.name for field in dataclasses.fields(Thresholds)]


@pytest.mark.parametrize("value", [None, math.nan])
@pytest.mark.parametrize("column", [column for column, *_ in NUMBERS])
def test_number_that_is_not_known_is_no_concern(column, value):
    verdict = judge({**SOUND, column: value}, DEFAULT_THRESHOLDS)
    assert (grade(column, value), verdict.grade) == ("unknown", "green")
    assert [each.text for each in verdict.judgements].count("not known") == 1


@pytest.mark.parametrize("key", [criterion.key for criterion in CRITERIA])
def test_number_without_thresholds_is_not_judged(key):
    thresholds = dataclasses.replace(DEFAULT_THRESHOLDS, **{key: None})
    verdict = judge({"minutes": 0, "mean_fd_kept": 9, "degrees_of_freedom": 0, "min_coverage": 0}, thresholds)
    judged = {each.criterion.key: each for each in verdict.judgements}
    assert (judged[key].grade, judged[key].rule) == ("not judged", "not judged")
    assert judged[key].text != "not known"
    assert len(verdict.concerns) == 3


def test_words_and_numbers_list_grave_concerns_first():
    verdict = judge({**SOUND, "minutes": 7, "mean_fd_kept": 0.6, "min_coverage": 0.3}, DEFAULT_THRESHOLDS)
    assert verdict.words == "complete, look at mean FD of kept volumes, minutes kept and lowest coverage"
    assert verdict.numbers == (
        "red: mean FD of kept volumes 0.60 mm, above 0.55 mm; amber: minutes kept 7.0 min, below 9 min; "
        "amber: lowest coverage 0.30, below 0.5"
    )


def test_rules_say_both_thresholds():
    rules = [each.rule for each in judge(SOUND, DEFAULT_THRESHOLDS).judgements]
    assert rules == [
        "amber below 9, red below 5 min",
        "amber above 0.2, red above 0.55 mm",
        "amber below 50, red below 20",
        "amber below 0.5, red below 0.1",
    ]


@pytest.mark.parametrize(
    ("column", "value", "text"),
    [("minutes", 8.96, "8.96 min"), ("mean_fd_kept", 0.2004, "0.2004 mm"), ("minutes", 9, "9.0 min")],
)
def test_numbers_near_a_threshold_have_the_digits_that_show_their_side(column, value, text):
    verdict = judge({**SOUND, column: value}, DEFAULT_THRESHOLDS)
    assert text in [each.text for each in verdict.judgements]


def test_equal_thresholds_leave_no_amber():
    thresholds = dataclasses.replace(DEFAULT_THRESHOLDS, minutes=Threshold(5, 5))
    assert [grade("minutes", value, thresholds) for value in (5, 5 - STEP)] == ["green", "red"]


@pytest.mark.parametrize(("n_without", "grade"), [(30, "red"), (29, "green"), (None, "green")])
def test_run_without_any_signal_is_red(n_without, grade):
    verdict = judge({**SOUND, "n_regions": 30, "n_regions_without_signal": n_without}, DEFAULT_THRESHOLDS)
    assert verdict.grade == grade
