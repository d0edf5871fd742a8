"""The files that fMRIPrep writes beside an image: its table of confounds and its brain mask."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from niimasker.errors import RunError
from niimasker.inputs.datasets import ENDINGS
from niimasker.inputs.entities import RUN_ENTITIES, BidsName, Entities, is_hidden, read_name

_SPATIAL = (*RUN_ENTITIES, "space", "cohort", "res", "den")


@dataclass(frozen=True)
class Kind:
    """What is looked for beside an image.

    Parameters
    ----------
    noun, option
        What a message calls it, and the option that gives it by name.
    entities
        Those that the two names have in common.
    """

    noun: str
    option: str
    suffix: str
    desc: str
    extensions: tuple[str, ...]
    entities: tuple[str, ...]


CONFOUNDS = Kind("confounds table", "--regressor_files", "timeseries", "confounds", (".tsv",), RUN_ENTITIES)
BRAIN_MASK = Kind("brain mask", "--mask_img", "mask", "brain", (".nii.gz", ".nii"), _SPATIAL)


class Neighbours:
    """The files beside images; each folder is listed once, however many images it holds."""

    def __init__(self) -> None:
        self._listed: dict[tuple[Path, Kind], dict[Entities, list[str]]] = {}
        self._of_images: dict[tuple[Path, Kind], set[Entities]] = {}

    def find(self, image_path: Path, kind: Kind) -> Path:
        """Return the one file of a kind that belongs to an image.

        Raises
        ------
        RunError
            There is none, or more than one, or a link to nothing.
        """
        name = read_name(image_path.name)
        candidates = self._candidates(image_path, name, kind)
        if len(candidates) == 1:
            _check_there(candidates[0], image_path, kind)
            return candidates[0]
        shared = [f"{entity}-{value}" for entity, value in name.entities.items() if entity in kind.entities]
        if not shared:
            raise RunError(
                f"{image_path}: its name has no BIDS entities to find its {kind.noun} by; give {kind.option}."
            )
        if not candidates:
            expected = "_".join([*shared, f"desc-{kind.desc}", f"{kind.suffix}{kind.extensions[0]}"])
            raise RunError(
                f"{image_path}: no {kind.noun} beside it, expected {expected}; put it there, or give {kind.option}."
            )
        listed = ", ".join(path.name for path in candidates)
        raise RunError(
            f"{image_path}: more than one {kind.noun} beside it: {listed}; remove one, or give {kind.option}."
        )

    def _candidates(self, image_path: Path, name: BidsName, kind: Kind) -> Sequence[Path]:
        """Return the files that fit best: the same entities, else run-1 as run-01, else those of all echoes."""
        without_echo = tuple(entity for entity in kind.entities if entity != "echo")
        for entities in (kind.entities, without_echo):
            wanted, exact = name.identity(entities), name.identity(entities, is_padded=True)
            found = self._list(image_path.parent, kind).get(wanted, []) if wanted else []
            by_name = {each: read_name(each).identity(kind.entities, is_padded=True) for each in found}
            chosen = [each for each, theirs in by_name.items() if theirs == exact]
            if by_name and not chosen:
                # Beside run-01 there may be run-1 of its own.
                others = self._images(image_path.parent, kind)
                chosen = [each for each, theirs in by_name.items() if theirs not in others]
            if chosen:
                return [image_path.parent / each for each in chosen]
        return []

    def _images(self, folder: Path, kind: Kind) -> set[Entities]:
        """Return what the images of a folder are told apart by, as written."""
        if (folder, kind) not in self._of_images:
            names = [read_name(each) for each in _names_in(folder) if each.endswith(ENDINGS)]
            of_bold = [name for name in names if name.suffix == "bold"]
            self._of_images[folder, kind] = {name.identity(kind.entities, is_padded=True) for name in of_bold}
        return self._of_images[folder, kind]

    def _list(self, folder: Path, kind: Kind) -> dict[Entities, list[str]]:
        if (folder, kind) not in self._listed:
            by_entities: dict[Entities, list[str]] = defaultdict(list)
            for file_name in _names_in(folder):
                is_taken = file_name.endswith(kind.extensions) and not is_hidden(file_name)
                name = read_name(file_name) if is_taken else None
                if name and (name.suffix, name.entities.get("desc")) == (kind.suffix, kind.desc):
                    by_entities[name.identity(kind.entities)].append(file_name)
            self._listed[folder, kind] = by_entities
        return self._listed[folder, kind]


def _names_in(folder: Path) -> list[str]:
    try:
        # As names: 10,000 paths take 0.1 s to make and 0.3 s to sort.
        return sorted(os.listdir(folder))  # noqa: PTH208
    except OSError as error:
        raise RunError(f"{folder} cannot be listed ({error.strerror}); mend that, or name the files.") from error


def _check_there(path: Path, image_path: Path, kind: Kind) -> None:
    if not path.exists():
        raise RunError(
            f"{image_path}: its {kind.noun} {path.name} is a link to a file that is not here; "
            f"fetch it, as with datalad get, or give {kind.option}."
        )
