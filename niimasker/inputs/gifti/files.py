"""Read GIFTI files: the header of a series, or all of a small file such as labels, a map of the surface or a mesh."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from niimasker.errors import BrokenImageError, ImageError
from niimasker.inputs.gifti.arrays import ArrayDescription, decode_array, describe_array
from niimasker.inputs.gifti.checks import check_arrays, check_count, check_end, check_intent, check_shapes
from niimasker.inputs.gifti.content import ArrayElement, BrokenGiftiError
from niimasker.inputs.gifti.reader import GiftiReader, open_gifti
from niimasker.inputs.images import check_is_file, check_memory
from niimasker.inputs.repetition_times import read_time_step
from niimasker.inputs.structures import parse_structure


@dataclass(frozen=True)
class GiftiHeader:
    """A GIFTI file as its beginning describes it; no value has been read.

    Parameters
    ----------
    n_volumes
        The number of arrays, or of columns of a single array with two axes.
    structure
        CIFTI's name of the structure, such as `CORTEX_LEFT`; None where the file does not say it.
    t_r
        Repetition time in seconds by the metadata's TimeStep; None where it is missing, 0 or not plausible.
    intent
        The first array's intent, without NIfTI's prefix.
    """

    path: Path
    n_vertices: int
    n_volumes: int
    structure: str | None
    t_r: float | None
    intent: str


@dataclass(frozen=True, eq=False)
class GiftiData:
    """The content of a GIFTI file with values for vertices.

    Parameters
    ----------
    values
        Of shape (n_vertices, n_maps), in the file's type.
    names
        The name of each map, empty where it has none.
    labels
        The names of labels by key; None where the file has no table of labels. Workbench also writes a table with the
        one key 0 into files of other values.
    structure
        CIFTI's name of the structure, such as `CORTEX_LEFT`; None where the file does not say it.
    intents
        The intent of each array, without NIfTI's prefix, such as `LABEL`.
    """

    path: Path
    values: np.ndarray
    names: tuple[str, ...]
    labels: Mapping[int, str] | None
    structure: str | None
    intents: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Mesh:
    """The mesh of a surface.

    Parameters
    ----------
    coordinates
        The place of each vertex in mm, float64 of shape (n_vertices, 3).
    triangles
        The vertices of each triangle, of shape (n_triangles, 3).
    structure
        CIFTI's name of the structure, such as `CORTEX_LEFT`; None where the file does not say it.
    """

    coordinates: np.ndarray
    triangles: np.ndarray
    structure: str | None

    @property
    def n_vertices(self) -> int:
        """The number of vertices."""
        return len(self.coordinates)


def read_gifti_header(path: Path) -> GiftiHeader:
    """Return a GIFTI file as its beginning describes it, up to the values of the first array.

    Raises
    ------
    ImageError
        The file does not exist, or is no GIFTI file with values for vertices.
    BrokenImageError
        The file is damaged, or too small for the arrays that it announces.
    """
    with _open_checked(path) as reader:
        element, description = _read_first_array(reader, path)
        check_intent(path, description.intent)
        n_arrays = reader.n_arrays
        if n_arrays is None:
            raise BrokenGiftiError("it does not say how many arrays it holds (NumberOfDataArrays)")
        check_arrays(path, description, n_arrays)
    return GiftiHeader(
        path=path,
        n_vertices=description.shape[0],
        n_volumes=description.shape[1] if len(description.shape) > 1 else n_arrays,
        structure=_find_stated_structure(reader, element),
        t_r=read_time_step(element.metadata.get("TimeStep") or reader.metadata.get("TimeStep")),
        intent=description.intent,
    )


def read_gifti(path: Path) -> GiftiData:
    """Return all values of a GIFTI file, such as label.gii or shape.gii.

    Raises
    ------
    ImageError
        The file does not exist, or is no GIFTI file with values for vertices.
    BrokenImageError
        The file is damaged.
    TooLittleMemoryError
        The file's values are larger than the free memory.
    """
    with _open_checked(path) as reader:
        element, description = _read_first_array(reader, path)
        check_intent(path, description.intent)
        check_arrays(path, description, reader.n_arrays or 1)
        # Twice: the arrays, and all of them in one.
        n_bytes = 2 * description.n_bytes * (reader.n_arrays or 1)
        check_memory(path, "reading it", n_bytes, way_out="give a file with fewer maps")
        elements, descriptions, arrays = [element], [description], [_read_values(reader, description, path)]
        for element, description, array in _iter_arrays(reader, path):
            check_intent(path, description.intent)
            elements.append(element)
            descriptions.append(description)
            arrays.append(array)
        check_shapes(descriptions)
        check_count(reader.n_arrays, len(arrays))
    columns = [array.reshape(len(array), -1) for array in arrays]
    values = np.concatenate(columns, axis=1)
    names = tuple(element.metadata.get("Name", "") for element in elements)
    return GiftiData(
        path=path,
        values=values.astype(values.dtype.newbyteorder("="), copy=False),
        names=names if len(names) == values.shape[1] else ("",) * values.shape[1],
        labels=dict(reader.labels) or None,
        structure=_find_stated_structure(reader, elements[0]),
        intents=tuple(each.intent for each in descriptions),
    )


def read_mesh(path: Path) -> Mesh:
    """Return the mesh of a surface (surf.gii).

    Coordinates are those of the file, as in nibabel, nilearn and Workbench: none of them applies the matrix that the
    file may give to transform the coordinates to another space.

    Raises
    ------
    ImageError
        The file does not exist, or is no mesh.
    BrokenImageError
        The file is damaged.
    """
    found: dict[str, np.ndarray] = {}
    structure = None
    with _open_checked(path) as reader:
        for element, description, array in _iter_arrays(reader, path):
            found[description.intent] = array
            structure = structure or _find_stated_structure(reader, element)
        if not {"POINTSET", "TRIANGLE"} <= found.keys():
            shown = ", ".join(found) or "no array"
            raise ImageError(f"{path}: found {shown}; expected a surface mesh, with POINTSET and TRIANGLE.")
        coordinates, triangles = found["POINTSET"], found["TRIANGLE"]
        if coordinates.shape[1:] != (3,) or triangles.shape[1:] != (3,) or triangles.dtype.kind not in "iu":
            raise BrokenGiftiError("its points or triangles are not threes of numbers")
        if triangles.min() < 0 or triangles.max() >= len(coordinates):
            raise BrokenGiftiError(f"a triangle names a vertex that is none of the {len(coordinates):,}")
    return Mesh(coordinates.astype(np.float64), triangles.astype(np.int64), structure)


@contextmanager
def _open_checked(path: Path) -> Iterator[GiftiReader]:
    """Open a GIFTI file; what is found broken within the context is raised as a BrokenImageError."""
    check_is_file(path, "a GIFTI file")
    try:
        with open_gifti(path) as reader:
            yield reader
    except BrokenGiftiError as error:
        raise BrokenImageError(f"{path}: cannot be read as a GIFTI file ({error}); fetch or make it again.") from error


def _read_first_array(reader: GiftiReader, path: Path) -> tuple[ArrayElement, ArrayDescription]:
    element = reader.next_array()
    if element is None:
        raise BrokenGiftiError("it holds no array")
    check_end(path)
    return element, describe_array(element.attributes)


def _read_values(reader: GiftiReader, description: ArrayDescription, path: Path) -> np.ndarray:
    return decode_array(description, reader.read_text(description.max_text_bytes), path.parent)


def _iter_arrays(reader: GiftiReader, path: Path) -> Iterator[tuple[ArrayElement, ArrayDescription, np.ndarray]]:
    while (element := reader.next_array()) is not None:
        description = describe_array(element.attributes)
        check_arrays(path, description, 1)
        yield element, description, _read_values(reader, description, path)


def _find_stated_structure(reader: GiftiReader, element: ArrayElement) -> str | None:
    key = "AnatomicalStructurePrimary"
    return parse_structure(reader.metadata.get(key) or element.metadata.get(key, ""))
