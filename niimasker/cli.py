"""From words on a command line to an exit code; the only place that prints, exits or configures logging."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from niimasker.errors import (
    EXIT_DONE,
    EXIT_INTERRUPTED,
    EXIT_RUN_FAILED,
    EXIT_WRONG_USE,
    NiimaskerError,
    NiimaskerWarning,
    OutputError,
    SettingsError,
)
from niimasker.options.command_line import read_command_line
from niimasker.options.config_file import read_config
from niimasker.options.merging import make_settings
from niimasker.options.settings import Settings

if TYPE_CHECKING:
    from niimasker.outputs.outcomes import Outcome
    from niimasker.study.preparation import Study

_MOST_REASONS = 3
# The lines of a study of fewer runs are on one screen with its summary.
_RUNS_IN_SIGHT = 20


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
    given = read_command_line(argv, show=_say)
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
    from niimasker.study.preparation import survey
    from niimasker.workflow import find_finished

    study = survey(settings)
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
