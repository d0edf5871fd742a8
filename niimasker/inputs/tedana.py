"""The components that tedana rejects, as regressors."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from niimasker.errors import ConfoundsError, list_names
from niimasker.inputs.joined_tables import show_paths
from niimasker.inputs.text_tables import read_text_table

_MIXING, _METRICS = "desc-ICA_mixing", "desc-tedana_metrics"


def choose_rejected(names: Sequence[str], paths: Mapping[str, Path]) -> tuple[str, ...]:
    """Return the columns of tedana's mixing table whose components are classified as rejected.

    Parameters
    ----------
    names : sequence of str
        The names of a run's columns.
    paths : Mapping of str to Path
        The table of each column. Beside tedana's mixing table lies its table of metrics, which classifies the
        components.

    Raises
    ------
    ConfoundsError
        No table is tedana's mixing table, or the table of metrics is missing or does not fit.
    """
    tables = tuple(dict.fromkeys(paths.values()))
    table_path, metrics_path = next(((path, found) for path in tables if (found := find_metrics(path))), (None, None))
    if table_path is None or metrics_path is None:
        raise ConfoundsError(
            f"{show_paths(tables)}: the word tedana takes tedana's mixing table, *{_MIXING}.tsv, in --regressor_files."
        )
    metrics = read_text_table(metrics_path, ConfoundsError, "tedana's table of metrics beside the mixing table")
    missing = [name for name in ("Component", "classification") if name not in metrics.names]
    if missing:
        raise ConfoundsError(f"{metrics_path} has no column {', '.join(missing)}; it has {list_names(metrics.names)}.")
    rejected = {
        _drop_zeros(component)
        for component, label in zip(metrics.column("Component"), metrics.column("classification"), strict=True)
        if label == "rejected"
    }
    mixed = [name for name in names if paths[name] == table_path]
    chosen = tuple(name for name in mixed if _drop_zeros(name) in rejected)
    if len(chosen) != len(rejected):
        raise ConfoundsError(
            f"{metrics_path} rejects {len(rejected)} components, of which {table_path} has {len(chosen)}; "
            "both must come from the same run."
        )
    return chosen


def find_metrics(table_path: Path) -> Path | None:
    """Return where the table of metrics lies that belongs to tedana's mixing table; None for any other table."""
    if _MIXING not in table_path.name:
        return None
    return table_path.with_name(table_path.name.replace(_MIXING, _METRICS))


def _drop_zeros(component: str) -> str:
    # tedana 24 writes ICA_04 in one table and ICA_4 in the other.
    return re.sub(r"_0+(?=\d)", "_", component)
