"""The table and the page that compare the pipelines of a study, or the reason why they are not written."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from niimasker.errors import count, warn
from niimasker.group.connectivity import GroupNote
from niimasker.options.settings import Settings
from niimasker.outputs.outcomes import NOT_STARTED
from niimasker.outputs.study_names import name_comparison_files
from niimasker.running.batch import attempt

_log = logging.getLogger(__name__)

Rows = Sequence[Mapping[str, Any]]


def try_comparison_files(
    settings: Mapping[str, Settings], rows: Rows, keys: Sequence[str], *, has_page: bool
) -> GroupNote:
    """Write the comparison of pipelines, and return the note about it for the index page; an error becomes a warning.

    Parameters
    ----------
    settings
        The settings of each pipeline, by its name. All have the same output directory.
    rows
        The rows of summary.tsv, one per run and pipeline.
    keys
        The names of the atlases in the file names.
    has_page
        Whether the page is written beside the table.
    """
    written = attempt(lambda of_pipelines: _write_comparison(of_pipelines, rows, keys, has_page=has_page), settings)
    if written.value is None:
        _log.debug("%s", written.traceback)
        warn(f"the comparison of pipelines is not written: {written.reason}")
        return GroupNote(None, f"No comparison of pipelines: {written.reason}")
    _log.debug("comparison of pipelines: %s, in %.3f s", written.value.text, written.seconds)
    return written.value


def _write_comparison(
    settings: Mapping[str, Settings], rows: Rows, keys: Sequence[str], *, has_page: bool
) -> GroupNote:
    from niimasker.group.compared_runs import find_compared_runs, reason_without_comparison
    from niimasker.group.comparison import compare_pipelines
    from niimasker.group.comparison_table import write_comparison_table

    n_not_started = sum(row["status"] == NOT_STARTED for row in rows)
    if n_not_started:
        return GroupNote(
            None,
            "No comparison of pipelines: it is made once every run has been processed, and "
            f"{count(n_not_started, 'run')} did not start.",
        )
    runs = find_compared_runs(settings, rows, keys)
    reason = reason_without_comparison(settings, runs)
    if reason:
        return GroupNote(None, f"No comparison of pipelines: {reason}")
    output_dir = next(iter(settings.values())).output_dir
    comparison = compare_pipelines(settings, runs)
    files = name_comparison_files(output_dir)
    write_comparison_table(files.numbers_path, comparison)
    if has_page:
        # Imported here: the drawing libraries are needed for pages only.
        from niimasker.reports.pipelines_page import write_comparison

        write_comparison(output_dir, comparison)
    over = count(len(runs.any_members), "run")
    text = f"{count(len(runs.pipelines), 'pipeline')} over {over} that all of them kept"
    return GroupNote(files.page_path.name if has_page else None, text)
