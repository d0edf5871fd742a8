"""Strips of the index: the numbers of all runs, each on an axis with the median, the outliers and the thresholds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from niimasker.options.thresholds import DEFAULT_THRESHOLDS, Thresholds
from niimasker.outputs.outcomes import DONE
from niimasker.reports.links import to_href
from niimasker.reports.outlying_runs import find_medians_by_pipeline, find_outliers_by_pipeline, scaled_deviation
from niimasker.study.verdicts import CRITERIA, Judgement, judge

Row = Mapping[str, Any]

# Runs further out are drawn at the edge of the axis, so that one extreme run does not squeeze all others together.
_AXIS_DEVIATIONS = 12.0
# An axis spans at least this many steps of the last decimal written.
_MIN_AXIS_STEPS = 10
_MAX_NAMED_OUTLIERS = 3


@dataclass(frozen=True)
class Measure:
    """A number that each run has, and its format."""

    key: str
    label: str
    description: str
    unit: str
    decimals: int
    highest: float = math.inf
    is_bad_high: bool = False

    @property
    def noun(self) -> str:
        """The label within a sentence."""
        return self.label[:1].lower() + self.label[1:]

    def format(self, value: float) -> str:
        """Return a value with its unit."""
        return f"{value:.{self.decimals}f} {self.unit}".rstrip()


_MINUTES = Measure("minutes", "Minutes kept", "kept volumes times repetition time", "min", 1)
_VOLUMES = Measure("n_volumes", "Kept volumes", "volumes that are neither discarded nor censored", "", 0)
_MEASURES = (
    Measure("mean_fd_kept", "Mean FD", "mean framewise displacement of the kept volumes", "mm", 2, is_bad_high=True),
    Measure("median_tsnr", "Median tSNR", "median over regions of the temporal signal-to-noise ratio", "", 1),
    Measure("min_coverage", "Lowest coverage", "lowest share of a region that holds a valid signal", "", 2, 1.0),
    Measure("degrees_of_freedom", "Degrees of freedom", "degrees of freedom left after cleaning", "", 0),
)


def choose_measures(rows: Sequence[Row]) -> tuple[Measure, ...]:
    """Return the measures of the index; kept volumes are counted where no run's repetition time is known."""
    has_minutes = any(math.isfinite(value_of(row, _MINUTES)) for row in rows)
    return (_MINUTES if has_minutes or not rows else _VOLUMES, *_MEASURES)


def value_of(row: Row, measure: Measure) -> float:
    """Return a number of a finished run; NaN for other runs and missing numbers."""
    value = row[measure.key]
    return float(value) if value is not None and row["status"] == DONE else math.nan


@dataclass(frozen=True)
class Strip:
    """A measure over the finished runs: `values` is NaN for other runs, `outliers` are positions, furthest first.

    `unfavourable` are the outliers on the side that is bad for a run: low values, but high ones of the mean FD.
    `threshold` holds the limits of a measure by which runs are judged, without a value; None for other measures.
    """

    measure: Measure
    values: np.ndarray
    outliers: tuple[int, ...]
    axis_range: tuple[float, float]
    threshold: Judgement | None = None
    unfavourable: tuple[int, ...] = ()

    @property
    def known(self) -> np.ndarray:
        """Values of the finished runs."""
        known: np.ndarray = self.values[np.isfinite(self.values)]
        return known

    @property
    def summary(self) -> str:
        """Median and range of the values, as text."""
        low, centre, high = np.quantile(self.known, (0, 0.5, 1))
        median, highest = self.measure.format(centre), self.measure.format(high)
        return f"median {median} ({low:.{self.measure.decimals}f} to {highest})"

    @property
    def limits(self) -> tuple[float, float] | None:
        """From where on a value is amber and red; None if runs are not judged by it."""
        threshold = None if self.threshold is None else self.threshold.threshold
        return None if threshold is None else (threshold.amber, threshold.red)


def make_strip(rows: Sequence[Row], measure: Measure, thresholds: Thresholds = DEFAULT_THRESHOLDS) -> Strip | None:
    """Return a measure over the finished runs; None if fewer than two runs have a value."""
    values = np.array([value_of(row, measure) for row in rows])
    known = values[np.isfinite(values)]
    if len(known) < 2:
        return None
    outliers = find_outliers_by_pipeline(rows, values)
    axis_range = _find_axis_range(known, measure, is_limited=bool(outliers))
    is_high = values > find_medians_by_pipeline(rows, values)
    unfavourable = tuple(position for position in outliers if is_high[position] == measure.is_bad_high)
    return Strip(measure, values, outliers, axis_range, find_threshold(measure, thresholds), unfavourable)


def find_threshold(measure: Measure, thresholds: Thresholds) -> Judgement | None:
    """Return the limits of a measure, as a judgement of no value; None if runs are not judged by it."""
    by_column = {criterion.column: place for place, criterion in enumerate(CRITERIA)}
    place = by_column.get(measure.key)
    return None if place is None else judge({}, thresholds).judgements[place]


def _find_axis_range(known: np.ndarray, measure: Measure, *, is_limited: bool) -> tuple[float, float]:
    """Return the ends of a measure's axis; if it is limited, extreme outliers lie beyond them."""
    centre, reach = np.median(known), _AXIS_DEVIATIONS * scaled_deviation(known) if is_limited else math.inf
    low, high = max(known.min(), centre - reach), min(known.max(), centre + reach)
    # Differences below the last decimal written must not fill the axis.
    min_width = _MIN_AXIS_STEPS * 10.0**-measure.decimals
    if high - low < min_width:
        low = max(min((low + high - min_width) / 2, measure.highest - min_width), 0.0)
        high = low + min_width
    return float(low), float(high)


def describe_strip(strip: Strip, names: Sequence[str], links: Sequence[str | None]) -> dict[str, Any]:
    """Return what the page says about a strip: the rule, the first outliers, and all of it as one text."""
    named = [
        {
            "name": names[position],
            "link": (link := links[position]) and to_href(link),
            "value": strip.measure.format(strip.values[position]),
        }
        for position in strip.outliers[:_MAX_NAMED_OUTLIERS]
    ]
    n_more = len(strip.outliers) - len(named)
    rule = None if strip.threshold is None else strip.threshold.rule
    text = f"{strip.measure.label} over {len(strip.known)} runs: {strip.summary}{f'; {rule}' if rule else ''}."
    if named:
        listed = ", ".join(f"{outlier['name']} {outlier['value']}" for outlier in named)
        text += f" Outliers: {listed}{f' and {n_more} more' if n_more else ''}."
    return {"strip": strip, "named": named, "n_more": n_more, "text": text, "rule": rule}
