"""Tables of signals, matrices, and facts about regions, voxels and volumes, and how they are written.

The functions write to the path that they get, which is that of a temporary file; see `niimasker.outputs.files`.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pandas as pd

from niimasker.inputs.confounds import Confounds
from niimasker.regions.placing.weights import RegionWeights
from niimasker.signals.extraction import Signals
from niimasker.signals.timeline import REASONS, Timeline

# A table of all edges between 1,000 regions has half a million rows, which are not all turned into text at once.
_ROWS_AT_ONCE = 10_000


def write_signals(path: Path, values: np.ndarray, names: Sequence[str], *, n_decimals: int) -> None:
    """Write signals of shape (n_volumes, n_regions) under their regions' names, NaN as n/a.

    Each row is formatted at once; pandas takes nine times as long for tens of thousands of columns.
    """
    _write_numbers(path, values, names, f"%.{n_decimals}f", line_end="\n")


def _write_numbers(path: Path, values: np.ndarray, names: Sequence[str], float_format: str, *, line_end: str) -> None:
    """Write numbers of shape (n_rows, n_columns) under a header, NaN as n/a."""
    row_format = "\t".join([float_format] * len(names)) + line_end
    with _open_text(path) as file:
        csv.writer(file, delimiter="\t", lineterminator=line_end).writerow(names)
        for row in values:
            file.write((row_format % tuple(row.tolist())).replace("nan", "n/a"))


def write_relmat(path: Path, matrix: np.ndarray, names: Sequence[str]) -> None:
    """Write a square matrix with its regions' names as header and first column, NaN as n/a.

    Values have ten significant digits rather than fixed decimals, because covariances are in squared units and
    precisions in the inverse of these.
    """
    row_format = "\t".join(["%.10g"] * len(names))
    with _open_text(path) as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(["node", *names])
        for name, row in zip(names, matrix, strict=True):
            writer.writerow([name, *(row_format % tuple(row.tolist())).replace("nan", "n/a").split("\t")])


def _open_text(path: Path) -> TextIO:
    # A table may contain a file name that is not valid Unicode.
    return path.open("w", encoding="utf-8", errors="backslashreplace", newline="")


def write_records(path: Path, table: pd.DataFrame, float_format: str = "%.6g") -> None:
    """Write a table of facts, with six significant digits by default and n/a for missing values.

    The bytes are those of pandas' `to_csv`, which takes five times as long for a run's tables.
    """
    if all(dtype == np.float64 for dtype in table.dtypes) and len(table.columns):
        _write_numbers(path, table.to_numpy(), list(table.columns), float_format, line_end=os.linesep)
        return
    with _open_text(path) as file:
        writer = csv.writer(file, delimiter="\t", lineterminator=os.linesep)
        writer.writerow(table.columns)
        for start in range(0, len(table), _ROWS_AT_ONCE):
            rows = table.iloc[start : start + _ROWS_AT_ONCE]
            columns = [_format_column(rows.iloc[:, number], float_format) for number in range(rows.shape[1])]
            writer.writerows(zip(*columns, strict=True))


def _format_column(column: pd.Series, float_format: str) -> list[Any]:
    """Return the cells of a column: text for floats, n/a for missing values, and other values as they are."""
    values, kind = column.tolist(), column.dtype.kind if isinstance(column.dtype, np.dtype) else ""
    if kind == "f":
        return [float_format % value if value == value else "n/a" for value in values]
    if kind in ("i", "u", "b"):
        return values
    return ["n/a" if is_missing else value for value, is_missing in zip(values, column.isna().tolist(), strict=True)]


def text_column(values: Sequence[str | None]) -> pd.Series:
    """Return texts as a column of Python strings.

    Where PyArrow is installed, pandas would use its strings, which cannot hold a file name that is not valid Unicode.
    """
    return pd.Series(list(values), dtype=object)


def regions_table(weights: RegionWeights, signals: Signals) -> pd.DataFrame:
    """Return one row of facts per region; structure and n_vertices only where the space has vertices."""
    regions = weights.whole_regions
    x, y, z = regions.centres.T
    n_vertices = regions.n_vertices
    counts = {"n_voxels": regions.n_points if n_vertices is None else regions.n_points - n_vertices}
    if n_vertices is not None:
        counts["n_vertices"] = n_vertices
    return pd.DataFrame(
        {
            "index": regions.indices,
            "name": text_column(regions.names),
            **structure_column(regions.structures),
            "x": x,
            "y": y,
            "z": z,
            **counts,
            "n_valid": signals.n_valid,
            "coverage": signals.coverage,
            "mean": signals.mean,
            "tsnr": signals.tsnr,
            "status": signals.status,
        }
    )


def structure_column(structures: Sequence[str] | None) -> dict[str, pd.Series]:
    """Return the column of the regions' structures; no column for volumes."""
    return {} if structures is None else {"structure": text_column([each or None for each in structures])}


def outliers_table(timeline: Timeline) -> pd.DataFrame:
    """Return one row per volume of the image, with 1 for each reason why the volume is not kept."""
    columns = {"discarded": np.arange(timeline.n_read) < timeline.n_discarded}
    columns |= {reason: timeline.outliers.get(reason, np.zeros(timeline.n_read, dtype=bool)) for reason in REASONS}
    return pd.DataFrame(columns).astype(int)


def regressors_table(confounds: Confounds) -> pd.DataFrame:
    """Return the selected regressors, one row per volume of the image."""
    return pd.DataFrame(confounds.values, columns=list(confounds.names))


def points_table(weights: RegionWeights) -> pd.DataFrame:
    """Return the region, position in the file and coordinates in mm of the point of each column."""
    points = weights.single_points
    assert points is not None
    x, y, z = weights.centres.T
    regions = [points.regions.names[row] for row in points.rows]
    texts = {"column": text_column(weights.names), "region": text_column(regions)}
    places = {name: _place_column(values) for name, values in points.places.items()}
    return pd.DataFrame({**texts, **places, "x": x, "y": y, "z": z})


def _place_column(values: np.ndarray) -> pd.Series:
    """Return texts, or indices with missing values where they are -1, as a column."""
    if not np.issubdtype(values.dtype, np.integer):
        return text_column(values.tolist())
    column = pd.Series(values)
    return column.astype("Int64").mask(values < 0) if (values < 0).any() else column
