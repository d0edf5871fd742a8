"""The figure of a run's motion: traces below each other, their limits, and the volumes that are not kept."""

from __future__ import annotations

import numpy as np
import pytest

from niimasker.reports.motion_figure import Trace, plot_motion
from niimasker.reports.time_axis import TimeAxis
from niimasker.signals.timeline import Timeline

TIME = TimeAxis.of(Timeline(4, 1, {"user": np.array([False, False, True, False])}), 2.0)
FD = Trace("FD", np.array([np.nan, 0.1, 3.0, 0.2]), 0.5)
DVARS = Trace("DVARS", np.array([np.nan, 1.0, 1.1, 0.9]), None)


def test_axes_share_the_height_without_overlap():
    layout = plot_motion([FD, DVARS], TIME)["layout"]
    (bottom, low), (high, top) = layout["yaxis2"]["domain"], layout["yaxis"]["domain"]
    assert (bottom, top) == (pytest.approx(0), 1)
    assert low < high
    assert layout["xaxis"]["anchor"] == "y2"
    assert plot_motion([FD], TIME)["layout"]["xaxis"]["anchor"] == "y"


def test_limit_is_a_line_on_its_own_axis_and_in_view():
    figure = plot_motion([DVARS, Trace("FD", np.array([np.nan, 0.1, 0.1, 0.1]), 0.5)], TIME)
    (line,) = (shape for shape in figure["layout"]["shapes"] if shape["type"] == "line")
    assert (line["yref"], line["y0"]) == ("y2", 0.5)
    assert figure["layout"]["yaxis2"]["range"][1] > 0.5


def test_volumes_that_are_not_kept_are_shaded():
    shapes = plot_motion([FD], TIME)["layout"]["shapes"]
    assert [(shape["x0"], shape["x1"]) for shape in shapes if shape["type"] == "rect"] == [(-1.0, 1.0), (3.0, 5.0)]


@pytest.mark.parametrize("values", [np.zeros(4), np.full(4, np.nan)])
def test_axis_has_a_height_where_nothing_moves(values):
    assert plot_motion([Trace("FD", values, None)], TIME)["layout"]["yaxis"]["range"] == [0, 1]
