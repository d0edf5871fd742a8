"""Tasks on the workers of a running Dask cluster: a task that loses its worker fails, and the other tasks continue.

Dask sends the task of a lost worker to another worker, which may be killed in turn, and it also suspects tasks that
were only waiting on the lost worker. Therefore each task creates a marker file in a folder that all workers share when
it starts. A task that finds its own marker has lost a worker before and is not started again, whatever the settings of
the scheduler.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import platform
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from logging.handlers import QueueHandler
from pathlib import Path
from typing import TYPE_CHECKING, Any

from threadpoolctl import threadpool_limits

from niimasker.errors import OutputLostError, SettingsError
from niimasker.options.json_files import read_json
from niimasker.running.batch import Attempt, Task, Value, attempt

if TYPE_CHECKING:
    from distributed import Client

_SECONDS_TO_CONNECT = 30
_PROTOCOLS_WITHOUT_PORT = ("ucx://", "inproc://")
# Enough tasks for an adaptive cluster to grow, and few enough to keep in memory.
_MAX_SUBMITTED = 1000
# A task that never started is submitted again: another task on its worker killed that worker.
_MAX_SUBMISSIONS = 10
_LOST_WORKER = "its worker was lost, for example killed by the system when memory ran out; see the cluster's logs"


@dataclass(frozen=True)
class _Job:
    """A task as it is sent to a worker.

    Parameters
    ----------
    marker_path
        The file that exists once the task has started.
    working_dir
        The folder that relative paths start from.
    log_level
        The level of the messages that the worker sends back.
    """

    task: Any
    function: Callable[[Any], Any]
    marker_path: Path
    working_dir: Path
    log_level: int


@dataclass(frozen=True)
class _Report:
    """What a worker sends back: the attempt and its log records."""

    attempt: Attempt[Any]
    records: tuple[logging.LogRecord, ...] = ()


def connect(scheduler: str) -> Client:
    """Return a client of a Dask scheduler, given its address or the JSON file that it writes.

    Raises
    ------
    SettingsError
        No scheduler answers, or distributed is not installed.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise SettingsError(
            "--scheduler needs the package distributed; install it with: pip install 'niimasker[dask]'."
        ) from error
    address = _read_address(Path(scheduler)) if scheduler.endswith(".json") else scheduler
    _check_address(address)
    try:
        return Client(address, timeout=_SECONDS_TO_CONNECT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"--scheduler: no Dask scheduler answers at {scheduler} ({error}); check its address and that it runs."
        ) from error


def _read_address(path: Path) -> str:
    """Return the address in the JSON file that a scheduler writes."""
    if not path.is_file():
        raise SettingsError(
            f"--scheduler: {path} does not exist; start the scheduler with dask scheduler --scheduler-file {path}."
        )
    try:
        address = read_json(path)["address"]
    except (OSError, ValueError, KeyError, TypeError):
        address = None
    if not isinstance(address, str):
        raise SettingsError(
            f"--scheduler: {path} holds no address; give the file that dask scheduler --scheduler-file writes."
        )
    return address


def _check_address(address: str) -> None:
    """Raise if the text is not an address: distributed's client would too, but leaves a thread that never ends."""
    from distributed.comm import get_address_host_port

    if address.startswith(_PROTOCOLS_WITHOUT_PORT):
        return
    try:
        get_address_host_port(address)
    except ValueError as error:
        raise SettingsError(
            f"--scheduler: {address} is not the address of a Dask scheduler ({error}); "
            "expected one such as tcp://10.0.0.1:8786."
        ) from error


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
    """
    from distributed import as_completed

    jobs = _make_jobs(function, tasks, markers_folder, on_start)
    submitted: dict[Any, tuple[_Job, int]] = {}
    completed = as_completed(loop=client.loop, raise_errors=False)

    def submit(job: _Job, n_submissions: int = 1) -> None:
        future = client.submit(attempt_once, job, pure=False, retries=0)
        submitted[future] = (job, n_submissions)
        completed.add(future)

    try:
        for job in itertools.islice(jobs, _MAX_SUBMITTED):
            submit(job)
        while submitted:
            future = next(completed)
            job, n_submissions = submitted.pop(future)
            attempted = _read_attempt(future, job, n_submissions)
            if attempted is None:
                submit(job, n_submissions + 1)
                continue
            yield job.task, attempted
            for job in itertools.islice(jobs, 1):
                submit(job)
    finally:
        client.cancel(list(submitted))


def _make_jobs(
    function: Callable[[Task], Value], tasks: Iterable[Task], markers_folder: Path, on_start: Callable[[Task], None]
) -> Iterator[_Job]:
    working_dir, log_level = Path.cwd(), logging.getLogger("niimasker").getEffectiveLevel()
    for number, task in enumerate(tasks):
        on_start(task)
        yield _Job(task, function, markers_folder.absolute() / f"started-{number}", working_dir, log_level)


def _read_attempt(future: Any, job: _Job, n_submissions: int) -> Attempt[Any] | None:
    """Return the attempt at a job, None when the job has to be submitted again."""
    if future.status == "finished":
        report: _Report = future.result()
        for record in report.records:
            logging.getLogger(record.name).handle(record)
        return report.attempt
    if not job.marker_path.exists() and n_submissions < _MAX_SUBMISSIONS:
        return None
    if future.status == "error":
        error = future.exception()
        if type(error).__name__ != "KilledWorker":
            return Attempt(None, 0.0, f"unexpected {type(error).__name__}: {error}", is_bug=True)
    return Attempt(None, 0.0, _LOST_WORKER, is_lost=True)


def attempt_once(job: _Job) -> _Report:
    """Return the attempt at a job on this worker; a job that was started before has lost its worker."""
    try:
        job.marker_path.touch(exist_ok=False)
    except FileExistsError:
        return _Report(Attempt(None, 0.0, _LOST_WORKER, is_lost=True))
    except OSError as error:
        return _Report(attempt(_raise_unwritable, (job.marker_path.parent, error)))
    if Path.cwd() != job.working_dir:
        os.chdir(job.working_dir)
    with threadpool_limits(limits=1), _record_log(job.log_level) as records:
        attempted = attempt(job.function, job.task)
    job.marker_path.unlink(missing_ok=True)
    return _Report(attempted, tuple(records))


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
