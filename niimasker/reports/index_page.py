"""The index page of a study: the state of each run, which runs need a look and why, and which are outliers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from niimasker.group.connectivity import GroupNote
from niimasker.options.thresholds import DEFAULT_THRESHOLDS, Thresholds
from niimasker.outputs.files import REPORTS_FOLDER
from niimasker.outputs.outcomes import DONE
from niimasker.outputs.provenance import software_versions
from niimasker.outputs.study_names import RUNS_SCRIPT
from niimasker.reports.links import to_href
from niimasker.reports.outlying_runs import MIN_RUNS_FOR_OUTLIERS, OUTLIER_DEVIATIONS
from niimasker.reports.pages import render, write_assets, write_page
from niimasker.reports.run_names import find_shared_parts, short_names
from niimasker.reports.run_states import RunState, find_state, order_by_concern
from niimasker.reports.runs_data import write_runs_data
from niimasker.reports.runs_script import read_study_id
from niimasker.reports.strips import Measure, Strip, choose_measures, describe_strip, make_strip, value_of
from niimasker.study.verdicts import COMPLETE, CRITERIA, Judgement, judge

Row = Mapping[str, Any]


def write_index(
    output_dir: Path,
    rows: Sequence[Row],
    report_paths: Sequence[Path | None],
    groups: Sequence[GroupNote] = (),
    comparison: GroupNote | None = None,
    thresholds: Thresholds = DEFAULT_THRESHOLDS,
) -> None:
    """Write the index page, what the pages of runs show of the other runs, and the scripts and style sheet.

    Parameters
    ----------
    report_paths
        Each run's page; None where there is none.
    groups
        The text about the group page of each pipeline; none without --connectivity.
    comparison
        The text about the comparison of pipelines; None without several of them.
    thresholds
        Those of the verdict.
    """
    folder = output_dir / REPORTS_FOLDER
    links = [path.relative_to(folder).as_posix() if path else None for path in report_paths]
    date = datetime.now().astimezone()
    write_assets(folder)
    study_id = read_study_id(folder / RUNS_SCRIPT)
    write_runs_data(folder, study_id, rows, links, thresholds)
    page = make_index_page(
        rows,
        links,
        date=date,
        versions=software_versions(),
        groups=groups,
        comparison=comparison,
        thresholds=thresholds,
        study_id=study_id,
    )
    write_page(folder / "index.html", page)


def make_index_page(
    rows: Sequence[Row],
    links: Sequence[str | None],
    *,
    date: datetime,
    versions: Mapping[str, str],
    groups: Sequence[GroupNote] = (),
    comparison: GroupNote | None = None,
    thresholds: Thresholds = DEFAULT_THRESHOLDS,
    study_id: str = "",
    assets: str = "assets",
) -> str:
    """Return the index page as HTML; runs are sorted by concern.

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
    thresholds
        Those of the verdict.
    study_id
        The name under which a browser keeps the ratings of the study's runs.
    assets
        The folder of the style sheet and scripts, relative to this page.
    """
    states = [find_state(row, thresholds) for row in rows]
    measures = choose_measures(rows)
    n_outlying = _count_unfavourable(rows, _make_strips(rows, measures, thresholds))
    order = order_by_concern(states, n_outlying)
    rows, links = [rows[place] for place in order], [links[place] for place in order]
    states, n_outlying = [states[place] for place in order], [n_outlying[place] for place in order]
    strips = _make_strips(rows, measures, thresholds)
    names = short_names([row["output"] for row in rows])
    return render(
        "index.html.j2",
        assets=assets,
        date=date,
        versions=versions,
        measures=measures,
        counts=Counter(state.word for state in states),
        n_done=sum(row["status"] == DONE for row in rows),
        n_look=sum(state.needs_look for state in states),
        n_outliers=sum(state.word == COMPLETE and n > 0 for state, n in zip(states, n_outlying, strict=True)),
        n_runs=len(rows),
        n_images=len({row["image"] for row in rows}),
        n_warned=sum(bool(row["n_warnings"]) for row in rows),
        figures=[describe_strip(strip, names, links) for strip in strips],
        n_deviations=f"{OUTLIER_DEVIATIONS:g}",
        min_runs=MIN_RUNS_FOR_OUTLIERS,
        groups=groups,
        comparison=comparison,
        study={
            "id": study_id,
            **_study_data(measures, strips, thresholds),
            "shared": sorted(find_shared_parts([row["output"] for row in rows])),
            "pipelines": list(dict.fromkeys(row["pipeline"] for row in rows if row["pipeline"])),
            "runs": _list_runs(rows, links, states, measures, strips),
        },
    )


def _make_strips(rows: Sequence[Row], measures: Sequence[Measure], thresholds: Thresholds) -> list[Strip]:
    return [strip for measure in measures if (strip := make_strip(rows, measure, thresholds))]


def _count_unfavourable(rows: Sequence[Row], strips: Sequence[Strip]) -> list[int]:
    """Return the number of measures in which each run is an outlier on the bad side."""
    counts = Counter(position for strip in strips for position in strip.unfavourable)
    return [counts[position] for position in range(len(rows))]


def _study_data(measures: Sequence[Measure], strips: Sequence[Strip], thresholds: Thresholds) -> dict[str, Any]:
    """Return the measures, strips and criteria for index.js."""
    positions = {measure.key: position for position, measure in enumerate(measures)}
    return {
        "measures": [
            {"key": measure.key, "noun": measure.noun, "unit": measure.unit, "decimals": measure.decimals}
            for measure in measures
        ],
        "strips": [
            {
                "measure": positions[strip.measure.key],
                "median": _rounded(np.median(strip.known)),
                "axis_range": [_rounded(end) for end in strip.axis_range],
                "limits": strip.limits,
            }
            for strip in strips
        ],
        # In the order of `CRITERIA`, to whose places the concerns of runs refer.
        "criteria": [_describe_criterion(each, positions) for each in judge({}, thresholds).judgements],
    }


def _describe_criterion(judgement: Judgement, positions: Mapping[str, int]) -> dict[str, Any] | None:
    """Return a criterion for index.js, with the position of its measure; None if runs are not judged by it."""
    criterion, threshold = judgement.criterion, judgement.threshold
    if threshold is None:
        return None
    return {
        "measure": positions.get(criterion.column),
        "noun": criterion.noun,
        "side": criterion.side,
        "amber": criterion.add_unit(f"{threshold.amber:g}"),
        "red": criterion.add_unit(f"{threshold.red:g}"),
    }


def _list_runs(
    rows: Sequence[Row],
    links: Sequence[str | None],
    states: Sequence[RunState],
    measures: Sequence[Measure],
    strips: Sequence[Strip],
) -> list[list[Any]]:
    """Return the runs for index.js; a run is a list, because keys would be half of a large page."""
    outlying: dict[int, list[int]] = {}
    unfavourable: dict[int, list[int]] = {}
    positions = {measure.key: position for position, measure in enumerate(measures)}
    for strip in strips:
        for row in strip.outliers:
            outlying.setdefault(row, []).append(positions[strip.measure.key])
        for row in strip.unfavourable:
            unfavourable.setdefault(row, []).append(positions[strip.measure.key])
    return [
        [
            row["output"],
            row["image"],
            state.word,
            row["reason"],
            link and to_href(link),
            row["n_warnings"],
            _n_read(row),
            [_rounded(value_of(row, measure)) for measure in measures],
            outlying.get(position, []),
            None if row["n_volumes"] is None else int(row["n_volumes"]),
            _list_concerns(state),
            unfavourable.get(position, []),
            *([row["pipeline"]] if row["pipeline"] else []),
        ]
        for position, (row, link, state) in enumerate(zip(rows, links, states, strict=True))
    ]


def _list_concerns(state: RunState) -> list[list[Any]]:
    """Return the place in `CRITERIA`, the grade and the number of each concern."""
    if state.verdict is None:
        return []
    return [[CRITERIA.index(each.criterion), each.grade, each.text] for each in state.verdict.concerns]


def _rounded(value: float) -> float | None:
    """Return a number with six digits, as in summary.tsv, and None for NaN."""
    return float(f"{value:.6g}") if math.isfinite(value) else None


def _n_read(row: Row) -> int | None:
    if row["n_volumes"] is None:
        return None
    return int(row["n_volumes"] + row["n_discarded"] + row["n_censored"])
