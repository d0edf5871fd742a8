"""Load the regions and masks that files on surfaces and grayordinates define."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from niimasker.errors import RegionsError, list_names, warn
from niimasker.inputs.grayordinates import Grayordinates
from niimasker.inputs.surfaces.meshes import find_meshes, locate_vertices
from niimasker.regions.definitions import PointLabels, PointMask, Regions
from niimasker.regions.names.bids_tables import find_lookup_table
from niimasker.regions.names.joins import NamesJoin
from niimasker.regions.names.matching import (
    Named,
    choose_names,
    find_names_path,
    finish_names,
    make_unique,
    name_by_lookup_table,
)
from niimasker.regions.names.tables import read_label_table
from niimasker.regions.roi_files import RoiFile
from niimasker.regions.surfaces.atlas_values import AtlasValues, choose_only_map, read_atlas_values
from niimasker.regions.surfaces.point_regions import FoundRegions, find_regions, tell_sides_apart
from niimasker.regions.whole_numbers import read_mask


def load_point_regions(roi: RoiFile, labels: Sequence[str], *, as_voxels: bool, allow_extra_names: bool) -> Regions:
    """Return the regions of an atlas, a mask or maps on surfaces or grayordinates, each with its name.

    Raises
    ------
    RegionsError, ImageError
        A file is not usable, or the names do not fit.
    """
    atlas = read_atlas_values(roi)
    found = find_regions(atlas)
    places = _find_places(atlas.space, roi)
    if as_voxels and isinstance(found.definition, PointLabels):
        found = dataclasses.replace(found, definition=dataclasses.replace(found.definition, places=places))
    is_single_mask = as_voxels and len(found.keys) == 1
    if is_single_mask and labels:
        warn(f"--labels is ignored for {roi.path.name}: with --as_voxels each column is a point of this mask.")
        labels = ()
    named = _name_regions(atlas, found, labels, allow_extra=allow_extra_names)
    return Regions(
        found.definition,
        found.keys,
        named.names,
        _find_centres(found, places),
        roi.path.name,
        names_join=named.join,
    )


def _name_regions(atlas: AtlasValues, found: FoundRegions, labels: Sequence[str], *, allow_extra: bool) -> Named:
    """Return each region's name: of --labels, else of the atlas, else of a look-up table beside it."""
    source = " and ".join(path.name for path in atlas.paths)
    if labels and (of_each := _name_each(labels, found)) is not None:
        return _finish_names(of_each, found, source)
    if not labels and found.names is not None:
        join = NamesJoin(atlas.paths[0], "the table of its labels" if atlas.tables else "the names of its maps", "key")
        return _finish_names(Named(found.names, join), found, source)
    keys = tuple(sorted(set(found.keys)))
    table_path = None if labels else find_lookup_table(*atlas.paths)
    if table_path is not None:
        named = name_by_lookup_table(table_path, keys, atlas.paths[0])
    else:
        are_maps = not isinstance(found.definition, PointLabels)
        named = choose_names(labels, keys, source, allow_extra=allow_extra, are_maps=are_maps)
    by_key = dict(zip(keys, named.names, strict=True))
    return _finish_names(Named(tuple(by_key[key] for key in found.keys), named.join), found, source)


def _name_each(labels: Sequence[str], found: FoundRegions) -> Named | None:
    """Return a name for each region, the left hemisphere's first; None if there are not as many names.

    A table may number the regions of each hemisphere as their file does.
    """
    table_path = find_names_path(labels)
    if table_path is None:
        return Named(tuple(labels)) if len(labels) == len(found.keys) else None
    if len(set(found.keys)) == len(found.keys):
        return None
    table = read_label_table(table_path)
    numbered = next((column for column in table.columns if column.numbers == found.keys), None)
    if numbered is None and (len(table.names) != len(found.keys) or any(each.could_be_index for each in table.columns)):
        return None
    how = "the order of its rows" if numbered is None else numbered.title
    return Named(table.names, NamesJoin(table_path, table.format, f"{how}, the left hemisphere first"))


def _finish_names(named: Named, found: FoundRegions, source: str) -> Named:
    """Return names that tell the hemispheres apart and can be columns."""
    names = tell_sides_apart(named.names, found.sides)
    if named.join is None:
        return Named(make_unique(names, found.keys, source))
    return finish_names(names, named.join, found.keys, source)


def _find_places(space: Grayordinates, roi: RoiFile) -> np.ndarray:
    """Return where each point lies in mm, of shape (n_points, 3): vertices by a mesh beside the atlas, or nilearn's."""
    meshes = find_meshes(space, roi.path.name, [roi.path.parent])
    return np.where(space.is_vertex[:, None], locate_vertices(space, meshes), space.coordinates)


def _find_centres(found: FoundRegions, places: np.ndarray) -> np.ndarray:
    """Return the regions' centres of mass in mm; NaN for regions with points whose places are not known."""
    definition = found.definition
    if isinstance(definition, PointLabels):
        labelled = np.flatnonzero(definition.labels)
        rows, n_regions = definition.labels[labelled] - 1, len(found.keys)
        totals = np.bincount(rows, minlength=n_regions)[:, None]
        sums = np.stack([np.bincount(rows, axis, n_regions) for axis in places[labelled].T], axis=1)
        return np.asarray(np.divide(sums, totals, out=np.full(sums.shape, np.nan), where=totals > 0))
    centres = []
    for weights in np.abs(definition.weights.T):
        used = np.flatnonzero(weights)
        mass = weights[used].astype(np.float64)
        centres.append(mass @ places[used] / mass.sum() if len(used) else np.full(3, np.nan))
    return np.array(centres)


def load_point_mask(roi: RoiFile) -> PointMask:
    """Return the mask of the points that are not 0; in a file of labels, of those that are no background.

    Raises
    ------
    RegionsError, ImageError
        The file is not usable, or holds more than one value besides 0.
    """
    atlas = choose_only_map(read_atlas_values(roi), "--mask_img")
    if atlas.tables is not None:
        found = find_regions(_without_unused_labels(atlas))
        assert isinstance(found.definition, PointLabels)
        if len(set(found.keys)) > 1:
            raise RegionsError(
                f"{roi.path}: not a mask; expected one label beside the background, found "
                f"{list_names(found.names or ())}."
            )
        return PointMask(found.definition.labels > 0, atlas.space, roi.path.name)
    return PointMask(read_mask(atlas.values[:, 0], str(roi.path)), atlas.space, roi.path.name)


def _without_unused_labels(atlas: AtlasValues) -> AtlasValues:
    """Return a mask's labels without those of no point: a mask may have the whole table of a parcellation."""
    assert atlas.tables is not None
    tables = []
    for number, (table,) in enumerate(atlas.tables):
        present = {*atlas.values[atlas.side_of_points == number, 0].tolist()}
        tables.append(({key: name for key, name in table.items() if key in present},))
    return dataclasses.replace(atlas, tables=tuple(tables))
