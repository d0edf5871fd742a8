"""`extract` and `run_study`, which put the wings together: settings become runs, and runs become outcomes."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from niimasker.errors import OutputError, SettingsError, count, warn
from niimasker.inputs.runs import Run
from niimasker.options.merging import make_settings
from niimasker.options.settings import Settings
from niimasker.outputs.files import DATA_FOLDER, remove_leftovers, summary_name
from niimasker.outputs.outcomes import DONE, SKIPPED, Outcome
from niimasker.running.execution import extract_plans
from niimasker.running.interrupts import hold_interrupts
from niimasker.running.late_imports import wait_for_imports
from niimasker.running.study_files import begin_study_files, output_folders, write_study_files, write_tidy_table
from niimasker.running.task import Shared, share
from niimasker.study.fingerprints import Fingerprint
from niimasker.study.preparation import Study, prepare

if TYPE_CHECKING:
    from distributed import Client


def extract(output_dir: str | Path, **options: Any) -> list[Outcome]:
    """Extract region signals from images, as the command line does.

    Parameters
    ----------
    output_dir
        The output directory; it is created with its parents.
    **options
        The options of the command line by name: `input_files`, `roi_file`, `standardize=True`, ...

    Returns
    -------
    list of Outcome
        One per image, in the order of the images; `outcome.tables[0].signals_path` is the table of the first atlas.

    Raises
    ------
    NiimaskerError
        An option or a file cannot be used; nothing has been extracted.
    OutputError
        The runs are done, but a file about all of them, such as the table of `tidy`, cannot be written.
    """
    settings = make_settings({"output_dir": output_dir, **options})
    if settings.dry_run:
        raise SettingsError("dry_run is for the command line, where it prints what would be done; leave it out.")
    study = prepare(settings)
    outcomes = run_study(study)
    for text in dict.fromkeys(text for outcome in outcomes for text in outcome.warnings):
        warn(text)
    write_tidy_table(study, outcomes)
    return outcomes


def _raise(error: OutputError) -> NoReturn:
    raise error


def run_study(
    study: Study,
    *,
    command: Sequence[str] = (),
    on_start: Callable[[Run], None] = lambda run: None,
    on_outcome: Callable[[Outcome], None] = lambda outcome: None,
    on_unwritten: Callable[[OutputError], None] = _raise,
) -> list[Outcome]:
    """Extract every run of a study, and write the files of the study.

    Parameters
    ----------
    command
        The words of the command line, for parameters.json and the reports.
    on_start
        Called with each run that starts, in any thread.
    on_outcome
        Called with each outcome when its run has ended.
    on_unwritten
        Called with the error if the runs have ended, but a file of the study cannot be written.

    Returns
    -------
    list of Outcome
        One per run, in the order of the study.
    """
    # Connect before anything is written: a wrong address must leave no files behind.
    with _cluster(study.settings) as client:
        begin_study_files(study)
        outcomes = {run: Outcome(run) for run in study.runs}
        underway: dict[Run, Fingerprint] = {}
        with contextlib.ExitStack() as holding:
            try:
                with contextlib.closing(_extract_runs(study, command, client, underway, on_start)) as extracted:
                    for outcome in extracted:
                        outcomes[outcome.run] = outcome
                        # Only now: whenever Ctrl-C arrives, a run is in one of the two.
                        if not outcome.is_lost:
                            underway.pop(outcome.run, None)
                        on_outcome(outcome)
                # Here and below: wherever Ctrl-C arrives, the files of the study are written first to last.
                holding.enter_context(hold_interrupts())
            finally:
                holding.enter_context(hold_interrupts())
                wait_for_imports()
                # After Ctrl-C too, finished runs are listed.
                settled = _settle_interrupted(study, underway)
                outcomes |= {outcome.run: outcome for outcome in settled if not outcomes[outcome.run].is_lost}
                removed = {outcome.run: outcome for outcome in _find_removed(outcomes.values())}
                outcomes |= removed
                _write_study_files(study, list(outcomes.values()), command, on_unwritten)
    for outcome in removed.values():
        on_outcome(outcome)
    return list(outcomes.values())


def _write_study_files(
    study: Study, outcomes: Sequence[Outcome], command: Sequence[str], on_unwritten: Callable[[OutputError], None]
) -> None:
    try:
        write_study_files(study, outcomes, command)
    except OutputError as error:
        # On a full disk that has been reported already.
        if not any(outcome.ends_all for outcome in outcomes):
            n_done = sum(outcome.status in (DONE, SKIPPED) for outcome in outcomes)
            on_unwritten(OutputError(f"{n_done} of {count(len(outcomes), 'run')} done, but {error}"))


def _find_removed(outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
    """Yield finished runs whose files have been removed in the meantime, as failed."""
    for outcome in outcomes:
        sidecar_paths = [tables.sidecar_path for tables in outcome.tables]
        missing = [path for path in sidecar_paths if not path.is_file()]
        if missing:
            reason = (
                f"{outcome.run.image_path}: {missing[0]} was written, but has been removed since; "
                "process this run again with --resume."
            )
            yield dataclasses.replace(outcome, result=None, reason=reason)


def _cluster(settings: Settings) -> contextlib.AbstractContextManager[Client | None]:
    """Return the connection to a Dask cluster; None without --scheduler."""
    if not settings.scheduler:
        return contextlib.nullcontext()
    from niimasker.running.clusters import connect

    client: contextlib.AbstractContextManager[Client | None] = connect(settings.scheduler)
    return client


def _settle_interrupted(study: Study, underway: Mapping[Run, Fingerprint]) -> Iterator[Outcome]:
    """Yield the interrupted runs whose files are complete; the files of the others are removed."""
    if not underway:
        return
    from niimasker.outputs.results import remove_incomplete
    from niimasker.running.resume import find_result

    # Only the tables count: --resume makes a missing report.
    settings = dataclasses.replace(study.settings, no_report=True)
    for run, fingerprint in underway.items():
        result = find_result(run.output_stem, study.keys, fingerprint, settings)
        if result is not None:
            yield Outcome(run, result, warnings=result.warnings)
        else:
            remove_incomplete(settings, run.output_stem, study.keys)
    remove_leftovers(output_folders(study))


def find_finished(study: Study, shared: Shared) -> list[Outcome]:
    """Return the outcomes of the runs that --resume skips; none without --resume."""
    if not study.settings.resume:
        return []
    # Imported here: its imports take a second.
    from niimasker.running.resume import find_outcomes

    return list(find_outcomes(study, shared))


def _extract_runs(
    study: Study,
    command: Sequence[str],
    client: Client | None,
    underway: dict[Run, Fingerprint],
    on_start: Callable[[Run], None],
) -> Generator[Outcome, None, None]:
    """Yield the outcome of each run, until one of them ends the study; `underway` receives the runs that start here."""
    for run, reason in study.failure_reasons.items():
        outcome = Outcome(run, reason=reason, seconds=0.0)
        yield outcome
        if study.settings.fail_fast:
            return
    shared = share(study, command)
    finished = {outcome.run: outcome for outcome in find_finished(study, shared)}
    if study.settings.shard is not None:
        # The last shard to end merges all summaries, so that the old summary of this shard must not count.
        shard_path = study.settings.output_dir / DATA_FOLDER / summary_name(study.settings.shard)
        shard_path.unlink(missing_ok=True)
    yield from finished.values()
    plans = [plan for plan in study.plans if plan.run not in finished]
    with contextlib.closing(extract_plans(study, plans, shared, client, underway, on_start)) as extracted:
        for outcome in extracted:
            yield outcome
            if outcome.ends_all or (study.settings.fail_fast and outcome.reason):
                return
