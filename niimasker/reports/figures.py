"""Figures of a run's page: functions that take values and return plotly's JSON as a dict of data and layout.

The dicts are written out because plotly's Python classes take a second for a matrix of 400 regions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from niimasker.reports.packing import json_numbers, pack_steps
from niimasker.reports.plots import (
    BOTTOM,
    INK,
    QUIET,
    TOP,
    Figure,
    axis,
    display_names,
    left_margin,
    line_at,
    make_layout,
    names_axis,
    title_at,
)
from niimasker.reports.region_groups import group_regions
from niimasker.reports.time_axis import TimeAxis

# z-scores take one byte each, in these steps. The greys end at Z_SHOWN, but spikes keep their values for hovering.
_Z_STEP = 0.1
Z_SHOWN = 2.5

MEAN_SIGNAL = "mean signal"

BEFORE_COLOUR, AFTER_COLOUR = "#8a949e", "#0072b2"
_DISCARDED_COLOUR, _CENSORED_COLOUR = "rgba(110,120,130,.35)", "rgba(230,159,0,.38)"

# Of other units, six digits are shown.
_UNIT_FORMATS = {"z": ".2f", "%": ".2f"}

# In pixels.
_TRACE_HEIGHT, _GAP = 52, 24


def plot_carpet(z: np.ndarray, names: Sequence[str], time: TimeAxis, above: Mapping[str, np.ndarray]) -> Figure:
    """Return the carpet plot: signals over time as rows of greys, with curves above them on the same time axis.

    Rows are in the same order as those of matrices, with brackets beside the groups.

    Parameters
    ----------
    z : ndarray of shape (n_kept, n_rows)
        Standardised signals.
    above
        Curves by their titles, each with one value per volume of the image.
    """
    n_rows, above_height = z.shape[1], len(above) * (_TRACE_HEIGHT + _GAP)
    carpet_height = int(np.clip(12 * n_rows, 110, 360))
    plots_height = carpet_height + above_height
    top = TOP + (_GAP if above else 0)
    grouping = group_regions(names)
    in_atlas = display_names(names)
    shown = [in_atlas[position] for position in grouping.order]
    layout = make_layout(plots_height + top + BOTTOM)
    layout["margin"] |= {"t": top, "l": left_margin(shown, grouping.names)}
    layout["xaxis"] = {**axis(time.title), "range": time.range, "anchor": "y"}
    layout["yaxis"] = {**names_axis(), "domain": [0, carpet_height / plots_height]}
    layout["shapes"] = shade(time)
    data = [_make_carpet(z[:, grouping.order], shown, time, carpet_height)]
    for number, (title, values) in enumerate(reversed(list(above.items())), start=2):
        low = (carpet_height + _GAP + (number - 2) * (_TRACE_HEIGHT + _GAP)) / plots_height
        high = low + _TRACE_HEIGHT / plots_height
        from_zero = title != MEAN_SIGNAL and np.nanmin(values, initial=0) >= 0
        rangemode = "tozero" if from_zero else "normal"
        layout[f"yaxis{number}"] = {**axis(), "domain": [low, high], "nticks": 4, "rangemode": rangemode}
        layout["annotations"].append(title_at(title, 0, high))
        data.append(curve(time, values, on=f"y{number}", name=title))
    return {"data": data, "layout": layout, "groups": {"yaxis": grouping.labels} if grouping.names else {}}


def _make_carpet(z: np.ndarray, shown: Sequence[str], time: TimeAxis, height: int) -> Figure:
    full = np.full((time.n_volumes, z.shape[1]), np.nan)
    full[time.kept] = z
    colours = {"zmin": -Z_SHOWN, "zmax": Z_SHOWN, "colorscale": "Greys", "colorbar": make_z_bar(height)}
    return {**draw_z_scores(full, shown, time), **colours}


def draw_z_scores(z: np.ndarray, names: Sequence[str], time: TimeAxis) -> Figure:
    """Return z-scores of shape (n_volumes, n_rows) as rows, without their colours."""
    return {
        "type": "heatmap",
        "z": pack_steps(z.T, _Z_STEP),
        "x": time.packed(),
        "y": list(names),
        "hoverongaps": False,
        "hovertemplate": f"%{{y}}<br>{time.hover}<br>z %{{z:.1f}}<extra></extra>",
    }


def make_z_bar(height: int) -> Figure:
    """Return the bar of the greys of z-scores, beside a carpet of this height in pixels."""
    return {
        "title": {"text": "z", "side": "top"},
        "thickness": 10,
        "len": height,
        "lenmode": "pixels",
        "y": 0,
        "yanchor": "bottom",
        "x": 1.005,
        "tickvals": [-2, 0, 2],
    }


def shade(time: TimeAxis) -> list[Figure]:
    """Return rectangles that shade discarded and censored volumes."""
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
        for marks, colour in ((time.discarded, _DISCARDED_COLOUR), (time.censored, _CENSORED_COLOUR))
        for start, stop in _find_stretches(marks)
    ]


def _find_stretches(marks: np.ndarray) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], marks, [False]]))).tolist()
    return list(zip(edges[::2], edges[1::2], strict=True))


def curve(time: TimeAxis, values: np.ndarray, *, on: str, colour: str = AFTER_COLOUR, name: str) -> Figure:
    """Return a curve with one value per volume of the image, on one of the y axes."""
    return {
        "type": "scatter",
        "mode": "lines" if len(values) > 1 else "markers",
        "x": time.packed(),
        # Nine digits, because a mean signal of 100,000 may vary by 5.
        "y": json_numbers(values, 9),
        "yaxis": on,
        "line": {"color": colour, "width": 1.1},
        "name": name,
        "hovertemplate": f"{_hover_value(name)}<br>{time.hover}<extra></extra>",
        "showlegend": False,
        "cliponaxis": False,
    }


def _hover_value(name: str) -> str:
    """Return plotly's template for a value of a curve, with its unit if it has one."""
    if name.endswith(" (mm)"):
        return f"{name.removesuffix(' (mm)')} %{{y:.2f}} mm"
    return f"{name} %{{y:{'.6~g' if name == MEAN_SIGNAL else '.2f'}}}"


def plot_viewer(time: TimeAxis, units: tuple[str, str]) -> Figure:
    """Return the empty viewer, which report.js fills: one region before cleaning above and after cleaning below."""
    layout = make_layout(330)
    layout["xaxis"] = {**axis(time.title), "range": time.range, "anchor": "y2"}
    layout["yaxis"] = {**axis(), "domain": [0.55, 1]}
    layout["yaxis2"] = {**axis(), "domain": [0, 0.45]}
    layout["shapes"] = shade(time)
    titles = (f"before cleaning ({units[0]})", f"after cleaning ({units[1]})")
    layout["annotations"] = [title_at(title, 0, top) for title, top in zip(titles, (1, 0.45), strict=True)]
    layout["margin"]["t"] = TOP + _GAP
    curves: list[Figure] = [
        {
            "type": "scatter",
            "mode": "lines" if time.n_volumes > 1 else "markers",
            "x": time.packed(),
            "y": [],
            "yaxis": on,
            "line": {"width": 1.4},
            "name": title,
            "hovertemplate": f"%{{y:{_UNIT_FORMATS.get(unit, '.6~g')}}} {unit}<br>{time.hover}<extra>{when}</extra>",
            "showlegend": False,
            "cliponaxis": False,
        }
        for on, when, title, unit in zip(("y", "y2"), ("before", "after"), titles, units, strict=True)
    ]
    return {"data": curves, "layout": layout}


def plot_histogram(correlations: np.ndarray, median: float) -> Figure:
    """Return the histogram of the correlations of all pairs of regions."""
    counts, edges = np.histogram(correlations, bins=np.linspace(-1, 1, 81))
    bars = {
        "type": "bar",
        "x": json_numbers((edges[:-1] + edges[1:]) / 2),
        "y": counts.tolist(),
        "marker": {"color": AFTER_COLOUR},
        "hovertemplate": "r %{x:.2f}: %{y:,} pairs<extra></extra>",
    }
    layout = make_layout(300)
    layout |= {"bargap": 0, "xaxis": {**axis("correlation r"), "range": [-1, 1]}, "yaxis": axis("pairs of regions")}
    layout["shapes"] = [line_at(median, INK, "dot")]
    return {"data": [bars], "layout": layout}


def plot_spectrum(
    frequencies: np.ndarray,
    powers: Mapping[str, np.ndarray],
    *,
    unit: str,
    band: tuple[float | None, float | None],
) -> Figure:
    """Return the power spectrum before and after cleaning, with the frequencies that a filter removes shaded grey.

    Parameters
    ----------
    powers
        Shares of power, under the keys "before" and "after".
    band
        High-pass and low-pass cut-off; None for no filter.
    """
    colours = {"before": BEFORE_COLOUR, "after": AFTER_COLOUR}
    curves = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": f"{when} cleaning",
            "x": json_numbers(frequencies),
            "y": json_numbers(np.where(power > 0, power, np.nan)),
            "line": {"color": colours[when], "width": 1.6},
            "hovertemplate": f"%{{x:.4g}} {unit}: %{{y:.3g}}<extra>{when}</extra>",
        }
        for when, power in powers.items()
    ]
    layout = make_layout(300)
    highest = max([float(power.max()) for power in powers.values() if np.isfinite(power).any()], default=1.0)
    top = np.log10(highest) + 0.3 if highest > 0 else 0.0
    layout["xaxis"] = {**axis(f"frequency ({unit})"), "range": [0, float(frequencies[-1])]}
    # Five decades are shown. What a filter removes is rounding noise some 30 decades below.
    layout["yaxis"] = {**axis("share of power"), "type": "log", "range": [top - 5, top], "exponentformat": "power"}
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
    layout["shapes"] += [line_at(cut_off, QUIET, "dash") for cut_off in band if cut_off is not None]
    return {"data": curves, "layout": layout}
