"""Runs that say how far they are and then wait for ever, for the workers of a cluster."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from niimasker.running.task import Task, extract_runs


class Hold:
    """Extracts runs as niimasker does, but one waits before its extraction, and one after it.

    Parameters
    ----------
    folder
        Receives a file with the name of each run that waits, which holds the number of its process.
    """

    def __init__(self, folder: Path, *, before: str, after: str = "") -> None:
        self.folder, self.before, self.after = folder, before, after

    def __call__(self, task: Task) -> object:
        stem = task.plans[0].run.output_stem
        if stem == self.before:
            self.wait(stem)
        result = extract_runs(task)
        if stem == self.after:
            self.wait(stem)
        return result

    def wait(self, stem: str) -> None:
        temporary = self.folder / f"{stem}.tmp"
        temporary.write_text(str(os.getpid()))
        temporary.rename(self.folder / stem)
        threading.Event().wait()
