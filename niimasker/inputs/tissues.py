"""The tissue of each voxel of an image, from the segmentation that fMRIPrep writes on the same grid."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from niimasker.errors import NiimaskerError, record_warnings
from niimasker.inputs.entities import RUN_ENTITIES, BidsName, is_hidden, read_name
from niimasker.inputs.images import load_image
from niimasker.inputs.spaces import Grid
from niimasker.inputs.volumes import read_voxels

# The labels of BIDS for discrete segmentations, which fMRIPrep uses too.
GREY_MATTER, WHITE_MATTER, CSF = 1, 2, 3
TISSUE_NAMES = {GREY_MATTER: "grey matter", WHITE_MATTER: "white matter", CSF: "CSF"}

# FreeSurfer's labels of aseg and aparc+aseg (FreeSurferColorLUT.txt). The brain stem and the optic chiasm, which are
# neither grey nor white matter alone, are left out.
_FREESURFER = {
    GREY_MATTER: (3, 42, 8, 47, 9, 48, *range(10, 14), *range(49, 53), 17, 53, 18, 54, 26, 58, 28, 60,
                  *range(1000, 1036), *range(2000, 2036)),
    WHITE_MATTER: (2, 41, 7, 46, 77, 78, 79, *range(250, 256)),
    CSF: (4, 43, 5, 44, 14, 15, 24, 31, 63, 72),
}  # fmt: skip

_BIDS = {tissue: (tissue,) for tissue in TISSUE_NAMES}

# The desc entity of discrete segmentations, the best first, with the labels that they use.
_SEGMENTATIONS: Mapping[str | None, Mapping[int, tuple[int, ...]]] = {
    None: _BIDS,
    "aseg": _FREESURFER,
    "aparcaseg": _FREESURFER,
}

# Probabilities by the label entity of their files.
_PROBABILITIES = {"GM": GREY_MATTER, "WM": WHITE_MATTER, "CSF": CSF}
# A voxel that is mostly of no tissue has none.
_MIN_PROBABILITY = 0.5

_INTEGER_TOLERANCE = 1e-3

_EXTENSIONS = (".nii.gz", ".nii")
_SPATIAL = ("space", "cohort", "res")
_ANATOMICAL = "anat"


@dataclass(frozen=True, eq=False)
class Tissues:
    """The tissue of each voxel, and the file that it is from.

    Parameters
    ----------
    labels
        `GREY_MATTER`, `WHITE_MATTER`, `CSF`, or 0 for none of them; int8 of shape (n_voxels,).
    """

    labels: np.ndarray
    path: Path


def find_tissues(image_path: Path, grid: Grid) -> Tissues | None:
    """Return the tissues of an image's voxels; None without a segmentation on its grid.

    Segmentations are looked for beside the image and in the folder anat of its session and subject. Subject, session,
    space and resolution must be those of the image. One that cannot be read, or lies on another grid, is not used.
    """
    found = _list_segmentations(image_path)
    # The run does without tissues: what is wrong with their files is nothing to warn of.
    with record_warnings():
        for desc, coding in _SEGMENTATIONS.items():
            for path in (path for path, name in found if _is_discrete(name, desc)):
                labels = _read_discrete(path, grid, coding)
                if labels is not None:
                    return Tissues(labels, path)
        for path in (path for path, name in found if _is_probability(name, "GM")):
            labels = _read_probabilities(path, grid)
            if labels is not None:
                return Tissues(labels, path)
    return None


def _list_segmentations(image_path: Path) -> list[tuple[Path, BidsName]]:
    """Return the segmentations whose names fit an image's, those beside it first."""
    image = read_name(image_path.name)
    folder = image_path.absolute().parent
    # Anatomical images are of a session or of all sessions of a subject, and have no task.
    anatomical = [parent / _ANATOMICAL for parent in (folder.parent, folder.parent.parent)]
    folders = {folder: RUN_ENTITIES, **dict.fromkeys(anatomical, ("sub", "ses"))}
    return [
        (path, name)
        for folder, entities in folders.items()
        for path, name in _list_named(folder)
        if _fits(image, name, entities)
    ]


def _list_named(folder: Path) -> Iterator[tuple[Path, BidsName]]:
    """Yield the segmentations of a folder with their parsed names."""
    try:
        # Names, not paths, because a folder may hold 10,000 files.
        files = sorted(os.listdir(folder))  # noqa: PTH208
    except OSError:
        return
    for file in files:
        if file.endswith(_EXTENSIONS) and ("_dseg." in file or "_probseg." in file) and not is_hidden(file):
            yield folder / file, read_name(file)


def _fits(image: BidsName, segmentation: BidsName, entities: tuple[str, ...]) -> bool:
    """Return whether a segmentation is of an image's subject and space, and of no other session or run.

    Parameters
    ----------
    entities
        Those in which the segmentation's name must not contradict the image's. A segmentation of all sessions has none.
    """
    shared = tuple(entity for entity in entities if entity in segmentation.entities)
    # Another entity, such as atlas, says that the labels are no tissues.
    is_plain = segmentation.entities.keys() <= {*RUN_ENTITIES, *_SPATIAL, "desc", "label"}
    return is_plain and _has_same(image, segmentation, ("sub", *_SPATIAL)) and _has_same(image, segmentation, shared)


def _has_same(image: BidsName, segmentation: BidsName, entities: tuple[str, ...]) -> bool:
    return image.identity(entities) == segmentation.identity(entities)


def _is_discrete(name: BidsName, desc: str | None) -> bool:
    return name.suffix == "dseg" and name.entities.get("desc") == desc and "label" not in name.entities


def _is_probability(name: BidsName, label: str) -> bool:
    return name.suffix == "probseg" and name.entities.get("label") == label and "desc" not in name.entities


def _read_discrete(path: Path, grid: Grid, coding: Mapping[int, tuple[int, ...]]) -> np.ndarray | None:
    values = _read_on_grid(path, grid)
    if values is None:
        return None
    # Labels that were scaled or saved as float may differ from whole numbers by rounding errors.
    whole = np.rint(values)
    values = np.where(np.abs(values - whole) < _INTEGER_TOLERANCE, whole, values)
    # Other labels in a file without desc are not those of tissues.
    if coding is _BIDS and not np.isin(values, (0, *TISSUE_NAMES)).all():
        return None
    labels = np.zeros(grid.n_points, dtype=np.int8)
    for tissue, codes in coding.items():
        labels[np.isin(values, codes)] = tissue
    return labels if (labels == GREY_MATTER).any() else None


def _read_probabilities(grey_path: Path, grid: Grid) -> np.ndarray | None:
    """Return the most probable tissue, from the file of grey matter and, where they exist, those beside it."""
    labels, highest = np.zeros(grid.n_points, dtype=np.int8), np.full(grid.n_points, _MIN_PROBABILITY)
    for label, tissue in _PROBABILITIES.items():
        values = _read_on_grid(grey_path.with_name(grey_path.name.replace("_label-GM_", f"_label-{label}_")), grid)
        if values is None:
            continue
        is_higher = values > highest
        labels[is_higher], highest = tissue, np.maximum(highest, values)
    return labels if (labels == GREY_MATTER).any() else None


def _read_on_grid(path: Path, grid: Grid) -> np.ndarray | None:
    """Return an image's values in the order of a grid's points; None if it is on another grid or cannot be read."""
    try:
        img = load_image(path)
        own = Grid.from_image(img)
        if own.shape != grid.shape or img.shape[3:] not in ((), (1,)) or not np.allclose(own.matrix, grid.matrix):
            return None
        return read_voxels(img, np.float32).reshape(-1, order="F")
    except (NiimaskerError, OSError):
        return None
