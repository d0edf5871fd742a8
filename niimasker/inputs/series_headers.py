"""What the header of a run's image says, whatever its format."""

from __future__ import annotations

from dataclasses import dataclass

from niimasker.inputs.spaces import Space
from niimasker.inputs.storage import Storage


@dataclass(frozen=True)
class SeriesHeader:
    """What the header of a run's image says; no value has been read.

    Parameters
    ----------
    t_r
        Repetition time in seconds; None if the header gives none that can be trusted.
    t_r_note
        Why the one that it gives is not trusted, in words.
    has_known_space
        Whether the header says which template or scanner space its coordinates are in.
    """

    space: Space
    storage: Storage
    t_r: float | None
    has_known_space: bool = True
    t_r_note: str | None = None
