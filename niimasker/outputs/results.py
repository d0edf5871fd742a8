"""What a run and a study write: which files, under which names, and the numbers that sum them up."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from niimasker.inputs.confounds import Confounds
from niimasker.outputs.files import write_json
from niimasker.outputs.provenance import SourceRecord, make_sidecar, settings_record, software_versions, source_record
from niimasker.outputs.tables import (
    outliers_table,
    regions_table,
    regressors_table,
    voxels_table,
    write_records,
    write_signals,
)
from niimasker.regions.weights import OK
from niimasker.settings import Settings
from niimasker.signals.extraction import Placement, Signals
from niimasker.signals.nuisance import Nuisance
from niimasker.signals.timeline import Timeline
from niimasker.study import Plan


@dataclass(frozen=True)
class Extracted:
    """A run's results in memory, signals and cleaned values per atlas.

    Parameters
    ----------
    mean_volume
        The mean of the kept volumes, in the image's units; None when no report is wanted.
    """

    signals: tuple[Signals, ...]
    values: tuple[np.ndarray, ...]
    confounds: Confounds | None
    nuisance: Nuisance
    image_sha256: str
    warnings: tuple[str, ...]
    mean_volume: np.ndarray | None = None


@dataclass(frozen=True)
class Tables:
    """The files that a run has written for one atlas; `voxels_path` with --as_voxels alone."""

    atlas: str
    signals_path: Path
    sidecar_path: Path
    regions_path: Path
    voxels_path: Path | None


@dataclass(frozen=True)
class Result:
    """What a run that succeeded has to show, over all atlases."""

    tables: tuple[Tables, ...]
    warnings: tuple[str, ...]
    n_volumes: int
    n_discarded: int
    n_censored: int
    degrees_of_freedom: float
    mean_fd: float
    n_regions: int
    n_regions_without_signal: int
    median_tsnr: float
    min_coverage: float
    report_path: Path | None = None


def write_run(
    plan: Plan,
    placement: Placement,
    extracted: Extracted,
    *,
    keys: Sequence[str],
    sources: Sequence[Mapping[str, SourceRecord]],
    settings: Settings,
) -> Result:
    """Write the files of a run, for each atlas, and return what was written.

    Parameters
    ----------
    keys, sources
        For each atlas what its files are called by, and what its regions come from.
    """
    _write_of_run(plan, extracted, settings)
    shared = run_sources(plan, extracted)
    facts = [regions_table(*pair) for pair in zip(placement.weights, extracted.signals, strict=True)]
    written = []
    for number, key in enumerate(keys):
        weights, values = placement.weights[number], extracted.values[number]
        atlas = f"_atlas-{key}" if len(keys) > 1 else ""
        tables = _name_tables(f"{settings.output_dir / plan.run.output_stem}{atlas}", key, weights.voxels is not None)
        if settings.censored == "nan":
            values = _with_censored(values, plan.timeline)
        write_signals(tables.signals_path, values, weights.names, n_decimals=settings.n_decimals)
        write_records(tables.regions_path, facts[number])
        if tables.voxels_path is not None:
            write_records(tables.voxels_path, voxels_table(weights))
        sidecar = make_sidecar(
            settings=settings,
            timeline=plan.timeline,
            cleaning=plan.cleaning,
            weights=weights,
            nuisance=extracted.nuisance,
            sources={**shared, **sources[number]},
            warnings=extracted.warnings,
        )
        # Last: it vouches for the others.
        write_json(tables.sidecar_path, sidecar)
        written.append(tables)
    return _make_result(written, pd.concat(facts), extracted, plan.timeline)


def _write_of_run(plan: Plan, extracted: Extracted, settings: Settings) -> None:
    """Write what a run has once, whatever the number of atlases."""
    stem, timeline, confounds = settings.output_dir / plan.run.output_stem, plan.timeline, extracted.confounds
    outliers_path, regressors_path = Path(f"{stem}_outliers.tsv"), Path(f"{stem}_regressors.tsv")
    # Those of an earlier call would tell of other tables.
    outliers_path.unlink(missing_ok=True)
    regressors_path.unlink(missing_ok=True)
    if timeline.n_kept < timeline.n_read or timeline.outliers:
        write_records(outliers_path, outliers_table(timeline))
    if confounds is not None and confounds.names:
        # As many digits as fMRIPrep writes.
        write_records(regressors_path, regressors_table(confounds, timeline), "%.10g")


def _with_censored(values: np.ndarray, timeline: Timeline) -> np.ndarray:
    """Return a row per volume that is not discarded, NaN where it is censored."""
    rows = np.full((timeline.n_read - timeline.n_discarded, values.shape[1]), np.nan)
    rows[timeline.kept[timeline.n_discarded :]] = values
    return rows


def run_sources(plan: Plan, extracted: Extracted) -> dict[str, SourceRecord]:
    """Return the files of a run, whatever the regions."""
    sources = {"Image": source_record(plan.series.voxels.path, extracted.image_sha256)}
    if plan.run.confounds_path is not None:
        sources["Confounds"] = source_record(plan.run.confounds_path)
    if plan.run.censor_path is not None:
        sources["CensorFile"] = source_record(plan.run.censor_path)
    return sources


def _name_tables(stem: str, key: str, has_voxels: bool) -> Tables:
    return Tables(
        key,
        Path(f"{stem}_timeseries.tsv"),
        Path(f"{stem}_timeseries.json"),
        Path(f"{stem}_regions.tsv"),
        Path(f"{stem}_voxels.tsv") if has_voxels else None,
    )


def _make_result(tables: Sequence[Tables], facts: pd.DataFrame, extracted: Extracted, timeline: Timeline) -> Result:
    tsnr = facts["tsnr"].dropna()
    return Result(
        tuple(tables),
        extracted.warnings,
        n_volumes=timeline.n_kept,
        n_discarded=timeline.n_discarded,
        n_censored=timeline.n_censored,
        degrees_of_freedom=extracted.nuisance.degrees_of_freedom,
        mean_fd=_mean_fd(extracted.confounds, timeline),
        n_regions=len(facts),
        n_regions_without_signal=int(np.count_nonzero(facts["status"] != OK)),
        median_tsnr=float(tsnr.median()) if len(tsnr) else float("nan"),
        min_coverage=float(facts["coverage"].min()),
    )


def _mean_fd(confounds: Confounds | None, timeline: Timeline) -> float:
    """Return the mean framewise displacement in mm of the volumes that are not discarded, NaN if it is not known."""
    if confounds is None or confounds.marks is None or confounds.marks.framewise_displacement is None:
        return float("nan")
    measured = confounds.marks.framewise_displacement[timeline.n_discarded :]
    measured = measured[np.isfinite(measured)]
    return float(measured.mean()) if len(measured) else float("nan")


def write_study(folder: Path, settings: Settings, rows: Sequence[Mapping[str, Any]], command: Sequence[str]) -> None:
    """Write parameters.json and summary.tsv; `rows` are the facts of each run."""
    named = ("image", "confounds", "output", "status", "reason")
    write_json(
        folder / "parameters.json",
        {
            "command": shlex.join(command),
            "parameters": settings_record(settings),
            "meta_data": software_versions(),
            "runs": [{key: row[key] for key in named} for row in rows],
        },
    )
    write_records(folder / "summary.tsv", pd.DataFrame(rows))
