"""Worker processes that each run one task at a time: if a process dies, its task fails, and the other tasks continue.

joblib's processes (loky) are not used. When one of them dies, all of them break, without telling the cause; joblib
waits for processes that cannot be stopped, such as those that wait for a disk that does not answer; and it fails where
fewer processes or threads can be started than asked for. The processes of multiprocessing import the user's script
again. Here, each process is a plain child that reads tasks from its standard input and exits when that is closed.
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
from collections.abc import Callable
from logging.handlers import QueueHandler
from multiprocessing.spawn import get_executable
from typing import Any, BinaryIO, Generic

from niimasker.running.batch import Attempt, Task, Value, attempt
from niimasker.running.limits import find_limit
from niimasker.running.messages import expendable_messages, open_closed_descriptors

# Set before the libraries are loaded: most of them read these variables only then.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)

_LENGTH = struct.Struct("!Q")
MAX_SECONDS_TO_END = 5.0
# After a stop, this much of a timeout at most is over.
_MAX_SECONDS_AT_ONCE = 0.5
_SIGKILL = getattr(signal, "SIGKILL", None)  # not on Windows
_WORKER_CODE = "import sys; sys.path[:] = {path!r}; from niimasker.running.workers import serve; serve({level})"


class Worker(Generic[Task, Value]):
    """A process that runs one task at a time; it is started for the first task, and again after it has died."""

    def __init__(self, timeout: float | None = None) -> None:
        self._timeout = timeout
        self._process: subprocess.Popen[bytes] | None = None
        self._answers: queue.SimpleQueue[Attempt[Value] | None] = queue.SimpleQueue()
        self._has_ended = False
        self._starting = threading.Lock()

    @property
    def pid(self) -> int | None:
        """The process ID; None if no process is running."""
        return self._process.pid if self._process else None

    def attempt(self, function: Callable[[Task], Value], task: Task) -> Attempt[Value]:
        """Return the attempt at a task in the process."""
        start = time.perf_counter()
        is_killed = False
        try:
            process = self.start()
        except (OSError, RuntimeError) as error:
            reason = f"its process could not be started ({find_limit(error) or error})"
            return Attempt(None, 0.0, reason, is_starved=True)
        if process is None:
            return Attempt(None, 0.0, "interrupted", is_lost=True)
        try:
            with contextlib.suppress(OSError):  # The process has died; its exit code tells why.
                _send(process.stdin, (function, task))
            answer = take(self._answers, self._timeout)
            if answer is not None:
                return answer
            code = _wait(process)
            is_killed, reason = code is not None and -code == _SIGKILL, _describe_exit(code)
        except queue.Empty:
            reason = f"it took longer than the {self._timeout:g} s of --timeout; its process was stopped"
        self._kill()
        return Attempt(None, time.perf_counter() - start, reason, is_lost=True, is_killed=is_killed)

    def start(self) -> subprocess.Popen[bytes] | None:
        """Return the process, which is started if none is running; None once the worker has ended.

        Raises
        ------
        OSError, RuntimeError
            The limits of the system allow no further process or thread.
        """
        with self._starting:
            if self._has_ended:
                return None
            if self._process is None or self._process.poll() is not None:
                self._answers = queue.SimpleQueue()
                self._process = _start_process()
                listener = threading.Thread(target=_listen, args=(self._process, self._answers), daemon=True)
                try:
                    listener.start()
                except RuntimeError:
                    # Nobody would receive its answers.
                    self._process.stdout.close()  # type: ignore[union-attr]
                    self._kill()
                    self._process = None
                    raise
            return self._process

    def end(self) -> None:
        """Stop the process, whatever it does; a task under way is lost."""
        with self._starting:
            self._has_ended = True
        self._kill()
        # Release a thread that still waits for an answer, for example of a process that cannot be ended.
        self._answers.put(None)

    def _kill(self) -> None:
        process = self._process
        if process is not None:
            process.kill()
            _wait(process)
            with contextlib.suppress(OSError):
                process.stdin.close()  # type: ignore[union-attr]


def take(answers: queue.SimpleQueue[Value], timeout: float | None) -> Value:
    """Return the next answer; the time in which this process is stopped, as by Ctrl-Z, is not counted.

    Raises
    ------
    queue.Empty
        There is none within the timeout in seconds.
    """
    while timeout is not None and timeout > _MAX_SECONDS_AT_ONCE:
        with contextlib.suppress(queue.Empty):
            return answers.get(timeout=_MAX_SECONDS_AT_ONCE)
        timeout -= _MAX_SECONDS_AT_ONCE
    return answers.get(timeout=timeout)


def _wait(process: subprocess.Popen[bytes]) -> int | None:
    """Return the exit code of a process that is ending; None if it does not end in time."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        return process.wait(MAX_SECONDS_TO_END)
    return None


def _start_process() -> subprocess.Popen[bytes]:
    level = logging.getLogger("niimasker").getEffectiveLevel()
    return subprocess.Popen(
        [get_executable(), "-c", _WORKER_CODE.format(path=sys.path, level=level)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **dict.fromkeys(THREAD_VARIABLES, "1")},
        # Ctrl-C reaches every process of the terminal's session. Only the parent may receive it; it stops the others.
        start_new_session=True,
    )


def _listen(process: subprocess.Popen[bytes], answers: queue.SimpleQueue[Attempt[Any] | None]) -> None:
    """Receive the messages of a process until it ends; its log records are logged in this process."""
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


def _describe_exit(code: int | None) -> str:
    if code is None or code >= 0:
        return f"its process exited unexpectedly (exit code {code})"
    names = {int(known): known.name for known in signal.Signals}
    name = f"signal {-code} ({names.get(-code, 'unnamed')})"
    if -code == signal.SIGSEGV:
        return f"its process crashed with a segmentation fault, {name}"
    if -code == _SIGKILL:
        return f"its process was killed by {name}, as the system does when memory runs out"
    return f"its process was ended by {name}"


def serve(level: int) -> None:
    """Run the tasks that arrive on standard input, one by one, until it is closed.

    Parameters
    ----------
    level
        The level of the log records, which are sent back as the answers are.
    """
    open_closed_descriptors()
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # What a library prints must not mix with the answers.
    payloads: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read_tasks, args=(sys.stdin.buffer, payloads), daemon=True).start()
    outbox = _Outbox(answers)
    logger = logging.getLogger("niimasker")
    logger.addHandler(QueueHandler(outbox))  # type: ignore[arg-type]
    logger.setLevel(level)
    with expendable_messages():
        while True:
            outbox.put_nowait(attempt(_unpack_and_run, payloads.get()))


def _unpack_and_run(payload: bytes) -> Any:
    function, task = pickle.loads(payload)
    return function(task)


def _read_tasks(stream: BinaryIO, payloads: queue.SimpleQueue[bytes]) -> None:
    while (payload := _receive(stream)) is not None:
        payloads.put(payload)
    # The parent has ended or needs no more results: nobody needs the task under way.
    os._exit(0)


class _Outbox:
    """The stream on which a worker sends answers and log records, from any thread."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def put_nowait(self, message: object) -> None:
        """Send a message; the method has the name that logging's QueueHandler calls."""
        with self._lock:
            _send(self._stream, message)


def _send(stream: Any, message: object) -> None:
    payload = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    stream.write(_LENGTH.pack(len(payload)) + payload)
    stream.flush()


def _receive(stream: Any) -> bytes | None:
    """Return the next message; None if the other side has closed the stream."""
    with contextlib.suppress(OSError):
        head = stream.read(_LENGTH.size)
        if len(head) == _LENGTH.size:
            (length,) = _LENGTH.unpack(head)
            payload: bytes = stream.read(length)
            if len(payload) == length:
                return payload
    return None
