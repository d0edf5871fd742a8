"""The files that a study writes once: the regions used, before the first run, and tables and pages over all runs."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from niimasker.errors import warn
from niimasker.options.settings import BIDS
from niimasker.outputs.files import DATA_FOLDER, REPORTS_FOLDER, make_folder, remove_leftovers, summary_name
from niimasker.outputs.long_table import remove_long_tables, write_long_table
from niimasker.outputs.naming import name_regions_used, report_path
from niimasker.outputs.outcomes import DONE, NOT_STARTED, SKIPPED, Outcome, summary_row
from niimasker.outputs.regions_used import write_regions_used
from niimasker.running.batch import attempt
from niimasker.running.group_files import remove_group_files, try_group_files
from niimasker.study.preparation import Study

_log = logging.getLogger(__name__)


def begin_study_files(study: Study) -> None:
    """Write the regions used and the description of a BIDS data set, and remove leftovers of earlier calls."""
    remove_long_tables(study.settings)
    folder = study.settings.output_dir / DATA_FOLDER
    # Needed here: if each run has its own regions, nothing else is written before the tables of the first run.
    make_folder(folder)
    if study.settings.output_layout == BIDS:
        from niimasker.outputs.bids_dataset import write_dataset

        write_dataset(study.settings.output_dir, study.all_runs, study.atlases_by_key)
    # Atlases of single runs are not copied: the sidecar of each run names them.
    if study.atlases:
        files = name_regions_used(study.settings, study.keys)
        for atlas_files, roi_file, regions in zip(files, study.settings.roi_file, study.atlases, strict=True):
            write_regions_used(atlas_files, roi_file, regions, study.spaces)
    remove_leftovers(output_folders(study))


def output_folders(study: Study) -> set[Path]:
    """Return the folders that a study writes to."""
    output_dir = study.settings.output_dir
    parents = [Path(run.output_stem).parent for run in study.runs]
    of_study = {output_dir, output_dir / DATA_FOLDER, output_dir / REPORTS_FOLDER / "assets"}
    return of_study | {root / parent for root in (output_dir, output_dir / REPORTS_FOLDER) for parent in parents}


def write_study_files(study: Study, outcomes: Sequence[Outcome], command: Sequence[str]) -> None:
    """Write the summary and, once all shards have ended, the index page and the files of the group."""
    from niimasker.outputs.summaries import write_summary
    from niimasker.running.shards import merge_shards, remove_shard_summaries

    folder, shard = study.settings.output_dir / DATA_FOLDER, study.settings.shard
    rows = [summary_row(outcome) for outcome in outcomes]
    if shard is None:
        _write_whole_study(study, rows, command)
        remove_shard_summaries(folder)
        return
    write_summary(folder / summary_name(shard), rows)
    if all(outcome.status != NOT_STARTED for outcome in outcomes):
        merge_shards(folder, shard, study.all_runs, lambda merged: _write_whole_study(study, merged, command))


def _write_whole_study(study: Study, rows: Sequence[Mapping[str, Any]], command: Sequence[str]) -> None:
    from niimasker.outputs.summaries import write_study

    settings = study.settings
    write_study(settings.output_dir / DATA_FOLDER, settings, rows, command)
    keeps_pages = _keeps_pages(study, rows)
    remove_group_files(settings, keeps_page=keeps_pages)
    group = try_group_files(settings, rows, study.keys) if settings.connectivity else None
    if settings.no_report:
        if not keeps_pages:
            with contextlib.suppress(OSError):
                (settings.output_dir / REPORTS_FOLDER / "index.html").unlink()
        return
    from niimasker.reports.index_page import write_index

    paths = [report_path(settings.output_dir, row["output"]) for row in rows]
    has_page = [row["status"] in (DONE, SKIPPED) and path.is_file() for row, path in zip(rows, paths, strict=True)]
    links = [path if exists else None for path, exists in zip(paths, has_page, strict=True)]
    written = attempt(lambda output_dir: write_index(output_dir, rows, links, group), settings.output_dir)
    if written.reason:
        _log.debug("%s", written.traceback)
        # A warning only: the tables themselves are written.
        warn(f"reports/index.html is not written: {written.reason}")


def write_tidy_table(study: Study, outcomes: Sequence[Outcome]) -> Path | None:
    """Write the long table of --tidy over all finished runs, and return its path.

    Nothing is written and None is returned without --tidy, before the last shard has ended, and if no run is finished.

    Raises
    ------
    OutputError
        The table cannot be written; the tables of the runs are complete.
    """
    from niimasker.running.shards import read_shards

    settings = study.settings
    # If outputs can no longer be written, that has been reported already.
    if settings.tidy is None or any(outcome.ends_all for outcome in outcomes):
        return None
    if settings.shard is None:
        rows = [summary_row(outcome) for outcome in outcomes]
    else:
        rows = read_shards(settings.output_dir / DATA_FOLDER, settings.shard, study.all_runs) or []
    runs = [(row["image"], row["output"]) for row in rows if row["status"] in (DONE, SKIPPED)]
    if not runs:
        return None
    start = time.perf_counter()
    path = write_long_table(settings, runs, study.keys, tidy=settings.tidy)
    _log.debug("%s: written in %.3f s", path, time.perf_counter() - start)
    return path


def _keeps_pages(study: Study, rows: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether --no_report keeps the index and group pages of an earlier call.

    It does if every run is skipped. Otherwise these pages would link to run pages that have been removed.
    """
    return study.settings.no_report and all(row["status"] == SKIPPED for row in rows)
