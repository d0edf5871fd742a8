"""Runs are judged by the thresholds of the present call: in summary.tsv, on the screen and on their pages."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from images import make_series, save
from studies import LABELS, results_in, summary, write_study

import niimasker
from niimasker.cli import main
from niimasker.errors import NiimaskerWarning

N_VOLUMES = 12
# Framewise displacement of each run in mm, but for the first volume.
MOTION = (0.1, 0.3, 0.6, 0.1)
INPUTS = ("-i", "sub-*_bold.nii.gz", "-r", "atlas.nii.gz", "--regressor_files", "sub-*_confounds.tsv")
INPUTS += ("--regressors", "none")
# Runs of 12 volumes are short by design.
SHORT = {"minutes": {"amber": 0.3, "red": 0.1}, "degrees_of_freedom": None}
LISTED = "see the columns verdict and concerns of out/niimasker_data/summary.tsv"


@pytest.fixture
def study(tmp_path, monkeypatch) -> Path:
    """The current folder: four runs that move more and less, and thresholds for short runs."""
    monkeypatch.chdir(tmp_path)
    write_study(tmp_path, len(MOTION))
    for number, displacement in enumerate(MOTION):
        rows = "".join(f"{'n/a' if not row else displacement}\n" for row in range(N_VOLUMES))
        Path(f"sub-{number:02}_confounds.tsv").write_text(f"framewise_displacement\n{rows}")
    judge("short.json", SHORT)
    return tmp_path


def judge(name: str, thresholds: object) -> str:
    Path(name).write_text(json.dumps(thresholds), encoding="utf-8")
    return name


@pytest.fixture(params=[1, 2], ids=["one process", "two processes"])
def call(request, study) -> Callable[..., int]:
    """Call niimasker with the thresholds for short runs, in one process and in two."""
    given = ("--n_jobs", str(request.param), "--judge", "short.json")
    return lambda *words: main(["out", *INPUTS, *given, *words])


def column(name: str) -> list[str | float]:
    return summary(Path("out"))[name].fillna("").tolist()


def page_of(run: str) -> str:
    return Path(f"out/reports/{run}_report.html").read_text("utf-8")


def status_on(page: str) -> tuple[str, str]:
    ((kind, words),) = re.findall(r'<span class="status (\w+)">([^<]*)</span>', page)
    return kind, words


def line_of(output: str) -> str:
    """The line about runs that need a look; empty without one."""
    return next((line for line in output.splitlines() if "a look" in line), "")


def test_verdict_is_in_the_summary_and_on_the_page(call):
    assert call() == 0
    words = ["complete", *["complete, look at mean FD of kept volumes"] * 2, "complete"]
    assert column("verdict") == words
    assert column("concerns") == [
        "",
        "amber: mean FD of kept volumes 0.30 mm, above 0.2 mm",
        "red: mean FD of kept volumes 0.60 mm, above 0.55 mm",
        "",
    ]
    assert column("minutes") == [0.4] * 4
    kinds = ["good", "warn", "bad", "good"]
    assert [status_on(page_of(f"sub-0{number}_bold")) for number in range(4)] == list(zip(kinds, words, strict=True))


def test_terminal_names_runs_that_need_a_look_grave_ones_first(call, capsys):
    call("--no_report")
    assert line_of(capsys.readouterr().out) == (
        "2 of 4 runs need a look: sub-02 (mean FD of kept volumes 0.60 mm, above 0.55 mm), "
        "sub-01 (mean FD of kept volumes 0.30 mm, above 0.2 mm)"
    )


def test_terminal_says_nothing_of_sound_runs_nor_when_quiet(study, capsys):
    sound = judge("sound.json", {**SHORT, "mean_fd": None})
    main(["out", *INPUTS, "--no_report", "--judge", sound])
    assert line_of(capsys.readouterr().out) == ""
    main(["out", *INPUTS, "--no_report", "--judge", "short.json", "-q"])
    output = capsys.readouterr()
    assert output.out + output.err == ""


def test_one_run_needs_a_look(study, capsys):
    one = judge("one.json", {**SHORT, "mean_fd": {"amber": 0.5, "red": 0.55}})
    main(["out", *INPUTS, "--no_report", "--judge", one])
    assert line_of(capsys.readouterr().out).startswith("1 of 4 runs needs a look: sub-02 (")


def test_concern_of_many_runs_is_said_once(study, capsys):
    main(["out", *INPUTS, "--no_report"])
    assert line_of(capsys.readouterr().out) == (
        "4 of 4 runs need a look (4 red): minutes kept below 9 min in 4 runs (lowest 0.4 min in sub-02), "
        "mean FD of kept volumes above 0.2 mm in 2 runs (highest 0.60 mm in sub-02), "
        "degrees of freedom below 50 in 4 runs (lowest 11 in sub-02); "
        f"worst first: sub-02, sub-01, sub-00, sub-03; {LISTED}"
    )


def write_short_runs(n_volumes: dict[int, int]) -> None:
    """Write runs that are too short, by their subjects, and move little."""
    for subject, n in n_volumes.items():
        save(Path(f"sub-{subject:02}_bold.nii.gz"), make_series(LABELS)[..., :n], t_r=2.0)
        Path(f"sub-{subject:02}_confounds.tsv").write_text("framewise_displacement\nn/a\n" + "0.1\n" * (n - 1))


def test_many_runs_with_different_concerns_are_counted_and_named(study, capsys):
    write_short_runs({4: 6, 5: 5})
    main(["out", *INPUTS, "--no_report", "--judge", "short.json"])
    assert line_of(capsys.readouterr().out) == (
        "4 of 6 runs need a look (1 red): sub-02 (mean FD of kept volumes 0.60 mm, above 0.55 mm), "
        "sub-01 (mean FD of kept volumes 0.30 mm, above 0.2 mm), sub-04 (minutes kept 0.2 min, below 0.3 min), "
        f"sub-05 (minutes kept 0.2 min, below 0.3 min); {LISTED}"
    )


def test_five_runs_are_named_worst_first(study, capsys):
    write_short_runs({4: 6, 5: 5, 6: 6, 7: 6})
    Path("sub-07_confounds.tsv").write_text("framewise_displacement\nn/a\n" + "0.3\n" * 5)
    main(["out", *INPUTS, "--no_report", "--judge", "short.json"])
    assert "; worst first: sub-02, sub-07, sub-01, sub-04, sub-05, ...; see" in line_of(capsys.readouterr().out)


def test_excluded_runs_need_no_look(call, capsys):
    call("--max_mean_fd", "0.5")
    assert line_of(capsys.readouterr().out).startswith("1 of 4 runs needs a look: sub-01 (")
    assert summary(Path("out")).loc["sub-02_bold", "verdict"] == "excluded"
    assert "red: mean FD" in summary(Path("out")).loc["sub-02_bold", "concerns"]
    assert status_on(page_of("sub-02_bold")) == ("bad", "excluded")


def test_failed_run_has_no_concerns(study, capsys):
    Path("sub-03_bold.nii.gz").write_bytes(Path("sub-03_bold.nii.gz").read_bytes()[:-200])
    assert main(["out", *INPUTS, "--judge", "short.json"]) == 1
    row = summary(Path("out")).loc["sub-03_bold"]
    assert row["verdict"] == "failed"
    assert pd.isna(row["concerns"])
    assert status_on(page_of("sub-03_bold")) == ("bad", "failed")
    assert line_of(capsys.readouterr().out).startswith("2 of 4 runs need a look: ")


def test_tables_are_the_same_with_other_thresholds(call):
    call("--no_report")
    tables = results_in(Path("out"))
    assert not any(b'"judge"' in content for content in tables.values())
    assert main(["out", *INPUTS, "--no_report", "--resume"]) == 0
    assert summary(Path("out"))["skipped"].tolist() == [1] * len(MOTION)
    assert results_in(Path("out")) == tables


class TestResume:
    def test_pages_and_rows_are_those_of_a_call_with_these_thresholds(self, call):
        call()
        pages = {path: path.read_bytes() for path in Path("out/reports").glob("*_report.html")}
        verdicts = column("verdict")
        strict = judge("strict.json", {**SHORT, "mean_fd": {"amber": 0.05, "red": 0.2}, "coverage": None})
        assert main(["out", *INPUTS, "--resume", "--judge", strict]) == 0
        assert column("skipped") == [1] * len(MOTION)
        assert column("verdict") == ["complete, look at mean FD of kept volumes"] * 4
        statuses = [status_on(path.read_text("utf-8")) for path in sorted(pages)]
        assert [kind for kind, _ in statuses] == ["warn", "bad", "bad", "warn"]
        assert all("amber above 0.05, red above 0.2 mm (--judge)" in path.read_text("utf-8") for path in pages)
        assert main(["out", *INPUTS, "--resume", "--judge", "short.json"]) == 0
        assert {path: path.read_bytes() for path in pages} == pages
        assert column("verdict") == verdicts

    def test_pages_are_not_written_again_without_a_change(self, call):
        call()
        states = {path: path.stat().st_mtime_ns for path in Path("out/reports").glob("*_report.html")}
        assert call("--resume") == 0
        assert {path: path.stat().st_mtime_ns for path in states} == states

    def test_number_of_regions_below_a_threshold_is_counted_anew(self, study):
        image = make_series(LABELS)
        image[LABELS == 2] = 0  # a region without signal
        save(Path("sub-00_bold.nii.gz"), image, t_r=2.0)
        words = ["out", *INPUTS]
        main([*words, "--judge", judge("none.json", {**SHORT, "coverage": None})])
        assert "of 3 regions below" not in page_of("sub-00_bold")
        main([*words, "--resume", "--judge", "short.json"])
        assert "1 of 3 regions below 0.5" in page_of("sub-00_bold")
        assert status_on(page_of("sub-00_bold")) == ("bad", "complete, look at lowest coverage")

    def test_runs_of_other_calls_are_judged_by_these_thresholds(self, call):
        call("--no_report")
        some = ("-i", "sub-00_bold.nii.gz", "-r", "atlas.nii.gz", "--regressor_files", "sub-00_confounds.tsv")
        strict = judge("strict.json", {**SHORT, "mean_fd": {"amber": 0.25, "red": 0.27}})
        words = ["out", *some, "--regressors", "none", "--no_report", "--resume", "--judge", strict]
        assert main(words) == 0
        concerns = ["", "red: mean FD of kept volumes 0.30 mm, above 0.27 mm"]
        assert column("concerns")[:2] == concerns
        # Without the summary, the JSON files of the runs tell.
        Path("out/niimasker_data/summary.tsv").unlink()
        assert main(words) == 0
        assert column("concerns")[:2] == concerns

    def test_record_runs_the_same_again(self, call):
        call("--no_report")
        verdicts = column("verdict")
        assert main(["out", "-c", "out/niimasker_data/parameters.json", "--resume", "--no_report"]) == 0
        assert column("verdict") == verdicts
        recorded = json.loads(Path("out/niimasker_data/parameters.json").read_text("utf-8"))["parameters"]["judge"]
        assert recorded == {
            "minutes": {"amber": 0.3, "red": 0.1},
            "mean_fd": {"amber": 0.2, "red": 0.55},
            "degrees_of_freedom": None,
            "coverage": {"amber": 0.5, "red": 0.1},
        }


def test_run_without_repetition_time_and_confounds_says_so(study):
    save(Path("sub-09_bold.nii.gz"), make_series(LABELS), t_r=0.0)
    niimasker.extract("out", input_files="sub-09_bold.nii.gz", roi_file="atlas.nii.gz", judge=SHORT)
    page = page_of("sub-09_bold")
    assert status_on(page) == ("good", "complete")
    assert page.count('<li class="tile not-known">') == 2
    assert "neither the image&#39;s header nor a JSON file beside it gives a usable repetition time" in page
    assert "no confounds table was read for this run" in page
    assert "has no confounds table" not in page
    assert np.isnan(summary(Path("out"))[["minutes", "mean_fd_kept"]].to_numpy(dtype=float)).all()


def test_pipelines_are_judged_by_their_own_kept_volumes(study):
    pipelines = {"all": {}, "scrubbed": {"scrub": True, "fd_threshold": 0.25, "scrub_segment": 0}}
    rows = ["n/a", *["0.1"] * 8, *["0.9"] * 3]
    Path("sub-00_confounds.tsv").write_text("framewise_displacement\tstd_dvars\n" + "\t1\n".join(rows) + "\t1\n")
    with pytest.warns(NiimaskerWarning, match="8 degrees of freedom are left of 9 volumes"):
        niimasker.extract(
            "out",
            input_files="sub-00_bold.nii.gz",
            roi_file="atlas.nii.gz",
            regressor_files="sub-00_confounds.tsv",
            regressors="none",
            pipelines=pipelines,
            judge={**SHORT, "minutes": {"amber": 0.35, "red": 0.2}},
        )
    assert column("verdict") == ["complete, look at mean FD of kept volumes", "complete, look at minutes kept"]
    assert column("mean_fd_kept") == pytest.approx([(8 * 0.1 + 3 * 0.9) / 11, 0.1])
    assert status_on(page_of("sub-00_bold_desc-scrubbed")) == ("warn", "complete, look at minutes kept")
