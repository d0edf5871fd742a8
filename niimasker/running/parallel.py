"""Attempts at tasks in several worker processes at once, as many as the limits of the system allow."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Generic

from niimasker.errors import SettingsError, warn
from niimasker.running.batch import Attempt, Task, Value, attempt_here
from niimasker.running.interrupts import hold_interrupts
from niimasker.running.limits import count_affordable, find_limit
from niimasker.running.workers import MAX_SECONDS_TO_END, Worker

_log = logging.getLogger(__name__)

# Tasks per process that are prepared, so that no process waits.
_N_AHEAD = 2


def attempt_in_processes(
    function: Callable[[Task], Value],
    tasks: Iterable[Task],
    *,
    n_jobs: int,
    timeout: float | None,
    on_start: Callable[[Task], None],
    tries_killed_again: bool = False,
) -> Iterator[tuple[Task, Attempt[Value]]]:
    """Yield each task with its attempt, in the order in which they end.

    Where the limits of the system allow fewer processes than `n_jobs`, fewer are used, with a warning; where they allow
    none, the tasks run in this process. A task for which memory, processes or open files ran out is attempted again
    alone, after all others.

    Parameters
    ----------
    tasks
        Consumed one by one, a few ahead of the processes.
    timeout
        The time in seconds after which a task fails and its process is stopped; None for no limit.
    on_start
        Called with each task that starts, in other threads.
    tries_killed_again
        Whether a task is attempted again alone if its process was killed, as the system does when memory runs out.

    Raises
    ------
    SettingsError
        No process can be started, and there is a timeout.
    """
    again = []
    with contextlib.closing(_Crew(function, timeout, on_start)) as crew:
        crew.start(n_jobs)
        if not crew.size:
            yield from attempt_here(function, tasks, on_start=on_start)
        else:
            for task, tried in crew.attempt_all(tasks):
                if crew.size > 1 and (tried.is_starved or (tries_killed_again and tried.is_killed)):
                    _log.debug("attempted again alone, because %s", tried.reason)
                    again.append(task)
                else:
                    yield task, tried
    if again:
        yield from attempt_in_processes(function, again, n_jobs=1, timeout=timeout, on_start=on_start)


class _Crew(Generic[Task, Value]):
    """Worker processes, with a thread for each that hands it one task after the other."""

    def __init__(
        self, function: Callable[[Task], Value], timeout: float | None, on_start: Callable[[Task], None]
    ) -> None:
        self._function = function
        self._timeout = timeout
        self._on_start = on_start
        self._workers: list[Worker[Task, Value]] = []
        self._threads: list[threading.Thread] = []
        self._todo: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[tuple[Task, Attempt[Value]] | BaseException] = queue.SimpleQueue()
        self._has_ended = threading.Event()

    @property
    def size(self) -> int:
        """The number of processes."""
        return len(self._workers)

    def start(self, n_jobs: int) -> None:
        """Start processes; where the limits of the system do not allow as many, warn and start fewer.

        Raises
        ------
        SettingsError
            None can be started, and there is a timeout.
        """
        limit: str | None = "the limit of open files (ulimit -n)"
        for _ in range(count_affordable(n_jobs)):
            worker = Worker[Task, Value](self._timeout)
            thread = threading.Thread(target=self._work, args=(worker,), daemon=True)
            try:
                worker.start()
                thread.start()
            except (OSError, RuntimeError) as error:
                worker.end()
                limit = find_limit(error)
                if limit is None:
                    raise
                break
            self._workers.append(worker)
            self._threads.append(thread)
        if self.size == n_jobs:
            return
        if not self.size and self._timeout is not None:
            raise SettingsError(f"--timeout needs a process for the runs, but {limit} allows none; raise it.")
        used = f"{self.size} of {n_jobs} processes" if self.size else "no process beside this one"
        warn(f"--n_jobs uses {used}, because {limit} is reached.")

    def attempt_all(self, tasks: Iterable[Task]) -> Iterator[tuple[Task, Attempt[Value]]]:
        """Yield each task with its attempt, in the order in which they end."""
        n_pending = 0
        for task in tasks:
            self._todo.put(task)
            n_pending += 1
            while n_pending >= _N_AHEAD * self.size:
                yield self._take()
                n_pending -= 1
        for _ in range(n_pending):
            yield self._take()

    def _take(self) -> tuple[Task, Attempt[Value]]:
        while True:
            # Without a time limit, Ctrl-C is not noticed on Windows.
            with contextlib.suppress(queue.Empty):
                done = self._done.get(timeout=1.0)
                if isinstance(done, BaseException):
                    raise done
                return done

    def _work(self, worker: Worker[Task, Value]) -> None:
        try:
            while (task := self._todo.get()) is not None and not self._has_ended.is_set():
                self._on_start(task)
                self._done.put((task, worker.attempt(self._function, task)))
        except BaseException as error:
            self._done.put(error)

    def close(self) -> None:
        """Stop all processes, whatever they do: after Ctrl-C as well, none may write a file from now on."""
        with hold_interrupts():
            self._has_ended.set()
            for worker in self._workers:
                self._todo.put(None)
                worker.end()
            for thread in self._threads:
                thread.join(MAX_SECONDS_TO_END)
