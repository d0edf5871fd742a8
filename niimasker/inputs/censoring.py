"""Volumes that the user censors: one file of 0 and 1 for each image."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from niimasker.errors import CensoringError
from niimasker.inputs.text_tables import (
    HOW_ROWS_COUNT,
    LOGICALS,
    TextTable,
    check_length,
    parse_number,
    read_text_table,
)


def load_censoring(path: Path, *, n_volumes: int, image_path: Path) -> np.ndarray:
    """Return which volumes a file censors.

    Parameters
    ----------
    path : Path
        A vector of 0 and 1 in a column or a row, or a table of them with a header or without. Of several columns, as
        fMRIPrep's motion_outlier00, motion_outlier01, ..., a 1 in any censors its volume.
    n_volumes : int
        Volumes of the image, before any is discarded.
    image_path : Path
        The image, for messages.

    Returns
    -------
    ndarray of shape (n_volumes,), bool

    Raises
    ------
    CensoringError
        The file cannot be read, does not fit the image, or holds anything else than 0 and 1.
    """
    table = read_censoring(path)
    check_censoring_length(table, n_volumes, image_path)
    return find_censored(read_marks(table), n_volumes)


def read_censoring(path: Path) -> TextTable:
    """Return a file's text; raise CensoringError when it is no table."""
    expected = "a vector or a table of 0 and 1 (1: censored), one row per volume"
    return read_text_table(path, CensoringError, expected, needs_header=False)


def check_censoring_length(table: TextTable, n_volumes: int, image_path: Path) -> None:
    """Raise CensoringError when a file has not a row for each volume, nor a value for each in its only row."""
    is_row = len(table.rows) == 1 and n_volumes > 1
    n_found, unit = (len(table.names), "value") if is_row else (len(table.rows), "row")
    check_length(
        table, n_found, CensoringError, n_volumes=n_volumes, image_path=image_path, noun="--censor_file", unit=unit
    )


def read_marks(table: TextTable) -> np.ndarray:
    """Return which cells are 1, of shape (n_rows, n_columns), bool; raise CensoringError at any but 0 and 1."""
    rows = [[_read_mark(table, row, cell) for cell in cells] for row, cells in enumerate(table.rows, 1)]
    return np.array(rows, dtype=bool)


def find_censored(marks: np.ndarray, n_volumes: int) -> np.ndarray:
    """Return which volumes are censored, bool of shape (n_volumes,), from the marks of a file that fits."""
    return np.asarray(marks[0] if len(marks) == 1 and n_volumes > 1 else marks.any(axis=1))


def _read_mark(table: TextTable, row: int, cell: str) -> bool:
    try:
        value = parse_number(LOGICALS.get(cell.strip().lower(), cell))
    except ValueError:
        value = float("nan")
    if value not in (0.0, 1.0):
        raise CensoringError(
            f"{table.path} holds {cell[:40]!r} in row {row} ({HOW_ROWS_COUNT}, where there is one); "
            "expected 0, or 1 for a censored volume, and no names of rows."
        )
    return value == 1.0
