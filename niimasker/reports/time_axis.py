"""The time axis of figures, over all volumes of a run's image, kept or not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from niimasker.signals.timeline import Timeline


@dataclass(frozen=True, eq=False)
class TimeAxis:
    """All volumes of an image, in seconds, or in volumes if the repetition time is not known.

    Parameters
    ----------
    kept, discarded, censored
        Bool arrays of shape (n_volumes,).
    """

    kept: np.ndarray
    discarded: np.ndarray
    censored: np.ndarray
    t_r: float | None

    @classmethod
    def of(cls, timeline: Timeline, t_r: float | None) -> TimeAxis:
        """Return the time axis of a run."""
        return cls(timeline.kept, np.arange(timeline.n_read) < timeline.n_discarded, timeline.censored, t_r)

    @property
    def n_volumes(self) -> int:
        """Number of volumes in the image."""
        return len(self.kept)

    @property
    def title(self) -> str:
        """Title of the axis."""
        return "volume" if self.t_r is None else "time (s)"

    @property
    def hover(self) -> str:
        """Plotly's template for a position on the axis."""
        return "volume %{x}" if self.t_r is None else "%{x:.4~f} s"

    @property
    def range(self) -> list[float]:
        """Ends of the axis: from the beginning of the first volume to the end of the last."""
        return [self.at(-0.5), self.at(self.n_volumes - 0.5)]

    def at(self, volume: float) -> float:
        """Return the position of a volume, counted from 0, on the axis."""
        return volume * (1.0 if self.t_r is None else self.t_r)

    def packed(self) -> dict[str, Any]:
        """Return the positions of all volumes in short form, which report.js expands."""
        return {"places": self.n_volumes, "step": self.at(1.0)}
