"""Colours of values: a scale whose equal steps look equal, also to colour-blind readers and in greys."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import ImageColor

# matplotlib's viridis at eleven equal steps.
VIRIDIS = (
    "#440154",
    "#482475",
    "#414487",
    "#355f8d",
    "#2a788e",
    "#21918c",
    "#22a884",
    "#44bf70",
    "#7ad151",
    "#bddf26",
    "#fde725",
)


@dataclass(frozen=True)
class ColourBar:
    """The colours of values from `low` to `high`, and what the values are; those above have the last colour.

    `stops` are colours at equal steps.
    """

    label: str
    low: float
    high: float
    has_values_above: bool = False
    stops: tuple[str, ...] = VIRIDIS

    @property
    def ends(self) -> tuple[str, str]:
        """The ends as text."""
        return f"{self.low:g}", f"{'≥ ' if self.has_values_above else ''}{self.high:g}"

    @property
    def css(self) -> str:
        """The colours from left to right, as CSS."""
        return f"linear-gradient(to right, {', '.join(self.stops)})"

    def colour(self, values: np.ndarray) -> np.ndarray:
        """Return the colours of finite values as red, green and blue from 0 to 255, of shape (n_values, 3)."""
        stops = np.array([ImageColor.getrgb(colour) for colour in self.stops], dtype=np.float64)
        places = np.clip((values - self.low) / (self.high - self.low), 0, 1) * (len(stops) - 1)
        steps = np.arange(len(stops))
        return np.stack([np.interp(places, steps, stops[:, part]) for part in range(3)], axis=1)
