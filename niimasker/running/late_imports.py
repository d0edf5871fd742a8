"""Imports of large libraries in a thread, while the first image is read.

pandas and nilearn take 2 of the 2.5 s of all imports. The first run needs them only after its image has been read,
and reading leaves the interpreter idle most of the time.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
import threading
from collections.abc import Sequence

from niimasker.options.settings import Settings
from niimasker.signals.filtering import Cleaning

_ALWAYS = ("niimasker.outputs.results",)
_FOR_CLEANING = ("nilearn.signal",)
_FOR_REPORTS = ("niimasker.reports.run_page",)
_FOR_CONNECTIVITY = ("nilearn.connectome",)
_THREAD_NAME = "niimasker's late imports"


def start_imports(cleanings: Sequence[tuple[Settings, Cleaning]]) -> None:
    """Start a thread that imports what the runs of an image need after it has been read."""
    names = list(dict.fromkeys(name for each in cleanings for name in _list_modules(*each)))
    if any(name not in sys.modules for name in names):
        thread = threading.Thread(target=_import_modules, args=(names,), name=_THREAD_NAME)
        with contextlib.suppress(RuntimeError):  # no further thread can be started: the imports come later
            thread.start()


def wait_for_imports() -> None:
    """Return once the thread of `start_imports` has ended.

    This comes before the calling thread imports anything itself: if Ctrl-C interrupts an import that waits for another
    thread's import, Python's import lock stays locked, and every later import waits forever.
    """
    for thread in threading.enumerate():
        if thread.name == _THREAD_NAME:
            thread.join()


def _list_modules(settings: Settings, cleaning: Cleaning) -> tuple[str, ...]:
    cleans = cleaning.detrend or cleaning.filters or cleaning.standardize or settings.requested_regressors is not None
    return (
        *_ALWAYS,
        *(_FOR_CLEANING if cleans else ()),
        *(() if settings.no_report else _FOR_REPORTS),
        *(_FOR_CONNECTIVITY if settings.connectivity else ()),
    )


def _import_modules(names: Sequence[str]) -> None:
    # The threads that read and compute need the interpreter often and briefly: with Python's interval of 5 ms between
    # switches they would wait for 0.6 s in all.
    interval = sys.getswitchinterval()
    sys.setswitchinterval(interval / 10)
    try:
        # After Ctrl-C an import cannot finish. Any other error is raised again where the module is needed.
        with contextlib.suppress(ImportError, RuntimeError):
            for name in names:
                importlib.import_module(name)
    finally:
        sys.setswitchinterval(interval)
