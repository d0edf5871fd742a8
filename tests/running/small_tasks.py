"""Tasks for processes of their own, which import nothing else for them."""

from __future__ import annotations

import errno
import hashlib
import io
import logging
import os
import pickle
import signal
import threading
from pathlib import Path

import numpy as np

from niimasker.errors import RunError, warn
from niimasker.running.handover import OnDisk


def square(number: int) -> int:
    return number * number


def raise_for_3(number: int) -> int:
    if number == 3:
        raise RunError("three is no good")
    return number


def end_itself(by: int) -> int:
    if by < 0:
        os.kill(os.getpid(), -by)
    elif by:
        os._exit(by)
    return by


def fail_once(path: Path) -> str:
    """Fail, as where the limit of open files is reached, unless that has happened before."""
    if path.exists():
        return "done"
    path.touch()
    raise OSError(errno.EMFILE, "Too many open files")


def kill_itself_once(path: Path) -> str:
    """Be killed, as the system does when memory runs out, unless that has happened before."""
    if path.exists():
        return "done"
    path.touch()
    return str(end_itself(-signal.SIGKILL))


def warn_and_fail(text: str) -> None:
    warn(text)
    raise RunError("failed")


def wait_for(path: Path) -> str:
    """Say that the task is under way, and wait for ever."""
    path.write_text(str(os.getpid()))
    threading.Event().wait()
    return "never"


def read_environment(names: tuple[str, ...]) -> tuple[str | None, ...]:
    return tuple(os.environ.get(name) for name in names)


def log(text: str) -> None:
    logging.getLogger("niimasker.test").debug("%s", text)


def print_noise(text: str) -> str:
    print(text)  # noqa: T201
    os.write(1, text.encode())
    return text


def describe(value: object) -> tuple[str, int]:
    """Return a checksum of every array, text and number in a value, which may be stored in a file, and their number."""
    digester = Digester(io.BytesIO(), 5)
    digester.dump(value.load() if isinstance(value, OnDisk) else value)
    return digester.digest.hexdigest(), digester.n_parts


class Digester(pickle.Pickler):
    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self.digest, self.n_parts = hashlib.sha256(), 0

    def persistent_id(self, part: object) -> None:
        if isinstance(part, np.ndarray):
            self._add(f"{part.dtype} {part.shape}".encode() + np.ascontiguousarray(part).tobytes())
        elif isinstance(part, (str, bytes, int, float)):
            self._add(repr(part).encode())

    def _add(self, content: bytes) -> None:
        self.n_parts += 1
        self.digest.update(content)

    def reducer_override(self, part: object) -> object:
        return (str, ()) if isinstance(part, np.ndarray) else NotImplemented
