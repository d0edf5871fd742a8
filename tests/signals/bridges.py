"""Bridges of gaps, from the definition of a monotone cubic, with scipy's cubic spline and with numpy's lines."""

from __future__ import annotations

import numpy as np
from scipy.interpolate import CubicSpline


def interpolate(values, is_kept, interpolation):
    """Return values at all volumes: interpolated between kept volumes, the nearest kept value at the ends."""
    places = np.flatnonzero(is_kept)
    everywhere = np.clip(np.arange(len(is_kept)), places[0], places[-1])
    if interpolation == "cubic":
        return CubicSpline(places, values)(everywhere)
    if interpolation == "linear":
        return np.column_stack([np.interp(everywhere, places, column) for column in values.T])
    return np.column_stack([monotone_cubic(places, column, everywhere) for column in values.T])


def monotone_cubic(places, values, everywhere):
    """Return the piecewise cubic Hermite interpolant with the slopes of Fritsch and Butland (1984)."""
    slopes = monotone_slopes(np.diff(places), np.diff(values) / np.diff(places))
    found = np.empty(len(everywhere))
    for number, place in enumerate(everywhere):
        left = min(np.searchsorted(places, place, "right") - 1, len(places) - 2)
        width = places[left + 1] - places[left]
        s = (place - places[left]) / width
        found[number] = (
            (1 + 2 * s) * (1 - s) ** 2 * values[left]
            + s * (1 - s) ** 2 * width * slopes[left]
            + s**2 * (3 - 2 * s) * values[left + 1]
            - s**2 * (1 - s) * width * slopes[left + 1]
        )
    return found


def monotone_slopes(widths, secants):
    """Return the slope at each place: 0 at a turn, else a weighted harmonic mean of the secants on both sides."""
    if len(secants) == 1:
        return [secants[0]] * 2
    slopes = [slope_at_end(widths[0], widths[1], secants[0], secants[1])]
    for before, after, left, right in zip(widths, widths[1:], secants, secants[1:], strict=False):
        weights = 2 * after + before, after + 2 * before
        is_turn = left * right <= 0
        slopes.append(0.0 if is_turn else sum(weights) / (weights[0] / left + weights[1] / right))
    return [*slopes, slope_at_end(widths[-1], widths[-2], secants[-1], secants[-2])]


def slope_at_end(width, next_width, secant, next_secant):
    """Return the slope of the parabola through three places, limited so that the interpolant stays monotone."""
    slope = ((2 * width + next_width) * secant - width * next_secant) / (width + next_width)
    if slope * secant <= 0:
        return 0.0
    is_too_steep = secant * next_secant <= 0 and abs(slope) > 3 * abs(secant)
    return 3 * secant if is_too_steep else slope
