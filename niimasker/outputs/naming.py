"""What the files of a run and of a study are called; the only place that knows."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from niimasker.options.settings import BIDS, CONNECTIVITY_KINDS, Settings
from niimasker.outputs.files import DATA_FOLDER, REPORTS_FOLDER

# Of the entities that a name may hold, those that come after one in the standard, and in the proposal that has stat.
_AFTER = {
    "atlas": ("seg", "scale", "res", "den", "label", "stat", "desc"),
    "stat": ("desc",),
}

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
    """The files of a run, whether they are there or not: for each atlas, and once for all of them.

    Parameters
    ----------
    have_dictionaries
        Whether a JSON file beside each table says what its columns are; beside the signals there is one always.
    """

    tables: tuple[Tables, ...]
    outliers_path: Path
    regressors_path: Path
    report_path: Path
    have_dictionaries: bool


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
    stem, as_bids = settings.output_dir / output_stem, settings.output_layout == BIDS
    return RunFiles(
        _name_bids_tables(stem, keys, settings) if as_bids else _name_tables(stem, keys, settings),
        outliers_path=Path(f"{stem}_outliers.tsv"),
        regressors_path=Path(f"{stem}_{'design' if as_bids else 'regressors'}.tsv"),
        report_path=report_path(settings.output_dir, output_stem),
        have_dictionaries=as_bids,
    )


def _name_tables(stem: Path, keys: Sequence[str], settings: Settings) -> tuple[Tables, ...]:
    stems = [f"{stem}_atlas-{key}" if len(keys) > 1 else str(stem) for key in keys]
    return tuple(
        Tables(
            key,
            signals_path=Path(f"{its_stem}_timeseries.tsv"),
            sidecar_path=Path(f"{its_stem}_timeseries.json"),
            regions_path=Path(f"{its_stem}_regions.tsv"),
            voxels_path=Path(f"{its_stem}_voxels.tsv") if settings.as_voxels else None,
            relmat_paths=tuple(
                Path(f"{its_stem}_connectivity-{kind.replace('_', '')}_relmat.tsv") for kind in settings.connectivity
            ),
        )
        for its_stem, key in zip(stems, keys, strict=True)
    )


def _name_bids_tables(stem: Path, keys: Sequence[str], settings: Settings) -> tuple[Tables, ...]:
    """Return names as XCP-D gives them, the entities in the standard's order."""
    tables = []
    for key in keys:
        of_atlas = _with_entity(stem, "atlas", key)
        # A voxel's signal is no statistic of others.
        signals = of_atlas if settings.as_voxels else _with_entity(of_atlas, "stat", "mean")
        matrices = [_with_entity(of_atlas, "stat", STATISTICS[kind]) for kind in settings.connectivity]
        tables.append(
            Tables(
                key,
                signals_path=Path(f"{signals}_timeseries.tsv"),
                sidecar_path=Path(f"{signals}_timeseries.json"),
                regions_path=Path(f"{_with_entity(of_atlas, 'stat', 'coverage')}_bold.tsv"),
                voxels_path=Path(f"{of_atlas}_voxels.tsv") if settings.as_voxels else None,
                relmat_paths=tuple(Path(f"{matrix}_relmat.tsv") for matrix in matrices),
            )
        )
    return tuple(tables)


def _with_entity(stem: Path, key: str, value: str) -> Path:
    """Return a name of entities with one more, at its place."""
    parts = stem.name.split("_")
    is_after = [part.partition("-")[0] in _AFTER[key] for part in parts]
    place = is_after.index(True) if any(is_after) else len(parts)
    return stem.with_name("_".join([*parts[:place], f"{key}-{value}", *parts[place:]]))


def sidecar_beside(table_path: Path) -> Path:
    """Return the JSON file that goes with a table."""
    return table_path.with_suffix(".json")


def report_path(output_dir: Path, output_stem: str) -> Path:
    """Return where a run's page is; the stem may hold folders."""
    return Path(f"{output_dir / REPORTS_FOLDER / output_stem}_report.html")


def name_group_files(output_dir: Path) -> GroupFiles:
    """Return what the files of a group of runs are called."""
    folder = output_dir / DATA_FOLDER
    return GroupFiles(output_dir / REPORTS_FOLDER / "group.html", folder / "group.tsv", folder / "group_edges.tsv")


def long_table_path(output_dir: Path, tidy: str) -> Path:
    """Return where --tidy writes its table of a format."""
    return output_dir / f"timeseries.{tidy}"


def possible_files(settings: Settings, output_stem: str, keys: Sequence[str]) -> list[Path]:
    """Return every file that a run may have written with other options too, those that vouch for others first."""
    everything = dataclasses.replace(settings, connectivity=CONNECTIVITY_KINDS)
    variants = [
        name_files(dataclasses.replace(everything, as_voxels=as_voxels), output_stem, keys)
        for as_voxels in (False, True)
    ]
    tables = [its_tables for files in variants for its_tables in files.tables]
    sidecars = [its_tables.sidecar_path for its_tables in tables]
    paths = [path for its in tables for path in (its.signals_path, its.regions_path, its.voxels_path) if path]
    files = variants[0]
    paths += [files.outliers_path, files.regressors_path]
    if files.have_dictionaries:
        paths += map(sidecar_beside, list(paths))
    for relmat_path in dict.fromkeys(path for its_tables in tables for path in its_tables.relmat_paths):
        paths += [relmat_path, sidecar_beside(relmat_path)]
    return list(dict.fromkeys([*sidecars, *paths, files.report_path]))
