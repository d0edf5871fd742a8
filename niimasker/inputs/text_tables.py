"""Read a table as text; what its cells mean is for others to say."""

from __future__ import annotations

import contextlib
import csv
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from niimasker.errors import NiimaskerError, count, list_names
from niimasker.options.paths import describe_missing_file

_DELIMITERS = {".tsv": "\t", ".csv": ","}
# As R and MATLAB write them.
LOGICALS = {"true": "1", "false": "0"}

# A row of 100,000 numbers; a file without line ends is not read as a whole.
_MOST_CHARACTERS = 2**22
# 64 MB of numbers take 0.3 GB as text. fMRIPrep's tables of long runs have some 10 MB.
_MOST_IN_ALL = 2**26
_MOST_LINES = 2**20

HOW_ROWS_COUNT = "the first row below the header is row 1"


@dataclass(frozen=True)
class TextTable:
    """A table as text: names are unique apart from empty ones, every row is as long as the header."""

    path: Path
    names: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def column(self, name: str) -> list[str]:
        """Return a column's cells."""
        position = self.names.index(name)
        return [cells[position] for cells in self.rows]


def read_text_table(
    path: Path, error_type: type[NiimaskerError], expected: str, *, needs_header: bool = True
) -> TextTable:
    """Return the table's text, checked to be rectangular under a header.

    Parameters
    ----------
    path : Path
        `.tsv` is split at tabs, `.csv` at commas, anything else at white space.
    error_type : type
        What is raised.
    expected : str
        What the table should be, for messages.
    needs_header : bool
        Whether a table of numbers or logical values alone is refused; else its columns are called 1, 2, ...

    Raises
    ------
    NiimaskerError
        Of the type given: the file cannot be read or is no table.
    """
    with _reading(path, error_type, expected) as file:
        rows = list(_split(_check_text(file, path, error_type), _DELIMITERS.get(path.suffix.lower())))
    if not rows:
        raise error_type(f"{path} is empty; give {expected}.")
    if not needs_header and all(_is_number(cell) or cell.strip().lower() in LOGICALS for cell in rows[0]):
        _check_rectangular(path, rows, f"{count(len(rows[0]), 'value')} in row 1", error_type)
        return TextTable(path, tuple(str(n) for n in range(1, len(rows[0]) + 1)), tuple(rows))
    names = tuple(" ".join(cell.split()) for cell in rows[0])
    _check_header(path, names, error_type)
    _check_rectangular(path, rows, f"{count(len(names), 'name')} in the header ({HOW_ROWS_COUNT})", error_type)
    return TextTable(path, names, tuple(rows[1:]))


def check_length(
    table: TextTable,
    n_found: int,
    error_type: type[NiimaskerError],
    *,
    n_volumes: int,
    image_path: Path,
    noun: str,
    unit: str = "row",
) -> None:
    """Raise an error of the type given when a table has not one row for each volume of its image.

    Parameters
    ----------
    n_found
        Rows of the table, or what else the unit says.
    noun
        What the table is, for the message.
    """
    if n_found != n_volumes:
        raise error_type(
            f"{table.path} has {count(n_found, unit)} but {image_path} has {count(n_volumes, 'volume')}; "
            f"each {noun} must come from the same run as its image."
        )


def read_lines(path: Path, error_type: type[NiimaskerError], expected: str) -> list[str]:
    """Return a text's lines; the parameters and errors are those of `read_text_table`."""
    with _reading(path, error_type, expected) as file:
        return list(_check_text(file, path, error_type))


@contextlib.contextmanager
def _reading(path: Path, error_type: type[NiimaskerError], expected: str) -> Iterator[TextIO]:
    if describe_missing_file(path) == "not a regular file":  # a pipe without a writer would be waited for
        raise error_type(f"{path} is not a regular file; give {expected}.")
    try:
        # The csv module wants line ends as they are; utf-8-sig also takes the mark that Excel writes first.
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield file
    except UnicodeDecodeError as error:
        found = error.object[error.start]
        raise error_type(
            f"{path} is not UTF-8 text (byte 0x{found:02x}); give an uncompressed text table saved as UTF-8."
        ) from error
    except OSError as error:
        raise error_type(f"{path} cannot be read ({error.strerror}); give {expected}.") from error
    except csv.Error as error:
        raise error_type(f"{path} is not a table ({error}); give {expected}.") from error


def _check_text(file: TextIO, path: Path, error_type: type[NiimaskerError]) -> Iterator[str]:
    """Yield the lines; raise at a zero byte, which is valid UTF-8 but in no text, and at a line without end."""
    n_left = _MOST_IN_ALL
    for number in itertools.count(1):
        if not (line := file.readline(_MOST_CHARACTERS + 1)):
            return
        if "\0" in line:
            raise error_type(f"{path} is a binary file (it holds zero bytes); give a text table.")
        if len(line) > _MOST_CHARACTERS:
            raise error_type(
                f"{path} has a line of more than {_MOST_CHARACTERS:,} characters; "
                "give a text table with a row in each line."
            )
        n_left -= len(line)
        if n_left < 0 or number > _MOST_LINES:
            raise error_type(
                f"{path} has more than {_MOST_LINES:,} lines or {_MOST_IN_ALL:,} characters; give the table of one run."
            )
        yield line


def _split(lines: Iterable[str], delimiter: str | None) -> Iterator[tuple[str, ...]]:
    """Yield the cells of every line that is not blank; without a delimiter, split at white space."""
    if delimiter is None:
        lines, delimiter = (" ".join(line.split()) for line in lines), " "
    for cells in csv.reader(lines, delimiter=delimiter, skipinitialspace=True):
        if len(cells) > 1 or "".join(cells).strip():
            yield tuple(cells)


def _check_header(path: Path, names: Sequence[str], error_type: type[NiimaskerError]) -> None:
    if all(_is_number(name) for name in names):
        raise error_type(
            f"{path} has no header: its first row holds no names ({list_names(names)}); "
            "put a row with the columns' names above it."
        )
    repeated = [name for name, n in Counter(names).items() if name and n > 1]
    if repeated:
        raise error_type(f"{path} names columns twice: {list_names(repeated)}; give every column its own name.")


def _check_rectangular(path: Path, rows: Sequence[Sequence[str]], first: str, error_type: type[NiimaskerError]) -> None:
    """Refuse a row that is not as long as the first; `first` says what that is and which row counts as row 1."""
    has_header = "header" in first
    n_expected = len(rows[0])
    for row, cells in enumerate(rows[1:], start=1 if has_header else 2):
        if len(cells) != n_expected:
            # R's write.table puts a name before every row but not into the header.
            is_named = has_header and len(cells) == n_expected + 1
            way_out = "save it without row names" if is_named else "correct that row"
            raise error_type(f"{path} has {count(len(cells), 'value')} in row {row} but {first}; {way_out}.")


def _is_number(cell: str) -> bool:
    try:
        parse_number(cell)
    except ValueError:
        return False
    return True


# "nan" in any spelling is a number to float().
_MISSING = frozenset({"", "n/a", "na"})


def parse_number(cell: str) -> float:
    """Return the cell's number, NaN where it is missing; raise ValueError for text."""
    if cell.strip().lower() in _MISSING:
        return float("nan")
    # float() reads the digits of 1_2 as 12.
    return float(cell.replace("_", "?"))
