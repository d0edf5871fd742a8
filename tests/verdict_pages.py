"""Numbers of runs that nobody has extracted, and pages with their verdicts."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from niimasker.options.thresholds import DEFAULT_THRESHOLDS, Thresholds
from niimasker.outputs.results import Result
from niimasker.reports.number_origins import NumberOrigins
from niimasker.reports.pages import render, write_assets
from niimasker.reports.verdict_panel import RegionCoverage, make_panel

SOUND = Result(
    (),
    (),
    n_volumes=360,
    n_discarded=0,
    n_censored=0,
    minutes=12.0,
    degrees_of_freedom=300.0,
    mean_fd=0.12,
    mean_fd_kept=0.1,
    n_regions=2,
    n_regions_without_signal=0,
    median_tsnr=60.0,
    min_coverage=0.9,
)
ORIGINS = NumberOrigins(0, "360 volumes of 2 s", "FD from column framewise_displacement", "left of 360 volumes", 0.8)
REGIONS = (RegionCoverage("Left A", 0.9), RegionCoverage("B", 1.0))


def result(**numbers: Any) -> Result:
    """A sound run, but for these numbers."""
    return dataclasses.replace(SOUND, **numbers)


def panel(thresholds: Thresholds = DEFAULT_THRESHOLDS, regions=REGIONS, origins=ORIGINS, **numbers: Any) -> str:
    """The panel of a sound run, but for these numbers."""
    return make_panel(result(**numbers), thresholds, origins, regions)


def write_page(folder: Path, *panels: str) -> Path:
    """Write a page that holds panels, and the assets beside it."""
    write_assets(folder)
    path = folder / "page.html"
    page = render("base.html.j2", assets="assets")
    path.write_text(page.replace("</main>", f"{''.join(panels)}</main>"), "utf-8")
    return path
