"""BIDS file names: entities such as sub-01, a suffix and an extension."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePath

from niimasker.inputs.hemispheres import SIDES

# The entities that identify a run; space, res and desc identify versions of it.
RUN_ENTITIES = ("sub", "ses", "task", "acq", "ce", "rec", "dir", "run", "echo", "chunk")
RUN_ENTITIES_WITHOUT_ECHO = tuple(entity for entity in RUN_ENTITIES if entity != "echo")

# Suffixes of fMRIPrep before 1.2 (sub-01_task-rest_bold_space-T1w_preproc.nii.gz) and before 20.2 (regressors), with
# the suffix and the desc entity that replaced them.
_OLD_SUFFIXES = {
    "preproc": ("bold", "preproc"),
    "brainmask": ("mask", "brain"),
    "confounds": ("timeseries", "confounds"),
    "regressors": ("timeseries", "confounds"),
}

# Beginnings of the extensions of series of surfaces and grayordinates. Before 1.2, fMRIPrep wrote the hemisphere before
# that of GIFTI, and before 20.1 no suffix: sub-01_task-rest_bold_space-fsaverage5.L.func.gii,
# sub-01_task-rest_space-fsaverage5_hemi-L.func.gii.
_CIFTI_SERIES, _GIFTI_SERIES = ".dtseries.", ".func."

# Entities whose values are numbers: run-1 is run-01, and fMRIPrep's res-2 is TemplateFlow's res-02.
_NUMBERED = ("run", "echo", "res")

_VALUE = re.compile("[0-9A-Za-z+]+")

# tedana writes desc-optcom_bold and desc-optcom_whitened_bold: the words before the suffix belong to desc.
_DESC = re.compile(r"_desc-([0-9A-Za-z+]+(?:_[0-9A-Za-z+]+)+)_[0-9A-Za-z]+\.")

# How options choose the images whose names do not have an entity.
NONE = "none"

Entities = frozenset[tuple[str, str]]


@dataclass(frozen=True)
class BidsName:
    """A parsed file name.

    Parameters
    ----------
    entities
        Values by the entities' short names, in the order of the file name.
    suffix, extension
        `bold` and `.nii.gz` of `sub-01_task-rest_bold.nii.gz`.
    """

    entities: Mapping[str, str]
    suffix: str
    extension: str

    def identity(self, names: tuple[str, ...], *, keeps_zeros: bool = False) -> Entities:
        """Return the values of some entities, to compare them with another file's.

        Parameters
        ----------
        keeps_zeros
            Keep leading zeros, so that run-1 and run-01 differ.
        """
        return frozenset(
            (name, value if keeps_zeros else strip_zeros(name, value))
            for name, value in self.entities.items()
            if name in names
        )


def list_value_words(name: str, value: str) -> frozenset[str]:
    """Return the words that stand for an entity's value: as it is written and, if it is a number, without zeros."""
    return frozenset((value, strip_zeros(name, value)))


def is_pattern(value: str) -> bool:
    """Return whether a value is a shell pattern, such as 0*."""
    return any(character in value for character in "*?[")


def strip_zeros(name: str, value: str) -> str:
    """Return an entity's value, without leading zeros if it is a number."""
    return value.lstrip("0") or "0" if name in _NUMBERED else value


@lru_cache(maxsize=2**17)
def read_name(name: str) -> BidsName:
    """Return a parsed file name; names of older versions of fMRIPrep are translated to current ones.

    Results are cached: each name is parsed again for every kind of file that is looked for beside it.
    """
    from bids2table import parse_bids_entities  # 0.25 s that many calls do not need

    parts = parse_bids_entities(PurePath(name))
    suffix, (side, extension) = parts.pop("suffix", ""), _split_extension(parts.pop("ext", ""))
    # bids2table takes it from the folder func, if the name includes one.
    parts.pop("datatype", None)
    entities = {key: value for key, value in parts.items() if _VALUE.fullmatch(value)}
    if hemi := entities.get("hemi", side):
        entities["hemi"] = SIDES.get(hemi, hemi)
    if not suffix and "task" in entities and extension.startswith((_CIFTI_SERIES, _GIFTI_SERIES)):
        suffix = "bold"
    if found := _DESC.search(name):
        entities["desc"] = found[1]
    if suffix in _OLD_SUFFIXES:
        suffix, desc = _OLD_SUFFIXES[suffix]
        # Before 1.2 desc-smoothAROMAnonaggr was variant-smoothAROMAnonaggr; that of grayordinates is of their space.
        is_desc = not extension.startswith(_CIFTI_SERIES)
        entities.setdefault("desc", entities.pop("variant", desc) if is_desc else desc)
    return BidsName(entities, suffix, extension)


def _split_extension(extension: str) -> tuple[str, str]:
    """Return the hemisphere that an extension such as .L.func.gii begins with, "" if none, and what follows it."""
    side, dot, rest = extension[1:].partition(".")
    return (side, dot + rest) if side in SIDES and rest else ("", extension)


def is_hidden(name: str) -> bool:
    """Return whether a file is hidden, such as macOS's ._sub-01_bold.nii.gz."""
    return name.startswith(".")


def run_entities(name: str) -> Entities:
    """Return the entities of a file name that identify its run; run-1 and run-01 are the same."""
    return read_name(name).identity(RUN_ENTITIES)


def show_entities(entities: Entities) -> str:
    """Return entities as text for a message: sub-01 task-rest."""
    in_order = sorted(entities, key=lambda item: RUN_ENTITIES.index(item[0]))
    return " ".join(f"{key}-{value}" for key, value in in_order)
