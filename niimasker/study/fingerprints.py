"""Fingerprints of the settings and files that a run's tables are made from; --resume compares them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from niimasker.inputs.file_states import checksum, read_state
from niimasker.inputs.hemispheres import read_hemisphere
from niimasker.options.hemisphere_names import names_surface
from niimasker.options.settings import OPTIONS, Option, Settings
from niimasker.regions.definitions import Maps, Parcellation, Regions
from niimasker.regions.roi_files import name_without_hemisphere
from niimasker.study.plans import Plan
from niimasker.study.run_inputs import IMAGE, IMAGE_JSON, list_run_files

ImageRecord = dict[str, str | int | None]
Fingerprint = Mapping[str, str | ImageRecord]

# The record of a source file, or those of the files of both hemispheres.
_Source = Mapping[str, Any] | Sequence[Mapping[str, Any]]


def fingerprint_study(
    settings: Settings,
    keys: Sequence[str],
    atlases: Sequence[Regions],
    sources: Sequence[Mapping[str, _Source]],
) -> dict[str, str]:
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
    # What pipelines may differ in is part of theirs.
    values = _list_values(settings, [each for each in OPTIONS if not (settings.pipelines and each.varies)])
    regions = [
        {
            "content": _hash_regions(atlas, atlas_sources["Regions"]),
            "mask": _hash_files(atlas_sources["Mask"]) if "Mask" in atlas_sources else None,
            "names": atlas.names,
            "indices": atlas.indices,
        }
        for atlas, atlas_sources in zip(atlases, sources, strict=True)
    ]
    return {
        "settings": _checksum(values),
        "software": ", ".join(f"{package} {version(package)}" for package in ("niimasker", "nilearn")),
        "regions": ": ".join(filter(None, (_checksum([*regions, *names]), _name_surfaces(sources)))),
        "outputs": f"{settings.output_layout}: {', '.join(keys)}",
    }


def fingerprint_pipeline(name: str, settings: Settings) -> dict[str, str]:
    """Return what a pipeline adds to the fingerprint of its study; nothing without a name.

    Parameters
    ----------
    settings
        Those of the pipeline.
    """
    values = _list_values(settings, [option for option in OPTIONS if option.varies])
    return {"pipeline": f"{name}: {_checksum(values)}"} if name else {}


def _list_values(settings: Settings, options: Sequence[Option]) -> dict[str, Any]:
    values = {option.name: getattr(settings, option.name) for option in options if option.affects_results}
    if any(option.name == "regressors" for option in options):
        # All columns of --regressor_files, or none.
        values["regresses"] = settings.requested_regressors is not None
    return values


def _name_of(path: str | Path) -> str:
    # The same file may be given by a relative or an absolute path, and two hemispheres by two names or one.
    return name_without_hemisphere(str(path))


def _hash_regions(regions: Regions, source: _Source) -> str:
    if "Query" not in source:
        return _hash_files(source)
    definition = regions.definition
    # An atlas that nilearn fetched has no file with a checksum.
    content = np.zeros(0)
    if isinstance(definition, (Parcellation, Maps)):
        content = definition.labels if isinstance(definition, Parcellation) else definition.weights
    return hashlib.sha256(content.tobytes()).hexdigest()


def _name_surfaces(sources: Sequence[Mapping[str, _Source]]) -> str:
    """Return the names of the files of surfaces, of which that of a hemisphere may be missing in another analysis."""
    records = [record for of_atlas in sources for part in ("Regions", "Mask") for record in _list_files(of_atlas, part)]
    names = [Path(record["Path"]).name for record in records]
    return ", ".join(dict.fromkeys(filter(names_surface, names)))


def _list_files(sources: Mapping[str, _Source], part: str) -> Sequence[Mapping[str, Any]]:
    """Return the records of a part's files; none of an atlas that nilearn provides."""
    source = sources.get(part, ())
    records = [source] if isinstance(source, Mapping) else source
    return [record for record in records if "Path" in record]


def _hash_files(source: _Source) -> str:
    return ", ".join(map(_hash_file, [source] if isinstance(source, Mapping) else source))


def _hash_file(record: Mapping[str, Any]) -> str:
    """Return the checksum of a source file, with its hemisphere and the map that is chosen in it."""
    # An annotation does not say of which hemisphere it is; its name does.
    name = Path(record["Path"]).name
    hemisphere = read_hemisphere(name) if names_surface(name) else None
    side = "" if hemisphere is None else hemisphere.side
    return " ".join(filter(None, (record["SHA256"], side, record.get("Map"))))


def _checksum(content: Any) -> str:
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]


def fingerprint_run(plan: Plan, settings: Settings, image_sha256s: Sequence[str] = ()) -> Fingerprint:
    """Return what tells the files that a run is made from apart from others.

    Images are described by their path, size and time, the other files by their content. A missing optional file is
    recorded as missing.

    Parameters
    ----------
    image_sha256s
        The checksum of each file of the image, if they are known from reading it.
    """
    paths = list_run_files(plan.run, settings)
    images = [role for role in paths if _is_image(role)]
    sha256s: Sequence[str | None] = image_sha256s or [None] * len(images)
    # The name of a JSON file says what it applies to. Regions, names and mask count by name too, not by path, because
    # the path of one file may be given as relative or absolute.
    with_names = (IMAGE_JSON, "regions", "names", "mask")
    parts = {
        role: f"{path.name}, {_describe_content(path)}" if role.startswith(with_names) else _describe_content(path)
        for role, path in paths.items()
        if role not in images
    }
    described = {role: _describe_image(paths[role], sha256) for role, sha256 in zip(images, sha256s, strict=True)}
    return {**described, **parts}


def _is_image(role: str) -> bool:
    """Return whether a role is that of a file of the image's values, such as "image" or "image 2"."""
    return role.split(" ")[0] == IMAGE


def _describe_content(path: Path) -> str:
    if read_state(path) is None:
        return "missing"
    try:
        return checksum(path)
    except OSError:
        # A table that no option needs may be unreadable.
        return "unreadable"


def _describe_image(path: Path, sha256: str | None) -> ImageRecord | str:
    state = read_state(path)
    if state is None:
        return "missing"
    return {
        "Path": os.path.abspath(path),  # noqa: PTH100 - links are not resolved, as a data set may be moved with its store
        "Bytes": state.n_bytes,
        # The time of an image that has just been written tells nothing: a change may follow within the clock's grain.
        "Modified": state.modified_ns if state.is_settled else None,
        "SHA256": sha256,
    }


def list_changed_parts(recorded: Mapping[str, Any], current: Fingerprint) -> list[str]:
    """Return the parts of a fingerprint that differ from those of an earlier call."""
    changed = [part for part in {**current, **recorded} if recorded.get(part) != current.get(part)]
    images = [part for part in changed if _is_image(part)]
    others = [part for part in changed if part not in images]
    pairs: dict[str, tuple[Any, Any]] = {part: (current.get(part), recorded.get(part)) for part in images}
    if not all(_have_same_size(*pair) for pair in pairs.values()):
        return changed
    # Images of the same size are read only if that decides.
    return others or [part for part, pair in pairs.items() if not _are_same_image(*pair)]


def _have_same_size(image: Any, recorded: Any) -> bool:
    return isinstance(image, dict) and isinstance(recorded, dict) and image["Bytes"] == recorded.get("Bytes")


def _are_same_image(image: Mapping[str, Any], recorded: Mapping[str, Any]) -> bool:
    """Return whether two images of one size have the same path and time, or else the same content."""
    if image["Modified"] is not None and all(recorded.get(key) == image[key] for key in ("Path", "Modified")):
        return True
    try:
        # A data set that was copied or fetched again has other paths or times.
        return recorded.get("SHA256") == (image["SHA256"] or checksum(Path(str(image["Path"]))))
    except OSError:
        return False
