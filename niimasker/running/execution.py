"""From plans to outcomes: in this process, in others, or on a cluster."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from threadpoolctl import threadpool_limits

from niimasker.inputs.runs import Run
from niimasker.inputs.spaces import Space
from niimasker.options.settings import Settings
from niimasker.outputs.files import DATA_FOLDER
from niimasker.outputs.outcomes import Outcome
from niimasker.running.batch import Attempt, attempt, attempt_here
from niimasker.running.placements import AnyPlacement, OwnPlacement, Placements, Stored, temporary_folder
from niimasker.running.task import Shared, Task, extract_run
from niimasker.study.fingerprints import Fingerprint, fingerprint_run
from niimasker.study.plans import Plan
from niimasker.study.preparation import Study

if TYPE_CHECKING:
    from distributed import Client

_log = logging.getLogger(__name__)

Tried = Generator[tuple[Task, Attempt[Any]], None, None]


def extract_plans(
    study: Study,
    plans: Sequence[Plan],
    shared: Shared,
    client: Client | None,
    underway: dict[Run, Fingerprint],
    on_start: Callable[[Run], None],
) -> Generator[Outcome, None, None]:
    """Yield what became of each plan.

    Parameters
    ----------
    client
        Of the cluster that does the runs; None for processes of this machine.
    underway
        Gets each run that begins in this machine's processes, with the fingerprint of what it is made from.
    on_start
        Called with each run that begins, in any thread.
    """
    # Images of one space come one after the other: its weights are made once and let go.
    places = {space: place for place, space in enumerate(study.spaces)}
    plans = sorted(plans, key=lambda plan: places[plan.series.space])
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
            placements.release(task.plan.series.space)
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
    from niimasker.running.memory import bytes_of, columns_of, count_processes

    placed = attempt(placements.of, plans[0]).value
    if isinstance(placed, Stored):
        return count_processes(n_jobs, study, placed.n_bytes, columns_of(study.atlases))
    # Of regions that each run has for itself the first run's tell; where they cannot be used, that run fails.
    own = attempt(OwnPlacement.load, placed).value if isinstance(placed, OwnPlacement) else None
    weights = () if own is None else own.weights
    return count_processes(n_jobs, study, bytes_of(weights), sum(len(each.names) for each in weights))


def _try(settings: Settings, n_jobs: int, tasks: Iterator[Task], on_start: Callable[[Task], None]) -> Tried:
    """Yield each task with what became of it, in this process or in others."""
    if not _has_processes(settings):
        # As in the other processes: the order of a sum, and so its last digit, hangs on the number of threads.
        with threadpool_limits(limits=1):
            yield from attempt_here(extract_run, tasks, on_start=on_start)
    elif n_jobs > 0:
        from niimasker.running.workers import attempt_in_processes

        yield from attempt_in_processes(extract_run, tasks, n_jobs=n_jobs, timeout=settings.timeout, on_start=on_start)


def _try_on_cluster(
    client: Client, folder: Path | None, tasks: Iterator[Task], on_start: Callable[[Run], None]
) -> Tried:
    """Yield each task with what became of it on a Dask cluster."""
    from niimasker.running.clusters import attempt_on_cluster

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
    """Yield the task of each plan; plans of a space that the regions cannot be placed on go to `unplaced`."""
    failed_on: dict[Space, Attempt[AnyPlacement]] = {}
    for plan in plans:
        space = plan.series.space
        placed = failed_on.get(space) or attempt(placements.of, plan)
        if placed.value is None:
            failed_on[space] = placed
            unplaced.append((plan, placed))
        else:
            yield Task(plan, placed.value, {**shared.fingerprint, **fingerprint_run(plan, shared.settings)}, shared)
