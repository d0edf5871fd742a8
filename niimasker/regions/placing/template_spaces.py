"""Check that an image and an atlas are in the same template space, as far as their names and headers say."""

from __future__ import annotations

import re

from niimasker.errors import ImageError, warn
from niimasker.inputs.grayordinates import Outline
from niimasker.inputs.series import Series
from niimasker.inputs.surfaces.mesh_files import AMBIGUOUS_N_VERTICES, FSAVERAGE, FSLR, read_surface_space
from niimasker.regions.atlases.queries import is_atlas_query
from niimasker.regions.definitions import Origin

_SPACE = re.compile(r"(?:^|_)(?:space|tpl)-([A-Za-z0-9]+)(?:(?:_cohort-|\+)([A-Za-z0-9]+))?")

# All of nilearn's atlases are in a variant of MNI space, of adults.
MNI = "MNI"
_OF_CHILDREN = ("MNIInfant", "MNIPediatric")


def read_space(name: str) -> str | None:
    """Return the space in a file name's BIDS entity space or tpl, with its cohort; None if it has neither."""
    found = _SPACE.search(name)
    if found is None:
        return None
    return f"{found[1]}:cohort-{found[2]}" if found[2] else found[1]


def _are_same(image_space: str, regions_space: str) -> bool:
    # C-PAC writes MNI152NLin6ASym for MNI152NLin6Asym.
    if image_space.casefold() == regions_space.casefold():
        return True
    return regions_space == MNI and image_space.startswith(MNI) and not image_space.startswith(_OF_CHILDREN)


def check_template_meshes(series: Series, origin: Origin) -> None:
    """Raise ImageError if image and regions are on meshes of different templates with the same number of vertices."""
    if AMBIGUOUS_N_VERTICES not in _list_mesh_sizes(origin.outline):
        return
    templates = [_read_mesh_template(name) for name in (series.path.name, origin.source)]
    if None not in templates and templates[0] != templates[1]:
        raise ImageError(
            f"{series.path}: is on the mesh of {templates[0]} by its name, {origin.source} on that of {templates[1]}; "
            "give regions on the image's mesh, as from wb_command -label-resample."
        )


def _list_mesh_sizes(outline: Outline | None) -> list[int]:
    return [] if outline is None else [n_vertices for _, n_vertices in outline.meshes]


def _read_mesh_template(name: str) -> str | None:
    """Return the template whose meshes a file's name gives: fsaverage or fsLR; None for others, or none."""
    space = read_surface_space(name)
    return space if space in (FSAVERAGE, FSLR) else None


def check_spaces(series: Series, regions: Origin) -> None:
    """Warn if the names of image and atlas give different spaces, or if the image's header gives none."""
    templates = [_read_mesh_template(name) for name in (series.path.name, regions.source)]
    if regions.outline is not None and templates[0] == templates[1] is not None:
        return  # space-fsaverage5 is a density of fsaverage
    image_space = read_space(series.path.name)
    regions_space = MNI if is_atlas_query(regions.source) else read_space(regions.source)
    if image_space and regions_space and not _are_same(image_space, regions_space):
        warn(
            f"the image's name says space {image_space}, but {regions.source} is in {regions_space}; "
            "regions may lie beside the brain areas that they are named after."
        )
    elif image_space and regions_space not in (image_space, None, MNI):
        warn(
            f"the image's name says space {image_space}, which is taken for {regions_space}, that of {regions.source}."
        )
    if not series.has_known_space and regions.has_known_space:
        warn(
            "the image's header does not say which space it is in (its sform and qform codes are 0); "
            f"check that the regions of {regions.source} lie where they should."
        )
