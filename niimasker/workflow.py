"""The composition root: settings to runs, runs to outcomes."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import importlib
import logging
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from niimasker.batch import attempt, attempt_all
from niimasker.errors import record_warnings, warn
from niimasker.inputs.runs import Run
from niimasker.kinds import to_path
from niimasker.outputs.files import report_path, write_regions_used
from niimasker.outputs.provenance import SourceRecord, source_record
from niimasker.regions.weights import RegionWeights
from niimasker.settings import Settings, make_settings
from niimasker.signals.accumulation import MeanVolume
from niimasker.signals.cleaning import clean
from niimasker.signals.coverage import mark_flat, require_coverage, warn_of_coverage
from niimasker.signals.extraction import Placement, Reading, Signals, extract_signals, make_placement
from niimasker.signals.nuisance import Nuisance, prepare_nuisance
from niimasker.study import Plan, Study, load_run_confounds, prepare

if TYPE_CHECKING:
    from niimasker.outputs.results import Extracted, Result, Tables

_log = logging.getLogger(__name__)

DATA_FOLDER = "niimasker_data"

# pandas and nilearn take 2 of the 2.5 s of all imports. A first run needs them only after its image has been read,
# which leaves the interpreter idle: they are imported meanwhile.
_NEEDED_LATE = ("niimasker.outputs.results", "nilearn.signal")
_NEEDED_FOR_REPORTS = ("niimasker.outputs.report",)


@dataclass(frozen=True)
class Task:
    """What a worker gets: `sources` of each atlas's regions, and `command`, the words that started it all."""

    plan: Plan
    placement: Placement
    keys: tuple[str, ...]
    sources: tuple[Mapping[str, SourceRecord], ...]
    settings: Settings
    study_warnings: tuple[str, ...]
    command: tuple[str, ...]


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
    outcomes = run_study(prepare(make_settings({"output_dir": output_dir, **options})))
    for text in dict.fromkeys(text for outcome in outcomes if outcome.result for text in outcome.result.warnings):
        warn(text)
    return outcomes


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
    folder = study.settings.output_dir / DATA_FOLDER
    for roi_file, regions in zip(study.settings.roi_file, study.atlases, strict=True):
        spheres_name = "spheres_img" if len(study.atlases) == 1 else f"spheres_img_{regions.key}"
        write_regions_used(folder, roi_file, regions, study.grids, spheres_name=spheres_name)
    outcomes: dict[Run, Outcome] = {}
    try:
        for outcome in _outcomes(study, command):
            outcomes[outcome.run] = outcome
            _log.debug("%s: %s in %.1f s", outcome.run.image_path, outcome.status, outcome.seconds)
            on_outcome(outcome)
    finally:
        from niimasker.outputs.results import write_study

        # After Ctrl-C too: what is done is listed.
        rows = [_summary_row(run, outcomes.get(run)) for run in study.runs]
        write_study(folder, study.settings, rows, command)
        if not study.settings.no_report:
            _write_index(study, rows, outcomes)
    return [outcomes[run] for run in study.runs]


def _write_index(study: Study, rows: Sequence[Mapping[str, Any]], outcomes: Mapping[Run, Outcome]) -> None:
    from niimasker.outputs.index_page import write_index

    results = [outcomes[run].result if run in outcomes else None for run in study.runs]
    paths = [result.report_path if result else None for result in results]
    written = attempt(lambda output_dir: write_index(output_dir, rows, paths), study.settings.output_dir)
    if written.reason:
        _log.debug("%s", written.traceback)
        # What failed is a view of tables that are written.
        warn(f"reports/index.html is not written: {written.reason}")


def _outcomes(study: Study, command: Sequence[str]) -> Iterator[Outcome]:
    for run, reason in study.broken.items():
        yield Outcome(run, None, reason, 0.0)
    # Images on one grid come one after the other: its weights are made once and let go.
    places = {grid: place for place, grid in enumerate(study.grids)}
    plans = sorted(study.plans, key=lambda plan: places[plan.series.grid])
    attempts = attempt_all(extract_run, _tasks(study, plans, command), n_jobs=study.settings.n_jobs)
    for plan, tried in zip(plans, attempts, strict=True):
        told = _name_image(plan.run, tried.reason)
        yield Outcome(plan.run, tried.value, told, tried.seconds, tried.traceback, tried.is_mistake)


def _name_image(run: Run, reason: str | None) -> str | None:
    image = str(run.image_path)
    return reason if reason is None or image in reason else f"{image}: {reason}"


def _tasks(study: Study, plans: Sequence[Plan], command: Sequence[str]) -> Iterator[Task]:
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
        yield Task(plan, placement, keys, sources, settings, study.warnings, tuple(command))


def _region_sources(roi_file: str, study: Study) -> dict[str, SourceRecord]:
    roi_path, mask_path = to_path(roi_file), study.settings.mask_img
    regions: SourceRecord = source_record(roi_path) if roi_path.is_file() else {"Query": roi_file}
    if study.mask is None or mask_path is None:
        return {"Regions": regions}
    return {"Regions": regions, "Mask": source_record(mask_path)}


def extract_run(task: Task) -> Result:
    """Extract one run, write its tables and report, and return what was written.

    Raises
    ------
    NiimaskerError
        The run cannot be extracted; nothing of it is written.
    """
    # A page of an earlier call would tell of other tables than these, or than none.
    with contextlib.suppress(OSError):
        report_path(task.settings.output_dir, task.plan.run.output_stem).unlink()
    extracted = _compute(task)
    from niimasker.outputs.results import write_run

    result = write_run(
        task.plan,
        task.placement,
        extracted,
        keys=task.keys,
        sources=task.sources,
        settings=task.settings,
    )
    return result if task.settings.no_report else _add_report(task, extracted, result)


def _add_report(task: Task, extracted: Extracted, result: Result) -> Result:
    """Return the result with its report, or with a warning that says why there is none."""
    written = attempt(lambda made_from: _write_report(*made_from), (task, extracted, result))
    if written.value is not None:
        return dataclasses.replace(result, report_path=written.value)
    _log.debug("%s", written.traceback)
    warning = f"the tables are written, but no report of them: {written.reason}"
    return dataclasses.replace(result, warnings=(*result.warnings, warning))


def _write_report(task: Task, extracted: Extracted, result: Result) -> Path:
    from niimasker.outputs.report import write_report
    from niimasker.outputs.results import run_sources
    from niimasker.outputs.views import make_view

    path = report_path(task.settings.output_dir, task.plan.run.output_stem)
    view = make_view(
        task.plan,
        task.placement,
        extracted,
        result,
        keys=task.keys,
        sources={**run_sources(task.plan, extracted), **_sources_of_atlases(task)},
        settings=task.settings,
        command=task.command,
    )
    write_report(path, view, task.settings.output_dir)
    return path


def _sources_of_atlases(task: Task) -> dict[str, SourceRecord]:
    """Return what the regions of all atlases come from."""
    return {
        f"{what} ({key})" if what == "Regions" and len(task.keys) > 1 else what: source
        for key, sources in zip(task.keys, task.sources, strict=True)
        for what, source in sources.items()
    }


def _compute(task: Task) -> Extracted:
    _start_imports(_NEEDED_LATE if task.settings.no_report else _NEEDED_LATE + _NEEDED_FOR_REPORTS)
    plan = task.plan
    digest = hashlib.sha256()
    mean_volume = None if task.settings.no_report else MeanVolume()
    averages_valid = task.settings.valid_voxels and not task.settings.as_voxels
    reading = Reading(valid_voxels=averages_valid, digest=digest, mean_volume=mean_volume)
    with record_warnings() as recorded:
        confounds = load_run_confounds(plan.run, task.settings, plan.series)
        signals = extract_signals(plan.series, plan.timeline, task.placement, reading)
        # Not before the image is read: nilearn is imported meanwhile.
        nuisance = prepare_nuisance(confounds, plan.timeline, plan.cleaning)
        cleaned = [
            _clean_atlas(task, nuisance, weights, each, f"{key}: " if len(task.keys) > 1 else "")
            for key, weights, each in zip(task.keys, task.placement.weights, signals, strict=True)
        ]
    from niimasker.outputs.results import Extracted

    warnings = tuple(dict.fromkeys([*task.study_warnings, *plan.warnings, *recorded]))
    signals, values = zip(*cleaned, strict=True)
    mean = None if mean_volume is None else _scale(mean_volume, plan)
    return Extracted(signals, values, confounds, nuisance, digest.hexdigest(), warnings, mean)


def _scale(mean_volume: MeanVolume, plan: Plan) -> np.ndarray:
    voxels = plan.series.voxels
    return np.asarray(voxels.slope * mean_volume.on(plan.series.grid) + voxels.intercept)


def _clean_atlas(
    task: Task, nuisance: Nuisance, weights: RegionWeights, signals: Signals, atlas: str
) -> tuple[Signals, np.ndarray]:
    plan, min_coverage = task.plan, task.settings.min_coverage
    if min_coverage is not None:
        signals = require_coverage(signals, weights, min_coverage)
    values = clean(signals.values, nuisance, plan.timeline, plan.cleaning)
    signals = mark_flat(signals, values, weights, plan.cleaning.standardize)
    warn_of_coverage(weights, signals, atlas, min_coverage)
    return signals, values


def _start_imports(names: Sequence[str]) -> None:
    if any(name not in sys.modules for name in names):
        threading.Thread(target=_import_late, args=(names,)).start()


def _import_late(names: Sequence[str]) -> None:
    # The threads that read and compute need the interpreter often and shortly: at its 5 ms they wait 0.6 s in all.
    interval = sys.getswitchinterval()
    sys.setswitchinterval(interval / 10)
    try:
        # After Ctrl-C an import cannot finish; of any other failure the import that needs the module tells.
        with contextlib.suppress(ImportError, RuntimeError):
            for name in names:
                importlib.import_module(name)
    finally:
        sys.setswitchinterval(interval)


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
        "n_discarded": result.n_discarded if result else None,
        "n_censored": result.n_censored if result else None,
        "degrees_of_freedom": result.degrees_of_freedom if result else None,
        "mean_fd": result.mean_fd if result else None,
        "n_regions": result.n_regions if result else None,
        "n_regions_without_signal": result.n_regions_without_signal if result else None,
        "median_tsnr": result.median_tsnr if result else None,
        "min_coverage": result.min_coverage if result else None,
        "n_warnings": len(result.warnings) if result else None,
    }
