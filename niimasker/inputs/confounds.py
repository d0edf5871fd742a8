"""Confounds: the columns of one run's table that named columns or a strategy choose."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from niimasker.errors import ConfoundsError, nearest, shorten, warn
from niimasker.inputs.strategies import FLEXIBLE_WORDS, STRATEGIES, choose_by_strategy, combine_words

_DELIMITERS = {".tsv": "\t", ".csv": ","}
# "nan" in any spelling is a number to float().
_MISSING = frozenset({"", "n/a", "na"})
_HOW_ROWS_COUNT = "the first row below the header is row 1"


@dataclass(frozen=True, eq=False)
class Confounds:
    """One run's regressors.

    Attributes
    ----------
    names : tuple of str
        The regressors' names, in the order of the columns of `values`.
    values : ndarray of shape (n_volumes, n_regressors), float64
        Finite, in the table's units, column means not removed.
    """

    names: tuple[str, ...]
    values: np.ndarray


@dataclass(frozen=True)
class _Table:
    """A table as text: names are unique apart from empty ones, every row is as long as the header."""

    path: Path
    names: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def load_confounds(table_path: Path, regressors: Sequence[str], *, n_volumes: int, image_path: Path) -> Confounds:
    """Return the regressors of one run, one row per volume of its image.

    Parameters
    ----------
    table_path : Path
        Table with a header: `.tsv` is split at tabs, `.csv` at commas, anything else at white space. fMRIPrep's JSON is
        looked for beside it under the same stem, and only for CompCor.
    regressors : sequence of str
        Names of columns; or one of `STRATEGIES`; or some of `FLEXIBLE_WORDS`; or nothing for all columns.
    n_volumes : int
        Volumes of the image, before any is discarded.
    image_path : Path
        The image, for messages.

    Returns
    -------
    Confounds
        All rows of the table. A value missing in the first row (derivatives have none) is the next row's.

    Raises
    ------
    ConfoundsError
        The table cannot be read, does not fit the image, or lacks what `regressors` ask for.
    """
    table = _read_table(table_path)
    _check_length(table, n_volumes, image_path)
    names = _choose_columns(table, tuple(dict.fromkeys(regressors)))
    values = _fill_first_row(table, names, _read_numbers(table, names))
    if not regressors:
        _warn_of_many(table, names)
    return Confounds(names, values)


# Reading


def _read_table(path: Path) -> _Table:
    """Return the table's text, checked to be rectangular under a header."""
    try:
        # The csv module wants line ends as they are; utf-8-sig also takes the mark that Excel writes first.
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(_split(_check_text(file, path), _DELIMITERS.get(path.suffix.lower())))
    except UnicodeDecodeError as error:
        found = error.object[error.start]
        raise ConfoundsError(
            f"{path} is not UTF-8 text (byte 0x{found:02x}); give an uncompressed text table saved as UTF-8."
        ) from error
    except OSError as error:
        raise ConfoundsError(
            f"{path} cannot be read ({error.strerror}); give a text table with one row per volume."
        ) from error
    except csv.Error as error:
        raise ConfoundsError(f"{path} is not a table ({error}); give a text table with one row per volume.") from error
    if not rows:
        raise ConfoundsError(f"{path} is empty; a header and one row per volume are expected.")
    names = tuple(" ".join(cell.split()) for cell in rows[0])
    _check_header(path, names)
    _check_rectangular(path, len(names), rows[1:])
    return _Table(path, names, tuple(rows[1:]))


def _check_text(lines: Iterable[str], path: Path) -> Iterator[str]:
    """Yield the lines; raise at a zero byte, which is valid UTF-8 but in no text."""
    for line in lines:
        if "\0" in line:
            raise ConfoundsError(f"{path} is a binary file (it holds zero bytes); give a text table.")
        yield line


def _split(lines: Iterable[str], delimiter: str | None) -> Iterator[tuple[str, ...]]:
    """Yield the cells of every line that is not blank; without a delimiter, split at white space."""
    if delimiter is None:
        lines, delimiter = (" ".join(line.split()) for line in lines), " "
    for cells in csv.reader(lines, delimiter=delimiter, skipinitialspace=True):
        if len(cells) > 1 or "".join(cells).strip():
            yield tuple(cells)


def _check_header(path: Path, names: Sequence[str]) -> None:
    if all(_is_number(name) for name in names):
        raise ConfoundsError(
            f"{path} has no header: its first row holds no names ({shorten(names)}); "
            "put a row with the columns' names above it."
        )
    repeated = [name for name in dict.fromkeys(names) if name and names.count(name) > 1]
    if repeated:
        raise ConfoundsError(f"{path} names columns twice: {shorten(repeated)}; give every column its own name.")


def _check_rectangular(path: Path, n_names: int, rows: Sequence[Sequence[str]]) -> None:
    for row, cells in enumerate(rows, start=1):
        if len(cells) != n_names:
            # R's write.table puts a name before every row but not into the header.
            way_out = "save it without row names" if len(cells) == n_names + 1 else "correct that row"
            raise ConfoundsError(
                f"{path} has {len(cells)} values in row {row} but {n_names} names in the header "
                f"({_HOW_ROWS_COUNT}); {way_out}."
            )


def _check_length(table: _Table, n_volumes: int, image_path: Path) -> None:
    if len(table.rows) != n_volumes:
        raise ConfoundsError(
            f"{table.path} has {len(table.rows)} rows but {image_path} has {n_volumes} volumes; "
            "each confounds table must come from the same run as its image."
        )


# From text to numbers


def _read_numbers(table: _Table, names: Sequence[str]) -> np.ndarray:
    """Return the named columns, NaN where the table has no value."""
    return np.column_stack([_read_column(table, name) for name in names])


def _read_column(table: _Table, name: str) -> np.ndarray:
    position = table.names.index(name)
    values = np.empty(len(table.rows))
    for row, cells in enumerate(table.rows, start=1):
        try:
            values[row - 1] = _parse(cells[position])
        except ValueError as error:
            raise _make_cell_error(table, name, row, f"holds {cells[position][:40]!r}, which is no number,") from error
        if np.isinf(values[row - 1]):
            raise _make_cell_error(table, name, row, "is infinite")
    return values


def _fill_first_row(table: _Table, names: Sequence[str], values: np.ndarray) -> np.ndarray:
    """Return the values with those missing in the first row taken from the second; raise at any other gap."""
    n_excused = 1 if len(values) > 1 else 0
    gaps = np.argwhere(np.isnan(values[n_excused:]))
    if len(gaps):
        row, column = gaps[0]
        raise _make_cell_error(table, names[column], row + n_excused + 1, "has no value")
    if not n_excused:
        return values
    return np.vstack([np.where(np.isnan(values[0]), values[1], values[0]), values[1:]])


def _make_cell_error(table: _Table, name: str, row: int, found: str) -> ConfoundsError:
    return ConfoundsError(
        f"{table.path}: column {name!r} {found} in row {row} ({_HOW_ROWS_COUNT}); "
        "correct the table or leave this column out of --regressors."
    )


def _parse(cell: str) -> float:
    """Return the cell's number, NaN where it is missing; raise ValueError for text."""
    if cell.strip().lower() in _MISSING:
        return np.nan
    # float() reads the digits of 1_2 as 12.
    return float(cell.replace("_", "?"))


def _is_number(cell: str) -> bool:
    try:
        _parse(cell)
    except ValueError:
        return False
    return True


# Choosing columns


def _choose_columns(table: _Table, words: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of the columns that the words stand for."""
    if not words:
        return _name_all(table)
    if set(words) <= set(table.names):
        return words
    label = " ".join(words)
    if label in STRATEGIES:
        return choose_by_strategy(table.names, table.path, label=label, arguments=STRATEGIES[label])
    if set(words) <= set(FLEXIBLE_WORDS):
        return choose_by_strategy(table.names, table.path, label=label, arguments=combine_words(words))
    raise ConfoundsError(_explain_words(table, words))


def _name_all(table: _Table) -> tuple[str, ...]:
    if "" in table.names:
        # Saved row numbers would be taken for a linear trend.
        raise ConfoundsError(
            f"{table.path}: column {table.names.index('') + 1} has no name; save the table without row numbers, "
            "or name the columns to use in --regressors."
        )
    return table.names


def _explain_words(table: _Table, words: Sequence[str]) -> str:
    """Return why the words are neither columns, nor one strategy, nor flexible words."""
    columns = [word for word in words if word in table.names]
    others = [word for word in words if word not in columns]
    known = [*STRATEGIES, *FLEXIBLE_WORDS, *filter(None, table.names)]
    unknown = [_add_nearest(word, known) for word in others if word not in known]
    if unknown:
        found = f"has unknown words: {', '.join(unknown)}"
    elif columns:
        found = f"mixes columns ({', '.join(columns)}) with words for strategies ({', '.join(others)})"
    else:
        found = f"mixes strategies ({', '.join(others)})"
    return (
        f"{table.path}: --regressors {found}; it takes columns ({shorten(table.names)}), or one strategy "
        f"({', '.join(STRATEGIES)}), or flexible words ({', '.join(FLEXIBLE_WORDS)})."
    )


def _add_nearest(word: str, known: Iterable[str]) -> str:
    name = nearest(word, known)
    return repr(word) if name is None else f"{word!r} (nearest: {name})"


def _warn_of_many(table: _Table, names: Sequence[str]) -> None:
    n_volumes = len(table.rows)
    if 4 * len(names) > n_volumes:
        warn(
            f"{table.path}: all {len(names)} columns are used for {n_volumes} volumes, more than a quarter, which can "
            "remove the signal itself; choose columns or a strategy with --regressors."
        )
