"""What a worker does: one run, from its image to its tables and report."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import importlib
import logging
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from niimasker.errors import record_warnings
from niimasker.options.settings import Settings
from niimasker.outputs.files import check_output_dir
from niimasker.outputs.naming import report_path
from niimasker.outputs.provenance import SourceRecord
from niimasker.regions.placing.placement import Placement
from niimasker.regions.placing.weights import RegionWeights
from niimasker.running.batch import attempt
from niimasker.running.placements import AnyPlacement
from niimasker.running.region_sources import RegionSources, sources_of, sources_of_run, with_joins
from niimasker.signals.accumulation import MeanVolume
from niimasker.signals.cleaning import clean
from niimasker.signals.connectivity import Connectivity, find_silent, measure_connectivity, warn_of_freedom
from niimasker.signals.coverage import mark_flat, require_coverage, warn_of_coverage
from niimasker.signals.extraction import Reading, Signals, extract_signals
from niimasker.signals.nuisance import Nuisance, prepare_nuisance
from niimasker.study.fingerprints import Fingerprint, fingerprint_study
from niimasker.study.plans import Plan, load_run_confounds
from niimasker.study.preparation import Study

if TYPE_CHECKING:
    from niimasker.outputs.results import Extracted, Result

_log = logging.getLogger(__name__)

# pandas and nilearn take 2 of the 2.5 s of all imports. A first run needs them only after its image has been read,
# which leaves the interpreter idle: they are imported meanwhile.
_NEEDED_LATE = ("niimasker.outputs.results", "nilearn.signal")
_NEEDED_FOR_REPORTS = ("niimasker.reports.run_page",)
_IMPORTING = "niimasker's late imports"
_NEEDED_FOR_CONNECTIVITY = ("nilearn.connectome",)


@dataclass(frozen=True)
class Shared:
    """What all tasks of a study have in common.

    Parameters
    ----------
    keys, sources
        For each atlas what its files are called by, and what its regions come from.
    fingerprint
        Of everything but a run's own files.
    study_warnings
        What holds for every run.
    command
        The words that started it all.
    """

    settings: Settings
    keys: tuple[str, ...]
    sources: tuple[RegionSources, ...]
    fingerprint: Fingerprint
    study_warnings: tuple[str, ...]
    command: tuple[str, ...]


@dataclass(frozen=True)
class Task:
    """What a worker gets: one run, with the fingerprint of what it is made from."""

    plan: Plan
    placement: AnyPlacement
    fingerprint: Fingerprint
    shared: Shared


def extract_run(task: Task) -> Result:
    """Extract one run, write its tables and report, and return what was written.

    Raises
    ------
    NiimaskerError
        The run cannot be extracted; nothing of it is written.
    """
    # A page of an earlier call would tell of other tables than these, or than none.
    with contextlib.suppress(OSError):
        report_path(task.shared.settings.output_dir, task.plan.run.output_stem).unlink()
    with record_warnings() as recorded:
        placement = task.placement.load()
    extracted = _compute(task, placement, recorded)
    from niimasker.outputs.results import write_run

    start = time.perf_counter()
    of_run = sources_of_run(task.plan.run.own_regions, task.shared.sources, task.shared.settings)
    sources = with_joins(of_run, placement.joins)
    result = write_run(
        task.plan,
        placement,
        extracted,
        keys=task.shared.keys,
        sources=sources,
        fingerprint=task.fingerprint,
        settings=task.shared.settings,
    )
    _tell_step(task, "tables written", start)
    return result if task.shared.settings.no_report else _add_report(task, placement, extracted, result, sources)


def _tell_step(task: Task, what: str, start: float) -> None:
    _log.debug("%s: %s in %.3f s", task.plan.run.image_path, what, time.perf_counter() - start)


def _add_report(
    task: Task, placement: Placement, extracted: Extracted, result: Result, sources: Sequence[RegionSources]
) -> Result:
    """Return the result with its report, or with a warning that says why there is none."""
    start = time.perf_counter()
    written = attempt(lambda made_from: _write_report(*made_from), (task, placement, extracted, result, sources))
    if written.value is not None:
        _tell_step(task, "report written", start)
        return dataclasses.replace(result, report_path=written.value)
    _log.debug("%s", written.traceback)
    warning = f"the tables are written, but no report of them: {written.reason}"
    return dataclasses.replace(result, warnings=(*result.warnings, warning))


def _write_report(
    task: Task, placement: Placement, extracted: Extracted, result: Result, sources: Sequence[RegionSources]
) -> Path:
    from niimasker.outputs.results import run_sources
    from niimasker.reports.run_page import write_report
    from niimasker.reports.run_view import make_view

    # It is not made again, without the tables, when it is gone.
    check_output_dir(task.shared.settings.output_dir)
    path = report_path(task.shared.settings.output_dir, task.plan.run.output_stem)
    view = make_view(
        task.plan,
        placement,
        extracted,
        result,
        keys=task.shared.keys,
        sources={**run_sources(task.plan, extracted), **_sources_of_atlases(task.shared.keys, sources)},
        settings=task.shared.settings,
        command=task.shared.command,
    )
    write_report(path, view, task.shared.settings.output_dir)
    return path


def _sources_of_atlases(keys: Sequence[str], sources: Sequence[RegionSources]) -> dict[str, SourceRecord]:
    """Return what the regions of all atlases come from."""
    return {
        f"{what} ({key})" if what != "Mask" and len(keys) > 1 else what: source
        for key, its_sources in zip(keys, sources, strict=True)
        for what, source in its_sources.items()
    }


def _compute(task: Task, placement: Placement, warnings_of_placement: Sequence[str]) -> Extracted:
    _start_imports(_needed_late(task.shared.settings))
    plan = task.plan
    digest = hashlib.sha256()
    mean_volume = None if task.shared.settings.no_report else MeanVolume()
    averages_valid = task.shared.settings.valid_voxels and not task.shared.settings.as_voxels
    reading = Reading(valid_voxels=averages_valid, digest=digest, mean_volume=mean_volume)
    with record_warnings() as recorded:
        start = time.perf_counter()
        confounds = load_run_confounds(plan.run, task.shared.settings, plan.series)
        signals = extract_signals(plan.series, plan.timeline, placement, reading)
        _tell_step(task, "signals extracted", start)
        start = time.perf_counter()
        # Not before the image is read: nilearn is imported meanwhile.
        wait_for_imports()
        nuisance = prepare_nuisance(confounds, plan.timeline, plan.cleaning)
        cleaned = [
            _clean_atlas(task, nuisance, weights, each, _said_of(key, task.shared.keys))
            for key, weights, each in zip(task.shared.keys, placement.weights, signals, strict=True)
        ]
        _tell_step(task, "signals cleaned", start)
        start = time.perf_counter()
        matrices = tuple(
            _connect_atlas(task, nuisance, weights.names, *each, _said_of(key, task.shared.keys))
            for key, weights, each in zip(task.shared.keys, placement.weights, cleaned, strict=True)
        )
        _tell_step(task, "connectivity measured", start)
    from niimasker.outputs.results import Extracted

    warnings = tuple(dict.fromkeys([*task.shared.study_warnings, *plan.warnings, *warnings_of_placement, *recorded]))
    signals, values = zip(*cleaned, strict=True)
    mean = None if mean_volume is None else _scale(mean_volume, plan)
    return Extracted(signals, values, matrices, confounds, nuisance, digest.hexdigest(), warnings, mean)


def _needed_late(settings: Settings) -> tuple[str, ...]:
    for_reports = () if settings.no_report else _NEEDED_FOR_REPORTS
    return (*_NEEDED_LATE, *for_reports, *(_NEEDED_FOR_CONNECTIVITY if settings.connectivity else ()))


def _said_of(key: str, keys: Sequence[str]) -> str:
    """Return what a warning about one atlas begins with."""
    return f"{key}: " if len(keys) > 1 else ""


def _scale(mean_volume: MeanVolume, plan: Plan) -> np.ndarray:
    storage = plan.series.storage
    return np.asarray(storage.slope * mean_volume.mean() + storage.intercept)


def _clean_atlas(
    task: Task, nuisance: Nuisance, weights: RegionWeights, signals: Signals, atlas: str
) -> tuple[Signals, np.ndarray]:
    plan, min_coverage = task.plan, task.shared.settings.min_coverage
    if min_coverage is not None:
        signals = require_coverage(signals, weights, min_coverage)
    values = clean(signals.values, nuisance, plan.timeline, plan.cleaning)
    signals = mark_flat(signals, values, weights, plan.cleaning.standardize)
    warn_of_coverage(weights, signals, atlas, min_coverage)
    return signals, values


def _connect_atlas(
    task: Task, nuisance: Nuisance, names: Sequence[str], signals: Signals, values: np.ndarray, atlas: str
) -> tuple[Connectivity, ...]:
    settings = task.shared.settings
    if not settings.connectivity:
        return ()
    is_standardized = task.plan.cleaning.standardize is not None
    left_out = find_silent(signals, values, names, is_standardized=is_standardized)
    matrices = measure_connectivity(
        values, settings.connectivity, names=names, left_out=left_out, fisher_z=settings.fisher_z
    )
    warn_of_freedom(settings.connectivity, nuisance.degrees_of_freedom, len(names) - len(left_out), atlas)
    return matrices


def _start_imports(names: Sequence[str]) -> None:
    if any(name not in sys.modules for name in names):
        threading.Thread(target=_import_late, args=(names,), name=_IMPORTING).start()


def wait_for_imports() -> None:
    """Return once no thread imports what a first run needs late.

    Before this thread imports anything itself: Ctrl-C in an import that waits for another thread's leaves Python's lock
    on imports taken, and every later import waits for ever.
    """
    for thread in threading.enumerate():
        if thread.name == _IMPORTING:
            thread.join()


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


def share(study: Study, command: Sequence[str]) -> Shared:
    """Return what all tasks of a study have in common."""
    settings = study.settings
    # Of the run's own files each run's fingerprint tells.
    mask_path = settings.mask_img if study.mask else None
    sources = sources_of(settings.roi_file, settings, mask_path) if study.atlases else ()
    fingerprint = fingerprint_study(settings, study.atlases, sources)
    return Shared(settings, study.keys, sources, fingerprint, study.warnings, tuple(command))
