"""Split the lines of a table into cells, at the delimiter that its content shows, whatever the file's ending."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from niimasker.errors import NiimaskerError, count
from niimasker.inputs.text_tables import ROW_NUMBERING, parse_number

DELIMITERS = {"\t": "tabs", ";": "semicolons", ",": "commas", "|": "bars"}
# A file of this ending whose rows differ in length is a broken table, and not a list with one name a line.
_EXPECTED = {".tsv": "\t", ".csv": ","}
_DECIMAL_ZEROS = re.compile(r"(?<=\d),0{1,2}\s*$")


@dataclass(frozen=True)
class Split:
    """The cells of a table's rows, without white space around them, empty rows and comments.

    Parameters
    ----------
    delimiter
        In words, for messages.
    comment
        The cells of the last comment above the first row, which may be its header.
    """

    delimiter: str
    rows: tuple[tuple[str, ...], ...]
    comment: tuple[str, ...] = ()

    @property
    def is_regular(self) -> bool:
        """Whether every row has as many cells as the first one, and more than one."""
        return len(self.rows[0]) > 1 and len({len(cells) for cells in self.rows}) == 1

    @property
    def has_numbers(self) -> bool:
        """Whether a column below the first row holds whole numbers alone."""
        columns = zip(*self.rows[1:], strict=False)
        return any(all(parse_whole(cell) is not None for cell in column) for column in columns)


def parse_whole(cell: str) -> int | None:
    """Return a cell's whole number, None where it holds anything else; 3,0 is 3, as Excel may write it."""
    try:
        # 3,000 may be three thousand.
        number = parse_number(_DECIMAL_ZEROS.sub("", cell))
    except ValueError:
        return None
    return int(number) if number.is_integer() else None


def parse_decimal(cell: str) -> float:
    """Return a cell's number, with a decimal comma or point and any minus sign; raise ValueError for text."""
    return parse_number(cell.strip().replace("\N{MINUS SIGN}", "-").replace(",", "."))


def is_comment(line: str) -> bool:
    """Return whether a line is a comment."""
    return line.lstrip().startswith("#")


def split_table(lines: Sequence[str], path: Path) -> Split | None:
    """Return the rows of a delimited table, None where no delimiter makes columns of the lines.

    A delimiter that makes rows of one length goes before others, then one that makes a column of whole numbers: with
    decimal commas, rows may be of one length at commas too.
    """
    kept = [line for line in lines if line.strip() and not is_comment(line)]
    first = next((place for place, line in enumerate(lines) if line.strip() and not is_comment(line)), 0)
    comments = [line.strip().lstrip("#") for line in lines[:first] if is_comment(line)]
    splits = [split for delimiter in DELIMITERS if (split := _split_at(kept, delimiter, comments[-1:])) is not None]
    if regular := [split for split in splits if split.is_regular]:
        return max(regular, key=lambda split: split.has_numbers)
    expected = DELIMITERS.get(_EXPECTED.get(path.suffix.lower(), ""))
    return next((split for split in splits if split.delimiter == expected or _is_nearly_regular(split)), None)


def split_at_white_space(lines: Sequence[str]) -> Split | None:
    """Return the rows of a table whose columns are separated by white space, None where they differ in length."""
    rows = tuple(tuple(_cells_of(line)) for line in lines if line.strip() and not is_comment(line))
    split = Split("white space", rows) if rows else None
    return split if split is not None and split.is_regular else None


def _cells_of(line: str) -> list[str]:
    """Return the words of a line; those in quotes are one."""
    found = re.findall(r"""'([^']*)'(?=\s|$)|"([^"]*)"(?=\s|$)|(\S+)""", line)
    return [single or double or word for single, double, word in found]


def check_rectangular(split: Split, path: Path, error_type: type[NiimaskerError], *, has_header: bool) -> None:
    """Raise an error of the type given when a row is not as long as the first one."""
    n_expected = len(split.rows[0])
    for row, cells in enumerate(split.rows[1:], start=1 if has_header else 2):
        if len(cells) == n_expected:
            continue
        first = f"{count(n_expected, 'name')} in the header ({ROW_NUMBERING})"
        # R's write.table puts a name before every row but not into the header.
        is_named = has_header and len(cells) == n_expected + 1
        raise error_type(
            f"{path} has {count(len(cells), 'value')} in row {row} but "
            f"{first if has_header else count(n_expected, 'value') + ' in row 1'}; "
            f"{'save it without row names' if is_named else 'correct that row'}."
        )


def _split_at(lines: Sequence[str], delimiter: str, comments: Sequence[str]) -> Split | None:
    rows = [
        tuple(cell.strip() for cell in cells) for cells in csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
    ]
    rows = [cells for cells in rows if any(cells)]
    if all(len(cells) < 2 for cells in rows) or any(map(_cuts_brackets, rows)):
        return None
    lengths = [max(place for place, cell in enumerate(cells, start=1) if cell) for cells in rows]
    # Programs for spreadsheets fill rows up with empty cells.
    width = max(lengths[0], min(len(rows[0]), max(lengths)))
    fitted = (cells[: max(width, length)] for cells, length in zip(rows, lengths, strict=True))
    above = tuple(cell.strip() for cells in csv.reader(comments, delimiter=delimiter) for cell in cells)
    return Split(DELIMITERS[delimiter], tuple(fitted), above)


def _cuts_brackets(cells: Sequence[str]) -> bool:
    """Return whether a delimiter divides something in brackets, such as (1,55,-3): cells are open, their row is not."""
    for left, right in ("()", "[]"):
        n_open = [cell.count(left) - cell.count(right) for cell in cells]
        if any(n_open) and sum(n_open) == 0:
            return True
    return False


def _is_nearly_regular(split: Split) -> bool:
    width = len(split.rows[0])
    return width > 1 and 2 * sum(len(cells) == width for cells in split.rows) > len(split.rows)
