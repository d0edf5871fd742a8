"""Many runs: a lost process fails one run, whatever ended it, and every output file that exists is complete."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import signal
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from images import LAS, make_series, save
from small_tasks import end_itself, log, print_noise, raise_for_3, read_environment, square, wait_for, warn_and_fail
from studies import LABELS, children_of, kill, results_in, start, statuses, summary, wait_until, write_study

from niimasker import extract
from niimasker.cli import main
from niimasker.errors import OutputError, OutputLostError, SettingsError, record_warnings
from niimasker.running import execution, placements
from niimasker.running.batch import attempt, attempt_here
from niimasker.running.parallel import attempt_in_processes
from niimasker.running.task import extract_runs
from niimasker.running.workers import THREAD_VARIABLES, Worker


def nothing(_: object) -> None:
    """Take no notice."""


def in_processes(function, tasks, n_jobs=2, timeout=None):
    tried = attempt_in_processes(function, tasks, n_jobs=n_jobs, timeout=timeout, on_start=nothing)
    return dict(tried)


@pytest.fixture
def worker():
    worker = Worker()
    yield worker
    worker.end()


class TestAttempt:
    def test_value_has_no_reason(self):
        tried = attempt(square, 3)
        assert (tried.value, tried.reason, tried.is_bug) == (9, None, False)

    def test_users_mistake_is_its_text(self):
        tried = attempt(raise_for_3, 3)
        assert (tried.value, tried.reason, tried.is_bug) == (None, "three is no good", False)

    def test_bug_is_distinguished_from_a_users_mistake(self):
        tried = attempt(int, "x\ny")
        assert tried.is_bug
        assert tried.reason.startswith("unexpected ValueError: ")
        assert "Traceback" in tried.traceback

    def test_failed_task_keeps_its_warnings(self):
        assert attempt(warn_and_fail, "look").warnings == ("look",)

    def test_warnings_recorded_inside_of_it_are_kept_too(self):
        def record_and_fail(text):
            with record_warnings():
                warn_and_fail(text)

        assert attempt(record_and_fail, "look").warnings == ("look",)

    @pytest.mark.parametrize(("kind", "ends_all"), [(OutputError, False), (OutputLostError, True)])
    def test_lost_output_ends_all(self, kind, ends_all):
        def fail(text):
            raise kind(text)

        assert attempt(fail, "full").ends_all is ends_all


class TestManyTasks:
    def test_here_they_come_in_order(self):
        started = []
        tried = list(attempt_here(square, [3, 1, 2], on_start=started.append))
        assert [(task, each.value) for task, each in tried] == [(3, 9), (1, 1), (2, 4)]
        assert started == [3, 1, 2]

    @pytest.mark.parametrize("n_jobs", [1, 2, 3])
    def test_in_processes_each_has_its_value(self, n_jobs):
        tried = in_processes(square, range(20), n_jobs)
        assert {task: each.value for task, each in tried.items()} == {n: n * n for n in range(20)}

    def test_failing_task_fails_alone(self):
        tried = in_processes(raise_for_3, range(8))
        assert {task: each.reason for task, each in tried.items() if each.reason} == {3: "three is no good"}

    @pytest.mark.parametrize(
        ("by", "reason"),
        [
            (-signal.SIGKILL, "its process was killed by signal 9 (SIGKILL), as the system does when memory runs out"),
            (-signal.SIGSEGV, "its process crashed with a segmentation fault, signal 11 (SIGSEGV)"),
            (-signal.SIGTERM, "its process was ended by signal 15 (SIGTERM)"),
            (7, "its process exited unexpectedly (exit code 7)"),
        ],
    )
    def test_task_that_loses_its_process_fails_alone(self, by, reason):
        tried = in_processes(end_itself, [0, 0.0, by, False])
        assert tried[by].reason == reason
        assert tried[by].is_lost
        assert [each.reason for task, each in tried.items() if task != by] == [None]

    def test_task_that_takes_too_long_is_stopped(self, tmp_path):
        before = children_of(os.getpid())
        tried = in_processes(wait_for, [tmp_path / "pid"], timeout=2.0)
        (lost,) = tried.values()
        assert lost.reason == "it took longer than the 2 s of --timeout; its process was stopped"
        assert set(children_of(os.getpid())) <= set(before)

    def test_tasks_are_taken_as_they_are_needed(self):
        taken = []

        def tasks():
            for number in range(1000):
                taken.append(number)
                yield number

        begun = []
        tried = attempt_in_processes(square, tasks(), n_jobs=2, timeout=None, on_start=begun.append)
        next(tried)
        tried.close()
        # Those begun, and four that wait their turn: not the thousand.
        assert len(taken) <= len(begun) + 5 < 1000

    def test_closing_ends_what_is_under_way(self, tmp_path):
        paths = [tmp_path / "a", tmp_path / "b", tmp_path / "c"]
        tasks = iter([*paths[:2]])
        tried = attempt_in_processes(wait_for, tasks, n_jobs=2, timeout=None, on_start=nothing)
        waiting = threading.Thread(target=lambda: [*tried])
        before = set(children_of(os.getpid()))
        waiting.start()
        wait_until(lambda: all(path.exists() and path.read_text() for path in paths[:2]), "both are under way")
        for pid in set(children_of(os.getpid())) - before:
            kill(pid)
        waiting.join(60)
        assert not waiting.is_alive()
        assert set(children_of(os.getpid())) <= before


class TestWorker:
    def test_process_is_kept_from_task_to_task(self, worker):
        pids = {worker.attempt(os.getpgid, 0).value for _ in range(3)}
        assert pids == {worker.pid}

    def test_lost_process_is_replaced(self, worker):
        assert worker.attempt(end_itself, -signal.SIGKILL).is_lost
        first = worker.pid
        assert worker.attempt(square, 3).value == 9
        assert worker.pid != first

    def test_libraries_have_one_thread(self, worker):
        assert worker.attempt(read_environment, THREAD_VARIABLES).value == ("1",) * len(THREAD_VARIABLES)

    def test_what_it_logs_is_logged_here(self, worker, caplog):
        with caplog.at_level(logging.DEBUG, "niimasker"):
            worker.attempt(log, "step one")
        assert [record.getMessage() for record in caplog.records] == ["step one"]

    def test_what_it_prints_is_no_answer(self, worker, capfd):
        assert worker.attempt(print_noise, "noise").value == "noise"
        assert "noise" in capfd.readouterr().err

    def test_ended_worker_starts_no_process(self, worker):
        worker.end()
        assert worker.attempt(square, 2).reason == "interrupted"
        assert worker.pid is None


# A study


HELD = "sub-03_bold"


@pytest.fixture
def study(tmp_path) -> list[str]:
    """The words that extract 12 runs."""
    return write_study(tmp_path, 12)


def hold(folder: Path) -> str:
    """Return code that makes a run wait for ever, in any process, once it has told its process's number in a folder."""
    return f"""
import sys
from pathlib import Path

sys.path.append({str(Path(__file__).parent)!r})
from held_runs import Hold
from niimasker.running import execution

execution.extract_runs = Hold(Path({str(folder)!r}), before={HELD!r})
"""


@dataclass
class Held:
    """A study of 12 runs under way, of which one waits for ever."""

    folder: Path
    words: list[str]

    def __post_init__(self):
        self.out = self.folder / "out"
        self.pid_path = self.folder / HELD

    def start(self, *words, before=""):
        return start(self.out, *self.words, *words, code=before + hold(self.folder))

    def finished(self) -> list[Path]:
        return sorted(self.out.glob("*_timeseries.json"))

    def resume(self, *words):
        return main([str(self.out), *self.words, "--resume", *words])

    def undisturbed(self) -> dict[str, bytes]:
        """The files of a call that nothing disturbs."""
        self.out.rename(self.folder / "disturbed")
        assert main([str(self.out), *self.words]) == 0
        return results_in(self.out)


@pytest.fixture
def held(tmp_path, study) -> Held:
    return Held(tmp_path, study)


@pytest.mark.long
def test_killed_process_fails_one_run_of_12_and_resume_processes_it(held, capsys):
    process = held.start("--n_jobs", "2")
    wait_until(held.pid_path.exists, "the run is under way")
    wait_until(held.finished, "another run is done")
    kill(int(held.pid_path.read_text()))
    printed, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "11 runs done" in printed
    (line,) = [line for line in said.splitlines() if "failed: " in line]
    assert f"{HELD}.nii.gz: its process was killed by signal 9 (SIGKILL)" in line
    rows = summary(held.out)
    assert rows["status"].drop(HELD).eq("done").all()
    assert "SIGKILL" in rows.loc[HELD, "reason"]
    assert not list(held.out.glob(f"{HELD}*"))
    assert held.resume("--n_jobs", "2") == 0
    printed, said = capsys.readouterr()
    assert said == ""
    assert "1 run done, 11 skipped" in printed
    rows = summary(held.out)
    assert statuses(held.out).value_counts().to_dict() == {"skipped": 11, "done": 1}
    disturbed = results_in(held.out)
    assert disturbed == held.undisturbed()
    compared = [name for name in rows.columns if name not in ("skipped", "seconds")]
    pd.testing.assert_frame_equal(rows[compared], summary(held.out)[compared])


@pytest.mark.parametrize("n_jobs", ["1", "2"])
@pytest.mark.long
def test_killed_parent_leaves_complete_files_and_resume_processes_the_rest(held, capsys, n_jobs):
    process = held.start("--n_jobs", n_jobs)
    wait_until(lambda: len(held.finished()) == (11 if n_jobs == "2" else 3), "others are done")
    workers = children_of(process.pid)
    kill(process.pid)
    process.communicate(timeout=60)
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers), "its processes are gone")
    assert all(len(path.read_text().splitlines()) == 13 for path in held.out.glob("*_timeseries.tsv"))
    for path in held.finished():
        for name, record in json.loads(path.read_text())["Files"].items():
            content = (held.out / name).read_bytes()
            assert record == {"Bytes": len(content), "SHA256": hashlib.sha256(content).hexdigest()}
    n_finished = len(held.finished())
    assert held.resume("--n_jobs", n_jobs) == 0
    printed, said = capsys.readouterr()
    assert said == ""
    assert f"{12 - n_finished} runs done, {n_finished} skipped" in printed.replace("1 run d", "1 runs d")
    disturbed = results_in(held.out)
    assert disturbed == held.undisturbed()


# The first run of a process imports the libraries, which may take longer than the limit on a busy machine.
FIRST_WITHOUT_LIMIT = """
from niimasker.running import workers

attempt_in_time = workers.Worker.attempt

def attempt_first_without_limit(worker, function, task):
    process, timeout = worker._process, worker._timeout
    if process is not getattr(worker, "used", None) or process.poll() is not None:
        worker._timeout = None
    try:
        return attempt_in_time(worker, function, task)
    finally:
        worker._timeout, worker.used = timeout, worker._process

workers.Worker.attempt = attempt_first_without_limit
"""


@pytest.mark.long
def test_run_that_takes_too_long_fails_alone_with_one_process_too(held):
    process = held.start("--timeout", "3", before=FIRST_WITHOUT_LIMIT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 1
    assert f"{HELD}.nii.gz: it took longer than the 3 s of --timeout" in said
    assert statuses(held.out).value_counts().to_dict() == {"done": 11, "failed": 1}


@pytest.mark.parametrize(
    ("by", "n_jobs", "n_done"), [(signal.SIGINT, "2", 11), (signal.SIGTERM, "1", 3), (signal.SIGHUP, "1", 3)]
)
@pytest.mark.long
def test_interrupt_leaves_what_is_finished_listed(held, by, n_jobs, n_done):
    process = held.start("--n_jobs", n_jobs)
    wait_until(held.pid_path.exists, "the run is under way")
    wait_until(lambda: len(held.finished()) == n_done, "the others are done")
    workers = children_of(process.pid)
    os.killpg(process.pid, by)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.splitlines()[-1].startswith("niimasker: interrupted: ")
    assert "Traceback" not in said
    assert statuses(held.out).value_counts().to_dict() == {"done": n_done, "not started": 12 - n_done}
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
    assert not list(held.out.rglob(".*"))


IN_OTHERS = """
import os, threading
from niimasker.running.workers import Worker

attempt, end, has_ended = Worker.attempt, Worker.end, threading.Event()

def attempt_and_interrupt(worker, function, task):
    tried = attempt(worker, function, task)
    if task.plans[0].run.output_stem == "sub-03_bold":
        os.kill(os.getpid(), signal.SIGINT)
        has_ended.wait()
    return tried

def note_end(worker):
    end(worker)
    has_ended.set()

Worker.attempt, Worker.end = attempt_and_interrupt, note_end
"""


@pytest.mark.long
def test_run_that_is_finished_as_the_interrupt_comes_is_listed_as_done(tmp_path, study, monkeypatch, capsys):
    def extract_and_interrupt(task):
        result = extract_runs(task)
        if task.plans[0].run.output_stem == "sub-03_bold":
            raise KeyboardInterrupt
        return result

    monkeypatch.setattr(execution, "extract_runs", extract_and_interrupt)
    assert main([str(tmp_path / "out"), *study]) == 130
    assert_listed_as_done(tmp_path / "out", capsys.readouterr().err)


@pytest.mark.long
def test_run_that_is_finished_as_the_interrupt_comes_to_processes_is_listed_as_done(tmp_path, study):
    process = start(tmp_path / "out", *study, "--n_jobs", "2", code=IN_OTHERS)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert_listed_as_done(tmp_path / "out", said)


def assert_listed_as_done(out: Path, said: str) -> None:
    """Check that summary.tsv has the run that the interrupt came with, and whatever else there is."""
    assert said.splitlines()[-1].startswith("niimasker: interrupted: ")
    rows = summary(out)
    assert rows.loc["sub-03_bold", "status"] == "done"
    there = {path.name.removesuffix("_timeseries.json") for path in out.glob("*_timeseries.json")}
    assert set(rows.index[rows["status"] == "done"]) == there
    assert rows.loc["sub-03_bold", "n_volumes"] == 12


SLOW_IMPORT = """
import os, sys, threading, time

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == "nilearn.signal" and threading.current_thread() is not threading.main_thread():
            while not main_thread_waits():
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGINT)

def main_thread_waits():
    frame = sys._current_frames()[threading.main_thread().ident]
    while frame is not None and frame.f_code.co_name != "wait_for_imports":
        frame = frame.f_back
    return frame is not None

sys.meta_path.insert(0, Interrupt())
"""


def test_interrupt_while_a_thread_imports_meets_no_import_here(tmp_path, study):
    process = start(tmp_path / "out", *study, "--detrend", code=SLOW_IMPORT)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert len(said.splitlines()) == 1
    assert statuses(tmp_path / "out").eq("not started").all()


def test_fail_fast_stops_at_the_first(tmp_path, study):
    (tmp_path / "sub-03_bold.nii.gz").write_bytes(b"no image")
    assert main([str(tmp_path / "out"), *study, "--fail_fast"]) == 1
    assert statuses(tmp_path / "out").value_counts().to_dict() == {"not started": 11, "failed": 1}


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_regions_that_cannot_be_placed_on_a_grid_fail_its_runs(tmp_path, study, monkeypatch, n_jobs):
    for number in (2, 5):
        save(tmp_path / f"sub-{number:02}_bold.nii.gz", make_series(LABELS), LAS, t_r=2.0)
    place = placements.make_placement

    def fail_on_one(atlases, grid, *args, **kwargs):
        if np.allclose(grid.matrix, LAS):
            raise MemoryError("no room")
        return place(atlases, grid, *args, **kwargs)

    monkeypatch.setattr(placements, "make_placement", fail_on_one)
    outcomes = extract(tmp_path / "out", input_files=study[1], roi_file=study[3], no_report=True, n_jobs=n_jobs)
    assert [place for place, outcome in enumerate(outcomes) if outcome.reason] == [2, 5]
    assert outcomes[2].reason == f"{outcomes[2].run.image_path}: unexpected MemoryError: no room"


@pytest.mark.filterwarnings("ignore::niimasker.errors.NiimaskerWarning")
def test_failed_run_keeps_its_warnings(tmp_path, study):
    path = tmp_path / "sub-03_bold.nii.gz"
    save(path, make_series(LABELS), t_r=5000.0)
    path.write_bytes(path.read_bytes()[:-20])
    outcomes = extract(tmp_path / "out", input_files=str(path), roi_file=study[3], no_report=True)
    assert outcomes[0].status == "failed"
    assert any("milliseconds" in warning for warning in outcomes[0].warnings)
    assert summary(tmp_path / "out")["n_warnings"].tolist() == [len(outcomes[0].warnings)]


# The runs that write the same bytes whether they are done here or elsewhere; one run is done by one process.
@pytest.mark.parametrize(
    ("options", "n_runs"), [([], 12), (["--smoothing_fwhm", "5"], 1), (["--engine", "nilearn"], 1)]
)
def test_same_bytes_for_any_number_of_processes(tmp_path, options, n_runs):
    words = [*write_study(tmp_path, n_runs), "--detrend", "--standardize", *options]
    for n_jobs in ("1", "2"):
        assert main([str(tmp_path / n_jobs), *words, "--n_jobs", n_jobs]) == 0
    first = results_in(tmp_path / "1")
    assert len(first) == 3 * n_runs
    second = results_in(tmp_path / "2")
    tables = [name for name in first if name.endswith(".tsv")]
    assert [name for name in tables if first[name] != second[name]] == []


def test_shared_weights_are_removed_at_the_end(tmp_path, monkeypatch):
    words = write_study(tmp_path, 1)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    assert main([str(tmp_path / "out"), *words, "--n_jobs", "2"]) == 0
    assert not list((tmp_path / "tmp").iterdir())


def test_extract_refuses_dry_run(tmp_path, study):
    with pytest.raises(SettingsError, match="dry_run is for the command line"):
        extract(tmp_path / "out", input_files=study[1], roi_file=study[3], dry_run=True)
    assert not (tmp_path / "out").exists()
