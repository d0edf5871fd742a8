"""From volumes and weights to one raw signal per region, and how much of each region it stands on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from niimasker.errors import RegionsError, warn
from niimasker.inputs.images import VoxelStorage
from niimasker.inputs.series import Series
from niimasker.inputs.volumes import Digest, iter_blocks, read_values
from niimasker.regions.placing.operators import Stacked, make_operator, stack
from niimasker.regions.placing.placement import Placement, make_maskers
from niimasker.regions.placing.weights import CONSTANT, NO_SIGNAL, RegionWeights, restrict
from niimasker.signals.accumulation import MeanVolume, PointStatistics, accumulate, select_kept
from niimasker.signals.timeline import Timeline


@dataclass(frozen=True)
class Signals:
    """Raw signals of a run's kept volumes, and facts of the regions that they come from.

    Parameters
    ----------
    values
        In the image's units, of shape (n_kept, n_columns), float64; NaN for a region without voxels.
    n_valid
        Voxels of each region that are finite and not constant over time, of shape (n_regions,).
    coverage
        Share of each region, as its atlas has it, that such voxels make up, of shape (n_regions,).
    mean
        Over time of each region's signal, of shape (n_regions,); NaN for a region without voxels.
    tsnr
        Mean over those voxels of temporal mean by temporal standard deviation, of shape (n_regions,).
    status
        `OK`, or why there is no signal.
    """

    values: np.ndarray
    n_valid: np.ndarray
    coverage: np.ndarray
    mean: np.ndarray
    tsnr: np.ndarray
    status: tuple[str, ...]


Raw = tuple[np.ndarray, PointStatistics]


@dataclass(frozen=True)
class ReadOptions:
    """How an image is to be read.

    Parameters
    ----------
    valid_voxels
        Whether regions are averaged over those of their voxels alone that are finite and vary.
    digest
        Takes in the image file's bytes.
    mean_volume
        Takes in the volumes.
    """

    valid_voxels: bool = False
    digest: Digest | None = None
    mean_volume: MeanVolume | None = None


DEFAULT_READ_OPTIONS = ReadOptions()


def extract_signals(
    series: Series, timeline: Timeline, placement: Placement, reading: ReadOptions = DEFAULT_READ_OPTIONS
) -> list[Signals]:
    """Return the signals of each atlas in the kept volumes, reading the image once.

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
    extract = extract_streaming if isinstance(placement.extractor, Stacked) else extract_by_nilearn
    values, facts = extract(series, timeline, placement, reading)
    n_not_finite = np.count_nonzero(~facts.is_finite)
    if n_not_finite:
        what = "those voxels are left out" if reading.valid_voxels else "those values count as 0"
        warn(f"{n_not_finite} of the voxels read hold NaN or infinite values; {what}.")
    ends = np.cumsum([len(weights.names) for weights in placement.weights])
    parts = np.split(values, ends[:-1], axis=1)
    return [_make_signals(part, facts, weights) for part, weights in zip(parts, placement.weights, strict=True)]


def _make_signals(values: np.ndarray, facts: PointStatistics, weights: RegionWeights) -> Signals:
    regions = weights.of_regions
    members = regions.members[:, facts.points]
    varies = facts.is_finite & (facts.deviation > 0)
    tsnr = np.divide(facts.mean, facts.deviation, out=np.zeros_like(facts.mean), where=varies)
    n_valid = np.rint(members @ facts.is_valid.astype(np.float64)).astype(int)
    n_finite = members @ facts.is_finite.astype(np.float64)
    n_varying = members @ varies.astype(np.float64)
    means = np.divide(members @ tsnr, n_varying, out=np.full(len(n_valid), np.nan), where=n_varying > 0)
    is_silent = regions.filled & (n_valid == 0)
    status = np.select([is_silent & (n_finite > 0), is_silent], [CONSTANT, NO_SIGNAL], regions.status)
    # Least squares would tell of a map without signal what the others leave over.
    no_values = ~weights.filled | (is_silent if weights.kind == "maps" else False)
    coverage = _cover(regions, n_valid)
    values = np.where(no_values, np.nan, values)
    return Signals(values, n_valid, coverage, _average(values, weights), means, tuple(status.tolist()))


def _average(values: np.ndarray, weights: RegionWeights) -> np.ndarray:
    """Return the mean over time of each region, over its columns where each voxel is one."""
    means = values.mean(axis=0)
    if weights.single_points is None:
        return np.asarray(means)
    rows, n_regions = weights.single_points.rows, len(weights.of_regions.names)
    n_columns = np.bincount(rows, minlength=n_regions)
    sums = np.bincount(rows, means, minlength=n_regions)
    return np.asarray(np.divide(sums, n_columns, out=np.full(n_regions, np.nan), where=n_columns > 0))


def _cover(regions: RegionWeights, n_valid: np.ndarray) -> np.ndarray:
    """Return the share of each region that its valid voxels make up, counting what the field of view cuts off."""
    n_regions = len(n_valid)
    in_view = np.divide(regions.extent_inside, regions.extent, out=np.zeros(n_regions), where=regions.extent > 0)
    in_image = np.divide(n_valid, regions.n_points, out=np.zeros(n_regions), where=regions.n_points > 0)
    return np.asarray(in_view * in_image)


def extract_streaming(series: Series, timeline: Timeline, placement: Placement, reading: ReadOptions) -> Raw:
    """Return signals of shape (n_kept, n_rows) and facts of points, reading the image block by block."""
    assert isinstance(placement.extractor, Stacked)
    operator = placement.extractor
    passed = accumulate(_read(series, timeline, reading), operator, zero=_zero_of(series))
    facts = passed.facts
    if reading.valid_voxels and not facts.is_valid.all():
        restricted = _restrict(placement.weights, facts)
        rest = stack([make_operator(each, None) for each in restricted], series.space, operator.points)
        if facts.is_finite.all():
            passed = passed.over(placement.weights, restricted)
        else:
            # What a voxel held before its first NaN is in the sums: only then the image is read again.
            passed = accumulate(_read(series, timeline, DEFAULT_READ_OPTIONS), rest, zero=_zero_of(series))
        operator = rest
        filled = np.concatenate([each.filled for each in restricted])
        values, facts = _scale(passed.values(operator), facts, operator, series.storage)
        return np.where(filled, values, np.nan), facts
    return _scale(passed.values(operator), facts, operator, series.storage)


def _zero_of(series: Series) -> float:
    return -series.storage.intercept / series.storage.slope


def _read(series: Series, timeline: Timeline, reading: ReadOptions) -> Iterator[np.ndarray]:
    """Yield the kept volumes, in blocks."""
    blocks = select_kept(iter_blocks(series.storage, timeline.n_discarded, digest=reading.digest), timeline)
    return blocks if reading.mean_volume is None else reading.mean_volume.watch(blocks)


def _restrict(weights: Sequence[RegionWeights], facts: PointStatistics) -> list[RegionWeights]:
    is_used = np.zeros(weights[0].space.n_points, dtype=bool)
    is_used[facts.points] = facts.is_valid
    return [each if each.single_points is not None else restrict(each, is_used) for each in weights]


def _scale(values: np.ndarray, facts: PointStatistics, operator: Stacked, storage: VoxelStorage) -> Raw:
    """Apply the file's slope and intercept to sums: scaling 10^6 voxels a volume would cost more than reading them."""
    slope, intercept = storage.slope, storage.intercept
    if (slope, intercept) == (1.0, 0.0):
        return values, facts
    ones = operator.apply(np.ones((len(operator.points), 1)))
    scaled = PointStatistics(
        facts.points, slope * facts.mean + intercept, abs(slope) * facts.deviation, facts.is_finite, facts.n_volumes
    )
    return slope * values + intercept * ones.T, scaled


def extract_by_nilearn(series: Series, timeline: Timeline, placement: Placement, reading: ReadOptions) -> Raw:
    """Return the same by nilearn's own maskers, with the whole image in memory."""
    # Float64: some of nilearn's maskers keep an image's integer type in their output.
    first = timeline.n_discarded
    values = read_values(series.storage, first, dtype=np.float64, digest=reading.digest)
    values = values[timeline.kept[first:]]
    if reading.mean_volume is not None:
        list(reading.mean_volume.watch(_unscale(values, series.storage)))
    weights, maskers = placement.weights, placement.extractor
    facts = _describe_points(values, weights)
    if reading.valid_voxels and not facts.is_valid.all():
        weights = tuple(_restrict(weights, facts))
        maskers = make_maskers(weights, None)
    if not np.isfinite(values).all():
        values = np.nan_to_num(values, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    filled = np.concatenate([each.filled for each in weights])
    signals = np.full((timeline.n_kept, len(filled)), np.nan)
    assert not isinstance(maskers, Stacked)
    if maskers:
        signals[:, filled] = np.concatenate([masker.transform(values) for masker in maskers], axis=1)
    return signals, facts


def _unscale(values: np.ndarray, storage: VoxelStorage) -> Iterator[np.ndarray]:
    """Yield volumes as they come from a file, in blocks of one."""
    for volume in values:
        yield (volume[None] - storage.intercept) / storage.slope


def _describe_points(values: np.ndarray, weights: Sequence[RegionWeights]) -> PointStatistics:
    points = np.unique(np.concatenate([each.matrix.indices for each in weights]))
    over_time = np.ascontiguousarray(values[:, points].T)
    is_finite = np.isfinite(over_time).all(axis=1)
    over_time = np.nan_to_num(over_time, nan=0.0, posinf=0.0, neginf=0.0)
    # The standard deviation of a constant point is the rounding error of its mean, not 0.
    deviation = np.where(np.ptp(over_time, axis=1) > 0, over_time.std(axis=1), 0.0)
    return PointStatistics(points, over_time.mean(axis=1), deviation, is_finite, len(values))
