"""The verdict on a run: which of its numbers are a concern, by the thresholds of --judge."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from niimasker.options.thresholds import CONCERNS_ABOVE, Threshold, Thresholds
from niimasker.study.run_limits import format_beside

Grade = Literal["green", "amber", "red", "unknown", "not judged"]
GREEN: Grade = "green"
AMBER: Grade = "amber"
RED: Grade = "red"
UNKNOWN: Grade = "unknown"
NOT_JUDGED: Grade = "not judged"

COMPLETE = "complete"


@dataclass(frozen=True)
class Criterion:
    """A number by which runs are judged.

    Parameters
    ----------
    key
        Its name in `Thresholds`, and in the files of --judge.
    column
        The column of summary.tsv.
    noun
        What it is, in words.
    """

    key: str
    column: str
    noun: str
    unit: str
    decimals: int

    def format(self, value: float) -> str:
        """Return a value with its unit."""
        return self.add_unit(f"{value:.{self.decimals}f}")

    def add_unit(self, number: str) -> str:
        """Return a number with the unit."""
        return f"{number} {self.unit}".rstrip()

    def exceeds(self, value: float, limit: float) -> bool:
        """Return whether a value is on the wrong side of a limit."""
        return value > limit if self.is_concern_above else value < limit

    @property
    def is_concern_above(self) -> bool:
        """Whether high values are a concern, otherwise low ones."""
        return self.key in CONCERNS_ABOVE

    @property
    def side(self) -> str:
        """The side of a threshold that is a concern."""
        return "above" if self.is_concern_above else "below"


CRITERIA = (
    Criterion("minutes", "minutes", "minutes kept", "min", 1),
    Criterion("mean_fd", "mean_fd_kept", "mean FD of kept volumes", "mm", 2),
    Criterion("degrees_of_freedom", "degrees_of_freedom", "degrees of freedom", "", 0),
    Criterion("coverage", "min_coverage", "lowest coverage", "", 2),
)


@dataclass(frozen=True)
class Judgement:
    """A number of a run, and whether it is a concern; without a threshold it is not judged."""

    criterion: Criterion
    value: float
    threshold: Threshold | None
    grade: Grade

    @property
    def text(self) -> str:
        """The number with its unit; with as many digits as show on which side of its threshold it is."""
        if not math.isfinite(self.value):
            return "not known"
        criterion, limit = self.criterion, self._limit
        shown = f"{self.value:.{criterion.decimals}f}"
        is_clear = limit is None or (float(shown) != limit and (float(shown) > limit) == (self.value > limit))
        if is_clear or limit is None or self.value == limit:
            return criterion.add_unit(shown)
        return criterion.add_unit(format_beside(self.value, limit))

    @property
    def _limit(self) -> float | None:
        if self.threshold is None:
            return None
        return self.threshold.red if self.grade == RED else self.threshold.amber

    @property
    def concern(self) -> str:
        """The number and the threshold that it is beyond, such as "mean FD of kept volumes 0.53 mm, above 0.2 mm"."""
        return f"{self.criterion.noun} {self.text}, {self.beyond}"

    @property
    def beyond(self) -> str:
        """The threshold that the number is beyond, such as "above 0.2 mm"; empty if it is not judged."""
        criterion, limit = self.criterion, self._limit
        return "" if limit is None else f"{criterion.side} {criterion.add_unit(f'{limit:g}')}"

    @property
    def rule(self) -> str:
        """The thresholds in words, such as "amber above 0.2, red above 0.55 mm"."""
        if self.threshold is None:
            return "not judged"
        criterion, amber, red = self.criterion, self.threshold.amber, self.threshold.red
        return f"amber {criterion.side} {amber:g}, red {criterion.side} {criterion.add_unit(f'{red:g}')}"


@dataclass(frozen=True)
class Verdict:
    """The judgements of the four numbers, in the order of `CRITERIA`."""

    judgements: tuple[Judgement, ...]

    @property
    def grade(self) -> Grade:
        """The worst grade; green if no number that is known is a concern."""
        grades = {judgement.grade for judgement in self.judgements}
        return next((grade for grade in (RED, AMBER) if grade in grades), GREEN)

    @property
    def concerns(self) -> tuple[Judgement, ...]:
        """The judgements that are a concern, grave ones first."""
        return tuple(each for grade in (RED, AMBER) for each in self.judgements if each.grade == grade)

    @property
    def words(self) -> str:
        """The status of a run with tables: "complete", or "complete, look at mean FD of kept volumes"."""
        if not self.concerns:
            return COMPLETE
        *others, last = [each.criterion.noun for each in self.concerns]
        return f"{COMPLETE}, look at {' and '.join(filter(None, [', '.join(others), last]))}"

    @property
    def numbers(self) -> str:
        """The concerns with their numbers and thresholds, separated by semicolons; empty if there are none."""
        return "; ".join(f"{each.grade}: {each.concern}" for each in self.concerns)


def judge(numbers: Mapping[str, float | None], thresholds: Thresholds) -> Verdict:
    """Return the verdict on a run.

    Parameters
    ----------
    numbers
        The numbers of the run by the columns of summary.tsv; None and NaN if not known.
    """
    return Verdict(tuple(_judge_all(numbers, thresholds)))


def is_without_signal(numbers: Mapping[str, float | None]) -> bool:
    """Return whether no region of a run has a signal."""
    n_regions = numbers.get("n_regions")
    return bool(n_regions) and numbers.get("n_regions_without_signal") == n_regions


def _judge_all(numbers: Mapping[str, float | None], thresholds: Thresholds) -> Iterator[Judgement]:
    for criterion in CRITERIA:
        value, threshold = numbers.get(criterion.column), getattr(thresholds, criterion.key)
        value = math.nan if value is None else float(value)
        # Cleaning may leave nothing of regions that the image covers.
        if criterion.key == "coverage" and is_without_signal(numbers):
            value = 0.0
        yield Judgement(criterion, value, threshold, _grade(criterion, value, threshold))


def _grade(criterion: Criterion, value: float, threshold: Threshold | None) -> Grade:
    if threshold is None:
        return NOT_JUDGED
    if not math.isfinite(value):
        return UNKNOWN
    if criterion.exceeds(value, threshold.red):
        return RED
    return AMBER if criterion.exceeds(value, threshold.amber) else GREEN
