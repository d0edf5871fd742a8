"""Connectivity over the runs of a study: their tables read one by one, and what they have in common."""

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
from niimasker.outputs.summaries import FINISHED
from niimasker.signals.correlations import upper_triangle

Names = tuple[str, ...]


@dataclass(frozen=True)
class GroupNote:
    """What the index of reports says of the group page: what it shows, or why there is none."""

    is_there: bool
    words: str


@dataclass(frozen=True)
class Member:
    """A run that is done: the name of its outputs, its subject and mean framewise displacement, its tables by atlas.

    Parameters
    ----------
    subject, task
        None where the file name tells none.
    mean_fd
        In mm, NaN where it is not known.
    """

    name: str
    subject: str | None
    mean_fd: float
    tables: tuple[Tables, ...]
    task: str | None = None


@dataclass(frozen=True)
class Group:
    """Connectivity of one kind between the regions of one atlas, over runs.

    Parameters
    ----------
    members
        The runs that take part.
    left_out
        Why others do not, by their names.
    distances : ndarray of shape (n_edges,)
        Between the regions' centres in mm, the mean over runs.
    qcfc
        None where motion tells nothing, and `note` says why.
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
        """The mean of each edge over runs."""
        return edges.mean_over_runs(self.sums)

    @property
    def deviation(self) -> np.ndarray:
        """The sample standard deviation of each edge over runs."""
        return self.sums.values.deviation

    @property
    def n_edges(self) -> int:
        """The pairs of regions that have a value in at least one run."""
        return int(np.count_nonzero(self.sums.values.n))

    @property
    def motion(self) -> np.ndarray:
        """The mean framewise displacement of the runs that have it, in mm."""
        known = np.array([member.mean_fd for member in self.members])
        return np.asarray(known[np.isfinite(known)])

    @property
    def n_subjects(self) -> int | None:
        """How many subjects the runs come from, None where a file name does not tell."""
        subjects = {member.subject for member in self.members}
        return None if None in subjects else len(subjects)


def find_members(settings: Settings, rows: Iterable[Mapping[str, Any]], keys: Sequence[str]) -> list[Member]:
    """Return the runs that are done.

    Parameters
    ----------
    rows
        What summary.tsv says of each run.
    keys
        What the files of each atlas are called by.
    """
    return [_find_member(settings, row, keys) for row in rows if row["status"] in FINISHED]


def _find_member(settings: Settings, row: Mapping[str, Any], keys: Sequence[str]) -> Member:
    entities = read_name(Path(row["image"]).name).entities
    tables = name_files(settings, row["output"], keys).tables
    return Member(row["output"], entities.get("sub"), _as_written(row["mean_fd"]), tables, entities.get("task"))


def _as_written(value: float | None) -> float:
    """Return a number with the digits that summary.tsv has: shards are merged from there, and others can compute it."""
    return math.nan if value is None else float(f"{value:.6g}")


def make_groups(members: Sequence[Member], kinds: Sequence[str]) -> Iterator[Group]:
    """Yield a group for each atlas and kind of connectivity; runs whose regions have other names are left out."""
    for position, its_tables in enumerate(members[0].tables):
        names, left_out = _agree_on_names(members, position)
        taken = [member for member in members if member.name not in left_out]
        distances = _mean_distances([member.tables[position] for member in taken], len(names))
        for number, kind in enumerate(kinds):
            paths = [member.tables[position].relmat_paths[number] for member in taken]
            sums = _sum_up(paths, taken, n_edges=len(distances))
            yield _make_group(
                taken, sums, atlas=its_tables.atlas, kind=kind, names=names, left_out=left_out, distances=distances
            )


def _sum_up(relmat_paths: Sequence[Path], members: Sequence[Member], *, n_edges: int) -> EdgeSums:
    sums = edges.no_runs(n_edges)
    for path, member in zip(relmat_paths, members, strict=True):
        sums = edges.add_run(sums, upper_triangle(read_matrix(path)), member.mean_fd)
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
    note = _why_no_qcfc(members)
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
        None if qcfc is None else edges.depend_on_distance(qcfc.r, distances),
        note,
    )


def _why_no_qcfc(members: Sequence[Member]) -> str:
    known = [member.mean_fd for member in members if math.isfinite(member.mean_fd)]
    if len(known) < MIN_RUNS:
        with_fd = f"{count(len(known), 'run')} with a mean framewise displacement"
        return f"No QC-FC: it needs {MIN_RUNS} runs whose confounds have framewise_displacement; there are {with_fd}."
    if len(set(known)) == 1:
        return f"No QC-FC: the mean framewise displacement of all runs is {known[0]:g} mm."
    return ""


def _agree_on_names(members: Sequence[Member], position: int) -> tuple[Names, dict[str, str]]:
    """Return the names that most runs have for the regions of an atlas, and why others are left out."""
    names_of = {member.name: _read_names(member.tables[position]) for member in members}
    common = Counter(names for names in names_of.values() if names).most_common(1)
    agreed: Names = common[0][0] if common else ()
    reasons = {
        name: "a table of its connectivity or regions is missing" if names is None else "its regions have other names"
        for name, names in names_of.items()
        if names != agreed
    }
    return agreed, reasons


def _read_names(tables: Tables) -> Names | None:
    """Return the regions' names, None where a table that a group needs is missing."""
    if not all(path.is_file() for path in (*tables.relmat_paths, tables.regions_path)):
        return None
    with tables.relmat_paths[0].open(encoding="utf-8", newline="") as file:
        return tuple(next(csv.reader(file, delimiter="\t"))[1:])


def read_matrix(path: Path) -> np.ndarray:
    """Return a table of connectivity as a square matrix, NaN in place of n/a."""
    # 35 ms for 400 regions; numpy's readers take 50 or more.
    table = pd.read_csv(path, sep="\t", index_col=0, na_values=["n/a"], keep_default_na=False, low_memory=False)
    return table.to_numpy(dtype=np.float64)


def _mean_distances(tables: Sequence[Tables], n_regions: int) -> np.ndarray:
    """Return the distance between regions in mm, the mean over runs: in native spaces it differs from run to run."""
    mean = np.zeros(math.comb(n_regions, 2))
    for number, each in enumerate(tables, start=1):
        mean += (edges.distances_between(_read_centres(each)) - mean) / number
    return mean


def _read_centres(tables: Tables) -> np.ndarray:
    columns = ["x", "y", "z"]
    centres = pd.read_csv(tables.regions_path, sep="\t", usecols=columns, na_values=["n/a"], keep_default_na=False)
    return centres[columns].to_numpy(dtype=np.float64)
