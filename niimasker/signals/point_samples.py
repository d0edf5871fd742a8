"""A sample of an image's points, whose series are kept while the image is read, for figures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy.ndimage import distance_transform_edt

from niimasker.inputs.grayordinates import CORTEX_LEFT, CORTEX_RIGHT, Grayordinates
from niimasker.inputs.spaces import Grid, Space
from niimasker.inputs.storage import Storage
from niimasker.inputs.tissues import TISSUE_NAMES, Tissues

MAX_POINTS = 2000
# In a long run fewer points are sampled, so that cleaning them takes no more than 0.3 s, but never fewer than these.
_MAX_VALUES, _MIN_POINTS = 800_000, 500

BRAIN = "brain"
_STRUCTURES = {CORTEX_LEFT: "left cortex", CORTEX_RIGHT: "right cortex"}
_OTHER_STRUCTURES = "subcortex and cerebellum"

# Voxels darker than this share of the brightest ones are air.
_AIR_LEVEL = 0.1
# With a larger share of negative values, an image has no mean, and darker voxels are not air.
_MAX_NEGATIVE = 0.1
# More voxels around the brain than these are thinned out before distances are computed: with 500,000, those of an MNI
# template of 2 mm, they take 0.16 s, and 0.01 s in every second voxel along each axis.
_MAX_DISTANCES = 100_000

# Nanometres in a millimetre. Places are compared in whole nanometres, so that rounding errors do not change the order.
_NANOMETRES = 1e6


@dataclass(frozen=True, eq=False)
class Sampling:
    """The space that points are sampled from, and the tissues of its voxels if they are known."""

    space: Space
    tissues: Tissues | None = None


@dataclass(frozen=True, eq=False)
class SampledPoints:
    """The points of a sample, in the order in which they are drawn.

    Parameters
    ----------
    points
        Positions in the space, of shape (n_points,).
    groups
        The name of each group of points: tissues, structures, or the brain as one.
    members
        The position of each point's group, in ascending order, of shape (n_points,).
    source
        The file that groups are from; None if they are not from a file.
    """

    points: np.ndarray
    groups: tuple[str, ...]
    members: np.ndarray
    source: Path | None = None


@dataclass(frozen=True, eq=False)
class PointSample:
    """The series of sampled points.

    Parameters
    ----------
    values
        In the image's units, float32 of shape (n_volumes, n_points), with all volumes of the image. NaN for volumes
        that are discarded, or censored at the start of the run and read before the points were chosen.
    """

    values: np.ndarray
    sampled: SampledPoints


@dataclass(eq=False)
class PointSampler:
    """Takes the series of a sample of points from an image's blocks while signals are extracted from them.

    The points are chosen on the first kept volume: no other volume, kept or not, changes the choice.

    Parameters
    ----------
    first
        The first kept volume.
    start
        The volume that the first block begins with.
    """

    sampling: Sampling
    storage: Storage
    first: int
    start: int = 0
    _sampled: SampledPoints | None = field(default=None, init=False)
    _values: np.ndarray | None = field(default=None, init=False)

    def watch(self, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Yield blocks of shape (n_volumes, n_points) unchanged, and keep the values of sampled points."""
        start = self.start
        for block in blocks:
            stop = start + len(block)
            if start <= self.first < stop:
                self._choose(self.storage.scale(block[self.first - start].astype(np.float64)))
            if self._values is not None and self._sampled is not None:
                self._values[start:stop] = self.storage.scale(block[:, self._sampled.points])
            start = stop
            yield block

    def watch_points(self, blocks: Iterable[tuple[int, np.ndarray]]) -> Iterator[tuple[int, np.ndarray]]:
        """Yield blocks of points unchanged, and keep the values of sampled points.

        Parameters
        ----------
        blocks
            The position of the first point, and values of shape (n_points, n_volumes).
        """
        self._choose(None)
        assert self._sampled is not None
        assert self._values is not None
        for start, block in blocks:
            here = np.flatnonzero((self._sampled.points >= start) & (self._sampled.points < start + len(block)))
            rows = self._sampled.points[here] - start
            self._values[:, here] = self.storage.scale(block[rows].T)
            yield start, block

    def sample(self) -> PointSample | None:
        """Return the sample, None if the image has no point to be sampled."""
        if self._sampled is None or self._values is None or not len(self._sampled.points):
            return None
        return PointSample(self._values, self._sampled)

    def _choose(self, volume: np.ndarray | None) -> None:
        n_points = min(MAX_POINTS, max(_MIN_POINTS, _MAX_VALUES // self.storage.n_volumes))
        self._sampled = choose_points(self.sampling, volume, n_points)
        shape = (self.storage.n_volumes, len(self._sampled.points))
        self._values = np.full(shape, np.nan, dtype=np.float32)


def make_samplers(
    sampling: Sampling | None, storage: Storage, kept: Sequence[np.ndarray], start: int
) -> dict[int, PointSampler]:
    """Return a sampler for each first kept volume of selections of volumes; none if no sample is wanted."""
    if sampling is None:
        return {}
    return {first: PointSampler(sampling, storage, first, start) for first in map(find_first, kept)}


def find_first(kept: np.ndarray) -> int:
    """Return the first kept volume of a selection."""
    return int(np.argmax(kept))


def choose_points(sampling: Sampling, volume: np.ndarray | None, n_points: int = MAX_POINTS) -> SampledPoints:
    """Return at most `n_points` points, evenly spaced over all points in the order in which they are drawn.

    Voxels are ordered by tissue and from the bottom of the brain to its top, or without tissues by their distance from
    the edge of the brain, the outermost first. Vertices are ordered by structure.

    Parameters
    ----------
    volume
        A volume in the image's units, of shape (n_points,); None if the image is not read volume by volume. Points
        without a signal in it are not chosen.
    """
    space = sampling.space
    if isinstance(space, Grayordinates):
        return _choose_by_structure(space, volume, n_points)
    assert isinstance(space, Grid)
    assert volume is not None
    if sampling.tissues is not None:
        chosen = _choose_by_tissue(space, sampling.tissues, volume, n_points)
        if len(chosen.points):
            return chosen
    return _choose_by_distance(space, volume, n_points)


def _spread(points: np.ndarray, n_points: int) -> np.ndarray:
    """Return at most so many of the points, evenly spaced."""
    if len(points) <= n_points:
        return points
    spread: np.ndarray = points[((np.arange(n_points) + 0.5) * len(points) / n_points).astype(int)]
    return spread


def _has_signal(volume: np.ndarray) -> np.ndarray:
    return np.asarray(np.isfinite(volume) & (volume != 0))


def _choose_by_structure(space: Grayordinates, volume: np.ndarray | None, n_points: int) -> SampledPoints:
    groups = (*_STRUCTURES.values(), _OTHER_STRUCTURES)
    names = [_STRUCTURES.get(model.structure, _OTHER_STRUCTURES) for model in space.models]
    members = np.repeat([groups.index(name) for name in names], [model.n_points for model in space.models])
    order = np.argsort(members, kind="stable")
    points = _spread(order if volume is None else order[_has_signal(volume)[order]], n_points)
    return SampledPoints(points, groups, members[points])


def _choose_by_tissue(grid: Grid, tissues: Tissues, volume: np.ndarray, n_points: int) -> SampledPoints:
    points = np.flatnonzero((tissues.labels > 0) & _has_signal(volume))
    points = _spread(points[np.argsort(tissues.labels[points], kind="stable")], n_points)
    labels = tissues.labels[points]
    indices = np.stack(np.unravel_index(points, grid.shape, order="F"))
    height = np.rint(_NANOMETRES * grid.matrix[2, :3] @ indices)
    order = np.lexsort((height, labels))
    members = np.searchsorted(list(TISSUE_NAMES), labels[order])
    return SampledPoints(points[order], tuple(TISSUE_NAMES.values()), members, tissues.path)


def _choose_by_distance(grid: Grid, volume: np.ndarray, n_points: int) -> SampledPoints:
    brain, corner = _crop(_find_brain(volume).reshape(grid.shape, order="F"))
    step = max(1, int(np.ceil(np.cbrt(brain.size / _MAX_DISTANCES))))
    thinned = np.pad(brain[::step, ::step, ::step], 1)
    sizes = np.linalg.norm(grid.matrix[:3, :3], axis=0)
    distances = np.rint(_NANOMETRES * distance_transform_edt(thinned, sampling=sizes))
    indices = np.argwhere(thinned.T)[:, ::-1]
    order = _spread(np.argsort(distances.T[thinned.T], kind="stable"), n_points)
    chosen = (indices[order] - 1) * step + corner
    points = np.ravel_multi_index(tuple(chosen.T), grid.shape, order="F")
    return SampledPoints(points, (BRAIN,), np.zeros(len(points), dtype=int))


def _find_brain(volume: np.ndarray) -> np.ndarray:
    """Return which voxels are of the brain: those that are not air or, without a mean, those that are not 0."""
    has_signal = _has_signal(volume)
    values = volume[has_signal]
    if not len(values) or np.mean(values < 0) > _MAX_NEGATIVE:
        return has_signal
    return np.asarray(has_signal & (volume > _AIR_LEVEL * np.percentile(np.where(has_signal, volume, 0.0), 99)))


def _crop(brain: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the bounding box of the brain, and its first voxel."""
    sides = [np.flatnonzero(brain.any(axis=tuple(other for other in range(3) if other != axis))) for axis in range(3)]
    if not all(len(side) for side in sides):
        return brain[:0, :0, :0], np.zeros(3, dtype=int)
    box = tuple(slice(side[0], side[-1] + 1) for side in sides)
    return brain[box], np.array([side[0] for side in sides])
