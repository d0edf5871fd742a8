"""Load the regions that --roi_file and --labels give, each with its name."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path

from niimasker.errors import RegionsError, list_names, warn
from niimasker.inputs.images import has_known_space, load_image
from niimasker.options.paths import expand_home
from niimasker.regions.atlas_images import list_indices, read_definition
from niimasker.regions.atlases.fetching import Atlas, fetch_atlas
from niimasker.regions.atlases.queries import is_atlas_query
from niimasker.regions.coordinates import read_coordinates
from niimasker.regions.definitions import Maps, Parcellation, Regions, Seeds, find_centres
from niimasker.regions.names.bids_tables import find_lookup_table
from niimasker.regions.names.matching import choose_names, find_names_path, make_unique, name_by_lookup_table
from niimasker.regions.names.tables import TABLE_SUFFIXES, read_name_table

_log = logging.getLogger(__name__)


def load_regions(
    roi_files: Sequence[str],
    *,
    labels: Sequence[str],
    as_voxels: bool,
    radius: float | None,
    atlas_dir: Path | None,
    allow_extra_names: bool = False,
) -> tuple[Regions, ...]:
    """Return the regions of each --roi_file, named by --labels.

    Parameters
    ----------
    allow_extra_names
        Accept tables of --labels with indices that the image does not hold.

    Raises
    ------
    RegionsError, ImageError
        A file is not usable, or the names do not fit.
    """
    loaded = []
    for roi_file, file_labels in zip(roi_files, _labels_per_file(roi_files, labels), strict=True):
        if is_atlas_query(roi_file):
            if file_labels:
                warn(f"--labels is ignored: {roi_file} has its own names.")
            loaded.append(_from_atlas(fetch_atlas(roi_file, atlas_dir), roi_file))
        elif Path(roi_file).suffix.lower() in TABLE_SUFFIXES:
            loaded.append(_from_table(expand_home(roi_file), file_labels, radius))
        else:
            loaded.append(_from_image(expand_home(roi_file), file_labels, as_voxels, allow_extra_names))
    if radius is not None and not any(isinstance(regions.definition, Seeds) for regions in loaded):
        warn("--radius is ignored: --roi_file is not a table of coordinates.")
    return tuple(_mark_voxels(regions) for regions in loaded) if as_voxels else tuple(loaded)


def check_labels(roi_files: Sequence[str], labels: Sequence[str]) -> None:
    """Raise RegionsError where --labels cannot be read as names, whatever the regions are."""
    for file_labels in _labels_per_file(roi_files, labels):
        table_path = find_names_path(file_labels)
        if table_path is not None:
            read_name_table(table_path)


def _labels_per_file(roi_files: Sequence[str], labels: Sequence[str]) -> list[Sequence[str]]:
    if len(roi_files) == 1:
        return [labels]
    if not labels:
        return [()] * len(roi_files)
    files = [roi_file for roi_file in roi_files if not is_atlas_query(roi_file)]
    if len(labels) != len(files) or not all(find_names_path([label]) for label in labels):
        raise RegionsError(
            f"--roi_file has {len(files)} atlas files, so --labels takes {len(files)} tables, in their order, "
            f"or nothing; found {list_names(labels)}."
        )
    tables = iter(labels)
    return [() if is_atlas_query(roi_file) else (next(tables),) for roi_file in roi_files]


def find_names_paths(roi_files: Sequence[str], labels: Sequence[str]) -> list[Path | None]:
    """Return the table that the names of each --roi_file come from, None where there is none."""
    return [
        find_names_path(file_labels)
        or (find_lookup_table(expand_home(text)) if is_image(text) and not file_labels else None)
        for text, file_labels in zip(roi_files, _labels_per_file(roi_files, labels), strict=True)
    ]


def is_image(roi_file: str) -> bool:
    """Return whether a --roi_file is neither a query nor a table of coordinates."""
    return not is_atlas_query(roi_file) and Path(roi_file).suffix.lower() not in TABLE_SUFFIXES


def _mark_voxels(regions: Regions) -> Regions:
    if isinstance(regions.definition, Parcellation):
        return dataclasses.replace(regions, as_voxels=True)
    found = "maps" if isinstance(regions.definition, Maps) else "coordinates"
    raise RegionsError(
        f"--as_voxels needs a mask or a parcellation, but {regions.source} holds {found}; leave the option out."
    )


def _from_atlas(atlas: Atlas, query: str) -> Regions:
    definition = read_definition(atlas.img, query)
    indices = list_indices(definition)
    names = make_unique([atlas.names.get(index, f"roi {index}") for index in indices], indices, query)
    return Regions(definition, indices, names, find_centres(definition, indices), query)


def _from_table(roi_path: Path, labels: Sequence[str], radius: float | None) -> Regions:
    coordinates = read_coordinates(roi_path)
    if radius is None:
        warn(f"{roi_path.name}: no --radius is given; each region is the single voxel nearest to its coordinates.")
    indices = tuple(range(len(coordinates)))
    # A table of coordinates names its own rows in their order, whatever its column index holds.
    same_table = len(labels) == 1 and expand_home(labels[0]) == roi_path
    names = choose_names(labels, indices, roi_path.name, ignore_index=same_table)
    return Regions(
        Seeds(coordinates, radius),
        indices,
        names,
        coordinates,
        roi_path.name,
        names_path=find_names_path(labels),
    )


def _from_image(roi_path: Path, labels: Sequence[str], as_voxels: bool, allow_extra_names: bool) -> Regions:
    img = load_image(roi_path)
    definition = read_definition(img, str(roi_path))
    indices = list_indices(definition)
    is_voxel_mask = as_voxels and len(indices) == 1
    if is_voxel_mask and labels:
        warn(f"--labels is ignored for {roi_path.name}: with --as_voxels each column is a voxel of this mask.")
        labels = ()
    lookup_path = None if labels or is_voxel_mask else find_lookup_table(roi_path)
    if lookup_path is None:
        names = choose_names(labels, indices, roi_path.name, allow_extra=allow_extra_names)
    else:
        _log.debug("%s: names from %s", roi_path, lookup_path)
        names = name_by_lookup_table(lookup_path, indices, roi_path)
    return Regions(
        definition,
        indices,
        names,
        find_centres(definition, indices),
        roi_path.name,
        has_known_space=has_known_space(img.header),
        names_path=lookup_path or find_names_path(labels),
    )
