"""The six motion parameters of a run, by fMRIPrep's names, and the files without a header that other programs write."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from niimasker.errors import ConfoundsError, count
from niimasker.inputs.shared_readings import read_once
from niimasker.inputs.text_tables import NAME_COLUMNS, TextTable, parse_number, read_text_table
from niimasker.options.settings import Settings

# In mm and radians.
TRANSLATIONS, ROTATIONS = ("trans_x", "trans_y", "trans_z"), ("rot_x", "rot_y", "rot_z")
MOTION_PARAMETERS = (*TRANSLATIONS, *ROTATIONS)
# Before fMRIPrep 1.2.
OLD_MOTION_PARAMETERS = ("X", "Y", "Z", "RotX", "RotY", "RotZ")

DERIVATIVE, SQUARE = "_derivative1", "_power2"

_EXPECTED = "the motion parameters of one run, a row per volume"


@dataclass(frozen=True)
class MotionFormat:
    """The columns of a program's file of motion parameters, which has no header.

    Parameters
    ----------
    file
        What messages call the file.
    columns
        The columns' names by their number in the file; "" for a column that is not used.
    in_degrees
        Whether rotations are in degrees, not in radians.
    """

    file: str
    columns: Mapping[int, tuple[str, ...]]
    in_degrees: bool


# 3dvolreg's roll, pitch and yaw turn about the axes from inferior to superior, right to left and anterior to posterior;
# dS, dL and dP are displacements along them.
_AFNI = ("rot_z", "rot_x", "rot_y", "trans_z", "trans_x", "trans_y")
_DERIVATIVES = tuple(f"{name}{DERIVATIVE}" for name in MOTION_PARAMETERS)
FORMATS: Mapping[str, MotionFormat] = {
    "fsl": MotionFormat("FSL's mcflirt (.par)", {6: (*ROTATIONS, *TRANSLATIONS)}, in_degrees=False),
    "afni": MotionFormat(
        # -dfile has the number of the volume before them, and two measures of the fit behind.
        "AFNI's 3dvolreg (-1Dfile, or -dfile with 9 columns)",
        {6: _AFNI, 9: ("", *_AFNI, "", "")},
        in_degrees=True,
    ),
    "spm": MotionFormat("SPM's realignment (rp_*.txt)", {6: MOTION_PARAMETERS}, in_degrees=False),
    "hcp": MotionFormat(
        "the HCP's Movement_Regressors.txt (12 columns, or the first 6)",
        {6: MOTION_PARAMETERS, 12: (*MOTION_PARAMETERS, *_DERIVATIVES)},
        in_degrees=True,
    ),
}


_ASK_FOR_FORMAT = dict.fromkeys(
    (n_columns for file_format in FORMATS.values() for n_columns in file_format.columns),
    f"{NAME_COLUMNS}, or say with --motion_format which program's motion parameters these are ({', '.join(FORMATS)})",
)


@read_once
def read_confounds(table_path: Path, motion_format: str = Settings.motion_format) -> TextTable:
    """Return a confounds table as text.

    Parameters
    ----------
    motion_format : str
        One of `niimasker.options.settings.MOTION_FORMATS`. With any but the first, a table without a header holds that
        program's motion parameters; it is returned with fMRIPrep's names and units, and with the derivatives and
        squares that fMRIPrep's tables have.

    Raises
    ------
    ConfoundsError
        The file is not a table, or has no header and not the columns of the program.
    """
    if motion_format not in FORMATS:
        expected = "a text table with a header and one row per volume"
        return read_text_table(table_path, ConfoundsError, expected, without_header=_ASK_FOR_FORMAT)
    # AFNI begins lines of comments with #.
    table = read_text_table(table_path, ConfoundsError, _EXPECTED, needs_header=False, comment="#")
    return table if table.has_header else _name_columns(table, motion_format)


def _name_columns(table: TextTable, motion_format: str) -> TextTable:
    """Return a table without a header by the columns of a format, with their derivatives and squares."""
    file_format = FORMATS[motion_format]
    columns = file_format.columns.get(len(table.names))
    if columns is None:
        expected = " or ".join(map(str, file_format.columns))
        raise ConfoundsError(
            f"{table.path} has {count(len(table.names), 'column')} and no header; --motion_format {motion_format} "
            f"expects {expected}, the file of {file_format.file}; {NAME_COLUMNS}, or give the format of the file."
        )
    cells = {new: table.column(number) for number, new in zip(table.names, columns, strict=True) if new}
    if file_format.in_degrees:
        cells |= {new: _to_radians(column) for new, column in cells.items() if new.startswith("rot_")}
    computed = _expand(cells)
    rows = tuple(zip(*cells.values(), *computed.values(), strict=True))
    return TextTable(table.path, (*cells, *computed), rows, has_header=False, computed=frozenset(computed))


def _expand(cells: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Return the derivatives and squares of motion parameters that are not among the columns, as fMRIPrep has them."""
    computed: dict[str, list[str]] = {}
    for name in MOTION_PARAMETERS:
        values = _read(cells[name])
        derivative = f"{name}{DERIVATIVE}"
        if derivative in cells:
            changes = _read(cells[derivative])
        else:
            changes = [math.nan, *(after - before for before, after in itertools.pairwise(values))]
            computed[derivative] = _write(changes)
        computed[f"{name}{SQUARE}"] = _write([value**2 for value in values])
        computed[f"{derivative}{SQUARE}"] = _write([change**2 for change in changes])
    return computed


def _to_radians(cells: Sequence[str]) -> list[str]:
    return [_write([math.radians(value)])[0] if math.isfinite(value := _read([cell])[0]) else cell for cell in cells]


def _read(cells: Sequence[str]) -> list[float]:
    """Return numbers, NaN for text: where the column is used, its own cell is refused."""
    values = []
    for cell in cells:
        try:
            values.append(parse_number(cell))
        except ValueError:
            values.append(math.nan)
    return values


def _write(values: Sequence[float]) -> list[str]:
    # repr() of a float gives all of its digits.
    return ["n/a" if math.isnan(value) else repr(value) for value in values]
