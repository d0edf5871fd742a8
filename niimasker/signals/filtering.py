"""Detrend and filter with nilearn's functions, across the gaps of censored volumes.

The values of censored volumes are never used. Where a filter or a trend needs values in the gaps, they are interpolated
from the kept volumes, in signals and regressors alike. Given a sample_mask, `nilearn.signal.clean` of nilearn 0.14.1
interpolates other volumes than the censored ones, so that censored values enter the result.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from niimasker.errors import SignalsError, TimingError, TooFewVolumesError, warn
from niimasker.inputs.repetition_times import T_R_MAX, T_R_MIN
from niimasker.inputs.series import Series
from niimasker.options.settings import CUBIC, LINEAR, PCHIP, Settings
from niimasker.signals.motion_filter import MotionFilter, make_motion_filter
from niimasker.signals.timeline import Timeline

# In seconds. Repetition times of two sources that differ by no more are the same but for rounding.
_T_R_TOLERANCE = 1e-3

# nilearn's Butterworth filter of order 5 pads a signal with this many volumes at both ends, and needs more than that.
_PADDING_ONE_SIDED, _PADDING_BAND = 18, 33


@dataclass(frozen=True)
class Cleaning:
    """How a run's signals are cleaned; cut-offs in Hz, t_r in seconds, with the source of t_r.

    Parameters
    ----------
    standardize
        One of `niimasker.options.settings.STANDARDIZE_METHODS`, or None.
    interpolation
        One of `niimasker.options.settings.INTERPOLATIONS`.
    """

    detrend: bool
    standardize: str | None
    high_pass: float | None
    low_pass: float | None
    t_r: float | None
    t_r_source: str | None
    interpolation: str = Settings.interpolation
    motion_filter: MotionFilter | None = None

    @property
    def filters(self) -> bool:
        """Whether a high-pass or low-pass filter is used."""
        return self.high_pass is not None or self.low_pass is not None

    @property
    def needs_every_volume(self) -> bool:
        """Whether a step needs a value at every volume, so that gaps of censored volumes are bridged for it."""
        return self.detrend or self.filters

    @property
    def passband_share(self) -> float:
        """The share of the frequencies up to Nyquist that the filter passes."""
        if not self.filters or self.t_r is None:
            return 1.0
        nyquist = 0.5 / self.t_r
        return ((self.low_pass or nyquist) - (self.high_pass or 0.0)) / nyquist


def make_cleaning(settings: Settings, series: Series, timeline: Timeline | None) -> Cleaning:
    """Return how one run's signals are cleaned, with the repetition time of that run.

    Parameters
    ----------
    timeline
        None if it is unknown; the length of the run is not checked then.

    Raises
    ------
    SignalsError
        The repetition time is not plausible, or is missing or too long for a filter.
    TimingError
        The run's volumes are at times that --t_r or the filter does not fit.
    TooFewVolumesError
        The run is shorter than the filter needs.
    """
    _check_volume_times(settings, series)
    t_r, t_r_source = _choose_t_r(settings, series)
    standardize = settings.standardize_method if settings.standardize else None
    cleaning = Cleaning(
        settings.detrend,
        standardize,
        settings.high_pass,
        settings.low_pass,
        t_r,
        t_r_source,
        settings.interpolation,
        make_motion_filter(settings, series, t_r),
    )
    if cleaning.filters:
        _check_filter(cleaning, series)
        if timeline is not None:
            check_length(cleaning, series, timeline)
    return cleaning


def _check_volume_times(settings: Settings, series: Series) -> None:
    """Check options that need a repetition time against the times of the volumes, where these are given."""
    if series.volume_times is None or series.n_volumes < 2:
        return
    steps = np.diff(series.volume_times)
    shortest, longest = steps.min(), steps.max()
    if settings.t_r:
        if max(abs(steps - settings.t_r)) > _T_R_TOLERANCE:
            raise TimingError(
                f"{series.path}: --t_r is {settings.t_r:g} s, but VolumeTiming in the image's JSON file places volumes "
                f"{shortest:g} to {longest:g} s apart; leave --t_r out."
            )
        return
    is_even = longest - shortest <= _T_R_TOLERANCE
    if settings.high_pass or settings.low_pass or settings.motion_filter:
        filters = "--motion_filter needs" if settings.motion_filter else "--high_pass and --low_pass need"
        way_out = f"give --t_r {steps.mean():g}" if is_even else "leave the filter out, or leave this run out"
        raise TimingError(
            f"{series.path}: VolumeTiming in the image's JSON file gives times of volumes ({shortest:g} to {longest:g} "
            f"s apart) and no repetition time; {filters} evenly spaced volumes: {way_out}."
        )
    if settings.detrend and not is_even:
        warn(
            f"--detrend fits a line as if volumes were evenly spaced, but VolumeTiming places them {shortest:g} to "
            f"{longest:g} s apart."
        )


def _choose_t_r(settings: Settings, series: Series) -> tuple[float | None, str | None]:
    t_r, source = (settings.t_r, "--t_r") if settings.t_r else (series.t_r, series.t_r_source)
    if t_r is None:
        return None, None
    is_plausible = T_R_MIN <= t_r <= T_R_MAX
    if not is_plausible and (settings.t_r or settings.high_pass or settings.low_pass or settings.motion_filter):
        raise SignalsError(
            f"{series.path}: its repetition time would be {t_r:g} s (from {source}); "
            f"expected {T_R_MIN:g} to {T_R_MAX:g} s. Perhaps it is in milliseconds: give --t_r in seconds."
        )
    if not is_plausible:
        warn(
            f"the {source} gives a repetition time of {t_r:g} s, which is implausible and ignored (expected "
            f"{T_R_MIN:g} to {T_R_MAX:g} s); perhaps it is in milliseconds: give --t_r in seconds."
        )
        return None, None
    used = f"--t_r {t_r:g} s" if settings.t_r else f"the {source}'s repetition time of {t_r:g} s"
    t_r_by_source = {series.t_r_source: series.t_r, "header": series.header_t_r}
    for name, other_t_r in t_r_by_source.items():
        if other_t_r is not None and abs(t_r - other_t_r) > _T_R_TOLERANCE:
            warn(f"{used} is used, but the {name} says {other_t_r:g} s.")
            break
    return t_r, "t_r" if settings.t_r else source


def _check_filter(cleaning: Cleaning, series: Series) -> None:
    if cleaning.t_r is None:
        raise SignalsError(
            f"{series.path}: neither its header nor a JSON file beside it gives a repetition time; "
            "--high_pass and --low_pass need one: give --t_r in seconds."
        )
    nyquist = 0.5 / cleaning.t_r
    for name, cut_off in (("high_pass", cleaning.high_pass), ("low_pass", cleaning.low_pass)):
        if cut_off is not None and cut_off >= nyquist:
            raise SignalsError(
                f"{series.path}: --{name} {cut_off:g} Hz is not below {nyquist:g} Hz, "
                f"the Nyquist frequency at a repetition time of {cleaning.t_r:g} s; give a lower cut-off."
            )


def check_length(cleaning: Cleaning, series: Series, timeline: Timeline) -> None:
    """Raise TooFewVolumesError if a run is shorter than its filter needs."""
    if not cleaning.filters:
        return
    n_volumes = timeline.n_read - timeline.n_discarded
    padding = _PADDING_BAND if cleaning.high_pass and cleaning.low_pass else _PADDING_ONE_SIDED
    if n_volumes <= padding:
        raise TooFewVolumesError(
            f"{series.path}: {n_volumes} volumes are too few for the filter, which needs more than {padding}; "
            "leave --high_pass and --low_pass out for this run, or leave the run out."
        )


def detrend_and_filter(values: np.ndarray, timeline: Timeline, cleaning: Cleaning) -> np.ndarray:
    """Return values of shape (n_kept, n_columns), detrended and filtered over all volumes that are not discarded."""
    if not cleaning.needs_every_volume:
        return values
    options = {
        "detrend": cleaning.detrend,
        "filter": "butterworth" if cleaning.filters else False,
        "high_pass": cleaning.high_pass,
        "low_pass": cleaning.low_pass,
        "t_r": cleaning.t_r,
        # All columns at once: nilearn's default, column by column, gives the same digits in 40 times the time.
        "butterworth__copy": True,
    }
    if not timeline.n_censored:
        return clean_by_nilearn(values, **options)
    is_kept = timeline.kept[timeline.n_discarded :]
    return np.asarray(clean_by_nilearn(fill_gaps(values, is_kept, cleaning.interpolation), **options)[is_kept])


def fill_gaps(values: np.ndarray, is_kept: np.ndarray, interpolation: str) -> np.ndarray:
    """Return values at every volume: interpolated between kept volumes, constant beyond the outermost ones.

    Parameters
    ----------
    values : ndarray of shape (n_kept, n_columns)
        Finite values.
    is_kept : ndarray of shape (n_volumes,), bool
    interpolation
        "pchip" for a monotone cubic (Fritsch and Butland, 1984, doi:10.1137/0905021), which never leaves the range of
        the kept values on either side of a gap; "linear" for straight lines; "cubic" for a cubic spline, whose third
        derivative is continuous at the second and the last but one kept volume ("not-a-knot").

    Returns
    -------
    ndarray of shape (n_volumes, n_columns)
    """
    # Takes 0.1 s, which runs without censoring save.
    from scipy.interpolate import CubicSpline, PchipInterpolator, make_interp_spline

    kept = np.flatnonzero(is_kept)
    if len(kept) == 1:
        return np.repeat(values, len(is_kept), axis=0)
    within = np.clip(np.arange(len(is_kept)), kept[0], kept[-1])
    interpolate = {PCHIP: PchipInterpolator, LINEAR: partial(make_interp_spline, k=1), CUBIC: CubicSpline}
    filled = interpolate[interpolation](kept, values)(within)
    # The kept values themselves, without the rounding errors of the interpolation.
    filled[kept] = values
    return np.asarray(filled[within])


def clean_by_nilearn(values: np.ndarray, **options: Any) -> np.ndarray:
    """Return values cleaned by `nilearn.signal.clean` with the given options; steps that are not given are off."""
    # Importing nilearn.signal takes 2 s, which --help, checks and runs without cleaning save.
    from nilearn import signal

    off = {"detrend": False, "standardize": None, "filter": False}
    with warnings.catch_warnings():
        # nilearn warns about changes of its defaults, and about input that was checked before.
        warnings.simplefilter("ignore")
        # In C order also after a filter of all columns at once: the order changes the last digits of later products.
        return np.ascontiguousarray(signal.clean(values, **{**off, **options}), dtype=np.float64)
