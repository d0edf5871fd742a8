"""What values an option may have: how each is checked, and read from the words of a command line."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from niimasker.errors import find_nearest
from niimasker.options.json_files import parse_json
from niimasker.options.paths import expand_home

# What BIDS lets an entity's value be, with the entity or without; a space may have a cohort (MNIInfant:cohort-2).
_LABEL = re.compile("([a-z]+-)?[0-9A-Za-z+]+(:[a-z]+-[0-9A-Za-z+]+)*")


@dataclass(frozen=True)
class OptionType:
    """What an option's value may be.

    Parameters
    ----------
    expected
        The values that are allowed, as an error message names them.
    check
        Returns the value as Settings holds it, from a JSON value; raises ValueError for any other.
    read
        Returns a JSON value from the words of a command line; raises ValueError for words it cannot read.
    """

    expected: str
    check: Callable[[Any], Any]
    read: Callable[[Any], Any] = lambda words: words
    argparse: Mapping[str, Any] = field(default_factory=dict)


def _number(minimum: float, *, above: bool) -> Callable[[Any], float]:
    def check(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError
        # Written so that NaN fails; infinity is no cut-off, no width and no duration.
        if not ((value > minimum if above else value >= minimum) and value < float("inf")):
            raise ValueError
        return float(value)

    return check


def _whole(allowed: Callable[[int], bool]) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value != int(value):
            raise ValueError
        if not allowed(int(value)):
            raise ValueError
        return int(value)

    return check


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError
    return value


class HintError(ValueError):
    """Why a value is not usable, where what is expected does not say it."""


def _text(value: Any) -> str:
    text = str(value) if isinstance(value, Path) else value
    if not isinstance(text, str):
        raise ValueError
    if any(ord(character) < 32 for character in text):
        raise HintError("it contains a control character; in JSON, write a path with / or \\\\")
    return text


def _texts(value: Any) -> tuple[str, ...]:
    values = [value] if isinstance(value, (str, Path)) else value
    if not isinstance(values, (list, tuple)):
        raise ValueError
    return tuple(str(item) if type(item) is int else _text(item) for item in values)


def _label(value: Any) -> str:
    # In JSON, "run": 1 is a number.
    text = str(value) if type(value) is int else _text(value)
    if not _LABEL.fullmatch(text):
        raise ValueError
    return text


def _labels(value: Any) -> tuple[str, ...]:
    return tuple(map(_label, value if isinstance(value, (list, tuple)) else [value]))


def _names(value: Any) -> tuple[str, ...]:
    texts = _texts(value)
    if not all(text.isascii() and text.isalnum() for text in texts):
        raise ValueError
    return texts


def _path(value: Any) -> Path:
    return expand_home(_text(value))


def choice(choices: tuple[str, ...]) -> OptionType:
    """Return the kind of one of some words."""

    def check(value: Any) -> str:
        if value not in choices:
            raise ValueError
        return str(value)

    return OptionType("one of " + ", ".join(choices), check, argparse={"metavar": "|".join(choices)})


def choices(allowed: tuple[str, ...]) -> OptionType:
    """Return the kind of some of these words, each of which counts once; a space in one is an underscore."""

    def check(value: Any) -> tuple[str, ...]:
        words = dict.fromkeys(text.replace(" ", "_") for text in _texts(value))
        wrong = next((word for word in words if word not in allowed), None)
        if wrong is not None:
            close = find_nearest(wrong, allowed)
            raise HintError(f"the nearest is {close!r}") if close else ValueError
        return tuple(words)

    return OptionType("one or more of " + ", ".join(allowed), check, argparse={"nargs": "+", "metavar": "KIND"})


def _positive(unit: str, metavar: str) -> OptionType:
    return OptionType(f"a number above 0, in {unit}", _number(0, above=True), float, {"metavar": metavar})


def _count_or_auto(value: Any) -> int | str:
    return "auto" if value == "auto" else _whole(lambda n: n >= 0)(value)


def _read_count_or_auto(word: str) -> Any:
    return word if word == "auto" else parse_json(word)


@dataclass(frozen=True)
class Shard:
    """One part of a study: every run whose place, counted from 1, is `number` but for multiples of `of`."""

    number: int
    n_shards: int

    def __str__(self) -> str:
        return f"{self.number}/{self.n_shards}"


def _shard(value: Any) -> Shard:
    if isinstance(value, Shard):
        return value
    number, _, of = _text(value).partition("/")
    if not (number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
        raise ValueError
    return Shard(int(number), int(of))


def _share(value: Any) -> float:
    share = _number(0, above=False)(value)
    if share > 1:
        raise ValueError
    return share


def _words(value: Any) -> tuple[str, ...]:
    """Return texts; of an object {"motion": "full", "high_pass": true} the words motion=full high_pass."""
    if not isinstance(value, Mapping):
        return _texts(value)
    # R's jsonlite writes every value as a list.
    single = {key: item[0] if isinstance(item, list) and len(item) == 1 else item for key, item in value.items()}
    given = {key: item for key, item in single.items() if item is not False and item is not None}
    wrong = [key for key, item in given.items() if item is not True and type(item) not in (str, int, float)]
    if wrong:
        raise HintError(f"{wrong[0]!r} takes a single string or number, true or false")
    if not given:
        raise HintError('every word in it is off; leave it out to use all columns, or give "scrub" to use none')
    return _texts([key if item is True else f"{key}={item}" for key, item in given.items()])


FLAG = OptionType("true or false", _flag, argparse={"action": "store_true"})
ROIS = OptionType(
    "a file name or a nilearn: query, or a list of them", _texts, argparse={"nargs": "+", "metavar": "ROI"}
)
TEXTS = OptionType("a string or a list of strings", _texts, argparse={"nargs": "+", "metavar": "NAME"})
LABEL = OptionType("a label of letters and digits", _label, argparse={"metavar": "LABEL"})
LABELS = OptionType(
    "a label of letters and digits, or a list of such labels", _labels, argparse={"nargs": "+", "metavar": "LABEL"}
)
NAMES = OptionType(
    "a name of letters and digits, or a list of such names", _names, argparse={"nargs": "+", "metavar": "NAME"}
)
WORDS = OptionType(
    'a string, a list of strings, or an object such as {"motion": "full", "high_pass": true}',
    _words,
    argparse={"nargs": "+", "metavar": "WORD"},
)
FILES = OptionType("a file name or a list of file names", _texts, argparse={"nargs": "+", "metavar": "FILE"})
FILE = OptionType("a file name", _path, argparse={"metavar": "FILE"})
FOLDER = OptionType("a folder", _path, argparse={"metavar": "FOLDER"})
SECONDS = _positive("seconds", "SECONDS")
HERTZ = _positive("Hz", "HZ")
RADIUS = _positive("mm", "MM")
WIDTH = OptionType("a number, 0 or above, in mm", _number(0, above=False), float, {"metavar": "MM"})
COUNT = OptionType("a whole number, 0 or above", _whole(lambda n: n >= 0), parse_json, {"metavar": "N"})
COUNT_OR_AUTO = OptionType(
    "a whole number, 0 or above, or auto", _count_or_auto, _read_count_or_auto, {"metavar": "N|auto"}
)
SHARE = OptionType("a number from 0 to 1", _share, float, {"metavar": "SHARE"})
THRESHOLD = OptionType("a number, 0 or above", _number(0, above=False), float, {"metavar": "VALUE"})
DECIMALS = OptionType("a whole number from 0 to 17", _whole(lambda n: 0 <= n <= 17), parse_json, {"metavar": "N"})
PROCESSES = OptionType(
    "a whole number, 1 or above, or -1", _whole(lambda n: n >= 1 or n == -1), parse_json, {"metavar": "N"}
)
SCHEDULER = OptionType("the address of a scheduler, or a .json file", _text, argparse={"metavar": "ADDRESS"})
SHARD = OptionType("a part number and the number of parts, such as 3/40", _shard, argparse={"metavar": "I/N"})
