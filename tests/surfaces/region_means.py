"""Means of regions by numpy in float64: points are found by structure and vertex or place."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

import nibabel as nib
import numpy as np
import pandas as pd
from made_up_surfaces import Models, Structure


def read_values(path: Path | str) -> np.ndarray:
    """Return the values of a CIFTI file in float64, rows first."""
    content = Path(path).read_bytes()
    header = nib.Nifti2Header(content[:540])
    shape = header.get_data_shape()[4:]
    stored = np.frombuffer(content, header.get_data_dtype(), math.prod(shape), int(header["vox_offset"]))
    slope, intercept = header.get_slope_inter()
    return stored.reshape(shape, order="F") * (slope or 1.0) + (intercept or 0.0)


def _read_xml(path: Path | str) -> ElementTree.Element:
    content = Path(path).read_bytes()
    order = nib.Nifti2Header(content[:540]).endianness
    size = int(np.frombuffer(content, f"{order}i4", 1, 544)[0])
    return ElementTree.fromstring(content[552 : 544 + size].rstrip(b"\0"))


def _integers(element: ElementTree.Element, tag: str) -> np.ndarray:
    return np.array((element.findtext(tag) or "").split(), dtype=int)


def read_models(path: Path | str) -> Models:
    """Return the points of a CIFTI file whose columns are points."""
    root = _read_xml(path)
    structures = []
    for model in root.iter("BrainModel"):
        name = model.attrib["BrainStructure"].removeprefix("CIFTI_STRUCTURE_")
        if model.attrib["ModelType"].endswith("SURFACE"):
            n_vertices = int(model.attrib["SurfaceNumberOfVertices"])
            structures.append(Structure(name, _integers(model, "VertexIndices"), n_vertices))
        else:
            structures.append(Structure(name, _integers(model, "VoxelIndicesIJK").reshape(-1, 3)))
    volume = root.find(".//Volume")
    if volume is None:
        return Models(tuple(structures))
    matrix = volume.find("TransformationMatrixVoxelIndicesIJKtoXYZ")
    affine = np.array(matrix.text.split(), dtype=float).reshape(4, 4)
    affine[:3] *= 10.0 ** (int(matrix.attrib["MeterExponent"]) + 3)
    shape = tuple(map(int, volume.attrib["VolumeDimensions"].split(",")))
    return Models(tuple(structures), affine, shape)


def read_dlabel(path: Path | str, number: int = 0) -> tuple[np.ndarray, Models, dict[int, str]]:
    """Return the keys of a map, its points, and the names by key."""
    named_map = list(_read_xml(path).iter("NamedMap"))[number]
    names = {int(label.attrib["Key"]): label.text or "" for label in named_map.iter("Label")}
    return read_values(path)[number].astype(int), read_models(path), names


def read_parcels(path: Path | str) -> pd.DataFrame:
    """Return the series of a ptseries, named by its parcels."""
    names = [parcel.attrib["Name"] for parcel in _read_xml(path).iter("Parcel")]
    return pd.DataFrame(read_values(path), columns=names)


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
