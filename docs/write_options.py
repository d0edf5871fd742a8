"""Write the tables of options.md from the options' declarations: python docs/write_options.py."""

from __future__ import annotations

import json
import re
from pathlib import Path

from niimasker.settings import GROUPS, OPTIONS, Option, config_template

PAGE = Path(__file__).with_name("options.md")


def fill_tables(page: str) -> str:
    """Return the page with a table of its options in the place of each group."""
    for group in GROUPS:
        place = rf"(<!-- options: {group} -->\n).*?(<!-- end -->\n)"
        table = make_table([option for option in OPTIONS if option.group == group and not option.positional])
        page, n_places = re.subn(place, lambda found, table=table: f"{found[1]}\n{table}\n{found[2]}", page, flags=re.S)
        if n_places != 1:
            raise SystemExit(f"{PAGE.name}: {n_places} places for the options of the group {group!r}; expected one.")
    return page


def make_table(options: list[Option]) -> str:
    """Return a table with a row for each option."""
    rows = [
        "| option | value | default | meaning |",
        "|---|---|---|---|",
        *(f"| {' | '.join(make_cells(option))} |" for option in options),
    ]
    return "".join(f"{row}\n" for row in rows)


def make_cells(option: Option) -> list[str]:
    """Return an option's flags, what it may be, its default as in JSON, and its meaning."""
    flags = [option.short] if option.short else []
    default = json.dumps(config_template()[option.name])
    names = ", ".join(f"`{flag}`" for flag in (*flags, f"--{option.name}"))
    return [names, escape(option.kind.expected), f"`{default}`", escape(option.help)]


def escape(text: str) -> str:
    """Return a text in which Markdown sees no stars, tags or columns, with the names of options as code."""
    return re.sub(r"(--[a-z]\w*)", r"`\1`", re.sub(r"([*<|])", r"\\\1", text))


if __name__ == "__main__":
    PAGE.write_text(fill_tables(PAGE.read_text("utf-8")), "utf-8")
