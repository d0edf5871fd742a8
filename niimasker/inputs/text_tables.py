"""Read a text table and check its shape; its cells stay text."""

from __future__ import annotations

import contextlib
import csv
import functools
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TextIO

import numpy as np

from niimasker.errors import NiimaskerError, count, list_names
from niimasker.options.paths import describe_missing_file

_DELIMITERS = {".tsv": "\t", ".csv": ","}
_SEPARATORS = {".tsv": "tabs", ".csv": "commas"}
# As R and MATLAB write them.
LOGICALS = {"true": "1", "false": "0"}

# Enough for a row of 100,000 numbers; bounds the memory that a file without line ends takes.
_MAX_LINE_CHARACTERS = 2**22
# 64 MB of numbers take 0.3 GB of memory as text; fMRIPrep's tables of long runs have about 10 MB.
_MAX_CHARACTERS = 2**26
_MAX_LINES = 2**20

# The way out of a missing header.
NAME_COLUMNS = "put a row with the columns' names above it"
ROW_NUMBERING = "the first row below the header is row 1"


@dataclass(frozen=True)
class TextTable:
    """A rectangular table as text: every row is as long as the header, and no two columns have the same name.

    Several names may be empty.

    Parameters
    ----------
    has_header
        Whether the file has a row of names; without one the columns are named 1, 2, ...
    computed
        The names of columns that are not in the file, but computed from others.
    """

    path: Path
    names: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    has_header: bool = True
    computed: frozenset[str] = frozenset()

    def column(self, name: str) -> list[str]:
        """Return a column's cells."""
        position = self.names.index(name)
        return [cells[position] for cells in self.rows]

    def numbers(self, name: str) -> np.ndarray:
        """Return a column's numbers, which are read-only, NaN where they are missing; raise ValueError for text."""
        # Each pipeline of a run takes columns of the same table.
        if name not in self._numbers:
            values = np.array([parse_number(cell) for cell in self.column(name)], dtype=np.float64)
            values.setflags(write=False)
            self._numbers[name] = values
        return self._numbers[name]

    @functools.cached_property
    def _numbers(self) -> dict[str, np.ndarray]:
        return {}


def read_text_table(
    path: Path,
    error_type: type[NiimaskerError],
    expected: str,
    *,
    needs_header: bool = True,
    without_header: Mapping[int, str] = MappingProxyType({}),
    comment: str | None = None,
) -> TextTable:
    """Return the table's text, checked to be rectangular under a header.

    Parameters
    ----------
    path : Path
        `.tsv` is split at tabs, `.csv` at commas, anything else at white space.
    error_type : type
        The error to raise.
    expected : str
        What the file should be, for messages.
    needs_header : bool
        Whether a first row of numbers or logical values is an error. If not, such a table has no header and its columns
        are named 1, 2, ...
    without_header : Mapping of int to str
        The way out of a missing header by the number of columns, for messages, where it is not `NAME_COLUMNS`.
    comment : str, optional
        The beginning of lines that are left out.

    Raises
    ------
    NiimaskerError
        Of the given type: the file cannot be read or is not a table.
    """
    with _open_text(path, error_type, expected) as file:
        lines = _iter_lines(file, path, error_type)
        if comment is not None:
            lines = (line for line in lines if not line.startswith(comment))
        rows = list(_split(lines, _DELIMITERS.get(path.suffix.lower())))
    if not rows:
        raise error_type(f"{path} is empty; give {expected}.")
    if not needs_header and all(is_number(cell) or cell.strip().lower() in LOGICALS for cell in rows[0]):
        _check_rectangular(path, rows, f"{count(len(rows[0]), 'value')} in row 1", error_type)
        return TextTable(path, tuple(str(n) for n in range(1, len(rows[0]) + 1)), tuple(rows), has_header=False)
    names = tuple(" ".join(cell.split()) for cell in rows[0])
    _check_header(path, names, error_type, without_header)
    _check_rectangular(path, rows, f"{count(len(names), 'name')} in the header ({ROW_NUMBERING})", error_type)
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
    """Raise an error of the given type unless a table has one row, or one value, per volume of its image.

    Parameters
    ----------
    n_found
        Number of the table's rows, or of the units named by `unit`.
    noun
        What the message calls the table.
    """
    if n_found != n_volumes:
        raise error_type(
            f"{table.path} has {count(n_found, unit)} but {image_path} has {count(n_volumes, 'volume')}; "
            f"each {noun} must come from the same run as its image."
        )


def read_lines(path: Path, error_type: type[NiimaskerError], expected: str) -> list[str]:
    """Return a text file's lines; parameters and errors are those of `read_text_table`."""
    with _open_text(path, error_type, expected) as file:
        return list(_iter_lines(file, path, error_type))


@contextlib.contextmanager
def _open_text(path: Path, error_type: type[NiimaskerError], expected: str) -> Iterator[TextIO]:
    if describe_missing_file(path) == "not a regular file":  # opening a pipe without a writer would block
        raise error_type(f"{path} is not a regular file; give {expected}.")
    try:
        # newline="" as the csv module requires; utf-8-sig accepts the byte order mark that Excel writes.
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


def _iter_lines(file: TextIO, path: Path, error_type: type[NiimaskerError]) -> Iterator[str]:
    """Yield the lines; raise for a zero byte, which is valid UTF-8 but not text, and for a file or line too long."""
    n_left = _MAX_CHARACTERS
    for number in itertools.count(1):
        if not (line := file.readline(_MAX_LINE_CHARACTERS + 1)):
            return
        if "\0" in line:
            raise error_type(f"{path} is a binary file (it holds zero bytes); give a text table.")
        if len(line) > _MAX_LINE_CHARACTERS:
            raise error_type(
                f"{path} has a line of more than {_MAX_LINE_CHARACTERS:,} characters; "
                "give a text table with one row per line."
            )
        n_left -= len(line)
        if n_left < 0 or number > _MAX_LINES:
            raise error_type(
                f"{path} has more than {_MAX_LINES:,} lines or {_MAX_CHARACTERS:,} characters; "
                "give the table of one run."
            )
        yield line


def _split(lines: Iterable[str], delimiter: str | None) -> Iterator[tuple[str, ...]]:
    """Yield the cells of each line that is not blank; without a delimiter, split at white space."""
    if delimiter is None:
        lines, delimiter = (" ".join(line.split()) for line in lines), " "
    for cells in csv.reader(lines, delimiter=delimiter, skipinitialspace=True):
        if len(cells) > 1 or "".join(cells).strip():
            yield tuple(cells)


def _check_header(
    path: Path, names: Sequence[str], error_type: type[NiimaskerError], without_header: Mapping[int, str]
) -> None:
    if all(is_number(name) for name in names):
        way_out = without_header.get(len(names), NAME_COLUMNS)
        raise error_type(f"{path} has no header: its first row holds no names ({list_names(names)}); {way_out}.")
    if all(map(_holds_numbers, names)):
        separator = _SEPARATORS.get(path.suffix.lower(), "white space")
        raise error_type(
            f"{path} cannot be split into numbers: its first row holds {list_names(names)}; separate columns by "
            f"{separator}, and write decimal points."
        )
    repeated = [name for name, n in Counter(names).items() if name and n > 1]
    if repeated:
        raise error_type(
            f"{path} has columns of the same name: {list_names(repeated)}; give every column its own name."
        )


def _check_rectangular(path: Path, rows: Sequence[Sequence[str]], first: str, error_type: type[NiimaskerError]) -> None:
    """Raise an error for a row that is not as long as the first, which `first` describes."""
    has_header = "header" in first
    n_expected = len(rows[0])
    for row, cells in enumerate(rows[1:], start=1 if has_header else 2):
        if len(cells) != n_expected:
            # R's write.table writes a name before each row, but none in the header.
            has_row_names = has_header and len(cells) == n_expected + 1
            way_out = "save it without row names" if has_row_names else "correct that row"
            raise error_type(f"{path} has {count(len(cells), 'value')} in row {row} but {first}; {way_out}.")


def is_number(cell: str) -> bool:
    """Return whether a cell holds a number or a missing value."""
    try:
        parse_number(cell)
    except ValueError:
        return False
    return True


def _holds_numbers(cell: str) -> bool:
    """Return whether a cell holds several numbers, or one with a decimal comma or an exponent such as D-02."""
    parts = re.split(r"[\s,;|]+", cell.strip())
    return all(part and is_number(part.replace("D", "e")) for part in parts)


# float() itself reads "nan" in any case.
_MISSING = frozenset({"", "n/a", "na"})


def parse_number(cell: str) -> float:
    """Return the number in a cell, NaN if it is missing; raise ValueError for text."""
    try:
        # float() would read 1_2 as 12.
        return float(cell.replace("_", "?"))
    except ValueError:
        # Only now: most cells hold numbers, and a large table has 100,000 of them.
        if cell.strip().lower() in _MISSING:
            return float("nan")
        raise
