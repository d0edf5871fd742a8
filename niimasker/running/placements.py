"""The weights of the regions on each space, computed once and shared by all processes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from niimasker.inputs.runs import RegionFiles
from niimasker.inputs.series import Series
from niimasker.inputs.spaces import Space
from niimasker.options.settings import Settings
from niimasker.regions.definitions import AnyMask, Regions
from niimasker.regions.placing.placement import Placement, make_placement
from niimasker.running.handover import OnDisk, store
from niimasker.study.own_regions import load_own_regions
from niimasker.study.plans import Plan
from niimasker.study.preparation import Study

Value = TypeVar("Value")
Atlases = tuple[Regions, ...]


@dataclass(frozen=True)
class InMemory(Generic[Value]):
    """A placement, or atlases, in the memory of this process."""

    value: Value

    def load(self) -> Value:
        """Return the value."""
        return self.value


@dataclass(frozen=True)
class OwnPlacement:
    """The placement of a run that has regions of its own, made in the process that extracts the run.

    Parameters
    ----------
    atlases
        The atlases that all runs share, if only the mask is the run's own; None if the atlases are too.
    """

    files: RegionFiles
    series: Series
    settings: Settings
    atlases: InMemory[Atlases] | OnDisk[Atlases] | None

    def load(self) -> Placement:
        """Return the placement, made from the run's files.

        Raises
        ------
        NiimaskerError
            A file cannot be used, or spheres overlap.
        """
        shared = () if self.atlases is None else self.atlases.load()
        atlases, mask = load_own_regions(self.files, self.series, self.settings, shared)
        return place_atlases(atlases, self.series.space, mask, self.settings)


AnyPlacement = InMemory[Placement] | OnDisk[Placement] | OwnPlacement


def place_atlases(atlases: Sequence[Regions], space: Space, mask: AnyMask | None, settings: Settings) -> Placement:
    """Return the placement of all atlases on a space, with the smoothing and the engine of the settings."""
    return make_placement(atlases, space, mask, smoothing_fwhm=settings.smoothing_fwhm, engine=settings.engine)


class Placements:
    """The placement on each space, made for the first run on that space and released after the last.

    Parameters
    ----------
    plans
        The plans of all runs to extract.
    folder
        The folder of the files that processes share; None keeps placements in memory.
    """

    def __init__(self, study: Study, plans: Sequence[Plan], folder: Path | None) -> None:
        self._study = study
        self._folder = folder
        # The runs of one image are placed and released together.
        self._n_left = Counter({plan.run.image_paths: plan.series.space for plan in plans}.values())
        self._by_space: dict[Space, InMemory[Placement] | OnDisk[Placement]] = {}
        self._atlases: InMemory[Atlases] | OnDisk[Atlases] | None = None

    def get(self, plan: Plan) -> AnyPlacement:
        """Return the placement for a run."""
        space, settings = plan.series.space, self._study.settings
        if plan.run.own_regions is not None:
            if self._study.atlases and self._atlases is None:
                self._atlases = self._keep(self._study.atlases)
            return OwnPlacement(plan.run.own_regions, plan.series, settings, self._atlases)
        if space not in self._by_space:
            self._by_space[space] = self._keep(place_atlases(self._study.atlases, space, self._study.mask, settings))
        return self._by_space[space]

    def _keep(self, value: Value) -> InMemory[Value] | OnDisk[Value]:
        """Return a value in a form that every process can load."""
        if self._folder is None:
            return InMemory(value)
        return store(value, self._folder)

    def release(self, space: Space) -> None:
        """Count an image on a space as done; after the last one the placement is removed."""
        self._n_left[space] -= 1
        if self._n_left[space] == 0:
            placement = self._by_space.pop(space, None)
            if isinstance(placement, OnDisk):
                placement.remove()
