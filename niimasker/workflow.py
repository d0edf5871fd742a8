"""The composition root: settings to runs, runs to outcomes."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from threadpoolctl import threadpool_limits

from niimasker.batch import Attempt, attempt, attempt_here
from niimasker.errors import OutputError, SettingsError, warn
from niimasker.fingerprint import Fingerprint, fingerprint_run
from niimasker.inputs.images import Grid
from niimasker.inputs.runs import Run
from niimasker.merging import make_settings
from niimasker.outcomes import DONE, NOT_STARTED, SKIPPED, Outcome, summary_row
from niimasker.outputs.files import (
    DATA_FOLDER,
    REPORTS_FOLDER,
    make_folder,
    remove_leftovers,
    summary_name,
    write_regions_used,
)
from niimasker.outputs.long_table import remove_long_tables, write_long_table
from niimasker.outputs.naming import report_path
from niimasker.placements import AnyPlacement, Placements, StoredPlacement, temporary_folder
from niimasker.plans import Plan
from niimasker.settings import BIDS, Settings
from niimasker.study import Study, prepare
from niimasker.task import Shared, Task, extract_run, share, wait_for_imports

if TYPE_CHECKING:
    from distributed import Client

_log = logging.getLogger(__name__)


Tried = Generator[tuple[Task, Attempt[Any]], None, None]


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
        remove_long_tables(study.settings)
        _write_regions(study)
        remove_leftovers(_folders(study))
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
                _write_study(study, list(outcomes.values()), command)
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
    from niimasker.clusters import connect

    client: contextlib.AbstractContextManager[Client | None] = connect(settings.scheduler)
    return client


def _write_regions(study: Study) -> None:
    folder = study.settings.output_dir / DATA_FOLDER
    # Where each run has regions of its own, nothing is written before the first run's tables.
    make_folder(folder)
    if study.settings.output_layout == BIDS:
        from niimasker.outputs.dataset import write_dataset

        write_dataset(study.settings.output_dir, study.all_runs, study.atlases_by_key)
    # Atlases of single runs stay where they are: each run's sidecar names them.
    for roi_file, (key, regions) in zip(study.settings.roi_file, study.atlases_by_key.items(), strict=False):
        spheres_name = "spheres_img" if len(study.atlases) == 1 else f"spheres_img_{key}"
        write_regions_used(folder, roi_file, regions, study.grids, spheres_name=spheres_name)


def _settle(study: Study, underway: Mapping[Run, Fingerprint]) -> Iterator[Outcome]:
    """Yield the runs that were ended under way and are complete all the same; of the others nothing stays."""
    if not underway:
        return
    from niimasker.outputs.results import remove_incomplete
    from niimasker.resume import find_result

    # The tables count: a report that is missing is made by --resume.
    settings = dataclasses.replace(study.settings, no_report=True)
    for run, fingerprint in underway.items():
        result = find_result(run.output_stem, study.keys, fingerprint, settings)
        if result is not None:
            yield Outcome(run, result, warnings=result.warnings)
        else:
            remove_incomplete(settings, run.output_stem, study.keys)
    remove_leftovers(_folders(study))


def _folders(study: Study) -> set[Path]:
    """Return the folders that a study writes to."""
    output_dir = study.settings.output_dir
    stems = [Path(run.output_stem).parent for run in study.runs]
    own = {output_dir, output_dir / DATA_FOLDER, output_dir / REPORTS_FOLDER / "assets"}
    return own | {root / stem for root in (output_dir, output_dir / REPORTS_FOLDER) for stem in stems}


def _write_study(study: Study, outcomes: Sequence[Outcome], command: Sequence[str]) -> None:
    from niimasker.outputs.results import write_summary
    from niimasker.shards import merge_shards, remove_shard_summaries

    folder, shard = study.settings.output_dir / DATA_FOLDER, study.settings.shard
    rows = [summary_row(outcome) for outcome in outcomes]
    if shard is None:
        _write_whole_study(study, rows, command)
        remove_shard_summaries(folder)
        return
    write_summary(folder / summary_name(shard), rows)
    if all(outcome.status != NOT_STARTED for outcome in outcomes):
        merge_shards(folder, shard, study.all_runs, lambda merged: _write_whole_study(study, merged, command))


def _write_whole_study(study: Study, rows: Sequence[Mapping[str, Any]], command: Sequence[str]) -> None:
    from niimasker.outputs.results import write_study

    settings = study.settings
    write_study(settings.output_dir / DATA_FOLDER, settings, rows, command)
    if settings.no_report:
        # That of an earlier call would lead to pages that went with their tables.
        if any(row["status"] != SKIPPED for row in rows):
            with contextlib.suppress(OSError):
                (settings.output_dir / REPORTS_FOLDER / "index.html").unlink()
        return
    from niimasker.outputs.index_page import write_index

    paths = [report_path(settings.output_dir, row["output"]) for row in rows]
    is_there = [row["status"] in (DONE, SKIPPED) and path.is_file() for row, path in zip(rows, paths, strict=True)]
    links = [path if there else None for path, there in zip(paths, is_there, strict=True)]
    written = attempt(lambda output_dir: write_index(output_dir, rows, links), settings.output_dir)
    if written.reason:
        _log.debug("%s", written.traceback)
        # What failed is a view of tables that are written.
        warn(f"reports/index.html is not written: {written.reason}")


def tabulate(study: Study, outcomes: Sequence[Outcome]) -> Path | None:
    """Write the long table of --tidy over the runs that are done, and return its path; None where there is none.

    That is without --tidy, until the last shard has ended, and where no run is done.

    Raises
    ------
    OutputError
        It cannot be written; the runs' own tables are complete.
    """
    from niimasker.shards import read_shards

    settings = study.settings
    # Where nothing can be written any more, that is said already.
    if settings.tidy is None or any(outcome.ends_all for outcome in outcomes):
        return None
    if settings.shard is None:
        rows = [summary_row(outcome) for outcome in outcomes]
    else:
        rows = read_shards(settings.output_dir / DATA_FOLDER, settings.shard, study.all_runs) or []
    runs = [(row["image"], row["output"]) for row in rows if row["status"] in (DONE, SKIPPED)]
    if not runs:
        return None
    start = time.perf_counter()
    path = write_long_table(settings, runs, study.keys)
    _log.debug("%s: written in %.3f s", path, time.perf_counter() - start)
    return path


def find_finished(study: Study, shared: Shared) -> list[Outcome]:
    """Return the outcomes of the runs that --resume skips, none without it."""
    if not study.settings.resume:
        return []
    # Only now: what it needs takes a second to import.
    from niimasker.resume import find_outcomes

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
    with contextlib.closing(_extract_plans(study, plans, shared, client, underway, on_start)) as coming:
        for outcome in coming:
            yield outcome
            if outcome.ends_all or (study.settings.fail_fast and outcome.reason):
                return


def _extract_plans(
    study: Study,
    plans: Sequence[Plan],
    shared: Shared,
    client: Client | None,
    underway: dict[Run, Fingerprint],
    on_start: Callable[[Run], None],
) -> Generator[Outcome, None, None]:
    """Yield what became of each plan."""
    # Images on one grid come one after the other: its weights are made once and let go.
    places = {grid: place for place, grid in enumerate(study.grids)}
    plans = sorted(plans, key=lambda plan: places[plan.series.grid])
    unplaced: list[tuple[Plan, Attempt[Any]]] = []
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(_shared_folder(study.settings))
        placements = Placements(study, plans, folder)
        tasks = _tasks(plans, placements, unplaced, shared)

        def start(task: Task) -> None:
            underway[task.plan.run] = task.fingerprint
            on_start(task.plan.run)

        if client is not None:
            tried_runs = _try_on_cluster(client, folder, tasks, on_start)
        else:
            n_jobs = min(_count_processes(study, plans, placements), len(plans))
            tried_runs = _try(study.settings, n_jobs, tasks, start)
        stack.enter_context(contextlib.closing(tried_runs))
        for task, tried in tried_runs:
            placements.release(task.plan.series.grid)
            if tried.is_lost:
                underway[task.plan.run] = task.fingerprint  # on a cluster they are only given out
            yield _outcome(study, task.plan, tried)
        for plan, tried in unplaced:
            yield _outcome(study, plan, tried)


def _shared_folder(settings: Settings) -> contextlib.AbstractContextManager[Path | None]:
    """Return a folder that all processes see, None when this is the only one."""
    if settings.scheduler:
        return temporary_folder(settings.output_dir / DATA_FOLDER)
    return temporary_folder() if _has_processes(settings) else contextlib.nullcontext()


def _has_processes(settings: Settings) -> bool:
    return settings.n_jobs != 1 or settings.timeout is not None


def _count_processes(study: Study, plans: Sequence[Plan], placements: Placements) -> int:
    n_jobs = study.settings.n_jobs
    if n_jobs != -1 or not plans:
        return n_jobs
    from niimasker.memory import count_processes

    placed = attempt(placements.of, plans[0]).value
    return count_processes(n_jobs, study, placed.n_bytes if isinstance(placed, StoredPlacement) else 0)


def _try(settings: Settings, n_jobs: int, tasks: Iterator[Task], on_start: Callable[[Task], None]) -> Tried:
    """Yield each task with what became of it, in this process or in others."""
    if not _has_processes(settings):
        # As in the other processes: the order of a sum, and so its last digit, hangs on the number of threads.
        with threadpool_limits(limits=1):
            yield from attempt_here(extract_run, tasks, on_start=on_start)
    elif n_jobs > 0:
        from niimasker.workers import attempt_in_processes

        yield from attempt_in_processes(extract_run, tasks, n_jobs=n_jobs, timeout=settings.timeout, on_start=on_start)


def _try_on_cluster(
    client: Client, folder: Path | None, tasks: Iterator[Task], on_start: Callable[[Run], None]
) -> Tried:
    """Yield each task with what became of it on a Dask cluster."""
    from niimasker.clusters import attempt_on_cluster

    assert folder is not None
    yield from attempt_on_cluster(
        extract_run, tasks, client=client, marks_folder=folder, on_start=lambda task: on_start(task.plan.run)
    )


def _name_image(run: Run, reason: str | None) -> str | None:
    image = str(run.image_path)
    return reason if reason is None or image in reason else f"{image}: {reason}"


def _outcome(study: Study, plan: Plan, tried: Attempt[Any]) -> Outcome:
    # A result holds the warnings of the study and the plan.
    known = tried.value.warnings if tried.value else (*study.warnings, *plan.warnings, *tried.warnings)
    outcome = Outcome(
        plan.run,
        tried.value,
        _name_image(plan.run, tried.reason),
        tried.seconds,
        tried.traceback,
        tried.is_mistake,
        is_lost=tried.is_lost,
        ends_all=tried.ends_all,
        warnings=tuple(dict.fromkeys(known)),
    )
    _log.debug("%s: %s in %.3f s", plan.run.image_path, outcome.status, tried.seconds)
    return outcome


def _tasks(
    plans: Sequence[Plan], placements: Placements, unplaced: list[tuple[Plan, Attempt[Any]]], shared: Shared
) -> Iterator[Task]:
    """Yield the task of each plan; plans on a grid that the regions cannot be placed on go to `unplaced`."""
    failed_on: dict[Grid, Attempt[AnyPlacement]] = {}
    for plan in plans:
        grid = plan.series.grid
        placed = failed_on.get(grid) or attempt(placements.of, plan)
        if placed.value is None:
            failed_on[grid] = placed
            unplaced.append((plan, placed))
        else:
            yield Task(plan, placed.value, {**shared.fingerprint, **fingerprint_run(plan, shared.settings)}, shared)
