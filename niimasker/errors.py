"""Errors that a user can fix, warnings, the exit codes, and pieces of text for messages."""

from __future__ import annotations

import contextlib
import difflib
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextvars import ContextVar

EXIT_DONE = 0
EXIT_RUN_FAILED = 1
EXIT_WRONG_USE = 2
EXIT_INTERRUPTED = 130

_MAX_LISTED = 6
_MAX_CHARACTERS = 120


class NiimaskerError(Exception):
    """An error that a user can fix; its message is one line that says how."""


class SettingsError(NiimaskerError):
    """An option or its value is not valid."""


class RunsError(NiimaskerError):
    """The images and confounds tables cannot be combined into runs."""


class ImageError(NiimaskerError):
    """An image cannot be read or is not of the expected kind."""


class TooLittleMemoryError(ImageError):
    """An image needs more memory than is free."""


class RunError(NiimaskerError):
    """One run cannot be processed; it is reported as failed and the others continue."""


class RunExcludedError(RunError):
    """A run is beyond a limit of the options, and has too few volumes for tables; it is excluded, not failed."""


class BrokenImageError(ImageError, RunError):
    """The content of an image is damaged."""


class RegionsError(NiimaskerError):
    """The regions or their names are not usable."""


class ConfoundsError(NiimaskerError):
    """A confounds table cannot be read or does not match its run."""


class CensoringError(ConfoundsError):
    """A file of censored volumes cannot be read or does not match its run."""


class SignalsError(NiimaskerError):
    """The signals cannot be cleaned with the given options."""


class TimingError(SignalsError, RunError):
    """The times of a run's volumes do not allow the given options."""


class TooFewVolumesError(SignalsError, RunError):
    """Too few volumes or degrees of freedom of a run are left."""


class OutputError(NiimaskerError):
    """An output cannot be written."""


class OutputLostError(OutputError):
    """No further output can be written: the disk is full or read-only, or the output directory is gone."""


class NiimaskerWarning(UserWarning):
    """Something a user should know about results that are written nevertheless."""


# A context variable, because the hooks of `warnings` are shared by all threads of the process.
_recorded: ContextVar[list[str] | None] = ContextVar("recorded", default=None)


def warn(message: str) -> None:
    """Warn the user, or record the message within `record_warnings`."""
    recorded = _recorded.get()
    if recorded is None:
        warnings.warn(message, NiimaskerWarning, stacklevel=2)
    else:
        recorded.append(message)


@contextlib.contextmanager
def record_warnings() -> Iterator[list[str]]:
    """Collect warnings into a list; after an error, also into the list of the enclosing `record_warnings`."""
    recorded: list[str] = []
    outer = _recorded.get()
    token = _recorded.set(recorded)
    is_complete = False
    try:
        yield recorded
        is_complete = True
    finally:
        _recorded.reset(token)
        if not is_complete and outer is not None:
            outer.extend(recorded)


def find_nearest(word: str, names: Iterable[str]) -> str | None:
    """Return the name that a mistyped word is nearest to, ignoring case; None if no name is similar."""
    spellings = {name.lower(): name for name in names}
    close = difflib.get_close_matches(word.lower(), spellings, n=1)
    return spellings[close[0]] if close else None


def count(n: int, noun: str) -> str:
    """Return a number with its noun, such as "1 run" or "2 runs"."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def shorten_text(text: str) -> str:
    """Return a text for a message; the middle of a long text is left out."""
    half = _MAX_CHARACTERS // 2
    return text if len(text) <= _MAX_CHARACTERS else f"{text[:half]}...{text[-half:]}"


def list_names(names: Sequence[str]) -> str:
    """Return the names joined by commas; only the first ones are shown if there are many."""
    shown = ", ".join(map(shorten_text, names[:_MAX_LISTED]))
    return shown if len(names) <= _MAX_LISTED else f"{shown}, ... ({len(names)} in all)"
