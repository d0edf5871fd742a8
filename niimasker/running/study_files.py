"""The files that a study writes once: the regions used, before the first run, and tables and pages over all runs."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING

from niimasker.errors import warn
from niimasker.options.settings import BIDS, TIDY_FORMATS, Settings, make_label
from niimasker.outputs.analyses import Analysis
from niimasker.outputs.calls import find_calls
from niimasker.outputs.contents import read_contents, read_rows, read_study_files
from niimasker.outputs.files import DATA_FOLDER, REPORTS_FOLDER, remove_leftovers
from niimasker.outputs.long_table import write_long_table
from niimasker.outputs.naming import report_path
from niimasker.outputs.outcomes import (
    DONE,
    EXCLUDED,
    FAILED,
    NOT_STARTED,
    SKIPPED,
    Outcome,
    Row,
    has_tables,
    summary_row,
)
from niimasker.outputs.page_ends import is_complete_page, is_failed_page
from niimasker.outputs.regions_used import write_regions_used
from niimasker.outputs.staging import remove_files
from niimasker.outputs.study_names import (
    GroupFiles,
    is_group_file,
    list_atlas_files,
    list_index_files,
    list_pages,
    long_table_path,
    name_comparison_files,
    name_group_files,
    name_regions_used,
    parameters_path,
    summary_path,
)
from niimasker.outputs.summaries import read_summary, write_parameters, write_summary
from niimasker.running.batch import attempt
from niimasker.running.comparison_files import try_comparison_files
from niimasker.running.folder import Occupied, judge_rows, locked_folder
from niimasker.running.folder_pipelines import find_pipelines
from niimasker.running.group_files import try_group_files
from niimasker.study.preparation import Study

if TYPE_CHECKING:
    from niimasker.group.connectivity import GroupNote

_log = logging.getLogger(__name__)


def list_study_files(study: Study) -> list[Path]:
    """Return the files that a study may write once, and that must not be the user's."""
    settings = study.settings
    output_dir = settings.output_dir
    paths = [parameters_path(output_dir), summary_path(output_dir)]
    paths += [long_table_path(output_dir, settings.tidy)] if settings.tidy else []
    groups = _name_groups(output_dir, settings.by_pipeline)
    comparison = name_comparison_files(output_dir)
    # Pipelines of earlier calls may lie in the folder already.
    compares = bool(settings.pipelines and groups)
    paths += [comparison.numbers_path] if compares else []
    paths += [path for group in groups.values() for path in (group.numbers_path, group.edges_path)]
    if not settings.no_report:
        paths += [*list_pages(output_dir), *(group.page_path for group in groups.values())]
        paths += [comparison.page_path] if compares else []
    if study.atlases:
        used = name_regions_used(settings, study.keys)
        # A copy that is the atlas itself, of an earlier call, stays as it is.
        sources = {copy: source for each in used for copy, source in each.source_paths.items()}
        copies = dict.fromkeys(path for each in used for path in each.copy_paths)
        paths += [path for path in copies if path not in sources or not _is_same(path, sources[path])]
        paths += [each.spheres_path for each in used if each.spheres_path is not None]
        # The other files of a BIDS derivative are kept as they are, or are refused by themselves.
        described = study.keys if settings.output_layout == BIDS else ()
        paths += [path for key in described for path in list_atlas_files(output_dir, key)]
    return paths


def _name_groups(output_dir: Path, pipelines: Mapping[str, Settings]) -> dict[str, GroupFiles]:
    """Return the files of the group of runs of each pipeline that measures connectivity."""
    return {
        pipeline: name_group_files(output_dir, make_label(pipeline))
        for pipeline, of_pipeline in pipelines.items()
        if of_pipeline.connectivity
    }


def _is_same(path: Path, other: Path) -> bool:
    try:
        return path.samefile(other)
    except OSError:
        return False


def begin_study_files(study: Study, occupied: Occupied) -> None:
    """Write the regions used and the description of a BIDS data set, and remove leftovers of earlier calls."""
    settings = study.settings
    long_tables = [long_table_path(settings.output_dir, tidy) for tidy in TIDY_FORMATS]
    remove_files(path for path in long_tables if path in occupied.study_files)
    if settings.output_layout == BIDS:
        from niimasker.outputs.bids_dataset import write_dataset

        write_dataset(settings.output_dir, study.all_runs, study.atlases_by_key)
    # Atlases of single runs are not copied: the sidecar of each run names them.
    if study.atlases:
        files = name_regions_used(settings, study.keys)
        for atlas_files, regions in zip(files, study.atlases, strict=True):
            write_regions_used(atlas_files, regions, study.spaces)
    remove_leftovers(output_folders(study))


def output_folders(study: Study) -> set[Path]:
    """Return the folders that a study writes to."""
    output_dir = study.settings.output_dir
    parents = [Path(run.output_stem).parent for run in study.runs]
    of_study = {output_dir, output_dir / DATA_FOLDER, output_dir / REPORTS_FOLDER / "assets"}
    return of_study | {root / parent for root in (output_dir, output_dir / REPORTS_FOLDER) for parent in parents}


def write_study_files(study: Study, outcomes: Sequence[Outcome], command: Sequence[str], occupied: Occupied) -> None:
    """Write the summary of all runs in the folder and, unless other calls are still at work there, pages and group.

    The folder must be locked.
    """
    settings = study.settings
    output_dir, analysis = settings.output_dir, occupied.analysis
    own = {outcome.run.output_stem: summary_row(outcome, analysis) for outcome in outcomes}
    others = _read_others(study, analysis, own.keys())
    not_started = {run.output_stem: summary_row(Outcome(run), analysis) for run in study.all_runs}
    rows = judge_rows(study, {**not_started, **others, **own})
    write_summary(output_dir, rows)
    targets = list_study_files(study)
    # Other calls have added to the files since this one began.
    known = occupied.study_files | read_study_files(output_dir, targets)
    # The last call to end describes the runs of all.
    pages = [] if _is_anybody_at_work(output_dir) else _describe_study(study, rows, known)
    written = [path for path in known.union(targets, pages) if path.exists()]
    # These come later.
    written.append(parameters_path(output_dir))
    written += [long_table_path(output_dir, settings.tidy)] if settings.tidy else []
    files = sorted({path.relative_to(output_dir).as_posix() for path in written})
    write_parameters(settings, rows, command, files)


def _is_anybody_at_work(output_dir: Path) -> bool:
    return any(call.is_abandoned is False for call in find_calls(output_dir / DATA_FOLDER))


def _describe_study(study: Study, rows: Sequence[Row], known: Set[Path]) -> list[Path]:
    """Write the group files and the index, and return the pages; with --no_report, only if a run has a page.

    Parameters
    ----------
    known
        The files of whole studies that a niimasker has written.
    """
    settings = study.settings
    index_path = settings.output_dir / REPORTS_FOLDER / "index.html"
    pipelines = find_pipelines(study, rows)
    # Those of an earlier call too, where this one measures no connectivity, or of which no run is left.
    labels = dict.fromkeys(["", *map(make_label, pipelines)])
    group_paths = [
        path for label in labels for path in dataclasses.astuple(name_group_files(settings.output_dir, label))
    ]
    group_paths += [path for path in known if is_group_file(path) and path not in group_paths]
    paths = [report_path(settings.output_dir, row["output"]) for row in rows]
    has_page = [_has_page(row, path) for row, path in zip(rows, paths, strict=True)]
    # Runs of other calls may have pages; their index must not lead to pages that this call has removed.
    is_ours = index_path in known or not index_path.exists()
    has_pages = not settings.no_report or (any(has_page) and is_ours)
    group_paths += dataclasses.astuple(name_comparison_files(settings.output_dir))
    outdated = [*group_paths, *([] if has_pages else list_index_files(settings.output_dir))]
    remove_files(path for path in outdated if path in known)
    groups, comparison = _write_groups(study, rows, pipelines, has_page=has_pages)
    if not has_pages:
        return []
    from niimasker.reports.index_page import write_index

    links = [path if exists else None for path, exists in zip(paths, has_page, strict=True)]
    written = attempt(
        lambda output_dir: write_index(output_dir, rows, links, groups, comparison, settings.judge),
        settings.output_dir,
    )
    if written.reason:
        _log.debug("%s", written.traceback)
        # A warning only: the tables themselves are written.
        warn(f"reports/index.html is not written: {written.reason}")
    return [*list_pages(settings.output_dir), *group_paths]


def _write_groups(
    study: Study, rows: Sequence[Row], pipelines: Mapping[str, Settings], *, has_page: bool
) -> tuple[list[GroupNote], GroupNote | None]:
    """Write the files of the group of runs of each pipeline, and of their comparison, and return the index's notes.

    Parameters
    ----------
    pipelines
        The settings of each pipeline of the folder, by its name.
    """
    # Runs of other calls that did not start may never be asked for again.
    own = {run.output_stem for run in study.all_runs}
    of_group = [row for row in rows if row["status"] != NOT_STARTED or row["output"] in own]
    measuring = {name: of_pipeline for name, of_pipeline in pipelines.items() if of_pipeline.connectivity}
    groups = [
        try_group_files(
            of_pipeline,
            [row for row in of_group if (row["pipeline"] or "") == pipeline],
            study.keys,
            has_page=has_page,
            pipeline=pipeline,
        )
        for pipeline, of_pipeline in measuring.items()
    ]
    if not (measuring and study.settings.pipelines):
        return groups, None
    return groups, try_comparison_files(measuring, of_group, study.keys, has_page=has_page)


def _has_page(row: Row, path: Path) -> bool:
    """Return whether a run has a page that is about what has become of it."""
    if has_tables(row):
        return is_complete_page(path)
    return row["status"] in (FAILED, EXCLUDED) and is_failed_page(path)


def _read_others(study: Study, analysis: Analysis, own: Set[str]) -> dict[str, Row]:
    """Return the rows of the other runs of this analysis in the folder, by output name."""
    settings = study.settings
    rows = read_rows(settings, study.keys, analysis, without=own)
    if rows is not None:
        return rows
    # Somebody has removed or damaged the summary since this call began: the JSON files of the runs tell.
    found = read_contents(settings, study.keys, analysis, own, list_study_files(study)).rows
    return {name: row for name, row in found.items() if name not in own}


def write_tidy_table(study: Study, outcomes: Sequence[Outcome]) -> Path | None:
    """Write the long table of --tidy over all finished runs in the folder, and return its path.

    Nothing is written and None is returned without --tidy, as long as other calls are at work in the folder or other
    shards have not begun, and if no run is finished.

    Raises
    ------
    OutputError
        The table cannot be written; the tables of the runs are complete.
    """
    settings = study.settings
    # If outputs can no longer be written, that has been reported already.
    if settings.tidy is None or any(outcome.ends_all for outcome in outcomes):
        return None
    # No other call may begin to replace the tables meanwhile.
    with locked_folder(settings.output_dir):
        runs = _find_done(study, outcomes)
        if not runs:
            return None
        start = time.perf_counter()
        path = write_long_table(settings, runs, study.keys, tidy=settings.tidy)
    _log.debug("%s: written in %.3f s", path, time.perf_counter() - start)
    return path


def _find_done(study: Study, outcomes: Sequence[Outcome]) -> list[Row]:
    """Return the rows of all finished runs; none as long as other calls or shards have runs to do."""
    settings = study.settings
    if _is_anybody_at_work(settings.output_dir):
        return []
    rows = read_summary(summary_path(settings.output_dir)) or []
    ended = {row["output"]: row for row in rows}
    # The summary itself may not have been written.
    ended |= {each.run.output_stem: _row_of(each) for each in outcomes}
    if settings.shard is not None and any(row["status"] == NOT_STARTED for row in ended.values()):
        return []
    return [row for row in ended.values() if row["status"] == DONE]


def _row_of(outcome: Outcome) -> Row:
    """Return what the long table needs to know of a run, whichever call did it."""
    run, status = outcome.run, DONE if outcome.status == SKIPPED else outcome.status
    return {"image": str(run.image_path), "output": run.output_stem, "pipeline": run.pipeline, "status": status}
