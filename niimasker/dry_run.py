"""What a study would do, in lines, without doing it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set

from niimasker.inputs.runs import Run
from niimasker.outcomes import Outcome
from niimasker.study import Plan, Study

_HEADER = ("image", "volumes", "TR (s)", "confounds", "censor file", "output", "")


def describe(study: Study, finished: Set[Run]) -> Iterator[str]:
    """Yield lines: the atlases, a table of the runs, and how many there are of each kind.

    Parameters
    ----------
    finished
        The runs that would be skipped.
    """
    for roi_file, regions in zip(study.settings.roi_file, study.atlases, strict=True):
        n_regions = len(regions.names)
        voxels = ", each voxel of them a column" if study.settings.as_voxels else ""
        names = f", names from {regions.names_path}" if regions.names_path else ""
        yield f"{roi_file}: {n_regions} region{'s' if n_regions != 1 else ''}{voxels}{names}"
    plans = {plan.run: plan for plan in study.plans}
    yield ""
    yield from _aligned([_HEADER, *(_cells(run, plans.get(run), run in finished) for run in study.runs)])
    yield ""
    n_bad = len(study.runs) - len(plans)
    counts = [f"{len(plans) - len(finished)} to do", f"{len(finished)} to skip", f"{n_bad} that do not fit"]
    yield f"{len(study.runs)} runs: {', '.join(counts)}. Nothing is written in {study.settings.output_dir}."


def _cells(run: Run, plan: Plan | None, is_finished: bool) -> tuple[str, ...]:
    status = "does not fit" if plan is None else "skip" if is_finished else "do"
    volumes, t_r = "?", "?"
    if plan is not None:
        volumes = str(plan.series.n_volumes)
        t_r = "unknown" if plan.cleaning.t_r is None else f"{plan.cleaning.t_r:g}"
    files = [str(path) if path else "none" for path in (run.confounds_path, run.censor_path)]
    return str(run.image_path), volumes, t_r, *files, run.output_stem, status


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def problems(study: Study) -> list[str]:
    """Return everything that does not fit, in the order of the runs."""
    return [str(error) for run in study.runs for error in study.misfits.get(run, ())]


def foreseen(study: Study) -> list[Outcome]:
    """Return what is known of each run before it starts: its warnings."""
    return [Outcome(plan.run, warnings=(*study.warnings, *plan.warnings)) for plan in study.plans]
