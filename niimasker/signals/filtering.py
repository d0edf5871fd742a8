"""Detrend and filter by nilearn's code, through the gaps that censored volumes leave.

Censored volumes take no part: their values are never read. Where a filter or a line needs a value in their place, it is
interpolated from the kept volumes, in signals and regressors alike. `nilearn.signal.clean` with a sample_mask would
interpolate others than those (nilearn 0.14.1).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from niimasker.errors import SignalsError, TooFewVolumesError, warn
from niimasker.inputs.series import T_R_MAX, T_R_MIN, Series
from niimasker.options.settings import Settings
from niimasker.signals.timeline import Timeline

# Two sources of the repetition time that differ by no more than this, in s, differ by rounding.
_T_R_WITHIN = 1e-3

# nilearn's Butterworth filter of order 5 extends a signal at both ends by as many volumes, and needs more than these.
_PADDING_ONE_SIDED, _PADDING_BAND = 18, 33


@dataclass(frozen=True)
class Cleaning:
    """What is done to a run's signals; cut-offs in Hz, t_r in seconds with where it came from.

    Parameters
    ----------
    standardize
        One of `niimasker.options.settings.STANDARDIZE_METHODS`, or None.
    """

    detrend: bool
    standardize: str | None
    high_pass: float | None
    low_pass: float | None
    t_r: float | None
    t_r_source: str | None

    @property
    def filters(self) -> bool:
        """Whether any frequency is filtered out."""
        return self.high_pass is not None or self.low_pass is not None

    @property
    def passband_share(self) -> float:
        """The share of all frequencies that the filter leaves."""
        if not self.filters or self.t_r is None:
            return 1.0
        nyquist = 0.5 / self.t_r
        return ((self.low_pass or nyquist) - (self.high_pass or 0.0)) / nyquist


def make_cleaning(settings: Settings, series: Series, timeline: Timeline | None) -> Cleaning:
    """Return what is done to one run's signals, with the repetition time that holds for it.

    Parameters
    ----------
    timeline
        None where it is not known, and the run's length is not checked.

    Raises
    ------
    SignalsError
        A filter is asked for that the repetition time, or the lack of one, does not allow.
    TooFewVolumesError
        The run is shorter than the filter needs.
    """
    t_r, t_r_source = _choose_t_r(settings, series)
    standardize = settings.standardize_method if settings.standardize else None
    cleaning = Cleaning(settings.detrend, standardize, settings.high_pass, settings.low_pass, t_r, t_r_source)
    if cleaning.filters:
        _check_filter(cleaning, series)
        if timeline is not None:
            _check_length(cleaning, series, timeline)
    return cleaning


def _choose_t_r(settings: Settings, series: Series) -> tuple[float | None, str | None]:
    t_r, source = (settings.t_r, "--t_r") if settings.t_r else (series.t_r, series.t_r_source)
    if t_r is None:
        return None, None
    is_plausible = T_R_MIN <= t_r <= T_R_MAX
    if not is_plausible and (settings.t_r or settings.high_pass or settings.low_pass):
        raise SignalsError(
            f"{series.path}: its repetition time would be {t_r:g} s (from {source}); "
            f"expected {T_R_MIN:g} to {T_R_MAX:g} s. Perhaps it is in milliseconds: give --t_r in seconds."
        )
    if not is_plausible:
        warn(
            f"the {source} gives a repetition time of {t_r:g} s, which is not believed and not recorded (expected "
            f"{T_R_MIN:g} to {T_R_MAX:g} s); perhaps it is in milliseconds: give --t_r in seconds."
        )
        return None, None
    used = f"--t_r {t_r:g} s" if settings.t_r else f"the {source}'s repetition time of {t_r:g} s"
    said = {series.t_r_source: series.t_r, "header": series.header_t_r}
    for name, its_t_r in said.items():
        if its_t_r is not None and abs(t_r - its_t_r) > _T_R_WITHIN:
            warn(f"{used} is used, but the {name} says {its_t_r:g} s.")
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
                f"the highest frequency that a repetition time of {cleaning.t_r:g} s can hold."
            )


def _check_length(cleaning: Cleaning, series: Series, timeline: Timeline) -> None:
    n_volumes = timeline.n_read - timeline.n_discarded
    padding = _PADDING_BAND if cleaning.high_pass and cleaning.low_pass else _PADDING_ONE_SIDED
    if n_volumes <= padding:
        raise TooFewVolumesError(
            f"{series.path}: {n_volumes} volumes are too few for the filter, which needs more than {padding}; "
            "leave --high_pass and --low_pass out for this run, or leave the run out."
        )


def detrend_and_filter(values: np.ndarray, timeline: Timeline, cleaning: Cleaning) -> np.ndarray:
    """Return values of shape (n_kept, n_columns) detrended and filtered over all volumes that are not discarded."""
    if not (cleaning.detrend or cleaning.filters):
        return values
    options = {
        "detrend": cleaning.detrend,
        "filter": "butterworth" if cleaning.filters else False,
        "high_pass": cleaning.high_pass,
        "low_pass": cleaning.low_pass,
        "t_r": cleaning.t_r,
    }
    if not timeline.n_censored:
        return clean_by_nilearn(values, **options)
    is_kept = timeline.kept[timeline.n_discarded :]
    return np.asarray(clean_by_nilearn(fill_gaps(values, is_kept), **options)[is_kept])


def fill_gaps(values: np.ndarray, is_kept: np.ndarray) -> np.ndarray:
    """Return values at every volume: a cubic spline through the kept ones, at the ends the nearest of them.

    Parameters
    ----------
    values : ndarray of shape (n_kept, n_columns)
    is_kept : ndarray of shape (n_volumes,), bool

    Returns
    -------
    ndarray of shape (n_volumes, n_columns)
    """
    from scipy.interpolate import CubicSpline  # 0.1 s that runs without censoring need not wait for

    kept = np.flatnonzero(is_kept)
    if len(kept) == 1:
        return np.repeat(values, len(is_kept), axis=0)
    within = np.clip(np.arange(len(is_kept)), kept[0], kept[-1])
    filled = CubicSpline(kept, values)(within)
    # The very values, not the spline's to within rounding.
    filled[kept] = values
    return np.asarray(filled)


def clean_by_nilearn(values: np.ndarray, **options: Any) -> np.ndarray:
    """Return what `nilearn.signal.clean` makes of values by the options given, and by none of its defaults."""
    # Importing it takes 2 s, which --help, checks and runs without cleaning need not wait for.
    from nilearn import signal

    nothing = {"detrend": False, "standardize": None, "filter": False}
    with warnings.catch_warnings():
        # nilearn's warnings are of its own defaults to come, and of what has been checked here.
        warnings.simplefilter("ignore")
        return np.asarray(signal.clean(values, **{**nothing, **options}), dtype=np.float64)
