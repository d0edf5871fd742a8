"""What the files of a run are called; the only place that knows."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from niimasker.outputs.files import DATA_FOLDER, REPORTS_FOLDER
from niimasker.settings import CONNECTIVITY_KINDS, Settings

# What BIDS names take as a statistic, by the kind of connectivity.
STATISTICS = {
    "pearson": "pearsoncorrelation",
    "correlation": "shrunkcorrelation",
    "partial_correlation": "partialcorrelation",
    "covariance": "covariance",
    "precision": "precision",
}


@dataclass(frozen=True)
class Tables:
    """The files of a run for one atlas; `voxels_path` with --as_voxels alone.

    Parameters
    ----------
    relmat_paths
        A matrix for each kind of --connectivity, in its order; `sidecar_beside` tells what goes with each.
    """

    atlas: str
    signals_path: Path
    sidecar_path: Path
    regions_path: Path
    voxels_path: Path | None
    relmat_paths: tuple[Path, ...] = ()


@dataclass(frozen=True)
class RunFiles:
    """The files of a run, whether they are there or not: for each atlas, and once for all of them."""

    tables: tuple[Tables, ...]
    outliers_path: Path
    regressors_path: Path
    report_path: Path


@dataclass(frozen=True)
class GroupFiles:
    """The files of a group of runs, whether they are there or not."""

    page_path: Path
    numbers_path: Path
    edges_path: Path


def name_files(settings: Settings, output_stem: str, keys: Sequence[str]) -> RunFiles:
    """Return what the files of a run are called.

    Parameters
    ----------
    output_stem
        The name of the run below the output directory; it may hold folders.
    keys
        What the files of each atlas are called by.
    """
    stem = settings.output_dir / output_stem
    return RunFiles(
        tuple(_name_tables(f"{stem}{f'_atlas-{key}' if len(keys) > 1 else ''}", key, settings) for key in keys),
        outliers_path=Path(f"{stem}_outliers.tsv"),
        regressors_path=Path(f"{stem}_regressors.tsv"),
        report_path=report_path(settings.output_dir, output_stem),
    )


def _name_tables(stem: str, key: str, settings: Settings) -> Tables:
    return Tables(
        key,
        signals_path=Path(f"{stem}_timeseries.tsv"),
        sidecar_path=Path(f"{stem}_timeseries.json"),
        regions_path=Path(f"{stem}_regions.tsv"),
        voxels_path=Path(f"{stem}_voxels.tsv") if settings.as_voxels else None,
        relmat_paths=tuple(
            Path(f"{stem}_connectivity-{kind.replace('_', '')}_relmat.tsv") for kind in settings.connectivity
        ),
    )


def sidecar_beside(relmat_path: Path) -> Path:
    """Return the JSON file that goes with a matrix."""
    return relmat_path.with_suffix(".json")


def report_path(output_dir: Path, output_stem: str) -> Path:
    """Return where a run's page is; the stem may hold folders."""
    return Path(f"{output_dir / REPORTS_FOLDER / output_stem}_report.html")


def name_group_files(output_dir: Path) -> GroupFiles:
    """Return what the files of a group of runs are called."""
    folder = output_dir / DATA_FOLDER
    return GroupFiles(output_dir / REPORTS_FOLDER / "group.html", folder / "group.tsv", folder / "group_edges.tsv")


def possible_files(settings: Settings, output_stem: str, keys: Sequence[str]) -> list[Path]:
    """Return every file that a run may have written with other options too, those that vouch for others first."""
    everything = dataclasses.replace(settings, as_voxels=True, connectivity=CONNECTIVITY_KINDS)
    files = name_files(everything, output_stem, keys)
    paths = [tables.sidecar_path for tables in files.tables]
    for tables in files.tables:
        paths += [path for path in (tables.signals_path, tables.regions_path, tables.voxels_path) if path]
        paths += [path for relmat_path in tables.relmat_paths for path in (relmat_path, sidecar_beside(relmat_path))]
    return [*paths, files.outliers_path, files.regressors_path, files.report_path]
