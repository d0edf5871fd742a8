"""Runs on a real Dask cluster of processes: a lost worker fails one run."""

from __future__ import annotations

import json
import logging
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from images import save
from studies import LABELS, kill, results_in, statuses, write_study

from niimasker import extract
from niimasker.cli import main
from niimasker.errors import RunError
from niimasker.outputs import results
from niimasker.running import execution
from niimasker.running.cluster_jobs import attempt_once, make_job
from niimasker.running.clusters import attempt_on_cluster
from niimasker.running.schedulers import connect
from niimasker.running.task import extract_runs

distributed = pytest.importorskip("distributed")

# What the cluster's own machinery leaves behind when its processes are killed.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture(scope="module")
def cluster():
    """Two processes of one thread each, which are started again when they are killed."""
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs=logging.CRITICAL
    ) as cluster:
        yield cluster


def kill_at_5(number: int) -> int:
    if number == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number


def raise_for_3(number: int) -> int:
    if number == 3:
        raise RunError("three is no good")
    return number


def on_cluster(cluster, function, tasks, folder):
    with connect(cluster.scheduler_address) as client:
        return dict(
            attempt_on_cluster(function, tasks, client=client, markers_folder=folder, on_start=lambda task: None)
        )


def test_failing_task_fails_alone(cluster, tmp_path):
    tried = on_cluster(cluster, raise_for_3, range(6), tmp_path)
    assert {task: each.reason for task, each in tried.items() if each.reason} == {3: "three is no good"}
    assert [each.value for task, each in sorted(tried.items())] == [0, 1, 2, None, 4, 5]


def test_killed_worker_fails_its_task_alone(cluster, tmp_path):
    tried = on_cluster(cluster, kill_at_5, range(12), tmp_path)
    assert {task: each.value for task, each in tried.items() if task != 5} == {n: n * n for n in range(12) if n != 5}
    assert tried[5].is_lost
    assert tried[5].reason.startswith("its worker was lost")


def test_task_that_was_started_is_not_started_again(tmp_path):
    job = make_job(raise_for_3, 3, tmp_path / "started-0")
    job.marker_path.touch()
    assert attempt_once(job).attempt.is_lost


def test_marker_is_removed_at_the_end(tmp_path):
    job = make_job(raise_for_3, 4, tmp_path / "started-0")
    assert attempt_once(job).attempt.value == 4
    assert not job.marker_path.exists()


def test_worker_that_does_not_see_the_folder_ends_all(tmp_path):
    tried = attempt_once(make_job(raise_for_3, 4, tmp_path / "away/started-0")).attempt
    assert tried.ends_all
    assert "on a disk that all workers of the cluster share" in tried.reason


# A study


@pytest.fixture
def study(tmp_path, monkeypatch, cluster) -> list[str]:
    """The words that extract 12 runs on the cluster, from the current folder."""
    monkeypatch.chdir(tmp_path)
    write_study(tmp_path, 12)
    words = ["out", "-i", "sub-*_bold.nii.gz", "-r", "atlas.nii.gz", "--no_report"]
    return [*words, "--scheduler", cluster.scheduler_address]


def test_cluster_writes_the_same_bytes(study):
    assert main(study) == 0
    there = results_in(Path("out"))
    assert main(study[:-2]) == 0
    assert results_in(Path("out")) == there
    assert len(there) == 36


def test_cluster_writes_the_same_bytes_of_voxels_in_masks_of_single_runs(study):
    for number in range(12):
        mask = np.arange(LABELS.size).reshape(LABELS.shape) > 20 * number
        save(Path(f"sub-{number:02}_mask.nii.gz"), mask.astype(np.uint8))
    options = ["--as_voxels", "--mask_img", "sub-{sub}_mask.nii.gz"]
    assert main([*study, *options]) == 0
    there = results_in(Path("out"))
    assert len(there) == 48
    for n_jobs in ("1", "2"):
        assert main([*study[:-2], *options, "--n_jobs", n_jobs]) == 0
        assert results_in(Path("out")) == there


def test_scheduler_may_be_named_by_its_file(study, cluster):
    Path("scheduler.json").write_text(json.dumps({"address": cluster.scheduler_address}))
    outcomes = extract(
        "out", input_files="sub-*_bold.nii.gz", roi_file="atlas.nii.gz", no_report=True, scheduler="scheduler.json"
    )
    assert {outcome.status for outcome in outcomes} == {"done"}


def test_broken_image_fails_alone(study, capsys):
    path = Path("sub-03_bold.nii.gz")
    path.write_bytes(path.read_bytes()[:-20])
    assert main(study) == 1
    assert "1 of 12 runs failed" in capsys.readouterr().out


def test_steps_of_every_run_are_told_when_verbose(study, capsys):
    assert main([*study, "-v"]) == 0
    said = capsys.readouterr().err
    assert all(f"sub-{n:02}_bold.nii.gz: signals extracted in " in said for n in range(12))


def test_killed_worker_fails_one_run_of_12_and_resume_processes_it(study, monkeypatch, capsys):
    held = Path("sub-03_bold.nii.gz").absolute()
    content, before = held.read_bytes(), held.stat()
    monkeypatch.setattr(execution, "extract_runs", KillIn(held.name))
    assert main(study) == 1
    monkeypatch.setattr(execution, "extract_runs", extract_runs)
    printed, said = capsys.readouterr()
    assert "11 runs done" in printed
    (line,) = [line for line in said.splitlines() if line.startswith("niimasker: failed")]
    assert "sub-03_bold.nii.gz: its worker was lost" in line
    assert statuses(Path("out")).drop("sub-03_bold").eq("done").all()
    assert not list(Path("out").glob("sub-03*"))
    assert not list(Path("out").rglob(".niimasker-*"))
    assert (held.read_bytes(), held.stat().st_mtime_ns) == (content, before.st_mtime_ns)
    assert main([*study, "--resume"]) == 0
    assert statuses(Path("out")).value_counts().to_dict() == {"skipped": 11, "done": 1}
    disturbed = results_in(Path("out"))
    Path("out").rename("disturbed")
    assert main(study) == 0
    assert results_in(Path("out")) == disturbed


class KillIn:
    """Does a run as niimasker does, but in the midst of one run's files its process is killed."""

    def __init__(self, image_name: str) -> None:
        self.image_name = image_name

    def __call__(self, task):
        if task.plans[0].run.image_path.name == self.image_name:
            results.save_json = lambda *_: kill(os.getpid())
        return extract_runs(task)


def test_missing_scheduler_is_wrong_use(study, capsys):
    assert main([*study[:-1], "nowhere.json"]) == 2
    assert "--scheduler: nowhere.json does not exist" in capsys.readouterr().err
    assert not Path("out").exists()


@pytest.mark.parametrize("content", ["nonsense", "3", "{}", '{"address": 3}', pytest.param("[" * 10**5, id="nested")])
def test_file_without_an_address_is_wrong_use(study, capsys, content):
    Path("scheduler.json").write_text(content)
    assert main([*study[:-1], "scheduler.json"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "--scheduler: scheduler.json holds no address" in line


@pytest.mark.parametrize("address", ["foo", "foo:bar", "http://10.0.0.1:8786"])
def test_anything_but_an_address_is_wrong_use(study, capsys, address):
    assert main([*study[:-1], address]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"--scheduler: {address} is not the address of a Dask scheduler" in line


def test_scheduler_that_does_not_answer_is_wrong_use(study, capsys, monkeypatch):
    monkeypatch.setattr("niimasker.running.schedulers._SECONDS_TO_CONNECT", 0.2)
    assert main([*study[:-1], "tcp://127.0.0.1:9"]) == 2
    assert "no Dask scheduler answers at tcp://127.0.0.1:9" in capsys.readouterr().err
    assert not Path("out").exists()


def test_time_limit_does_not_go_with_a_cluster(study, capsys):
    assert main([*study, "--timeout", "5"]) == 2
    assert "--timeout" in capsys.readouterr().err
