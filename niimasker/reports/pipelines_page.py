"""The page that compares pipelines: what each leaves of motion, and what it removes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from niimasker.errors import count
from niimasker.group.compared_runs import ComparedRuns, LeftOut
from niimasker.group.comparison import Comparison
from niimasker.group.edges import MIN_RUNS
from niimasker.options.settings import make_label
from niimasker.outputs.provenance import software_versions
from niimasker.outputs.study_names import name_comparison_files, name_group_files
from niimasker.reports.links import Link
from niimasker.reports.pages import render, write_assets, write_page
from niimasker.reports.pipelines_methods import describe_comparison
from niimasker.reports.pipelines_section import make_section


@dataclass(frozen=True)
class Reason:
    """Why runs are left out, and which."""

    text: str
    runs: tuple[str, ...]

    @property
    def count(self) -> str:
        """Number of runs, in words."""
        return count(len(self.runs), "run")


@dataclass(frozen=True)
class LeftOutGroup:
    """The runs that are left out because of one pipeline, or for all pipelines alike."""

    title: str
    n_runs: str
    reasons: tuple[Reason, ...]


def write_comparison(output_dir: Path, comparison: Comparison) -> None:
    """Write the page that compares pipelines, and the scripts and style sheet that it needs."""
    path = name_comparison_files(output_dir).page_path
    group_paths = {name: name_group_files(output_dir, make_label(name)).page_path for name in comparison.runs.pipelines}
    links = [Link(group.name, f"group page of {name}") for name, group in group_paths.items() if group.is_file()]
    page = make_pipelines_page(
        comparison, date=datetime.now().astimezone(), versions=software_versions(), group_links=links
    )
    write_assets(path.parent)
    write_page(path, page)


def make_pipelines_page(
    comparison: Comparison,
    *,
    date: datetime,
    versions: Mapping[str, str],
    group_links: Sequence[Link] = (),
    assets: str = "assets",
) -> str:
    """Return the page that compares pipelines as HTML.

    Parameters
    ----------
    versions
        Software versions, by package.
    group_links
        Links to the group pages.
    assets
        The folder of the style sheet and scripts, relative to this page.
    """
    runs = comparison.runs
    left_out = _group_left_out(runs)
    n_compared = len(runs.any_members)
    return render(
        "pipelines.html.j2",
        assets=assets,
        date=date,
        versions=versions,
        n_pipelines=len(runs.pipelines),
        compared=_describe_compared(runs),
        notes=list(_notes(comparison)),
        sections=[make_section(comparison, part) for part in comparison.parts],
        left_out=left_out,
        left_out_summary=(
            f"{runs.n_runs - n_compared:,} of {count(runs.n_runs, 'run')}. A run is compared if every compared "
            "pipeline kept it, so that all of them are measured on the same runs."
        ),
        group_links=group_links,
        methods=describe_comparison(comparison, versions),
    )


def _describe_compared(runs: ComparedRuns) -> str:
    n_compared = len(runs.any_members)
    of_all = f"{n_compared:,}" if n_compared == runs.n_runs else f"{n_compared:,} of {runs.n_runs:,}"
    subjects = f" of {count(runs.n_subjects, 'subject')}" if runs.n_subjects is not None else ""
    return f"The pipelines are compared over {of_all} runs{subjects}, which every pipeline kept."


def _notes(comparison: Comparison) -> Iterator[str]:
    """Yield what a reader should know to interpret the numbers."""
    runs = comparison.runs
    n_compared, n_subjects = len(runs.any_members), runs.n_subjects
    for name, n_done in runs.few_runs.items():
        yield (
            f"{name} is not compared: it has results of {count(n_done, 'run')}, and {MIN_RUNS} are needed. The reasons "
            "are listed under Runs left out."
        )
    if n_compared < runs.n_runs:
        yield (
            f"{count(runs.n_runs - n_compared, 'run')} left out, listed under Runs left out. A pipeline "
            "that loses many runs changes the runs on which all pipelines are compared."
        )
    if n_subjects is not None and n_subjects < n_compared:
        yield (
            f"{count(n_compared, 'run')} of {count(n_subjects, 'subject')}: QC-FC is computed over all runs. "
            "Runs of one subject are not independent, so p values are too small and the shares of edges too large. "
            "This holds for every pipeline alike."
        )
    tasks = Counter(member.task for member in runs.any_members if member.task)
    if len(tasks) > 1:
        listed = ", ".join(f"{task} ({count(n, 'run')})" for task, n in sorted(tasks.items()))
        yield f"Runs of several tasks are combined: {listed}; --task selects one of them."
    for atlas, part in {part.atlas: part for part in comparison.parts}.items():
        if part.n_edges_left_out:
            yield (
                f"{atlas}: {count(part.n_edges_left_out, 'edge')} left out, without a value in at least one run of a "
                "pipeline."
            )
    similarity = [measures.identifiability for part in comparison.parts for measures in part.measures]
    if any(each and math.isnan(each.rate) and not math.isnan(each.within) for each in similarity):
        yield "The share of identified runs is not computed, because it would need more than 1 GiB of memory."


def _group_left_out(runs: ComparedRuns) -> list[LeftOutGroup]:
    """Return the runs that are left out, by pipeline and reason."""
    groups = []
    for pipeline in (None, *runs.pipelines, *runs.few_runs):
        own = [each for each in runs.left_out if each.pipeline == pipeline]
        if own:
            reasons = {reason: tuple(each.run for each in own if each.reason == reason) for reason in _reasons(own)}
            groups.append(
                LeftOutGroup(
                    _title(pipeline, runs),
                    count(len({each.run for each in own}), "run"),
                    tuple(Reason(reason, names) for reason, names in reasons.items()),
                )
            )
    return groups


def _title(pipeline: str | None, runs: ComparedRuns) -> str:
    if pipeline is None:
        return "All pipelines"
    return f"{pipeline}, which is not compared" if pipeline in runs.few_runs else pipeline


def _reasons(left_out: Sequence[LeftOut]) -> list[str]:
    return list(dict.fromkeys(each.reason for each in left_out))
