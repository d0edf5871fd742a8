"""The components that tedana rejects, as regressors."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from niimasker.errors import ConfoundsError, list_names
from niimasker.inputs.text_tables import read_text_table

_MIXING, _METRICS = "desc-ICA_mixing", "desc-tedana_metrics"


def choose_rejected(names: Sequence[str], table_path: Path) -> tuple[str, ...]:
    """Return the columns of tedana's mixing table whose components are classified as rejected.

    Parameters
    ----------
    names : sequence of str
        The names of the mixing table's columns.
    table_path : Path
        The mixing table; tedana's table of metrics, which classifies the components, lies beside it.

    Raises
    ------
    ConfoundsError
        The table is not tedana's mixing table, or the table of metrics is missing or does not fit.
    """
    if _MIXING not in table_path.name:
        raise ConfoundsError(
            f"{table_path}: the word tedana takes tedana's mixing table, *{_MIXING}.tsv, in --regressor_files."
        )
    metrics_path = table_path.with_name(table_path.name.replace(_MIXING, _METRICS))
    metrics = read_text_table(metrics_path, ConfoundsError, "tedana's table of metrics beside the mixing table")
    missing = [name for name in ("Component", "classification") if name not in metrics.names]
    if missing:
        raise ConfoundsError(f"{metrics_path} has no column {', '.join(missing)}; it has {list_names(metrics.names)}.")
    rejected = {
        _drop_zeros(component)
        for component, label in zip(metrics.column("Component"), metrics.column("classification"), strict=True)
        if label == "rejected"
    }
    chosen = tuple(name for name in names if _drop_zeros(name) in rejected)
    if len(chosen) != len(rejected):
        raise ConfoundsError(
            f"{metrics_path} rejects {len(rejected)} components, of which {table_path} has {len(chosen)}; "
            "both must come from the same run."
        )
    return chosen


def _drop_zeros(component: str) -> str:
    # tedana 24 writes ICA_04 in one table and ICA_4 in the other.
    return re.sub(r"_0+(?=\d)", "_", component)
