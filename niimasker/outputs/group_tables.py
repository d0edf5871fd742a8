"""Group numbers as tables: a row per atlas and kind of connectivity, and a row per edge."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from niimasker.outputs.group import Group


def groups_table(groups: Sequence[Group]) -> pd.DataFrame:
    """Return a row per atlas and kind of connectivity."""
    return pd.DataFrame([_row(group) for group in groups])


def _row(group: Group) -> dict[str, Any]:
    motion, qcfc, dependence = group.motion, group.qcfc, group.dependence
    return {
        "atlas": group.atlas,
        "connectivity": group.kind,
        "n_runs": len(group.members),
        "n_runs_left_out": len(group.left_out),
        "n_subjects": group.n_subjects,
        "n_regions": len(group.names),
        "n_edges": group.n_edges,
        "mean": mean_of_known(group.mean),
        "sd": mean_of_known(group.deviation),
        "mean_fd": mean_of_known(motion),
        "qcfc_n_runs": len(motion),
        "qcfc_n_edges": qcfc.n_edges if qcfc else 0,
        "qcfc_median_abs_r": qcfc.median_absolute if qcfc else math.nan,
        "qcfc_share_p05": qcfc.share_significant if qcfc else math.nan,
        "qcfc_distance_r": dependence.r if dependence else math.nan,
        "qcfc_distance_rho": dependence.rho if dependence else math.nan,
    }


def mean_of_known(values: np.ndarray) -> float:
    """Return the mean of the values that there are, NaN without any."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else math.nan


def edges_table(groups: Sequence[Group]) -> pd.DataFrame:
    """Return a row per atlas, kind of connectivity and edge."""
    return pd.concat([_rows_of_edges(group) for group in groups], ignore_index=True)


def _rows_of_edges(group: Group) -> pd.DataFrame:
    first, second = np.triu_indices(len(group.names), k=1)
    names = np.array(group.names, dtype=object)
    return pd.DataFrame(
        {
            "atlas": group.atlas,
            "connectivity": group.kind,
            "node_1": names[first],
            "node_2": names[second],
            "distance": group.distances,
            "n_runs": group.sums.values.n.astype(int),
            "mean": group.mean,
            "sd": group.deviation,
            "qcfc_n_runs": group.sums.coupled.n.astype(int),
            "qcfc_r": group.qcfc.r if group.qcfc else math.nan,
            "qcfc_p": group.qcfc.p if group.qcfc else math.nan,
        }
    )
