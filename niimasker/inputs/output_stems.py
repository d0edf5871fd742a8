"""Names of each image's outputs, relative to the output directory and without endings."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from niimasker.errors import RunsError
from niimasker.inputs.run_images import RunImage
from niimasker.options.paths import DATA_FOLDER, REPORTS_FOLDER
from niimasker.options.settings import BIDS, FLAT, MIRROR

# The entity of fMRIPrep's preprocessed images; it does not apply to outputs derived from them.
_PREPROC = ("desc", "preproc")


def name_outputs(images: Sequence[RunImage], output_layout: str) -> list[str]:
    """Return each image's output name: flat, mirroring its folders below the images' common root, or as in BIDS.

    The name of two hemispheres is without the hemisphere.

    Raises
    ------
    RunsError
        Two images would share a name, an image has no subject in the BIDS layout, or outputs would leave the output
        directory or lie among niimasker's own files.
    """
    nameless = [image.path for image in images if not image.stem.strip(".")]
    if nameless:
        raise RunsError(
            f"--input_files: outputs are named after their image, but {list_paths(nameless)} has no name before its "
            "ending; rename it."
        )
    stems = _STEMS[output_layout](images)
    _check_folders(stems, images)
    by_stem: dict[str, list[Path]] = defaultdict(list)
    for stem, image in zip(stems, images, strict=True):
        by_stem[stem].append(image.path)
    shared = [path for paths in by_stem.values() if len(paths) > 1 for path in paths]
    if shared:
        mirroring_helps = output_layout != MIRROR and len({str(path.parent) for path in shared}) == len(shared)
        way_out = (
            f"rename them or use --output_layout {MIRROR}" if mirroring_helps else "rename one, or give each image once"
        )
        raise RunsError(f"these images would write outputs of the same name: {list_paths(shared)}; {way_out}.")
    return stems


def add_label(stem: str, label: str, output_layout: str) -> str:
    """Return an image's output name with the label of a pipeline as desc-, which is the last entity."""
    folder, slash, name = stem.rpartition("/")
    first, _, last = name.rpartition("_")
    if output_layout == BIDS and last.startswith("desc-"):
        # Only one desc- is allowed: the label follows that of the image, such as desc-denoised.
        return f"{folder}{slash}{first}_{last}+{label}"
    return f"{stem}_desc-{label}"


def _check_folders(stems: Sequence[str], images: Sequence[RunImage]) -> None:
    for stem, image in zip(stems, images, strict=True):
        first, *others = PurePosixPath(stem).parts
        # Some disks take Reports for the same folder.
        if others and first.casefold() in (DATA_FOLDER, REPORTS_FOLDER):
            raise RunsError(
                f"the outputs of {image.path} would lie in the folder {first} of the output directory, which holds "
                f"niimasker's own files; rename the folder of the image, or use --output_layout {FLAT}."
            )
        if ".." in others or first in ("..", "/"):
            raise RunsError(f"the outputs of {image.path} would lie outside the output directory; rename the image.")


def _flat_stems(images: Sequence[RunImage]) -> list[str]:
    return [image.stem for image in images]


def _mirrored_stems(images: Sequence[RunImage]) -> list[str]:
    # Links are not resolved: in a DataLad dataset they lead to a store without readable names.
    folders = [Path(os.path.abspath(image.path)).parent for image in images]  # noqa: PTH100
    root = Path(os.path.commonpath(folders))
    return [(folder.relative_to(root) / image.stem).as_posix() for image, folder in zip(images, folders, strict=True)]


def _bids_stems(images: Sequence[RunImage]) -> list[str]:
    """Return paths of all entities in the standard's order, without a suffix, which each output adds."""
    from bids2table import format_bids_path, get_column_names  # 0.3 s that other layouts save

    nameless = [image.path for image in images if not image.name.entities.get("sub")]
    if nameless:
        raise RunsError(
            f"--output_layout {BIDS} takes images that are named by BIDS entities, as sub-01_task-rest_bold.nii.gz, "
            f"but some have no sub-: {list_paths(nameless)}; rename them, or use --output_layout {FLAT} or {MIRROR}."
        )
    order = {name: position for position, name in enumerate(map(str, get_column_names()))}
    kept = [_keep_entities(image.name.entities, order) for image in images]
    return [format_bids_path({**entities, "datatype": "func"}).as_posix() for entities in kept]


def _keep_entities(entities: Mapping[str, str], order: Mapping[str, int]) -> dict[str, str]:
    """Return the entities that outputs keep, in order; those that the standard does not define come before desc."""
    kept = [key for key, value in entities.items() if (key, value) != _PREPROC]
    return {key: entities[key] for key in sorted(kept, key=lambda key: order.get(key, order["desc"] - 0.5))}


_STEMS = {FLAT: _flat_stems, MIRROR: _mirrored_stems, BIDS: _bids_stems}


def list_paths(paths: Sequence[Path], max_listed: int = 10) -> str:
    """Return paths as text for a message, only the first of many."""
    shown = ", ".join(map(str, paths[:max_listed]))
    return f"{shown} and {len(paths) - max_listed} more" if len(paths) > max_listed else shown
