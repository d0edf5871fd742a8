"""Prepare a run's regressors as they are regressed out, and count the degrees of freedom that they leave."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from niimasker.errors import TooFewVolumesError, count, list_names, warn
from niimasker.inputs.aroma import ORTHOGONAL_NOISE
from niimasker.inputs.confounds import Confounds
from niimasker.signals.filtering import Cleaning, detrend_and_filter
from niimasker.signals.orthogonalisation import orthogonalise
from niimasker.signals.spikes import find_spiked
from niimasker.signals.timeline import Timeline

# A regressor whose standard deviation after filtering is below this share of that before holds only rounding errors.
_FILTER_TOLERANCE = 1e-6

# A regressor of which less than this share is left after projecting out the regressors before it depends on them.
_DEPENDENCE_TOLERANCE = 1e-8

# Warn if fewer degrees of freedom are left, as a share of the volumes or as a number.
_FEW_SHARE, _FEW_DEGREES_OF_FREEDOM = 0.1, 20


@dataclass(frozen=True, eq=False)
class Nuisance:
    """The regressors of a run as they are regressed out.

    Parameters
    ----------
    names
        Names of the regressors, in the order of the columns of `values`.
    values
        Linearly independent regressors of shape (n_kept, n_regressors), detrended and filtered like the signals.
    left_out
        For each other regressor that was requested, by name, why it is left out.
    degrees_of_freedom
        Degrees of freedom of the kept volumes that are left after regressors, mean, trend and filter.
    orthogonalised
        Names of the regressors that are orthogonalised to accepted components of an ICA.
    preserved
        Names of these accepted components.
    spiked
        Which kept volumes a spike regressor removes, bool of shape (n_kept,).
    """

    names: tuple[str, ...]
    values: np.ndarray
    left_out: Mapping[str, str]
    degrees_of_freedom: float
    orthogonalised: tuple[str, ...] = ()
    preserved: tuple[str, ...] = ()
    spiked: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=bool))

    @property
    def n_spiked(self) -> int:
        """Number of kept volumes that a spike regressor removes."""
        return int(np.count_nonzero(self.spiked))


def find_used_volumes(timeline: Timeline, nuisance: Nuisance) -> np.ndarray:
    """Return the kept volumes that no spike regressor removes, bool of shape (n_volumes,)."""
    used: np.ndarray = timeline.kept.copy()
    if nuisance.n_spiked:
        used[timeline.kept] = ~nuisance.spiked
    return used


def prepare_nuisance(confounds: Confounds | None, timeline: Timeline, cleaning: Cleaning) -> Nuisance:
    """Return a run's regressors as they are regressed out.

    Parameters
    ----------
    confounds
        With one row per volume of the image file, and a value at every kept volume.

    Raises
    ------
    TooFewVolumesError
        Regressors, mean, trend and filter leave no degree of freedom.
    """
    if confounds is None or not confounds.names:
        nuisance = Nuisance((), np.empty((timeline.n_kept, 0)), {}, _count_degrees_of_freedom(0, timeline, cleaning))
    else:
        nuisance = _prepare_regressors(confounds, timeline, cleaning)
    _warn_of_regressors(nuisance, timeline, cleaning)
    _check_degrees_of_freedom(nuisance, timeline, cleaning)
    return nuisance


@dataclass(frozen=True, eq=False)
class Columns:
    """Regressors of shape (n_kept, n_regressors), and the same with rejected components orthogonalised."""

    values: np.ndarray
    orthogonal: np.ndarray

    def is_explained(self, position: int) -> bool:
        """Return whether orthogonalising leaves nothing of a regressor."""
        left, column = self.orthogonal[:, position], self.values[:, position]
        return bool(
            np.linalg.norm(left - left.mean()) <= _DEPENDENCE_TOLERANCE * np.linalg.norm(column - column.mean())
        )


def _prepare_regressors(confounds: Confounds, timeline: Timeline, cleaning: Cleaning) -> Nuisance:
    names, values, preserved = confounds.names, confounds.values[timeline.kept], confounds.preserved
    filtered = detrend_and_filter(values, timeline, cleaning)
    before, after = Columns(values, values), Columns(filtered, filtered)
    if preserved is not None:
        positions = [names.index(name) for name in preserved.regressors]
        accepted = preserved.values[timeline.kept]
        before = _orthogonalise_some(values, positions, accepted)
        # Orthogonalised last: filters and censoring would undo it.
        accepted_after = detrend_and_filter(accepted, timeline, cleaning)
        is_left = accepted_after.std(axis=0) > _FILTER_TOLERANCE * accepted.std(axis=0)
        after = _orthogonalise_some(filtered, positions, accepted_after[:, is_left])
    left_out = find_redundant(names, before, after)
    used = [position for position, name in enumerate(names) if name not in left_out]
    n_left = _count_degrees_of_freedom(len(used), timeline, cleaning)
    nuisance = Nuisance(
        tuple(names[position] for position in used),
        after.orthogonal[:, used],
        left_out,
        n_left,
        spiked=find_spiked(values),
    )
    if preserved is None:
        return nuisance
    orthogonalised = tuple(name for name in nuisance.names if name in preserved.regressors)
    return dataclasses.replace(nuisance, orthogonalised=orthogonalised, preserved=preserved.names)


def _orthogonalise_some(values: np.ndarray, positions: list[int], accepted: np.ndarray) -> Columns:
    orthogonal = values.copy()
    orthogonal[:, positions] = orthogonalise(values[:, positions], accepted)
    return Columns(values, orthogonal)


def find_redundant(names: tuple[str, ...], before: Columns, after: Columns) -> dict[str, str]:
    """Return the regressors that add nothing to the ones before them, with the reason.

    Parameters
    ----------
    before, after
        The regressors before and after detrending and filtering.
    """
    left_out: dict[str, str] = {}
    # Combinations are looked for before filtering too: bridges of gaps are not linear in the kept values ("pchip"), so
    # that of a sum of regressors something is left after filtering that is none of theirs.
    basis_before = basis = np.empty((len(before.values), 0))
    used: dict[str, np.ndarray] = {}
    for position, name in enumerate(names):
        values, filtered = before.values[:, position], after.values[:, position]
        if np.ptp(values) == 0:
            left_out[name] = "constant"
            continue
        if np.std(filtered) <= _FILTER_TOLERANCE * np.std(values):
            left_out[name] = "nothing is left of it after detrending and filtering"
            continue
        if before.is_explained(position) or after.is_explained(position):
            left_out[name] = "a combination of the accepted components"
            continue
        unit = _scale_to_unit(after.orthogonal[:, position])
        residual_before = _project_out(basis_before, _scale_to_unit(before.orthogonal[:, position]))
        residual = _project_out(basis, unit)
        if min(np.linalg.norm(residual_before), np.linalg.norm(residual)) > _DEPENDENCE_TOLERANCE:
            basis_before = np.column_stack([basis_before, residual_before / np.linalg.norm(residual_before)])
            basis = np.column_stack([basis, residual / np.linalg.norm(residual)])
            used[name] = unit
            continue
        twin = next(
            (other for other, other_unit in used.items() if abs(other_unit @ unit) > 1 - _DEPENDENCE_TOLERANCE), None
        )
        left_out[name] = f"the same as {twin}" if twin else "a combination of others"
    return left_out


def _scale_to_unit(column: np.ndarray) -> np.ndarray:
    """Return a column without its mean, with a sum of squares of 1."""
    centred = column - column.mean()
    return np.asarray(centred / np.linalg.norm(centred))


def _project_out(basis: np.ndarray, column: np.ndarray) -> np.ndarray:
    """Return what is left of a column after projecting an orthonormal basis out of it."""
    # Projected twice: a single projection leaves rounding errors as large as those of the basis.
    residual = column - basis @ (basis.T @ column)
    return np.asarray(residual - basis @ (basis.T @ residual))


def _count_degrees_of_freedom(n_regressors: int, timeline: Timeline, cleaning: Cleaning) -> float:
    # The band that a high-pass filter removes includes mean and trend.
    n_slow = 0 if cleaning.high_pass else 1 + cleaning.detrend
    # Rounded, because a share of frequencies such as 0.36 has a rounding error.
    return round(timeline.n_kept * cleaning.passband_share - n_regressors - n_slow, 9)


def _warn_of_regressors(nuisance: Nuisance, timeline: Timeline, cleaning: Cleaning) -> None:
    if nuisance.left_out:
        listed = [f"{name} ({reason})" for name, reason in nuisance.left_out.items()]
        warn(f"regressors left out: {list_names(listed)}; ConfoundsLeftOut in the JSON file lists them.")
    is_changed = cleaning.detrend or cleaning.filters or timeline.n_censored
    if is_changed and any(name.startswith(ORTHOGONAL_NOISE) for name in nuisance.names):
        warn(
            f"the columns {ORTHOGONAL_NOISE}* are orthogonal to the signal components only before detrending, filters "
            "and censoring; put fMRIPost-AROMA's files desc-melodic_mixing.tsv and desc-aroma_metrics.tsv beside the "
            "table, from which they are orthogonalised afterwards."
        )
    if cleaning.high_pass and any(name.lower().startswith("cosine") for name in nuisance.names):
        warn(
            "--high_pass and the cosine regressors both remove slow drifts, so that signals are filtered twice; "
            "leave --high_pass out or, without CompCor, the cosines (high_pass in --regressors)."
        )


def _check_degrees_of_freedom(nuisance: Nuisance, timeline: Timeline, cleaning: Cleaning) -> None:
    n_left, n_kept = nuisance.degrees_of_freedom, timeline.n_kept
    uses_filter_or_regressors = bool(nuisance.names) or cleaning.filters
    removed = list_removed(nuisance, cleaning)
    if n_left < 1 and (uses_filter_or_regressors or cleaning.detrend):
        raise TooFewVolumesError(
            f"no degrees of freedom are left of {count(n_kept, 'volume')} after {removed} ({n_left:.3g}); "
            f"{' or '.join(_suggest_remedies(nuisance, timeline, cleaning))}."
        )
    # A short run of which only the mean or a trend is removed needs no warning.
    if n_left < max(_FEW_DEGREES_OF_FREEDOM, _FEW_SHARE * n_kept) and (
        uses_filter_or_regressors or timeline.n_censored
    ):
        warn(
            f"{_count_degrees(max(n_left, 0))} left of {count(n_kept, 'volume')} after {removed}; "
            "correlations will be unreliable."
        )


def _count_degrees(n_left: float) -> str:
    return f"{n_left:.3g} degree of freedom is" if n_left == 1 else f"{n_left:.3g} degrees of freedom are"


def _suggest_remedies(nuisance: Nuisance, timeline: Timeline, cleaning: Cleaning) -> list[str]:
    remedies = {
        "choose fewer columns with --regressors": bool(nuisance.names),
        "choose a wider filter": cleaning.filters,
        "censor less": timeline.n_censored > 0,
        "leave --detrend out": cleaning.detrend and not nuisance.names,
    }
    return [remedy for remedy, helps in remedies.items() if helps]


def list_removed(nuisance: Nuisance, cleaning: Cleaning) -> str:
    """Return a text that lists what removes degrees of freedom."""
    slow_parts = [] if cleaning.high_pass else ["the mean", "the trend"][: 1 + cleaning.detrend]
    regressors = [count(len(nuisance.names), "regressor")] if nuisance.names else []
    filters = [f"a filter that passes {cleaning.passband_share:.0%} of all frequencies"] if cleaning.filters else []
    *others, last = regressors + slow_parts + filters
    return f"{', '.join(others)} and {last}" if others else last


def format_degrees(degrees_of_freedom: float) -> str:
    """Return degrees of freedom as text: a whole number, with one decimal below 10; n/a if they are not known.

    A filter takes up a share of a degree of freedom.
    """
    if math.isnan(degrees_of_freedom):
        return "n/a"
    return f"{degrees_of_freedom:.{1 if degrees_of_freedom < 10 else 0}f}".removesuffix(".0")
