"""Tasks for processes of their own, which import nothing else for them."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path

from niimasker.errors import RunError, warn


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
