"""The figures and texts of one atlas on a run's page."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from niimasker.errors import count
from niimasker.outputs import brain, figures
from niimasker.outputs.correlations import correlate, correlate_with, pairs_of, zscore
from niimasker.outputs.groups import group_regions
from niimasker.outputs.layout import shown_names
from niimasker.outputs.packing import pack_rows
from niimasker.outputs.palette import region_colours
from niimasker.outputs.spectra import power_spectrum
from niimasker.outputs.timeaxis import TimeAxis
from niimasker.outputs.views import AtlasView, RunView
from niimasker.regions.weights import OK
from niimasker.signals.connectivity import IN_WORDS, Connectivity

# A correlation of fewer volumes says nothing.
_LEAST_VOLUMES = 3
# A Welch spectrum of fewer volumes neither.
_LEAST_FOR_SPECTRUM = 16

# Of cleaned signals, by how they are standardised.
_UNITS = {None: "image units", "zscore_sample": "z", "zscore": "z", "psc": "%"}


# Kinds of connectivity that fill -1 to 1; partial correlations are far from it where regions are many.
_UP_TO_ONE = ("pearson", "correlation")
_SCALE_NAMES = {"partial_correlation": "r", "covariance": "cov", "precision": "prec"}

# Of the pairs of regions these percents lie within the colours: a few strong ones would turn all others white.
_SHOWN_PAIRS = 99


@dataclass(frozen=True)
class Plot:
    """A plotly figure with what a reader who does not see it is told, and what stands below it."""

    figure: dict[str, Any]
    alt: str
    caption: str


@dataclass(frozen=True)
class Section:
    """What a page shows of one atlas, matrices by their kind; a part that cannot be is None, and `notes` say why."""

    view: AtlasView
    picture: str
    picture_alt: str
    carpet: Plot
    viewer: dict[str, Any]
    signals: dict[str, Any]
    matrices: dict[str, Plot]
    histogram: Plot | None
    regressors: Plot | None
    spectrum: Plot | None
    notes: dict[str, str]
    rows: list[dict[str, Any]]


def make_section(atlas: AtlasView, run: RunView) -> Section:
    """Return the section of an atlas."""
    colours = region_colours(len(atlas.facts))
    notes: dict[str, str] = {}
    matrices, histogram = _connectivity(atlas, notes)
    return Section(
        view=atlas,
        picture=_picture(atlas, run, colours),
        picture_alt=_picture_alt(atlas),
        carpet=_carpet(atlas, run),
        viewer=figures.plot_viewer(run.time, ("image units", _UNITS[run.standardized])),
        signals=_signals(atlas, run, colours),
        matrices=matrices,
        histogram=histogram,
        regressors=_regressors(atlas, run, notes),
        spectrum=_spectrum(atlas, run, notes),
        notes=notes,
        rows=_table_rows(atlas, colours),
    )


def _picture(atlas: AtlasView, run: RunView, colours: tuple[str, ...]) -> str:
    upright = brain.crop(brain.turn_upright(run.background, atlas.labels, run.affine))
    return brain.to_data_uri(brain.plot_regions(upright, colours))


def _picture_alt(atlas: AtlasView) -> str:
    n_shown = len(np.unique(atlas.labels[atlas.labels > 0]))
    return (
        f"{n_shown} of {count(len(atlas.facts), 'region')} in colour on the mean functional image, "
        "in three rows of cuts along x, y and z"
    )


def _carpet(atlas: AtlasView, run: RunView) -> Plot:
    above = {
        title: values
        for title, values in (
            ("framewise displacement (mm)", run.framewise_displacement),
            ("std DVARS", run.std_dvars),
            (figures.MEAN_SIGNAL, _over_all_volumes(atlas.mean_raw, run.time)),
        )
        if values is not None
    }
    figure = figures.plot_carpet(zscore(atlas.cleaned), atlas.names, run.time, above)
    rows = (
        f"Rows are means of neighbouring columns, {len(atlas.names)} of {atlas.n_columns:,}."
        if atlas.is_averaged
        else "Rows are the columns of the table."
    )
    missing = "" if run.framewise_displacement is not None else _no_motion(run)
    return Plot(
        figure,
        f"Carpet of {count(len(atlas.names), 'row')} over {count(run.time.n_volumes, 'volume')}"
        + f", with {', '.join(above)} above it",
        f"Cleaned signals as z-scores, grey from -2.5 to 2.5. {rows} The mean signal is before cleaning. {missing}",
    )


def _no_motion(run: RunView) -> str:
    if "Confounds" not in run.sources:
        return "Without a table of confounds, motion is not known."
    return "The table of confounds has no framewise displacement."


def _over_all_volumes(values: np.ndarray, time: TimeAxis) -> np.ndarray:
    full = np.full(time.n_volumes, np.nan)
    full[time.kept] = values
    return full


def _signals(atlas: AtlasView, run: RunView, colours: tuple[str, ...]) -> dict[str, Any]:
    """Return what the viewer draws from."""
    status = atlas.facts["status"].to_numpy()
    return {
        "names": list(atlas.names),
        "shown": shown_names(atlas.names),
        "colours": [colours[region] for region in atlas.regions],
        "status": [None if status[region] == OK else str(status[region]) for region in atlas.regions],
        "kept": np.flatnonzero(run.time.kept).tolist(),
        "before": pack_rows(atlas.raw.T),
        "after": pack_rows(atlas.cleaned.T),
    }


def _connectivity(atlas: AtlasView, notes: dict[str, str]) -> tuple[dict[str, Plot], Plot | None]:
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
            each.kind: _with_pairs(_matrix(each, each.matrix[shown], names, notes), pairs_of(each.matrix[shown]))
            for each in atlas.matrices
        }, None
    correlations = correlate(atlas.cleaned[:, has_signal])
    pearson = Connectivity("pearson", correlations, shrinkage=None, is_fisher_z=False, left_out={})
    return {"pearson": _matrix(pearson, correlations, names, notes)}, _histogram(pairs_of(correlations))


def _has_signal(atlas: AtlasView) -> np.ndarray:
    if atlas.matrices and not atlas.is_averaged:
        return np.array([name not in atlas.matrices[0].left_out for name in atlas.names])
    return np.asarray(np.isfinite(zscore(atlas.cleaned)).all(axis=0))


def _why_no_matrix(atlas: AtlasView, has_signal: np.ndarray) -> str | None:
    if atlas.is_averaged:
        in_tables = " Its tables have every number." if atlas.matrices else ""
        return f"{atlas.n_columns:,} columns are too many for one.{in_tables}"
    if len(atlas.cleaned) < _LEAST_VOLUMES:
        return f"{count(len(atlas.cleaned), 'volume')} can not be correlated."
    return "it needs two regions with a signal." if np.count_nonzero(has_signal) < 2 else None


def _matrix(connectivity: Connectivity, values: np.ndarray, names: Sequence[str], notes: Mapping[str, str]) -> Plot:
    """Return the figure of a matrix, given its values between regions with a signal."""
    grouping = group_regions(names)
    order = "grouped as the names say" if grouping.names else "in the atlas's order"
    what = IN_WORDS[connectivity.kind]
    scale = _scale_of(connectivity, pairs_of(values))
    if scale != figures.CORRELATION:
        # It would take the range of colours from what lies between regions.
        values = np.where(np.eye(len(values), dtype=bool), np.nan, values)
    as_z = ", as Fisher z" if connectivity.is_fisher_z else ""
    told = [
        f"{what[0].upper()}{what[1:]} of cleaned signals{as_z}, {order}.",
        "" if connectivity.shrinkage is None else f"Ledoit-Wolf shrinkage {connectivity.shrinkage:.3f}.",
        notes.get("left_out", ""),
        "" if scale == figures.CORRELATION else f"Colours end at ±{scale.limit:g}; the diagonal is left blank.",
    ]
    return Plot(
        figures.plot_matrix(values, names, grouping, scale),
        f"Matrix of {what} between {count(len(names), 'region')}, {order}",
        " ".join(filter(None, told)),
    )


def _scale_of(connectivity: Connectivity, pairs: np.ndarray) -> figures.Scale:
    """Return the range of colours: from -1 to 1, or where values are far from that, one that shows most pairs."""
    if connectivity.kind in _UP_TO_ONE and not connectivity.is_fisher_z:
        return figures.CORRELATION
    known = np.abs(pairs[np.isfinite(pairs)])
    limit = float(np.percentile(known, _SHOWN_PAIRS)) if len(known) else 0.0
    name = "z" if connectivity.is_fisher_z else _SCALE_NAMES[connectivity.kind]
    return figures.Scale(name, float(f"{limit:.2g}") or 1.0)


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


def _regressors(atlas: AtlasView, run: RunView, notes: dict[str, str]) -> Plot | None:
    if not run.regressor_names:
        has_table = "Confounds" in run.sources
        why = "none of the table's columns is regressed out" if has_table else "this run has no table of confounds"
        notes["regressors"] = f"No regressors: {why}."
        return None
    if len(run.regressors) < _LEAST_VOLUMES:
        notes["regressors"] = f"{count(len(run.regressors), 'volume')} can not be correlated."
        return None
    before = correlate_with(atlas.raw, run.regressors)
    after = correlate_with(atlas.cleaned, run.regressors)
    return Plot(
        figures.plot_regressors(before, after, atlas.names, run.regressor_names),
        f"Correlation of {count(len(atlas.names), 'row')} with {count(len(run.regressor_names), 'regressor')}, "
        "before and after cleaning",
        f"Correlation with the regressors as read. Largest before: {_largest(before)}, after: {_largest(after)}.",
    )


def _largest(correlations: np.ndarray) -> str:
    known = np.abs(correlations[np.isfinite(correlations)])
    return f"{known.max():.2f}" if len(known) else "n/a"


def _spectrum(atlas: AtlasView, run: RunView, notes: dict[str, str]) -> Plot | None:
    means = {"before": atlas.mean_raw, "after": atlas.mean_cleaned}
    if len(atlas.mean_raw) < _LEAST_FOR_SPECTRUM:
        notes["spectrum"] = f"No spectrum: it needs {_LEAST_FOR_SPECTRUM} volumes."
        return None
    spectra = {
        when: power_spectrum(_over_all_volumes(mean, run.time), run.time.t_r)
        for when, mean in means.items()
        if np.isfinite(mean).all() and np.ptp(mean) > 0
    }
    if not spectra:
        notes["spectrum"] = "No spectrum: the mean signal does not vary."
        return None
    frequencies = next(iter(spectra.values()))[0]
    unit = "cycles per volume" if run.time.t_r is None else "Hz"
    powers = {when: shares for when, (_, shares) in spectra.items()}
    is_cut = any(cut_off is not None for cut_off in run.band)
    return Plot(
        figures.plot_spectrum(frequencies, powers, unit=unit, band=run.band),
        f"Power spectrum of the mean signal {' and '.join(powers)} cleaning",
        "Welch's power of the mean over columns, as shares of its sum."
        + (" Grey is what the filter removes." if is_cut else " No filter.")
        + (
            " Straight lines bridge censored volumes, which moves some power to low frequencies."
            if run.time.censored.any()
            else ""
        ),
    )


def _table_rows(atlas: AtlasView, colours: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return a row per region, those without signal first."""
    rows: list[dict[str, Any]] = [
        {**{str(key): value for key, value in row.items()}, "colour": colour, "is_ok": row["status"] == OK}
        for row, colour in zip(atlas.facts.to_dict("records"), colours, strict=True)
    ]
    return sorted(rows, key=lambda row: bool(row["is_ok"]))
