"""Execution of the plans of a study: in this process, in worker processes or on a cluster."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import logging
import tempfile
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from threadpoolctl import threadpool_limits

from niimasker.inputs.runs import Run
from niimasker.inputs.spaces import Space
from niimasker.options.settings import Settings
from niimasker.outputs.files import DATA_FOLDER, temporary_folder
from niimasker.outputs.outcomes import Outcome, finished_outcome
from niimasker.running.batch import Attempt, ConnectionLostError, attempt, attempt_here
from niimasker.running.handover import OnDisk
from niimasker.running.placements import AnyPlacement, OwnPlacement, Placements
from niimasker.running.shared import Shared
from niimasker.running.task import Task, extract_runs
from niimasker.study.plans import Plan
from niimasker.study.preparation import Study

if TYPE_CHECKING:
    from distributed import Client

_log = logging.getLogger(__name__)

_LOST_CLUSTER = "it was under way when the connection to the Dask cluster was lost"

Attempts = Generator[tuple[Task, Attempt[Any]], None, None]


def extract_plans(
    study: Study,
    plans: Sequence[Plan],
    shared: Shared,
    client: Client | None,
    record_path: Path,
    underway: dict[Run, Task],
    on_start: Callable[[Run], None],
) -> Generator[Outcome, None, None]:
    """Yield the outcome of each plan.

    Parameters
    ----------
    client
        The client of the cluster that processes the runs; None for processes of this machine.
    record_path
        The record of this call in the output folder.
    underway
        Receives each run that starts, or is submitted to the cluster, with its task.
    on_start
        Called with each run that starts, in any thread.
    """
    # Images of one space follow each other, so that the weights of that space are computed once and then released.
    places = {space: place for place, space in enumerate(study.spaces)}
    plans = sorted(plans, key=lambda plan: places[plan.series.space])
    unplaced: list[tuple[Plan, Attempt[Any]]] = []
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(_shared_folder(study.settings))
        placements = Placements(study, plans, folder)
        tasks = _make_tasks(plans, placements, unplaced, shared, record_path)

        def start(task: Task) -> None:
            for run in task.runs:
                underway[run] = task
                on_start(run)

        if client is not None:
            attempts = _attempt_on_cluster(client, folder, tasks, start)
        else:
            n_images = len({plan.run.image_paths for plan in plans})
            n_jobs = min(_count_processes(study, plans, placements), n_images)
            attempts = _attempt_on_this_machine(study.settings, n_jobs, tasks, start)
        stack.enter_context(contextlib.closing(attempts))
        left = {plan.run: plan for plan in plans}
        lost: ConnectionLostError | None = None
        try:
            for task, attempted in attempts:
                placements.release(task.plans[0].series.space)
                for plan, of_plan in _split_attempt(task, attempted):
                    del left[plan.run]
                    yield _find_ended(task, plan, of_plan) or _make_outcome(study, plan, of_plan)
        except ConnectionLostError as error:
            lost = error
        for plan, attempted in unplaced:
            del left[plan.run]
            yield _make_outcome(study, plan, attempted)
        if lost is not None:
            yield from _end_lost(study, list(left.values()), underway, lost)


def _shared_folder(settings: Settings) -> contextlib.AbstractContextManager[Path | None]:
    """Return a folder that all processes can read; None when this is the only process."""
    if settings.scheduler:
        return temporary_folder(settings.output_dir / DATA_FOLDER)
    return temporary_folder(Path(tempfile.gettempdir())) if _uses_processes(settings) else contextlib.nullcontext()


def _uses_processes(settings: Settings) -> bool:
    return settings.n_jobs != 1 or settings.timeout is not None


def _count_processes(study: Study, plans: Sequence[Plan], placements: Placements) -> int:
    """Return the number of worker processes; 0 if the runs are extracted in this process."""
    n_jobs = study.settings.n_jobs
    if not plans or not _uses_processes(study.settings):
        return 0
    if n_jobs != -1:
        return n_jobs
    from niimasker.running.memory import count_columns, count_processes, weights_bytes

    placed = attempt(placements.get, plans[0]).value
    if isinstance(placed, OnDisk):
        return count_processes(n_jobs, study, placed.n_bytes, count_columns(study.atlases))
    # Where each run has its own regions, those of the first run stand for all. If they are unusable, that run fails.
    own = attempt(OwnPlacement.load, placed).value if isinstance(placed, OwnPlacement) else None
    weights = () if own is None else own.weights
    return count_processes(n_jobs, study, weights_bytes(weights), sum(len(atlas.names) for atlas in weights))


def _attempt_on_this_machine(
    settings: Settings, n_jobs: int, tasks: Iterator[Task], on_start: Callable[[Task], None]
) -> Attempts:
    """Yield each task with its attempt, in this process or in worker processes."""
    # One thread, as in the worker processes: the number of threads changes the order of sums and their last digits.
    # Where no process can be started, the runs are extracted in this one.
    with threadpool_limits(limits=1):
        if not n_jobs:
            yield from attempt_here(extract_runs, tasks, on_start=on_start)
            return
        from niimasker.running.parallel import attempt_in_processes

        yield from attempt_in_processes(
            extract_runs,
            tasks,
            n_jobs=n_jobs,
            timeout=settings.timeout,
            on_start=on_start,
            # niimasker has chosen their number, so a process too many is its own mistake.
            tries_killed_again=settings.n_jobs == -1,
        )


def _attempt_on_cluster(
    client: Client, folder: Path | None, tasks: Iterator[Task], on_start: Callable[[Task], None]
) -> Attempts:
    """Yield each task with its attempt on a Dask cluster."""
    from niimasker.running.clusters import attempt_on_cluster

    assert folder is not None
    yield from attempt_on_cluster(extract_runs, tasks, client=client, markers_folder=folder, on_start=on_start)


def _end_lost(
    study: Study, plans: Sequence[Plan], underway: Mapping[Run, Task], error: ConnectionLostError
) -> Iterator[Outcome]:
    """Yield what became of runs whose cluster was lost: those with complete files are done, those under way failed."""
    left: list[Plan] = []
    for plan in plans:
        done = find_complete(plan, underway[plan.run].shared) if plan.run in underway else None
        if done is None:
            left.append(plan)
        else:
            yield done
    started = {run for task in error.started for run in task.runs}
    # A study that is not finished must not end with exit code 0.
    failed = [plan for plan in left if plan.run in started] or left[:1]
    for plan in failed:
        is_last = plan is failed[-1]
        reason = str(error) if is_last else _LOST_CLUSTER
        yield _make_outcome(study, plan, Attempt(None, 0.0, reason, ends_all=is_last))


def find_complete(plan: Plan, shared: Shared) -> Outcome | None:
    """Return the outcome of an interrupted run if all of its tables are written, otherwise None."""
    from niimasker.running.resume import find_result

    # Only the tables count: --resume makes a missing report.
    settings = dataclasses.replace(shared.settings_of(plan.run), no_report=True)
    result = find_result(plan, shared, settings)
    return None if result is None else finished_outcome(plan.run, result)


def _split_attempt(task: Task, attempted: Attempt[Any]) -> list[tuple[Plan, Attempt[Any]]]:
    """Return the attempt at each run of a task; where the image was not read, it is the same for all."""
    attempts = [attempted] * len(task.plans) if attempted.value is None else attempted.value
    return list(zip(task.plans, attempts, strict=True))


def _find_ended(task: Task, plan: Plan, attempted: Attempt[Any]) -> Outcome | None:
    """Return the outcome of a run that had ended when the process was lost in which its image had further runs."""
    if not attempted.is_lost or len(task.plans) == 1:
        return None
    from niimasker.running.resume import find_result

    result = find_result(plan, task.shared, task.shared.settings_of(plan.run))
    return None if result is None else finished_outcome(plan.run, result)


def _name_image(run: Run, reason: str | None) -> str | None:
    """Return the reason with the image in front, unless it names the image already."""
    image = str(run.image_path)
    return reason if reason is None or image in reason else f"{image}: {reason}"


def _make_outcome(study: Study, plan: Plan, attempted: Attempt[Any]) -> Outcome:
    # A result already contains the warnings of the study and of the plan.
    result = attempted.value
    if result is not None:
        outcome = finished_outcome(plan.run, result, seconds=attempted.seconds)
    else:
        outcome = Outcome(
            plan.run,
            None,
            attempted.reason if attempted.is_excluded else _name_image(plan.run, attempted.reason),
            attempted.seconds,
            attempted.traceback,
            attempted.is_bug,
            is_excluded=attempted.is_excluded,
            is_lost=attempted.is_lost,
            ends_all=attempted.ends_all,
            warnings=tuple(dict.fromkeys((*study.warnings, *plan.warnings, *attempted.warnings))),
        )
    _log.debug("%s: %s in %.3f s", plan.run.image_path, outcome.status, attempted.seconds)
    return outcome


def _make_tasks(
    plans: Sequence[Plan],
    placements: Placements,
    unplaced: list[tuple[Plan, Attempt[Any]]],
    shared: Shared,
    record_path: Path,
) -> Iterator[Task]:
    """Yield the task of each image; plans on whose space the regions cannot be placed are added to `unplaced`."""
    failures: dict[Space, Attempt[AnyPlacement]] = {}
    for _, of_image in itertools.groupby(plans, key=lambda plan: plan.run.image_paths):
        image_plans = tuple(of_image)
        space = image_plans[0].series.space
        placed = failures.get(space) or attempt(placements.get, image_plans[0])
        if placed.value is None:
            failures[space] = placed
            unplaced += [(plan, placed) for plan in image_plans]
        else:
            yield Task(image_plans, placed.value, shared, record_path)
