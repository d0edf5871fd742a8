"""Arrays as a page holds them: whole numbers of one or two bytes in base64, which report.js unpacks."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

# As JavaScript's typed arrays go by in plotly's own JSON. The lowest code stands for a missing value.
_TYPES = {8: ("i1", 127), 16: ("<i2", 32767)}

# More values than these take one byte each: a trace of 256 levels looks the same as one of 65,536.
_MOST_IN_TWO_BYTES = 150_000


def pack_rows(rows: np.ndarray) -> dict[str, Any]:
    """Return rows with as many levels as their number allows, each row's from its own minimum to its maximum.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_columns)
        NaN and infinity are missing values.

    Returns
    -------
    dict
        A value is code * scale + offset of its row.
    """
    bits = 16 if rows.size <= _MOST_IN_TWO_BYTES else 8
    _, limit = _TYPES[bits]
    is_finite = np.isfinite(rows)
    low = np.where(is_finite, rows, np.inf).min(axis=1, initial=np.inf)
    high = np.where(is_finite, rows, -np.inf).max(axis=1, initial=-np.inf)
    has_values = low <= high
    low, high = np.where(has_values, low, 0.0), np.where(has_values, high, 0.0)
    offset, scale = (low + high) / 2, (high - low) / (2 * limit)
    steps = np.where(scale > 0, scale, 1.0)[:, None]
    packed = _pack(np.where(is_finite, (rows - offset[:, None]) / steps, np.nan), bits)
    return {**packed, "scale": _digits(scale), "offset": _digits(offset)}


def pack_steps(values: np.ndarray, step: float) -> dict[str, Any]:
    """Return values in steps of one size, one byte each; what lies beyond 127 steps from 0 is cut off."""
    return {**_pack(values / step, 8), "scale": step, "offset": 0}


def _pack(codes: np.ndarray, bits: int) -> dict[str, Any]:
    dtype, limit = _TYPES[bits]
    whole = np.nan_to_num(np.clip(np.rint(codes), -limit, limit), nan=-limit - 1)
    data = base64.b64encode(np.ascontiguousarray(whole.astype(dtype)).tobytes()).decode("ascii")
    return {"packed": bits, "data": data, "shape": list(codes.shape)}


def unpack(packed: dict[str, Any]) -> np.ndarray:
    """Return the values of a packed array, as report.js does; NaN where they are missing."""
    dtype, limit = _TYPES[packed["packed"]]
    codes = np.frombuffer(base64.b64decode(packed["data"]), dtype).reshape(packed["shape"])
    scale, offset = (np.reshape(packed[key], (-1, 1)) for key in ("scale", "offset"))
    return np.where(codes == -limit - 1, np.nan, codes * scale + offset)


def _digits(values: np.ndarray) -> list[float]:
    return [float(f"{value:.9g}") for value in values.tolist()]


def numbers(values: np.ndarray, n_digits: int = 5) -> list[float | None]:
    """Return values as JSON holds them, rounded to significant digits; None where they are missing."""
    return [float(f"{value:.{n_digits}g}") if np.isfinite(value) else None for value in values.tolist()]
