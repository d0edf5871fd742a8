"""The components of an ICA: rejected ones that are regressed out, and accepted ones that are preserved."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from niimasker.errors import ConfoundsError, list_names
from niimasker.inputs.joined_tables import JoinedTable, join_tables
from niimasker.inputs.text_tables import ROW_NUMBERING, TextTable, parse_number

# A rejected component in the confounds table and in the mixing matrix may differ by this share of its largest value,
# because programs round the numbers that they write.
_ROUNDING = 1e-4


@dataclass(frozen=True)
class Components:
    """The classified components of one ICA.

    Parameters
    ----------
    rejected, accepted
        Names of the components. Rejected ones are columns of the confounds tables.
    classification_path
        The file that classifies the components.
    mixing
        The table with all components, if it is not one of the confounds tables.
    """

    rejected: tuple[str, ...]
    accepted: tuple[str, ...]
    classification_path: Path
    mixing: TextTable | None = None


@dataclass(frozen=True, eq=False)
class Preserved:
    """Accepted components, and the regressors that are orthogonalised to them.

    Parameters
    ----------
    regressors
        Names of the rejected components among a run's regressors.
    names
        Names of the accepted components, in the order of the columns of `values`.
    values
        Of shape (n_volumes, n_components), float64; NaN or infinite where the table has no finite number.
    mixed
        The components of `regressors` that a mixing matrix beside the confounds table has, by name, of shape
        (n_volumes,).
    paths
        The table of each component of `names` and `mixed`, for messages.
    sources
        The files that were read beside the confounds tables.
    """

    regressors: tuple[str, ...]
    names: tuple[str, ...]
    values: np.ndarray
    mixed: Mapping[str, np.ndarray] = field(default_factory=dict)
    paths: Mapping[str, Path] = field(default_factory=dict)
    sources: tuple[Path, ...] = ()

    def complete(self, kept: np.ndarray, regressors: Mapping[str, np.ndarray]) -> Preserved:
        """Return the components with NaN at volumes that are not kept; the values there are never used.

        Parameters
        ----------
        kept : ndarray of shape (n_volumes,), bool
        regressors : Mapping of str to ndarray of shape (n_volumes,)
            The run's regressors by their names.

        Raises
        ------
        ConfoundsError
            A component has no finite value at a kept volume, or the mixing matrix has other values than the confounds
            table.
        """
        gaps = np.argwhere(~np.isfinite(self.values) & kept[:, None])
        if len(gaps):
            row, column = gaps[0]
            name = self.names[column]
            raise ConfoundsError(
                f"{self.paths.get(name)}: the accepted component {name} has no finite number in row {row + 1} "
                f"({ROW_NUMBERING}); correct the table."
            )
        for name, mixed in self.mixed.items():
            difference = np.abs(regressors[name] - mixed)[kept]
            if not (difference <= _ROUNDING * np.abs(mixed[kept]).max(initial=0)).all():
                raise ConfoundsError(
                    f"{self.paths.get(name)}: component {name} has other values than the confounds' column of that "
                    "name; both must come from the same run of ICA-AROMA."
                )
        return dataclasses.replace(self, values=np.where(kept[:, None], self.values, np.nan))


def read_preserved(found: Sequence[Components], table: JoinedTable, regressors: Collection[str]) -> Preserved | None:
    """Return the accepted components of all ICAs together; None if no component is rejected.

    Parameters
    ----------
    found
        The components of each ICA.
    table
        The run's confounds tables.
    regressors
        Names of the run's regressors. An accepted component among them is regressed out, and not preserved.

    Raises
    ------
    ConfoundsError
        A mixing matrix has another number of rows than the confounds tables.
    """
    found = [components for components in found if components.rejected]
    if not found:
        return None
    mixings = [components.mixing for components in found if components.mixing is not None]
    # Without names, because only the lengths are compared.
    join_tables([table.tables[0], *(dataclasses.replace(mixing, names=()) for mixing in mixings)])
    columns = {
        name: _read_numbers(table if components.mixing is None else components.mixing, name)
        for components in found
        for name in components.accepted
        if name not in regressors
    }
    mixed = {
        name: _read_numbers(components.mixing, name)
        for components in found
        if components.mixing is not None
        for name in components.rejected
    }
    return Preserved(
        tuple(name for components in found for name in components.rejected),
        tuple(columns),
        np.column_stack([np.empty((table.n_rows, 0)), *columns.values()]),
        mixed,
        {**table.paths, **{name: mixing.path for mixing in mixings for name in mixing.names}},
        (*(mixing.path for mixing in mixings), *(components.classification_path for components in found)),
    )


def _read_numbers(table: JoinedTable | TextTable, name: str) -> np.ndarray:
    """Return a component's values, NaN where the cell is not a number."""
    values = np.full(len(cells := table.column(name)), np.nan)
    for row, cell in enumerate(cells):
        with contextlib.suppress(ValueError):
            values[row] = parse_number(cell)
    return values


def check_accepted(components: Components, word: str) -> Components:
    """Return the components; raise ConfoundsError if some are rejected and none is accepted.

    Parameters
    ----------
    word
        The word to give instead of the one that preserves accepted components.
    """
    if components.rejected and not components.accepted:
        raise ConfoundsError(
            f"{components.classification_path} accepts none of the components, so that there is nothing to preserve "
            f"(rejected: {list_names(components.rejected)}); leave this run out, or give {word}."
        )
    return components
