"""The files that regions and their names come from, for the provenance of results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from niimasker.inputs.runs import RegionFiles
from niimasker.options.settings import Settings
from niimasker.outputs.provenance import SourceRecord, join_record, source_record
from niimasker.regions.loading import find_names_paths
from niimasker.regions.names.joins import NamesJoin
from niimasker.regions.roi_files import RoiFile, parse_mask, parse_roi_file

# The files of two hemispheres, and those that hold their values, are a list.
RegionSources = Mapping[str, SourceRecord | list[SourceRecord]]


def read_sources(roi_files: Sequence[str], settings: Settings, mask_path: Path | None) -> tuple[RegionSources, ...]:
    """Return for each atlas what its regions, their names, and the voxels that they are restricted to come from."""
    mask = _mask_source(mask_path)
    names_paths = find_names_paths(roi_files, settings.labels)
    names = [{} if path is None else {"Names": source_record(path)} for path in names_paths]
    return tuple(
        {"Regions": _atlas_source(parse_roi_file(roi_file)), **of_names, **mask}
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
    mask = _mask_source(own.mask_path)
    return tuple({**of_atlas, **mask} for of_atlas in shared)


def with_joins(sources: Sequence[RegionSources], joins: Sequence[NamesJoin | None]) -> tuple[RegionSources, ...]:
    """Return sources with the table of each atlas's names, and how it was joined."""
    return tuple(
        of_atlas if join is None else {**of_atlas, "Names": {**_names_source(of_atlas, join), **join_record(join)}}
        for of_atlas, join in zip(sources, joins, strict=True)
    )


def _names_source(sources: RegionSources, join: NamesJoin) -> SourceRecord:
    # A table of names, or a table of coordinates or an image that holds its own.
    records = [record for part in ("Names", "Regions") for record in _list_records(sources.get(part, []))]
    known = [record for record in records if record.get("Path") == str(join.path)]
    return known[0] if known else source_record(join.path)


def _mask_source(mask_path: Path | None) -> RegionSources:
    return {} if mask_path is None else {"Mask": _file_source(parse_mask(mask_path))}


def _atlas_source(roi_file: RoiFile) -> SourceRecord | list[SourceRecord]:
    has_files = roi_file.paths and all(path.is_file() for path in roi_file.paths)
    return _file_source(roi_file) if has_files else {"Query": roi_file.text}


def _file_source(roi_file: RoiFile) -> SourceRecord | list[SourceRecord]:
    chosen_map: SourceRecord = {} if roi_file.map_name is None else {"Map": roi_file.map_name}
    records = [source_record(path) | chosen_map for path in roi_file.paths]
    records += [source_record(path) for path in roi_file.value_paths if path.is_file()]
    return records if len(records) > 1 else records[0]


def _list_records(source: SourceRecord | list[SourceRecord]) -> list[SourceRecord]:
    return source if isinstance(source, list) else [source]


def number_sources(sources: RegionSources) -> dict[str, SourceRecord]:
    """Return source files each under a name of its own: the second table of confounds is "Confounds (2)"."""
    numbered: dict[str, SourceRecord] = {}
    for part, source in sources.items():
        for number, record in enumerate(_list_records(source), start=1):
            numbered[part if number == 1 else f"{part} ({number})"] = record
    return numbered


def name_sources(keys: Sequence[str], sources: Sequence[RegionSources]) -> dict[str, SourceRecord]:
    """Return the source files of all atlases by name, such as "Regions", or "Regions (<atlas>)" of several atlases."""
    named = {
        f"{part} ({key})" if part != "Mask" and len(keys) > 1 else part: source
        for key, atlas_sources in zip(keys, sources, strict=True)
        for part, source in atlas_sources.items()
    }
    return number_sources(named)
