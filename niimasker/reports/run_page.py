"""The page of a run: its view rendered as HTML and written with its assets."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from niimasker.errors import count
from niimasker.outputs.files import REPORTS_FOLDER
from niimasker.reports.exclusion_note import make_note
from niimasker.reports.pages import link_to_assets, render, write_assets, write_page
from niimasker.reports.run_view import RunView
from niimasker.reports.sections import make_section
from niimasker.reports.steps import REASON_LABELS


@dataclass(frozen=True)
class Status:
    """The status of a run as text; `kind` (good, warn or bad) is its CSS class."""

    text: str
    kind: str


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
    page = make_report(run, assets=link_to_assets(path, folder))
    write_assets(folder)
    write_page(path, page)


def make_report(run: RunView, *, assets: str) -> str:
    """Return the page of a run as HTML.

    Parameters
    ----------
    assets
        The folder of the style sheet and scripts, relative to the page.
    """
    return render(
        "run.html.j2",
        assets=assets,
        run=run,
        status=find_status(run),
        exclusion=make_note(run.result.exclusion),
        facts=list(list_facts(run)),
        sections=[make_section(atlas, run) for atlas in run.atlases],
        settings={name: format_setting(value) for name, value in run.settings.items()},
        number=_format_number,
        fixed=_format_fixed,
    )


def find_status(run: RunView) -> Status:
    """Return the status of a run: bad if no region has a signal, warn if there are warnings, otherwise good."""
    result = run.result
    if result.n_regions_without_signal == result.n_regions:
        return Status("Done, but no region has a signal", "bad")
    if result.warnings:
        return Status(f"Done, with {count(len(result.warnings), 'warning')}", "warn")
    return Status("Done, no warnings", "good")


def list_facts(run: RunView) -> Iterator[Fact]:
    """Yield the numbers at the top of the page."""
    result = run.result
    source = {"t_r": "from the option --t_r", "sidecar": "from the JSON file", "header": "from the header"}
    t_r = "not known" if run.time.t_r is None else f"{run.time.t_r:.4g} s"
    yield Fact(t_r, "TR" + (f", {source[run.t_r_source]}" if run.t_r_source else ""))
    yield Fact(f"{run.time.n_volumes:,}", "volumes read")
    yield Fact(f"{result.n_discarded:,}", "discarded")
    by = ", ".join(f"{REASON_LABELS[reason]} {n}" for reason, n in run.censored_by.items())
    yield Fact(f"{result.n_censored:,}", f"censored{f': {by}' if by else ''}")
    yield Fact(f"{result.n_volumes:,}", f"kept ({result.n_volumes / run.time.n_volumes:.0%})")
    yield Fact(f"{result.n_regions - result.n_regions_without_signal:,}", "regions with signal")
    yield Fact(f"{result.n_regions_without_signal:,}", "regions without signal")
    yield Fact(f"{result.degrees_of_freedom:.4g}", "degrees of freedom left")
    if math.isfinite(result.median_tsnr):
        yield Fact(_format_fixed(result.median_tsnr, 1), "median tSNR")
    yield Fact(f"{result.min_coverage:.0%}", "lowest coverage")
    if math.isfinite(result.mean_fd):
        yield Fact(f"{result.mean_fd:.3f} mm", "mean FD")


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
