"""Jobs for the workers of a Dask cluster: what is sent to a worker, what it does, and what it sends back.

Dask sends the task of a lost worker to another worker, which may be killed in turn, and it also suspects tasks that
were only waiting on the lost worker. Therefore each task creates a marker file in a folder that all workers share when
it starts. A task that finds its own marker has lost a worker before and is not started again, whatever the settings of
the scheduler.
"""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import platform
import queue
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from logging.handlers import QueueHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any

from threadpoolctl import threadpool_limits

from niimasker.errors import OutputLostError
from niimasker.running.batch import Attempt, attempt
from niimasker.running.cluster_workers import versions_here

if TYPE_CHECKING:
    from distributed import Client, Future

LOST_WORKER = "its worker was lost, for example killed by the system when memory ran out; see the cluster's logs"


@dataclass(frozen=True)
class Job:
    """A task as it is sent to a worker.

    Parameters
    ----------
    versions
        The versions that the worker must have.
    pickled
        The function and the task: bytes, since a worker with other versions may not be able to read them.
    marker_path
        The file that exists from the start of the task to its end.
    working_dir
        The folder that relative paths start from.
    log_level
        The level of the messages that the worker sends back.
    """

    versions: dict[str, str]
    pickled: bytes
    marker_path: Path
    working_dir: Path
    log_level: int


@dataclass(frozen=True)
class Report:
    """What a worker sends back: the attempt and its log records."""

    attempt: Attempt[Any]
    records: tuple[logging.LogRecord, ...] = ()


@dataclass(frozen=True)
class Refusal:
    """What a worker with other versions sends back: its address and its versions."""

    address: str
    versions: dict[str, str]


def make_job(function: Callable[[Any], Any], task: object, marker_path: Path) -> Job:
    """Return the job of a task for workers with the versions, working directory and log level of this process."""
    pickled = pickle.dumps((function, task), pickle.HIGHEST_PROTOCOL)
    return Job(versions_here(), pickled, marker_path, Path.cwd(), logging.getLogger("niimasker").getEffectiveLevel())


class _Call:
    """A call of `attempt_once`, which takes place when it is unpickled."""

    def __init__(self, job: Job) -> None:
        self._job = job

    def __reduce__(self) -> tuple[Callable[[Job], Report | Refusal], tuple[Job]]:
        return attempt_once, (self._job,)


def submit_job(client: Client, job: Job, workers: list[str] | None) -> Future:
    """Return the future of a job; None for workers stands for any of them."""
    # A worker that receives a function of a niimasker that it does not have ends; `pickle.loads` is everywhere.
    call = pickle.dumps(_Call(job), pickle.HIGHEST_PROTOCOL)
    return client.submit(pickle.loads, call, key=f"niimasker-{uuid.uuid4()}", pure=False, retries=0, workers=workers)


def attempt_once(job: Job) -> Report | Refusal:
    """Return the attempt at a job on this worker; a job that was started before has lost its worker."""
    if job.versions != versions_here():
        from distributed import get_worker

        return Refusal(get_worker().address, versions_here())
    try:
        job.marker_path.touch(exist_ok=False)
    except FileExistsError:
        return Report(Attempt(None, 0.0, LOST_WORKER, is_lost=True))
    except OSError as error:
        return Report(attempt(_raise_unwritable, (job.marker_path.parent, error)))
    if Path.cwd() != job.working_dir:
        os.chdir(job.working_dir)
    with threadpool_limits(limits=1), _record_log(job.log_level) as records:
        attempted = attempt(_unpack_and_run, job.pickled)
    job.marker_path.unlink(missing_ok=True)
    return Report(attempted, tuple(records))


def _unpack_and_run(pickled: bytes) -> Any:
    function, task = pickle.loads(pickled)
    return function(task)


@contextlib.contextmanager
def _record_log(level: int) -> Iterator[list[logging.LogRecord]]:
    """Collect the log records of this thread."""
    records: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    thread = threading.get_ident()
    handler = QueueHandler(records)
    handler.addFilter(lambda record: record.thread == thread)
    logger = logging.getLogger("niimasker")
    logger.setLevel(level)
    logger.addHandler(handler)
    recorded: list[logging.LogRecord] = []
    try:
        yield recorded
    finally:
        logger.removeHandler(handler)
        while not records.empty():
            recorded.append(records.get())


def _raise_unwritable(folder_and_error: tuple[Path, OSError]) -> None:
    folder, error = folder_and_error
    raise OutputLostError(
        f"{folder} cannot be written by the worker on {platform.node()} ({error.strerror}); "
        "put the output directory on a disk that all workers of the cluster share."
    )
