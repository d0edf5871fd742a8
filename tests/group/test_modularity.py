"""Modularity of matrices with edges of either sign, against networkx and by hand."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from niimasker.group.modularity import find_communities, measure_modularity, signed_modularity


def random_weights(n_regions: int, seed: int, shift: float = 0.0) -> np.ndarray:
    """Return a symmetric matrix with zeros on the diagonal."""
    weights = np.random.default_rng(seed).uniform(-1, 1, (n_regions, n_regions)) + shift
    weights = (weights + weights.T) / 2
    np.fill_diagonal(weights, 0)
    return weights


def blocks(sizes: list[int], within: float, between: float) -> np.ndarray:
    """Return a matrix of networks."""
    labels = np.repeat(np.arange(len(sizes)), sizes)
    weights = np.where(labels[:, None] == labels, within, between)
    np.fill_diagonal(weights, 0)
    return weights


def by_networkx(weights: np.ndarray, labels: np.ndarray) -> float:
    """Return Q* after Rubinov and Sporns 2011 from networkx's modularity of each sign."""
    networks = [set(np.flatnonzero(labels == label).tolist()) for label in np.unique(labels)]
    positive, negative = np.maximum(weights, 0), np.maximum(-weights, 0)
    if not positive.any():
        return np.nan
    quality = nx.community.modularity(nx.from_numpy_array(positive), networks)
    if negative.any():
        share = negative.sum() / (positive.sum() + negative.sum())
        quality -= share * nx.community.modularity(nx.from_numpy_array(negative), networks)
    return quality


class TestSigned:
    @given(st.integers(4, 20), st.integers(0, 50), st.sampled_from([-0.5, 0.0, 1.0]))
    def test_agrees_with_networkx(self, n_regions, seed, shift):
        weights = random_weights(n_regions, seed, shift)
        labels = np.random.default_rng(seed).integers(0, 3, n_regions)
        assert signed_modularity(weights, labels) == pytest.approx(by_networkx(weights, labels), abs=1e-9, nan_ok=True)

    def test_two_separate_networks_have_one_half(self):
        # Newman: the share within networks, 1, less the sum of the squared shares of their degrees, 2 x 0.25.
        assert signed_modularity(blocks([4, 4], 1, 0), np.repeat([0, 1], 4)) == pytest.approx(0.5)

    def test_negative_edges_between_networks_add_to_it(self):
        labels = np.repeat([0, 1], 4)
        # Q- is 0 - 0.5; v- is 16 pairs x 0.75 = 12, v+ is 12 pairs x 1 = 12.
        assert signed_modularity(blocks([4, 4], 1, -0.75), labels) == pytest.approx(0.5 + 0.5 * 0.5)

    def test_without_positive_edge_there_is_none(self):
        assert np.isnan(signed_modularity(np.zeros((3, 3)), np.zeros(3, dtype=int)))
        assert np.isnan(signed_modularity(blocks([3], -1, 0), np.zeros(3, dtype=int)))


class TestCommunities:
    @pytest.mark.parametrize("between", [0.1, -0.2])
    def test_networks_are_found(self, between):
        labels = find_communities(blocks([3, 5, 6], 0.6, between))
        assert [len(set(part.tolist())) for part in np.split(labels, [3, 8])] == [1, 1, 1]
        assert len(set(labels.tolist())) == 3

    def test_same_matrix_gives_the_same_networks(self):
        weights = random_weights(40, 3)
        assert find_communities(weights).tolist() == find_communities(weights).tolist()

    def test_are_no_worse_than_those_of_any_seed(self):
        weights = random_weights(30, 7, 0.1)
        graph = nx.from_numpy_array(np.maximum(weights, 0))
        found = signed_modularity(weights, find_communities(weights))
        for seed in range(5):
            labels = np.zeros(30, dtype=int)
            for number, members in enumerate(nx.community.louvain_communities(graph, seed=seed)):
                labels[list(members)] = number
            assert found >= signed_modularity(weights, labels) - 1e-12


class TestMeasured:
    def test_networks_of_names_count_over_both_hemispheres(self):
        names = [f"7Networks_{side}H_{network}_{n}" for side in "LR" for network in ("Vis", "Default") for n in (1, 2)]
        weights = random_weights(8, 1)
        labels = np.array([0, 0, 1, 1] * 2)
        found = measure_modularity(weights, names)
        assert (found.n_networks, found.source) == (2, "names")
        assert found.quality == pytest.approx(by_networkx(weights, labels), abs=1e-9)

    def test_regions_without_a_network_in_their_names_are_left_out(self):
        names = ["LH_Vis_1", "LH_Vis_2", "Thalamus", "RH_Default_1", "RH_Default_2"]
        weights = random_weights(5, 2)
        used = [0, 1, 3, 4]
        expected = by_networkx(weights[np.ix_(used, used)], np.array([0, 0, 1, 1]))
        assert measure_modularity(weights, names).quality == pytest.approx(expected, abs=1e-9)

    def test_names_without_networks_leave_them_to_louvain(self):
        found = measure_modularity(blocks([4, 4], 0.6, 0.1), [f"region {n}" for n in range(8)])
        assert (found.n_networks, found.source) == (2, "louvain")
        expected = by_networkx(blocks([4, 4], 0.6, 0.1), np.repeat([0, 1], 4))
        assert found.quality == pytest.approx(expected, abs=1e-9)

    def test_region_without_edges_is_no_network(self):
        matrix = blocks([4, 4], 0.6, 0.1)
        matrix[:, 0] = matrix[0] = np.nan
        found = measure_modularity(matrix, [f"region {n}" for n in range(8)])
        assert found.n_networks == 2
        expected = by_networkx(blocks([3, 4], 0.6, 0.1), np.repeat([0, 1], [3, 4]))
        assert found.quality == pytest.approx(expected, abs=1e-9)

    def test_diagonal_is_ignored(self):
        matrix = random_weights(8, 1)
        with_diagonal = matrix + np.eye(8)
        names = [f"region {n}" for n in range(8)]
        assert measure_modularity(with_diagonal, names) == measure_modularity(matrix, names)

    def test_without_edges_there_is_none(self):
        found = measure_modularity(np.full((4, 4), np.nan), list("abcd"))
        assert (np.isnan(found.quality), found.n_networks) == (True, 0)
