from __future__ import annotations

import numpy as np
import pytest

from niimasker.reports.region_rows import find_rows


@pytest.mark.parametrize(
    ("regions", "has_signal", "rows"),
    [
        pytest.param([0, 1, 2], [True, False, True], [0, 1, 2], id="a column each"),
        pytest.param([0, 0, 2, 2, 2], [True, False, True], [0, None, 2], id="the voxels of each, none in the second"),
        pytest.param([0, 2, 4], [True] * 5, [0, 0, 1, 1, 2], id="means of two regions"),
        pytest.param([], [False], [None], id="no rows"),
    ],
)
def test_region_is_shown_by_its_first_row(regions, has_signal, rows):
    assert find_rows(np.array(regions, dtype=int), has_signal) == rows
