"""Which volumes of a run are kept; nothing else counts volumes."""

from __future__ import annotations

from dataclasses import dataclass

from niimasker.errors import ImageError
from niimasker.inputs.images import ImageSeries


@dataclass(frozen=True)
class Timeline:
    """The volumes of a run: `n_read` in the file, of which the first `n_discarded` are left out."""

    n_read: int
    n_discarded: int

    @property
    def n_kept(self) -> int:
        """The number of volumes in the output."""
        return self.n_read - self.n_discarded


def make_timeline(series: ImageSeries, discard_scans: int) -> Timeline:
    """Return a run's timeline.

    Raises
    ------
    ImageError
        Nothing is kept.
    """
    if discard_scans >= series.n_volumes:
        raise ImageError(
            f"{series.path.name} has {series.n_volumes} volumes; --discard_scans {discard_scans} leaves none of them."
        )
    return Timeline(series.n_volumes, discard_scans)
