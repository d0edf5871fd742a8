"""Figures of a group: QC-FC as a histogram and against distance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from niimasker.group.edges import SIGNIFICANT, DistanceDependence, QcFc
from niimasker.reports.heatmaps import UPWARDS
from niimasker.reports.packing import numbers
from niimasker.reports.plots import INK, Figure, axis, line_at, make_layout, shown_names

_RELATED, _UNRELATED = "#d55e00", "#8a949e"

# More edges than these are counted in cells: as dots they would hide each other, and make a large page.
_MOST_DOTS = 2_000
_N_CELLS = 60


def plot_qcfc(qcfc: QcFc) -> Figure:
    """Return how often each QC-FC correlation occurs, those with p < 0.05 in a colour of their own."""
    is_related = qcfc.p < SIGNIFICANT
    bars = [
        _bars(qcfc.r[np.isfinite(qcfc.r) & is_shown], colour, name)
        for is_shown, colour, name in (
            (is_related, _RELATED, f"p < {SIGNIFICANT:g}"),
            (~is_related, _UNRELATED, f"p ≥ {SIGNIFICANT:g}"),
        )
    ]
    layout = make_layout(330)
    layout |= {"bargap": 0, "barmode": "stack", "showlegend": True}
    layout |= {"xaxis": {**axis("QC-FC correlation r"), "range": [-1, 1]}, "yaxis": axis("edges")}
    layout["legend"] = {"orientation": "h", "x": 1, "xanchor": "right", "y": 1, "yanchor": "bottom"}
    layout["margin"]["t"] = 30
    layout["shapes"] = [line_at(0, INK, "dot")]
    return {"data": bars, "layout": layout}


def _bars(correlations: np.ndarray, colour: str, name: str) -> Figure:
    counts, ends = np.histogram(correlations, bins=np.linspace(-1, 1, 81))
    return {
        "type": "bar",
        "name": name,
        "x": numbers((ends[:-1] + ends[1:]) / 2),
        "y": counts.tolist(),
        "marker": {"color": colour},
        "hovertemplate": f"r %{{x:.2f}}: %{{y}} edges<extra>{name}</extra>",
    }


def plot_distance(
    correlations: np.ndarray, distances: np.ndarray, dependence: DistanceDependence, names: Sequence[str]
) -> Figure:
    """Return QC-FC by the distance of regions with its line: a dot per edge, or cells where these are too many.

    Parameters
    ----------
    correlations, distances : ndarray of shape (n_edges,)
        NaN is no value.
    """
    known = np.flatnonzero(np.isfinite(correlations) & np.isfinite(distances))
    correlations, distances = correlations[known], distances[known]
    is_few = len(known) <= _MOST_DOTS
    marks = _dots(correlations, distances, _edge_names(names, known)) if is_few else _cells(correlations, distances)
    ends = np.array([distances.min(), distances.max()])
    line = {
        "type": "scatter",
        "mode": "lines",
        "x": numbers(ends),
        "y": numbers(dependence.intercept + dependence.slope * ends),
        "line": {"color": INK, "width": 2.5},
        "hoverinfo": "skip",
    }
    layout = make_layout(330)
    layout["margin"]["t"] = 30
    layout |= {"xaxis": axis("distance of the regions' centres (mm)"), "yaxis": axis("QC-FC correlation r")}
    layout["shapes"] = [_level_at_zero()]
    return {"data": [marks, line], "layout": layout}


def _level_at_zero() -> Figure:
    return {"type": "line", "xref": "paper", "yref": "y", "x0": 0, "x1": 1, "y0": 0, "y1": 0,
            "line": {"color": INK, "width": 1.2, "dash": "dot"}}  # fmt: skip


def _edge_names(names: Sequence[str], edges: np.ndarray) -> list[str]:
    shown = shown_names(names)
    first, second = (each[edges] for each in np.triu_indices(len(names), k=1))
    return [f"{shown[one]} – {shown[other]}" for one, other in zip(first, second, strict=True)]  # noqa: RUF001


def _dots(correlations: np.ndarray, distances: np.ndarray, names: Sequence[str]) -> Figure:
    return {
        "type": "scatter",
        "mode": "markers",
        "x": numbers(distances, 4),
        "y": numbers(correlations, 3),
        "text": list(names),
        "marker": {"color": "#0072b2", "size": 4, "opacity": 0.45},
        "hovertemplate": "%{text}<br>%{x:.0f} mm, r %{y:.2f}<extra></extra>",
    }


def _cells(correlations: np.ndarray, distances: np.ndarray) -> Figure:
    counts, lows, lefts = np.histogram2d(correlations, distances, bins=_N_CELLS)
    return {
        "type": "heatmap",
        "z": [[int(count) or None for count in row] for row in counts],
        "x": numbers((lefts[:-1] + lefts[1:]) / 2),
        "y": numbers((lows[:-1] + lows[1:]) / 2),
        "zmin": 0,
        "colorscale": UPWARDS,
        "hoverongaps": False,
        "hovertemplate": "%{x:.0f} mm, r %{y:.2f}: %{z} edges<extra></extra>",
        "colorbar": {"title": {"text": "edges", "side": "top"}, "thickness": 10, "x": 1.005, "len": 0.9},
    }
