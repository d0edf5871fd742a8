"""Names of atlases, which distinguish their outputs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from niimasker.errors import RegionsError
from niimasker.inputs.entities import read_name
from niimasker.inputs.images import image_stem
from niimasker.inputs.templates import is_template, name_of_template
from niimasker.options.paths import expand_home
from niimasker.options.settings import BIDS, Settings
from niimasker.regions.atlases.queries import PREFIX, is_atlas_query
from niimasker.regions.coordinates import SEED_SUFFIXES

# Entities that distinguish several files of one atlas, in the standard's order.
_DISTINGUISHING = ("seg", "scale", "desc")


def name_atlases(settings: Settings) -> tuple[str, ...]:
    """Return the name of each --roi_file for its outputs; in the BIDS layout it has letters and digits only.

    Raises
    ------
    RegionsError
        Two atlases have the same name, or an atlas has none.
    """
    roi_files = settings.roi_file
    names = list(settings.atlas_name) or list(map(_file_or_query_name, roi_files))
    if settings.output_layout == BIDS and not settings.atlas_name:
        names = _bids_names(names, roi_files)
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise RegionsError(
            f"--roi_file: more than one atlas is named {repeated!r}, and so would be their outputs; "
            "rename one of them, or name each with --atlas_name."
        )
    return tuple(names)


def _file_or_query_name(roi_file: str) -> str:
    """Return a query without its prefix, or a file's name without endings and without the fields of a template."""
    if is_atlas_query(roi_file):
        return roi_file.removeprefix(PREFIX).replace(":", "-")
    path = Path(name_of_template(roi_file)) if is_template(roi_file) else expand_home(roi_file)
    return path.stem if path.suffix.lower() in SEED_SUFFIXES else image_stem(path)


def _bids_names(names: Sequence[str], roi_files: Sequence[str]) -> list[str]:
    """Return names for BIDS entities: the value of each file's atlas entity, or its name, without punctuation."""
    parsed = [{} if is_atlas_query(text) else read_name(name_of_template(text)).entities for text in roi_files]
    values = [
        _keep_alphanumeric(_find_atlas_entity(entities) or name) for entities, name in zip(parsed, names, strict=True)
    ]
    nameless = next((roi_file for roi_file, value in zip(roi_files, values, strict=True) if not value), None)
    if nameless is not None:
        raise RegionsError(f"--roi_file: the name of {nameless} has no letter or digit; name it with --atlas_name.")
    return [
        value + _join_details(entities) if values.count(value) > 1 else value
        for value, entities in zip(values, parsed, strict=True)
    ]


def _find_atlas_entity(entities: Mapping[str, str]) -> str | None:
    """Return the atlas's name among a file's entities; fMRIPrep names its parcellations by desc alone."""
    return next((entities[key] for key in ("atlas", "seg", "desc") if key in entities), None)


def _join_details(entities: Mapping[str, str]) -> str:
    """Return the entities' values that distinguish atlases of the same name."""
    words = [entities.get(key, "") for key in _DISTINGUISHING if key != "seg" or "atlas" in entities]
    return "".join(map(_keep_alphanumeric, words))


def _keep_alphanumeric(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]", "", text)
