"""What the outputs of each atlas are called by."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from niimasker.errors import RegionsError
from niimasker.inputs.entities import read_name
from niimasker.inputs.images import image_stem
from niimasker.inputs.templates import is_template, name_of_template
from niimasker.options.paths import to_path
from niimasker.options.settings import BIDS, Settings
from niimasker.regions.atlases.queries import PREFIX, is_atlas_query
from niimasker.regions.coordinates import SEED_SUFFIXES

# What tells files of one atlas apart, in the order of the standard.
_DISTINGUISHING = ("seg", "scale", "desc")


def name_atlases(settings: Settings) -> tuple[str, ...]:
    """Return what the outputs of each --roi_file are called by; in the BIDS layout letters and digits alone.

    Raises
    ------
    RegionsError
        Two atlases have one name, or one has none.
    """
    roi_files = settings.roi_file
    keys = list(settings.atlas_name) or list(map(_plain_key, roi_files))
    if settings.output_layout == BIDS and not settings.atlas_name:
        keys = _entity_values(keys, roi_files)
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice is not None:
        raise RegionsError(
            f"--roi_file: more than one atlas is named {twice!r}, and so would be their outputs; rename one of them, "
            "or name each with --atlas_name."
        )
    return tuple(keys)


def _plain_key(roi_file: str) -> str:
    """Return the name of a file without its endings, and without what differs from run to run; that of a query."""
    if is_atlas_query(roi_file):
        return roi_file.removeprefix(PREFIX).replace(":", "-")
    path = Path(name_of_template(roi_file)) if is_template(roi_file) else to_path(roi_file)
    return path.stem if path.suffix.lower() in SEED_SUFFIXES else image_stem(path)


def _entity_values(keys: Sequence[str], roi_files: Sequence[str]) -> list[str]:
    entities = [{} if is_atlas_query(text) else read_name(name_of_template(text)).entities for text in roi_files]
    values = [_reduced(_named(its) or key) for its, key in zip(entities, keys, strict=True)]
    nameless = next((roi_file for roi_file, value in zip(roi_files, values, strict=True) if not value), None)
    if nameless is not None:
        raise RegionsError(f"--roi_file: no letter or digit is in the name of {nameless}; name it with --atlas_name.")
    return [
        value + _details(its) if values.count(value) > 1 else value for value, its in zip(values, entities, strict=True)
    ]


def _named(entities: Mapping[str, str]) -> str | None:
    """Return what a file's entities call its atlas; fMRIPrep names its parcellations by desc alone."""
    return next((entities[key] for key in ("atlas", "seg", "desc") if key in entities), None)


def _details(entities: Mapping[str, str]) -> str:
    """Return what tells an atlas apart from another of its name."""
    words = [entities.get(key, "") for key in _DISTINGUISHING if key != "seg" or "atlas" in entities]
    return "".join(map(_reduced, words))


def _reduced(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]", "", text)
