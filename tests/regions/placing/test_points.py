"""The same point in two files: structure and vertex, or structure and place in mm, never the position in the file."""

from __future__ import annotations

import numpy as np
import pytest

from niimasker.errors import ImageError
from niimasker.inputs.grayordinates import Grayordinates, SurfaceModel, VoxelModel
from niimasker.inputs.spaces import Grid
from niimasker.regions.placing.points import check_outlines, match_points

LEFT, RIGHT = "CORTEX_LEFT", "CORTEX_RIGHT"
SHAPE = (5, 6, 7)
RAS = ((2.0, 0, 0, -4), (0, 2.0, 0, -6), (0, 0, 2.0, -8), (0, 0, 0, 1))
LAS = ((-2.0, 0, 0, 4), (0, 2.0, 0, -6), (0, 0, 2.0, -8), (0, 0, 0, 1))


def surface(structure, vertices, n_vertices=12):
    return SurfaceModel(structure, n_vertices, np.array(vertices, dtype=np.int32))


def voxels(structure, ijk):
    return VoxelModel(structure, np.array(ijk, dtype=np.int32))


def grid(affine=RAS, shape=SHAPE):
    return Grid(shape, affine)


def test_vertices_are_found_by_number_in_any_order():
    atlas = Grayordinates((surface(LEFT, [9, 3, 5]), surface(RIGHT, [0, 1])))
    run = Grayordinates((surface(RIGHT, [1, 2, 0]), surface(LEFT, [3, 4, 5, 9])))
    assert match_points(atlas, run).tolist() == [4, -1, 3, 1, -1, 2, 0]


def test_structures_that_only_one_has_are_not_found():
    atlas = Grayordinates((surface(LEFT, [0, 1]),))
    run = Grayordinates((surface(LEFT, [1]), surface(RIGHT, [0, 1])))
    assert match_points(atlas, run).tolist() == [1, -1, -1]


def test_voxels_are_found_by_place_whatever_the_direction_of_the_axes():
    ijk = [(0, 1, 2), (4, 5, 6), (2, 3, 4)]
    flipped = [(4 - i, j, k) for i, j, k in reversed(ijk)]
    atlas = Grayordinates((voxels("THALAMUS_LEFT", ijk),), grid())
    run = Grayordinates((voxels("THALAMUS_LEFT", flipped),), grid(LAS))
    assert match_points(atlas, run).tolist() == [2, 1, 0]


def test_voxels_of_a_larger_grid_are_found():
    shifted = (*((*row[:3], row[3] - 2) for row in RAS[:3]), RAS[3])
    atlas = Grayordinates((voxels("PUTAMEN_LEFT", [(0, 0, 0), (4, 5, 6)]),), grid())
    run = Grayordinates((voxels("PUTAMEN_LEFT", [(1, 1, 1), (5, 6, 7), (0, 0, 0)]),), grid(shifted, (7, 8, 9)))
    assert match_points(atlas, run).tolist() == [0, 1, -1]


def test_a_voxel_of_another_structure_is_another_point():
    atlas = Grayordinates((voxels("THALAMUS_LEFT", [(1, 1, 1)]), voxels("PUTAMEN_LEFT", [(2, 2, 2)])), grid())
    run = Grayordinates((voxels("PUTAMEN_LEFT", [(1, 1, 1), (2, 2, 2)]),), grid())
    assert match_points(atlas, run).tolist() == [-1, 1]


def test_a_structure_may_have_vertices_and_voxels():
    atlas = Grayordinates((surface(LEFT, [4]), voxels(LEFT, [(0, 0, 0)])), grid())
    run = Grayordinates((voxels(LEFT, [(0, 0, 0)]), surface(LEFT, [4])), grid())
    assert match_points(atlas, run).tolist() == [1, 0]


def test_other_meshes_are_named_with_their_densities():
    atlas = Grayordinates((surface(LEFT, [0], 32492),))
    run = Grayordinates((surface(LEFT, [0], 10242),))
    with pytest.raises(ImageError, match=r"10,242 vertices \(fsaverage5\).* 32,492 vertices \(fsLR 32k\)"):
        match_points(atlas, run)


@pytest.mark.parametrize(
    "affine",
    [
        ((3.0, 0, 0, -4), (0, 3.0, 0, -6), (0, 0, 3.0, -8), (0, 0, 0, 1)),
        ((2.0, 0, 0, -5), (0, 2.0, 0, -6), (0, 0, 2.0, -8), (0, 0, 0, 1)),
        ((2.01, 0, 0, -4), (0, 2.01, 0, -6), (0, 0, 2.01, -8), (0, 0, 0, 1)),
        ((2.0, 0.2, 0, -4), (0, 2.0, 0, -6), (0, 0, 2.0, -8), (0, 0, 0, 1)),
    ],
    ids=["larger", "half a voxel aside", "a little larger", "oblique"],
)
def test_voxels_that_do_not_coincide_are_named_with_both_spacings(affine):
    atlas = Grayordinates((voxels("THALAMUS_LEFT", [(0, 0, 0)]),), grid())
    run = Grayordinates((voxels("THALAMUS_LEFT", [(0, 0, 0)]),), grid(affine))
    with pytest.raises(ImageError, match=r"2 x 2 x 2 mm.* do not coincide"):
        match_points(atlas, run)


def test_affines_that_differ_by_rounding_coincide():
    rounded = (*(tuple(float(np.float32(value) + 1e-5) for value in row) for row in RAS[:3]), RAS[3])
    atlas = Grayordinates((voxels("THALAMUS_LEFT", [(4, 5, 6)]),), grid())
    run = Grayordinates((voxels("THALAMUS_LEFT", [(4, 5, 6)]),), grid(rounded))
    assert match_points(atlas, run).tolist() == [0]


def test_no_structure_in_common_is_told():
    atlas = Grayordinates((surface(LEFT, [0]),))
    run = Grayordinates((surface(RIGHT, [0]),))
    with pytest.raises(ImageError, match="the image holds CORTEX_RIGHT, the other CORTEX_LEFT"):
        check_outlines(atlas.outline, run.outline)


def test_other_grids_do_not_matter_where_no_voxels_are_shared():
    atlas = Grayordinates((surface(LEFT, [0]), voxels("THALAMUS_LEFT", [(0, 0, 0)])), grid())
    run = Grayordinates((surface(LEFT, [0]), voxels("PUTAMEN_LEFT", [(0, 0, 0)])), grid(LAS, (3, 3, 3)))
    assert match_points(atlas, run).tolist() == [0, -1]
