"""Place all atlases of a study on one space, with the operator or maskers that extract their signals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from niimasker.inputs.grayordinates import Grayordinates
from niimasker.inputs.spaces import Grid, Space
from niimasker.regions.definitions import AnyMask, Regions
from niimasker.regions.names.joins import NamesJoin
from niimasker.regions.placing.grayordinates import place_on_grayordinates
from niimasker.regions.placing.grids import place_on_grid
from niimasker.regions.placing.operators import Stacked, make_operator, stack
from niimasker.regions.placing.weights import RegionWeights

if TYPE_CHECKING:
    from niimasker.regions.placing.maskers import PlacedMasker
    from niimasker.regions.placing.surface_maskers import PlacedSurfaceMasker

    AnyMasker = PlacedMasker | PlacedSurfaceMasker

# The function that places regions on each kind of space.
PLACERS: dict[type[Any], Callable[..., RegionWeights]] = {
    Grid: place_on_grid,
    Grayordinates: place_on_grayordinates,
}


@dataclass(frozen=True)
class Placement:
    """All atlases of a study on one space, and what extracts their signals; the runs on that space share it.

    Parameters
    ----------
    joins
        For each atlas how the names of a table were joined with its regions; None where they come from no table.
    """

    weights: tuple[RegionWeights, ...]
    extractor: Stacked | tuple[AnyMasker, ...]
    joins: tuple[NamesJoin | None, ...]


def place_regions(regions: Regions, space: Space, mask: AnyMask | None) -> RegionWeights:
    """Return the regions' weights on a space.

    Parameters
    ----------
    mask
        Restricts the regions to its points.
    """
    return PLACERS[type(space)](regions, space, mask)


def make_placement(
    atlases: Sequence[Regions], space: Space, mask: AnyMask | None, *, smoothing_fwhm: float | None, engine: str
) -> Placement:
    """Return the regions of all atlases on a space, with an engine's extractor."""
    weights = tuple(place_regions(regions, space, mask) for regions in atlases)
    joins = tuple(regions.names_join for regions in atlases)
    return Placement(weights, EXTRACTORS[engine](weights, smoothing_fwhm), joins)


def stack_operators(weights: Sequence[RegionWeights], smoothing_fwhm: float | None) -> Stacked:
    """Return the operator that extracts all atlases in one reading of an image."""
    operators = [make_operator(atlas_weights, smoothing_fwhm) for atlas_weights in weights]
    return stack(operators, weights[0].space)


def make_maskers(weights: Sequence[RegionWeights], smoothing_fwhm: float | None) -> tuple[AnyMasker, ...]:
    """Return nilearn's maskers of all atlases except those without a region in the image, which nilearn refuses."""
    # Only this engine needs nilearn's maskers, whose import takes longer than many runs.
    filled = [atlas_weights for atlas_weights in weights if atlas_weights.filled.any()]
    if filled and isinstance(filled[0].space, Grayordinates):
        from niimasker.regions.placing.surface_maskers import make_surface_masker

        return tuple(map(make_surface_masker, filled))
    from niimasker.regions.placing.maskers import make_masker

    return tuple(make_masker(atlas_weights, smoothing_fwhm) for atlas_weights in filled)


# The function that makes the extractor, by the value of --engine.
EXTRACTORS: dict[str, Callable[..., Stacked | tuple[AnyMasker, ...]]] = {
    "stream": stack_operators,
    "nilearn": make_maskers,
}
