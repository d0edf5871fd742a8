"""File names of a run; no other module makes them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from niimasker.inputs.grayordinates import Grayordinates
from niimasker.inputs.spaces import Space
from niimasker.options.settings import BIDS, CONNECTIVITY_KINDS, Settings
from niimasker.outputs.files import REPORTS_FOLDER

# The entities that follow atlas (in the BIDS standard) and stat (in the proposal that defines it).
_LATER_ENTITIES = {
    "atlas": ("seg", "scale", "res", "den", "label", "stat", "desc"),
    "stat": ("desc",),
}

# The ends of the names of tables of single points, on grids and on surfaces.
_VOXELS, _VERTICES = "voxels", "vertices"

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
    """The files of a run for one atlas.

    Parameters
    ----------
    points_path
        With --as_voxels, the table of the voxels, or of the vertices on surfaces; None if the space is not given.
    relmat_paths
        One matrix per kind of --connectivity, in the order given; `sidecar_beside` returns the sidecar of each.
    ptseries_path
        With --cifti_out, the signals as a CIFTI file; the sidecar of the table describes both.
    pconn_paths
        With --cifti_out, each matrix as a CIFTI file, in the same order.
    """

    atlas: str
    signals_path: Path
    sidecar_path: Path
    regions_path: Path
    points_path: Path | None
    relmat_paths: tuple[Path, ...] = ()
    ptseries_path: Path | None = None
    pconn_paths: tuple[Path, ...] = ()


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


@dataclass(frozen=True)
class _Stems:
    """The beginnings of the names of a run's files for one atlas."""

    signals: str
    regions: str
    points: str
    matrices: tuple[str, ...]


def name_files(settings: Settings, output_stem: str, keys: Sequence[str], space: Space | None = None) -> RunFiles:
    """Return the paths of a run's files.

    Parameters
    ----------
    output_stem
        Stem of the run's file names, relative to the output directory; it may contain folders.
    keys
        The key of each atlas in file names, from `niimasker.regions.atlas_names`. In BIDS names it may hold
        the entities that follow atlas, as in 4S_scale-156.
    space
        The space of the run's image, which decides on the name of the table of single points; that table is left out if
        it is not given.
    """
    return _name_files(settings, output_stem, keys, None if space is None else _points_suffix(space))


def _points_suffix(space: Space) -> str:
    return _VERTICES if isinstance(space, Grayordinates) else _VOXELS


def _name_files(settings: Settings, output_stem: str, keys: Sequence[str], points_suffix: str | None) -> RunFiles:
    stem, as_bids = settings.output_dir / output_stem, settings.output_layout == BIDS
    stems = (_bids_stems if as_bids else _plain_stems)(stem, keys, settings)
    suffix = points_suffix if settings.as_voxels else None
    return RunFiles(
        tuple(_name_tables(key, atlas_stems, settings, suffix) for key, atlas_stems in zip(keys, stems, strict=True)),
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


def _name_tables(key: str, stems: _Stems, settings: Settings, points_suffix: str | None) -> Tables:
    return Tables(
        key,
        signals_path=Path(f"{stems.signals}_timeseries.tsv"),
        sidecar_path=Path(f"{stems.signals}_timeseries.json"),
        regions_path=Path(f"{stems.regions}.tsv"),
        points_path=None if points_suffix is None else Path(f"{stems.points}_{points_suffix}.tsv"),
        relmat_paths=tuple(Path(f"{matrix}_relmat.tsv") for matrix in stems.matrices),
        ptseries_path=Path(f"{stems.signals}_timeseries.ptseries.nii") if settings.cifti_out else None,
        pconn_paths=tuple(Path(f"{matrix}_relmat.pconn.nii") for matrix in stems.matrices if settings.cifti_out),
    )


def _plain_stems(stem: Path, keys: Sequence[str], settings: Settings) -> list[_Stems]:
    return [
        _Stems(
            signals=atlas_stem,
            regions=f"{atlas_stem}_regions",
            points=atlas_stem,
            matrices=tuple(f"{atlas_stem}_connectivity-{kind.replace('_', '')}" for kind in settings.connectivity),
        )
        for atlas_stem in _atlas_stems(stem, keys)
    ]


def _bids_stems(stem: Path, keys: Sequence[str], settings: Settings) -> list[_Stems]:
    """Return names as XCP-D writes them, with the entities in the standard's order."""
    stems = []
    for key in keys:
        atlas_stem = _with_entity(stem, "atlas", key)
        matrices = [_with_entity(atlas_stem, "stat", STATISTICS[kind]) for kind in settings.connectivity]
        stems.append(
            _Stems(
                signals=str(_bids_signals_stem(stem, key, settings)),
                regions=f"{_with_entity(atlas_stem, 'stat', 'coverage')}_bold",
                points=str(atlas_stem),
                matrices=tuple(map(str, matrices)),
            )
        )
    return stems


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
    everything = dataclasses.replace(settings, connectivity=CONNECTIVITY_KINDS, as_voxels=False, cifti_out=True)
    variants = [
        _name_files(dataclasses.replace(everything, as_voxels=suffix is not None), output_stem, keys, suffix)
        for suffix in (None, _VOXELS, _VERTICES)
    ]
    tables = [atlas_tables for files in variants for atlas_tables in files.tables]
    sidecars = [atlas_tables.sidecar_path for atlas_tables in tables]
    paths = [
        path
        for atlas_tables in tables
        for path in (atlas_tables.signals_path, atlas_tables.regions_path, atlas_tables.points_path)
        if path
    ]
    files = variants[0]
    paths += [files.outliers_path, files.regressors_path]
    if files.have_dictionaries:
        paths += map(sidecar_beside, list(paths))
    for atlas_tables in files.tables:
        for relmat_path in atlas_tables.relmat_paths:
            paths += [relmat_path, sidecar_beside(relmat_path)]
        paths += [path for path in (atlas_tables.ptseries_path, *atlas_tables.pconn_paths) if path]
    return list(dict.fromkeys([*sidecars, *paths, files.report_path]))
