"""Detrend, filter, regress and z-score, in nilearn's order and by nilearn's code."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from niimasker.errors import SignalsError, warn
from niimasker.inputs.confounds import Confounds
from niimasker.inputs.images import T_R_MAX, T_R_MIN, ImageSeries
from niimasker.settings import Settings
from niimasker.signals.timeline import Timeline

# Two sources of the repetition time that differ by no more than this, in s, differ by rounding.
_T_R_WITHIN = 1e-3


@dataclass(frozen=True)
class Cleaning:
    """What is done to a run's signals; cut-offs in Hz, t_r in seconds with where it came from."""

    detrend: bool
    standardize: bool
    high_pass: float | None
    low_pass: float | None
    t_r: float | None
    t_r_source: str | None

    @property
    def filters(self) -> bool:
        """Whether any frequency is filtered out."""
        return self.high_pass is not None or self.low_pass is not None


def make_cleaning(settings: Settings, series: ImageSeries) -> Cleaning:
    """Return what is done to one run's signals, with the repetition time that holds for it.

    Raises
    ------
    SignalsError
        A filter is asked for that the repetition time, or the lack of one, does not allow.
    """
    t_r, t_r_source = (settings.t_r, "t_r") if settings.t_r else (series.t_r, series.t_r_source)
    if settings.t_r and series.t_r and abs(settings.t_r - series.t_r) > _T_R_WITHIN:
        warn(f"--t_r {settings.t_r:g} s is used, but the {series.t_r_source} says {series.t_r:g} s.")
    cleaning = Cleaning(settings.detrend, settings.standardize, settings.high_pass, settings.low_pass, t_r, t_r_source)
    if settings.t_r:
        _check_t_r(cleaning, series.path.name)
    if cleaning.filters:
        _check_filter(cleaning, series.path.name)
    return cleaning


def _check_filter(cleaning: Cleaning, image: str) -> None:
    if cleaning.t_r is None:
        raise SignalsError(
            f"{image}: neither its header nor a JSON file beside it gives a repetition time; "
            "--high_pass and --low_pass need one: give --t_r in seconds."
        )
    _check_t_r(cleaning, image)
    nyquist = 0.5 / cleaning.t_r
    for name, cut_off in (("high_pass", cleaning.high_pass), ("low_pass", cleaning.low_pass)):
        if cut_off is not None and cut_off >= nyquist:
            raise SignalsError(
                f"{image}: --{name} {cut_off:g} Hz is not below {nyquist:g} Hz, "
                f"the highest frequency that a repetition time of {cleaning.t_r:g} s can hold."
            )


def _check_t_r(cleaning: Cleaning, image: str) -> None:
    if cleaning.t_r is not None and not T_R_MIN <= cleaning.t_r <= T_R_MAX:
        raise SignalsError(
            f"{image}: its repetition time would be {cleaning.t_r:g} s (from {cleaning.t_r_source}); "
            f"expected {T_R_MIN:g} to {T_R_MAX:g} s. Perhaps it is in milliseconds: give --t_r in seconds."
        )


def clean(values: np.ndarray, confounds: Confounds | None, timeline: Timeline, cleaning: Cleaning) -> np.ndarray:
    """Return cleaned signals.

    Parameters
    ----------
    values : ndarray of shape (n_kept, n_regions)
        NaN columns stand for regions without voxels and stay.
    confounds
        With a row per volume of the file.

    Returns
    -------
    ndarray of shape (n_kept, n_regions), float64

    Raises
    ------
    SignalsError
        The run is too short for the filter or for its regressors.
    """
    cleaned = values.copy()
    if not (cleaning.detrend or cleaning.standardize or cleaning.filters or confounds):
        return cleaned
    if len(values) < 2:
        raise SignalsError("a single volume cannot be cleaned; leave --detrend, --standardize and filters out.")
    if confounds is not None:
        _check_freedom(confounds, timeline, cleaning)
    # Of a constant, filters and regression leave rounding noise, which z-scoring would blow up to a signal.
    is_constant = np.ptp(values, axis=0) == 0
    if cleaning.detrend or cleaning.standardize or cleaning.high_pass:
        cleaned[:, is_constant] = 0.0
    varies = np.isfinite(values).all(axis=0) & ~is_constant
    if varies.any():
        regressors = None if confounds is None else confounds.values[timeline.n_discarded :]
        cleaned[:, varies] = _clean_varying(values[:, varies], regressors, cleaning)
    return cleaned


def _check_freedom(confounds: Confounds, timeline: Timeline, cleaning: Cleaning) -> None:
    # The mean is taken out too, and the line with --detrend.
    n_taken = len(confounds.names) + 1 + cleaning.detrend
    if n_taken >= timeline.n_kept:
        raise SignalsError(
            f"{len(confounds.names)} regressors, with the mean{' and the trend' if cleaning.detrend else ''}, "
            f"leave nothing of {timeline.n_kept} volumes; choose fewer --regressors."
        )


def _clean_varying(values: np.ndarray, confounds: np.ndarray | None, cleaning: Cleaning) -> np.ndarray:
    # Importing it takes 2 s, which --help, checks and runs without cleaning need not wait for.
    from nilearn import signal

    with warnings.catch_warnings():
        # nilearn's warnings are of its own defaults to come, and of what has been checked here.
        warnings.simplefilter("ignore")
        try:
            cleaned = signal.clean(
                values,
                detrend=cleaning.detrend,
                standardize="zscore_sample" if cleaning.standardize else None,
                confounds=confounds,
                filter="butterworth" if cleaning.filters else False,
                high_pass=cleaning.high_pass,
                low_pass=cleaning.low_pass,
                t_r=cleaning.t_r,
            )
        except ValueError as error:
            raise SignalsError(f"{len(values)} volumes are too few to be cleaned so ({error}).") from error
    return np.asarray(cleaned, dtype=np.float64)
