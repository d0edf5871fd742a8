"""The index page of a study: the status of each run, why runs failed, and which runs are outliers."""

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
from niimasker.outputs.outcomes import DONE, EXCLUDED, FAILED, NOT_STARTED
from niimasker.outputs.provenance import software_versions
from niimasker.reports.outlying_runs import (
    MIN_RUNS_FOR_OUTLIERS,
    OUTLIER_DEVIATIONS,
    find_outliers_by_pipeline,
    scaled_deviation,
)
from niimasker.reports.pages import render, write_assets, write_page

Row = Mapping[str, Any]

STATUSES = (FAILED, EXCLUDED, NOT_STARTED, DONE)

# Runs further out are drawn at the edge of the axis, so that one extreme run does not squeeze all others together.
_AXIS_DEVIATIONS = 12.0
# An axis spans at least this many steps of the last decimal written.
_MIN_AXIS_STEPS = 10
_MAX_NAMED_OUTLIERS = 3


@dataclass(frozen=True)
class Measure:
    """A number that each run has, and its format; `has_outliers` is whether outliers are marked."""

    key: str
    label: str
    description: str
    unit: str
    decimals: int
    highest: float = math.inf
    has_outliers: bool = True

    def format(self, value: float) -> str:
        """Return a value with its unit."""
        return f"{value:.{self.decimals}f} {self.unit}".rstrip()


MEASURES = (
    Measure("n_volumes", "Kept volumes", "volumes that are neither discarded nor censored", "", 0),
    Measure("mean_fd", "Mean FD", "mean framewise displacement", "mm", 3),
    Measure("median_tsnr", "Median tSNR", "median over regions of the temporal signal-to-noise ratio", "", 1),
    Measure("min_coverage", "Lowest coverage", "lowest share of a region that holds a valid signal", "", 2, 1.0),
    Measure("degrees_of_freedom", "Degrees of freedom", "degrees of freedom left after cleaning", "", 1),
    # The first run of each process includes 2 s of imports; as an outlier it would say nothing about the run.
    Measure("seconds", "Seconds", "processing time of the run in seconds", "s", 1, has_outliers=False),
)


@dataclass(frozen=True)
class Strip:
    """A measure over the finished runs: `values` is NaN for other runs, `outliers` are positions, furthest first."""

    measure: Measure
    values: np.ndarray
    outliers: tuple[int, ...]
    axis_range: tuple[float, float]

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


def write_index(
    output_dir: Path,
    rows: Sequence[Row],
    report_paths: Sequence[Path | None],
    groups: Sequence[GroupNote] = (),
    comparison: GroupNote | None = None,
) -> None:
    """Write the index page, and the scripts and style sheet that it needs.

    Parameters
    ----------
    report_paths
        Each run's page; None where there is none.
    groups
        The text about the group page of each pipeline; none without --connectivity.
    comparison
        The text about the comparison of pipelines; None without several of them.
    """
    folder = output_dir / REPORTS_FOLDER
    links = [path.relative_to(folder).as_posix() if path else None for path in report_paths]
    date = datetime.now().astimezone()
    write_assets(folder)
    page = make_index_page(rows, links, date=date, versions=software_versions(), groups=groups, comparison=comparison)
    write_page(folder / "index.html", page)


def make_index_page(
    rows: Sequence[Row],
    links: Sequence[str | None],
    *,
    date: datetime,
    versions: Mapping[str, str],
    groups: Sequence[GroupNote] = (),
    comparison: GroupNote | None = None,
    assets: str = "assets",
) -> str:
    """Return the index page as HTML; failed and excluded runs come first.

    Parameters
    ----------
    rows
        The runs' rows of summary.tsv.
    links
        The link to each run's page, relative to this page; None where there is none.
    versions
        Software versions, by package.
    groups
        The text about the group page of each pipeline; none without --connectivity.
    comparison
        The text about the comparison of pipelines; None without several of them.
    assets
        The folder of the style sheet and scripts, relative to this page.
    """
    order = sorted(range(len(rows)), key=lambda position: STATUSES.index(rows[position]["status"]))
    rows, links = [rows[position] for position in order], [links[position] for position in order]
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
        n_images=len({row["image"] for row in rows}),
        n_warned=sum(bool(row["n_warnings"]) for row in rows),
        figures=[_figure(strip, names, links) for strip in strips],
        n_deviations=f"{OUTLIER_DEVIATIONS:g}",
        min_runs=MIN_RUNS_FOR_OUTLIERS,
        groups=groups,
        comparison=comparison,
        study=_study_data(rows, links, strips),
    )


def make_strip(rows: Sequence[Row], measure: Measure) -> Strip | None:
    """Return a measure over the finished runs; None if fewer than two runs have a value."""
    values = np.array([_value(row, measure) for row in rows])
    known = values[np.isfinite(values)]
    if len(known) < 2:
        return None
    outliers = find_outliers_by_pipeline(rows, values) if measure.has_outliers else ()
    return Strip(measure, values, outliers, _find_axis_range(known, measure, is_limited=bool(outliers)))


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


def _value(row: Row, measure: Measure) -> float:
    value = row[measure.key]
    # A failed run has only the seconds until it failed, which are not comparable.
    return float(value) if value is not None and row["status"] == DONE else math.nan


def short_names(names: Sequence[str]) -> list[str]:
    """Return names without the parts, separated by _ or /, that all share: sub-01_task-rest_bold becomes sub-01."""
    parts = [re.split(r"[_/]", name) for name in names]
    shared = set.intersection(*map(set, parts)) if parts else set()
    shorter = ["_".join(part for part in name_parts if part not in shared) for name_parts in parts]
    return shorter if all(shorter) and len(set(shorter)) == len(set(names)) else list(names)


def _figure(strip: Strip, names: Sequence[str], links: Sequence[str | None]) -> dict[str, Any]:
    named = [
        {
            "name": names[position],
            "link": to_href(links[position]),
            "value": strip.measure.format(strip.values[position]),
        }
        for position in strip.outliers[:_MAX_NAMED_OUTLIERS]
    ]
    n_more = len(strip.outliers) - len(named)
    text = f"{strip.measure.label} over {len(strip.known)} runs: {strip.summary}."
    if named:
        listed = ", ".join(f"{outlier['name']} {outlier['value']}" for outlier in named)
        text += f" Outliers: {listed}{f' and {n_more} more' if n_more else ''}."
    return {"strip": strip, "named": named, "n_more": n_more, "text": text}


def to_href(link: str | None) -> str | None:
    """Return a link to a file, quoted for HTML."""
    # A file name may contain characters with a meaning in URLs (#, ?, %), and bytes that are not valid Unicode.
    return None if link is None else quote(link, errors="surrogateescape")


def _study_data(rows: Sequence[Row], links: Sequence[str | None], strips: Sequence[Strip]) -> dict[str, Any]:
    """Return the data for index.js; a run is a list, because keys would be half of a large page."""
    outlying: dict[int, list[int]] = {}
    positions = {measure.key: position for position, measure in enumerate(MEASURES)}
    for strip in strips:
        for row in strip.outliers:
            outlying.setdefault(row, []).append(positions[strip.measure.key])
    return {
        "pipelines": list(dict.fromkeys(row["pipeline"] for row in rows if row["pipeline"])),
        "measures": [{"key": measure.key, "unit": measure.unit, "decimals": measure.decimals} for measure in MEASURES],
        "strips": [
            {
                "measure": positions[strip.measure.key],
                "median": _rounded(np.median(strip.known)),
                "axis_range": [_rounded(end) for end in strip.axis_range],
            }
            for strip in strips
        ],
        "runs": [
            _run_data(row, to_href(link), outlying.get(position, []))
            for position, (row, link) in enumerate(zip(rows, links, strict=True))
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
        *([row["pipeline"]] if row["pipeline"] else []),
    ]


def _rounded(value: float) -> float | None:
    """Return a number with six digits, as in summary.tsv, and None for NaN."""
    return float(f"{value:.6g}") if math.isfinite(value) else None


def _n_read(row: Row) -> int | None:
    if row["n_volumes"] is None:
        return None
    return int(row["n_volumes"] + row["n_discarded"] + row["n_censored"])
