"""The composition root: settings to runs, runs to outcomes."""

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
from niimasker.outputs.files import DATA_FOLDER, remove_leftovers, summary_name
from niimasker.outputs.outcomes import Outcome
from niimasker.running.execution import extract_plans
from niimasker.running.late_imports import wait_for_imports
from niimasker.running.study_files import begin_study_files, folders_of, tabulate, write_study_files
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
        Created with its parents.
    **options
        Every option of the command line by its name: `input_files`, `roi_file`, `standardize=True`, ...

    Returns
    -------
    list of Outcome
        One per image, in order; `outcome.tables[0].signals_path` is the table of the first atlas.

    Raises
    ------
    NiimaskerError
        The options or files do not fit; nothing has been extracted.
    OutputError
        The runs are done, but the table of `tidy` cannot be written.
    """
    settings = make_settings({"output_dir": output_dir, **options})
    if settings.dry_run:
        raise SettingsError("dry_run is for the command line, where it prints what would be done.")
    study = prepare(settings)
    outcomes = run_study(study)
    for text in dict.fromkeys(text for outcome in outcomes for text in outcome.warnings):
        warn(text)
    tabulate(study, outcomes)
    return outcomes


def run_study(
    study: Study,
    *,
    command: Sequence[str] = (),
    on_start: Callable[[Run], None] = lambda run: None,
    on_outcome: Callable[[Outcome], None] = lambda outcome: None,
) -> list[Outcome]:
    """Extract every run of a study and write the study's own files.

    Parameters
    ----------
    command
        The words that started this, for the record.
    on_start
        Called with each run that begins, in any thread.
    on_outcome
        Called with each outcome as it comes.

    Returns
    -------
    list of Outcome
        One per run, in order.
    """
    # Before anything is written: an address that is wrong leaves nothing behind.
    with _cluster(study.settings) as client:
        begin_study_files(study)
        outcomes = {run: Outcome(run) for run in study.runs}
        underway: dict[Run, Fingerprint] = {}
        try:
            with contextlib.closing(_outcomes(study, command, client, underway, on_start)) as coming:
                for outcome in coming:
                    outcomes[outcome.run] = outcome
                    # Not sooner: a run is in one of the two whenever Ctrl-C comes.
                    if not outcome.is_lost:
                        underway.pop(outcome.run, None)
                    on_outcome(outcome)
        finally:
            wait_for_imports()
            # After Ctrl-C too: what is done is listed. On a full disk it cannot be, which is said already.
            outcomes |= {each.run: each for each in _settle(study, underway) if not outcomes[each.run].is_lost}
            vanished = {each.run: each for each in _find_vanished(outcomes.values())}
            outcomes |= vanished
            is_said = any(outcome.ends_all for outcome in outcomes.values())
            with contextlib.suppress(OutputError) if is_said else contextlib.nullcontext():
                write_study_files(study, list(outcomes.values()), command)
    for outcome in vanished.values():
        on_outcome(outcome)
    return list(outcomes.values())


def _find_vanished(outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
    """Yield the runs whose files somebody has removed since, as failed."""
    for outcome in outcomes:
        missing = [each.sidecar_path for each in outcome.tables if not each.sidecar_path.is_file()]
        if missing:
            reason = f"{outcome.run.image_path}: {missing[0]} was written and is gone; do this run again with --resume."
            yield dataclasses.replace(outcome, result=None, reason=reason)


def _cluster(settings: Settings) -> contextlib.AbstractContextManager[Client | None]:
    """Return the connection to a Dask cluster, None where none is asked for."""
    if not settings.scheduler:
        return contextlib.nullcontext()
    from niimasker.running.clusters import connect

    client: contextlib.AbstractContextManager[Client | None] = connect(settings.scheduler)
    return client


def _settle(study: Study, underway: Mapping[Run, Fingerprint]) -> Iterator[Outcome]:
    """Yield the runs that were ended under way and are complete all the same; of the others nothing stays."""
    if not underway:
        return
    from niimasker.outputs.results import remove_incomplete
    from niimasker.running.resume import find_result

    # The tables count: a report that is missing is made by --resume.
    settings = dataclasses.replace(study.settings, no_report=True)
    for run, fingerprint in underway.items():
        result = find_result(run.output_stem, study.keys, fingerprint, settings)
        if result is not None:
            yield Outcome(run, result, warnings=result.warnings)
        else:
            remove_incomplete(settings, run.output_stem, study.keys)
    remove_leftovers(folders_of(study))


def find_finished(study: Study, shared: Shared) -> list[Outcome]:
    """Return the outcomes of the runs that --resume skips, none without it."""
    if not study.settings.resume:
        return []
    # Only now: what it needs takes a second to import.
    from niimasker.running.resume import find_outcomes

    return list(find_outcomes(study, shared))


def _outcomes(
    study: Study,
    command: Sequence[str],
    client: Client | None,
    underway: dict[Run, Fingerprint],
    on_start: Callable[[Run], None],
) -> Generator[Outcome, None, None]:
    """Yield what became of each run, until one ends them all; what begins in this machine's processes is noted."""
    for run, reason in study.broken.items():
        outcome = Outcome(run, reason=reason, seconds=0.0)
        yield outcome
        if study.settings.fail_fast:
            return
    shared = share(study, command)
    finished = {outcome.run: outcome for outcome in find_finished(study, shared)}
    if study.settings.shard is not None:
        # The last shard to end merges: this one has not.
        shard_path = study.settings.output_dir / DATA_FOLDER / summary_name(study.settings.shard)
        shard_path.unlink(missing_ok=True)
    yield from finished.values()
    plans = [plan for plan in study.plans if plan.run not in finished]
    with contextlib.closing(extract_plans(study, plans, shared, client, underway, on_start)) as coming:
        for outcome in coming:
            yield outcome
            if outcome.ends_all or (study.settings.fail_fast and outcome.reason):
                return
