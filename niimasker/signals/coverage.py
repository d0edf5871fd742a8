"""Coverage of regions by an image: leave out regions with too few valid voxels, and warn about low coverage."""

from __future__ import annotations

import dataclasses
from operator import itemgetter

import numpy as np

from niimasker.errors import list_names, warn
from niimasker.regions.placing.weights import CONSTANT, NOT_IN_ATLAS, OK, RegionWeights
from niimasker.signals.cleaning import percent_baseline
from niimasker.signals.extraction import Signals

# Without --min_coverage, warn about regions of which less is covered.
_LOW_COVERAGE = 0.5

# Warn if less of an atlas lies in the field of view.
_LOW_SHARE_IN_VIEW = 0.9

NO_PERCENT = "no percent: its mean is not clearly above 0"


def require_coverage(signals: Signals, weights: RegionWeights, min_coverage: float) -> Signals:
    """Return the signals with NaN for regions whose coverage is below `min_coverage`."""
    is_low = signals.coverage < min_coverage
    is_removed = is_low & weights.whole_regions.filled & (np.array(signals.status) == OK)
    status = [
        f"coverage {share:.2f} < {min_coverage:g}" if removed else before
        for share, removed, before in zip(signals.coverage, is_removed, signals.status, strict=True)
    ]
    columns = is_low if weights.single_points is None else is_low[weights.single_points.rows]
    return dataclasses.replace(signals, values=np.where(columns, np.nan, signals.values), status=tuple(status))


def mark_flat(signals: Signals, cleaned: np.ndarray, weights: RegionWeights, method: str | None) -> Signals:
    """Return the signals with the status of regions whose signal cleaning has removed entirely.

    Parameters
    ----------
    cleaned
        Cleaned signals of shape (n_kept, n_columns), NaN where there is nothing to standardise.
    method
        The method of --standardize_method, None without --standardize.
    """
    rows = np.arange(cleaned.shape[1]) if weights.single_points is None else weights.single_points.rows
    n_left = np.bincount(rows, ~np.isnan(cleaned).any(axis=0), minlength=len(signals.status))
    n_percent = np.bincount(rows, np.isfinite(percent_baseline(signals.values)), minlength=len(signals.status))
    is_flat = (n_left == 0) & (np.array(signals.status) == OK)
    reason = np.where((method == "psc") & (n_percent == 0), NO_PERCENT, CONSTANT)
    return dataclasses.replace(signals, status=tuple(np.where(is_flat, reason, signals.status).tolist()))


def warn_of_coverage(weights: RegionWeights, signals: Signals, atlas: str, min_coverage: float | None) -> None:
    """Warn about regions without signal, by reason; without --min_coverage also about low coverage."""
    names, status = np.array(weights.whole_regions.names), np.array(signals.status)
    reasons = ["coverage too low" if text.startswith("coverage") else text for text in status]
    # Of regions that the atlas itself leaves empty all runs are alike; loading it has told them.
    for reason in sorted(set(reasons) - {OK, NOT_IN_ATLAS}):
        silent = names[[text == reason for text in reasons]].tolist()
        warn(f"{atlas}{len(silent)} of {len(names)} regions without signal ({reason}): {list_names(silent)}.")
    has_low_coverage = (status == OK) & (signals.coverage < _LOW_COVERAGE)
    if min_coverage is None and has_low_coverage.any():
        low = sorted(zip(signals.coverage[has_low_coverage], names[has_low_coverage], strict=True), key=itemgetter(0))
        listed = [f"{name} {share:.2f}" for share, name in low]
        warn(
            f"{atlas}{len(listed)} of {len(names)} regions hold a signal in less than half of their "
            f"{weights.space.points_noun} (coverage < {_LOW_COVERAGE}, lowest {low[0][0]:.2f}): {list_names(listed)}; "
            "see --min_coverage and --valid_voxels."
        )
    warn_of_field_of_view(weights.whole_regions, atlas)


def warn_of_field_of_view(weights: RegionWeights, atlas: str) -> None:
    """Warn if much of an atlas lies outside the image's field of view, or in structures that the image lacks."""
    in_view = weights.extent_inside.sum() / weights.extent.sum()
    if in_view >= _LOW_SHARE_IN_VIEW:
        return
    if weights.structures is None:
        warn(
            f"{atlas}only {in_view:.0%} of the atlas lies in the image's field of view; "
            "are both in the same space, and does the image cover the whole brain?"
        )
        return
    of_atlas = {name for joined in weights.structures for name in joined.split(",") if name}
    missing = sorted(of_atlas - set(weights.space.structure_names))
    lacks = f"; the image has no point of {list_names(missing)}" if missing else ""
    warn(f"{atlas}only {in_view:.0%} of the atlas is in the image{lacks}.")
