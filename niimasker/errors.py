"""What a user can mend, and the exit codes that tell a shell script about it."""

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

_MOST_LISTED = 6
_MOST_CHARACTERS = 120


class NiimaskerError(Exception):
    """Something a user can mend; its text is one line that says how."""


class SettingsError(NiimaskerError):
    """An option, or an option's value, is not usable."""


class RunsError(NiimaskerError):
    """The image and confounds files do not make up runs."""


class ImageError(NiimaskerError):
    """An image cannot be read or is not what it is taken for."""


class RunError(NiimaskerError):
    """One run cannot be done: it fails, others go on."""


class BrokenImageError(ImageError, RunError):
    """An image's content is damaged."""


class RegionsError(NiimaskerError):
    """The regions, or their names, are not usable."""


class ConfoundsError(NiimaskerError):
    """A confounds table cannot be read or does not fit."""


class CensoringError(ConfoundsError):
    """A file of censored volumes cannot be read or does not fit."""


class SignalsError(NiimaskerError):
    """The signals cannot be cleaned as asked."""


class TooFewVolumesError(SignalsError, RunError):
    """Censoring and cleaning leave nothing of a run."""


class OutputError(NiimaskerError):
    """An output cannot be written."""


class OutputLostError(OutputError):
    """No output can be written any more: the disk is full or read-only, or the output directory is gone."""


class NiimaskerWarning(UserWarning):
    """Something a user should know about a result that is still written."""


# A variable of this context, not the hooks of `warnings`: those belong to all threads of the process.
_recorded: ContextVar[list[str] | None] = ContextVar("recorded", default=None)


def warn(message: str) -> None:
    """Warn the user, or leave it to who records warnings."""
    recorded = _recorded.get()
    if recorded is None:
        warnings.warn(message, NiimaskerWarning, stacklevel=2)
    else:
        recorded.append(message)


@contextlib.contextmanager
def record_warnings() -> Iterator[list[str]]:
    """Collect what would be told to the user into a list; after an error, into the list of who records around."""
    recorded: list[str] = []
    outer = _recorded.get()
    token = _recorded.set(recorded)
    is_done = False
    try:
        yield recorded
        is_done = True
    finally:
        _recorded.reset(token)
        if not is_done and outer is not None:
            outer.extend(recorded)


def find_nearest(word: str, names: Iterable[str]) -> str | None:
    """Return the one of the names that a mistyped word is nearest to, whatever the case; None if none is near."""
    spellings = {name.lower(): name for name in names}
    close = difflib.get_close_matches(word.lower(), spellings, n=1)
    return spellings[close[0]] if close else None


def count(n: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def shorten_text(text: str) -> str:
    """Return a text for a message, its middle left out where it is long."""
    half = _MOST_CHARACTERS // 2
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:half]}...{text[-half:]}"


def list_names(names: Sequence[str]) -> str:
    """Return the names as one text, only the first of them where they are many."""
    shown = ", ".join(map(shorten_text, names[:_MOST_LISTED]))
    return shown if len(names) <= _MOST_LISTED else f"{shown}, ... ({len(names)} in all)"
