"""The imports of a Python command, to be timed without its work.

`imports.py record LIST WORD ...` runs `python WORD ...` in this process and writes the names of the modules that are
imported at its end; `imports.py repeat LIST` imports them.
"""

from __future__ import annotations

import contextlib
import importlib
import runpy
import sys
from pathlib import Path


def record(list_path: str, *words: str) -> None:
    """Run a command and write the names of the imported modules, one a line, in the order of their imports."""
    sys.argv = list(words)
    try:
        if words[0] == "-m":
            sys.argv = list(words[1:])
            runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(words[0], run_name="__main__")
    except SystemExit as end:
        if end.code:
            raise
    Path(list_path).write_text("\n".join(sys.modules))


def repeat(list_path: str) -> None:
    """Import the modules of a list."""
    for name in Path(list_path).read_text().splitlines():
        # Some names are not modules that can be imported on their own, such as __main__ and the attributes of `six`.
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


if __name__ == "__main__":
    {"record": record, "repeat": repeat}[sys.argv[1]](*sys.argv[2:])
