"""--shard does a part of the runs; each part adds its runs to the summary of all."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from studies import results_in, start, statuses, summary, write_study

from niimasker.cli import main

N_RUNS = 7
DATA = Path("out/niimasker_data")


@pytest.fixture
def study(tmp_path, monkeypatch) -> list[str]:
    """The words of a study of 7 runs in the current folder, one of which cannot be read."""
    monkeypatch.chdir(tmp_path)
    write_study(tmp_path, N_RUNS)
    path = Path("sub-04_bold.nii.gz")
    path.write_bytes(path.read_bytes()[:-20])
    return ["out", "-i", "sub-*_bold.nii.gz", "-r", "atlas.nii.gz", "--no_report"]


def test_each_part_does_every_nth_run(study):
    assert main([*study, "--shard", "2/3"]) == 1
    ends = dict.fromkeys((f"sub-0{n}_bold" for n in range(N_RUNS)), "not started")
    assert statuses(Path("out")).to_dict() == ends | {"sub-01_bold": "done", "sub-04_bold": "failed"}
    assert [path.name for path in sorted(Path("out").glob("*.json"))] == ["sub-01_bold_timeseries.json"]


def test_all_parts_together_make_one_summary(study):
    codes = [main([*study, "--shard", f"{part}/3"]) for part in (3, 1, 2)]
    assert codes == [0, 0, 1]
    merged = summary(Path("out"))
    parts = [json.loads((DATA / "parameters.json").read_text())["runs"], merged.reset_index().to_dict("records")]
    assert [[row["output"] for row in rows] for rows in parts] == [[f"sub-0{n}_bold" for n in range(N_RUNS)]] * 2
    assert merged["status"].value_counts().to_dict() == {"done": 6, "failed": 1}


def test_together_they_write_what_one_call_writes(study):
    for part in (1, 2, 3):
        main([*study, "--shard", f"{part}/3"])
    merged, results = summary(Path("out")).drop(columns="seconds"), results_in(Path("out"))
    main(study)
    assert summary(Path("out")).drop(columns="seconds").equals(merged)
    assert results_in(Path("out")) == results


def test_resume_without_shard_does_the_rest(study):
    main([*study, "--shard", "1/2"])
    assert main([*study, "--resume"]) == 1
    expected = ["skipped", "done", "skipped", "done", "failed", "done", "skipped"]
    assert statuses(Path("out")).tolist() == expected


def test_more_parts_than_runs_make_one_summary_too(study):
    for part in range(1, 10):
        main([*study, "--shard", f"{part}/9"])
    assert len(summary(Path("out"))) == N_RUNS


def test_index_page_has_all_runs(study):
    for part in (1, 2):
        main([*study[:-1], "--shard", f"{part}/2"])
    page = Path("out/reports/index.html").read_text("utf-8")
    assert all(f"sub-0{n}_bold_report.html" in page for n in range(N_RUNS) if n != 4)


def test_parts_that_run_at_the_same_time_make_one_summary(study, tmp_path):
    words = [str(tmp_path / "out"), *study[1:]]
    processes = [
        start(*words, "--shard", f"{part}/3", code=f"import os; os.chdir({str(tmp_path)!r})") for part in (1, 2, 3)
    ]
    said = [process.communicate(timeout=120)[1] for process in processes]
    assert sorted(process.returncode for process in processes) == [0, 0, 1]
    assert sum(len(each.splitlines()) for each in said) == 1
    assert summary(Path("out"))["status"].value_counts().to_dict() == {"done": 6, "failed": 1}
    assert not list(Path("out").rglob(".niimasker-*"))
    assert not list(DATA.glob(".call-*"))


def test_parts_of_a_second_submission_with_other_settings_forget_the_first(study):
    for part in (1, 2, 3):
        main([*study, "--shard", f"{part}/3"])
    for part in (1, 2, 3):
        assert main([*study, "--detrend", "--shard", f"{part}/3", "--resume"]) == (1 if part == 2 else 0)
        sidecars = sorted(Path("out").glob("*.json"))
        assert all(json.loads(path.read_text())["Settings"]["detrend"] for path in sidecars)
        assert summary(Path("out"))["status"].tolist().count("done") == len(sidecars)
    parts = results_in(Path("out"))
    shutil.rmtree("out")
    main([*study, "--detrend"])
    assert results_in(Path("out")) == parts


def test_part_of_very_many_ends(study):
    assert main([*study, "--shard", "1/1000000000"]) == 0
    ended = statuses(Path("out"))
    assert ended[ended != "not started"].to_dict() == {"sub-00_bold": "done"}


@pytest.mark.parametrize("value", ["0/3", "4/3", "3", "a/b", "1/0", "-1/3", "1.5/3", ""])
def test_part_that_is_none_is_refused(study, capsys, value):
    code = main([*study, f"--shard={value}"])
    said = capsys.readouterr().err
    if value:
        assert code == 2
        assert "--shard: expected a part number and the number of parts, such as 3/40" in said
    else:
        assert code == 1
