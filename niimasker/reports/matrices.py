"""The connectivity matrices on a run's page, with their captions."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from niimasker.errors import count
from niimasker.reports import figures, heatmaps
from niimasker.reports.plots import Plot
from niimasker.reports.region_groups import describe_order, group_regions
from niimasker.reports.run_view import AtlasView
from niimasker.signals.connectivity import DESCRIPTIONS, MIN_VOLUMES, Connectivity
from niimasker.signals.correlations import correlate, upper_triangle, zscore

# Kinds of connectivity whose values fill -1 to 1. Partial correlations between many regions are much smaller.
_BOUNDED_KINDS = ("pearson", "correlation")


def plot_connectivity(atlas: AtlasView, notes: dict[str, str]) -> tuple[dict[str, Plot], Plot | None]:
    """Return the matrices that --connectivity requests; without it, Pearson's correlation and its histogram."""
    has_signal = _has_signal(atlas)
    n_left_out = int(np.count_nonzero(~has_signal))
    if n_left_out:
        notes["left_out"] = f"Left out: {count(n_left_out, 'column')} without a signal."
    reason = _reason_without_matrix(atlas, has_signal)
    if reason:
        notes["connectivity"] = f"No matrix: {reason}"
        return {}, None
    rows = np.flatnonzero(has_signal)
    names = [atlas.names[row] for row in rows]
    if atlas.matrices:
        shown = np.ix_(has_signal, has_signal)
        return {
            connectivity.kind: _add_pair_summary(
                _matrix(connectivity, values, names, rows, notes), upper_triangle(values)
            )
            for connectivity in atlas.matrices
            for values in [connectivity.matrix[shown]]
        }, None
    correlations = correlate(atlas.cleaned[:, has_signal])
    pearson = Connectivity("pearson", correlations, shrinkage=None, is_fisher_z=False, left_out={})
    return {"pearson": _matrix(pearson, correlations, names, rows, notes)}, _histogram(upper_triangle(correlations))


def _has_signal(atlas: AtlasView) -> np.ndarray:
    if atlas.matrices and not atlas.is_averaged:
        return np.array([name not in atlas.matrices[0].left_out for name in atlas.names])
    return np.asarray(np.isfinite(zscore(atlas.cleaned)).all(axis=0))


def _reason_without_matrix(atlas: AtlasView, has_signal: np.ndarray) -> str | None:
    if atlas.is_averaged:
        in_tables = " Its table has all values." if atlas.matrices else ""
        return f"{atlas.n_columns:,} columns are too many for a figure.{in_tables}"
    if len(atlas.cleaned) < MIN_VOLUMES:
        return f"{count(len(atlas.cleaned), 'kept volume')}, but correlations need at least {MIN_VOLUMES}."
    return "it needs two regions with a signal." if np.count_nonzero(has_signal) < 2 else None


def _matrix(
    connectivity: Connectivity, values: np.ndarray, names: Sequence[str], rows: np.ndarray, notes: Mapping[str, str]
) -> Plot:
    """Return the figure of a matrix, given its values between regions with a signal and their rows among all."""
    grouping = group_regions(names)
    order = describe_order(grouping)
    kind = DESCRIPTIONS[connectivity.kind]
    scale = _scale_of(connectivity, upper_triangle(values))
    if scale != heatmaps.CORRELATION:
        # The diagonal is often much larger than the values between regions, and would stretch the colours.
        values = np.where(np.eye(len(values), dtype=bool), np.nan, values)
    as_z = ", as Fisher z" if connectivity.is_fisher_z else ""
    sentences = [
        f"{kind[0].upper()}{kind[1:]} of cleaned signals{as_z}, {order}.",
        "" if connectivity.shrinkage is None else f"Ledoit-Wolf shrinkage {connectivity.shrinkage:.3f}.",
        notes.get("left_out", ""),
        "" if scale == heatmaps.CORRELATION else f"The colour scale ends at ±{scale.limit:g}; the diagonal is blank.",
    ]
    return Plot(
        {**heatmaps.plot_matrix(values, names, grouping, scale), "rows": rows[grouping.order].tolist()},
        f"Matrix of {kind} between {count(len(names), 'region')}, {order}",
        " ".join(filter(None, sentences)),
    )


def _scale_of(connectivity: Connectivity, pairs: np.ndarray) -> heatmaps.Scale:
    """Return the colour scale: from -1 to 1, or fitted to most pairs for kinds that do not fill that range."""
    if connectivity.kind in _BOUNDED_KINDS and not connectivity.is_fisher_z:
        return heatmaps.CORRELATION
    name = heatmaps.name_scale(connectivity.kind, is_fisher_z=connectivity.is_fisher_z)
    return heatmaps.Scale(name, heatmaps.find_colour_limit(pairs))


def _add_pair_summary(plot: Plot, pairs: np.ndarray) -> Plot:
    """Return the figure of a matrix with the median and range of its pairs in the caption."""
    known = pairs[np.isfinite(pairs)]
    if not len(known):
        return dataclasses.replace(plot, caption=f"{plot.caption} No pair of regions has a value.")
    low, median, high = (float(f"{value:.3g}") + 0.0 for value in np.quantile(known, (0, 0.5, 1)))  # not -0
    summary = f"{_count_pairs(known)}: median {median:.3g}, range {low:.3g} to {high:.3g}."
    return dataclasses.replace(plot, caption=f"{plot.caption} {summary}")


def _histogram(pairs: np.ndarray) -> Plot:
    median = round(float(np.median(pairs)), 2) + 0.0  # not -0
    low, high = np.percentile(pairs, (5, 95))
    return Plot(
        figures.plot_histogram(pairs, median),
        f"Histogram of {count(len(pairs), 'correlation')}, median {median:.2f}",
        f"{_count_pairs(pairs)}: median {median:.2f} (dotted line), 5th to 95th percentile {low:.2f} to {high:.2f}.",
    )


def _count_pairs(pairs: np.ndarray) -> str:
    return f"{count(len(pairs), 'pair')} of regions"
