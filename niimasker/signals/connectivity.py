"""Connectivity between regions: Pearson's correlation, and nilearn's measures with Ledoit-Wolf shrinkage."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from niimasker.errors import SignalsError, TooFewVolumesError, count, warn
from niimasker.inputs.confounds import Confounds
from niimasker.inputs.preprocessing import is_denoised
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

# With two volumes every correlation is 1 or -1.
MIN_VOLUMES = 3

# With 20 degrees of freedom, the 95 % interval of a correlation of 0 is -0.43 to 0.43 (Fisher), and correlations
# within networks are no larger.
_FEW_DEGREES_OF_FREEDOM = 20

_INVERSE_KINDS = ("partial_correlation", "precision")

# A correlation nearer to 1 or -1 than this equals it but for rounding errors, which would determine its Fisher z.
_CORRELATION_TOLERANCE = 1e-12


@dataclass(frozen=True, eq=False)
class Connectivity:
    """A connectivity matrix between the regions of an atlas.

    Parameters
    ----------
    kind
        One of `niimasker.options.settings.CONNECTIVITY_KINDS`.
    matrix : ndarray of shape (n_regions, n_regions)
        Symmetric; NaN in rows and columns of regions without signal, and on the diagonal of Fisher z.
    shrinkage
        From 0, the sample covariance, to 1, no covariance at all; None for Pearson's correlation and without regions.
    is_fisher_z
        Whether the values are Fisher z instead of correlations.
    left_out
        For each region without signal, by name, the reason.
    """

    kind: str
    matrix: np.ndarray
    shrinkage: float | None
    is_fisher_z: bool
    left_out: Mapping[str, str]


def find_regions_without_signal(
    signals: Signals, cleaned: np.ndarray, names: Sequence[str], *, is_standardized: bool
) -> dict[str, str]:
    """Return the regions without a signal that varies, with the reason.

    Parameters
    ----------
    signals
        Signals of regions, not of voxels, before cleaning.
    cleaned : ndarray of shape (n_kept, n_regions)
    is_standardized
        Whether signals were standardised, so that those removed by cleaning are NaN.
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
    """Return one matrix of each kind, as defined by numpy and `nilearn.connectome.ConnectivityMeasure`.

    Parameters
    ----------
    values : ndarray of shape (n_kept, n_regions)
        Cleaned signals of the kept volumes.
    kinds
        Of `niimasker.options.settings.CONNECTIVITY_KINDS`.
    names, left_out
        The names of the regions, and those without signal with the reason.
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
        # The matrix is symmetric but for rounding errors.
        matrix = (matrix + matrix.T) / 2
        full = np.full((len(names), len(names)), np.nan)
        full[np.ix_(is_used, is_used)] = to_fisher_z(matrix) if is_z else matrix
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
            "the covariance of the regions has no inverse, because some have the same signal; "
            "leave --connectivity precision and partial_correlation out, or join these regions."
        ) from error
    return precision, shrinkage


def _covariance(values: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the covariance with Ledoit-Wolf shrinkage (doi:10.1016/S0047-259X(03)00096-4), and the shrinkage."""
    # Imports scikit-learn, which takes 0.5 s that runs without connectivity save.
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


def to_fisher_z(correlations: np.ndarray) -> np.ndarray:
    """Return the inverse hyperbolic tangent of correlations; NaN for those of 1 and -1."""
    return np.asarray(np.arctanh(np.where(np.abs(correlations) < 1 - _CORRELATION_TOLERANCE, correlations, np.nan)))


def warn_of_few_degrees_of_freedom(kinds: Sequence[str], n_left: float, n_regions: int, atlas: str) -> None:
    """Warn if matrices are estimated from few degrees of freedom, or inverse ones depend on shrinkage.

    Parameters
    ----------
    n_left
        Degrees of freedom left after cleaning.
    atlas
        Text that each warning begins with.
    """
    if n_left < _FEW_DEGREES_OF_FREEDOM:
        warn(
            f"{atlas}--connectivity from {max(n_left, 0):.3g} degrees of freedom, "
            f"fewer than {_FEW_DEGREES_OF_FREEDOM}, is unreliable."
        )
    inverted = [kind for kind in kinds if kind in _INVERSE_KINDS]
    if inverted and n_left < n_regions:
        # The rank of the sample covariance is at most the degrees of freedom.
        warn(
            f"{atlas}{n_left:.4g} degrees of freedom are fewer than {n_regions} regions: without shrinkage there would "
            f"be no {' and no '.join(inverted)}, and the result depends on the amount of shrinkage; "
            "use an atlas with fewer regions."
        )


def warn_of_missing_regression(confounds: Confounds | None, image_path: Path) -> None:
    """Warn if connectivity is measured without nuisance regression, unless the image's name says it is denoised."""
    if (confounds is None or not confounds.names) and not is_denoised(image_path):
        warn(
            "connectivity is measured without nuisance regression: effects of motion and physiology are left in it; "
            "choose regressors with --regressors."
        )
