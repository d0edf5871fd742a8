"""Open a run's image: the facts in its header and its JSON file, before any value is read."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

from niimasker.errors import ImageError, warn
from niimasker.inputs.images import VoxelStorage, describe_storage, first_line, has_known_space, image_stem, load_image
from niimasker.inputs.spaces import Grid, Space
from niimasker.options.json_files import read_json
from niimasker.options.paths import describe_missing_file

# By NIfTI's codes for units of time; the header's field adds a code below 8 for units of space.
_SECONDS_PER_UNIT = {8: 1.0, 16: 1e-3, 24: 1e-6}

# A repetition time outside this range is most likely in other units than stated.
T_R_MIN, T_R_MAX = 0.05, 20.0


@dataclass(frozen=True)
class Series:
    """A run's image as its header describes it; no value has been read.

    Parameters
    ----------
    space
        The space that the image's points lie on.
    storage
        Where and how its values are stored.
    t_r
        Repetition time in seconds; None when neither the JSON file beside the image nor the header gives it.
    t_r_source
        "sidecar", "header" or None.
    header_t_r
        The repetition time that the header gives.
    has_known_space
        Whether the header says which template or scanner space its coordinates are in.
    """

    path: Path
    space: Space
    n_volumes: int
    t_r: float | None
    t_r_source: str | None
    storage: VoxelStorage
    header_t_r: float | None = None
    has_known_space: bool = True


def open_series(image_path: Path) -> Series:
    """Return a 4D image as its header describes it.

    Raises
    ------
    ImageError
        The file is not a 4D NIfTI image.
    BrokenImageError
        The file is damaged.
    """
    img = load_image(image_path)
    shown = f"a {img.ndim}D image ({'x'.join(map(str, img.shape))})"
    if img.ndim < 4:
        raise ImageError(f"{image_path}: {shown}; expected a 4D series of volumes.")
    # Some converters write time as the fifth axis or leave empty axes behind it.
    if len([n for n in img.shape[3:] if n != 1]) > 1:
        raise ImageError(f"{image_path}: {shown}; split it into 4D series of volumes.")
    sidecar_t_r, header_t_r = _sidecar_t_r(image_path), _header_t_r(img.header)
    t_r = header_t_r if sidecar_t_r is None else sidecar_t_r
    source = "sidecar" if sidecar_t_r is not None else "header" if header_t_r is not None else None
    storage = describe_storage(img, image_path)
    return Series(
        image_path,
        Grid.from_image(img),
        storage.n_volumes,
        t_r,
        source,
        storage,
        header_t_r,
        has_known_space(img.header),
    )


def _sidecar_t_r(image_path: Path) -> float | None:
    sidecar_path = image_path.with_name(image_stem(image_path) + ".json")
    if describe_missing_file(sidecar_path):
        return None
    try:
        content = read_json(sidecar_path)
    except (OSError, ValueError) as error:
        warn(f"{sidecar_path.name} cannot be read ({first_line(error)}); its RepetitionTime is not used.")
        return None
    t_r = content.get("RepetitionTime") if isinstance(content, dict) else None
    if isinstance(t_r, bool) or not isinstance(t_r, (int, float)):
        return None
    # An integer may be too large for a float.
    return float(t_r) if 0 < t_r <= sys.float_info.max else None


def _header_t_r(header: nib.nifti1.Nifti1Header) -> float | None:
    # Without units pixdim[4] is not trusted: many programs leave a 1 there that is not a repetition time.
    units = int(header["xyzt_units"])
    scale = _SECONDS_PER_UNIT.get(units - units % 8)
    # Converted through its decimal digits: NIfTI-1's float32 0.8 is 0.800000012 in float64.
    t_r = float(str(header["pixdim"][4]))
    return round(t_r * scale, 9) if scale and np.isfinite(t_r) and t_r > 0 else None
