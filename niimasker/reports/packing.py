"""Compact arrays in pages: integers of one or two bytes in base64, which arrays.js unpacks."""

from __future__ import annotations

import base64
import zlib
from typing import Any

import numpy as np

# Type and largest code by bits; plotly's JSON names JavaScript's typed arrays so. The lowest code is a missing value.
_TYPES = {8: ("i1", 127), 16: ("<i2", 32767)}

# More values than this take one byte each: a trace of 256 levels looks the same as one of 65,536.
_MAX_TWO_BYTE_VALUES = 150_000


def pack_rows(rows: np.ndarray) -> dict[str, Any]:
    """Return packed rows, each scaled from its own minimum to its maximum; few values take two bytes, many take one.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_columns)
        NaN and infinity are missing values.

    Returns
    -------
    dict
        A value is its code * scale + offset, with the scale and offset of its row.
    """
    bits = 16 if rows.size <= _MAX_TWO_BYTE_VALUES else 8
    _, limit = _TYPES[bits]
    is_finite = np.isfinite(rows)
    low = np.where(is_finite, rows, np.inf).min(axis=1, initial=np.inf)
    high = np.where(is_finite, rows, -np.inf).max(axis=1, initial=-np.inf)
    has_values = low <= high
    low, high = np.where(has_values, low, 0.0), np.where(has_values, high, 0.0)
    offset, scale = (low + high) / 2, (high - low) / (2 * limit)
    steps = np.where(scale > 0, scale, 1.0)[:, None]
    packed = _pack(np.where(is_finite, (rows - offset[:, None]) / steps, np.nan), bits)
    return {**packed, "scale": _round_to_digits(scale), "offset": _round_to_digits(offset)}


def pack_steps(values: np.ndarray, step: float) -> dict[str, Any]:
    """Return values packed in equal steps, one byte each, clipped at 127 steps from 0."""
    return {**_pack(values / step, 8), "scale": step, "offset": 0}


def pack_whole(values: np.ndarray) -> dict[str, Any]:
    """Return whole numbers between -32,767 and 32,767, two bytes each."""
    return {**_pack(values, 16), "scale": 1, "offset": 0}


def pack_compressed(values: np.ndarray) -> dict[str, Any]:
    """Return whole numbers from 0 to 65,535, compressed; those up to 255 take one byte each."""
    n_bytes = 1 if values.max(initial=0) < 256 else 2
    content = np.ascontiguousarray(values.astype(f"<u{n_bytes}")).tobytes()
    return {"bytes": n_bytes, "deflated": base64.b64encode(zlib.compress(content)).decode("ascii")}


def unpack_compressed(packed: dict[str, Any]) -> np.ndarray:
    """Return the numbers of a compressed array as one row, as arrays.js does."""
    return np.frombuffer(zlib.decompress(base64.b64decode(packed["deflated"])), f"<u{packed['bytes']}")


def _pack(codes: np.ndarray, bits: int) -> dict[str, Any]:
    dtype, limit = _TYPES[bits]
    whole = np.nan_to_num(np.clip(np.rint(codes), -limit, limit), nan=-limit - 1)
    data = base64.b64encode(np.ascontiguousarray(whole.astype(dtype)).tobytes()).decode("ascii")
    return {"packed": bits, "data": data, "shape": list(codes.shape)}


def unpack(packed: dict[str, Any]) -> np.ndarray:
    """Return the values of a packed array, as arrays.js does, with NaN for missing values."""
    dtype, limit = _TYPES[packed["packed"]]
    codes = np.frombuffer(base64.b64decode(packed["data"]), dtype).reshape(packed["shape"])
    scale, offset = (np.reshape(packed[key], (-1, 1)) for key in ("scale", "offset"))
    return np.where(codes == -limit - 1, np.nan, codes * scale + offset)


def _round_to_digits(values: np.ndarray) -> list[float]:
    return [float(f"{value:.9g}") for value in values.tolist()]


def json_numbers(values: np.ndarray, n_digits: int = 5) -> list[float | None]:
    """Return values as a list for JSON, rounded to significant digits, with None for missing values."""
    return [float(f"{value:.{n_digits}g}") if np.isfinite(value) else None for value in values.tolist()]
