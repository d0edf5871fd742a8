"""How far a study is: a bar on a terminal, a line now and then in a file."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Protocol, TextIO

from niimasker.inputs.runs import Run
from niimasker.outputs.outcomes import FAILED, SKIPPED, Outcome

_SECONDS_BETWEEN_LINES = 60.0
# A study that takes less has no need of lines.
_LEAST_SECONDS_BETWEEN_LINES = 10.0
_SHARE_BETWEEN_LINES = 0.1


class Progress(Protocol):
    """What is told of a study under way."""

    def start(self, run: Run) -> None:
        """Take notice of a run that begins; called in any thread."""

    def end(self, outcome: Outcome) -> None:
        """Take notice of a run that has ended."""

    def aside(self) -> contextlib.AbstractContextManager[None]:
        """Make room for other lines."""

    def close(self) -> None:
        """Tell no more."""


class Silence:
    """Tells nothing."""

    def start(self, run: Run) -> None:
        """Take no notice."""

    def end(self, outcome: Outcome) -> None:
        """Take no notice."""

    def aside(self) -> contextlib.AbstractContextManager[None]:
        """Change nothing."""
        return contextlib.nullcontext()

    def close(self) -> None:
        """Change nothing."""


class Lines(Silence):
    """Tells a line every 10 % of the runs or every minute, whichever comes first, but not every moment.

    Parameters
    ----------
    tell
        Takes a line.
    clock
        Seconds.
    """

    def __init__(self, n_runs: int, tell: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._n_runs = n_runs
        self._tell = tell
        self._clock = clock
        self._start = self._last = clock()
        self._last_share = 0.0
        self._n_ended = self._n_failed = self._n_skipped = 0

    def end(self, outcome: Outcome) -> None:
        """Count a run, and tell when it is time."""
        self._n_ended += 1
        self._n_failed += outcome.status == FAILED
        self._n_skipped += outcome.status == SKIPPED
        now, share = self._clock(), self._n_ended / self._n_runs
        since = now - self._last
        is_far = share - self._last_share >= _SHARE_BETWEEN_LINES - 1e-9 and since >= _LEAST_SECONDS_BETWEEN_LINES
        # Of the end the summary tells.
        if share < 1 and (is_far or since >= _SECONDS_BETWEEN_LINES):
            self._last, self._last_share = now, share
            self._tell(self._line(now - self._start, outcome.run))

    def _line(self, seconds: float, run: Run) -> str:
        n_done = self._n_ended - self._n_skipped
        left = f", about {in_words(seconds / n_done * (self._n_runs - self._n_ended))} left" if n_done else ""
        share = f"{self._n_ended / self._n_runs:.0%}".replace("%", " %")
        skipped = f", {self._n_skipped} skipped" if self._n_skipped else ""
        return (
            f"{self._n_ended} of {self._n_runs} runs ({share}){skipped}, {self._n_failed} failed{left}; "
            f"last {run.image_path.name}"
        )


class Bar:
    """A bar that shows the runs done and failed, the time left and the file that was begun last."""

    def __init__(self, n_runs: int, stream: TextIO) -> None:
        from tqdm import tqdm

        self._bar = tqdm(total=n_runs, file=stream, unit="run", dynamic_ncols=True, leave=False, delay=0.5)
        self._n_failed = 0

    def start(self, run: Run) -> None:
        """Show a file's name."""
        self._bar.set_postfix_str(f"{self._n_failed} failed, {run.image_path.name}", refresh=False)

    def end(self, outcome: Outcome) -> None:
        """Move on."""
        self._n_failed += outcome.status == FAILED
        self._bar.update()

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """Take the bar away while other lines are written."""
        with self._bar.external_write_mode(file=self._bar.fp):
            yield

    def close(self) -> None:
        """Take the bar away."""
        self._bar.close()


def make_progress(n_runs: int, stream: TextIO, tell: Callable[[str], None]) -> Progress:
    """Return a bar for a terminal, lines for anything else."""
    return Bar(n_runs, stream) if stream.isatty() else Lines(n_runs, tell)


def in_words(seconds: float) -> str:
    """Return a duration in its largest unit that fits."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
