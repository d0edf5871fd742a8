"""Attempts at tasks: an error in one task is reported, and the other tasks continue."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from niimasker.errors import NiimaskerError, OutputLostError, RunExcludedError, record_warnings
from niimasker.running.limits import find_limit, may_succeed_alone

Task = TypeVar("Task")
Value = TypeVar("Value")


@dataclass(frozen=True)
class Attempt(Generic[Value]):
    """The value that a task returned, or the reason for its failure.

    Parameters
    ----------
    reason
        One line; None when the task succeeded.
    traceback
        The traceback of the error, empty when the task succeeded.
    is_bug
        Whether the error is a bug of niimasker, not a mistake of the user.
    is_excluded
        Whether a run is beyond a limit of the options, so that it counts as excluded, not as failed.
    is_lost
        Whether the worker process died or was stopped, so that files of the task may be incomplete.
    is_killed
        Whether the worker process was killed, as the system does when memory runs out.
    is_starved
        Whether the task may succeed without other tasks beside it: memory, processes or open files ran out.
    ends_all
        Whether every other task would fail for the same reason.
    warnings
        The warnings of a failed task; a value carries its own.
    """

    value: Value | None
    seconds: float
    reason: str | None = None
    traceback: str = ""
    is_bug: bool = False
    is_excluded: bool = False
    is_lost: bool = False
    is_killed: bool = False
    is_starved: bool = False
    ends_all: bool = False
    warnings: tuple[str, ...] = ()


class ConnectionLostError(Exception):
    """The connection to the workers is lost, so that nobody knows which tasks have ended.

    Parameters
    ----------
    reason
        One line.
    started
        The tasks that seem to be under way.
    """

    def __init__(self, reason: str, started: Sequence[Any]) -> None:
        super().__init__(reason)
        self.started = started


def attempt(function: Callable[[Task], Value], task: Task) -> Attempt[Value]:
    """Return the value of a task, or the reason for its failure."""
    start = time.perf_counter()
    with record_warnings() as recorded:
        try:
            value = function(task)
        except Exception as error:
            return _make_failure(error, time.perf_counter() - start, recorded)
    return Attempt(value, time.perf_counter() - start)


def attempt_part(function: Callable[[Task], Value], part: Task) -> Attempt[Value]:
    """Return the value of a part of a task, or the reason for its failure.

    An error that the whole task may not meet if it is tried again alone is raised.
    """
    start = time.perf_counter()
    with record_warnings() as recorded:
        try:
            value = function(part)
        except Exception as error:
            if may_succeed_alone(error):
                raise
            return _make_failure(error, time.perf_counter() - start, recorded)
    return Attempt(value, time.perf_counter() - start)


def _make_failure(error: Exception, seconds: float, recorded: Sequence[str]) -> Attempt[Any]:
    limit = find_limit(error)
    is_bug = not isinstance(error, NiimaskerError) and limit is None
    reason = f"unexpected {type(error).__name__}: {error}" if is_bug else str(error)
    if limit is not None:
        reason = f"{limit} is reached ({reason}); raise it, or use a smaller --n_jobs."
    return Attempt(
        None,
        seconds,
        " ".join(reason.split()),
        "".join(traceback.format_exception(error)),
        is_bug,
        is_excluded=isinstance(error, RunExcludedError),
        is_starved=may_succeed_alone(error),
        ends_all=isinstance(error, OutputLostError),
        warnings=tuple(recorded),
    )


def attempt_here(
    function: Callable[[Task], Value], tasks: Iterable[Task], *, on_start: Callable[[Task], None]
) -> Iterator[tuple[Task, Attempt[Value]]]:
    """Yield each task with its attempt; the tasks run one after the other in this process."""
    for task in tasks:
        on_start(task)
        yield task, attempt(function, task)
