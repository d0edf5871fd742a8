"""The section of one atlas on a run's page: its figures, captions and table."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from niimasker.errors import count
from niimasker.regions.placing.weights import OK
from niimasker.reports import brain, figures, heatmaps
from niimasker.reports.brain_view import MAX_BYTES, BrainView, make_brain_view
from niimasker.reports.cortex import CortexDrawing, draw_cortex
from niimasker.reports.matrices import plot_connectivity
from niimasker.reports.packing import pack_rows
from niimasker.reports.palette import region_colours
from niimasker.reports.pictures import CortexPicture, count_shown, explain_missing_mesh
from niimasker.reports.plots import Plot, display_names
from niimasker.reports.region_groups import describe_order, group_regions
from niimasker.reports.region_rows import find_rows
from niimasker.reports.regressor_groups import count_kinds
from niimasker.reports.run_view import AtlasView, RunView
from niimasker.reports.seed_colours import CORRELATION_BAR
from niimasker.reports.spectra import power_spectrum
from niimasker.reports.time_axis import TimeAxis
from niimasker.signals.connectivity import MIN_VOLUMES
from niimasker.signals.correlations import correlate_with, zscore

# Fewer volumes are too few for a Welch spectrum.
_MIN_SPECTRUM_VOLUMES = 16

# Absolute correlations below this are 0.00 as they are written, and are not drawn.
_NO_CORRELATION = 0.005

# Units of cleaned signals, by the kind of standardisation.
_UNITS = {None: "image units", "zscore_sample": "z", "zscore": "z", "psc": "%"}


@dataclass(frozen=True)
class VolumeDrawing:
    """A picture of regions in a volume as a data URI, what it shows in words, and the view to explore them in."""

    uri: str
    description: str
    view: BrainView | None


@dataclass(frozen=True)
class Section:
    """The section of one atlas, with matrices by their kind; where a part is None, `notes` say why."""

    view: AtlasView
    cortex: CortexDrawing | None
    volume: VolumeDrawing | None
    carpet: Plot
    viewer: dict[str, Any]
    signals: dict[str, Any]
    matrices: dict[str, Plot]
    histogram: Plot | None
    regressors: Plot | None
    spectrum: Plot | None
    notes: dict[str, str]
    rows: list[dict[str, Any]]

    @property
    def has_vertices(self) -> bool:
        """Whether the table has columns for structures and numbers of vertices."""
        return "n_vertices" in self.view.facts

    @property
    def has_voxels(self) -> bool:
        """Whether the table has a column for numbers of voxels."""
        return not self.has_vertices or bool(self.view.facts["n_voxels"].any())


def make_section(atlas: AtlasView, run: RunView) -> Section:
    """Return the section of an atlas."""
    colours = region_colours(len(atlas.facts))
    notes: dict[str, str] = {}
    matrices, histogram = plot_connectivity(atlas, notes)
    return Section(
        view=atlas,
        cortex=_cortex(atlas, colours, notes),
        volume=_volume(atlas, colours, MAX_BYTES // len(run.atlases)),
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


def _cortex(atlas: AtlasView, colours: tuple[str, ...], notes: dict[str, str]) -> CortexDrawing | None:
    if not isinstance(atlas.picture, CortexPicture):
        return None
    if atlas.picture.without_mesh:
        notes["cortex"] = explain_missing_mesh(atlas.picture)
    return draw_cortex(atlas.picture, colours, atlas.facts) if atlas.picture.hemispheres else None


def _volume(atlas: AtlasView, colours: tuple[str, ...], max_bytes: int) -> VolumeDrawing | None:
    picture = atlas.picture.voxels if isinstance(atlas.picture, CortexPicture) else atlas.picture
    if picture is None:
        return None
    labels = picture.labels.values
    volumes = brain.crop(brain.reorient_to_ras(picture.background.values, labels, picture.background.affine))
    return VolumeDrawing(
        brain.to_data_uri(brain.plot_regions(volumes, colours)),
        f"{count_shown(labels, atlas.facts['status'].tolist())} on {picture.background_name}, "
        "in three rows of cuts along x, y and z",
        make_brain_view(volumes, atlas.facts["name"].tolist(), colours, max_bytes=max_bytes),
    )


def _carpet(atlas: AtlasView, run: RunView) -> Plot:
    above = {figures.MEAN_SIGNAL: _over_all_volumes(atlas.mean_raw, run.time)}
    figure = figures.plot_carpet(zscore(atlas.cleaned), atlas.names, run.time, above)
    rows = (
        f"Each of the {len(atlas.names)} rows is the mean of neighbouring columns; the table has {atlas.n_columns:,}."
        if atlas.is_averaged
        else "Each row is one column of the table."
    )
    sentences = [
        "Carpet plot: cleaned signals as z-scores, from black (-2.5 or less) to white (2.5 or more).",
        f"{rows} Rows are {describe_order(group_regions(atlas.names))}.",
        "The mean signal above them is the mean over all columns before cleaning.",
    ]
    return Plot(
        figure,
        f"Carpet plot of {count(len(atlas.names), 'row')} over {count(run.time.n_volumes, 'volume')}"
        + f", with the {figures.MEAN_SIGNAL} above it",
        " ".join(sentences),
    )


def _over_all_volumes(values: np.ndarray, time: TimeAxis) -> np.ndarray:
    full = np.full(time.n_volumes, np.nan)
    full[time.kept] = values
    return full


def _signals(atlas: AtlasView, run: RunView, colours: tuple[str, ...]) -> dict[str, Any]:
    """Return the signals and where they are kept, for selection.js."""
    status = atlas.facts["status"].to_numpy()
    return {
        "names": list(atlas.names),
        "shown": display_names(atlas.names),
        "colours": [colours[region] for region in atlas.regions],
        "status": [None if status[region] == OK else str(status[region]) for region in atlas.regions],
        "scale": CORRELATION_BAR.stops,
        "regions": atlas.regions.tolist(),
        "rows": _rows(atlas),
        "kept": np.flatnonzero(run.time.kept).tolist(),
        "before": pack_rows(atlas.raw.T),
        "after": pack_rows(atlas.cleaned.T),
    }


def _rows(atlas: AtlasView) -> list[int | None]:
    return find_rows(atlas.regions, (atlas.facts["status"] == OK).tolist())


def _regressors(atlas: AtlasView, run: RunView, notes: dict[str, str]) -> Plot | None:
    if not run.regressor_names:
        has_table = "Confounds" in run.sources
        reason = "no column of the confounds table is regressed out" if has_table else "nothing is regressed out"
        notes["regressors"] = f"No regressors: {reason}."
        return None
    if len(run.regressors) < MIN_VOLUMES:
        kept = count(len(run.regressors), "kept volume")
        notes["regressors"] = f"No correlations: {kept}, but correlations need at least {MIN_VOLUMES}."
        return None
    before = correlate_with(atlas.raw, run.regressors)
    after = correlate_with(atlas.cleaned, run.regressors)
    largest = _find_largest(after)
    is_removed = largest < _NO_CORRELATION
    sentences = filter(None, _describe_regressors(run, _find_largest(before), largest))
    return Plot(
        heatmaps.plot_regressors(before, None if is_removed else after, atlas.names, run.regressor_names),
        f"Correlation of {count(len(atlas.names), 'row')} with {count(len(run.regressor_names), 'regressor')} "
        + ("before cleaning; none is left after it" if is_removed else "before and after cleaning"),
        " ".join(sentences),
    )


def _describe_regressors(run: RunView, before: float, after: float) -> list[str]:
    """Return the sentences of the caption, given the largest absolute correlations."""
    columns = f"{count_kinds(run.regressor_names)}."
    largest = f"The largest absolute correlation is {_two_decimals(before)} before cleaning"
    return [
        "Correlation of each row with each regressor as read from the confounds table.",
        f"Columns are grouped by kind: {columns}" if len(run.regressor_names) > 1 else "",
        f"{largest}. After cleaning, all are below {_NO_CORRELATION:g} and are not drawn."
        if after < _NO_CORRELATION
        else f"{largest} and {_two_decimals(after)} after it.",
    ]


def _find_largest(correlations: np.ndarray) -> float:
    known = np.abs(correlations[np.isfinite(correlations)])
    return float(known.max()) if len(known) else math.nan


def _two_decimals(value: float) -> str:
    return "n/a" if math.isnan(value) else f"{value:.2f}"


def _spectrum(atlas: AtlasView, run: RunView, notes: dict[str, str]) -> Plot | None:
    means = {"before": atlas.mean_raw, "after": atlas.mean_cleaned}
    if len(atlas.mean_raw) < _MIN_SPECTRUM_VOLUMES:
        notes["spectrum"] = f"No spectrum: it needs at least {_MIN_SPECTRUM_VOLUMES} kept volumes."
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
    has_filter = any(cut_off is not None for cut_off in run.band)
    return Plot(
        figures.plot_spectrum(frequencies, powers, unit=unit, band=run.band),
        f"Power spectrum of the mean signal {' and '.join(powers)} cleaning",
        "Power spectrum of the mean over all columns (Welch's method), as shares of the total power."
        + (" The filter removes the frequencies shaded grey." if has_filter else " The signals are not filtered.")
        + (
            " Straight lines bridge censored volumes, which shifts some power to low frequencies."
            if run.time.censored.any()
            else ""
        ),
    )


def _table_rows(atlas: AtlasView, colours: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return one row per region, regions without a signal first."""
    rows: list[dict[str, Any]] = [
        {
            **{str(key): value for key, value in facts.items()},
            "colour": colour,
            "is_ok": facts["status"] == OK,
            "row": row,
        }
        for facts, colour, row in zip(atlas.facts.to_dict("records"), colours, _rows(atlas), strict=True)
    ]
    return sorted(rows, key=lambda row: bool(row["is_ok"]))
