"""File names of a run and of a study; no other module makes them."""

from __future__ import annotations

import dataclasses
import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from niimasker.options.paths import RECORD_NAME, expand_home
from niimasker.options.settings import BIDS, CONNECTIVITY_KINDS, Settings
from niimasker.outputs.files import DATA_FOLDER, REPORTS_FOLDER, summary_name
from niimasker.regions.atlases.queries import is_atlas_query
from niimasker.regions.loading import is_image

# The entities that follow atlas (in the BIDS standard) and stat (in the proposal that defines it).
_LATER_ENTITIES = {
    "atlas": ("seg", "scale", "res", "den", "label", "stat", "desc"),
    "stat": ("desc",),
}

_SHARD_SUMMARY = re.compile(r"summary_shard-.*\.tsv")

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


@dataclass(frozen=True)
class GroupFiles:
    """The files of a group of runs, whether they exist or not."""

    page_path: Path
    numbers_path: Path
    edges_path: Path


@dataclass(frozen=True)
class RegionsUsed:
    """Where the regions of an atlas are kept beside the results, whether the files exist or not.

    Parameters
    ----------
    copy_path
        The copy of the file, or the image of an atlas that nilearn provides.
    spheres_path
        The image of the spheres around coordinates; None for other regions.
    """

    copy_path: Path
    spheres_path: Path | None


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


def _name_tables(stem: Path, keys: Sequence[str], settings: Settings) -> tuple[Tables, ...]:
    stems = [f"{stem}_atlas-{key}" if len(keys) > 1 else str(stem) for key in keys]
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
        for atlas_stem, key in zip(stems, keys, strict=True)
    )


def _name_bids_tables(stem: Path, keys: Sequence[str], settings: Settings) -> tuple[Tables, ...]:
    """Return names as XCP-D writes them, with the entities in the standard's order."""
    tables = []
    for key in keys:
        atlas_stem = _with_entity(stem, "atlas", key)
        # The signal of a single voxel is not a statistic over voxels.
        signals = atlas_stem if settings.as_voxels else _with_entity(atlas_stem, "stat", "mean")
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


def name_group_files(output_dir: Path) -> GroupFiles:
    """Return the paths of the files of a group of runs."""
    folder = output_dir / DATA_FOLDER
    return GroupFiles(output_dir / REPORTS_FOLDER / "group.html", folder / "group.tsv", folder / "group_edges.tsv")


def name_regions_used(settings: Settings, keys: Sequence[str]) -> tuple[RegionsUsed, ...]:
    """Return where the regions of each atlas that all runs share are kept.

    A copy has the name of its file where no other file in the folder has it. Otherwise `atlas-<key>_` comes first.

    Parameters
    ----------
    keys
        The key of each atlas in file names.
    """
    folder = settings.output_dir / DATA_FOLDER
    spheres = [
        None if is_image(roi_file) or is_atlas_query(roi_file) else _spheres_name(key, keys)
        for roi_file, key in zip(settings.roi_file, keys, strict=True)
    ]
    copies = _distinct_names(list(map(_copy_name, settings.roi_file)), keys, list(filter(None, spheres)))
    return tuple(
        RegionsUsed(folder / copy, None if sphere is None else folder / sphere)
        for copy, sphere in zip(copies, spheres, strict=True)
    )


def _spheres_name(key: str, keys: Sequence[str]) -> str:
    return "spheres_img.nii.gz" if len(keys) == 1 else f"spheres_img_{key}.nii.gz"


def _copy_name(roi_file: str) -> str:
    return f"{roi_file.replace(':', '-')}.nii.gz" if is_atlas_query(roi_file) else expand_home(roi_file).name


def _distinct_names(names: Sequence[str], keys: Sequence[str], taken: Sequence[str]) -> list[str]:
    """Return the names; the key comes first where a name is not unique, is taken or is one of niimasker's own."""
    counts = Counter(map(_fold, [*names, *taken]))
    is_free = [counts[_fold(name)] == 1 and not _is_own_name(name) for name in names]
    used = {_fold(name) for name in [*names, *taken]}
    distinct = []
    for name, key, free in zip(names, keys, is_free, strict=True):
        if not free:
            name = next(each for each in _candidates(name, key) if _fold(each) not in used)
            used.add(_fold(name))
        distinct.append(name)
    return distinct


def _candidates(name: str, key: str) -> Iterator[str]:
    # None of niimasker's own files is called atlas-.
    yield f"atlas-{key}_{name}"
    yield from (f"atlas-{key}-{number}_{name}" for number in itertools.count(2))


def _fold(name: str) -> str:
    """Return what names have in common that are one file on some disks."""
    return unicodedata.normalize("NFC", name).casefold()


def _is_own_name(name: str) -> bool:
    """Return whether niimasker gives this name to a file of its own beside the copies."""
    own = (summary_name(None), RECORD_NAME, *(path.name for path in dataclasses.astuple(name_group_files(Path()))))
    return _fold(name) in own or name.startswith(".") or _SHARD_SUMMARY.fullmatch(_fold(name)) is not None


def long_table_path(output_dir: Path, tidy: str) -> Path:
    """Return the path of the long table that --tidy writes in a format."""
    return output_dir / f"timeseries.{tidy}"


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
