"""The components that tedana rejects, as regressors, and those that it accepts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from niimasker.errors import ConfoundsError, list_names, shorten_text
from niimasker.inputs.ica_components import Components, check_accepted
from niimasker.inputs.joined_tables import show_paths
from niimasker.inputs.shared_readings import read_once
from niimasker.inputs.text_tables import ROW_NUMBERING, TextTable, read_text_table

AGGRESSIVE = "aggressive"

_MIXING, _METRICS = "desc-ICA_mixing", "desc-tedana_metrics"
_CLASSES = ("accepted", "rejected", "ignored")

# With --tedort, tedana also writes this table, in which it has orthogonalised the rejected components over all volumes.
_ORTHOGONAL_MIXING = "desc-ICAOrth_mixing"


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
    return _choose_class("rejected", *_read_classes(names, paths, (_MIXING,)))


def find_components(names: Sequence[str], paths: Mapping[str, Path]) -> Components:
    """Return the columns of tedana's mixing table that are classified as rejected, and as accepted.

    Components of other classes ("ignored") are neither regressed out nor preserved, as in tedana's own
    orthogonalisation. Parameters and errors are those of `choose_rejected`; that no component is accepted is an error
    too, unless none is rejected.
    """
    classes = _read_classes(names, paths, (_MIXING, _ORTHOGONAL_MIXING))
    metrics, *_ = classes
    components = Components(_choose_class("rejected", *classes), _choose_class("accepted", *classes), metrics.path)
    _check_all_classified(*classes)
    return check_accepted(components, f"tedana={AGGRESSIVE}")


def _read_classes(
    names: Sequence[str], paths: Mapping[str, Path], mixings: Sequence[str]
) -> tuple[TextTable, list[str], Path]:
    """Return tedana's table of metrics, the columns of its mixing table, and the path of the latter."""
    tables = tuple(dict.fromkeys(paths.values()))
    table_path = next((path for path in tables if any(mixing in path.name for mixing in mixings)), None)
    metrics_path = None if table_path is None else find_metrics(table_path)
    if table_path is None or metrics_path is None:
        raise ConfoundsError(
            f"{show_paths(tables)}: the word tedana takes tedana's mixing table, *{_MIXING}.tsv, in --regressor_files."
        )
    return _read_metrics(metrics_path), [name for name in names if paths[name] == table_path], table_path


@read_once
def _read_metrics(path: Path) -> TextTable:
    metrics = read_text_table(path, ConfoundsError, "tedana's table of metrics beside the mixing table")
    missing = [name for name in ("Component", "classification") if name not in metrics.names]
    if missing:
        raise ConfoundsError(f"{path} has no column {', '.join(missing)}; it has {list_names(metrics.names)}.")
    for row, found in enumerate(metrics.column("classification"), start=1):
        if found not in _CLASSES:
            raise ConfoundsError(
                f"{path} classifies a component as {shorten_text(found)!r} in row {row} ({ROW_NUMBERING}); "
                f"expected {', '.join(_CLASSES[:-1])} or {_CLASSES[-1]}."
            )
    return metrics


def _check_all_classified(metrics: TextTable, mixed: Sequence[str], table_path: Path) -> None:
    """Raise ConfoundsError if a component has no class, so that nobody knows whether to preserve it."""
    classified = set(map(_drop_zeros, metrics.column("Component")))
    missing = [name for name in mixed if _drop_zeros(name) not in classified]
    if missing:
        raise ConfoundsError(
            f"{metrics.path} does not classify {list_names(missing)} of {table_path}; both must come from the same run."
        )


def _choose_class(label: str, metrics: TextTable, mixed: Sequence[str], table_path: Path) -> tuple[str, ...]:
    """Return the columns of the mixing table whose components have a classification."""
    components = zip(metrics.column("Component"), metrics.column("classification"), strict=True)
    labelled = {_drop_zeros(component) for component, found in components if found == label}
    chosen = tuple(name for name in mixed if _drop_zeros(name) in labelled)
    if len(chosen) != len(labelled):
        raise ConfoundsError(
            f"{metrics.path} {label.removesuffix('ed')}s {len(labelled)} components, of which {table_path} has "
            f"{len(chosen)}; both must come from the same run."
        )
    return chosen


def find_metrics(table_path: Path) -> Path | None:
    """Return where the table of metrics lies that belongs to tedana's mixing table; None for any other table."""
    for mixing in (_MIXING, _ORTHOGONAL_MIXING):
        if mixing in table_path.name:
            return table_path.with_name(table_path.name.replace(mixing, _METRICS))
    return None


def _drop_zeros(component: str) -> str:
    # tedana 24 writes ICA_04 in one table and ICA_4 in the other.
    return re.sub(r"_0+(?=\d)", "_", component)
