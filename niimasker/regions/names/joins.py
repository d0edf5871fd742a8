"""How the names of a table were joined with an image's regions, for messages, sidecars and reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from niimasker.errors import shorten_text

_N_SHOWN = 3


@dataclass(frozen=True)
class NamesJoin:
    """How the names of a table were joined with an image's regions.

    Parameters
    ----------
    path
        The table, or the image whose header holds it.
    format
        What it was recognised as.
    how
        By which column, or by which order.
    first
        The first pairs of index and name.
    """

    path: Path
    format: str
    how: str
    first: tuple[tuple[int, str], ...] = ()
    n_names: int = 0

    def with_names(self, indices: Sequence[int], names: Sequence[str]) -> NamesJoin:
        """Return the same with its first pairs."""
        pairs = tuple(zip(indices[:_N_SHOWN], names[:_N_SHOWN], strict=True))
        return NamesJoin(self.path, self.format, self.how, pairs, len(names))

    @property
    def pairs(self) -> str:
        """The first pairs, as `1 Amygdala, 2 Caudate, 3 Hippocampus`."""
        shown = ", ".join(f"{index} {shorten_text(name)}" for index, name in self.first)
        return f"{shown}, ..." if self.n_names > len(self.first) else shown

    @property
    def words(self) -> str:
        """How it was read and joined, with the first pairs."""
        return f"read as {self.format}, joined by {self.how}: {self.pairs}"


@dataclass(frozen=True)
class Joined:
    """A name for each region, and how each was found.

    Parameters
    ----------
    unknown
        Names by index that the table gives and the image does not have, but for index 0.
    """

    names: tuple[str, ...]
    join: NamesJoin
    unknown: Mapping[int, str]
