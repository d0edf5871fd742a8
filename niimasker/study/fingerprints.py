"""Fingerprints of the settings and files that a run's tables are made from; --resume compares them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from niimasker.inputs.runs import RegionFiles
from niimasker.options.paths import expand_home
from niimasker.options.settings import OPTIONS, Settings
from niimasker.regions.definitions import Maps, Parcellation, Regions
from niimasker.regions.loading import find_names_paths
from niimasker.study.plans import Plan

Fingerprint = dict[str, str]

_TEDANA_MIXING, _TEDANA_METRICS = "desc-ICA_mixing", "desc-tedana_metrics"


def fingerprint_study(
    settings: Settings,
    keys: Sequence[str],
    atlases: Sequence[Regions],
    sources: Sequence[Mapping[str, Mapping[str, Any]]],
) -> Fingerprint:
    """Return the fingerprint that all runs of a study share: settings, software, regions and names of outputs.

    Parameters
    ----------
    keys
        The names of the atlases in file names.
    sources
        For each atlas, the files of its regions, names and mask, with checksums.
    """
    # Where regions differ between runs, their names are not known yet; the values of --labels count instead.
    names = [] if atlases else [*settings.labels, *map(_name_of, [*settings.roi_file, settings.mask_img or ""])]
    values = {option.name: getattr(settings, option.name) for option in OPTIONS if option.affects_results}
    # All columns of --regressor_files, or none.
    values["regresses"] = settings.requested_regressors is not None
    regions = [
        {
            "content": _hash_regions(atlas, atlas_sources["Regions"]),
            "mask": atlas_sources.get("Mask", {}).get("SHA256"),
            "names": atlas.names,
            "indices": atlas.indices,
        }
        for atlas, atlas_sources in zip(atlases, sources, strict=True)
    ]
    return {
        "settings": _checksum(values),
        "software": ", ".join(f"{package} {version(package)}" for package in ("niimasker", "nilearn")),
        "regions": _checksum([*regions, *names]),
        "outputs": f"{settings.output_layout}: {', '.join(keys)}",
    }


def _name_of(path: str | Path) -> str:
    # The same file may be given by a relative or an absolute path.
    return Path(path).name


def _hash_regions(regions: Regions, source: Mapping[str, Any]) -> str:
    if "SHA256" in source:
        return str(source["SHA256"])
    definition = regions.definition
    # An atlas that nilearn fetched has no file with a checksum.
    content = np.zeros(0)
    if isinstance(definition, (Parcellation, Maps)):
        content = definition.labels if isinstance(definition, Parcellation) else definition.weights
    return hashlib.sha256(content.tobytes()).hexdigest()


def _checksum(content: Any) -> str:
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]


def fingerprint_run(plan: Plan, settings: Settings) -> Fingerprint:
    """Return size and time of each file that a run is made from; a missing optional file is recorded as missing."""
    run = plan.run
    paths = {
        "image": run.image_path,
        "voxels": plan.series.storage.path,
    }
    for number, path in enumerate(run.confounds_paths, start=1):
        role = "confounds" if number == 1 else f"confounds {number}"
        paths |= {role: path, f"{role}' JSON": path.with_suffix(".json")}
        if _TEDANA_MIXING in path.name:
            # This table says which components are rejected.
            paths[f"{role}' metrics"] = path.with_name(path.name.replace(_TEDANA_MIXING, _TEDANA_METRICS))
    if run.motion_path is not None:
        paths["motion"] = run.motion_path
    if run.censor_path is not None:
        paths["censor file"] = run.censor_path
    states = {role: _describe_file(path) for role, path in paths.items()}
    # By name: one that is added above or beside the image counts too.
    sidecars = [f"{path.name}, {_describe_file(path)}" for path in run.sidecar_paths]
    states["image's JSON"] = "; ".join(sidecars) or "missing"
    if run.own_regions is not None:
        # By position and name: the path of the same file may be given as relative or absolute.
        files = _list_region_files(run.own_regions, settings)
        states |= {role: f"{path.name}, {_describe_file(path)}" for role, path in files.items()}
    return states


def _list_region_files(own: RegionFiles, settings: Settings) -> dict[str, Path]:
    names_paths = find_names_paths(own.roi_files, settings.labels)
    paths = {f"regions {number}": expand_home(text) for number, text in enumerate(own.roi_files, start=1)}
    paths |= {f"names of regions {number}": path for number, path in enumerate(names_paths, start=1) if path}
    return paths if own.mask_path is None else {**paths, "mask": own.mask_path}


def _describe_file(path: Path) -> str:
    try:
        status = path.stat()
    except OSError:
        return "missing"
    return f"{status.st_size} bytes of {status.st_mtime_ns}"
