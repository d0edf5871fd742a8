"""The provenance of a result: settings, source files with checksums, software versions."""

from __future__ import annotations

import dataclasses
import os
import platform
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from nibabel.affines import voxel_sizes

from niimasker.inputs.confounds import Confounds
from niimasker.inputs.file_states import checksum
from niimasker.inputs.grayordinates import Grayordinates, SurfaceModel
from niimasker.inputs.series import Series
from niimasker.inputs.spaces import Space
from niimasker.options.settings import PER_CALL_OPTIONS, RUN_LIMITS, Pipeline, Settings
from niimasker.options.thresholds import Thresholds
from niimasker.options.value_checks import Shard
from niimasker.regions.names.joins import NamesJoin
from niimasker.regions.placing.weights import RegionWeights
from niimasker.signals.connectivity import DESCRIPTIONS, ESTIMATED_FROM, Connectivity
from niimasker.signals.filtering import Cleaning
from niimasker.signals.nuisance import Nuisance
from niimasker.signals.timeline import Timeline
from niimasker.study.plans import Plan

PACKAGES = ("niimasker", "isal", "numpy", "scipy", "pandas", "scikit-learn", "nilearn", "nibabel", "natsort", "joblib")

SourceRecord = dict[str, str | int]
Sources = dict[str, SourceRecord | list[SourceRecord]]


@cache
def software_versions() -> dict[str, str]:
    """Return the versions of Python, niimasker and the packages that its numbers depend on."""
    # Cached, because looking them up takes 3 ms and every table needs them.
    packages = {package: version(package) for package in PACKAGES}
    return {"python": platform.python_version(), **packages}


def settings_record(settings: Settings) -> dict[str, Any]:
    """Return every setting, with defaults filled in, as JSON values."""
    return {field.name: _plain(getattr(settings, field.name)) for field in dataclasses.fields(settings)}


def shaping_settings(settings: Settings) -> dict[str, Any]:
    """Return the settings that JSON files of runs record: all but those about how one call runs and limits of runs."""
    left_out = {*PER_CALL_OPTIONS, *RUN_LIMITS}
    return {name: value for name, value in settings_record(settings).items() if name not in left_out}


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        # A home directory is already filled in: this is a file whose name begins with ~.
        return os.path.join(".", value) if str(value).startswith("~") else str(value)  # noqa: PTH118
    if isinstance(value, Shard):
        return str(value)
    if isinstance(value, Thresholds):
        return dataclasses.asdict(value)
    if isinstance(value, tuple) and any(isinstance(each, Pipeline) for each in value):
        return {each.name: {name: _plain(option) for name, option in each.options} for each in value}
    return list(value) if isinstance(value, tuple) else value


def source_record(path: Path, sha256: str | None = None) -> SourceRecord:
    """Return a source file's path, size in bytes and SHA-256 checksum, which is computed unless given."""
    return {"Path": str(path), "Bytes": path.stat().st_size, "SHA256": sha256 or checksum(path)}


def run_sources(plan: Plan, confounds: Confounds | None, image_sha256s: Sequence[str]) -> Sources:
    """Return the source files of a run, without those of its regions; several files of one kind are a list.

    Parameters
    ----------
    image_sha256s
        The checksum of each file of the image.
    """
    images = zip(plan.series.storage.paths, image_sha256s, strict=True)
    sources: Sources = {"Image": _one_or_list([source_record(path, sha256) for path, sha256 in images])}
    # A table that is not needed may be unreadable; then it is not a source.
    if plan.run.confounds_paths and confounds is not None:
        sources["Confounds"] = _one_or_list([source_record(path) for path in plan.run.confounds_paths])
    if confounds is not None and confounds.preserved is not None:
        sources["Components"] = _one_or_list([source_record(path) for path in confounds.preserved.sources])
    measures = None if confounds is None else confounds.measures
    if measures is not None and measures.motion_path is not None:
        sources["Motion"] = source_record(measures.motion_path)
    if plan.run.censor_path is not None:
        sources["CensorFile"] = source_record(plan.run.censor_path)
    return sources


def _one_or_list(records: list[SourceRecord]) -> SourceRecord | list[SourceRecord]:
    return records if len(records) > 1 else records[0]


def join_record(join: NamesJoin) -> SourceRecord:
    """Return how the names of a table were joined with the regions, for the record of the table."""
    return {"Format": join.format, "JoinedBy": join.how, "FirstNames": join.pairs}


def make_sidecar(
    *,
    settings: Settings,
    series: Series,
    timeline: Timeline,
    cleaning: Cleaning,
    weights: RegionWeights,
    nuisance: Nuisance,
    displacement_source: str | None,
    sources: Mapping[str, SourceRecord | list[SourceRecord]],
    warnings: Sequence[str],
) -> dict[str, Any]:
    """Return the JSON content beside a table of signals."""
    times = times_of_rows(series, timeline, cleaning.t_r, settings)
    return {
        "SamplingFrequency": None if cleaning.t_r is None else 1 / cleaning.t_r,
        "StartTime": None if times is None else times[0],
        "RepetitionTime": cleaning.t_r,
        "RepetitionTimeSource": cleaning.t_r_source,
        "VolumeTiming": times if series.volume_times is not None else None,
        "Volumes": {
            "Read": timeline.n_read,
            "Discarded": timeline.n_discarded,
            "Censored": timeline.n_censored,
            "Kept": timeline.n_kept,
            "CensoredBy": {reason: int(censors.sum()) for reason, censors in timeline.outliers.items()},
        },
        "FramewiseDisplacement": displacement_source,
        "Confounds": list(nuisance.names),
        "ConfoundsLeftOut": dict(nuisance.left_out),
        "ConfoundsOrthogonalised": list(nuisance.orthogonalised),
        "PreservedComponents": list(nuisance.preserved),
        "DegreesOfFreedom": round(nuisance.degrees_of_freedom, 3),
        "Columns": _describe_indices(weights),
        **_describe_density(series.space),
        "Settings": shaping_settings(settings),
        "Software": dict(software_versions()),
        "Warnings": list(warnings),
        "Sources": dict(sources),
    }


def _describe_density(space: Space) -> dict[str, str]:
    """Return what BIDS requires of files with den- in their names; nothing for volumes."""
    if not isinstance(space, Grayordinates):
        return {}
    surfaces = [model for model in space.models if isinstance(model, SurfaceModel)]
    parts = [f"{model.n_points:,} of {model.n_vertices:,} vertices of {model.structure}" for model in surfaces]
    n_voxels = space.n_points - sum(model.n_points for model in surfaces)
    if space.grid is not None and n_voxels:
        sizes = " x ".join(f"{size:.3g}" for size in voxel_sizes(space.grid.matrix))
        parts.append(f"{n_voxels:,} voxels of {sizes} mm")
    return {"Density": ", ".join(parts)}


def _describe_indices(weights: RegionWeights) -> dict[str, dict[str, int | str]] | None:
    """Return the index of each column, and its structures where there are vertices.

    None stands for columns that are single points, which a table of their own describes.
    """
    if weights.single_points is not None:
        return None
    # Of two hemispheres, regions may have the same index.
    structures = weights.structures
    return {
        name: {"Index": index} if structures is None else {"Index": index, "Structure": structures[row]}
        for row, (name, index) in enumerate(zip(weights.names, weights.indices, strict=True))
    }


def times_of_rows(series: Series, timeline: Timeline, t_r: float | None, settings: Settings) -> list[float] | None:
    """Return the time in seconds of each row of signals, None if it is not known."""
    times = series.times(t_r)
    is_row = np.arange(timeline.n_read) >= timeline.n_discarded if settings.censored == "nan" else timeline.kept
    return None if times is None else [round(time, 9) for time in times[is_row].tolist()]


def describe_columns(atlas: str, weights: RegionWeights) -> dict[str, dict[str, str | int]]:
    """Return the atlas and region of each column, with the keys of the proposal for functional derivatives (BEP012).

    Where each column is a single point, nothing is returned: for 230,000 voxels the file would have 25 MB, and their
    table has the region of each.

    Parameters
    ----------
    atlas
        The key of the atlas in file names.
    """
    if weights.single_points is not None:
        return {}
    return {name: {"Atlas": atlas, "ROI": index} for name, index in zip(weights.names, weights.indices, strict=True)}


def make_relmat_sidecar(
    connectivity: Connectivity, signals_path: Path, *, cleaning: Cleaning, timeline: Timeline, nuisance: Nuisance
) -> dict[str, Any]:
    """Return the JSON content beside a matrix between regions.

    The first keys are those of the proposal for relationship matrices (BEP017). Settings and sources are in the JSON
    file beside the signals.
    """
    return {
        "RelationshipMeasure": DESCRIPTIONS[connectivity.kind],
        "Weighted": True,
        "Directed": False,
        "NonNegative": False,
        "ValidDiagonal": not connectivity.is_fisher_z,
        "Estimator": "sample" if connectivity.kind == "pearson" else "Ledoit-Wolf",
        "Shrinkage": connectivity.shrinkage,
        "Standardized": cleaning.standardize,
        "EstimatedFrom": ESTIMATED_FROM[connectivity.kind],
        "FisherZ": connectivity.is_fisher_z,
        "Volumes": timeline.n_kept,
        "DegreesOfFreedom": round(nuisance.degrees_of_freedom, 3),
        "LeftOut": dict(connectivity.left_out),
        "TimeSeries": signals_path.name,
        "Software": dict(software_versions()),
    }
