"""Whatever ends a study, its summary is written and its exit code is one of the documented ones."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from studies import results_in, start, summary, wait_until, write_study

from niimasker import extract, workflow
from niimasker.cli import main
from niimasker.errors import OutputError, OutputLostError
from niimasker.running import execution
from niimasker.running.batch import Attempt
from niimasker.running.task import extract_runs

N_RUNS = 3
# More of them: NIIMASKER_SIGNALS=200 pytest -m long -k random_instants
N_TRIALS = int(os.environ.get("NIIMASKER_SIGNALS", "20"))


@pytest.fixture
def study(tmp_path, monkeypatch) -> list[str]:
    monkeypatch.chdir(tmp_path)
    write_study(tmp_path, N_RUNS)
    return ["out", "-i", "sub-*_bold.nii.gz", "-r", "atlas.nii.gz", "--no_report"]


def end(process: subprocess.Popen[str]) -> tuple[int, list[str]]:
    """Return the exit code of a process, and the lines of its standard error stream."""
    said = process.communicate(timeout=60)[1]
    assert "Traceback" not in said
    return process.returncode, said.splitlines()


AS_PYTHON_EXITS = """
import os, signal, sys

class Last:
    def __del__(self, kill=os.kill, number=os.getpid(), by=signal.{name}):
        kill(number, by)

sys.last = Last()
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_signal_as_python_exits_changes_no_exit_code(study, name):
    assert end(start(*study, "--t_r", "two", code=AS_PYTHON_EXITS.format(name=name)))[0] == 2


BEFORE_THE_SUMMARY = """
import os, signal
from niimasker import workflow
from niimasker.running import execution

extract_runs, write_study_files = execution.extract_runs, workflow.write_study_files

def extract_and_interrupt(task):
    if task.plans[0].run.output_stem == "sub-02_bold" and {in_a_run}:
        os.kill(os.getpid(), signal.SIGTERM)
    return extract_runs(task)

def interrupt_and_write(*args):
    for number in {signals}:
        os.kill(os.getpid(), number)
    write_study_files(*args)

execution.extract_runs, workflow.write_study_files = extract_and_interrupt, interrupt_and_write
"""


@pytest.mark.parametrize(
    ("in_a_run", "signals", "statuses"),
    [
        (True, [signal.SIGTERM], ["done", "done", "not started"]),
        (False, [signal.SIGINT], ["done"] * N_RUNS),
        (False, [signal.SIGHUP, signal.SIGTERM], ["done"] * N_RUNS),
    ],
)
def test_summary_is_written_before_signals_end_the_study(study, in_a_run, signals, statuses):
    code = BEFORE_THE_SUMMARY.format(in_a_run=in_a_run, signals=[*map(int, signals)])
    returned, lines = end(start(*study, code=code))
    assert returned == 130
    assert summary(Path("out"))["status"].tolist() == statuses
    held = [line for line in lines if line.startswith("niimasker: interrupted: the summary is being written")]
    assert len(held) == len(signals)
    assert lines[-1] == "niimasker: interrupted: every finished run is complete; --resume processes the others."


def test_third_signal_ends_at_once(study):
    code = BEFORE_THE_SUMMARY.format(in_a_run=True, signals=[int(signal.SIGTERM)] * 2)
    assert end(start(*study, code=code))[0] == 130
    assert set(summary(Path("out"))["status"]) == {"not started"}


INTERRUPTED_IMPORT = """
class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == "niimasker.cli":
            exec("raise KeyboardInterrupt")

import runpy, sys
sys.meta_path.insert(0, Interrupt())
"""


def test_interrupt_in_code_of_a_library_gives_the_exit_code_of_interrupts(tmp_path):
    # `python -m` ends itself by SIGINT after KeyboardInterrupt in code such as that of dataclasses.
    (tmp_path / "interrupted.py").write_text(
        f"{INTERRUPTED_IMPORT}\nfrom niimasker.__main__ import run\nsys.exit(run())\n"
    )
    search = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "interrupted"]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": search}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 130
    assert len(done.stderr.splitlines()) == 1


# The files of the study


@pytest.fixture
def _full(monkeypatch):
    """A disk that is full when the summary is written."""

    def fail(*_: object) -> None:
        raise OutputLostError("out/niimasker_data/summary.tsv cannot be written (No space left on device); fix that.")

    monkeypatch.setattr(workflow, "write_study_files", fail)


@pytest.mark.usefixtures("_full")
def test_full_disk_at_the_summary_of_sound_runs_is_exit_code_1(study, capsys):
    assert main([*study, "--tidy", "tsv.gz"]) == 1
    printed, said = capsys.readouterr()
    (line,) = said.splitlines()
    assert line.startswith(
        "niimasker: error: 3 of 3 runs done, but out/niimasker_data/summary.tsv cannot be written (No space left"
    )
    assert printed.startswith("3 runs done, 3 tables of time series in out")
    assert len([name for name in results_in(Path("out")) if name.endswith("_timeseries.tsv")]) == N_RUNS
    assert Path("out/timeseries.tsv.gz").is_file()


@pytest.mark.usefixtures("_full")
def test_full_disk_at_the_summary_of_an_interrupted_study_stays_an_interrupt(study, capsys, monkeypatch):
    def interrupt(*_: object, **__: object):
        raise KeyboardInterrupt

    monkeypatch.setattr("niimasker.running.execution.extract_runs", interrupt)
    assert main(study) == 130
    assert [line.split(": ")[1] for line in capsys.readouterr().err.splitlines()] == ["error", "interrupted"]


@pytest.mark.usefixtures("_full")
def test_extract_raises_for_a_summary_that_cannot_be_written(study):
    with pytest.raises(OutputError, match="3 of 3 runs done, but out/niimasker_data/summary"):
        extract("out", input_files=study[2], roi_file=study[4], no_report=True)


# Signals at random instants

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL)
# The second of two commands: it does other runs with the same settings, the same runs, or has other settings.
SECOND = (["-i", "sub-0[34]_bold.nii.gz"], ["-i", "sub-0[0-2]_bold.nii.gz"], ["-i", "sub-*_bold.nii.gz", "--detrend"])


@pytest.mark.long
@pytest.mark.parametrize("n_commands", [1, 2], ids=["alone", "two commands"])
@pytest.mark.parametrize("options", [[], ["--n_jobs", "2"]], ids=["here", "processes"])
def test_signals_at_random_instants_leave_what_is_listed(tmp_path, monkeypatch, options, n_commands):
    monkeypatch.chdir(tmp_path)
    write_study(tmp_path, 5)
    words = ["out", "-r", "atlas.nii.gz", "--no_report", *options]
    every = [*words, "-i", "sub-*_bold.nii.gz"]
    undisturbed = [undisturbed_results(every, []), undisturbed_results(every, ["--detrend"])]
    begun = time.monotonic()
    assert end(start(*every))[0] == 0
    seconds = time.monotonic() - begun
    draw = random.Random(f"{n_commands} {options}")
    for _ in range(-(-N_TRIALS // 4)):
        # Half of the trials begin with a study that is done.
        is_new = draw.random() < 0.5
        if is_new:
            shutil.rmtree("out", ignore_errors=True)
        first = every if n_commands == 1 else [*words, "-i", "sub-0[0-2]_bold.nii.gz"]
        processes = [start(*first), *(start(*words, *draw.choice(SECOND)) for _ in range(n_commands - 1))]
        draws = [random.Random(draw.random()) for _ in processes]
        with ThreadPoolExecutor() as pool:
            returned = [*pool.map(disturb, processes, draws, [seconds] * n_commands)]
        assert set(returned) <= {0, 2, 130, -signal.SIGKILL}
        assert n_commands == 2 or 2 not in returned
        found = comparable_results()
        assert any(found.items() <= results.items() for results in undisturbed), "two analyses, or an incomplete file"
        if -signal.SIGKILL not in returned:
            assert not list(Path("out").rglob(".*"))
            assert_listed(found, is_new=is_new)
        assert main([*every, "--resume", "-q"]) == 0
        assert comparable_results() == undisturbed[0]
        assert summary(Path("out"))["status"].eq("done").all()
        assert not list(Path("out").rglob(".*"))


def undisturbed_results(words: list[str], further: list[str]) -> dict[str, bytes]:
    """Return the files of a study that no signal ends."""
    assert main([*words, *further]) == 0
    results = comparable_results()
    shutil.rmtree("out")
    return results


def disturb(process: subprocess.Popen[str], draw: random.Random, seconds: float) -> int:
    """Send a process one signal or two at random instants, half of them in its last moments; return its exit code."""
    wait_until(lambda: process.poll() is not None or catches_signals(process.pid), "niimasker has begun")
    time.sleep(draw.uniform(0, seconds) if draw.random() < 0.5 else max(0.0, seconds - draw.uniform(0, 0.5)))
    for _ in range(draw.choice([1, 2])):
        if process.poll() is None:
            process.send_signal(draw.choice(SIGNALS))
        time.sleep(draw.uniform(0, 0.1))
    return end(process)[0]


def catches_signals(pid: int) -> bool:
    """Return whether a process has a handler for SIGTERM."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)


def comparable_results() -> dict[str, bytes]:
    """Return the content of the files of the runs, without the names of images that their call was given.

    What a killed command has left in a hidden folder is no result; the next command removes it.
    """
    results = {
        name: each
        for name, each in results_in(Path("out")).items()
        if not any(part.startswith(".") for part in Path(name).parts)
    }
    for name in results:
        if name.endswith("_timeseries.json"):
            content = json.loads(results[name])
            del content["Settings"]["input_files"]
            results[name] = json.dumps(content).encode()
    return results


def assert_listed(found: dict[str, bytes], *, is_new: bool) -> None:
    """Check that the summary lists each finished run of a new folder, and no other, as done.

    Tables of an earlier study stay until the run is done again, and the run is listed as not started until then.
    """
    finished = {name.removesuffix("_timeseries.json") for name in found if name.endswith("_timeseries.json")}
    if not Path("out/niimasker_data/summary.tsv").exists():
        assert not found
        return
    rows = summary(Path("out"))
    done, not_started = (set(rows.index[rows["status"] == status]) for status in ("done", "not started"))
    assert done <= finished <= (done if is_new else done | not_started)


def test_pipelines_that_had_ended_when_the_process_was_lost_are_done(study, monkeypatch):
    def lose_process(settings, n_jobs, tasks, on_start):
        for task in tasks:
            on_start(task)
            extract_runs(dataclasses.replace(task, plans=task.plans[:1]))
            yield task, Attempt(None, 1.0, "its process was stopped", is_lost=True)

    monkeypatch.setattr(execution, "_attempt_on_this_machine", lose_process)
    files = {"input_files": "sub-*_bold.nii.gz", "roi_file": "atlas.nii.gz", "no_report": True}
    outcomes = extract("out", **files, pipelines={"a": {}, "b": {"detrend": True}})
    found = {(outcome.run.pipeline, outcome.status, bool(outcome.reason)) for outcome in outcomes}
    assert found == {("a", "done", False), ("b", "failed", True)}
    assert {name.rpartition("_")[0] for name in results_in(Path("out"))} == {
        f"sub-{number:02}_bold_desc-a" for number in range(N_RUNS)
    }
    assert summary(Path("out"))["status"].tolist() == ["done", "failed"] * N_RUNS
