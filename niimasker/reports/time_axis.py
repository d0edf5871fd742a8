"""The volumes of a run's file as the axis of figures, kept or not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from niimasker.signals.timeline import Timeline


@dataclass(frozen=True, eq=False)
class TimeAxis:
    """Every volume of a file in seconds, or in volumes where the repetition time is not known.

    Parameters
    ----------
    kept, discarded, censored
        Bool of shape (n_volumes,).
    """

    kept: np.ndarray
    discarded: np.ndarray
    censored: np.ndarray
    t_r: float | None

    @classmethod
    def of(cls, timeline: Timeline, t_r: float | None) -> TimeAxis:
        """Return the axis of a run."""
        return cls(timeline.kept, np.arange(timeline.n_read) < timeline.n_discarded, timeline.censored, t_r)

    @property
    def n_volumes(self) -> int:
        """The number of volumes in the file."""
        return len(self.kept)

    @property
    def title(self) -> str:
        """What the axis says."""
        return "volume" if self.t_r is None else "time (s)"

    @property
    def hover(self) -> str:
        """How plotly names a place on the axis."""
        return "volume %{x}" if self.t_r is None else "%{x:.4~f} s"

    @property
    def range(self) -> list[float]:
        """From the first volume's beginning to the last one's end."""
        return [self.at(-0.5), self.at(self.n_volumes - 0.5)]

    def at(self, volume: float) -> float:
        """Return where a volume, counted from 0, lies."""
        return volume * (1.0 if self.t_r is None else self.t_r)

    def packed(self) -> dict[str, Any]:
        """Return all places as report.js unpacks them."""
        return {"places": self.n_volumes, "step": self.at(1.0)}
