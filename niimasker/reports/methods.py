"""The methods paragraph of a run, ready for a publication, and the references that it cites."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.metadata import version

import numpy as np

from niimasker.errors import count
from niimasker.inputs.framewise_displacement import HEAD_RADIUS
from niimasker.inputs.preprocessing import Program
from niimasker.inputs.runs import AUTO
from niimasker.inputs.templates import is_template
from niimasker.options.settings import CUBIC, LINEAR, NOTCH, PCHIP, Settings
from niimasker.regions.atlases.queries import PREFIX, is_atlas_query
from niimasker.regions.roi_files import RoiFile, name_for_all_images, parse_mask, parse_roi_file
from niimasker.reports.atlas_references import AtlasReferences, cite_atlas
from niimasker.reports.paragraphs import Paragraph, make_paragraph
from niimasker.reports.point_words import PointWords
from niimasker.reports.preset_references import cite_preset
from niimasker.reports.program_references import OF_PROGRAMS, cite_program, find_publication
from niimasker.reports.references import (
    ABRAHAM_2014,
    CIRIC_2017,
    DUPRE_2021,
    FAIR_2020,
    FRITSCH_1984,
    GRATTON_2020,
    LEDOIT_2004,
    LINDQUIST_2019,
    NIIMASKER,
    OF_RUNS,
    POWER_2012,
    POWER_2014,
    Reference,
    Software,
)
from niimasker.reports.regressor_phrases import describe_regressors
from niimasker.reports.steps import lacks_regression
from niimasker.signals.filtering import Cleaning
from niimasker.signals.nuisance import Nuisance, format_degrees
from niimasker.signals.timeline import Timeline

_STANDARDIZED = {
    "zscore_sample": "standardised to zero mean and unit sample standard deviation",
    "zscore": "standardised to zero mean and unit population standard deviation",
    "psc": "expressed as percent signal change relative to its mean before cleaning",
}

_INTERPOLATED = {
    PCHIP: f"monotone cubic interpolation ({FRITSCH_1984.short})",
    LINEAR: "linear interpolation",
    CUBIC: "cubic spline interpolation",
}

_LEDOIT_WOLF_KINDS = {
    "correlation": "correlations",
    "partial_correlation": "partial correlations",
    "covariance": "covariances",
    "precision": "inverse covariances",
}


def describe_methods(
    settings: Settings,
    cleaning: Cleaning,
    timeline: Timeline,
    nuisance: Nuisance,
    kinds: Sequence[str],
    points: PointWords,
    *,
    computes_displacement: bool = False,
    is_denoised: bool = False,
    programs: Sequence[Program] = (),
    pipeline: str = "",
) -> Paragraph:
    """Return the methods paragraph of a run.

    Parameters
    ----------
    kinds
        Kind of each atlas's regions: "labels", "maps", "weights" or "spheres".
    points
        The words for the points that regions are made of.
    computes_displacement
        Whether framewise displacement was computed from the motion parameters.
    is_denoised
        Whether another program has denoised the image.
    programs
        The programs that have preprocessed the image, the last one first.
    pipeline
        The name of the way of cleaning; empty without pipelines.
    """
    of_atlases = [cite_atlas(roi_file) for roi_file in settings.roi_file]
    sentences = [
        *_preprocessing(programs),
        *_motion(cleaning),
        *_displacement(settings, computes_displacement),
        *_volumes(settings, timeline),
        _extraction(settings, kinds, points),
        *_left_out(settings, points),
        *cite_preset(pipeline, settings),
        *_cleaning(settings, cleaning, timeline, nuisance, is_denoised=is_denoised),
        *_connectivity(settings),
    ]
    text = " ".join(sentences)
    of_queries = [each for cited in of_atlases for each in cited.publications]
    publications: list[Reference | Software] = [*OF_RUNS, *OF_PROGRAMS.values(), *of_queries]
    of_files = [each for cited in of_atlases for each in cited.of_files]
    return make_paragraph(text, publications, of_files, _list_uncited(of_atlases, programs))


def _list_uncited(of_atlases: Sequence[AtlasReferences], programs: Sequence[Program]) -> Iterator[str]:
    n_unknown = sum(not (cited.publications or cited.of_files) for cited in of_atlases)
    if n_unknown:
        yield "the atlases" if n_unknown > 1 else "the atlas"
    if not programs or any(find_publication(program) is None for program in programs):
        yield "the preprocessing"


def _preprocessing(programs: Sequence[Program]) -> Iterator[str]:
    if programs:
        listed = " and ".join(map(cite_program, reversed(programs)))
        yield f"The images had been preprocessed with {listed}."


def _extraction(settings: Settings, kinds: Sequence[str], points: PointWords) -> str:
    estimate = f"the signal of each {points.singular}" if settings.as_voxels else f"the mean over {points.plural}"
    where = f" {points.where}" if points.where else ""
    templates = {
        "labels": f"the regions of {{}}{where} as {estimate}",
        "maps": f"the probabilistic maps of {{}}{where} by least squares",
        "weights": f"the region of {{}}{where} as the mean over {points.plural}, weighted by its values",
        "spheres": (
            f"spheres of {settings.radius:g} mm radius around the coordinates of {{}} as the mean over voxels"
            if settings.radius
            else "the voxels nearest to the coordinates of {}"
        ),
    }
    listed = " and ".join(
        templates[kind].format(_cited(roi)) for kind, roi in zip(kinds, settings.roi_file, strict=True)
    )
    is_masked = settings.mask_img is not None and not settings.as_voxels
    mask = f", restricted to {_cited_mask(settings, points)}" if is_masked else ""
    smoothing = (
        f" after smoothing with a Gaussian kernel of {settings.smoothing_fwhm:g} mm full width at half maximum"
        if settings.smoothing_fwhm
        else ""
    )
    nilearn = f"nilearn {version('nilearn')} ({ABRAHAM_2014.short})"
    engines = {"stream": f"which follows the definitions of {nilearn}", "nilearn": f"using the maskers of {nilearn}"}
    return (
        f"Time series were extracted from {listed}{mask}{smoothing}, with {NIIMASKER.short}, "
        f"{engines[settings.engine]}."
    )


def _left_out(settings: Settings, points: PointWords) -> Iterator[str]:
    if settings.averages_valid:
        yield f"{points.plural.capitalize()} that were not finite or did not vary over time were left out."
    if settings.min_coverage:
        yield (
            f"Regions of which less than {100 * settings.min_coverage:g} % was covered by {points.plural} that were "
            "finite and varied over time were left out."
        )


def _cited(roi_file: str) -> str:
    if is_atlas_query(roi_file):
        cited = "; ".join(each.short for each in cite_atlas(roi_file).publications)
        return f"nilearn's atlas {roi_file.removeprefix(PREFIX)} ({cited})"
    return _cited_files(parse_roi_file(roi_file))


def _cited_files(roi_file: RoiFile) -> str:
    own = f"each run's own {name_for_all_images(roi_file.text)}" if is_template(roi_file.text) else ""
    files = own or " and ".join(_file_name(str(path)) for path in roi_file.paths)
    return files if roi_file.map_name is None else f"the map {roi_file.map_name} of {files}"


def _cited_mask(settings: Settings, points: PointWords) -> str:
    assert settings.mask_img is not None
    if settings.mask_img == AUTO:
        return f"each run's {points.own_mask}"
    cited = _cited_files(parse_mask(settings.mask_img))
    return cited if is_template(str(settings.mask_img)) else f"the mask {cited}"


def _file_name(path: str) -> str:
    return path.replace("\\", "/").rsplit("/", 1)[-1]


def _motion(cleaning: Cleaning) -> Iterator[str]:
    if cleaning.motion_filter is not None:
        source = FAIR_2020 if cleaning.motion_filter.kind == NOTCH else GRATTON_2020
        yield (
            f"Respiration was filtered out of the motion parameters with a {cleaning.motion_filter}, run forwards and "
            f"backwards ({source.short}); regressors and framewise displacement were computed from the result."
        )


def _displacement(settings: Settings, is_computed: bool) -> Iterator[str]:
    if is_computed and settings.scrubs and settings.fd_threshold:
        radius = HEAD_RADIUS if settings.head_radius is None else settings.head_radius
        yield (
            "Framewise displacement was computed from the motion parameters, with rotations as arcs on a sphere of "
            f"{radius:g} mm radius ({POWER_2012.short})."
        )


def _volumes(settings: Settings, timeline: Timeline) -> Iterator[str]:
    if timeline.n_discarded:
        is_one = timeline.n_discarded == 1
        volumes = "volume of the run was" if is_one else f"{timeline.n_discarded} volumes of the run were"
        marked = f", because the confounds table marks {'it' if is_one else 'them'} as not in the steady state"
        yield f"The first {volumes} discarded{marked if settings.discard_scans == 'auto' else ''}."
    if settings.scrubs:
        limits = [
            f"a framewise displacement above {settings.fd_threshold:g} mm" if settings.fd_threshold else "",
            f"standardised DVARS above {settings.std_dvars_threshold:g}" if settings.std_dvars_threshold else "",
        ]
        # No segment has fewer volumes than one.
        segments = (
            f", as were segments of fewer than {settings.scrub_segment} contiguous volumes between them"
            if settings.scrub_segment > 1
            else ""
        )
        near = _neighbours(settings)
        yield f"Volumes with {' or '.join(filter(None, limits))}{near} were censored{segments} ({POWER_2014.short})."
    for reason, marked in (("non_steady_state", "as not in the steady state"), ("user", "beforehand")):
        n_marked = np.count_nonzero(timeline.outliers.get(reason, ()))
        if n_marked:
            yield f"Volumes marked {marked} (n = {n_marked}) were censored."
    if settings.scrubs or timeline.n_censored:
        yield f"In all, {timeline.n_kept} of {timeline.n_read} volumes were kept."


def _neighbours(settings: Settings) -> str:
    sides = (("before", settings.censor_before), ("after", settings.censor_after))
    listed = [f"{count(n, 'volume')} {side}" for side, n in sides if n]
    return f", and the {' and the '.join(listed)} each of them ({POWER_2012.short})," if listed else ""


def _cleaning(
    settings: Settings, cleaning: Cleaning, timeline: Timeline, nuisance: Nuisance, *, is_denoised: bool
) -> Iterator[str]:
    steps = [
        "linearly detrended" if cleaning.detrend else "",
        f"{_filter(cleaning)} with a Butterworth filter of order 5" if cleaning.filters else "",
    ]
    if any(steps):
        also = ", and so were the regressors" if nuisance.names else ""
        gaps = (
            f"; censored volumes were replaced by {_INTERPOLATED[cleaning.interpolation]} before this step and removed "
            "after it"
            if timeline.n_censored
            else ""
        )
        together = f" ({LINDQUIST_2019.short})" if cleaning.filters and nuisance.names else ""
        yield f"Time series were {' and '.join(filter(None, steps))}{also}{together}{gaps}."
    if nuisance.orthogonalised:
        yield (
            f"The time series of {count(len(nuisance.orthogonalised), 'rejected independent component')} were "
            f"orthogonalised to those of {count(len(nuisance.preserved), 'accepted component')} ({DUPRE_2021.short})."
        )
    if nuisance.names:
        yield (
            f"Nuisance regressors (n = {len(nuisance.names)}) were then regressed out by ordinary least squares "
            f"({CIRIC_2017.short}): {describe_regressors(nuisance.names)}. This left "
            f"{format_degrees(nuisance.degrees_of_freedom)} degrees of freedom in all."
        )
    if lacks_regression(settings, nuisance, is_denoised=is_denoised):
        yield "No nuisance regression was applied."
    if cleaning.standardize:
        yield f"Each time series was {_STANDARDIZED[cleaning.standardize]}."


def _filter(cleaning: Cleaning) -> str:
    if cleaning.high_pass and cleaning.low_pass:
        return f"band-pass filtered from {cleaning.high_pass:g} to {cleaning.low_pass:g} Hz"
    if cleaning.high_pass:
        return f"high-pass filtered at {cleaning.high_pass:g} Hz"
    return f"low-pass filtered at {cleaning.low_pass:g} Hz"


def _connectivity(settings: Settings) -> Iterator[str]:
    shrunk = [plural for kind, plural in _LEDOIT_WOLF_KINDS.items() if kind in settings.connectivity]
    measures = ["Pearson correlations"] if "pearson" in settings.connectivity else []
    if shrunk:
        *others, last = shrunk
        listed = f"{', '.join(others)} and {last}" if others else last
        measures.append(f"{listed} estimated with Ledoit-Wolf shrinkage ({LEDOIT_2004.short})")
    if measures:
        yield f"Connectivity between regions was measured by {', and by '.join(measures)}."
    if measures and settings.fisher_z:
        yield "Correlations were transformed to Fisher z."
