"""Identifiability: whether the runs of one subject have more similar connectivity than runs of different subjects."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

# Profiles with more values in all than this, 1 GiB of them, are not held in memory to find the most similar ones.
MAX_HELD_VALUES = 2**28


@dataclass(frozen=True)
class Identifiability:
    """Similarity of runs, as Pearson's correlation over edges.

    Parameters
    ----------
    within, between
        Mean over all pairs of runs of one subject, and of different subjects.
    rate
        Share of the runs of subjects with several runs whose most similar other run is of the same subject; NaN if
        there are too many runs and edges to tell.
    n_identified_from
        Number of runs of subjects with several runs.
    """

    within: float
    between: float
    rate: float
    n_identified_from: int

    @property
    def difference(self) -> float:
        """How much more similar runs of one subject are."""
        return self.within - self.between


def can_identify(subjects: Sequence[str | None]) -> bool:
    """Return whether there are runs of different subjects, and several runs of one."""
    return None not in subjects and 1 < len(set(subjects)) < len(subjects)


def measure_identifiability(profiles: Iterable[np.ndarray], subjects: Sequence[str]) -> Identifiability:
    """Return how similar the runs of one subject are, compared with runs of different subjects.

    The difference of the two means is that of Amico and Goñi 2018, https://doi.org/10.1038/s41598-018-25089-1, as a
    correlation, not as percent. The rate follows Finn et al. 2015, https://doi.org/10.1038/nn.4135, who identify each
    run among one run of every subject; here it is among all other runs.

    Parameters
    ----------
    profiles
        The edges of each run, of shape (n_edges,), without missing values; read one by one.
    subjects
        The subject of each run. Runs of one subject follow each other.
    """
    n_runs = len(subjects)
    runs_of = Counter(subjects)
    n_within = sum(math.comb(n, 2) for n in runs_of.values())
    total, of_subject, sum_within = np.zeros(()), np.zeros(()), 0.0
    held: np.ndarray | None = None
    for number, profile in enumerate(profiles):
        unit = _to_unit(profile)
        if number == 0 and n_runs * len(unit) <= MAX_HELD_VALUES:
            # Single precision is enough to tell which of two correlations is the larger.
            held = np.empty((n_runs, len(unit)), dtype=np.float32)
        if number == 0 or subjects[number] != subjects[number - 1]:
            of_subject = np.zeros_like(unit)
        # The correlation of two profiles is the product of their units, and the sum of products is that of the sum.
        sum_within += float(of_subject @ unit)
        of_subject = of_subject + unit
        total = total + unit
        if held is not None:
            held[number] = unit
    sum_all = (float(total @ total) - n_runs) / 2
    n_between = math.comb(n_runs, 2) - n_within
    return Identifiability(
        sum_within / n_within,
        (sum_all - sum_within) / n_between,
        math.nan if held is None else _identification_rate(held, subjects),
        sum(n for n in runs_of.values() if n > 1),
    )


def _to_unit(profile: np.ndarray) -> np.ndarray:
    """Return a profile with mean 0 and length 1; NaN if all edges are equal."""
    centred = profile - profile.mean()
    length = float(np.linalg.norm(centred))
    return centred / length if length else np.full_like(centred, math.nan)


def _identification_rate(units: np.ndarray, subjects: Sequence[str]) -> float:
    similarities = units @ units.T
    if not np.isfinite(similarities).all():
        return math.nan
    np.fill_diagonal(similarities, -np.inf)
    runs_of = Counter(subjects)
    is_repeated = np.array([runs_of[subject] > 1 for subject in subjects])
    most_similar = similarities.argmax(axis=1)
    names = np.array(subjects, dtype=object)
    return float(np.mean(names[most_similar][is_repeated] == names[is_repeated]))
