"""The part of the comparison's page for one atlas and kind of connectivity."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from niimasker.errors import count
from niimasker.group.comparison import AtlasComparison, Comparison
from niimasker.group.edges import SIGNIFICANT
from niimasker.reports.pipeline_measures import DETAILS, MEASURES, NEAREST_TO_0, Measure, describe_networks
from niimasker.reports.pipelines_figures import plot_distributions, plot_trade_off
from niimasker.reports.plots import Plot
from niimasker.reports.run_page import Fact
from niimasker.signals.connectivity import DESCRIPTIONS

_CAPTION = (
    "★ marks the best value of each measure. There is no winner over all measures, because they trade off: a pipeline "
    "that removes nearly everything leaves no QC-FC, but no signal either, and one that loses the runs with the most "
    "motion has less to remove. Weigh what is left of motion against degrees of freedom, volumes and runs, and against "
    "modularity and the similarity of runs. The heads of the columns sort the pipelines."
)


@dataclass(frozen=True)
class Bar:
    """A bar in a cell: where it begins and how long it is, in percent of the cell's width."""

    left: float
    width: float


@dataclass(frozen=True)
class Cell:
    """A number of a pipeline as it is shown, and as it is sorted by."""

    text: str
    sort_value: str
    is_best: bool
    bar: Bar | None


@dataclass(frozen=True)
class Column:
    """A measure, with one cell per pipeline."""

    measure: Measure
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class PipelinesSection:
    """The part of the page for one atlas and kind of connectivity; without edges there are no plots."""

    title: str
    facts: tuple[Fact, ...]
    pipelines: tuple[str, ...]
    columns: tuple[Column, ...]
    caption: str
    distributions: Plot | None
    trade_off: Plot | None
    numbers: tuple[Column, ...]


def make_section(comparison: Comparison, part: AtlasComparison) -> PipelinesSection:
    """Return the part of the page for one atlas and kind of connectivity."""
    columns = [_make_column(comparison, part, measure) for measure in MEASURES]
    details = [_make_column(comparison, part, measure) for measure in DETAILS]
    losses = [comparison.runs.losses[measures.pipeline] for measures in part.measures]
    has_qcfc = all(measures.qcfc.n_edges for measures in part.measures)
    return PipelinesSection(
        f"{part.atlas}: {DESCRIPTIONS[part.kind]}{', Fisher z' if part.is_fisher_z else ''}",
        tuple(_facts(comparison, part)),
        tuple(measures.pipeline for measures in part.measures),
        tuple(column for column in columns if _has_values(column)),
        f"{_CAPTION} Modularity is of {describe_networks(part.measures)}.",
        _distributions(comparison, part) if has_qcfc else None,
        Plot(plot_trade_off(part.measures, losses, comparison.median_by_chance), *_describe_trade_off(part))
        if has_qcfc
        else None,
        tuple(column for column in (*columns, *details) if _has_values(column)),
    )


def _has_values(column: Column) -> bool:
    return any(cell.text != "n/a" for cell in column.cells)


def _make_column(comparison: Comparison, part: AtlasComparison, measure: Measure) -> Column:
    values = [measure.find(measures, comparison.runs.losses[measures.pipeline]) for measures in part.measures]
    # As they are shown: a bar for 0.000 would be one of rounding errors.
    shown = [measure.round(value) for value in values]
    largest = max((abs(value) for value in shown if not math.isnan(value)), default=0.0)
    return Column(
        measure,
        tuple(
            Cell(measure.show(value), repr(float(value)), is_best, _make_bar(measure, rounded, largest))
            for value, rounded, is_best in zip(values, shown, measure.find_best(values), strict=True)
        ),
    )


def _make_bar(measure: Measure, value: float, largest: float) -> Bar | None:
    """Return a bar from 0 to a value; 0 is in the middle where values of both signs are usual."""
    if math.isnan(value) or not largest:
        return None
    share = value / largest
    if measure.best == NEAREST_TO_0:
        return Bar(round(50 + 50 * min(share, 0.0), 1), round(50 * abs(share), 1))
    return Bar(0.0, round(100 * max(share, 0.0), 1))


def _facts(comparison: Comparison, part: AtlasComparison) -> Iterator[Fact]:
    runs = comparison.runs
    yield Fact.of_number(len(runs.pipelines), "pipeline")
    yield Fact.of_number(len(runs.any_members), "run")
    if runs.n_subjects is not None:
        yield Fact.of_number(runs.n_subjects, "subject")
    yield Fact.of_number(len(part.names), "region")
    yield Fact.of_number(part.n_edges, "edge")
    yield Fact(f"{runs.mean_fd.mean():.3f} mm", "mean FD over runs")
    yield Fact(f"{comparison.median_by_chance:.3f}", "median |QC-FC| expected by chance")


def _distributions(comparison: Comparison, part: AtlasComparison) -> Plot:
    n_runs = len(comparison.runs.any_members)
    listed = "; ".join(
        f"{measures.pipeline}: {measures.qcfc.median_absolute:.3f}, {measures.qcfc.share_significant:.1%}"
        for measures in part.measures
    )
    return Plot(
        plot_distributions(part.measures, n_runs),
        f"Distributions of QC-FC over {count(part.n_edges, 'edge')}. Median of |r|, and share of edges with "
        f"p < {SIGNIFICANT:g}: {listed}",
        f"QC-FC of {count(part.n_edges, 'edge')} over {n_runs:,} runs; a diamond is the median. The dotted line is the "
        "distribution of single correlations expected by chance, without any relation to motion.",
    )


def _describe_trade_off(part: AtlasComparison) -> tuple[str, str]:
    """Return the alternative text and the caption of the plot of losses and motion."""
    n = len(part.measures)
    return (
        f"Median absolute QC-FC of {count(n, 'pipeline')} by the degrees of freedom that each loses; the table of "
        "numbers has both",
        "What is left of motion, by the degrees of freedom that are lost for it; lower and further left is better. "
        "The dotted line is the median expected by chance, without any relation to motion.",
    )
