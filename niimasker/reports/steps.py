"""The processing steps of a run, in order and with their numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from niimasker.errors import count
from niimasker.options.settings import CUBIC, LINEAR, PCHIP, Settings
from niimasker.regions.placing.weights import RegionWeights
from niimasker.reports.point_words import PointWords
from niimasker.signals.filtering import Cleaning
from niimasker.signals.nuisance import Nuisance
from niimasker.signals.timeline import Timeline

REASON_LABELS = {
    "non_steady_state": "non-steady state",
    "framewise_displacement": "framewise displacement",
    "std_dvars": "std DVARS",
    "neighbour": "neighbour",
    "segment": "short segment",
    "user": "censor file",
}
STANDARDIZED = {
    "zscore_sample": "z-score (sample SD)",
    "zscore": "z-score (population SD)",
    "psc": "percent signal change",
}
INTERPOLATED = {PCHIP: "monotone cubic", LINEAR: "straight lines", CUBIC: "cubic spline"}


@dataclass(frozen=True)
class Step:
    """One step: its verb, and its numbers if it has any."""

    verb: str
    detail: str = ""


def list_steps(
    settings: Settings,
    cleaning: Cleaning,
    timeline: Timeline,
    nuisance: Nuisance,
    weights: Sequence[RegionWeights],
    points: PointWords,
    *,
    is_denoised: bool = False,
) -> tuple[Step, ...]:
    """Return the processing steps of a run, in the order in which they are done.

    Parameters
    ----------
    is_denoised
        Whether another program has denoised the image.
    """
    bridges = timeline.n_censored and cleaning.needs_every_volume
    steps = [
        Step("filter motion", str(cleaning.motion_filter)) if cleaning.motion_filter else None,
        Step("discard", count(timeline.n_discarded, "volume")) if timeline.n_discarded else None,
        Step("censor", _describe_censoring(timeline)) if timeline.n_censored else None,
        Step("smooth", f"{settings.smoothing_fwhm:g} mm FWHM") if settings.smoothing_fwhm else None,
        Step("extract", " and ".join(_describe_extraction(atlas_weights, points) for atlas_weights in weights)),
        Step("bridge gaps", INTERPOLATED[cleaning.interpolation]) if bridges else None,
        Step("detrend", "linear") if cleaning.detrend else None,
        Step("filter", describe_band(cleaning)) if cleaning.filters else None,
        Step("orthogonalise", _describe_orthogonalised(nuisance)) if nuisance.orthogonalised else None,
        Step("regress", _describe_regressors(nuisance)) if nuisance.names else None,
        Step("no nuisance regression") if lacks_regression(settings, nuisance, is_denoised=is_denoised) else None,
        Step("standardise", STANDARDIZED[cleaning.standardize]) if cleaning.standardize else None,
        Step("measure connectivity", _describe_connectivity(settings)) if settings.connectivity else None,
    ]
    return tuple(step for step in steps if step)


def lacks_regression(settings: Settings, nuisance: Nuisance, *, is_denoised: bool) -> bool:
    """Return whether connectivity is measured from signals that no program has cleaned of nuisance."""
    return bool(settings.connectivity) and not nuisance.names and not is_denoised


def describe_band(cleaning: Cleaning) -> str:
    """Return the kind of a filter and its cut-offs."""
    if cleaning.high_pass and cleaning.low_pass:
        return f"band-pass {cleaning.high_pass:g} to {cleaning.low_pass:g} Hz"
    return f"high-pass {cleaning.high_pass:g} Hz" if cleaning.high_pass else f"low-pass {cleaning.low_pass:g} Hz"


def _describe_extraction(weights: RegionWeights, points: PointWords) -> str:
    if weights.single_points is not None:
        return f"{points.count(len(weights.names))} of {count(len(weights.whole_regions.names), 'region')}"
    nouns = {"labels": "region", "maps": "probabilistic map", "weights": "weighted region", "spheres": "sphere"}
    return count(len(weights.names), nouns[weights.kind])


def _describe_regressors(nuisance: Nuisance) -> str:
    spikes = f", {nuisance.n_spiked} of them spikes" if nuisance.n_spiked else ""
    return count(len(nuisance.names), "regressor") + spikes


def _describe_orthogonalised(nuisance: Nuisance) -> str:
    rejected = count(len(nuisance.orthogonalised), "rejected component")
    return f"{rejected} to {len(nuisance.preserved)} accepted"


def _describe_connectivity(settings: Settings) -> str:
    kinds = ", ".join(kind.replace("_", " ") for kind in settings.connectivity)
    return f"{kinds} (Fisher z)" if settings.fisher_z else kinds


def _describe_censoring(timeline: Timeline) -> str:
    by = [f"{REASON_LABELS[reason]} {censors.sum()}" for reason, censors in timeline.outliers.items() if censors.any()]
    return f"{count(timeline.n_censored, 'volume')} ({', '.join(by)})"
