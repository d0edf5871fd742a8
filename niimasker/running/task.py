"""The extraction of one run, from its image to its tables and report, as a worker does it."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from niimasker.errors import NiimaskerError, RunError, record_warnings
from niimasker.options.settings import Settings
from niimasker.outputs.analyses import Analysis
from niimasker.outputs.calls import publishing
from niimasker.outputs.files import check_output_dir
from niimasker.outputs.naming import report_path
from niimasker.outputs.provenance import Sources, run_sources, shaping_settings
from niimasker.regions.definitions import Origin
from niimasker.regions.placing.placement import Placement
from niimasker.regions.placing.weights import RegionWeights
from niimasker.running.batch import attempt
from niimasker.running.late_imports import start_imports, wait_for_imports
from niimasker.running.placements import AnyPlacement, OwnPlacement
from niimasker.running.region_sources import (
    RegionSources,
    name_sources,
    number_sources,
    read_run_sources,
    read_sources,
    with_joins,
)
from niimasker.signals.accumulation import MeanVolume
from niimasker.signals.cleaning import clean
from niimasker.signals.connectivity import (
    Connectivity,
    find_regions_without_signal,
    measure_connectivity,
    warn_of_few_degrees_of_freedom,
)
from niimasker.signals.coverage import mark_flat, require_coverage, warn_of_coverage
from niimasker.signals.extraction import ReadOptions, Signals, extract_signals
from niimasker.signals.nuisance import Nuisance, prepare_nuisance
from niimasker.study.fingerprints import Fingerprint, fingerprint_run, fingerprint_study
from niimasker.study.plans import Plan, load_run_confounds
from niimasker.study.preparation import Study, list_origins
from niimasker.study.rechecks import check_regions, check_unchanged, find_changed, recheck

if TYPE_CHECKING:
    from niimasker.outputs.results import Extracted, Result

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Shared:
    """What all tasks of a study share.

    Parameters
    ----------
    keys, sources
        For each atlas its name in file names, and the source files of its regions.
    fingerprint
        The fingerprint of everything but the files of single runs.
    origins
        What the atlases and the mask that all runs share say about their space.
    study_warnings
        The warnings that concern every run.
    command
        The words of the command line.
    """

    settings: Settings
    keys: tuple[str, ...]
    sources: tuple[RegionSources, ...]
    fingerprint: Mapping[str, str]
    origins: tuple[Origin, ...]
    study_warnings: tuple[str, ...]
    command: tuple[str, ...]

    @property
    def analysis(self) -> Analysis:
        """What the tables of the output folder are made with."""
        return Analysis(self.fingerprint, shaping_settings(self.settings))


@dataclass(frozen=True)
class Task:
    """What a worker receives for one run: its plan, and the placement of its regions.

    Parameters
    ----------
    record_path
        The record of the call; a run is not written without it.
    """

    plan: Plan
    placement: AnyPlacement
    shared: Shared
    record_path: Path


def extract_run(task: Task) -> Result:
    """Extract one run, write its tables and report, and return what was written.

    Raises
    ------
    NiimaskerError
        The run cannot be extracted, or one of its files changes while it is; none of its files is written.
    """
    task = _recheck(task)
    placement, extracted, read = _read_run(task)
    from niimasker.outputs.results import write_run

    start = time.perf_counter()
    result = write_run(
        task.plan,
        placement,
        extracted,
        keys=task.shared.keys,
        run_sources=read.of_run,
        sources=read.of_regions,
        fingerprint=read.fingerprint,
        settings=task.shared.settings,
        publishing=publishing(task.record_path),
    )
    _log_step(task, "tables written", start)
    return result if task.shared.settings.no_report else _add_report(task, placement, extracted, result, read)


def _recheck(task: Task) -> Task:
    """Return a task whose run is checked again if one of its files has changed since its check."""
    plan, placement = recheck(task.plan, task.shared.settings, task.shared.origins), task.placement
    if isinstance(placement, OwnPlacement):
        placement = dataclasses.replace(placement, series=plan.series)
    return dataclasses.replace(task, plan=plan, placement=placement)


@dataclass(frozen=True)
class _ReadFiles:
    """The files that a run was read from: those of each atlas's regions, the others, and the fingerprint of all."""

    of_run: Sources
    of_regions: tuple[RegionSources, ...]
    fingerprint: Fingerprint


def _read_run(task: Task) -> tuple[Placement, Extracted, _ReadFiles]:
    """Return a run's results, and the files that they were read from, which have not changed meanwhile."""
    settings = task.shared.settings
    try:
        with record_warnings() as recorded:
            placement = task.placement.load()
        extracted = _compute_signals(task, placement, recorded)
        read = _describe_files(task, placement, extracted)
    except (NiimaskerError, OSError) as error:
        # A file that is being written may look damaged.
        if shown := find_changed(task.plan, settings):
            raise RunError(f"{shown}: changed while the run was processed: {error}") from error
        raise
    check_unchanged(task.plan, settings)
    return placement, extracted, read


def _describe_files(task: Task, placement: Placement, extracted: Extracted) -> _ReadFiles:
    settings, image_sha256s = task.shared.settings, extracted.image_sha256s
    of_regions = read_run_sources(task.plan.run.own_regions, task.shared.sources, settings)
    return _ReadFiles(
        run_sources(task.plan, extracted.confounds, image_sha256s),
        with_joins(of_regions, placement.joins),
        {**task.shared.fingerprint, **fingerprint_run(task.plan, settings, image_sha256s)},
    )


def _log_step(task: Task, step: str, start: float) -> None:
    _log.debug("%s: %s in %.3f s", task.plan.run.image_path, step, time.perf_counter() - start)


def _add_report(task: Task, placement: Placement, extracted: Extracted, result: Result, read: _ReadFiles) -> Result:
    """Return the result with the path of its report, or with a warning why the report could not be written."""
    start = time.perf_counter()
    written = attempt(lambda arguments: _write_report(*arguments), (task, placement, extracted, result, read))
    if written.value is not None:
        _log_step(task, "report written", start)
        return dataclasses.replace(result, report_path=written.value)
    _log.debug("%s", written.traceback)
    warning = f"the tables are complete, but the report could not be written: {written.reason}"
    return dataclasses.replace(result, warnings=(*result.warnings, warning))


def _write_report(task: Task, placement: Placement, extracted: Extracted, result: Result, read: _ReadFiles) -> Path:
    from niimasker.reports.run_page import write_report
    from niimasker.reports.run_view import make_view

    # If the output directory has been removed, it is not created again for a report without its tables.
    check_output_dir(task.shared.settings.output_dir)
    path = report_path(task.shared.settings.output_dir, task.plan.run.output_stem)
    view = make_view(
        task.plan,
        placement,
        extracted,
        result,
        keys=task.shared.keys,
        sources={**number_sources(read.of_run), **name_sources(task.shared.keys, read.of_regions)},
        settings=task.shared.settings,
        command=task.shared.command,
    )
    # A process that a killed call has left behind must not replace the page of a later call.
    with publishing(task.record_path):
        write_report(path, view, task.shared.settings.output_dir)
    return path


def _compute_signals(task: Task, placement: Placement, placement_warnings: Sequence[str]) -> Extracted:
    """Return the signals of a run, cleaned, with their connectivity."""
    start_imports(task.shared.settings, task.plan.cleaning)
    plan = task.plan
    digests = tuple(hashlib.sha256() for _ in plan.series.storage.paths)
    mean_volume = None if task.shared.settings.no_report else MeanVolume()
    averages_valid = task.shared.settings.valid_voxels and not task.shared.settings.as_voxels
    reading = ReadOptions(valid_voxels=averages_valid, digests=digests, mean_volume=mean_volume)
    with record_warnings() as recorded:
        start = time.perf_counter()
        confounds = load_run_confounds(plan.run, task.shared.settings, plan.series, plan.timeline)
        signals = extract_signals(plan.series, plan.timeline, placement, reading)
        _log_step(task, "signals extracted", start)
        start = time.perf_counter()
        # nilearn is imported while the image is read.
        wait_for_imports()
        nuisance = prepare_nuisance(confounds, plan.timeline, plan.cleaning)
        cleaned = [
            _clean_atlas(task, nuisance, weights, raw, _warning_prefix(key, task.shared.keys))
            for key, weights, raw in zip(task.shared.keys, placement.weights, signals, strict=True)
        ]
        _log_step(task, "signals cleaned", start)
        start = time.perf_counter()
        matrices = tuple(
            _connect_atlas(task, nuisance, weights.names, *signals_and_values, _warning_prefix(key, task.shared.keys))
            for key, weights, signals_and_values in zip(task.shared.keys, placement.weights, cleaned, strict=True)
        )
        _log_step(task, "connectivity measured", start)
    from niimasker.outputs.results import Extracted

    warnings = tuple(dict.fromkeys([*task.shared.study_warnings, *plan.warnings, *placement_warnings, *recorded]))
    signals, values = zip(*cleaned, strict=True)
    mean = None if mean_volume is None else plan.series.storage.scale(mean_volume.mean())
    checksums = tuple(digest.hexdigest() for digest in digests)
    return Extracted(signals, values, matrices, confounds, nuisance, checksums, warnings, mean)


def _warning_prefix(key: str, keys: Sequence[str]) -> str:
    """Return the start of a warning about one atlas: its name, if there are several atlases."""
    return f"{key}: " if len(keys) > 1 else ""


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
    left_out = find_regions_without_signal(signals, values, names, is_standardized=is_standardized)
    matrices = measure_connectivity(
        values, settings.connectivity, names=names, left_out=left_out, fisher_z=settings.fisher_z
    )
    warn_of_few_degrees_of_freedom(
        settings.connectivity, nuisance.degrees_of_freedom, len(names) - len(left_out), atlas
    )
    return matrices


def share(study: Study, command: Sequence[str]) -> Shared:
    """Return what all tasks of a study share."""
    settings = study.settings
    # A mask of the run's own is part of that run's fingerprint.
    mask_path = settings.mask_img if study.mask else None
    sources = read_sources(settings.roi_file, settings, mask_path) if study.atlases else ()
    fingerprint = fingerprint_study(settings, study.keys, study.atlases, sources)
    check_regions(study)
    origins = tuple(list_origins(study.atlases, study.mask, settings))
    return Shared(settings, study.keys, sources, fingerprint, origins, study.warnings, tuple(command))
