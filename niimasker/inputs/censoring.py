"""Censor files: one file of 0 and 1 per image, 1 for a censored volume."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from niimasker.errors import CensoringError, count, warn
from niimasker.inputs.shared_readings import read_once
from niimasker.inputs.text_tables import (
    LOGICALS,
    ROW_NUMBERING,
    TextTable,
    check_length,
    parse_number,
    read_text_table,
)

# The column of XCP-D's _outliers.tsv for volumes with excessive motion, and those that choose volumes at random.
_XCP_D, _RANDOM = "framewise_displacement", re.compile(r"exact_\d+")
_ZEROS = ("0", "0.0")


def load_censoring(path: Path, *, n_volumes: int, image_path: Path, means_kept: bool = False) -> np.ndarray:
    """Return which volumes a censor file marks as censored.

    Parameters
    ----------
    path : Path
        A vector of 0 and 1 in a column or a row, or a table of them with or without a header. With several columns,
        such as fMRIPrep's motion_outlier00, motion_outlier01, ..., a 1 in any of them censors the volume.
    n_volumes : int
        Volumes of the image, before any is discarded.
    image_path : Path
        The image, for messages.
    means_kept : bool
        Whether 1 is read as kept and 0 as censored.

    Returns
    -------
    ndarray of shape (n_volumes,), bool

    Raises
    ------
    CensoringError
        The file cannot be read, does not fit the image, or holds values other than 0 and 1.
    """
    table = read_censoring(path)
    check_censoring_length(table, n_volumes, image_path)
    marks = read_marks(table)
    return find_censored(~marks if means_kept else marks, n_volumes)


@read_once
def read_censoring(path: Path) -> TextTable:
    """Return a censor file as text; raise CensoringError when it is not a table."""
    expected = "a vector or a table of 0 and 1 (1: censored), one row per volume"
    return read_text_table(path, CensoringError, expected, needs_header=False)


def check_censoring_length(table: TextTable, n_volumes: int, image_path: Path) -> None:
    """Raise CensoringError unless a file has one row per volume, or a single row with one value per volume."""
    is_row = len(table.rows) == 1 and n_volumes > 1
    n_zero = sum(all(cell.strip() in _ZEROS for cell in cells) for cells in table.rows)
    if n_zero == n_volumes < len(table.rows):
        raise CensoringError(
            f"{table.path} censors {count(len(table.rows) - n_volumes, 'volume')} of {len(table.rows)}, but "
            f"{image_path} has the other {n_volumes} only: they are left out of the image already, as XCP-D does; "
            "leave --censor_file out for it."
        )
    n_found, unit = (len(table.names), "value") if is_row else (len(table.rows), "row")
    check_length(
        table, n_found, CensoringError, n_volumes=n_volumes, image_path=image_path, noun="--censor_file", unit=unit
    )


def read_marks(table: TextTable) -> np.ndarray:
    """Return which cells are 1, bool of shape (n_rows, n_columns); raise CensoringError for values but 0 and 1.

    XCP-D's columns exact_100, ... are left out: they choose some of the volumes that are kept at random.
    """
    is_random = [bool(_RANDOM.fullmatch(name)) and _XCP_D in table.names for name in table.names]
    rows = [[_read_mark(table, row, cell) for cell in cells] for row, cells in enumerate(table.rows, 1)]
    marks = np.array(rows, dtype=bool).reshape(len(rows), len(table.names))
    return np.asarray(marks[:, ~np.array(is_random)])


def find_censored(marks: np.ndarray, n_volumes: int) -> np.ndarray:
    """Return which volumes are censored, bool of shape (n_volumes,), from the marks of a file of the right length."""
    return np.asarray(marks[0] if len(marks) == 1 and n_volumes > 1 else marks.any(axis=1))


def warn_of_many_censored(path: Path, censored: np.ndarray, *, means_kept: bool) -> None:
    """Warn of a file that censors more than half of a run: perhaps its 1 has the other meaning.

    Parameters
    ----------
    means_kept
        Whether 1 was read as kept.
    """
    n_censored, n_volumes = np.count_nonzero(censored), len(censored)
    if 2 * n_censored <= n_volumes:
        return
    meaning = (
        "with --censor_keep 1 means kept, without it 1 means censored."
        if means_kept
        else "1 means censored, but AFNI, C-PAC and xcpEngine write 1 for kept volumes, which --censor_keep reads."
    )
    warn(f"{path}: {n_censored} of {n_volumes} volumes are censored, more than half; {meaning}")


def _read_mark(table: TextTable, row: int, cell: str) -> bool:
    try:
        value = parse_number(LOGICALS.get(cell.strip().lower(), cell))
    except ValueError:
        value = float("nan")
    if value not in (0.0, 1.0):
        raise CensoringError(
            f"{table.path} holds {cell[:40]!r} in row {row} ({ROW_NUMBERING}, if there is one); "
            "expected 0, or 1 for a censored volume, without row names."
        )
    return value == 1.0
