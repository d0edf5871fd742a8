"""The section of a run's page that shows its motion and what cleaning leaves of it in single voxels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from niimasker.errors import count
from niimasker.inputs.framewise_displacement import is_computed
from niimasker.inputs.runs import Run
from niimasker.options.settings import Settings
from niimasker.outputs.results import Extracted
from niimasker.reports.motion_figure import GROUP_COLOURS, Carpet, Trace, describe_concern, plot_motion
from niimasker.reports.number_origins import describe_displacement
from niimasker.reports.plots import Plot
from niimasker.reports.point_words import PointWords
from niimasker.reports.voxel_carpets import Carpets, make_carpets
from niimasker.signals.point_samples import BRAIN
from niimasker.study.plans import Plan

if TYPE_CHECKING:
    from niimasker.reports.run_view import RunView


@dataclass(frozen=True, eq=False)
class MotionView:
    """What the section of motion shows beside the measures of the run's tables.

    Parameters
    ----------
    carpets
        None if no point of the image has a signal.
    fd_limit, dvars_limit
        The thresholds of --fd_threshold and --std_dvars_threshold; None for none.
    is_scrubbed
        Whether volumes above them are censored.
    is_filtered
        Whether framewise displacement is that of filtered motion parameters.
    mean_fd_concern
        The mean framewise displacement, in mm, above which a run is a concern; None if it is not judged.
    note
        Why framewise displacement is not shown; empty if it is.
    n_emptied
        Number of kept volumes of which spike regressors leave nothing; a filter spreads spikes, and leaves something.
    """

    carpets: Carpets | None
    fd_limit: float | None
    dvars_limit: float | None
    is_scrubbed: bool
    is_filtered: bool
    mean_fd_concern: float | None
    note: str
    n_emptied: int


@dataclass(frozen=True)
class GroupKey:
    """A group of points with its colour at the side of the carpets, and how many points there are of it."""

    name: str
    colour: str
    n_points: int


@dataclass(frozen=True)
class MotionSection:
    """The section of motion.

    Parameters
    ----------
    plot
        The figure; None without any measure.
    groups
        The groups of rows of the carpets.
    notes
        What is not shown, and why.
    making
        How what the figure shows is computed and drawn; empty without a figure.
    """

    plot: Plot | None
    groups: tuple[GroupKey, ...]
    notes: tuple[str, ...]
    making: str = ""


def make_motion_view(plan: Plan, extracted: Extracted, settings: Settings) -> MotionView:
    """Return what the section of motion shows of a run."""
    sample = extracted.sample
    return MotionView(
        carpets=None if sample is None else make_carpets(sample, extracted.nuisance, plan.timeline, plan.cleaning),
        fd_limit=settings.fd_threshold or None,
        dvars_limit=settings.std_dvars_threshold or None,
        is_scrubbed=settings.scrubs,
        is_filtered=plan.cleaning.motion_filter is not None,
        mean_fd_concern=settings.judge.high_mean_fd,
        note=_explain_missing_displacement(plan.run, extracted, plan.timeline.kept),
        n_emptied=0 if plan.cleaning.filters else extracted.nuisance.n_spiked,
    )


def _explain_missing_displacement(run: Run, extracted: Extracted, kept: np.ndarray) -> str:
    """Return why a run's framewise displacement is not known; empty if it is."""
    measures = None if extracted.confounds is None else extracted.confounds.measures
    if measures is not None and measures.framewise_displacement is not None:
        return ""
    return f"Framewise displacement is not shown: {describe_displacement(run, measures, kept)}."


def make_motion_section(run: RunView) -> MotionSection:
    """Return the section of motion on a run's page."""
    motion, carpets = run.motion, run.motion.carpets
    traces = list(_list_traces(run))
    drawn = () if carpets is None else _list_carpets(carpets, run.points)
    notes = [motion.note] if motion.note else []
    if carpets is None:
        notes.append(f"There are no carpets of {run.points.plural}, because none of them varies over the kept volumes.")
    if not traces:
        return MotionSection(None, (), tuple(notes))
    titles = [each.title for each in traces] + [each.title for each in drawn]
    plot = Plot(
        plot_motion(traces, run.time, drawn),
        f"{', '.join(titles)} over {run.time.n_volumes:,} volumes",
        " ".join([*_describe_limits(run), *_describe_bands(run)]),
    )
    making = " ".join([*_describe_displacement(run), *_describe_std_dvars(run), *_describe_carpets(run)])
    return MotionSection(plot, _list_groups(carpets), tuple(notes), making)


def _list_traces(run: RunView) -> Iterator[Trace]:
    motion, carpets = run.motion, run.motion.carpets
    if run.framewise_displacement is not None:
        yield Trace("framewise displacement (mm)", run.framewise_displacement, motion.fd_limit, motion.mean_fd_concern)
    if run.std_dvars is not None:
        yield Trace("std DVARS", run.std_dvars, motion.dvars_limit if motion.is_scrubbed else None)
    if carpets is not None:
        title = f"DVARS ({carpets.unit}) before (grey) and after cleaning (blue)"
        yield Trace(title, carpets.dvars_after, before=carpets.dvars_before, name="DVARS", unit=carpets.unit)


def _list_carpets(carpets: Carpets, points: PointWords) -> tuple[Carpet, ...]:
    order = ", the edge of the brain at the top" if _is_by_distance(carpets) else ""
    return tuple(
        Carpet(f"{points.plural} {when} cleaning{order}", f"{when} cleaning", values, carpets.groups)
        for when, values in (("before", carpets.before), ("after", carpets.after))
    )


def _is_by_distance(carpets: Carpets) -> bool:
    return [group.name for group in carpets.groups] == [BRAIN]


def _list_groups(carpets: Carpets | None) -> tuple[GroupKey, ...]:
    if carpets is None or _is_by_distance(carpets):
        return ()
    return tuple(
        GroupKey(group.name, colour, group.n_points)
        for group, colour in zip(carpets.groups, GROUP_COLOURS, strict=False)
    )


def _describe_limits(run: RunView) -> Iterator[str]:
    """Yield what the lines across the measures are."""
    motion = run.motion
    if run.framewise_displacement is not None and motion.fd_limit is not None:
        effect = "volumes above it are censored" if motion.is_scrubbed else "this run is not scrubbed"
        yield f"The dashed line is --fd_threshold ({motion.fd_limit:g} mm): {effect}."
    if run.framewise_displacement is not None and motion.mean_fd_concern is not None:
        yield describe_concern(motion.mean_fd_concern)
    if run.std_dvars is not None and motion.is_scrubbed and motion.dvars_limit is not None:
        yield f"The dashed line of std DVARS is --std_dvars_threshold ({motion.dvars_limit:g})."


def _describe_bands(run: RunView) -> Iterator[str]:
    if run.motion.carpets is not None:
        yield (
            "A band across all rows of a carpet is a change of the whole brain at that volume, as head motion or a "
            "deep breath leaves it; cleaning should remove it."
        )


def _describe_displacement(run: RunView) -> Iterator[str]:
    if run.framewise_displacement is None:
        return
    if is_computed(run.displacement_source):
        yield f"Framewise displacement is computed from {run.displacement_source}."
    if run.motion.is_filtered:
        yield "Framewise displacement is that of the filtered motion parameters."


def _describe_std_dvars(run: RunView) -> Iterator[str]:
    if run.std_dvars is not None:
        yield "Std DVARS is that of the confounds table."


def _describe_carpets(run: RunView) -> Iterator[str]:
    carpets, points = run.motion.carpets, run.points
    if carpets is None:
        return
    unit = "percent of their mean before cleaning" if carpets.unit == "%" else "the image's units"
    yield (
        f"DVARS and the carpets below it are of {carpets.n_points:,} {points.plural}, evenly spaced"
        f"{_describe_order(carpets)}."
    )
    if run.settings.get("smoothing_fwhm"):
        yield "They are not smoothed."
    yield (
        f"DVARS is the root mean square over them of the change from the volume before, in {unit}; after cleaning it "
        "is known where both volumes are kept."
    )
    rows = (
        f"Each row is the mean of up to {carpets.points_per_row} neighbours."
        if carpets.points_per_row > 1
        else f"Each row is one {points.singular}."
    )
    yield (
        f"The carpets are z-scores from black (-2.5 or less) to white (2.5 or more). {rows} Before cleaning, the "
        "linear trend is removed, and censored volumes are drawn too."
    )
    if run.motion.n_emptied:
        volumes = count(run.motion.n_emptied, "volume")
        yield f"Nothing is left of {volumes} with a spike regressor, grey in the carpet after cleaning."


def _describe_order(carpets: Carpets) -> str:
    if _is_by_distance(carpets):
        return " from the edge of the brain to its middle"
    if carpets.source is not None:
        return f" over the tissues of {carpets.source.name}, each from the bottom of the brain to its top"
    return " over its structures"
