"""Figures as plotly's JSON: functions that take values and return a dict of data and layout.

Written out here: building the same through plotly's Python classes takes a second for a matrix of 400 regions.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from niimasker.outputs.groups import Grouping
from niimasker.outputs.packing import numbers, pack_steps
from niimasker.outputs.timeaxis import TimeAxis

Figure = dict[str, Any]

# Names longer than this are cut in figures; the table has them whole.
_LONGEST = 60
_LONGEST_TICK, _LONGEST_TILTED = 16, 26
_MOST_TICKS = 30

# Steps of correlations and of z-scores, in one byte each.
_CORRELATION_STEP, _Z_STEP = 0.01, 0.04
_Z_SHOWN = 2.5

_INK, _QUIET, _LINE = "#1d2329", "#56616c", "#d5dae0"
BEFORE, AFTER = "#8a949e", "#0072b2"
_DISCARDED, _CENSORED = "rgba(110,120,130,.35)", "rgba(230,159,0,.38)"

# In pixels.
_TRACE_HEIGHT, _GAP, _TOP, _BOTTOM = 52, 24, 12, 46
# Of a letter, as ticks are written.
_LETTER = 6.4

# Blue for negative, red for positive: ColorBrewer's RdBu, which colour-blind readers tell apart.
_DIVERGING = [
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


def shown_names(names: Sequence[str]) -> list[str]:
    """Return names as plotly shows them: unlike one another, not too long, and never markup."""
    shown: dict[str, None] = {}
    for name in names:
        label, number = _cut(name, _LONGEST), 2
        while label in shown:
            label, number = f"{_cut(name, _LONGEST)} ({number})", number + 1
        shown[label] = None
    return list(shown)


def plot_carpet(z: np.ndarray, names: Sequence[str], time: TimeAxis, above: Mapping[str, np.ndarray]) -> Figure:
    """Return regions over time, with curves above on the same axis.

    Parameters
    ----------
    z : ndarray of shape (n_kept, n_rows)
        Standardised signals.
    above
        Curves by their titles, each with a value per volume of the file.
    """
    n_rows, n_curves = z.shape[1], len(above)
    carpet_height = int(np.clip(12 * n_rows, 110, 360))
    plots_height = carpet_height + n_curves * (_TRACE_HEIGHT + _GAP)
    full = np.full((time.n_volumes, n_rows), np.nan)
    full[time.kept] = z
    shown = shown_names(names)
    heatmap = {
        "type": "heatmap",
        "z": pack_steps(full.T, _Z_STEP),
        "x": time.packed(),
        "y": shown,
        "zmin": -_Z_SHOWN,
        "zmax": _Z_SHOWN,
        "colorscale": "Greys",
        "hoverongaps": False,
        "hovertemplate": f"%{{y}}<br>{time.hover}<br>z %{{z:.2f}}<extra></extra>",
        "colorbar": {
            "title": {"text": "z", "side": "top"},
            "thickness": 10,
            "len": carpet_height,
            "lenmode": "pixels",
            "y": 0,
            "yanchor": "bottom",
            "x": 1.005,
            "tickvals": [-2, 0, 2],
        },
    }
    layout = _layout(plots_height + _TOP + _BOTTOM + (_GAP if n_curves else 0))
    layout["margin"] |= {"t": _TOP + (_GAP if n_curves else 0)} | {"l": _room_left(shown)}
    layout["xaxis"] = {**_axis(time.title), "range": time.range, "anchor": "y"}
    domain_top = carpet_height / plots_height
    layout["yaxis"] = {**_names_axis(shown), "domain": [0, domain_top]}
    data: list[Figure] = [heatmap]
    for number, (title, values) in enumerate(reversed(list(above.items()))):
        low = (carpet_height + _GAP + number * (_TRACE_HEIGHT + _GAP)) / plots_height
        axis = f"y{number + 2}"
        layout[f"yaxis{number + 2}"] = {
            **_axis(),
            "domain": [low, low + _TRACE_HEIGHT / plots_height],
            "nticks": 4,
            "rangemode": "tozero" if np.nanmin(values, initial=0) >= 0 and title != MEAN_SIGNAL else "normal",
        }
        layout["annotations"].append(_title(title, 0, low + _TRACE_HEIGHT / plots_height))
        data.append(_curve(time, values, axis=axis, colour=AFTER, name=title))
    layout["shapes"] = shade(time)
    return {"data": data, "layout": layout}


def _room_left(shown: Sequence[str]) -> int:
    return _room_for(_tick_texts(shown) if len(shown) <= _MOST_TICKS else (), 62)


def _room_for(ticks: Sequence[str], least: int) -> int:
    """Return the margin that names need."""
    longest = max((len(html.unescape(tick)) for tick in ticks), default=0)
    return max(least, round(16 + _LETTER * longest))


MEAN_SIGNAL = "mean signal"


def shade(time: TimeAxis) -> list[Figure]:
    """Return rectangles behind the volumes that are discarded and censored."""
    return [
        {
            "type": "rect",
            "xref": "x",
            "yref": "paper",
            "x0": time.at(start - 0.5),
            "x1": time.at(stop - 0.5),
            "y0": 0,
            "y1": 1,
            "line": {"width": 0},
            "fillcolor": colour,
            "layer": "below",
        }
        for marks, colour in ((time.discarded, _DISCARDED), (time.censored, _CENSORED))
        for start, stop in _stretches(marks)
    ]


def _stretches(marks: np.ndarray) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], marks, [False]]))).tolist()
    return list(zip(edges[::2], edges[1::2], strict=True))


def _curve(time: TimeAxis, values: np.ndarray, *, axis: str, colour: str, name: str) -> Figure:
    return {
        "type": "scatter",
        "mode": "lines" if len(values) > 1 else "markers",
        "x": time.packed(),
        "y": numbers(values),
        "yaxis": axis,
        "line": {"color": colour, "width": 1.1},
        "hovertemplate": f"{name} %{{y}}<br>{time.hover}<extra></extra>",
        "showlegend": False,
    }


def plot_viewer(time: TimeAxis, units: tuple[str, str]) -> Figure:
    """Return the frame of the viewer, which report.js fills: a region before cleaning above, after it below."""
    layout = _layout(330)
    layout["xaxis"] = {**_axis(time.title), "range": time.range, "anchor": "y2"}
    layout["yaxis"] = {**_axis(), "domain": [0.55, 1]}
    layout["yaxis2"] = {**_axis(), "domain": [0, 0.45]}
    layout["shapes"] = shade(time)
    titles = (f"before cleaning ({units[0]})", f"after cleaning ({units[1]})")
    layout["annotations"] = [_title(title, 0, top) for title, top in zip(titles, (1, 0.45), strict=True)]
    layout["margin"]["t"] = _TOP + _GAP
    curves: list[Figure] = [
        {
            "type": "scatter",
            "mode": "lines" if time.n_volumes > 1 else "markers",
            "x": time.packed(),
            "y": [],
            "yaxis": axis,
            "line": {"width": 1.4},
            "hovertemplate": f"%{{y}}<br>{time.hover}<extra>{when}</extra>",
            "showlegend": False,
        }
        for axis, when in (("y", "before"), ("y2", "after"))
    ]
    return {"data": curves, "layout": layout}


def plot_matrix(correlations: np.ndarray, names: Sequence[str], grouping: Grouping) -> Figure:
    """Return a square matrix of correlations, its regions in the grouping's order."""
    ordered = correlations[np.ix_(grouping.order, grouping.order)]
    shown = [shown_names(names)[position] for position in grouping.order]
    figure = _plot_correlations(ordered, shown, shown, "%{y}<br>%{x}<br>r %{z:.2f}")
    layout = figure["layout"]
    if grouping.names:
        ends = [*grouping.starts[1:], len(names)]
        middles = [(start + end - 1) // 2 for start, end in zip(grouping.starts, ends, strict=True)]
        for axis in ("xaxis", "yaxis"):
            ticks = {"tickvals": [shown[middle] for middle in middles], "ticktext": list(grouping.names)}
            layout[axis] |= {**ticks, "showticklabels": True, "tickmode": "array", "ticks": ""}
        layout["shapes"] = [
            {"type": "line", "layer": "above", "line": {"color": _INK, "width": 0.6}, **ends}
            for start in grouping.starts[1:]
            for ends in (
                {"x0": start - 0.5, "x1": start - 0.5, "y0": -0.5, "y1": len(names) - 0.5},
                {"y0": start - 0.5, "y1": start - 0.5, "x0": -0.5, "x1": len(names) - 0.5},
            )
        ]
        layout["margin"] |= {side: _room_for(grouping.names, 40) for side in "lb"}
    elif len(names) <= _MOST_TICKS:
        layout["margin"] |= {side: _room_for(_tick_texts(shown), 40) for side in "lb"}
    return {**figure, "square": True}


def plot_histogram(correlations: np.ndarray, median: float) -> Figure:
    """Return how often each correlation occurs, given those of all pairs of regions."""
    counts, edges = np.histogram(correlations, bins=np.linspace(-1, 1, 81))
    bars = {
        "type": "bar",
        "x": numbers((edges[:-1] + edges[1:]) / 2),
        "y": counts.tolist(),
        "marker": {"color": AFTER},
        "hovertemplate": "r %{x:.2f}: %{y} pairs<extra></extra>",
    }
    layout = _layout(300)
    layout |= {"bargap": 0, "xaxis": {**_axis("correlation r"), "range": [-1, 1]}, "yaxis": _axis("pairs of regions")}
    layout["shapes"] = [_line(median, _INK, "dot")]
    return {"data": [bars], "layout": layout}


def plot_regressors(before: np.ndarray, after: np.ndarray, names: Sequence[str], regressors: Sequence[str]) -> Figure:
    """Return correlations of each region with each regressor before cleaning, and after it on the right.

    Parameters
    ----------
    before, after : ndarray of shape (n_rows, n_regressors)
    """
    shown, columns = shown_names(names), shown_names(regressors)
    hover = "%{y}<br>%{x}<br>r %{z:.2f}"
    figure = _plot_correlations(before, columns, shown, hover)
    second = {**_plot_correlations(after, columns, shown, hover)["data"][0], "xaxis": "x2", "showscale": False}
    layout = figure["layout"]
    has_ticks = len(regressors) <= _MOST_TICKS
    ticks = _tick_texts(columns, _LONGEST_TILTED) if has_ticks else []
    below = _room_for(ticks, 24)
    layout["height"] = int(np.clip(14 * len(names), 150, 420)) + 26 + below
    horizontal = {**_axis(), "type": "category", "showticklabels": has_ticks, "tickangle": -60, "showgrid": False}
    if has_ticks:
        horizontal |= {"tickvals": columns, "ticktext": ticks}
    layout["xaxis"] = {**horizontal, "domain": [0, 0.485]}
    layout["xaxis2"] = {**horizontal, "domain": [0.515, 1]}
    layout["margin"] |= {"b": below, "t": 26, "l": _room_left(shown)}
    for x, text in ((0, "before cleaning"), (0.515, "after cleaning")):
        layout["annotations"].append(_title(text, x, 1))
    return {"data": [figure["data"][0], second], "layout": layout}


def plot_spectrum(
    frequencies: np.ndarray,
    powers: Mapping[str, np.ndarray],
    *,
    unit: str,
    band: tuple[float | None, float | None],
) -> Figure:
    """Return power by frequency before and after cleaning; the band that a filter keeps is white, what it removes grey.

    Parameters
    ----------
    powers
        By "before" and "after".
    band
        The high-pass and the low-pass cut-off.
    """
    colours = {"before": BEFORE, "after": AFTER}
    curves = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": f"{when} cleaning",
            "x": numbers(frequencies),
            "y": numbers(np.where(power > 0, power, np.nan)),
            "line": {"color": colours[when], "width": 1.6},
            "hovertemplate": f"%{{x:.4g}} {unit}: %{{y:.3g}}<extra>{when}</extra>",
        }
        for when, power in powers.items()
    ]
    layout = _layout(300)
    highest = max([float(power.max()) for power in powers.values() if np.isfinite(power).any()], default=1.0)
    top = np.log10(highest) + 0.3 if highest > 0 else 0.0
    layout["xaxis"] = {**_axis(f"frequency ({unit})"), "range": [0, float(frequencies[-1])]}
    # What a filter removes is rounding noise some 30 decades below.
    layout["yaxis"] = {**_axis("share of power"), "type": "log", "range": [top - 5, top], "exponentformat": "power"}
    layout["legend"] = {"orientation": "h", "x": 1, "xanchor": "right", "y": 1, "yanchor": "bottom"}
    layout["showlegend"] = True
    layout["margin"]["t"] = 30
    low, high = band
    removed = [(0.0, low), (high, float(frequencies[-1]))]
    layout["shapes"] = [
        {"type": "rect", "xref": "x", "yref": "paper", "x0": start, "x1": stop, "y0": 0, "y1": 1, "line": {"width": 0},
         "fillcolor": "rgba(110,120,130,.18)", "layer": "below"}
        for start, stop in removed
        if start is not None and stop is not None
    ]  # fmt: skip
    layout["shapes"] += [_line(cut_off, _QUIET, "dash") for cut_off in band if cut_off is not None]
    return {"data": curves, "layout": layout}


def _plot_correlations(values: np.ndarray, columns: Sequence[str], rows: Sequence[str], hover: str) -> Figure:
    heatmap = {
        "type": "heatmap",
        "z": pack_steps(values, _CORRELATION_STEP),
        "x": list(columns),
        "y": list(rows),
        "zmin": -1,
        "zmax": 1,
        "colorscale": _DIVERGING,
        "hoverongaps": False,
        "hovertemplate": f"{hover}<extra></extra>",
        "colorbar": {"title": {"text": "r", "side": "top"}, "thickness": 10, "tickvals": [-1, -0.5, 0, 0.5, 1],
                     "x": 1.005, "len": 0.9},
    }  # fmt: skip
    layout = _layout(420)
    layout["xaxis"] = {**_names_axis(columns), "autorange": True, "tickangle": -60}
    layout["yaxis"] = _names_axis(rows)
    return {"data": [heatmap], "layout": layout}


def _names_axis(shown: Sequence[str], with_ticks: bool = True) -> Figure:
    """Return an axis of names, from top to bottom; where they are too many for ticks, hovering names them."""
    axis = {**_axis(), "type": "category", "autorange": "reversed", "showgrid": False}
    if not with_ticks or len(shown) > _MOST_TICKS:
        return {**axis, "showticklabels": False, "ticks": ""}
    return {**axis, "tickmode": "array", "tickvals": list(shown), "ticktext": _tick_texts(shown)}


def _tick_texts(shown: Sequence[str], longest: int = _LONGEST_TICK) -> list[str]:
    return [_cut(html.unescape(name), longest) for name in shown]


def _cut(name: str, longest: int) -> str:
    """Return a name that plotly takes for no markup, its end kept: it is what neighbours differ by."""
    n_end = min(10, longest // 3)
    short = name if len(name) <= longest else f"{name[: longest - n_end - 1]}…{name[-n_end:]}"
    return html.escape(short, quote=False)


def _axis(title: str | None = None) -> Figure:
    axis: Figure = {
        "zeroline": False,
        "gridcolor": "#eceff2",
        "linecolor": _LINE,
        "ticks": "outside",
        "ticklen": 3,
        "tickcolor": _LINE,
        "fixedrange": False,
    }
    return axis if title is None else {**axis, "title": {"text": title, "standoff": 6}}


def _title(text: str, x: float, y: float) -> Figure:
    """Return a title above the left end of an axis."""
    return {"text": text, "xref": "paper", "yref": "paper", "x": x, "y": y, "xanchor": "left", "yanchor": "bottom",
            "showarrow": False, "font": {"size": 11.5, "color": _INK}}  # fmt: skip


def _line(x: float, colour: str, dash: str) -> Figure:
    return {"type": "line", "xref": "x", "yref": "paper", "x0": x, "x1": x, "y0": 0, "y1": 1,
            "line": {"color": colour, "width": 1.2, "dash": dash}}  # fmt: skip


def _layout(height: int) -> Figure:
    return {
        "height": height,
        "margin": {"l": 62, "r": 52, "t": _TOP, "b": _BOTTOM},
        "font": {"family": "system-ui, -apple-system, 'Segoe UI', Roboto, Arial, sans-serif", "size": 11.5,
                 "color": _INK},
        "paper_bgcolor": "#fff",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "hovermode": "closest",
        "hoverlabel": {"namelength": -1, "font": {"size": 12}},
        "dragmode": "zoom",
        "annotations": [],
        "shapes": [],
        "showlegend": False,
    }  # fmt: skip
