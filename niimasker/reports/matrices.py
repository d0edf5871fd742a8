"""The matrices between regions on a run's page, with what stands below them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from niimasker.errors import count
from niimasker.reports import figures, heatmaps
from niimasker.reports.plots import Plot
from niimasker.reports.region_groups import group_regions
from niimasker.reports.run_view import AtlasView
from niimasker.signals.connectivity import DESCRIPTIONS, MIN_VOLUMES, Connectivity
from niimasker.signals.correlations import correlate, upper_triangle, zscore

# Kinds of connectivity that fill -1 to 1; partial correlations are far from it where regions are many.
_UP_TO_ONE = ("pearson", "correlation")


def plot_connectivity(atlas: AtlasView, notes: dict[str, str]) -> tuple[dict[str, Plot], Plot | None]:
    """Return the matrices that were asked for; of those that were not, Pearson's correlation with its histogram."""
    has_signal = _has_signal(atlas)
    n_left_out = int(np.count_nonzero(~has_signal))
    if n_left_out:
        notes["left_out"] = f"Left out for want of a signal: {count(n_left_out, 'column')}."
    why_not = _why_no_matrix(atlas, has_signal)
    if why_not:
        notes["connectivity"] = f"No matrix: {why_not}"
        return {}, None
    names = [name for name, is_shown in zip(atlas.names, has_signal, strict=True) if is_shown]
    if atlas.matrices:
        shown = np.ix_(has_signal, has_signal)
        return {
            each.kind: _with_pairs(_matrix(each, each.matrix[shown], names, notes), upper_triangle(each.matrix[shown]))
            for each in atlas.matrices
        }, None
    correlations = correlate(atlas.cleaned[:, has_signal])
    pearson = Connectivity("pearson", correlations, shrinkage=None, is_fisher_z=False, left_out={})
    return {"pearson": _matrix(pearson, correlations, names, notes)}, _histogram(upper_triangle(correlations))


def _has_signal(atlas: AtlasView) -> np.ndarray:
    if atlas.matrices and not atlas.is_averaged:
        return np.array([name not in atlas.matrices[0].left_out for name in atlas.names])
    return np.asarray(np.isfinite(zscore(atlas.cleaned)).all(axis=0))


def _why_no_matrix(atlas: AtlasView, has_signal: np.ndarray) -> str | None:
    if atlas.is_averaged:
        in_tables = " Its tables have every number." if atlas.matrices else ""
        return f"{atlas.n_columns:,} columns are too many for one.{in_tables}"
    if len(atlas.cleaned) < MIN_VOLUMES:
        return f"{count(len(atlas.cleaned), 'volume')} can not be correlated."
    return "it needs two regions with a signal." if np.count_nonzero(has_signal) < 2 else None


def _matrix(connectivity: Connectivity, values: np.ndarray, names: Sequence[str], notes: Mapping[str, str]) -> Plot:
    """Return the figure of a matrix, given its values between regions with a signal."""
    grouping = group_regions(names)
    order = "grouped as the names say" if grouping.names else "in the atlas's order"
    what = DESCRIPTIONS[connectivity.kind]
    scale = _scale_of(connectivity, upper_triangle(values))
    if scale != heatmaps.CORRELATION:
        # It would take the range of colours from what lies between regions.
        values = np.where(np.eye(len(values), dtype=bool), np.nan, values)
    as_z = ", as Fisher z" if connectivity.is_fisher_z else ""
    told = [
        f"{what[0].upper()}{what[1:]} of cleaned signals{as_z}, {order}.",
        "" if connectivity.shrinkage is None else f"Ledoit-Wolf shrinkage {connectivity.shrinkage:.3f}.",
        notes.get("left_out", ""),
        "" if scale == heatmaps.CORRELATION else f"Colours end at ±{scale.limit:g}; the diagonal is left blank.",
    ]
    return Plot(
        heatmaps.plot_matrix(values, names, grouping, scale),
        f"Matrix of {what} between {count(len(names), 'region')}, {order}",
        " ".join(filter(None, told)),
    )


def _scale_of(connectivity: Connectivity, pairs: np.ndarray) -> heatmaps.Scale:
    """Return the range of colours: from -1 to 1, or where values are far from that, one that shows most pairs."""
    if connectivity.kind in _UP_TO_ONE and not connectivity.is_fisher_z:
        return heatmaps.CORRELATION
    name = heatmaps.name_scale(connectivity.kind, is_fisher_z=connectivity.is_fisher_z)
    return heatmaps.Scale(name, heatmaps.find_limit(pairs))


def _with_pairs(plot: Plot, pairs: np.ndarray) -> Plot:
    """Return the figure of a matrix with what no histogram tells below it."""
    known = pairs[np.isfinite(pairs)]
    if not len(known):
        return dataclasses.replace(plot, caption=f"{plot.caption} No pair has a value.")
    told = f"{count(len(known), 'pair')}: median {np.median(known):.3g}, from {known.min():.3g} to {known.max():.3g}."
    return dataclasses.replace(plot, caption=f"{plot.caption} {told}")


def _histogram(pairs: np.ndarray) -> Plot:
    median = round(float(np.median(pairs)), 2) + 0.0  # not -0
    low, high = np.percentile(pairs, (5, 95))
    return Plot(
        figures.plot_histogram(pairs, median),
        f"Histogram of {count(len(pairs), 'correlation')}, median {median:.2f}",
        f"{count(len(pairs), 'pair')}: median {median:.2f} (dotted), 5 to 95 % from {low:.2f} to {high:.2f}.",
    )
