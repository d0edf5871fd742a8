"""Which row of a run's figures shows a region."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def find_rows(regions: np.ndarray, has_signal: Sequence[bool]) -> list[int | None]:
    """Return the first row of each region, None if no row shows it.

    Where a row is the mean of several regions, they share it.

    Parameters
    ----------
    regions
        The position of the region of each row, or of its first region, in ascending order.
    has_signal
        Of each region; one without a signal is not part of another region's row.
    """
    firsts = np.searchsorted(regions, np.arange(len(has_signal)), side="left").tolist()
    return [
        row if row < len(regions) and regions[row] == region else row - 1 if row and has_signal[region] else None
        for region, row in enumerate(firsts)
    ]
