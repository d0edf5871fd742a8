"""Connectivity over the runs of a study, from their matrices read one by one."""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from niimasker.errors import count
from niimasker.group import edges
from niimasker.group.edges import MIN_RUNS, DistanceDependence, EdgeSums, QcFc
from niimasker.inputs.entities import read_name
from niimasker.options.settings import Settings
from niimasker.outputs.naming import Tables, name_files
from niimasker.outputs.outcomes import DONE, EXCLUDED
from niimasker.signals.correlations import upper_triangle

Names = tuple[str, ...]


@dataclass(frozen=True)
class GroupNote:
    """The text about a page over runs on the index: what the page shows, or why there is none.

    Parameters
    ----------
    page_name
        The name of the page's file; None if there is none.
    pipeline
        The pipeline of the runs; empty without pipelines.
    """

    page_name: str | None
    text: str
    pipeline: str = ""


@dataclass(frozen=True)
class Member:
    """A finished run: its output stem, subject, mean framewise displacement and tables.

    Parameters
    ----------
    subject, task
        From the file name; None if it has none.
    mean_fd
        In mm; NaN if not known.
    tables
        One entry per atlas.
    verdict
        In words, as in summary.tsv; empty if not known.
    degrees_of_freedom
        Those left after cleaning; NaN if not known.
    """

    name: str
    subject: str | None
    mean_fd: float
    tables: tuple[Tables, ...]
    task: str | None = None
    verdict: str = ""
    degrees_of_freedom: float = math.nan


@dataclass(frozen=True)
class ExcludedRun:
    """A run that a limit of the call excludes, and why; numbers, of which `mean_fd` is in mm, are NaN if not known."""

    name: str
    subject: str | None
    mean_fd: float
    reason: str
    degrees_of_freedom: float = math.nan


@dataclass(frozen=True)
class Group:
    """Connectivity of one kind between the regions of one atlas, over runs.

    Parameters
    ----------
    members
        The runs that are included.
    left_out
        Why other runs are not included, by their names.
    distances : ndarray of shape (n_edges,)
        Distance between the centres of each pair of regions in mm, averaged over runs.
    qcfc
        None if it cannot be computed; then `note` says why.
    """

    atlas: str
    kind: str
    names: Names
    members: tuple[Member, ...]
    left_out: Mapping[str, str]
    distances: np.ndarray
    sums: EdgeSums
    qcfc: QcFc | None
    dependence: DistanceDependence | None
    note: str

    @property
    def mean(self) -> np.ndarray:
        """Mean of each edge over runs."""
        return edges.mean_over_runs(self.sums)

    @property
    def deviation(self) -> np.ndarray:
        """Sample standard deviation of each edge over runs."""
        return self.sums.values.deviation

    @property
    def n_edges(self) -> int:
        """Number of pairs of regions with a value in at least one run."""
        return int(np.count_nonzero(self.sums.values.n))

    @property
    def motion(self) -> np.ndarray:
        """Mean framewise displacement in mm of each run for which it is known."""
        known = np.array([member.mean_fd for member in self.members])
        return np.asarray(known[np.isfinite(known)])

    @property
    def n_subjects(self) -> int | None:
        """Number of subjects; None if the file name of a run has no subject."""
        subjects = {member.subject for member in self.members}
        return None if None in subjects else len(subjects)


def find_members(settings: Settings, rows: Iterable[Mapping[str, Any]], keys: Sequence[str]) -> list[Member]:
    """Return the finished runs.

    Parameters
    ----------
    rows
        The runs' rows of summary.tsv.
    keys
        The key of each atlas in file names.
    """
    return [find_member(settings, row, keys) for row in rows if row["status"] == DONE]


def find_member(settings: Settings, row: Mapping[str, Any], keys: Sequence[str]) -> Member:
    """Return the finished run of a row of summary.tsv."""
    entities = read_name(Path(row["image"]).name).entities
    tables = name_files(settings, row["output"], keys).tables
    return Member(
        row["output"],
        entities.get("sub"),
        round_as_in_summary(row["mean_fd"]),
        tables,
        entities.get("task"),
        row["verdict"] or "",
        round_as_in_summary(row["degrees_of_freedom"]),
    )


def find_excluded(rows: Iterable[Mapping[str, Any]]) -> list[ExcludedRun]:
    """Return the runs of summary.tsv that are excluded."""
    return [
        ExcludedRun(
            row["output"],
            read_name(Path(row["image"]).name).entities.get("sub"),
            round_as_in_summary(row["mean_fd"]),
            row["reason"] or "",
            round_as_in_summary(row["degrees_of_freedom"]),
        )
        for row in rows
        if row["status"] == EXCLUDED
    ]


def round_as_in_summary(value: float | None) -> float:
    """Return a number with the digits of summary.tsv, from which shards are merged and users can reproduce it."""
    return math.nan if value is None else float(f"{value:.6g}")


def make_groups(members: Sequence[Member], kinds: Sequence[str]) -> Iterator[Group]:
    """Yield a group for each atlas and kind of connectivity; runs whose regions have other names are left out."""
    for position, tables in enumerate(members[0].tables):
        names, left_out = find_common_names(members, position)
        included = [member for member in members if member.name not in left_out]
        distances = mean_distances([member.tables[position] for member in included], len(names))
        for number, kind in enumerate(kinds):
            paths = [member.tables[position].relmat_paths[number] for member in included]
            sums = accumulate_edges(map(read_edges, paths), included, n_edges=len(distances))
            yield _make_group(
                included, sums, atlas=tables.atlas, kind=kind, names=names, left_out=left_out, distances=distances
            )


def accumulate_edges(profiles: Iterable[np.ndarray], members: Sequence[Member], *, n_edges: int) -> EdgeSums:
    """Return the sums of edges over runs, whose edges are read one by one."""
    sums = edges.empty_sums(n_edges)
    for values, member in zip(profiles, members, strict=True):
        sums = edges.add_run(sums, values, member.mean_fd)
    return sums


def _make_group(
    members: Sequence[Member],
    sums: EdgeSums,
    *,
    atlas: str,
    kind: str,
    names: Names,
    left_out: Mapping[str, str],
    distances: np.ndarray,
) -> Group:
    note = _reason_without_qcfc(members)
    qcfc = None if note else edges.correlate_with_motion(sums)
    return Group(
        atlas,
        kind,
        names,
        tuple(members),
        left_out,
        distances,
        sums,
        qcfc,
        None if qcfc is None else edges.relate_to_distance(qcfc.r, distances),
        note,
    )


def _reason_without_qcfc(members: Sequence[Member]) -> str:
    known = [member.mean_fd for member in members if math.isfinite(member.mean_fd)]
    if len(known) < MIN_RUNS:
        with_fd = f"{count(len(known), 'run')} with a mean framewise displacement"
        return f"No QC-FC: it needs {MIN_RUNS} runs whose framewise displacement is known; there are {with_fd}."
    if len(set(known)) == 1:
        return f"No QC-FC: the mean framewise displacement of all runs is {known[0]:g} mm."
    return ""


def find_common_names(members: Sequence[Member], position: int) -> tuple[Names, dict[str, str]]:
    """Return the region names of an atlas that most runs have, and why other runs are left out."""
    names_by_run = {member.name: _read_names(member.tables[position]) for member in members}
    most_common = Counter(names for names in names_by_run.values() if names).most_common(1)
    common: Names = most_common[0][0] if most_common else ()
    reasons = {
        name: "a table of its connectivity or regions is missing" if names is None else "its regions have other names"
        for name, names in names_by_run.items()
        if names != common
    }
    return common, reasons


def _read_names(tables: Tables) -> Names | None:
    """Return the regions' names; None if a table that the group needs is missing."""
    if not all(path.is_file() for path in (*tables.relmat_paths, tables.regions_path)):
        return None
    with tables.relmat_paths[0].open(encoding="utf-8", newline="") as file:
        return tuple(next(csv.reader(file, delimiter="\t"))[1:])


def read_edges(path: Path) -> np.ndarray:
    """Return the edges of a table of connectivity, of shape (n_edges,), with NaN for n/a."""
    return upper_triangle(read_matrix(path))


def read_matrix(path: Path) -> np.ndarray:
    """Return a table of connectivity as a square matrix, with NaN for n/a."""
    # pandas takes 35 ms for 400 regions; numpy's readers take 50 ms or more.
    table = pd.read_csv(path, sep="\t", index_col=0, na_values=["n/a"], keep_default_na=False, low_memory=False)
    return table.to_numpy(dtype=np.float64)


def mean_distances(tables: Sequence[Tables], n_regions: int) -> np.ndarray:
    """Return the distances between regions in mm, averaged over runs, which differ in native space."""
    mean = np.zeros(math.comb(n_regions, 2))
    for number, run_tables in enumerate(tables, start=1):
        mean += (edges.distances_between(_read_centres(run_tables)) - mean) / number
    return mean


def _read_centres(tables: Tables) -> np.ndarray:
    columns = ["x", "y", "z"]
    centres = pd.read_csv(tables.regions_path, sep="\t", usecols=columns, na_values=["n/a"], keep_default_na=False)
    return centres[columns].to_numpy(dtype=np.float64)
