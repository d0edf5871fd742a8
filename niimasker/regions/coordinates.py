"""Read a table of coordinates in mm."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np

from niimasker.errors import RegionsError, list_names
from niimasker.inputs.text_tables import ROW_NUMBERING, TextTable, parse_number, read_text_table


def read_coordinates(table_path: Path) -> np.ndarray:
    """Return the columns x, y, z of a table in mm, as an array of shape (n_seeds, 3).

    Raises
    ------
    RegionsError
        The file is not a table, lacks a column, or holds a value that is not a number.
    """
    table = read_text_table(table_path, RegionsError, "a table with columns x, y, z in mm")
    missing = [name for name in "xyz" if name not in table.names]
    if missing:
        raise RegionsError(
            f"{table_path}: no column {', '.join(missing)}; expected columns x, y, z in mm, "
            f"found {list_names(table.names)}."
        )
    if not table.rows:
        raise RegionsError(f"{table_path}: no coordinates below its header; give one row per sphere.")
    return np.column_stack([_read_axis(table, axis) for axis in "xyz"])


def _read_axis(table: TextTable, axis: str) -> list[float]:
    return [_read_mm(cell, table, axis, row) for row, cell in enumerate(table.column(axis), start=1)]


def _read_mm(cell: str, table: TextTable, axis: str, row: int) -> float:
    with contextlib.suppress(ValueError):
        value = parse_number(cell)
        if np.isfinite(value):
            return value
    raise RegionsError(
        f"{table.path}: {cell!r} in column {axis}, row {row} ({ROW_NUMBERING}), is not a finite number; give it in mm."
    )
