"""Regions on surfaces and grayordinates: which points make a region, its size, and why it is empty."""

from __future__ import annotations

import numpy as np
import pytest

from niimasker.errors import ImageError
from niimasker.inputs.grayordinates import Grayordinates, SurfaceModel, VoxelModel
from niimasker.inputs.spaces import Grid
from niimasker.regions.definitions import Mask, PointLabels, PointMaps, PointMask, Regions
from niimasker.regions.placing.placement import place_regions
from niimasker.regions.placing.weights import NO_POINT_IN_MASK, NOT_IN_ATLAS, OK, OUTSIDE_IMAGE, restrict

GRID = Grid((3, 4, 5), ((2.0, 0, 0, 0), (0, 2.0, 0, 0), (0, 0, 2.0, 0), (0, 0, 0, 1)))
LEFT = SurfaceModel("CORTEX_LEFT", 8, np.arange(8, dtype=np.int32))
RIGHT = SurfaceModel("CORTEX_RIGHT", 8, np.array([0, 2, 4, 6], dtype=np.int32))
THALAMUS = VoxelModel("THALAMUS_LEFT", np.array([[0, 0, 0], [1, 2, 3]], dtype=np.int32))
SPACE = Grayordinates((LEFT, RIGHT, THALAMUS), GRID)
#        left: vertices 0 to 7      right      thalamus
LABELS = [*(1, 1, 0, 2, 2, 2, 0, 0), *(2, 0, 3, 3), *(5, 5)]


def make_regions(labels=LABELS, n=5, space=SPACE, *, as_voxels=False):
    definition = PointLabels(np.array(labels, dtype=np.int32), space)
    names = tuple(f"R{number}" for number in range(1, n + 1))
    return Regions(definition, tuple(range(1, n + 1)), names, np.full((n, 3), np.nan), "atlas", as_voxels=as_voxels)


def test_rows_are_means_of_the_points_with_a_label():
    weights = place_regions(make_regions(), SPACE, None)
    values = np.arange(14) ** 2.0
    expected = [values[:2].mean(), values[[3, 4, 5, 8]].mean(), values[[10, 11]].mean(), 0, values[[12, 13]].mean()]
    assert weights.matrix @ values == pytest.approx(expected)
    assert weights.n_points.tolist() == [2, 4, 2, 0, 2]
    assert weights.n_vertices.tolist() == [2, 4, 2, 0, 0]
    assert weights.structures == ("CORTEX_LEFT", "CORTEX_LEFT,CORTEX_RIGHT", "CORTEX_RIGHT", "", "THALAMUS_LEFT")
    assert weights.status == (OK, OK, OK, NOT_IN_ATLAS, OK)


def test_run_of_the_cortex_alone_leaves_subcortical_regions_empty():
    run = Grayordinates((RIGHT, LEFT))
    weights = place_regions(make_regions(), run, None)
    assert weights.status == (OK, OK, OK, NOT_IN_ATLAS, OUTSIDE_IMAGE)
    values = np.concatenate([np.arange(8, 12), np.arange(8)]) ** 2.0
    whole = place_regions(make_regions(), SPACE, None)
    assert (weights.matrix @ values)[:3] == pytest.approx((whole.matrix @ np.arange(14) ** 2.0)[:3])


def test_points_that_the_run_lacks_count_against_coverage():
    run = Grayordinates((SurfaceModel("CORTEX_LEFT", 8, np.array([0, 3], dtype=np.int32)),))
    weights = place_regions(make_regions(), run, None)
    assert weights.extent.tolist() == [2, 4, 2, 0, 2]
    assert weights.extent_inside.tolist() == [1, 1, 0, 0, 0]


def test_mask_restricts_regions_by_vertex_not_by_position():
    inside = np.array([True, False, True, True])
    mask = PointMask(inside, Grayordinates((SurfaceModel("CORTEX_LEFT", 8, np.array([4, 3, 0, 7])),)), "mask")
    weights = place_regions(make_regions(), SPACE, mask)
    assert weights.status == (OK, OK, NO_POINT_IN_MASK, NOT_IN_ATLAS, NO_POINT_IN_MASK)
    assert weights.matrix.toarray()[0].tolist() == [1.0] + [0.0] * 13
    assert np.flatnonzero(weights.matrix.toarray()[1]).tolist() == [4]
    assert weights.n_points.tolist() == [2, 4, 2, 0, 2]


def test_single_points_are_in_the_order_of_the_atlas_whatever_that_of_the_run():
    regions = make_regions(as_voxels=True)
    columns = {}
    for name, space in {"same": SPACE, "other": Grayordinates((THALAMUS, RIGHT, LEFT), GRID)}.items():
        weights = place_regions(regions, space, None)
        places = weights.single_points.places
        columns[name] = list(zip(weights.names, places["structure"], places["vertex"], places["k"], strict=True))
    assert columns["same"] == columns["other"]
    assert columns["same"][2] == ("R2 grayordinate 0", "CORTEX_LEFT", 3, -1)
    assert columns["same"][-1] == ("R5 grayordinate 1", "THALAMUS_LEFT", -1, 3)


def test_single_vertices_of_surfaces_are_called_vertices():
    space = Grayordinates((LEFT,))
    weights = place_regions(make_regions([0, 1, 1, 0, 0, 0, 0, 1], 1, space, as_voxels=True), space, None)
    assert weights.names == ("vertex 0", "vertex 1", "vertex 2")


def make_maps(values, *, are_weights=False):
    n = values.shape[1]
    definition = PointMaps(values, SPACE, are_weights)
    return Regions(definition, tuple(range(1, n + 1)), tuple("ABC"[:n]), np.full((n, 3), np.nan), "maps")


def test_maps_keep_their_values_and_weights_sum_to_one():
    generator = np.random.default_rng(0)
    values = generator.uniform(0.1, 1, (14, 2))
    maps = place_regions(make_maps(values), SPACE, None)
    assert maps.kind == "maps"
    assert maps.matrix.toarray() == pytest.approx(values.T)
    weights = place_regions(make_maps(values[:, :1], are_weights=True), SPACE, None)
    assert weights.kind == "weights"
    assert weights.matrix.toarray()[0] == pytest.approx(values[:, 0] / values[:, 0].sum())


def test_weights_restricted_to_valid_points_sum_to_one_again():
    values = np.arange(1.0, 15)[:, None]
    weights = place_regions(make_maps(values, are_weights=True), SPACE, None)
    is_used = np.arange(14) < 4
    restricted = restrict(weights, is_used)
    assert restricted.matrix.toarray()[0, :4] == pytest.approx(np.arange(1.0, 5) / 10)


def test_regions_or_masks_in_a_volume_are_refused():
    voxel_mask = Mask(np.ones(GRID.shape, dtype=bool), GRID)
    with pytest.raises(ImageError, match="--mask_img is a volume"):
        place_regions(make_regions(), SPACE, voxel_mask)
    with pytest.raises(ImageError, match="an image in a volume, but atlas is on surfaces"):
        place_regions(make_regions(), GRID, None)
