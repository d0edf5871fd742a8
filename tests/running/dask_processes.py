"""A Dask scheduler and its workers in processes of their own, which tests can kill, stop and replace."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from studies import environment, wait_until


class Dask:
    """A scheduler, the file with its address, and workers of one thread each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "scheduler.json"
        self.address = ""
        self.processes: list[subprocess.Popen[bytes]] = []
        self.scheduler = self.start_scheduler()

    def start_scheduler(self, port: str = "0") -> subprocess.Popen[bytes]:
        self.file.unlink(missing_ok=True)
        words = ["scheduler", "--port", port, "--dashboard-address", ":0", "--host", "127.0.0.1"]
        self.scheduler = self._start(*words, "--scheduler-file", str(self.file))
        wait_until(self.read_address, "the scheduler has written its address")
        return self.scheduler

    def read_address(self) -> bool:
        with contextlib.suppress(OSError, ValueError):
            self.address = json.loads(self.file.read_text())["address"]
            return True
        return False

    def start_scheduler_again(self) -> None:
        """Kill the scheduler and its workers, and start another scheduler at the same address."""
        for process in self.processes:
            process.kill()
            process.wait()
        self.start_scheduler(self.address.rpartition(":")[2])

    def add_worker(self, *paths: Path) -> subprocess.Popen[bytes]:
        """Start a worker, which imports from some folders first."""
        words = ["worker", self.address, "--nthreads", "1", "--no-dashboard", "--no-nanny", "--host", "127.0.0.1"]
        return self._start(*words, paths=paths)

    def _start(self, *words: str, paths: tuple[Path, ...] = ()) -> subprocess.Popen[bytes]:
        variables = environment()
        variables["PYTHONPATH"] = os.pathsep.join([*map(str, paths), variables["PYTHONPATH"]])
        command = [sys.executable, "-m", "dask", *words]
        output = (self.folder / f"log-{len(self.processes)}").open("wb")
        with output:
            process = subprocess.Popen(command, stdout=output, stderr=output, env=variables, cwd=self.folder)
        self.processes.append(process)
        return process

    def end(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()


@contextlib.contextmanager
def dask_processes(folder: Path) -> Iterator[Dask]:
    folder.mkdir()
    dask = Dask(folder)
    try:
        yield dask
    finally:
        dask.end()
