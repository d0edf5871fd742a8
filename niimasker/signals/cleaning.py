"""Detrend, filter, regress and standardise, in nilearn's order and by nilearn's code."""

from __future__ import annotations

import numpy as np

from niimasker.errors import SignalsError
from niimasker.signals.filtering import Cleaning, clean_by_nilearn, detrend_and_filter
from niimasker.signals.nuisance import Nuisance
from niimasker.signals.timeline import Timeline

# Below this share of its standard deviation before cleaning, or of the digits of its values, a column holds rounding
# errors.
_REGRESSED_AWAY, _BELOW_DIGITS = 1e-10, 100 * np.finfo(np.float64).eps

# A mean below this share of the standard deviation is the rounding error of data whose mean has been removed.
_NO_MEAN = 1e-3


def clean(values: np.ndarray, nuisance: Nuisance, timeline: Timeline, cleaning: Cleaning) -> np.ndarray:
    """Return cleaned signals.

    Parameters
    ----------
    values : ndarray of shape (n_kept, n_regions)
        NaN columns stand for regions without voxels and stay.

    Returns
    -------
    ndarray of shape (n_kept, n_regions), float64
        Standardised, a column without variance is NaN.

    Raises
    ------
    SignalsError
        The run is too short.
    """
    cleaned = values.copy()
    if not (cleaning.detrend or cleaning.standardize or cleaning.filters or nuisance.names):
        return cleaned
    if len(values) < 2:
        raise SignalsError(
            "found 1 volume, but cleaning needs more; leave --detrend, --standardize, --regressors and filters out."
        )
    # Of a constant, filters and regression leave rounding noise, which z-scoring would blow up to a signal.
    is_constant = np.ptp(values, axis=0) == 0
    if cleaning.standardize:
        cleaned[:, is_constant] = np.nan
    elif cleaning.detrend or cleaning.high_pass:
        cleaned[:, is_constant] = 0.0
    varies = np.isfinite(values).all(axis=0) & ~is_constant
    if varies.any():
        cleaned[:, varies] = _clean_varying(values[:, varies], nuisance, timeline, cleaning)
    return cleaned


def _clean_varying(values: np.ndarray, nuisance: Nuisance, timeline: Timeline, cleaning: Cleaning) -> np.ndarray:
    cleaned = detrend_and_filter(values, timeline, cleaning)
    if nuisance.names:
        # Without their means: nilearn's z-scored regressors keep a mean of 1e-13, which, where they are close to each
        # other, brings a millionth of the signals' baseline into what is left.
        means = cleaned.mean(axis=0)
        cleaned = clean_by_nilearn(cleaned - means, confounds=nuisance.values) + means
    if cleaning.standardize is None:
        return cleaned
    return np.where(find_flat(cleaned, values), np.nan, STANDARDIZE[cleaning.standardize](cleaned, values))


def find_flat(cleaned: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return which columns cleaning has left nothing of but rounding errors of what they were before it."""
    rounding = np.maximum(_REGRESSED_AWAY * values.std(axis=0), _BELOW_DIGITS * np.abs(values).max(axis=0))
    return np.asarray(cleaned.std(axis=0) <= rounding)


def _zscore_sample(cleaned: np.ndarray, values: np.ndarray) -> np.ndarray:
    return clean_by_nilearn(cleaned, standardize="zscore_sample")


def _zscore(cleaned: np.ndarray, values: np.ndarray) -> np.ndarray:
    # nilearn has deprecated its own.
    return np.asarray(_zscore_sample(cleaned, values) * np.sqrt(len(values) / (len(values) - 1)))


def _percent_of_mean(cleaned: np.ndarray, values: np.ndarray) -> np.ndarray:
    # nilearn divides by the mean that filtering has left, unless it finds it small.
    return np.asarray(100 * (cleaned - cleaned.mean(axis=0)) / percent_baseline(values))


def percent_baseline(values: np.ndarray) -> np.ndarray:
    """Return what 100 percent are: the means of signals before cleaning, NaN where they are not clearly above 0."""
    means = values.mean(axis=0)
    return np.where(means > _NO_MEAN * values.std(axis=0), means, np.nan)


STANDARDIZE = {"zscore_sample": _zscore_sample, "zscore": _zscore, "psc": _percent_of_mean}
