"""From words on a command line to an exit code; the only place that prints, exits or configures logging."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import shutil
import sys
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from niimasker import __version__
from niimasker.errors import (
    EXIT_DONE,
    EXIT_INTERRUPTED,
    EXIT_RUN_FAILED,
    EXIT_WRONG_USE,
    NiimaskerError,
    NiimaskerWarning,
    OutputError,
    SettingsError,
    find_nearest,
)
from niimasker.options.config_file import read_config
from niimasker.options.merging import make_settings
from niimasker.options.paths import describe_missing_file
from niimasker.options.settings import (
    COMMAND_LINE_OPTIONS,
    DEPRECATED,
    DEPRECATED_ON_COMMAND_LINE,
    GROUPS,
    OPTIONS,
    Option,
    Settings,
)
from niimasker.options.short_help import DESCRIPTION, DOCUMENTATION, EXIT_CODES, format_short_help, format_usage

if TYPE_CHECKING:
    from niimasker.outputs.outcomes import Outcome
    from niimasker.study.preparation import Study

EPILOG = f"""examples:
  niimasker out -i fmriprep -r atlas.nii.gz --regressors motion wm_csf
  niimasker out -c config.json
  niimasker example_output --example

A JSON file takes the same names. Precedence:
defaults < command line < JSON file.
{DOCUMENTATION}
{EXIT_CODES}"""

_MOST_REASONS = 3
# The lines of a study of fewer runs are on one screen with its summary.
_RUNS_IN_SIGHT = 20


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        unknown = message.removeprefix("unrecognized arguments: ").split()[0].partition("=")[0]
        options = [f"--{option.name}" for option in OPTIONS if not option.positional]
        close = find_nearest(f"--{unknown.lstrip('-')}", options) if unknown.startswith("-") else None
        hint = f"; the nearest is {close}" if close else ""
        raise SettingsError(f"{message}{hint}; see niimasker --help_all.")


class _ShowHelp(argparse.Action):
    """Print the text that `const` makes for a parser, and exit."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        _say(self.const(parser))
        parser.exit()


def _format_short_help(_: argparse.ArgumentParser) -> str:
    return format_short_help(shutil.get_terminal_size().columns)


def _format_full_help(parser: argparse.ArgumentParser) -> str:
    return parser.format_help().rstrip()


# How argparse takes the options that are no settings but ask for a text.
_ACTIONS: Mapping[str, Mapping[str, Any]] = {
    "help": {"action": _ShowHelp, "nargs": 0, "const": _format_short_help},
    "help_all": {"action": _ShowHelp, "nargs": 0, "const": _format_full_help},
    "version": {"action": "version", "version": f"niimasker {__version__}"},
}


def make_parser() -> argparse.ArgumentParser:
    """Return the parser; every value stays what was typed, an option not given stays absent."""
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
        _add(groups[option.group], option)
    for name in DEPRECATED_ON_COMMAND_LINE:
        replacement = next(option for option in OPTIONS if option.name == DEPRECATED[name])
        groups[replacement.group].add_argument(
            f"--{name}", help=f"deprecated: use --{replacement.name}", **replacement.option_type.argparse
        )
    for option in COMMAND_LINE_OPTIONS:
        _add(groups[option.group], option)
    return parser


def _add(group: Any, option: Option) -> None:
    help_text = (option.help + option.default_note).replace("%", "%%")
    if option.positional:
        # Optional for argparse alone, so that a missing one is said in this program's words.
        group.add_argument(option.name, nargs="?", help=help_text)
        return
    group.add_argument(*option.names, help=help_text, **_ACTIONS.get(option.name, option.option_type.argparse))


def read_command_line(argv: Sequence[str]) -> dict[str, Any]:
    """Return the options given on a command line, as JSON values.

    Raises
    ------
    SettingsError
        The words are no options, or a number is not a number.
    """
    given = vars(make_parser().parse_args(argv))
    if "output_dir" not in given:
        given |= _take_last_as_output_dir(given.get("roi_file", []))
    option_types = {option.name: option.option_type for option in OPTIONS}
    for name in given.keys() & option_types.keys():
        with contextlib.suppress(ValueError):  # `make_settings` says what was expected.
            given[name] = option_types[name].read(given[name])
    return given


def _take_last_as_output_dir(roi_files: list[str]) -> dict[str, Any]:
    """Return the options of `-r atlas.nii.gz out`, which 0.0.4 took: its -r had one value."""
    *others, candidate = roi_files or [""]
    is_atlas = (
        candidate.endswith((".nii", ".gz", ".tsv", ".csv"))
        or ":" in candidate
        or not describe_missing_file(Path(candidate))
    )
    if not others or is_atlas:
        raise SettingsError(
            "output_dir is missing; give it as the first word, or as the last one after --; see niimasker --help."
        )
    return {"output_dir": candidate, "roi_file": others}


def main(argv: Sequence[str] | None = None) -> int:
    """Run niimasker and return its exit code."""
    argv = sys.argv[1:] if argv is None else argv
    settings: Settings | None = None
    with _warnings_on_stderr(is_quiet=bool({"-q", "--quiet"} & set(argv))):
        try:
            settings = _read_settings(argv)
            _configure_logging(settings)
            return _dry_run(settings) if settings.dry_run else _run(settings, argv)
        except NiimaskerError as error:
            if _wants_traceback(settings, argv):
                traceback.print_exc()
            _tell("error", str(error))
            return EXIT_WRONG_USE
        except KeyboardInterrupt:
            _tell("interrupted", "what was finished is complete; --resume does the rest.")
            return EXIT_INTERRUPTED


def _wants_traceback(settings: Settings | None, argv: Sequence[str]) -> bool:
    if settings is not None:
        return settings.verbose
    return bool({"-v", "--verbose"} & set(argv)) and not {"-q", "--quiet"} & set(argv)


def _read_settings(argv: Sequence[str]) -> Settings:
    given = read_command_line(argv)
    is_example = given.pop("example", False)
    config_path = given.pop("config", None)
    if is_example:
        config_path = _write_example(given, config_path)
    return make_settings(given, read_config(Path(config_path)) if config_path else {})


def _run(settings: Settings, argv: Sequence[str]) -> int:
    # Only now: --help, --version and most mistakes need none of the scientific libraries.
    from niimasker.running.progress import Silence, make_progress
    from niimasker.running.warning_groups import group_warnings
    from niimasker.study.preparation import prepare
    from niimasker.workflow import run_study

    study = prepare(settings)
    # With -v each step is a line of its own.
    is_told = not (settings.quiet or settings.verbose)
    progress = make_progress(len(study.runs), sys.stderr, _tell_progress) if is_told else Silence()

    def tell(outcome: Outcome) -> None:
        progress.end(outcome)
        if outcome.status == "failed":
            with progress.aside():
                _tell_failure(outcome, settings)

    with contextlib.closing(progress):
        outcomes = run_study(study, command=["niimasker", *argv], on_start=progress.start, on_outcome=tell)
    if not settings.quiet:
        for kind in group_warnings(outcomes):
            _tell("warning", str(kind))
    code = _summarise(outcomes, settings)
    return code if _tabulate(study, outcomes) else EXIT_RUN_FAILED


def _tabulate(study: Study, outcomes: Sequence[Outcome]) -> bool:
    """Write the long table of --tidy, if it is asked for, and return whether that went well."""
    from niimasker.running.study_files import tabulate

    try:
        path = tabulate(study, outcomes)
    except OutputError as error:
        _tell("error", str(error))
        return False
    if path is not None and not study.settings.quiet:
        _say(f"one table of all runs: {path}")
    return True


def _dry_run(settings: Settings) -> int:
    from niimasker.running.dry_run import describe, foreseen, problems
    from niimasker.running.task import share
    from niimasker.running.warning_groups import group_warnings
    from niimasker.study.preparation import inspect_study
    from niimasker.workflow import find_finished

    study = inspect_study(settings)
    finished = {outcome.run for outcome in find_finished(study, share(study, ()))}
    if not settings.quiet:
        for line in describe(study, finished):
            _say(line)
        for kind in group_warnings(foreseen(study)):
            _tell("warning", str(kind))
    wrong = problems(study)
    for problem in wrong:
        _tell("error", problem)
    return EXIT_WRONG_USE if wrong else EXIT_DONE


def _write_example(given: dict[str, Any], config_path: str | None) -> Path:
    if config_path or given.keys() - {"output_dir", "verbose", "quiet", "n_jobs"}:
        raise SettingsError("--example sets its own options; give the output_dir alone.")
    from niimasker.example import write_example

    return write_example(Path(given["output_dir"]))


def _configure_logging(settings: Settings) -> None:
    logging.basicConfig(
        level=logging.DEBUG if settings.verbose else logging.WARNING,
        format="%(message)s",
        stream=sys.stderr,
        force=True,
    )
    # Other libraries' steps are no news, even with -v.
    logging.getLogger().setLevel(logging.WARNING)
    logging.getLogger("niimasker").setLevel(logging.DEBUG if settings.verbose else logging.WARNING)


@contextlib.contextmanager
def _warnings_on_stderr(*, is_quiet: bool) -> Iterator[None]:
    def show(message: Warning | str, category: type[Warning], *_: object) -> None:
        if issubclass(category, NiimaskerWarning):
            _tell("warning", str(message))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore" if is_quiet else "always", NiimaskerWarning)
        warnings.showwarning = show  # type: ignore[assignment]
        yield


def _tell(kind: str, message: str) -> None:
    # One line, whatever a file is called.
    print(f"niimasker: {kind}: {' '.join(message.splitlines())}", file=sys.stderr)


def _tell_progress(line: str) -> None:
    print(f"niimasker: {line}", file=sys.stderr, flush=True)


def _tell_failure(outcome: Outcome, settings: Settings) -> None:
    if outcome.traceback and (settings.verbose or outcome.is_mistake):
        print(outcome.traceback, file=sys.stderr, end="")
    _tell("failed", _reason(outcome))


def _say(line: str) -> None:
    try:
        # A folder's name need not be Unicode.
        print(line.encode("utf-8", "backslashreplace").decode("utf-8"), flush=True)
    except BrokenPipeError:
        # Who reads has seen enough, as head does. What is left in the buffer has to go somewhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _summarise(outcomes: Sequence[Outcome], settings: Settings) -> int:
    counts = Counter(outcome.status for outcome in outcomes)
    if not settings.quiet:
        for line in _summary(outcomes, counts, settings):
            _say(line)
    return EXIT_RUN_FAILED if counts["failed"] else EXIT_DONE


def _summary(outcomes: Sequence[Outcome], counts: Mapping[str, int], settings: Settings) -> Iterator[str]:
    """Yield the lines that tell what became of the runs, and where it is."""
    n_tables = sum(len(outcome.tables) for outcome in outcomes)
    skipped = f", {counts['skipped']} skipped" if counts["skipped"] else ""
    rest = [
        f"{counts[status]} of {_count(len(outcomes), 'run')} {status}"
        for status in ("failed", "not started")
        if counts[status]
    ]
    tables = f"{_count(n_tables, 'table')} of time series in {settings.output_dir}"
    yield "; ".join([f"{_count(counts['done'], 'run')} done{skipped}, {tables}", *rest])
    yield from _failures(outcomes, settings)
    index_path = settings.output_dir / "reports" / "index.html"
    if not settings.no_report and index_path.is_file():
        yield f"reports: {index_path}"


def _failures(outcomes: Sequence[Outcome], settings: Settings) -> Iterator[str]:
    """Yield where the reasons of failures are, and the first of them where they are out of sight.

    Each has been told when it happened, which in a small study is just above; -v and many runs put lines between.
    """
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    if not failed:
        return
    from niimasker.outputs.files import DATA_FOLDER, summary_name

    is_out_of_sight = settings.verbose or len(outcomes) > _RUNS_IN_SIGHT
    shown = failed[:_MOST_REASONS] if is_out_of_sight else []
    yield from (f"failed: {_reason(outcome)}" for outcome in shown)
    if len(failed) > len(shown):
        summary_path = settings.output_dir / DATA_FOLDER / summary_name(settings.shard)
        yield f"reasons: {summary_path}"


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _reason(outcome: Outcome) -> str:
    image, reason = str(outcome.run.image_path), outcome.reason or ""
    return " ".join((reason if image in reason else f"{image}: {reason}").splitlines())
