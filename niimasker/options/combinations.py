"""Check the combination of options: those that cannot be combined, and those without effect."""

from __future__ import annotations

from niimasker.errors import SettingsError, count, record_warnings, warn
from niimasker.options.pipelines import name_pipeline
from niimasker.options.settings import (
    CORRELATION_KINDS,
    LOW_PASS,
    MOTION_FORMATS,
    NO_REGRESSORS,
    NOTCH,
    OPTIONS_BY_NAME,
    Settings,
)


def check_pipelines(settings: Settings) -> None:
    """Check the settings of each pipeline.

    A warning is issued if it concerns all pipelines, or an option that its pipeline sets itself; an option of the call
    may be meant for some of the pipelines.
    """
    recorded: dict[str, list[str]] = {}
    for name, of_pipeline in settings.by_pipeline.items():
        with record_warnings() as recorded[name]:
            try:
                check_combinations(of_pipeline)
            except SettingsError as error:
                raise name_pipeline(name, error) from error
    _warn_of_overridden(settings)
    common = set.intersection(*map(set, recorded.values()))
    for text in dict.fromkeys(text for texts in recorded.values() for text in texts if text in common):
        warn(text)
    for pipeline in settings.pipelines:
        for text in recorded[pipeline.name]:
            if text not in common and any(f"--{option} " in text for option, _ in pipeline.options):
                warn(f"pipeline {pipeline.name!r}: {text}")


def _warn_of_overridden(settings: Settings) -> None:
    """Warn of an option of the call of which every pipeline sets another value."""
    for option in (each for each in OPTIONS_BY_NAME.values() if each.varies):
        value = getattr(settings, option.name)
        others = [getattr(of_pipeline, option.name) for of_pipeline in settings.by_pipeline.values()]
        if value != option.default and value not in others:
            warn(f"--{option.name} of the call is ignored: every pipeline sets another value.")


def check_combinations(settings: Settings) -> None:
    """Raise SettingsError for options that cannot be combined, and warn of those that are ignored."""
    _check_running(settings)
    _check_discarding(settings)
    _check_regressors(settings)
    _check_motion(settings)
    _check_censoring(settings)
    _check_scrubbing(settings)
    _check_signals(settings)
    _check_connectivity(settings)
    _check_output(settings)


def check_required(settings: Settings) -> None:
    """Raise SettingsError if an option is missing that every call needs."""
    if settings.output_dir is None:
        raise SettingsError("output_dir is missing; give it as the first word, or as the last one after --.")
    if not settings.input_files:
        raise SettingsError("--input_files is missing; give the folder of fMRIPrep's outputs, or 4D NIfTI images.")
    if not settings.roi_file:
        raise SettingsError("--roi_file is missing; give an atlas, a mask, a table of coordinates or nilearn:<atlas>.")
    if settings.atlas_name and len(settings.atlas_name) != len(settings.roi_file):
        raise SettingsError(
            f"--atlas_name has {count(len(settings.atlas_name), 'name')} but --roi_file has {len(settings.roi_file)}; "
            "give one name for each, in the same order."
        )


def _check_running(settings: Settings) -> None:
    if settings.scheduler and settings.timeout:
        raise SettingsError(
            "--timeout cannot be combined with --scheduler: it stops processes on this machine; leave one of them out."
        )
    if settings.scheduler and settings.n_jobs != 1:
        warn("--n_jobs is ignored: with --scheduler the workers of the cluster process the runs.")
    if settings.quiet and settings.verbose:
        raise SettingsError("--quiet and --verbose contradict each other; leave one of them out.")


def _check_signals(settings: Settings) -> None:
    if settings.valid_voxels and settings.smoothing_fwhm:
        raise SettingsError(
            "--valid_voxels cannot be combined with --smoothing_fwhm: smoothing has already spread the values of "
            "invalid voxels over their neighbours; leave one of them out."
        )
    if settings.valid_voxels and settings.as_voxels:
        warn("--valid_voxels is ignored: with --as_voxels nothing is averaged.")
    if settings.standardize_method != "zscore_sample" and not settings.standardize:
        warn(f"--standardize_method {settings.standardize_method} is ignored without --standardize.")
    _check_interpolation(settings)
    if settings.high_pass and settings.low_pass and settings.high_pass >= settings.low_pass:
        raise SettingsError(
            f"--high_pass {settings.high_pass:g} Hz is not below --low_pass {settings.low_pass:g} Hz; "
            "frequencies between the two are kept."
        )


def _check_discarding(settings: Settings) -> None:
    if settings.discard_scans == "auto" and settings.motion_format != MOTION_FORMATS[0]:
        warn(
            f"--discard_scans auto discards nothing where tables of --motion_format {settings.motion_format} have no "
            "header: they mark no volumes before the steady state; give a number."
        )


def _check_regressors(settings: Settings) -> None:
    others = [word for word in settings.regressors if word != NO_REGRESSORS]
    if others and NO_REGRESSORS in settings.regressors:
        raise SettingsError(
            f"--regressors {NO_REGRESSORS} regresses out nothing, but {' '.join(others)} is given with it; "
            f"leave {NO_REGRESSORS} or the other words out."
        )


def _check_interpolation(settings: Settings) -> None:
    if settings.interpolation == Settings.interpolation:
        return
    if not (settings.detrend or settings.high_pass or settings.low_pass):
        warn(f"--interpolation {settings.interpolation} is ignored without --detrend, --high_pass or --low_pass.")
    elif not (settings.scrubs or settings.censor_file or "non_steady_state" in settings.regressors):
        warn(
            f"--interpolation {settings.interpolation} is ignored: it bridges the gaps of censored volumes, but none "
            "of --scrub, --censor_file and --regressors non_steady_state is given."
        )


def _check_motion(settings: Settings) -> None:
    if settings.motion_format != Settings.motion_format and not settings.regressor_files:
        warn(
            f"--motion_format {settings.motion_format} is ignored without --regressor_files: it says what tables "
            "without a header hold."
        )
    _check_motion_filter(settings)


def _check_motion_filter(settings: Settings) -> None:
    cut_offs = {"band_stop_min": settings.band_stop_min, "band_stop_max": settings.band_stop_max}
    needed = {None: (), LOW_PASS: ("band_stop_min",), NOTCH: tuple(cut_offs)}[settings.motion_filter]
    for name, cut_off in cut_offs.items():
        if name in needed:
            _check_cut_off(settings, name, cut_off)
        elif cut_off is not None:
            warn(f"--{name} is ignored without --motion_filter {NOTCH if settings.motion_filter else 'lp or notch'}.")
    lower, upper = cut_offs.values()
    if settings.motion_filter == NOTCH and lower and upper and lower >= upper:
        raise SettingsError(
            f"--band_stop_min {lower:g} is not below --band_stop_max {upper:g} breaths per minute; frequencies between "
            "the two are removed."
        )


def _check_cut_off(settings: Settings, name: str, cut_off: float | None) -> None:
    if cut_off is None:
        raise SettingsError(f"--motion_filter {settings.motion_filter} needs --{name}, in breaths per minute.")
    if cut_off < 1:
        raise SettingsError(
            f"--{name} {cut_off:g} is less than one breath per minute; if it is in Hz, give {60 * cut_off:g}."
        )


def _check_censoring(settings: Settings) -> None:
    if settings.censor_keep and not settings.censor_file:
        warn("--censor_keep is ignored without --censor_file.")


def _check_scrubbing(settings: Settings) -> None:
    if settings.scrubs:
        if not (settings.fd_threshold or settings.std_dvars_threshold):
            raise SettingsError(
                "--fd_threshold and --std_dvars_threshold are both 0, so that scrubbing censors nothing; set one of "
                "them above 0, or do not scrub."
            )
        return
    for name in ("fd_threshold", "std_dvars_threshold", "scrub_segment", "censor_before", "censor_after"):
        if getattr(settings, name) != OPTIONS_BY_NAME[name].default:
            warn(f"--{name} is ignored without --scrub.")


def _check_connectivity(settings: Settings) -> None:
    if not settings.connectivity:
        if settings.fisher_z:
            warn("--fisher_z is ignored without --connectivity.")
        return
    if settings.as_voxels:
        raise SettingsError(
            "--connectivity cannot be combined with --as_voxels: a matrix of 10,000 voxels has 100 million entries; "
            "leave --as_voxels out, or correlate the columns of interest from the table of signals yourself."
        )
    if settings.fisher_z and not set(settings.connectivity) & set(CORRELATION_KINDS):
        raise SettingsError(
            f"--fisher_z transforms correlations, but --connectivity is {', '.join(settings.connectivity)}; "
            f"add one of {', '.join(CORRELATION_KINDS)}, or leave --fisher_z out."
        )


def _check_output(settings: Settings) -> None:
    if settings.cifti_out and settings.as_voxels:
        raise SettingsError(
            "--cifti_out cannot be combined with --as_voxels: it writes the signals of regions; leave one of them out."
        )
