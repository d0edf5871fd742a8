"""Time and memory of ten pipelines in one call. Usage: python benchmarks/pipelines.py [FOLDER] [--repeats 3].

A call with ten presets and two atlases is compared with a call with one preset and one atlas, with ten calls, and with
nilearn. Each command runs in a process of its own, imports included, without reports, with files that are in the
system's cache; the commands of a row alternate, and a ratio is that of their medians. "Processor" is the time that all
threads compute, which depends less on what else the machine does; the load is that of the minute before the row ended,
one for each command that runs. FOLDER keeps the made-up data (0.3 GB) for the next call.
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
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from costs import Cost, mark_excess, run
from pipeline_names import ATLASES, FILTERING, IMAGE, MOVED_TABLE, ONE, SMALL, SMALL_ATLAS, TABLE, TEN

# Nothing else is imported here: the peak memory of a child is at least that of this process when it starts the child.

HERE = Path(__file__).parent
MAX_TIME_RATIO, MAX_MEMORY_RATIO = 1.5, 1.3
NO_LIMIT = float("inf")
CONNECTIVITY = ("--connectivity", "pearson")

Command = list[str]


@dataclass(frozen=True)
class Row:
    """Commands that run one after the other, those that they are compared with, and the largest acceptable ratios."""

    name: str
    ours: Sequence[Command]
    theirs: Sequence[Command]
    max_time_ratio: float = NO_LIMIT
    max_memory_ratio: float = NO_LIMIT


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=Path(tempfile.gettempdir()) / "niimasker_benchmark")
    parser.add_argument("--repeats", type=int, default=3, help="number of runs that each median is taken over")
    parser.add_argument("--runs", type=int, default=20, help="number of small runs")
    parser.add_argument("--quick", action="store_true", help="leave out ten calls and nilearn, which take minutes")
    arguments = parser.parse_args()
    data = [sys.executable, str(HERE / "pipeline_data.py"), str(arguments.folder), str(arguments.runs)]
    subprocess.run(data, check=True)
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; ")
    print(f"medians of {arguments.repeats}; image 97x115x97x200, float32 .nii.gz; 400 and 100 regions\n")
    with tempfile.TemporaryDirectory() as out:
        bench = Bench(arguments.folder, Path(out), arguments.repeats)
        print_rows(bench, [*list_rows(bench), *([] if arguments.quick else list_others(bench))])
        print_small_runs(bench, arguments.runs)


@dataclass(frozen=True)
class Bench:
    """The folder of the data, the folder of outputs, and the number of times that each command runs."""

    folder: Path
    out: Path
    repeats: int

    def niimasker(self, presets: Sequence[str], atlases: Sequence[str], *options: str, table: str = TABLE) -> Command:
        """Return a command with the large image."""
        paths = [str(self.folder / name) for name in (IMAGE, table)]
        regions = [str(self.folder / name) for name in atlases]
        return [*self._begin(presets), "-i", paths[0], "--regressor_files", paths[1], "-r", *regions, *options]

    def small_runs(self, presets: Sequence[str], *options: str) -> Command:
        """Return a command with the small runs."""
        folder = self.folder / SMALL
        return [*self._begin(presets), "-i", str(folder / "*_bold.nii"), "-r", str(folder / SMALL_ATLAS), *options]

    def _begin(self, presets: Sequence[str]) -> Command:
        out = str(self.out / "niimasker")
        return [sys.executable, "-W", "ignore", "-m", "niimasker", out, "--no_report", "--pipelines", *presets]

    def nilearn(self, way: str) -> Command:
        """Return the command of the nilearn script with ten pipelines."""
        script = [sys.executable, "-W", "ignore", str(HERE / "nilearn_pipelines.py")]
        return [*script, way, str(self.folder), str(self.out / "nilearn")]

    def measure(self, *sequences: Sequence[Command]) -> list[Cost]:
        """Return the median cost of each sequence of commands; the sequences alternate."""
        costs = [[self._run(commands) for commands in sequences] for _ in range(self.repeats)]
        return [
            Cost(
                statistics.median(cost.seconds for cost in repeats),
                statistics.median(cost.megabytes for cost in repeats),
                statistics.median(cost.processor_seconds for cost in repeats),
            )
            for repeats in zip(*costs, strict=True)
        ]

    def _run(self, commands: Sequence[Command]) -> Cost:
        costs = []
        for command in commands:
            # niimasker begins with an empty folder, as it would otherwise replace files.
            shutil.rmtree(self.out / "niimasker", ignore_errors=True)
            costs.append(run(command))
        return Cost(
            sum(cost.seconds for cost in costs),
            max(cost.megabytes for cost in costs),
            sum(cost.processor_seconds for cost in costs),
        )


def list_rows(bench: Bench) -> list[Row]:
    """Return the rows that compare ten pipelines in one call with one pipeline and one atlas."""
    one = [bench.niimasker([ONE], ATLASES[:1])]
    limits = MAX_TIME_RATIO, MAX_MEMORY_RATIO
    return [
        Row("ten presets x two atlases / one x one", [bench.niimasker(TEN, ATLASES)], one, *limits),
        Row("ten presets x one atlas / one x one", [bench.niimasker(TEN, ATLASES[:1])], one, *limits),
        Row(
            "ten x two / one x one, --connectivity pearson",
            [bench.niimasker(TEN, ATLASES, *CONNECTIVITY)],
            [bench.niimasker([ONE], ATLASES[:1], *CONNECTIVITY)],
        ),
        Row(
            "ten x two / one x one, pipelines begin at three volumes",
            [bench.niimasker(TEN, ATLASES, table=MOVED_TABLE)],
            [bench.niimasker([ONE], ATLASES[:1], table=MOVED_TABLE)],
        ),
        Row(
            "four presets with band-pass x two / one of them x one",
            [bench.niimasker(FILTERING, ATLASES)],
            [bench.niimasker(FILTERING[:1], ATLASES[:1])],
        ),
    ]


def list_others(bench: Bench) -> list[Row]:
    """Return the rows that compare one call with other ways of cleaning in ten ways."""
    one_call = [bench.niimasker(TEN, ATLASES)]
    return [
        Row(
            "one call with ten presets x two / ten calls", one_call, [bench.niimasker([each], ATLASES) for each in TEN]
        ),
        Row("one call / nilearn, extracting once per atlas", one_call, [bench.nilearn("once")]),
        Row("one call / nilearn, a masker per pipeline and atlas", one_call, [bench.nilearn("masker")]),
    ]


def print_rows(bench: Bench, rows: Sequence[Row]) -> None:
    """Print what the commands of each row cost, and their ratios."""
    print("| what | cost | compared with | time ratio | processor ratio | memory ratio | wanted | load |")
    print("|---|---|---|---|---|---|---|---|")
    for row in rows:
        ours, theirs = bench.measure(row.ours, row.theirs)
        ratios = [
            mark_excess(ours.seconds / theirs.seconds, row.max_time_ratio),
            f"{ours.processor_seconds / theirs.processor_seconds:.2f}",
            mark_excess(ours.megabytes / theirs.megabytes, row.max_memory_ratio),
        ]
        cells = [row.name, show_cost(ours), show_cost(theirs), *ratios, show_limits(row), f"{os.getloadavg()[0]:.1f}"]
        print(f"| {' | '.join(cells)} |", flush=True)


def show_cost(cost: Cost) -> str:
    """Return the time, processor time and peak memory of commands as text."""
    return f"{cost.seconds:.1f} s, processor {cost.processor_seconds:.1f} s, {cost.megabytes:.0f} MB"


def show_limits(row: Row) -> str:
    """Return the largest acceptable ratios of a row as text; nothing for a row that is for information."""
    if row.max_time_ratio == NO_LIMIT:
        return ""
    return f"time at most {row.max_time_ratio:g}, memory at most {row.max_memory_ratio:g}"


def print_small_runs(bench: Bench, n_runs: int) -> None:
    """Print what a further pipeline costs per run, where reading takes no time."""
    print(f"\n| {n_runs} small runs | one preset | ten presets | per further pipeline and run | load |")
    print("|---|---|---|---|---|")
    for name, options in (("--dry_run", ("--dry_run",)), ("whole command", ())):
        one, ten = bench.measure([bench.small_runs([ONE], *options)], [bench.small_runs(TEN, *options)])
        n_further = n_runs * (len(TEN) - 1)
        milliseconds = (ten.seconds - one.seconds) / n_further * 1e3
        processor = (ten.processor_seconds - one.processor_seconds) / n_further * 1e3
        cells = [name, show_cost(one), show_cost(ten), f"{milliseconds:.1f} ms, processor {processor:.1f} ms"]
        print(f"| {' | '.join(cells)} | {os.getloadavg()[0]:.1f} |", flush=True)


if __name__ == "__main__":
    main()
