"""The panel at the head of a run's page: its status, and the numbers by which the run is judged."""

from __future__ import annotations

import dataclasses
import html
import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from markupsafe import Markup

from niimasker.errors import count
from niimasker.options.thresholds import DEFAULT_THRESHOLDS, Threshold, Thresholds
from niimasker.outputs.files import replacing
from niimasker.outputs.outcomes import EXCLUDED
from niimasker.outputs.results import Result, summary_numbers
from niimasker.reports.exclusion_note import make_note
from niimasker.reports.number_origins import NumberOrigins
from niimasker.reports.pages import render
from niimasker.study.verdicts import AMBER, GREEN, NOT_JUDGED, RED, UNKNOWN, Grade, Judgement, Verdict, judge

_PANEL = re.compile(
    rb'<div id="verdict" data-thresholds="(?P<thresholds>[^"]*)" data-origins="(?P<origins>[^"]*)">.*?'
    rb"<!-- end of the verdict -->",
    re.DOTALL,
)
# In bytes. The panel is at the beginning of the page, after the names of the image's files.
_MOST_UP_TO_PANEL = 1 << 17

# By grade: the sign beside its word, and the CSS class of a status.
_SIGNS: dict[Grade, str] = {GREEN: "✓", AMBER: "!", RED: "!!", UNKNOWN: "?", NOT_JUDGED: "-"}
_WORDS: dict[Grade, str] = {UNKNOWN: "not known"}
_STATUS_KINDS: dict[Grade, str] = {GREEN: "good", AMBER: "warn", RED: "bad"}


@dataclass(frozen=True)
class Status:
    """The status of a run as text; `kind` (good, warn or bad) is its CSS class."""

    text: str
    kind: str


@dataclass(frozen=True)
class Tile:
    """A judged number.

    Parameters
    ----------
    grade
        In a word, which is also its CSS class.
    ranked, rank
        A note, and the column of summary.tsv whose place among the runs study.js writes behind it.
    """

    title: str
    value: str
    grade: str
    sign: str
    rule: str
    notes: tuple[str, ...] = ()
    ranked: str = ""
    rank: str = ""


@dataclass(frozen=True)
class RegionCoverage:
    """A region and the share of it that holds a valid signal."""

    name: str
    coverage: float


def make_panel(
    result: Result, thresholds: Thresholds, origins: NumberOrigins, regions: Sequence[RegionCoverage]
) -> Markup:
    """Return the panel of a run with tables as HTML."""
    verdict = judge(summary_numbers(result), thresholds)
    panel = render(
        "verdict.html.j2",
        thresholds=_format_thresholds(thresholds),
        origins=json.dumps(dataclasses.asdict(origins)),
        status=find_status(verdict, result.exclusion),
        exclusion=make_note(result.exclusion),
        tiles=[*_list_tiles(verdict, result, thresholds, origins, regions), _make_tsnr_tile(result.median_tsnr)],
    )
    return Markup(panel)


def find_status(verdict: Verdict, exclusion: str | None) -> Status:
    """Return the status of a run with tables, in the colour of its worst number; one that is excluded is red."""
    if exclusion is not None:
        return Status(EXCLUDED, "bad")
    return Status(verdict.words, _STATUS_KINDS[verdict.grade])


def _format_thresholds(thresholds: Thresholds) -> str:
    return json.dumps(dataclasses.asdict(thresholds))


def _list_tiles(
    verdict: Verdict,
    result: Result,
    thresholds: Thresholds,
    origins: NumberOrigins,
    regions: Sequence[RegionCoverage],
) -> Iterator[Tile]:
    minutes, mean_fd, degrees_of_freedom, coverage = verdict.judgements
    yield _make_tile(minutes, origins.minutes)
    yield _make_fd_tile(mean_fd, result.mean_fd, origins)
    yield _make_tile(degrees_of_freedom, origins.degrees_of_freedom)
    if result.n_regions_without_signal == result.n_regions:
        yield _make_tile(coverage, "no region has a signal; the warnings say why")
    else:
        yield _make_tile(coverage, *describe_coverage(regions, thresholds.coverage))


def _make_fd_tile(judgement: Judgement, mean_fd: float, origins: NumberOrigins) -> Tile:
    if origins.max_fd is None or math.isnan(judgement.value):
        return _make_tile(judgement, origins.displacement)
    tile = _make_tile(judgement, f"highest {origins.max_fd:.2f} mm", origins.displacement)
    return dataclasses.replace(tile, ranked=f"mean of all volumes {mean_fd:.2f} mm", rank="mean_fd")


def _make_tile(judgement: Judgement, *notes: str) -> Tile:
    criterion, grade = judgement.criterion, judgement.grade
    is_default = judgement.threshold == getattr(DEFAULT_THRESHOLDS, criterion.key)
    source = "default" if is_default else "--judge"
    return Tile(
        title=criterion.noun[:1].upper() + criterion.noun[1:],
        value=judgement.text,
        grade=_WORDS.get(grade, grade),
        sign=_SIGNS[grade],
        rule=f"{judgement.rule} ({source})",
        notes=notes,
    )


def _make_tsnr_tile(median_tsnr: float) -> Tile:
    is_known = math.isfinite(median_tsnr)
    return Tile(
        title="Median tSNR",
        value=f"{median_tsnr:.1f}" if is_known else "not known",
        grade=NOT_JUDGED,
        sign=_SIGNS[NOT_JUDGED],
        rule="no threshold: it depends on scanner and sequence",
        ranked="over the regions, before cleaning" if is_known else "",
        rank="median_tsnr" if is_known else "",
    )


def describe_coverage(regions: Sequence[RegionCoverage], threshold: Threshold | None) -> Iterator[str]:
    """Yield how many regions are below the threshold of a concern, and which region has the lowest coverage."""
    n_regions = count(len(regions), "region")
    if threshold is not None:
        n_below = sum(region.coverage < threshold.amber for region in regions)
        yield f"{f'{n_below:,}' if n_below else 'none'} of {n_regions} below {threshold.amber:g}"
    lowest = min((region.coverage for region in regions), default=1.0)
    if lowest < 1:
        first, *others = [region.name for region in regions if region.coverage == lowest]
        yield f"lowest: {first}" + (f" and {count(len(others), 'other')}" if others else "")
    yield "share of the region with a valid signal"


def update_panel(
    page_path: Path, result: Result, thresholds: Thresholds, read_regions: Callable[[], Sequence[RegionCoverage]]
) -> None:
    """Replace the panel of a page, if it says something else of a run.

    Parameters
    ----------
    read_regions
        Returns the coverage of the run's regions; called only if the panel changes.

    Raises
    ------
    OutputError
        The page cannot be written.
    """
    with page_path.open("rb") as file:
        found = _PANEL.search(file.read(_MOST_UP_TO_PANEL))
        if found is None or _is_current(found, result, thresholds):
            return
        file.seek(0)
        content = file.read()
    origins = NumberOrigins(**json.loads(html.unescape(found["origins"].decode("utf-8"))))
    panel = make_panel(result, thresholds, origins, read_regions()).encode("utf-8", "backslashreplace")
    with replacing(page_path) as temporary:
        temporary.write_bytes(content[: found.start()] + panel + content[found.end() :])


def _is_current(panel: re.Match[bytes], result: Result, thresholds: Thresholds) -> bool:
    note = make_note(result.exclusion).encode("utf-8", "backslashreplace")
    is_judged_alike = html.unescape(panel["thresholds"].decode("utf-8")) == _format_thresholds(thresholds)
    return is_judged_alike and note in panel[0]


def read_regions(result: Result) -> list[RegionCoverage]:
    """Return the coverage of the regions of a run, from the tables beside its signals."""
    has_several = len(result.tables) > 1
    regions = []
    for tables in result.tables:
        found = pd.read_csv(
            tables.regions_path,
            sep="\t",
            usecols=["name", "coverage"],
            dtype={"name": str},
            keep_default_na=False,
            na_values={"coverage": ["n/a"]},
        )
        names = found["name"] if not has_several else tables.atlas + ": " + found["name"]
        regions += list(map(RegionCoverage, names, found["coverage"]))
    return regions
