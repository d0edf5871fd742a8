"""The page that compares pipelines as text: what it says, marks and draws, and what it leaves out."""

from __future__ import annotations

import dataclasses
import html
import json
import re
from datetime import UTC, datetime

import numpy as np
import pytest
from compared_pipelines import N_RUNS, PIPELINES, make_correlations, write_study
from group_members import CENTRES
from index_rows import HOSTILE, done
from scipy import stats

from niimasker.group.comparison import Comparison
from niimasker.group.connectivity import GroupNote
from niimasker.reports.index_page import make_index_page
from niimasker.reports.pipeline_measures import HIGHEST, LOWEST, MEASURES, NEAREST_TO_0, Measure
from niimasker.reports.pipelines_figures import density_by_chance
from niimasker.reports.pipelines_page import Link, make_pipelines_page, write_comparison
from niimasker.reports.pipelines_section import make_section

DATE = datetime(2026, 11, 2, 9, 5, tzinfo=UTC)
VERSIONS = {"python": "3.12.1", "niimasker": "1.2.3", "numpy": "2.1.0", "scipy": "1.14.0"}
REPEATED = ["a", "a", "b", "b", *"cdefghijkl"]


def make_page(comparison: Comparison, **options) -> str:
    return make_pipelines_page(comparison, date=DATE, versions=VERSIONS, **options)


def figures_of(page: str) -> dict[str, dict]:
    found = re.findall(r'<script type="application/json" id="([a-z]+)-figure-1">(.*?)</script>', page, re.DOTALL)
    return {name: json.loads(content) for name, content in found}


def text_of(fragment: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", fragment)).split())


def rows_of(page: str, table: str) -> list[list[str]]:
    """Return the cells of the first table of a class, the heads of its columns first."""
    (content,) = re.findall(rf'<table class="{table}">(.*?)</table>', page, re.DOTALL)[:1]
    rows = re.findall(r"<tr>(.*?)</tr>", content, re.DOTALL)
    return [[text_of(cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)] for row in rows]


@pytest.fixture(scope="module")
def comparison(tmp_path_factory) -> Comparison:
    correlations, motion = make_correlations()
    return write_study(tmp_path_factory.mktemp("runs"), correlations, motion, subjects=REPEATED).compare()


@pytest.fixture(scope="module")
def page(comparison) -> str:
    return make_page(comparison)


class TestWords:
    def test_head_says_what_is_compared_and_leads_to_the_runs_and_the_table(self, page):
        assert "<h1>Comparison of 3 pipelines</h1>" in page
        assert "compared over 14 runs of 12 subjects, which every pipeline kept" in page
        for link in ("index.html", "../niimasker_data/pipelines.tsv"):
            assert f'href="{link}"' in page

    def test_group_pages_are_linked_where_there_are_some(self, comparison, page):
        assert "group page" not in page[: page.index("<h1>")]
        linked = make_page(comparison, group_links=[Link("group_desc-a+b.html", "group page of a+b")])
        assert '<a href="group_desc-a%2Bb.html">group page of a+b</a>' in linked

    def test_no_winner_is_proclaimed(self, page):
        assert "There is no winner over all measures" in text_of(page)

    def test_repeated_subjects_are_noted(self, page):
        assert "14 runs of 12 subjects: QC-FC is computed over all runs." in page

    def test_nothing_to_note_is_not_noted(self, tmp_path):
        plain = make_page(write_study(tmp_path, *make_correlations()).compare())
        assert "Notes" not in plain
        assert "None: every pipeline kept every run." in plain

    def test_runs_left_out_are_grouped_by_pipeline_and_reason(self, tmp_path):
        study = write_study(tmp_path, *make_correlations())
        for row in study.rows[1:10:3]:
            row.update(status="failed", reason="0 degrees of freedom are left")
        for row in study.rows[-3:]:
            row.update(mean_fd=None)
        page = make_page(study.compare())
        assert "10 of 14 runs" in page
        assert "4 runs left out" in page
        left_out = text_of(page[page.index('id="left-out"') : page.index('id="methods"')])
        assert "24P: 3 runs 0 degrees of freedom are left 3 runs sub-00_run-1_bold.nii.gz" in left_out
        assert "All pipelines: 1 run its mean framewise displacement is not known 1 run sub-13_run-14" in left_out

    def test_pipeline_with_few_runs_is_noted_and_listed(self, tmp_path):
        study = write_study(tmp_path, *make_correlations())
        for row in study.rows[1::3]:
            row.update(status="failed", reason="no column matches aroma")
        page = make_page(study.compare())
        assert "<h1>Comparison of 2 pipelines</h1>" in page
        assert "24P is not compared: it has results of 0 runs, and 10 are needed." in page
        assert "24P, which is not compared: 14 runs" in page
        assert [row[0] for row in rows_of(page, "sortable measures")[1:]] == ["1 baseline", "2 scrubbing.2+gsr"]

    def test_edges_left_out_are_noted(self, tmp_path):
        correlations, motion = make_correlations()
        correlations["24P"][3, :5] = np.nan
        page = make_page(write_study(tmp_path, correlations, motion).compare())
        assert "atlas: 5 edges left out" in page

    def test_methods_cite_what_was_measured(self, page):
        methods = text_of(page[page.index('id="methods-text"') :])
        for words in (
            "Denoising by 3 pipelines (baseline, 24P, scrubbing.2+gsr) was compared",
            "niimasker 1.2.3",
            "scipy 1.14.0",
            "10.1016/j.neuroimage.2017.03.020",
            "10.1016/j.neuroimage.2017.12.073",
            "10.1371/journal.pcbi.1011942",
            "10.1111/j.2517-6161.1995.tb02031.x",
            "10.1016/j.neuroimage.2011.03.069",
            "Louvain method (Blondel et al., 2008; networkx",
            "Finn et al., 2015), of the 4 runs of subjects with several runs",
        ):
            assert words in methods

    def test_methods_say_how_many_of_all_runs_are_compared(self, page, tmp_path):
        assert "over the 14 runs of 12 subjects that every pipeline kept" in page
        study = write_study(tmp_path, *make_correlations())
        study.rows[1].update(status="failed", reason="no degrees of freedom are left")
        assert "over the 13 of 14 runs of 13 subjects that every pipeline kept" in make_page(study.compare())

    def test_methods_say_of_which_matrix_the_modularity_of_precision_is(self, page, tmp_path):
        words = "for precision, whose sign is opposite to that of the partial correlation, of the negative"
        assert words not in page
        assert words in make_page(write_study(tmp_path, *make_correlations(), connectivity="precision").compare())

    def test_methods_leave_out_what_was_not_measured(self, tmp_path):
        names = ["LH_Vis_1", "LH_Vis_2", "LH_Cont_1", "RH_Vis_1", "RH_Vis_2", "RH_Cont_1"]
        study = write_study(tmp_path, *make_correlations(), names=names, centres=np.full_like(CENTRES, np.nan))
        page = make_page(study.compare())
        for words in ("Blondel", "Finn", "Amico", "Euclidean", "Distance dependence", "Subject similarity"):
            assert words not in page
        assert "the networks that the atlas assigns the regions to" in page

    def test_no_network_is_needed(self, page):
        assert re.findall(r'(?:src|href)="(?!data:)([a-z]+://[^"]*)"', page) == []

    def test_hostile_names_cannot_leave_the_text(self, tmp_path):
        correlations, motion = make_correlations()
        renamed = dict(zip(HOSTILE, correlations.values(), strict=False))
        page = make_page(write_study(tmp_path, renamed, motion, names=HOSTILE[:6]).compare())
        n_assets = page.count("<script src=")
        assert page.count("<script") == n_assets + 2
        assert "<img src=x" not in page
        assert "<b>bold" not in page


class TestTables:
    def test_pipelines_are_rows_and_measures_columns(self, page, comparison):
        (part,) = comparison.parts
        head, *rows = rows_of(page, "sortable measures")
        assert head[:2] == ["Pipeline", "Median |QC-FC| (r)"]
        assert [row[0] for row in rows] == [f"{number} {name}" for number, name in enumerate(PIPELINES, start=1)]
        shown = [float(row[1].split()[0]) for row in rows]
        assert shown == pytest.approx([measures.qcfc.median_absolute for measures in part.measures], abs=5e-4)

    def test_best_of_each_measure_is_marked(self, page):
        head, *rows = rows_of(page, "sortable measures")
        column = next(number for number, name in enumerate(head) if name.startswith("Degrees of freedom lost"))
        assert [row[column] for row in rows] == ["6.2 ★", "16.2", "26.2"]

    def test_all_numbers_are_listed_with_their_units(self, page):
        head, *rows = rows_of(page, "numbers")
        assert head == ["Number", "Unit", *PIPELINES]
        units = {row[0].split(",")[0]: row[1] for row in rows}
        assert units["Volumes censored"] == "%"
        assert len(rows) == 14
        censored = next(row for row in rows if row[0].startswith("Volumes censored"))
        assert censored[2:] == ["0.0", "5.0", "10.0"]

    def test_columns_without_values_are_left_out(self, tmp_path):
        page = make_page(write_study(tmp_path, *make_correlations()).compare())
        head, *_ = rows_of(page, "sortable measures")
        assert len(head) == 9
        assert not [name for name in head if name.startswith(("Subject", "Runs identified"))]

    def test_every_column_is_one_of_pipelines_tsv(self, comparison):
        from niimasker.group.comparison_table import comparison_table

        assert {measure.column for measure in MEASURES} <= set(comparison_table(comparison).columns)

    @pytest.mark.parametrize(
        ("best", "values", "expected"),
        [
            (LOWEST, [0.2, 0.1, np.nan], [False, True, False]),
            (HIGHEST, [0.2, 0.1, np.nan], [True, False, False]),
            (NEAREST_TO_0, [-0.1, 0.2, -0.3], [True, False, False]),
            (LOWEST, [0.1001, 0.1002, 0.2], [True, True, False]),
            (NEAREST_TO_0, [-0.1, 0.1, 0.2], [True, True, False]),
            (NEAREST_TO_0, [-0.1, 0.1], [False, False]),
            (LOWEST, [0.1, 0.1], [False, False]),
            (LOWEST, [np.nan, 0.1], [False, False]),
            ("", [0.1, 0.2], [False, False]),
        ],
    )
    def test_values_that_look_the_same_are_equally_good(self, best, values, expected):
        measure = Measure("x", "x", "", "x", lambda measures, losses: 0.0, 3, best)
        assert measure.find_best(values) == expected

    def test_rounding_errors_have_no_bar(self, comparison):
        (part,) = comparison.parts
        noise = dict(zip(PIPELINES, (-4e-16, 2e-16, 0.0), strict=True))
        measures = [
            dataclasses.replace(each, modularity=dataclasses.replace(each.modularity, quality=noise[each.pipeline]))
            for each in part.measures
        ]
        section = make_section(comparison, dataclasses.replace(part, measures=tuple(measures)))
        (column,) = [each for each in section.columns if each.measure.column == "modularity"]
        assert [(cell.text, cell.bar) for cell in column.cells] == [("0.000", None)] * 3

    def test_one_region_or_edge_is_not_several(self, comparison):
        (part,) = comparison.parts
        facts = make_section(comparison, dataclasses.replace(part, names=("a",), n_edges=1)).facts
        assert [(fact.value, fact.label) for fact in facts[3:5]] == [("1", "region"), ("1", "edge")]


class TestFigures:
    def test_distributions_have_an_area_of_one(self, page, comparison):
        data = figures_of(page)["distributions"]["data"]
        assert len(data) == 3 * len(PIPELINES)
        areas = [trace for trace in data if trace.get("fill")]
        heights = []
        for number, trace in enumerate(areas):
            base = len(PIPELINES) - 1 - number
            x, y = np.array(trace["x"][1:-1]), np.array(trace["y"][1:-1]) - base
            heights.append(y.sum() * (x[1] - x[0]))
        # All have one scale.
        assert heights == pytest.approx([heights[0]] * len(PIPELINES), rel=1e-3)

    def test_median_is_marked(self, page, comparison):
        (part,) = comparison.parts
        marks = [trace for trace in figures_of(page)["distributions"]["data"] if trace["mode"] == "markers"]
        assert [trace["x"][0] for trace in marks] == [np.nanmedian(each.qcfc.r) for each in part.measures]

    def test_every_pipeline_is_a_mark_by_what_it_loses_and_leaves(self, page, comparison):
        (part,) = comparison.parts
        (marks,) = figures_of(page)["tradeoff"]["data"]
        assert marks["x"] == pytest.approx([6.2, 16.2, 26.2])
        assert marks["y"] == pytest.approx([each.qcfc.median_absolute for each in part.measures], rel=1e-4)

    def test_every_figure_has_a_text(self, page, comparison):
        (part,) = comparison.parts
        alts = [html.unescape(alt) for alt in re.findall(r'class="plot" role="img" aria-label="(.*?)"', page)]
        assert len(alts) == 2
        assert f"baseline: {part.measures[0].qcfc.median_absolute:.3f}, " in alts[0]

    def test_without_compared_edges_there_are_none(self, tmp_path):
        correlations, motion = make_correlations()
        correlations["24P"][0] = np.nan
        page = make_page(write_study(tmp_path, correlations, motion).compare())
        assert figures_of(page) == {}
        assert "No QC-FC: no edge has a value in every compared run" in page
        assert ">nan<" not in page

    @pytest.mark.parametrize("n_runs", [10, 60])
    def test_density_by_chance_is_that_of_correlations_of_noise(self, n_runs):
        rng = np.random.default_rng(0)
        runs, motion = rng.normal(size=(4000, n_runs)), rng.normal(size=n_runs)
        r = np.array([np.corrcoef(edge, motion)[0, 1] for edge in runs])
        ends = np.linspace(-1, 1, 2001)
        cumulative = np.cumsum(density_by_chance(ends, n_runs)) * (ends[1] - ends[0])
        assert stats.kstest(r, lambda values: np.interp(values, ends, cumulative)).pvalue > 0.01


def test_page_is_written_with_what_it_needs(tmp_path, comparison):
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports/group_desc-24P.html").write_text("written before")
    write_comparison(tmp_path, comparison)
    page = (tmp_path / "reports/pipelines.html").read_text("utf-8")
    assert re.findall(r'<a href="(group[^"]*)">([^<]*)</a>', page) == [("group_desc-24P.html", "group page of 24P")]
    for asset in re.findall(r'(?:src|href)="(assets/[^"]+)"', page):
        assert (tmp_path / "reports" / asset).is_file()


def test_page_of_many_runs_and_regions_is_small(comparison):
    (part,) = comparison.parts
    rng = np.random.default_rng(0)
    r = rng.uniform(-0.5, 0.5, 79_800)
    measures = [dataclasses.replace(each, qcfc=dataclasses.replace(each.qcfc, r=r, p=r**2)) for each in part.measures]
    large = dataclasses.replace(comparison, parts=(dataclasses.replace(part, measures=tuple(measures)),))
    assert len(make_page(large)) < 100_000


class TestIndex:
    def test_says_that_each_image_is_a_run_for_each_pipeline(self):
        rows = [{**done(f"a_desc-{name}"), "image": "a.nii.gz", "pipeline": name} for name in ("24P", "36P", "raw")]
        page = make_index_page(rows, [None] * 3, date=DATE, versions=VERSIONS)
        assert "<p>Each of 1 image is a run for each of 3 pipelines.</p>" in page

    def test_links_to_the_page(self):
        note = GroupNote("pipelines.html", "3 pipelines")
        page = make_index_page([], [], date=DATE, versions=VERSIONS, comparison=note)
        assert '<a href="pipelines.html">Comparison of pipelines</a>: 3 pipelines' in page

    def test_says_why_there_is_none(self):
        note = GroupNote(None, "No comparison of pipelines: few.")
        page = make_index_page([], [], date=DATE, versions=VERSIONS, comparison=note)
        assert "No comparison of pipelines: few." in page
        assert "pipelines.html" not in page


def test_number_of_runs_is_that_of_the_comparison(comparison):
    assert len(comparison.runs.any_members) == N_RUNS
