"""The page of options is what the code declares."""

from __future__ import annotations

import json
import re
import runpy

import pytest
from documentation import PAGES, ROOT, code_in, table

from niimasker.options.command_line import make_parser
from niimasker.options.settings import (
    COMMAND_LINE_OPTIONS,
    DEPRECATED,
    GROUPS,
    OPTIONS,
    PER_CALL_OPTIONS,
    config_template,
)

NAMED = sorted((option for option in OPTIONS if not option.positional), key=lambda option: GROUPS.index(option.group))
ROWS = table("option", "value", "default", "meaning")


def test_tables_are_those_that_the_script_makes():
    fill_tables = runpy.run_path(str(ROOT / "docs/write_options.py"))["fill_tables"]
    assert fill_tables(PAGES["options"]) == PAGES["options"], "run python docs/write_options.py"


def test_tables_name_every_option_with_its_short_form():
    assert [tuple(code_in(row[0])) for row in ROWS] == [option.names for option in NAMED]


def test_tables_say_what_each_value_may_be():
    assert [row[1] for row in ROWS] == [option.option_type.expected for option in NAMED]


def test_tables_have_the_defaults_of_the_json_template():
    defaults = {code_in(row[0])[-1].removeprefix("--"): json.loads(*code_in(row[2])) for row in ROWS}
    assert defaults == config_template()


def test_tables_have_each_options_help():
    assert [re.sub(r"[\\`]", "", row[3]) for row in ROWS] == [option.help for option in NAMED]


def test_output_dir_is_described_with_its_help():
    (output_dir,) = (option for option in OPTIONS if option.positional)
    assert f"`{output_dir.name}` is the {output_dir.help}" in PAGES["options"]


def test_options_of_the_command_line_alone_are_described_with_their_help():
    said_by_help = " ".join(make_parser().format_help().split())
    rows = table("option", "meaning")
    assert [tuple(code_in(row[0])) for row in rows] == [option.names for option in COMMAND_LINE_OPTIONS]
    assert all(re.sub(r"[\\`]", "", meaning) in said_by_help for _, meaning in rows)


@pytest.mark.parametrize(("old", "new"), DEPRECATED.items())
def test_deprecated_names_are_named_with_what_replaces_them(old, new):
    assert re.search(rf"`{old}` for `{new}`", PAGES["options"])


def test_options_that_a_record_does_not_give_are_named():
    (item,) = re.findall(r"^- \*\*What is not taken\*\*.*?Give", PAGES["options"], re.M | re.S)
    assert set(code_in(item)) == {"output_dir", *PER_CALL_OPTIONS}
