"""The types of options: which values are valid, how they are checked and how the command line is parsed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from niimasker.errors import find_nearest
from niimasker.options.hemisphere_names import group_hemispheres
from niimasker.options.json_files import parse_json
from niimasker.options.paths import expand_home

# A BIDS label, or a shell pattern of such labels.
_VALUE = r"(?:[0-9A-Za-z+*?]|\[!?[0-9A-Za-z+-]+\])+"
# With or without its entity (task-rest, rest); a space may have a cohort (MNIInfant:cohort-2).
_LABEL = re.compile(f"([a-z]+-)?{_VALUE}(:[a-z]+-{_VALUE})*")
# tedana writes desc-optcom_whitened.
_DESC = re.compile(f"([a-z]+-)?{_VALUE}(_{_VALUE})*")
_ENTITY = re.compile(f"([a-z]+)=({_VALUE}([_:-]{_VALUE})*)")


@dataclass(frozen=True)
class OptionType:
    """The type of an option's value.

    Parameters
    ----------
    expected
        Description of the valid values, for error messages.
    check
        Converts a JSON value into the value in Settings; raises ValueError if it is not valid.
    read
        Converts what argparse returns, a word or a list of words, into a JSON value; raises ValueError if it cannot.
    argparse
        Further arguments for `argparse.ArgumentParser.add_argument`.
    """

    expected: str
    check: Callable[[Any], Any]
    read: Callable[[Any], Any] = lambda words: words
    argparse: Mapping[str, Any] = field(default_factory=dict)


def _make_number_check(minimum: float, *, above: bool) -> Callable[[Any], float]:
    def check(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError
        # The comparison is written so that NaN fails. Infinity is not a useful cut-off, width or duration.
        if not ((value > minimum if above else value >= minimum) and value < float("inf")):
            raise ValueError
        return float(value)

    return check


def _make_integer_check(allowed: Callable[[int], bool]) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value != int(value):
            raise ValueError
        if not allowed(int(value)):
            raise ValueError
        return int(value)

    return check


def _check_flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError
    return value


class HintError(ValueError):
    """A value is not valid; the message is a hint that the description of valid values does not give."""


def _check_text(value: Any) -> str:
    text = str(value) if isinstance(value, Path) else value
    if not isinstance(text, str):
        raise ValueError
    if any(ord(character) < 32 for character in text):
        raise HintError("it contains a control character; in JSON, write a path with / or \\\\")
    return text


def _check_texts(value: Any) -> tuple[str, ...]:
    values = [value] if isinstance(value, (str, Path)) else value
    if not isinstance(values, (list, tuple)):
        raise ValueError
    return tuple(str(item) if type(item) is int else _check_text(item) for item in values)


def _check_label(value: Any, allowed: re.Pattern[str] = _LABEL) -> str:
    # In JSON, a run is often given as a number: "run": 1.
    text = str(value) if type(value) is int else _check_text(value)
    if not allowed.fullmatch(text):
        raise ValueError
    return text


def _check_desc(value: Any) -> str:
    return _check_label(value, _DESC)


def _check_entities(value: Any) -> tuple[str, ...]:
    """Return texts such as reg=default; an object {"reg": "default", "run": [1, 2]} gives one for each value."""
    if isinstance(value, Mapping):
        value = [f"{key}={item}" for key, items in value.items() for item in _list_labels(items)]
    texts = _check_texts(value)
    wrong = next((text for text in texts if not _ENTITY.fullmatch(text)), None)
    if wrong is not None:
        key, _, label = wrong.partition("-")
        is_file_name_part = "=" not in wrong and _ENTITY.fullmatch(f"{key}={label}")
        raise HintError(f"write {key}={label}") if is_file_name_part else ValueError
    return texts


def _list_labels(value: Any) -> list[Any]:
    labels = list(value) if isinstance(value, (list, tuple)) else [value]
    if not labels or not all(type(label) in (str, int) for label in labels):
        raise ValueError
    return labels


def _check_labels(value: Any) -> tuple[str, ...]:
    return tuple(map(_check_label, value if isinstance(value, (list, tuple)) else [value]))


def _check_names(value: Any) -> tuple[str, ...]:
    texts = _check_texts(value)
    if not all(text.isascii() and text.isalnum() for text in texts):
        raise ValueError
    return texts


def _check_path(value: Any) -> Path:
    return expand_home(_check_text(value))


def _check_rois(value: Any) -> tuple[str, ...]:
    return group_hemispheres(_check_texts(value))


def _check_mask(value: Any) -> Path:
    if not isinstance(value, (list, tuple)) or len(value) < 2:
        return _check_path(value)
    names = group_hemispheres(list(map(_check_text, value)))
    if len(names) > 1:
        raise HintError("two files must be those of the two hemispheres, with names that are equal otherwise")
    return _check_path(names[0])


def choice(choices: tuple[str, ...]) -> OptionType:
    """Return the type of an option that takes one of some words."""

    def check(value: Any) -> str:
        if value not in choices:
            raise ValueError
        return str(value)

    return OptionType("one of " + ", ".join(choices), check, argparse={"metavar": "|".join(choices)})


def choices(allowed: tuple[str, ...]) -> OptionType:
    """Return the type of an option that takes several words; duplicates are dropped, spaces read as underscores."""

    def check(value: Any) -> tuple[str, ...]:
        words = dict.fromkeys(text.replace(" ", "_") for text in _check_texts(value))
        unknown = next((word for word in words if word not in allowed), None)
        if unknown is not None:
            close = find_nearest(unknown, allowed)
            raise HintError(f"the nearest is {close!r}") if close else ValueError
        return tuple(words)

    return OptionType("one or more of " + ", ".join(allowed), check, argparse={"nargs": "+", "metavar": "KIND"})


def _positive_number(unit: str, metavar: str) -> OptionType:
    return OptionType(f"a number above 0, in {unit}", _make_number_check(0, above=True), float, {"metavar": metavar})


def _check_count_or_auto(value: Any) -> int | str:
    return "auto" if value == "auto" else _make_integer_check(lambda n: n >= 0)(value)


def _read_count_or_auto(word: str) -> Any:
    return word if word == "auto" else parse_json(word)


@dataclass(frozen=True)
class Shard:
    """One part of a study: every `n_shards`-th run, starting with run `number`, counted from 1."""

    number: int
    n_shards: int

    def __str__(self) -> str:
        return f"{self.number}/{self.n_shards}"


def _check_shard(value: Any) -> Shard:
    if isinstance(value, Shard):
        return value
    number, _, n_shards = _check_text(value).partition("/")
    if not (number.isdecimal() and n_shards.isdecimal() and 1 <= int(number) <= int(n_shards)):
        raise ValueError
    return Shard(int(number), int(n_shards))


def _check_share(value: Any) -> float:
    share = _make_number_check(0, above=False)(value)
    if share > 1:
        raise ValueError
    return share


def _check_words(value: Any) -> tuple[str, ...]:
    """Return words; an object such as {"motion": "full", "high_pass": true} becomes motion=full high_pass."""
    if not isinstance(value, Mapping):
        return _check_texts(value)
    # R's jsonlite writes every value as a list.
    single = {key: item[0] if isinstance(item, list) and len(item) == 1 else item for key, item in value.items()}
    given = {key: item for key, item in single.items() if item is not False and item is not None}
    invalid = [key for key, item in given.items() if item is not True and type(item) not in (str, int, float)]
    if invalid:
        raise HintError(f"{invalid[0]!r} takes a single string or number, true or false")
    if not given:
        raise HintError('every word in it is off; leave it out to use all columns, or give "scrub" to use none')
    return _check_texts([key if item is True else f"{key}={item}" for key, item in given.items()])


FLAG = OptionType("true or false", _check_flag, argparse={"action": "store_true"})
ROIS = OptionType(
    "a file name or a nilearn: query, or a list of them", _check_rois, argparse={"nargs": "+", "metavar": "ROI"}
)
TEXTS = OptionType("a string or a list of strings", _check_texts, argparse={"nargs": "+", "metavar": "NAME"})
LABEL = OptionType("a label of letters and digits", _check_label, argparse={"metavar": "LABEL"})
DESC = OptionType("a label of letters and digits, or several joined by _", _check_desc, argparse={"metavar": "LABEL"})
LABELS = OptionType(
    "a label of letters and digits, or a list of such labels",
    _check_labels,
    argparse={"nargs": "+", "metavar": "LABEL"},
)
ENTITIES = OptionType(
    'KEY=VALUE, a list of them, or an object such as {"reg": "default"}',
    _check_entities,
    argparse={"nargs": "+", "metavar": "KEY=VALUE"},
)
RUNS = OptionType(
    "entities of runs such as sub-07_ses-2, a file that lists them, or a list of these",
    _check_texts,
    argparse={"nargs": "+", "metavar": "RUN"},
)
NAMES = OptionType(
    "a name of letters and digits, or a list of such names", _check_names, argparse={"nargs": "+", "metavar": "NAME"}
)
WORDS = OptionType(
    'a string, a list of strings, or an object such as {"motion": "full", "high_pass": true}',
    _check_words,
    argparse={"nargs": "+", "metavar": "WORD"},
)
FILES = OptionType("a file name or a list of file names", _check_texts, argparse={"nargs": "+", "metavar": "FILE"})
FILE = OptionType("a file name", _check_path, argparse={"metavar": "FILE"})
MASK = OptionType(
    "a file name",
    _check_mask,
    lambda words: words[0] if len(words) == 1 else words,
    argparse={"nargs": "+", "metavar": "FILE"},
)
FOLDER = OptionType("a folder", _check_path, argparse={"metavar": "FOLDER"})
SECONDS = _positive_number("seconds", "SECONDS")
HERTZ = _positive_number("Hz", "HZ")
RADIUS = _positive_number("mm", "MM")
WIDTH = OptionType("a number, 0 or above, in mm", _make_number_check(0, above=False), float, {"metavar": "MM"})
COUNT = OptionType("a whole number, 0 or above", _make_integer_check(lambda n: n >= 0), parse_json, {"metavar": "N"})
COUNT_OR_AUTO = OptionType(
    "a whole number, 0 or above, or auto", _check_count_or_auto, _read_count_or_auto, {"metavar": "N|auto"}
)
SHARE = OptionType("a number from 0 to 1", _check_share, float, {"metavar": "SHARE"})
THRESHOLD = OptionType("a number, 0 or above", _make_number_check(0, above=False), float, {"metavar": "VALUE"})
DECIMALS = OptionType(
    "a whole number from 0 to 17", _make_integer_check(lambda n: 0 <= n <= 17), parse_json, {"metavar": "N"}
)
PROCESSES = OptionType(
    "a whole number, 1 or above, or -1", _make_integer_check(lambda n: n >= 1 or n == -1), parse_json, {"metavar": "N"}
)
SCHEDULER = OptionType("the address of a scheduler, or a .json file", _check_text, argparse={"metavar": "ADDRESS"})
SHARD = OptionType("a part number and the number of parts, such as 3/40", _check_shard, argparse={"metavar": "I/N"})
