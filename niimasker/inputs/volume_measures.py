"""A run's measures of single volumes, by which volumes are censored: motion, DVARS and the steady state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from niimasker.inputs.joined_tables import JoinedTable
from niimasker.inputs.motion_parameters import MOTION_PARAMETERS, OLD_MOTION_PARAMETERS
from niimasker.inputs.text_tables import is_number, parse_number

# fMRIPrep's names of the measures by which volumes are censored: those of 1.2 and later, then those of 1.0 and 1.1.
FRAMEWISE_DISPLACEMENT = ("framewise_displacement", "FramewiseDisplacement")
STD_DVARS = ("std_dvars", "stdDVARS")
_NON_STEADY_STATE = ("non_steady_state_outlier", "NonSteadyStateOutlier")


@dataclass(frozen=True, eq=False)
class VolumeMeasures:
    """A confounds table's measures of single volumes.

    Parameters
    ----------
    tables
        The tables, for messages.
    framewise_displacement, std_dvars
        In mm and in standard deviations, of shape (n_volumes,); NaN in the first row, None if not known.
    non_steady_state
        Which volumes fMRIPrep marks as acquired before the steady state, bool of shape (n_volumes,).
    motion_path
        The table of motion that framewise displacement comes from, if it is not one of the confounds tables.
    motion
        Translations in mm and rotations in radians, of shape (n_volumes, 6), NaN where there is no number; None without
        all six columns.
    displacement_source
        What framewise displacement comes from, for people; None if it is not known.
    """

    tables: str
    framewise_displacement: np.ndarray | None = None
    std_dvars: np.ndarray | None = None
    non_steady_state: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=bool))
    motion_path: Path | None = None
    motion: np.ndarray | None = None
    displacement_source: str | None = None

    @property
    def n_non_steady(self) -> int:
        """The number of volumes before the steady state at the start of the run."""
        return len(self.non_steady_state) if self.non_steady_state.all() else int(np.argmin(self.non_steady_state))


def read_measures(table: JoinedTable) -> VolumeMeasures:
    """Return the measures of a run's tables."""
    non_steady_state = np.zeros(table.n_rows, dtype=bool)
    for name in table.names:
        if name.startswith(_NON_STEADY_STATE):
            non_steady_state |= _read_leniently(table, name) == 1
    return VolumeMeasures(
        str(table),
        _read_measure(table, FRAMEWISE_DISPLACEMENT),
        _read_measure(table, STD_DVARS),
        non_steady_state,
        motion=_read_motion(table),
        displacement_source=next((f"column {name}" for name in FRAMEWISE_DISPLACEMENT if name in table.names), None),
    )


def _read_measure(table: JoinedTable, spellings: Sequence[str]) -> np.ndarray | None:
    name = next((name for name in spellings if name in table.names), None)
    return None if name is None else _read_leniently(table, name)


def _read_motion(table: JoinedTable) -> np.ndarray | None:
    """Return the motion parameters, None if a table lacks one of them."""
    for names in (MOTION_PARAMETERS, OLD_MOTION_PARAMETERS):
        if set(names) <= set(table.names):
            return np.column_stack([_read_leniently(table, name) for name in names])
    return None


def _read_leniently(table: JoinedTable, name: str) -> np.ndarray:
    """Return a column, NaN where it holds no finite number; gaps matter only to runs that censor by this column."""
    try:
        values = table.numbers(name)
    except ValueError:
        values = np.array([parse_number(cell) if is_number(cell) else np.nan for cell in table.column(name)])
    return np.where(np.isfinite(values), values, np.nan)
