"""What lies in an output folder already: runs of this analysis, runs of others, and files of whole studies."""

from __future__ import annotations

import bisect
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from niimasker.options.json_files import parse_json
from niimasker.options.settings import Settings
from niimasker.outputs.analyses import Analysis
from niimasker.outputs.calls import Call, find_calls
from niimasker.outputs.files import DATA_FOLDER, REPORTS_FOLDER, find_files, is_inside
from niimasker.outputs.naming import name_sidecars, report_path
from niimasker.outputs.outcomes import NOT_STARTED, Row, has_tables, row_of_sidecar
from niimasker.outputs.run_sidecars import Sidecar, listed_files, read_analysis, read_sidecar
from niimasker.outputs.study_names import parameters_path, summary_path
from niimasker.outputs.summaries import read_summary

_SIDECAR_END = "_timeseries.json"
_VERSION_0_0_4 = Analysis({"software": "niimasker 0.0.4"}, {})


@dataclass(frozen=True)
class OtherRun:
    """A run in the folder that belongs to another analysis, with its files: those that list the others come last."""

    output: str
    analysis: Analysis
    files: tuple[Path, ...]


@dataclass(frozen=True)
class Contents:
    """What an output folder holds before a call begins.

    Parameters
    ----------
    rows
        The rows of summary.tsv, by output name, of runs of this analysis: complete ones, and those that failed or did
        not start.
    listed
        The output names of all runs that summary.tsv or parameters.json lists.
    others
        Runs of other analyses, by output name.
    calls
        Calls that are at work in the folder, or were when they were killed.
    study_files
        Files of whole studies that niimasker has written.
    listing
        The names in each folder that was looked at.
    """

    rows: Mapping[str, Row]
    listed: frozenset[str]
    others: Mapping[str, OtherRun]
    calls: tuple[Call, ...]
    study_files: frozenset[Path]
    listing: Mapping[Path, frozenset[str]]

    def has_name_like(self, path: Path) -> bool:
        """Return whether a file in a path's folder has a name that begins as the path's does."""
        names = self._sorted_listing.get(path.parent, [])
        position = bisect.bisect_left(names, path.name)
        return position < len(names) and names[position].startswith(path.name)

    @cached_property
    def _sorted_listing(self) -> Mapping[Path, list[str]]:
        return {folder: sorted(names) for folder, names in self.listing.items()}

    def has(self, path: Path) -> bool:
        """Return whether there is anything at a path in one of the folders."""
        return path.name in self.listing.get(path.parent, ())


def read_contents(
    settings: Settings, keys: Sequence[str], analysis: Analysis, outputs: Iterable[str], targets: Iterable[Path]
) -> Contents:
    """Return what an output folder holds.

    Parameters
    ----------
    keys
        The names of the atlases in file names.
    analysis
        The analysis of this call.
    outputs
        The output names of the runs of this call.
    targets
        The files of the study that this call may write.
    """
    output_dir = settings.output_dir
    calls = tuple(find_calls(output_dir / DATA_FOLDER))
    summary = read_summary(summary_path(output_dir)) or []
    same = _select_rows(summary, settings, keys, analysis)
    record = _read_record(output_dir)
    # Both, as somebody may have edited the summary.
    listed = [*_list_recorded(record), *(row["output"] for row in summary)]
    listing = _list_folders(output_dir, [*outputs, *listed, *(name for call in calls for name in call.runs)])
    # The files of these need not be read.
    done = [name for name, row in same.items() if has_tables(row)]
    known = {path for name in done for path in name_sidecars(settings, name, keys)}
    unknown: dict[str, list[tuple[Path, Sidecar]]] = defaultdict(list)
    for path in _find_sidecars(listing):
        if path not in known and (sidecar := read_sidecar(path)):
            unknown[sidecar["Output"]].append((path, sidecar))
    other_runs = dict(_sort_others(unknown, settings, keys, analysis, same))
    if record is not None and "files" not in record:
        other_runs |= {run.output: run for run in _find_runs_of_0_0_4(output_dir, outputs, listing)}
    study_files = _find_study_files(output_dir, record, calls, targets)
    return Contents(same, frozenset(listed), other_runs, calls, study_files, listing)


def read_study_files(output_dir: Path, targets: Iterable[Path]) -> frozenset[Path]:
    """Return the files of whole studies in a folder that niimasker has written, or may be writing now."""
    return _find_study_files(output_dir, _read_record(output_dir), find_calls(output_dir / DATA_FOLDER), targets)


def _list_folders(output_dir: Path, names: Iterable[str]) -> dict[Path, frozenset[str]]:
    folders = {output_dir, output_dir / DATA_FOLDER, output_dir / REPORTS_FOLDER}
    for parent in {Path(name).parent for name in names}:
        folders |= {output_dir / parent, output_dir / REPORTS_FOLDER / parent}
    return {folder: frozenset(_list_names(folder)) for folder in folders}


def _list_names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208
    except OSError:
        return []


def _find_sidecars(listing: Mapping[Path, Set[str]]) -> Iterator[Path]:
    for folder, names in listing.items():
        yield from (folder / name for name in sorted(names) if name.endswith(_SIDECAR_END))


def read_rows(
    settings: Settings, keys: Sequence[str], analysis: Analysis, *, without: Set[str]
) -> dict[str, Row] | None:
    """Return the rows of summary.tsv that are of an analysis, by output name, except those of some runs.

    None stands for a summary that cannot be read.
    A run that has tables, but whose files have been removed since, is left out, and so is one without and whose image
    is gone; one that is done, but not in the summary yet, gets the row that its JSON file gives.
    """
    summary = read_summary(summary_path(settings.output_dir))
    if summary is None:
        return None
    return _select_rows([row for row in summary if row["output"] not in without], settings, keys, analysis)


def _select_rows(summary: Iterable[Row], settings: Settings, keys: Sequence[str], analysis: Analysis) -> dict[str, Row]:
    rows: dict[str, Row] = {}
    for row in summary:
        name = str(row["output"])
        if not analysis.includes(row["analysis"], row["pipeline"] or ""):
            continue
        paths = name_sidecars(settings, name, keys)
        is_complete = all(path.is_file() for path in paths)
        if is_complete and row["status"] == NOT_STARTED:
            sidecar = read_sidecar(paths[0])
            theirs = read_analysis(sidecar)
            is_complete = theirs is not None and analysis.agrees_with(theirs)
            row = row_of_sidecar(sidecar, row["analysis"], settings) if is_complete else row
        if is_complete or (not has_tables(row) and not is_image_gone(row)):
            rows[name] = row
    return rows


def is_image_gone(row: Row) -> bool:
    """Return whether the image of a run is no longer there."""
    path = Path(row["image"] or "")
    # A relative path may be of a call that was made from another folder.
    is_known = path.is_absolute() or len(path.parts) == 1 or Path(path.parts[0]).is_dir()
    return is_known and not (path.exists() or path.is_symlink())


def _sort_others(
    found: Mapping[str, Sequence[tuple[Path, Sidecar]]],
    settings: Settings,
    keys: Sequence[str],
    analysis: Analysis,
    same: dict[str, Row],
) -> Iterator[tuple[str, OtherRun]]:
    """Yield the runs of other analyses; rows of runs of this analysis that the summary does not list are added."""
    for name, pairs in found.items():
        theirs = [(path, sidecar, read_analysis(sidecar)) for path, sidecar in pairs]
        expected = set(name_sidecars(settings, name, keys))
        mine = {path: sidecar for path, sidecar, each in theirs if each and analysis.agrees_with(each)}
        if mine.keys() == expected:
            checksum = next(each.own_checksum for path, _, each in theirs if path in mine and each)
            same.setdefault(name, row_of_sidecar(next(iter(mine.values())), checksum, settings))
        rest = [(path, sidecar, each) for path, sidecar, each in theirs if path not in mine and each is not None]
        if rest:
            listed = (path for _, sidecar, _ in rest for path in listed_files(sidecar, settings.output_dir))
            page = report_path(settings.output_dir, name)
            yield name, OtherRun(name, rest[0][2], (page, *dict.fromkeys(listed), *(path for path, _, _ in rest)))


def _read_record(output_dir: Path) -> dict[str, Any] | None:
    path = parameters_path(output_dir)
    try:
        # Not bounded as the JSON files of others are: it has an entry per run.
        record = parse_json(path.read_text("utf-8")) if path.is_file() else None
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) and "parameters" in record else None


def _list_recorded(record: Mapping[str, Any] | None) -> Iterator[str]:
    """Yield the output names of the runs that parameters.json lists."""
    runs = record.get("runs") if record is not None else None
    for run in runs if isinstance(runs, list) else ():
        name = run.get("output") if isinstance(run, dict) else None
        if isinstance(name, str) and is_inside(name):
            yield name


def _find_runs_of_0_0_4(
    output_dir: Path, outputs: Iterable[str], listing: Mapping[Path, Set[str]]
) -> Iterator[OtherRun]:
    """Yield the runs of this call whose tables version 0.0.4 has written, without any JSON file beside them."""
    for name in outputs:
        path = Path(f"{output_dir / name}_timeseries.tsv")
        if path.name in listing[path.parent] and f"{path.stem}.json" not in listing[path.parent]:
            yield OtherRun(name, _VERSION_0_0_4, (path, report_path(output_dir, name)))


def _find_study_files(
    output_dir: Path, record: Mapping[str, Any] | None, calls: Sequence[Call], targets: Iterable[Path]
) -> frozenset[Path]:
    listed = {name for call in calls for name in call.files}
    if record is not None:
        files = record.get("files", [])
        listed |= set(map(str, files)) if isinstance(files, list) else set()
    paths = set(find_files(listed, output_dir))
    if record is not None and "files" not in record:
        # Written by version 0.0.4, which listed no files. What it has left under other names may be the user's.
        paths |= {path for path in targets if path.parent == output_dir / DATA_FOLDER and path.is_file()}
    return frozenset(paths)
