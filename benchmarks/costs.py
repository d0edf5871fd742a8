"""The time and peak memory of commands."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass

# pip compiles packages when it installs them. From a checkout, niimasker would otherwise be compiled by every command,
# where the environment forbids Python to keep what it has compiled, and the other packages would not.
_ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


@dataclass(frozen=True)
class Cost:
    """The duration of a command in seconds, its peak memory in MB, and its processor time in seconds."""

    seconds: float
    megabytes: float
    processor_seconds: float = 0.0


def run(command: Sequence[str]) -> Cost:
    """Return the cost of a command; its memory is that of its largest process."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=_ENVIRONMENT)
    assert process.stderr is not None
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status:
        raise SystemExit(f"{' '.join(command)} failed:\n{errors.decode()}")
    return Cost(seconds, usage.ru_maxrss / 1024, usage.ru_utime + usage.ru_stime)


def mark_excess(value: float, limit: float) -> str:
    """Return a value as text, with its limit if it exceeds it."""
    return f"{value:.2f}" if value <= limit else f"{value:.2f} (over {limit:.2f})"
