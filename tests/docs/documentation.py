"""The pages of docs/ as text: their blocks of code, their tables, and the commands in them."""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from niimasker.options.settings import COMMAND_LINE_OPTIONS, OPTIONS

ROOT = Path(__file__).parents[2]
PAGES = {path.stem: path.read_text("utf-8") for path in sorted((ROOT / "docs").glob("*.md"))}

IMAGE = "sub-01_task-rest_space-MNI152NLin2009aSym_desc-preproc_bold"
ATLAS = "tpl-MNI152NLin2009aSym_atlas-Example_dseg.nii.gz"
SIGNALS = f"example_output/{IMAGE}_timeseries.tsv"

FLAGS = {name for option in (*OPTIONS, *COMMAND_LINE_OPTIONS) for name in option.names}


def blocks(language: str, *pages: str) -> list[str]:
    """The blocks of code in a language, of all pages or of some."""
    texts = [PAGES[page] for page in pages or PAGES]
    return [block for text in texts for block in re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)]


def block_with(language: str, text: str) -> str:
    """The one block of code in a language that holds a text."""
    (block,) = (block for block in blocks(language) if text in block)
    return block


def table(*header: str) -> list[list[str]]:
    """The cells of all tables under this header, which are on one page."""
    line = f"| {' | '.join(header)} |"
    ((_, page),) = ((name, text.splitlines()) for name, text in PAGES.items() if line in text.splitlines())
    starts = [number for number, each in enumerate(page) if each == line]
    rows = [row for start in starts for row in itertools.takewhile(lambda row: row.startswith("|"), page[start + 2 :])]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]


def code_in(cell: str) -> list[str]:
    return re.findall("`([^`]+)`", cell)


def names_in(*header: str) -> list[str]:
    """The names, written as code, in the first column of the tables under a header."""
    return [name for row in table(*header) for name in code_in(row[0])]


def find_commands() -> Iterator[list[str]]:
    """The words after niimasker wherever a shell block calls it."""
    for line in "".join(blocks("sh")).replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        for is_operator, words in itertools.groupby(lexer, key=lambda word: set(word) <= set("&|;")):
            first, *others = words
            if not is_operator and Path(first).name == "niimasker":
                yield others


COMMANDS = list(find_commands())

# By the name of their output folder.
ON_THE_EXAMPLE = {
    words[0]: words
    for words in COMMANDS
    if any("example_output/data" in word for word in words) and "$" not in "".join(words)
}
