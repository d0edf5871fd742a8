"""From volumes and weights to one raw signal per region, and how much of each region it stands on."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np

from niimasker.errors import RegionsError, warn
from niimasker.inputs.images import Grid, ImageSeries, VoxelStorage
from niimasker.inputs.volumes import Digest, iter_blocks, read_volumes
from niimasker.regions.definitions import Mask, Regions
from niimasker.regions.operators import Stacked, make_operator, stack
from niimasker.regions.weights import NO_SIGNAL, RegionWeights, place_regions
from niimasker.signals.timeline import Timeline

if TYPE_CHECKING:
    from niimasker.regions.maskers import PlacedMasker


@dataclass(frozen=True)
class VoxelFacts:
    """What is known of single voxels after a run has been read, each of shape (n_voxels,).

    Parameters
    ----------
    voxels
        Positions on the grid, sorted.
    mean, deviation
        Over the kept volumes, in the image's units; non-finite values count as 0.
    is_finite
        In every kept volume.
    """

    voxels: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray
    is_finite: np.ndarray


@dataclass(frozen=True)
class Signals:
    """Raw signals of a run's kept volumes, and facts of the regions that they come from.

    Parameters
    ----------
    values
        In the image's units, of shape (n_kept, n_columns), float64; NaN for a region without voxels.
    n_valid
        Voxels of each region that are finite and not constant over time, of shape (n_regions,).
    tsnr
        Mean over those voxels of temporal mean by temporal standard deviation, of shape (n_regions,).
    status
        `OK`, or why there is no signal.
    """

    values: np.ndarray
    n_valid: np.ndarray
    tsnr: np.ndarray
    status: tuple[str, ...]


@dataclass(frozen=True)
class Placement:
    """Every atlas of a study on one grid, and what extracts them; made once per grid and shared by its runs."""

    weights: tuple[RegionWeights, ...]
    extractor: Stacked | tuple[PlacedMasker, ...]


Raw = tuple[np.ndarray, VoxelFacts]


def make_placement(
    atlases: Sequence[Regions], grid: Grid, mask: Mask | None, *, smoothing_fwhm: float | None, engine: str
) -> Placement:
    """Return the regions of every atlas on a grid, ready to be extracted by an engine."""
    weights = tuple(place_regions(regions, grid, mask) for regions in atlases)
    return Placement(weights, ENGINES[engine](weights, smoothing_fwhm))


def _stack_operators(weights: Sequence[RegionWeights], smoothing_fwhm: float | None) -> Stacked:
    return stack([make_operator(each, smoothing_fwhm) for each in weights], weights[0].grid)


def _make_maskers(weights: Sequence[RegionWeights], smoothing_fwhm: float | None) -> tuple[PlacedMasker, ...]:
    # Importing nilearn's maskers costs more than many a run; only this engine needs them.
    from niimasker.regions.maskers import make_masker

    # An atlas of which nothing is left has no masker: nilearn's would raise for it.
    return tuple(make_masker(each, smoothing_fwhm) for each in weights if each.filled.any())


ENGINES: dict[str, Callable[..., Stacked | tuple[PlacedMasker, ...]]] = {
    "stream": _stack_operators,
    "nilearn": _make_maskers,
}


def extract_signals(
    series: ImageSeries, timeline: Timeline, placement: Placement, digest: Digest | None = None
) -> list[Signals]:
    """Return the signals of each atlas, reading the image once.

    Parameters
    ----------
    digest
        Takes in the image file's bytes.

    Raises
    ------
    BrokenImageError
        The image is broken.
    RegionsError
        No region has a voxel in this image.
    """
    if not any(weights.filled.any() for weights in placement.weights):
        reasons = sorted({status for weights in placement.weights for status in weights.of_regions.status})
        raise RegionsError(f"{series.path}: no region is left ({', '.join(reasons)}); are both in one space?")
    if isinstance(placement.extractor, Stacked):
        values, facts = extract_streaming(series, timeline, placement.extractor, digest)
    else:
        values, facts = extract_by_nilearn(series, timeline, placement.weights, placement.extractor, digest)
    n_not_finite = np.count_nonzero(~facts.is_finite)
    if n_not_finite:
        warn(f"{n_not_finite} of the voxels read hold NaN or infinite values; those values count as 0.")
    ends = np.cumsum([len(weights.names) for weights in placement.weights])
    parts = np.split(values, ends[:-1], axis=1)
    return [_make_signals(part, facts, weights) for part, weights in zip(parts, placement.weights, strict=True)]


def _make_signals(values: np.ndarray, facts: VoxelFacts, weights: RegionWeights) -> Signals:
    regions = weights.of_regions
    is_valid = facts.is_finite & (facts.deviation > 0)
    tsnr = np.divide(facts.mean, facts.deviation, out=np.zeros_like(facts.mean), where=is_valid)
    members = regions.members[:, facts.voxels]
    n_valid = np.rint(members @ is_valid.astype(np.float64)).astype(int)
    means = np.divide(members @ tsnr, n_valid, out=np.full(len(n_valid), np.nan), where=n_valid > 0)
    # In a single volume nothing varies.
    is_silent = regions.filled & (n_valid == 0) & (len(values) > 1)
    status = tuple(np.where(is_silent, NO_SIGNAL, regions.status).tolist())
    return Signals(np.where(weights.filled, values, np.nan), n_valid, means, status)


def extract_streaming(series: ImageSeries, timeline: Timeline, operator: Stacked, digest: Digest | None = None) -> Raw:
    """Return signals of shape (n_kept, n_rows) and voxel facts, reading the image block by block."""
    voxels = series.voxels
    blocks = iter_blocks(voxels, timeline.n_discarded, digest=digest)
    values, facts = accumulate(blocks, operator, zero=-voxels.intercept / voxels.slope)
    return _scale(values, facts, operator, voxels)


def accumulate(blocks: Iterable[np.ndarray], operator: Stacked, *, zero: float = 0.0) -> Raw:
    """Return signals and voxel facts of unscaled blocks of shape (n_volumes, n_voxels).

    Parameters
    ----------
    zero
        What stands for 0 in the file: non-finite values count as it.

    Notes
    -----
    Differences from the first volume are summed: a constant voxel has exactly no deviation, and the sums of squares
    stay as small as the signal, however high its baseline. Float64 throughout: in float32 the error over a baseline
    of 10,000 is 1e-3 of the signal's standard deviation.
    """
    blocks = iter(blocks)
    first_block = next(blocks)
    first = _finite_or(zero, np.take(first_block[0], operator.voxels).astype(np.float64))
    is_finite = np.ones(len(first), dtype=bool)
    sums, squares = np.zeros(len(first)), np.zeros(len(first))
    parts: list[np.ndarray] = []
    for block in chain([first_block], blocks):
        volumes = np.take(block, operator.voxels, axis=1).astype(np.float64)
        volumes -= first
        with np.errstate(invalid="ignore"):  # infinity less infinity
            block_sums = volumes.sum(axis=0)
        # One sum a voxel shows whether any of its values is not finite; good blocks are not looked through again.
        bad = ~np.isfinite(block_sums)
        if bad.any():
            is_finite &= ~bad
            volumes[:, bad] = _finite_or(zero - first[bad], volumes[:, bad])
            block_sums = volumes.sum(axis=0)
        sums += block_sums
        squares += np.einsum("tv,tv->v", volumes, volumes)
        parts.append(operator.apply(volumes.T))
    values = (np.concatenate(parts, axis=1) + operator.apply(first[:, None])).T
    means = sums / len(values)
    variance = np.maximum(squares / len(values) - means**2, 0.0)
    return values, VoxelFacts(operator.voxels, first + means, np.sqrt(variance), is_finite)


def _finite_or(replacement: np.ndarray | float, values: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(values), values, replacement)


def _scale(values: np.ndarray, facts: VoxelFacts, operator: Stacked, voxels: VoxelStorage) -> Raw:
    """Apply the file's slope and intercept to sums: scaling 10^6 voxels a volume would cost more than reading them."""
    slope, intercept = voxels.slope, voxels.intercept
    if (slope, intercept) == (1.0, 0.0):
        return values, facts
    ones = operator.apply(np.ones((len(operator.voxels), 1)))
    scaled = VoxelFacts(facts.voxels, slope * facts.mean + intercept, abs(slope) * facts.deviation, facts.is_finite)
    return slope * values + intercept * ones.T, scaled


def extract_by_nilearn(
    series: ImageSeries,
    timeline: Timeline,
    weights: Sequence[RegionWeights],
    maskers: Sequence[PlacedMasker],
    digest: Digest | None = None,
) -> Raw:
    """Return the same by nilearn's own maskers, with the whole image in memory."""
    # Float64: some of nilearn's maskers keep an image's integer type in their output.
    volumes = read_volumes(series.voxels, series.grid.shape, timeline.n_discarded, dtype=np.float64, digest=digest)
    facts = _describe_voxels(volumes, weights)
    if not np.isfinite(volumes).all():
        volumes = np.nan_to_num(volumes, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    volumes_img = nib.Nifti1Image(volumes, series.grid.matrix)
    filled = np.concatenate([each.filled for each in weights])
    values = np.full((timeline.n_kept, len(filled)), np.nan)
    values[:, filled] = np.concatenate([_transform(masker, volumes_img) for masker in maskers], axis=1)
    return values, facts


def _transform(placed: PlacedMasker, volumes_img: nib.Nifti1Image) -> np.ndarray:
    with warnings.catch_warnings():
        # What nilearn says of overlaps and of defaults to come is said here already, or no news.
        warnings.simplefilter("ignore")
        return np.asarray(placed.masker.fit_transform(volumes_img))[:, placed.columns]


def _describe_voxels(volumes: np.ndarray, weights: Sequence[RegionWeights]) -> VoxelFacts:
    voxels = np.unique(np.concatenate([each.matrix.indices for each in weights]))
    over_time = volumes[np.unravel_index(voxels, weights[0].grid.shape, order="F")]
    is_finite = np.isfinite(over_time).all(axis=1)
    over_time = np.nan_to_num(over_time, nan=0.0, posinf=0.0, neginf=0.0)
    # The standard deviation of a constant voxel is the rounding error of its mean, not 0.
    deviation = np.where(np.ptp(over_time, axis=1) > 0, over_time.std(axis=1), 0.0)
    return VoxelFacts(voxels, over_time.mean(axis=1), deviation, is_finite)
