"""Costs within one process, without its imports. Usage: in_process.py MEASURE FILE [FILE ...]; prints numbers."""

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
from niimasker.signals.reading import ReadOptions, read_signals
from niimasker.signals.timeline import Timeline


def measure_seconds(function: Callable[[], object]) -> float:
    """Return the duration of a call in seconds."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def read_all(file: object) -> None:
    """Read a file to its end."""
    buffer = bytearray(BLOCK_BYTES)
    with file:
        while file.readinto(buffer):
            pass


def extraction_time_ratio(image: str, regions: str) -> float:
    """Return the time of an extraction, from header to signals, divided by the time of decompression with ISA-L."""
    series = open_series(Path(image))
    atlases = load_regions([regions], labels=(), as_voxels=False, radius=None, atlas_dir=None)
    placement = make_placement(atlases, series.space, None, smoothing_fwhm=None, engine="stream")
    timeline = Timeline(series.n_volumes, 0)
    decompression = measure_seconds(lambda: read_all(igzip.open(image, "rb")))
    return (
        measure_seconds(lambda: read_signals(series, [timeline], placement, ReadOptions(digests=(hashlib.sha256(),))))
        / decompression
    )


def decompression_time_ratio(image: str) -> float:
    """Return the time of decompression with nibabel divided by the time with ISA-L."""
    return measure_seconds(lambda: read_all(Opener(image, "rb"))) / measure_seconds(
        lambda: read_all(igzip.open(image, "rb"))
    )


def report_cost(image: str, regions: str, confounds: str, *flags: str) -> str:
    """Return the processor time in seconds of a report in a warm process, and the size of its page in MB."""
    files = {"input_files": image, "roi_file": regions, "regressor_files": confounds, "regressors": "motion_*"}
    options = {**files, "standardize": True, "detrend": True, "high_pass": 0.01, **dict.fromkeys(flags, True)}
    costs = {}
    with tempfile.TemporaryDirectory() as folder:
        # The first call imports libraries and writes the script of plotly, which a study does only once.
        for no_report in (False, True, False):
            start = time.process_time()
            extract(folder, **options, no_report=no_report)
            costs[no_report] = time.process_time() - start
        (page,) = Path(folder, "reports").glob("*_report.html")
        return f"{costs[False] - costs[True]:.2f} {page.stat().st_size / 1e6:.2f}"


MEASURES: dict[str, Callable[..., float | str]] = {
    "extraction_time_ratio": extraction_time_ratio,
    "decompression_time_ratio": decompression_time_ratio,
    "report_cost": report_cost,
}


if __name__ == "__main__":
    print(MEASURES[sys.argv[1]](*sys.argv[2:]))
