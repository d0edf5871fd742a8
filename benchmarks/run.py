"""Time and peak memory against nilearn, as ratios in one run. Usage: python benchmarks/run.py [FOLDER] [--repeats 3].

Every command runs in a process of its own, the two sides in turn, imports included. FOLDER keeps the made-up data
(about 1.2 GB) for the next run.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from data import make_data

HERE = Path(__file__).parent
NIIMASKER = [sys.executable, "-m", "niimasker"]
# Reports have rows of their own: a nilearn script writes none.
CLEANING = ["--detrend", "--high_pass", "0.01", "--standardize", "--no_report"]


@dataclass(frozen=True)
class Cost:
    """Seconds from start to finish, and the largest memory in MB."""

    seconds: float
    megabytes: float


@dataclass(frozen=True)
class Row:
    """One kind of work, and the ratios that it should stay below."""

    name: str
    kind: str
    regions: str
    options: tuple[str, ...]
    most_time: float
    most_memory: float


ROWS = (
    Row("100 regions, float32, another grid", "labels", "regions_100.nii.gz", (), 0.20, 0.35),
    Row("400 regions, int16, the image's grid", "labels", "regions_400.nii.gz", (), 0.38, 0.35),
    Row("400 regions, smoothed 6 mm", "labels", "regions_400.nii.gz", ("--smoothing_fwhm", "6"), 0.16, 0.30),
    Row("264 spheres of 6 mm", "spheres", "spheres_264.tsv", ("--radius", "6"), 0.12, 0.30),
    Row("64 overlapping maps", "maps", "maps_64.nii.gz", (), 0.12, 0.20),
    Row(
        "2,000 voxels, smoothed 6 mm",
        "voxels",
        "mask_2000.nii.gz",
        ("--as_voxels", "--smoothing_fwhm", "6"),
        0.20,
        0.25,
    ),
)


@dataclass(frozen=True)
class ReportRow:
    """One kind of report, and the processor seconds and MB that it should stay below."""

    name: str
    files: tuple[str, str, str]
    flags: tuple[str, ...]
    most_seconds: float
    most_megabytes: float


REPORT_ROWS = (
    ReportRow(
        "100 regions, 200 volumes",
        ("bold_200.nii.gz", "regions_100.nii.gz", "confounds_200.tsv"),
        (),
        1.5,
        float("inf"),
    ),
    ReportRow(
        "400 regions, 1,200 volumes",
        ("small_bold_1200.nii.gz", "small_regions_400.nii.gz", "confounds_1200.tsv"),
        (),
        4.0,
        3.0,
    ),
    ReportRow(
        "20,000 voxels, 200 volumes",
        ("bold_200.nii.gz", "mask_20000.nii.gz", "confounds_200.tsv"),
        ("as_voxels",),
        6.0,
        4.0,
    ),
)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=Path(tempfile.gettempdir()) / "niimasker_benchmark")
    parser.add_argument("--repeats", type=int, default=3, help="medians are over this many runs")
    arguments = parser.parse_args()
    make_data(arguments.folder)
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; ")
    print(f"medians of {arguments.repeats}; image 97x115x97x200, float32 .nii.gz\n")
    with tempfile.TemporaryDirectory() as out:
        bench = Bench(arguments.folder, Path(out), arguments.repeats)
        print_rows(bench)
        print_others(bench)
        print_reports(bench)


@dataclass(frozen=True)
class Bench:
    """Where the data are, where outputs go, and how often each command runs."""

    folder: Path
    out: Path
    repeats: int

    def niimasker(self, image: str, regions: Sequence[str], *options: str) -> list[str]:
        """Return a command of niimasker."""
        paths = [str(self.folder / name) for name in regions]
        return [*NIIMASKER, str(self.out / "niimasker"), "-i", str(self.folder / image), "-r", *paths, *options]

    def nilearn(self, row: Row) -> list[str]:
        """Return the command of the script that does a row's work with nilearn."""
        fwhm = row.options[-1:] if "--smoothing_fwhm" in row.options else ()
        paths = [str(self.folder / "bold_200.nii.gz"), str(self.folder / row.regions), str(self.out / "nilearn.tsv")]
        return [sys.executable, str(HERE / "by_nilearn.py"), row.kind, *paths, *fwhm]

    def measure(self, *commands: Sequence[str]) -> list[Cost]:
        """Return the median cost of each command, run in turn."""
        costs = [[run(command) for command in commands] for _ in range(self.repeats)]
        return [
            Cost(statistics.median(c.seconds for c in column), statistics.median(c.megabytes for c in column))
            for column in zip(*costs, strict=True)
        ]


def run(command: Sequence[str]) -> Cost:
    """Return what a command costs; its memory is that of its largest process."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status:
        raise SystemExit(f"{' '.join(command)} failed:\n{said.decode()}")
    return Cost(seconds, usage.ru_maxrss / 1024)


def print_rows(bench: Bench) -> None:
    """Print each kind of work against a nilearn script that does the same."""
    print("| work (detrend, high_pass 0.01, standardize) | niimasker | nilearn script | time ratio | memory ratio |")
    print("|---|---|---|---|---|")
    for row in ROWS:
        ours, theirs = bench.measure(
            bench.niimasker("bold_200.nii.gz", [row.regions], *CLEANING, *row.options), bench.nilearn(row)
        )
        time_ratio, memory_ratio = ours.seconds / theirs.seconds, ours.megabytes / theirs.megabytes
        print(
            f"| {row.name} | {ours.seconds:.1f} s, {ours.megabytes:.0f} MB "
            f"| {theirs.seconds:.1f} s, {theirs.megabytes:.0f} MB "
            f"| {compare(time_ratio, row.most_time)} | {compare(memory_ratio, row.most_memory)} |",
            flush=True,
        )
    print()


def compare(ratio: float, most: float) -> str:
    """Return a ratio, with the bound that it misses if it does."""
    return f"{ratio:.2f}" if ratio <= most else f"{ratio:.2f} (over {most:.2f})"


def print_others(bench: Bench) -> None:
    """Print the ratios that are not against nilearn."""
    print("| what | ratio | wanted |")
    print("|---|---|---|")
    for name, wanted, measure in OTHERS:
        print(f"| {name} | {measure(bench):.2f} | {wanted} |", flush=True)


def print_reports(bench: Bench) -> None:
    """Print what reports cost beyond extraction."""
    print("\n| report | processor time | page |")
    print("|---|---|---|")
    for row in REPORT_ROWS:
        paths = [str(bench.folder / name) for name in row.files]
        command = [sys.executable, "-W", "ignore", str(HERE / "inside.py"), "report_cost", *paths, *row.flags]
        said = [
            subprocess.run(command, check=True, capture_output=True, text=True).stdout for _ in range(bench.repeats)
        ]
        seconds, megabytes = (
            statistics.median(map(float, column)) for column in zip(*map(str.split, said), strict=True)
        )
        shown = f"{compare(seconds, row.most_seconds)} s", f"{compare(megabytes, row.most_megabytes)} MB"
        print(f"| {row.name} | {' | '.join(shown)} |", flush=True)


def extraction_by_decompression(bench: Bench) -> float:
    """Return the time of extraction alone by that of ISA-L's decompression of the same file."""
    image, regions = str(bench.folder / "bold_200.nii.gz"), str(bench.folder / "regions_400.nii.gz")
    return _in_one_process(bench, "extraction_by_decompression", image, regions)


def zlib_by_isal(bench: Bench) -> float:
    """Decompression as nibabel does it by ISA-L's."""
    return _in_one_process(bench, "zlib_by_isal", str(bench.folder / "bold_200.nii.gz"))


def _in_one_process(bench: Bench, *words: str) -> float:
    command = [sys.executable, str(HERE / "inside.py"), *words]
    ratios = [float(subprocess.run(command, check=True, capture_output=True).stdout) for _ in range(bench.repeats)]
    return statistics.median(ratios)


def long_by_short(bench: Bench) -> float:
    """Peak memory at 800 volumes by that at 200."""
    long, short = bench.measure(
        bench.niimasker("bold_800.nii.gz", ["regions_400.nii.gz"], *CLEANING),
        bench.niimasker("bold_200.nii.gz", ["regions_400.nii.gz"], *CLEANING),
    )
    return long.megabytes / short.megabytes


def command_by_gzip(bench: Bench) -> float:
    """Return the time of the first row's whole command by that of `gzip -dc`."""
    ours, theirs = bench.measure(
        bench.niimasker("bold_200.nii.gz", ["regions_100.nii.gz"], *CLEANING),
        ["gzip", "-dc", str(bench.folder / "bold_200.nii.gz")],
    )
    return ours.seconds / theirs.seconds


def two_processes_by_one(bench: Bench) -> float:
    """Throughput of 8 runs with two processes by that with one."""
    copies = bench.out / "copies"
    copies.mkdir()
    for n in range(8):
        shutil.copy(bench.folder / "bold_200.nii.gz", copies / f"run-{n}_bold.nii.gz")
    pattern = str(copies / "*.nii.gz")
    commands = [bench.niimasker(pattern, ["regions_100.nii.gz"], *CLEANING, "--n_jobs", n) for n in ("1", "2")]
    one, two = bench.measure(*commands)
    shutil.rmtree(copies)
    return one.seconds / two.seconds


def five_atlases_by_one(bench: Bench) -> float:
    """Five atlases in one pass by one atlas."""
    atlases = [f"regions_{n}.nii.gz" for n in (400, 110, 210, 310, 410)]
    five, one = bench.measure(
        bench.niimasker("bold_200.nii.gz", atlases, *CLEANING),
        bench.niimasker("bold_200.nii.gz", atlases[:1], *CLEANING),
    )
    return five.seconds / one.seconds


OTHERS: tuple[tuple[str, str, Callable[[Bench], float]], ...] = (
    ("extraction alone / ISA-L's decompression of the file", "at most 2.0", extraction_by_decompression),
    ("peak memory at 800 volumes / at 200", "at most 1.1", long_by_short),
    ("whole command of the first row / `gzip -dc`", "at most 0.9", command_by_gzip),
    ("throughput of 8 runs, --n_jobs 2 / --n_jobs 1", "at least 1.7", two_processes_by_one),
    ("five atlases in one pass / one", "at most 1.5", five_atlases_by_one),
    ("decompression by nibabel and zlib / by ISA-L", "above 1", zlib_by_isal),
)


if __name__ == "__main__":
    main()
