r"""The label files whose lines have a form of their own: ITK-SNAP's, FreeSurfer's, FSLeyes's and the like.

Each format is told apart by the form of all its lines. Those whose lines say more come first: a line of MRtrix3 could
be one of FreeSurfer's whose name has two words.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from niimasker.errors import RegionsError, shorten_text
from niimasker.inputs.delimiters import is_comment
from niimasker.regions.names.columns import is_known_heading
from niimasker.regions.names.label_table import LabelTable, NumberColumn

_BYTE = r"(?:1?\d?\d|2[0-4]\d|25[0-5])"
_FRACTION = r"(?:0|1|0?\.\d+|[01]\.\d*)(?:[eE][-+]?\d+)?"
# The beginning of a name: a word that is no number.
_WORD = r"(?=\S*[^\W\d])"
_SIDES = frozenset({"left", "right", "l", "r", "lh", "rh"})

# The formats have no longer lines, and matching takes time that grows with the square of their length.
_MAX_CHARACTERS = 2000

# A line's name, then its numbers that may be an index.
Row = tuple[str, tuple[int, ...]]


@dataclass(frozen=True)
class LineFormat:
    """A format of lines.

    Parameters
    ----------
    words, form
        What messages call it, and the form of its lines.
    pattern
        Of a line; its groups are the name and the numbers that may be an index.
    titles
        What messages call those numbers.
    fits
        Whether lines that all have the form are of this format.
    """

    words: str
    form: str
    pattern: re.Pattern[str]
    titles: tuple[str, ...] = ("index",)
    has_colors: bool = False
    fits: Callable[[Sequence[re.Match[str]], Sequence[str]], bool] = lambda matches, comments: True

    def read(self, line: str) -> Row:
        """Return the row of a line that has the form."""
        match = self.pattern.fullmatch(line)
        assert match is not None
        numbers = tuple(int(text) for group, text in match.groupdict().items() if group != "name")
        return without_quotes(match["name"].strip()), numbers


def without_quotes(name: str) -> str:
    """Return a name without the quotation marks around it."""
    quoted = re.fullmatch(r"""(["'])((?:(?!\1).)*)\1""", name)
    return name if quoted is None else quoted[2]


def _are_unlike(matches: Sequence[re.Match[str]], *groups: str) -> bool:
    return all(len({match[group] for match in matches}) == len(matches) for group in groups)


def _has_sides(matches: Sequence[re.Match[str]], *groups: str) -> bool:
    """Return whether Left or Right stands alone where a whole name should."""
    return any(match[group].lower() in _SIDES for match in matches for group in groups)


def _is_mrtrix(matches: Sequence[re.Match[str]], comments: Sequence[str]) -> bool:
    # A line of FreeSurfer's or Slicer's whose name has two words looks the same; MRtrix3 gives full opacity.
    is_opaque = any(match["alpha"] == "255" for match in matches)
    is_other = any(re.search(r"colou?r|#No\.|#\$Id", comment, re.IGNORECASE) for comment in comments)
    are_words = any(match["short"].isalpha() and match["name"].isalpha() for match in matches)
    return is_opaque and not (is_other or are_words) and _are_two_names(matches)


def _are_two_names(matches: Sequence[re.Match[str]]) -> bool:
    """Return whether abbreviation and name are two columns: the words of names with a blank recur."""
    is_shorter = sum(len(match["short"]) for match in matches) <= sum(len(match["name"]) for match in matches)
    return is_shorter and _are_unlike(matches, "short", "name") and not _has_sides(matches, "short", "name")


class _ShortNames(LineFormat):
    """A format whose lines have an abbreviation before the name."""

    def read(self, line: str) -> Row:
        match = self.pattern.fullmatch(line)
        assert match is not None
        return without_quotes(match["name"]), (int(match["index"]),)


_ITK_SNAP = LineFormat(
    "label descriptions of ITK-SNAP",
    'index, R, G, B, opacity, two flags, "name"',
    re.compile(rf'\s*(?P<index>\d+)(?:\s+{_BYTE}){{3}}\s+{_FRACTION}\s+[01]\s+[01]\s+"?(?P<name>[^"]*?)"?\s*'),
    has_colors=True,
)
_FSLEYES = LineFormat(
    "a lookup table of FSLeyes",
    "index, R, G, B from 0 to 1, name",
    re.compile(rf"\s*(?P<index>\d+)(?:\s+{_FRACTION}){{3}}\s+(?P<name>{_WORD}[^\s\"].*?|[^\s\"]+)\s*"),
    has_colors=True,
)
_MRTRIX = _ShortNames(
    "a lookup table of MRtrix3",
    "index, abbreviation, name, R, G, B, opacity",
    re.compile(
        rf"\s*(?P<index>\d+)\s+(?P<short>\S+)\s+(?P<name>\S+)(?:\s+{_BYTE}){{3}}\s+(?P<alpha>{_BYTE})\s*",
    ),
    has_colors=True,
    fits=_is_mrtrix,
)
_MRICRON = LineFormat(
    "a list of MRIcron",
    "number, name, index",
    re.compile(rf"\s*(?P<first>\d+)\s+(?P<name>{_WORD}\S+)\s+(?P<last>\d+)\s*"),
    titles=("its first number", "its last number"),
    fits=lambda matches, comments: _are_unlike(matches, "name", "first", "last"),
)
_SPM = _ShortNames(
    "a list of SPM",
    "abbreviation, name, index",
    re.compile(r"\s*(?P<short>[^\s\d]\S*)\s+(?P<name>\S*[^\W\d]\S*)\s+(?P<index>\d+)\s*"),
    fits=lambda matches, comments: (
        _are_two_names(matches)
        and _are_unlike(matches, "index")
        and not any(character.islower() for match in matches for character in match["short"])
    ),
)
_SPM_TABS = _ShortNames(
    "a list of SPM",
    "abbreviation, name, index",
    re.compile(r"(?P<short>[^\t]*[^\W\d][^\t]*)\t(?P<name>[^\t]*[^\W\d][^\t]*)\t(?P<index>\d+)\s*"),
    fits=lambda matches, comments: _are_two_names(matches) and _are_unlike(matches, "index"),
)
_COLORS_FIRST = LineFormat(
    "lines of index, colour and name",
    "index, R, G, B, opacity or not, name",
    re.compile(rf"\s*(?P<index>\d+)(?:\s+{_BYTE}){{3,4}}\s+(?P<name>{_WORD}\S.*?)\s*"),
    has_colors=True,
)
_NUMBER = r"[-+]?[\d.]+"
_INDEX_NAME = LineFormat(
    "lines of index and name",
    "index, name",
    # A name that begins or ends with several numbers would be other columns.
    re.compile(
        rf"\s*(?P<index>\d+)(?:\s*[:=]\s*|[.)]\s+|\s+)"
        rf"(?P<name>(?!{_NUMBER}\s+{_NUMBER}\s)(?!.*\s{_NUMBER}\s+{_NUMBER}\s*$)(?=.*[^\W\d])[^\s,;][^\t]*?)\s*"
    ),
)
_NAME_INDEX = LineFormat(
    "lines of name and index",
    "name, index",
    re.compile(rf"\s*(?P<name>{_WORD}[^\s,;][^\t,;]*?)(?:\s*[:=]\s*|\s+)(?P<index>\d+)\s*"),
    fits=lambda matches, comments: _are_unlike(matches, "name", "index") and not _has_sides(matches, "name"),
)
LINE_FORMATS = (_ITK_SNAP, _FSLEYES, _COLORS_FIRST, _MRTRIX)
PLAIN_LINE_FORMATS = (_MRICRON, _SPM, _SPM_TABS, _INDEX_NAME, _NAME_INDEX)

_COLOR_LINE = re.compile(rf"\s*(?P<index>\d+)\s+(?P<rest>\S.*?)(?P<numbers>(?:\s+{_BYTE}){{3,}})\s*")
_COLOR_FORM = "index, name, R, G, B, and opacity or not"
_FREESURFER, _SLICER = "a colour table of FreeSurfer", "a colour table of 3D Slicer"


def read_line_format(lines: Sequence[str], path: Path) -> LabelTable | None:
    """Return the table of the format that all lines have, None where there is none."""
    return _read_pairs(lines, path) or _read_lines(*_content(lines), path)


def read_below_header(lines: Sequence[str], path: Path) -> LabelTable | None:
    """Return the table of the format that all lines below a header have, None where there is none."""
    kept, comments = _content(lines)
    return _read_lines(kept[1:], comments, path) if kept and _is_header(kept[0]) else None


def _read_lines(kept: Sequence[str], comments: Sequence[str], path: Path) -> LabelTable | None:
    readers: list[Callable[[Sequence[str], Sequence[str], Path], LabelTable | None]] = [
        *(functools.partial(_read_all, each) for each in LINE_FORMATS),
        _read_colors,
        *(functools.partial(_read_all, each) for each in PLAIN_LINE_FORMATS),
    ]
    tables = (read(kept, comments, path) for read in readers)
    return next((table for table in tables if table is not None), None)


def refuse_broken_format(lines: Sequence[str], path: Path) -> None:
    """Raise RegionsError for the line that does not fit where half of the lines or more are of a format."""
    kept, _ = _content(lines)
    kept = [_without_comment(line) for line in kept]
    forms = [
        *((each.words, each.form, each.pattern) for each in LINE_FORMATS[:1]),
        (_FREESURFER, _COLOR_FORM, _COLOR_LINE),
        (_INDEX_NAME.words, _INDEX_NAME.form, _INDEX_NAME.pattern),
    ]
    counts = [sum(pattern.fullmatch(line) is not None for line in kept) for _, _, pattern in forms]
    most = max(counts)
    if not most or 2 * most < len(kept) or most == len(kept):
        return
    words, form, pattern = forms[counts.index(most)]
    number, line = next(
        (number, line)
        for number, line in enumerate(lines, start=1)
        if line.strip() and not is_comment(line) and not pattern.fullmatch(_without_comment(line))
    )
    shown = shorten_text(line.strip())
    raise RegionsError(f"{path}: line {number}, {shown!r}, does not fit; the others are {words} ({form}); correct it.")


def _content(lines: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the lines that say something, and the comments."""
    kept = [line.strip("\r\n") for line in lines if line.strip() and not is_comment(line)]
    if any(len(line) > _MAX_CHARACTERS for line in kept):
        return [], []
    # WFU PickAtlas puts what the list is of into brackets above it.
    if kept and re.fullmatch(r"\s*\[[^]\d]*\]\s*", kept[0]):
        kept = kept[1:]
    return kept, [line for line in lines if is_comment(line)]


def _without_comment(line: str) -> str:
    return re.split(r"\s#", line.rstrip("\r\n"), maxsplit=1)[0]


def _is_header(line: str) -> bool:
    words = re.split(r"[\t,;]|\s+", line.strip())
    return len(words) > 1 and any(map(is_known_heading, words)) and not any(word.isdigit() for word in words)


def _read_all(each: LineFormat, kept: Sequence[str], comments: Sequence[str], path: Path) -> LabelTable | None:
    matches = [match for line in kept if (match := each.pattern.fullmatch(line)) is not None]
    if not kept or len(matches) < len(kept) or not each.fits(matches, comments):
        return None
    rows = [each.read(line) for line in kept]
    names = tuple(name for name, _ in rows)
    numbers = zip(*(numbers for _, numbers in rows), strict=True)
    columns = tuple(
        NumberColumn(title, column, is_index=True) for title, column in zip(each.titles, numbers, strict=True)
    )
    return LabelTable(path, each.words, names, columns, has_colors=each.has_colors)


def _read_colors(kept: Sequence[str], comments: Sequence[str], path: Path) -> LabelTable | None:
    matches = [match for line in kept if (match := _COLOR_LINE.fullmatch(_without_comment(line))) is not None]
    if not kept or len(matches) < len(kept) or not any(re.search(r"[^\W\d]", match["rest"]) for match in matches):
        return None
    is_slicer = any(re.search(r"slicer|color table", comment, re.IGNORECASE) for comment in comments)
    indices = NumberColumn("index", tuple(int(match["index"]) for match in matches), is_index=True)
    words = _SLICER if is_slicer or path.suffix.lower() == ".ctbl" else _FREESURFER
    return LabelTable(path, words, _names_before_colors(matches), (indices,), has_colors=True)


def _names_before_colors(matches: Sequence[re.Match[str]]) -> tuple[str, ...]:
    """Return the names before R, G, B, and an opacity and a tissue's number where they are; names may end in one."""
    numbers = [match["numbers"].split() for match in matches]
    n_colors = _count_colors([match["rest"] for match in matches], numbers)
    return tuple(
        " ".join([match["rest"].strip(), *each[: max(0, len(each) - n_colors)]])
        for match, each in zip(matches, numbers, strict=True)
    )


def _count_colors(words: Sequence[str], numbers: Sequence[Sequence[str]]) -> int:
    """Return how many numbers at the end of a line are no part of its name, at most."""
    lengths = {len(each) for each in numbers}
    are_unlike = len(set(words)) == len(words)
    if lengths == {5}:
        return 5 if are_unlike else 4
    if lengths == {3, 4} or (lengths == {4} and not are_unlike):
        return 4 if {each[-1] for each in numbers if len(each) == 4} <= {"0", "255"} else 3
    return 4 if lengths == {4, 5} or max(lengths) > 5 else 5


def _read_pairs(lines: Sequence[str], path: Path) -> LabelTable | None:
    """Return the table of Workbench's lists: a line with a name, then one with key, R, G, B and opacity."""
    kept = [line.strip() for line in lines if line.strip()]
    keys = [re.fullmatch(rf"(\d+)(?:\s+{_BYTE}){{4}}", line) for line in kept[1::2]]
    if not kept or len(kept) % 2 or not all(keys) or not all(re.search(r"[^\W\d]", line) for line in kept[::2]):
        return None
    indices = tuple(int(match[1]) for match in keys if match is not None)
    column = NumberColumn("its keys", indices, is_index=True)
    return LabelTable(path, "a label list of Workbench", tuple(kept[::2]), (column,), has_colors=True)
