"""The types of options: which values are valid, how they are checked and how the command line is parsed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from niimasker.errors import find_nearest
from niimasker.options.json_files import parse_json
from niimasker.options.threshold_files import read_thresholds
from niimasker.options.value_checks import (
    HintError,
    check_count_or_auto,
    check_desc,
    check_entities,
    check_flag,
    check_label,
    check_labels,
    check_mask,
    check_names,
    check_path,
    check_pipelines,
    check_rois,
    check_shard,
    check_share,
    check_text,
    check_texts,
    check_words,
    make_integer_check,
    make_number_check,
)


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
        words = dict.fromkeys(text.replace(" ", "_") for text in check_texts(value))
        unknown = next((word for word in words if word not in allowed), None)
        if unknown is not None:
            close = find_nearest(unknown, allowed)
            raise HintError(f"the nearest is {close!r}") if close else ValueError
        return tuple(words)

    return OptionType("one or more of " + ", ".join(allowed), check, argparse={"nargs": "+", "metavar": "KIND"})


def _positive_number(unit: str, metavar: str) -> OptionType:
    return OptionType(f"a number above 0, in {unit}", make_number_check(0, above=True), float, {"metavar": metavar})


def _read_count_or_auto(word: str) -> Any:
    return word if word == "auto" else parse_json(word)


EXAMPLE = OptionType("study, or no word", check_text, argparse={"nargs": "?", "const": "", "metavar": "study"})
FLAG = OptionType("true or false", check_flag, argparse={"action": "store_true"})
ROIS = OptionType(
    "a file name or a nilearn: query, or a list of them", check_rois, argparse={"nargs": "+", "metavar": "ROI"}
)
TEXTS = OptionType("a string or a list of strings", check_texts, argparse={"nargs": "+", "metavar": "NAME"})
LABEL = OptionType("a label of letters and digits", check_label, argparse={"metavar": "LABEL"})
DESC = OptionType("a label of letters and digits, or several joined by _", check_desc, argparse={"metavar": "LABEL"})
LABELS = OptionType(
    "a label of letters and digits, or a list of such labels",
    check_labels,
    argparse={"nargs": "+", "metavar": "LABEL"},
)
ENTITIES = OptionType(
    'KEY=VALUE, a list of them, or an object such as {"reg": "default"}',
    check_entities,
    argparse={"nargs": "+", "metavar": "KEY=VALUE"},
)
RUNS = OptionType(
    "entities of runs such as sub-07_ses-2, a file that lists them, or a list of these",
    check_texts,
    argparse={"nargs": "+", "metavar": "RUN"},
)
PIPELINES = OptionType(
    'the name of a preset, a .json file, an object such as {"24P": {"regressors": "Params24"}}, or a list of these',
    check_pipelines,
    argparse={"nargs": "+", "metavar": "PIPELINE"},
)
JUDGE = OptionType(
    'a .json file, or an object such as {"minutes": {"amber": 9, "red": 5}}',
    read_thresholds,
    argparse={"metavar": "FILE"},
)
NAMES = OptionType(
    "a name of letters and digits, or a list of such names", check_names, argparse={"nargs": "+", "metavar": "NAME"}
)
WORDS = OptionType(
    'a string, a list of strings, or an object such as {"motion": "full", "high_pass": true}',
    check_words,
    argparse={"nargs": "+", "metavar": "WORD"},
)
FILES = OptionType("a file name or a list of file names", check_texts, argparse={"nargs": "+", "metavar": "FILE"})
FILE = OptionType("a file name", check_path, argparse={"metavar": "FILE"})
MASK = OptionType(
    "a file name",
    check_mask,
    lambda words: words[0] if len(words) == 1 else words,
    argparse={"nargs": "+", "metavar": "FILE"},
)
FOLDER = OptionType("a folder", check_path, argparse={"metavar": "FOLDER"})
SECONDS = _positive_number("seconds", "SECONDS")
MINUTES = _positive_number("minutes", "MINUTES")
HERTZ = _positive_number("Hz", "HZ")
MILLIMETRES = _positive_number("mm", "MM")
BREATHS = _positive_number("breaths per minute", "BPM")
WIDTH = OptionType("a number, 0 or above, in mm", make_number_check(0, above=False), float, {"metavar": "MM"})
COUNT = OptionType("a whole number, 0 or above", make_integer_check(lambda n: n >= 0), parse_json, {"metavar": "N"})
COUNT_OR_AUTO = OptionType(
    "a whole number, 0 or above, or auto", check_count_or_auto, _read_count_or_auto, {"metavar": "N|auto"}
)
SHARE = OptionType("a number from 0 to 1", check_share, float, {"metavar": "SHARE"})
THRESHOLD = OptionType("a number, 0 or above", make_number_check(0, above=False), float, {"metavar": "VALUE"})
DECIMALS = OptionType(
    "a whole number from 0 to 17", make_integer_check(lambda n: 0 <= n <= 17), parse_json, {"metavar": "N"}
)
PROCESSES = OptionType(
    "a whole number, 1 or above, or -1", make_integer_check(lambda n: n >= 1 or n == -1), parse_json, {"metavar": "N"}
)
SCHEDULER = OptionType("the address of a scheduler, or a .json file", check_text, argparse={"metavar": "ADDRESS"})
SHARD = OptionType("a part number and the number of parts, such as 3/40", check_shard, argparse={"metavar": "I/N"})
