"""Heatmaps as plotly's JSON, with their colour scales: matrices between regions, and correlations with regressors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from niimasker.reports.packing import pack_rows, pack_steps
from niimasker.reports.plots import (
    INK,
    MAX_TILTED_TICK_LENGTH,
    Figure,
    display_names,
    left_margin,
    make_layout,
    margin_for,
    names_axis,
    names_margin,
    title_at,
)
from niimasker.reports.region_groups import Grouping, group_regions
from niimasker.reports.regressor_groups import group_columns

# Correlations take one byte each, in these steps.
_CORRELATION_STEP = 0.01

# Colours cover this percentage of values, so that a few extreme pairs of regions do not make all others pale.
_PERCENTILE_IN_RANGE = 99.5

# Above a figure of correlations with regressors, in pixels.
_TITLE_ROOM = 20

# Short titles of colour bars; a longer title makes a matrix narrower than its neighbours.
_SHORT_NAMES = {"covariance": "cov", "precision": "prec"}


@dataclass(frozen=True)
class Scale:
    """A colour scale: the name of its values, which run from -limit to limit, or from 0 if they have no sign."""

    name: str
    limit: float
    is_signed: bool = True

    @property
    def start(self) -> float:
        """Value of the first colour."""
        return -self.limit if self.is_signed else 0.0


# Fixed, so that correlations are comparable between figures.
CORRELATION = Scale("r", 1.0)

# Blue for negative and red for positive values: ColorBrewer's RdBu, which colour-blind readers can tell apart.
DIVERGING = [
    [0.0, "#053061"],
    [0.1, "#2166ac"],
    [0.2, "#4393c3"],
    [0.3, "#92c5de"],
    [0.4, "#d1e5f0"],
    [0.5, "#f7f7f7"],
    [0.6, "#fddbc7"],
    [0.7, "#f4a582"],
    [0.8, "#d6604d"],
    [0.9, "#b2182b"],
    [1.0, "#67001f"],
]

# From white to blue: ColorBrewer's Blues.
SEQUENTIAL = [
    [0.0, "#f7fbff"],
    [0.2, "#d0e1f2"],
    [0.4, "#94c4df"],
    [0.6, "#4a98c9"],
    [0.8, "#1764ab"],
    [1.0, "#08306b"],
]


def name_scale(kind: str, *, is_fisher_z: bool) -> str:
    """Return the title of the colour bar for a kind of connectivity."""
    return "z" if is_fisher_z else _SHORT_NAMES.get(kind, "r")


def find_colour_limit(values: np.ndarray) -> float:
    """Return the end of the colour scale: a number of one digit that nearly all absolute values are below."""
    known = np.abs(values[np.isfinite(values)])
    return _round_up((float(np.percentile(known, _PERCENTILE_IN_RANGE)) if len(known) else 0.0) or 1.0)


def _round_up(value: float) -> float:
    """Return the next larger number with one significant digit."""
    unit = 10.0 ** math.floor(math.log10(value))
    return float(f"{math.ceil(round(value / unit, 6)) * unit:.1g}")


def plot_matrix(matrix: np.ndarray, names: Sequence[str], grouping: Grouping, scale: Scale = CORRELATION) -> Figure:
    """Return a square matrix with its regions in the grouping's order; NaN is left blank."""
    ordered = matrix[np.ix_(grouping.order, grouping.order)]
    in_atlas = display_names(names)
    shown = [in_atlas[position] for position in grouping.order]
    figure = _plot_heatmap(ordered, shown, shown, scale)
    layout = figure["layout"]
    layout["shapes"] = [
        {"type": "line", "layer": "above", "line": {"color": INK, "width": 0.6}, **ends}
        for start in grouping.starts[1:]
        for ends in (
            {"x0": start - 0.5, "x1": start - 0.5, "y0": -0.5, "y1": len(names) - 0.5},
            {"y0": start - 0.5, "y1": start - 0.5, "x0": -0.5, "x1": len(names) - 0.5},
        )
    ]
    layout["margin"] |= dict.fromkeys("lb", names_margin(shown, grouping.names))
    groups = {"xaxis": grouping.labels, "yaxis": grouping.labels} if grouping.names else {}
    return {**figure, "square": True, "groups": groups}


def plot_regressors(
    before: np.ndarray, after: np.ndarray | None, names: Sequence[str], regressors: Sequence[str]
) -> Figure:
    """Return correlations of each row with each regressor before cleaning, and after it on the right.

    Rows are grouped as in matrices, and columns by the kind of regressor, with the kinds and their counts above.

    Parameters
    ----------
    before, after : ndarray of shape (n_rows, n_regressors)
        Without correlations after cleaning, those before take the whole width.
    """
    rows = group_regions(names)
    kinds = group_columns(regressors)
    in_atlas, in_table = display_names(names), display_names(regressors)
    shown = [in_atlas[position] for position in rows.order]
    columns = [in_table[position] for position in kinds.order]
    cells = np.ix_(rows.order, kinds.order)
    figure = _plot_heatmap(before[cells], columns, shown, CORRELATION)
    layout = figure["layout"]
    # Tilted names would extend an automatic range.
    layout["xaxis"] |= {"autorange": False, "range": [-0.5, len(columns) - 0.5]}
    below = names_margin(columns, longest=MAX_TILTED_TICK_LENGTH)
    above = _TITLE_ROOM + _room_above(kinds.names)
    layout["height"] = int(np.clip(14 * len(names), 150, 420)) + above + below
    layout["margin"] |= {"b": below, "t": above, "l": left_margin(shown, rows.names)}
    axes = ["xaxis"]
    figure["data"][0]["name"] = "before cleaning"
    if after is not None:
        second = _plot_heatmap(after[cells], columns, shown, CORRELATION)["data"][0]
        figure["data"].append({**second, "xaxis": "x2", "showscale": False, "name": "after cleaning"})
        layout["xaxis2"] = {**layout["xaxis"], "domain": [0.515, 1]}
        layout["xaxis"]["domain"] = [0, 0.485]
        axes.append("xaxis2")
    for trace, axis_key in zip(figure["data"], axes, strict=True):
        title = title_at(trace["name"], layout[axis_key].get("domain", [0])[0], 1)
        layout["annotations"].append({**title, "yshift": above - _TITLE_ROOM})
    return {
        **figure,
        "groups": {"yaxis": rows.labels} if rows.names else {},
        "brackets": dict.fromkeys(axes, kinds.labels),
    }


def _room_above(kinds: Sequence[str]) -> int:
    """Return the room that brackets with tilted names need, in pixels."""
    return 18 + round(0.87 * margin_for(kinds, 0))


def _plot_heatmap(values: np.ndarray, columns: Sequence[str], rows: Sequence[str], scale: Scale) -> Figure:
    low, high, is_correlation = scale.start, scale.limit, scale == CORRELATION
    number = ".2f" if is_correlation else ".3~g"
    heatmap = {
        "type": "heatmap",
        "z": pack_steps(values, _CORRELATION_STEP) if is_correlation else pack_rows(values),
        "x": list(columns),
        "y": list(rows),
        "zmin": low,
        "zmax": high,
        "colorscale": DIVERGING if scale.is_signed else SEQUENTIAL,
        "hoverongaps": False,
        "hovertemplate": f"%{{y}}<br>%{{x}}<br>{scale.name} %{{z:{number}}}<extra></extra>",
        "colorbar": {"title": {"text": scale.name, "side": "top"}, "thickness": 10, "x": 1.005, "len": 0.9,
                     "tickvals": [low + (high - low) * part / 4 for part in range(5)], "tickformat": ".3~g"},
    }  # fmt: skip
    layout = make_layout(420)
    layout["xaxis"] = {**names_axis(), "autorange": True, "tickangle": -60}
    layout["yaxis"] = names_axis()
    return {"data": [heatmap], "layout": layout}
