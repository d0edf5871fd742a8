"""What the pictures of an atlas show: its regions in a volume, on the cortex, or on both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from niimasker.errors import count
from niimasker.inputs.grayordinates import Grayordinates, SurfaceModel
from niimasker.inputs.hemispheres import SIDE_NAMES, SideName
from niimasker.inputs.spaces import Grid, Volume
from niimasker.inputs.structures import CORTEX_SIDES
from niimasker.inputs.surfaces.meshes import CortexMesh, Meshes
from niimasker.regions.placing.label_volumes import label_points
from niimasker.regions.placing.weights import OK, RegionWeights

# Below this percentile, voxels may have no signal although the run's mean is an image of the brain.
_LOW_PERCENTILE = 10

# The meshes with so many vertices that TemplateFlow has for one template only.
_TEMPLATE_FILES = {
    32_492: "TemplateFlow's tpl-fsLR_den-32k_hemi-L_midthickness.surf.gii",
    40_962: "TemplateFlow's tpl-fsaverage_hemi-L_den-41k_pial.surf.gii",
}


@dataclass(frozen=True, eq=False)
class VolumePicture:
    """Regions in a volume.

    Parameters
    ----------
    background
        The mean image, or 1 where the run has voxels and 0 elsewhere.
    background_name
        What it is, in words.
    labels
        On the same grid: the position of each voxel's region, counted from 1, and 0 for none.
    """

    background: Volume
    background_name: str
    labels: Volume


@dataclass(frozen=True, eq=False)
class Hemisphere:
    """Regions on the surface of a hemisphere.

    Parameters
    ----------
    labels
        The position of each vertex's region, counted from 1, and 0 for none, of shape (n_vertices,).
    has_data
        Whether the run has a signal at each vertex; it has none at the medial wall.
    """

    side: SideName
    mesh: CortexMesh
    labels: np.ndarray
    has_data: np.ndarray


@dataclass(frozen=True, eq=False)
class CortexPicture:
    """Regions on the surface of the cortex, and in the voxels that the run may also have.

    Parameters
    ----------
    hemispheres
        The hemispheres with a mesh.
    surface, source
        The surface that is drawn, such as inflated, and where its mesh is from.
    without_mesh
        The numbers of vertices of the hemispheres that cannot be drawn.
    voxels
        The regions in voxels; None if the run has none.
    """

    hemispheres: tuple[Hemisphere, ...]
    surface: str
    source: str
    without_mesh: tuple[int, ...]
    voxels: VolumePicture | None


Picture = VolumePicture | CortexPicture


def make_picture(weights: RegionWeights, mean: np.ndarray | None, meshes: Meshes | None) -> Picture | None:
    """Return what a picture of regions shows, None if there is nothing to draw them on.

    Parameters
    ----------
    mean
        The mean of each point over time, of shape (n_points,); None if it is not known.
    meshes
        The meshes of the run's cortices; None if there are none.
    """
    labels, space = label_points(weights), weights.space
    if isinstance(space, Grayordinates):
        return _make_cortex_picture(space, labels, mean, meshes)
    volume = space.to_volume(labels)
    background = None if mean is None else space.to_volume(mean)
    if volume is None or background is None:
        return None
    return VolumePicture(background, "the mean functional image", volume)


def _make_cortex_picture(
    space: Grayordinates, labels: np.ndarray, mean: np.ndarray | None, meshes: Meshes | None
) -> CortexPicture:
    is_varied = np.ones(space.n_points, dtype=bool) if mean is None else np.isfinite(mean) & (mean != 0)
    hemispheres, without_mesh = [], []
    for model, start in zip(space.models, space.starts, strict=False):
        if not isinstance(model, SurfaceModel) or model.structure not in CORTEX_SIDES:
            continue
        mesh = None if meshes is None else meshes.find(model.structure)
        if mesh is None:
            without_mesh.append(model.n_vertices)
            continue
        points = slice(start, start + model.n_points)
        hemispheres.append(
            Hemisphere(
                SIDE_NAMES[CORTEX_SIDES[model.structure]],
                mesh,
                _spread_over_mesh(model, labels[points], mesh.drawn.n_vertices),
                _spread_over_mesh(model, is_varied[points], mesh.drawn.n_vertices),
            )
        )
    return CortexPicture(
        tuple(sorted(hemispheres, key=lambda hemisphere: hemisphere.side)),
        surface="" if meshes is None else meshes.drawn_kind,
        source="" if meshes is None else meshes.source,
        without_mesh=tuple(without_mesh),
        voxels=_make_voxels_picture(space, labels, mean),
    )


def _spread_over_mesh(model: SurfaceModel, values: np.ndarray, n_drawn: int) -> np.ndarray:
    """Return the values of the drawn vertices of a mesh, 0 where the run has none."""
    spread = np.zeros(model.n_vertices, dtype=values.dtype)
    spread[model.vertices] = values
    return spread[:n_drawn]


def _make_voxels_picture(space: Grayordinates, labels: np.ndarray, mean: np.ndarray | None) -> VolumePicture | None:
    is_voxel = ~space.is_vertex
    if space.grid is None or not labels[is_voxel].any():
        return None
    # Around 0, as after a high-pass filter, a mean is noise.
    shows_mean = mean is not None and np.percentile(np.nan_to_num(mean[is_voxel]), _LOW_PERCENTILE) > 0
    shown = mean if mean is not None and shows_mean else np.ones(space.n_points)
    return VolumePicture(
        _fill_grid(space.grid, space.indices[is_voxel, 1:], np.nan_to_num(shown[is_voxel])),
        "the run's mean in its voxels" if shows_mean else "the run's voxels",
        _fill_grid(space.grid, space.indices[is_voxel, 1:], labels[is_voxel]),
    )


def _fill_grid(grid: Grid, voxels: np.ndarray, values: np.ndarray) -> Volume:
    """Return values of some voxels, given by their indices i, j and k, as a volume that is 0 elsewhere."""
    volume = np.zeros(grid.shape, dtype=values.dtype)
    volume[tuple(voxels.T)] = values
    return Volume(volume, grid.matrix)


def explain_missing_mesh(picture: CortexPicture) -> str:
    """Return why some hemispheres are not drawn, and how they would be."""
    n_vertices = max(picture.without_mesh)
    named = _TEMPLATE_FILES.get(n_vertices, "a mesh of its space, named like sub-01_hemi-L_midthickness.surf.gii,")
    missing = "the cortex" if not picture.hemispheres else "one hemisphere"
    return (
        f"The regions on {missing} are not drawn, because no mesh of {n_vertices:,} vertices was found; to see them, "
        f"put {named} and the same file of hemi-R beside the image or the atlas."
    )


def count_shown(labels: np.ndarray, status: Sequence[str]) -> str:
    """Return how many regions a picture shows, and how many of these have no signal.

    Parameters
    ----------
    labels
        The regions of the picture, counted from 1; 0 for none.
    status
        One per region, as in regions.tsv.
    """
    shown = np.unique(labels[labels > 0])
    n_without = sum(status[label - 1] != OK for label in shown)
    without = f", {n_without} of them without a signal," if n_without else ""
    return f"{len(shown)} of {count(len(status), 'region')} in colour{without}"
