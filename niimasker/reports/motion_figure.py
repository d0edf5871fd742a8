"""The figure of a run's motion, with the limits of --scrub and the volumes that are not kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from niimasker.reports.figures import curve, shade
from niimasker.reports.plots import BOTTOM, INK, TOP, Figure, axis, make_layout, title_at
from niimasker.reports.time_axis import TimeAxis

# In pixels.
_HEIGHT, _GAP = 120, 30


@dataclass(frozen=True, eq=False)
class Trace:
    """A measure of each volume of a run, and the limit above which volumes are censored; None for no limit."""

    title: str
    values: np.ndarray
    limit: float | None


def plot_motion(traces: Sequence[Trace], time: TimeAxis) -> Figure:
    """Return the traces, one below the other, with their limits as dashed lines."""
    plots_height = len(traces) * (_HEIGHT + _GAP) - _GAP
    layout = make_layout(plots_height + TOP + _GAP + BOTTOM)
    layout["margin"]["t"] = TOP + _GAP
    layout["xaxis"] = {
        **axis(time.title),
        "range": time.range,
        "anchor": "y" if len(traces) == 1 else f"y{len(traces)}",
    }
    layout["shapes"] = shade(time)
    data = []
    for number, trace in enumerate(traces):
        name = "y" if number == 0 else f"y{number + 1}"
        top = 1 - number * (_HEIGHT + _GAP) / plots_height
        domain = [max(0.0, top - _HEIGHT / plots_height), top]
        layout[name.replace("y", "yaxis")] = {
            **axis(),
            "domain": domain,
            "nticks": 5,
            "range": [0, _find_top(trace)],
        }
        layout["annotations"].append(title_at(trace.title, 0, top))
        data.append(curve(time, trace.values, on=name, name=trace.title))
        if trace.limit is not None:
            layout["shapes"].append(_draw_limit(trace.limit, name))
    return {"data": data, "layout": layout}


def _find_top(trace: Trace) -> float:
    highest = float(np.nanmax(trace.values, initial=0.0))
    return 1.08 * max(highest, trace.limit or 0.0) or 1.0


def _draw_limit(limit: float, on: str) -> Figure:
    return {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "yref": on, "y0": limit, "y1": limit,
            "line": {"color": INK, "width": 1.2, "dash": "dash"}}  # fmt: skip
