"""Limits of the system on processes, threads and open files."""

from __future__ import annotations

import errno
import os

from niimasker.errors import TooLittleMemoryError

_LIMITS = {
    errno.EMFILE: "the limit of open files (ulimit -n)",
    errno.ENFILE: "the system's limit of open files",
    errno.EAGAIN: "the limit of processes and threads (ulimit -u)",
    errno.ENOMEM: "the limit of memory",
}
_NO_THREAD = "can't start new thread"
# What this process opens beside the pipes of a worker process: its own files, and pipes while a process starts.
_N_OWN_FILES = 16
_N_PIPES = 2


def find_limit(error: BaseException | None) -> str | None:
    """Return the limit that an error or one of its causes comes from; None for any other error."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _LIMITS:
            return _LIMITS[error.errno]
        if isinstance(error, RuntimeError) and str(error) == _NO_THREAD:
            return _LIMITS[errno.EAGAIN]
        error = error.__cause__
    return None


def may_succeed_alone(error: BaseException) -> bool:
    """Return whether an error may come from what other processes take."""
    return isinstance(error, (MemoryError, TooLittleMemoryError)) or find_limit(error) is not None


def count_affordable(n_processes: int) -> int:
    """Return a number of processes, or fewer where the limit of open files does not hold the pipes of that many."""
    try:
        import resource  # not on Windows

        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        n_open = len(os.listdir("/dev/fd"))  # noqa: PTH208
    except (ImportError, OSError):
        return n_processes
    if limit == resource.RLIM_INFINITY:
        return n_processes
    return max(0, min(n_processes, (limit - n_open - _N_OWN_FILES) // _N_PIPES))
