"""File names as BIDS writes them: entities such as sub-01, a suffix and an extension."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePath

# The entities that tell one run from another; space, res and desc are not among them.
RUN_ENTITIES = ("sub", "ses", "task", "acq", "ce", "rec", "dir", "run", "echo")
BUT_ECHO = tuple(entity for entity in RUN_ENTITIES if entity != "echo")

# Suffixes of fMRIPrep before 1.2 (sub-01_task-rest_bold_space-T1w_preproc.nii.gz), and before 20.2 (regressors): the
# suffix and the desc entity of today.
_FORMER = {
    "preproc": ("bold", "preproc"),
    "brainmask": ("mask", "brain"),
    "confounds": ("timeseries", "confounds"),
    "regressors": ("timeseries", "confounds"),
}

# Values of these count: run-1 is run-01, and fMRIPrep's res-2 is TemplateFlow's res-02.
_COUNTED = ("run", "echo", "res")

_VALUE = re.compile("[0-9A-Za-z+]+")

Entities = frozenset[tuple[str, str]]


@dataclass(frozen=True)
class BidsName:
    """A file's name in parts.

    Parameters
    ----------
    entities
        By their short names, in the order of the name.
    suffix, extension
        `bold` and `.nii.gz` of `sub-01_task-rest_bold.nii.gz`.
    """

    entities: Mapping[str, str]
    suffix: str
    extension: str

    def identity(self, names: tuple[str, ...], *, is_padded: bool = False) -> Entities:
        """Return the values of some entities, to be compared with another file's.

        Parameters
        ----------
        is_padded
            Whether run-1 and run-01 differ.
        """
        return frozenset(
            (name, value if is_padded else plain_value(name, value))
            for name, value in self.entities.items()
            if name in names
        )


def plain_value(name: str, value: str) -> str:
    """Return an entity's value, without leading zeros where it counts."""
    return value.lstrip("0") or "0" if name in _COUNTED else value


@lru_cache(maxsize=2**17)
def read_name(name: str) -> BidsName:
    """Return a file's name in parts; names of former versions of fMRIPrep as those of today."""
    from bids2table import parse_bids_entities  # 0.25 s that many a call does not need

    # Kept: a name is read once for each kind of file that is looked for beside it.
    parts = parse_bids_entities(PurePath(name))
    suffix, extension = parts.pop("suffix", ""), parts.pop("ext", "")
    # A subject's folder above would give it.
    parts.pop("datatype", None)
    entities = {key: value for key, value in parts.items() if _VALUE.fullmatch(value)}
    if suffix in _FORMER:
        suffix, desc = _FORMER[suffix]
        # Variants of before 1.2, such as variant-smoothAROMAnonaggr, are desc today.
        entities.setdefault("desc", entities.pop("variant", desc))
    return BidsName(entities, suffix, extension)


def is_hidden(name: str) -> bool:
    """Return whether a file is what a system keeps beside others, such as ._sub-01_bold.nii.gz of macOS."""
    return name.startswith(".")


def run_entities(name: str) -> Entities:
    """Return the entities of a file name that tell its run from others; run-1 and run-01 are the same."""
    return read_name(name).identity(RUN_ENTITIES)


def show_entities(entities: Entities) -> str:
    """Return entities as a message names them: sub-01 task-rest."""
    in_order = sorted(entities, key=lambda item: RUN_ENTITIES.index(item[0]))
    return " ".join(f"{key}-{value}" for key, value in in_order)
