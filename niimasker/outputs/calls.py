"""Records of the calls that are at work in an output folder: their analysis, their runs, and the files they may write.

A call keeps a lock on its record as long as its process lives, and so does each process that gives a run's files their
final names. A record without a lock is of a call that was killed. Who removes it keeps a process that the call has left
behind, such as a worker of a cluster, from writing any further file.
"""

from __future__ import annotations

import contextlib
import os
import platform
import re
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from niimasker.errors import OutputLostError
from niimasker.options.json_files import parse_json
from niimasker.outputs.analyses import Analysis, PipelineAnalysis
from niimasker.outputs.files import is_inside, write_json
from niimasker.outputs.locks import is_abandoned, lock, open_for_locking, wait_for_lock

# Files take their final names in milliseconds; a file system that does not answer must not hold up the end.
_SECONDS_TO_PUBLISH = 10.0
_RECORD_NAME = re.compile(r"\.call-[0-9a-f]{32}\.json")


@dataclass(frozen=True)
class Call:
    """A call that is at work in an output folder, or was when it was killed.

    Parameters
    ----------
    record_path
        Its record.
    keys
        The names of its atlases in file names.
    runs
        The output names of the runs that it may write.
    files
        The files of the study that it may write, relative to the output folder.
    words
        Which process it is, for messages.
    is_abandoned
        Whether its process has ended; None if the file system does not say.
    """

    record_path: Path
    analysis: Analysis
    keys: tuple[str, ...]
    runs: frozenset[str]
    files: tuple[str, ...]
    words: str
    is_abandoned: bool | None


def find_calls(folder: Path) -> list[Call]:
    """Return the calls whose records lie in a folder."""
    try:
        names = sorted(name for name in os.listdir(folder) if _RECORD_NAME.fullmatch(name))  # noqa: PTH208
    except OSError:
        return []
    found = (_read_call(folder / name) for name in names)
    return [call for call in found if call is not None]


def _read_call(path: Path) -> Call | None:
    abandoned = is_abandoned(path)
    try:
        content: Any = parse_json(path.read_text("utf-8"))
        pipelines = {
            str(name): PipelineAnalysis(str(each["Fingerprint"]), dict(each["Settings"]))
            for name, each in dict(content["Pipelines"]).items()
        }
        analysis = Analysis(dict(content["Analysis"]), dict(content["Settings"]), pipelines)
        keys, runs, files = (tuple(map(str, content[key])) for key in ("Atlases", "Runs", "Files"))
        return Call(path, analysis, keys, frozenset(filter(is_inside, runs)), files, content["Process"], abandoned)
    except FileNotFoundError:
        return None  # the call has ended in the meantime
    except (OSError, ValueError, KeyError, TypeError):
        # Cut by a power cut, or no record of this version.
        return Call(path, Analysis({}, {}), (), frozenset(), (), "an unknown process", abandoned)


@dataclass(frozen=True)
class Record:
    """The record of this call, which keeps a lock on it."""

    path: Path
    descriptor: int

    def retire(self) -> None:
        """Remove the record, and wait until no process of this call is giving files their final names any more."""
        with contextlib.suppress(OSError):
            self.path.unlink()
        wait_for_lock(self.descriptor, seconds=_SECONDS_TO_PUBLISH)


@contextlib.contextmanager
def recorded(
    folder: Path, analysis: Analysis, *, keys: Sequence[str], runs: Sequence[str], files: Sequence[str]
) -> Iterator[Record]:
    """Record this call in a folder until it ends."""
    path = folder / f".call-{uuid.uuid4().hex}.json"
    words = f"process {os.getpid()} on {platform.node()}, started {datetime.now().astimezone():%Y-%m-%d %H:%M:%S}"
    write_json(
        path,
        {
            "Process": words,
            "Analysis": dict(analysis.parts),
            "Settings": dict(analysis.settings),
            "Pipelines": {
                name: {"Fingerprint": each.fingerprint, "Settings": dict(each.settings)}
                for name, each in analysis.pipelines.items()
            },
            "Atlases": list(keys),
            "Files": list(files),
            "Runs": list(runs),
        },
    )
    descriptor = open_for_locking(path)
    try:
        # Whoever asks just now whether the call is abandoned has it locked.
        wait_for_lock(descriptor, seconds=_SECONDS_TO_PUBLISH, shared=True)
        yield Record(path, descriptor)
    finally:
        with contextlib.suppress(OSError):
            path.unlink()
        os.close(descriptor)
        # Windows removes no open file.
        with contextlib.suppress(OSError):
            path.unlink()


@contextlib.contextmanager
def publishing(record_path: Path) -> Iterator[None]:
    """Allow a process of a call to give files their final names.

    Raises
    ------
    OutputLostError
        The call has ended, or another one has taken its place.
    """
    try:
        descriptor = open_for_locking(record_path)
    except OSError as error:
        raise OutputLostError(
            f"{record_path.parent.parent}: another call of niimasker has taken over this folder, or {record_path.name} "
            "was removed; nothing more is written by this one."
        ) from error
    try:
        # While it is locked, nobody else can take the call for abandoned.
        if lock(descriptor, shared=True) is False or not record_path.exists():
            raise OutputLostError(
                f"{record_path.parent.parent}: another call of niimasker has taken over this folder; "
                "nothing more is written by this one."
            )
        yield
    finally:
        os.close(descriptor)


def take_over(call: Call) -> bool:
    """Remove the record of a call that has ended; return False if it turns out to be at work still."""
    try:
        descriptor = open_for_locking(call.record_path)
    except FileNotFoundError:
        return True
    try:
        if lock(descriptor) is False:
            return False
        # Locked until it is gone: a process that the call left behind finds no record, or none that it can lock.
        call.record_path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)
    return True
