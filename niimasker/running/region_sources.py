"""The files that regions and their names come from, for the provenance of results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from niimasker.inputs.runs import RegionFiles
from niimasker.options.paths import expand_home
from niimasker.options.settings import Settings
from niimasker.outputs.provenance import SourceRecord, Sources, join_record, source_record
from niimasker.regions.loading import find_names_paths
from niimasker.regions.names.joins import NamesJoin

RegionSources = Mapping[str, SourceRecord]


def read_sources(roi_files: Sequence[str], settings: Settings, mask_path: Path | None) -> tuple[RegionSources, ...]:
    """Return for each atlas what its regions, their names, and the voxels that they are restricted to come from."""
    mask = {} if mask_path is None else {"Mask": source_record(mask_path)}
    names_paths = find_names_paths(roi_files, settings.labels)
    names = [{} if path is None else {"Names": source_record(path)} for path in names_paths]
    return tuple(
        {"Regions": _atlas_source(roi_file), **of_names, **mask}
        for roi_file, of_names in zip(roi_files, names, strict=True)
    )


def read_run_sources(
    own: RegionFiles | None, shared: tuple[RegionSources, ...], settings: Settings
) -> tuple[RegionSources, ...]:
    """Return for each atlas what a run's regions come from: files that all runs share, or its own."""
    if own is None:
        return shared
    if not shared:
        return read_sources(own.roi_files, settings, own.mask_path)
    # Only the mask is its own: the checksum of an atlas that all share is known.
    mask = {} if own.mask_path is None else {"Mask": source_record(own.mask_path)}
    return tuple({**of_atlas, **mask} for of_atlas in shared)


def with_joins(sources: Sequence[RegionSources], joins: Sequence[NamesJoin | None]) -> tuple[RegionSources, ...]:
    """Return sources with the table of each atlas's names, and how it was joined."""
    return tuple(
        of_atlas if join is None else {**of_atlas, "Names": {**_names_source(of_atlas, join), **join_record(join)}}
        for of_atlas, join in zip(sources, joins, strict=True)
    )


def _names_source(sources: RegionSources, join: NamesJoin) -> SourceRecord:
    if "Names" in sources:
        return sources["Names"]
    # A table of coordinates, or an image, that holds its own names.
    regions = sources["Regions"]
    return regions if regions.get("Path") == str(join.path) else source_record(join.path)


def _atlas_source(roi_file: str) -> SourceRecord:
    roi_path = expand_home(roi_file)
    return source_record(roi_path) if roi_path.is_file() else {"Query": roi_file}


def number_sources(sources: Sources) -> dict[str, SourceRecord]:
    """Return source files each under a name of its own: the second table of confounds is "Confounds (2)"."""
    numbered: dict[str, SourceRecord] = {}
    for part, source in sources.items():
        for number, record in enumerate(source if isinstance(source, list) else [source], start=1):
            numbered[part if number == 1 else f"{part} ({number})"] = record
    return numbered


def name_sources(keys: Sequence[str], sources: Sequence[RegionSources]) -> dict[str, SourceRecord]:
    """Return the source files of all atlases by name, such as "Regions", or "Regions (<atlas>)" of several atlases."""
    return {
        f"{part} ({key})" if part != "Mask" and len(keys) > 1 else part: source
        for key, atlas_sources in zip(keys, sources, strict=True)
        for part, source in atlas_sources.items()
    }
