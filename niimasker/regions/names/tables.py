"""Read a table of regions' names, as atlases ship them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from niimasker.errors import RegionsError, list_names
from niimasker.inputs.text_tables import HOW_ROWS_COUNT, TextTable, parse_number, read_lines, read_text_table

TABLE_SUFFIXES = (".tsv", ".csv")
COLOR_TABLE_SUFFIXES = (".txt", ".ctab")

# Whatever their case, with _ or - for a blank; the first that is there counts.
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
# Of other atlases; they count where they hold whole numbers, each once.
OTHER_INDEX_COLUMNS = ("roi label", "roi index", "roi id", "region index", "region id", "label id", "id", "component")
_COLOR_COLUMN = "color"
_COLOR_TABLE = "a colour table of FreeSurfer's: lines of index, name, R, G, B, A, and comments after #"


@dataclass(frozen=True)
class NameTable:
    """The names that a table gives, in its order.

    Parameters
    ----------
    indices
        Of the names; None when the table gives none.
    has_colors
        Whether it gives a colour to each name too.
    """

    path: Path
    names: tuple[str, ...]
    indices: tuple[int, ...] | None = None
    has_colors: bool = False

    @property
    def serves_many(self) -> bool:
        """Whether it lists more structures than one image need have, as FreeSurfer's: with colours, and gaps."""
        found = set(self.indices or ()) - {0}
        return self.has_colors and bool(found) and max(found) - min(found) >= len(found)


def read_name_table(table_path: Path) -> NameTable:
    """Return the names in a .tsv or .csv table, or in a colour table of FreeSurfer's.

    Raises
    ------
    RegionsError
        The table has no column of names, a row has none, or its indices are not whole numbers.
    """
    if table_path.suffix.lower() in COLOR_TABLE_SUFFIXES:
        return _read_color_table(table_path)
    table = _with_header(read_text_table(table_path, RegionsError, "a table with a column of names"))
    spelt = [_spell(name) for name in table.names]
    columns = [table.names[spelt.index(name)] for name in NAME_COLUMNS if name in spelt]
    if not columns:
        raise RegionsError(
            f"{table_path}: no column of names; expected one of {', '.join(NAME_COLUMNS)}, or two columns without a "
            f"header, index and name; found {list_names(table.names)}."
        )
    # Where one column of two holds numbers, it is what the other one names.
    numbers = [column for column in columns if _are_whole(table.column(column))]
    texts = [column for column in columns if column not in numbers]
    names = [name.strip() for name in table.column((texts or columns)[0])]
    if "" in names:
        raise RegionsError(f"{table_path}: no name in row {names.index('') + 1} ({HOW_ROWS_COUNT}); give it one.")
    indices = _read_indices(table, spelt, numbers if texts else [])
    return NameTable(table_path, tuple(names), indices, _COLOR_COLUMN in spelt)


def _spell(name: str) -> str:
    return " ".join(name.lower().replace("_", " ").replace("-", " ").split())


def _with_header(table: TextTable) -> TextTable:
    """Return a table of indices and names alone, which has no header, with one."""
    filled = [
        place for place, name in enumerate(table.names) if name or any(cells[place].strip() for cells in table.rows)
    ]
    if filled != [0, 1] or not _are_whole(table.names[:1]) or _are_whole(table.names[1:2]):
        return table
    rows = tuple((cells[0], cells[1]) for cells in (table.names, *table.rows))
    return TextTable(table.path, (_INDEX, "name"), rows)


def _are_whole(cells: Sequence[str]) -> bool:
    try:
        return all(parse_number(cell).is_integer() for cell in cells)
    except ValueError:
        return False


def _read_indices(table: TextTable, spelt: Sequence[str], numbers: Sequence[str]) -> tuple[int, ...] | None:
    if _INDEX in spelt:
        return tuple(_read_index(text, table.path) for text in table.column(table.names[spelt.index(_INDEX)]))
    others = [table.names[spelt.index(name)] for name in OTHER_INDEX_COLUMNS if name in spelt]
    for column in (*others, *numbers):
        cells = table.column(column)
        if _are_whole(cells) and len({float(cell) for cell in cells}) == len(cells):
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
    # A tissue's number may follow, and transparency may be missing.
    if len(cells) < 5 or not _are_whole([cells[0], *cells[2:5]]):
        raise RegionsError(
            f"{table_path}: {line.strip()!r} is no line of {_COLOR_TABLE}; names alone go into a .tsv table."
        )
    return int(float(cells[0])), cells[1]
