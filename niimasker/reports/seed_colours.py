"""Colours of correlations with a chosen region, as in the matrices."""

from __future__ import annotations

from niimasker.reports.colour_scales import ColourBar
from niimasker.reports.heatmaps import DIVERGING

CORRELATION_BAR = ColourBar(
    "correlation with the chosen region", -1.0, 1.0, stops=tuple(str(colour) for _, colour in DIVERGING)
)
