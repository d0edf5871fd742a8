"""Ratios inside one process, imports apart. Usage: inside.py NAME FILE [FILE]; prints one number."""

from __future__ import annotations

import hashlib
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from isal import igzip
from nibabel.openers import Opener

from niimasker import extract
from niimasker.inputs.series import open_series
from niimasker.inputs.volumes import BLOCK_BYTES
from niimasker.regions.loading import load_regions
from niimasker.regions.placing.placement import make_placement
from niimasker.signals.extraction import ReadOptions, extract_signals
from niimasker.signals.timeline import Timeline


def seconds(function: Callable[[], object]) -> float:
    """Return how long a call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def read_all(file: object) -> None:
    """Read a file to its end."""
    buffer = bytearray(BLOCK_BYTES)
    with file:
        while file.readinto(buffer):
            pass


def extraction_by_decompression(image: str, regions: str) -> float:
    """Return the time of extraction, from header to signals, by that of decompression."""
    series = open_series(Path(image))
    atlases = load_regions([regions], labels=(), as_voxels=False, radius=None, atlas_dir=None)
    placement = make_placement(atlases, series.space, None, smoothing_fwhm=None, engine="stream")
    timeline = Timeline(series.n_volumes, 0)
    decompression = seconds(lambda: read_all(igzip.open(image, "rb")))
    return (
        seconds(lambda: extract_signals(series, timeline, placement, ReadOptions(digest=hashlib.sha256())))
        / decompression
    )


def zlib_by_isal(image: str) -> float:
    """Return the time of decompression as nibabel does it by ISA-L's."""
    return seconds(lambda: read_all(Opener(image, "rb"))) / seconds(lambda: read_all(igzip.open(image, "rb")))


def report_cost(image: str, regions: str, confounds: str, *flags: str) -> str:
    """Return the processor seconds that a run's report costs in a warm process, and the size of its page in MB."""
    files = {"input_files": image, "roi_file": regions, "regressor_files": confounds, "regressors": "motion_*"}
    options = {**files, "standardize": True, "detrend": True, "high_pass": 0.01, **dict.fromkeys(flags, True)}
    costs = {}
    with tempfile.TemporaryDirectory() as folder:
        # The first one imports and writes plotly's script, which a study does once.
        for no_report in (False, True, False):
            start = time.process_time()
            extract(folder, **options, no_report=no_report)
            costs[no_report] = time.process_time() - start
        (page,) = Path(folder, "reports").glob("*_report.html")
        return f"{costs[False] - costs[True]:.2f} {page.stat().st_size / 1e6:.2f}"


MEASURES: dict[str, Callable[..., float | str]] = {
    "extraction_by_decompression": extraction_by_decompression,
    "zlib_by_isal": zlib_by_isal,
    "report_cost": report_cost,
}


if __name__ == "__main__":
    print(MEASURES[sys.argv[1]](*sys.argv[2:]))
