"""The regions' weights on each space, for every process that needs them: written once, read by all from one place."""

from __future__ import annotations

import contextlib
import itertools
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Generic, TypeVar

from niimasker.errors import OutputLostError
from niimasker.inputs.runs import RegionFiles
from niimasker.inputs.series import Series
from niimasker.inputs.spaces import Space
from niimasker.options.settings import Settings
from niimasker.outputs.files import remove_leftovers, temporary_prefix
from niimasker.regions.atlas_images import load_mask
from niimasker.regions.definitions import Mask, Regions
from niimasker.regions.placing.placement import Placement, make_placement
from niimasker.regions.placing.template_spaces import check_spaces
from niimasker.study.plans import Plan
from niimasker.study.preparation import Study, check_spheres, load_atlases

Value = TypeVar("Value")
Atlases = tuple[Regions, ...]


@dataclass(frozen=True)
class Held(Generic[Value]):
    """A placement, or atlases, in this process's memory."""

    value: Value

    def load(self) -> Value:
        """Return it."""
        return self.value


@dataclass(frozen=True)
class Stored(Generic[Value]):
    """A placement, or atlases, in a file, whose arrays all processes of a machine share."""

    path: Path

    def load(self) -> Value:
        """Return it; its arrays stay in the file until they are used."""
        value: Value = _load(self.path)
        return value

    @property
    def n_bytes(self) -> int:
        """The size of the file."""
        return self.path.stat().st_size


@dataclass(frozen=True)
class OwnPlacement:
    """The placement of regions that one run has for itself, made where the run is done.

    Parameters
    ----------
    atlases
        Where only the mask is its own, those that all runs share; None where they are its own too.
    """

    files: RegionFiles
    series: Series
    settings: Settings
    atlases: Held[Atlases] | Stored[Atlases] | None

    def load(self) -> Placement:
        """Return it, made from its files.

        Raises
        ------
        NiimaskerError
            The files are not usable, or spheres overlap.
        """
        shared = None if self.atlases is None else self.atlases.load()
        atlases = load_atlases(self.files.roi_files, self.settings) if shared is None else shared
        mask = None if self.files.mask_path is None else load_mask(self.files.mask_path)
        for regions in atlases:
            check_spaces(self.series, regions)
        check_spheres(atlases, self.series.space, mask, self.settings)
        return place_atlases(atlases, self.series.space, mask, self.settings)


AnyPlacement = Held[Placement] | Stored[Placement] | OwnPlacement


def place_atlases(atlases: Sequence[Regions], space: Space, mask: Mask | None, settings: Settings) -> Placement:
    """Return the regions of every atlas on a space, as the settings have them extracted."""
    return make_placement(atlases, space, mask, smoothing_fwhm=settings.smoothing_fwhm, engine=settings.engine)


@lru_cache(maxsize=1)
def _load(path: Path) -> Any:
    import joblib  # 0.3 s that one process does not need

    return joblib.load(path, mmap_mode="r")


def store(value: Value, path: Path) -> Stored[Value]:
    """Write a placement, or atlases, to a file.

    Raises
    ------
    OutputLostError
        There is no room for it.
    """
    import joblib

    try:
        joblib.dump(value, path)
    except OSError as error:
        raise OutputLostError(
            f"{path.parent}: the regions cannot be kept for the processes ({error.strerror or error}); "
            "make room there, or name another folder in the variable TMPDIR."
        ) from error
    return Stored(path)


class Placements:
    """The placement on each space, made when its first run comes and let go after its last.

    Parameters
    ----------
    plans
        The runs to come.
    folder
        For files that processes share; None keeps placements in memory.
    """

    def __init__(self, study: Study, plans: Sequence[Plan], folder: Path | None) -> None:
        self._study = study
        self._folder = folder
        self._n_left = Counter(plan.series.space for plan in plans)
        self._made: dict[Space, Held[Placement] | Stored[Placement]] = {}
        self._atlases: Held[Atlases] | Stored[Atlases] | None = None
        self._numbers = itertools.count()

    def of(self, plan: Plan) -> AnyPlacement:
        """Return the placement for a run."""
        space, settings = plan.series.space, self._study.settings
        if plan.run.own_regions is not None:
            if self._study.atlases and self._atlases is None:
                self._atlases = self._keep(self._study.atlases)
            return OwnPlacement(plan.run.own_regions, plan.series, settings, self._atlases)
        if space not in self._made:
            self._made[space] = self._keep(place_atlases(self._study.atlases, space, self._study.mask, settings))
        return self._made[space]

    def _keep(self, value: Value) -> Held[Value] | Stored[Value]:
        """Return a value so that every process that does runs can load it."""
        if self._folder is None:
            return Held(value)
        return store(value, self._folder / f"regions-{next(self._numbers)}.joblib")

    def release(self, space: Space) -> None:
        """Let go of a run on a space; with the last one its placement goes."""
        self._n_left[space] -= 1
        if self._n_left[space] == 0:
            placement = self._made.pop(space, None)
            if isinstance(placement, Stored):
                # A process of Windows that has it open keeps it until the folder goes.
                with contextlib.suppress(OSError):
                    placement.path.unlink()


@contextlib.contextmanager
def temporary_folder(parent: Path | None = None) -> Iterator[Path]:
    """Give a folder that is removed at the end, with those of processes that were killed.

    Parameters
    ----------
    parent
        Where; None for the system's folder of temporary files.
    """
    remove_leftovers([parent or Path(tempfile.gettempdir())])
    if parent is not None:
        parent = parent.absolute()  # the workers of a cluster start elsewhere
    try:
        folder = tempfile.TemporaryDirectory(prefix=temporary_prefix(), dir=parent, ignore_cleanup_errors=True)
    except OSError as error:
        raise OutputLostError(f"no temporary folder can be made ({error.strerror or error}); mend that.") from error
    with folder as path:
        yield Path(path)
