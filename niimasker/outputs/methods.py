"""A methods paragraph for a publication, made from what was done to a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version

from niimasker.outputs.steps import counted
from niimasker.settings import Settings
from niimasker.signals.filtering import Cleaning
from niimasker.signals.nuisance import Nuisance
from niimasker.signals.timeline import Timeline

ABRAHAM_2014 = (
    "Abraham et al., 2014",
    "Abraham A, Pedregosa F, Eickenberg M, et al. Machine learning for neuroimaging with scikit-learn. Frontiers in "
    "Neuroinformatics 2014; 8: 14. doi:10.3389/fninf.2014.00014",
)
POWER_2014 = (
    "Power et al., 2014",
    "Power JD, Mitra A, Laumann TO, Snyder AZ, Schlaggar BL, Petersen SE. Methods to detect, characterize, and remove "
    "motion artifact in resting state fMRI. NeuroImage 2014; 84: 320-341. doi:10.1016/j.neuroimage.2013.08.048",
)
CIRIC_2017 = (
    "Ciric et al., 2017",
    "Ciric R, Wolf DH, Power JD, et al. Benchmarking of participant-level confound regression strategies for the "
    "control of motion artifact in studies of functional connectivity. NeuroImage 2017; 154: 174-187. "
    "doi:10.1016/j.neuroimage.2017.03.020",
)
LINDQUIST_2019 = (
    "Lindquist et al., 2019",
    "Lindquist MA, Geuter S, Wager TD, Caffo BS. Modular preprocessing pipelines can reintroduce artifacts into fMRI "
    "data. Human Brain Mapping 2019; 40: 2358-2376. doi:10.1002/hbm.24528",
)
_REFERENCES = (ABRAHAM_2014, CIRIC_2017, LINDQUIST_2019, POWER_2014)

# More regressors than these are counted, not named.
_MOST_NAMED = 12

_STANDARDIZED = {
    "zscore_sample": "standardised to zero mean and unit sample standard deviation",
    "zscore": "standardised to zero mean and unit population standard deviation",
    "psc": "expressed as percent of its mean before detrending and filtering",
}


@dataclass(frozen=True)
class Paragraph:
    """A text, and the references that it cites in full."""

    text: str
    references: tuple[str, ...]


def describe_methods(
    settings: Settings, cleaning: Cleaning, timeline: Timeline, nuisance: Nuisance, kinds: Sequence[str]
) -> Paragraph:
    """Return the methods of a run in publishable English.

    Parameters
    ----------
    kinds
        Of each atlas's regions: "labels", "maps" or "spheres".
    """
    sentences = [
        _extraction(settings, kinds),
        *_volumes(settings, timeline),
        *_cleaning(settings, cleaning, timeline, nuisance),
    ]
    text = " ".join(sentences)
    return Paragraph(text, tuple(full for short, full in _REFERENCES if short in text))


def _extraction(settings: Settings, kinds: Sequence[str]) -> str:
    of_voxels = "the signal of each voxel" if settings.as_voxels else "the mean over voxels"
    what = {
        "labels": f"the regions of {{}} as {of_voxels}",
        "maps": "the probabilistic maps of {} by least squares",
        "spheres": f"{_spheres(settings)} around the coordinates of {{}} as the mean over voxels",
    }
    listed = " and ".join(what[kind].format(_cited(roi)) for kind, roi in zip(kinds, settings.roi_file, strict=True))
    mask = f", restricted to the mask {_file_name(str(settings.mask_img))}" if settings.mask_img else ""
    smoothing = (
        f" after smoothing with a Gaussian kernel of {settings.smoothing_fwhm:g} mm full width at half maximum"
        if settings.smoothing_fwhm
        else ""
    )
    return (
        f"Time series were extracted from {listed}{mask}{smoothing}, with niimasker {version('niimasker')}, which "
        f"follows the definitions of nilearn {version('nilearn')} ({ABRAHAM_2014[0]})."
    )


def _spheres(settings: Settings) -> str:
    return f"spheres of {settings.radius:g} mm radius" if settings.radius else "the nearest voxels"


def _cited(roi_file: str) -> str:
    return f"nilearn's atlas {roi_file.removeprefix('nilearn:')}" if _is_query(roi_file) else _file_name(roi_file)


def _is_query(roi_file: str) -> bool:
    return roi_file.startswith("nilearn:")


def _file_name(path: str) -> str:
    return path.replace("\\", "/").rsplit("/", 1)[-1]


def _volumes(settings: Settings, timeline: Timeline) -> Iterator[str]:
    if timeline.n_discarded:
        was = "was" if timeline.n_discarded == 1 else "were"
        yield f"The first {counted(timeline.n_discarded, 'volume')} of the run {was} discarded."
    if settings.scrubs:
        limits = [
            f"a framewise displacement above {settings.fd_threshold:g} mm" if settings.fd_threshold else "",
            f"standardised DVARS above {settings.std_dvars_threshold:g}" if settings.std_dvars_threshold else "",
        ]
        segments = (
            f", as were stretches of fewer than {counted(settings.scrub_segment, 'volume')} between them"
            if settings.scrub_segment
            else ""
        )
        yield (
            f"Volumes with {' or '.join(filter(None, limits))} were censored{segments} ({POWER_2014[0]}); "
            f"{timeline.n_kept} of {timeline.n_read} volumes were kept."
        )
    elif timeline.n_censored:
        yield (
            f"{counted(timeline.n_censored, 'volume')} marked beforehand were censored; "
            f"{timeline.n_kept} of {timeline.n_read} volumes were kept."
        )


def _cleaning(settings: Settings, cleaning: Cleaning, timeline: Timeline, nuisance: Nuisance) -> Iterator[str]:
    done = [
        "linearly detrended" if cleaning.detrend else "",
        f"{_filter(cleaning)} with a Butterworth filter of order 5" if cleaning.filters else "",
    ]
    if any(done):
        also = " and so were the regressors" if nuisance.names else ""
        gaps = (
            "; in place of censored volumes, values interpolated by cubic splines were used and then removed"
            if timeline.n_censored
            else ""
        )
        together = f" ({LINDQUIST_2019[0]})" if cleaning.filters and nuisance.names else ""
        yield f"Time series were {' and '.join(filter(None, done))}{also}{together}{gaps}."
    if nuisance.names:
        yield (
            f"{_regressors(settings, nuisance)} were then regressed out by ordinary least squares ({CIRIC_2017[0]}), "
            f"which left {nuisance.degrees_of_freedom:.4g} degrees of freedom."
        )
    if cleaning.standardize:
        yield f"Each time series was {_STANDARDIZED[cleaning.standardize]}."


def _filter(cleaning: Cleaning) -> str:
    if cleaning.high_pass and cleaning.low_pass:
        return f"band-pass filtered from {cleaning.high_pass:g} to {cleaning.low_pass:g} Hz"
    if cleaning.high_pass:
        return f"high-pass filtered at {cleaning.high_pass:g} Hz"
    return f"low-pass filtered at {cleaning.low_pass:g} Hz"


def _regressors(settings: Settings, nuisance: Nuisance) -> str:
    n_regressors = len(nuisance.names)
    # Words that are no column stand for several: a strategy.
    words = [word for word in settings.regressors if word not in nuisance.names]
    chosen = f", chosen by {' '.join(words)}" if words else f": {', '.join(nuisance.names)}"
    shown = chosen if words or n_regressors <= _MOST_NAMED else ""
    return f"Nuisance regressors (n = {n_regressors}{shown})"
