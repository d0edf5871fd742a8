"""Region time series from fMRI images, from the shell, a JSON file or Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from niimasker.workflow import extract

__all__ = ["__version__", "extract"]

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    # `niimasker --help` imports this package: numpy, nilearn and pandas are imported only if `extract` is used.
    if name == "extract":
        from niimasker.workflow import extract

        return extract
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
