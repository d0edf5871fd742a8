"""Detrend, filter, regress out confounds and standardise, in nilearn's order and with nilearn's functions."""

from __future__ import annotations

import numpy as np

from niimasker.errors import SignalsError
from niimasker.signals.filtering import Cleaning, clean_by_nilearn, detrend_and_filter
from niimasker.signals.nuisance import Nuisance
from niimasker.signals.timeline import Timeline

# A column whose standard deviation is below the first share of that before cleaning, or below the second of its largest
# value, holds only rounding errors.
_SD_TOLERANCE, _VALUE_TOLERANCE = 1e-10, 100 * np.finfo(np.float64).eps

# Below this share of the standard deviation, a mean is the rounding error of data whose mean was removed before.
_MEAN_TOLERANCE = 1e-3


def clean(values: np.ndarray, nuisance: Nuisance, timeline: Timeline, cleaning: Cleaning) -> np.ndarray:
    """Return cleaned signals.

    Parameters
    ----------
    values : ndarray of shape (n_kept, n_regions)
        NaN columns stand for regions without voxels; they stay NaN.

    Returns
    -------
    ndarray of shape (n_kept, n_regions), float64
        A column without variance is NaN if signals are standardised.

    Raises
    ------
    SignalsError
        Only one volume is kept.
    """
    cleaned = values.copy()
    if not (cleaning.detrend or cleaning.standardize or cleaning.filters or nuisance.names):
        return cleaned
    if len(values) < 2:
        raise SignalsError(
            "found 1 volume, but cleaning needs more; leave --detrend, --standardize, --regressors and filters out."
        )
    # Filters and regression leave rounding errors of a constant, which z-scoring would scale up to a signal.
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
        # The means are removed first: nilearn's z-scored regressors keep a mean of 1e-13, which, where regressors are
        # similar, would leave a millionth of the signals' baseline in the residuals.
        means = cleaned.mean(axis=0)
        cleaned = clean_by_nilearn(cleaned - means, confounds=nuisance.values) + means
    if cleaning.standardize is None:
        return cleaned
    return np.where(find_flat(cleaned, values), np.nan, STANDARDIZE[cleaning.standardize](cleaned, values))


def find_flat(cleaned: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return which columns hold only rounding errors after cleaning, bool of shape (n_columns,)."""
    rounding = np.maximum(_SD_TOLERANCE * values.std(axis=0), _VALUE_TOLERANCE * np.abs(values).max(axis=0))
    return np.asarray(cleaned.std(axis=0) <= rounding)


def _zscore_sample(cleaned: np.ndarray, values: np.ndarray) -> np.ndarray:
    return clean_by_nilearn(cleaned, standardize="zscore_sample")


def _zscore(cleaned: np.ndarray, values: np.ndarray) -> np.ndarray:
    # nilearn has deprecated its own z-score by the population standard deviation.
    return np.asarray(_zscore_sample(cleaned, values) * np.sqrt(len(values) / (len(values) - 1)))


def _percent_signal_change(cleaned: np.ndarray, values: np.ndarray) -> np.ndarray:
    # nilearn would divide by the mean that filtering leaves, unless that mean is small.
    return np.asarray(100 * (cleaned - cleaned.mean(axis=0)) / percent_baseline(values))


def percent_baseline(values: np.ndarray) -> np.ndarray:
    """Return the means of signals before cleaning, which are 100 percent; NaN where they are not clearly above 0."""
    means = values.mean(axis=0)
    return np.where(means > _MEAN_TOLERANCE * values.std(axis=0), means, np.nan)


STANDARDIZE = {"zscore_sample": _zscore_sample, "zscore": _zscore, "psc": _percent_signal_change}
