"""The comparison of pipelines against numpy, scipy and networkx with all runs in memory."""

from __future__ import annotations

import dataclasses

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from compared_pipelines import N_AVAILABLE, N_RUNS, PIPELINES, make_correlations, write_study
from group_members import CENTRES, DISTANCES, NAMES
from scipy import stats

from niimasker.group.comparison_table import comparison_table, write_comparison_table
from niimasker.group.edges import matrix_of, median_by_chance

NETWORKS = ("LH_Vis_1", "LH_Vis_2", "LH_Default_1", "RH_Vis_1", "RH_Default_1", "RH_Default_2")


def rows_of(study) -> dict[str, dict]:
    """Return the rows of the table, by pipeline."""
    return {row["pipeline"]: row for row in comparison_table(study.compare()).to_dict("records")}


def qcfc_of(z: np.ndarray, motion: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return r and p of each column with motion."""
    found = [stats.pearsonr(edge, motion) for edge in z.T]
    return np.array([each.statistic for each in found]), np.array([each.pvalue for each in found])


class TestNumbers:
    @pytest.mark.parametrize("fisher_z", [False, True])
    def test_agree_with_all_runs_in_memory(self, tmp_path, fisher_z):
        correlations, motion = make_correlations()
        written = {name: np.arctanh(values) for name, values in correlations.items()} if fisher_z else correlations
        subjects = ["a", "a", "b", "b", *"cdefghij"]
        rows = rows_of(
            write_study(tmp_path, written, motion, names=NETWORKS, subjects=[*subjects, "a", "k"], fisher_z=fisher_z)
        )
        subjects = [*subjects, "a", "k"]
        for rank, (name, values) in enumerate(correlations.items()):
            z = np.arctanh(values)
            r, p = qcfc_of(z, motion)
            weights = np.nan_to_num(matrix_of(np.tanh(z.mean(axis=0)), 6))
            networks = [{0, 1, 3}, {2, 4, 5}]
            qualities = [nx.community.modularity(nx.from_numpy_array(np.maximum(s * weights, 0)), networks)
                         if (s * weights > 0).any() else 0.0 for s in (1, -1)]  # fmt: skip
            share = np.maximum(-weights, 0).sum() / np.abs(weights).sum()
            similarities = np.corrcoef(z)[np.triu_indices(N_RUNS, k=1)]
            of_one = np.equal.outer(subjects, subjects)[np.triu_indices(N_RUNS, k=1)]
            expected = {
                "n_runs": N_RUNS,
                "n_runs_all": N_RUNS,
                "n_runs_lost": 0,
                "n_subjects": 11,
                "n_regions": 6,
                "n_edges": 15,
                "mean_fd": motion.mean(),
                "qcfc_median_abs_r": np.median(np.abs(r)),
                "qcfc_share_p05": (p < 0.05).mean(),
                "qcfc_share_fdr05": (stats.false_discovery_control(p) < 0.05).mean(),
                "qcfc_distance_rho": stats.spearmanr(r, DISTANCES).statistic,
                "censored_share": 10 * rank / N_AVAILABLE,
                "degrees_of_freedom": N_AVAILABLE - 20 * rank - 12.4,
                "degrees_of_freedom_lost_share": (20 * rank + 12.4) / N_AVAILABLE,
                "modularity": qualities[0] - share * qualities[1],
                "modularity_n_networks": 2,
                "similarity_within": similarities[of_one].mean(),
                "similarity_between": similarities[~of_one].mean(),
                "similarity_difference": similarities[of_one].mean() - similarities[~of_one].mean(),
            }
            row = rows[name]
            assert (row["atlas"], row["connectivity"], row["modularity_networks"]) == ("atlas", "pearson", "names")
            # The tables hold ten significant digits.
            assert {key: row[key] for key in expected} == pytest.approx(expected, abs=1e-9)
            assert 0 <= row["identification_rate"] <= 1

    def test_false_discovery_rate_is_that_of_benjamini_and_hochberg(self, tmp_path):
        correlations, motion = make_correlations()
        row = rows_of(write_study(tmp_path, correlations, motion))["baseline"]
        _, p = qcfc_of(np.arctanh(correlations["baseline"]), motion)
        # The definition: reject up to the largest rank k with p(k) < 0.05 k / n.
        ranks = np.flatnonzero(np.sort(p) < 0.05 * np.arange(1, 16) / 15)
        assert row["qcfc_share_fdr05"] == (ranks.max() + 1) / 15
        assert 0 < row["qcfc_share_fdr05"] <= row["qcfc_share_p05"]

    def test_covariances_are_compared_as_they_are(self, tmp_path):
        correlations, motion = make_correlations()
        covariances = {name: 40 * values for name, values in correlations.items()}
        row = rows_of(write_study(tmp_path, covariances, motion, connectivity="covariance"))["24P"]
        r, _ = qcfc_of(covariances["24P"], motion)
        assert row["qcfc_median_abs_r"] == pytest.approx(np.median(np.abs(r)), abs=1e-9)

    def test_modularity_of_precision_is_that_of_partial_correlation(self, tmp_path):
        correlations, motion = make_correlations()
        correlations = {name: np.abs(values) for name, values in correlations.items()}
        partial = write_study(tmp_path / "1", correlations, motion, connectivity="covariance")
        negative = {name: -values for name, values in correlations.items()}
        precision = write_study(tmp_path / "2", negative, motion, connectivity="precision")
        for name, row in rows_of(precision).items():
            assert row["modularity"] == pytest.approx(rows_of(partial)[name]["modularity"], abs=1e-9)
            assert np.isfinite(row["modularity"])

    def test_every_atlas_and_kind_has_rows_of_its_own(self, tmp_path):
        study = write_study(
            tmp_path, *make_correlations(), keys=["A", "B"], connectivity=["pearson", "partial_correlation"]
        )
        table = comparison_table(study.compare())
        assert table[["atlas", "connectivity"]].drop_duplicates().to_numpy().tolist() == [
            ["A", "pearson"],
            ["A", "partial_correlation"],
            ["B", "pearson"],
            ["B", "partial_correlation"],
        ]
        assert table["pipeline"].tolist() == list(PIPELINES) * 4

    def test_kinds_that_one_pipeline_lacks_are_not_compared(self, tmp_path):
        study = write_study(tmp_path, *make_correlations(), connectivity=["pearson", "partial_correlation"])
        own = dataclasses.replace(study.settings["24P"], connectivity=("partial_correlation",))
        study = dataclasses.replace(study, settings={**study.settings, "24P": own})
        assert comparison_table(study.compare())["connectivity"].unique().tolist() == ["partial_correlation"]

    def test_edges_without_a_value_in_one_run_of_one_pipeline_are_left_out_for_all(self, tmp_path):
        correlations, motion = make_correlations()
        correlations["24P"][3, :5] = np.nan
        study = write_study(tmp_path, correlations, motion)
        (part,) = study.compare().parts
        assert (part.n_edges, part.n_edges_left_out) == (10, 5)
        for name, row in rows_of(study).items():
            r, p = qcfc_of(np.arctanh(correlations[name][:, 5:]), motion)
            assert row["n_edges"] == 10
            assert row["qcfc_median_abs_r"] == pytest.approx(np.median(np.abs(r)), abs=1e-9)
            assert row["qcfc_share_p05"] == pytest.approx((p < 0.05).mean(), abs=1e-9)
            assert row["qcfc_distance_rho"] == pytest.approx(stats.spearmanr(r, DISTANCES[5:]).statistic, abs=1e-9)

    def test_without_any_such_edge_there_are_no_numbers(self, tmp_path):
        correlations, motion = make_correlations()
        correlations["baseline"][0] = np.nan
        row = rows_of(write_study(tmp_path, correlations, motion, subjects=["a", "a", *"bcdefghijklm"]))["24P"]
        assert row["n_edges"] == 0
        missing = ["qcfc_median_abs_r", "qcfc_share_p05", "qcfc_share_fdr05", "qcfc_distance_rho", "modularity"]
        assert np.isnan([row[name] for name in [*missing, "similarity_within", "identification_rate"]]).all()

    def test_without_coordinates_there_is_no_distance_dependence(self, tmp_path):
        study = write_study(tmp_path, *make_correlations(), centres=np.full_like(CENTRES, np.nan))
        assert np.isnan(rows_of(study)["24P"]["qcfc_distance_rho"])

    def test_without_repeated_subjects_there_is_no_similarity(self, tmp_path):
        row = rows_of(write_study(tmp_path, *make_correlations()))["24P"]
        assert np.isnan([row["similarity_within"], row["similarity_difference"], row["identification_rate"]]).all()

    def test_runs_of_a_subject_may_be_apart(self, tmp_path):
        correlations, motion = make_correlations()
        together = ["a", "a", "a", *"bcdefghijkl"]
        apart = [2, 5, 0, 3, 4, 1, *range(6, N_RUNS)]
        first = rows_of(write_study(tmp_path / "1", correlations, motion, subjects=together))["24P"]
        moved = {name: values[apart] for name, values in correlations.items()}
        order = [together[position] for position in apart]
        second = rows_of(write_study(tmp_path / "2", moved, motion[apart], subjects=order))["24P"]
        names = ["similarity_within", "similarity_between", "identification_rate", "qcfc_median_abs_r"]
        assert [first[name] for name in names] == pytest.approx([second[name] for name in names], abs=1e-9)


@pytest.mark.parametrize("n_runs", [10, 50, 1000])
def test_median_by_chance_has_p_of_one_half(n_runs):
    r = median_by_chance(n_runs)
    t = r * np.sqrt((n_runs - 2) / (1 - r**2))
    assert 2 * stats.t.sf(t, n_runs - 2) == pytest.approx(0.5, abs=1e-9)


def test_table_holds_names_that_are_no_unicode_and_reads_back(tmp_path):
    correlations, motion = make_correlations()
    comparison = write_study(tmp_path, correlations, motion).compare()
    part = dataclasses.replace(comparison.parts[0], atlas="\udce9")
    write_comparison_table(tmp_path / "pipelines.tsv", dataclasses.replace(comparison, parts=(part,)))
    table = pd.read_csv(tmp_path / "pipelines.tsv", sep="\t", na_values=["n/a"], keep_default_na=False)
    assert table["atlas"].unique().tolist() == ["\\udce9"]
    assert table["pipeline"].tolist() == list(PIPELINES)


def test_names_without_networks_leave_them_to_louvain(tmp_path):
    row = rows_of(write_study(tmp_path, *make_correlations(), names=NAMES))["24P"]
    assert row["modularity_networks"] == "louvain"
