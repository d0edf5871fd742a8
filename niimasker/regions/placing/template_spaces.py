"""Whether an image and an atlas say that they are in one space."""

from __future__ import annotations

import re

from niimasker.errors import warn
from niimasker.inputs.series import Series
from niimasker.regions.atlases.queries import is_atlas_query
from niimasker.regions.definitions import Regions

_SPACE = re.compile(r"(?:^|_)(?:space|tpl)-([A-Za-z0-9]+)")

# All of nilearn's atlases are in one variant or another of it.
MNI = "MNI"


def space_of(name: str) -> str | None:
    """Return the space that a file's name gives by the BIDS entities space or tpl."""
    found = _SPACE.search(name)
    return found[1] if found else None


def check_spaces(series: Series, regions: Regions) -> None:
    """Warn where image and atlas say different spaces, or the image none."""
    of_image = space_of(series.path.name)
    of_regions = MNI if is_atlas_query(regions.source) else space_of(regions.source)
    is_same = of_image == of_regions or (of_regions == MNI and str(of_image).startswith(MNI))
    if of_image and of_regions and not is_same:
        warn(
            f"the image's name says space {of_image}, but {regions.source} is in {of_regions}; "
            "regions may lie beside the brain areas that they are named after."
        )
    if not series.names_space and regions.names_space:
        warn(
            "the image's header does not say which space it is in (its sform and qform codes are 0); "
            f"check that the regions of {regions.source} lie where they should."
        )
