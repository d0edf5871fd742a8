"""Groups of similar warnings over many runs: texts that differ only in numbers and names are shown once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from niimasker.outputs.outcomes import Outcome
from niimasker.running.worst_cases import find_worst

_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
# Numbers, paths, file names and columns: anything but a plain word.
_NAME = re.compile(r"[\d/\\_]|\w\.\w|\w[A-Z]")


@dataclass(frozen=True)
class WarningGroup:
    """Similar warnings.

    Parameters
    ----------
    example
        The worst of them where a number tells which one that is, otherwise the first.
    n_texts
        The number of different texts.
    images
        The output names of the runs concerned.
    image
        The run of the example.
    range_words
        The range of the number, and how that of the example differs from the others; empty without such a number.
    """

    example: str
    n_texts: int
    images: tuple[str, ...]
    image: str
    range_words: str = ""

    def __str__(self) -> str:
        if len(self.images) == 1:
            similar = f", and {self.n_texts - 1} similar" if self.n_texts > 1 else ""
            return f"{self.example} ({self.image}{similar})"
        similar = "similar in " if self.n_texts > 1 else ""
        return f"{self.example} ({similar}{len(self.images)} runs, {self.range_words or 'first'} {self.image})"


def group_warnings(outcomes: Iterable[Outcome]) -> list[WarningGroup]:
    """Return the groups of similar warnings of all runs, in order of appearance."""
    return group_texts((text, outcome.run.output_stem) for outcome in outcomes for text in outcome.warnings)


def group_texts(texts_of_images: Iterable[tuple[str, str]]) -> list[WarningGroup]:
    """Return the groups of similar texts, each given with the output name of the run that it is about."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for text, image in texts_of_images:
        groups.setdefault(find_pattern(text), []).append((text, image))
    return [_make_group(group) for group in groups.values()]


def _make_group(texts_of_images: Sequence[tuple[str, str]]) -> WarningGroup:
    texts, images = zip(*texts_of_images, strict=True)
    worst = find_worst(texts)
    position, words = (0, "") if worst is None else (worst.position, worst.words)
    return WarningGroup(texts[position], len(set(texts)), tuple(dict.fromkeys(images)), images[position], words)


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
