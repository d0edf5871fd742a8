"""Every option with values of every wrong kind, in the JSON file and on the command line: one line that names it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from commands import RUN, run, write_study

from niimasker.options import option_types
from niimasker.options.settings import OPTIONS

HUGE = 10**400
LISTS: tuple[Any, ...] = ([["a"]], [[1]], [{}], [{"a": 1}], [True], [1.5], [None], [["a"], "b"])
OBJECTS: tuple[Any, ...] = ({"a": 1}, {"a": {}})
NOT_FINITE = (math.nan, math.inf, -math.inf)
FLAGS = (True, False)

# Values that are wrong for a kind; null, "" and [] mean "not given".
NO_FLAG = (0, 1, 1.5, HUGE, *NOT_FINITE, "true", "yes", ["a", "b"], *LISTS[:4], *OBJECTS)
NO_NUMBER = (*FLAGS, *NOT_FINITE, HUGE, -1, -1e300, -HUGE, "1", "many", [1, 2], ["a", "b"], *LISTS[:5], *OBJECTS)
NO_TEXT = (*FLAGS, 0, 1, -1, 1.5, HUGE, *NOT_FINITE, ["a", "b"], "a\0b", "a\nb", *LISTS, *OBJECTS)
NO_TEXTS = (*FLAGS, 0, -1, 1.5, HUGE, *NOT_FINITE, "a\0b", ["a", "a\nb"], ["a", 1.5], *LISTS, *OBJECTS)
NO_ENTITIES = (*FLAGS, 0, 1.5, *NOT_FINITE, "reg", "reg-a", "reg=", "=a", "reg=a b", "1=a", ["a", 1.5], *LISTS)
NO_LABEL = (*FLAGS, -1, 1.5, *NOT_FINITE, "a b", "a_b", "é", "a\0b", "a\nb", "../a", *LISTS[:6], *OBJECTS)
NO_WORD = (*FLAGS, 0, -1, 1.5, HUGE, *NOT_FINITE, "banana", "STREAM", ["a", "b"], *LISTS, *OBJECTS)
NO_SHARD = (*NO_WORD, "0/3", "4/3", "1/0", "-1/3", "1/3/5", "1.0/3", "²/³", f"1/{'1' * 5000}")

WRONG: dict[str, tuple[Any, ...]] = {
    option_types.FLAG.expected: NO_FLAG,
    option_types.ROIS.expected: NO_TEXTS,
    option_types.LABEL.expected: (*NO_LABEL, ["a", "b"]),
    option_types.DESC.expected: (*(value for value in NO_LABEL if value != "a_b"), ["a", "b"], "a_", "_b"),
    option_types.ENTITIES.expected: (*NO_ENTITIES, {"a": {}}, {"a": [[1]]}, {"a": 1.5}, {"a": None}, {"a": ""}),
    option_types.RUNS.expected: NO_TEXTS,
    option_types.LABELS.expected: (*NO_LABEL, ["a", "a b"], ["a", 1.5]),
    option_types.NAMES.expected: (*NO_TEXTS, "a b", "a-b", "é", ["a", "a_b"]),
    option_types.PIPELINES.expected: (*FLAGS, 0, -1, 1.5, HUGE, *NOT_FINITE, "a\0b", ["a", "a\nb"], [1.5], [["a"]]),
    option_types.JUDGE.expected: (*FLAGS, 0, -1, 1.5, HUGE, *NOT_FINITE, "a\0b", ["a", "b"], [1.5], [["a"]]),
    option_types.TEXTS.expected: NO_TEXTS,
    option_types.FILES.expected: NO_TEXTS,
    option_types.WORDS.expected: (*NO_TEXTS[:-2], {"a": {}}, {"a": [1, 2]}, {"a": "b\n"}, {"a": False}),
    option_types.FILE.expected: NO_TEXT,
    option_types.FOLDER.expected: NO_TEXT,
    option_types.SCHEDULER.expected: NO_TEXT,
    option_types.SECONDS.expected: (*NO_NUMBER, 0),
    option_types.HERTZ.expected: (*NO_NUMBER, 0),
    option_types.MILLIMETRES.expected: (*NO_NUMBER, 0),
    option_types.MINUTES.expected: (*NO_NUMBER, 0),
    option_types.BREATHS.expected: (*NO_NUMBER, 0),
    option_types.WIDTH.expected: NO_NUMBER,
    option_types.THRESHOLD.expected: NO_NUMBER,
    option_types.SHARE.expected: (*NO_NUMBER, 1.5),
    # A count may be as large as it likes.
    option_types.COUNT.expected: tuple(value for value in (*NO_NUMBER, 1.5) if value is not HUGE),
    option_types.COUNT_OR_AUTO.expected: tuple(value for value in (*NO_NUMBER, 1.5, "AUTO") if value is not HUGE),
    option_types.PROCESSES.expected: tuple(value for value in (*NO_NUMBER, 0, -2, 1.5) if value not in (HUGE, -1)),
    option_types.DECIMALS.expected: (*NO_NUMBER, 18, 1.5),
    option_types.SHARD.expected: NO_SHARD,
}

# Words that are wrong on the command line, of which texts and files take any.
NO_NUMBER_WORDS = (
    "two",
    "nan",
    "inf",
    "-1",
    "1e999",
    "0x10",
    "1,5",
    "[1, 2]",
    "true",
    "1" * 5000,
    "[" * 10**5,
)
NUMBERS = (
    option_types.SECONDS,
    option_types.HERTZ,
    option_types.MILLIMETRES,
    option_types.MINUTES,
    option_types.BREATHS,
    option_types.WIDTH,
    option_types.THRESHOLD,
    option_types.SHARE,
)
WHOLE_NUMBERS = (option_types.COUNT, option_types.COUNT_OR_AUTO, option_types.DECIMALS)
WRONG_WORDS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys([kind.expected for kind in NUMBERS], NO_NUMBER_WORDS),
    **dict.fromkeys([kind.expected for kind in WHOLE_NUMBERS], (*NO_NUMBER_WORDS, "1.5")),
    option_types.PROCESSES.expected: (*(word for word in NO_NUMBER_WORDS if word != "-1"), "0", "-2", "1.5"),
    option_types.SHARD.expected: tuple(value for value in NO_SHARD if isinstance(value, str)),
}

IN_JSON = [option for option in OPTIONS if not option.only_command_line]


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("options")
    write_study(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


def wrong_values(option: Any) -> tuple[Any, ...]:
    # Those of one word of several are no constants.
    return WRONG.get(option.option_type.expected, NO_WORD)


def assert_refused(name: str, result: Any) -> None:
    assert result.code == 2
    assert len(result.failures) == 1
    assert result.failures[0].startswith(f"niimasker: error: --{name}: expected ")
    assert len(result.failures[0]) < 500
    assert not Path("out").exists()


def test_every_kind_has_wrong_values():
    expected = {option.option_type.expected for option in OPTIONS}
    assert {each for each in expected if not each.startswith(("one of ", "one or more of "))} == WRONG.keys()


@pytest.mark.parametrize("option", IN_JSON, ids=lambda option: option.name)
def test_wrong_value_in_json_names_its_option(option):
    for value in wrong_values(option):
        base = {"input_files": "bold.nii.gz", "roi_file": "atlas.nii.gz"}
        Path("config.json").write_text(json.dumps({**base, option.name: value}))
        assert_refused(option.name, run("out", "-c", "config.json"))


@pytest.mark.parametrize(
    "option", [each for each in IN_JSON if each.option_type.expected in WRONG_WORDS], ids=lambda option: option.name
)
def test_wrong_word_on_the_command_line_names_its_option(option):
    for word in WRONG_WORDS[option.option_type.expected]:
        assert_refused(option.name, run(*RUN, f"--{option.name}={word}"))


@pytest.mark.parametrize(
    "option",
    [each for each in IN_JSON if each.option_type.expected.startswith("one of ")],
    ids=lambda option: option.name,
)
def test_unknown_choice_names_its_option_and_the_choices(option):
    result = run(*RUN, f"--{option.name}", "banana")
    assert_refused(option.name, result)
    assert option.option_type.expected in result.failures[0]
