"""Connectivity between regions: Pearson's correlation, and the measures of nilearn with their shrinkage."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from niimasker.errors import SignalsError, TooFewVolumesError, count, warn
from niimasker.options.settings import CORRELATION_KINDS
from niimasker.regions.placing.weights import CONSTANT, OK
from niimasker.signals.cleaning import find_flat
from niimasker.signals.extraction import Signals

DESCRIPTIONS = {
    "pearson": "Pearson correlation",
    "correlation": "correlation with shrinkage",
    "partial_correlation": "partial correlation",
    "covariance": "covariance",
    "precision": "precision, the inverse of the covariance",
}

_AS_WRITTEN, _ZSCORED = "time series as written", "z-scored time series"
ESTIMATED_FROM = {
    "pearson": _AS_WRITTEN,
    "correlation": _ZSCORED,
    "partial_correlation": _AS_WRITTEN,
    "covariance": _AS_WRITTEN,
    "precision": _AS_WRITTEN,
}

# Any two volumes correlate by 1 or -1.
MIN_VOLUMES = 3

# A correlation of 0 from 20 degrees of freedom is known to -0.43 to 0.43 (95 %, Fisher): a network's are no larger.
_FEW = 20

_INVERTED = ("partial_correlation", "precision")

# Nearer to 1 than this a correlation is 1 but for rounding errors, and its Fisher z tells of these.
_NEXT_TO_ONE = 1e-12


@dataclass(frozen=True, eq=False)
class Connectivity:
    """A matrix between the regions of an atlas.

    Parameters
    ----------
    kind
        One of `niimasker.options.settings.CONNECTIVITY_KINDS`.
    matrix : ndarray of shape (n_regions, n_regions)
        Symmetric; NaN in rows and columns of regions without signal, and on the diagonal of Fisher z.
    shrinkage
        From 0, the sample's covariance, to 1, no covariance at all; None for Pearson's correlation and without regions.
    is_fisher_z
        Whether the correlations are transformed.
    left_out
        Why regions have no values, by their names.
    """

    kind: str
    matrix: np.ndarray
    shrinkage: float | None
    is_fisher_z: bool
    left_out: Mapping[str, str]


def find_regions_without_signal(
    signals: Signals, cleaned: np.ndarray, names: Sequence[str], *, is_standardized: bool
) -> dict[str, str]:
    """Return which regions have no signal that could be correlated, and why.

    Parameters
    ----------
    signals
        Before cleaning, of regions, not of voxels.
    cleaned : ndarray of shape (n_kept, n_regions)
    is_standardized
        Whether what cleaning leaves nothing of is NaN already.
    """
    varies = np.isfinite(cleaned).all(axis=0)
    if not is_standardized:
        varies &= ~find_flat(cleaned, signals.values)
    return {
        name: CONSTANT if status == OK else status
        for name, status, has_signal in zip(names, signals.status, varies, strict=True)
        if status != OK or not has_signal
    }


def measure_connectivity(
    values: np.ndarray, kinds: Sequence[str], *, names: Sequence[str], left_out: Mapping[str, str], fisher_z: bool
) -> tuple[Connectivity, ...]:
    """Return a matrix of each kind, as numpy and `nilearn.connectome.ConnectivityMeasure` define them.

    Parameters
    ----------
    values : ndarray of shape (n_kept, n_regions)
        Cleaned signals of the kept volumes.
    kinds
        Of `niimasker.options.settings.CONNECTIVITY_KINDS`.
    names, left_out
        The regions' names, and which of them have no signal.
    fisher_z
        Whether correlations are transformed; covariances and precisions never are.

    Raises
    ------
    TooFewVolumesError
        Fewer than 3 volumes are kept.
    SignalsError
        A covariance has no inverse.
    """
    if len(values) < MIN_VOLUMES:
        raise TooFewVolumesError(
            f"found {count(len(values), 'kept volume')}, but --connectivity needs {MIN_VOLUMES}; "
            "discard or censor less, or leave --connectivity out."
        )
    is_used = np.array([name not in left_out for name in names])
    matrices = []
    for kind in kinds:
        is_z = fisher_z and kind in CORRELATION_KINDS
        matrix, shrinkage = _MEASURES[kind](values[:, is_used]) if is_used.any() else (np.empty((0, 0)), None)
        # It is symmetric but for rounding errors.
        matrix = (matrix + matrix.T) / 2
        full = np.full((len(names), len(names)), np.nan)
        full[np.ix_(is_used, is_used)] = _to_fisher_z(matrix) if is_z else matrix
        matrices.append(Connectivity(kind, full, shrinkage, is_z, left_out))
    return tuple(matrices)


def _pearson(values: np.ndarray) -> tuple[np.ndarray, None]:
    return np.atleast_2d(np.corrcoef(values, rowvar=False)), None


def _correlation(values: np.ndarray) -> tuple[np.ndarray, float]:
    from nilearn.connectome import cov_to_corr

    covariance, shrinkage = _covariance((values - values.mean(axis=0)) / values.std(axis=0, ddof=1))
    return cov_to_corr(covariance), shrinkage


def _partial_correlation(values: np.ndarray) -> tuple[np.ndarray, float]:
    from nilearn.connectome import prec_to_partial

    precision, shrinkage = _precision(values)
    return prec_to_partial(precision), shrinkage


def _precision(values: np.ndarray) -> tuple[np.ndarray, float]:
    covariance, shrinkage = _covariance(values)
    try:
        precision = np.linalg.inv(covariance)
    except np.linalg.LinAlgError as error:
        raise SignalsError(
            "the covariance of the regions has no inverse, for some have the same signal; "
            "leave --connectivity precision and partial_correlation out, or join these regions."
        ) from error
    return precision, shrinkage


def _covariance(values: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the covariance with Ledoit and Wolf's shrinkage, doi:10.1016/S0047-259X(03)00096-4, and that."""
    # Half a second with scikit-learn, which runs without a matrix can do without.
    from nilearn.connectome import ConnectivityMeasure

    measure = ConnectivityMeasure(kind="covariance")
    (covariance,) = measure.fit_transform([values])
    return covariance, float(measure.cov_estimator_.shrinkage_)


_MEASURES: Mapping[str, Callable[[np.ndarray], tuple[np.ndarray, float | None]]] = {
    "pearson": _pearson,
    "correlation": _correlation,
    "partial_correlation": _partial_correlation,
    "covariance": _covariance,
    "precision": _precision,
}


def _to_fisher_z(correlations: np.ndarray) -> np.ndarray:
    return np.asarray(np.arctanh(np.where(np.abs(correlations) < 1 - _NEXT_TO_ONE, correlations, np.nan)))


def warn_of_few_degrees_of_freedom(kinds: Sequence[str], n_left: float, n_regions: int, atlas: str) -> None:
    """Say when matrices rest on few degrees of freedom, or their inverses on shrinkage.

    Parameters
    ----------
    n_left
        Degrees of freedom that cleaning leaves.
    atlas
        What a warning begins with.
    """
    if n_left < _FEW:
        warn(f"{atlas}--connectivity from {max(n_left, 0):.3g} degrees of freedom, fewer than {_FEW}, is unreliable.")
    inverted = [kind for kind in kinds if kind in _INVERTED]
    if inverted and n_left < n_regions:
        # The sample's covariance has at most this rank.
        warn(
            f"{atlas}{n_left:.4g} degrees of freedom are fewer than {n_regions} regions: without shrinkage there would "
            f"be no {' and no '.join(inverted)}, and with it they hang on its strength; take an atlas of fewer regions."
        )
