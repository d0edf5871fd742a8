"""Check what --roi_file gives against the runs, before any of it is read or downloaded."""

from __future__ import annotations

import os
from collections.abc import Sequence

from niimasker.errors import RegionsError
from niimasker.inputs.run_images import SURFACE_EXTENSIONS
from niimasker.inputs.runs import Run
from niimasker.options.settings import Settings
from niimasker.regions.atlases.queries import is_atlas_query
from niimasker.regions.roi_files import parse_roi_file


def check_roi_files(runs: Sequence[Run], settings: Settings) -> None:
    """Refuse regions that are one of the images, and nilearn's atlases where no image is a volume.

    Raises
    ------
    RegionsError
        A --roi_file cannot be of the runs' regions.
    """
    _check_no_image(runs, settings)
    _check_queries(runs, settings)


def _check_no_image(runs: Sequence[Run], settings: Settings) -> None:
    images = {os.path.realpath(path) for run in runs for path in run.image_paths}
    for roi_file in settings.roi_file:
        # Path.resolve raises for a loop of links.
        if any(os.path.realpath(path) in images for path in parse_roi_file(roi_file).paths):
            raise RegionsError(
                f"--roi_file: {roi_file} is one of the --input_files; give an atlas, a mask or coordinates."
            )


def _check_queries(runs: Sequence[Run], settings: Settings) -> None:
    query = next(filter(is_atlas_query, settings.roi_file), None)
    if query is not None and all(run.image_path.name.endswith(SURFACE_EXTENSIONS) for run in runs):
        raise RegionsError(
            f"--roi_file: {query} is in a volume, and all images are on surfaces or grayordinates; give an atlas of "
            "their points, such as a .dlabel.nii, or .annot files of both hemispheres."
        )
