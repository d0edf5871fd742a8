"""The JSON files of runs, read back: which files they vouch for, and what these were made with."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from niimasker.outputs.analyses import SHARED_PARTS, Analysis, PipelineAnalysis
from niimasker.outputs.files import find_files, is_inside

Sidecar = Mapping[str, Any]

# The keys that niimasker's programs read back, with their types: somebody may have edited the file.
_KEY_TYPES = {"Output": str, "Fingerprint": dict, "Files": dict, "Summary": dict, "Warnings": list, "Settings": dict}


def read_sidecar(path: Path) -> Sidecar:
    """Return the content of a run's JSON file; empty if it is not one that this version of niimasker has written."""
    try:
        if not path.is_file():  # opening a pipe without a writer would block
            return {}
        # Not bounded as other JSON files are: it has an entry per region.
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(content, dict):
        return {}
    is_complete = all(isinstance(content.get(key), kind) for key, kind in _KEY_TYPES.items())
    if not is_complete or not is_inside(content["Output"]):
        return {}
    # Versions before listed sizes alone.
    return content if all(isinstance(each, dict) for each in content["Files"].values()) else {}


def read_analysis(sidecar: Sidecar) -> Analysis | None:
    """Return the analysis that a run belongs to; None if its JSON file does not say."""
    if not sidecar:
        return None
    parts = {part: str(sidecar["Fingerprint"].get(part)) for part in SHARED_PARTS}
    name, fingerprint = read_pipeline(sidecar), str(sidecar["Fingerprint"].get("pipeline"))
    pipelines = {name: PipelineAnalysis(fingerprint, sidecar["Settings"])} if name else {}
    return Analysis(parts, sidecar["Settings"], pipelines)


def read_pipeline(sidecar: Sidecar) -> str:
    """Return the name of the pipeline that a run belongs to; an empty text for none."""
    name = sidecar.get("Pipeline")
    return name if isinstance(name, str) else ""


def listed_files(sidecar: Sidecar, output_dir: Path) -> list[Path]:
    """Return the files that a run's JSON file vouches for."""
    return find_files(sidecar.get("Files", ()), output_dir)


def list_files(sidecar_paths: Iterable[Path], output_dir: Path) -> list[Path]:
    """Return the files that several JSON files vouch for, each once."""
    return list(dict.fromkeys(path for each in sidecar_paths for path in listed_files(read_sidecar(each), output_dir)))
