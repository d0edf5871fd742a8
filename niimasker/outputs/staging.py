"""The files of a run under temporary names until all are written; then they take their final names together."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from niimasker.inputs.file_states import checksum
from niimasker.outputs.files import flush, private_folder, reporting_errors

# As in the sidecar of a run: the size and the checksum of a file.
FileRecord = dict[str, int | str]


class StagedFiles:
    """New files of a run, from `staging`."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack
        self._temporaries: dict[Path, Path] = {}
        self._folders: dict[Path, Path] = {}

    @property
    def paths(self) -> list[Path]:
        """The final paths of the files, in the order in which they were added."""
        return list(self._temporaries)

    def add(self, path: Path) -> Path:
        """Return the temporary path to which the file with this final path is written."""
        with reporting_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.parent not in self._folders:
                self._folders[path.parent] = self._stack.enter_context(private_folder(path.parent))
        self._temporaries[path] = self._folders[path.parent] / path.name
        return self._temporaries[path]

    def describe(self, path: Path) -> FileRecord:
        """Return the size in bytes and the SHA-256 checksum of a file that has been written."""
        with reporting_errors(path):
            temporary = self._temporaries[path]
            return {"Bytes": temporary.stat().st_size, "SHA256": checksum(temporary)}

    def publish(self, *, last: Collection[Path], removed: Iterable[Path]) -> None:
        """Give all files their final names, or none if that fails.

        The disk keeps a file's content before its name, and all other files before those that come last.

        Parameters
        ----------
        last
            The files that vouch for the others.
        removed
            Files of an earlier call, removed before the first new file appears, in this order.
        """
        for path, temporary in self._temporaries.items():
            with reporting_errors(path):
                flush(temporary)
        remove_files(removed)
        with contextlib.ExitStack() as undo:
            undo.callback(remove_files, self.paths)
            self._rename([path for path in self._temporaries if path not in last])
            self._rename([path for path in self._temporaries if path in last])
            undo.pop_all()

    def _rename(self, paths: Collection[Path]) -> None:
        for path in paths:
            with reporting_errors(path):
                self._temporaries[path].replace(path)
        for folder in {path.parent for path in paths}:
            with reporting_errors(folder):
                flush(folder)


@contextlib.contextmanager
def staging() -> Iterator[StagedFiles]:
    """Provide files that are written under temporary names; those that are not published are removed at the end."""
    with contextlib.ExitStack() as stack:
        yield StagedFiles(stack)


def remove_files(paths: Iterable[Path]) -> None:
    """Remove files, as far as they exist and can be removed."""
    for path in paths:
        with contextlib.suppress(OSError, ValueError):  # ValueError: no file can have such a name
            path.unlink()
