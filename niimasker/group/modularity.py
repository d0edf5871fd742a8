"""Modularity: how well a matrix of connectivity falls into networks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from niimasker.regions.networks import find_networks

FROM_NAMES, FROM_LOUVAIN = "names", "louvain"

# Louvain's result depends on the order in which it visits regions: the best of these orders counts.
LOUVAIN_SEEDS = range(5)


@dataclass(frozen=True)
class Modularity:
    """Modularity quality, and the networks that it is of.

    Parameters
    ----------
    quality
        Q*, from about 0 for no networks to 1; NaN without a positive edge.
    n_networks
        Number of networks.
    source
        "names" if the regions' names state their networks, "louvain" if networks were found in the matrix.
    """

    quality: float
    n_networks: int
    source: str


def measure_modularity(matrix: np.ndarray, names: Sequence[str]) -> Modularity:
    """Return the modularity of a matrix, of the networks in the regions' names or, without these, of those found in it.

    Parameters
    ----------
    matrix : ndarray of shape (n_regions, n_regions)
        Symmetric, with edges of either sign; NaN for edges without a value, which count as 0. The diagonal is ignored.
    names
        The names of the regions. Those that state no network are left out where the others' do.
    """
    weights = np.nan_to_num(matrix)
    np.fill_diagonal(weights, 0.0)
    has_edges = weights.any(axis=0)
    networks = find_networks(names)
    if networks is None:
        labels, source = find_communities(weights), FROM_LOUVAIN
    else:
        known = list(dict.fromkeys(filter(None, networks)))
        labels = np.array([known.index(network) if network else -1 for network in networks])
        has_edges &= labels >= 0
        source = FROM_NAMES
    used = np.flatnonzero(has_edges)
    quality = signed_modularity(weights[np.ix_(used, used)], labels[used])
    return Modularity(quality, len(np.unique(labels[used])), source)


def signed_modularity(weights: np.ndarray, labels: np.ndarray) -> float:
    """Return the modularity of networks in a matrix with edges of either sign.

    Q* = Q+ - v- / (v+ + v-) Q-, where Q+ and Q- are Newman's modularity of the positive and of the negative edges, and
    v+ and v- their sums: Rubinov and Sporns 2011, https://doi.org/10.1016/j.neuroimage.2011.03.069. Edges are weighted,
    and none is set to 0 by a threshold.

    Parameters
    ----------
    weights : ndarray of shape (n_regions, n_regions)
        Symmetric, with zeros on the diagonal.
    labels : ndarray of shape (n_regions,)
        The network of each region.
    """
    positive, negative = np.maximum(weights, 0.0), np.maximum(-weights, 0.0)
    total, negative_total = float(np.abs(weights).sum()), float(negative.sum())
    if not positive.any():
        return math.nan
    return _modularity(positive, labels) - negative_total / total * _modularity(negative, labels)


def _modularity(weights: np.ndarray, labels: np.ndarray) -> float:
    """Return Newman's modularity of weights that are not negative; 0 if all are 0."""
    total = float(weights.sum())
    if not total:
        return 0.0
    degrees = weights.sum(axis=0)
    is_same = labels[:, None] == labels
    return float(weights[is_same].sum() / total - np.square(np.bincount(labels, degrees) / total).sum())


def find_communities(weights: np.ndarray) -> np.ndarray:
    """Return the network of each region, found by the Louvain method in the positive edges.

    Of the networks that networkx finds with five fixed seeds, those with the highest `signed_modularity` are returned.
    The method is that of Blondel et al. 2008, https://doi.org/10.1088/1742-5468/2008/10/P10008.

    Parameters
    ----------
    weights : ndarray of shape (n_regions, n_regions)
        Symmetric, with zeros on the diagonal.
    """
    import networkx as nx  # 0.2 s that commands without a comparison do not need

    graph = nx.from_numpy_array(np.maximum(weights, 0.0))
    found = [_as_labels(nx.community.louvain_communities(graph, seed=seed), len(weights)) for seed in LOUVAIN_SEEDS]
    return max(found, key=lambda labels: np.nan_to_num(signed_modularity(weights, labels)))


def _as_labels(communities: Sequence[set[int]], n_regions: int) -> np.ndarray:
    labels = np.empty(n_regions, dtype=int)
    for number, members in enumerate(communities):
        labels[list(members)] = number
    return labels
