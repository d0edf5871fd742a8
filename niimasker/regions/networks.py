"""Functional networks in the names of regions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

# 7Networks_LH_Vis_1 of Schaefer et al. 2018, with or without its first part.
_NETWORK = re.compile(r"^(?:\d+networks?[_-])?(?P<side>[LR])H[_-](?P<network>[A-Za-z]+)(?=[_-]|$)", re.IGNORECASE)


@dataclass(frozen=True)
class NetworkName:
    """The hemisphere, L or R, and the network that a region's name states."""

    side: str
    network: str


def find_network(name: str) -> NetworkName | None:
    """Return the hemisphere and network in a region's name; None if it has none."""
    match = _NETWORK.match(name)
    return NetworkName(match["side"].upper(), match["network"]) if match else None


def find_networks(names: Sequence[str]) -> tuple[str | None, ...] | None:
    """Return the network of each region, whatever its hemisphere, None for regions whose name has none.

    Returns
    -------
    tuple or None
        None if less than half of the names state a network, or all state the same.
    """
    found = [find_network(name) for name in names]
    networks = tuple(each.network if each else None for each in found)
    known = [network for network in networks if network]
    return networks if 2 * len(known) >= len(names) and len(set(known)) > 1 else None
