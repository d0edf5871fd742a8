"""Every atlas of a study placed on one space, and what extracts them there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from niimasker.inputs.spaces import Grid, Space
from niimasker.regions.definitions import Mask, Regions
from niimasker.regions.names.joining import NamesJoin
from niimasker.regions.placing.grids import place_on_grid
from niimasker.regions.placing.operators import Stacked, make_operator, stack
from niimasker.regions.placing.weights import RegionWeights

if TYPE_CHECKING:
    from niimasker.regions.placing.maskers import PlacedMasker

# How regions are placed on each kind of space.
PLACERS: dict[type[Any], Callable[..., RegionWeights]] = {Grid: place_on_grid}


@dataclass(frozen=True)
class Placement:
    """Every atlas of a study on one space, and what extracts them; made once per space and shared by its runs.

    Parameters
    ----------
    joins
        For each atlas how the names of a table were joined with its regions; None where they come from no table.
    """

    weights: tuple[RegionWeights, ...]
    extractor: Stacked | tuple[PlacedMasker, ...]
    joins: tuple[NamesJoin | None, ...]


def place_regions(regions: Regions, space: Space, mask: Mask | None) -> RegionWeights:
    """Return the regions' weights on a space.

    Parameters
    ----------
    mask
        Regions are restricted to its points.
    """
    return PLACERS[type(space)](regions, space, mask)


def make_placement(
    atlases: Sequence[Regions], space: Space, mask: Mask | None, *, smoothing_fwhm: float | None, engine: str
) -> Placement:
    """Return the regions of every atlas on a space, ready to be extracted by an engine."""
    weights = tuple(place_regions(regions, space, mask) for regions in atlases)
    joins = tuple(regions.names_join for regions in atlases)
    return Placement(weights, EXTRACTORS[engine](weights, smoothing_fwhm), joins)


def stack_operators(weights: Sequence[RegionWeights], smoothing_fwhm: float | None) -> Stacked:
    """Return the operator that extracts several atlases in one reading of an image."""
    return stack([make_operator(each, smoothing_fwhm) for each in weights], weights[0].space)


def make_maskers(weights: Sequence[RegionWeights], smoothing_fwhm: float | None) -> tuple[PlacedMasker, ...]:
    """Return nilearn's maskers for the atlases of which the image holds a region: nilearn raises for any other."""
    # Importing nilearn's maskers costs more than many a run; only this engine needs them.
    from niimasker.regions.placing.maskers import make_masker

    return tuple(make_masker(each, smoothing_fwhm) for each in weights if each.filled.any())


# What extracts the signals, by the value of --engine.
EXTRACTORS: dict[str, Callable[..., Stacked | tuple[PlacedMasker, ...]]] = {
    "stream": stack_operators,
    "nilearn": make_maskers,
}
