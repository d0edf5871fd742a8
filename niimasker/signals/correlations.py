"""Correlations of columns, which leave out those that have no value or do not vary."""

from __future__ import annotations

import numpy as np

# A column whose deviation is below this share of its largest value holds rounding errors.
_FLAT = 1e-12


def zscore(values: np.ndarray) -> np.ndarray:
    """Return columns with mean 0 and population deviation 1; NaN for those that are constant or hold a NaN."""
    centred = values - values.mean(axis=0)
    deviation = centred.std(axis=0)
    varies = deviation > _FLAT * np.abs(values).max(axis=0, initial=0.0)
    return np.asarray(centred / np.where(varies, deviation, np.nan))


def correlate(values: np.ndarray) -> np.ndarray:
    """Return Pearson's correlation of every pair of columns, of shape (n_columns, n_columns)."""
    return correlate_with(values, values)


def correlate_with(values: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return Pearson's correlation of each column with each of others, NaN where there is none."""
    return np.asarray(np.clip(zscore(values).T @ zscore(others) / len(values), -1.0, 1.0))


def upper_triangle(matrix: np.ndarray) -> np.ndarray:
    """Return the value of each pair of a square symmetric matrix once: those above its diagonal, row by row."""
    return np.asarray(matrix[np.triu_indices(len(matrix), k=1)])
