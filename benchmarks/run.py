"""Time and peak memory compared with nilearn. Usage: python benchmarks/run.py [FOLDER] [--repeats 3].

Each command runs in a process of its own, imports included; niimasker and nilearn alternate. FOLDER keeps the made-up
data (about 1.2 GB) for the next call.
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
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from costs import Cost, mark_excess, run
from data import make_data

HERE = Path(__file__).parent
NIIMASKER = [sys.executable, "-m", "niimasker"]
# Without reports, which a nilearn script does not write; they have a table of their own.
CLEANING = ["--detrend", "--high_pass", "0.01", "--standardize", "--no_report"]


@dataclass(frozen=True)
class Row:
    """One kind of work, and the largest acceptable ratios of niimasker to nilearn."""

    name: str
    kind: str
    regions: str
    options: tuple[str, ...]
    max_time_ratio: float
    max_memory_ratio: float


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
    """One kind of report, and the largest acceptable processor time in seconds and page size in MB."""

    name: str
    files: tuple[str, str, str]
    flags: tuple[str, ...]
    max_seconds: float
    max_megabytes: float


REPORT_ROWS = (
    ReportRow(
        "100 regions, 200 volumes",
        ("bold_200.nii.gz", "regions_100.nii.gz", "confounds_200.tsv"),
        (),
        0.8,
        1.2,
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
    parser.add_argument("--repeats", type=int, default=3, help="number of runs that each median is taken over")
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
    """The folder of the data, the folder of outputs, and the number of times that each command runs."""

    folder: Path
    out: Path
    repeats: int

    def niimasker(self, image: str, regions: Sequence[str], *options: str) -> list[str]:
        """Return a niimasker command."""
        paths = [str(self.folder / name) for name in regions]
        return [*NIIMASKER, str(self.out / "niimasker"), "-i", str(self.folder / image), "-r", *paths, *options]

    def nilearn(self, row: Row) -> list[str]:
        """Return the command of the nilearn script that does the work of a row."""
        fwhm = row.options[-1:] if "--smoothing_fwhm" in row.options else ()
        paths = [str(self.folder / "bold_200.nii.gz"), str(self.folder / row.regions), str(self.out / "nilearn.tsv")]
        return [sys.executable, str(HERE / "by_nilearn.py"), row.kind, *paths, *fwhm]

    def measure(self, *commands: Sequence[str]) -> list[Cost]:
        """Return the median cost of each command; the commands alternate."""
        costs = [[run(command) for command in commands] for _ in range(self.repeats)]
        return [
            Cost(
                statistics.median(cost.seconds for cost in repeats),
                statistics.median(cost.megabytes for cost in repeats),
            )
            for repeats in zip(*costs, strict=True)
        ]


def print_rows(bench: Bench) -> None:
    """Print the cost of each kind of work with niimasker and with nilearn."""
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
            f"| {mark_excess(time_ratio, row.max_time_ratio)} | {mark_excess(memory_ratio, row.max_memory_ratio)} |",
            flush=True,
        )
    print()


def print_others(bench: Bench) -> None:
    """Print the ratios other than those to nilearn."""
    print("| what | ratio | target |")
    print("|---|---|---|")
    for name, target, measure in OTHERS:
        print(f"| {name} | {measure(bench):.2f} | {target} |", flush=True)


def print_reports(bench: Bench) -> None:
    """Print the cost of reports in addition to extraction."""
    print("\n| report | processor time | page |")
    print("|---|---|---|")
    for row in REPORT_ROWS:
        paths = [str(bench.folder / name) for name in row.files]
        command = [sys.executable, "-W", "ignore", str(HERE / "in_process.py"), "report_cost", *paths, *row.flags]
        outputs = [
            subprocess.run(command, check=True, capture_output=True, text=True).stdout for _ in range(bench.repeats)
        ]
        seconds, megabytes = (
            statistics.median(map(float, column)) for column in zip(*map(str.split, outputs), strict=True)
        )
        cells = f"{mark_excess(seconds, row.max_seconds)} s", f"{mark_excess(megabytes, row.max_megabytes)} MB"
        print(f"| {row.name} | {' | '.join(cells)} |", flush=True)


def extraction_time_ratio(bench: Bench) -> float:
    """Return the time of extraction alone divided by that of decompressing the same file with ISA-L."""
    image, regions = str(bench.folder / "bold_200.nii.gz"), str(bench.folder / "regions_400.nii.gz")
    return _in_one_process(bench, "extraction_time_ratio", image, regions)


def decompression_time_ratio(bench: Bench) -> float:
    """Return the time of decompression with nibabel divided by the time with ISA-L."""
    return _in_one_process(bench, "decompression_time_ratio", str(bench.folder / "bold_200.nii.gz"))


def _in_one_process(bench: Bench, *words: str) -> float:
    """Return the median of a ratio that in_process.py measures."""
    command = [sys.executable, str(HERE / "in_process.py"), *words]
    ratios = [float(subprocess.run(command, check=True, capture_output=True).stdout) for _ in range(bench.repeats)]
    return statistics.median(ratios)


def long_run_memory_ratio(bench: Bench) -> float:
    """Return the peak memory with 800 volumes divided by that with 200."""
    long, short = bench.measure(
        bench.niimasker("bold_800.nii.gz", ["regions_400.nii.gz"], *CLEANING),
        bench.niimasker("bold_200.nii.gz", ["regions_400.nii.gz"], *CLEANING),
    )
    return long.megabytes / short.megabytes


def gzip_time_ratio(bench: Bench) -> float:
    """Return the time of the whole command of the first row divided by that of `gzip -dc`."""
    ours, theirs = bench.measure(
        bench.niimasker("bold_200.nii.gz", ["regions_100.nii.gz"], *CLEANING),
        ["gzip", "-dc", str(bench.folder / "bold_200.nii.gz")],
    )
    return ours.seconds / theirs.seconds


def two_processes_speedup(bench: Bench) -> float:
    """Return the throughput of 8 runs with two processes divided by that with one."""
    copies = bench.out / "copies"
    copies.mkdir()
    for n in range(8):
        shutil.copy(bench.folder / "bold_200.nii.gz", copies / f"run-{n}_bold.nii.gz")
    pattern = str(copies / "*.nii.gz")
    commands = [bench.niimasker(pattern, ["regions_100.nii.gz"], *CLEANING, "--n_jobs", n) for n in ("1", "2")]
    one, two = bench.measure(*commands)
    shutil.rmtree(copies)
    return one.seconds / two.seconds


def five_atlases_time_ratio(bench: Bench) -> float:
    """Return the time with five atlases in one pass divided by that with one atlas."""
    atlases = [f"regions_{n}.nii.gz" for n in (400, 110, 210, 310, 410)]
    five, one = bench.measure(
        bench.niimasker("bold_200.nii.gz", atlases, *CLEANING),
        bench.niimasker("bold_200.nii.gz", atlases[:1], *CLEANING),
    )
    return five.seconds / one.seconds


OTHERS: tuple[tuple[str, str, Callable[[Bench], float]], ...] = (
    ("time: extraction alone / decompression of the file with ISA-L", "at most 2.0", extraction_time_ratio),
    ("peak memory: 800 volumes / 200 volumes", "at most 1.1", long_run_memory_ratio),
    ("time: whole command of the first row / `gzip -dc`", "at most 0.9", gzip_time_ratio),
    ("throughput of 8 runs: --n_jobs 2 / --n_jobs 1", "at least 1.7", two_processes_speedup),
    ("time: five atlases in one pass / one atlas", "at most 1.5", five_atlases_time_ratio),
    ("time: decompression with nibabel and zlib / with ISA-L", "above 1", decompression_time_ratio),
)


if __name__ == "__main__":
    main()
