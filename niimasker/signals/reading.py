"""Read an image once, and return the raw signals of all regions for each selection of its volumes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from niimasker.errors import RegionsError
from niimasker.inputs.blocks import Digest
from niimasker.inputs.cifti.series import iter_series
from niimasker.inputs.gifti.series import iter_surface_blocks
from niimasker.inputs.images import check_memory
from niimasker.inputs.series import Series
from niimasker.inputs.storage import GrayordinateStorage, Storage, SurfaceStorage, VoxelStorage
from niimasker.inputs.volumes import iter_blocks, read_values
from niimasker.regions.placing.operators import Stacked, make_operator, stack
from niimasker.regions.placing.placement import Placement, make_maskers
from niimasker.regions.placing.weights import RegionWeights, restrict
from niimasker.signals.accumulation import Accumulated, PointStatistics, accumulate, accumulate_points
from niimasker.signals.mean_volumes import MeanVolumes
from niimasker.signals.point_samples import PointSample, PointSampler, Sampling, find_first, make_samplers
from niimasker.signals.timeline import Timeline


@dataclass(frozen=True, eq=False)
class RawSignals:
    """What one reading of an image gives for a timeline.

    Parameters
    ----------
    values
        Raw signals of shape (n_kept, n_rows), in the image's units.
    statistics
        Statistics of the points that they come from.
    mean_volume
        Mean of the kept volumes, float32 of shape (n_points,), in the image's units; None if it is not wanted.
    members
        For each atlas, a sparse matrix of shape (n_regions, n_points) with 1 where a point of the statistics belongs to
        a region.
    sample
        The series of a sample of points; None if it is not wanted or no point has a signal.
    """

    values: np.ndarray
    statistics: PointStatistics
    mean_volume: np.ndarray | None = None
    members: tuple[sparse.csr_array, ...] = ()
    sample: PointSample | None = None


@dataclass(frozen=True)
class ReadOptions:
    """How an image is to be read.

    Parameters
    ----------
    valid_voxels
        Whether regions are averaged over their valid voxels only.
    digests
        Receive the bytes of the image's files, one each.
    wants_mean
        Whether the mean of the kept volumes is wanted too.
    sampling
        Where points are sampled whose series are wanted too; None if they are not.
    """

    valid_voxels: bool = False
    digests: tuple[Digest, ...] = ()
    wants_mean: bool = False
    sampling: Sampling | None = None


DEFAULT_READ_OPTIONS = ReadOptions()


def read_signals(
    series: Series,
    timelines: Sequence[Timeline],
    placement: Placement,
    options: ReadOptions = DEFAULT_READ_OPTIONS,
) -> list[RawSignals]:
    """Return the raw signals of all atlases for each timeline, reading the image once.

    No digit of a timeline's signals depends on the other timelines.

    Raises
    ------
    BrokenImageError
        The image is damaged.
    RegionsError
        No region has a voxel in this image.
    """
    if not any(weights.filled.any() for weights in placement.weights):
        reasons = sorted({status for weights in placement.weights for status in weights.whole_regions.status})
        raise RegionsError(
            f"{series.path}: no region is left ({', '.join(reasons)}); are image and regions in the same space?"
        )
    read = read_streaming if isinstance(placement.extractor, Stacked) else read_by_nilearn
    results: dict[bytes, RawSignals] = {}
    # Pipelines with other confounds tables may discard another number of volumes, and blocks begin after those.
    for n_discarded in dict.fromkeys(timeline.n_discarded for timeline in timelines):
        kept = {each.kept.tobytes(): each.kept for each in timelines if each.n_discarded == n_discarded}
        # One reading is enough for the checksum.
        digests = () if results else options.digests
        raw = read(series, n_discarded, list(kept.values()), placement, dataclasses.replace(options, digests=digests))
        results |= zip(kept, raw, strict=True)
    # The same for all timelines, which share the points: selecting them takes longer than all that is counted there.
    points = next(iter(results.values())).statistics.points
    members = tuple(weights.whole_regions.members[:, points] for weights in placement.weights)
    results = {selection: dataclasses.replace(raw, members=members) for selection, raw in results.items()}
    return [results[timeline.kept.tobytes()] for timeline in timelines]


def read_streaming(
    series: Series, n_discarded: int, kept: Sequence[np.ndarray], placement: Placement, options: ReadOptions
) -> list[RawSignals]:
    """Return raw signals for each selection of volumes, reading the image block by block."""
    assert isinstance(placement.extractor, Stacked)
    selections = [_after_discarded(each, n_discarded, series.storage) for each in kept]
    means = MeanVolumes(selections, series.space.n_points)
    samplers = make_samplers(options.sampling, series.storage, kept, n_discarded)
    watchers: list[MeanVolumes | PointSampler] = [*([means] if options.wants_mean else []), *samplers.values()]
    accumulated = _accumulate(series, n_discarded, kept, placement.extractor, options.digests, watchers)
    volumes = [series.storage.scale(mean) for mean in means.means()] if options.wants_mean else [None] * len(kept)
    samples = {first: sampler.sample() for first, sampler in samplers.items()}
    return [
        RawSignals(
            *_finish(series, n_discarded, selection, placement, options, sums),
            mean_volume=mean,
            sample=samples.get(find_first(selection)),
        )
        for selection, sums, mean in zip(kept, accumulated, volumes, strict=True)
    ]


def _after_discarded(kept: np.ndarray, n_discarded: int, storage: Storage) -> np.ndarray:
    """Return a selection of the volumes that are read: a file of grayordinates is read with those to discard."""
    return kept if isinstance(storage, GrayordinateStorage) else kept[n_discarded:]


def _finish(
    series: Series,
    n_discarded: int,
    kept: np.ndarray,
    placement: Placement,
    options: ReadOptions,
    accumulated: Accumulated,
) -> tuple[np.ndarray, PointStatistics]:
    """Return the signals and statistics of a selection of volumes in the image's units."""
    assert isinstance(placement.extractor, Stacked)
    operator, statistics = placement.extractor, accumulated.statistics
    if not options.valid_voxels or statistics.is_valid.all():
        return _scale(accumulated.compute_signals(operator), statistics, operator, series.storage)
    restricted = _restrict_to_valid(placement.weights, statistics)
    restricted_operator = stack([make_operator(each, None) for each in restricted], series.space, operator.points)
    if statistics.is_finite.all():
        accumulated = accumulated.restrict(placement.weights, restricted)
    else:
        # The sums include values of these voxels before their first NaN, so that the image must be read again.
        (accumulated,) = _accumulate(series, n_discarded, [kept], restricted_operator)
    filled = np.concatenate([each.filled for each in restricted])
    values = accumulated.compute_signals(restricted_operator)
    values, statistics = _scale(values, statistics, restricted_operator, series.storage)
    return np.where(filled, values, np.nan), statistics


def _find_stored_zero(series: Series) -> float:
    return -series.storage.intercept / series.storage.slope


def _accumulate(
    series: Series,
    n_discarded: int,
    kept: Sequence[np.ndarray],
    operator: Stacked,
    digests: Sequence[Digest] = (),
    watchers: Sequence[MeanVolumes | PointSampler] = (),
) -> list[Accumulated]:
    """Return the sums over selections of a run's volumes, in one pass over its image."""
    zero, storage = _find_stored_zero(series), series.storage
    kept = [_after_discarded(each, n_discarded, storage) for each in kept]
    if not isinstance(storage, GrayordinateStorage):
        blocks = _iter_volumes(storage, n_discarded, digests)
        for watcher in watchers:
            blocks = watcher.watch(blocks)
        return accumulate(blocks, operator, kept, zero=zero)
    # A file of grayordinates stores the whole series of one point after the other.
    of_points = iter_series(storage, digest=next(iter(digests), None))
    for watcher in watchers:
        of_points = watcher.watch_points(of_points)
    return accumulate_points(of_points, operator, kept, zero=zero)


def _iter_volumes(storage: Storage, first: int, digests: Sequence[Digest]) -> Iterator[np.ndarray]:
    """Return an iterator over blocks of volumes, of shape (n_volumes, n_points)."""
    if isinstance(storage, SurfaceStorage):
        return iter_surface_blocks(storage, first, digests=digests)
    assert isinstance(storage, VoxelStorage)
    return iter_blocks(storage, first, digest=next(iter(digests), None))


def _restrict_to_valid(weights: Sequence[RegionWeights], statistics: PointStatistics) -> list[RegionWeights]:
    is_used = np.zeros(weights[0].space.n_points, dtype=bool)
    is_used[statistics.points] = statistics.is_valid
    return [each if each.single_points is not None else restrict(each, is_used) for each in weights]


def _scale(
    values: np.ndarray, statistics: PointStatistics, operator: Stacked, storage: Storage
) -> tuple[np.ndarray, PointStatistics]:
    """Return signals and statistics in the image's units."""
    # Sums are scaled instead of voxels: scaling 10^6 voxels a volume would take longer than reading them.
    slope, intercept = storage.slope, storage.intercept
    if (slope, intercept) == (1.0, 0.0):
        return values, statistics
    sums_of_weights = operator.apply(np.ones((len(operator.points), 1)))
    scaled = PointStatistics(
        statistics.points,
        slope * statistics.mean + intercept,
        abs(slope) * statistics.deviation,
        statistics.is_finite,
        statistics.n_volumes,
    )
    return slope * values + intercept * sums_of_weights.T, scaled


def read_by_nilearn(
    series: Series, n_discarded: int, kept: Sequence[np.ndarray], placement: Placement, options: ReadOptions
) -> list[RawSignals]:
    """Return raw signals extracted by nilearn's maskers for each selection, with the whole image in memory."""
    # float64, because some of nilearn's maskers keep the integer type of an image in their output.
    values = _read_values(series.storage, n_discarded, options.digests)
    in_units = dataclasses.replace(series.storage, slope=1.0, intercept=0.0)
    samplers = make_samplers(options.sampling, in_units, kept, n_discarded)
    for sampler in samplers.values():
        list(sampler.watch([values]))
    samples = {first: sampler.sample() for first, sampler in samplers.items()}
    raw = [_extract_by_nilearn(values[each[n_discarded:]], series, placement, options) for each in kept]
    return [
        dataclasses.replace(of_kept, sample=samples.get(find_first(each)))
        for each, of_kept in zip(kept, raw, strict=True)
    ]


def _extract_by_nilearn(values: np.ndarray, series: Series, placement: Placement, options: ReadOptions) -> RawSignals:
    """Return the raw signals of volumes of shape (n_kept, n_points)."""
    mean_volume = None
    if options.wants_mean:
        means = MeanVolumes([np.ones(len(values), dtype=bool)], values.shape[1])
        for _ in means.watch(_unscale(values, series.storage)):
            pass
        mean_volume = series.storage.scale(means.means()[0])
    weights, maskers = placement.weights, placement.extractor
    statistics = _describe_points(values, weights)
    if options.valid_voxels and not statistics.is_valid.all():
        weights = tuple(_restrict_to_valid(weights, statistics))
        maskers = make_maskers(weights, None)
    if not np.isfinite(values).all():
        values = np.nan_to_num(values, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    filled = np.concatenate([each.filled for each in weights])
    signals = np.full((len(values), len(filled)), np.nan)
    assert not isinstance(maskers, Stacked)
    if maskers:
        signals[:, filled] = np.concatenate([masker.transform(values) for masker in maskers], axis=1)
    return RawSignals(signals, statistics, mean_volume)


def _read_values(storage: Storage, first: int, digests: Sequence[Digest]) -> np.ndarray:
    """Return all values from a volume on in float64, of shape (n_volumes, n_points)."""
    if isinstance(storage, VoxelStorage):
        return read_values(storage, first, dtype=np.float64, digest=next(iter(digests), None))
    n_bytes = 2 * 8 * (storage.n_volumes - first) * storage.n_points
    check_memory(storage.image_path, "reading it", n_bytes, way_out="use --engine stream")
    blocks = [block.astype(np.float64) for block in _iter_volumes(storage, first, digests)]
    return np.concatenate(blocks)


def _unscale(values: np.ndarray, storage: Storage) -> Iterator[np.ndarray]:
    """Yield the volumes as stored in the file, in blocks of one."""
    for volume in values:
        yield (volume[None] - storage.intercept) / storage.slope


def _describe_points(values: np.ndarray, weights: Sequence[RegionWeights]) -> PointStatistics:
    points = np.unique(np.concatenate([each.matrix.indices for each in weights]))
    over_time = np.ascontiguousarray(values[:, points].T)
    is_finite = np.isfinite(over_time).all(axis=1)
    over_time = np.nan_to_num(over_time, nan=0.0, posinf=0.0, neginf=0.0)
    # The computed standard deviation of a constant point can be a rounding error instead of 0.
    deviation = np.where(np.ptp(over_time, axis=1) > 0, over_time.std(axis=1), 0.0)
    return PointStatistics(points, over_time.mean(axis=1), deviation, is_finite, len(values))
