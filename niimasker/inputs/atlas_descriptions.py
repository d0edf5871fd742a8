"""The publications that the JSON files of an atlas name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from niimasker.inputs.descriptions import find_dataset
from niimasker.inputs.entities import read_name
from niimasker.inputs.images import image_stem
from niimasker.options.json_files import read_json

_KEY = "ReferencesAndLinks"


def find_references(atlas_path: Path) -> tuple[str, ...]:
    """Return the ReferencesAndLinks of an atlas, from the first of its JSON files that has any.

    These are the file beside it with its name, and then, in its folder and the folders above up to the root of the
    dataset, BIDS's atlas-<label>_description.json and atlas_description.json. A file that cannot be read says nothing.
    """
    return next((found for path in _list_descriptions(atlas_path) if (found := _read_references(path))), ())


def _list_descriptions(atlas_path: Path) -> Iterator[Path]:
    # Links are not resolved: in a DataLad dataset they lead to a store without file names.
    absolute = Path(os.path.abspath(atlas_path))  # noqa: PTH100
    yield absolute.with_name(f"{image_stem(absolute)}.json")
    label = read_name(absolute.name).entities.get("atlas")
    names = [*([f"atlas-{label}_description.json"] if label else []), "atlas_description.json"]
    root = find_dataset(absolute.parent)
    for folder in absolute.parents:
        yield from (folder / name for name in names)
        if folder == root:
            return


def _read_references(path: Path) -> tuple[str, ...]:
    try:
        content = read_json(path)
    except (OSError, ValueError):
        return ()
    found = content.get(_KEY) if isinstance(content, dict) else None
    listed = [found] if isinstance(found, str) else found if isinstance(found, list) else []
    return tuple(" ".join(text.split()) for text in listed if isinstance(text, str) and text.strip())
