"""CIFTI-2 files: taken apart and put together again byte by byte, and small ones whose points are known."""

from __future__ import annotations

import shutil
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nibabel.cifti2 import BrainModelAxis, Cifti2Header, LabelAxis, ParcelsAxis, ScalarAxis, SeriesAxis
from nibabel.openers import Opener

GRID_SHAPE = (5, 6, 7)
GRID_AFFINE = np.array([[-2.0, 0, 0, 8], [0, 2, 0, -6], [0, 0, 2, -4], [0, 0, 0, 1]])
N_VERTICES = {"CORTEX_LEFT": 12, "CORTEX_RIGHT": 15}
VERTICES = {"CORTEX_LEFT": [0, 1, 2, 5, 7, 11], "CORTEX_RIGHT": [14, 3, 4, 8]}
VOXELS = {"THALAMUS_LEFT": [[1, 2, 3], [1, 2, 4], [4, 5, 6]], "PUTAMEN_RIGHT": [[0, 0, 0], [2, 1, 0]]}
STRUCTURES = ("CORTEX_LEFT", "CORTEX_RIGHT", "THALAMUS_LEFT", "PUTAMEN_RIGHT")
N_POINTS = 15

needs_workbench = pytest.mark.skipif(shutil.which("wb_command") is None, reason="Connectome Workbench is not installed")


@dataclass(frozen=True)
class Parts:
    """The parts of a CIFTI file: the header of NIfTI-2, the XML, and the matrix."""

    header: bytes
    xml: bytes
    matrix: bytes

    def edit(self, old: str, new: str, n: int = -1) -> Parts:
        """Return the file with a piece of its XML replaced, which must be there."""
        assert old.encode() in self.xml, old
        return replace(self, xml=self.xml.replace(old.encode(), new.encode(), n))

    def patch(self, place: int, form: str, *values: float) -> Parts:
        """Return the file with fields of its NIfTI header replaced."""
        header = bytearray(self.header)
        struct.pack_into(form, header, place, *values)
        return replace(self, header=bytes(header))

    def write(self, path: Path, before: bytes = b"") -> Path:
        """Write the file; `before` are other extensions, whole, before the XML."""
        size = (8 + len(self.xml) + 15) // 16 * 16
        order = "<" if self.header[:4] == struct.pack("<i", 540) else ">"
        extension = struct.pack(f"{order}2i", size, 32) + self.xml.ljust(size - 8, b"\0")
        header = bytearray(self.header)
        struct.pack_into(f"{order}q", header, 168, 544 + len(before) + size)
        with Opener(str(path), "wb") as file:
            file.write(bytes(header) + b"\1\0\0\0" + before + extension + self.matrix)
        return path


def take_apart(path: Path) -> Parts:
    """Return the parts of a CIFTI file."""
    with Opener(str(path), "rb") as file:
        content = file.read()
    order = "<" if content[:4] == struct.pack("<i", 540) else ">"
    (offset,) = struct.unpack_from(f"{order}q", content, 168)
    (size,) = struct.unpack_from(f"{order}i", content, 544)
    return Parts(content[:540], content[552 : 544 + size].rstrip(b"\0"), content[offset:])


def make_parts(
    stored: np.ndarray, axes: Sequence, *, slope: float = 1.0, intercept: float = 0.0, intent: int = 3002
) -> Parts:
    """Return a file with values as they are, in their own type and byte order, of shape (n_volumes, n_points)."""
    header = nib.Nifti2Header(endianness=">" if stored.dtype.str[0] == ">" else "<")
    header.set_data_shape((1, 1, 1, 1, *stored.shape))
    header.set_data_dtype(stored.dtype)
    header["intent_code"], header["magic"] = intent, b"n+2"
    header["scl_slope"], header["scl_inter"] = slope, intercept
    return Parts(header.binaryblock, Cifti2Header.from_axes(axes).to_xml(), stored.tobytes(order="F"))


def brain_models(structures: Sequence[str] = STRUCTURES) -> BrainModelAxis:
    """Return the points of structures, in the given order."""
    axis = None
    for name in structures:
        part = (
            BrainModelAxis.from_surface(VERTICES[name], N_VERTICES[name], f"CIFTI_STRUCTURE_{name}")
            if name in VERTICES
            else _voxel_models(name)
        )
        axis = part if axis is None else axis + part
    return axis


def _voxel_models(name: str) -> BrainModelAxis:
    return BrainModelAxis(f"CIFTI_STRUCTURE_{name}", voxel=VOXELS[name], affine=GRID_AFFINE, volume_shape=GRID_SHAPE)


def series_axis(n_volumes: int, *, start: float = 0.0, step: float = 0.8, unit: str = "SECOND") -> SeriesAxis:
    return SeriesAxis(start, step, n_volumes, unit)


def scalar_axis(names: Sequence[str] = ("first", "second")) -> ScalarAxis:
    return ScalarAxis(list(names))


def label_axis(tables: Sequence[dict[int, str]], names: Sequence[str] = ("atlas",)) -> LabelAxis:
    colour = (1.0, 0.5, 0.0, 1.0)
    return LabelAxis(list(names), [{key: (name, colour) for key, name in table.items()} for table in tables])


def parcels_axis() -> ParcelsAxis:
    """Return two parcels in both hemispheres, the second with voxels, and an empty one between them."""
    voxels = [np.zeros((0, 3), dtype=int), np.zeros((0, 3), dtype=int), np.array(VOXELS["THALAMUS_LEFT"])]
    left, right = "CIFTI_STRUCTURE_CORTEX_LEFT", "CIFTI_STRUCTURE_CORTEX_RIGHT"
    vertices = [{right: np.array([3, 8]), left: np.array([5, 7])}, {}, {left: np.array([0, 11]), right: np.array([4])}]
    n_vertices = {left: N_VERTICES["CORTEX_LEFT"], right: N_VERTICES["CORTEX_RIGHT"]}
    return ParcelsAxis(["B", "empty", "A"], voxels, vertices, GRID_AFFINE, GRID_SHAPE, n_vertices)


def make_values(n_volumes: int, n_points: int = N_POINTS) -> np.ndarray:
    """Return values of shape (n_volumes, n_points): point times 100 plus volume."""
    return (np.arange(n_points) * 100.0 + np.arange(n_volumes)[:, None]).astype(np.float32)


def make_dtseries(n_volumes: int = 9, structures: Sequence[str] = STRUCTURES, **step: float) -> Parts:
    """Return a small dtseries."""
    axis = brain_models(structures)
    return make_parts(make_values(n_volumes, len(axis)), (series_axis(n_volumes, **step), axis))
