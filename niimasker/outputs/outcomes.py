"""The outcome of a run (done, skipped, failed or not started), and its row in summary.tsv."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from niimasker.inputs.runs import Run

if TYPE_CHECKING:
    from niimasker.outputs.naming import Tables
    from niimasker.outputs.results import Result

DONE, SKIPPED, FAILED, NOT_STARTED = "done", "skipped", "failed", "not started"


@dataclass(frozen=True)
class Outcome:
    """The outcome of a run: its result, or the reason why it failed; neither if it was not started.

    Parameters
    ----------
    run
        The run, with the paths of its files.
    result
        The files and numbers of a run that is done or skipped, otherwise None.
    reason
        Why the run failed, in one line; otherwise None.
    seconds
        Time that the run took; None if not known.
    traceback
        The traceback of the error with which the run failed; empty if there is none.
    is_bug
        Whether the run failed with an unexpected error, which is a bug of niimasker, rather than with an error that the
        user can fix.
    is_skipped
        Whether `resume` skipped the run, so that the result is that of an earlier call.
    is_lost
        Whether the process or the cluster's worker that processed the run died or was stopped, so that some of the
        run's files may be missing.
    ends_all
        Whether every other run would fail for the same reason, such as a full disk; no further run is started then.
    warnings
        All warnings about the run, whether it failed or not.
    """

    run: Run
    result: Result | None = None
    reason: str | None = None
    seconds: float | None = None
    traceback: str = ""
    is_bug: bool = False
    is_skipped: bool = False
    is_lost: bool = False
    ends_all: bool = False
    warnings: tuple[str, ...] = ()

    @property
    def status(self) -> str:
        """One of done, skipped, failed, not started."""
        if self.result is None:
            return NOT_STARTED if self.reason is None else FAILED
        return SKIPPED if self.is_skipped else DONE

    @property
    def tables(self) -> tuple[Tables, ...]:
        """The files written for each atlas; none if the run failed."""
        return () if self.result is None else self.result.tables


def summary_row(outcome: Outcome) -> dict[str, Any]:
    """Return a run's row of summary.tsv."""
    run, result = outcome.run, outcome.result
    return {
        "image": str(run.image_path),
        "confounds": ", ".join(map(str, run.confounds_paths)) or None,
        "output": run.output_stem,
        "status": outcome.status,
        "reason": outcome.reason,
        "seconds": None if outcome.seconds is None else round(outcome.seconds, 3),
        "n_volumes": result.n_volumes if result else None,
        "n_discarded": result.n_discarded if result else None,
        "n_censored": result.n_censored if result else None,
        "degrees_of_freedom": result.degrees_of_freedom if result else None,
        "mean_fd": result.mean_fd if result else None,
        "n_regions": result.n_regions if result else None,
        "n_regions_without_signal": result.n_regions_without_signal if result else None,
        "median_tsnr": result.median_tsnr if result else None,
        "min_coverage": result.min_coverage if result else None,
        "n_warnings": None if outcome.status == NOT_STARTED else len(outcome.warnings),
    }
