"""What a run and a study write: which files, under which names, and the numbers that sum them up."""

from __future__ import annotations

import contextlib
import dataclasses
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from niimasker.inputs.confounds import Confounds
from niimasker.outputs.files import check_output_dir, report_path, summary_name, write_json
from niimasker.outputs.provenance import SourceRecord, make_sidecar, settings_record, software_versions, source_record
from niimasker.outputs.summaries import TEXTS
from niimasker.outputs.tables import (
    outliers_table,
    regions_table,
    regressors_table,
    text_column,
    voxels_table,
    write_records,
    write_signals,
)
from niimasker.regions.weights import OK, RegionWeights
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


NUMBERS = tuple(field.name for field in dataclasses.fields(Result) if field.type in ("int", "float"))

# What a run has once, whatever the number of atlases.
_OF_RUN = ("outliers", "regressors")


def write_run(
    plan: Plan,
    placement: Placement,
    extracted: Extracted,
    *,
    keys: Sequence[str],
    sources: Sequence[Mapping[str, SourceRecord]],
    fingerprint: Mapping[str, str],
    settings: Settings,
) -> Result:
    """Write the files of a run, for each atlas, and return what was written; all of them or none.

    Parameters
    ----------
    keys, sources
        For each atlas what its files are called by, and what its regions come from.
    fingerprint
        What the files are made from, as `niimasker.fingerprint` says it.
    """
    check_output_dir(settings.output_dir)
    facts = [regions_table(*pair) for pair in zip(placement.weights, extracted.signals, strict=True)]
    tables = [
        name_tables(settings.output_dir, plan.run.output_stem, key, keys, has_voxels=weights.voxels is not None)
        for key, weights in zip(keys, placement.weights, strict=True)
    ]
    result = _make_result(tables, pd.concat(facts), extracted, plan.timeline)
    with _whole_or_nothing(settings.output_dir, plan.run.output_stem, keys):
        paths = _write_of_run(plan, extracted, settings)
        for number, its_tables in enumerate(tables):
            weights, values = placement.weights[number], extracted.values[number]
            paths += _write_tables(its_tables, weights, values, facts[number], plan.timeline, settings)
        records = {
            "Summary": numbers_of(result),
            "Files": {path.relative_to(settings.output_dir).as_posix(): path.stat().st_size for path in paths},
            "Fingerprint": dict(fingerprint),
        }
        shared = run_sources(plan, extracted)
        for number, its_tables in enumerate(tables):
            sidecar = make_sidecar(
                settings=settings,
                timeline=plan.timeline,
                cleaning=plan.cleaning,
                weights=placement.weights[number],
                nuisance=extracted.nuisance,
                sources={**shared, **sources[number]},
                warnings=extracted.warnings,
            )
            # Last: they vouch for the others.
            write_json(its_tables.sidecar_path, {**sidecar, **records})
    return result


def _write_tables(
    tables: Tables,
    weights: RegionWeights,
    values: np.ndarray,
    facts: pd.DataFrame,
    timeline: Timeline,
    settings: Settings,
) -> list[Path]:
    if settings.censored == "nan":
        values = _with_censored(values, timeline)
    write_signals(tables.signals_path, values, weights.names, n_decimals=settings.n_decimals)
    write_records(tables.regions_path, facts)
    if tables.voxels_path is None:
        return [tables.signals_path, tables.regions_path]
    write_records(tables.voxels_path, voxels_table(weights))
    return [tables.signals_path, tables.regions_path, tables.voxels_path]


@contextlib.contextmanager
def _whole_or_nothing(output_dir: Path, output_stem: str, keys: Sequence[str]) -> Iterator[None]:
    paths = list(_possible_files(output_dir, output_stem, keys))
    # Those of an earlier call, sidecars first: nothing vouches for a mixture.
    _remove(paths)
    with contextlib.ExitStack() as undo:
        undo.callback(_remove, paths)
        yield
        undo.pop_all()


def remove_incomplete(output_dir: Path, output_stem: str, keys: Sequence[str]) -> None:
    """Remove the files of a run that its process was ended in the midst of."""
    paths = list(_possible_files(output_dir, output_stem, keys))
    if not all(path.is_file() for path in paths if path.suffix == ".json"):
        _remove(paths)


def _possible_files(output_dir: Path, output_stem: str, keys: Sequence[str]) -> Iterator[Path]:
    """Yield every file that a run may write, sidecars first; a page of an earlier call would tell of other tables."""
    tables = [name_tables(output_dir, output_stem, key, keys, has_voxels=True) for key in keys]
    yield from (each.sidecar_path for each in tables)
    for each in tables:
        yield from (each.signals_path, each.regions_path)
        if each.voxels_path is not None:
            yield each.voxels_path
    yield from (Path(f"{output_dir / output_stem}_{ending}.tsv") for ending in _OF_RUN)
    yield report_path(output_dir, output_stem)


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        with contextlib.suppress(OSError):
            path.unlink()


def _write_of_run(plan: Plan, extracted: Extracted, settings: Settings) -> list[Path]:
    """Write what a run has once, whatever the number of atlases, and return the files."""
    stem, timeline, confounds = settings.output_dir / plan.run.output_stem, plan.timeline, extracted.confounds
    outliers_path, regressors_path = (Path(f"{stem}_{ending}.tsv") for ending in _OF_RUN)
    paths = []
    if timeline.n_kept < timeline.n_read or timeline.outliers:
        write_records(outliers_path, outliers_table(timeline))
        paths.append(outliers_path)
    if confounds is not None and confounds.names:
        # As many digits as fMRIPrep writes.
        write_records(regressors_path, regressors_table(confounds, timeline), "%.10g")
        paths.append(regressors_path)
    return paths


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


def name_tables(output_dir: Path, output_stem: str, key: str, keys: Sequence[str], *, has_voxels: bool) -> Tables:
    """Return the files of a run for one atlas among some, called by their keys."""
    stem = f"{output_dir / output_stem}{f'_atlas-{key}' if len(keys) > 1 else ''}"
    return Tables(
        key,
        Path(f"{stem}_timeseries.tsv"),
        Path(f"{stem}_timeseries.json"),
        Path(f"{stem}_regions.tsv"),
        Path(f"{stem}_voxels.tsv") if has_voxels else None,
    )


def numbers_of(result: Result) -> dict[str, float]:
    """Return the numbers that sum a run up, by their names in `Result`."""
    return {name: getattr(result, name) for name in NUMBERS}


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
    write_summary(folder / summary_name(None), rows)


def write_summary(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write a row per run."""
    columns = {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}
    texts = {name: text_column(values) for name, values in columns.items() if name in TEXTS}
    write_records(path, pd.DataFrame({**columns, **texts}))
