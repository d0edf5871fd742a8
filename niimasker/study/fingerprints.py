"""What a run's tables are made from, in a few words that differ as soon as the tables might."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from niimasker.inputs.images import image_stem
from niimasker.inputs.runs import RegionFiles
from niimasker.options.paths import expand_home
from niimasker.options.settings import OPTIONS, Settings
from niimasker.regions.definitions import Maps, Parcellation, Regions
from niimasker.regions.loading import find_names_paths
from niimasker.study.plans import Plan

Fingerprint = dict[str, str]

_TEDANA_MIXING, _TEDANA_METRICS = "desc-ICA_mixing", "desc-tedana_metrics"


def fingerprint_study(
    settings: Settings, atlases: Sequence[Regions], sources: Sequence[Mapping[str, Mapping[str, Any]]]
) -> Fingerprint:
    """Return what all runs of a study have in common.

    Parameters
    ----------
    sources
        For each atlas what its regions come from, with checksums.
    """
    # Where regions differ from run to run, their names are not known here; the words for them are.
    names = [] if atlases else settings.labels
    shaping = {option.name: getattr(settings, option.name) for option in OPTIONS if option.affects_results}
    regions = [
        {
            "content": _content_of(each, its_sources["Regions"]),
            "mask": its_sources.get("Mask", {}).get("SHA256"),
            "names": each.names,
            "indices": each.indices,
        }
        for each, its_sources in zip(atlases, sources, strict=True)
    ]
    return {
        "settings": _checksum(shaping),
        "software": ", ".join(f"{package} {version(package)}" for package in ("niimasker", "nilearn")),
        "regions": _checksum([*regions, *names]),
    }


def _content_of(regions: Regions, source: Mapping[str, Any]) -> str:
    if "SHA256" in source:
        return str(source["SHA256"])
    definition = regions.definition
    # An atlas that was fetched has no file of its own.
    values = np.zeros(0)
    if isinstance(definition, (Parcellation, Maps)):
        values = definition.labels if isinstance(definition, Parcellation) else definition.weights
    return hashlib.sha256(values.tobytes()).hexdigest()


def _checksum(content: Any) -> str:
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]


def fingerprint_run(plan: Plan, settings: Settings) -> Fingerprint:
    """Return the state of the files that one run is made from; missing ones that would be read count too."""
    run = plan.run
    paths = {
        "image": run.image_path,
        "voxels": plan.series.storage.path,
        "image's JSON": run.image_path.with_name(f"{image_stem(run.image_path)}.json"),
    }
    if run.confounds_path is not None:
        paths |= {"confounds": run.confounds_path, "confounds' JSON": run.confounds_path.with_suffix(".json")}
        if _TEDANA_MIXING in run.confounds_path.name:
            # It says which components of the table are rejected.
            metrics = run.confounds_path.name.replace(_TEDANA_MIXING, _TEDANA_METRICS)
            paths["confounds' metrics"] = run.confounds_path.with_name(metrics)
    if run.censor_path is not None:
        paths["censor file"] = run.censor_path
    states = {what: _state_of(path) for what, path in paths.items()}
    if run.own_regions is not None:
        # By place and name: the same file may be called by a relative path or an absolute one.
        files = _files_of(run.own_regions, settings)
        states |= {what: f"{path.name}, {_state_of(path)}" for what, path in files.items()}
    return states


def _files_of(own: RegionFiles, settings: Settings) -> dict[str, Path]:
    names_paths = find_names_paths(own.roi_files, settings.labels)
    paths = {f"regions {place}": expand_home(text) for place, text in enumerate(own.roi_files, start=1)}
    paths |= {f"names of regions {place}": path for place, path in enumerate(names_paths, start=1) if path}
    return paths if own.mask_path is None else {**paths, "mask": own.mask_path}


def _state_of(path: Path) -> str:
    try:
        found = path.stat()
    except OSError:
        return "missing"
    return f"{found.st_size} bytes of {found.st_mtime_ns}"
