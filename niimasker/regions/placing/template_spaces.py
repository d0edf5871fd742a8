"""Check that an image and an atlas are in the same template space, as far as their names and headers say."""

from __future__ import annotations

import re

from niimasker.errors import ImageError, warn
from niimasker.inputs.series import Series
from niimasker.regions.atlases.queries import is_atlas_query
from niimasker.regions.definitions import Origin

_SPACE = re.compile(r"(?:^|_)(?:space|tpl)-([A-Za-z0-9]+)(?:(?:_cohort-|\+)([A-Za-z0-9]+))?")

# All of nilearn's atlases are in a variant of MNI space, of adults.
MNI = "MNI"
# The beginnings and parts of names that give a template of surfaces.
_MESH_FAMILIES = {"fsLR": ("fslr", "fs_lr"), "fsaverage": ("fsaverage",)}
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


def _mesh_family(name: str) -> str | None:
    """Return the template whose meshes a file's name gives: fsaverage or fsLR; None for others, or none."""
    lower = name.lower()
    space = (read_space(name) or "").lower()
    for family, words in _MESH_FAMILIES.items():
        if space.startswith(words) or any(word in lower for word in words):
            return family
    return None


def check_template_meshes(series: Series, origin: Origin) -> None:
    """Raise ImageError if image and regions are on meshes of different templates with the same number of vertices.

    fsaverage and the fsLR mesh of highest density both have 163,842 vertices; only the names tell them apart.
    """
    families = [_mesh_family(name) for name in (series.path.name, origin.source)]
    if None not in families and families[0] != families[1]:
        raise ImageError(
            f"{series.path}: is on the mesh of {families[0]} by its name, {origin.source} on that of {families[1]}; "
            "give regions on the image's mesh, as from wb_command -label-resample."
        )


def check_spaces(series: Series, regions: Origin) -> None:
    """Warn if the names of image and atlas give different spaces, or if the image's header gives none."""
    if regions.outline is not None and _mesh_family(series.path.name) == _mesh_family(regions.source) is not None:
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
