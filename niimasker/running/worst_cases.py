"""The worst of similar warnings: which number of a warning tells how bad the case is, and the range of that number."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class _Measure:
    """What a number in warnings measures, the text around it, and whether low or high numbers are bad."""

    noun: str
    pattern: re.Pattern[str]
    is_low_bad: bool
    unit: str = ""


# Warnings travel as text: between processes, in JSON files, from an earlier call. The tests take each of these texts
# from the function that warns.
_NUMBER = r"(?P<number>\d[\d.]*(?:e[+-]\d+)?)"
_MEASURES = (
    _Measure("coverage", re.compile(rf"\(coverage < [\d.]+, lowest {_NUMBER}\)"), is_low_bad=True),
    _Measure("share of the atlas", re.compile(rf"\bonly {_NUMBER}% of the atlas"), is_low_bad=True, unit="%"),
    _Measure("degrees of freedom", re.compile(rf"{_NUMBER} degrees? of freedom"), is_low_bad=True),
    _Measure("components", re.compile(rf"have {_NUMBER} CompCor components of"), is_low_bad=True),
    _Measure("regions", re.compile(rf"{_NUMBER} of [\d,]+ regions without signal"), is_low_bad=False),
    _Measure("points", re.compile(rf"^{_NUMBER} of the [a-z ]+ read hold NaN"), is_low_bad=False),
    _Measure("censored volumes", re.compile(rf"{_NUMBER} of \d+ volumes are censored"), is_low_bad=False),
    _Measure("marked volumes", re.compile(rf"confounds mark {_NUMBER} first volume"), is_low_bad=False),
    _Measure("rotation", re.compile(rf"turn by {_NUMBER} degrees"), is_low_bad=False, unit=" degrees"),
)


@dataclass(frozen=True)
class WorstCase:
    """The worst of several similar texts: its position among them, and what the range of their numbers is."""

    position: int
    words: str


def find_worst(texts: Sequence[str]) -> WorstCase | None:
    """Return the worst of similar texts, the first of equal ones; None if their numbers are equal or tell nothing."""
    measure = next((each for each in _MEASURES if each.pattern.search(texts[0])), None)
    found = [None if measure is None else measure.pattern.search(text) for text in texts]
    shown = [match["number"] for match in found if match is not None]
    if measure is None or len(shown) < len(texts):
        return None
    numbers = [float(number) for number in shown]
    lowest, highest = numbers.index(min(numbers)), numbers.index(max(numbers))
    if numbers[lowest] == numbers[highest]:
        return None
    worst, word = (lowest, "lowest") if measure.is_low_bad else (highest, "highest")
    return WorstCase(worst, f"{measure.noun} {shown[lowest]} to {shown[highest]}{measure.unit}, {word} in")
