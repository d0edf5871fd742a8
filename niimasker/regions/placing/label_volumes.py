"""Regions as a volume of labels, for pictures and for files."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from niimasker.inputs.spaces import Volume
from niimasker.regions.placing.weights import RegionWeights

# Below this share of its largest weight, a voxel is not shown as part of a probabilistic map.
_MAP_SHOWN = 0.3


def label_volume(weights: RegionWeights) -> Volume | None:
    """Return regions as a volume of labels: their positions counted from 1; None for points that no volume holds.

    Where spheres overlap the last one shows, where maps do the one whose weight there is highest.
    """
    entries: sparse.coo_array = weights.matrix.tocoo()
    rows, points = entries.row, entries.col
    if weights.kind == "maps":
        highest = np.zeros(entries.shape[0])
        np.maximum.at(highest, rows, np.abs(entries.data))
        shares = np.abs(entries.data) / highest[rows]
        order = np.argsort(shares)
        order = order[shares[order] >= _MAP_SHOWN]
        rows, points = rows[order], points[order]
    labels = np.zeros(weights.space.n_points, dtype=np.int32)
    labels[points] = rows + 1
    return weights.space.to_volume(labels)
