"""Extract one raw signal per region from the volumes, and measure how much of each region it comes from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from niimasker.errors import RegionsError, warn
from niimasker.inputs.blocks import Digest
from niimasker.inputs.cifti.series import iter_series
from niimasker.inputs.gifti.series import iter_surface_blocks
from niimasker.inputs.images import check_memory
from niimasker.inputs.series import Series
from niimasker.inputs.storage import GrayordinateStorage, Storage, SurfaceStorage, VoxelStorage
from niimasker.inputs.volumes import iter_blocks, read_values
from niimasker.regions.placing.operators import Stacked, make_operator, stack
from niimasker.regions.placing.placement import Placement, make_maskers
from niimasker.regions.placing.weights import (
    CONSTANT,
    NO_FINITE_POINT,
    NO_SIGNAL,
    NOT_IN_ATLAS,
    RegionWeights,
    restrict,
)
from niimasker.signals.accumulation import (
    Accumulated,
    MeanVolume,
    PointStatistics,
    accumulate,
    accumulate_points,
    select_kept,
)
from niimasker.signals.timeline import Timeline


@dataclass(frozen=True)
class Signals:
    """Raw signals of a run's kept volumes, and measures of the regions that they come from.

    Parameters
    ----------
    values
        In the image's units, of shape (n_kept, n_columns), float64; NaN for a region without voxels.
    n_valid
        Number of valid voxels of each region, which are finite and vary over time, of shape (n_regions,).
    coverage
        Share of each region, as defined in its atlas, that its valid voxels make up, of shape (n_regions,).
    mean
        Temporal mean of each region's signal, of shape (n_regions,); NaN for a region without voxels.
    tsnr
        Temporal mean divided by temporal standard deviation, averaged over each region's finite voxels that vary.
        Of shape (n_regions,).
    status
        For each region `OK`, or why it has no signal.
    """

    values: np.ndarray
    n_valid: np.ndarray
    coverage: np.ndarray
    mean: np.ndarray
    tsnr: np.ndarray
    status: tuple[str, ...]


# Signals of shape (n_kept, n_rows), and statistics of the points that they come from.
RawSignals = tuple[np.ndarray, PointStatistics]


@dataclass(frozen=True)
class ReadOptions:
    """How an image is to be read.

    Parameters
    ----------
    valid_voxels
        Whether regions are averaged over their valid voxels only.
    digests
        Receive the bytes of the image's files, one each.
    mean_volume
        Receives the kept volumes.
    """

    valid_voxels: bool = False
    digests: tuple[Digest, ...] = ()
    mean_volume: MeanVolume | None = None


DEFAULT_READ_OPTIONS = ReadOptions()


def extract_signals(
    series: Series, timeline: Timeline, placement: Placement, options: ReadOptions = DEFAULT_READ_OPTIONS
) -> list[Signals]:
    """Return the signals of each atlas in the kept volumes, reading the image once.

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
    extract = extract_streaming if isinstance(placement.extractor, Stacked) else extract_by_nilearn
    values, statistics = extract(series, timeline, placement, options)
    n_not_finite = np.count_nonzero(~statistics.is_finite)
    if n_not_finite:
        noun = series.space.points_noun
        what = f"those {noun} are left out" if options.valid_voxels else "those values count as 0"
        warn(f"{n_not_finite} of the {noun} read hold NaN or infinite values; {what}.")
    ends = np.cumsum([len(weights.names) for weights in placement.weights])
    parts = np.split(values, ends[:-1], axis=1)
    return [_make_signals(part, statistics, weights) for part, weights in zip(parts, placement.weights, strict=True)]


def _make_signals(values: np.ndarray, statistics: PointStatistics, weights: RegionWeights) -> Signals:
    regions = weights.whole_regions
    members = regions.members[:, statistics.points]
    varies = statistics.is_finite & (statistics.deviation > 0)
    point_tsnr = np.divide(statistics.mean, statistics.deviation, out=np.zeros_like(statistics.mean), where=varies)
    n_valid = np.rint(members @ statistics.is_valid.astype(np.float64)).astype(int)
    n_finite = members @ statistics.is_finite.astype(np.float64)
    n_varying = members @ varies.astype(np.float64)
    tsnr = np.divide(members @ point_tsnr, n_varying, out=np.full(len(n_valid), np.nan), where=n_varying > 0)
    is_silent = regions.filled & (n_valid == 0)
    no_signal = NO_SIGNAL if regions.structures is None else NO_FINITE_POINT
    status = np.select([is_silent & (n_finite > 0), is_silent], [CONSTANT, no_signal], regions.status)
    # For a map without signal, least squares would return what the other maps leave unexplained.
    no_values = ~weights.filled | (is_silent if weights.kind == "maps" else False)
    coverage = _measure_coverage(regions, n_valid)
    values = np.where(no_values, np.nan, values)
    return Signals(values, n_valid, coverage, _average_over_time(values, weights), tsnr, tuple(status.tolist()))


def _average_over_time(values: np.ndarray, weights: RegionWeights) -> np.ndarray:
    """Return the temporal mean of each region; where each voxel is a column, averaged over its columns."""
    means = values.mean(axis=0)
    if weights.single_points is None:
        return np.asarray(means)
    rows, n_regions = weights.single_points.rows, len(weights.whole_regions.names)
    n_columns = np.bincount(rows, minlength=n_regions)
    sums = np.bincount(rows, means, minlength=n_regions)
    return np.asarray(np.divide(sums, n_columns, out=np.full(n_regions, np.nan), where=n_columns > 0))


def _measure_coverage(regions: RegionWeights, n_valid: np.ndarray) -> np.ndarray:
    """Return the share of each region that its valid voxels make up; outside the field of view none are valid.

    It is NaN for a region that has no point in its atlas.
    """
    # Divided once: 7 of 20 points in the image times 4 valid ones of these 7 is less than 0.2 in floating point.
    inside, total = regions.extent_inside * n_valid, regions.extent * regions.n_points
    coverage = np.divide(inside, total, out=np.zeros(len(n_valid)), where=total > 0)
    is_defined = np.array([status != NOT_IN_ATLAS for status in regions.status])
    return np.where(is_defined, coverage, np.nan)


def extract_streaming(series: Series, timeline: Timeline, placement: Placement, options: ReadOptions) -> RawSignals:
    """Return raw signals, reading the image block by block."""
    assert isinstance(placement.extractor, Stacked)
    operator = placement.extractor
    accumulated = _accumulate(series, timeline, operator, options)
    statistics = accumulated.statistics
    if options.valid_voxels and not statistics.is_valid.all():
        restricted = _restrict_to_valid(placement.weights, statistics)
        restricted_operator = stack([make_operator(each, None) for each in restricted], series.space, operator.points)
        if statistics.is_finite.all():
            accumulated = accumulated.restrict(placement.weights, restricted)
        else:
            # The sums include values of these voxels before their first NaN, so that the image must be read again.
            accumulated = _accumulate(series, timeline, restricted_operator, DEFAULT_READ_OPTIONS)
        operator = restricted_operator
        filled = np.concatenate([each.filled for each in restricted])
        values, statistics = _scale(accumulated.compute_signals(operator), statistics, operator, series.storage)
        return np.where(filled, values, np.nan), statistics
    return _scale(accumulated.compute_signals(operator), statistics, operator, series.storage)


def _find_stored_zero(series: Series) -> float:
    return -series.storage.intercept / series.storage.slope


def _accumulate(series: Series, timeline: Timeline, operator: Stacked, options: ReadOptions) -> Accumulated:
    """Return the sums over the kept volumes of a run, in one pass over its image."""
    zero, storage = _find_stored_zero(series), series.storage
    if not isinstance(storage, GrayordinateStorage):
        blocks = select_kept(_iter_volumes(storage, timeline.n_discarded, options.digests), timeline)
        watched = blocks if options.mean_volume is None else options.mean_volume.watch(blocks)
        return accumulate(watched, operator, zero=zero)
    # A file of grayordinates stores the whole series of one point after the other.
    of_points = iter_series(storage, digest=next(iter(options.digests), None))
    if options.mean_volume is not None:
        of_points = options.mean_volume.watch_points(of_points, timeline.kept, storage.n_points)
    return accumulate_points(of_points, operator, timeline.kept, zero=zero)


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


def _scale(values: np.ndarray, statistics: PointStatistics, operator: Stacked, storage: Storage) -> RawSignals:
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


def extract_by_nilearn(series: Series, timeline: Timeline, placement: Placement, options: ReadOptions) -> RawSignals:
    """Return raw signals extracted by nilearn's maskers, with the whole image in memory."""
    # float64, because some of nilearn's maskers keep the integer type of an image in their output.
    first = timeline.n_discarded
    values = _read_values(series.storage, first, options.digests)
    values = values[timeline.kept[first:]]
    if options.mean_volume is not None:
        list(options.mean_volume.watch(_unscale(values, series.storage)))
    weights, maskers = placement.weights, placement.extractor
    statistics = _describe_points(values, weights)
    if options.valid_voxels and not statistics.is_valid.all():
        weights = tuple(_restrict_to_valid(weights, statistics))
        maskers = make_maskers(weights, None)
    if not np.isfinite(values).all():
        values = np.nan_to_num(values, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    filled = np.concatenate([each.filled for each in weights])
    signals = np.full((timeline.n_kept, len(filled)), np.nan)
    assert not isinstance(maskers, Stacked)
    if maskers:
        signals[:, filled] = np.concatenate([masker.transform(values) for masker in maskers], axis=1)
    return signals, statistics


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
