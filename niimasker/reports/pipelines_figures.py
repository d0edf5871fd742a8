"""Figures of the comparison of pipelines: distributions of QC-FC, and what is lost against what is left of motion."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from niimasker.group.comparison import PipelineMeasures
from niimasker.group.losses import Losses
from niimasker.reports.packing import json_numbers
from niimasker.reports.palette import region_colours
from niimasker.reports.plots import INK, QUIET, Figure, axis, display_names, line_at, make_layout

# Fewer edges have wider bins, whose counts are less noisy.
_MIN_BINS, _MAX_BINS = 16, 60
# Height of a distribution in pixels, at least so much that all together are as high as the plot beside them.
_ROW_HEIGHT, _MIN_HEIGHT = 52, 310
# Height of the highest part of all distributions, as a share of that.
_HIGHEST = 0.94


def plot_distributions(measures: Sequence[PipelineMeasures], n_runs: int) -> Figure:
    """Return the distribution over edges of each pipeline's QC-FC, one below the other, and that expected by chance."""
    limit = _find_limit(measures)
    n_bins = int(np.clip(np.sqrt(measures[0].qcfc.n_edges), _MIN_BINS, _MAX_BINS))
    ends = np.linspace(-limit, limit, n_bins + 1)
    centres = (ends[:-1] + ends[1:]) / 2
    densities = [np.histogram(each.qcfc.r[np.isfinite(each.qcfc.r)], ends, density=True)[0] for each in measures]
    by_chance = density_by_chance(centres, n_runs)
    highest = max(float(density.max()) for density in (*densities, by_chance))
    shown = display_names([each.pipeline for each in measures])
    data, layout = [], make_layout(max(_ROW_HEIGHT * len(measures), _MIN_HEIGHT) + 70)
    for number, (density, colour) in enumerate(zip(densities, region_colours(len(measures)), strict=True)):
        base = len(measures) - 1 - number
        data.append(_area(centres, base, density, _HIGHEST / highest, colour) | {"name": shown[number]})
        data.append(_dotted(centres, base, by_chance, _HIGHEST / highest))
        data.append(_median(measures[number], base, shown[number]))
        layout["annotations"].append(_label(f"{number + 1} {shown[number]}", base))
    layout["xaxis"] = {**axis("QC-FC correlation r"), "range": [-limit, limit]}
    layout["yaxis"] = {**axis(), "range": [-0.08, len(measures)], "showticklabels": False, "ticks": "",
                       "showgrid": False}  # fmt: skip
    layout["shapes"] = [line_at(0, INK, "dot")]
    layout["margin"] |= {"l": 16, "r": 16}
    layout["meta"] = {"y": "density"}
    return {"data": data, "layout": layout}


def _find_limit(measures: Sequence[PipelineMeasures]) -> float:
    """Return the end of the axis: the next tenth above the largest absolute correlation."""
    largest = max(float(np.nanmax(np.abs(each.qcfc.r))) for each in measures)
    return min(1.0, math.ceil(10 * largest + 1e-9) / 10)


def density_by_chance(r: np.ndarray, n_runs: int) -> np.ndarray:
    """Return the density of the correlation of two normally distributed variables that are independent.

    It is the beta distribution on -1 to 1 with both parameters n / 2 - 1, as in `scipy.stats.pearsonr`.
    """
    from scipy.stats import beta

    shape = n_runs / 2 - 1
    return np.asarray(beta.pdf(r, shape, shape, loc=-1, scale=2))


def _area(centres: np.ndarray, base: float, density: np.ndarray, height: float, colour: str) -> Figure:
    x = np.concatenate([[centres[0]], centres, [centres[-1]]])
    y = np.concatenate([[0.0], density, [0.0]])
    return {
        "type": "scatter",
        "mode": "lines",
        "x": json_numbers(x),
        "y": json_numbers(base + height * y),
        "customdata": json_numbers(y),
        "fill": "toself",
        "fillcolor": f"{colour}55",
        "line": {"color": colour, "width": 1.4},
        "hoverinfo": "skip",
    }


def _dotted(x: np.ndarray, base: float, density: np.ndarray, height: float) -> Figure:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": "expected by chance",
        # The last one stands for all in the table of numbers, because all are the same.
        **({"meta": "drawn only"} if base else {}),
        "x": json_numbers(x),
        "y": json_numbers(base + height * density),
        "customdata": json_numbers(density),
        "line": {"color": QUIET, "width": 1.1, "dash": "dot"},
        "hoverinfo": "skip",
    }


def _median(measures: PipelineMeasures, base: float, name: str) -> Figure:
    median, qcfc = float(np.nanmedian(measures.qcfc.r)), measures.qcfc
    return {
        "type": "scatter",
        "mode": "markers",
        "name": f"{name}, median",
        "x": [median],
        "y": [base],
        "customdata": [None],
        "cliponaxis": False,
        "marker": {"color": INK, "size": 7, "symbol": "diamond"},
        "hovertemplate": f"{_plain(name)}<br>median r %{{x:.3f}}<br>median |r| {qcfc.median_absolute:.3f}<br>"
        f"{qcfc.share_significant:.1%} of edges with p < 0.05<extra></extra>",
    }


def _plain(name: str) -> str:
    """Return an escaped name for a hover template, where a percent sign and a brace begin a variable."""
    return name.replace("%{", "% {")


def _label(text: str, base: float) -> Figure:
    return {"text": text, "xref": "paper", "yref": "y", "x": 0, "y": base + 0.5, "xanchor": "left", "yanchor": "bottom",
            "showarrow": False, "font": {"size": 12, "color": INK}, "align": "left"}  # fmt: skip


def plot_trade_off(measures: Sequence[PipelineMeasures], losses: Sequence[Losses], by_chance: float) -> Figure:
    """Return the median absolute QC-FC of each pipeline by the degrees of freedom that it loses, in percent."""
    x = 100 * np.array([each.degrees_of_freedom_lost_share for each in losses])
    y = np.array([each.qcfc.median_absolute for each in measures])
    shown = display_names([each.pipeline for each in measures])
    marks = {
        "type": "scatter",
        "mode": "markers+text",
        "cliponaxis": False,
        "x": json_numbers(x),
        "y": json_numbers(y),
        "text": [str(number + 1) for number in range(len(measures))],
        "hovertext": list(map(_plain, shown)),
        "textfont": {"color": INK, "size": 11},
        "marker": {
            "color": "rgba(255, 255, 255, 0.6)",  # pipelines with nearly the same numbers hide each other partly
            "size": 20,
            "line": {"color": list(region_colours(len(measures))), "width": 2.5},
        },
        "hovertemplate": "%{hovertext}<br>%{x:.1f} % of degrees of freedom lost<br>median |r| %{y:.3f}<extra></extra>",
    }
    layout = make_layout(380)
    layout["margin"]["t"] = 24
    highest = float(np.nanmax([*y, by_chance]))
    layout["xaxis"] = {**axis("degrees of freedom lost (%)"), "range": _range(x)}
    layout["yaxis"] = {**axis("median |QC-FC|"), "range": [0, 1.12 * highest]}
    layout["shapes"] = [{"type": "line", "xref": "paper", "yref": "y", "x0": 0, "x1": 1, "y0": by_chance,
                         "y1": by_chance, "line": {"color": QUIET, "width": 1.2, "dash": "dot"}}]  # fmt: skip
    layout["annotations"] = [{"text": "by chance", "xref": "paper", "yref": "y", "x": 0, "y": by_chance,
                              "xanchor": "left", "yanchor": "bottom", "showarrow": False,
                              "font": {"size": 11, "color": QUIET}}]  # fmt: skip
    return {"data": [marks], "layout": layout}


def _range(percents: np.ndarray) -> list[float]:
    """Return the ends of the axis of percents, with room for the marks."""
    low, high = float(percents.min()), float(percents.max())
    room = max(0.08 * (high - low), 1.0)
    return [low - room, high + room]
