"""Tasks on the workers of a Dask cluster that runs already; one whose worker is lost costs itself alone.

Dask gives the task of a lost worker to the next one, which it may kill too, and takes tasks that only waited there for
suspects. So a task leaves a mark in a folder that all workers share when it begins: one that finds its own mark has
lost its worker and is not begun again, whatever the scheduler's settings.
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
_WITHOUT_PORT = ("ucx://", "inproc://")
# Enough for a cluster that grows with the number of tasks to grow, few enough to hold.
_MOST_AHEAD = 1000
# A task that never began is given out again; each time another one has taken its worker with it.
_MOST_TIMES_GIVEN = 10
_LOST = "its worker is lost, as when the system kills it for memory; see the cluster's logs"


@dataclass(frozen=True)
class _Job:
    """A task for some worker: its mark, the folder that relative paths start from, and the level of what is logged."""

    task: Any
    function: Callable[[Any], Any]
    mark_path: Path
    folder: Path
    log_level: int


@dataclass(frozen=True)
class _Report:
    """What a worker sends back."""

    tried: Attempt[Any]
    records: tuple[logging.LogRecord, ...] = ()


def connect(scheduler: str) -> Client:
    """Return a client of a Dask scheduler, by its address or by the JSON file that it writes.

    Raises
    ------
    SettingsError
        There is none, or distributed is not installed.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise SettingsError("--scheduler needs distributed; install it: pip install 'niimasker[dask]'.") from error
    address = _read_address(Path(scheduler)) if scheduler.endswith(".json") else scheduler
    _check_address(address)
    try:
        return Client(address, timeout=_SECONDS_TO_CONNECT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise SettingsError(f"--scheduler: no Dask scheduler answers at {scheduler} ({error}).") from error


def _read_address(path: Path) -> str:
    """Return the address in the file that a scheduler writes."""
    if not path.is_file():
        raise SettingsError(f"--scheduler: {path} does not exist; start dask scheduler --scheduler-file with it.")
    try:
        address = read_json(path)["address"]
    except (OSError, ValueError, KeyError, TypeError):
        address = None
    if not isinstance(address, str):
        raise SettingsError(f"--scheduler: {path} holds no address; give the file that dask scheduler writes.")
    return address


def _check_address(address: str) -> None:
    """Refuse what is no address: distributed's client raises for it too, and leaves a thread that never ends."""
    from distributed.comm import get_address_host_port

    if address.startswith(_WITHOUT_PORT):
        return
    try:
        get_address_host_port(address)
    except ValueError as error:
        raise SettingsError(
            f"--scheduler: {address} is no address of a Dask scheduler ({error}); it looks like tcp://10.0.0.1:8786."
        ) from error


def attempt_on_cluster(
    function: Callable[[Task], Value],
    tasks: Iterable[Task],
    *,
    client: Client,
    marks_folder: Path,
    on_start: Callable[[Task], None],
) -> Iterator[tuple[Task, Attempt[Value]]]:
    """Yield each task with what became of it, in the order in which they end.

    Parameters
    ----------
    marks_folder
        Empty, on a disk that the workers share.
    on_start
        Called when a task is given out.
    """
    from distributed import as_completed

    jobs = _jobs(function, tasks, marks_folder, on_start)
    given: dict[Any, tuple[_Job, int]] = {}
    coming = as_completed(loop=client.loop, raise_errors=False)

    def give(job: _Job, times: int = 1) -> None:
        future = client.submit(attempt_once, job, pure=False, retries=0)
        given[future] = (job, times)
        coming.add(future)

    try:
        for job in itertools.islice(jobs, _MOST_AHEAD):
            give(job)
        while given:
            future = next(coming)
            job, times = given.pop(future)
            tried = _result_of(future, job, times)
            if tried is None:
                give(job, times + 1)
                continue
            yield job.task, tried
            for job in itertools.islice(jobs, 1):
                give(job)
    finally:
        client.cancel(list(given))


def _jobs(
    function: Callable[[Task], Value], tasks: Iterable[Task], marks_folder: Path, on_start: Callable[[Task], None]
) -> Iterator[_Job]:
    folder, log_level = Path.cwd(), logging.getLogger("niimasker").getEffectiveLevel()
    for number, task in enumerate(tasks):
        on_start(task)
        yield _Job(task, function, marks_folder.absolute() / f"begun-{number}", folder, log_level)


def _result_of(future: Any, job: _Job, times: int) -> Attempt[Any] | None:
    """Return what became of a job, None when it is to be given out again."""
    if future.status == "finished":
        report: _Report = future.result()
        for record in report.records:
            logging.getLogger(record.name).handle(record)
        return report.tried
    if not job.mark_path.exists() and times < _MOST_TIMES_GIVEN:
        return None
    if future.status == "error":
        error = future.exception()
        if type(error).__name__ != "KilledWorker":
            return Attempt(None, 0.0, f"unexpected {type(error).__name__}: {error}", is_mistake=True)
    return Attempt(None, 0.0, _LOST, is_lost=True)


def attempt_once(job: _Job) -> _Report:
    """Return what became of a job on this worker; one that has begun before has lost its worker."""
    try:
        job.mark_path.touch(exist_ok=False)
    except FileExistsError:
        return _Report(Attempt(None, 0.0, _LOST, is_lost=True))
    except OSError as error:
        return _Report(attempt(_raise_for_folder, (job.mark_path.parent, error)))
    if Path.cwd() != job.folder:
        os.chdir(job.folder)
    with threadpool_limits(limits=1), _record_log(job.log_level) as records:
        tried = attempt(job.function, job.task)
    job.mark_path.unlink(missing_ok=True)
    return _Report(tried, tuple(records))


@contextlib.contextmanager
def _record_log(level: int) -> Iterator[list[logging.LogRecord]]:
    """Collect what this thread logs."""
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


def _raise_for_folder(found: tuple[Path, OSError]) -> None:
    folder, error = found
    raise OutputLostError(
        f"{folder} cannot be written by the worker on {platform.node()} ({error.strerror}); "
        "the cluster's workers need the output directory on a disk that they share."
    )
