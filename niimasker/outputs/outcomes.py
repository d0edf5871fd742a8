"""The outcome of a run (done, skipped, excluded, failed or not started), and its row in summary.tsv."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from niimasker.inputs.entities import read_name
from niimasker.inputs.runs import Run
from niimasker.options.settings import Settings
from niimasker.options.thresholds import Thresholds
from niimasker.outputs.analyses import Analysis
from niimasker.outputs.run_sidecars import read_pipeline
from niimasker.study.run_limits import RunQuality, find_exclusion
from niimasker.study.verdicts import judge

if TYPE_CHECKING:
    from niimasker.outputs.naming import Tables
    from niimasker.outputs.results import Result

DONE, SKIPPED, EXCLUDED, FAILED, NOT_STARTED = "done", "skipped", "excluded", "failed", "not started"

# The entities of an image's name that are columns of summary.tsv.
NAMED_ENTITIES = ("sub", "ses", "task", "run")

# The numbers of a run in summary.tsv, by their names in `niimasker.outputs.results.Result`.
SUMMARY_NUMBERS = (
    "n_volumes",
    "n_discarded",
    "n_censored",
    "minutes",
    "degrees_of_freedom",
    "mean_fd",
    "mean_fd_kept",
    "n_regions",
    "n_regions_without_signal",
    "median_tsnr",
    "min_coverage",
)

# The columns of summary.tsv.
_FIRST_COLUMNS = ("image", "confounds", "output", *NAMED_ENTITIES, "pipeline", "status")
_STATUS_COLUMNS = ("verdict", "concerns", "skipped", "reason", "seconds")
COLUMNS = (*_FIRST_COLUMNS, *_STATUS_COLUMNS, *SUMMARY_NUMBERS, "n_warnings", "analysis")

Row = dict[str, Any]

_NO_VERDICT: Row = {"verdict": None, "concerns": None}


@dataclass(frozen=True)
class Outcome:
    """The outcome of a run: its result, or the reason why it failed; neither if it was not started.

    A run that is excluded has a reason, and a result unless it has too few volumes for tables.

    Parameters
    ----------
    run
        The run, with the paths of its files.
    result
        The files and numbers of a run that is done, skipped or excluded, otherwise None.
    reason
        Why the run failed or is excluded, in one line; otherwise None.
    seconds
        Time that the run took; None if not known.
    traceback
        The traceback of the error with which the run failed; empty if there is none.
    is_bug
        Whether the run failed with an unexpected error, which is a bug of niimasker, rather than with an error that the
        user can fix.
    is_skipped
        Whether `resume` skipped the run, so that the result is that of an earlier call.
    is_excluded
        Whether the run is beyond a limit of the options.
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
    is_excluded: bool = False
    is_lost: bool = False
    ends_all: bool = False
    warnings: tuple[str, ...] = ()

    @property
    def status(self) -> str:
        """One of done, skipped, excluded, failed, not started."""
        if self.is_excluded:
            return EXCLUDED
        if self.result is None:
            return NOT_STARTED if self.reason is None else FAILED
        return SKIPPED if self.is_skipped else DONE

    @property
    def tables(self) -> tuple[Tables, ...]:
        """The files written for each atlas; none if the run failed."""
        return () if self.result is None else self.result.tables


def finished_outcome(run: Run, result: Result, *, seconds: float | None = None, is_skipped: bool = False) -> Outcome:
    """Return the outcome of a run that has a result."""
    return Outcome(
        run,
        result,
        result.exclusion,
        seconds,
        is_skipped=is_skipped,
        is_excluded=result.exclusion is not None,
        warnings=result.warnings,
    )


def summary_row(outcome: Outcome, analysis: Analysis) -> Row:
    """Return a run's row of summary.tsv, without the verdict that `judge_row` adds.

    Parameters
    ----------
    analysis
        What the tables of the folder are made with.
    """
    run, result = outcome.run, outcome.result
    numbers = {name: getattr(result, name) if result else None for name in SUMMARY_NUMBERS}
    return {
        **_name_columns(str(run.image_path), ", ".join(map(str, run.confounds_paths)) or None, run.output_stem),
        "pipeline": run.pipeline or None,
        "status": DONE if outcome.status == SKIPPED else outcome.status,
        **_NO_VERDICT,
        "skipped": int(outcome.is_skipped),
        "reason": outcome.reason,
        "seconds": None if outcome.seconds is None else round(outcome.seconds, 3),
        **numbers,
        "n_warnings": None if outcome.status == NOT_STARTED else len(outcome.warnings),
        "analysis": analysis.checksum_of(run.pipeline),
    }


def judge_row(row: Row, thresholds: Thresholds) -> Row:
    """Return a run's row with the verdict in words, and its concerns in numbers if the run has any."""
    if not has_tables(row):
        return {**row, "verdict": row["status"], "concerns": None}
    verdict = judge(row, thresholds)
    words = verdict.words if row["status"] == DONE else row["status"]
    return {**row, "verdict": words, "concerns": verdict.numbers or None}


def has_tables(row: Mapping[str, Any]) -> bool:
    """Return whether a run's row says that its tables were written; an excluded run may have too few volumes."""
    return row["status"] == DONE or (row["status"] == EXCLUDED and row["n_volumes"] is not None)


def row_of_sidecar(sidecar: Mapping[str, Any], analysis: str, settings: Settings) -> Row:
    """Return the row of summary.tsv of a run that is known by its JSON file alone, without its verdict.

    Parameters
    ----------
    settings
        Those of this call, whose limits say whether the run is excluded.
    analysis
        The checksum of what its tables are made with.
    """
    sources = sidecar.get("Sources")
    sources = sources if isinstance(sources, Mapping) else {}
    tables = sources.get("Confounds", [])
    confounds = [_read_path(source) for source in (tables if isinstance(tables, list) else [tables])]
    numbers = {name: _read_number(sidecar["Summary"].get(name)) for name in SUMMARY_NUMBERS}
    exclusion = _find_exclusion(settings, numbers, _read_number(sidecar.get("RepetitionTime")))
    return {
        **_name_columns(_read_path(sources.get("Image")), ", ".join(confounds) or None, sidecar["Output"]),
        "pipeline": read_pipeline(sidecar) or None,
        "status": EXCLUDED if exclusion else DONE,
        **_NO_VERDICT,
        "skipped": 0,
        "reason": exclusion,
        "seconds": None,
        **numbers,
        "n_warnings": len(sidecar["Warnings"]),
        "analysis": analysis,
    }


def _find_exclusion(settings: Settings, numbers: Mapping[str, float | None], t_r: float | None) -> str | None:
    n_kept, n_censored, mean_fd = (numbers[name] for name in ("n_volumes", "n_censored", "mean_fd"))
    if n_kept is None or n_censored is None:
        return None
    quality = RunQuality(int(n_kept), int(n_censored), t_r, math.nan if mean_fd is None else mean_fd)
    return find_exclusion(settings, quality)


def _name_columns(image: str, confounds: str | None, output: str) -> Row:
    entities = read_name(Path(image).name).entities
    return {
        "image": image,
        "confounds": confounds,
        "output": output,
        **{name: entities.get(name) for name in NAMED_ENTITIES},
    }


def _read_path(source: Any) -> str:
    return str(source.get("Path", "")) if isinstance(source, Mapping) else ""


def _read_number(value: Any) -> float | None:
    return value if isinstance(value, (int, float)) else None
