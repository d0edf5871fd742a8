"""Convert the values that Python callers have, such as NumPy's scalars and arrays, to JSON values."""

from __future__ import annotations

import numbers
import os
from collections.abc import Mapping
from decimal import Decimal
from typing import Any


def to_json_value(value: Any) -> Any:
    """Return a number, text, list or object for a Python value; a value that is none of these is returned as it is.

    Numbers and arrays are recognised by their methods, so that NumPy, pandas and others need not be imported.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return {key: to_json_value(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, range)):
        return [to_json_value(item) for item in value]
    if isinstance(value, numbers.Integral):
        # A duration of NumPy's counts as an integer but has no number.
        return int(value) if hasattr(value, "__index__") else str(value)
    if isinstance(value, (numbers.Real, Decimal)):
        return _to_float(value)
    return _from_array(value) if hasattr(value, "tolist") else value


def _to_float(value: Any) -> float:
    # Through the decimal digits: a float32 of 0.8, as get_zooms() of a header gives it, is 0.800000012 in float64.
    try:
        return float(str(value))
    except ValueError:
        return float(value)


def _from_array(value: Any) -> Any:
    """Return an array's items as a list, or the value of an array or a scalar without axes."""
    if getattr(value, "shape", None) != ():
        return [to_json_value(item) for item in value]
    item = value.tolist()
    return _to_float(value) if isinstance(item, float) else item
