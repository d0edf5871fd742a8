"""The result of a command."""

from __future__ import annotations

import re
from dataclasses import dataclass

# Progress lines, which a slow machine prints.
_PROGRESS = re.compile(r"niimasker: \d+ of \d+ runs \(")


@dataclass(frozen=True)
class Result:
    """The exit code of a command, and its standard output and error streams."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """The lines of the standard error stream, without progress lines."""
        return [line for line in self.err.splitlines() if not _PROGRESS.match(line)]

    @property
    def failures(self) -> list[str]:
        """The lines that are not warnings."""
        return [line for line in self.lines if not line.startswith("niimasker: warning: ")]
