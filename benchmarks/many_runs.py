"""Overhead and memory of a study of many small runs. Usage: python benchmarks/many_runs.py [--runs 2000] [--n_jobs 2].

Overhead is what the study takes beyond the runs, each from image to tables: the seconds of the whole command, less
those that a command of one run takes beside that run, less those of the runs by n_jobs; all this by the number of runs.
The checks of every header and table before the first run, which one process does alone, are in it.
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
SECONDS_BETWEEN_LOOKS = 0.5


def main() -> None:
    """Print the numbers; end with 1 when one of them is not as wanted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--n_jobs", type=int, default=2)
    parser.add_argument("--reports", action="store_true", help="write the pages of runs too")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        write_study(data, arguments.runs)
        options = ["--n_jobs", str(arguments.n_jobs), *([] if arguments.reports else ["--no_report"])]
        start = measure(data, Path(folder) / "one", "sub-0000_bold.nii", options)
        whole = measure(data, Path(folder) / "out", "sub-*_bold.nii", options)
        print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; {' '.join(options)}")
        beside = start.seconds - seconds_in_runs(Path(folder) / "one")
        is_good = tell(whole, beside, Path(folder) / "out", arguments.n_jobs)
        resumed = measure(data, Path(folder) / "out", "sub-*_bold.nii", [*options, "--resume"])
        each = resumed.seconds / arguments.runs * 1e3
        print(f"--resume of the finished study: {resumed.seconds:.1f} s, {each:.1f} ms a run")
    sys.exit(not is_good)


def write_study(folder: Path, n_runs: int) -> None:
    """Write runs of noise that differ in their first volume, with confounds, and an atlas."""
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
    """Seconds from start to finish, and the command's own memory in MB as time went by."""

    seconds: float
    megabytes: list[float]


def measure(data: Path, out: Path, images: str, options: list[str]) -> Cost:
    """Return what a command costs."""
    confounds = images.replace("bold.nii", "confounds.tsv")
    command = [sys.executable, "-m", "niimasker", str(out), "-i", str(data / images), "-r", str(data / "atlas.nii.gz")]
    command += ["--regressor_files", str(data / confounds), "--regressors", "a", "b", "--standardize", *options]
    megabytes = []
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            megabytes.append(memory_of(process.pid))
            time.sleep(SECONDS_BETWEEN_LOOKS if megabytes[-1] else 0.01)
    seconds = time.perf_counter() - start
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed")
    return Cost(seconds, [each for each in megabytes if each])


def memory_of(pid: int) -> float:
    """Return the memory of a process in MB, 0 when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:")), 0.0)


def seconds_in_runs(out: Path) -> float:
    """Return how long all runs of a study took, each in its process."""
    return float(pd.read_csv(out / "niimasker_data/summary.tsv", sep="\t")["seconds"].sum())


def tell(whole: Cost, beside: float, out: Path, n_jobs: int) -> bool:
    """Print what a study cost and whether it is complete; return whether all is as wanted."""
    summary = pd.read_csv(out / "niimasker_data/summary.tsv", sep="\t")
    n_runs, in_runs = len(summary), seconds_in_runs(out)
    overhead = (whole.seconds - beside - in_runs / n_jobs) / n_runs * 1e3
    places = [int(share * (len(whole.megabytes) - 1)) for share in (0.25, 0.5, 0.75, 0.95)]
    megabytes = [whole.megabytes[place] for place in places]
    n_done, n_tables = int((summary["status"] == "done").sum()), len(list(out.glob("*_timeseries.tsv")))
    print(
        f"{n_runs} runs: {whole.seconds:.1f} s, {beside:.1f} s of it start; {in_runs / n_runs * 1e3:.1f} ms in each run"
    )
    print(f"overhead beyond them: {overhead:.1f} ms a run (wanted: under 10)")
    print(
        f"memory of the parent at 25, 50, 75 and 95 % of the time: {', '.join(f'{each:.0f}' for each in megabytes)} MB"
    )
    print(
        f"{n_done} of {n_runs} done; {n_tables} tables; in the index: {describe(out / 'reports/index.html', summary)}"
    )
    return overhead < 10 and megabytes[2] - megabytes[0] < 20 and n_done == n_tables == n_runs


def describe(index_path: Path, summary: pd.DataFrame) -> str:
    """Return how many runs the page of the study has."""
    if not index_path.is_file():
        return "not wanted"
    text = index_path.read_text("utf-8")
    n_found = sum(f'"{name}"' in text for name in summary["output"])
    return f"{n_found} of {len(summary)}"


if __name__ == "__main__":
    main()
