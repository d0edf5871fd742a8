"""The interactive view of a run's brain: its mean image and its regions as small volumes that brain.js draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from niimasker.reports.brain import RasVolumes, find_brain, find_grey_range
from niimasker.reports.packing import pack_compressed

# A larger view takes long to draw, and makes a page slow to load.
MAX_VOXELS, MAX_BYTES = 1_500_000, 600_000

# 0 is what is not shown; as many greys as in the cuts are enough.
_N_GREYS = 31

# Labels take two bytes at most.
_MAX_REGIONS = 65_535


@dataclass(frozen=True, eq=False)
class BrainView:
    """The volumes of a brain as JSON; `step` is 1, or 2 if every second voxel along each axis is shown, and so on."""

    data: dict[str, Any]
    step: int


def make_brain_view(
    volumes: RasVolumes, names: Sequence[str], colours: Sequence[str], *, max_bytes: int = MAX_BYTES
) -> BrainView | None:
    """Return the view of a brain, on a coarser grid if it is large; None if it has too many regions.

    Parameters
    ----------
    names, colours
        Of each region.
    max_bytes
        The size of the packed volumes that makes the grid coarser.
    """
    if len(names) > _MAX_REGIONS:
        return None
    step = 1
    while volumes.labels.size / step**3 > MAX_VOXELS:
        step += 1
    while True:
        thinned = _thin(volumes, step)
        packed = {"greys": pack_compressed(_find_greys(thinned)), "labels": pack_compressed(thinned.labels)}
        if sum(len(each["deflated"]) for each in packed.values()) <= max_bytes:
            break
        step += 1
    data = {
        "shape": list(thinned.labels.shape),
        "affine": _round(thinned.affine),
        "inverse": _round(np.linalg.inv(thinned.affine)),
        "sizes": [round(float(size), 4) for size in thinned.sizes],
        **packed,
        "brightest": _N_GREYS,
        "centres": find_centres(thinned, len(names)),
        "names": list(names),
        "colours": list(colours),
    }
    return BrainView(data, step)


def _round(matrix: np.ndarray) -> list[list[float]]:
    return [[float(f"{value:.8g}") for value in row] for row in matrix[:3].tolist()]


def _thin(volumes: RasVolumes, step: int) -> RasVolumes:
    """Return one voxel in `step` along each axis, and at least one of each region."""
    if step == 1:
        return volumes
    some = (slice(None, None, step),) * 3
    labels, scale = volumes.labels[some].copy(), np.diag([step, step, step, 1.0])
    n_labels = int(volumes.labels.max(initial=0)) + 1
    n_before, n_after = (np.bincount(each.ravel(), minlength=n_labels) for each in (volumes.labels, labels))
    missing = np.flatnonzero((n_before > 0) & (n_after == 0) & (np.arange(n_labels) > 0)).tolist()
    if missing:
        centres = find_centres(volumes, n_labels - 1)
        for label in missing:
            centre = np.unravel_index(centres[label - 1] or 0, volumes.labels.shape)
            _add_region(labels, label, np.array(centre) / step, n_after)
    return replace(volumes, background=volumes.background[some], labels=labels, affine=volumes.affine @ scale)


def _add_region(labels: np.ndarray, label: int, place: np.ndarray, counts: np.ndarray) -> None:
    """Give a region the voxel nearest to a place that is not the last one of another region."""
    voxels = np.stack(np.meshgrid(*(np.arange(-1, 2) + int(each) for each in place), indexing="ij"), -1).reshape(-1, 3)
    voxels = voxels[((voxels >= 0) & (voxels < labels.shape)).all(axis=1)]
    for voxel in map(tuple, voxels[np.argsort(np.linalg.norm(voxels - place, axis=1), kind="stable")].tolist()):
        if labels[voxel] == 0 or counts[labels[voxel]] > 1:
            counts[labels[voxel]] -= 1
            counts[label], labels[voxel] = 1, label
            return


def _find_greys(volumes: RasVolumes) -> np.ndarray:
    """Return the grey of each voxel of the brain from 1 to 31, and 0 elsewhere."""
    low, high = find_grey_range(volumes.background)
    shares = np.clip((volumes.background - low) / (high - low), 0, 1)
    return np.where(find_brain(volumes), 1 + np.rint(shares * (_N_GREYS - 1)), 0).astype(np.uint8)


def find_centres(volumes: RasVolumes, n_regions: int) -> list[int | None]:
    """Return the voxel of each region that is nearest to its centre of mass, None for a region without voxels.

    A voxel is its place in the flattened volume.
    """
    (voxels,) = np.nonzero(volumes.labels.ravel())
    labels = volumes.labels.ravel()[voxels]
    counts = np.maximum(np.bincount(labels, minlength=n_regions + 1), 1)
    distances = np.zeros(len(voxels))
    for places, size in zip(np.unravel_index(voxels, volumes.labels.shape), volumes.sizes, strict=True):
        means = np.bincount(labels, places, minlength=n_regions + 1) / counts
        distances += ((places - means[labels]) * size) ** 2
    smallest = np.full(n_regions + 1, np.inf)
    np.minimum.at(smallest, labels, distances)
    is_nearest = distances == smallest[labels]
    found = dict(zip(labels[is_nearest][::-1].tolist(), voxels[is_nearest][::-1].tolist(), strict=True))
    return [found.get(label) for label in range(1, n_regions + 1)]
