"""Grayordinates: the space of surfaces (GIFTI) and of CIFTI files, made of vertices and voxels of brain structures."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import nibabel as nib
import numpy as np

from niimasker.inputs.spaces import Grid

# CIFTI's names, without its prefix CIFTI_STRUCTURE_.
CORTEX_LEFT, CORTEX_RIGHT = "CORTEX_LEFT", "CORTEX_RIGHT"
# The structure of the voxels of parcels, which CIFTI does not store: they are found by their place alone.
ANY_STRUCTURE = ""


@dataclass(frozen=True, eq=False)
class SurfaceModel:
    """The vertices of a structure that have values.

    Parameters
    ----------
    structure
        CIFTI's name without its prefix, such as `CORTEX_LEFT`.
    n_vertices
        Vertices of the whole mesh.
    vertices
        The vertices with values, in the order of the file, int32 of shape (n_points,).
    """

    structure: str
    n_vertices: int
    vertices: np.ndarray

    @classmethod
    def of_mesh(cls, structure: str, n_vertices: int) -> SurfaceModel:
        """Return all vertices of a mesh, as GIFTI stores them."""
        return cls(structure, n_vertices, np.arange(n_vertices, dtype=np.int32))

    @property
    def n_points(self) -> int:
        """The number of vertices with values."""
        return len(self.vertices)


@dataclass(frozen=True, eq=False)
class VoxelModel:
    """The voxels of a structure.

    Parameters
    ----------
    structure
        CIFTI's name without its prefix, such as `THALAMUS_LEFT`.
    voxels
        Indices i, j, k in the file's grid, in the order of the file, int32 of shape (n_points, 3).
    """

    structure: str
    voxels: np.ndarray

    @property
    def n_points(self) -> int:
        """The number of voxels."""
        return len(self.voxels)


@dataclass(frozen=True)
class Outline:
    """What tells whether the points of two spaces can be the same: their meshes, and the grid of their voxels.

    Parameters
    ----------
    meshes
        The structures with vertices, and the vertices of their meshes.
    volumes
        The structures with voxels.
    """

    meshes: tuple[tuple[str, int], ...]
    volumes: tuple[str, ...]
    grid: Grid | None


@dataclass(frozen=True, eq=False)
class Grayordinates:
    """Vertices and voxels of brain structures, the structures in the order of the file.

    A GIFTI file is one structure with all of its vertices. A point is the same in two files if its structure and its
    vertex are the same, or its structure and its place in mm.

    Parameters
    ----------
    grid
        The grid that the indices of voxels refer to; None without voxels.
    """

    models: tuple[SurfaceModel | VoxelModel, ...]
    grid: Grid | None = None

    @property
    def n_points(self) -> int:
        """The number of points."""
        return sum(model.n_points for model in self.models)

    @cached_property
    def checksum(self) -> str:
        """A checksum of everything that tells two spaces apart."""
        digest = hashlib.sha256(repr(self.grid).encode())
        for model in self.models:
            mesh, indices = _describe_model(model)
            digest.update(f"{model.structure} {mesh} {indices.shape}".encode())
            digest.update(np.ascontiguousarray(indices, dtype=np.int32).tobytes())
        return digest.hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Grayordinates) and self.checksum == other.checksum

    def __hash__(self) -> int:
        return hash(self.checksum)

    def to_volume(self, values: np.ndarray) -> None:
        """Return None: vertices do not lie in a volume."""

    @property
    def outline(self) -> Outline:
        """The structures, without their points."""
        meshes = [(model.structure, model.n_vertices) for model in self.models if isinstance(model, SurfaceModel)]
        volumes = [model.structure for model in self.models if isinstance(model, VoxelModel)]
        return Outline(tuple(meshes), tuple(volumes), self.grid)

    @property
    def point_noun(self) -> str:
        """What a point is called: vertex or voxel, grayordinate where there are both."""
        kinds = {type(model) for model in self.models}
        return {SurfaceModel: "vertex", VoxelModel: "voxel"}[kinds.pop()] if len(kinds) == 1 else "grayordinate"

    @property
    def points_noun(self) -> str:
        """What points are called: vertices or voxels, grayordinates where there are both."""
        return {"vertex": "vertices"}.get(self.point_noun, f"{self.point_noun}s")

    @property
    def structure_names(self) -> tuple[str, ...]:
        """The structures, in the order of the file."""
        return tuple(model.structure for model in self.models)

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """The position of the first point of each structure, and the number of points."""
        return tuple(np.cumsum([0, *(model.n_points for model in self.models)]).tolist())

    @cached_property
    def is_vertex(self) -> np.ndarray:
        """Which points are vertices, bool of shape (n_points,)."""
        kinds = [np.full(model.n_points, isinstance(model, SurfaceModel)) for model in self.models]
        return np.concatenate(kinds) if kinds else np.zeros(0, dtype=bool)

    @cached_property
    def structures(self) -> np.ndarray:
        """The position of each point's structure in `models`, of shape (n_points,)."""
        return np.repeat(np.arange(len(self.models)), [model.n_points for model in self.models])

    @cached_property
    def indices(self) -> np.ndarray:
        """Vertex, i, j and k of each point, -1 where it has none, int32 of shape (n_points, 4)."""
        parts = []
        for model in self.models:
            part = np.full((model.n_points, 4), -1, dtype=np.int32)
            if isinstance(model, SurfaceModel):
                part[:, 0] = model.vertices
            else:
                part[:, 1:] = model.voxels
            parts.append(part)
        return np.concatenate(parts) if parts else np.zeros((0, 4), dtype=np.int32)

    @cached_property
    def coordinates(self) -> np.ndarray:
        """The place of each voxel in mm, NaN for vertices, of shape (n_points, 3)."""
        places = np.full((self.n_points, 3), np.nan)
        if self.grid is not None:
            voxels = ~self.is_vertex
            places[voxels] = nib.affines.apply_affine(self.grid.matrix, self.indices[voxels, 1:])
        return places

    def restrict(self, is_kept: np.ndarray) -> Grayordinates:
        """Return the space of some of the points; structures that lose all of theirs are left out.

        Parameters
        ----------
        is_kept
            Bool of shape (n_points,).
        """
        parts = np.split(is_kept, self.starts[1:-1])
        kept = [(model, part) for model, part in zip(self.models, parts, strict=True) if part.any()]
        models = tuple(
            SurfaceModel(model.structure, model.n_vertices, model.vertices[part])
            if isinstance(model, SurfaceModel)
            else VoxelModel(model.structure, model.voxels[part])
            for model, part in kept
        )
        return Grayordinates(models, self.grid)

    def __getstate__(self) -> dict[str, object]:
        # What is computed on demand is not sent to workers, except the checksum.
        return {"models": self.models, "grid": self.grid, "checksum": self.checksum}


def _describe_model(model: SurfaceModel | VoxelModel) -> tuple[str, np.ndarray]:
    if isinstance(model, SurfaceModel):
        return f"{model.n_vertices} vertices", model.vertices
    return "voxels", model.voxels
