"""The page of a study as text: what it says, in which order, and how large it gets."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from images import make_labels, make_series, save
from index_rows import HOSTILE, done, excluded, failed, not_started, study_rows

from niimasker.cli import main
from niimasker.options.merging import make_settings
from niimasker.options.thresholds import Threshold, Thresholds
from niimasker.reports.index_page import make_index_page, write_index
from niimasker.reports.outlying_runs import find_outliers, find_outliers_by_pipeline, scaled_deviation
from niimasker.reports.run_names import short_names
from niimasker.reports.strips import Measure, choose_measures, make_strip
from niimasker.study.preparation import prepare
from niimasker.workflow import run_study

DATE = datetime(2026, 11, 2, 9, 5, tzinfo=UTC)
VERSIONS = {"python": "3.12.1", "niimasker": "1.2.3", "nilearn": "0.14.1"}
MEASURE = {measure.key: measure for measure in choose_measures([])}
VOLUMES = Measure("n_volumes", "Kept volumes", "volumes that are neither discarded nor censored", "", 0)


def make_page(rows, links=None):
    return make_index_page(rows, links or [None] * len(rows), date=DATE, versions=VERSIONS)


def study_of(page: str) -> dict:
    (content,) = re.findall(r'<script type="application/json" id="study">(.*?)</script>', page, re.DOTALL)
    return json.loads(content)


def names_of(page: str) -> list[str]:
    return [run[0] for run in study_of(page)["runs"]]


class TestPage:
    def test_failed_runs_come_first_and_each_kind_keeps_its_order(self):
        rows = [done("a"), not_started("b"), failed("c"), done("d"), failed("e"), not_started("f")]
        assert names_of(make_page(rows)) == ["c", "e", "b", "f", "a", "d"]

    def test_links_stay_with_their_runs(self):
        page = make_page([done("a"), failed("b"), done("c")], ["a_report.html", None, "c_report.html"])
        assert {run[0]: run[4] for run in study_of(page)["runs"]} == {
            "a": "a_report.html",
            "b": None,
            "c": "c_report.html",
        }

    @pytest.mark.parametrize(
        ("link", "href"),
        [
            ("sub-1/100%#1?.html", "sub-1/100%25%231%3F.html"),
            ("javascript:alert(1)_report.html", "javascript%3Aalert%281%29_report.html"),
            ("é.html", "%C3%A9.html"),
            ("\udcff.html", "%FF.html"),
        ],
    )
    def test_link_is_a_file_name_and_not_a_url(self, link, href):
        assert study_of(make_page([done("a")], [link]))["runs"][0][4] == href

    def test_head_counts_runs(self):
        page = make_page([done("a"), done("b", n_warnings=3), failed("c"), not_started("d")])
        for words in ("4 runs", "2 complete", "1 failed", "1 not started", "1 with warnings"):
            assert words in page

    def test_head_counts_runs_that_need_a_look(self):
        page = make_page([done("a"), done("b", mean_fd=0.3), done("c", mean_fd=0.6), done("d", min_coverage=0.4)])
        assert "1 complete</a>" in page
        assert "3 need a look (1 red)</a>" in page
        assert "1 needs a look</a>" in make_page([done("a"), done("b", mean_fd=0.3)])
        assert "<title>niimasker: 2 runs, 1 to look at</title>" in make_page([done("a"), done("b", mean_fd=0.3)])

    def test_title_says_what_failed(self):
        assert "<title>niimasker: 2 runs, 1 failed</title>" in make_page([done("a"), failed("b")])
        assert "<title>niimasker: 1 run</title>" in make_page([done("a")])

    def test_head_holds_date_and_version_and_foot_the_other_versions(self):
        page = make_page([done("a")])
        assert '<time datetime="2026-11-02T09:05:00+00:00">2 November 2026, 09:05</time>' in page
        assert "niimasker 1.2.3" in page
        assert "python 3.12.1, niimasker 1.2.3, nilearn 0.14.1" in page

    def test_counts_are_there_without_javascript(self):
        page = make_page([done("a"), failed("b"), not_started("c")])
        (words,) = re.findall(r"<noscript>(.*?)</noscript>", page, re.DOTALL)
        assert "1 of 3 runs are complete, 0 need a look, 1 failed and\n1 are not started" in words

    def test_missing_numbers_are_null(self):
        run = study_of(make_page([done("a", mean_fd=float("nan"), n_volumes=150, n_censored=446, n_discarded=4)]))[
            "runs"
        ][0]
        assert run[7][:2] == [2.5, None]
        assert (run[6], run[9]) == (600, 150)

    def test_hostile_names_cannot_leave_the_text(self):
        page = make_page([done(name) for name in HOSTILE] + [failed("x", reason=HOSTILE[0])] * 5)
        assert page.count("<script") == page.count("<script src=") + 1
        assert "alert(1)</script>" not in page
        assert set(HOSTILE) <= set(names_of(page))

    def test_page_without_a_run_done_has_no_strips(self):
        assert "<figure" not in make_page([failed("a"), not_started("b")])

    def test_strips_say_in_words_what_they_show(self):
        rows = [done(f"sub-{k}_task-rest_bold", mean_fd=0.1 + k / 100) for k in range(20)]
        rows[7] = done("sub-7_task-rest_bold", mean_fd=3.5)
        page = make_page(rows)
        labels = re.findall(r'<canvas role="img" aria-label="(.*?)"', page)
        assert len(labels) == 5
        assert labels[1] == (
            "Mean FD over 20 runs: median 0.21 mm (0.10 to 3.50 mm); amber above 0.2, red above 0.55 mm. "
            "Outliers: sub-7 3.50 mm."
        )

    def test_ten_thousand_runs_make_a_small_page_soon(self):
        rows = study_rows(10_000)
        start = time.process_time()
        page = make_page(rows, [f"{row['output']}_report.html" for row in rows])
        assert time.process_time() - start < 5
        assert len(page) < 4_000_000
        assert page.count("<tr") == 1
        assert "<svg" not in page


class TestConcerns:
    def test_runs_are_sorted_by_concern(self):
        rows = [
            done("green"),
            not_started("not started"),
            done("amber", mean_fd=0.3),
            excluded("excluded", mean_fd=0.9),
            done("amber twice", mean_fd=0.3, min_coverage=0.4),
            done("red", min_coverage=0.05),
            failed("failed"),
            done("red and amber", min_coverage=0.05, mean_fd=0.3),
            done("red twice", min_coverage=0.05, mean_fd=0.9),
        ]
        assert names_of(make_page(rows)) == [
            "failed",
            "red twice",
            "red and amber",
            "red",
            "amber twice",
            "amber",
            "excluded",
            "not started",
            "green",
        ]

    @pytest.mark.parametrize(
        ("column", "green", "amber", "red"),
        [
            ("minutes", 9.0, 8.99, 4.99),
            ("mean_fd_kept", 0.2, 0.2001, 0.5501),
            ("degrees_of_freedom", 50.0, 49.9, 19.9),
            ("min_coverage", 0.5, 0.499, 0.099),
        ],
    )
    def test_state_follows_the_threshold_of_each_number(self, column, green, amber, red):
        rows = [done("a", **{column: green}), done("b", **{column: amber}), done("c", **{column: red})]
        runs = {run[0]: run for run in study_of(make_page(rows))["runs"]}
        assert [runs[name][2] for name in "abc"] == ["complete", "amber", "red"]
        assert [len(runs[name][10]) for name in "abc"] == [0, 1, 1]

    def test_unknown_numbers_are_no_concern(self):
        run = study_of(make_page([done("a", mean_fd=float("nan"), minutes=None)]))["runs"][0]
        assert (run[2], run[10]) == ("complete", [])

    def test_thresholds_of_the_call_count(self):
        strict = Thresholds(mean_fd=Threshold(0.05, 0.1))
        page = make_index_page([done("a"), done("b")], [None] * 2, date=DATE, versions=VERSIONS, thresholds=strict)
        study = study_of(page)
        assert [run[2] for run in study["runs"]] == ["red", "red"]
        assert study["strips"][1]["limits"] == [0.05, 0.1]
        assert "amber above 0.05, red above 0.1 mm" in page

    def test_concerns_keep_their_names_where_another_number_is_not_judged(self):
        rows = [done("a", mean_fd=0.3, min_coverage=0.05)]
        lenient = Thresholds(minutes=None, degrees_of_freedom=None)
        study = study_of(make_index_page(rows, [None], date=DATE, versions=VERSIONS, thresholds=lenient))
        concerns = [(study["criteria"][place]["noun"], grade) for place, grade, _ in study["runs"][0][10]]
        assert concerns == [("lowest coverage", "red"), ("mean FD of kept volumes", "amber")]


class TestOutliers:
    def test_value_beyond_three_scaled_deviations_is_an_outlier(self):
        # Median 50; of the 103 distances from it, 0, twice 1 to 50 and two larger ones, the median is 26.
        values = np.append(np.arange(101.0), [50 - 115.6, 50 + 115.7])
        assert 3 * scaled_deviation(values) == pytest.approx(3 * 1.4826 * 26) == pytest.approx(115.64, abs=0.01)
        assert find_outliers(values) == (102,)

    def test_low_and_high_ones_are_named_furthest_first(self):
        assert find_outliers(np.array([10, 11, 9, 10.5, 9.5, 40, -30.0, np.nan, 200])) == (8, 6, 5)

    def test_equal_values_but_few_have_these_as_outliers(self):
        values = np.full(100, 200.0)
        values[[3, 60]] = 150, 120
        assert find_outliers(values) == (60, 3)

    def test_equal_values_have_none(self):
        assert find_outliers(np.full(50, 200.0)) == ()

    def test_few_values_have_none(self):
        assert find_outliers(np.array([1.0, 1.1, 1.2, 900.0, np.nan])) == ()

    def test_failed_run_counts_for_nothing(self):
        rows = [*(done(str(k), median_tsnr=10.0 + k / 10) for k in range(10)), failed("x")]
        assert len(make_strip(rows, MEASURE["median_tsnr"]).known) == 10

    def test_far_outlier_does_not_stretch_the_axis(self):
        rows = [*(done(str(k), median_tsnr=10.0 + k / 10) for k in range(10)), done("x", median_tsnr=1e6)]
        low, high = make_strip(rows, MEASURE["median_tsnr"]).axis_range
        assert low == 10.0
        assert high < 20

    @pytest.mark.parametrize(
        ("key", "values", "drawn"),
        [
            ("median_tsnr", (1.8351, 1.8362), (1.33565, 2.33565)),
            ("median_tsnr", (0.2, 0.3), (0.0, 1.0)),
            ("min_coverage", (1.0, 1.0), (0.9, 1.0)),
            ("minutes", (5, 9.5), (5, 9.5)),
        ],
    )
    def test_small_differences_stay_small_on_the_axis(self, key, values, drawn):
        strip = make_strip([done(str(place), **{key: value}) for place, value in enumerate(values)], MEASURE[key])
        assert strip.axis_range == pytest.approx(drawn)

    def test_volumes_are_counted_where_no_repetition_time_is_known(self):
        rows = [done("a", minutes=None), done("b", minutes=float("nan"))]
        assert choose_measures(rows)[0] == VOLUMES
        assert choose_measures([*rows, done("c")])[0] == MEASURE["minutes"]

    def test_one_run_has_nothing_to_compare(self):
        assert make_strip([done("a"), failed("b")], MEASURE["minutes"]) is None

    def test_complete_outliers_on_the_bad_side_come_before_other_complete_runs(self):
        rows = [done(f"sub-{k}", median_tsnr=60 + k / 10, mean_fd=0.15 + k / 1000) for k in range(20)]
        rows += [
            done("good", median_tsnr=99, mean_fd=0.01),
            done("tsnr", median_tsnr=7.3),
            done("both", median_tsnr=7.3, mean_fd=0.199),
            done("amber", mean_fd=0.3),
            failed("failed"),
        ]
        page = make_page(rows)
        assert names_of(page)[:5] == ["failed", "amber", "both", "tsnr", "sub-0"]
        assert ">2 outliers</a>" in page
        unfavourable = {run[0]: run[11] for run in study_of(page)["runs"]}
        assert (unfavourable["good"], unfavourable["tsnr"], unfavourable["both"]) == ([], [2], [1, 2])

    def test_side_of_an_outlier_is_that_of_the_median_of_its_pipeline(self):
        few = [done(f"a{k}", pipeline="36P", degrees_of_freedom=100.0 + k) for k in range(6)]
        many = [done(f"b{k}", pipeline="24P", degrees_of_freedom=300.0 + k) for k in range(8)]
        few.append(done("high", pipeline="36P", degrees_of_freedom=150.0))
        strip = make_strip([*few, *many], MEASURE["degrees_of_freedom"])
        assert (strip.outliers, strip.unfavourable) == ((6,), ())


class TestShortNames:
    @pytest.mark.parametrize(
        ("names", "short"),
        [
            (["sub-01_task-rest_bold", "sub-02_task-rest_bold"], ["sub-01", "sub-02"]),
            (["a/func/run-1_bold", "b/func/run-1_bold"], ["a", "b"]),
            (["sub-01_bold", "sub-01_run-2_bold"], ["sub-01_bold", "sub-01_run-2_bold"]),
            (["bold"], ["bold"]),
            ([], []),
        ],
    )
    def test_parts_that_all_share_are_left_out(self, names, short):
        assert short_names(names) == short


class TestWriting:
    def test_pages_that_there_are_are_linked(self, tmp_path):
        write_index(tmp_path, [done("sub/a"), done("b")], [tmp_path / "reports" / "sub" / "a_report.html", None])
        text = (tmp_path / "reports" / "index.html").read_text(encoding="utf-8")
        assert [run[4] for run in study_of(text)["runs"]] == ["sub/a_report.html", None]

    def test_name_that_is_no_unicode_is_written(self, tmp_path):
        write_index(tmp_path, [done(f"\udcff{k}", mean_fd=float(k == 5)) for k in range(6)], [None] * 6)
        assert "index.html" in [path.name for path in (tmp_path / "reports").iterdir()]

    def test_everything_linked_beside_the_page_is_there(self, tmp_path):
        write_index(tmp_path, [done("a")], [None])
        text = (tmp_path / "reports" / "index.html").read_text(encoding="utf-8")
        linked = re.findall(r'(?:src|href)="(assets/.*?)"', text)
        assert "assets/index.js" in linked
        assert [name for name in linked if not (tmp_path / "reports" / name).is_file()] == []

    @pytest.fixture
    def _images(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        labels = make_labels((1, 2))
        save(Path("labels.nii.gz"), labels)
        save(Path("a.nii.gz"), make_series(labels))
        Path("b.nii.gz").write_bytes(Path("a.nii.gz").read_bytes()[:-400])

    @pytest.mark.usefixtures("_images")
    def test_run_of_the_program_writes_it(self):
        assert main(["out", "-i", "a.nii.gz", "b.nii.gz", "-r", "labels.nii.gz"]) == 1
        runs = study_of(Path("out/reports/index.html").read_text(encoding="utf-8"))["runs"]
        assert [run[:3] for run in runs] == [["b", "b.nii.gz", "failed"], ["a", "a.nii.gz", "red"]]
        assert [run[4] for run in runs] == [None, "a_report.html"]
        assert Path("out/reports/a_report.html").is_file()

    @pytest.mark.usefixtures("_images")
    def test_after_ctrl_c_runs_that_are_not_started_are_listed(self):
        Path("b.nii.gz").write_bytes(Path("a.nii.gz").read_bytes())
        options = {"output_dir": "out", "input_files": ["a.nii.gz", "b.nii.gz"], "roi_file": "labels.nii.gz"}

        def interrupt(outcome):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            run_study(prepare(make_settings(options)), on_outcome=interrupt)
        runs = study_of(Path("out/reports/index.html").read_text(encoding="utf-8"))["runs"]
        assert [run[1:3] for run in runs] == [["a.nii.gz", "red"], ["b.nii.gz", "not started"]]

    @pytest.mark.usefixtures("_images")
    def test_no_report_leaves_it_out(self):
        main(["out", "-i", "a.nii.gz", "-r", "labels.nii.gz", "--no_report"])
        assert not Path("out/reports").exists()

    @pytest.mark.usefixtures("_images")
    def test_page_that_cannot_be_written_costs_a_warning(self, capsys):
        Path("out").mkdir()
        Path("out/reports").write_text("in the way")
        assert main(["out", "-i", "a.nii.gz", "-r", "labels.nii.gz"]) == 0
        assert "niimasker: warning: reports/index.html is not written:" in capsys.readouterr().err
        assert Path("out/niimasker_data/summary.tsv").is_file()


def test_outliers_are_those_of_their_pipeline_and_the_furthest_from_its_median_first():
    few, many = [20.0, 21.0, 20.0, 19.0, 20.0, 25.0], [100.0, 101.0, 100.0, 99.0, 100.0, 130.0]
    rows = [{"pipeline": name} for name in ["36P"] * 6 + ["24P"] * 6]
    assert find_outliers_by_pipeline(rows, np.array(few + many)) == (11, 5)
