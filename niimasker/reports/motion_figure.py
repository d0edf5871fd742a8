"""The figure of a run's motion: its measures with their limits, and carpets of voxels, on one time axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from niimasker.reports.figures import AFTER_COLOUR, BEFORE_COLOUR, Z_SHOWN, curve, draw_z_scores, make_z_bar, shade
from niimasker.reports.plots import BOTTOM, INK, TOP, Figure, axis, make_layout, title_at
from niimasker.reports.time_axis import TimeAxis
from niimasker.reports.voxel_carpets import Group

# In pixels.
_HEIGHT, _CARPET_HEIGHT, _GAP = 96, 240, 30
_BAND_WIDTH, _LETTER_WIDTH = 8, 6.2

# Of the tissues or structures from top to bottom; Okabe and Ito's.
GROUP_COLOURS = ("#0072b2", "#e69f00", "#009e73")


@dataclass(frozen=True, eq=False)
class Trace:
    """A measure of each volume of a run.

    Parameters
    ----------
    limit
        Above which volumes are censored, drawn as a dashed line; None for no limit.
    concern
        Above which the mean of the run is a concern, drawn as a dotted line; None for no such line.
    before
        The measure before cleaning, where `values` are after it.
    name, unit
        What the measure is called in the names of the two curves.
    """

    title: str
    values: np.ndarray
    limit: float | None = None
    concern: float | None = None
    before: np.ndarray | None = None
    name: str = ""
    unit: str = ""

    def name_curve(self, when: str) -> str:
        """Return the name of the curve before or after cleaning."""
        return f"{self.name} {when} cleaning ({self.unit})"


@dataclass(frozen=True, eq=False)
class Carpet:
    """z-scores of shape (n_volumes, n_rows), with their groups of rows from top to bottom.

    Parameters
    ----------
    name
        What tells it from the other carpet in a table of numbers.
    """

    title: str
    name: str
    values: np.ndarray
    groups: Sequence[Group]


@dataclass(frozen=True)
class _Place:
    """The y axis of a plot, and its ends as shares of the figure's height."""

    axis: str
    domain: tuple[float, float]

    @property
    def key(self) -> str:
        """The axis in the layout."""
        return self.axis.replace("y", "yaxis")


def describe_concern(mean_fd: float) -> str:
    """Return what the dotted line of framewise displacement is, given the mean above which a run is a concern."""
    return f"The dotted line is the mean over kept volumes above which a run is a concern ({mean_fd:g} mm)."


def plot_motion(traces: Sequence[Trace], time: TimeAxis, carpets: Sequence[Carpet] = ()) -> Figure:
    """Return the traces and the carpets, one below the other."""
    heights = [_HEIGHT] * len(traces) + [_CARPET_HEIGHT] * len(carpets)
    plots_height = sum(heights) + _GAP * (len(heights) - 1)
    layout = make_layout(plots_height + TOP + _GAP + BOTTOM)
    layout["margin"]["t"] = TOP + _GAP
    layout["xaxis"] = {**axis(time.title), "range": time.range, "anchor": _name_axis(len(heights) - 1)}
    layout["shapes"] = shade(time)
    data: list[Figure] = []
    top = plots_height
    for number, height in enumerate(heights):
        place = _Place(_name_axis(number), (max(0, top - height) / plots_height, top / plots_height))
        if number < len(traces):
            _add_trace(traces[number], place, time, data, layout)
        else:
            _add_carpet(carpets[number - len(traces)], place, time, data, layout)
        top -= height + _GAP
    if carpets:
        layout["coloraxis"] = _make_colour_axis(_CARPET_HEIGHT / plots_height)
    return {"data": data, "layout": layout}


def _name_axis(number: int) -> str:
    return "y" if number == 0 else f"y{number + 1}"


def _add_trace(trace: Trace, place: _Place, time: TimeAxis, data: list[Figure], layout: Figure) -> None:
    name = place.axis
    layout[place.key] = {**axis(), "domain": list(place.domain), "nticks": 4, "range": [0, _find_top(trace)]}
    layout["annotations"].append(title_at(trace.title, 0, place.domain[1]))
    if trace.before is not None:
        for when, values, colour in (
            ("before", trace.before, BEFORE_COLOUR),
            ("after", trace.values, AFTER_COLOUR),
        ):
            data.append(_shorten(curve(time, values, on=name, colour=colour, name=trace.name_curve(when))))
    else:
        data.append(_shorten(curve(time, trace.values, on=name, name=trace.title)))
    for limit, dash in ((trace.limit, "dash"), (trace.concern, "dot")):
        if limit is not None:
            layout["shapes"].append(_draw_limit(limit, name, dash))
            layout["annotations"].append(_label_limit(limit, name))


def _shorten(trace: Figure) -> Figure:
    """Return a curve with five digits, which are enough for a measure from 0 on."""
    return {**trace, "y": [None if value is None else float(f"{value:.5g}") for value in trace["y"]]}


def _find_top(trace: Trace) -> float:
    curves = [trace.values] if trace.before is None else [trace.values, trace.before]
    highest = max(float(np.nanmax(values, initial=0.0)) for values in curves)
    return 1.08 * max(highest, trace.limit or 0.0, trace.concern or 0.0) or 1.0


def _draw_limit(limit: float, on: str, dash: str) -> Figure:
    return {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "yref": on, "y0": limit, "y1": limit,
            "line": {"color": INK, "width": 1.2, "dash": dash}}  # fmt: skip


def _label_limit(limit: float, on: str) -> Figure:
    return {"text": f"{limit:g}", "xref": "paper", "x": 1, "xanchor": "left", "xshift": 4, "yref": on, "y": limit,
            "yanchor": "middle", "showarrow": False, "font": {"size": 10.5, "color": INK}}  # fmt: skip


def _add_carpet(carpet: Carpet, place: _Place, time: TimeAxis, data: list[Figure], layout: Figure) -> None:
    name, n_rows = place.axis, carpet.values.shape[1]
    layout["annotations"].append(title_at(carpet.title, 0, place.domain[1]))
    layout[place.key] = {
        **axis(),
        "domain": list(place.domain),
        "type": "category",
        "range": [n_rows - 0.5, -0.5],
        "showgrid": False,
        "showticklabels": False,
        "ticks": "",
    }
    data.append(_draw_carpet(carpet, name, time))
    if len(carpet.groups) > 1:
        _add_bands(carpet.groups, name, n_rows, layout)


def _add_bands(groups: Sequence[Group], name: str, n_rows: int, layout: Figure) -> None:
    """Add a band at the side of each group of rows, with the group's name where it fits."""
    start = 0
    for group, colour in zip(groups, GROUP_COLOURS, strict=False):
        stop = start + group.n_rows
        layout["shapes"].append(_draw_band(start, stop, name, colour))
        pixels = _CARPET_HEIGHT * group.n_rows / n_rows
        if _LETTER_WIDTH * len(group.name) <= pixels:
            layout["annotations"].append(_label_band(group.name, (start + stop - 1) / 2, name))
        start = stop


def _draw_carpet(carpet: Carpet, name: str, time: TimeAxis) -> Figure:
    names = [f"{group.name}, row {row + 1}" for group in carpet.groups for row in range(group.n_rows)]
    return {**draw_z_scores(carpet.values, names, time), "name": carpet.name, "yaxis": name, "coloraxis": "coloraxis"}


def _draw_band(start: int, stop: int, on: str, colour: str) -> Figure:
    return {"type": "rect", "xref": "paper", "xsizemode": "pixel", "xanchor": 0, "x0": -6 - _BAND_WIDTH, "x1": -6,
            "yref": on, "y0": start - 0.5, "y1": stop - 0.5, "line": {"width": 0}, "fillcolor": colour}  # fmt: skip


def _label_band(text: str, middle: float, on: str) -> Figure:
    return {"text": text, "textangle": -90, "xref": "paper", "x": 0, "xanchor": "right", "xshift": -16, "yref": on,
            "y": middle, "yanchor": "middle", "showarrow": False, "font": {"size": 11, "color": INK}}  # fmt: skip


def _make_colour_axis(share: float) -> Figure:
    """Return the colours of the carpets, with a bar as high as the last of them: a share of the figure's height."""
    bar = {**make_z_bar(_CARPET_HEIGHT), "len": share, "lenmode": "fraction"}
    return {"cmin": -Z_SHOWN, "cmax": Z_SHOWN, "colorscale": "Greys", "colorbar": bar}
