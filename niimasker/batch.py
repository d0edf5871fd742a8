"""Apply one function to many tasks, in this process or in several; a broken task costs that task alone."""

from __future__ import annotations

import os
import signal
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from niimasker.errors import NiimaskerError

Task = TypeVar("Task")
Value = TypeVar("Value")


@dataclass(frozen=True)
class Attempt(Generic[Value]):
    """What became of a task: a value, or the reason why there is none.

    Parameters
    ----------
    reason
        One line; None when there is a value.
    traceback
        Where a failure comes from.
    is_mistake
        Whether the failure is one of this program and not of its user.
    """

    value: Value | None
    seconds: float
    reason: str | None = None
    traceback: str = ""
    is_mistake: bool = False


def attempt(function: Callable[[Task], Value], task: Task) -> Attempt[Value]:
    """Return what became of one task."""
    start = time.perf_counter()
    try:
        value = function(task)
    except Exception as error:
        is_mistake = not isinstance(error, NiimaskerError)
        reason = f"unexpected {type(error).__name__}: {error}" if is_mistake else str(error)
        seconds = time.perf_counter() - start
        return Attempt(None, seconds, " ".join(reason.split()), traceback.format_exc(), is_mistake)
    return Attempt(value, time.perf_counter() - start)


def _attempt_in(folder: Path, function: Callable[[Task], Value], task: Task) -> Attempt[Value]:
    # Ctrl-C reaches every process of a terminal; it is for the parent, which ends the others, to speak of it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # joblib keeps its processes; they stay in the folder that this one was in when they were started.
    os.chdir(folder)
    return attempt(function, task)


def attempt_all(function: Callable[[Task], Value], tasks: Iterable[Task], *, n_jobs: int) -> Iterator[Attempt[Value]]:
    """Yield what became of each task, in order.

    Parameters
    ----------
    tasks
        Taken one by one, a few ahead of the processes.
    n_jobs
        1 is this process alone, -1 one process per core.
    """
    if n_jobs == 1:
        return (attempt(function, task) for task in tasks)
    from joblib import Parallel, delayed  # 0.3 s that one process does not need

    parallel = Parallel(n_jobs=n_jobs, return_as="generator")
    results: Iterator[Attempt[Value]] = parallel(delayed(_attempt_in)(Path.cwd(), function, task) for task in tasks)
    return results
