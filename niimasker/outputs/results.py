"""Writing of all files of a run and of a study, and the numbers that summarise them."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from niimasker.inputs.confounds import Confounds
from niimasker.options.settings import Settings
from niimasker.outputs.dictionaries import OUTLIERS, REGIONS, VOXELS, Dictionary, describe_regressors
from niimasker.outputs.files import check_output_dir, write_json
from niimasker.outputs.naming import RunFiles, Tables, name_files, possible_files, sidecar_beside
from niimasker.outputs.provenance import (
    SourceRecord,
    Sources,
    describe_columns,
    make_relmat_sidecar,
    make_sidecar,
    source_record,
)
from niimasker.outputs.tables import (
    outliers_table,
    regions_table,
    regressors_table,
    voxels_table,
    write_records,
    write_relmat,
    write_signals,
)
from niimasker.regions.placing.placement import Placement
from niimasker.regions.placing.weights import OK, RegionWeights
from niimasker.signals.connectivity import Connectivity
from niimasker.signals.extraction import Signals
from niimasker.signals.nuisance import Nuisance
from niimasker.signals.timeline import Timeline
from niimasker.study.plans import Plan


@dataclass(frozen=True)
class Extracted:
    """A run's results in memory: signals, cleaned values and matrices between regions of each atlas.

    Parameters
    ----------
    mean_volume
        Mean of the kept volumes, in the image's units; None if no report is requested.
    """

    signals: tuple[Signals, ...]
    values: tuple[np.ndarray, ...]
    matrices: tuple[tuple[Connectivity, ...], ...]
    confounds: Confounds | None
    nuisance: Nuisance
    image_sha256: str
    warnings: tuple[str, ...]
    mean_volume: np.ndarray | None = None


@dataclass(frozen=True)
class Result:
    """The files, warnings and summary numbers of a run that succeeded, over all atlases."""

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
    """Write all files of a run, or none if one fails, and return what was written.

    Parameters
    ----------
    keys, sources
        The key of each atlas in file names, and the source files of its regions.
    fingerprint
        Fingerprint of the inputs and settings, from `niimasker.study.fingerprints`.
    """
    check_output_dir(settings.output_dir)
    facts = [regions_table(*pair) for pair in zip(placement.weights, extracted.signals, strict=True)]
    files = name_files(settings, plan.run.output_stem, keys)
    result = _make_result(files.tables, pd.concat(facts), extracted, plan.timeline)
    with _all_or_nothing(settings, plan.run.output_stem, keys):
        paths = _write_run_files(plan, extracted, files)
        for number, atlas_facts in enumerate(facts):
            paths += _write_atlas_files(
                number, atlas_facts, files, plan=plan, placement=placement, extracted=extracted, settings=settings
            )
        records = {
            "Summary": summary_numbers(result),
            "Files": {path.relative_to(settings.output_dir).as_posix(): path.stat().st_size for path in paths},
            "Fingerprint": dict(fingerprint),
        }
        shared = run_sources(plan, extracted)
        for number, tables in enumerate(files.tables):
            sidecar = make_sidecar(
                settings=settings,
                series=plan.series,
                timeline=plan.timeline,
                cleaning=plan.cleaning,
                weights=placement.weights[number],
                nuisance=extracted.nuisance,
                sources={**shared, **sources[number]},
                warnings=extracted.warnings,
            )
            columns = describe_columns(tables.atlas, placement.weights[number])
            # Sidecars are written last: a run that has them is complete. A column named like another key of the sidecar
            # is left out here; Columns has all of them.
            write_json(tables.sidecar_path, {**sidecar, **records, **_without_keys(columns, [*sidecar, *records])})
    return result


def _write_atlas_files(
    number: int,
    facts: pd.DataFrame,
    files: RunFiles,
    *,
    plan: Plan,
    placement: Placement,
    extracted: Extracted,
    settings: Settings,
) -> list[Path]:
    """Write a run's files for one atlas, except the sidecar of the signals, and return their paths."""
    tables, weights = files.tables[number], placement.weights[number]
    paths = _write_signals(tables, weights, extracted.values[number], plan.timeline, settings)
    paths += _write_table(tables.regions_path, facts, files, REGIONS)
    if tables.voxels_path is not None:
        paths += _write_table(tables.voxels_path, voxels_table(weights), files, VOXELS)
    return paths + _write_relmats(tables, weights.names, extracted.matrices[number], plan, extracted.nuisance)


def _without_keys(columns: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    return {name: column for name, column in columns.items() if name not in names}


def _write_signals(
    tables: Tables, weights: RegionWeights, values: np.ndarray, timeline: Timeline, settings: Settings
) -> list[Path]:
    if settings.censored == "nan":
        values = _insert_censored(values, timeline)
    write_signals(tables.signals_path, values, weights.names, n_decimals=settings.n_decimals)
    return [tables.signals_path]


def _write_table(
    path: Path, facts: pd.DataFrame, files: RunFiles, dictionary: Dictionary, float_format: str = "%.6g"
) -> list[Path]:
    """Write a table, and its data dictionary if the layout has one, and return their paths."""
    write_records(path, facts, float_format)
    if not files.have_dictionaries:
        return [path]
    write_json(sidecar_beside(path), dictionary)
    return [path, sidecar_beside(path)]


def _write_relmats(
    tables: Tables, names: Sequence[str], matrices: Sequence[Connectivity], plan: Plan, nuisance: Nuisance
) -> list[Path]:
    paths = []
    for path, connectivity in zip(tables.relmat_paths, matrices, strict=True):
        write_relmat(path, connectivity.matrix, names)
        sidecar = make_relmat_sidecar(
            connectivity, tables.signals_path, cleaning=plan.cleaning, timeline=plan.timeline, nuisance=nuisance
        )
        write_json(sidecar_beside(path), sidecar)
        paths += [path, sidecar_beside(path)]
    return paths


@contextlib.contextmanager
def _all_or_nothing(settings: Settings, output_stem: str, keys: Sequence[str]) -> Iterator[None]:
    paths = possible_files(settings, output_stem, keys)
    # Files of an earlier call are removed, sidecars first, so that a mixture never looks complete.
    _remove(paths)
    with contextlib.ExitStack() as undo:
        undo.callback(_remove, paths)
        yield
        undo.pop_all()


def remove_incomplete(settings: Settings, output_stem: str, keys: Sequence[str]) -> None:
    """Remove the files of a run whose process was ended before all of them were written."""
    if not all(tables.sidecar_path.is_file() for tables in name_files(settings, output_stem, keys).tables):
        _remove(possible_files(settings, output_stem, keys))


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        with contextlib.suppress(OSError):
            path.unlink()


def _write_run_files(plan: Plan, extracted: Extracted, files: RunFiles) -> list[Path]:
    """Write the files that a run has once, whatever the number of atlases, and return their paths."""
    timeline, confounds = plan.timeline, extracted.confounds
    paths: list[Path] = []
    if timeline.n_kept < timeline.n_read or timeline.outliers:
        paths += _write_table(files.outliers_path, outliers_table(timeline), files, OUTLIERS)
    if confounds is not None and confounds.names:
        # fMRIPrep writes ten significant digits.
        dictionary = describe_regressors(plan.cleaning.t_r, plan.series.times(plan.cleaning.t_r))
        paths += _write_table(files.regressors_path, regressors_table(confounds), files, dictionary, "%.10g")
    return paths


def _insert_censored(values: np.ndarray, timeline: Timeline) -> np.ndarray:
    """Return one row per volume that is not discarded, NaN for censored volumes."""
    rows = np.full((timeline.n_read - timeline.n_discarded, values.shape[1]), np.nan)
    rows[timeline.kept[timeline.n_discarded :]] = values
    return rows


def run_sources(plan: Plan, extracted: Extracted) -> Sources:
    """Return the source files of a run, without those of its regions; several confounds tables are a list."""
    sources: Sources = {"Image": source_record(plan.series.storage.path, extracted.image_sha256)}
    # A table that is not needed may be unreadable; then it is not a source.
    if plan.run.confounds_paths and extracted.confounds is not None:
        records = [source_record(path) for path in plan.run.confounds_paths]
        sources["Confounds"] = records if len(records) > 1 else records[0]
    measures = None if extracted.confounds is None else extracted.confounds.measures
    if measures is not None and measures.motion_path is not None:
        sources["Motion"] = source_record(measures.motion_path)
    if plan.run.censor_path is not None:
        sources["CensorFile"] = source_record(plan.run.censor_path)
    return sources


def summary_numbers(result: Result) -> dict[str, float]:
    """Return the numbers that summarise a run, by their names in `Result`."""
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
    if confounds is None or confounds.measures is None or confounds.measures.framewise_displacement is None:
        return float("nan")
    measured = confounds.measures.framewise_displacement[timeline.n_discarded :]
    measured = measured[np.isfinite(measured)]
    return float(measured.mean()) if len(measured) else float("nan")
