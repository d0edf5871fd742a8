"""The regressors of a run as they are regressed out, and the degrees of freedom that they leave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from niimasker.errors import TooFewVolumesError, count, list_names, warn
from niimasker.inputs.confounds import Confounds
from niimasker.signals.filtering import Cleaning, detrend_and_filter
from niimasker.signals.timeline import Timeline

# Below these shares of what it was, a column holds the rounding errors of filtering, or of subtracting the others.
_FILTERED_AWAY, _DEPENDENT = 1e-6, 1e-8

# Fewer degrees of freedom than these, as a share of the volumes and as a number, are worth a warning.
_FEW_SHARE, _FEW = 0.1, 20


@dataclass(frozen=True, eq=False)
class Nuisance:
    """The regressors of a run as they are regressed out.

    Parameters
    ----------
    names
        In the order of the columns of `values`.
    values
        Detrended and filtered as the signals are, of shape (n_kept, n_regressors); linearly independent.
    left_out
        Why other regressors that were asked for are not among them.
    degrees_of_freedom
        What regressors, mean, trend and filter leave of the kept volumes.
    """

    names: tuple[str, ...]
    values: np.ndarray
    left_out: Mapping[str, str]
    degrees_of_freedom: float


def prepare_nuisance(confounds: Confounds | None, timeline: Timeline, cleaning: Cleaning) -> Nuisance:
    """Return a run's regressors as they are regressed out.

    Parameters
    ----------
    confounds
        With a row per volume of the file.

    Raises
    ------
    TooFewVolumesError
        Regressors, mean, trend and filter leave no degree of freedom.
    """
    names, values = (confounds.names, confounds.filled(timeline.kept)[timeline.kept]) if confounds else ((), None)
    if values is None or not names:
        nuisance = Nuisance((), np.empty((timeline.n_kept, 0)), {}, _count_freedom(0, timeline, cleaning))
    else:
        filtered = detrend_and_filter(values, timeline, cleaning)
        left_out = find_redundant(names, values, filtered)
        used = [position for position, name in enumerate(names) if name not in left_out]
        n_left = _count_freedom(len(used), timeline, cleaning)
        nuisance = Nuisance(tuple(names[position] for position in used), filtered[:, used], left_out, n_left)
    _warn_of_nuisance(nuisance, cleaning)
    _check_freedom(nuisance, timeline, cleaning)
    return nuisance


def find_redundant(names: tuple[str, ...], values: np.ndarray, filtered: np.ndarray) -> dict[str, str]:
    """Return which regressors add nothing to the ones before them, and why.

    Parameters
    ----------
    values, filtered : ndarray of shape (n_kept, n_regressors)
        Before and after detrending and filtering.
    """
    left_out: dict[str, str] = {}
    basis = np.empty((len(values), 0))
    used: dict[str, np.ndarray] = {}
    for name, before, after in zip(names, values.T, filtered.T, strict=True):
        if np.ptp(before) == 0:
            left_out[name] = "constant"
            continue
        if np.std(after) <= _FILTERED_AWAY * np.std(before):
            left_out[name] = "nothing is left of it after detrending and filtering"
            continue
        unit = (after - after.mean()) / np.linalg.norm(after - after.mean())
        # Twice: once leaves rounding errors of the basis's own size.
        rest = unit - basis @ (basis.T @ unit)
        rest -= basis @ (basis.T @ rest)
        if np.linalg.norm(rest) > _DEPENDENT:
            basis = np.column_stack([basis, rest / np.linalg.norm(rest)])
            used[name] = unit
            continue
        twin = next((other for other, its in used.items() if abs(its @ unit) > 1 - _DEPENDENT), None)
        left_out[name] = f"the same as {twin}" if twin else "a combination of others"
    return left_out


def _count_freedom(n_regressors: int, timeline: Timeline, cleaning: Cleaning) -> float:
    # A high-pass filter takes mean and trend with the band that it removes.
    n_slow = 0 if cleaning.high_pass else 1 + cleaning.detrend
    # Rounded: a share of frequencies of 0.36 is not quite that.
    return round(timeline.n_kept * cleaning.passband_share - n_regressors - n_slow, 9)


def _warn_of_nuisance(nuisance: Nuisance, cleaning: Cleaning) -> None:
    if nuisance.left_out:
        listed = [f"{name} ({reason})" for name, reason in nuisance.left_out.items()]
        warn(f"regressors left out: {list_names(listed)}; ConfoundsLeftOut in the JSON file lists them.")
    if cleaning.high_pass and any(name.lower().startswith("cosine") for name in nuisance.names):
        warn(
            "--high_pass and the cosine regressors both take out slow drifts, which filters twice; "
            "leave --high_pass out, or, without CompCor, the cosines (high_pass in --regressors)."
        )


def _check_freedom(nuisance: Nuisance, timeline: Timeline, cleaning: Cleaning) -> None:
    n_left, n_kept = nuisance.degrees_of_freedom, timeline.n_kept
    takes = bool(nuisance.names) or cleaning.filters
    takers = _name_takers(nuisance, cleaning)
    if n_left < 1 and (takes or cleaning.detrend):
        raise TooFewVolumesError(
            f"no degree of freedom is left of {count(n_kept, 'volume')} by {takers} ({n_left:.3g}); "
            f"{' or '.join(_name_ways_out(nuisance, timeline, cleaning))}."
        )
    # A short run from which nothing but its mean or line is taken needs no telling that it is short.
    if n_left < max(_FEW, _FEW_SHARE * n_kept) and (takes or timeline.n_censored):
        warn(
            f"{max(n_left, 0):.3g} degrees of freedom are left of {count(n_kept, 'volume')} by {takers}; "
            "correlations will be unreliable."
        )


def _name_ways_out(nuisance: Nuisance, timeline: Timeline, cleaning: Cleaning) -> list[str]:
    ways_out = {
        "choose fewer columns with --regressors": bool(nuisance.names),
        "choose a wider filter": cleaning.filters,
        "censor less": timeline.n_censored > 0,
        "leave --detrend out": cleaning.detrend and not nuisance.names,
    }
    return [way_out for way_out, helps in ways_out.items() if helps]


def _name_takers(nuisance: Nuisance, cleaning: Cleaning) -> str:
    """Return what takes degrees of freedom."""
    slow = [] if cleaning.high_pass else ["the mean", "the trend"][: 1 + cleaning.detrend]
    regressors = [count(len(nuisance.names), "regressor")] if nuisance.names else []
    filters = [f"a filter that leaves {cleaning.passband_share:.0%} of all frequencies"] if cleaning.filters else []
    *others, last = regressors + slow + filters
    return f"{', '.join(others)} and {last}" if others else last
