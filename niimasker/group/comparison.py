"""The comparison of pipelines by benchmarks of denoising, from tables of connectivity read one by one.

The measures are those of Ciric et al. 2017, https://doi.org/10.1016/j.neuroimage.2017.03.020, Parkes et al. 2018,
https://doi.org/10.1016/j.neuroimage.2017.12.073, and Wang et al. 2024, https://doi.org/10.1371/journal.pcbi.1011942.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from niimasker.group import edges
from niimasker.group.compared_runs import ComparedRuns, find_common_kinds
from niimasker.group.connectivity import Names, accumulate_edges, mean_distances, read_edges
from niimasker.group.edges import DistanceDependence, EdgeSums, QcFc
from niimasker.group.identifiability import Identifiability, can_identify, measure_identifiability
from niimasker.group.modularity import Modularity, measure_modularity
from niimasker.options.settings import CORRELATION_KINDS, Settings
from niimasker.signals.connectivity import to_fisher_z


@dataclass(frozen=True)
class PipelineMeasures:
    """The measures of a pipeline, for one atlas and kind of connectivity.

    Parameters
    ----------
    qcfc
        Of the compared edges; NaN for the others.
    dependence
        None if the regions have no coordinates.
    modularity
        Of the mean matrix over the compared runs.
    identifiability
        None unless there are several subjects, and several runs of one.
    """

    pipeline: str
    qcfc: QcFc
    dependence: DistanceDependence | None
    modularity: Modularity
    identifiability: Identifiability | None


@dataclass(frozen=True)
class AtlasComparison:
    """The measures of all pipelines, for one atlas and kind of connectivity.

    Parameters
    ----------
    n_edges
        Number of compared edges: those with a value in every compared run of every pipeline.
    """

    atlas: str
    kind: str
    names: Names
    n_edges: int
    measures: tuple[PipelineMeasures, ...]

    @property
    def n_edges_left_out(self) -> int:
        """Number of pairs of regions without a value in a run."""
        return math.comb(len(self.names), 2) - self.n_edges

    @property
    def is_fisher_z(self) -> bool:
        """Whether edges are compared as Fisher z."""
        return self.kind in CORRELATION_KINDS


@dataclass(frozen=True)
class Comparison:
    """The comparison of pipelines: the runs, and one part for each atlas and kind of connectivity."""

    runs: ComparedRuns
    parts: tuple[AtlasComparison, ...]

    @property
    def median_by_chance(self) -> float:
        """Median absolute QC-FC of edges that do not depend on motion."""
        return edges.median_by_chance(len(self.runs.any_members))


@dataclass(frozen=True)
class _Profiles:
    """The edges of a pipeline's runs for one atlas and kind, read one by one each time that they are iterated over."""

    paths: Sequence[Path]
    to_z: bool

    def __iter__(self) -> Iterator[np.ndarray]:
        for path in self.paths:
            values = read_edges(path)
            yield to_fisher_z(values) if self.to_z else values


def compare_pipelines(settings: Mapping[str, Settings], runs: ComparedRuns) -> Comparison:
    """Return the comparison of pipelines.

    The tables of one run are in memory at a time. They are read twice where subjects have several runs: which edges
    have a value everywhere is known after the first time.

    Parameters
    ----------
    settings
        The settings of each pipeline, by its name.
    runs
        At least 10, with different mean framewise displacements.
    """
    kinds = find_common_kinds(settings, runs.pipelines)
    parts = [
        _compare(settings, runs, position, kind, distances)
        for position, names in enumerate(runs.names)
        for distances in [mean_distances([member.tables[position] for member in runs.any_members], len(names))]
        for kind in kinds
    ]
    return Comparison(runs, tuple(parts))


def _compare(
    settings: Mapping[str, Settings], runs: ComparedRuns, position: int, kind: str, distances: np.ndarray
) -> AtlasComparison:
    profiles = {name: _find_profiles(settings[name], runs, name, position, kind) for name in runs.pipelines}
    sums = {
        name: accumulate_edges(profiles[name], runs.members[name], n_edges=len(distances)) for name in runs.pipelines
    }
    known = np.all([each.values.n == len(runs.any_members) for each in sums.values()], axis=0)
    measures = [
        _measure(name, sums[name], profiles[name], known, runs, position=position, kind=kind, distances=distances)
        for name in runs.pipelines
    ]
    atlas = runs.any_members[0].tables[position].atlas
    return AtlasComparison(atlas, kind, runs.names[position], int(np.count_nonzero(known)), tuple(measures))


def _find_profiles(settings: Settings, runs: ComparedRuns, name: str, position: int, kind: str) -> _Profiles:
    number = settings.connectivity.index(kind)
    paths = [member.tables[position].relmat_paths[number] for member in runs.members[name]]
    return _Profiles(paths, to_z=kind in CORRELATION_KINDS and not settings.fisher_z)


def _measure(
    name: str,
    sums: EdgeSums,
    profiles: _Profiles,
    known: np.ndarray,
    runs: ComparedRuns,
    *,
    position: int,
    kind: str,
    distances: np.ndarray,
) -> PipelineMeasures:
    of_all = edges.correlate_with_motion(sums)
    qcfc = QcFc(np.where(known, of_all.r, np.nan), np.where(known, of_all.p, np.nan))
    mean = np.where(known, edges.mean_over_runs(sums), np.nan)
    if kind == "precision":
        # The precision of two regions with a positive partial correlation is negative.
        mean = -mean
    names = runs.names[position]
    matrix = edges.matrix_of(np.tanh(mean) if kind in CORRELATION_KINDS else mean, len(names))
    subjects = [subject for subject in runs.subjects if subject is not None]
    identifiability = None
    if known.any() and can_identify(runs.subjects):
        identifiability = measure_identifiability((values[known] for values in profiles), subjects)
    return PipelineMeasures(
        name, qcfc, edges.relate_to_distance(qcfc.r, distances), measure_modularity(matrix, names), identifiability
    )
