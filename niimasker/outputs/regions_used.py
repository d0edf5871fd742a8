"""Copies of a study's regions beside its results."""

from __future__ import annotations

from collections.abc import Sequence

import nibabel as nib

from niimasker.inputs.spaces import Space
from niimasker.outputs.files import copy_file, write_image
from niimasker.outputs.study_names import RegionsUsed
from niimasker.regions.definitions import Maps, Parcellation, Regions, Seeds
from niimasker.regions.placing.label_volumes import label_volume
from niimasker.regions.placing.placement import place_regions


def write_regions_used(files: RegionsUsed, regions: Regions, spaces: Sequence[Space]) -> None:
    """Write the regions beside the results: copies of the files or fetched atlas, and spheres in the first space."""
    definition = regions.definition
    for copy_path, source_path in files.source_paths.items():
        copy_file(source_path, copy_path)
    if files.roi_file.is_query and isinstance(definition, (Parcellation, Maps)):
        values = definition.labels if isinstance(definition, Parcellation) else definition.weights
        write_image(files.copy_paths[0], nib.Nifti1Image(values, definition.grid.matrix))
    if isinstance(definition, Seeds) and files.spheres_path is not None and spaces:
        volume = label_volume(place_regions(regions, spaces[0], None))
        if volume is not None:
            write_image(files.spheres_path, nib.Nifti1Image(volume.values, volume.affine))
