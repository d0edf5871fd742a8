"""A table of labels as it was read: its names, and the numbers beside them that could be the regions' indices."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# Numbers that come with regions and are no indices; spelt as `spell` does.
_OTHER_NUMBERS_TEXT = """
size volume volumemm3 nvoxels voxels numvoxels voxelcount nvoxel count area thickness network networkid lobe
hemisphere hemi
"""
_OTHER_NUMBERS = frozenset(_OTHER_NUMBERS_TEXT.split())

# What FreeSurfer, FSL and others call what is no region.
_BACKGROUND = frozenset(
    ["background", "unclassified", "unknown", "unlabeled", "undefined", "clearlabel", "nolabel", "none", "null", "bg"]
)

# Python refuses to read a number of thousands of digits.
_NUMBER = r"\d{1,9}"


def is_background(name: str) -> bool:
    """Return whether a name is of what is no region; FSL writes *.*.*.*.* and MRtrix3 ??? for it."""
    return not spell(name) or spell(name) in _BACKGROUND


def spell(heading: str) -> str:
    """Return a heading in lower case, letters and digits alone: ROI_Name, roi-name and ROIname are one."""
    return "".join(character for character in heading.lower() if character.isalnum())


@dataclass(frozen=True)
class NumberColumn:
    """A column of whole numbers beside the names.

    Parameters
    ----------
    title
        As messages call it: `column label_index`, `its last number`.
    numbers
        One for each name; None where there is none.
    heading
        As the table has it; None where it has none.
    is_index
        Whether the format says that they are the indices.
    """

    title: str
    numbers: tuple[int | None, ...]
    heading: str | None = None
    is_index: bool = False

    @property
    def is_named_index(self) -> bool:
        """Whether the table calls it index."""
        return self.heading is not None and spell(self.heading) == "index"

    @property
    def counts_rows(self) -> bool:
        """Whether it has no heading of its own and numbers the rows, as R and pandas write it."""
        first = self.numbers[0]
        is_count = first in (0, 1) and self.numbers == tuple(range(first, first + len(self.numbers)))
        return self.heading is not None and not spell(self.heading) and is_count

    @property
    def could_be_index(self) -> bool:
        """Whether its numbers could be indices: none is negative, most differ, and its heading names nothing else."""
        known = [number for number in self.numbers if number is not None]
        if self.is_index or self.is_named_index:
            return True
        if self.heading is not None and spell(self.heading) in _OTHER_NUMBERS:
            return False
        return min(known) >= 0 and 2 * len(set(known)) > len(known)


def find_numbered_words(title: str, words: Sequence[str]) -> list[NumberColumn]:
    """Return the first number in each word, and the last one; nothing where a word has none."""
    found = [re.findall(_NUMBER, word) for word in words]
    if not all(found):
        return []
    return [NumberColumn(title, tuple(int(numbers[place]) for numbers in found)) for place in (0, -1)]


@dataclass(frozen=True)
class LabelTable:
    """The names that a file gives, in its order.

    Parameters
    ----------
    format
        What it was recognised as, in words.
    columns
        The numbers beside the names, of which one may be the index.
    order
        How its names are matched to regions where none is.
    row_note
        How its rows are counted, for messages.
    has_colors
        Whether it gives a colour to each name too.
    numbered_words
        The numbers within the words of other columns, such as ROI3.
    """

    path: Path
    format: str
    names: tuple[str, ...]
    columns: tuple[NumberColumn, ...] = ()
    order: str = "the order of its rows"
    row_note: str = ""
    has_colors: bool = False
    numbered_words: tuple[NumberColumn, ...] = ()
