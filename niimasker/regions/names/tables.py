"""Read a table of regions' names, whatever program wrote it: its content says what it is, not the file's ending."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from niimasker.errors import RegionsError, list_names, shorten_text
from niimasker.inputs.delimiters import (
    DELIMITERS,
    Split,
    check_rectangular,
    is_comment,
    split_at_white_space,
    split_table,
)
from niimasker.inputs.text_tables import read_lines
from niimasker.regions.names.columns import Column, is_header, is_known_heading, make_label_table
from niimasker.regions.names.documents import read_json, read_xml
from niimasker.regions.names.label_table import LabelTable
from niimasker.regions.names.line_formats import (
    read_below_header,
    read_line_format,
    refuse_broken_format,
    without_quotes,
)

# A word of --labels with one of these endings is a table, whether it exists or not; any other file is one too.
TABLE_SUFFIXES = (".tsv", ".csv", ".txt", ".ctab", ".ctbl", ".lut", ".label", ".xml", ".json", ".tab")
WORKBOOK_SUFFIXES = (".xlsx", ".xls", ".ods")

_NIISTAT = DELIMITERS["|"]
_EXPECTED = "a table with a column of names"


def read_label_table(path: Path) -> LabelTable:
    """Return the names in a file, and the numbers beside them that could be the regions' indices.

    Formats with lines of their own are tried first, then tables with delimiters, then a list with one name a line.

    Raises
    ------
    RegionsError
        The file cannot be read, or a line of it does not fit its format.
    """
    if path.suffix.lower() in WORKBOOK_SUFFIXES and path.is_file():
        raise RegionsError(f"{path} is a workbook; save its table as .csv or .tsv.")
    lines = read_lines(path, RegionsError, _EXPECTED)
    text = "".join(lines)
    if not text.strip():
        raise RegionsError(f"{path} is empty; give {_EXPECTED}.")
    if text.startswith("%!VEST-LUT"):
        raise RegionsError(f"{path} is a colour map of FSL without names; give {_EXPECTED}.")
    for read in (read_xml, read_json):
        if (table := read(text, path)) is not None:
            return table
    if all(is_comment(line) for line in lines if line.strip()):
        raise RegionsError(f"{path} names nothing: it holds comments alone; give {_EXPECTED}.")
    for read_lines_of in (read_line_format, _read_delimited, _read_white_space, read_below_header):
        if (table := read_lines_of(lines, path)) is not None:
            return table
    refuse_broken_format(lines, path)
    return _read_list(lines, path)


def _read_delimited(lines: Sequence[str], path: Path) -> LabelTable | None:
    try:
        split = split_table(lines, path)
    except csv.Error as error:
        raise RegionsError(f"{path} is not a table ({error}); give {_EXPECTED}.") from error
    return None if split is None else _from_split(split, path)


def _read_white_space(lines: Sequence[str], path: Path) -> LabelTable | None:
    """Return a table whose columns are separated by white space, if its first line is a header that is known."""
    split = split_at_white_space(lines)
    if split is None or not any(map(is_known_heading, split.rows[0])):
        return None
    return _from_split(split, path)


def _from_split(split: Split, path: Path) -> LabelTable:
    first, others = split.rows[0], split.rows[1:]
    has_header = is_header(first, others) if others else all(map(is_known_heading, filter(None, first)))
    form = f"a table separated by {split.delimiter}"
    check_rectangular(split, path, RegionsError, has_header=has_header)
    headings = first if has_header else None
    # A header may be a comment.
    if not has_header and len(split.comment) == len(first) and any(map(is_known_heading, split.comment)):
        headings, others = split.comment, split.rows
    if headings is not None:
        _check_headings(headings, path)
        if not others:
            raise RegionsError(f"{path}, {form}, has no row below its header; give {_EXPECTED}.")
        return make_label_table(path, others, headings, form=form)
    if not others:
        return LabelTable(
            path,
            f"a row of names separated by {split.delimiter}",
            tuple(filter(None, first)),
            order="the order of its cells",
        )
    if split.delimiter == _NIISTAT:
        return make_label_table(path, _first_name(split.rows), None, form="a list of NiiStat")
    return make_label_table(path, split.rows, None, form=f"{form}, without a header")


def _first_name(rows: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    """Return the rows of index, name, and its description and others, without what follows the name."""
    columns = list(zip(*rows, strict=True))
    last = next((place for place, cells in enumerate(columns, 1) if Column(place, None, cells).is_text), len(columns))
    return [tuple(cells[:last]) for cells in rows]


def _check_headings(headings: Sequence[str], path: Path) -> None:
    repeated = [heading for heading, n in Counter(headings).items() if heading and n > 1]
    if repeated:
        raise RegionsError(f"{path} names columns twice: {list_names(repeated)}; give every column its own name.")


def _read_list(lines: Sequence[str], path: Path) -> LabelTable:
    # In an empty line of a list a name is missing only where others follow it, which the counts tell.
    names = [without_quotes(line.strip()) for line in lines if line.strip() and not is_comment(line)]
    if is_known_heading(names[0]):
        names = names[1:]
    if not names:
        raise RegionsError(f"{path} has no row below its header; give {_EXPECTED}.")
    if not any(character.isalpha() for name in names for character in name):
        raise RegionsError(
            f"{path}, a list with one name a line: its names are all numbers ({shorten_text(list_names(names))}); "
            f"give {_EXPECTED}."
        )
    return LabelTable(path, "a list with one name a line", tuple(names))
