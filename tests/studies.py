"""Studies of small runs, and commands in separate processes that tests can interrupt or kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from images import make_labels, make_series, save

import niimasker

LABELS = make_labels((1, 2, 5))
DEADLINE = 60.0
HERE = Path(__file__).parent


def write_study(folder: Path, n_runs: int) -> list[str]:
    """Write images that differ by a constant, and an atlas; return the words of the command that extracts them."""
    for number in range(n_runs):
        save(folder / f"sub-{number:02}_bold.nii.gz", make_series(LABELS) + number, t_r=2.0)
    save(folder / "atlas.nii.gz", LABELS)
    return ["-i", str(folder / "sub-*_bold.nii.gz"), "-r", str(folder / "atlas.nii.gz"), "--no_report"]


def environment() -> dict[str, str]:
    """Return the environment in which a process finds this niimasker and these tests."""
    paths = [
        str(Path(niimasker.__file__).parents[1]),
        str(HERE),
        str(HERE / "running"),
        os.environ.get("PYTHONPATH", ""),
    ]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


def start(*words: str | Path, code: str = "") -> subprocess.Popen[str]:
    """Start niimasker in a session of its own, after running some Python code."""
    main = "import sys; from niimasker.__main__ import run; sys.exit(run())"
    # Shells start background jobs with SIGINT ignored, nohup with SIGHUP: both are set as in a terminal.
    handler = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    handler += "signal.signal(signal.SIGHUP, signal.SIG_DFL)"
    return subprocess.Popen(
        [sys.executable, "-c", f"{handler}\n{code}\n{main}", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        start_new_session=True,
    )


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Return once a condition holds; fail if it does not hold before a deadline."""
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, f"waited in vain until {what}"
        time.sleep(0.01)


def children_of(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    found = []
    for stat_path in Path("/proc").glob("[0-9]*/stat"):
        try:
            after_name = stat_path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if after_name[0] != "Z" and int(after_name[1]) == pid:
            found.append(int(stat_path.parent.name))
    return found


def kill(pid: int) -> None:
    """Kill a process as the system does when memory runs out."""
    os.kill(pid, signal.SIGKILL)


def summary(output_dir: Path) -> pd.DataFrame:
    """Return summary.tsv, indexed by the output names of the runs."""
    return pd.read_csv(output_dir / "niimasker_data/summary.tsv", sep="\t").set_index("output")


def statuses(output_dir: Path) -> pd.Series:
    """Return how each run ended, by its output name: as in summary.tsv, but "skipped" where this call did not do it."""
    table = summary(output_dir)
    return table["status"].mask(table["skipped"] == 1, "skipped")


def results_in(output_dir: Path) -> dict[str, bytes]:
    """Return the content of every file of the runs, without the files of the study and the pages."""
    return {
        path.relative_to(output_dir).as_posix(): path.read_bytes()
        for path in sorted(output_dir.rglob("*"))
        if path.is_file() and not {"niimasker_data", "reports"} & set(path.relative_to(output_dir).parts)
    }
