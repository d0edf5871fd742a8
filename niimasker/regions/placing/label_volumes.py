"""Label points by their regions, to be drawn or written."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from niimasker.inputs.spaces import Volume
from niimasker.regions.placing.weights import RegionWeights

# Below this share of its largest weight, a point is not shown as part of a probabilistic map.
_MIN_SHARE_SHOWN = 0.3


def label_points(weights: RegionWeights) -> np.ndarray:
    """Return the position of each point's region, counted from 1, and 0 for none, int32 of shape (n_points,).

    Where spheres overlap, the label is that of the last one; where maps overlap, that of the map with the highest share
    of its largest weight.
    """
    entries: sparse.coo_array = weights.matrix.tocoo()
    rows, points = entries.row, entries.col
    if weights.kind == "maps":
        highest = np.zeros(entries.shape[0])
        np.maximum.at(highest, rows, np.abs(entries.data))
        shares = np.abs(entries.data) / highest[rows]
        order = np.argsort(shares)
        order = order[shares[order] >= _MIN_SHARE_SHOWN]
        rows, points = rows[order], points[order]
    labels = np.zeros(weights.space.n_points, dtype=np.int32)
    labels[points] = rows + 1
    return labels


def label_volume(weights: RegionWeights) -> Volume | None:
    """Return regions as a volume of the labels of its points; None if no volume holds the points."""
    return weights.space.to_volume(label_points(weights))
