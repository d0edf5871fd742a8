"""Processes that do one task at a time each; one that is lost costs its task alone.

joblib's loop gives out the tasks, one thread for each process. Its own processes, loky's, break all together when one
dies, do not say why it did, and are waited for when nothing can end them, as when they wait for a dead disk; those of
multiprocessing import the user's script again. So each process here is a plain child that reads tasks from its standard
input and ends when that closes.
"""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import queue
import signal
import struct
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from itertools import takewhile
from logging.handlers import QueueHandler
from multiprocessing.spawn import get_executable
from typing import Any, BinaryIO, Generic

from joblib import Parallel, delayed

from niimasker.running.batch import Attempt, Task, Value, attempt

# Set before a library is loaded, which is when most of them look.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)

_LENGTH = struct.Struct("!Q")
_MOST_SECONDS_TO_END = 5.0
_CODE = "import sys; sys.path[:] = {path!r}; from niimasker.running.workers import serve; serve({level})"


def attempt_in_processes(
    function: Callable[[Task], Value],
    tasks: Iterable[Task],
    *,
    n_jobs: int,
    timeout: float | None,
    on_start: Callable[[Task], None],
) -> Iterator[tuple[Task, Attempt[Value]]]:
    """Yield each task with what became of it, in the order in which they end.

    Parameters
    ----------
    tasks
        Taken one by one, a few ahead of the processes.
    timeout
        Seconds after which a task's process is ended; None for no limit.
    on_start
        Called in other threads.
    """
    workers = [Worker[Task, Value](timeout) for _ in range(n_jobs)]
    free: queue.SimpleQueue[Worker[Task, Value]] = queue.SimpleQueue()
    for worker in workers:
        free.put(worker)

    has_ended = threading.Event()

    def attempt_one(task: Task) -> tuple[Task, Attempt[Value]]:
        worker = free.get()
        try:
            if not has_ended.is_set():
                on_start(task)
            return task, worker.attempt(function, task)
        finally:
            free.put(worker)

    # joblib's threads, not its processes: those break together when one of them is lost.
    parallel = Parallel(
        n_jobs, backend="threading", return_as="generator_unordered", pre_dispatch=2 * n_jobs, batch_size=1
    )
    ended: Iterator[tuple[Task, Attempt[Value]]] = parallel(
        delayed(attempt_one)(task) for task in takewhile(lambda task: not has_ended.is_set(), tasks)
    )
    try:
        # Not `yield from`, which would close it before the processes are ended.
        for each in ended:  # noqa: UP028
            yield each
    finally:
        # After Ctrl-C too: nothing is written once this returns.
        has_ended.set()
        for worker in workers:
            worker.end()
        with warnings.catch_warnings():
            # joblib says that tasks were cancelled, which is meant.
            warnings.simplefilter("ignore", UserWarning)
            ended.close()  # type: ignore[attr-defined]


class Worker(Generic[Task, Value]):
    """A process that does one task at a time, started when it is needed and again when it was lost."""

    def __init__(self, timeout: float | None = None) -> None:
        self._timeout = timeout
        self._process: subprocess.Popen[bytes] | None = None
        self._answers: queue.SimpleQueue[Attempt[Value] | None] = queue.SimpleQueue()
        self._has_ended = False
        self._starting = threading.Lock()

    @property
    def pid(self) -> int | None:
        """The process's number, None when there is none."""
        return self._process.pid if self._process else None

    def attempt(self, function: Callable[[Task], Value], task: Task) -> Attempt[Value]:
        """Return what became of a task in the process."""
        start = time.perf_counter()
        process = self._started()
        if process is None:
            return Attempt(None, 0.0, "interrupted", is_lost=True)
        try:
            with contextlib.suppress(OSError):  # The process is gone, which its exit code explains.
                _send(process.stdin, (function, task))
            answer = self._answers.get(timeout=self._timeout)
            if answer is not None:
                return answer
            reason = _why_lost(_wait(process))
        except queue.Empty:
            reason = f"it takes longer than the {self._timeout:g} s of --timeout; its process was ended"
        self._kill()
        return Attempt(None, time.perf_counter() - start, reason, is_lost=True)

    def _started(self) -> subprocess.Popen[bytes] | None:
        with self._starting:
            if self._has_ended:
                return None
            if self._process is None or self._process.poll() is not None:
                self._answers = queue.SimpleQueue()
                self._process = _start_process()
                threading.Thread(target=_listen, args=(self._process, self._answers), daemon=True).start()
            return self._process

    def end(self) -> None:
        """End the process, whatever it does; a task that it has is lost."""
        with self._starting:
            self._has_ended = True
        self._kill()
        # Who waits for an answer of a process that nothing can end waits no longer.
        self._answers.put(None)

    def _kill(self) -> None:
        process = self._process
        if process is not None:
            process.kill()
            _wait(process)
            with contextlib.suppress(OSError):
                process.stdin.close()  # type: ignore[union-attr]


def _wait(process: subprocess.Popen[bytes]) -> int | None:
    """Return the exit code of a process that ends now, None when it does not."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        return process.wait(_MOST_SECONDS_TO_END)
    return None


def _start_process() -> subprocess.Popen[bytes]:
    level = logging.getLogger("niimasker").getEffectiveLevel()
    return subprocess.Popen(
        [get_executable(), "-c", _CODE.format(path=sys.path, level=level)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **dict.fromkeys(THREAD_VARIABLES, "1")},
        # Ctrl-C reaches every process of a terminal's session; it is for the parent, which ends the others.
        start_new_session=True,
    )


def _listen(process: subprocess.Popen[bytes], answers: queue.SimpleQueue[Attempt[Any] | None]) -> None:
    """Take what a process says until it is gone: what it logs is logged here."""
    try:
        with process.stdout as stream:  # type: ignore[union-attr]
            while (payload := _receive(stream)) is not None:
                message = pickle.loads(payload)
                if isinstance(message, logging.LogRecord):
                    logging.getLogger(message.name).handle(message)
                else:
                    answers.put(message)
    finally:
        answers.put(None)


def _why_lost(code: int | None) -> str:
    if code is None or code >= 0:
        return f"its process ended by itself (exit code {code})"
    names = {int(each): each.name for each in signal.Signals}
    name = f"signal {-code} ({names.get(-code, 'of no name')})"
    if -code == signal.SIGSEGV:
        return f"its process crashed by a segmentation fault, {name}"
    if -code == getattr(signal, "SIGKILL", None):
        return f"its process was killed by {name}, as the system does when memory runs out"
    return f"its process was ended by {name}"


def serve(level: int) -> None:
    """Do the tasks that come in by standard input, one by one, until it closes.

    Parameters
    ----------
    level
        Of what is logged, which goes where the answers go.
    """
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # What a library prints is no answer.
    payloads: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read_tasks, args=(sys.stdin.buffer, payloads), daemon=True).start()
    outbox = _Outbox(answers)
    logger = logging.getLogger("niimasker")
    logger.addHandler(QueueHandler(outbox))  # type: ignore[arg-type]
    logger.setLevel(level)
    while True:
        outbox.put_nowait(attempt(_unpack_and_do, payloads.get()))


def _unpack_and_do(payload: bytes) -> Any:
    function, task = pickle.loads(payload)
    return function(task)


def _read_tasks(stream: BinaryIO, payloads: queue.SimpleQueue[bytes]) -> None:
    while (payload := _receive(stream)) is not None:
        payloads.put(payload)
    # The parent is gone or wants no more: what is under way is of no use to anyone.
    os._exit(0)


class _Outbox:
    """What a worker sends, answers and log records, from whatever thread."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def put_nowait(self, message: object) -> None:
        """Send a message; the name is that of the queue which logging expects."""
        with self._lock:
            _send(self._stream, message)


def _send(stream: Any, message: object) -> None:
    payload = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    stream.write(_LENGTH.pack(len(payload)) + payload)
    stream.flush()


def _receive(stream: Any) -> bytes | None:
    """Return the next message, None when the other side is gone."""
    with contextlib.suppress(OSError):
        head = stream.read(_LENGTH.size)
        if len(head) == _LENGTH.size:
            (length,) = _LENGTH.unpack(head)
            payload: bytes = stream.read(length)
            if len(payload) == length:
                return payload
    return None
