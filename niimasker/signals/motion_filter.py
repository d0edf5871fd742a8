"""Filter respiration out of the motion parameters, and compute again what is made from them.

The filters are those of XCP-D 26, with its order 4.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from niimasker.errors import ConfoundsError, SignalsError, list_names
from niimasker.inputs.confounds import Confounds
from niimasker.inputs.framewise_displacement import compute_displacement
from niimasker.inputs.motion_parameters import DERIVATIVE, MOTION_PARAMETERS, OLD_MOTION_PARAMETERS, SQUARE
from niimasker.inputs.series import Series
from niimasker.inputs.text_tables import ROW_NUMBERING
from niimasker.options.settings import NOTCH, Settings

# Running forwards and backwards doubles it.
_BUTTERWORTH_ORDER = 2


@dataclass(frozen=True)
class MotionFilter:
    """A filter of the motion parameters; cut-offs in breaths per minute, t_r in seconds.

    Parameters
    ----------
    kind
        One of `niimasker.options.settings.MOTION_FILTERS`.
    band_stop_max
        None for a low-pass filter.
    """

    kind: str
    band_stop_min: float
    band_stop_max: float | None
    t_r: float

    def __str__(self) -> str:
        if self.band_stop_max is None:
            return f"low-pass filter at {self.band_stop_min:g} breaths per minute"
        return f"notch filter from {self.band_stop_min:g} to {self.band_stop_max:g} breaths per minute"


def make_motion_filter(settings: Settings, series: Series, t_r: float | None) -> MotionFilter | None:
    """Return the filter of a run's motion parameters, None without one.

    Raises
    ------
    SignalsError
        The repetition time is not known, or too long for the cut-offs.
    """
    if settings.motion_filter is None:
        return None
    if t_r is None:
        raise SignalsError(
            f"{series.path}: neither its header nor a JSON file beside it gives a repetition time; "
            "--motion_filter needs one: give --t_r in seconds."
        )
    assert settings.band_stop_min is not None  # checked with the settings
    band_stop_max = settings.band_stop_max if settings.motion_filter == NOTCH else None
    nyquist = 30 / t_r
    for name, cut_off in (("band_stop_min", settings.band_stop_min), ("band_stop_max", band_stop_max)):
        if cut_off is not None and cut_off >= nyquist:
            raise SignalsError(
                f"{series.path}: --{name} {cut_off:g} is not below {nyquist:.4g} breaths per minute, the Nyquist "
                f"frequency at a repetition time of {t_r:g} s, where breathing at that rate appears as "
                f"{_find_alias(cut_off, nyquist):.4g} breaths per minute; give cut-offs below it, or leave "
                "--motion_filter out."
            )
    return MotionFilter(settings.motion_filter, settings.band_stop_min, band_stop_max, t_r)


def _find_alias(frequency: float, nyquist: float) -> float:
    """Return the frequency at which a sampled oscillation appears."""
    remainder = frequency % (2 * nyquist)
    return min(remainder, 2 * nyquist - remainder)


def filter_motion(motion: np.ndarray, motion_filter: MotionFilter) -> np.ndarray:
    """Return motion parameters of shape (n_volumes, 6) without respiration.

    A low-pass filter is Butterworth's of order 2 (after Gratton et al. 2020, doi:10.1016/j.neuroimage.2020.116866), a
    notch filter has its centre between the cut-offs and their distance as bandwidth (after Fair et al. 2020,
    doi:10.1016/j.neuroimage.2019.116400). Both run forwards and backwards, over the first and the last volume's values
    repeated before and after the run, as many times as it has volumes but one.
    """
    from scipy.signal import butter, filtfilt, iirnotch  # takes 0.5 s, which other runs save

    low = motion_filter.band_stop_min / 60
    if motion_filter.band_stop_max is None:
        coefficients = butter(_BUTTERWORTH_ORDER, low, fs=1 / motion_filter.t_r)
    else:
        high = motion_filter.band_stop_max / 60
        centre = (low + high) / 2
        coefficients = iirnotch(centre, centre / (high - low), fs=1 / motion_filter.t_r)
    return np.asarray(filtfilt(*coefficients, motion, axis=0, padtype="constant", padlen=len(motion) - 1))


def filter_confounds(confounds: Confounds, motion_filter: MotionFilter, head_radius: float | None) -> Confounds:
    """Return confounds with filtered motion parameters, and with what is computed from these.

    These are their derivatives and squares among the regressors, and framewise displacement.

    Raises
    ------
    ConfoundsError
        The tables lack a motion parameter, or a value of one, or a regressor is made from one in an unknown way.
    """
    measures = confounds.measures
    if measures is None or measures.motion is None:
        tables = "the run" if measures is None else measures.tables
        raise ConfoundsError(
            f"{tables} has not all motion parameters (trans_x, trans_y, trans_z, rot_x, rot_y, rot_z), which "
            "--motion_filter filters; leave it out, or add a table that has them to --regressor_files."
        )
    gaps = np.argwhere(np.isnan(measures.motion)).tolist()
    if gaps:
        row, column = gaps[0]
        raise ConfoundsError(
            f"{measures.tables}: {MOTION_PARAMETERS[column]} has no number in row {row + 1} ({ROW_NUMBERING}); "
            "--motion_filter needs one at every volume: correct the table, or leave --motion_filter out."
        )
    filtered = filter_motion(measures.motion, motion_filter)
    return dataclasses.replace(
        confounds,
        values=_replace_regressors(confounds, _expand(filtered), measures.tables),
        measures=compute_displacement(measures, filtered, head_radius, f"{motion_filter}, "),
    )


def _expand(motion: np.ndarray) -> Mapping[str, np.ndarray]:
    """Return motion parameters, their derivatives, and the squares of both, by the names of fMRIPrep's columns."""
    columns: dict[str, np.ndarray] = {}
    for number, names in enumerate(zip(MOTION_PARAMETERS, OLD_MOTION_PARAMETERS, strict=True)):
        values = motion[:, number]
        derivative = np.diff(values, prepend=np.nan)
        for name in names:
            columns |= {
                name: values,
                f"{name}{DERIVATIVE}": derivative,
                f"{name}{SQUARE}": values**2,
                f"{name}{DERIVATIVE}{SQUARE}": derivative**2,
            }
    return columns


def _replace_regressors(confounds: Confounds, filtered: Mapping[str, np.ndarray], tables: str) -> np.ndarray:
    """Return the regressors with filtered columns in the place of those of the same names."""
    prefixes = tuple(f"{name}_" for name in MOTION_PARAMETERS)
    unknown = [name for name in confounds.names if name.startswith(prefixes) and name not in filtered]
    if unknown:
        raise ConfoundsError(
            f"{tables}: it is not known how to compute {list_names(unknown)} from the filtered motion parameters; "
            "leave these columns out of --regressors, or leave --motion_filter out."
        )
    values = confounds.values.copy()
    for column, name in enumerate(confounds.names):
        if name in filtered:
            values[:, column] = filtered[name]
    return values
