"""The report of --dry_run: the runs of a study, what would be done with each, and every error found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence, Set
from pathlib import Path
from typing import Any

from niimasker.errors import count
from niimasker.inputs.runs import Run
from niimasker.inputs.templates import is_template
from niimasker.options.settings import OPTIONS, Settings
from niimasker.outputs.outcomes import Outcome
from niimasker.regions.definitions import Regions
from niimasker.regions.roi_files import RoiFile, parse_mask, parse_roi_file
from niimasker.running.left_out_lines import describe_left_out
from niimasker.running.warning_groups import group_texts
from niimasker.study.preparation import Study

_NONE = "none"
_TO_DO, _SKIP, _EXCLUDE, _ERROR = "to do", "skip", "exclude", "error"


def describe_study(study: Study, finished: Set[Run]) -> Iterator[str]:
    """Yield the lines of the report: the atlases, a table of the runs, and the number of runs by status.

    Parameters
    ----------
    finished
        The runs that would be skipped.
    """
    yield from _describe_regions(study)
    for pipeline, settings in study.settings.by_pipeline.items():
        described = _describe_cleaning(settings) if pipeline else ""
        yield f"{f'{pipeline}: ' if pipeline else ''}regressors: {_describe_regressors(settings)}{described}"
    yield ""
    columns = _make_columns(study, finished)
    yield from _align([tuple(columns), *zip(*columns.values(), strict=True)])
    yield ""
    exclusions = list_exclusions(study)
    yield from (f"exclude: {run.output_stem}: {reason}" for run, reason in exclusions.items())
    left_out = list(describe_left_out(study))
    yield from left_out
    if exclusions or left_out:
        yield ""
    statuses = Counter(columns["status"])
    excluded = [f"{len(exclusions)} to exclude"] if exclusions else []
    counts = [f"{statuses[_TO_DO]} to do", f"{statuses[_SKIP]} to skip", *excluded, f"{statuses[_ERROR]} with errors"]
    yield f"{count(len(study.runs), 'run')}: {', '.join(counts)}. Nothing was written to {study.settings.output_dir}."


def list_exclusions(study: Study) -> dict[Run, str]:
    """Return why runs are excluded, whether or not they have too few volumes for tables, in the order of the runs."""
    of_plans = {plan.run: plan.exclusion for plan in study.plans}
    of_invalid = {run: invalid.reason if invalid.exclusion else None for run, invalid in study.invalid_runs.items()}
    reasons = {**of_plans, **of_invalid}
    return {run: reason for run in study.runs if (reason := reasons[run]) is not None}


def _describe_regressors(settings: Settings) -> str:
    words = settings.requested_regressors
    if words is None:
        return "none" if settings.regressors else "none; choose them with --regressors"
    return " ".join(words) or "all columns of --regressor_files"


def _describe_cleaning(settings: Settings) -> str:
    """Return the other options in which a pipeline may differ, where they have not their default."""
    options = [option for option in OPTIONS if option.varies and option.name not in ("regressors", "regressor_files")]
    values = {option.name: getattr(settings, option.name) for option in options}
    given = {each.name: values[each.name] for each in options if values[each.name] != each.default}
    return "".join(f"; {name}{_describe_value(value)}" for name, value in given.items())


def _describe_value(value: Any) -> str:
    if value is True:
        return ""
    values = value if isinstance(value, tuple) else (value,)
    return "".join(f" {each:g}" if isinstance(each, float) else f" {each}" for each in values)


def _describe_regions(study: Study) -> Iterator[str]:
    settings = study.settings
    if study.atlases:
        described = [_describe_atlas(regions) for regions in study.atlases]
    else:
        described = [
            "a file for each run" if is_template(roi_file) else "the same for all runs"
            for roi_file in settings.roi_file
        ]
    yield from (f"{roi_file}: {words}" for roi_file, words in zip(settings.roi_file, described, strict=True))
    if study.mask is not None:
        yield f"{settings.mask_img}: the mask for all runs"


def _describe_atlas(regions: Regions) -> str:
    voxels = ", one column per voxel" if regions.as_voxels else ""
    join = regions.names_join
    names = f", names from {join.path}, {join.words}" if join else ""
    return f"{count(len(regions.names), 'region')}{voxels}{names}"


def _make_columns(study: Study, finished: Set[Run]) -> dict[str, list[str]]:
    """Return the columns of the table of runs, without the columns of files that no run has."""
    statuses = {plan.run: _SKIP if plan.run in finished else _TO_DO for plan in study.plans}
    statuses |= dict.fromkeys(list_exclusions(study), _EXCLUDE)
    headers, runs = _format_headers(study), study.runs
    kept = {plan.run: plan.timeline.n_kept for plan in study.plans}
    files = {
        "censor file": [_format_path(run.censor_path, run) for run in runs],
        "mask": [_format_own_mask(run) for run in runs],
        "atlas": [_NONE if study.atlases else _format_own_atlases(run) for run in runs],
    }
    return {
        "image": [str(run.image_path.with_name(run.image_name)) for run in runs],
        "volumes": [headers[run][0] for run in runs],
        "kept": [_format_kept(kept.get(run)) for run in runs],
        "TR (s)": [headers[run][1] for run in runs],
        "confounds": [" ".join(_format_path(path, run) for path in run.confounds_paths) or _NONE for run in runs],
        **{name: cells for name, cells in files.items() if set(cells) - {_NONE}},
        **({"pipeline": [run.pipeline for run in runs]} if study.settings.pipelines else {}),
        "output": [run.output_stem for run in runs],
        "status": [statuses.get(run, _ERROR) for run in runs],
    }


def _format_path(path: Path | None, run: Run) -> str:
    """Return a path as the table shows it: the name alone for a file in the folder of the image."""
    if path is None:
        return _NONE
    return path.name if path.parent == run.image_path.parent else str(path)


def _format_own_atlases(run: Run) -> str:
    if run.own_regions is None:
        return _NONE
    return " ".join(_format_files(parse_roi_file(text), run) for text in run.own_regions.roi_files)


def _format_own_mask(run: Run) -> str:
    if run.own_regions is None or run.own_regions.mask_path is None:
        return _NONE
    return _format_files(parse_mask(run.own_regions.mask_path), run)


def _format_files(roi_file: RoiFile, run: Run) -> str:
    paths = roi_file.paths or (Path(roi_file.text),)
    return " ".join(_format_path(path, run) for path in paths)


def _format_headers(study: Study) -> dict[Run, tuple[str, str]]:
    """Return the number of volumes and the repetition time of each run, as far as they are known."""
    headers = {plan.run: (str(plan.series.n_volumes), _format_t_r(plan.cleaning.t_r)) for plan in study.plans}
    for run, invalid_run in study.invalid_runs.items():
        series = invalid_run.series
        t_r = study.settings.t_r or (series.t_r if series else None)
        headers[run] = ("?", "?") if series is None else (str(series.n_volumes), _format_t_r(t_r))
    return headers


def _format_kept(n_kept: int | None) -> str:
    return "?" if n_kept is None else str(n_kept)


def _format_t_r(t_r: float | None) -> str:
    return "unknown" if t_r is None else f"{t_r:g}"


def _align(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def list_errors(study: Study) -> list[str]:
    """Return every error found, in the order of the runs; similar errors of several runs appear once."""
    texts = [
        (f"{error}{_name_pipelines(pipelines, study)}", image)
        for image, of_image in _errors_by_image(study).items()
        for error, pipelines in of_image.items()
    ]
    # Each error names its own file.
    groups = [group.example if len(group.images) == 1 else str(group) for group in group_texts(texts)]
    return list(dict.fromkeys([*map(str, study.option_errors), *groups]))


def _errors_by_image(study: Study) -> dict[str, dict[str, list[str]]]:
    """Return the errors of each image, by the output name of its first run, with the pipelines that have them."""
    found: dict[str, dict[str, list[str]]] = {}
    first = {run.image_paths: run.output_stem for run in reversed(study.runs)}
    for run in study.runs:
        if run in study.invalid_runs and study.invalid_runs[run].exclusion is None:
            for error in study.invalid_runs[run].errors:
                found.setdefault(first[run.image_paths], {}).setdefault(str(error), []).append(run.pipeline)
    return found


def _name_pipelines(pipelines: Sequence[str], study: Study) -> str:
    """Return the end of an error that names the pipelines that have it; nothing if all have it."""
    names = list(dict.fromkeys(pipelines))
    if len(names) == len(study.settings.by_pipeline):
        return ""
    return f" ({'pipeline' if len(names) == 1 else 'pipelines'} {', '.join(names)})"


def predict_outcomes(study: Study) -> list[Outcome]:
    """Return an outcome for each run with the warnings that are known before it starts."""
    return [Outcome(plan.run, warnings=(*study.warnings, *plan.warnings)) for plan in study.plans]
