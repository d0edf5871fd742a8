"""Groups of regions by the hemisphere and network in their names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from niimasker.regions.networks import find_network

# Precentral_L, Left Putamen, ctx-lh-cuneus, L_V1_ROI
_SIDES = (
    re.compile(r"[_\s.-](?P<side>[LR])$"),
    re.compile(r"^(?P<side>[LR])[_\s.-]"),
    re.compile(r"(?:^|[_\s.-])(?P<side>[LR])(?:H|eft|ight)(?=[_\s.-]|$)", re.IGNORECASE),
)
OTHER = "other"


@dataclass(frozen=True)
class Grouping:
    """An order of regions in which those of a group are neighbours.

    Parameters
    ----------
    order
        Positions of the regions, group by group, and in the atlas's order within each group.
    names, starts
        Name of each group, and the rank of its first region in that order; empty if the regions are not grouped.
    has_networks
        Whether the groups are networks, not hemispheres alone.
    """

    order: np.ndarray
    names: tuple[str, ...]
    starts: tuple[int, ...]
    has_networks: bool = False

    @property
    def labels(self) -> dict[str, list[Any]]:
        """The groups for labels.js."""
        return {"names": list(self.names), "starts": list(self.starts)}


def group_regions(names: Sequence[str]) -> Grouping:
    """Return regions grouped by hemisphere, then network, if at least half of the names contain a hemisphere."""
    found = [_find_group(name) for name in names]
    if 2 * sum(group is not None for group in found) < len(found) or len(set(found)) < 2:
        return Grouping(np.arange(len(names)), (), ())
    # Left before right, networks in the atlas's order, regions without a hemisphere last.
    networks = list(dict.fromkeys(group[1] for group in found if group))
    keys = [(group[0], networks.index(group[1])) if group else ("~", 0) for group in found]
    order = sorted(range(len(names)), key=lambda position: keys[position])
    starts = [rank for rank, position in enumerate(order) if not rank or keys[order[rank - 1]] != keys[position]]
    labels = [_label(found[order[start]]) for start in starts]
    return Grouping(np.array(order), tuple(labels), tuple(starts), has_networks=any(networks))


def describe_order(grouping: Grouping) -> str:
    """Return the order of regions in a few words, for captions."""
    if not grouping.names:
        return "in the atlas's order"
    return f"grouped by {'hemisphere and network' if grouping.has_networks else 'hemisphere'}"


def _find_group(name: str) -> tuple[str, str] | None:
    named = find_network(name)
    if named:
        return named.side, named.network
    side = next((found["side"] for pattern in _SIDES if (found := pattern.search(name))), None)
    return None if side is None else (side.upper(), "")


def _label(group: tuple[str, str] | None) -> str:
    if group is None:
        return OTHER
    side, network = group
    return f"{side}H {network}".strip() if network else {"L": "left", "R": "right"}[side]
