"""Copies of a study's regions beside its results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import nibabel as nib

from niimasker.inputs.spaces import Space
from niimasker.options.paths import expand_home
from niimasker.outputs.files import copy_file, write_image
from niimasker.regions.definitions import Maps, Parcellation, Regions, Seeds
from niimasker.regions.placing.label_volumes import label_volume
from niimasker.regions.placing.placement import place_regions


def list_regions_used(folder: Path, roi_file: str, regions: Regions, *, spheres_name: str) -> list[Path]:
    """Return the paths of the files that `write_regions_used` may write."""
    roi_path, paths = expand_home(roi_file), []
    if roi_path.is_file():
        paths.append(folder / roi_path.name)
    elif isinstance(regions.definition, (Parcellation, Maps)):
        paths.append(folder / f"{roi_file.replace(':', '-')}.nii.gz")
    return [*paths, folder / f"{spheres_name}.nii.gz"] if isinstance(regions.definition, Seeds) else paths


def write_regions_used(
    folder: Path, roi_file: str, regions: Regions, spaces: Sequence[Space], *, spheres_name: str
) -> None:
    """Write the regions beside the results: a copy of the file or fetched atlas, and spheres in the first space."""
    roi_path = expand_home(roi_file)
    definition = regions.definition
    if roi_path.is_file():
        copy_file(roi_path, folder / roi_path.name)
    elif isinstance(definition, (Parcellation, Maps)):
        values = definition.labels if isinstance(definition, Parcellation) else definition.weights
        img = nib.Nifti1Image(values, definition.grid.matrix)
        write_image(folder / f"{roi_file.replace(':', '-')}.nii.gz", img)
    if isinstance(definition, Seeds) and spaces:
        volume = label_volume(place_regions(regions, spaces[0], None))
        if volume is not None:
            write_image(folder / f"{spheres_name}.nii.gz", nib.Nifti1Image(volume.values, volume.affine))
