"""Locks on files, kept by the kernel: a process that ends gives them up, whatever ends it.

The library filelock is not used: it empties the file that it locks, and offers neither a shared lock nor a way to ask
whether somebody else holds one. Host names and process ids would not do: containers have process ids of their own.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from niimasker.errors import OutputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

# What a file system without locks answers, such as Lustre mounted without them; EBADF is NFS's answer to an exclusive
# lock on a file that is open for reading only.
_UNSUPPORTED = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EBADF, errno.EINVAL}
_SECONDS_BETWEEN_TRIES = 0.05
_SECONDS_BETWEEN_LOCKS = 0.01
_SECONDS_BEFORE_NOTE = 5.0


def lock(descriptor: int, *, shared: bool = False) -> bool | None:
    """Lock an open file until it is closed, without waiting.

    Returns
    -------
    bool or None
        Whether it is locked now; False if somebody else holds a lock that excludes this one. None where the file system
        has no locks.
    """
    if fcntl is None:
        return None
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # PermissionError: on SMB
        return False
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            return None
        raise
    return True


def wait_for_lock(descriptor: int, *, seconds: float, shared: bool = False) -> bool | None:
    """Lock an open file as `lock` does, but wait for some seconds if somebody else holds a lock on it."""
    end = time.monotonic() + seconds
    while (is_locked := lock(descriptor, shared=shared)) is False and time.monotonic() < end:
        time.sleep(_SECONDS_BETWEEN_LOCKS)
    return is_locked


def is_same_file(descriptor: int, path: Path) -> bool:
    """Return whether a path still leads to an open file; it may have been removed or replaced."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat(follow_symlinks=False))
    except OSError:
        return False


def is_abandoned(path: Path) -> bool | None:
    """Return whether nobody holds a lock on a file; None if that cannot be known."""
    try:
        descriptor = open_for_locking(path)
    except FileNotFoundError:
        return True
    except OSError:
        return None
    try:
        return lock(descriptor)
    finally:
        os.close(descriptor)


def open_for_locking(path: Path) -> int:
    """Return the descriptor of an existing file, for writing if that is permitted; links are not followed."""
    # O_NONBLOCK: a pipe in the file's place would wait for a writer.
    flags = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK if os.name == "posix" else 0
    try:
        return os.open(path, os.O_RDWR | flags)
    except PermissionError:
        return os.open(path, os.O_RDONLY | flags)


@contextlib.contextmanager
def holding(path: Path, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the exclusive lock on a file, which exists as long as somebody needs it; without locks nothing is held.

    Parameters
    ----------
    on_wait
        Called once if somebody else holds the lock for some seconds.

    Raises
    ------
    OutputError
        The file cannot be made or opened.
    """
    start, is_noted = time.monotonic(), False
    while (descriptor := _try_to_hold(path)) is None:
        if not is_noted and time.monotonic() - start > _SECONDS_BEFORE_NOTE:
            is_noted = True
            on_wait()
        time.sleep(_SECONDS_BETWEEN_TRIES)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink()
        os.close(descriptor)


def _try_to_hold(path: Path) -> int | None:
    """Return the descriptor of a file that is locked now; None if somebody else holds it."""
    flags = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK if os.name == "posix" else 0
    try:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | flags, 0o666)
        except PermissionError:
            # It may be the file of another user of the group, who lets others read it.
            descriptor = open_for_locking(path)
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written ({error.strerror or error}); fix that, or give another output_dir."
        ) from error
    # Who held it before has removed the file, and somebody else may hold another of the same name.
    if lock(descriptor) is not False and is_same_file(descriptor, path):
        return descriptor
    os.close(descriptor)
    return None
