"""Groups of runs: which take part, and their numbers against numpy and scipy with all runs in memory."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from group_members import CENTRES, DISTANCES, NAMES, make_edges, write_member, write_members
from scipy.stats import pearsonr, spearmanr

from niimasker.group.connectivity import make_groups
from niimasker.group.edges import distances_between
from niimasker.group.tables import edges_table, groups_table
from niimasker.outputs.tables import write_records

N_RUNS = 14


def make_one(members):
    """Return the group of members with one atlas and one kind of connectivity."""
    (group,) = make_groups(members, ["pearson"])
    return group


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Edges and motion of runs, and their group."""
    edges, motion = make_edges(N_RUNS)
    return edges, motion, make_one(write_members(tmp_path_factory.mktemp("runs"), edges, motion))


class TestNumbers:
    def test_row_of_group_agrees_with_all_runs_in_memory(self, made):
        edges, motion, group = made
        pairs = [pearsonr(edge, motion) for edge in edges.T]
        r, p = (np.array([getattr(pair, name) for pair in pairs]) for name in ("statistic", "pvalue"))
        (row,) = groups_table([group]).to_dict("records")
        expected = {
            "n_runs": N_RUNS,
            "n_runs_left_out": 0,
            "n_subjects": N_RUNS,
            "n_regions": 6,
            "n_edges": 15,
            "mean": edges.mean(),
            "sd": edges.std(axis=0, ddof=1).mean(),
            "mean_fd": motion.mean(),
            "qcfc_n_runs": N_RUNS,
            "qcfc_n_edges": 15,
            "qcfc_median_abs_r": np.median(np.abs(r)),
            "qcfc_share_p05": (p < 0.05).mean(),
            "qcfc_distance_r": np.corrcoef(r, DISTANCES)[0, 1],
            "qcfc_distance_rho": spearmanr(r, DISTANCES).statistic,
        }
        assert (row.pop("atlas"), row.pop("connectivity")) == ("atlas", "pearson")
        assert row == pytest.approx(expected, abs=1e-9)

    def test_rows_of_edges_agree_with_all_runs_in_memory(self, made):
        edges, motion, group = made
        table = edges_table([group])
        pairs = [pearsonr(edge, motion) for edge in edges.T]
        assert table["mean"].to_numpy() == pytest.approx(edges.mean(axis=0), abs=1e-9)
        assert table["sd"].to_numpy() == pytest.approx(edges.std(axis=0, ddof=1), abs=1e-9)
        assert table["qcfc_r"].to_numpy() == pytest.approx([pair.statistic for pair in pairs], abs=1e-9)
        assert table["qcfc_p"].to_numpy() == pytest.approx([pair.pvalue for pair in pairs], abs=1e-9)
        assert table["distance"].to_numpy() == pytest.approx(DISTANCES, abs=1e-3)
        assert table.loc[[0, 5, 14], ["node_1", "node_2"]].to_numpy().tolist() == [
            ["L_a", "L_b"],
            ["L_b", "L_c"],
            ["R_b", "R_c"],
        ]

    def test_edges_of_a_region_without_signal_in_a_run_leave_out_that_run(self, tmp_path):
        edges, motion = make_edges(N_RUNS)
        edges[3, :5] = np.nan
        group = make_one(write_members(tmp_path, edges, motion))
        table = edges_table([group])
        assert table["n_runs"].tolist() == [13] * 5 + [14] * 10
        assert table["qcfc_n_runs"].tolist() == [13] * 5 + [14] * 10
        assert table["mean"].to_numpy() == pytest.approx(np.nanmean(edges, axis=0), abs=1e-9)
        known = np.delete(np.arange(N_RUNS), 3)
        assert table["qcfc_r"][0] == pytest.approx(pearsonr(edges[known, 0], motion[known]).statistic, abs=1e-9)

    def test_distance_is_the_mean_over_runs_of_differing_centres(self, tmp_path):
        edges, motion = make_edges(N_RUNS)
        members = write_members(tmp_path, edges[:-1], motion[:-1])
        members.append(write_member(tmp_path, "last", edges[-1], mean_fd=motion[-1], centres=2 * CENTRES))
        expected = (13 * DISTANCES + distances_between(2 * CENTRES)) / 14
        assert make_one(members).distances == pytest.approx(expected)

    def test_atlas_and_regions_that_are_no_unicode_are_written(self, made, tmp_path):
        group = dataclasses.replace(made[2], atlas="\udce9", names=("\udce8", *NAMES[1:]))
        for table in (groups_table([group]), edges_table([group])):
            write_records(tmp_path / "table.tsv", table)
            first = (tmp_path / "table.tsv").read_text("utf-8").splitlines()[1]
            assert first.startswith("\\udce9\tpearson\t")


class TestWithoutQcFc:
    def test_too_few_runs_with_motion_are_reported(self, tmp_path):
        edges, motion = make_edges(N_RUNS)
        motion[:5] = np.nan
        group = make_one(write_members(tmp_path, edges, motion))
        assert (group.qcfc, group.dependence) == (None, None)
        assert "needs 10 runs" in group.note
        assert "9 runs with" in group.note
        (row,) = groups_table([group]).to_dict("records")
        assert (row["n_runs"], row["qcfc_n_runs"], row["qcfc_n_edges"]) == (14, 9, 0)
        assert math.isnan(row["qcfc_share_p05"])
        assert edges_table([group])["qcfc_r"].isna().all()

    def test_runs_without_motion_count_for_mean_and_spread_alone(self, tmp_path):
        edges, motion = make_edges(N_RUNS)
        motion[:4] = np.nan
        group = make_one(write_members(tmp_path, edges, motion))
        assert group.mean == pytest.approx(edges.mean(axis=0), abs=1e-9)
        expected = [pearsonr(edge, motion[4:]).statistic for edge in edges[4:].T]
        assert group.qcfc.r == pytest.approx(expected, abs=1e-9)

    def test_equal_motion_is_reported(self, tmp_path):
        edges, motion = make_edges(N_RUNS)
        group = make_one(write_members(tmp_path, edges, np.full_like(motion, 0.12)))
        assert group.qcfc is None
        assert group.note == "No QC-FC: the mean framewise displacement of all runs is 0.12 mm."

    def test_unknown_centres_leave_qcfc_without_distances(self, tmp_path):
        edges, motion = make_edges(N_RUNS)
        group = make_one(write_members(tmp_path, edges, motion, centres=np.full_like(CENTRES, np.nan)))
        assert group.dependence is None
        assert np.isfinite(group.qcfc.r).all()
        table = edges_table([group])
        assert table["distance"].isna().all()
        assert table["mean"].to_numpy() == pytest.approx(edges.mean(axis=0), abs=1e-9)


class TestLeftOut:
    def test_runs_of_other_regions_than_most(self, tmp_path):
        edges, motion = make_edges(N_RUNS)
        odd = write_member(tmp_path, "odd", edges[0], names=("x", *NAMES[1:]))
        group = make_one([odd, *write_members(tmp_path, edges[1:], motion[1:])])
        assert dict(group.left_out) == {"odd": "its regions have other names"}
        assert group.names == NAMES
        assert group.mean == pytest.approx(edges[1:].mean(axis=0), abs=1e-9)

    def test_runs_whose_tables_are_gone(self, tmp_path):
        edges, motion = make_edges(N_RUNS)
        members = write_members(tmp_path, edges, motion)
        members[2].tables[0].relmat_paths[0].unlink()
        members[5].tables[0].regions_path.unlink()
        group = make_one(members)
        why = "a table of its connectivity or regions is missing"
        assert dict(group.left_out) == {"sub-02_bold": why, "sub-05_bold": why}
        assert len(group.members) == 12

    def test_all_runs_leave_no_numbers(self, tmp_path):
        members = write_members(tmp_path, *make_edges(N_RUNS))
        for member in members:
            member.tables[0].relmat_paths[0].unlink()
        (row,) = groups_table([make_one(members)]).to_dict("records")
        assert (row["atlas"], row["n_runs"], row["n_runs_left_out"], row["n_edges"]) == ("atlas", 0, 14, 0)

    def test_names_with_quotes_and_tabs_are_names(self, tmp_path):
        edges, motion = make_edges(10)
        names = ('a "b"', "tab\there", "n/a", "1.5", "é", "x,y")
        assert make_one(write_members(tmp_path, edges, motion, names=names)).names == names


class TestSubjects:
    def test_are_counted_once(self, tmp_path):
        edges, motion = make_edges(4)
        members = write_members(tmp_path, edges, motion)
        assert make_one([dataclasses.replace(member, subject="01") for member in members]).n_subjects == 1

    def test_are_not_known_where_a_file_name_does_not_tell(self, tmp_path):
        edges, motion = make_edges(4)
        members = write_members(tmp_path, edges, motion)
        assert make_one([dataclasses.replace(members[0], subject=None), *members[1:]]).n_subjects is None


def test_kinds_are_read_from_their_own_tables(tmp_path):
    edges, motion = make_edges(N_RUNS)
    first = write_members(tmp_path / "a", edges, motion)
    second = write_members(tmp_path / "b", edges * 100, motion)
    members = [
        dataclasses.replace(
            one,
            tables=(
                dataclasses.replace(
                    one.tables[0], relmat_paths=(*one.tables[0].relmat_paths, *other.tables[0].relmat_paths)
                ),
            ),
        )
        for one, other in zip(first, second, strict=True)
    ]
    pearson, covariance = make_groups(members, ["pearson", "covariance"])
    assert (pearson.kind, covariance.kind) == ("pearson", "covariance")
    assert covariance.mean == pytest.approx(100 * pearson.mean, rel=1e-9)
    assert covariance.qcfc.r == pytest.approx(pearson.qcfc.r, abs=1e-9)
