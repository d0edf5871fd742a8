"""Figures of the group page: QC-FC as a histogram, and by the distance between regions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from niimasker.group.edges import SIGNIFICANT, DistanceDependence, QcFc
from niimasker.reports.heatmaps import SEQUENTIAL
from niimasker.reports.packing import json_numbers
from niimasker.reports.plots import INK, Figure, axis, display_names, line_at, make_layout

_SIGNIFICANT_COLOUR, _OTHER_COLOUR = "#d55e00", "#8a949e"

# More edges than this are counted in cells: dots would hide each other and make a large page.
_MAX_DOTS = 2_000
_N_CELLS = 60


def plot_qcfc(qcfc: QcFc) -> Figure:
    """Return the histogram of QC-FC correlations, with those with p < 0.05 in another colour."""
    is_significant = qcfc.p < SIGNIFICANT
    bars = [
        _bars(qcfc.r[np.isfinite(qcfc.r) & is_shown], colour, name)
        for is_shown, colour, name in (
            (is_significant, _SIGNIFICANT_COLOUR, f"p < {SIGNIFICANT:g}"),
            (~is_significant, _OTHER_COLOUR, f"p ≥ {SIGNIFICANT:g}"),
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
        "x": json_numbers((ends[:-1] + ends[1:]) / 2),
        "y": counts.tolist(),
        "marker": {"color": colour},
        "hovertemplate": f"r %{{x:.2f}}: %{{y:,}} edges<extra>{name}</extra>",
    }


def plot_distance(
    correlations: np.ndarray, distances: np.ndarray, dependence: DistanceDependence, names: Sequence[str]
) -> Figure:
    """Return QC-FC by the distance between regions, with the fitted line: one dot per edge, or cells of many edges.

    Parameters
    ----------
    correlations, distances : ndarray of shape (n_edges,)
        NaN for edges without a value.
    """
    known = np.flatnonzero(np.isfinite(correlations) & np.isfinite(distances))
    correlations, distances = correlations[known], distances[known]
    shows_dots = len(known) <= _MAX_DOTS
    marks = _dots(correlations, distances, _edge_names(names, known)) if shows_dots else _cells(correlations, distances)
    ends = np.array([distances.min(), distances.max()])
    line = {
        "type": "scatter",
        "mode": "lines",
        "x": json_numbers(ends),
        "y": json_numbers(dependence.intercept + dependence.slope * ends),
        "name": "least-squares fit",
        "line": {"color": INK, "width": 2.5},
        "hoverinfo": "skip",
    }
    layout = make_layout(330)
    layout["margin"]["t"] = 30
    layout |= {"xaxis": axis("distance between the regions' centres (mm)"), "yaxis": axis("QC-FC correlation r")}
    layout["shapes"] = [_zero_line()]
    return {"data": [marks, line], "layout": layout}


def _zero_line() -> Figure:
    return {"type": "line", "xref": "paper", "yref": "y", "x0": 0, "x1": 1, "y0": 0, "y1": 0,
            "line": {"color": INK, "width": 1.2, "dash": "dot"}}  # fmt: skip


def _edge_names(names: Sequence[str], edges: np.ndarray) -> list[str]:
    shown = display_names(names)
    first, second = (positions[edges] for positions in np.triu_indices(len(names), k=1))
    return [f"{shown[one]} – {shown[other]}" for one, other in zip(first, second, strict=True)]  # noqa: RUF001


def _dots(correlations: np.ndarray, distances: np.ndarray, names: Sequence[str]) -> Figure:
    return {
        "type": "scatter",
        "mode": "markers",
        "x": json_numbers(distances, 4),
        "y": json_numbers(correlations, 3),
        "text": list(names),
        "cliponaxis": False,
        "marker": {"color": "#0072b2", "size": 4, "opacity": 0.45},
        "hovertemplate": "%{text}<br>%{x:.0f} mm, r %{y:.2f}<extra></extra>",
    }


def _cells(correlations: np.ndarray, distances: np.ndarray) -> Figure:
    counts, lows, lefts = np.histogram2d(correlations, distances, bins=_N_CELLS)
    return {
        "type": "heatmap",
        "z": [[int(count) or None for count in row] for row in counts],
        "x": json_numbers((lefts[:-1] + lefts[1:]) / 2),
        "y": json_numbers((lows[:-1] + lows[1:]) / 2),
        "zmin": 0,
        "colorscale": SEQUENTIAL,
        "hoverongaps": False,
        "hovertemplate": "%{x:.0f} mm, r %{y:.2f}: %{z:,} edges<extra></extra>",
        "colorbar": {"title": {"text": "edges", "side": "top"}, "thickness": 10, "x": 1.005, "len": 0.9},
    }
