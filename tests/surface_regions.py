"""Regions on vertices and voxels, as their weights, without files."""

from __future__ import annotations

import dataclasses

import numpy as np
from images import OBLIQUE, SHAPE
from placing import make_grid

from niimasker.inputs.grayordinates import Grayordinates, SurfaceModel, VoxelModel
from niimasker.regions.definitions import PointLabels, Regions
from niimasker.regions.placing.weights import OK, OUTSIDE_IMAGE, RegionWeights, SinglePoints, make_matrix

N_VERTICES = 12
# In an order of no program, and with gaps in the vertices of both hemispheres.
SPACE = Grayordinates(
    (
        SurfaceModel("CORTEX_RIGHT", N_VERTICES, np.array([1, 3, 4, 6, 7, 11], dtype=np.int32)),
        VoxelModel("THALAMUS_LEFT", np.array([[1, 2, 3], [2, 2, 3], [3, 2, 3]], dtype=np.int32)),
        SurfaceModel("CORTEX_LEFT", N_VERTICES, np.array([0, 1, 2, 4, 5, 7, 8, 9], dtype=np.int32)),
        VoxelModel("BRAIN_STEM", np.array([[4, 5, 6], [4, 5, 7]], dtype=np.int32)),
    ),
    make_grid(SHAPE, OBLIQUE),
)
# The points of each region: vertices 1 and 4 on the left, 3 and 11 on the right, two voxels, a vertex and a voxel.
POINTS = {"L_V1": [12, 10], "R_V1": [5, 1], "Stem": [17, 18], "Gone": [], "Mixed": [14, 7]}
NAMES = tuple(POINTS)
# Of both hemispheres, V1 has the same key.
INDICES = (1, 1, 2, 3, 4)
STRUCTURES = ("CORTEX_LEFT", "CORTEX_RIGHT", "BRAIN_STEM", "CORTEX_LEFT", "THALAMUS_LEFT,CORTEX_LEFT")


def make_weights(space: Grayordinates = SPACE, names: tuple[str, ...] = NAMES) -> RegionWeights:
    """Return the weights of the regions on a space that begins as `SPACE` does."""
    points = [np.array([point for point in POINTS[name] if point < space.n_points], dtype=int) for name in names]
    rows = np.repeat(np.arange(len(points)), [len(each) for each in points])
    columns = np.concatenate(points)
    n_points = np.bincount(rows, minlength=len(points))
    positions = [NAMES.index(name) for name in names]
    return RegionWeights(
        space,
        "labels",
        tuple(INDICES[position] for position in positions),
        names,
        np.array([space.coordinates[each].mean(axis=0) if len(each) else [np.nan] * 3 for each in points]),
        make_matrix(rows, columns, 1.0 / n_points[rows], (len(points), space.n_points)),
        n_points,
        extent=np.maximum(n_points, 1).astype(float),
        extent_inside=n_points.astype(float),
        status=tuple(OK if n else OUTSIDE_IMAGE for n in n_points.tolist()),
        n_vertices=np.bincount(rows, space.is_vertex[columns], minlength=len(points)).astype(int),
        structures=tuple(STRUCTURES[position] for position in positions),
    )


def make_regions(names: tuple[str, ...] = NAMES) -> Regions:
    """Return the regions as an atlas defines them, all of whose points are those of `SPACE`."""
    labels = np.zeros(SPACE.n_points, dtype=np.int32)
    for number, name in enumerate(names, start=1):
        labels[POINTS[name]] = number
    indices = tuple(INDICES[NAMES.index(name)] for name in names)
    return Regions(PointLabels(labels, SPACE), indices, names, np.full((len(names), 3), np.nan), "a.dlabel.nii")


def split_into_points(weights: RegionWeights) -> RegionWeights:
    """Return weights with one row per point of the regions."""
    space = weights.space
    rows, points = weights.matrix.tocoo().coords
    n_columns = len(points)
    structures = np.array([model.structure for model in space.models], dtype=object)[space.structures[points]]
    places = {"structure": structures, **dict(zip(("vertex", "i", "j", "k"), space.indices[points].T, strict=True))}
    return dataclasses.replace(
        weights,
        kind="voxels",
        indices=tuple(range(n_columns)),
        names=tuple(f"{weights.names[row]} grayordinate {point}" for row, point in zip(rows, points, strict=True)),
        centres=space.coordinates[points],
        matrix=make_matrix(np.arange(n_columns), points, np.ones(n_columns), (n_columns, space.n_points)),
        n_points=np.ones(n_columns, dtype=int),
        extent=np.ones(n_columns),
        extent_inside=np.ones(n_columns),
        status=(OK,) * n_columns,
        single_points=SinglePoints(rows, places, weights),
        n_vertices=space.is_vertex[points].astype(int),
        structures=tuple(structures.tolist()),
    )
