"""ICA-AROMA: which images it has denoised, and the columns of its noise components."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from niimasker.errors import ConfoundsError, list_names, warn
from niimasker.inputs.entities import read_name

FULL, BASIC, ORTHOGONAL = "full", "basic", "orthogonal"

# The noise components as they are, by fMRIPrep before 23.1 and fMRIPost-AROMA, and fMRIPost-AROMA's components that are
# orthogonal to those of the signal.
NOISE, ORTHOGONAL_NOISE = "aroma_motion_", "aroma_orth_motion_"

# Part of the names of images that fMRIPrep before 23.1 has denoised, and the desc- of fMRIPost-AROMA's.
_FMRIPREP_IMAGE = "AROMAnonaggr"
_FMRIPOST_DESCS = ("nonaggrDenoised", "aggrDenoised", "orthaggrDenoised")


def is_denoised(image_path: Path) -> bool:
    """Return whether an image's name says that ICA-AROMA has denoised it."""
    if _FMRIPREP_IMAGE in image_path.name:
        return True
    desc = read_name(image_path.name).entities.get("desc", "")
    return desc.lower() in map(str.lower, _FMRIPOST_DESCS)


def takes_components(parameter: str, image_path: Path) -> bool:
    """Return whether components are regressed out: not with "full", whose images have been denoised already."""
    if parameter == FULL and not is_denoised(image_path):
        raise ConfoundsError(
            f"{image_path}: ica_aroma=full is for images that ICA-AROMA has denoised (desc-smooth{_FMRIPREP_IMAGE}, or "
            f"desc-{', desc-'.join(_FMRIPOST_DESCS)} of fMRIPost-AROMA); choose such images, as with "
            f"--desc smooth{_FMRIPREP_IMAGE}, or give ica_aroma=basic to regress the noise components out."
        )
    if parameter != FULL and is_denoised(image_path):
        warn(f"ica_aroma={parameter} regresses out what ICA-AROMA has taken out of the image already.")
    return parameter != FULL


def choose_orthogonal(names: Sequence[str], tables: str) -> tuple[str, ...]:
    """Return the columns of fMRIPost-AROMA's orthogonalised noise components; raise ConfoundsError without any."""
    chosen = tuple(name for name in names if name.startswith(ORTHOGONAL_NOISE))
    if not chosen:
        raise ConfoundsError(
            f"{tables} lacks columns that ica_aroma=orthogonal takes: {ORTHOGONAL_NOISE}01, ..., or {NOISE}01, ... in "
            "a table with fMRIPrep's or fMRIPost-AROMA's name and MELODIC's mixing matrix beside it; "
            f"it has {list_names(names)}."
        )
    return chosen


def drop_orthogonal(names: Sequence[str]) -> tuple[str, ...]:
    """Return the columns without the orthogonalised components, which nilearn takes together with the others."""
    return tuple(name for name in names if not name.startswith(ORTHOGONAL_NOISE))
