"""What a call does to its output folder before the first run: what it refuses, what it removes, and what it records.

An output folder is of one analysis. niimasker replaces and removes only what a niimasker has written, and no input of
the call; everything else is an error before the first run.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from natsort import natsorted

from niimasker.errors import NiimaskerError, OutputError, warn
from niimasker.inputs.runs import Run
from niimasker.options.paths import describe_missing_file
from niimasker.options.settings import BIDS, Settings
from niimasker.outputs.analyses import Analysis
from niimasker.outputs.calls import Call, Record, recorded, take_over
from niimasker.outputs.contents import Contents, read_contents
from niimasker.outputs.files import DATA_FOLDER, REPORTS_FOLDER, make_folder
from niimasker.outputs.locks import holding
from niimasker.outputs.naming import name_files, name_sidecars, possible_files, report_path
from niimasker.outputs.outcomes import Outcome, Row, has_tables, judge_row, summary_row
from niimasker.outputs.page_ends import is_failed_page
from niimasker.outputs.run_sidecars import listed_files, read_sidecar
from niimasker.outputs.staging import remove_files
from niimasker.outputs.summaries import write_parameters, write_summary
from niimasker.running.refusals import (
    describe_excluded,
    describe_gone,
    describe_removed,
    refuse_calls,
    refuse_files,
    refuse_images,
    refuse_others,
)
from niimasker.study.input_files import InputFiles, list_inputs
from niimasker.study.preparation import Study

_LOCK_NAME = ".lock"


@dataclass(frozen=True)
class FolderPlan:
    """What a call finds in its output folder, and what it does about it before the first run.

    Parameters
    ----------
    errors
        Why the call is refused.
    notes
        What is replaced, and what stays beside the runs of this call.
    removed
        Files to remove, in this order.
    abandoned
        Calls that were killed.
    """

    contents: Contents
    errors: tuple[NiimaskerError, ...]
    notes: tuple[str, ...]
    removed: tuple[Path, ...]
    abandoned: tuple[Call, ...]


@dataclass(frozen=True)
class Occupied:
    """An output folder in which this call is at work.

    Parameters
    ----------
    record
        The record of the call, without which none of its processes writes.
    analysis
        What the tables of the folder are made with.
    study_files
        The files of whole studies in the folder that niimasker has written.
    """

    record: Record
    analysis: Analysis
    study_files: frozenset[Path]


def plan_folder(study: Study, analysis: Analysis, targets: Sequence[Path], finished: Set[Run]) -> FolderPlan:
    """Return what this call would do to its output folder; nothing is written.

    Parameters
    ----------
    targets
        The files of the study that the call may write.
    finished
        The runs that --resume skips.
    """
    outputs = [run.output_stem for run in study.all_runs]
    contents = read_contents(study.settings, study.keys, analysis, outputs, targets)
    own = set(outputs)
    abandoned = tuple(call for call in contents.calls if call.is_abandoned)
    to_do = [run for run in study.runs if run not in finished]
    staying = {name: run for name, run in contents.others.items() if name not in own}
    replaced = {name: run for name, run in contents.others.items() if name not in staying}
    existing = [path for run in to_do for path in _list_existing(study, contents, run)]
    existing += [path for path in targets if os.path.lexists(path)]
    # Most folders are new; then the inputs of thousands of runs need not be listed.
    inputs = list_inputs(study) if existing or contents.others or abandoned else InputFiles(())
    removed = [*_list_removed_runs(study, contents, abandoned), *_list_outdated(contents, targets, inputs)]
    known = _list_known(study, contents, abandoned, to_do) if existing else set()
    errors = [
        *refuse_calls(study.settings.output_dir, contents.calls, analysis, to_do),
        *([] if study.settings.overwrite else refuse_others(study.settings.output_dir, staying, analysis)),
        *([] if study.settings.overwrite else refuse_images(study.settings.output_dir, contents, to_do)),
        *refuse_files(existing, removed, known=known, inputs=inputs),
    ]
    notes = [*describe_removed(study.settings.output_dir, replaced, staying, analysis)]
    notes += describe_gone(study.settings.output_dir, contents, own)
    notes += describe_excluded(study.settings.output_dir, contents, own, study.settings.exclude)
    return FolderPlan(contents, tuple(errors), tuple(notes), tuple(removed), abandoned)


def _list_known(study: Study, contents: Contents, abandoned: Sequence[Call], to_do: Sequence[Run]) -> set[Path]:
    """Return the files of the study and of the runs to process that niimasker has written."""
    known = {*contents.study_files, *(path for other in contents.others.values() for path in other.files)}
    killed = {name for call in abandoned for name in call.runs}
    for run in to_do:
        name = run.output_stem
        files = name_files(study.settings, name, study.keys)
        sidecars = {tables.sidecar_path: read_sidecar(tables.sidecar_path) for tables in files.tables}
        if all(sidecars.values()):
            known.update([*sidecars, files.report_path])
            known.update(path for each in sidecars.values() for path in listed_files(each, study.settings.output_dir))
            known.update(path for tables in files.tables for path in (tables.signals_path, tables.regions_path))
        elif name in killed or name in contents.listed:
            # Written by an earlier call, whose JSON files have been removed or damaged since.
            known.update(possible_files(study.settings, name, study.keys))
        if is_failed_page(files.report_path):
            known.add(files.report_path)
    return known


def _list_existing(study: Study, contents: Contents, run: Run) -> list[Path]:
    """Return the files in the folder that a run would write with these or other options."""
    # All names of a run begin alike: with its stem or, in BIDS names, into which further entities enter, its subject.
    stem = Path(run.output_stem)
    start = stem.with_name(stem.name.partition("_")[0]) if study.settings.output_layout == BIDS else stem
    folders = (study.settings.output_dir, study.settings.output_dir / REPORTS_FOLDER)
    if not any(contents.has_name_like(folder / start) for folder in folders):
        return []
    return [path for path in possible_files(study.settings, run.output_stem, study.keys) if contents.has(path)]


def _list_removed_runs(study: Study, contents: Contents, abandoned: Sequence[Call]) -> list[Path]:
    """Return the files of runs of other analyses, and of those that a killed call has not completed."""
    done = {name for name, row in contents.rows.items() if has_tables(row)}
    removed = [path for other in contents.others.values() for path in other.files]
    # Pages of runs without tables, which nothing in the folder lists from now on.
    own, kept = {run.output_stem for run in study.all_runs}, {*contents.rows, *contents.others}
    pages = [report_path(study.settings.output_dir, name) for name in contents.listed - own - kept]
    removed += [path for path in pages if contents.has(path) and is_failed_page(path)]
    for call in abandoned:
        layout = call.analysis.settings.get("output_layout", study.settings.output_layout)
        settings = dataclasses.replace(study.settings, output_layout=layout)
        for name in call.runs:
            if name not in done and name not in contents.others:
                removed += [path for path in possible_files(settings, name, call.keys) if contents.has(path)]
    return removed


def _list_outdated(contents: Contents, targets: Collection[Path], inputs: InputFiles) -> list[Path]:
    """Return the files of whole studies that belong to another analysis and that this call does not write itself.

    The copy of an atlas from which this call takes its regions stays.
    """
    if not contents.others:
        return []
    return [path for path in contents.study_files if path not in targets and path not in inputs and path.is_file()]


@contextlib.contextmanager
def locked_folder(output_dir: Path) -> Iterator[None]:
    """Keep other calls from beginning or ending in an output folder at the same time."""

    def note() -> None:
        warn(f"{output_dir}: waiting for another niimasker, which is writing its summary there.")

    # It may have been removed since the call began.
    make_folder(output_dir / DATA_FOLDER)
    with holding(output_dir / DATA_FOLDER / _LOCK_NAME, note):
        yield


def occupy(
    study: Study,
    analysis: Analysis,
    targets: Sequence[Path],
    finished: Set[Run],
    command: Sequence[str],
    stack: contextlib.ExitStack,
) -> Occupied:
    """Make the output folder one of this analysis, and record this call in it until the stack is closed.

    Parameters
    ----------
    targets
        The files of the study that the call may write.
    finished
        The runs that --resume skips.
    command
        The words of the command line.

    Raises
    ------
    NiimaskerError
        The folder holds what this call must not replace, or another call is at work there; nothing was changed.
    """
    output_dir = study.settings.output_dir
    if describe_missing_file(output_dir / DATA_FOLDER) != "a folder":
        # Before anything is made, it must be known that the call can go on.
        _raise_first(plan_folder(study, analysis, targets, finished))
    with locked_folder(output_dir):
        plan = plan_folder(study, analysis, targets, finished)
        _raise_first(plan)
        for call in plan.abandoned:
            if not take_over(call):
                raise OutputError(f"{output_dir}: {call.words} is still writing there; try again when it has ended.")
        study_files = plan.contents.study_files
        files = sorted({path.relative_to(output_dir).as_posix() for path in (*study_files, *targets)})
        record = stack.enter_context(
            recorded(
                output_dir / DATA_FOLDER,
                analysis,
                keys=study.keys,
                runs=[run.output_stem for run in study.runs],
                files=files,
            )
        )
        remove_files(plan.removed)
        rows = _begin_rows(study, analysis, plan.contents, finished)
        # First: later calls tell by it that the other files are niimasker's, whatever becomes of this call.
        write_parameters(study.settings, rows, command, files)
        write_summary(output_dir, rows)
    for note in plan.notes:
        warn(note)
    return Occupied(record, analysis, study_files)


def _raise_first(plan: FolderPlan) -> None:
    if plan.errors:
        raise plan.errors[0]


def _begin_rows(study: Study, analysis: Analysis, contents: Contents, finished: Set[Run]) -> list[Row]:
    """Return the rows of summary.tsv before the first run: of runs that stay as they are, and of those to be done."""
    to_do = {run.output_stem for run in study.runs if run not in finished}
    rows = {run.output_stem: summary_row(Outcome(run), analysis) for run in study.all_runs}
    return judge_rows(study, {**rows, **{name: row for name, row in contents.rows.items() if name not in to_do}})


def judge_rows(study: Study, rows: Mapping[str, Row]) -> list[Row]:
    """Return the rows of a summary, all judged by the thresholds of this call, whichever call made the tables.

    They are in the order of the study's runs; together with others, in that of their names.
    """
    names = [run.output_stem for run in study.all_runs]
    ordered = names if rows.keys() == set(names) else natsorted(rows)
    return [judge_row(rows[name], study.settings.judge) for name in ordered]


def remove_incomplete(settings: Settings, output_stem: str, keys: Sequence[str]) -> None:
    """Remove the files of a run whose process was ended while they took their final names."""
    if not all(path.is_file() for path in name_sidecars(settings, output_stem, keys)):
        remove_files(possible_files(settings, output_stem, keys))
