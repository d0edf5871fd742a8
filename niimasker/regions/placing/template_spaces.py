"""Check that an image and an atlas are in the same template space, as far as their names and headers say."""

from __future__ import annotations

import re

from niimasker.errors import warn
from niimasker.inputs.series import Series
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


def check_spaces(series: Series, regions: Origin) -> None:
    """Warn if the names of image and atlas give different spaces, or if the image's header gives none."""
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
