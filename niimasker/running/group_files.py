"""The group tables and the group page over all runs of a study, or the reason why they are not written."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from niimasker.errors import count, warn
from niimasker.options.settings import Settings, make_label
from niimasker.outputs.outcomes import EXCLUDED, NOT_STARTED
from niimasker.outputs.study_names import name_group_files
from niimasker.running.batch import attempt

if TYPE_CHECKING:
    from niimasker.group.connectivity import GroupNote, Member

_log = logging.getLogger(__name__)

Rows = Sequence[Mapping[str, Any]]


def try_group_files(
    settings: Settings, rows: Rows, keys: Sequence[str], *, has_page: bool, pipeline: str = ""
) -> GroupNote:
    """Write the group files, and return the note about them for the index page; an error becomes a warning.

    Parameters
    ----------
    settings
        Those of the pipeline.
    rows
        The rows of summary.tsv, of one pipeline.
    keys
        The names of the atlases in the file names.
    has_page
        Whether the page is written beside the tables.
    """
    from niimasker.group.connectivity import GroupNote

    written = attempt(
        lambda atlas_keys: _write_group_files(settings, rows, atlas_keys, has_page=has_page, pipeline=pipeline), keys
    )
    if written.value is None:
        _log.debug("%s", written.traceback)
        of_pipeline = f" of pipeline {pipeline}" if pipeline else ""
        warn(f"the group page{of_pipeline} is not written: {written.reason}")
        return GroupNote(None, f"No group page: {written.reason}", pipeline)
    _log.debug("group of runs: %s, in %.3f s", written.value.text, written.seconds)
    return written.value


def _write_group_files(
    settings: Settings, rows: Rows, keys: Sequence[str], *, has_page: bool, pipeline: str
) -> GroupNote:
    from niimasker.group.connectivity import GroupNote, find_excluded, find_members, make_groups
    from niimasker.group.tables import write_group_tables

    members, excluded = find_members(settings, rows, keys), find_excluded(rows)
    reason = _describe_missing_group(members, rows)
    if reason:
        return GroupNote(None, f"No group page: {reason}", pipeline)
    files = name_group_files(settings.output_dir, make_label(pipeline))
    groups = list(make_groups(members, settings.connectivity))
    write_group_tables(files, groups)
    if has_page:
        # Imported here: the drawing libraries are needed for pages only.
        from niimasker.reports.group_page import write_group_page

        write_group_page(files, groups, members, settings, excluded=excluded, pipeline=pipeline)
    text = f"mean connectivity of {count(len(members), 'run')}, and its relation to head motion"
    text += f"; {count(len(excluded), 'run')} excluded" if excluded else ""
    return GroupNote(files.page_path.name if has_page else None, text, pipeline)


def _describe_missing_group(members: Sequence[Member], rows: Rows) -> str:
    """Return why there is no group page; an empty text if there can be one."""
    from niimasker.group.edges import MIN_RUNS

    n_not_started = sum(row["status"] == NOT_STARTED for row in rows)
    if n_not_started:
        # After Ctrl-C nobody wants to wait for numbers that the other runs will change.
        return f"it is made once every run has been processed, and {count(n_not_started, 'run')} did not start."
    if len(members) < MIN_RUNS:
        n_excluded = sum(row["status"] == EXCLUDED for row in rows)
        excluded = f" ({count(n_excluded, 'run')} excluded)" if n_excluded else ""
        are = "is" if len(members) == 1 else "are"
        return f"it needs {MIN_RUNS} runs that are done; {len(members)} {are}{excluded}."
    return ""
