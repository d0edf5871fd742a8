"""What the outputs of each atlas are called by."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence

from niimasker.errors import RegionsError
from niimasker.kinds import to_path
from niimasker.regions.atlases import is_atlas_query
from niimasker.regions.definitions import Regions

# What tells files of one atlas apart, in the order of the standard.
_DISTINGUISHING = ("seg", "scale", "desc")


def name_atlases(
    atlases: Sequence[Regions], roi_files: Sequence[str], atlas_names: Sequence[str], *, as_entities: bool
) -> tuple[Regions, ...]:
    """Return atlases of which no two have the same key.

    Parameters
    ----------
    atlas_names
        What the user calls them; none for the names of their files and queries.
    as_entities
        Whether the key is the value of a BIDS entity: letters and digits alone.

    Raises
    ------
    RegionsError
        Two atlases have one name, or one has none.
    """
    keys = list(atlas_names) or [regions.key for regions in atlases]
    if as_entities and not atlas_names:
        keys = _entity_values(keys, roi_files)
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice is not None:
        raise RegionsError(
            f"--roi_file: more than one atlas is named {twice!r}, and so would be their outputs; rename one of them, "
            "or name each with --atlas_name."
        )
    return tuple(dataclasses.replace(regions, key=key) for regions, key in zip(atlases, keys, strict=True))


def _entity_values(keys: Sequence[str], roi_files: Sequence[str]) -> list[str]:
    entities = [_entities_of(roi_file) for roi_file in roi_files]
    values = [_reduced(its.get("atlas") or its.get("seg") or key) for its, key in zip(entities, keys, strict=True)]
    nameless = next((roi_file for roi_file, value in zip(roi_files, values, strict=True) if not value), None)
    if nameless is not None:
        raise RegionsError(f"--roi_file: no letter or digit is in the name of {nameless}; name it with --atlas_name.")
    return [
        value + _details(its) if values.count(value) > 1 else value for value, its in zip(values, entities, strict=True)
    ]


def _entities_of(roi_file: str) -> dict[str, str]:
    from bids2table import parse_bids_entities  # 0.3 s that other layouts save

    return {} if is_atlas_query(roi_file) else parse_bids_entities(to_path(roi_file).name)


def _details(entities: dict[str, str]) -> str:
    """Return what tells an atlas apart from another of its name."""
    words = [entities.get(key, "") for key in _DISTINGUISHING if key != "seg" or "atlas" in entities]
    return "".join(map(_reduced, words))


def _reduced(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]", "", text)
