"""Write the tables of options.md from the options' declarations: python docs/write_options.py."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from niimasker.options.settings import COMMAND_LINE_OPTIONS, GROUPS, OPTIONS, Option, config_template

PAGE = Path(__file__).with_name("options.md")
SETTING_COLUMNS = ("option", "value", "default", "meaning")


def fill_tables(page: str) -> str:
    """Return the page with a table of its options in the place of each group, and one of the command line's own."""
    for group, table in make_tables().items():
        place = rf"(<!-- options: {group} -->\n).*?(<!-- end -->\n)"
        page, n_places = re.subn(place, lambda found, table=table: f"{found[1]}\n{table}\n{found[2]}", page, flags=re.S)
        if n_places != 1:
            raise SystemExit(f"{PAGE.name}: {n_places} places for the options of the group {group!r}; expected one.")
    return page


def make_tables() -> dict[str, str]:
    """Return the table of each group of options, and of those that are no settings."""
    named = [option for option in OPTIONS if not option.positional]
    tables = {
        group: make_table(SETTING_COLUMNS, [describe_setting(option) for option in named if option.group == group])
        for group in GROUPS
    }
    return {**tables, "command line": make_table(("option", "meaning"), map(describe, COMMAND_LINE_OPTIONS))}


def make_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    header, *body = (f"| {' | '.join(cells)} |\n" for cells in (columns, *rows))
    return f"{header}|{'---|' * len(columns)}\n{''.join(body)}"


def describe_setting(option: Option) -> list[str]:
    """Return an option's names, what it may be, its default as in JSON, and its meaning."""
    names, meaning = describe(option)
    return [names, escape(option.option_type.expected), f"`{json.dumps(config_template()[option.name])}`", meaning]


def describe(option: Option) -> list[str]:
    """Return an option's names and its meaning."""
    return [", ".join(f"`{name}`" for name in option.names), escape(option.help)]


def escape(text: str) -> str:
    """Return a text in which Markdown sees no stars, tags or columns, with the names of options as code."""
    return re.sub(r"(--[a-z]\w*)", r"`\1`", re.sub(r"([*<|])", r"\\\1", text))


if __name__ == "__main__":
    PAGE.write_text(fill_tables(PAGE.read_text("utf-8")), "utf-8")
