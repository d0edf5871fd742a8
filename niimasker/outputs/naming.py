"""File names of a run; no other module makes them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from niimasker.options.settings import BIDS, CONNECTIVITY_KINDS, Settings
from niimasker.outputs.files import REPORTS_FOLDER

# The entities that follow atlas (in the BIDS standard) and stat (in the proposal that defines it).
_LATER_ENTITIES = {
    "atlas": ("seg", "scale", "res", "den", "label", "stat", "desc"),
    "stat": ("desc",),
}

# Values of the BIDS entity stat, by the kind of connectivity.
STATISTICS = {
    "pearson": "pearsoncorrelation",
    "correlation": "shrunkcorrelation",
    "partial_correlation": "partialcorrelation",
    "covariance": "covariance",
    "precision": "precision",
}


@dataclass(frozen=True)
class Tables:
    """The files of a run for one atlas; `voxels_path` only with --as_voxels.

    Parameters
    ----------
    relmat_paths
        One matrix per kind of --connectivity, in the order given; `sidecar_beside` returns the sidecar of each.
    """

    atlas: str
    signals_path: Path
    sidecar_path: Path
    regions_path: Path
    voxels_path: Path | None
    relmat_paths: tuple[Path, ...] = ()


@dataclass(frozen=True)
class RunFiles:
    """The files of a run, whether they exist or not: those of each atlas, and those that all atlases share.

    Parameters
    ----------
    have_dictionaries
        Whether each table has a JSON file that describes its columns; the tables of signals always have one.
    """

    tables: tuple[Tables, ...]
    outliers_path: Path
    regressors_path: Path
    report_path: Path
    have_dictionaries: bool


def name_files(settings: Settings, output_stem: str, keys: Sequence[str]) -> RunFiles:
    """Return the paths of a run's files.

    Parameters
    ----------
    output_stem
        Stem of the run's file names, relative to the output directory; it may contain folders.
    keys
        The key of each atlas in file names, from `niimasker.regions.atlas_names`. In BIDS names it may hold
        the entities that follow atlas, as in 4S_scale-156.
    """
    stem, as_bids = settings.output_dir / output_stem, settings.output_layout == BIDS
    return RunFiles(
        _name_bids_tables(stem, keys, settings) if as_bids else _name_tables(stem, keys, settings),
        outliers_path=Path(f"{stem}_outliers.tsv"),
        regressors_path=Path(f"{stem}_{'design' if as_bids else 'regressors'}.tsv"),
        report_path=report_path(settings.output_dir, output_stem),
        have_dictionaries=as_bids,
    )


def name_sidecars(settings: Settings, output_stem: str, keys: Sequence[str]) -> list[Path]:
    """Return the paths of a run's JSON files alone, in a fraction of the time that all paths take."""
    stem = settings.output_dir / output_stem
    if settings.output_layout == BIDS:
        return [Path(f"{_bids_signals_stem(stem, key, settings)}_timeseries.json") for key in keys]
    return [Path(f"{atlas_stem}_timeseries.json") for atlas_stem in _atlas_stems(stem, keys)]


def _atlas_stems(stem: Path, keys: Sequence[str]) -> list[str]:
    return [f"{stem}_atlas-{key}" if len(keys) > 1 else str(stem) for key in keys]


def _bids_signals_stem(stem: Path, key: str, settings: Settings) -> Path:
    atlas_stem = _with_entity(stem, "atlas", key)
    # The signal of a single voxel is not a statistic over voxels.
    return atlas_stem if settings.as_voxels else _with_entity(atlas_stem, "stat", "mean")


def _name_tables(stem: Path, keys: Sequence[str], settings: Settings) -> tuple[Tables, ...]:
    return tuple(
        Tables(
            key,
            signals_path=Path(f"{atlas_stem}_timeseries.tsv"),
            sidecar_path=Path(f"{atlas_stem}_timeseries.json"),
            regions_path=Path(f"{atlas_stem}_regions.tsv"),
            voxels_path=Path(f"{atlas_stem}_voxels.tsv") if settings.as_voxels else None,
            relmat_paths=tuple(
                Path(f"{atlas_stem}_connectivity-{kind.replace('_', '')}_relmat.tsv") for kind in settings.connectivity
            ),
        )
        for atlas_stem, key in zip(_atlas_stems(stem, keys), keys, strict=True)
    )


def _name_bids_tables(stem: Path, keys: Sequence[str], settings: Settings) -> tuple[Tables, ...]:
    """Return names as XCP-D writes them, with the entities in the standard's order."""
    tables = []
    for key in keys:
        atlas_stem = _with_entity(stem, "atlas", key)
        signals = _bids_signals_stem(stem, key, settings)
        matrices = [_with_entity(atlas_stem, "stat", STATISTICS[kind]) for kind in settings.connectivity]
        tables.append(
            Tables(
                key,
                signals_path=Path(f"{signals}_timeseries.tsv"),
                sidecar_path=Path(f"{signals}_timeseries.json"),
                regions_path=Path(f"{_with_entity(atlas_stem, 'stat', 'coverage')}_bold.tsv"),
                voxels_path=Path(f"{atlas_stem}_voxels.tsv") if settings.as_voxels else None,
                relmat_paths=tuple(Path(f"{matrix}_relmat.tsv") for matrix in matrices),
            )
        )
    return tuple(tables)


def _with_entity(stem: Path, key: str, value: str) -> Path:
    """Return a BIDS name with one more entity, in the order of the standard."""
    parts = stem.name.split("_")
    is_after = [part.partition("-")[0] in _LATER_ENTITIES[key] for part in parts]
    position = is_after.index(True) if any(is_after) else len(parts)
    return stem.with_name("_".join([*parts[:position], f"{key}-{value}", *parts[position:]]))


def sidecar_beside(table_path: Path) -> Path:
    """Return the path of a table's JSON file."""
    return table_path.with_suffix(".json")


def report_path(output_dir: Path, output_stem: str) -> Path:
    """Return the path of a run's page; the stem may contain folders."""
    return Path(f"{output_dir / REPORTS_FOLDER / output_stem}_report.html")


def possible_files(settings: Settings, output_stem: str, keys: Sequence[str]) -> list[Path]:
    """Return every file that a run may have written with these or other options, sidecars of signals first."""
    everything = dataclasses.replace(settings, connectivity=CONNECTIVITY_KINDS)
    variants = [
        name_files(dataclasses.replace(everything, as_voxels=as_voxels), output_stem, keys)
        for as_voxels in (False, True)
    ]
    tables = [atlas_tables for files in variants for atlas_tables in files.tables]
    sidecars = [atlas_tables.sidecar_path for atlas_tables in tables]
    paths = [
        path
        for atlas_tables in tables
        for path in (atlas_tables.signals_path, atlas_tables.regions_path, atlas_tables.voxels_path)
        if path
    ]
    files = variants[0]
    paths += [files.outliers_path, files.regressors_path]
    if files.have_dictionaries:
        paths += map(sidecar_beside, list(paths))
    for relmat_path in dict.fromkeys(path for atlas_tables in tables for path in atlas_tables.relmat_paths):
        paths += [relmat_path, sidecar_beside(relmat_path)]
    return list(dict.fromkeys([*sidecars, *paths, files.report_path]))
