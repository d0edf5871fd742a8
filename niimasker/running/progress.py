"""Progress of a study: a bar on a terminal, and occasional lines in a log file."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Protocol, TextIO

from niimasker.inputs.runs import Run
from niimasker.outputs.outcomes import FAILED, Outcome

_SHARE_BETWEEN_LINES = 0.1
_MAX_SECONDS_BETWEEN_LINES = 60.0
# A study that takes less time prints no lines.
_MIN_SECONDS_BETWEEN_LINES = 10.0


class Progress(Protocol):
    """A display of how many runs have ended."""

    def start(self, run: Run) -> None:
        """Note that a run has started; called in any thread."""

    def end(self, outcome: Outcome) -> None:
        """Note that a run has ended."""

    def paused(self) -> contextlib.AbstractContextManager[None]:
        """Hide the display while other lines are printed."""

    def close(self) -> None:
        """Remove the display."""


class NoProgress:
    """Shows nothing."""

    def start(self, run: Run) -> None:
        """Do nothing."""

    def end(self, outcome: Outcome) -> None:
        """Do nothing."""

    def paused(self) -> contextlib.AbstractContextManager[None]:
        """Do nothing."""
        return contextlib.nullcontext()

    def close(self) -> None:
        """Do nothing."""


class ProgressLines(NoProgress):
    """Prints a line after every 10 % of the runs or every minute, whichever comes first, at most one in 10 s.

    Parameters
    ----------
    print_line
        Called with each line.
    clock
        Returns a time in seconds.
    """

    def __init__(
        self, n_runs: int, print_line: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._n_runs = n_runs
        self._print_line = print_line
        self._clock = clock
        self._start = self._last = clock()
        self._last_share = 0.0
        self._n_ended = self._n_failed = self._n_skipped = 0

    def end(self, outcome: Outcome) -> None:
        """Count a run, and print a line when it is due."""
        self._n_ended += 1
        self._n_failed += outcome.status == FAILED
        self._n_skipped += outcome.is_skipped
        now, share = self._clock(), self._n_ended / self._n_runs
        since = now - self._last
        has_advanced = share - self._last_share >= _SHARE_BETWEEN_LINES - 1e-9
        is_due = (has_advanced and since >= _MIN_SECONDS_BETWEEN_LINES) or since >= _MAX_SECONDS_BETWEEN_LINES
        # After the last run the summary is printed instead.
        if share < 1 and is_due:
            self._last, self._last_share = now, share
            self._print_line(self._format_line(now - self._start, outcome.run))

    def _format_line(self, seconds: float, run: Run) -> str:
        n_done = self._n_ended - self._n_skipped
        left = f", about {format_duration(seconds / n_done * (self._n_runs - self._n_ended))} left" if n_done else ""
        share = f"{self._n_ended / self._n_runs:.0%}".replace("%", " %")
        skipped = f", {self._n_skipped} skipped" if self._n_skipped else ""
        return (
            f"{self._n_ended} of {self._n_runs} runs ({share}){skipped}, {self._n_failed} failed{left}; "
            f"last: {run.image_name}"
        )


class ProgressBar:
    """Shows a bar with the number of runs that ended and failed, the time left, and the image started last."""

    def __init__(self, n_runs: int, stream: TextIO) -> None:
        from tqdm import tqdm

        self._bar = tqdm(total=n_runs, file=stream, unit="run", dynamic_ncols=True, leave=False, delay=0.5)
        self._n_failed = 0

    def start(self, run: Run) -> None:
        """Show the name of the image."""
        self._bar.set_postfix_str(f"{self._n_failed} failed, {run.image_name}", refresh=False)

    def end(self, outcome: Outcome) -> None:
        """Advance the bar by one run."""
        self._n_failed += outcome.status == FAILED
        self._bar.update()

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Hide the bar while other lines are printed."""
        with self._bar.external_write_mode(file=self._bar.fp):
            yield

    def close(self) -> None:
        """Remove the bar."""
        self._bar.close()


def make_progress(n_runs: int, stream: TextIO, print_line: Callable[[str], None]) -> Progress:
    """Return a bar if the stream is a terminal, and lines otherwise."""
    return ProgressBar(n_runs, stream) if stream.isatty() else ProgressLines(n_runs, print_line)


def format_duration(seconds: float) -> str:
    """Return a duration in the largest unit of which it has at least two."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
