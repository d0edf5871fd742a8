"""The group page: mean connectivity over runs, its standard deviation, and its correlation with motion (QC-FC)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from niimasker.errors import count
from niimasker.group.connectivity import ExcludedRun, Group, Member
from niimasker.group.edges import MIN_RUNS, SIGNIFICANT, matrix_of, median_by_chance
from niimasker.group.tables import mean_of_known
from niimasker.options.settings import CORRELATION_KINDS, Settings
from niimasker.outputs.files import REPORTS_FOLDER
from niimasker.outputs.naming import report_path
from niimasker.outputs.provenance import software_versions
from niimasker.outputs.study_names import GroupFiles
from niimasker.reports import group_figures, heatmaps
from niimasker.reports.group_runs import describe_concerned, list_group_runs
from niimasker.reports.pages import render, write_assets, write_page
from niimasker.reports.paragraphs import Paragraph, make_paragraph
from niimasker.reports.plots import Plot
from niimasker.reports.references import CIRIC_2017, NIIMASKER, PARKES_2018, POWER_2012
from niimasker.reports.region_groups import describe_order, group_regions
from niimasker.reports.run_page import Fact
from niimasker.reports.run_view import MAX_COLUMNS
from niimasker.signals.connectivity import DESCRIPTIONS


@dataclass(frozen=True)
class GroupSection:
    """The part of the page for one atlas and kind of connectivity; where a figure is None, a note says why."""

    title: str
    facts: tuple[Fact, ...]
    mean: Plot | None
    spread: Plot | None
    qcfc: Plot | None
    distance: Plot | None
    notes: dict[str, str]


def write_group_page(
    files: GroupFiles,
    groups: Sequence[Group],
    members: Sequence[Member],
    settings: Settings,
    *,
    excluded: Sequence[ExcludedRun] = (),
    pipeline: str = "",
) -> None:
    """Write the group page of a pipeline, and the scripts and style sheet that it needs."""
    folder = settings.output_dir / REPORTS_FOLDER
    page = make_group_page(
        groups,
        members,
        _links([*excluded, *members], settings.output_dir),
        excluded=excluded,
        date=datetime.now().astimezone(),
        versions=software_versions(),
        fisher_z=settings.fisher_z,
        pipeline=pipeline,
        tables=(files.numbers_path.name, files.edges_path.name),
    )
    write_assets(folder)
    write_page(files.page_path, page)


def _links(members: Iterable[Member | ExcludedRun], output_dir: Path) -> list[str | None]:
    paths = [report_path(output_dir, member.name) for member in members]
    return [path.relative_to(output_dir / REPORTS_FOLDER).as_posix() if path.is_file() else None for path in paths]


def make_group_page(
    groups: Sequence[Group],
    members: Sequence[Member],
    links: Sequence[str | None],
    *,
    date: datetime,
    versions: Mapping[str, str],
    excluded: Sequence[ExcludedRun] = (),
    fisher_z: bool = False,
    pipeline: str = "",
    tables: tuple[str, str] = ("group.tsv", "group_edges.tsv"),
    assets: str = "assets",
) -> str:
    """Return the group page as HTML.

    Parameters
    ----------
    groups
        One for each atlas and kind of connectivity.
    members
        The finished runs.
    links
        The link to the page of each excluded and each finished run, relative to this page; None where there is none.
    versions
        Software versions, by package.
    excluded
        The runs that a limit of the call excludes.
    fisher_z
        Whether correlations are transformed to Fisher z.
    pipeline
        The pipeline of the runs; empty without pipelines.
    tables
        The names of the tables with the numbers of the page, and of each edge.
    assets
        The folder of the style sheet and scripts, relative to this page.
    """
    return render(
        "group.html.j2",
        assets=assets,
        date=date,
        versions=versions,
        n_runs=len(members),
        pipeline=pipeline,
        tables=tables,
        notes=[*describe_concerned(members, excluded), *_notes_of_excluded(excluded), *_notes(groups, tables[1])],
        sections=[make_group_section(group, fisher_z=fisher_z) for group in groups],
        runs=list_group_runs(groups, members, excluded, links),
        methods=describe_group(groups, versions, fisher_z=fisher_z),
    )


def _notes_of_excluded(excluded: Sequence[ExcludedRun]) -> Iterator[str]:
    if excluded:
        yield f"{count(len(excluded), 'run')} excluded; the table of runs gives the reason."


def _notes(groups: Sequence[Group], edges_name: str) -> Iterator[str]:
    """Yield what a reader should know to interpret the figures."""
    by_atlas = {group.atlas: group for group in groups}
    for atlas, group in by_atlas.items():
        prefix = f"{atlas}: " if len(by_atlas) > 1 else ""
        if group.left_out:
            yield f"{prefix}{count(len(group.left_out), 'run')} left out; the table of runs gives the reason."
        n_partial = int((group.sums.values.n < len(group.members)).sum())
        if n_partial:
            yield (
                f"{prefix}{count(n_partial, 'edge')} without a value in some runs; the column n_runs of "
                f"{edges_name} gives the number of runs of each edge."
            )
        if group.n_subjects is not None and group.n_subjects < len(group.members):
            yield (
                f"{prefix}{count(len(group.members), 'run')} of {count(group.n_subjects, 'subject')}: runs of one "
                "subject are not independent, so p values are too small and the share of edges with p < "
                f"{SIGNIFICANT:g} is too large."
            )
        tasks = Counter(member.task for member in group.members if member.task)
        if len(tasks) > 1:
            listed = ", ".join(f"{task} ({count(n, 'run')})" for task, n in sorted(tasks.items()))
            yield f"{prefix}runs of several tasks are combined: {listed}; --task selects one of them."
        n_without = len(group.members) - len(group.motion)
        if n_without and not group.note:
            yield (
                f"{prefix}{count(n_without, 'run')} without a mean framewise displacement; "
                f"QC-FC is computed over the other {len(group.motion)}."
            )


def make_group_section(group: Group, *, fisher_z: bool) -> GroupSection:
    """Return the part of the page for one atlas and kind of connectivity."""
    notes = {}
    n_runs = len(group.members)
    if n_runs < MIN_RUNS:
        have = "has" if n_runs == 1 else "have"
        notes["matrix"] = f"No matrix: it needs {MIN_RUNS} runs whose regions have the same names; {n_runs} {have}."
    elif not group.n_edges:
        notes["matrix"] = "No matrix: no pair of regions has a value."
    elif len(group.names) > MAX_COLUMNS:
        notes["matrix"] = (
            f"No matrix: {len(group.names):,} regions are too many for a figure. group_edges.tsv has all values."
        )
    if not group.qcfc or not group.qcfc.n_edges:
        notes["qcfc"] = group.note or f"No QC-FC: no edge has values that vary over at least {MIN_RUNS} runs."
    elif group.dependence is None:
        notes["distance"] = (
            "No distance dependence: it needs at least three edges with different lengths and different QC-FC."
        )
    is_z = fisher_z and group.kind in CORRELATION_KINDS
    unit = heatmaps.name_scale(group.kind, is_fisher_z=is_z)
    return GroupSection(
        f"{group.atlas}: {DESCRIPTIONS[group.kind]}{', Fisher z' if is_z else ''}",
        tuple(_facts(group, unit if group.kind in CORRELATION_KINDS else group.kind)),
        None if "matrix" in notes else _mean(group, unit),
        None if "matrix" in notes else _spread(group),
        None if "qcfc" in notes else _qcfc(group),
        None if {"qcfc", "distance"} & notes.keys() else _distance(group),
        notes,
    )


def _facts(group: Group, unit: str) -> Iterator[Fact]:
    yield Fact.of_number(len(group.members), "run")
    if group.n_subjects is not None:
        yield Fact.of_number(group.n_subjects, "subject")
    yield Fact.of_number(len(group.names), "region")
    yield Fact.of_number(group.n_edges, "edge", " with a value")
    if group.n_edges and len(group.members) >= MIN_RUNS:
        yield Fact(_format(mean_of_known(group.mean)), f"mean {unit} over edges")
        yield Fact(_format(mean_of_known(group.deviation)), f"mean SD of {unit} over runs")
    if group.qcfc and group.qcfc.n_edges:
        yield Fact(f"{mean_of_known(group.motion):.3f} mm", "mean FD over runs")
        n_edges = group.qcfc.n_edges
        of_edges = "edges" if n_edges == group.n_edges else count(n_edges, "edge")
        yield Fact(f"{group.qcfc.share_significant:.1%}", f"of {of_edges} correlate with FD (p < {SIGNIFICANT:g})")
        by_chance = _format(median_by_chance(len(group.motion)))
        yield Fact(_format(group.qcfc.median_absolute), f"median |QC-FC r|; {by_chance} expected by chance")
    if group.dependence:
        yield Fact(_format(group.dependence.r), "r between QC-FC and distance")


def _format(value: float) -> str:
    """Return a number as text with three decimals, or four digits if it is large; 0 has no sign."""
    return f"{round(value, 3) + 0.0:.3f}" if abs(value) < 1e3 else f"{value:.4g}"


def _mean(group: Group, unit: str) -> Plot:
    scale = heatmaps.Scale(unit, heatmaps.find_colour_limit(group.mean))
    grouping = group_regions(group.names)
    order = describe_order(grouping)
    runs = count(len(group.members), "run")
    return Plot(
        heatmaps.plot_matrix(matrix_of(group.mean, len(group.names)), group.names, grouping, scale),
        f"Mean matrix of {count(len(group.names), 'region')} over {runs}, {order}",
        f"Mean over {runs}, {order}. The colour scale ends at ±{scale.limit:g}.",
    )


def _spread(group: Group) -> Plot:
    scale = heatmaps.Scale("SD", heatmaps.find_colour_limit(group.deviation), is_signed=False)
    runs = count(len(group.members), "run")
    return Plot(
        heatmaps.plot_matrix(
            matrix_of(group.deviation, len(group.names)), group.names, group_regions(group.names), scale
        ),
        f"Matrix of the standard deviation over {runs} of {count(group.n_edges, 'edge')}",
        f"Sample standard deviation over {runs}. The colour scale ends at {scale.limit:g}.",
    )


def _qcfc(group: Group) -> Plot:
    assert group.qcfc is not None
    n_edges, share = group.qcfc.n_edges, f"{group.qcfc.share_significant:.1%}"
    runs = count(len(group.motion), "run")
    return Plot(
        group_figures.plot_qcfc(group.qcfc),
        f"Histogram of {count(n_edges, 'QC-FC correlation')} over {runs}: {share} have p < {SIGNIFICANT:g}, "
        f"the median of |r| is {_format(group.qcfc.median_absolute)}",
        f"QC-FC: correlation between each edge and mean FD over {runs}. {share} of {count(n_edges, 'edge')} have "
        f"p < {SIGNIFICANT:g} (uncorrected); {SIGNIFICANT:.0%} are expected by chance. "
        f"The median of |r| is {_format(group.qcfc.median_absolute)}.",
    )


def _distance(group: Group) -> Plot:
    assert group.qcfc is not None
    assert group.dependence is not None
    r, rho = _format(group.dependence.r), _format(group.dependence.rho)
    return Plot(
        group_figures.plot_distance(group.qcfc.r, group.distances, group.dependence, group.names),
        f"QC-FC correlation of {count(group.qcfc.n_edges, 'edge')} by the distance between their regions: r = {r}",
        f"Distance dependence of QC-FC: Pearson's r = {r}, Spearman's rho = {rho}. The line is the least-squares fit; "
        "it is flat if motion affects short and long edges alike.",
    )


def describe_group(groups: Sequence[Group], versions: Mapping[str, str], *, fisher_z: bool) -> Paragraph:
    """Return the methods paragraph of a group, ready for a publication."""
    n_runs = max(len(group.members) for group in groups)
    # Joined by semicolons, because a description may contain a comma.
    kinds = "; ".join(dict.fromkeys(DESCRIPTIONS[group.kind] for group in groups))
    as_z = ", correlations as Fisher z," if fisher_z else ""
    text = (
        f"Connectivity ({kinds}){as_z} was averaged over {count(n_runs, 'run')} with niimasker "
        f"{versions['niimasker']} and numpy {versions['numpy']}."
    )
    if any(group.qcfc for group in groups):
        text += (
            " Residual effects of motion were assessed by QC-FC, Pearson's correlation over runs between each edge and "
            f"mean framewise displacement ({POWER_2012.short}). It was summarised by the share of edges with "
            f"p < {SIGNIFICANT:g} (two-sided, uncorrected), the median absolute correlation, and its distance "
            "dependence, that is, Pearson's correlation over edges between QC-FC and the Euclidean distance between "
            f"the centres of the regions ({CIRIC_2017.short}) and Spearman's rank correlation ({PARKES_2018.short}), "
            f"computed with scipy {versions['scipy']}."
        )
    return make_paragraph(text, (CIRIC_2017, NIIMASKER, PARKES_2018, POWER_2012))
