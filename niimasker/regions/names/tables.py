"""Read a table of regions' names in the formats that atlases come with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from niimasker.errors import RegionsError, list_names
from niimasker.inputs.text_tables import ROW_NUMBERING, TextTable, parse_number, read_lines, read_text_table

TABLE_SUFFIXES = (".tsv", ".csv")
COLOR_TABLE_SUFFIXES = (".txt", ".ctab")

# Compared without case, with _ or - as a blank; the first of these that a table has is used.
NAME_COLUMNS = (
    "labels",
    "label",
    "name",
    "names",
    "roi name",
    "region name",
    "label name",
    "regions",
    "region",
    "roi",
    "structure",
    "difumo names",
)
_INDEX = "index"
# Index columns of other atlases; used if they hold whole numbers without repetition.
OTHER_INDEX_COLUMNS = ("roi label", "roi index", "roi id", "region index", "region id", "label id", "id", "component")
_COLOR_COLUMN = "color"
_COLOR_TABLE = "a colour table of FreeSurfer's: lines of index, name, R, G, B, A, and comments after #"


@dataclass(frozen=True)
class NameTable:
    """The names in a table, in its order.

    Parameters
    ----------
    indices
        The names' indices; None if the table has none.
    has_colors
        Whether the table also has a colour for each name.
    """

    path: Path
    names: tuple[str, ...]
    indices: tuple[int, ...] | None = None
    has_colors: bool = False

    @property
    def serves_many(self) -> bool:
        """Whether the table serves many images, as FreeSurfer's: it has colours, and gaps between its indices."""
        found = set(self.indices or ()) - {0}
        return self.has_colors and bool(found) and max(found) - min(found) >= len(found)


def read_name_table(table_path: Path) -> NameTable:
    """Return the names in a .tsv or .csv table, or in a FreeSurfer colour table.

    Raises
    ------
    RegionsError
        The table has no column of names, a row has none, or its indices are not whole numbers.
    """
    if table_path.suffix.lower() in COLOR_TABLE_SUFFIXES:
        return _read_color_table(table_path)
    table = _with_header(read_text_table(table_path, RegionsError, "a table with a column of names"))
    normalised = [_normalise(name) for name in table.names]
    columns = [table.names[normalised.index(name)] for name in NAME_COLUMNS if name in normalised]
    if not columns:
        raise RegionsError(
            f"{table_path}: no column of names; expected one of {', '.join(NAME_COLUMNS)}, or two columns without a "
            f"header, index and name; found {list_names(table.names)}."
        )
    # If only some of the possible name columns hold text, those with numbers are indices.
    numbers = [column for column in columns if _are_whole_numbers(table.column(column))]
    texts = [column for column in columns if column not in numbers]
    names = [name.strip() for name in table.column((texts or columns)[0])]
    if "" in names:
        raise RegionsError(f"{table_path}: no name in row {names.index('') + 1} ({ROW_NUMBERING}); give it one.")
    indices = _read_indices(table, normalised, numbers if texts else [])
    return NameTable(table_path, tuple(names), indices, _COLOR_COLUMN in normalised)


def _normalise(name: str) -> str:
    return " ".join(name.lower().replace("_", " ").replace("-", " ").split())


def _with_header(table: TextTable) -> TextTable:
    """Return a table with a header; one of two columns, index and name, may come without."""
    filled = [
        place for place, name in enumerate(table.names) if name or any(cells[place].strip() for cells in table.rows)
    ]
    if filled != [0, 1] or not _are_whole_numbers(table.names[:1]) or _are_whole_numbers(table.names[1:2]):
        return table
    rows = tuple((cells[0], cells[1]) for cells in (table.names, *table.rows))
    return TextTable(table.path, (_INDEX, "name"), rows)


def _are_whole_numbers(cells: Sequence[str]) -> bool:
    try:
        return all(parse_number(cell).is_integer() for cell in cells)
    except ValueError:
        return False


def _read_indices(table: TextTable, normalised: Sequence[str], numbers: Sequence[str]) -> tuple[int, ...] | None:
    if _INDEX in normalised:
        return tuple(_read_index(text, table.path) for text in table.column(table.names[normalised.index(_INDEX)]))
    others = [table.names[normalised.index(name)] for name in OTHER_INDEX_COLUMNS if name in normalised]
    for column in (*others, *numbers):
        cells = table.column(column)
        if _are_whole_numbers(cells) and len({float(cell) for cell in cells}) == len(cells):
            return tuple(int(float(cell)) for cell in cells)
    return None


def _read_index(text: str, table_path: Path) -> int:
    try:
        index = float(text)
        if index != int(index):
            raise ValueError
    except (ValueError, OverflowError) as error:
        raise RegionsError(
            f"{table_path}: {text!r} in column index is no whole number; give a region's index."
        ) from error
    return int(index)


def _read_color_table(table_path: Path) -> NameTable:
    rows = [_read_color_row(line, table_path) for line in read_lines(table_path, RegionsError, _COLOR_TABLE)]
    found = [row for row in rows if row is not None]
    if not found:
        raise RegionsError(f"{table_path} names nothing; expected {_COLOR_TABLE}.")
    indices, names = zip(*found, strict=True)
    return NameTable(table_path, names, indices, has_colors=True)


def _read_color_row(line: str, table_path: Path) -> tuple[int, str] | None:
    cells = line.partition("#")[0].split()
    if not cells:
        return None
    # Some tables have a sixth column for the tissue type, some have no transparency.
    if len(cells) < 5 or not _are_whole_numbers([cells[0], *cells[2:5]]):
        raise RegionsError(
            f"{table_path}: {line.strip()!r} is no line of {_COLOR_TABLE}; names alone go into a .tsv table."
        )
    return int(float(cells[0])), cells[1]
