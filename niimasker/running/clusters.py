"""Tasks on the workers of a running Dask cluster: a task that loses its worker fails, and the other tasks continue."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import logging
import queue
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic

from niimasker.running import schedulers
from niimasker.running.batch import Attempt, ConnectionLostError, Task, Value
from niimasker.running.cluster_jobs import LOST_WORKER, Job, Refusal, Report, make_job, submit_job
from niimasker.running.cluster_workers import LOST_CONNECTION_ERRORS, ClusterWorkers

if TYPE_CHECKING:
    from distributed import Client

# Enough tasks for an adaptive cluster to grow, and few enough to keep in memory.
_MAX_SUBMITTED = 1000
# A task that never started is submitted again: another task on its worker killed that worker.
_MAX_SUBMISSIONS = 10
_SECONDS_TO_WAIT = 1.0
_SECONDS_BETWEEN_CHECKS = 5.0
_INTERRUPTED = "the connection to the Dask cluster was interrupted while a worker processed it"


def attempt_on_cluster(
    function: Callable[[Task], Value],
    tasks: Iterable[Task],
    *,
    client: Client,
    markers_folder: Path,
    on_start: Callable[[Task], None],
) -> Iterator[tuple[Task, Attempt[Value]]]:
    """Yield each task with its attempt, in the order in which they end.

    Parameters
    ----------
    markers_folder
        An empty folder on a disk that all workers share.
    on_start
        Called with each task when it is submitted.

    Raises
    ------
    ConnectionLostError
        The scheduler has not answered for a minute, or for a minute there have been workers with other versions only.
    """
    submissions = _Submissions(client, _make_submissions(function, tasks, markers_folder, on_start))
    submissions.check()
    try:
        while submissions.submit():
            future = submissions.wait()
            if submissions.need_check or (future is not None and future.status != "finished"):
                submissions.check()
            if future is None:
                continue
            ended = submissions.pop(future)
            attempted = _read_attempt(future, ended, submissions.workers)
            if attempted is not None:
                yield ended.task, attempted
                continue
            submissions.add(ended)
            submissions.check()
    finally:
        submissions.cancel()


@dataclass(frozen=True)
class _Submission(Generic[Task]):
    """A task with its job, the number of times that it was submitted, and the workers it waits for; None for all."""

    task: Task
    job: Job
    number: int = 0
    workers: tuple[str, ...] | None = None

    @property
    def has_started(self) -> bool:
        """Whether a worker has started the task and not ended it."""
        return self.job.marker_path.exists()


class _Submissions(Generic[Task]):
    """The tasks that are submitted to a cluster, and those that are still to be submitted."""

    def __init__(self, client: Client, new: Iterator[_Submission[Task]]) -> None:
        self.workers = ClusterWorkers(client)
        self._client = client
        self._address: str = client.scheduler.address
        self._again: deque[_Submission[Task]] = deque()
        self._new = new
        self._submitted: dict[Any, _Submission[Task]] = {}
        self._ended: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._next_check = 0.0

    def submit(self) -> bool:
        """Submit as many tasks as the cluster should have, and return whether any are left."""
        most, chosen = self.workers.count_runs(_MAX_SUBMITTED), self.workers.chosen
        while len(self._submitted) < most and self._client.status != "closed":
            submission = self._take()
            if submission is None:
                break
            future = submit_job(self._client, submission.job, chosen)
            self._submitted[future] = dataclasses.replace(
                submission, number=submission.number + 1, workers=None if chosen is None else tuple(chosen)
            )
            future.add_done_callback(self._ended.put)
        if not self._submitted and not self._again:
            self._again.extend(itertools.islice(self._new, 1))
        return bool(self._submitted or self._again)

    def _take(self) -> _Submission[Task] | None:
        return self._again.popleft() if self._again else next(self._new, None)

    def add(self, submission: _Submission[Task]) -> None:
        """Let a task be submitted once more."""
        self._again.append(submission)

    def wait(self) -> Any | None:
        """Return the future of a task that has ended; None if none ends within a second."""
        end = time.monotonic() + _SECONDS_TO_WAIT
        with contextlib.suppress(queue.Empty):
            while True:
                future = self._ended.get(timeout=max(0.0, end - time.monotonic()))
                if future in self._submitted:
                    return future
        return None

    def pop(self, future: Any) -> _Submission[Task]:
        """Return the submission of a future, which no longer counts as submitted."""
        return self._submitted.pop(future)

    @property
    def need_check(self) -> bool:
        """Whether the connection is interrupted, or has not been checked for some seconds."""
        return self._client.status != "running" or time.monotonic() > self._next_check

    def check(self) -> None:
        """Wait until the scheduler answers, look for new workers, and take tasks back from workers that have left.

        Raises
        ------
        ConnectionLostError
            No scheduler answers, or no worker fits.
        """
        if not schedulers.wait_for_answer(self._client, self.workers.update):
            raise ConnectionLostError(
                f"the Dask scheduler at {self._address} was lost: it has not answered for "
                f"{schedulers.SECONDS_TO_RECONNECT:g} s; see its logs, and process the remaining runs with --resume.",
                self._started(),
            )
        if self.workers.seconds_unfit > schedulers.SECONDS_TO_RECONNECT:
            raise ConnectionLostError(self.workers.describe_unfit(), self._started())
        for future, submission in list(self._submitted.items()):
            if self.workers.are_replaced(submission.workers) and not submission.has_started:
                self._client.cancel([future])
                self.add(self.pop(future))
        self._next_check = time.monotonic() + _SECONDS_BETWEEN_CHECKS

    def _started(self) -> list[Task]:
        return [each.task for each in (*self._submitted.values(), *self._again) if each.has_started]

    def cancel(self) -> None:
        """Cancel the tasks that have not ended, unless the scheduler is lost."""
        with contextlib.suppress(*LOST_CONNECTION_ERRORS):
            if self._client.status == "running":
                self._client.cancel(list(self._submitted))


def _make_submissions(
    function: Callable[[Task], Value], tasks: Iterable[Task], markers_folder: Path, on_start: Callable[[Task], None]
) -> Iterator[_Submission[Task]]:
    for number, task in enumerate(tasks):
        on_start(task)
        yield _Submission(task, make_job(function, task, markers_folder.absolute() / f"started-{number}"))


def _read_attempt(future: Any, submission: _Submission[Any], workers: ClusterWorkers) -> Attempt[Any] | None:
    """Return the attempt at a task, None when the task has to be submitted again."""
    from distributed import KilledWorker

    report: Report | Refusal | None = None
    if future.status == "finished":
        # The worker that has the report may be lost, and the scheduler too.
        with contextlib.suppress(*LOST_CONNECTION_ERRORS, KilledWorker):
            report = future.result(timeout=schedulers.SECONDS_TO_RECONNECT)
    if isinstance(report, Refusal):
        workers.refuse(report.address, report.versions)
        return None
    if report is not None:
        for record in report.records:
            logging.getLogger(record.name).handle(record)
        return report.attempt
    if not submission.has_started and submission.number < _MAX_SUBMISSIONS:
        return None
    if future.status == "cancelled":
        # The worker may still be processing it: this is not a lost task, whose files are removed.
        return Attempt(None, 0.0, _INTERRUPTED)
    if future.status == "error":
        error = future.exception()
        if not isinstance(error, KilledWorker):
            return Attempt(None, 0.0, f"unexpected {type(error).__name__}: {error}", is_bug=True)
    return Attempt(None, 0.0, LOST_WORKER, is_lost=True)
