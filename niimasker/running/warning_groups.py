"""Warnings of many runs as a few: texts that differ in numbers and names alone are one kind."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from niimasker.outputs.outcomes import Outcome

_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
# Numbers, paths, file names, columns: whatever is no plain word of a sentence.
_NAME = re.compile(r"[\d/\\_]|\w\.\w|\w[A-Z]")


@dataclass(frozen=True)
class WarningKind:
    """Warnings that are alike: the first of their texts, how many texts there are, and whom they are about."""

    example: str
    n_texts: int
    images: tuple[str, ...]

    def __str__(self) -> str:
        if len(self.images) == 1:
            return f"{self.example} ({self.images[0]})"
        alike = "alike in " if self.n_texts > 1 else ""
        return f"{self.example} ({alike}{len(self.images)} runs, first {self.images[0]})"


def group_warnings(outcomes: Iterable[Outcome]) -> list[WarningKind]:
    """Return the kinds of warnings of all runs, in order of appearance."""
    texts: dict[str, list[str]] = {}
    images: dict[str, dict[str, None]] = {}
    for outcome in outcomes:
        for text in outcome.warnings:
            kind = kind_of(text)
            texts.setdefault(kind, []).append(text)
            images.setdefault(kind, {})[outcome.run.output_stem] = None
    return [WarningKind(of_kind[0], len(set(of_kind)), tuple(images[kind])) for kind, of_kind in texts.items()]


def kind_of(text: str) -> str:
    """Return what a warning has in common with others of its kind: its plain words."""
    words = _QUOTED.sub("", text).split()
    if words and words[0].endswith(":"):
        words = words[1:]  # the atlas or file that it is about
    return " ".join(word for word in _without_lists(words) if word.startswith("--") or not _NAME.search(word))


def _without_lists(words: Sequence[str]) -> Iterable[str]:
    """Yield words but those between a colon outside of parentheses and the next semicolon: names."""
    depth, in_list = 0, False
    for word in words:
        depth += word.count("(") - word.count(")")
        if not in_list:
            yield word
        if in_list and word.endswith(";"):
            in_list = False
        elif word.endswith(":") and depth <= 0:
            in_list = True
