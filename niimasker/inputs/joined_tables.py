"""The confounds tables of one run, joined side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from niimasker.errors import ConfoundsError, count
from niimasker.inputs.text_tables import ROW_NUMBERING, TextTable, parse_number


@dataclass(frozen=True)
class JoinedTable:
    """Tables with the same number of rows; a column that several have is that of the first.

    Parameters
    ----------
    origins
        The table that each column comes from, in the order of the columns.
    """

    tables: tuple[TextTable, ...]
    origins: Mapping[str, TextTable]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all columns, each once."""
        return tuple(self.origins)

    @property
    def n_rows(self) -> int:
        """The number of rows."""
        return len(self.tables[0].rows)

    @property
    def paths(self) -> Mapping[str, Path]:
        """The table of each column."""
        return {name: table.path for name, table in self.origins.items()}

    def column(self, name: str) -> list[str]:
        """Return a column's cells."""
        return self.origins[name].column(name)

    def numbers(self, name: str) -> np.ndarray:
        """Return a column's numbers, as `TextTable.numbers` does."""
        return self.origins[name].numbers(name)

    def __str__(self) -> str:
        return show_paths([table.path for table in self.tables])


def show_paths(paths: Sequence[Path]) -> str:
    """Return the tables of a run as text for a message."""
    return " with ".join(map(str, paths))


def join_tables(tables: Sequence[TextTable]) -> JoinedTable:
    """Return tables side by side.

    Raises
    ------
    ConfoundsError
        The tables differ in their number of rows, or in a column that two of them have.
    """
    first = tables[0]
    origins: dict[str, TextTable] = {}
    for table in tables:
        if len(table.rows) != len(first.rows):
            raise ConfoundsError(
                f"{first.path} has {count(len(first.rows), 'row')} but {table.path} has {len(table.rows)}; tables that "
                "are joined side by side must come from the same run."
            )
        for name in table.names:
            # Nameless columns differ, and are never chosen by name.
            if name and name in origins:
                _check_equal(name, origins[name], table)
            origins.setdefault(name, table)
    return JoinedTable(tuple(tables), origins)


def _check_equal(name: str, first: TextTable, other: TextTable) -> None:
    for row, (cell, other_cell) in enumerate(zip(first.column(name), other.column(name), strict=True), start=1):
        if not _are_equal(cell, other_cell):
            raise ConfoundsError(
                f"{first.path} and {other.path} both have a column {name!r}, and differ in row {row} "
                f"({ROW_NUMBERING}), {cell[:40]!r} and {other_cell[:40]!r}; rename it in one of them, or "
                "give only one of the tables."
            )


def _are_equal(cell: str, other: str) -> bool:
    if cell == other:
        return True
    try:
        value, other_value = parse_number(cell), parse_number(other)
    except ValueError:
        return False
    # Both are missing, however that is written.
    return value == other_value or (value != value and other_value != other_value)
