"""The parcels of a CIFTI-2 header: the vertices and voxels that each region of a ptseries, pscalar or pconn has."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from niimasker.errors import list_names
from niimasker.inputs.cifti.document import HeaderError, parse_indices, parse_map, read_attribute, read_integer
from niimasker.inputs.cifti.models import (
    Model,
    find_repeated,
    make_surface_model,
    make_voxel_model,
    parse_grid,
    parse_voxels,
    read_brain_structure,
)
from niimasker.inputs.grayordinates import ANY_STRUCTURE, Grayordinates

# A parcel's label and its points in one structure.
Part = tuple[int, np.ndarray]


@dataclass(frozen=True, eq=False)
class CiftiParcels:
    """Regions as CIFTI stores them with their signals.

    Parameters
    ----------
    names
        One for each parcel, in the order of the file.
    space
        The points of all parcels: the vertices of each structure, then the voxels, whose structure is
        `ANY_STRUCTURE`. Within a structure they are in the order in which the parcels list them.
    labels
        The position in `names` of each point's parcel, counted from 1; int32 of shape (n_points,).
    """

    names: tuple[str, ...]
    space: Grayordinates
    labels: np.ndarray


@lru_cache(maxsize=4)
def parse_parcels(xml: bytes) -> CiftiParcels:
    """Return the parcels that an index map of parcels describes.

    Raises
    ------
    HeaderError
        A point belongs to two parcels, or the mesh or grid does not have it.
    """
    element = parse_map(xml)
    parcels = element.findall("Parcel")
    names = tuple(read_attribute(parcel.attrib, "Name") for parcel in parcels)
    mesh_sizes = _read_mesh_sizes(element)
    members = _collect_members(parcels, mesh_sizes)
    grid = parse_grid(element)
    models: list[Model] = []
    for structure, parts in members.items():
        points = np.concatenate([each for _, each in parts])
        if structure == ANY_STRUCTURE:
            models.append(make_voxel_model(structure, grid, points))
        else:
            models.append(make_surface_model(structure, mesh_sizes[structure], points))
        _check_disjoint(structure, parts, names)
    labels = _label([part for parts in members.values() for part in parts])
    return CiftiParcels(names, Grayordinates(tuple(models), grid if ANY_STRUCTURE in members else None), labels)


def _collect_members(parcels: list[ET.Element], mesh_sizes: dict[str, int]) -> dict[str, list[Part]]:
    """Return what each structure's points are, the surfaces in the order of `mesh_sizes` and voxels last."""
    members: dict[str, list[Part]] = {structure: [] for structure in (*mesh_sizes, ANY_STRUCTURE)}
    for label, parcel in enumerate(parcels, 1):
        for child in parcel.findall("Vertices"):
            structure = read_brain_structure(child)
            if structure not in mesh_sizes:
                raise HeaderError(f"its parcels have vertices of {structure}, but it gives no Surface for them")
            members[structure].append((label, parse_indices(child)))
        members[ANY_STRUCTURE] += [(label, parse_voxels(child)) for child in parcel.findall("VoxelIndicesIJK")]
    return {structure: parts for structure, parts in members.items() if any(len(points) for _, points in parts)}


def _read_mesh_sizes(element: ET.Element) -> dict[str, int]:
    """Return the number of vertices of the whole mesh of each structure."""
    surfaces = element.findall("Surface")
    size = "SurfaceNumberOfVertices"
    return {read_brain_structure(surface): read_integer(surface.attrib, size) for surface in surfaces}


def _check_disjoint(structure: str, parts: list[Part], names: tuple[str, ...]) -> None:
    """Raise HeaderError if a point of a structure is listed twice, naming the parcels that list it."""
    repeated = find_repeated(np.concatenate([points for _, points in parts]))
    if repeated is not None:
        owners = [names[label - 1] for label, points in parts if repeated in points.tolist()]
        point = f"vertex {repeated} of {structure}" if structure else f"voxel {repeated}"
        raise HeaderError(f"{point} is listed twice, by {list_names(owners)}")


def _label(parts: list[Part]) -> np.ndarray:
    """Return the label of the parcel of each point, int32 of shape (n_points,)."""
    labels, n_points = [label for label, _ in parts], [len(points) for _, points in parts]
    repeated = np.repeat(np.array(labels, dtype=np.int32), n_points)
    repeated.setflags(write=False)
    return repeated
