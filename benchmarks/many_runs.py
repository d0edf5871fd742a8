"""Overhead and memory of a study of many small runs. Usage: python benchmarks/many_runs.py [--runs 2000] [--n_jobs 2].

The overhead per run is the time of the whole command, minus its start-up time, minus the time within the runs divided
by n_jobs, all divided by the number of runs. The start-up time is what a command with one run takes outside that run.
The overhead includes the checks of all headers and tables before the first run, which a single process does.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

SHAPE = (16, 18, 14)
N_VOLUMES = 60
N_REGIONS = 20
SECONDS_BETWEEN_SAMPLES = 0.5
MAX_OVERHEAD = 10  # ms per run
MAX_MEMORY_GROWTH = 20  # MB, from 25 to 75 % of the time


def main() -> None:
    """Print the numbers; exit with 1 if one of them misses its target."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--n_jobs", type=int, default=2)
    parser.add_argument("--reports", action="store_true", help="also write the report of each run")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        write_study(data, arguments.runs)
        options = ["--n_jobs", str(arguments.n_jobs), *([] if arguments.reports else ["--no_report"])]
        single = measure(data, Path(folder) / "one", "sub-0000_bold.nii", options)
        study = measure(data, Path(folder) / "out", "sub-*_bold.nii", options)
        print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; {' '.join(options)}")
        startup = single.seconds - seconds_in_runs(Path(folder) / "one")
        meets_targets = print_study(study, startup, Path(folder) / "out", arguments.n_jobs)
        resumed = measure(data, Path(folder) / "out", "sub-*_bold.nii", [*options, "--resume"])
        per_run = resumed.seconds / arguments.runs * 1e3
        print(f"--resume of the finished study: {resumed.seconds:.1f} s, {per_run:.1f} ms per run")
    sys.exit(not meets_targets)


def write_study(folder: Path, n_runs: int) -> None:
    """Write runs of noise that differ in their first volume, a confounds table for each, and an atlas."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    affine = np.diag([3.0, 3, 3, 1])
    labels = np.zeros(SHAPE, dtype=np.int16)
    labels[2:-2, 2:-2, 2:-2] = rng.integers(1, N_REGIONS + 1, tuple(n - 4 for n in SHAPE))
    nib.save(nib.Nifti1Image(labels, affine), folder / "atlas.nii.gz")
    img = nib.Nifti1Image(rng.normal(1000, 10, (*SHAPE, N_VOLUMES)).astype(np.float32), affine)
    img.header.set_xyzt_units("mm", "sec")
    img.header["pixdim"][4] = 2.0
    nib.save(img, folder / "template.nii")
    template = (folder / "template.nii").read_bytes()
    (folder / "template.nii").unlink()
    confounds = pd.DataFrame(rng.normal(size=(N_VOLUMES, 6)), columns=list("abcdef")).to_csv(sep="\t", index=False)
    for number in range(n_runs):
        first = rng.normal(1000, 10, SHAPE).astype(np.float32).tobytes()
        path = folder / f"sub-{number:04}_bold.nii"
        path.write_bytes(template[:352] + first + template[352 + len(first) :])
        (folder / f"sub-{number:04}_confounds.tsv").write_text(confounds)


@dataclass(frozen=True)
class Cost:
    """The duration of a command in seconds, and samples of the memory of its main process in MB."""

    seconds: float
    megabytes: list[float]


def measure(data: Path, out: Path, images: str, options: list[str]) -> Cost:
    """Return the cost of a command."""
    confounds = images.replace("bold.nii", "confounds.tsv")
    command = [sys.executable, "-m", "niimasker", str(out), "-i", str(data / images), "-r", str(data / "atlas.nii.gz")]
    command += ["--regressor_files", str(data / confounds), "--regressors", "a", "b", "--standardize", *options]
    megabytes = []
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            megabytes.append(memory_of(process.pid))
            time.sleep(SECONDS_BETWEEN_SAMPLES if megabytes[-1] else 0.01)
    seconds = time.perf_counter() - start
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed")
    return Cost(seconds, [sample for sample in megabytes if sample])


def memory_of(pid: int) -> float:
    """Return the memory of a process in MB, 0 if it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:")), 0.0)


def seconds_in_runs(out: Path) -> float:
    """Return the sum of the seconds that the runs of a study took in their processes."""
    return float(pd.read_csv(out / "niimasker_data/summary.tsv", sep="\t")["seconds"].sum())


def print_study(study: Cost, startup: float, out: Path, n_jobs: int) -> bool:
    """Print the cost of a study and whether it is complete; return whether it meets the targets."""
    summary = pd.read_csv(out / "niimasker_data/summary.tsv", sep="\t")
    n_runs, in_runs = len(summary), seconds_in_runs(out)
    overhead = (study.seconds - startup - in_runs / n_jobs) / n_runs * 1e3
    positions = [int(share * (len(study.megabytes) - 1)) for share in (0.25, 0.5, 0.75, 0.95)]
    megabytes = [study.megabytes[position] for position in positions]
    n_done, n_tables = int((summary["status"] == "done").sum()), len(list(out.glob("*_timeseries.tsv")))
    per_run = in_runs / n_runs * 1e3
    print(f"{n_runs} runs: {study.seconds:.1f} s, of which start-up {startup:.1f} s; {per_run:.1f} ms within a run")
    print(f"overhead: {overhead:.1f} ms per run (target: under {MAX_OVERHEAD})")
    samples = ", ".join(f"{sample:.0f}" for sample in megabytes)
    print(f"memory of the main process at 25, 50, 75 and 95 % of the time: {samples} MB")
    listed = count_listed(out / "reports/index.html", summary)
    print(f"{n_done} of {n_runs} runs done; {n_tables} tables; listed in the index page: {listed}")
    is_complete = n_done == n_tables == n_runs
    return overhead < MAX_OVERHEAD and megabytes[2] - megabytes[0] < MAX_MEMORY_GROWTH and is_complete


def count_listed(index_path: Path, summary: pd.DataFrame) -> str:
    """Return how many runs the index page lists."""
    if not index_path.is_file():
        return "no page requested"
    text = index_path.read_text("utf-8")
    n_found = sum(f'"{name}"' in text for name in summary["output"])
    return f"{n_found} of {len(summary)}"


if __name__ == "__main__":
    main()
