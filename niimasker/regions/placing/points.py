"""Find the points of an atlas or a mask among those of a run: by structure and vertex, or structure and place in mm."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from niimasker.errors import ImageError
from niimasker.inputs.grayordinates import ANY_STRUCTURE, Grayordinates, Outline, SurfaceModel, VoxelModel
from niimasker.inputs.spaces import Grid

# A voxel is the same in two files if its centres are closer than this, in voxels; affines are often rounded.
_TOLERANCE = 0.01

# The names that people know the densities of templates by.
_DENSITIES = {
    642: "fsaverage3",
    2562: "fsaverage4",
    10242: "fsaverage5",
    40962: "fsaverage6",
    163842: "fsaverage, or fsLR 164k",
    4002: "fsLR 4k",
    7842: "fsLR 8k",
    32492: "fsLR 32k",
    59292: "fsLR 59k",
}


def name_density(n_vertices: int) -> str:
    """Return the number of vertices of a mesh and, if it is a template's, the name of that."""
    known = _DENSITIES.get(n_vertices)
    return f"{n_vertices:,} vertices" + (f" ({known})" if known else "")


# A study has few pairs of atlas and space.
@lru_cache(maxsize=32)
def match_points(source: Grayordinates, target: Grayordinates) -> np.ndarray:
    """Return the position in `source` of each point of `target`, -1 where it has none, of shape (target.n_points,).

    Raises
    ------
    ImageError
        The spaces have other meshes or other grids of voxels, or no structure in common.
    """
    check_outlines(source.outline, target.outline)
    positions = np.full(target.n_points, -1, dtype=np.int64)
    for target_start, model in zip(target.starts[:-1], target.models, strict=True):
        here = positions[target_start : target_start + model.n_points]
        for source_start, other in zip(source.starts[:-1], source.models, strict=True):
            if not _are_alike(other, model):
                continue
            if isinstance(model, SurfaceModel) and isinstance(other, SurfaceModel):
                found = _match_vertices(other, model)
            elif isinstance(model, VoxelModel) and isinstance(other, VoxelModel):
                assert source.grid is not None
                assert target.grid is not None
                found = _match_voxels(other, source.grid, model, target.grid)
            np.copyto(here, source_start + found, where=found >= 0)
    return positions


def _are_alike(model: SurfaceModel | VoxelModel, other: SurfaceModel | VoxelModel) -> bool:
    """Return whether two models can have points in common."""
    if isinstance(model, VoxelModel) and isinstance(other, VoxelModel):
        # The voxels of parcels carry no structure.
        return model.structure == other.structure or ANY_STRUCTURE in (model.structure, other.structure)
    return type(model) is type(other) and model.structure == other.structure


def _match_vertices(source: SurfaceModel, target: SurfaceModel) -> np.ndarray:
    positions = np.full(source.n_vertices, -1, dtype=np.int64)
    positions[source.vertices] = np.arange(source.n_points)
    return np.asarray(positions[target.vertices])


def _match_voxels(source: VoxelModel, source_grid: Grid, target: VoxelModel, target_grid: Grid) -> np.ndarray:
    to_source = np.linalg.inv(source_grid.matrix) @ target_grid.matrix
    ijk = np.rint(target.voxels @ to_source[:3, :3].T + to_source[:3, 3]).astype(np.int64)
    in_grid = np.all((ijk >= 0) & (ijk < source_grid.shape), axis=1)
    positions = np.full(source_grid.n_points, -1, dtype=np.int64)
    positions[np.ravel_multi_index(tuple(source.voxels.T), source_grid.shape)] = np.arange(source.n_points)
    found = np.full(target.n_points, -1, dtype=np.int64)
    found[in_grid] = positions[np.ravel_multi_index(tuple(ijk[in_grid].T), source_grid.shape)]
    return found


def check_outlines(regions: Outline, image: Outline) -> None:
    """Raise ImageError if no point of an image can be one of the regions'.

    Raises
    ------
    ImageError
        A structure has another mesh, the voxels lie on another grid, or no structure is in both.
    """
    meshes = dict(image.meshes)
    for structure, n_vertices in regions.meshes:
        if meshes.get(structure, n_vertices) != n_vertices:
            raise ImageError(
                f"{structure} has {name_density(meshes[structure])} in the image and {name_density(n_vertices)} in "
                "the other; give files of the image's mesh, or resample them, as with wb_command -cifti-resample or "
                "-label-resample."
            )
    shares_voxels = _share_volumes(regions.volumes, image.volumes)
    shares_vertices = bool({*meshes} & {structure for structure, _ in regions.meshes})
    if shares_voxels and regions.grid is not None and image.grid is not None:
        _check_grids(regions.grid, image.grid)
    if not shares_voxels and not shares_vertices:
        raise ImageError(
            f"the image holds {_list_structures(image)}, the other {_list_structures(regions)}; they share none."
        )


def _share_volumes(volumes: Sequence[str], others: Sequence[str]) -> bool:
    if ANY_STRUCTURE in (*volumes, *others):
        return bool(volumes) and bool(others)
    return bool({*volumes} & {*others})


def _list_structures(outline: Outline) -> str:
    names = [structure for structure, _ in outline.meshes] + [name or "voxels" for name in outline.volumes]
    shown = ", ".join(names[:4])
    return f"{shown} and {len(names) - 4} more structures" if len(names) > 4 else shown or "no structure"


def _check_grids(regions: Grid, image: Grid) -> None:
    """Raise ImageError unless the voxels of two grids coincide, whatever the direction of their axes."""
    transform = np.linalg.inv(regions.matrix) @ image.matrix
    rounded = np.rint(transform)
    # Over the whole extent of the image, so that a small difference in size does not add up.
    corner = np.array([*(n - 1 for n in image.shape), 1])
    deviation = np.abs(transform - rounded) @ corner
    is_permutation = np.all(np.abs(rounded[:3, :3]).sum(axis=0) == 1) and np.all(
        np.abs(rounded[:3, :3]).sum(axis=1) == 1
    )
    if not is_permutation or deviation[:3].max() > _TOLERANCE:
        raise ImageError(
            f"the voxels of the image ({_describe_grid(image)}) and of the regions ({_describe_grid(regions)}) do not "
            "coincide; resample the regions to the image's, as with wb_command -cifti-resample."
        )


def _describe_grid(grid: Grid) -> str:
    sizes = " x ".join(f"{size:.4g}" for size in np.linalg.norm(grid.matrix[:3, :3], axis=0))
    origin = ", ".join(f"{value:.4g}" for value in grid.matrix[:3, 3])
    return f"{sizes} mm, the first at {origin} mm"
