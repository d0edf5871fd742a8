"""The page of a group as text: what it says and shows, what it leaves out, and how large it gets."""

from __future__ import annotations

import dataclasses
import html
import json
import re
import time
from datetime import UTC, datetime

import numpy as np
import pytest
from group_members import DISTANCES, NAMES, make_edges, write_member, write_members
from index_rows import HOSTILE
from scipy.stats import t

from niimasker.group.connectivity import Group, GroupNote, Member, make_groups
from niimasker.group.edges import add_run, correlate_with_motion, distances_between, empty_sums, relate_to_distance
from niimasker.reports.group_page import make_group_page
from niimasker.reports.heatmaps import find_colour_limit
from niimasker.reports.index_page import make_index_page
from niimasker.reports.packing import unpack

DATE = datetime(2026, 11, 2, 9, 5, tzinfo=UTC)
VERSIONS = {"python": "3.12.1", "niimasker": "1.2.3", "numpy": "2.1.0", "scipy": "1.14.0"}
N_RUNS = 14


def make_page(members: list[Member], links: list[str | None] | None = None, **options) -> str:
    groups = list(make_groups(members, ["pearson"]))
    return make_group_page(groups, members, links or [None] * len(members), date=DATE, versions=VERSIONS, **options)


def figures_of(page: str) -> dict[str, dict]:
    found = re.findall(r'<script type="application/json" id="([a-z]+)-figure-1">(.*?)</script>', page, re.DOTALL)
    return {name: json.loads(content) for name, content in found}


def alts_of(page: str) -> list[str]:
    return [html.unescape(alt) for alt in re.findall(r'role="img" aria-label="(.*?)"', page)]


@pytest.fixture(scope="module")
def members(tmp_path_factory) -> list[Member]:
    return write_members(tmp_path_factory.mktemp("runs"), *make_edges(N_RUNS))


@pytest.fixture(scope="module")
def page(members) -> str:
    return make_page(members, ["a/sub-00#_report.html", *[None] * (N_RUNS - 1)])


class TestWords:
    def test_head_says_how_many_runs_and_leads_to_them_and_to_the_tables(self, page):
        assert "<h1>Connectivity of 14 runs</h1>" in page
        for link in ("index.html", "../niimasker_data/group.tsv", "../niimasker_data/group_edges.tsv"):
            assert f'href="{link}"' in page

    def test_every_figure_has_a_text(self, page, members):
        (group,) = make_groups(members, ["pearson"])
        share = f"{group.qcfc.share_significant:.1%}"
        assert alts_of(page) == [
            "Mean matrix of 6 regions over 14 runs, grouped by hemisphere",
            "Matrix of the standard deviation over 14 runs of 15 edges",
            f"Histogram of 15 QC-FC correlations over 14 runs: {share} have p < 0.05, "
            f"the median of |r| is {group.qcfc.median_absolute:.3f}",
            f"QC-FC correlation of 15 edges by the distance between their regions: r = {group.dependence.r:.3f}",
        ]

    def test_runs_are_listed_with_subject_and_motion(self, page, members):
        assert 'href="a/sub-00%23_report.html"' in page
        rows = re.findall(r'<td class="number">([\d.]+)</td>', page)
        assert rows == [f"{member.mean_fd:.3f}" for member in members]
        assert 'title="sub-00_bold"><a href="a/sub-00%23_report.html">sub-00</a>' in page

    def test_runs_have_verdicts_and_degrees_of_freedom(self, members):
        verdicts = {1: "complete, look at minutes kept and lowest coverage", 4: "complete, look at minutes kept"}
        judged = [
            dataclasses.replace(member, verdict=verdicts.get(number, "complete"), degrees_of_freedom=100.6 + number)
            for number, member in enumerate(members)
        ]
        page = make_page(judged)
        assert "<li>2 of 14 runs need a look: sub-01, sub-04; see the index.</li>" in page
        assert page.count("<td>complete</td>") == N_RUNS - 2
        assert '<td class="number">102</td>\n<td>look at minutes kept and lowest coverage</td>' in page
        assert "<li>1 of 13 runs needs a look: sub-01; see" in make_page([*judged[:4], *judged[5:]])

    def test_edges_without_qcfc_do_not_count_among_those_that_correlate(self, tmp_path, page):
        edges, motion = make_edges(N_RUNS)
        edges[:10, 0] = np.nan
        assert "of edges correlate with FD" in page
        assert "of 14 edges correlate with FD" in make_page(write_members(tmp_path, edges, motion))

    def test_median_stands_beside_what_chance_gives(self, page):
        # The median of |r| without any correlation: the r of p = 0.5.
        r = np.array([0.195, 0.200])
        above, below = (2 * t.sf(each * np.sqrt((N_RUNS - 2) / (1 - each**2)), N_RUNS - 2) for each in r)
        (shown,) = re.findall(r"median \|QC-FC r\|; ([\d.]+) expected by chance", page)
        assert above > 0.5 > below
        assert r[0] < float(shown) < r[1]

    def test_methods_name_references_and_versions(self, page):
        for words in ("niimasker 1.2.3", "scipy 1.14.0", "10.1016/j.neuroimage.2017.03.020", "Power et al., 2012"):
            assert words in page

    def test_nothing_to_note_is_not_noted(self, page):
        assert "Notes" not in page

    def test_no_network_is_needed(self, page):
        assert re.findall(r'(?:src|href)="(?!data:)([a-z]+://[^"]*)"', page) == []

    def test_hostile_names_cannot_leave_the_text(self, tmp_path):
        names = HOSTILE[:6]
        members = write_members(tmp_path, *make_edges(N_RUNS), names=names)
        hostile = [dataclasses.replace(members[0], name=HOSTILE[0], subject=HOSTILE[1]), *members[1:]]
        page = make_page(hostile)
        n_assets = page.count("<script src=")
        assert page.count("<script") == n_assets + 4
        assert "alert(1)</script>" not in page
        assert "<img" not in page

    def test_fisher_z_is_named(self, members):
        page = make_page(members, fisher_z=True)
        assert "atlas: Pearson correlation, Fisher z" in page
        assert "Connectivity (Pearson correlation), correlations as Fisher z, was averaged over 14 runs" in page


class TestNotes:
    def test_runs_of_one_subject_are_not_independent(self, members):
        page = make_page([dataclasses.replace(member, subject=member.subject[0]) for member in members])
        assert "14 runs of 2 subjects: runs of one subject are not independent" in page

    def test_tasks_that_are_combined_are_noted(self, members):
        tasks = ["rest"] * 12 + ["nback"] * 2
        page = make_page([dataclasses.replace(each, task=task) for each, task in zip(members, tasks, strict=True)])
        assert "runs of several tasks are combined: nback (2 runs), rest (12 runs); --task selects one" in page

    def test_runs_left_out_are_counted_with_their_reason(self, members, tmp_path):
        odd = write_member(tmp_path, "odd", make_edges(1)[0][0], names=("x", *NAMES[1:]))
        page = make_page([*members, odd])
        assert "1 run left out" in page
        assert "its regions have other names" in page
        assert re.findall(r'<td class="name" title=".*?">(.*?)</td>', page)[0] == "odd"

    def test_runs_without_motion_are_counted(self, members):
        page = make_page([*members[:12], *(dataclasses.replace(each, mean_fd=np.nan) for each in members[12:])])
        assert "2 runs without a mean framewise displacement; QC-FC is computed over the other 12." in page
        assert '<td class="number">n/a</td>' in page

    def test_edges_that_runs_lack_are_counted(self, tmp_path):
        edges, motion = make_edges(N_RUNS)
        edges[3, :5] = np.nan
        assert "5 edges without a value in some runs" in make_page(write_members(tmp_path, edges, motion))


class TestLeftOut:
    def test_without_motion_the_matrices_are_shown_alone(self, members):
        page = make_page([dataclasses.replace(member, mean_fd=np.nan) for member in members])
        assert list(figures_of(page)) == ["mean", "spread"]
        assert "No QC-FC: it needs 10 runs whose framewise displacement is known" in page
        assert "Ciric" not in page

    def test_fewer_runs_than_ten_with_the_same_names_have_no_figures(self, members, tmp_path):
        edges, _ = make_edges(5)
        odd = [write_member(tmp_path, f"odd-{n}", edges[n], names=(f"x{n}", *NAMES[1:])) for n in range(5)]
        for n_alike, words in ((9, "9 have."), (1, "1 has.")):
            page = make_page([*members[:n_alike], *odd])
            assert figures_of(page) == {}
            assert f"No matrix: it needs 10 runs whose regions have the same names; {words}" in page
            assert ">nan<" not in page

    def test_one_region_has_no_figures(self, tmp_path):
        edges, motion = make_edges(N_RUNS)
        members = write_members(tmp_path, edges[:, :0], motion, names=("a",), centres=np.zeros((1, 3)))
        page = make_page(members)
        assert figures_of(page) == {}
        assert "No matrix: no pair of regions has a value." in page
        assert "No QC-FC: no edge" in page

    def test_two_regions_have_no_distance_dependence(self, tmp_path):
        edges, motion = make_edges(N_RUNS)
        members = write_members(tmp_path, edges[:, :1], motion, names=("a", "b"), centres=np.eye(3)[:2])
        page = make_page(members)
        assert list(figures_of(page)) == ["mean", "spread", "qcfc"]
        assert "No distance dependence" in page


class TestFigures:
    def test_matrices_hold_mean_and_spread(self, page):
        edges, _ = make_edges(N_RUNS)
        for name, expected in (("mean", edges.mean(axis=0)), ("spread", edges.std(axis=0, ddof=1))):
            heatmap = figures_of(page)[name]["data"][0]
            found = unpack(heatmap["z"])[np.triu_indices(6, k=1)]
            assert found == pytest.approx(expected, abs=np.abs(expected).max() / 250)
            assert np.isnan(np.diag(unpack(heatmap["z"]))).all()
            assert heatmap["x"] == list(NAMES)

    def test_histogram_counts_edges_by_significance(self, page, members):
        (group,) = make_groups(members, ["pearson"])
        related, others = figures_of(page)["qcfc"]["data"]
        assert sum(related["y"]) == (group.qcfc.p < 0.05).sum() > 0
        assert sum(related["y"]) + sum(others["y"]) == 15

    def test_dots_are_edges_and_the_line_is_their_fit(self, page, members):
        (group,) = make_groups(members, ["pearson"])
        dots, line = figures_of(page)["distance"]["data"]
        assert dots["x"] == pytest.approx(DISTANCES, rel=1e-3)
        assert dots["y"] == pytest.approx(group.qcfc.r, rel=1e-2)
        assert dots["text"][0] == "L_a – L_b"  # noqa: RUF001
        slope, intercept = np.polyfit(DISTANCES, group.qcfc.r, 1)
        assert line["y"] == pytest.approx(intercept + slope * np.array(line["x"]), abs=1e-3)

    def test_colours_have_short_names(self, page):
        # A long one takes room from its matrix: the two would differ in size.
        titles = [figures_of(page)[name]["data"][0]["colorbar"]["title"]["text"] for name in ("mean", "spread")]
        assert titles == ["r", "SD"]

    @pytest.mark.parametrize(("largest", "end"), [(0.41, 0.5), (0.4, 0.4), (0.06, 0.06), (31.2, 40), (0.97, 1)])
    def test_colours_end_at_a_short_number(self, largest, end):
        assert find_colour_limit(np.array([largest, -largest])) == pytest.approx(end)

    def test_an_extreme_edge_does_not_make_the_others_pale(self):
        assert find_colour_limit(np.append(np.linspace(-0.5, 0.5, 1000), 80.0)) == 0.5

    @pytest.mark.parametrize("values", [np.zeros(5), np.full(5, np.nan)])
    def test_colours_end_somewhere_without_values(self, values):
        assert find_colour_limit(values) == 1


def large_group(n_regions: int, n_runs: int) -> Group:
    """Return a group of many regions."""
    rng = np.random.default_rng(0)
    names = tuple(f"7Networks_{'LR'[k % 2]}H_Vis_{k}" for k in range(n_regions))
    distances = distances_between(rng.uniform(-70, 70, (n_regions, 3)))
    sums = empty_sums(len(distances))
    members = tuple(Member(f"sub-{k}_bold", str(k), rng.gamma(2, 0.1), ()) for k in range(n_runs))
    for member in members:
        sums = add_run(sums, rng.normal(0.2, 0.1, len(distances)), member.mean_fd)
    qcfc = correlate_with_motion(sums)
    dependence = relate_to_distance(qcfc.r, distances)
    return Group("schaefer", "pearson", names, members, {}, distances, sums, qcfc, dependence, "")


class TestSize:
    def test_400_regions_make_a_small_page_soon(self):
        group = large_group(400, 12)
        start = time.process_time()
        page = make_group_page([group], group.members, [None] * 12, date=DATE, versions=VERSIONS)
        assert time.process_time() - start < 5
        assert len(page) < 1_000_000
        cells, _ = figures_of(page)["distance"]["data"]
        assert sum(count or 0 for row in cells["z"] for count in row) == 400 * 399 // 2

    def test_too_many_regions_for_a_figure_are_noted(self):
        group = large_group(1001, 10)
        page = make_group_page([group], group.members, [None] * 10, date=DATE, versions=VERSIONS)
        assert list(figures_of(page)) == ["qcfc", "distance"]
        assert "1,001 regions are too many for a figure" in page

    def test_thousand_runs_stay_small(self):
        group = large_group(20, 1000)
        page = make_group_page([group], group.members, [None] * 1000, date=DATE, versions=VERSIONS)
        assert len(page) < 500_000


class TestIndex:
    def test_links_to_the_page(self):
        page = make_index_page([], [], date=DATE, versions=VERSIONS, groups=[GroupNote("group.html", "24 runs")])
        assert '<a href="group.html">Group page</a>: 24 runs' in page

    def test_says_why_there_is_none(self):
        page = make_index_page([], [], date=DATE, versions=VERSIONS, groups=[GroupNote(None, "No group page: few.")])
        assert "No group page: few." in page
        assert "group.html" not in page

    def test_says_nothing_where_none_was_asked_for(self):
        assert "group" not in make_index_page([], [], date=DATE, versions=VERSIONS)


@pytest.mark.parametrize("desc", ["", "_desc-36P"])
def test_tables_are_linked_in_a_sentence(tmp_path, desc):
    (group,) = make_groups(write_members(tmp_path, *make_edges(10)), ["pearson"])
    names = f"group{desc}.tsv", f"group_edges{desc}.tsv"
    page = make_group_page([group], group.members, [None] * 10, date=DATE, versions=VERSIONS, tables=names)
    first, second = (f'<a href="../niimasker_data/{name}">niimasker_data/{name}</a>' for name in names)
    assert f"{first}, and those of each edge in\n{second}.</p>" in page
    assert "&lt;/" not in page
