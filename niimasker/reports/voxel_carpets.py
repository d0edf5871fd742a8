"""The sampled points of a run before and after cleaning, as rows of carpets and as DVARS."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from niimasker.errors import record_warnings
from niimasker.signals.cleaning import clean, find_flat
from niimasker.signals.correlations import zscore
from niimasker.signals.filtering import Cleaning
from niimasker.signals.nuisance import Nuisance
from niimasker.signals.point_samples import PointSample
from niimasker.signals.timeline import Timeline

# About as many rows as a carpet has pixels, fewer in a long run: a carpet takes a byte for each row and volume.
_MAX_ROWS, _MAX_VALUES = 240, 120_000


@dataclass(frozen=True)
class Group:
    """A group of neighbouring rows of a carpet: its name, the number of its rows, and that of the points in them."""

    name: str
    n_rows: int
    n_points: int


@dataclass(frozen=True, eq=False)
class Carpets:
    """The sample of a run's points before and after cleaning.

    Parameters
    ----------
    before, after
        z-scores of shape (n_volumes, n_rows), with the mean and standard deviation of kept volumes; NaN for volumes
        without a value. A row is the mean of neighbouring points of one group. Before cleaning, their linear trend is
        removed and censored volumes have values.
    dvars_before, dvars_after
        Root mean square over points of the change from the volume before, of shape (n_volumes,). After cleaning it is
        known where both volumes are kept.
    unit
        That of DVARS: "%" of the mean over points and kept volumes before cleaning, or "image units" if values are
        around 0.
    points_per_row
        The largest number of points in a row.
    source
        The file that the groups are from; None if they are not from a file.
    """

    before: np.ndarray
    after: np.ndarray
    dvars_before: np.ndarray
    dvars_after: np.ndarray
    unit: str
    groups: tuple[Group, ...]
    points_per_row: int
    source: Path | None

    @property
    def n_points(self) -> int:
        """The number of points in all rows."""
        return sum(group.n_points for group in self.groups)


def make_carpets(sample: PointSample, nuisance: Nuisance, timeline: Timeline, cleaning: Cleaning) -> Carpets | None:
    """Return the carpets of a sample that is cleaned as the run's signals; None if no point has a signal."""
    raw = sample.values.astype(np.float64)
    kept = timeline.kept
    raw[: timeline.n_discarded] = np.nan
    is_valid = np.isfinite(raw[kept]).all(axis=0) & (np.ptp(raw[kept], axis=0) > 0)
    if not is_valid.any():
        return None
    raw, members = raw[:, is_valid], sample.sampled.members[is_valid]
    cleaned = _clean(raw[kept], nuisance, timeline, cleaning)
    starts, points_per_row = _choose_rows(members, min(_MAX_ROWS, max(1, _MAX_VALUES // timeline.n_read)))
    scale, unit = _find_dvars_scale(raw[kept])
    return Carpets(
        before=_standardize(_average(_remove_trend(raw, kept), starts), kept),
        after=_standardize(_spread_out(_average(zscore(cleaned), starts), kept), kept),
        dvars_before=scale * measure_dvars(raw),
        dvars_after=scale * measure_dvars(_spread_out(cleaned, kept)),
        unit=unit,
        groups=_count_groups(sample.sampled.groups, members, starts),
        points_per_row=points_per_row,
        source=sample.sampled.source,
    )


def _clean(values: np.ndarray, nuisance: Nuisance, timeline: Timeline, cleaning: Cleaning) -> np.ndarray:
    """Return cleaned values in the image's units; NaN for points of which cleaning leaves rounding errors."""
    # Cleaning the regions has warned of what there is to warn of.
    with record_warnings():
        cleaned = clean(values, nuisance, timeline, dataclasses.replace(cleaning, standardize=None))
    return np.where(find_flat(cleaned, values), np.nan, cleaned)


def measure_dvars(values: np.ndarray) -> np.ndarray:
    """Return DVARS: for each volume the root mean square over points of the change from the volume before it.

    After Power et al. 2012 (doi:10.1016/j.neuroimage.2011.10.018).

    Parameters
    ----------
    values : ndarray of shape (n_volumes, n_points)
        NaN where a value is not known.

    Returns
    -------
    ndarray of shape (n_volumes,)
        NaN for the first volume, and where no point has a value in both volumes.
    """
    squares = np.diff(values, axis=0) ** 2
    is_known = np.isfinite(squares)
    n_known = np.count_nonzero(is_known, axis=1)
    total = np.where(is_known, squares, 0.0).sum(axis=1)
    means = np.divide(total, n_known, out=np.full(len(squares), np.nan), where=n_known > 0)
    return np.concatenate([[np.nan], np.sqrt(means)])


def _find_dvars_scale(values: np.ndarray) -> tuple[float, str]:
    """Return what DVARS is multiplied by, and its unit then."""
    mean = float(values.mean())
    # The mean of a series around 0 is no baseline.
    if mean > np.sqrt(values.var(axis=0).mean()):
        return 100 / mean, "%"
    return 1.0, "image units"


def _choose_rows(members: np.ndarray, max_rows: int) -> tuple[np.ndarray, int]:
    """Return the first point of each row, and the number of points in a row; no row has points of two groups."""
    size = -(-len(members) // max_rows)
    firsts = np.flatnonzero(np.diff(members, prepend=-1))
    in_group = np.arange(len(members)) - np.repeat(firsts, np.diff([*firsts, len(members)]))
    return np.flatnonzero(in_group % size == 0), size


def _count_groups(names: tuple[str, ...], members: np.ndarray, starts: np.ndarray) -> tuple[Group, ...]:
    n_points = np.bincount(members, minlength=len(names)).tolist()
    n_rows = np.bincount(members[starts], minlength=len(names)).tolist()
    return tuple(Group(*group) for group in zip(names, n_rows, n_points, strict=True) if group[1])


def _remove_trend(values: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Return values without the mean and linear trend of kept volumes, scaled to a standard deviation of 1 there."""
    time = np.arange(len(values)) - np.flatnonzero(kept).mean()
    of_kept = values[kept] - values[kept].mean(axis=0)
    slopes = time[kept] @ of_kept / max(1.0, (time[kept] ** 2).sum())
    without = values - values[kept].mean(axis=0) - np.outer(time, slopes)
    deviation = without[kept].std(axis=0)
    return np.asarray(without / np.where(deviation > 0, deviation, np.nan))


def _average(values: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Return the mean over the points of each row, without missing ones."""
    is_finite = np.isfinite(values)
    totals = np.add.reduceat(np.where(is_finite, values, 0.0), starts, axis=1)
    counts = np.add.reduceat(is_finite, starts, axis=1, dtype=np.int64)
    return np.asarray(np.divide(totals, counts, out=np.full(totals.shape, np.nan), where=counts > 0))


def _standardize(rows: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Return rows with mean 0 and standard deviation 1 over the kept volumes."""
    of_kept = rows[kept]
    deviation = of_kept.std(axis=0)
    return np.asarray((rows - of_kept.mean(axis=0)) / np.where(deviation > 0, deviation, np.nan))


def _spread_out(values: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Return values of kept volumes at all volumes, NaN at the others."""
    full = np.full((len(kept), values.shape[1]), np.nan)
    full[kept] = values
    return full
