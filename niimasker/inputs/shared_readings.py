"""Readings of files that several ways of cleaning one image share."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Hashable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from niimasker.errors import NiimaskerError, record_warnings, warn

Arguments = ParamSpec("Arguments")
Value = TypeVar("Value")


@dataclass(frozen=True)
class _Reading:
    """What a reading gave: its value or error, and its warnings."""

    value: Any
    error: NiimaskerError | None
    warnings: tuple[str, ...]


_readings: ContextVar[dict[Hashable, _Reading] | None] = ContextVar("readings", default=None)


@contextlib.contextmanager
def share_readings() -> Iterator[None]:
    """Let functions decorated with `read_once` read each file once until the end of this context."""
    token = _readings.set({})
    try:
        yield
    finally:
        _readings.reset(token)


def read_once(read: Callable[Arguments, Value]) -> Callable[Arguments, Value]:
    """Return a function that reads a file once within `share_readings`.

    Further calls with the same arguments, which must be hashable, give the same value or error and the same warnings.
    """

    @functools.wraps(read)
    def read_or_repeat(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Value:
        readings = _readings.get()
        if readings is None:
            return read(*args, **kwargs)
        key = (read, args, tuple(sorted(kwargs.items())))
        if key not in readings:
            readings[key] = _try_reading(lambda: read(*args, **kwargs))
        reading = readings[key]
        for text in reading.warnings:
            warn(text)
        if reading.error is not None:
            raise reading.error
        value: Value = reading.value
        return value

    return read_or_repeat


def _try_reading(read: Callable[[], Any]) -> _Reading:
    with record_warnings() as recorded:
        try:
            value, error = read(), None
        except NiimaskerError as found:
            value, error = None, found
    return _Reading(value, error, tuple(recorded))
