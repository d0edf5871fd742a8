"""What becomes of a task: a broken one costs that task alone."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from niimasker.errors import NiimaskerError, OutputLostError, record_warnings

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
    is_lost
        Whether the process that did it is gone, or was ended: what it wrote may be incomplete.
    ends_all
        Whether any other task would fail for the same reason.
    warnings
        Of a task that failed; a value brings its own.
    """

    value: Value | None
    seconds: float
    reason: str | None = None
    traceback: str = ""
    is_mistake: bool = False
    is_lost: bool = False
    ends_all: bool = False
    warnings: tuple[str, ...] = ()


def attempt(function: Callable[[Task], Value], task: Task) -> Attempt[Value]:
    """Return what became of one task."""
    start = time.perf_counter()
    with record_warnings() as recorded:
        try:
            value = function(task)
        except Exception as error:
            is_mistake = not isinstance(error, NiimaskerError)
            reason = f"unexpected {type(error).__name__}: {error}" if is_mistake else str(error)
            return Attempt(
                None,
                time.perf_counter() - start,
                " ".join(reason.split()),
                traceback.format_exc(),
                is_mistake,
                ends_all=isinstance(error, OutputLostError),
                warnings=tuple(recorded),
            )
    return Attempt(value, time.perf_counter() - start)


def attempt_here(
    function: Callable[[Task], Value], tasks: Iterable[Task], *, on_start: Callable[[Task], None]
) -> Iterator[tuple[Task, Attempt[Value]]]:
    """Yield each task with what became of it in this process, one after the other."""
    for task in tasks:
        on_start(task)
        yield task, attempt(function, task)
