"""Runs that an earlier call has finished, found by the fingerprints and file sizes in their sidecars."""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from niimasker.options.json_files import read_json
from niimasker.options.settings import Settings
from niimasker.outputs.naming import Tables, name_files
from niimasker.outputs.outcomes import SUMMARY_NUMBERS, Outcome
from niimasker.outputs.results import Result
from niimasker.outputs.staging import FileRecord
from niimasker.outputs.study_names import summary_path
from niimasker.outputs.summaries import read_summary
from niimasker.running.task import Shared
from niimasker.study.fingerprints import Fingerprint, fingerprint_run
from niimasker.study.preparation import Study

_log = logging.getLogger(__name__)

# The keys of a sidecar that --resume reads, with their types: somebody may have edited the file.
_KEY_TYPES = {"Fingerprint": dict, "Files": dict, "Summary": dict, "Warnings": list}


def find_outcomes(study: Study, shared: Shared) -> Iterator[Outcome]:
    """Yield the outcomes of the runs that an earlier call has finished."""
    rows = read_summary(summary_path(study.settings.output_dir)) or []
    seconds = {row["output"]: row.get("seconds") for row in rows}
    for plan in study.plans:
        stem = plan.run.output_stem
        result = find_result(
            stem, study.keys, {**shared.fingerprint, **fingerprint_run(plan, study.settings)}, study.settings
        )
        if result is not None:
            yield Outcome(plan.run, result, seconds=seconds.get(stem), is_skipped=True, warnings=result.warnings)


def find_result(output_stem: str, keys: Sequence[str], fingerprint: Fingerprint, settings: Settings) -> Result | None:
    """Return the result of an earlier call if it is complete and its fingerprint has not changed, otherwise None.

    Parameters
    ----------
    keys
        The names of the atlases in the file names.
    """
    files = name_files(settings, output_stem, keys)
    sidecars = [_read_sidecar(tables.sidecar_path) for tables in files.tables]
    page_path = None if settings.no_report else files.report_path
    changes = (_describe_change(sidecar, fingerprint, settings.output_dir) for sidecar in sidecars)
    reason = next(filter(None, changes), None)
    if reason is None and page_path is not None and not page_path.is_file():
        reason = "it has no report"
    if reason is not None:
        _log.debug("%s: not skipped, because %s", output_stem, reason)
        return None
    return _make_result(files.tables, sidecars[0], page_path)


def _read_sidecar(sidecar_path: Path) -> dict[str, Any]:
    try:
        content = read_json(sidecar_path)
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _describe_change(sidecar: Mapping[str, Any], fingerprint: Fingerprint, output_dir: Path) -> str | None:
    """Return what has changed since the sidecar was written; None if nothing has."""
    if any(not isinstance(sidecar.get(name), kind) for name, kind in _KEY_TYPES.items()):
        return "its JSON file is missing, incomplete or from another version"
    recorded = sidecar["Fingerprint"]
    changed = [part for part in {**fingerprint, **recorded} if fingerprint.get(part) != recorded.get(part)]
    if changed:
        return f"its {', '.join(changed)} changed"
    for name, record in sidecar["Files"].items():
        if _describe_content(output_dir / name) != record:
            return f"{name} is missing or changed"
    return None


def _describe_content(path: Path) -> FileRecord | None:
    try:
        content = path.read_bytes()
    except (OSError, ValueError):  # ValueError: no file can have such a name
        return None
    return {"Bytes": len(content), "SHA256": hashlib.sha256(content).hexdigest()}


def _make_result(tables: Sequence[Tables], sidecar: Mapping[str, Any], page_path: Path | None) -> Result:
    numbers: dict[str, Any] = {name: _number_or_nan(sidecar["Summary"].get(name)) for name in SUMMARY_NUMBERS}
    return Result(tuple(tables), tuple(map(str, sidecar["Warnings"])), **numbers, report_path=page_path)


def _number_or_nan(value: Any) -> float:
    return value if isinstance(value, (int, float)) else math.nan
