"""The example and the commands of the pages, each run once, by the first test of any worker that asks for it."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from documentation import ON_THE_EXAMPLE
from filelock import FileLock

from niimasker.cli import main
from niimasker.errors import EXIT_DONE

STUDY_FOLDER = "comparison_output"


@dataclass(frozen=True)
class Example:
    """The folder in which the example has been run, and in which the pages' commands run; all workers share it."""

    folder: Path

    def run(self, words: Sequence[str]) -> int:
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.folder)
            return main(words)

    def lines(self, path: str, n_lines: int) -> list[list[str]]:
        text = (self.folder / path).read_text("utf-8")
        return [line.split("\t") for line in text.splitlines()[:n_lines]]

    @property
    def printed(self) -> str:
        """What running the example has printed to standard output."""
        return self._once("example_output", ["example_output", "--example"]).with_suffix(".out").read_text("utf-8")

    @property
    def study(self) -> Path:
        """The folder of the study with its comparison of pipelines, which the first test to ask for it makes."""
        return self._once(STUDY_FOLDER, [STUDY_FOLDER, "--example", "study"])

    def output(self, name: str) -> Path:
        """The folder that a command of the pages writes; the first test to ask for it runs the command."""
        return self._once(name, ON_THE_EXAMPLE[name])

    def said(self, name: str) -> str:
        """What a command of the pages has printed to standard error."""
        return self.output(name).with_suffix(".err").read_text("utf-8")

    def _once(self, name: str, words: Sequence[str]) -> Path:
        """Return the folder that a command writes; it is run unless any worker has run it."""
        folder = self.folder / name
        done = folder.with_suffix(".err")
        with FileLock(folder.with_suffix(".lock")):
            if not done.exists():
                with (
                    contextlib.redirect_stdout(io.StringIO()) as printed,
                    contextlib.redirect_stderr(io.StringIO()) as said,
                ):
                    assert self.run(words) == EXIT_DONE
                folder.with_suffix(".out").write_text(printed.getvalue(), "utf-8")
                done.write_text(said.getvalue(), "utf-8")
        return folder
