"""The composition root: settings to runs, runs to outcomes."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from niimasker.batch import attempt_all
from niimasker.errors import record_warnings, warn
from niimasker.inputs.confounds import Confounds
from niimasker.inputs.runs import Run
from niimasker.outputs.provenance import make_sidecar, settings_record, software_versions, source_record
from niimasker.outputs.tables import (
    regions_table,
    write_json,
    write_records,
    write_regions_used,
    write_signals,
)
from niimasker.regions.weights import OK, RegionWeights, place_regions
from niimasker.settings import Settings, make_settings
from niimasker.signals.cleaning import clean
from niimasker.signals.extraction import Signals, extract_signals
from niimasker.study import Plan, Study, load_run_confounds, prepare, source_paths

_log = logging.getLogger(__name__)

DATA_FOLDER = "niimasker_data"


@dataclass(frozen=True)
class Task:
    """What a worker gets."""

    plan: Plan
    weights: RegionWeights
    settings: Settings
    sources: Mapping[str, Path]


@dataclass(frozen=True)
class Extracted:
    """A run's results in memory."""

    values: np.ndarray
    signals: Signals
    confounds: Confounds | None
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Tables:
    """The tables of a run that succeeded, and its numbers in the summary."""

    signals_path: Path
    sidecar_path: Path
    regions_path: Path
    warnings: tuple[str, ...]
    n_volumes: int
    n_regions: int
    n_regions_empty: int
    median_tsnr: float
    min_coverage: float


@dataclass(frozen=True)
class Outcome:
    """What became of a run: its tables, or the reason why there are none."""

    run: Run
    tables: Tables | None
    reason: str | None
    seconds: float
    traceback: str = ""
    is_mistake: bool = False

    @property
    def status(self) -> str:
        """Either done or failed."""
        return "failed" if self.tables is None else "done"


def extract(output_dir: str | Path, **options: Any) -> list[Outcome]:
    """Extract region signals from images, as the command line does.

    Parameters
    ----------
    output_dir
        Created with its parents.
    **options
        Every option of the command line by its name: `input_files`, `roi_file`, `standardize=True`, ...

    Returns
    -------
    list of Outcome
        One per image, in order; `outcome.tables.signals_path` is the table of a run that succeeded.

    Raises
    ------
    NiimaskerError
        The options or files do not fit; nothing has been extracted.
    """
    return run_study(prepare(make_settings({"output_dir": output_dir, **options})))


def run_study(
    study: Study, *, command: Sequence[str] = (), on_outcome: Callable[[Outcome], None] = lambda outcome: None
) -> list[Outcome]:
    """Extract every run of a study and write the study's own files.

    Parameters
    ----------
    command
        The words that started this, for the record.
    on_outcome
        Called with each outcome as it comes.
    """
    write_regions_used(study.settings.output_dir / DATA_FOLDER, study.settings.roi_file, study.regions, study.grids)
    outcomes: dict[Run, Outcome] = {}
    try:
        for outcome in _outcomes(study):
            outcomes[outcome.run] = outcome
            _log.debug("%s: %s in %.1f s", outcome.run.image_path, outcome.status, outcome.seconds)
            on_outcome(outcome)
    finally:
        # After Ctrl-C too: what is done is listed.
        _write_record(study, outcomes, command)
    return [outcomes[run] for run in study.runs]


def _outcomes(study: Study) -> Iterator[Outcome]:
    for run, reason in study.broken.items():
        yield Outcome(run, None, reason, 0.0)
    # Images on one grid come one after the other: its weights are made once and let go.
    plans = sorted(study.plans, key=lambda plan: study.grids.index(plan.series.grid))
    attempts = attempt_all(extract_run, _tasks(study, plans), n_jobs=study.settings.n_jobs)
    for plan, attempt in zip(plans, attempts, strict=True):
        yield Outcome(plan.run, attempt.value, attempt.reason, attempt.seconds, attempt.traceback, attempt.is_mistake)


def _tasks(study: Study, plans: Sequence[Plan]) -> Iterator[Task]:
    weights: RegionWeights | None = None
    for plan in plans:
        if weights is None or weights.grid != plan.series.grid:
            weights = place_regions(study.regions, plan.series.grid, study.mask)
        yield Task(plan, weights, study.settings, source_paths(study, plan.run))


def extract_run(task: Task) -> Tables:
    """Extract one run, write its tables and return what was written.

    Raises
    ------
    NiimaskerError
        The run cannot be extracted; nothing of it is written.
    """
    return _write(task, _compute(task))


def _compute(task: Task) -> Extracted:
    plan, settings = task.plan, task.settings
    with record_warnings() as warnings:
        confounds = load_run_confounds(plan.run, settings, plan.series)
        _warn_of_empty(task.weights)
        signals = extract_signals(plan.series, plan.timeline, task.weights, smoothing_fwhm=settings.smoothing_fwhm)
        values = clean(signals.values, confounds, plan.timeline, plan.cleaning)
    return Extracted(values, signals, confounds, tuple(dict.fromkeys([*plan.warnings, *warnings])))


def _warn_of_empty(weights: RegionWeights) -> None:
    for status in sorted(set(weights.status) - {OK}):
        names = [name for name, its_status in zip(weights.names, weights.status, strict=True) if its_status == status]
        warn(f"{len(names)} of {len(weights.names)} regions are n/a ({status}): {', '.join(names)}.")


def _write(task: Task, extracted: Extracted) -> Tables:
    weights, settings = task.weights, task.settings
    signals_path, regions_path, sidecar_path = (
        settings.output_dir / f"{task.plan.run.output_stem}_{ending}"
        for ending in ("timeseries.tsv", "regions.tsv", "timeseries.json")
    )
    regions = regions_table(weights, extracted.signals)
    write_signals(signals_path, extracted.values, weights.names, n_decimals=settings.n_decimals)
    write_records(regions_path, regions)
    write_json(sidecar_path, _sidecar(task, extracted))
    return Tables(
        signals_path,
        sidecar_path,
        regions_path,
        extracted.warnings,
        n_volumes=len(extracted.values),
        n_regions=len(weights.names),
        n_regions_empty=int(np.count_nonzero(~weights.filled)),
        median_tsnr=float(regions["tsnr"].median()),
        min_coverage=float(regions["coverage"].fillna(0.0).min()),
    )


def _sidecar(task: Task, extracted: Extracted) -> dict[str, Any]:
    return make_sidecar(
        settings=task.settings,
        timeline=task.plan.timeline,
        cleaning=task.plan.cleaning,
        weights=task.weights,
        confounds=extracted.confounds,
        sources={name: source_record(path) for name, path in task.sources.items()},
        warnings=extracted.warnings,
    )


def _write_record(study: Study, outcomes: Mapping[Run, Outcome], command: Sequence[str]) -> None:
    folder = study.settings.output_dir / DATA_FOLDER
    records = [_run_record(run, outcomes.get(run)) for run in study.runs]
    write_json(
        folder / "parameters.json",
        {
            "command": shlex.join(command),
            "parameters": settings_record(study.settings),
            "meta_data": software_versions(),
            "runs": [
                {key: record[key] for key in ("image", "confounds", "timeseries", "status", "reason")}
                for record in records
            ],
        },
    )
    write_records(folder / "summary.tsv", pd.DataFrame(records))


def _run_record(run: Run, outcome: Outcome | None) -> dict[str, Any]:
    tables = outcome.tables if outcome else None
    return {
        "image": str(run.image_path),
        "confounds": str(run.confounds_path) if run.confounds_path else None,
        "timeseries": str(tables.signals_path) if tables else None,
        "status": outcome.status if outcome else "not started",
        "reason": outcome.reason if outcome else None,
        "seconds": round(outcome.seconds, 3) if outcome else None,
        "n_volumes": tables.n_volumes if tables else None,
        "n_regions": tables.n_regions if tables else None,
        "n_regions_empty": tables.n_regions_empty if tables else None,
        "median_tsnr": tables.median_tsnr if tables else None,
        "min_coverage": tables.min_coverage if tables else None,
        "n_warnings": len(tables.warnings) if tables else None,
    }
