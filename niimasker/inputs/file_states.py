"""States of files, which tell whether a file has changed, and checksums of their content."""

from __future__ import annotations

import dataclasses
import hashlib
import stat
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

# Two changes within one tick of the file system's clock give a file the same times. Linux's clock of files ticks every
# 1 to 10 ms, and FAT's every 2 s; file systems that store no fractions of a second have only whole seconds.
_GRAIN_NS, _COARSE_GRAIN_NS = 20_000_000, 2_000_000_000
_SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class FileState:
    """Size and times of a file: the file is the same as long as its state is, if the state was settled.

    Parameters
    ----------
    changed_ns
        When the file was last changed, moved or linked, which no program can set; on Windows when it was created.
    is_settled
        Whether every later change gives the file another state. A change that follows the last one too closely does
        not.
    """

    n_bytes: int
    modified_ns: int
    changed_ns: int
    inode: int
    is_settled: bool = field(compare=False)

    @property
    def grain_ns(self) -> int:
        """The longest time in which the clock of the file's disk may stand still."""
        is_coarse = self.modified_ns % _SECOND_NS == 0 == self.changed_ns % _SECOND_NS
        return _COARSE_GRAIN_NS if is_coarse else _GRAIN_NS

    def nanoseconds_to_settle(self, now_ns: int) -> int:
        """Return how long the state must last, counted from now, before it is settled; 0 or less if it is."""
        # At most a grain, also where the disk's clock is ahead of this machine's.
        return min(self.grain_ns, max(self.modified_ns, self.changed_ns) + self.grain_ns - now_ns)


def read_state(path: Path) -> FileState | None:
    """Return the state of a file; None if there is no file."""
    now_ns = time.time_ns()  # before the state is read, so that a change in between leaves it unsettled
    try:
        found = path.stat()
    except (OSError, ValueError):  # ValueError: no file can have such a name
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    state = FileState(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, is_settled=False)
    return dataclasses.replace(state, is_settled=True) if state.nanoseconds_to_settle(now_ns) <= 0 else state


States = Mapping[str, FileState | None]


def read_states(paths: Mapping[str, Path]) -> States:
    """Return the state of each file, by its role."""
    return {role: read_state(path) for role, path in paths.items()}


def read_settled_states(paths: Mapping[str, Path]) -> States:
    """Return the state of each file, by its role, after waiting until they are settled.

    This takes 20 ms at most, 2 s on a file system without fractions of a second, and nothing for files that were
    written earlier. A file that changes meanwhile is not settled.
    """
    before, now_ns = read_states(paths), time.time_ns()
    waits = [state.nanoseconds_to_settle(now_ns) for state in before.values() if state and not state.is_settled]
    if not waits:
        return before
    time.sleep(max(0, *waits) / _SECOND_NS)
    after = read_states(paths)
    lasted = {role: state for role, state in after.items() if state is not None and state == before[role]}
    return {**after, **{role: dataclasses.replace(state, is_settled=True) for role, state in lasted.items()}}


def list_changed(before: States, after: States) -> list[str]:
    """Return the roles of the files that changed, or may have changed because their state before was not settled."""
    return [role for role in {**after, **before} if not _is_same(role, before, after)]


def _is_same(role: str, before: States, after: States) -> bool:
    if role not in before or role not in after or before[role] != after[role]:
        return False
    state = before[role]
    return state is None or state.is_settled


def checksum(path: Path) -> str:
    """Return the SHA-256 checksum of a file's content; a file that has not changed is not read again.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    state = read_state(path)
    # An image's JSON file or an atlas may be a source of many runs, and each source is needed twice.
    return _remembered_checksum(path, state) if state is not None and state.is_settled else _read_checksum(path)


@lru_cache(maxsize=256)
def _remembered_checksum(path: Path, state: FileState) -> str:
    return _read_checksum(path)


def _read_checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
