"""Messages that cannot be written cost nothing but themselves: no study stops, and no exit code changes."""

from __future__ import annotations

import io
import logging
import os
import pty
import shlex
import subprocess
import sys
import traceback
from pathlib import Path

import pytest
from studies import environment, results_in, summary, write_study
from tqdm import tqdm

from niimasker.cli import main
from niimasker.running.messages import MessageStream, expendable_messages

N_RUNS = 2
PROGRAM = "import sys; from niimasker.__main__ import run; sys.exit(run())"

needs_dev_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")


@pytest.fixture
def study(tmp_path, monkeypatch) -> list[str]:
    """The words of a study that prints a warning, a failure and a summary."""
    monkeypatch.chdir(tmp_path)
    write_study(tmp_path, N_RUNS + 1)
    path = Path(f"sub-0{N_RUNS}_bold.nii.gz")
    path.write_bytes(path.read_bytes()[:-20])
    words = ["out", "-i", "sub-*_bold.nii.gz", "-r", "atlas.nii.gz", "--no_report", "--tidy", "tsv.gz"]
    return [*words, "--labels", "a", "b", "a"]


def run_in_shell(words: list[str], redirection: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = f"{shlex.join([sys.executable, '-c', PROGRAM, *words])} {redirection}"
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        capture_output=True,
        text=True,
        env={**environment(), **variables},
        timeout=120,
        check=False,
    )


def assert_complete(folder: Path) -> None:
    assert len([name for name in results_in(folder) if name.endswith("_timeseries.tsv")]) == N_RUNS
    assert summary(folder)["status"].tolist() == ["done"] * N_RUNS + ["failed"]
    assert (folder / "timeseries.tsv.gz").is_file()


@needs_dev_full
@pytest.mark.parametrize(
    "redirection",
    ["--n_jobs 2 2>/dev/full", ">/dev/full", "<&- >&- 2>&-", "--n_jobs 2 -v 2>&1 | head -n 1"],
)
def test_study_is_complete_whoever_listens(study, redirection):
    done = run_in_shell(study, redirection)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr + done.stdout
    assert "Exception ignored" not in done.stderr
    assert_complete(Path("out"))


@needs_dev_full
@pytest.mark.parametrize(("words", "code"), [(["--help"], 0), (["--version"], 0), (["out", "--banana"], 2)])
def test_exit_code_is_kept_where_nothing_can_be_printed(words, code):
    assert run_in_shell(words, ">/dev/full 2>&1").returncode == code


def test_closed_terminal_does_not_end_a_study_that_ignores_it(study):
    ours, theirs = pty.openpty()
    code = f"import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN); {PROGRAM}"
    command = [sys.executable, "-c", code, *study]
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment(), start_new_session=True
    ) as process:
        os.close(theirs)
        os.close(ours)
        assert process.wait(60) == 1
    assert_complete(Path("out"))


def test_closed_error_stream_does_not_move_to_standard_output(study):
    done = run_in_shell(study, "2>&-")
    assert done.stdout.splitlines()[0].startswith("2 runs done, ")
    assert "niimasker: " not in done.stdout
    assert_complete(Path("out"))


def test_what_a_library_prints_is_in_no_output_file(tmp_path):
    code = """
import os, sys
from pathlib import Path
from niimasker import cli
for descriptor in (0, 1, 2):
    os.close(descriptor)

def write_and_print():
    with Path("table.tsv").open("w") as file:
        for descriptor in (1, 2):
            os.write(descriptor, b"noise")
        file.write(str(file.fileno()))
    return 0

cli.main = write_and_print
from niimasker.__main__ import run
sys.exit(run())
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), timeout=60, check=False)
    assert done.returncode == 0
    assert int((tmp_path / "table.tsv").read_text()) > 2


@pytest.mark.parametrize("variables", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}], ids=str)
def test_name_that_the_stream_lacks_letters_for_is_one_line(tmp_path, monkeypatch, variables):
    monkeypatch.chdir(tmp_path)
    words = write_study(tmp_path, 1)
    done = run_in_shell(["größe", *words], "", **variables, PYTHONCOERCECLOCALE="0")
    assert (done.returncode, done.stderr) == (0, "")
    line, look = done.stdout.splitlines()
    assert line.startswith("1 run done, 1 table of time series in gr\\")
    assert look.startswith("1 of 1 run needs a look: ")
    assert done.stdout.isascii()


def test_worker_without_standard_error_answers(tmp_path):
    code = """
import os, sys
os.close(2)
from niimasker.running.workers import Worker
from small_tasks import print_noise
worker = Worker()
answer = worker.attempt(print_noise, "noise").value
worker.end()
sys.exit(answer != "noise")
"""
    search = [environment()["PYTHONPATH"], str(Path(__file__).parent)]
    variables = {**environment(), "PYTHONPATH": os.pathsep.join(search)}
    assert subprocess.run([sys.executable, "-c", code], env=variables, timeout=60, check=False).returncode == 0


class FullDisk(io.StringIO):
    """A stream that fails as a full disk does, until there is room."""

    encoding = "ascii"

    def __init__(self) -> None:
        super().__init__()
        self.is_full = True

    def write(self, text: str) -> int:
        if self.is_full:
            raise OSError(28, "No space left on device")
        text.encode(self.encoding)
        return super().write(text)

    def flush(self) -> None:
        if self.is_full:
            raise OSError(28, "No space left on device")

    def isatty(self) -> bool:
        raise OSError(5, "Input/output error")


class TestMessageStream:
    def test_what_fails_is_dropped_and_the_rest_is_written(self):
        stream = FullDisk()
        messages = MessageStream(stream)
        print("lost", file=messages, flush=True)
        stream.is_full = False
        print("größe \udcff", file=messages, flush=True)
        assert stream.getvalue() == "gr\\xf6\\xdfe \\udcff\n"

    @pytest.mark.parametrize("stream", [None, FullDisk()], ids=["none", "full"])
    def test_it_serves_all_that_print(self, stream):
        messages = MessageStream(stream)
        assert not messages.isatty()
        print("lost", file=messages)
        logger = logging.Logger("test")
        logger.addHandler(logging.StreamHandler(messages))
        logger.error("lost")
        for _ in tqdm(range(2), file=messages, dynamic_ncols=True):
            pass
        try:
            raise ValueError
        except ValueError:
            traceback.print_exc(file=messages)

    def test_closed_stream_takes_what_is_printed(self):
        stream = io.StringIO()
        stream.close()
        messages = MessageStream(stream)
        print("lost", file=messages, flush=True)
        assert not messages.isatty()

    def test_streams_are_put_back(self):
        before = sys.stdout, sys.stderr
        with expendable_messages():
            assert isinstance(sys.stderr, MessageStream)
        assert (sys.stdout, sys.stderr) == before


def test_main_in_a_process_without_streams(study, monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert main(study) == 1
    assert_complete(Path("out"))
