"""Writing of all files of a run and of a study, and the numbers that summarise them."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from niimasker.inputs.confounds import Confounds, find_displacement_source
from niimasker.options.settings import Settings
from niimasker.outputs.cifti_files import write_cifti_files
from niimasker.outputs.dictionaries import (
    OUTLIERS,
    REGIONS,
    SURFACE_REGIONS,
    VERTICES,
    VOXELS,
    Dictionary,
    describe_regressors,
)
from niimasker.outputs.files import check_output_dir, reporting_errors, save_json
from niimasker.outputs.naming import RunFiles, Tables, name_files, sidecar_beside
from niimasker.outputs.outcomes import SUMMARY_NUMBERS
from niimasker.outputs.provenance import (
    SourceRecord,
    Sources,
    describe_columns,
    make_relmat_sidecar,
    make_sidecar,
    times_of_rows,
)
from niimasker.outputs.run_sidecars import list_files
from niimasker.outputs.staging import StagedFiles, staging
from niimasker.outputs.tables import (
    outliers_table,
    points_table,
    regions_table,
    regressors_table,
    write_records,
    write_relmat,
    write_signals,
)
from niimasker.regions.placing.placement import Placement
from niimasker.regions.placing.weights import OK
from niimasker.signals.connectivity import Connectivity
from niimasker.signals.extraction import Signals
from niimasker.signals.nuisance import Nuisance, find_used_volumes
from niimasker.signals.point_samples import PointSample
from niimasker.signals.timeline import Timeline
from niimasker.study.fingerprints import Fingerprint
from niimasker.study.plans import Plan
from niimasker.study.run_limits import measure_mean_fd, measure_mean_fd_of, measure_minutes


@dataclass(frozen=True)
class Extracted:
    """A run's results in memory: signals, cleaned values and matrices between regions of each atlas.

    Parameters
    ----------
    image_sha256s
        The checksum of each file of the image.
    mean_volume
        Mean of the kept volumes, in the image's units; None if no report is requested.
    sample
        The series of a sample of points; None if no report is requested or no point has a signal.
    """

    signals: tuple[Signals, ...]
    values: tuple[np.ndarray, ...]
    matrices: tuple[tuple[Connectivity, ...], ...]
    confounds: Confounds | None
    nuisance: Nuisance
    image_sha256s: tuple[str, ...]
    warnings: tuple[str, ...]
    mean_volume: np.ndarray | None = None
    sample: PointSample | None = None


@dataclass(frozen=True)
class Result:
    """The files, warnings and summary numbers of a run over all atlases, and why it is excluded, if it is."""

    tables: tuple[Tables, ...]
    warnings: tuple[str, ...]
    n_volumes: int
    n_discarded: int
    n_censored: int
    minutes: float
    degrees_of_freedom: float
    mean_fd: float
    mean_fd_kept: float
    n_regions: int
    n_regions_without_signal: int
    median_tsnr: float
    min_coverage: float
    report_path: Path | None = None
    exclusion: str | None = None


def write_run(
    plan: Plan,
    placement: Placement,
    extracted: Extracted,
    *,
    keys: Sequence[str],
    run_sources: Sources,
    sources: Sequence[Mapping[str, SourceRecord | list[SourceRecord]]],
    fingerprint: Fingerprint,
    settings: Settings,
    publishing: contextlib.AbstractContextManager[None],
) -> Result:
    """Write all files of a run, or none if one fails, and return what was written.

    Parameters
    ----------
    keys, sources
        The key of each atlas in file names, and the source files of its regions.
    run_sources
        The other source files of the run.
    fingerprint
        Fingerprint of the inputs and settings, from `niimasker.study.fingerprints`.
    publishing
        Entered when all files are written and take their final names; it raises if they must not.
    """
    check_output_dir(settings.output_dir)
    facts = [regions_table(*pair) for pair in zip(placement.weights, extracted.signals, strict=True)]
    files = name_files(settings, plan.run.output_stem, keys, plan.series.space)
    result = _make_result(files.tables, pd.concat(facts), extracted, plan)
    with staging() as staged:
        _write_run_files(staged, plan, extracted, files)
        for number, atlas_facts in enumerate(facts):
            _write_atlas_files(
                staged,
                number,
                atlas_facts,
                files,
                plan=plan,
                placement=placement,
                extracted=extracted,
                settings=settings,
            )
        records = {
            "Output": plan.run.output_stem,
            **({"Pipeline": plan.run.pipeline} if plan.run.pipeline else {}),
            "Summary": summary_numbers(result),
            "Files": {_relative(path, settings): staged.describe(path) for path in staged.paths},
            "Fingerprint": dict(fingerprint),
        }
        for number, tables in enumerate(files.tables):
            sidecar = make_sidecar(
                settings=settings,
                series=plan.series,
                timeline=plan.timeline,
                cleaning=plan.cleaning,
                weights=placement.weights[number],
                nuisance=extracted.nuisance,
                displacement_source=find_displacement_source(extracted.confounds),
                sources={**run_sources, **sources[number]},
                warnings=extracted.warnings,
            )
            columns = describe_columns(tables.atlas, placement.weights[number])
            # A column named like another key of the sidecar is left out here; Columns has all of them.
            _write_json(
                staged,
                tables.sidecar_path,
                {**sidecar, **records, **_without_keys(columns, [*sidecar, *records])},
            )
        check_output_dir(settings.output_dir)
        with publishing:
            sidecar_paths = [tables.sidecar_path for tables in files.tables]
            earlier = [files.report_path, *sidecar_paths, *list_files(sidecar_paths, settings.output_dir)]
            staged.publish(last=sidecar_paths, removed=earlier)
    return result


def _relative(path: Path, settings: Settings) -> str:
    return path.relative_to(settings.output_dir).as_posix()


def _write_atlas_files(
    staged: StagedFiles,
    number: int,
    facts: pd.DataFrame,
    files: RunFiles,
    *,
    plan: Plan,
    placement: Placement,
    extracted: Extracted,
    settings: Settings,
) -> None:
    """Write a run's files for one atlas, except the sidecar of the signals."""
    tables, weights, values = files.tables[number], placement.weights[number], extracted.values[number]
    matrices = extracted.matrices[number]
    has_vertices = weights.whole_regions.n_vertices is not None
    if settings.censored == "nan":
        values = _insert_censored(values, plan.timeline)
    with reporting_errors(tables.signals_path):
        write_signals(staged.add(tables.signals_path), values, weights.names, n_decimals=settings.n_decimals)
    _write_table(staged, tables.regions_path, facts, files, SURFACE_REGIONS if has_vertices else REGIONS)
    if tables.points_path is not None:
        _write_table(staged, tables.points_path, points_table(weights), files, VERTICES if has_vertices else VOXELS)
    _write_relmats(staged, tables, weights.names, matrices, plan, extracted.nuisance)
    t_r = plan.cleaning.t_r
    times = times_of_rows(plan.series, plan.timeline, t_r, settings)
    start = None if times is None else times[0]
    write_cifti_files(staged, tables, weights, values, [each.matrix for each in matrices], start=start, t_r=t_r)


def _without_keys(columns: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    return {name: column for name, column in columns.items() if name not in names}


def _write_table(
    staged: StagedFiles,
    path: Path,
    facts: pd.DataFrame,
    files: RunFiles,
    dictionary: Dictionary,
    float_format: str = "%.6g",
) -> None:
    """Write a table, and its data dictionary if the layout has one."""
    with reporting_errors(path):
        write_records(staged.add(path), facts, float_format)
    if files.have_dictionaries:
        _write_json(staged, sidecar_beside(path), dictionary)


def _write_relmats(
    staged: StagedFiles,
    tables: Tables,
    names: Sequence[str],
    matrices: Sequence[Connectivity],
    plan: Plan,
    nuisance: Nuisance,
) -> None:
    for path, connectivity in zip(tables.relmat_paths, matrices, strict=True):
        with reporting_errors(path):
            write_relmat(staged.add(path), connectivity.matrix, names)
        sidecar = make_relmat_sidecar(
            connectivity, tables.signals_path, cleaning=plan.cleaning, timeline=plan.timeline, nuisance=nuisance
        )
        _write_json(staged, sidecar_beside(path), sidecar)


def _write_json(staged: StagedFiles, path: Path, content: dict[str, Any]) -> None:
    with reporting_errors(path):
        save_json(staged.add(path), content)


def _write_run_files(staged: StagedFiles, plan: Plan, extracted: Extracted, files: RunFiles) -> None:
    """Write the files that a run has once, whatever the number of atlases."""
    timeline, confounds = plan.timeline, extracted.confounds
    if timeline.n_kept < timeline.n_read or timeline.outliers:
        _write_table(staged, files.outliers_path, outliers_table(timeline), files, OUTLIERS)
    if confounds is not None and confounds.names:
        # fMRIPrep writes ten significant digits.
        t_r, motion_filter = plan.cleaning.t_r, plan.cleaning.motion_filter
        dictionary = describe_regressors(t_r, plan.series.times(t_r), motion_filter)
        _write_table(staged, files.regressors_path, regressors_table(confounds), files, dictionary, "%.10g")


def _insert_censored(values: np.ndarray, timeline: Timeline) -> np.ndarray:
    """Return one row per volume that is not discarded, NaN for censored volumes."""
    rows = np.full((timeline.n_read - timeline.n_discarded, values.shape[1]), np.nan)
    rows[timeline.kept[timeline.n_discarded :]] = values
    return rows


def summary_numbers(result: Result) -> dict[str, float]:
    """Return the numbers that summarise a run, by their names in `Result`."""
    return {name: getattr(result, name) for name in SUMMARY_NUMBERS}


def _make_result(tables: Sequence[Tables], facts: pd.DataFrame, extracted: Extracted, plan: Plan) -> Result:
    tsnr, timeline = facts["tsnr"].dropna(), plan.timeline
    measures = None if extracted.confounds is None else extracted.confounds.measures
    used = find_used_volumes(timeline, extracted.nuisance)
    return Result(
        tuple(tables),
        extracted.warnings,
        n_volumes=timeline.n_kept,
        n_discarded=timeline.n_discarded,
        n_censored=timeline.n_censored,
        degrees_of_freedom=extracted.nuisance.degrees_of_freedom,
        minutes=measure_minutes(int(np.count_nonzero(used)), plan.cleaning.t_r),
        mean_fd=measure_mean_fd(measures, timeline),
        mean_fd_kept=measure_mean_fd_of(measures, used),
        n_regions=len(facts),
        n_regions_without_signal=int(np.count_nonzero(facts["status"] != OK)),
        median_tsnr=float(tsnr.median()) if len(tsnr) else float("nan"),
        min_coverage=float(facts["coverage"].min()),
        exclusion=plan.exclusion,
    )
