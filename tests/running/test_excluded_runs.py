"""Runs beyond the limits of --min_minutes, --max_mean_fd and --max_censored are excluded, and are no failures."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from images import save
from studies import results_in, statuses, summary, write_study

import niimasker
from niimasker.cli import main
from niimasker.errors import NiimaskerWarning

N_VOLUMES = 12
# Framewise displacement in mm: of a still run, one that moves throughout, one that moves in its second half.
MOTION = ([0.1] * N_VOLUMES, [0.4] * N_VOLUMES, [0.1] * 6 + [0.8] * 6, [0.1] * N_VOLUMES)
INPUTS = ("-i", "sub-*_bold.nii.gz", "-r", "atlas.nii.gz", "--regressor_files", "sub-*_confounds.tsv")
SCRUB = ("--regressors", "scrub", "--std_dvars_threshold", "0", "--scrub_segment", "0")
HALF = ("--max_censored", "0.4")
MOVES, HALF_MOVES = "sub-01_bold", "sub-02_bold"


def write_motion(folder: Path, number: int, displacement: list[float], column: str = "framewise_displacement") -> None:
    noise = np.random.default_rng(number).normal(size=N_VOLUMES)
    rows = "".join(
        f"{x}\t{'n/a' if not row else fd}\n" for row, (x, fd) in enumerate(zip(noise, displacement, strict=True))
    )
    (folder / f"sub-{number:02}_confounds.tsv").write_text(f"x\t{column}\n{rows}")


@pytest.fixture
def study(tmp_path, monkeypatch) -> Path:
    """The current folder: runs that move more and less."""
    monkeypatch.chdir(tmp_path)
    write_study(tmp_path, len(MOTION))
    for number, displacement in enumerate(MOTION):
        write_motion(tmp_path, number, displacement)
    return tmp_path


@pytest.fixture(params=[1, 2], ids=["one process", "two processes"])
def call(request, study) -> Callable[..., int]:
    """Call niimasker without pages, in one process and in two."""
    return lambda *words: main(["out", *INPUTS, *SCRUB, "--no_report", "--n_jobs", str(request.param), *words])


def tables_in(output_dir: Path) -> dict[str, Any]:
    """The files of the runs, without their folder and the times of images, which vary where these are just written."""
    found: dict[str, Any] = dict(results_in(output_dir))
    for name, content in results_in(output_dir).items():
        if name.endswith(".json"):
            found[name] = {key: value for key, value in json.loads(content).items() if key != "Fingerprint"}
            found[name].get("Settings", {}).pop("output_dir", None)
    return found


def reasons(output_dir: Path = Path("out")) -> dict[str, str]:
    """Why runs are excluded."""
    table = summary(output_dir)
    return table.loc[table["status"] == "excluded", "reason"].to_dict()


@pytest.mark.parametrize(
    ("limit", "excluded"),
    [
        (HALF, {HALF_MOVES: "its share of censored volumes, 0.5, is above --max_censored 0.4"}),
        (
            ("--max_mean_fd", "0.39"),
            {MOVES: "its mean FD, 0.4 mm, is above --max_mean_fd 0.39"} | {HALF_MOVES: "0.482"},
        ),
        (("--min_minutes", "0.4"), {HALF_MOVES: "only 0.2 min of volumes are kept, below --min_minutes 0.4"}),
        (("--min_minutes", "0.1", "--max_mean_fd", "1", "--max_censored", "1"), {}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_runs_beyond_a_limit_are_excluded_with_the_reason(call, limit, excluded):
    assert call(*limit) == 0
    found = reasons()
    assert found.keys() == excluded.keys()
    assert all(reason in found[name] for name, reason in excluded.items())
    assert set(statuses(Path("out"))) <= {"done", "excluded"}


def test_tables_are_those_of_a_call_without_limits(call):
    assert call(*HALF, "--max_mean_fd", "0.3", "--min_minutes", "1") == 0
    assert main(["free", *INPUTS, *SCRUB, "--no_report"]) == 0
    assert tables_in(Path("out")) == tables_in(Path("free"))


def test_numbers_of_an_excluded_run_are_in_the_summary(call):
    call(*HALF)
    row = summary(Path("out")).loc[HALF_MOVES]
    assert (row["n_volumes"], row["n_censored"], row["skipped"]) == (6, 6, 0)
    assert row["mean_fd"] == pytest.approx(np.mean(MOTION[2][1:]))


def test_terminal_names_the_excluded_runs(call, capsys):
    call(*HALF)
    output = capsys.readouterr()
    assert "3 runs done, 4 tables of time series in out; 1 of 4 runs excluded" in output.out
    assert f"excluded: {HALF_MOVES}: its share of censored volumes, 0.5, is above" in output.out
    assert "failed:" not in output.out + output.err


def test_reasons_of_many_excluded_runs_are_in_the_summary(study, capsys):
    main(["out", *INPUTS, *SCRUB, "--no_report", "--max_mean_fd", "0.01"])
    output = capsys.readouterr().out
    assert output.count("\nexcluded: ") == 3
    assert "all 4 excluded runs, with reasons: out/niimasker_data/summary.tsv" in output


class TestResume:
    def test_limits_of_the_present_call_count(self, call):
        call()
        tables = results_in(Path("out"))
        for limit, excluded in ((HALF, {HALF_MOVES}), (("--max_mean_fd", "0.3"), {MOVES, HALF_MOVES}), ((), set())):
            assert call("--resume", *limit) == 0
            assert reasons().keys() == excluded
            assert summary(Path("out"))["skipped"].tolist() == [1] * len(MOTION)
        assert results_in(Path("out")) == tables

    def test_excluded_run_is_skipped(self, call, capsys):
        call(*HALF)
        capsys.readouterr()
        assert call("--resume", *HALF) == 0
        assert summary(Path("out")).loc[HALF_MOVES, ["status", "skipped"]].tolist() == ["excluded", 1]
        assert "0 runs done, 3 skipped, 4 tables of time series in out; 1 of 4 runs excluded" in capsys.readouterr().out

    def test_page_says_whether_the_present_call_excludes_the_run(self, study):
        words = ["out", *INPUTS, *SCRUB]
        note = re.compile(r'<div id="exclusion">(.*?)</div>')
        pages = {name: Path(f"out/reports/{name}_report.html") for name in (MOVES, HALF_MOVES)}
        assert main(words) == 0
        without = {name: path.read_bytes() for name, path in pages.items()}
        assert main([*words, "--resume", *HALF]) == 0
        found = {name: note.findall(path.read_text("utf-8")) for name, path in pages.items()}
        assert found[MOVES] == [""]
        assert "its share of censored volumes, 0.5, is above --max_censored 0.4" in found[HALF_MOVES][0]
        assert main([*words, "--resume"]) == 0
        assert {name: path.read_bytes() for name, path in pages.items()} == without

    def test_run_known_by_its_json_file_alone_is_compared_with_the_limits(self, call):
        call("--max_censored", "1")
        Path("out/niimasker_data/summary.tsv").unlink()
        one = [*("-i", "sub-00_bold.nii.gz", "-r", "atlas.nii.gz", "--regressor_files", "sub-00_confounds.tsv"), *SCRUB]
        assert main(["out", *one, "--no_report", *HALF, "--min_minutes", "0.01", "--max_mean_fd", "0.39"]) == 0
        assert reasons().keys() == {MOVES, HALF_MOVES}


class TestRunsWithoutTables:
    @pytest.fixture
    def moving(self, study) -> Path:
        """The study, in which the second run moves in each volume and the third in all but three."""
        write_motion(study, 1, [0.9] * N_VOLUMES)
        write_motion(study, 2, [0.1] * 3 + [0.8] * 9)
        return study

    def test_too_few_volumes_beyond_a_limit_are_no_failure(self, moving, call):
        words = ("--discard_scans", "1", "--regressors", "scrub", "x", "--detrend")
        assert call(*words) == 1
        assert statuses(Path("out")).tolist() == ["done", "failed", "failed", "done"]
        assert call(*words, *HALF) == 0
        assert statuses(Path("out")).tolist() == ["done", "excluded", "excluded", "done"]
        assert "share of censored volumes, 1, is above --max_censored 0.4. It has no tables: " in reasons()[MOVES]
        assert "degrees of freedom" in reasons()[HALF_MOVES]
        assert summary(Path("out")).loc[[MOVES, HALF_MOVES], "n_volumes"].isna().all()

    def test_they_are_resumed_and_stay_in_the_summary_of_later_calls(self, moving, call):
        words = ("--discard_scans", "1", *HALF)
        for more in ((), ("--resume",), ("--resume", "--fail_fast")):
            assert call(*words, *more) == 0
            assert statuses(Path("out"))[MOVES] == "excluded"
        one = ("-i", "sub-00_bold.nii.gz", "-r", "atlas.nii.gz", "--regressor_files", "sub-00_confounds.tsv")
        assert main(["out", *one, *SCRUB, *words, "--no_report"]) == 0
        assert statuses(Path("out"))[MOVES] == "excluded"

    def test_dry_run_excludes_them(self, moving, capsys):
        words = ["out", *INPUTS, *SCRUB, "--discard_scans", "1"]
        assert main([*words, "--dry_run"]) == 2
        assert main([*words, "--dry_run", *HALF]) == 0
        assert re.search(rf"{MOVES} +exclude\n", capsys.readouterr().out)

    def test_other_errors_fail_a_run_beyond_a_limit(self, moving, call):
        path = moving / "sub-02_bold.nii.gz"
        path.write_bytes(path.read_bytes()[:-200])
        assert call(*HALF) == 1
        assert statuses(Path("out"))[HALF_MOVES] == "failed"


def test_fail_fast_does_not_stop_at_an_excluded_run(call):
    assert call("--fail_fast", "--max_mean_fd", "0.3") == 0
    assert statuses(Path("out")).tolist() == ["done", "excluded", "excluded", "done"]


def test_dry_run_lists_what_would_be_excluded(call, capsys):
    assert call("--dry_run", *HALF) == 0
    output = capsys.readouterr().out
    assert re.search(rf"{HALF_MOVES} +exclude\n", output)
    assert f"exclude: {HALF_MOVES}: its share of censored volumes, 0.5, is above --max_censored 0.4\n" in output
    assert "4 runs: 3 to do, 0 to skip, 1 to exclude, 0 with errors." in output
    call()
    call("--dry_run", "--resume", *HALF)
    assert "4 runs: 0 to do, 3 to skip, 1 to exclude, 0 with errors." in capsys.readouterr().out


def test_warning_says_that_no_run_is_left(call, capsys):
    assert call("--max_mean_fd", "0.01") == 0
    assert "warning: all runs are excluded; raise --max_mean_fd" in capsys.readouterr().err
    call("--max_mean_fd", "0.3")
    assert "all runs" not in capsys.readouterr().err


def test_shards_exclude_the_same_runs(study):
    for shard in ("1/2", "2/2"):
        assert main(["out", *INPUTS, *SCRUB, "--no_report", *HALF, "--shard", shard]) == 0
    assert reasons().keys() == {HALF_MOVES}


def test_long_table_leaves_excluded_runs_out(call):
    call(*HALF, "--tidy", "tsv.gz")
    runs = pd.read_csv("out/timeseries.tsv.gz", sep="\t")["run"].unique()
    assert runs.tolist() == ["sub-00_bold", MOVES, "sub-03_bold"]
    call("--resume", "--tidy", "tsv.gz")
    assert pd.read_csv("out/timeseries.tsv.gz", sep="\t")["run"].nunique() == len(MOTION)


def test_group_leaves_excluded_runs_out(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_study(tmp_path, 12)
    for number in range(12):
        write_motion(tmp_path, number, [0.1 + number / 100] * N_VOLUMES)
    words = ["out", *INPUTS, "--regressors", "none", "--connectivity", "pearson", "--no_report"]
    group_path = Path("out/niimasker_data/group.tsv")
    for limit, n_runs in (((), 12), (("--max_mean_fd", "0.195"), 10)):
        assert main([*words, "--resume", *limit]) == 0
        assert pd.read_csv(group_path, sep="\t")["n_runs"].tolist() == [n_runs]
    assert main([*words, "--resume", "--max_mean_fd", "0.185"]) == 0
    assert not group_path.exists()


def test_group_page_lists_excluded_runs_with_the_reason(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_study(tmp_path, 12)
    for number in range(12):
        write_motion(tmp_path, number, [0.1 + number / 100] * N_VOLUMES)
    words = ["out", *INPUTS, "--regressors", "none", "--connectivity", "pearson", "--resume"]
    assert main([*words, "--max_mean_fd", "0.195"]) == 0
    page = Path("out/reports/group.html").read_text("utf-8")
    assert "2 runs excluded; the table of runs gives the reason." in page
    for number, motion in (("10", "0.2"), ("11", "0.21")):
        assert f'title="sub-{number}_bold"><a href="sub-{number}_bold_report.html">sub-{number}</a>' in page
        assert f"excluded: its mean FD, {motion} mm, is above --max_mean_fd 0.195" in page
    index = Path("out/reports/index.html")
    assert "mean connectivity of 10 runs, and its relation to head motion; 2 runs excluded" in index.read_text("utf-8")
    assert main([*words, "--max_mean_fd", "0.185"]) == 0
    assert "it needs 10 runs that are done; 9 are (3 runs excluded)." in index.read_text("utf-8")


def test_index_shows_excluded_runs_with_their_page(study):
    assert main(["out", *INPUTS, *SCRUB, *HALF]) == 0
    page = Path("out/reports/index.html").read_text("utf-8")
    data = re.findall(r'<script type="application/json" id="study">(.*?)</script>', page)
    run = next(run for run in json.loads(data[0])["runs"] if run[0] == HALF_MOVES)
    assert run[2:5] == [
        "excluded",
        "its share of censored volumes, 0.5, is above --max_censored 0.4",
        f"{HALF_MOVES}_report.html",
    ]
    assert "1 excluded</a>" in page


def test_bids_derivative_keeps_the_files_of_excluded_runs(study):
    for number in range(len(MOTION)):
        for end in ("bold.nii.gz", "confounds.tsv"):
            (study / f"sub-{number:02}_{end}").rename(f"sub-{number:02}_task-rest_{end}")
    words = [*INPUTS, *SCRUB, "--output_layout", "bids", "--no_report"]
    assert main(["free", *words]) == 0
    assert main(["out", *words, *HALF]) == 0
    runs, without = (
        {name: content for name, content in tables_in(Path(folder)).items() if name.startswith("sub-")}
        for folder in ("out", "free")
    )
    assert len(runs) > 20
    assert runs == without
    assert summary(Path("out"))["status"].tolist() == ["done", "done", "excluded", "done"]


def test_pipelines_are_judged_by_their_own_kept_volumes(study):
    pipelines = {"strict": {"scrub": True, "std_dvars_threshold": 0, "scrub_segment": 0}, "plain": {"scrub": False}}
    (study / "pipelines.json").write_text(json.dumps(pipelines))
    words = ["out", *INPUTS, "--regressors", "none", "--no_report", "--pipelines", "pipelines.json"]
    assert main([*words, *HALF, "--min_minutes", "0.3"]) == 0
    found = summary(Path("out"))
    assert found.loc[found["status"] == "excluded", "pipeline"].to_dict() == {f"{HALF_MOVES}_desc-strict": "strict"}


def test_warning_names_the_pipeline_of_which_no_run_is_left(study, capsys):
    Path("pipelines.json").write_text('{"a": {"scrub": true, "fd_threshold": 0.05, "scrub_segment": 0}, "b": {}}')
    words = ["out", *INPUTS, "--regressors", "none", "--no_report", "--std_dvars_threshold", "0"]
    assert main([*words, "--pipelines", "pipelines.json", "--max_censored", "0.1"]) == 0
    assert "all runs of pipeline 'a' are excluded" in capsys.readouterr().err


def test_pipeline_may_not_have_limits_of_its_own(study, capsys):
    Path("pipelines.json").write_text('{"a": {"max_censored": 0.5}}')
    assert main(["out", *INPUTS, "--pipelines", "pipelines.json"]) == 2
    assert "'max_censored' is the same for all pipelines" in capsys.readouterr().err


class TestWhatIsNotKnown:
    def test_minutes_need_the_repetition_time(self, study, capsys):
        for number in range(len(MOTION)):
            save(study / f"sub-{number:02}_bold.nii.gz", np.ones((7, 8, 9, N_VOLUMES)))
        assert main(["out", *INPUTS, *SCRUB, "--min_minutes", "1"]) == 2
        assert "--min_minutes needs one: give --t_r in seconds" in capsys.readouterr().err
        assert main(["out", *INPUTS, *SCRUB, "--min_minutes", "1", "--t_r", "2", "--dry_run"]) == 0

    def test_run_without_displacement_fails_alone_beside_others(self, tmp_path, monkeypatch, capsys):
        monkeypatch.chdir(tmp_path)
        write_study(tmp_path, 2)
        for number, column in enumerate(("framewise_displacement", "other")):
            write_motion(tmp_path, number, MOTION[0], column)
            (tmp_path / f"sub-{number:02}_confounds.tsv").rename(f"sub-{number:02}_desc-confounds_timeseries.tsv")
        assert main(["out", *INPUTS[:4], "--no_report", "--max_mean_fd", "1"]) == 1
        assert statuses(Path("out")).tolist() == ["done", "failed"]
        assert "so --max_mean_fd cannot judge this run" in capsys.readouterr().err

    def test_tables_that_are_given_need_displacement(self, study, capsys):
        write_motion(study, 1, MOTION[1], "other")
        assert main(["out", *INPUTS, "--regressors", "x", "--max_mean_fd", "1"]) == 2
        error = capsys.readouterr().err
        assert "sub-01_bold.nii.gz: its framewise displacement is not known (sub-01_confounds.tsv has none)" in error

    def test_images_without_tables_need_one(self, study, capsys):
        for path in study.glob("*_confounds.tsv"):
            path.unlink()
        assert main(["out", *INPUTS[:4], "--max_mean_fd", "1"]) == 2
        assert "no confounds table beside it" in capsys.readouterr().err


def test_outcomes_of_a_python_call_say_what_is_excluded(study):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NiimaskerWarning)
        outcomes = niimasker.extract(
            "out",
            input_files="sub-*_bold.nii.gz",
            roi_file="atlas.nii.gz",
            regressor_files="sub-*_confounds.tsv",
            regressors="none",
            max_mean_fd=0.3,
            no_report=True,
        )
    assert [outcome.status for outcome in outcomes] == ["done", "excluded", "excluded", "done"]
    assert outcomes[1].reason == "its mean FD, 0.4 mm, is above --max_mean_fd 0.3"
    assert outcomes[1].tables[0].signals_path.is_file()
