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
from niimasker.outputs.provenance import SourceRecord, make_sidecar, settings_record, software_versions, source_record
from niimasker.outputs.tables import (
    regions_table,
    voxels_table,
    write_json,
    write_records,
    write_regions_used,
    write_signals,
)
from niimasker.regions.weights import OK, RegionWeights
from niimasker.settings import Settings, make_settings
from niimasker.signals.cleaning import clean
from niimasker.signals.extraction import Placement, Signals, extract_signals, make_placement
from niimasker.study import Plan, Study, load_run_confounds, prepare

_log = logging.getLogger(__name__)

DATA_FOLDER = "niimasker_data"


@dataclass(frozen=True)
class Task:
    """What a worker gets; `sources` are what the regions of each atlas come from."""

    plan: Plan
    placement: Placement
    keys: tuple[str, ...]
    sources: tuple[Mapping[str, SourceRecord], ...]
    settings: Settings


@dataclass(frozen=True)
class Extracted:
    """A run's results in memory, signals and cleaned values per atlas."""

    signals: tuple[Signals, ...]
    values: tuple[np.ndarray, ...]
    confounds: Confounds | None
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Tables:
    """The files that a run has written for one atlas; `voxels_path` with --as_voxels alone."""

    atlas: str
    signals_path: Path
    sidecar_path: Path
    regions_path: Path
    voxels_path: Path | None


@dataclass(frozen=True)
class Result:
    """What a run that succeeded has to show, over all atlases."""

    tables: tuple[Tables, ...]
    warnings: tuple[str, ...]
    n_volumes: int
    n_regions: int
    n_regions_empty: int
    median_tsnr: float
    min_coverage: float


@dataclass(frozen=True)
class Outcome:
    """What became of a run: its result, or the reason why there is none."""

    run: Run
    result: Result | None
    reason: str | None
    seconds: float
    traceback: str = ""
    is_mistake: bool = False

    @property
    def status(self) -> str:
        """Either done or failed."""
        return "failed" if self.result is None else "done"

    @property
    def tables(self) -> tuple[Tables, ...]:
        """The files written, an entry per atlas; none when the run failed."""
        return () if self.result is None else self.result.tables


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
        One per image, in order; `outcome.tables[0].signals_path` is the table of the first atlas.

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
    for roi_file, regions in zip(study.settings.roi_file, study.atlases, strict=True):
        write_regions_used(study.settings.output_dir / DATA_FOLDER, roi_file, regions, study.grids)
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
    places = {grid: place for place, grid in enumerate(study.grids)}
    plans = sorted(study.plans, key=lambda plan: places[plan.series.grid])
    attempts = attempt_all(extract_run, _tasks(study, plans), n_jobs=study.settings.n_jobs)
    for plan, attempt in zip(plans, attempts, strict=True):
        yield Outcome(plan.run, attempt.value, attempt.reason, attempt.seconds, attempt.traceback, attempt.is_mistake)


def _tasks(study: Study, plans: Sequence[Plan]) -> Iterator[Task]:
    settings = study.settings
    sources = tuple(_region_sources(roi_file, study) for roi_file in settings.roi_file)
    keys = tuple(regions.key for regions in study.atlases)
    grid, placement = None, None
    for plan in plans:
        if placement is None or plan.series.grid != grid:
            grid = plan.series.grid
            placement = make_placement(
                study.atlases, grid, study.mask, smoothing_fwhm=settings.smoothing_fwhm, engine=settings.engine
            )
        yield Task(plan, placement, keys, sources, settings)


def _region_sources(roi_file: str, study: Study) -> dict[str, SourceRecord]:
    roi_path, mask_path = Path(roi_file).expanduser(), study.settings.mask_img
    regions: SourceRecord = source_record(roi_path) if roi_path.is_file() else {"Query": roi_file}
    if study.mask is None or mask_path is None:
        return {"Regions": regions}
    return {"Regions": regions, "Mask": source_record(mask_path)}


def extract_run(task: Task) -> Result:
    """Extract one run, write its tables and return what was written.

    Raises
    ------
    NiimaskerError
        The run cannot be extracted; nothing of it is written.
    """
    extracted = _compute(task)
    run = task.plan.run
    sources: dict[str, SourceRecord] = {"Image": source_record(run.image_path)}
    if run.confounds_path is not None:
        sources["Confounds"] = source_record(run.confounds_path)
    atlases = range(len(task.keys))
    facts = [regions_table(task.placement.weights[n], extracted.signals[n]) for n in atlases]
    tables = [_write(task, extracted, n, facts[n], sources) for n in atlases]
    return _make_result(tables, pd.concat(facts), extracted)


def _compute(task: Task) -> Extracted:
    plan = task.plan
    with record_warnings() as warnings:
        confounds = load_run_confounds(plan.run, task.settings, plan.series)
        for weights in task.placement.weights:
            _warn_of_empty(weights)
        signals = extract_signals(plan.series, plan.timeline, task.placement)
        values = [clean(each.values, confounds, plan.timeline, plan.cleaning) for each in signals]
    return Extracted(tuple(signals), tuple(values), confounds, tuple(dict.fromkeys([*plan.warnings, *warnings])))


def _warn_of_empty(weights: RegionWeights) -> None:
    missing = "have no column" if weights.voxels else "are n/a"
    for status in sorted({status for _, status in weights.empty}):
        names = [name for name, its_status in weights.empty if its_status == status]
        warn(f"{len(names)} regions {missing} ({status}): {', '.join(names)}.")


def _write(
    task: Task, extracted: Extracted, number: int, facts: pd.DataFrame, sources: Mapping[str, SourceRecord]
) -> Tables:
    """Write the files of one atlas; the sidecar, which vouches for the others, comes last."""
    weights, settings = task.placement.weights[number], task.settings
    tables = _name_tables(task, number)
    write_signals(tables.signals_path, extracted.values[number], weights.names, n_decimals=settings.n_decimals)
    write_records(tables.regions_path, facts)
    if tables.voxels_path is not None:
        write_records(tables.voxels_path, voxels_table(weights))
    sidecar = make_sidecar(
        settings=settings,
        timeline=task.plan.timeline,
        cleaning=task.plan.cleaning,
        weights=weights,
        confounds=extracted.confounds,
        sources={**sources, **task.sources[number]},
        warnings=extracted.warnings,
    )
    write_json(tables.sidecar_path, sidecar)
    return tables


def _name_tables(task: Task, number: int) -> Tables:
    key = task.keys[number]
    atlas = f"_atlas-{key}" if len(task.keys) > 1 else ""
    stem = f"{task.settings.output_dir / task.plan.run.output_stem}{atlas}"
    is_voxels = task.placement.weights[number].voxels is not None
    return Tables(
        key,
        Path(f"{stem}_timeseries.tsv"),
        Path(f"{stem}_timeseries.json"),
        Path(f"{stem}_regions.tsv"),
        Path(f"{stem}_voxels.tsv") if is_voxels else None,
    )


def _make_result(tables: Sequence[Tables], facts: pd.DataFrame, extracted: Extracted) -> Result:
    return Result(
        tuple(tables),
        extracted.warnings,
        n_volumes=len(extracted.values[0]),
        n_regions=len(facts),
        n_regions_empty=int(np.count_nonzero(facts["status"] != OK)),
        median_tsnr=float(facts["tsnr"].median()),
        min_coverage=float(facts["coverage"].fillna(0.0).min()),
    )


def _write_record(study: Study, outcomes: Mapping[Run, Outcome], command: Sequence[str]) -> None:
    folder = study.settings.output_dir / DATA_FOLDER
    rows = [_summary_row(run, outcomes.get(run)) for run in study.runs]
    write_json(
        folder / "parameters.json",
        {
            "command": shlex.join(command),
            "parameters": settings_record(study.settings),
            "meta_data": software_versions(),
            "runs": [{key: row[key] for key in ("image", "confounds", "output", "status", "reason")} for row in rows],
        },
    )
    write_records(folder / "summary.tsv", pd.DataFrame(rows))


def _summary_row(run: Run, outcome: Outcome | None) -> dict[str, Any]:
    result = outcome.result if outcome else None
    return {
        "image": str(run.image_path),
        "confounds": str(run.confounds_path) if run.confounds_path else None,
        "output": run.output_stem,
        "status": outcome.status if outcome else "not started",
        "reason": outcome.reason if outcome else None,
        "seconds": round(outcome.seconds, 3) if outcome else None,
        "n_volumes": result.n_volumes if result else None,
        "n_regions": result.n_regions if result else None,
        "n_regions_empty": result.n_regions_empty if result else None,
        "median_tsnr": result.median_tsnr if result else None,
        "min_coverage": result.min_coverage if result else None,
        "n_warnings": len(result.warnings) if result else None,
    }
