"""Means of regions by numpy in float64: points are found by structure and vertex or place."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from made_up_surfaces import Models, Structure


def read_values(path: Path) -> np.ndarray:
    """Return the values of a CIFTI file in float64, rows first."""
    return np.asarray(nib.load(path).dataobj, dtype=np.float64)


def read_models(path: Path) -> Models:
    """Return the points of a CIFTI file whose columns are points."""
    mapping = nib.load(path).header.matrix.get_index_map(1)
    structures = tuple(
        Structure(
            model.brain_structure.removeprefix("CIFTI_STRUCTURE_"),
            np.array(list(model.vertex_indices if model.vertex_indices is not None else model.voxel_indices_ijk)),
            model.surface_number_of_vertices or 0,
        )
        for model in mapping.brain_models
    )
    volume = mapping.volume
    if volume is None:
        return Models(structures)
    matrix = volume.transformation_matrix_voxel_indices_ijk_to_xyz.matrix
    return Models(structures, np.array(matrix), tuple(volume.volume_dimensions))


def read_dlabel(path: Path, number: int = 0) -> tuple[np.ndarray, Models, dict[int, str]]:
    """Return the keys of a map, its points, and the names by key."""
    named_map = list(nib.load(path).header.matrix.get_index_map(0).named_maps)[number]
    names = {key: label.label for key, label in named_map.label_table.items()}
    return read_values(path)[number].astype(int), read_models(path), names


def read_parcels(path: Path) -> pd.DataFrame:
    """Return the series of a ptseries, named by its parcels."""
    parcels = nib.load(path).header.matrix.get_index_map(1).parcels
    return pd.DataFrame(read_values(path), columns=[parcel.name for parcel in parcels])


def places_of(structure: Structure, affine: np.ndarray | None) -> pd.Index:
    """Return the vertices of a structure, or the places of its voxels in mm."""
    if structure.n_vertices:
        return pd.Index(structure.points)
    places = nib.affines.apply_affine(affine, structure.points).round(3) + 0.0
    return pd.MultiIndex.from_arrays(places.T)


def keys_at(models: Models, atlas: Models, keys: np.ndarray) -> np.ndarray:
    """Return the key of each point of an image, 0 for points that the atlas does not have."""
    by_structure = {
        (each.name, each.n_vertices > 0): pd.Series(keys[part], places_of(each, atlas.affine))
        for each, part in zip(atlas.structures, atlas.parts, strict=True)
    }
    found = []
    for each in models.structures:
        known = by_structure.get((each.name, each.n_vertices > 0))
        none = np.zeros(len(each.points))
        found.append(none if known is None else known.reindex(places_of(each, models.affine), fill_value=0))
    return np.concatenate(found).astype(int)


def mean_of_each(values: np.ndarray, keys: np.ndarray, names: Mapping[int, str]) -> pd.DataFrame:
    """Return the mean of the points of each key in ascending order, NaN for keys without points.

    Parameters
    ----------
    values
        Of shape (n_volumes, n_points).
    keys
        Of shape (n_points,).
    names
        The columns by key; key 0 is the background.
    """
    values, columns = np.asarray(values, dtype=np.float64), {}
    for key in sorted(set(names) - {0}):
        members = keys == key
        columns[names[key]] = values[:, members].mean(axis=1) if members.any() else np.full(len(values), np.nan)
    return pd.DataFrame(columns)
