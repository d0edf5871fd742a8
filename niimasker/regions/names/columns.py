"""From a table's cells to a table of labels: which column holds the names, and which hold whole numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from niimasker.errors import RegionsError, list_names
from niimasker.inputs.delimiters import parse_decimal, parse_whole
from niimasker.inputs.text_tables import ROW_NUMBERING
from niimasker.regions.axes import find_axes
from niimasker.regions.names.label_table import LabelTable, NumberColumn, find_numbered_words, spell

# The first of these that holds text counts, whatever its case and with _, - or a blank between its words.
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
    "abbreviation",
    "description",
)
_KNOWN_NAMES = tuple(map(spell, NAME_COLUMNS))
# Other headings by which a first row is known as a header.
_OTHER_HEADINGS_TEXT = """
index idx id no number value key node parcel component roiid roiindex roilabel regionid regionindex labelid
labelindex roinum voxelvalue intensity mapping abbreviation acronym hemisphere hemi network color colour
"""
_OTHER_HEADINGS = frozenset(_OTHER_HEADINGS_TEXT.split())
_COLORS = (("r", "g", "b"), ("red", "green", "blue"), ("colorr", "colorg", "colorb"))
_ALPHAS = ("a", "alpha", "colora")
_MISSING = ("", "n/a", "na")
_COLOR_CELL = re.compile(r"#?[0-9a-fA-F]{6}(?:[0-9a-fA-F]{2})?|[\[(]?\d+(?:[ ,]+\d+){2,3}[\])]?")


@dataclass(frozen=True)
class Column:
    """A column of a table."""

    place: int
    heading: str | None
    cells: tuple[str, ...]

    @property
    def title(self) -> str:
        """What messages call it."""
        return f"column {self.heading}" if self.heading else f"column {self.place + 1}"

    @property
    def is_color(self) -> bool:
        """Whether it holds colours, by its heading or by each of its cells."""
        named = self.heading is not None and bool({"color", "colour"} & {spell(self.heading)[-n:] for n in (5, 6)})
        return named or (self.is_text and all(_COLOR_CELL.fullmatch(cell) for cell in self.cells))

    @property
    def numbers(self) -> tuple[int | None, ...] | None:
        """Its whole numbers, None for a cell that is empty; None where it holds anything else or nothing."""
        numbers = tuple(map(parse_whole, self.cells))
        is_whole = all(
            number is not None or cell.lower() in _MISSING for number, cell in zip(numbers, self.cells, strict=True)
        )
        return numbers if is_whole and any(number is not None for number in numbers) else None

    @property
    def is_text(self) -> bool:
        """Whether a cell of it is no number; where others are, n/a is a number that is missing."""
        missing = [cell.lower() in _MISSING for cell in self.cells]
        numbers = [_is_number(cell) for cell in self.cells]
        has_text = any(not (gap or number) for gap, number in zip(missing, numbers, strict=True))
        return has_text or not any(numbers)


def read_columns(rows: Sequence[Sequence[str]], headings: Sequence[str] | None) -> list[Column]:
    """Return the columns of a table, without those that are empty."""
    columns = [
        Column(place, None if headings is None else " ".join(headings[place].split()), cells)
        for place, cells in enumerate(zip(*rows, strict=True))
    ]
    return [column for column in columns if column.heading or any(column.cells)]


def is_header(first: Sequence[str], others: Sequence[Sequence[str]]) -> bool:
    """Return whether a first row holds headings: one that is known, or text above whole numbers."""
    below = [Column(place, None, cells) for place, cells in enumerate(zip(*others, strict=False))]
    above = [cell and not _is_number(cell) for cell in first]
    over_numbers = any(text and column.numbers is not None for text, column in zip(above, below, strict=False))
    return any(map(is_known_heading, first)) or over_numbers


def is_known_heading(cell: str) -> bool:
    """Return whether a cell is a heading that tables of labels have."""
    return spell(cell) in _KNOWN_NAMES or spell(cell) in _OTHER_HEADINGS


def find_names(columns: Sequence[Column]) -> Column | None:
    """Return the column that holds the names, None where that cannot be told.

    It is the first of those that are called so whose cells differ from row to row, or the only column of text whose
    cells do.
    """
    texts = [column for column in columns if column.is_text and not column.is_color]
    named = _known_names(texts)
    texts = [column for column in texts if any(column.cells)]
    unlike = [column for column in named or texts if len(set(column.cells)) == len(column.cells)]
    if named:
        return (unlike or named)[0]
    is_alone = len(texts) == 1 and texts[0].heading is None
    return (unlike or texts)[0] if len(unlike) == 1 or is_alone else None


def make_label_table(
    path: Path, rows: Sequence[Sequence[str]], headings: Sequence[str] | None, *, form: str
) -> LabelTable:
    """Return a table's names and the whole numbers beside them.

    Raises
    ------
    RegionsError
        It has no column of names, or several that could be it.
    """
    columns = read_columns(rows, headings)
    names = find_names(columns)
    if names is None:
        raise RegionsError(_describe_missing_names(path, columns, form))
    colors = _find_colors(columns, names)
    others = [column for column in columns if column not in (names, *colors)]
    has_colors = bool(colors) or any(column.is_color for column in others)
    numbers = tuple(
        NumberColumn(column.title, found, column.heading)
        for column in others
        if (found := _check_index(column, path)) is not None
    )
    return LabelTable(
        path,
        form,
        names.cells,
        numbers,
        row_note=ROW_NUMBERING if headings is not None else "",
        has_colors=has_colors,
        numbered_words=tuple(
            numbered
            for column in others
            if column.is_text and not column.is_color
            for numbered in find_numbered_words(column.title, column.cells)
        ),
    )


def _known_names(texts: Sequence[Column]) -> list[Column]:
    spelt = {column.place: spell(column.heading or "") for column in texts}
    known = [column for name in _KNOWN_NAMES for column in texts if spelt[column.place] == name]
    return known or [column for column in texts if "name" in spelt[column.place]]


def _describe_missing_names(path: Path, columns: Sequence[Column], form: str) -> str:
    texts = [column for column in columns if column.is_text and not column.is_color]
    headings = [column.heading or column.title for column in columns]
    if not texts and all(column.numbers is not None for column in columns) and len(columns) > 1:
        shown = list_names(headings)
        return f"{path}, {form}: its names are all numbers, in {shown}; give a table with a column of names."
    expected = f"expected one of {', '.join(NAME_COLUMNS)}, or two columns without a header, index and name"
    return f"{path}, {form}: no column of names; {expected}; found {list_names(headings)}."


def _find_colors(columns: Sequence[Column], names: Column) -> list[Column]:
    """Return the columns of red, green, blue and opacity, and those of coordinates: their numbers are no indices."""
    spelt = [spell(column.heading or "") for column in columns]
    places: set[int] = set()
    for colors in _COLORS:
        if all(color in spelt for color in colors):
            places |= {place for place, heading in enumerate(spelt) if heading in (*colors, *_ALPHAS)}
    places.update(*find_axes([column.heading or "" for column in columns]))
    found = [column for place, column in enumerate(columns) if place in places]
    return found or _colors_without_headings(columns, names)


def _colors_without_headings(columns: Sequence[Column], names: Column) -> list[Column]:
    """Return the three numbers or more up to 255 that follow index and name."""
    if names.heading is not None or all(column.numbers is None for column in columns[: columns.index(names)]):
        return []
    after = columns[columns.index(names) + 1 :]
    is_color = [
        all(number is not None and 0 <= number <= 255 for number in column.numbers or [None]) for column in after
    ]
    return list(after) if len(after) >= 3 and all(is_color) else []


def _check_index(column: Column, path: Path) -> tuple[int | None, ...] | None:
    """Return a column's whole numbers, None where it holds others; raise where it is called index."""
    if column.heading is not None and spell(column.heading) == "index":
        wrong = next((cell for cell in column.cells if parse_whole(cell) is None), None)
        if wrong is not None:
            raise RegionsError(f"{path}: {wrong!r} in column index is no whole number; give a region's index.")
    return column.numbers


def _is_number(cell: str) -> bool:
    try:
        number = parse_decimal(cell)
    except ValueError:
        return False
    return abs(number) < float("inf")
