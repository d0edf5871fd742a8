"""`extract` and `run_study`, which put the wings together: settings become runs, and runs become outcomes."""

from __future__ import annotations

import contextlib
import dataclasses
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from niimasker.errors import OutputError, SettingsError, count, warn
from niimasker.inputs.runs import Run
from niimasker.options.merging import make_settings
from niimasker.options.settings import Settings
from niimasker.outputs.files import remove_leftovers
from niimasker.outputs.outcomes import DONE, EXCLUDED, FAILED, SKIPPED, Outcome
from niimasker.running.execution import extract_plans, find_complete
from niimasker.running.folder import Occupied, locked_folder, occupy, remove_incomplete
from niimasker.running.interrupts import hold_interrupts
from niimasker.running.late_imports import wait_for_imports
from niimasker.running.run_pages import RunPages
from niimasker.running.shared import Shared, share
from niimasker.running.study_files import (
    begin_study_files,
    list_study_files,
    output_folders,
    write_study_files,
    write_tidy_table,
)
from niimasker.running.task import Task
from niimasker.study.preparation import Study, prepare
from niimasker.study.rechecks import check_regions

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
    with _cluster(study.settings) as client, contextlib.ExitStack() as stack:
        shared = share(study, command)
        finished = {outcome.run: outcome for outcome in find_finished(study, shared)}
        occupied = occupy(study, shared.analysis, list_study_files(study), finished.keys(), command, stack)
        pages = RunPages(study, tuple(command), occupied.record.path)
        pages.update(finished.values())
        outcomes = {run: Outcome(run) for run in study.runs}
        underway: dict[Run, Task] = {}
        with contextlib.ExitStack() as holding:
            try:
                begin_study_files(study, occupied)
                check_regions(study)  # the copies of the regions are those that were loaded
                extracting = _extract_runs(study, shared, client, occupied, finished, underway, on_start)
                with contextlib.closing(extracting) as extracted:
                    for outcome in extracted:
                        outcomes[outcome.run] = outcome
                        # Only now: whenever Ctrl-C arrives, a run is in one of the two.
                        if not outcome.is_lost:
                            underway.pop(outcome.run, None)
                        pages.write(outcome)
                        on_outcome(outcome)
                # Here and below: wherever Ctrl-C arrives, the files of the study are written first to last.
                holding.enter_context(hold_interrupts())
            finally:
                holding.enter_context(hold_interrupts())
                wait_for_imports()
                removed = _end_study(study, occupied, outcomes, underway, command, on_unwritten)
    for outcome in removed.values():
        on_outcome(outcome)
    _warn_of_no_runs(outcomes.values())
    return list(outcomes.values())


def _warn_of_no_runs(outcomes: Iterable[Outcome]) -> None:
    """Warn of each pipeline of which all runs are excluded."""
    statuses: dict[str, set[str]] = defaultdict(set)
    for outcome in outcomes:
        statuses[outcome.run.pipeline].add(outcome.status)
    for pipeline, found in statuses.items():
        if found == {EXCLUDED}:
            of_pipeline = f" of pipeline {pipeline!r}" if pipeline else ""
            warn(
                f"all runs{of_pipeline} are excluded; raise --max_mean_fd and --max_censored or lower --min_minutes, "
                "and call niimasker with --resume, which does not extract the runs again."
            )


def _end_study(
    study: Study,
    occupied: Occupied,
    outcomes: dict[Run, Outcome],
    underway: Mapping[Run, Task],
    command: Sequence[str],
    on_unwritten: Callable[[OutputError], None],
) -> Mapping[Run, Outcome]:
    """Add to the outcomes what became of interrupted and removed runs, and write the files of the study.

    Returns
    -------
    mapping
        The outcomes of runs whose files have been removed in the meantime.
    """
    error: OutputError | None = None
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locked_folder(study.settings.output_dir))
        except OutputError as unlockable:
            error = unlockable
        # From now on no worker that was left behind, as of a cluster, completes a run that is listed otherwise.
        occupied.record.retire()
        settled = _settle_interrupted(study, underway)
        outcomes |= {outcome.run: outcome for outcome in settled if not outcomes[outcome.run].is_lost}
        removed = {outcome.run: outcome for outcome in _find_removed(outcomes.values())}
        outcomes |= removed
        try:
            if error is None:
                write_study_files(study, list(outcomes.values()), command, occupied)
        except OutputError as unwritten:
            error = unwritten
    # On a full disk that has been reported already.
    if error is not None and not any(outcome.ends_all for outcome in outcomes.values()):
        n_done = sum(outcome.status in (DONE, SKIPPED) for outcome in outcomes.values())
        on_unwritten(OutputError(f"{n_done} of {count(len(outcomes), 'run')} done, but {error}"))
    return removed


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
            yield dataclasses.replace(outcome, result=None, reason=reason, is_excluded=False)


def _cluster(settings: Settings) -> contextlib.AbstractContextManager[Client | None]:
    """Return the connection to a Dask cluster; None without --scheduler."""
    if not settings.scheduler:
        return contextlib.nullcontext()
    from niimasker.running.schedulers import connect

    client: contextlib.AbstractContextManager[Client | None] = connect(settings.scheduler)
    return client


def _settle_interrupted(study: Study, underway: Mapping[Run, Task]) -> Iterator[Outcome]:
    """Yield the interrupted runs whose files are complete; the files of the others are removed."""
    if not underway:
        return
    for run, task in underway.items():
        plan = next(plan for plan in task.plans if plan.run == run)
        done = find_complete(plan, task.shared)
        if done is not None:
            yield done
        else:
            remove_incomplete(study.settings, run.output_stem, study.keys)
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
    shared: Shared,
    client: Client | None,
    occupied: Occupied,
    finished: Mapping[Run, Outcome],
    underway: dict[Run, Task],
    on_start: Callable[[Run], None],
) -> Generator[Outcome, None, None]:
    """Yield the outcome of each run, until one of them ends the study; `underway` receives the runs that start here."""
    for run, reason in study.failure_reasons.items():
        is_excluded = study.invalid_runs[run].exclusion is not None
        yield Outcome(run, reason=reason, seconds=0.0, is_excluded=is_excluded)
        if study.settings.fail_fast and not is_excluded:
            return
    yield from finished.values()
    plans = [plan for plan in study.plans if plan.run not in finished]
    extracting = extract_plans(study, plans, shared, client, occupied.record.path, underway, on_start)
    with contextlib.closing(extracting) as extracted:
        for outcome in extracted:
            yield outcome
            if outcome.ends_all or (study.settings.fail_fast and outcome.status == FAILED):
                return
