"""A Dask scheduler that dies, hangs or is started again during a study."""

from __future__ import annotations

import re
import signal
import subprocess
from pathlib import Path

import pytest
from dask_processes import dask_processes
from studies import results_in, start, summary, wait_until, write_study

from niimasker import workflow
from niimasker.cli import main
from niimasker.running import execution, schedulers

pytest.importorskip("distributed")

N_RUNS = 6
# The runs are submitted in this order: with two threads, the first two are waited in and no other is started.
CODE = """
from pathlib import Path
from held_runs import Hold
from niimasker.running import cluster_workers, clusters, execution, schedulers
schedulers.SECONDS_TO_RECONNECT = {seconds}
cluster_workers._SECONDS_TO_ANSWER = clusters._SECONDS_BETWEEN_CHECKS = 0.5
execution.extract_runs = Hold(Path({folder!r}), before="sub-01_bold", after="sub-02_bold")
"""


@pytest.fixture
def dask(tmp_path):
    with dask_processes(tmp_path / "dask") as dask:
        yield dask


@pytest.fixture
def study(tmp_path) -> list[str]:
    return write_study(tmp_path, N_RUNS)


@pytest.fixture
def start_study(tmp_path, study, dask):
    """A function that starts the study on the cluster and returns when two runs are under way."""

    def start_held(seconds: float) -> subprocess.Popen[str]:
        (tmp_path / "held").mkdir()
        code = CODE.format(seconds=seconds, folder=str(tmp_path / "held"))
        process = start(tmp_path / "out", *study, "-q", "--scheduler", dask.address, code=code)
        wait_until(lambda: len(list((tmp_path / "held").iterdir())) == 2, "two runs are held")
        return process

    return start_held


def complete_runs(output_dir: Path) -> set[str]:
    return {path.name.removesuffix("_timeseries.json") for path in output_dir.glob("*_timeseries.json")}


def assert_resume_completes(folder: Path, study: list[str]) -> None:
    """Check that --resume leaves the tables of a study that was never disturbed."""
    assert main([str(folder / "out"), *study, "--resume"]) == 0
    assert main([str(folder / "undisturbed"), *study]) == 0
    found, expected = results_in(folder / "out"), results_in(folder / "undisturbed")
    assert found.keys() == expected.keys()
    assert all(found[name] == content for name, content in expected.items() if name.endswith(".tsv"))


@pytest.mark.parametrize(
    "number",
    [signal.SIGKILL, *(pytest.param(each, marks=pytest.mark.long) for each in (signal.SIGTERM, signal.SIGSTOP))],
    ids=lambda number: number.name,
)
def test_lost_scheduler_ends_the_study_in_one_line(tmp_path, dask, study, start_study, number):
    workers = [dask.add_worker(), dask.add_worker()]
    process = start_study(1)
    dask.scheduler.send_signal(number)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    (line,) = said.splitlines()
    assert re.fullmatch(
        rf"niimasker: failed: \S+sub-01_bold.nii.gz: the Dask scheduler at {dask.address} was lost: it has not "
        "answered for 1 s; see its logs, and process the remaining runs with --resume.",
        line,
    )
    states = summary(tmp_path / "out")["status"]
    assert "sub-02_bold" in complete_runs(tmp_path / "out")
    assert set(states.index[states == "done"]) == complete_runs(tmp_path / "out")
    assert states["sub-01_bold"] == "failed"
    assert set(states[states != "done"]) <= {"failed", "not started"}
    for worker in workers:
        worker.kill()
    assert_resume_completes(tmp_path, study)


@pytest.mark.long
def test_study_goes_on_when_the_scheduler_is_started_again(tmp_path, dask, study, start_study):
    dask.add_worker()
    dask.add_worker()
    process = start_study(60)
    dask.start_scheduler_again()
    dask.add_worker()
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert sorted(re.findall(r"(sub-\d+)_bold.nii.gz: (.*)", said)) == [
        (sub, "the connection to the Dask cluster was interrupted while a worker processed it")
        for sub in ("sub-01", "sub-02")
    ]
    assert len(said.splitlines()) == 2
    assert summary(tmp_path / "out")["status"].value_counts().to_dict() == {"done": 4, "failed": 2}
    assert_resume_completes(tmp_path, study)


def test_scheduler_that_is_lost_before_any_worker_comes_fails_the_study(tmp_path, dask, study, monkeypatch, capsys):
    monkeypatch.setattr(schedulers, "SECONDS_TO_RECONNECT", 0.5)
    submit = execution.extract_plans

    def kill_first(*args):
        dask.scheduler.kill()
        yield from submit(*args)

    monkeypatch.setattr(workflow, "extract_plans", kill_first)
    assert main([str(tmp_path / "out"), *study, "--scheduler", dask.address]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert f"sub-00_bold.nii.gz: the Dask scheduler at {dask.address} was lost" in line
    assert summary(tmp_path / "out")["status"].value_counts().to_dict() == {"not started": 5, "failed": 1}
    assert not results_in(tmp_path / "out")
