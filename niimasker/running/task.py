"""The extraction of an image's runs, one for each pipeline, to tables and reports, as a worker does it."""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from niimasker.errors import NiimaskerError, RunError, RunExcludedError, TooFewVolumesError, record_warnings
from niimasker.inputs.runs import Run
from niimasker.inputs.shared_readings import share_readings
from niimasker.inputs.spaces import Grid
from niimasker.inputs.tissues import find_tissues
from niimasker.outputs.calls import publishing
from niimasker.outputs.files import check_output_dir
from niimasker.outputs.naming import report_path
from niimasker.outputs.provenance import Sources, run_sources
from niimasker.regions.placing.placement import Placement
from niimasker.running.batch import Attempt, attempt, attempt_part
from niimasker.running.cleaned_runs import clean_run
from niimasker.running.late_imports import start_imports, wait_for_imports
from niimasker.running.placements import AnyPlacement, OwnPlacement
from niimasker.running.region_sources import (
    RegionSources,
    name_sources,
    number_sources,
    read_run_sources,
    with_joins,
)
from niimasker.running.shared import Shared
from niimasker.signals.point_samples import Sampling
from niimasker.signals.reading import RawSignals, ReadOptions, read_signals
from niimasker.study.fingerprints import Fingerprint, fingerprint_run
from niimasker.study.plans import Plan, describe_exclusion
from niimasker.study.rechecks import check_unchanged, find_changed, recheck

if TYPE_CHECKING:
    from niimasker.outputs.results import Extracted, Result

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Task:
    """What a worker receives for one image: the plans of its runs, and the placement of their regions.

    Parameters
    ----------
    plans
        One for each pipeline.
    record_path
        The record of the call; a run is not written without it.
    """

    plans: tuple[Plan, ...]
    placement: AnyPlacement
    shared: Shared
    record_path: Path

    @property
    def runs(self) -> tuple[Run, ...]:
        """The run of each pipeline."""
        return tuple(plan.run for plan in self.plans)


@dataclass(frozen=True)
class _Image:
    """What all pipelines of an image share once it is read: its placed regions, checksums and warnings."""

    placement: Placement
    of_regions: tuple[RegionSources, ...]
    sha256s: tuple[str, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class _ReadFiles:
    """The files that a run was read from: those of each atlas's regions, the others, and the fingerprint of all."""

    of_run: Sources
    of_regions: tuple[RegionSources, ...]
    fingerprint: Fingerprint


def extract_runs(task: Task) -> tuple[Attempt[Result], ...]:
    """Extract the runs of an image, write their tables and reports, and return what was written for each plan.

    Raises
    ------
    NiimaskerError
        The image cannot be read, or changes while it is read; nothing is written.
    """
    checked = [attempt_part(lambda plan: _recheck(plan, task.shared), plan) for plan in task.plans]
    plans = [each.value for each in checked if each.value is not None]
    if not plans:
        return tuple(_without_value(each) for each in checked)
    start = time.perf_counter()
    with share_readings():
        image, signals = _read_image(dataclasses.replace(task, plans=tuple(plans)))
        share = (time.perf_counter() - start) / len(plans)
        raw = dict(zip((plan.run for plan in plans), signals, strict=True))
        attempts: list[Attempt[Result]] = []
        for each in checked:
            if each.value is None:
                attempts.append(_without_value(each))
                continue
            done = attempt_part(lambda plan: _extract_run(task, image, plan, raw[plan.run]), each.value)
            attempts.append(dataclasses.replace(done, seconds=done.seconds + share))
    return tuple(attempts)


def _recheck(plan: Plan, shared: Shared) -> Plan:
    return recheck(plan, shared.settings_of(plan.run), shared.origins)


def _without_value(failed: Attempt[Plan]) -> Attempt[Result]:
    return dataclasses.replace(cast("Attempt[Result]", failed), value=None)


def _read_image(task: Task) -> tuple[_Image, list[RawSignals]]:
    """Return what the pipelines of an image share, and the raw signals of each; the image has not changed meanwhile."""
    first, settings = task.plans[0], task.shared.settings
    try:
        with record_warnings() as recorded:
            placement = _place(task).load()
            start_imports([(task.shared.settings_of(plan.run), plan.cleaning) for plan in task.plans])
            digests = tuple(hashlib.sha256() for _ in first.series.storage.paths)
            sampling = None if settings.no_report else _make_sampling(first)
            options = ReadOptions(
                settings.averages_valid, digests, wants_mean=not settings.no_report, sampling=sampling
            )
            start = time.perf_counter()
            raw = read_signals(first.series, [plan.timeline for plan in task.plans], placement, options)
            _log_step(first, "signals extracted", start)
        of_regions = read_run_sources(first.run.own_regions, task.shared.sources, settings)
        sha256s = tuple(digest.hexdigest() for digest in digests)
        return _Image(placement, with_joins(of_regions, placement.joins), sha256s, tuple(recorded)), raw
    except (NiimaskerError, OSError) as error:
        _raise_if_changed(first, task.shared, error)
        raise


def _make_sampling(plan: Plan) -> Sampling:
    space = plan.series.space
    return Sampling(space, find_tissues(plan.run.image_path, space) if isinstance(space, Grid) else None)


def _place(task: Task) -> AnyPlacement:
    """Return the placement of an image that may have been checked again since it was made."""
    if isinstance(task.placement, OwnPlacement):
        return dataclasses.replace(task.placement, series=task.plans[0].series)
    return task.placement


def _raise_if_changed(plan: Plan, shared: Shared, error: Exception) -> None:
    # A file that is being written may look damaged.
    if shown := find_changed(plan, shared.settings_of(plan.run)):
        raise RunError(f"{shown}: changed while the run was processed: {error}") from error


def _extract_run(task: Task, image: _Image, plan: Plan, raw: RawSignals) -> Result:
    """Clean the signals of a run, write its tables and report, and return what was written."""
    shared, settings = task.shared, task.shared.settings_of(plan.run)
    try:
        # nilearn is imported while the image is read.
        wait_for_imports()
        extracted = clean_run(plan, image.placement, raw, shared, image.warnings, image.sha256s)
        read = _ReadFiles(
            run_sources(plan, extracted.confounds, image.sha256s),
            image.of_regions,
            {**shared.fingerprints[plan.run.pipeline], **fingerprint_run(plan, settings, image.sha256s)},
        )
    except (NiimaskerError, OSError) as error:
        _raise_if_changed(plan, shared, error)
        if plan.exclusion is not None and isinstance(error, TooFewVolumesError):
            raise RunExcludedError(describe_exclusion(plan.exclusion, error)) from error
        raise
    check_unchanged(plan, settings)
    from niimasker.outputs.results import write_run

    start = time.perf_counter()
    result = write_run(
        plan,
        image.placement,
        extracted,
        keys=shared.keys,
        run_sources=read.of_run,
        sources=read.of_regions,
        fingerprint=read.fingerprint,
        settings=settings,
        publishing=publishing(task.record_path),
    )
    _log_step(plan, "tables written", start)
    return result if settings.no_report else _add_report(task, image, plan, extracted, result, read)


def _log_step(plan: Plan, step: str, start: float) -> None:
    _log.debug("%s: %s in %.3f s", plan.run.image_path, step, time.perf_counter() - start)


def _add_report(
    task: Task, image: _Image, plan: Plan, extracted: Extracted, result: Result, read: _ReadFiles
) -> Result:
    """Return the result with the path of its report, or with a warning why the report could not be written."""
    start = time.perf_counter()
    arguments = (task, image, plan, extracted, result, read)
    written = attempt(lambda arguments: _write_report(*arguments), arguments)
    if written.value is not None:
        _log_step(plan, "report written", start)
        return dataclasses.replace(result, report_path=written.value)
    _log.debug("%s", written.traceback)
    warning = f"the tables are complete, but the report could not be written: {written.reason}"
    return dataclasses.replace(result, warnings=(*result.warnings, warning))


def _write_report(
    task: Task, image: _Image, plan: Plan, extracted: Extracted, result: Result, read: _ReadFiles
) -> Path:
    from niimasker.reports.run_page import write_report
    from niimasker.reports.run_view import make_view

    shared, settings = task.shared, task.shared.settings_of(plan.run)
    # If the output directory has been removed, it is not created again for a report without its tables.
    check_output_dir(settings.output_dir)
    path = report_path(settings.output_dir, plan.run.output_stem)
    view = make_view(
        plan,
        image.placement,
        extracted,
        result,
        keys=shared.keys,
        sources={**number_sources(read.of_run), **name_sources(shared.keys, read.of_regions)},
        settings=settings,
        command=shared.command,
    )
    # A process that a killed call has left behind must not replace the page of a later call.
    with publishing(task.record_path):
        write_report(path, view, settings.output_dir)
    return path
