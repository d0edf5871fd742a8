"""The command line program, from its words to its exit code; only this module prints and configures logging."""

from __future__ import annotations

import contextlib
import logging
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
    count,
    list_names,
)
from niimasker.options.command_line import read_command_line
from niimasker.options.config_file import read_config
from niimasker.options.merging import make_settings
from niimasker.options.settings import EXAMPLES, STUDY, TWO_RUNS, Settings
from niimasker.running.messages import expendable_messages

if TYPE_CHECKING:
    from niimasker.outputs.outcomes import Outcome
    from niimasker.study.preparation import Study

_MAX_REASONS = 3
# The messages of a study with more runs may scroll off the screen before its summary is printed.
_MAX_RUNS_ON_SCREEN = 20


def main(argv: Sequence[str] | None = None) -> int:
    """Run niimasker and return its exit code."""
    argv = sys.argv[1:] if argv is None else argv
    settings: Settings | None = None
    with expendable_messages(), _warnings_on_stderr(is_quiet=bool({"-q", "--quiet"} & set(argv))):
        try:
            settings = _read_settings(argv)
            _configure_logging(settings)
            return _dry_run(settings) if settings.dry_run else _run(settings, argv)
        except NiimaskerError as error:
            if _wants_traceback(settings, argv):
                traceback.print_exc()
            _print_message("error", str(error))
            return EXIT_WRONG_USE
        except KeyboardInterrupt:
            _print_message("interrupted", "every finished run is complete; --resume processes the others.")
            return EXIT_INTERRUPTED


def _wants_traceback(settings: Settings | None, argv: Sequence[str]) -> bool:
    if settings is not None:
        return settings.verbose
    return bool({"-v", "--verbose"} & set(argv)) and not {"-q", "--quiet"} & set(argv)


def _read_settings(argv: Sequence[str]) -> Settings:
    given = read_command_line(argv, show=_print_line)
    example = given.pop("example", None)
    config_path = given.pop("config", None)
    if example is not None:
        config_path = _write_example(example, given, config_path)
    return make_settings(given, read_config(Path(config_path)) if config_path else {})


def _run(settings: Settings, argv: Sequence[str]) -> int:
    # Imported here: --help, --version and most errors need none of the scientific libraries.
    from niimasker.running.progress import NoProgress, make_progress
    from niimasker.running.warning_groups import group_warnings
    from niimasker.study.preparation import prepare
    from niimasker.workflow import run_study

    study = prepare(settings)
    # With -v each step of a run is a line of its own.
    shows_progress = not (settings.quiet or settings.verbose)
    progress = make_progress(len(study.runs), sys.stderr, _print_progress) if shows_progress else NoProgress()

    def end(outcome: Outcome) -> None:
        progress.end(outcome)
        if outcome.status == "failed":
            with progress.paused():
                _print_failure(outcome, settings)

    unwritten: list[OutputError] = []

    def note_unwritten(error: OutputError) -> None:
        unwritten.append(error)
        with progress.paused():
            _print_message("error", str(error))

    with contextlib.closing(progress):
        outcomes = run_study(
            study,
            command=["niimasker", *argv],
            on_start=progress.start,
            on_outcome=end,
            on_unwritten=note_unwritten,
        )
    if not settings.quiet:
        for group in group_warnings(outcomes):
            _print_message("warning", str(group))
    code = _summarise(study, outcomes)
    return code if _write_tidy_table(study, outcomes) and not unwritten else EXIT_RUN_FAILED


def _write_tidy_table(study: Study, outcomes: Sequence[Outcome]) -> bool:
    """Write the long table of --tidy, if it is requested, and return whether that succeeded."""
    from niimasker.running.study_files import write_tidy_table

    try:
        path = write_tidy_table(study, outcomes)
    except OutputError as error:
        _print_message("error", str(error))
        return False
    if path is not None and not study.settings.quiet:
        _print_line(f"one table of all runs: {path}")
    return True


def _dry_run(settings: Settings) -> int:
    from niimasker.running.dry_run import describe_study, list_errors, predict_outcomes
    from niimasker.running.folder import plan_folder
    from niimasker.running.shared import share
    from niimasker.running.study_files import list_study_files
    from niimasker.running.warning_groups import group_warnings
    from niimasker.study.own_regions import check_own_regions
    from niimasker.study.preparation import inspect_study
    from niimasker.workflow import find_finished

    study = inspect_study(settings)
    shared = share(study, ())
    finished = {outcome.run for outcome in find_finished(study, shared)}
    study = check_own_regions(study, finished)
    folder = plan_folder(study, shared.analysis, list_study_files(study), finished)
    if not settings.quiet:
        for line in describe_study(study, finished):
            _print_line(line)
        for group in group_warnings(predict_outcomes(study)):
            _print_message("warning", str(group))
        for note in folder.notes:
            _print_message("warning", note)
    errors = [*list_errors(study), *map(str, folder.errors)]
    for error in errors:
        _print_message("error", error)
    return EXIT_WRONG_USE if errors else EXIT_DONE


def _write_example(example: str, given: dict[str, Any], config_path: str | None) -> Path:
    """Write the data set of --example or --example study, and return the path of its JSON file."""
    if example not in EXAMPLES:
        raise SettingsError(
            f"--example: expected no word or {STUDY!r}, found {example!r}; output_dir comes first, as in "
            f"niimasker output_dir --example {STUDY}."
        )
    if config_path or given.keys() - {"output_dir", "verbose", "quiet", "n_jobs"}:
        raise SettingsError("--example sets its own options; give the output_dir alone.")
    from niimasker.example.twelve_runs import write_twelve_runs
    from niimasker.example.two_runs import write_two_runs

    writers = {TWO_RUNS: write_two_runs, STUDY: write_twelve_runs}
    return writers[example](Path(given["output_dir"]))


def _configure_logging(settings: Settings) -> None:
    logging.basicConfig(
        level=logging.DEBUG if settings.verbose else logging.WARNING,
        format="%(message)s",
        stream=sys.stderr,
        force=True,
    )
    # Debug messages of other libraries are not shown, even with -v.
    logging.getLogger().setLevel(logging.WARNING)
    logging.getLogger("niimasker").setLevel(logging.DEBUG if settings.verbose else logging.WARNING)


@contextlib.contextmanager
def _warnings_on_stderr(*, is_quiet: bool) -> Iterator[None]:
    def show(message: Warning | str, category: type[Warning], *_: object) -> None:
        if issubclass(category, NiimaskerWarning):
            _print_message("warning", str(message))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore" if is_quiet else "always", NiimaskerWarning)
        warnings.showwarning = show  # type: ignore[assignment]
        yield


def _print_message(kind: str, message: str) -> None:
    """Print one line on the standard error stream, even if a file name contains a line break."""
    print(f"niimasker: {kind}: {' '.join(message.splitlines())}", file=sys.stderr)


def _print_progress(line: str) -> None:
    print(f"niimasker: {line}", file=sys.stderr, flush=True)


def _print_failure(outcome: Outcome, settings: Settings) -> None:
    # The traceback of a bug is always shown, that of a user's mistake only with -v.
    if outcome.traceback and (settings.verbose or outcome.is_bug):
        print(outcome.traceback, file=sys.stderr, end="")
    _print_message("failed", _format_reason(outcome))


def _print_line(line: str) -> None:
    print(line, flush=True)


def _summarise(study: Study, outcomes: Sequence[Outcome]) -> int:
    counts = Counter(outcome.status for outcome in outcomes)
    if not study.settings.quiet:
        for line in _format_summary(study, outcomes, counts):
            _print_line(line)
    return EXIT_RUN_FAILED if counts["failed"] else EXIT_DONE


def _format_summary(study: Study, outcomes: Sequence[Outcome], counts: Mapping[str, int]) -> Iterator[str]:
    """Yield the lines of the summary: how many runs ended how, and where tables, reasons and reports are."""
    from niimasker.running.concern_lines import describe_concerns
    from niimasker.running.left_out_lines import describe_left_out

    settings = study.settings
    n_tables = sum(len(outcome.tables) for outcome in outcomes)
    skipped = f", {counts['skipped']} skipped" if counts["skipped"] else ""
    rest = [
        f"{counts[status]} of {count(len(outcomes), 'run')} {status}"
        for status in ("failed", "excluded", "not started")
        if counts[status]
    ]
    tables = f"{count(n_tables, 'table')} of time series in {settings.output_dir}"
    n_images, n_pipelines = len({outcome.run.image_paths for outcome in outcomes}), len(settings.pipelines)
    # Each image is a run for every pipeline.
    of_pipelines = f"{count(n_images, 'image')} x {count(n_pipelines, 'pipeline')}: " if n_pipelines else ""
    yield "; ".join([f"{of_pipelines}{count(counts['done'], 'run')} done{skipped}, {tables}", *rest])
    yield from describe_left_out(study)
    yield from _summarise_failures(outcomes, settings)
    yield from _summarise_exclusions(outcomes, settings)
    yield from describe_concerns(outcomes, settings)
    yield from _list_other_runs(study)
    index_path = settings.output_dir / "reports" / "index.html"
    if not settings.no_report and index_path.is_file():
        yield f"reports: {index_path}"


def _list_other_runs(study: Study) -> Iterator[str]:
    """Yield a line about runs in the folder that are not among those of the study, if there are any."""
    from niimasker.outputs.outcomes import has_tables
    from niimasker.outputs.study_names import summary_path
    from niimasker.outputs.summaries import read_summary

    output_dir, own = study.settings.output_dir, {run.output_stem for run in study.all_runs}
    rows = read_summary(summary_path(output_dir)) or []
    others = [row["output"] for row in rows if has_tables(row) and row["output"] not in own]
    if others:
        yield (
            f"{count(len(others), 'other run')} in {output_dir}: {list_names(others)}; to take one out, remove its "
            f"files (such as {others[0]}_*) and call niimasker again"
        )


def _summarise_failures(outcomes: Sequence[Outcome], settings: Settings) -> Iterator[str]:
    """Yield the lines about failed runs: the first reasons if they are out of sight, and the file with all reasons.

    Each reason was printed when the run failed. It is still on the screen, except with -v or after many runs.
    """
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    if not failed:
        return
    from niimasker.outputs.study_names import summary_path

    is_out_of_sight = settings.verbose or len(outcomes) > _MAX_RUNS_ON_SCREEN
    shown = failed[:_MAX_REASONS] if is_out_of_sight else []
    yield from (f"failed: {_format_reason(outcome)}" for outcome in shown)
    if len(failed) > len(shown):
        yield f"reasons: {summary_path(settings.output_dir)}"


def _summarise_exclusions(outcomes: Sequence[Outcome], settings: Settings) -> Iterator[str]:
    """Yield the lines about excluded runs: the first reasons, and the file with all reasons."""
    excluded = [outcome for outcome in outcomes if outcome.status == "excluded"]
    yield from (f"excluded: {outcome.run.output_stem}: {outcome.reason}" for outcome in excluded[:_MAX_REASONS])
    if len(excluded) > _MAX_REASONS:
        from niimasker.outputs.study_names import summary_path

        yield f"all {len(excluded)} excluded runs, with reasons: {summary_path(settings.output_dir)}"


def _format_reason(outcome: Outcome) -> str:
    image, reason = str(outcome.run.image_path), outcome.reason or ""
    pipeline = f" (pipeline {outcome.run.pipeline})" if outcome.run.pipeline else ""
    return " ".join((reason if image in reason else f"{image}: {reason}").splitlines()) + pipeline
