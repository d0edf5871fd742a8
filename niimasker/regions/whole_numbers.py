"""Read indices of regions, which are whole numbers, and masks, and tell them from the values of maps."""

from __future__ import annotations

import numpy as np

from niimasker.errors import RegionsError

# Indices saved as float after a linear operation differ from whole numbers by rounding errors, far below this.
_INTEGER_TOLERANCE = 1e-3
_MAX_INDEX = np.iinfo(np.int32).max


def holds_fractions(values: np.ndarray) -> bool:
    """Return whether values are no indices of regions, and not one value alone, as a mask's are."""
    finite = values[np.isfinite(values)]
    present = finite[np.abs(finite) > _INTEGER_TOLERANCE]
    is_one = not len(present) or present.min() == present.max()
    return not is_one and bool(np.any(np.abs(present - np.round(present)) > _INTEGER_TOLERANCE))


def read_indices(values: np.ndarray, source: str, noun: str) -> np.ndarray:
    """Return the indices of a parcellation or a mask as int32, 0 for background.

    Parameters
    ----------
    noun
        What messages call a point: voxel, or vertex.

    Raises
    ------
    RegionsError
        All values are 0, or some cannot be an index.
    """
    distinct = np.unique(values)
    if not np.isfinite(distinct).all():
        raise RegionsError(f"{source}: holds infinite values; expected whole numbers, 0 for background.")
    present = distinct[distinct != 0]
    if len(present) > 1:
        present = present[np.abs(present) > _INTEGER_TOLERANCE]
    if not len(present):
        raise RegionsError(f"{source}: every {noun} is 0; expected at least one region.")
    if len(present) == 1:
        return _label_mask(values == present[0], float(present[0]))
    rounded = np.round(present)
    wrong = present[(np.abs(present - rounded) > _INTEGER_TOLERANCE) | (rounded < 1) | (rounded > _MAX_INDEX)]
    if len(wrong):
        shown = ", ".join(f"{value:.10g}" for value in wrong[:5])
        raise RegionsError(
            f"{source}: holds values that cannot be a region's index ({shown}{', ...' if len(wrong) > 5 else ''}); "
            f"expected whole numbers from 1 to {_MAX_INDEX}, and 0 for background."
        )
    return np.round(values).astype(np.int32)


def _label_mask(inside: np.ndarray, value: float) -> np.ndarray:
    # A mask's value may be 255, 0.5 or -1; it becomes the region's index if it is a valid one, else the index is 1.
    rounded = round(value)
    is_index = 1 <= rounded <= _MAX_INDEX and abs(value - rounded) <= _INTEGER_TOLERANCE
    return np.where(inside, rounded if is_index else 1, 0).astype(np.int32)


def read_mask(values: np.ndarray, source: str) -> np.ndarray:
    """Return where the values of a mask are not 0, bool of their shape.

    Raises
    ------
    RegionsError
        The values are not 0 and one other value.
    """
    distinct = np.unique(values)
    inside = distinct[distinct != 0]
    if len(inside) != 1 or not np.isfinite(inside).all():
        shown = ", ".join(f"{value:g}" for value in distinct[:5])
        raise RegionsError(f"{source}: not a mask; expected 0 and one other value, found {shown}.")
    return np.asarray(values != 0)
