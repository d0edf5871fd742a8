"""What is printed while a study runs, and at its end."""

from __future__ import annotations

import io
import os
import pty
import re
import select
import subprocess
import sys
from pathlib import Path

import pytest
from studies import environment, write_study

from niimasker.cli import main
from niimasker.inputs.runs import Run
from niimasker.outputs.outcomes import Outcome
from niimasker.running.progress import ProgressBar, ProgressLines, format_duration, make_progress
from niimasker.running.warning_groups import find_pattern, group_warnings


def outcome(name: str = "a.nii.gz", *warnings: str, reason: str | None = "no good") -> Outcome:
    return Outcome(Run(Path(name), None, name), reason=reason, warnings=warnings)


def told_lines(n_runs: int, seconds: float) -> list[str]:
    """The lines of runs that take some seconds each."""
    times = iter(number * seconds for number in range(n_runs + 1))
    told: list[str] = []
    lines = ProgressLines(n_runs, told.append, lambda: next(times))
    for number in range(n_runs):
        lines.end(outcome(f"run-{number}.nii.gz", reason=None if number % 2 else "no good"))
    return told


class TestProgressLines:
    def test_tenth_of_the_runs_is_a_line(self):
        lines = told_lines(2000, 0.1)
        assert len(lines) == 9
        assert lines[0] == "200 of 2000 runs (10 %), 100 failed, about 3 min left; last: run-199.nii.gz"

    def test_minute_is_a_line(self):
        assert len(told_lines(100, 30.0)) == 49

    def test_short_study_has_none(self):
        assert told_lines(20, 0.4) == []

    def test_anything_but_a_terminal_has_lines(self):
        assert isinstance(make_progress(3, io.StringIO(), print), ProgressLines)

    @pytest.mark.parametrize(("seconds", "words"), [(5, "5 s"), (119, "119 s"), (150, "2 min"), (9000, "2 h")])
    def test_time_left_is_in_words(self, seconds, words):
        assert format_duration(seconds) == words


class TestProgressBar:
    def test_shows_runs_failures_and_file(self):
        stream = io.StringIO()
        bar = ProgressBar(4, stream)
        bar._bar.delay = 0
        bar.start(outcome("sub-01.nii.gz").run)
        bar.end(outcome("sub-01.nii.gz"))
        bar.start(outcome("sub-02.nii.gz").run)
        bar._bar.refresh()
        bar.close()
        assert "1/4" in stream.getvalue()
        assert "1 failed, sub-02.nii.gz" in stream.getvalue()

    def test_terminal_has_a_bar(self, tmp_path):
        words = write_study(tmp_path, 3)
        (tmp_path / "sub-01_bold.nii.gz").write_bytes(b"no image")
        ours, theirs = pty.openpty()
        code = (
            "import sys, tqdm; from niimasker.running import progress; from niimasker.cli import main; sys.exit(main())"
        )
        command = [sys.executable, "-c", code, str(tmp_path / "out"), *words]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=theirs, env=environment()) as process:
            os.close(theirs)
            said = read_all(ours)
            assert process.wait(60) == 1
        assert "failed: " in said
        assert "Traceback" not in said


def read_all(descriptor: int) -> str:
    pieces = []
    while select.select([descriptor], [], [], 60)[0]:
        try:
            piece = os.read(descriptor, 4096)
        except OSError:  # the other side is closed
            break
        if not piece:
            break
        pieces.append(piece)
    os.close(descriptor)
    return b"".join(pieces).decode()


class TestWarningGroups:
    @pytest.mark.parametrize(
        ("one", "other"),
        [
            (
                "5 of 100 regions without signal (constant): Left A, hippocampus.",
                "2 of 90 regions without signal (constant): B.",
            ),
            (
                "aal: only 40% of the atlas lie in the image's field of view; are both in one space?",
                "aal: only 4% of the atlas lie in the image's field of view; are both in one space?",
            ),
            (
                "a/sub-1_x.tsv has 3 CompCor components of the 10 that AnatCompCor takes.",
                "b/sub-2_x.tsv has 4 CompCor components of the 10 that AnatCompCor takes.",
            ),
            ("regressors left out: motion_x (constant), b.", "regressors left out: c (all zero)."),
            ("x.json cannot be read (end of file); its", "y.json cannot be read (end of file); its"),
        ],
    )
    def test_numbers_and_names_make_no_difference(self, one, other):
        assert find_pattern(one) == find_pattern(other) != ""

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("5 of 9 regions without signal (constant): A.", "5 of 9 regions without signal (empty: outside): A."),
            ("--radius is ignored: x.", "--labels is ignored: x."),
        ],
    )
    def test_words_do(self, one, other):
        assert find_pattern(one) != find_pattern(other)

    def test_similar_warnings_are_printed_once_with_an_example(self):
        outcomes = [outcome(f"run-{n}.nii.gz", f"{n} of 10 voxels are bad.", "all is odd.") for n in (1, 2, 3)]
        assert [str(group) for group in group_warnings([*outcomes, outcome("x.nii", "other.")])] == [
            "1 of 10 voxels are bad. (similar in 3 runs, first run-1.nii.gz)",
            "all is odd. (3 runs, first run-1.nii.gz)",
            "other. (x.nii)",
        ]


# The command


@pytest.fixture
def study(tmp_path, monkeypatch) -> list[str]:
    """The words of a study of 6 runs in the current folder, two of which cannot be read."""
    monkeypatch.chdir(tmp_path)
    write_study(tmp_path, 6)
    for number in (2, 4):
        path = Path(f"sub-0{number}_bold.nii.gz")
        path.write_bytes(path.read_bytes()[:-20])
    return ["out", "-i", "sub-*_bold.nii.gz", "-r", "atlas.nii.gz", "--no_report"]


def test_summary_tells_counts_reasons_and_places(study, capsys):
    assert main(study) == 1
    *lines, look = capsys.readouterr().out.splitlines()
    assert lines == [
        "4 runs done, 4 tables of time series in out; 2 of 6 runs failed",
        "reasons: out/niimasker_data/summary.tsv",
    ]
    assert look.startswith(
        "4 of 6 runs need a look (4 red): minutes kept below 9 min in 4 runs (lowest 0.4 min in sub-00)"
    )


def test_failures_of_a_small_study_are_told_once(study, capsys):
    assert main(study) == 1
    printed, said = capsys.readouterr()
    assert [(printed + said).count(f"sub-0{number}_bold.nii.gz") for number in (2, 4)] == [1, 1]


@pytest.mark.parametrize("words", [[], ["-v"]], ids=["many runs", "verbose"])
def test_first_reasons_are_in_the_summary_where_lines_lie_between(study, capsys, words):
    if not words:
        write_study(Path(), 21)
    for number in (0, 1, 2, 3, 4):
        Path(f"sub-0{number}_bold.nii.gz").write_bytes(b"")
    assert main([*study, *words]) == 1
    *lines, look = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[:2] for line in lines[1:4]] == [
        ["failed", f"sub-0{number}_bold.nii.gz"] for number in (0, 1, 2)
    ]
    assert lines[4:] == ["reasons: out/niimasker_data/summary.tsv"]
    assert "a look" in look


def test_summary_of_a_part_names_the_file_of_all(study, capsys):
    assert main([*study, "--shard", "1/2"]) == 1
    assert capsys.readouterr().out.splitlines()[1] == "reasons: out/niimasker_data/summary.tsv"


def test_summary_tells_where_the_reports_are(study, capsys):
    assert main([*study[:-1], "-q"]) == 1
    capsys.readouterr()
    assert main([*study[:-1], "--resume"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "0 runs done, 4 skipped, 4 tables of time series in out; 2 of 6 runs failed"
    assert lines[-1] == "reports: out/reports/index.html"


def test_quiet_tells_failures_alone(study, capsys):
    assert main([*study, "-q", "--labels", "a", "b", "a"]) == 1
    printed, said = capsys.readouterr()
    assert printed == ""
    assert [line.split(": ")[1] for line in said.splitlines()] == ["failed", "failed"]


def test_quiet_and_verbose_contradict_each_other(study, capsys):
    assert main([*study, "-q", "-v"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "--quiet and --verbose" in line


@pytest.mark.parametrize("n_jobs", ["1", "2"])
def test_verbose_tells_every_step_of_every_run_with_its_time(study, capsys, n_jobs):
    main([*study, "-v", "--n_jobs", n_jobs])
    said = capsys.readouterr().err
    for number in (0, 1, 3, 5):
        for step in ("signals extracted", "signals cleaned", "tables written", "done"):
            assert re.search(rf"^sub-0{number}_bold.nii.gz: {step} in \d+\.\d+ s$", said, re.MULTILINE)


def test_interrupt_before_anything_is_one_line():
    code = """
import sys
class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == "niimasker.cli":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupt())
from niimasker.__main__ import run
sys.exit(run())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=False)
    assert done.returncode == 130
    assert done.stderr.startswith("niimasker: interrupted: ")
    assert len(done.stderr.splitlines()) == 1


def test_hangup_that_nohup_has_ignored_stays_ignored():
    code = """
import signal, sys
signal.signal(signal.SIGHUP, signal.SIG_IGN)
sys.argv = ["niimasker", "-q"]
from niimasker import cli
from niimasker.__main__ import run

def main():
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    return 2

cli.main = main
sys.exit(run())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=False)
    assert (done.returncode, done.stderr) == (2, "")
