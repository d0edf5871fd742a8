"""Volumes that the user censors: one file of 0 and 1 for each image."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from niimasker.errors import ConfoundsError
from niimasker.inputs.text_tables import HOW_ROWS_COUNT, LOGICALS, TextTable, parse_number, read_text_table


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
    ConfoundsError
        The file cannot be read, does not fit the image, or holds anything else than 0 and 1.
    """
    expected = "a vector or a table of 0 and 1 (1: censored), one row per volume"
    table = read_text_table(path, ConfoundsError, expected, needs_header=False)
    is_row = len(table.rows) == 1 and len(table.names) == n_volumes > 1
    n_found = len(table.names) if is_row else len(table.rows)
    if n_found != n_volumes:
        found = f"{len(table.names)} values in its only row" if len(table.rows) == 1 else f"{n_found} rows"
        raise ConfoundsError(
            f"{path} has {found} but {image_path} has {n_volumes} volumes; "
            "each --censor_file must come from the same run as its image."
        )
    values = np.array([[_read_mark(table, row, cell) for cell in cells] for row, cells in enumerate(table.rows, 1)])
    return np.asarray(values[0] if is_row else values.any(axis=1))


def _read_mark(table: TextTable, row: int, cell: str) -> bool:
    try:
        value = parse_number(LOGICALS.get(cell.strip().lower(), cell))
    except ValueError:
        value = float("nan")
    if value not in (0.0, 1.0):
        raise ConfoundsError(
            f"{table.path} holds {cell[:40]!r} in row {row} ({HOW_ROWS_COUNT}, where there is one); "
            "expected 0, or 1 for a censored volume, and no names of rows."
        )
    return value == 1.0
