"""Where the system allows fewer processes, threads or open files than --n_jobs asks for, fewer are used."""

from __future__ import annotations

import errno
import os
import re
import threading
from pathlib import Path

import pytest
from small_tasks import fail_once, kill_itself_once, square
from studies import children_of, start, summary, write_study
from threadpoolctl import threadpool_info

from niimasker import extract
from niimasker.errors import NiimaskerWarning, OutputError, SettingsError, TooLittleMemoryError
from niimasker.inputs import images
from niimasker.inputs.images import check_memory
from niimasker.running import workers
from niimasker.running.batch import attempt
from niimasker.running.limits import count_affordable, find_limit
from niimasker.running.parallel import attempt_in_processes

N_RUNS = 6
WITH_FEW_FILES = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, ({limit}, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
"""


def in_processes(function, tasks, n_jobs=4, **options):
    options = {"timeout": None, "on_start": lambda _: None, **options}
    return dict(attempt_in_processes(function, tasks, n_jobs=n_jobs, **options))


@pytest.mark.parametrize(("limit", "used"), [(30, "[1-5] of 6 processes"), (20, "no process beside this one")])
def test_few_open_files_are_fewer_processes(tmp_path, monkeypatch, limit, used):
    pytest.importorskip("resource")
    monkeypatch.chdir(tmp_path)
    words = write_study(tmp_path, N_RUNS)
    process = start("out", *words, "--n_jobs", "30", code=WITH_FEW_FILES.format(limit=limit))
    said = process.communicate(timeout=120)[1]
    assert process.returncode == 0
    (line,) = said.splitlines()
    because = r"because the limit of open files \(ulimit -n\) is reached\."
    assert re.fullmatch(rf"niimasker: warning: --n_jobs uses {used}, {because}", line)
    assert summary(Path("out"))["status"].eq("done").all()


@pytest.fixture
def only(monkeypatch):
    """A function that lets only some processes or threads start."""

    def allow(owner, name: str, number: int, error: Exception) -> None:
        started = getattr(owner, name)
        left = iter(range(number))

        def start_or_fail(*args, **options):
            if next(left, None) is None:
                raise error
            return started(*args, **options)

        monkeypatch.setattr(owner, name, start_or_fail)

    return allow


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.ENOMEM, errno.EMFILE])
def test_as_many_processes_as_can_be_started_are_used(only, number):
    before = set(children_of(os.getpid()))
    only(workers.subprocess, "Popen", 2, OSError(number, os.strerror(number)))
    with pytest.warns(NiimaskerWarning, match="--n_jobs uses 2 of 4 processes, because the limit of "):
        tried = in_processes(square, range(9))
    assert {task: each.value for task, each in tried.items()} == {n: n * n for n in range(9)}
    assert set(children_of(os.getpid())) <= before


# Each process takes two threads here: one that hands it tasks, one that hears its answers.
@pytest.mark.parametrize("number", [3, 4, 5])
def test_as_many_threads_as_can_be_started_are_used(only, number):
    before = set(children_of(os.getpid()))
    only(threading.Thread, "start", number, RuntimeError("can't start new thread"))
    used = rf"--n_jobs uses {number // 2} of 4 processes, because the limit of processes and threads \(ulimit -u\)"
    with pytest.warns(NiimaskerWarning, match=used):
        tried = in_processes(square, range(9))
    assert {task: each.value for task, each in tried.items()} == {n: n * n for n in range(9)}
    assert set(children_of(os.getpid())) <= before


def test_without_any_process_tasks_run_here(only):
    only(workers.subprocess, "Popen", 0, OSError(errno.EAGAIN, "Resource temporarily unavailable"))
    with pytest.warns(NiimaskerWarning, match="--n_jobs uses no process beside this one"):
        tried = in_processes(square, range(3))
    assert [each.value for each in tried.values()] == [0, 1, 4]


def test_without_any_process_runs_use_one_thread_as_in_processes(only, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_study(tmp_path, 1)
    only(workers.subprocess, "Popen", 0, OSError(errno.EAGAIN, os.strerror(errno.EAGAIN)))
    numbers = []

    def count_threads(_):
        numbers.extend(pool["num_threads"] for pool in threadpool_info())
        raise OutputError("stop here")

    monkeypatch.setattr("niimasker.running.execution.extract_runs", count_threads)
    with pytest.warns(NiimaskerWarning, match="no process beside this one"):
        extract("out", input_files="sub-00_bold.nii.gz", roi_file="atlas.nii.gz", n_jobs=2)
    assert set(numbers) == {1}


def test_process_whose_answers_nobody_can_receive_is_started_again(monkeypatch):
    def fail(_):
        raise RuntimeError("can't start new thread")

    worker = workers.Worker(timeout=60.0)
    with monkeypatch.context() as changes:
        changes.setattr(threading.Thread, "start", fail)
        assert worker.attempt(square, 3).is_starved
    assert worker.attempt(square, 3).value == 9
    worker.end()


def test_timeout_without_any_process_is_refused(only):
    only(workers.subprocess, "Popen", 0, OSError(errno.EAGAIN, "Resource temporarily unavailable"))
    with pytest.raises(SettingsError, match="--timeout needs a process for the runs, but the limit of processes"):
        in_processes(square, range(3), timeout=60.0)


def test_other_errors_are_not_hidden(only):
    only(workers.subprocess, "Popen", 0, PermissionError(errno.EACCES, "Permission denied"))
    with pytest.raises(PermissionError):
        in_processes(square, range(3))


def test_task_that_a_limit_stops_is_attempted_again_alone(tmp_path):
    paths = [tmp_path / name for name in "abc"]
    tried = in_processes(fail_once, paths, n_jobs=2)
    assert {path: each.value for path, each in tried.items()} == dict.fromkeys(paths, "done")


@pytest.mark.parametrize(("tries_killed_again", "value"), [(True, "done"), (False, None)])
def test_task_whose_process_was_killed_is_attempted_again_if_asked_for(tmp_path, tries_killed_again, value):
    tried = in_processes(kill_itself_once, [tmp_path / "a"], n_jobs=2, tries_killed_again=tries_killed_again)
    (each,) = tried.values()
    assert each.value == value


def test_task_alone_is_attempted_once(tmp_path):
    (each,) = in_processes(fail_once, [tmp_path / "a"], n_jobs=1).values()
    assert each.reason.startswith("the limit of open files (ulimit -n) is reached (")
    assert not each.is_bug


def test_killed_run_of_n_jobs_minus_1_is_done_alone(tmp_path, monkeypatch):
    words = write_study(tmp_path, 3)
    monkeypatch.setattr("niimasker.running.memory.count_processes", lambda *_: 2)
    killed = threading.Event()
    extract_alone = workers.Worker.attempt

    def kill_first(worker, function, task):
        if not killed.is_set():
            killed.set()
            worker._process.kill()
        return extract_alone(worker, function, task)

    monkeypatch.setattr(workers.Worker, "attempt", kill_first)
    outcomes = extract(tmp_path / "out", input_files=words[1], roi_file=words[3], no_report=True, n_jobs=-1)
    assert [outcome.status for outcome in outcomes] == ["done"] * 3


class TestLimit:
    def test_of_open_files_holds_the_pipes(self, monkeypatch):
        resource = pytest.importorskip("resource")
        monkeypatch.setattr(resource, "getrlimit", lambda _: (100, 100))
        monkeypatch.setattr(os, "listdir", lambda _: ["0"] * 24)
        assert [count_affordable(n) for n in (1, 30, 31, 1000)] == [1, 30, 30, 30]
        monkeypatch.setattr(os, "listdir", lambda _: ["0"] * 99)
        assert count_affordable(1) == 0

    def test_is_found_in_the_cause_of_an_error(self):
        error = OutputError("x cannot be written")
        error.__cause__ = OSError(errno.EMFILE, "Too many open files")
        assert find_limit(error) == "the limit of open files (ulimit -n)"

    @pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), RuntimeError("odd"), ValueError()])
    def test_is_not_found_in_others(self, error):
        assert find_limit(error) is None

    def test_memory_that_others_take_is_no_fault_of_the_run(self, monkeypatch):
        monkeypatch.setattr(images, "free_bytes", lambda: 10)
        tried = attempt(lambda path: check_memory(path, "reading it", 11), Path("a.nii"))
        assert tried.is_starved
        with pytest.raises(TooLittleMemoryError):
            check_memory(Path("a.nii"), "reading it", 11)
