"""`extract` and `run_study`, which put the wings together: settings become runs, and runs become outcomes."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from niimasker.errors import OutputError, SettingsError, warn
from niimasker.inputs.runs import Run
from niimasker.options.merging import make_settings
from niimasker.options.settings import Settings
from niimasker.outputs.files import remove_leftovers
from niimasker.outputs.outcomes import Outcome
from niimasker.running.execution import extract_plans, find_complete
from niimasker.running.folder import Occupied, occupy, remove_incomplete
from niimasker.running.late_imports import wait_for_imports
from niimasker.running.study_files import (
    begin_study_files,
    list_study_files,
    output_folders,
    write_study_files,
    write_tidy_table,
)
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
        The runs are done, but the table of `tidy` cannot be written.
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


def run_study(
    study: Study,
    *,
    command: Sequence[str] = (),
    on_start: Callable[[Run], None] = lambda run: None,
    on_outcome: Callable[[Outcome], None] = lambda outcome: None,
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

    Returns
    -------
    list of Outcome
        One per run, in the order of the study.
    """
    # Connect before anything is written: a wrong address must leave no files behind.
    with _cluster(study.settings) as client, contextlib.ExitStack() as stack:
        shared = share(study, command)
        finished = {outcome.run: outcome for outcome in find_finished(study, shared)}
        occupied = occupy(study, shared.analysis, list_study_files(study), finished.keys(), stack)
        outcomes = {run: Outcome(run) for run in study.runs}
        underway: dict[Run, Fingerprint] = {}
        try:
            begin_study_files(study, occupied)
            extracting = _extract_runs(study, shared, client, occupied, finished, underway, on_start)
            with contextlib.closing(extracting) as extracted:
                for outcome in extracted:
                    outcomes[outcome.run] = outcome
                    # Only now: whenever Ctrl-C arrives, a run is in one of the two.
                    if not outcome.is_lost:
                        underway.pop(outcome.run, None)
                    on_outcome(outcome)
        finally:
            wait_for_imports()
            # From now on no worker that was left behind, as of a cluster, completes a run that is listed otherwise.
            occupied.record.retire()
            # After Ctrl-C too, finished runs are listed. On a full disk that fails, but has been reported already.
            settled = _settle_interrupted(study, underway)
            outcomes |= {outcome.run: outcome for outcome in settled if not outcomes[outcome.run].is_lost}
            removed = {outcome.run: outcome for outcome in _find_removed(outcomes.values())}
            outcomes |= removed
            is_reported = any(outcome.ends_all for outcome in outcomes.values())
            with contextlib.suppress(OutputError) if is_reported else contextlib.nullcontext():
                write_study_files(study, list(outcomes.values()), command, occupied)
    for outcome in removed.values():
        on_outcome(outcome)
    return list(outcomes.values())


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
    from niimasker.running.schedulers import connect

    client: contextlib.AbstractContextManager[Client | None] = connect(settings.scheduler)
    return client


def _settle_interrupted(study: Study, underway: Mapping[Run, Fingerprint]) -> Iterator[Outcome]:
    """Yield the interrupted runs whose files are complete; the files of the others are removed."""
    if not underway:
        return
    for run, fingerprint in underway.items():
        done = find_complete(study, run, fingerprint)
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
    underway: dict[Run, Fingerprint],
    on_start: Callable[[Run], None],
) -> Generator[Outcome, None, None]:
    """Yield the outcome of each run, until one of them ends the study; `underway` receives the runs that start here."""
    for run, reason in study.failure_reasons.items():
        outcome = Outcome(run, reason=reason, seconds=0.0)
        yield outcome
        if study.settings.fail_fast:
            return
    yield from finished.values()
    plans = [plan for plan in study.plans if plan.run not in finished]
    extracting = extract_plans(study, plans, shared, client, occupied.record.path, underway, on_start)
    with contextlib.closing(extracting) as extracted:
        for outcome in extracted:
            yield outcome
            if outcome.ends_all or (study.settings.fail_fast and outcome.reason):
                return
