"""Tables of group numbers: one row per atlas and kind of connectivity, and one row per edge."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from niimasker.group.connectivity import Group
from niimasker.outputs.files import replacing
from niimasker.outputs.study_names import GroupFiles
from niimasker.outputs.tables import text_column, write_records

# Enough digits for further computation.
DIGITS = "%.12g"


def write_group_tables(files: GroupFiles, groups: Sequence[Group]) -> None:
    """Write the table of edges and the table of group numbers."""
    with replacing(files.edges_path) as temporary:
        write_records(temporary, edges_table(groups), DIGITS)
    with replacing(files.numbers_path) as temporary:
        write_records(temporary, groups_table(groups), DIGITS)


def groups_table(groups: Sequence[Group]) -> pd.DataFrame:
    """Return one row per atlas and kind of connectivity."""
    table = pd.DataFrame([_row(group) for group in groups])
    table.insert(0, "atlas", text_column([group.atlas for group in groups]))
    return table


def _row(group: Group) -> dict[str, Any]:
    """Return a row without the atlas, whose name may not be valid Unicode."""
    motion, qcfc, dependence = group.motion, group.qcfc, group.dependence
    return {
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
    """Return the mean of finite values; NaN if there are none."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else math.nan


def edges_table(groups: Sequence[Group]) -> pd.DataFrame:
    """Return one row per atlas, kind of connectivity and edge."""
    return pd.concat([_edge_rows(group) for group in groups], ignore_index=True)


def _edge_rows(group: Group) -> pd.DataFrame:
    first, second = np.triu_indices(len(group.names), k=1)
    names = np.array(group.names, dtype=object)
    return pd.DataFrame(
        {
            "atlas": text_column([group.atlas] * len(first)),
            "connectivity": group.kind,
            "node_1": text_column(names[first].tolist()),
            "node_2": text_column(names[second].tolist()),
            "distance": group.distances,
            "n_runs": group.sums.values.n.astype(int),
            "mean": group.mean,
            "sd": group.deviation,
            "qcfc_n_runs": group.sums.with_motion.n.astype(int),
            "qcfc_r": group.qcfc.r if group.qcfc else math.nan,
            "qcfc_p": group.qcfc.p if group.qcfc else math.nan,
        }
    )
