"""Runs that an earlier call has finished, found by the fingerprints and the checksums of files in their sidecars."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from niimasker.inputs.file_states import checksum
from niimasker.options.settings import Settings
from niimasker.outputs.naming import Tables, name_files
from niimasker.outputs.outcomes import SUMMARY_NUMBERS, Outcome, finished_outcome
from niimasker.outputs.page_ends import is_complete_page
from niimasker.outputs.results import Result
from niimasker.outputs.run_sidecars import Sidecar, read_sidecar
from niimasker.outputs.study_names import summary_path
from niimasker.outputs.summaries import read_summary
from niimasker.running.shared import Shared
from niimasker.study.fingerprints import Fingerprint, fingerprint_run, list_changed_parts
from niimasker.study.plans import Plan
from niimasker.study.preparation import Study

_log = logging.getLogger(__name__)


def find_outcomes(study: Study, shared: Shared) -> Iterator[Outcome]:
    """Yield the outcomes of the runs that an earlier call has finished."""
    rows = read_summary(summary_path(study.settings.output_dir)) or []
    seconds = {row["output"]: row.get("seconds") for row in rows}
    for plan in study.plans:
        stem = plan.run.output_stem
        result = find_result(plan, shared, shared.settings_of(plan.run))
        if result is not None:
            yield finished_outcome(plan.run, result, seconds=seconds.get(stem), is_skipped=True)


def find_result(plan: Plan, shared: Shared, settings: Settings) -> Result | None:
    """Return a run's result of an earlier call if it is complete and its inputs have not changed, otherwise None.

    Parameters
    ----------
    settings
        Those of the run's pipeline, or the same with other options that shape no table.
    """
    files = name_files(settings, plan.run.output_stem, shared.keys, plan.series.space)
    sidecars = [read_sidecar(tables.sidecar_path) for tables in files.tables]
    page_path = None if settings.no_report else files.report_path
    reason = next(_find_changes(plan, shared, sidecars, settings.output_dir), None)
    if reason is None and page_path is not None and not is_complete_page(page_path):
        reason = "it has no complete report"
    if reason is not None:
        _log.debug("%s: not skipped, because %s", plan.run.output_stem, reason)
        return None
    return _make_result(files.tables, sidecars[0], page_path, plan.exclusion)


def _find_changes(plan: Plan, shared: Shared, sidecars: Sequence[Sidecar], output_dir: Path) -> Iterator[str]:
    """Yield what has changed since the sidecars of a run were written, what costs least to find out first."""
    if not all(sidecars):
        yield "its JSON file is missing, incomplete or from another version"
        return
    recorded = [sidecar["Fingerprint"] for sidecar in sidecars]
    fingerprint = shared.fingerprints[plan.run.pipeline]
    of_study = [{part: each.get(part) for part in fingerprint} for each in recorded]
    yield from _compare(of_study, fingerprint)
    files = {output_dir / name: record for sidecar in sidecars for name, record in sidecar["Files"].items()}
    changed = (path for path, record in files.items() if not _has_size(path, record))
    yield from (f"{path.name} is missing or changed" for path in changed)
    yield from _compare(recorded, {**fingerprint, **fingerprint_run(plan, shared.settings_of(plan.run))})
    changed = (path for path, record in files.items() if not _has_checksum(path, record))
    yield from (f"{path.name} has changed" for path in changed)


def _compare(recorded: Iterable[Mapping[str, Any]], fingerprint: Fingerprint) -> Iterator[str]:
    for each in recorded:
        if parts := list_changed_parts(each, fingerprint):
            yield f"its {', '.join(parts)} changed"


def _has_size(path: Path, record: Mapping[str, Any]) -> bool:
    try:
        return path.stat().st_size == record.get("Bytes")
    except (OSError, ValueError):  # ValueError: no file can have such a name
        return False


def _has_checksum(path: Path, record: Mapping[str, Any]) -> bool:
    try:
        return checksum(path) == record.get("SHA256")
    except OSError:
        return False


def _make_result(tables: Sequence[Tables], sidecar: Sidecar, page_path: Path | None, exclusion: str | None) -> Result:
    numbers: dict[str, Any] = {name: _number_or_nan(sidecar["Summary"].get(name)) for name in SUMMARY_NUMBERS}
    return Result(
        tuple(tables), tuple(map(str, sidecar["Warnings"])), **numbers, report_path=page_path, exclusion=exclusion
    )


def _number_or_nan(value: Any) -> float:
    return value if isinstance(value, (int, float)) else math.nan
