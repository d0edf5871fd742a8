"""Time and peak memory with surfaces and grayordinates. Usage: python benchmarks/surfaces.py [FOLDER] [--repeats 3].

A CIFTI series of 91,282 x 1,200 is compared with `wb_command -cifti-parcellate`, with nibabel and numpy, and with the
time to read the file; pairs of GIFTI series with nilearn's SurfaceLabelsMasker and with all arrays in memory. Each
command runs in a process of its own, with files that are in the system's cache; the commands alternate, and the best
time of each counts. "Beyond imports" is that time minus the best time of a process that only imports what the command
imports. FOLDER keeps the made-up data (1.6 GB) for the next call; --quick takes a tenth of the volumes.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from costs import Cost, mark_excess, run
from surface_names import DLABEL, name_atlas, name_dtseries, name_gifti

# Nothing else is imported here: the peak memory of a child is at least that of this process when it starts the child.

HERE = Path(__file__).parent
N_CIFTI, N_GIFTI, N_MEMORY = 1200, 400, (300, 600, 1200)
MESHES = ("fsaverage5", "fsaverage")
HEMISPHERES = ("L", "R")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, help="folder of the data; a temporary one if none is given")
    parser.add_argument("--repeats", type=int, default=3, help="number of runs that the best is taken of")
    parser.add_argument("--quick", action="store_true", help="take a tenth of the volumes")
    arguments = parser.parse_args()
    divisor = 10 if arguments.quick else 1
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary) / "data"
        bench = Bench(folder, Path(temporary), arguments.repeats, N_CIFTI // divisor, N_GIFTI // divisor)
        n_memory = tuple(n // divisor for n in N_MEMORY)
        counts = map(str, (bench.n_cifti, bench.n_gifti, *n_memory))
        subprocess.run([sys.executable, str(HERE / "surface_data.py"), str(folder), *counts], check=True)
        print(
            f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
        )
        print(f"best of {bench.repeats}; float32; times are of whole commands\n")
        print_cifti(bench)
        print_gifti(bench)
        print_memory(bench, n_memory)


@dataclass(frozen=True)
class Bench:
    """The folders of data and of outputs, how often each command runs, and the numbers of volumes."""

    folder: Path
    out: Path
    repeats: int
    n_cifti: int
    n_gifti: int

    def niimasker(self, images: Sequence[str], regions: Sequence[str]) -> list[str]:
        """Return a niimasker command, without reports, which the others do not write."""
        images, regions = self._paths(images), self._paths(regions)
        return [sys.executable, "-m", "niimasker", str(self.out / "out"), "-i", *images, "-r", *regions, "--no_report"]

    def other(self, way: str, images: Sequence[str], regions: Sequence[str] = ()) -> list[str]:
        """Return the command of a script that does the same without niimasker."""
        script = [sys.executable, "-W", "ignore", str(HERE / "by_others.py")]
        return [*script, way, str(self.out / f"{way}.tsv"), *self._paths(images), *self._paths(regions)]

    def workbench(self, image: str) -> list[str]:
        """Return the command of Workbench."""
        image, regions = self._paths([image, DLABEL])
        return ["wb_command", "-cifti-parcellate", image, regions, "COLUMN", str(self.out / "wb.ptseries.nii")]

    def _paths(self, names: Sequence[str]) -> list[str]:
        return [str(self.folder / name) for name in names]

    def run(self, command: Sequence[str]) -> Cost:
        """Return the cost of a command; niimasker begins with an empty folder, as it would otherwise replace files."""
        shutil.rmtree(self.out / "out", ignore_errors=True)
        return run(command)

    def measure(self, commands: Mapping[str, Sequence[str]]) -> dict[str, Cost]:
        """Return the least time and the largest memory of each command; the commands alternate."""
        costs = [{name: self.run(command) for name, command in commands.items()} for _ in range(self.repeats)]
        return {
            name: Cost(
                min(each[name].seconds for each in costs),
                max(each[name].megabytes for each in costs),
                min(each[name].processor_seconds for each in costs),
            )
            for name in commands
        }

    def imports(self, command: Sequence[str]) -> list[str]:
        """Run a Python command once and return the command that only imports what it imports."""
        interpreter, *words = command
        file, modules = tempfile.mkstemp(dir=self.out, suffix="_modules.txt")
        os.close(file)
        script = str(HERE / "imports.py")
        words = words[2:] if words[0] == "-W" else words
        self.run([interpreter, "-W", "ignore", script, "record", modules, *words])
        return [interpreter, "-W", "ignore", script, "repeat", modules]

    def read_seconds(self, way: str, images: Sequence[str]) -> float:
        """Return the least time that reading files takes, without starting a process."""
        command = self.other(way, images)
        return min(float(subprocess.run(command, check=True, capture_output=True).stdout) for _ in range(self.repeats))


def print_cifti(bench: Bench) -> None:
    """Print the cost of a series of grayordinates in niimasker and in others, and the ratios with their targets."""
    image = name_dtseries(bench.n_cifti)
    commands = {
        "niimasker": bench.niimasker([image], [DLABEL]),
        "wb_command -cifti-parcellate": bench.workbench(image),
        "nibabel and numpy": bench.other("numpy", [image], [DLABEL]),
    }
    if shutil.which("wb_command") is None:
        del commands["wb_command -cifti-parcellate"]
    costs = measure_beyond_imports(bench, commands)
    print_costs(f"91,282 x {bench.n_cifti:,} dtseries, 400 parcels", costs)
    into_buffer, into_array = (bench.read_seconds(way, [image]) for way in ("read_buffer", "read_array"))
    print(f"\nThe file is read in {into_buffer:.2f} s into one buffer, in {into_array:.2f} s into a new array.\n")
    print("| time ratio | ratio | target |\n|---|---|---|")
    beyond = costs["niimasker"].beyond_imports
    others = {name: cost.whole.seconds for name, cost in costs.items() if name != "niimasker"}
    for name, seconds in others.items():
        print(f"| niimasker beyond imports / {name} | {mark_excess(beyond / seconds, 0.8)} | at most 0.8 |")
    print(f"| niimasker beyond imports / reading into a buffer | {beyond / into_buffer:.2f} | |")
    print(
        f"| niimasker beyond imports / reading into an array | {mark_excess(beyond / into_array, 1.2)} | at most 1.2 |"
    )
    print(flush=True)


def print_gifti(bench: Bench) -> None:
    """Print the cost of pairs of surface series in niimasker and in others."""
    for mesh in MESHES:
        images = [name_gifti(mesh, side, bench.n_gifti) for side in HEMISPHERES]
        regions = [name_atlas(mesh, side) for side in HEMISPHERES]
        commands = {
            "niimasker": bench.niimasker(images, regions),
            "nilearn's SurfaceLabelsMasker": bench.other("nilearn", images, regions),
            "nibabel, all arrays in memory": bench.other("nibabel", images, regions),
        }
        costs = measure_beyond_imports(bench, commands)
        print_costs(f"{mesh} pair x {bench.n_gifti}, 400 parcels", costs)
        # Of whole commands: on fsaverage5 the work takes less time than that of the imports varies by.
        print("\n| time ratio of whole commands | ratio | target |\n|---|---|---|")
        ours = costs["niimasker"].whole.seconds
        for name, cost in costs.items():
            if name != "niimasker":
                limit = 0.5 if "nilearn" in name else float("inf")
                ratio = mark_excess(ours / cost.whole.seconds, limit)
                print(f"| niimasker / {name} | {ratio} | {'at most 0.5' if limit < 1 else ''} |")
        print(flush=True)


def print_memory(bench: Bench, n_memory: Sequence[int]) -> None:
    """Print the peak memory of niimasker with more and more volumes."""
    print(f"| peak memory of niimasker | {' | '.join(f'{n:,} volumes' for n in n_memory)} | last / first |")
    print("|---|" + "---|" * (len(n_memory) + 1))
    atlases = [name_atlas("fsaverage5", side) for side in HEMISPHERES]
    rows = {
        "dtseries": [bench.niimasker([name_dtseries(n)], [DLABEL]) for n in n_memory],
        "fsaverage5 pair": [
            bench.niimasker([name_gifti("fsaverage5", side, n) for side in HEMISPHERES], atlases) for n in n_memory
        ],
    }
    for name, commands in rows.items():
        megabytes = [bench.run(command).megabytes for command in commands]
        cells = " | ".join(f"{each:.0f} MB" for each in megabytes)
        print(f"| {name} | {cells} | {megabytes[-1] / megabytes[0]:.2f} |", flush=True)


@dataclass(frozen=True)
class SplitCost:
    """The cost of a whole command, and that of its imports alone; None for a command that is not Python's."""

    whole: Cost
    imports: Cost | None

    @property
    def beyond_imports(self) -> float:
        """The time in seconds without that of the imports."""
        return self.whole.seconds - (self.imports.seconds if self.imports else 0.0)

    @property
    def processor_beyond_imports(self) -> float:
        """The processor time in seconds without that of the imports."""
        return self.whole.processor_seconds - (self.imports.processor_seconds if self.imports else 0.0)


def measure_beyond_imports(bench: Bench, commands: Mapping[str, Sequence[str]]) -> dict[str, SplitCost]:
    """Return the costs of commands, measured in turn with their imports."""
    # The first run of each, of which the imports are recorded, also brings its files into the system's cache.
    imports = {name: bench.imports(words) for name, words in commands.items() if words[0] == sys.executable}
    # A command and its imports run one after the other, so that both meet the same load of the machine.
    in_turn: dict[str, Sequence[str]] = {}
    for name, words in commands.items():
        in_turn[name] = words
        if name in imports:
            in_turn[_name_imports(name)] = imports[name]
    both = bench.measure(in_turn)
    return {name: SplitCost(both[name], both.get(_name_imports(name))) for name in commands}


def _name_imports(name: str) -> str:
    return f"imports of {name}"


def print_costs(title: str, costs: Mapping[str, SplitCost]) -> None:
    """Print a table of costs; processor time is in brackets."""
    print(f"| {title} | time (processor time) | beyond imports | peak memory |\n|---|---|---|---|")
    for name, cost in costs.items():
        whole = f"{cost.whole.seconds:.2f} s ({cost.whole.processor_seconds:.2f} s)"
        beyond = f"{cost.beyond_imports:.2f} s ({cost.processor_beyond_imports:.2f} s)"
        print(f"| {name} | {whole} | {beyond} | {cost.whole.megabytes:.0f} MB |")


if __name__ == "__main__":
    main()
