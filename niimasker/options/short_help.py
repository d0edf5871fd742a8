"""The help that fits one screen: the common options, each with the first part of its help text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from niimasker.options.settings import COMMAND_LINE_OPTIONS, GROUPS, OPTIONS, Option

DESCRIPTION = "Extract one table of region time series per fMRI image."
USAGE = (
    "niimasker output_dir -i FILE [FILE ...] -r ROI [ROI ...] [options]",
    "niimasker output_dir -c FILE.json [options]",
    "niimasker output_dir --example",
)
DOCUMENTATION = "Documentation: README.md and docs/ of niimasker's repository."
EXIT_CODES = "Exit codes: 0 no run failed, 1 a run failed, 2 wrong use, 130 interrupted."
FOOTER = (
    "All options: niimasker --help_all. A JSON file takes the same names.",
    DOCUMENTATION,
    EXIT_CODES,
)

# Wider lines are hard to read; narrower ones leave no room beside the names of the options.
_MAX_WIDTH, _MIN_WIDTH = 100, 60
_INDENT, _GAP = 2, 2

_COMMON = tuple(option for option in (*OPTIONS, *COMMAND_LINE_OPTIONS) if option.is_common)


def format_usage() -> str:
    """Return the ways to call niimasker, one per line."""
    return "\n       ".join(USAGE)


def format_short_help(width: int) -> str:
    """Return the short help for a terminal of this width."""
    width = min(max(width, _MIN_WIDTH), _MAX_WIDTH)
    column = max(len(_describe_names(option)) for option in _COMMON) + _INDENT + _GAP
    more = [line for text in FOOTER for line in textwrap.wrap(text, width)]
    lines = [DESCRIPTION, "", f"usage: {format_usage()}", "", *_list_options(column, width), "", *more]
    return "\n".join(lines)


def _list_options(column: int, width: int) -> Iterator[str]:
    """Yield the lines that list the options, each group below its heading."""
    for group in GROUPS:
        yield f"{group}:"
        for option in _COMMON:
            if option.group == group:
                names = f"{' ' * _INDENT}{_describe_names(option)}".ljust(column)
                yield from textwrap.wrap(
                    _summarise(option), width, initial_indent=names, subsequent_indent=" " * column
                )


def _describe_names(option: Option) -> str:
    """Return the names of an option, and the placeholder of its value if it takes one."""
    metavar = option.option_type.argparse.get("metavar", "")
    forms = {"+": f" {metavar}...", "?": f" [{metavar}]"}
    value = forms.get(str(option.option_type.argparse.get("nargs")), f" {metavar}")
    return ", ".join(option.names) + ("" if option.positional else value.rstrip())


def _summarise(option: Option) -> str:
    return option.help.partition(";")[0] + option.default_note
