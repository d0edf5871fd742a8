"""Names of atlases, which distinguish their outputs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from niimasker.errors import RegionsError
from niimasker.inputs.entities import RUN_ENTITIES
from niimasker.inputs.images import image_stem
from niimasker.inputs.map_choices import split_map
from niimasker.options.hemisphere_names import group_hemispheres
from niimasker.options.settings import BIDS, Settings
from niimasker.regions.atlases.queries import PREFIX, is_atlas_query
from niimasker.regions.coordinates import SEED_SUFFIXES
from niimasker.regions.roi_files import name_for_all_images

# Entities of a file that name its atlas, the first that it has; fMRIPrep names its parcellations by desc alone.
_NAMING = ("atlas", "seg", "desc", "label")
# Entities that the standard has for the variants of an atlas, in its order.
_VARIANTS = ("seg", "scale")
# Entities about the space, its sampling, the person and the scan, which are not part of an atlas's name.
_SPATIAL = ("tpl", "cohort", "space", "res", "den")
_NOT_NAMING = (*_SPATIAL, *RUN_ENTITIES)
# The suffix of most atlases, which names none.
_COMMON_SUFFIX = "dseg"


def name_atlases(settings: Settings) -> tuple[str, ...]:
    """Return the name of each --roi_file for its outputs, which does not depend on the other files.

    In the BIDS layout it is what follows `atlas-` in the names of the outputs: a label of letters and digits and,
    if the atlas has them, its entities seg and scale, as in 4S_scale-156.

    Raises
    ------
    RegionsError
        Two atlases have the same name, or an atlas has none.
    """
    roi_files = settings.roi_file
    make_name = _bids_name if settings.output_layout == BIDS else _file_or_query_name
    names = list(settings.atlas_name) or list(map(make_name, roi_files))
    nameless = next((roi_file for roi_file, name in zip(roi_files, names, strict=True) if not name), None)
    if nameless is not None:
        raise RegionsError(f"--roi_file: the name of {nameless} has no letter or digit; name it with --atlas_name.")
    _check_distinct(names, roi_files)
    return tuple(names)


def _check_distinct(names: Sequence[str], roi_files: Sequence[str]) -> None:
    # Some disks take a.tsv and A.tsv for the same file.
    folded = [name.casefold() for name in names]
    repeated = next((name for name, key in zip(names, folded, strict=True) if folded.count(key) > 1), None)
    if repeated is None:
        return
    files = [Path(text).name for text, key in zip(roi_files, folded, strict=True) if key == repeated.casefold()]
    are_hemispheres = len(group_hemispheres(files)) < len(files)
    way_out = "put the files of both hemispheres into one folder" if are_hemispheres else "rename one of them"
    raise RegionsError(
        f"--roi_file: more than one atlas is named {repeated!r}, and so would be their outputs; "
        f"{way_out}, or name each with --atlas_name."
    )


def _file_or_query_name(roi_file: str) -> str:
    """Return a query without its prefix, or a file's name and the map that is chosen in it."""
    if is_atlas_query(roi_file):
        return roi_file.removeprefix(PREFIX).replace(":", "-")
    _, map_name = split_map(roi_file)
    return "-".join(filter(None, (_stem(roi_file), _keep_in_file_name(map_name or ""))))


def _stem(roi_file: str) -> str:
    """Return a file's name without endings, without the hemisphere and without the fields of a template."""
    path = Path(name_for_all_images(roi_file))
    return path.stem if path.suffix.lower() in SEED_SUFFIXES else image_stem(path)


def _bids_name(roi_file: str) -> str:
    """Return what follows `atlas-` in BIDS names; an empty text if the file's name has no letter or digit."""
    if is_atlas_query(roi_file):
        return _keep_alphanumeric(_file_or_query_name(roi_file))
    label, *variants = _read_label(_stem(roi_file))
    _, map_name = split_map(roi_file)
    return "_".join([label + _keep_alphanumeric(map_name or ""), *variants])


def _read_label(name: str) -> list[str]:
    """Return the label that a file's name gives, and the entities that tell variants of the atlas apart."""
    parts = [_read_part(part) for part in name.split("_")]
    entities = {key: value for key, value in parts if key and value}
    base = next((key for key in _NAMING if key in entities), None)
    if base is None:
        return [_keep_alphanumeric(_without_space(name))]
    details = [value for key, value in parts if key not in (base, *_VARIANTS, *_NOT_NAMING)]
    if not parts[-1][0] and parts[-1][1] == _COMMON_SUFFIX:
        details.pop()
    variants = [f"{key}-{entities[key]}" for key in _VARIANTS if key in entities and key != base]
    return ["".join([entities[base], *details]), *variants]


def _read_part(part: str) -> tuple[str, str]:
    """Return the entity and the value of a part of a file's name; a part such as the suffix has no entity."""
    key, hyphen, value = part.partition("-")
    # A template may be a pattern too, as in *desc-aparcaseg.
    return (_keep_alphanumeric(key), _keep_alphanumeric(value)) if hyphen else ("", _keep_alphanumeric(part))


def _without_space(name: str) -> str:
    """Return a name without the parts that name a space or its sampling; the whole name if only a suffix is left."""
    parts = name.split("_")
    kept = [part for part in parts if _read_part(part)[0] not in _SPATIAL]
    is_suffix = kept == parts[-1:] and len(parts) > 1
    return name if is_suffix else "_".join(kept)


def _keep_in_file_name(text: str) -> str:
    """Return a text with hyphens in the place of what the name of a file cannot hold, or should not."""
    return re.sub(r"[^\w.]+", "-", text).strip("-.")


def _keep_alphanumeric(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]", "", text)
