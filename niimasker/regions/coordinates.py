"""Read a table of coordinates in mm, with the names and radii that it may hold."""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from niimasker.errors import RegionsError, list_names
from niimasker.inputs.delimiters import Split, check_rectangular, parse_decimal, split_at_white_space, split_table
from niimasker.inputs.text_tables import ROW_NUMBERING, read_lines
from niimasker.regions.axes import find_axes, find_axis
from niimasker.regions.names.columns import Column, find_names, read_columns
from niimasker.regions.names.joins import NamesJoin
from niimasker.regions.names.label_table import spell

# A --roi_file with one of these endings holds coordinates.
SEED_SUFFIXES = (".tsv", ".csv")

_EXPECTED = "a table with columns x, y, z in mm"
_RADII = ("radius", "radii")


@dataclass(frozen=True)
class SeedTable:
    """The seeds of a table.

    Parameters
    ----------
    coordinates
        In mm, of shape (n_seeds, 3).
    names
        Those of its column of names; None where it has none.
    join
        Which column that is.
    radii
        Those of its column of radii, in mm; empty where it has none.
    """

    coordinates: np.ndarray
    names: tuple[str, ...] | None = None
    join: NamesJoin | None = None
    radii: tuple[float, ...] = ()


def read_seeds(table_path: Path) -> SeedTable:
    """Return the seeds of a table, from its columns x, y and z however they are spelt: X, MNI_X, x (mm), ...

    Raises
    ------
    RegionsError
        The file is no table, lacks a column, or holds a value that is no number.
    """
    split = _read_rows(table_path)
    header, rows = split.rows[0], split.rows[1:]
    axes = _choose_axes(header, table_path)
    if not rows:
        raise RegionsError(f"{table_path}: no coordinates below its header; give one row per sphere.")
    coordinates = [_read_column(rows, header, place, table_path) for place in axes]
    radius = _find_radii(header, table_path)
    names = _find_names(rows, header, table_path)
    return SeedTable(
        np.column_stack(coordinates),
        None if names is None else names.cells,
        None if names is None else NamesJoin(table_path, f"a table separated by {split.delimiter}", names.title),
        () if radius is None else tuple(_read_column(rows, header, radius, table_path)),
    )


def _read_rows(table_path: Path) -> Split:
    lines = read_lines(table_path, RegionsError, _EXPECTED)
    try:
        split = split_table(lines, table_path) or split_at_white_space(lines)
    except csv.Error as error:
        raise RegionsError(f"{table_path} is not a table ({error}); give {_EXPECTED}.") from error
    if split is None:
        if not "".join(lines).strip():
            raise RegionsError(f"{table_path} is empty; give {_EXPECTED}.")
        split = Split("white space", tuple((line.strip(),) for line in lines if line.strip()))
    if all(_is_number(cell) for cell in split.rows[0]):
        raise RegionsError(
            f"{table_path} has no header: its first row holds no names ({list_names(split.rows[0])}); "
            "put a row with the columns' names above it."
        )
    check_rectangular(split, table_path, RegionsError, has_header=True)
    return split


def _choose_axes(header: Sequence[str], table_path: Path) -> tuple[int, int, int]:
    """Return the places of the columns x, y and z."""
    found = find_axes(header)
    if len(found) > 1:
        shown = " and ".join(", ".join(header[place] for place in axes) for axes in found)
        raise RegionsError(f"{table_path}: coordinates in columns {shown}; leave in those in mm alone.")
    if not found:
        missing = [axis for axis in "xyz" if not find_axis(header, axis)] or list("xyz")
        raise RegionsError(
            f"{table_path}: no column {', '.join(missing)}; expected columns x, y, z in mm, found {list_names(header)}."
        )
    return found[0]


def _find_radii(header: Sequence[str], table_path: Path) -> int | None:
    """Return the place of the column of radii in mm, None where there is none; refuse diameters and radii in voxels."""
    for place, heading in enumerate(header):
        spelt = spell(heading)
        is_radius = any(word in spelt for word in _RADII)
        if is_radius and "vox" not in spelt:
            return place
        if is_radius or "diameter" in spelt:
            raise RegionsError(
                f"{table_path}: column {heading} is not used: all spheres have one radius, that of --radius, in mm; "
                "remove the column."
            )
    return None


def _find_names(rows: Sequence[Sequence[str]], header: Sequence[str], table_path: Path) -> Column | None:
    """Return the column that names the seeds, None where there is none."""
    names = find_names(read_columns(rows, header))
    if names is not None and "" in names.cells:
        row = names.cells.index("") + 1
        raise RegionsError(f"{table_path}: no name in {names.title}, row {row} ({ROW_NUMBERING}); give it one.")
    return names


def _read_column(rows: Sequence[Sequence[str]], header: Sequence[str], place: int, table_path: Path) -> list[float]:
    return [_read_mm(cells[place], header[place], row, table_path) for row, cells in enumerate(rows, start=1)]


def _read_mm(cell: str, heading: str, row: int, table_path: Path) -> float:
    with contextlib.suppress(ValueError):
        value = parse_decimal(cell)
        if np.isfinite(value):
            return value
    place = f"column {heading}, row {row} ({ROW_NUMBERING})"
    raise RegionsError(f"{table_path}: {cell!r} in {place}, is not a finite number; give it in mm.")


def _is_number(cell: str) -> bool:
    try:
        parse_decimal(cell)
    except ValueError:
        return False
    return True
