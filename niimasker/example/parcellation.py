"""The regions of the example and their networks."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.spatial.distance import cdist

REGION_RADIUS = 22  # mm
# Centres in the right hemisphere in mm; the left hemisphere mirrors them. The first centre of a network is also a seed.
CENTRES = {
    "Vis": [(28, -82, -8), (10, -90, 4), (12, -76, 24)],
    "SomMot": [(40, -24, 56), (56, -8, 26), (8, -26, 64)],
    "DorsAttn": [(28, -58, 54), (50, -62, 0), (28, -2, 56)],
    "Limbic": [(30, 8, -34), (12, 34, -22), (46, -14, -34)],
    "Default": [(48, -62, 34), (8, 50, 20), (8, -52, 28)],
}
N_PAIRS = sum(len(centres) for centres in CENTRES.values())


def nearest_regions(millimetres: np.ndarray) -> np.ndarray:
    """Return the index of the region with the nearest centre for each position, 0 if no centre is near."""
    x, y, z = millimetres.T
    distances = cdist(np.stack([np.abs(x), y, z], axis=1), np.concatenate(list(CENTRES.values())))
    return np.where(distances.min(axis=1) <= REGION_RADIUS, distances.argmin(axis=1) + 1 + N_PAIRS * (x > 0), 0)


def region_table() -> pd.DataFrame:
    """Return the index, name, network and centre in mm of each region, the left hemisphere first."""
    rows = [
        (f"{hemisphere}_{network}_{number}", network, side * x, y, z)
        for hemisphere, side in (("LH", -1), ("RH", 1))
        for network, centres in CENTRES.items()
        for number, (x, y, z) in enumerate(centres, start=1)
    ]
    table = pd.DataFrame(rows, columns=["name", "network", "x", "y", "z"])
    return table.assign(index=np.arange(1, len(table) + 1))
