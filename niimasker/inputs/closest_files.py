"""Choose among files of one run the one whose name shares the image's other entities, such as reg or desc."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from niimasker.inputs.entities import RUN_ENTITIES, BidsName, read_name, strip_zeros

# Compared elsewhere, or different within a run: a confounds table has no space, a mask has another desc than its image.
_MAY_DIFFER = frozenset((*RUN_ENTITIES, "desc", "space", "cohort", "res", "den", "hemi", "part", "label"))


def choose_closest(image: BidsName, candidates: Sequence[Path]) -> list[Path]:
    """Return the files that share most entities with an image; more than one if several share as many.

    Files of another version of the run, such as reg-other for reg-default, are left out.
    """
    if len(candidates) < 2 and image.entities.keys() <= _MAY_DIFFER:
        return list(candidates)
    ranks = {path: _rank(image, read_name(path.name)) for path in candidates if not find_conflicts(image, path)}
    best = max(ranks.values(), default=None)
    return [path for path, rank in ranks.items() if rank == best]


def find_conflicts(image: BidsName, path: Path) -> list[str]:
    """Return the entities in which an image and a file of its run are of different versions."""
    entities = read_name(path.name).entities
    return [
        key
        for key, value in image.entities.items()
        if key in entities and key not in _MAY_DIFFER and strip_zeros(key, value) != strip_zeros(key, entities[key])
    ]


def _rank(image: BidsName, file: BidsName) -> tuple[int, int]:
    """Return how close a name is to an image's: by the entities that they share, then by those that only it has."""
    entities = {key: strip_zeros(key, value) for key, value in file.entities.items() if key != "desc"}
    n_shared = sum(value == strip_zeros(key, image.entities.get(key, "")) for key, value in entities.items())
    return n_shared, n_shared - len(entities)
