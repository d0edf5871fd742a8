"""How much of each region an image covers: what is said of it, and which regions are left out for it."""

from __future__ import annotations

import dataclasses

import numpy as np

from niimasker.errors import list_names, warn
from niimasker.regions.placing.weights import CONSTANT, OK, RegionWeights
from niimasker.signals.cleaning import percent_baseline
from niimasker.signals.extraction import Signals

# Without --min_coverage, less of a region than this is worth a warning; so is less of an atlas in the field of view.
_LITTLE, _LITTLE_IN_VIEW = 0.5, 0.9

NO_PERCENT = "no percent: its mean is not clearly above 0"


def require_coverage(signals: Signals, weights: RegionWeights, min_coverage: float) -> Signals:
    """Return the signals without those of regions that are covered less than asked."""
    is_short = signals.coverage < min_coverage
    is_removed = is_short & weights.of_regions.filled & (np.array(signals.status) == OK)
    status = [
        f"coverage {share:.2f} < {min_coverage:g}" if removed else before
        for share, removed, before in zip(signals.coverage, is_removed, signals.status, strict=True)
    ]
    columns = is_short if weights.single_points is None else is_short[weights.single_points.rows]
    return dataclasses.replace(signals, values=np.where(columns, np.nan, signals.values), status=tuple(status))


def mark_flat(signals: Signals, cleaned: np.ndarray, weights: RegionWeights, method: str | None) -> Signals:
    """Return the signals with the status of regions that cleaning has left nothing of.

    Parameters
    ----------
    cleaned
        Of shape (n_kept, n_columns), NaN where there is nothing to standardise.
    method
        How columns are standardised.
    """
    rows = np.arange(cleaned.shape[1]) if weights.single_points is None else weights.single_points.rows
    n_left = np.bincount(rows, ~np.isnan(cleaned).any(axis=0), minlength=len(signals.status))
    n_percent = np.bincount(rows, np.isfinite(percent_baseline(signals.values)), minlength=len(signals.status))
    is_flat = (n_left == 0) & (np.array(signals.status) == OK)
    reason = np.where((method == "psc") & (n_percent == 0), NO_PERCENT, CONSTANT)
    return dataclasses.replace(signals, status=tuple(np.where(is_flat, reason, signals.status).tolist()))


def warn_of_coverage(weights: RegionWeights, signals: Signals, atlas: str, min_coverage: float | None) -> None:
    """Name the regions without a signal, by reason; without --min_coverage also those with a signal in few voxels."""
    names, status = np.array(weights.of_regions.names), np.array(signals.status)
    reasons = ["coverage too low" if text.startswith("coverage") else text for text in status]
    for reason in sorted(set(reasons) - {OK}):
        silent = names[[text == reason for text in reasons]].tolist()
        warn(f"{atlas}{len(silent)} of {len(names)} regions without signal ({reason}): {list_names(silent)}.")
    is_little = (status == OK) & (signals.coverage < _LITTLE)
    if min_coverage is None and is_little.any():
        listed = [
            f"{name} {share:.2f}" for name, share in zip(names[is_little], signals.coverage[is_little], strict=True)
        ]
        warn(
            f"{atlas}{len(listed)} of {len(names)} regions hold a signal in less than half of their voxels "
            f"(coverage < {_LITTLE}): {list_names(listed)}; see --min_coverage and --valid_voxels."
        )
    warn_of_field_of_view(weights.of_regions, atlas)


def warn_of_field_of_view(weights: RegionWeights, atlas: str) -> None:
    """Say when much of an atlas lies outside of the image's field of view."""
    in_view = weights.extent_inside.sum() / weights.extent.sum()
    if in_view < _LITTLE_IN_VIEW:
        warn(
            f"{atlas}only {in_view:.0%} of the atlas lies in the image's field of view; "
            "are both in one space, and is the whole brain scanned?"
        )
