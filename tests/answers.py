"""What a command answers."""

from __future__ import annotations

import re
from dataclasses import dataclass

# A slow machine has such lines.
_PROGRESS = re.compile(r"niimasker: \d+ of \d+ runs \(")


@dataclass(frozen=True)
class Result:
    """What a command returned and wrote to the terminal."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """Of the standard error stream, without those of progress."""
        return [line for line in self.err.splitlines() if not _PROGRESS.match(line)]

    @property
    def failures(self) -> list[str]:
        """The lines, warnings apart."""
        return [line for line in self.lines if not line.startswith("niimasker: warning: ")]
