"""Correlations between columns; columns that hold NaN or are constant have none."""

from __future__ import annotations

import numpy as np

# A column whose standard deviation is below this share of its largest value holds only rounding errors.
_SD_TOLERANCE = 1e-12


def zscore(values: np.ndarray) -> np.ndarray:
    """Return columns with mean 0 and population standard deviation 1; NaN for columns that are constant or hold NaN."""
    centred = values - values.mean(axis=0)
    deviation = centred.std(axis=0)
    varies = deviation > _SD_TOLERANCE * np.abs(values).max(axis=0, initial=0.0)
    return np.asarray(centred / np.where(varies, deviation, np.nan))


def correlate(values: np.ndarray) -> np.ndarray:
    """Return Pearson's correlation of every pair of columns, of shape (n_columns, n_columns)."""
    return correlate_with(values, values)


def correlate_with(values: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return Pearson's correlation of each column with each column of others, NaN where it is not defined."""
    return np.asarray(np.clip(zscore(values).T @ zscore(others) / len(values), -1.0, 1.0))


def upper_triangle(matrix: np.ndarray) -> np.ndarray:
    """Return the values above the diagonal of a square matrix, row by row: each pair of a symmetric matrix once."""
    return np.asarray(matrix[np.triu_indices(len(matrix), k=1)])
