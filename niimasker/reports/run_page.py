"""The page of a run: its view rendered as HTML and written with its assets."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from niimasker.errors import count
from niimasker.outputs.files import REPORTS_FOLDER
from niimasker.reports.motion_section import make_motion_section
from niimasker.reports.pages import find_output, link_to_assets, render, write_assets, write_page
from niimasker.reports.run_view import RunView
from niimasker.reports.sections import make_section
from niimasker.reports.seed_colours import CORRELATION_BAR
from niimasker.reports.steps import REASON_LABELS
from niimasker.reports.verdict_panel import RegionCoverage, make_panel


@dataclass(frozen=True)
class Fact:
    """A number and its label."""

    value: str
    label: str

    @classmethod
    def of_number(cls, n: int, noun: str, rest: str = "") -> Fact:
        """Return a number of things, such as 1 edge or 2 edges, and what else there is to say of them."""
        value, label = count(n, noun).split(" ", 1)
        return cls(value, label + rest)


def write_report(path: Path, run: RunView, output_dir: Path) -> None:
    """Write a run's page and the assets beside it."""
    folder = output_dir / REPORTS_FOLDER
    page = make_report(run, assets=link_to_assets(path, folder), output=find_output(path, folder))
    write_assets(folder)
    write_page(path, page)


def make_report(run: RunView, *, assets: str, output: str = "") -> str:
    """Return the page of a run as HTML.

    Parameters
    ----------
    assets
        The folder of the style sheet and scripts, relative to the page.
    output
        The output name of the run.
    """
    return render(
        "run.html.j2",
        assets=assets,
        output=output,
        run=run,
        verdict=make_panel(run.result, run.thresholds, run.origins, list_regions(run)),
        facts=list(list_facts(run)),
        motion=make_motion_section(run),
        sections=[make_section(atlas, run) for atlas in run.atlases],
        settings={name: format_setting(value) for name, value in run.settings.items()},
        correlation_bar=CORRELATION_BAR,
        number=_format_number,
        fixed=_format_fixed,
    )


def list_regions(run: RunView) -> list[RegionCoverage]:
    """Return the coverage of each region, with the name of its atlas if there are several."""
    has_several = len(run.atlases) > 1
    return [
        RegionCoverage(f"{atlas.key}: {name}" if has_several else str(name), float(coverage))
        for atlas in run.atlases
        for name, coverage in zip(atlas.facts["name"], atlas.facts["coverage"], strict=True)
    ]


def list_facts(run: RunView) -> Iterator[Fact]:
    """Yield the numbers below the verdict."""
    result = run.result
    source = {"t_r": "from the option --t_r", "sidecar": "from the JSON file", "header": "from the header"}
    t_r = "not known" if run.time.t_r is None else f"{run.time.t_r:.4g} s"
    yield Fact(t_r, "TR" + (f", {source[run.t_r_source]}" if run.t_r_source else ""))
    yield Fact(f"{run.time.n_volumes:,}", "volumes read")
    yield Fact(f"{result.n_discarded:,}", "discarded")
    yield make_censored_fact(int(result.n_censored), run.censored_by)
    spiked = f", {run.origins.n_spiked:,} of them removed by spike regressors" if run.origins.n_spiked else ""
    yield Fact(f"{result.n_volumes:,}", f"kept ({result.n_volumes / run.time.n_volumes:.0%}){spiked}")
    yield Fact(f"{result.n_regions - result.n_regions_without_signal:,}", "regions with signal")
    yield Fact(f"{result.n_regions_without_signal:,}", "regions without signal")


def make_censored_fact(n_censored: int, censored_by: Mapping[str, int]) -> Fact:
    """Return the number of censored volumes with their numbers by reason, which add up to more if they overlap."""
    by = ", ".join(f"{REASON_LABELS[reason]} {n}" for reason, n in censored_by.items())
    overlap = "; some for several reasons" if sum(censored_by.values()) > n_censored else ""
    return Fact(f"{n_censored:,}", f"censored{f': {by}' if by else ''}{overlap}")


def _format_number(value: float) -> str:
    """Return a number as text with four significant digits."""
    if not math.isfinite(value):
        return "n/a"
    return f"{value:.0f}" if 1e4 <= abs(value) < 1e9 else f"{value:.4g}"


def _format_fixed(value: float, decimals: int) -> str:
    # Not -0.0.
    return f"{round(value, decimals) + 0.0:.{decimals}f}" if math.isfinite(value) else "n/a"


def format_setting(value: object) -> str:
    """Return the value of an option as JSON."""
    return json.dumps(value, ensure_ascii=False)
