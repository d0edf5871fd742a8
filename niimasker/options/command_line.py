"""The parser of the command line: what was typed as the values that the JSON file would hold."""

from __future__ import annotations

import argparse
import contextlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from niimasker.errors import SettingsError, find_nearest
from niimasker.options.paths import describe_missing_file
from niimasker.options.settings import (
    COMMAND_LINE_OPTIONS,
    DEPRECATED,
    DEPRECATED_ON_COMMAND_LINE,
    EXAMPLES,
    GROUPS,
    OPTIONS,
    Option,
)
from niimasker.options.short_help import DESCRIPTION, DOCUMENTATION, EXIT_CODES, format_short_help, format_usage

EPILOG = f"""examples:
  niimasker out -i fmriprep -r atlas.nii.gz --regressors motion wm_csf
  niimasker out -c config.json
  niimasker example_output --example

A JSON file takes the same names. Precedence:
defaults < command line < JSON file.
{DOCUMENTATION}
{EXIT_CODES}"""

Arguments = Mapping[str, Any]

_IMAGE_ENDINGS = (".nii", ".gii", ".annot", ".gz")


def read_command_line(argv: Sequence[str], show: Callable[[str], None] = print) -> dict[str, Any]:
    """Return the options given on a command line, as JSON values.

    Parameters
    ----------
    show
        Called with the text of --help, --help_all or --version, before the program exits.

    Raises
    ------
    SettingsError
        A word is not an option, or a number is not a number.
    """
    given = vars(make_parser(show).parse_args(argv))
    if "output_dir" not in given:
        given |= _take_last_as_output_dir(given)
    option_types = {option.name: option.option_type for option in OPTIONS}
    for name in given.keys() & option_types.keys():
        with contextlib.suppress(ValueError):  # `make_settings` raises the error that names what was expected.
            given[name] = option_types[name].read(given[name])
    return given


def make_parser(show: Callable[[str], None] = print) -> argparse.ArgumentParser:
    """Return the parser; each value stays as it was typed, and an option that is not given is absent.

    Parameters
    ----------
    show
        Called with the text of --help, --help_all or --version, before the program exits.
    """
    parser = _Parser(
        prog="niimasker",
        usage=format_usage(),
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
        add_help=False,
    )
    groups = {name: parser.add_argument_group(name) for name in GROUPS}
    for option in OPTIONS:
        _add_option(groups[option.group], option, option.option_type.argparse)
    for name in DEPRECATED_ON_COMMAND_LINE:
        replacement = next(option for option in OPTIONS if option.name == DEPRECATED[name])
        groups[replacement.group].add_argument(
            f"--{name}", help=f"deprecated: use --{replacement.name}", **replacement.option_type.argparse
        )
    actions = _make_actions(show)
    for option in COMMAND_LINE_OPTIONS:
        _add_option(groups[option.group], option, actions.get(option.name, option.option_type.argparse))
    return parser


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        unknown = message.removeprefix("unrecognized arguments: ").split()[0].partition("=")[0]
        options = [f"--{option.name}" for option in OPTIONS if not option.positional]
        close = find_nearest(f"--{unknown.lstrip('-')}", options) if unknown.startswith("-") else None
        hint = f"; the nearest is {close}" if close else ""
        raise SettingsError(f"{message}{hint}; see niimasker --help_all.")


class _ShowText(argparse.Action):
    """Call `const` with the parser, and exit."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        self.const(parser)
        parser.exit()


def _make_actions(show: Callable[[str], None]) -> dict[str, Arguments]:
    """Return the argparse arguments of the options that show a text and exit."""
    texts: dict[str, Callable[[argparse.ArgumentParser], str]] = {
        "help": lambda _: format_short_help(shutil.get_terminal_size().columns),
        "help_all": lambda parser: parser.format_help().rstrip(),
        "version": lambda _: f"niimasker {_read_version()}",
    }
    return {
        name: {"action": _ShowText, "nargs": 0, "const": lambda parser, make=make: show(make(parser))}
        for name, make in texts.items()
    }


def _read_version() -> str:
    # The package's own __version__ would be an import of the wings above; and only --version waits for this one.
    from importlib.metadata import version

    return version("niimasker")


def _add_option(group: Any, option: Option, arguments: Arguments) -> None:
    help_text = (option.help + option.default_note).replace("%", "%%")
    if option.positional:
        # Optional for argparse only, so that a missing one is reported by niimasker's own message.
        group.add_argument(option.name, nargs="?", help=help_text)
        return
    group.add_argument(*option.names, help=help_text, **arguments)


def _take_last_as_output_dir(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of `--example out`, and of `-m mask.nii.gz out` and `-r atlas.nii.gz out` as 0.0.4 read them.

    In 0.0.4 --roi_file had one value; --mask_img has two only for files of two hemispheres.
    """
    if given.get("example") not in (None, *EXAMPLES):
        return {"output_dir": given["example"], "example": EXAMPLES[0]}
    *masks, candidate = given.get("mask_img", [""])
    if masks and not candidate.endswith(_IMAGE_ENDINGS):
        return {"output_dir": candidate, "mask_img": masks}
    *others, candidate = given.get("roi_file", [""])
    is_atlas = (
        candidate.endswith((*_IMAGE_ENDINGS, ".tsv", ".csv"))
        or ":" in candidate
        or not describe_missing_file(Path(candidate))
    )
    if not others or is_atlas:
        raise SettingsError(
            "output_dir is missing; give it as the first word, or as the last one after --; see niimasker --help."
        )
    return {"output_dir": candidate, "roi_file": others}
