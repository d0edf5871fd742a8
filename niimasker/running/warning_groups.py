"""Groups of similar warnings over many runs: texts that differ only in numbers and names are shown once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from niimasker.outputs.outcomes import Outcome

_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
# Numbers, paths, file names and columns: anything but a plain word.
_NAME = re.compile(r"[\d/\\_]|\w\.\w|\w[A-Z]")


@dataclass(frozen=True)
class WarningGroup:
    """Similar warnings: the first text, the number of different texts, and the output names of the runs concerned."""

    example: str
    n_texts: int
    images: tuple[str, ...]

    def __str__(self) -> str:
        if len(self.images) == 1:
            return f"{self.example} ({self.images[0]})"
        similar = "similar in " if self.n_texts > 1 else ""
        return f"{self.example} ({similar}{len(self.images)} runs, first {self.images[0]})"


def group_warnings(outcomes: Iterable[Outcome]) -> list[WarningGroup]:
    """Return the groups of similar warnings of all runs, in order of appearance."""
    return group_texts((text, outcome.run.output_stem) for outcome in outcomes for text in outcome.warnings)


def group_texts(texts_of_images: Iterable[tuple[str, str]]) -> list[WarningGroup]:
    """Return the groups of similar texts, each given with the output name of the run that it is about."""
    texts: dict[str, list[str]] = {}
    images: dict[str, dict[str, None]] = {}
    for text, image in texts_of_images:
        pattern = find_pattern(text)
        texts.setdefault(pattern, []).append(text)
        images.setdefault(pattern, {})[image] = None
    return [WarningGroup(similar[0], len(set(similar)), tuple(images[pattern])) for pattern, similar in texts.items()]


def find_pattern(text: str) -> str:
    """Return the plain words of a warning, which are the same in similar warnings."""
    words = _QUOTED.sub("", text).split()
    if words and words[0].endswith(":"):
        words = words[1:]  # the atlas or file that the warning is about
    return " ".join(word for word in _without_lists(words) if word.startswith("--") or not _NAME.search(word))


def _without_lists(words: Sequence[str]) -> Iterable[str]:
    """Yield the words, without lists of names: those between a colon outside parentheses and the next semicolon."""
    depth, in_list = 0, False
    for word in words:
        depth += word.count("(") - word.count(")")
        if not in_list:
            yield word
        if in_list and word.endswith(";"):
            in_list = False
        elif word.endswith(":") and depth <= 0:
            in_list = True
