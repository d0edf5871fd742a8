"""The page of a run without tables: why it has none, and its motion."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from niimasker.inputs.repetition_times import T_R_MAX, T_R_MIN
from niimasker.inputs.series import Series
from niimasker.options.settings import Settings
from niimasker.outputs.files import REPORTS_FOLDER
from niimasker.outputs.naming import report_path
from niimasker.outputs.outcomes import Outcome
from niimasker.outputs.page_ends import FAILED
from niimasker.outputs.provenance import settings_record, software_versions
from niimasker.reports.links import Link, link_to_preprocessing
from niimasker.reports.motion_figure import Trace, describe_concern, plot_motion
from niimasker.reports.pages import find_output, link_to_assets, render, write_assets, write_page
from niimasker.reports.plots import Plot
from niimasker.reports.run_page import Fact, format_setting, make_censored_fact
from niimasker.reports.run_titles import Title, make_title
from niimasker.reports.time_axis import TimeAxis
from niimasker.reports.verdict_panel import Status
from niimasker.signals.timeline import Timeline
from niimasker.study.run_inputs import list_run_files
from niimasker.study.run_limits import measure_max_fd, measure_mean_fd
from niimasker.study.run_motion import RunMotion


@dataclass(frozen=True, eq=False)
class FailedView:
    """Everything that the page of a run without tables shows.

    Parameters
    ----------
    title
        What the run is called.
    preprocessing
        The link to the report of the preprocessing; None without one.
    pipeline
        The way of cleaning; empty without pipelines.
    note
        Why discarded and censored volumes are not marked; empty if they are.
    inputs
        The run's files that exist, by their role.
    """

    title: Title
    preprocessing: Link | None
    pipeline: str
    images: tuple[str, ...]
    status: Status
    reason: str
    warnings: tuple[str, ...]
    facts: tuple[Fact, ...]
    motion: Plot
    has_discarded: bool
    has_censored: bool
    note: str
    inputs: Mapping[str, str]
    settings: Mapping[str, Any]
    versions: Mapping[str, str]
    command: str


def make_failed_view(
    outcome: Outcome, motion: RunMotion, series: Series | None, *, settings: Settings, command: Sequence[str]
) -> FailedView:
    """Return the content of the page of a run without tables.

    Parameters
    ----------
    series
        None if the image's header cannot be read.
    settings
        Those of the run's pipeline.
    """
    run, timeline = outcome.run, motion.timeline
    time = _make_time_axis(motion, _find_t_r(series, settings))
    return FailedView(
        title=make_title(run.image_name, run.pipeline),
        preprocessing=link_to_preprocessing(run.image_path, report_path(settings.output_dir, run.output_stem)),
        pipeline=run.pipeline,
        images=tuple(map(str, run.image_paths)),
        status=Status(outcome.status, "bad"),
        reason=outcome.reason or "",
        warnings=outcome.warnings,
        facts=tuple(_list_facts(motion, series, time)),
        motion=_plot(motion, time, settings),
        has_discarded=timeline is not None and timeline.n_discarded > 0,
        has_censored=timeline is not None and timeline.n_censored > 0,
        note=motion.note,
        inputs={role: str(path) for role, path in list_run_files(run, settings).items() if path.exists()},
        settings=settings_record(settings),
        versions=software_versions(),
        command=shlex.join(command),
    )


def write_failed_page(path: Path, view: FailedView, output_dir: Path) -> None:
    """Write the page of a run without tables, and the assets beside it."""
    folder = output_dir / REPORTS_FOLDER
    page = make_failed_page(view, assets=link_to_assets(path, folder), output=find_output(path, folder))
    write_assets(folder)
    write_page(path, page)


def make_failed_page(view: FailedView, *, assets: str, output: str = "") -> str:
    """Return the page of a run without tables as HTML.

    Parameters
    ----------
    assets
        The folder of the style sheet and scripts, relative to the page.
    output
        The output name of the run.
    """
    settings = {name: format_setting(value) for name, value in view.settings.items()}
    return render("failed.html.j2", assets=assets, output=output, run=view, settings=settings) + f"\n{FAILED}"


def _find_t_r(series: Series | None, settings: Settings) -> float | None:
    t_r = settings.t_r or (None if series is None else series.t_r)
    return t_r if t_r is not None and T_R_MIN <= t_r <= T_R_MAX else None


def _make_time_axis(motion: RunMotion, t_r: float | None) -> TimeAxis:
    return TimeAxis.of(motion.timeline or Timeline(len(motion.displacement), 0), t_r)


def _list_facts(motion: RunMotion, series: Series | None, time: TimeAxis) -> Iterator[Fact]:
    timeline, n_rows = motion.timeline, len(motion.displacement)
    yield Fact("not known" if time.t_r is None else f"{time.t_r:.4g} s", "TR")
    yield Fact("not known" if series is None else f"{series.n_volumes:,}", "volumes in the image")
    if series is None or series.n_volumes != n_rows:
        yield Fact(f"{n_rows:,}", "rows in the table of confounds")
    if timeline is not None:
        by = {reason: int(censors.sum()) for reason, censors in timeline.outliers.items() if censors.any()}
        yield Fact(f"{timeline.n_discarded:,}", "discarded")
        yield make_censored_fact(timeline.n_censored, by)
        yield Fact(f"{timeline.n_kept:,}", f"kept ({timeline.n_kept / timeline.n_read:.0%})")
    read = timeline or Timeline(n_rows, 0)
    yield Fact(f"{measure_mean_fd(motion.measures, read):.2f} mm", "mean FD")
    yield Fact(f"{measure_max_fd(motion.measures, read):.2f} mm", "highest FD")


def _plot(motion: RunMotion, time: TimeAxis, settings: Settings) -> Plot:
    fd_limit, dvars_limit = (
        (settings.fd_threshold or None, settings.std_dvars_threshold or None) if settings.scrubs else (None, None)
    )
    concern = settings.judge.high_mean_fd
    traces = [Trace("framewise displacement (mm)", motion.displacement, fd_limit, concern)]
    limits = [f"--fd_threshold {fd_limit:g}"] if fd_limit else []
    if motion.measures.std_dvars is not None:
        traces.append(Trace("std DVARS", motion.measures.std_dvars, dvars_limit))
        limits += [f"--std_dvars_threshold {dvars_limit:g}"] if dvars_limit else []
    titles = " and ".join(trace.title for trace in traces)
    sentences = [
        f"Motion of the run: framewise displacement from the {motion.measures.displacement_source}.",
        *([f"A dashed line is the limit of --scrub ({', '.join(limits)})."] if limits else []),
        *([] if concern is None else [describe_concern(concern)]),
    ]
    return Plot(plot_motion(traces, time), f"{titles} over {time.n_volumes:,} volumes", " ".join(sentences))
