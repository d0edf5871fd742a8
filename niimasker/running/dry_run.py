"""What a study would do, in lines, without doing it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from pathlib import Path

from niimasker.errors import count
from niimasker.inputs.runs import Run
from niimasker.inputs.templates import is_template
from niimasker.options.settings import Settings
from niimasker.outputs.outcomes import Outcome
from niimasker.regions.definitions import Regions
from niimasker.study.preparation import Study

_NONE = "none"


def describe(study: Study, finished: Set[Run]) -> Iterator[str]:
    """Yield lines: the atlases, a table of the runs, and how many there are of each kind.

    Parameters
    ----------
    finished
        The runs that would be skipped.
    """
    yield from _describe_regions(study)
    yield f"regressed: {_regressed(study.settings)}"
    yield ""
    columns = _columns(study, finished)
    yield from _aligned([tuple(columns), *zip(*columns.values(), strict=True)])
    yield ""
    n_to_do = len(study.plans) - len(finished)
    counts = [f"{n_to_do} to do", f"{len(finished)} to skip", f"{len(study.misfits)} that do not fit"]
    yield f"{count(len(study.runs), 'run')}: {', '.join(counts)}. Nothing is written in {study.settings.output_dir}."


def _regressed(settings: Settings) -> str:
    words = settings.regressed
    if words is None:
        return "nothing; --regressors says what"
    return " ".join(words) or "all columns of --regressor_files"


def _describe_regions(study: Study) -> Iterator[str]:
    settings = study.settings
    if study.atlases:
        described = [_describe_atlas(regions) for regions in study.atlases]
    else:
        described = [
            "for each run its own" if is_template(roi_file) else "the same for all runs"
            for roi_file in settings.roi_file
        ]
    yield from (f"{roi_file}: {words}" for roi_file, words in zip(settings.roi_file, described, strict=True))
    if study.mask is not None:
        yield f"{settings.mask_img}: the mask of all runs"


def _describe_atlas(regions: Regions) -> str:
    voxels = ", each voxel of them a column" if regions.as_voxels else ""
    join = regions.names_join
    names = f", names from {join.path}, {join.words}" if join else ""
    return f"{count(len(regions.names), 'region')}{voxels}{names}"


def _columns(study: Study, finished: Set[Run]) -> dict[str, list[str]]:
    """Return the table of the runs by columns, without those of files that no run has."""
    statuses = {plan.run: "skip" if plan.run in finished else "do" for plan in study.plans}
    headers, runs = _headers(study), study.runs
    files = {
        "censor file": [_shown(run.censor_path, run) for run in runs],
        "mask": [_shown(run.own_regions.mask_path if run.own_regions else None, run) for run in runs],
        "atlas": [_NONE if study.atlases else _own_atlases(run) for run in runs],
    }
    return {
        "image": [str(run.image_path) for run in runs],
        "volumes": [headers[run][0] for run in runs],
        "TR (s)": [headers[run][1] for run in runs],
        "confounds": [_shown(run.confounds_path, run) for run in runs],
        **{name: cells for name, cells in files.items() if set(cells) - {_NONE}},
        "output": [run.output_stem for run in runs],
        "": [statuses.get(run, "does not fit") for run in runs],
    }


def _shown(path: Path | None, run: Run) -> str:
    """Return a file as the table names it: without the folder where that is the image's."""
    if path is None:
        return _NONE
    return path.name if path.parent == run.image_path.parent else str(path)


def _own_atlases(run: Run) -> str:
    return _NONE if run.own_regions is None else " ".join(_shown(Path(text), run) for text in run.own_regions.roi_files)


def _headers(study: Study) -> dict[Run, tuple[str, str]]:
    """Return volumes and repetition time of each run, as far as they are known."""
    headers = {plan.run: (str(plan.series.n_volumes), _seconds(plan.cleaning.t_r)) for plan in study.plans}
    for run, misfit in study.misfits.items():
        series = misfit.series
        t_r = study.settings.t_r or (series.t_r if series else None)
        headers[run] = ("?", "?") if series is None else (str(series.n_volumes), _seconds(t_r))
    return headers


def _seconds(t_r: float | None) -> str:
    return "unknown" if t_r is None else f"{t_r:g}"


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def problems(study: Study) -> list[str]:
    """Return everything that does not fit, in the order of the runs; what holds for several runs once."""
    misfits = [study.misfits[run] for run in study.runs if run in study.misfits]
    errors = [error for misfit in misfits for error in misfit.errors]
    return list(dict.fromkeys(map(str, [*study.mistakes, *errors])))


def foreseen(study: Study) -> list[Outcome]:
    """Return what is known of each run before it starts: its warnings."""
    return [Outcome(plan.run, warnings=(*study.warnings, *plan.warnings)) for plan in study.plans]
