"""The regions' weights on each grid, for every process that needs them: written once, read by all from one place."""

from __future__ import annotations

import contextlib
import itertools
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from niimasker.errors import OutputLostError
from niimasker.inputs.images import Grid, ImageSeries
from niimasker.inputs.runs import RegionFiles
from niimasker.outputs.files import remove_leftovers, temporary_prefix
from niimasker.plans import Plan
from niimasker.regions.definitions import Mask, Regions, load_mask
from niimasker.regions.spaces import check_spaces
from niimasker.settings import Settings
from niimasker.signals.extraction import Placement, make_placement
from niimasker.study import Study, check_spheres, load_atlases


@dataclass(frozen=True)
class HeldPlacement:
    """A placement in this process's memory."""

    placement: Placement

    def load(self) -> Placement:
        """Return it."""
        return self.placement


@dataclass(frozen=True)
class StoredPlacement:
    """A placement in a file, whose arrays all processes of a machine share."""

    path: Path

    def load(self) -> Placement:
        """Return it; its arrays stay in the file until they are used."""
        return _load(self.path)

    @property
    def n_bytes(self) -> int:
        """The size of the file."""
        return self.path.stat().st_size


@dataclass(frozen=True)
class OwnPlacement:
    """The placement of regions that one run has for itself, made where the run is done."""

    files: RegionFiles
    series: ImageSeries
    settings: Settings

    def load(self) -> Placement:
        """Return it, made from its files.

        Raises
        ------
        NiimaskerError
            The files are not usable, or spheres overlap.
        """
        atlases = load_atlases(self.files.roi_files, self.settings)
        mask = None if self.files.mask_path is None else load_mask(self.files.mask_path)
        for regions in atlases:
            check_spaces(self.series, regions)
        check_spheres(atlases, self.series.grid, mask, self.settings)
        return place_atlases(atlases, self.series.grid, mask, self.settings)


AnyPlacement = HeldPlacement | StoredPlacement | OwnPlacement


def place_atlases(atlases: Sequence[Regions], grid: Grid, mask: Mask | None, settings: Settings) -> Placement:
    """Return the regions of every atlas on a grid, as the settings have them extracted."""
    return make_placement(atlases, grid, mask, smoothing_fwhm=settings.smoothing_fwhm, engine=settings.engine)


@lru_cache(maxsize=1)
def _load(path: Path) -> Placement:
    import joblib  # 0.3 s that one process does not need

    placement: Placement = joblib.load(path, mmap_mode="r")
    return placement


def store(placement: Placement, path: Path) -> StoredPlacement:
    """Write a placement to a file.

    Raises
    ------
    OutputLostError
        There is no room for it.
    """
    import joblib

    try:
        joblib.dump(placement, path)
    except OSError as error:
        raise OutputLostError(
            f"{path.parent}: the regions' weights cannot be kept for the processes ({error.strerror or error}); "
            "make room there, or name another folder in the variable TMPDIR."
        ) from error
    return StoredPlacement(path)


class Placements:
    """The placement of each grid, made when its first run comes and let go after its last.

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
        self._n_left = Counter(plan.series.grid for plan in plans)
        self._made: dict[Grid, HeldPlacement | StoredPlacement] = {}
        self._numbers = itertools.count()

    def of(self, plan: Plan) -> AnyPlacement:
        """Return the placement for a run."""
        grid, settings = plan.series.grid, self._study.settings
        if plan.run.own_regions is not None:
            return OwnPlacement(plan.run.own_regions, plan.series, settings)
        if grid not in self._made:
            placement = place_atlases(self._study.atlases, grid, self._study.mask, settings)
            if self._folder is None:
                self._made[grid] = HeldPlacement(placement)
            else:
                self._made[grid] = store(placement, self._folder / f"placement-{next(self._numbers)}.joblib")
        return self._made[grid]

    def release(self, grid: Grid) -> None:
        """Let go of a run on a grid; with the last one its placement goes."""
        self._n_left[grid] -= 1
        if self._n_left[grid] == 0:
            placement = self._made.pop(grid, None)
            if isinstance(placement, StoredPlacement):
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
