"""Similarity of runs of one subject, against numpy with all runs in memory."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from niimasker.group import identifiability
from niimasker.group.identifiability import can_identify, measure_identifiability


def make_profiles(n_runs_of: list[int], seed: int, n_edges: int = 40) -> tuple[np.ndarray, list[str]]:
    """Return edges of shape (n_runs, n_edges) that resemble those of the same subject, and the subject of each run."""
    rng = np.random.default_rng(seed)
    subjects = [str(number) for number, n_runs in enumerate(n_runs_of) for _ in range(n_runs)]
    own = rng.normal(size=(len(n_runs_of), n_edges))
    return 0.4 + own[[int(subject) for subject in subjects]] + rng.normal(0, 2, (len(subjects), n_edges)), subjects


def pairs_of(profiles: np.ndarray, subjects: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the similarity of every pair of runs, and whether the two are of one subject."""
    first, second = np.triu_indices(len(subjects), k=1)
    names = np.array(subjects)
    return np.corrcoef(profiles)[first, second], names[first] == names[second]


RUNS_OF = st.lists(st.integers(1, 4), min_size=2, max_size=8).filter(lambda runs: max(runs) > 1)


@given(RUNS_OF, st.integers(0, 50))
def test_means_agree_with_numpy(n_runs_of, seed):
    profiles, subjects = make_profiles(n_runs_of, seed)
    found = measure_identifiability(iter(profiles), subjects)
    similarities, is_same = pairs_of(profiles, subjects)
    assert found.within == pytest.approx(similarities[is_same].mean(), abs=1e-9)
    assert found.between == pytest.approx(similarities[~is_same].mean(), abs=1e-9)
    assert found.difference == pytest.approx(similarities[is_same].mean() - similarities[~is_same].mean(), abs=1e-9)


@given(RUNS_OF, st.integers(0, 50))
def test_rate_agrees_with_numpy(n_runs_of, seed):
    profiles, subjects = make_profiles(n_runs_of, seed)
    matrix = np.corrcoef(profiles) - 3 * np.eye(len(subjects))
    hits = [
        subjects[int(matrix[run].argmax())] == subject
        for run, subject in enumerate(subjects)
        if subjects.count(subject) > 1
    ]
    found = measure_identifiability(iter(profiles), subjects)
    assert (found.rate, found.n_identified_from) == (pytest.approx(np.mean(hits), abs=1e-9), len(hits))


def test_identical_runs_of_each_subject_are_all_identified():
    profiles = np.repeat(np.random.default_rng(0).normal(size=(4, 30)), 2, axis=0)
    found = measure_identifiability(iter(profiles), ["a", "a", "b", "b", "c", "c", "d", "d"])
    assert (found.within, found.rate) == (pytest.approx(1), 1)


def test_too_many_values_for_memory_leave_out_the_rate_alone(monkeypatch):
    profiles, subjects = make_profiles([2, 3, 1], 0)
    whole = measure_identifiability(iter(profiles), subjects)
    monkeypatch.setattr(identifiability, "MAX_HELD_VALUES", profiles.size - 1)
    found = measure_identifiability(iter(profiles), subjects)
    assert (found.within, found.between, np.isnan(found.rate)) == (whole.within, whole.between, True)


def test_run_whose_edges_are_all_equal_has_no_similarity():
    profiles, subjects = make_profiles([2, 2], 0)
    profiles[1] = 0.3
    found = measure_identifiability(iter(profiles), subjects)
    assert np.isnan([found.within, found.between, found.rate]).all()


@pytest.mark.parametrize(
    ("subjects", "expected"),
    [(["a", "a", "b"], True), (["a", "b"], False), (["a", "a"], False), (["a", "a", "b", None], False)],
    ids=["repeated", "one run each", "one subject", "not known"],
)
def test_is_measured_for_several_subjects_with_several_runs_of_one(subjects, expected):
    assert can_identify(subjects) is expected
