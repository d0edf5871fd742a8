"""The brain models of a CIFTI-2 header: which vertex or voxel of which structure each point is."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from niimasker.inputs.cifti.document import (
    HeaderError,
    find_child,
    parse_indices,
    parse_integer,
    parse_map,
    parse_number,
    read_attribute,
    read_exponent,
    read_integer,
)
from niimasker.inputs.grayordinates import Grayordinates, SurfaceModel, VoxelModel
from niimasker.inputs.spaces import Grid

# Far above the finest meshes and grids in use. Tables with an entry for each vertex are made.
_MAX_VERTICES = 10**7
_MAX_GRID_SIZE = 2**15
# Times i, j, k: one number for each voxel of any such grid.
_KEY_OF_VOXEL = np.array([_MAX_GRID_SIZE**2, _MAX_GRID_SIZE, 1])

_MILLIMETRE_EXPONENT = -3

Model = SurfaceModel | VoxelModel


# Thousands of runs share the same brain models, whose 91,282 indices take ten times as long to parse as the rest.
@lru_cache(maxsize=16)
def parse_brain_models(xml: bytes) -> Grayordinates:
    """Return the space that an index map of brain models describes; the same XML gives the same object.

    Raises
    ------
    HeaderError
        The models leave gaps or overlap, list a point twice, or list one that the mesh or grid does not have.
    """
    element = parse_map(xml)
    grid = parse_grid(element)
    children = sorted(element.findall("BrainModel"), key=_read_offset)
    models = tuple(_parse_model(child, grid) for child in children)
    _check_cover(models, [_read_offset(child) for child in children])
    _check_repeats(models)
    has_voxels = any(isinstance(model, VoxelModel) for model in models)
    return Grayordinates(models, grid if has_voxels else None)


def _read_offset(element: ET.Element) -> int:
    # nibabel takes the models in the order of the XML; Workbench goes by this number.
    return read_integer(element.attrib, "IndexOffset")


def _check_cover(models: Sequence[Model], offsets: Sequence[int]) -> None:
    """Raise HeaderError unless each model begins where the one before it ends."""
    expected = 0
    for model, offset in zip(models, offsets, strict=True):
        if offset != expected:
            raise HeaderError(f"the points of {model.structure} begin at {offset}; expected {expected}")
        expected += model.n_points


def _parse_model(element: ET.Element, grid: Grid | None) -> Model:
    structure = read_brain_structure(element)
    kind = read_attribute(element.attrib, "ModelType")
    model: Model
    if kind == "CIFTI_MODEL_TYPE_SURFACE":
        n_vertices = read_integer(element.attrib, "SurfaceNumberOfVertices")
        model = make_surface_model(structure, n_vertices, parse_indices(find_child(element, "VertexIndices")))
    elif kind == "CIFTI_MODEL_TYPE_VOXELS":
        model = make_voxel_model(structure, grid, parse_voxels(find_child(element, "VoxelIndicesIJK")))
    else:
        raise HeaderError(f"{structure} is of type {kind}; expected a surface or voxels")
    n_expected = read_integer(element.attrib, "IndexCount")
    if model.n_points != n_expected:
        raise HeaderError(f"{structure} lists {model.n_points} points; its IndexCount is {n_expected}")
    return model


def read_brain_structure(element: ET.Element) -> str:
    """Return the brain structure of an element, without CIFTI's prefix."""
    structure = read_attribute(element.attrib, "BrainStructure").removeprefix("CIFTI_STRUCTURE_")
    if not structure:
        raise HeaderError(f"the BrainStructure of an element {element.tag} is empty")
    return structure


def parse_voxels(element: ET.Element) -> np.ndarray:
    """Return the indices i, j, k that an element lists, of shape (n_points, 3)."""
    indices = parse_indices(element)
    if len(indices) % 3:
        raise HeaderError(f"an element {element.tag} lists {len(indices)} integers; expected three for each voxel")
    return indices.reshape(-1, 3)


def make_surface_model(structure: str, n_vertices: int, vertices: np.ndarray) -> SurfaceModel:
    """Return the vertices of a structure, checked against the size of its mesh."""
    if not 0 < n_vertices <= _MAX_VERTICES:
        raise HeaderError(f"the mesh of {structure} has {n_vertices} vertices; expected 1 to {_MAX_VERTICES}")
    outside = vertices[vertices >= n_vertices]
    if len(outside):
        raise HeaderError(f"{structure} lists vertex {outside[0]}; its mesh has {n_vertices} vertices")
    return SurfaceModel(structure, n_vertices, _freeze(vertices))


def make_voxel_model(structure: str, grid: Grid | None, voxels: np.ndarray) -> VoxelModel:
    """Return the voxels of a structure, checked against the shape of the grid."""
    if grid is None:
        raise HeaderError("its XML lists voxels, but gives no Volume that says where they lie")
    outside = voxels[(voxels >= grid.shape).any(axis=1)]
    if len(outside):
        shape = "x".join(map(str, grid.shape))
        raise HeaderError(f"{structure or 'it'} lists voxel {outside[0].tolist()}; its volume has {shape} voxels")
    return VoxelModel(structure, _freeze(voxels))


def _freeze(indices: np.ndarray) -> np.ndarray:
    # A space is shared by all runs that have it.
    stored = indices.astype(np.int32)
    stored.setflags(write=False)
    return stored


def _check_repeats(models: Sequence[Model]) -> None:
    """Raise HeaderError if models are repeated or list a point twice; Workbench refuses the same."""
    found = Counter((model.structure, type(model)) for model in models)
    repeated = [structure for (structure, _), n in found.items() if n > 1]
    if repeated:
        raise HeaderError(f"it has {repeated[0]} twice")
    for model in models:
        if isinstance(model, SurfaceModel) and (vertex := find_repeated(model.vertices)) is not None:
            raise HeaderError(f"{model.structure} lists vertex {vertex} twice")
    voxels = [model.voxels for model in models if isinstance(model, VoxelModel)]
    if voxels and (voxel := find_repeated(np.concatenate(voxels))) is not None:
        raise HeaderError(f"it lists voxel {voxel} twice")


def find_repeated(points: np.ndarray) -> int | list[int] | None:
    """Return the first point, in ascending order, that is twice among vertices (n,) or voxels (n, 3), else None."""
    # Rows of three numbers take ten times as long to sort.
    keys = points if points.ndim == 1 else points @ _KEY_OF_VOXEL
    _, firsts, counts = np.unique(keys, return_index=True, return_counts=True)
    repeated = firsts[counts > 1]
    first: int | list[int] | None = points[repeated[0]].tolist() if len(repeated) else None
    return first


def parse_grid(element: ET.Element) -> Grid | None:
    """Return the grid of an index map's voxels, its affine to mm; None without a Volume."""
    volume = element.find("Volume")
    if volume is None:
        return None
    name = "VolumeDimensions"
    shape = [parse_integer(size, name) for size in read_attribute(volume.attrib, name).split(",")]
    if len(shape) != 3 or not all(1 <= size <= _MAX_GRID_SIZE for size in shape):
        raise HeaderError(f"its {name} are {volume.attrib[name][:40]}; expected three from 1 to {_MAX_GRID_SIZE}")
    affine = _parse_affine(find_child(volume, "TransformationMatrixVoxelIndicesIJKtoXYZ"))
    return Grid((shape[0], shape[1], shape[2]), tuple(map(tuple, affine.tolist())))


def _parse_affine(element: ET.Element) -> np.ndarray:
    """Return the affine from voxel indices to mm, of shape (4, 4)."""
    numbers = [parse_number(text, "volume's affine") for text in (element.text or "").split()]
    if len(numbers) != 16:
        raise HeaderError(f"its volume's affine has {len(numbers)} numbers; expected 16")
    affine = np.array(numbers).reshape(4, 4)
    exponent = read_exponent(element.attrib, "MeterExponent")
    if exponent != _MILLIMETRE_EXPONENT:  # nibabel ignores it; Workbench does not
        affine[:3] = np.round(affine[:3] * 10.0 ** (exponent - _MILLIMETRE_EXPONENT), 9)
    is_affine = np.isfinite(affine).all() and affine[3].tolist() == [0, 0, 0, 1]
    if not is_affine or np.linalg.matrix_rank(affine) < 4:
        raise HeaderError("its volume's affine is singular or not finite")
    return affine
