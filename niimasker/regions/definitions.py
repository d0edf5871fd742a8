"""From --roi_file, --labels and --mask_img to regions, before any image is known."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

from niimasker.errors import RegionsError, shorten, warn
from niimasker.inputs.images import Grid, is_placed, is_plain_float32, load_image
from niimasker.inputs.text_tables import HOW_ROWS_COUNT, TextTable, parse_number, read_text_table
from niimasker.inputs.volumes import read_voxels
from niimasker.options.paths import to_path
from niimasker.regions.atlases.fetching import Atlas, fetch_atlas, is_atlas_query
from niimasker.regions.names.bids_tables import find_lookup_table
from niimasker.regions.names.matching import choose_names, find_names_path, make_unique, name_by_lookup_table
from niimasker.regions.names.tables import TABLE_SUFFIXES, read_name_table

_log = logging.getLogger(__name__)

# A parcellation saved as float after a linear operation is off its whole numbers by rounding, not by thousandths.
_WHOLE_WITHIN = 1e-3
_LARGEST_INDEX = np.iinfo(np.int32).max


@dataclass(frozen=True)
class Parcellation:
    """A label image: int32 of shape grid.shape, 0 is background."""

    labels: np.ndarray
    grid: Grid


@dataclass(frozen=True)
class Maps:
    """Probabilistic maps: float of shape (*grid.shape, n_maps)."""

    weights: np.ndarray
    grid: Grid


@dataclass(frozen=True)
class Seeds:
    """Centres of spheres in mm, of shape (n_seeds, 3); without a radius the nearest voxel."""

    coordinates: np.ndarray
    radius: float | None


@dataclass(frozen=True)
class Mask:
    """Voxels that regions are restricted to: bool of shape grid.shape."""

    voxels: np.ndarray
    grid: Grid


@dataclass(frozen=True)
class Regions:
    """The regions of one --roi_file as defined, and what they are called.

    Parameters
    ----------
    definition
        Where they are.
    indices, names
        In ascending order of index.
    centres
        In mm, of shape (n_regions, 3).
    source
        The file or query, as messages call it.
    as_voxels
        Whether each voxel of each region is a column of its own.
    is_placed
        Whether the atlas says which space it is in.
    names_path
        The table that the names come from, if they do.
    """

    definition: Parcellation | Maps | Seeds
    indices: tuple[int, ...]
    names: tuple[str, ...]
    centres: np.ndarray
    source: str
    as_voxels: bool = False
    is_placed: bool = True
    names_path: Path | None = None


def load_regions(
    roi_files: Sequence[str],
    *,
    labels: Sequence[str],
    as_voxels: bool,
    radius: float | None,
    atlas_dir: Path | None,
    takes_more_names: bool = False,
) -> tuple[Regions, ...]:
    """Return the regions that each --roi_file and --labels describe.

    Parameters
    ----------
    takes_more_names
        Let tables of --labels name regions, by their index, that an image does not hold.

    Raises
    ------
    RegionsError, ImageError
        A file is not usable, or the names do not fit.
    """
    loaded = []
    for roi_file, its_labels in zip(roi_files, _labels_per_file(roi_files, labels), strict=True):
        if is_atlas_query(roi_file):
            if its_labels:
                warn(f"--labels is ignored: {roi_file} brings its own names.")
            loaded.append(_from_atlas(fetch_atlas(roi_file, atlas_dir), roi_file))
        elif Path(roi_file).suffix.lower() in TABLE_SUFFIXES:
            loaded.append(_from_table(to_path(roi_file), its_labels, radius))
        else:
            loaded.append(_from_image(to_path(roi_file), its_labels, as_voxels, takes_more_names))
    if radius is not None and not any(isinstance(regions.definition, Seeds) for regions in loaded):
        warn("--radius is ignored: --roi_file holds no table of coordinates.")
    return tuple(_mark_voxels(regions) for regions in loaded) if as_voxels else tuple(loaded)


def check_labels(roi_files: Sequence[str], labels: Sequence[str]) -> None:
    """Raise RegionsError where --labels is no names for any regions, whichever they are."""
    for its_labels in _labels_per_file(roi_files, labels):
        table_path = find_names_path(its_labels)
        if table_path is not None:
            read_name_table(table_path)


def _labels_per_file(roi_files: Sequence[str], labels: Sequence[str]) -> list[Sequence[str]]:
    if len(roi_files) == 1:
        return [labels]
    if not labels:
        return [()] * len(roi_files)
    files = [roi_file for roi_file in roi_files if not is_atlas_query(roi_file)]
    if len(labels) != len(files) or not all(find_names_path([each]) for each in labels):
        raise RegionsError(
            f"--roi_file has {len(files)} atlas files, so --labels takes {len(files)} tables, in their order, "
            f"or nothing; found {shorten(labels)}."
        )
    tables = iter(labels)
    return [() if is_atlas_query(roi_file) else (next(tables),) for roi_file in roi_files]


def find_names_paths(roi_files: Sequence[str], labels: Sequence[str]) -> list[Path | None]:
    """Return the table that the names of each --roi_file come from, None where there is none."""
    return [
        find_names_path(its_labels) or (find_lookup_table(to_path(text)) if is_image(text) and not its_labels else None)
        for text, its_labels in zip(roi_files, _labels_per_file(roi_files, labels), strict=True)
    ]


def is_image(roi_file: str) -> bool:
    """Return whether a --roi_file is neither a query nor a table of coordinates."""
    return not is_atlas_query(roi_file) and Path(roi_file).suffix.lower() not in TABLE_SUFFIXES


def _mark_voxels(regions: Regions) -> Regions:
    if isinstance(regions.definition, Parcellation):
        return dataclasses.replace(regions, as_voxels=True)
    found = "maps" if isinstance(regions.definition, Maps) else "coordinates"
    raise RegionsError(
        f"--as_voxels takes the voxels of a mask or a parcellation, but {regions.source} holds {found}; "
        "leave the option out."
    )


def _from_atlas(atlas: Atlas, query: str) -> Regions:
    definition = _read_definition(atlas.img, query)
    indices = _indices_of(definition)
    names = make_unique([atlas.names.get(index, f"roi {index}") for index in indices], indices, query)
    return Regions(definition, indices, names, centres_of(definition, indices), query)


def _from_table(roi_path: Path, labels: Sequence[str], radius: float | None) -> Regions:
    coordinates = read_coordinates(roi_path)
    if radius is None:
        warn(f"{roi_path.name}: no --radius is given; each region is the single voxel nearest to its coordinates.")
    indices = tuple(range(len(coordinates)))
    # A table that names its own coordinates does so row by row, whatever its index column counts from.
    same_table = len(labels) == 1 and to_path(labels[0]) == roi_path
    names = choose_names(labels, indices, roi_path.name, ignore_index=same_table)
    return Regions(
        Seeds(coordinates, radius),
        indices,
        names,
        coordinates,
        roi_path.name,
        names_path=find_names_path(labels),
    )


def _from_image(roi_path: Path, labels: Sequence[str], as_voxels: bool, takes_more_names: bool) -> Regions:
    img = load_image(roi_path)
    definition = _read_definition(img, str(roi_path))
    indices = _indices_of(definition)
    is_mask_of_voxels = as_voxels and len(indices) == 1
    if is_mask_of_voxels and labels:
        warn(f"--labels is ignored for {roi_path.name}: with --as_voxels each column is a voxel of this mask.")
        labels = ()
    found_path = None if labels or is_mask_of_voxels else find_lookup_table(roi_path)
    if found_path is None:
        names = choose_names(labels, indices, roi_path.name, takes_more=takes_more_names)
    else:
        _log.debug("%s: names from %s", roi_path, found_path)
        names = name_by_lookup_table(found_path, indices, roi_path)
    return Regions(
        definition,
        indices,
        names,
        centres_of(definition, indices),
        roi_path.name,
        is_placed=is_placed(img.header),
        names_path=found_path or find_names_path(labels),
    )


def read_coordinates(table_path: Path) -> np.ndarray:
    """Return the columns x, y, z of a table in mm, as an array of shape (n_seeds, 3).

    Raises
    ------
    RegionsError
        The file is no table, lacks a column, or holds a value that is no number.
    """
    table = read_text_table(table_path, RegionsError, "a table with columns x, y, z in mm")
    missing = [name for name in "xyz" if name not in table.names]
    if missing:
        raise RegionsError(
            f"{table_path}: no column {', '.join(missing)}; expected columns x, y, z in mm, "
            f"found {shorten(table.names)}."
        )
    if not table.rows:
        raise RegionsError(f"{table_path}: no coordinates below its header; give a row for each sphere.")
    return np.column_stack([_read_axis(table, axis) for axis in "xyz"])


def _read_axis(table: TextTable, axis: str) -> list[float]:
    return [_read_mm(cell, table, axis, row) for row, cell in enumerate(table.column(axis), start=1)]


def _read_mm(cell: str, table: TextTable, axis: str, row: int) -> float:
    with contextlib.suppress(ValueError):
        value = parse_number(cell)
        if np.isfinite(value):
            return value
    raise RegionsError(f"{table.path}: {cell!r} in column {axis}, row {row} ({HOW_ROWS_COUNT}), is no number in mm.")


def _read_definition(img: nib.nifti1.Nifti1Pair, source: str) -> Parcellation | Maps:
    if len([n for n in img.shape[3:] if n != 1]) > 1:
        raise RegionsError(f"{source}: a {img.ndim}D image; expected a 3D image or 4D maps.")
    # Float64 where the file is not float32: maps are large.
    values = read_voxels(img, np.float32 if is_plain_float32(img) else np.float64)
    if values.shape[3] > 1:
        return _make_maps(values, Grid.of(img), source)
    return _make_parcellation(values[..., 0], Grid.of(img), source)


def _indices_of(definition: Parcellation | Maps) -> tuple[int, ...]:
    if isinstance(definition, Maps):
        return tuple(range(1, definition.weights.shape[-1] + 1))
    distinct = np.unique(definition.labels)
    return tuple(int(value) for value in distinct[distinct != 0])


def _make_parcellation(values: np.ndarray, grid: Grid, source: str) -> Parcellation:
    distinct = np.unique(values)
    if not np.isfinite(distinct).all():
        raise RegionsError(f"{source}: holds NaN or infinite values; expected whole numbers, 0 for background.")
    present = distinct[distinct != 0]
    if len(present) > 1:
        present = present[np.abs(present) > _WHOLE_WITHIN]
    if not len(present):
        raise RegionsError(f"{source}: every voxel is 0; expected at least one region.")
    if len(present) == 1:
        return Parcellation(_mask_labels(values == present[0], float(present[0])), grid)
    rounded = np.round(present)
    wrong = present[(np.abs(present - rounded) > _WHOLE_WITHIN) | (rounded < 1) | (rounded > _LARGEST_INDEX)]
    if len(wrong):
        shown = ", ".join(f"{value:.10g}" for value in wrong[:5])
        raise RegionsError(
            f"{source}: holds values that are no region's index ({shown}{', ...' if len(wrong) > 5 else ''}); "
            f"expected whole numbers from 1 to {_LARGEST_INDEX}, and 0 for background."
        )
    return Parcellation(np.round(values).astype(np.int32), grid)


def _mask_labels(inside: np.ndarray, value: float) -> np.ndarray:
    # A mask may hold 255, 0.5 or -1: its index is its value where that can be an index.
    rounded = round(value)
    is_index = 1 <= rounded <= _LARGEST_INDEX and abs(value - rounded) <= _WHOLE_WITHIN
    return np.where(inside, rounded if is_index else 1, 0).astype(np.int32)


def _make_maps(weights: np.ndarray, grid: Grid, source: str) -> Maps:
    if not np.isfinite(weights).all():
        raise RegionsError(f"{source}: its maps hold NaN or infinite values; expected numbers, 0 outside a region.")
    if not weights.any():
        raise RegionsError(f"{source}: every voxel of its maps is 0; expected at least one region.")
    return Maps(weights, grid)


def centres_of(definition: Parcellation | Maps, indices: Sequence[int]) -> np.ndarray:
    """Return the regions' centres of mass in mm, of shape (n_regions, 3)."""
    if isinstance(definition, Parcellation):
        i, j, k = np.nonzero(definition.labels)
        voxels = np.column_stack([i, j, k]).astype(np.float64)
        position = np.searchsorted(indices, definition.labels[i, j, k])
        totals = np.bincount(position, minlength=len(indices))
        sums = np.stack([np.bincount(position, axis, minlength=len(indices)) for axis in voxels.T], axis=1)
        centres = sums / totals[:, None]
    else:
        centres = np.array([_map_centre(definition.weights[..., n]) for n in range(len(indices))])
    return np.asarray(nib.affines.apply_affine(definition.grid.matrix, centres))


def _map_centre(weights: np.ndarray) -> np.ndarray:
    # In the file's order, as the voxels lie in memory: five times faster.
    flat = weights.ravel(order="F")
    voxels = np.flatnonzero(flat)
    mass = np.abs(flat[voxels]).astype(np.float64)
    # An empty map has no centre: NaN, written as n/a.
    if not mass.sum():
        return np.full(3, np.nan)
    ijk = np.stack(np.unravel_index(voxels, weights.shape, order="F"))
    return np.asarray(ijk @ mass / mass.sum())


def load_mask(mask_path: Path) -> Mask:
    """Return the voxels of a mask image that are not 0.

    Raises
    ------
    RegionsError, ImageError
        The file is no 3D image of 0 and one other value.
    """
    img = load_image(mask_path)
    if int(np.prod(img.shape[3:])) != 1:
        raise RegionsError(f"{mask_path}: a {img.ndim}D image; expected a 3D mask.")
    values = read_voxels(img, np.float64)[..., 0]
    distinct = np.unique(values)
    inside = distinct[distinct != 0]
    if len(inside) != 1 or not np.isfinite(inside).all():
        shown = ", ".join(f"{value:g}" for value in distinct[:5])
        raise RegionsError(f"{mask_path}: no mask; expected 0 and one other value, found {shown}.")
    return Mask(values != 0, Grid.of(img))
