"""The page of a whole study: which runs are done, which failed and why, and which stand out."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from niimasker.group.connectivity import GroupNote
from niimasker.outputs.files import REPORTS_FOLDER
from niimasker.outputs.provenance import software_versions
from niimasker.outputs.summaries import FINISHED
from niimasker.reports.pages import render, write_assets, write_page

Row = Mapping[str, Any]

STATUSES = ("failed", "not started", "done", "skipped")

# Scaled as for a normal distribution: Leys et al. 2013, https://doi.org/10.1016/j.jesp.2013.03.013, for the median
# absolute deviation; Iglewicz and Hoaglin 1993 for the mean absolute deviation, which stands in where more than half
# of the values are equal, as the volumes of runs are.
_MEDIAN_DEVIATION, _MEAN_DEVIATION = 1.4826, 1.2533
OUTLIER_DEVIATIONS = 3.0
MIN_RUNS_FOR_OUTLIERS = 5
# What lies further out is drawn at the edge: one wild run must not press all others together.
_DRAWN_DEVIATIONS = 12.0
_LEAST_DIGITS_DRAWN = 10
_MOST_NAMED = 3


@dataclass(frozen=True)
class Measure:
    """A number that each run has, and how it is written; `has_outliers` is whether one that stands out is marked."""

    key: str
    label: str
    meaning: str
    unit: str
    decimals: int
    highest: float = math.inf
    has_outliers: bool = True

    def write(self, value: float) -> str:
        """Return a value with its unit."""
        return f"{value:.{self.decimals}f} {self.unit}".rstrip()


MEASURES = (
    Measure("n_volumes", "Kept volumes", "volumes that are neither discarded nor censored", "", 0),
    Measure("mean_fd", "Mean FD", "mean framewise displacement", "mm", 3),
    Measure("median_tsnr", "Median tSNR", "median over regions of the temporal signal-to-noise ratio", "", 1),
    Measure("min_coverage", "Worst coverage", "smallest share of a region's voxels that hold a signal", "", 2, 1.0),
    Measure("degrees_of_freedom", "Degrees of freedom", "degrees of freedom left after cleaning", "", 1),
    # The first run of each process takes its imports, 2 s: what stands out by that is no news of the run.
    Measure("seconds", "Seconds", "seconds that the run took", "s", 1, has_outliers=False),
)


@dataclass(frozen=True)
class Strip:
    """A measure over the runs that are done: `values` is NaN for the others, `outliers` are places, furthest first."""

    measure: Measure
    values: np.ndarray
    outliers: tuple[int, ...]
    drawn: tuple[float, float]

    @property
    def known(self) -> np.ndarray:
        """The values that there are."""
        known: np.ndarray = self.values[np.isfinite(self.values)]
        return known

    @property
    def summary(self) -> str:
        """The values in a few words."""
        low, centre, high = np.quantile(self.known, (0, 0.5, 1))
        return f"median {self.measure.write(centre)}, {low:.{self.measure.decimals}f} to {self.measure.write(high)}"


def write_index(
    output_dir: Path, rows: Sequence[Row], report_paths: Sequence[Path | None], group: GroupNote | None = None
) -> None:
    """Write the page of a study, and what it needs beside it.

    Parameters
    ----------
    report_paths
        Each run's page, None where there is none.
    group
        None where no group was asked for.
    """
    folder = output_dir / REPORTS_FOLDER
    links = [path.relative_to(folder).as_posix() if path else None for path in report_paths]
    date = datetime.now().astimezone()
    write_assets(folder)
    page = make_index_page(rows, links, date=date, versions=software_versions(), group=group)
    write_page(folder / "index.html", page)


def make_index_page(
    rows: Sequence[Row],
    links: Sequence[str | None],
    *,
    date: datetime,
    versions: Mapping[str, str],
    group: GroupNote | None = None,
    assets: str = "assets",
) -> str:
    """Return the HTML page of a study; failed runs come first.

    Parameters
    ----------
    rows
        What summary.tsv says of each run.
    links
        Where each run's page is, relative to this page; None where there is none.
    versions
        Of the software, by package.
    group
        What is said of the group page, beside this one.
    assets
        The folder of the style sheet and scripts, relative to this page.
    """
    order = sorted(range(len(rows)), key=lambda place: STATUSES.index(rows[place]["status"]))
    rows, links = [rows[place] for place in order], [links[place] for place in order]
    strips = [strip for measure in MEASURES if (strip := make_strip(rows, measure))]
    names = short_names([row["output"] for row in rows])
    return render(
        "index.html.j2",
        assets=assets,
        date=date,
        versions=versions,
        measures=MEASURES,
        counts=Counter(row["status"] for row in rows),
        n_runs=len(rows),
        n_warned=sum(bool(row["n_warnings"]) for row in rows),
        figures=[_figure(strip, names, links) for strip in strips],
        n_deviations=f"{OUTLIER_DEVIATIONS:g}",
        min_runs=MIN_RUNS_FOR_OUTLIERS,
        group=group,
        study=_study_data(rows, links, strips),
    )


def make_strip(rows: Sequence[Row], measure: Measure) -> Strip | None:
    """Return a measure over the runs that are done, None when there is nothing to compare."""
    values = np.array([_value(row, measure) for row in rows])
    known = values[np.isfinite(values)]
    if len(known) < 2:
        return None
    outliers = find_outliers(values) if measure.has_outliers else ()
    return Strip(measure, values, outliers, _ends_of_axis(known, measure, is_cut=bool(outliers)))


def _ends_of_axis(known: np.ndarray, measure: Measure, *, is_cut: bool) -> tuple[float, float]:
    """Return the ends of a measure's axis, which outliers may lie beyond; other values may not."""
    centre, reach = np.median(known), _DRAWN_DEVIATIONS * scaled_deviation(known) if is_cut else math.inf
    low, high = max(known.min(), centre - reach), min(known.max(), centre + reach)
    # Differences that the digits written do not show stay small on the axis.
    least = _LEAST_DIGITS_DRAWN * 10.0**-measure.decimals
    if high - low < least:
        low = max(min((low + high - least) / 2, measure.highest - least), 0.0)
        high = low + least
    return float(low), float(high)


def _value(row: Row, measure: Measure) -> float:
    value = row[measure.key]
    # A failed run has only the seconds until it failed, which say nothing of the others.
    return float(value) if value is not None and row["status"] in FINISHED else math.nan


def find_outliers(values: np.ndarray) -> tuple[int, ...]:
    """Return the places of values far from the median, furthest first; none among few values. NaN is no value."""
    known = values[np.isfinite(values)]
    if len(known) < MIN_RUNS_FOR_OUTLIERS:
        return ()
    distances = np.nan_to_num(np.abs(values - np.median(known)), nan=0.0)
    far = np.flatnonzero(distances > OUTLIER_DEVIATIONS * scaled_deviation(known))
    return tuple(far[np.argsort(-distances[far], kind="stable")].tolist())


def scaled_deviation(values: np.ndarray) -> float:
    """Return a spread that a few wild values do not change, on the scale of a standard deviation."""
    distances = np.abs(values - np.median(values))
    return float(_MEDIAN_DEVIATION * np.median(distances) or _MEAN_DEVIATION * distances.mean())


def short_names(names: Sequence[str]) -> list[str]:
    """Return names without the parts, between _ and /, that all of them share: sub-01_task-rest_bold is sub-01."""
    parts = [re.split(r"[_/]", name) for name in names]
    shared = set.intersection(*map(set, parts)) if parts else set()
    shorter = ["_".join(part for part in each if part not in shared) for each in parts]
    return shorter if all(shorter) and len(set(shorter)) == len(set(names)) else list(names)


def _figure(strip: Strip, names: Sequence[str], links: Sequence[str | None]) -> dict[str, Any]:
    named = [
        {"name": names[place], "link": to_href(links[place]), "value": strip.measure.write(strip.values[place])}
        for place in strip.outliers[:_MOST_NAMED]
    ]
    n_more = len(strip.outliers) - len(named)
    text = f"{strip.measure.label} over {len(strip.known)} runs: {strip.summary}."
    if named:
        listed = ", ".join(f"{each['name']} {each['value']}" for each in named)
        text += f" Outliers: {listed}{f' and {n_more} more' if n_more else ''}."
    return {"strip": strip, "named": named, "n_more": n_more, "text": text}


def to_href(link: str | None) -> str | None:
    """Return a link to a file as a page has it."""
    # A file's name may hold what a URL gives a meaning to (#, ?, %), and bytes that are no text.
    return None if link is None else quote(link, errors="surrogateescape")


def _study_data(rows: Sequence[Row], links: Sequence[str | None], strips: Sequence[Strip]) -> dict[str, Any]:
    """Return what the page's script draws from; a run is a list, its keys would be half of a large page."""
    outlying: dict[int, list[int]] = {}
    places = {measure.key: place for place, measure in enumerate(MEASURES)}
    for strip in strips:
        for row in strip.outliers:
            outlying.setdefault(row, []).append(places[strip.measure.key])
    return {
        "measures": [{"key": each.key, "unit": each.unit, "decimals": each.decimals} for each in MEASURES],
        "strips": [
            {
                "measure": places[strip.measure.key],
                "median": _rounded(np.median(strip.known)),
                "drawn": [_rounded(end) for end in strip.drawn],
            }
            for strip in strips
        ],
        "runs": [
            _run_data(row, to_href(link), outlying.get(place, []))
            for place, (row, link) in enumerate(zip(rows, links, strict=True))
        ],
    }


def _run_data(row: Row, href: str | None, outlying: list[int]) -> list[Any]:
    values = [_value(row, measure) for measure in MEASURES]
    return [
        row["output"],
        row["image"],
        row["status"],
        row["reason"],
        href,
        row["n_warnings"],
        _n_read(row),
        [_rounded(value) for value in values],
        outlying,
    ]


def _rounded(value: float) -> float | None:
    """Return six digits of a number, as summary.tsv has; None, which JSON has, for NaN."""
    return float(f"{value:.6g}") if math.isfinite(value) else None


def _n_read(row: Row) -> int | None:
    if row["n_volumes"] is None:
        return None
    return int(row["n_volumes"] + row["n_discarded"] + row["n_censored"])
