"""A disk that fills up, other users, other calls, and people who edit or remove files: what a study leaves then."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from studies import environment, results_in, start, summary, wait_until, write_study

from niimasker.cli import main
from niimasker.outputs import files, locks
from niimasker.outputs.calls import find_calls
from niimasker.running import execution

N_RUNS = 4
DATA = Path("out/niimasker_data")
SUMMARY = DATA / "summary.tsv"
WORDS = ("-r", "atlas.nii.gz", "--no_report")
ALL = ("out", "-i", "sub-*_bold.nii.gz", *WORDS)
FIRST = ("out", "-i", "sub-0[01]_bold.nii.gz", *WORDS)
REST = ("out", "-i", "sub-0[23]_bold.nii.gz", *WORDS)
STEMS = [f"sub-{number:02}_bold" for number in range(N_RUNS)]


@pytest.fixture
def study(tmp_path, monkeypatch) -> Path:
    """The current folder, with four runs and an atlas."""
    folder = tmp_path / "study"
    folder.mkdir()
    monkeypatch.chdir(folder)
    write_study(folder, N_RUNS)
    return folder


@pytest.fixture
def undisturbed(study) -> dict[str, bytes]:
    """The files of the runs of a study that nothing disturbs."""
    assert main(ALL) == 0
    results = results_in(Path("out"))
    shutil.rmtree("out")
    return results


def refuse(monkeypatch, number: int, names: tuple[str, ...], *, after: str) -> None:
    """Let the system refuse functions of paths with an error, once the table of a run would get its final name."""
    begun: list[str] = []
    originals = {name: getattr(Path, name) for name in names}

    def refusing(name):
        def call(path, *args, **options):
            begun.extend(str(arg) for arg in args if Path(str(arg)).name.startswith(after))
            if begun:
                raise OSError(number, os.strerror(number))
            return originals[name](path, *args, **options)

        return call

    for name in names:
        monkeypatch.setattr(files.Path, name, refusing(name))


@pytest.mark.parametrize(
    ("number", "names"), [(errno.ENOSPC, ("replace",)), (errno.EROFS, ("replace", "unlink"))], ids=["full", "read-only"]
)
def test_first_study_on_a_disk_that_fails_can_be_resumed(undisturbed, capsys, number, names):
    with pytest.MonkeyPatch.context() as patch:
        refuse(patch, number, names, after="sub-02")
        assert main(ALL) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert f"cannot be written ({os.strerror(number)})" in line
    assert main([*ALL, "--resume"]) == 0
    assert results_in(Path("out")) == undisturbed
    assert summary(Path("out"))["skipped"].tolist() == [1, 1, 0, 0]
    assert not list(Path("out").rglob(".*"))


# Somebody edits or removes files of the folder


def change_summary(change) -> None:
    change(pd.read_csv(SUMMARY, sep="\t")).to_csv(SUMMARY, sep="\t", index=False)


EDITS = {
    "removed": SUMMARY.unlink,
    "without a column": lambda: change_summary(lambda table: table.drop(columns="status")),
    "separated by commas": lambda: pd.read_csv(SUMMARY, sep="\t").to_csv(SUMMARY, index=False),
    "without names": lambda: change_summary(lambda table: table.assign(output="")),
    "impossible names": lambda: change_summary(lambda table: table.assign(output="../a\0b")),
    "other words": lambda: change_summary(lambda table: table.assign(status="fine", n_volumes="many", seconds="long")),
    "rows twice": lambda: change_summary(lambda table: pd.concat([table, table])),
    "no text": lambda: SUMMARY.write_bytes(bytes(range(256)) * 20),
}


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("layout", ["flat", "bids"])
def test_edited_summary_is_written_anew(study, edit, layout):
    assert main([*FIRST, "--output_layout", layout]) == 0
    EDITS[edit]()
    assert main([*REST, "--output_layout", layout]) == 0
    rows = summary(Path("out"))
    assert [Path(name).name.removesuffix("_bold") for name in rows.index] == [f"sub-{n:02}" for n in range(N_RUNS)]
    assert rows["status"].eq("done").all()
    assert rows["n_volumes"].eq(12).all()


@pytest.mark.parametrize("edit", ["removed", "without a column", "no text"])
def test_summary_that_is_edited_under_way_is_written_anew(study, monkeypatch, edit):
    assert main(FIRST) == 0

    def edit_and_extract(task):
        if task.plans[0].run.output_stem == STEMS[2]:
            EDITS[edit]()
        return extract_runs(task)

    extract_runs = execution.extract_runs
    monkeypatch.setattr(execution, "extract_runs", edit_and_extract)
    assert main(REST) == 0
    assert summary(Path("out"))["status"].to_dict() == dict.fromkeys(STEMS, "done")


def test_names_that_lead_out_of_the_folder_are_not_followed(study):
    assert main(FIRST) == 0
    theirs = [Path("mine_timeseries.tsv"), Path("mine_report.html"), Path("mine.txt")]
    for path in theirs:
        path.write_text("mine")
    record = json.loads((DATA / "parameters.json").read_text())
    record["files"] += ["../mine.txt", str(Path("mine.txt").absolute())]
    (DATA / "parameters.json").write_text(json.dumps(record))
    sidecar_path = Path(f"out/{STEMS[0]}_timeseries.json")
    sidecar = json.loads(sidecar_path.read_text())
    Path("out/planted_timeseries.json").write_text(json.dumps({**sidecar, "Output": "../mine"}))
    call = {"Process": "p", "Analysis": {}, "Settings": {}, "Atlases": [""]}
    call |= {"Files": ["../mine.txt"], "Runs": ["../mine"]}
    (DATA / f".call-{'0' * 32}.json").write_text(json.dumps(call))
    assert main([*ALL, "--detrend", "--overwrite"]) == 0
    assert all(path.exists() for path in theirs)


# Other users and other calls


def test_lock_that_another_user_has_left_is_taken(study, monkeypatch):
    opened = os.open

    def refuse_to_write(path, flags, *args, **options):
        if Path(path).name == ".lock" and flags & os.O_RDWR:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return opened(path, flags, *args, **options)

    DATA.mkdir(parents=True)
    (DATA / ".lock").touch()
    monkeypatch.setattr(locks.os, "open", refuse_to_write)
    with locks.holding(DATA / ".lock"):
        assert locks.is_abandoned(DATA / ".lock") is False


HELD = """
import time
from pathlib import Path
from niimasker.running import execution

extract_runs = execution.extract_runs

def hold(task):
    while not Path("end").exists():
        time.sleep(0.01)
    return extract_runs(task)

execution.extract_runs = hold
"""


def test_files_of_a_call_that_ended_meanwhile_stay_known(study):
    held = start(*FIRST, code=HELD)
    wait_until(lambda: find_calls(DATA), "the first call is at work")
    with_reports = [word for word in REST if word != "--no_report"]
    assert main(with_reports) == 0
    Path("end").touch()
    held.communicate(timeout=60)
    assert held.returncode == 0
    assert main([*with_reports, "--resume"]) == 0
    assert Path("out/reports/index.html").is_file()


# Somebody at the keyboard

WAITING = """
import queue, sys, threading
from niimasker.running.workers import take

answers = queue.SimpleQueue()
threading.Thread(target=lambda: answers.put(sys.stdin.readline())).start()
print("waiting", flush=True)
print(take(answers, timeout=2.0))
"""


def test_time_in_which_a_study_is_stopped_is_not_counted():
    with subprocess.Popen(
        [sys.executable, "-c", WAITING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment()
    ) as process:
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGSTOP)
        time.sleep(2.2)
        process.send_signal(signal.SIGCONT)
        time.sleep(0.2)
        assert process.communicate("an answer")[0] == "an answer\n"
