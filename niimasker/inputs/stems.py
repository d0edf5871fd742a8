"""What the outputs of each image are called, below the output directory."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from niimasker.errors import RunsError
from niimasker.inputs.entities import read_name
from niimasker.inputs.images import image_stem
from niimasker.options.settings import BIDS, FLAT, MIRROR

# What an image says of being fMRIPrep's, and outputs made from it are not.
_PREPROC = ("desc", "preproc")


def name_outputs(image_paths: Sequence[Path], output_layout: str) -> list[str]:
    """Return each image's output name: flat, with its folders below the images' common root, or as BIDS has it.

    Raises
    ------
    RunsError
        Two images would share a name, or one has no subject and the layout is bids.
    """
    stems = _STEMS[output_layout](image_paths)
    by_stem: dict[str, list[Path]] = defaultdict(list)
    for stem, path in zip(stems, image_paths, strict=True):
        by_stem[stem].append(path)
    shared = [path for paths in by_stem.values() if len(paths) > 1 for path in paths]
    if shared:
        helps = output_layout != MIRROR and len({str(path.parent) for path in shared}) == len(shared)
        way_out = f"rename them or use --output_layout {MIRROR}" if helps else "rename one, or give each image once"
        raise RunsError(f"these images would write outputs of the same name: {list_paths(shared)}; {way_out}.")
    return stems


def _flat_stems(image_paths: Sequence[Path]) -> list[str]:
    return [image_stem(path) for path in image_paths]


def _mirrored_stems(image_paths: Sequence[Path]) -> list[str]:
    # Not resolved: in a DataLad dataset the links' own names are the ones that people know.
    folders = [Path(os.path.abspath(path)).parent for path in image_paths]  # noqa: PTH100
    root = Path(os.path.commonpath(folders))
    return [
        (folder.relative_to(root) / image_stem(path)).as_posix()
        for path, folder in zip(image_paths, folders, strict=True)
    ]


def _bids_stems(image_paths: Sequence[Path]) -> list[str]:
    """Return names of all entities, in the standard's order; without the suffix, so that others can follow."""
    from bids2table import format_bids_path, get_column_names  # 0.3 s that other layouts save

    entities = [read_name(path.name).entities for path in image_paths]
    nameless = [path for path, its_entities in zip(image_paths, entities, strict=True) if not its_entities.get("sub")]
    if nameless:
        raise RunsError(
            f"--output_layout {BIDS} takes images that are named by BIDS entities, as sub-01_task-rest_bold.nii.gz, "
            f"but some have no sub-: {list_paths(nameless)}; rename them, or use --output_layout {FLAT} or {MIRROR}."
        )
    places = {name: place for place, name in enumerate(map(str, get_column_names()))}
    in_order = [_source_entities(its_entities, places) for its_entities in entities]
    return [format_bids_path({**its_entities, "datatype": "func"}).as_posix() for its_entities in in_order]


def _source_entities(entities: Mapping[str, str], places: Mapping[str, int]) -> dict[str, str]:
    """Return the entities that outputs keep; those that the standard does not know before desc, which is last."""
    kept = [key for key, value in entities.items() if (key, value) != _PREPROC]
    return {key: entities[key] for key in sorted(kept, key=lambda key: places.get(key, places["desc"] - 0.5))}


_STEMS = {FLAT: _flat_stems, MIRROR: _mirrored_stems, BIDS: _bids_stems}


def list_paths(paths: Sequence[Path], most: int = 10) -> str:
    """Return paths as a message lists them, only the first of many."""
    shown = ", ".join(map(str, paths[:most]))
    return f"{shown} and {len(paths) - most} more" if len(paths) > most else shown
