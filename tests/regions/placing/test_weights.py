"""Which voxels a region has on an image's grid, and what each weighs."""

from __future__ import annotations

import warnings

import nibabel as nib
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from images import LAS, OBLIQUE, RAS, SHAPE, make_labels
from nilearn.maskers import NiftiMasker, NiftiSpheresMasker
from placing import flat, make_grid, make_maps, make_mask, make_parcels, make_seeds

from niimasker.errors import RegionsError
from niimasker.regions.placing.placement import place_regions
from niimasker.regions.placing.weights import LOST_IN_RESAMPLING, OK, OUTSIDE_IMAGE, OUTSIDE_MASK, check_overlap

LABELS = make_labels((1, 2, 5))
GRID = make_grid(SHAPE, OBLIQUE)


def dense(weights):
    return weights.matrix.toarray()


def voxel_indices(weights):
    return np.stack([weights.single_points.places[axis] for axis in "ijk"], axis=1)


def shifted(affine, *voxels):
    """Return the affine of a grid whose first voxel is this one."""
    moved = affine.copy()
    moved[:3, 3] = nib.affines.apply_affine(affine, voxels)
    return moved


class TestLabels:
    def test_each_voxel_of_a_region_weighs_one_nth(self):
        weights = place_regions(make_parcels(LABELS, OBLIQUE), GRID, None)
        for row, index in zip(dense(weights), (1, 2, 5), strict=True):
            np.testing.assert_array_equal(row, flat(np.where(index == LABELS, 1 / 70, 0)))

    def test_voxels_are_counted_with_the_first_axis_fastest(self):
        labels = np.zeros(SHAPE, dtype=np.int16)
        labels[1, 2, 3] = 4
        weights = place_regions(make_parcels(labels, OBLIQUE), GRID, None)
        assert weights.matrix.indices.tolist() == [1 + 7 * (2 + 8 * 3)]

    @given(st.integers(0, 2**16), st.booleans())
    @settings(deadline=None, max_examples=30)
    def test_rows_hold_the_mean_of_any_labels_in_any_mask(self, seed, masked):
        rng = np.random.default_rng(seed)
        labels, volume = rng.choice([0, 3, 4, 90], SHAPE), rng.normal(size=SHAPE)
        inside = rng.random(SHAPE) < 0.5
        mask = make_mask(inside, OBLIQUE) if masked else None
        weights = place_regions(make_parcels(labels, OBLIQUE), GRID, mask)
        expected = [volume[(labels == index) & (inside | (not masked))].mean() for index in (3, 4, 90)]
        np.testing.assert_allclose(weights.matrix @ flat(volume), expected, rtol=0, atol=1e-14)
        assert weights.n_points.tolist() == [np.count_nonzero(labels == index) for index in (3, 4, 90)]

    def test_members_are_the_voxels_of_each_region(self):
        members = place_regions(make_parcels(LABELS, OBLIQUE), GRID, None).members.toarray()
        np.testing.assert_array_equal(members, [flat(index == LABELS) for index in (1, 2, 5)])

    def test_grid_that_begins_elsewhere_moves_the_labels(self):
        grid = make_grid((5, 6, 7), shifted(OBLIQUE, 2, 1, 0))
        weights = place_regions(make_parcels(LABELS, OBLIQUE), grid, None)
        members = weights.members.toarray().astype(bool)
        np.testing.assert_array_equal(members, [flat(LABELS[2:, 1:7, :7] == index) for index in (1, 2, 5)])

    def test_grid_mirrored_to_las_holds_the_same_regions(self):
        flipped = RAS @ np.diag([-1.0, 1, 1, 1])
        flipped[:3, 3] = nib.affines.apply_affine(RAS, [6, 0, 0])
        weights = place_regions(make_parcels(LABELS, RAS), make_grid(SHAPE, flipped), None)
        members = weights.members.toarray().astype(bool)
        np.testing.assert_array_equal(members, [flat(LABELS[::-1] == index) for index in (1, 2, 5)])

    def test_mask_on_another_grid_is_resampled(self):
        mask = make_mask(np.ones((3, 8, 9)), shifted(RAS, 2, 0, 0))
        weights = place_regions(make_parcels(LABELS, RAS), make_grid(SHAPE, RAS), mask)
        inside = np.zeros(SHAPE, dtype=bool)
        inside[2:5] = True
        members = weights.members.toarray().astype(bool)
        np.testing.assert_array_equal(members, [flat((index == LABELS) & inside) for index in (1, 2, 5)])


class TestMaps:
    MAPS = np.random.default_rng(0).random((*SHAPE, 3)) * (np.random.default_rng(1).random((*SHAPE, 3)) < 0.4)

    def test_rows_hold_the_maps(self):
        weights = place_regions(make_maps(self.MAPS, OBLIQUE), GRID, None)
        np.testing.assert_array_equal(dense(weights), flat(self.MAPS).T)
        assert weights.n_points.tolist() == np.count_nonzero(flat(self.MAPS), axis=0).tolist()

    def test_mask_empties_voxels(self):
        inside = np.random.default_rng(2).random(SHAPE) < 0.5
        weights = place_regions(make_maps(self.MAPS, OBLIQUE), GRID, make_mask(inside, OBLIQUE))
        np.testing.assert_array_equal(dense(weights), flat(self.MAPS * inside[..., None]).T)
        assert weights.n_points.tolist() == np.count_nonzero(flat(self.MAPS), axis=0).tolist()

    def test_maps_are_resampled_linearly(self):
        halfway = make_grid((6, 8, 9), shifted(RAS, 0.5, 0, 0))
        weights = place_regions(make_maps(self.MAPS, RAS), halfway, None)
        expected = (self.MAPS[:-1] + self.MAPS[1:]) / 2
        np.testing.assert_allclose(dense(weights), flat(expected).T, rtol=0, atol=1e-12)


class TestStatus:
    def place(self, labels, grid=GRID, inside=None):
        mask = None if inside is None else make_mask(inside, OBLIQUE)
        return place_regions(make_parcels(labels, OBLIQUE), grid, mask)

    def test_regions_with_voxels_are_ok(self):
        weights = self.place(LABELS)
        assert weights.status == (OK, OK, OK)
        assert weights.filled.tolist() == [True, True, True]

    def test_region_beyond_the_image_is_outside_of_it(self):
        weights = self.place(LABELS, make_grid((7, 5, 9), OBLIQUE))
        assert weights.status == (OK, OK, OUTSIDE_IMAGE)
        assert weights.filled.tolist() == [True, True, False]
        assert weights.n_points.tolist() == [70, 70, 0]

    def test_all_regions_of_an_image_far_away_are_outside(self):
        weights = self.place(LABELS, make_grid(SHAPE, shifted(OBLIQUE, 100, 0, 0)))
        assert weights.status == (OUTSIDE_IMAGE,) * 3
        assert weights.matrix.nnz == 0

    def test_region_between_the_voxels_of_a_coarse_grid_is_lost_in_resampling(self):
        labels = LABELS.copy()
        labels[3, 0, 3] = 9  # Between even voxels, of which the coarse grid is made.
        coarse = make_grid((4, 4, 5), OBLIQUE @ np.diag([2.0, 2, 2, 1]))
        weights = place_regions(make_parcels(labels, OBLIQUE), coarse, None)
        assert weights.status == (OK, OK, OK, LOST_IN_RESAMPLING)

    def test_region_without_a_voxel_in_the_mask_is_outside_of_it(self):
        weights = self.place(LABELS, inside=LABELS != 2)
        assert weights.status == (OK, OUTSIDE_MASK, OK)
        assert weights.n_points.tolist() == [70, 70, 70]

    def test_region_beyond_the_image_is_not_blamed_on_the_mask(self):
        weights = self.place(LABELS, make_grid((7, 5, 9), OBLIQUE), LABELS == 1)
        assert weights.status == (OK, OUTSIDE_MASK, OUTSIDE_IMAGE)

    def test_mask_that_does_not_meet_the_image_leaves_no_region(self):
        mask = make_mask(np.ones(SHAPE), shifted(OBLIQUE, 50, 0, 0))
        weights = place_regions(make_parcels(LABELS, OBLIQUE), GRID, mask)
        assert weights.status == (OUTSIDE_MASK,) * 3

    def test_map_beyond_the_image_is_outside_of_it(self):
        maps = np.stack([LABELS == 1, LABELS == 5], axis=-1).astype(float)
        weights = place_regions(make_maps(maps, OBLIQUE), make_grid((7, 4, 9), OBLIQUE), None)
        assert weights.status == (OK, OUTSIDE_IMAGE)

    def test_map_without_a_voxel_in_the_mask_is_outside_of_it(self):
        maps = np.stack([LABELS == 1, LABELS == 5], axis=-1).astype(float)
        weights = place_regions(make_maps(maps, OBLIQUE), GRID, make_mask(LABELS == 5, OBLIQUE))
        assert weights.status == (OUTSIDE_MASK, OK)

    def test_seeds_have_their_status_too(self):
        centres = nib.affines.apply_affine(OBLIQUE, [[3, 3, 4], [40, 3, 4], [1, 1, 1]])
        inside = np.zeros(SHAPE, dtype=bool)
        inside[3, 3, 4] = True
        weights = place_regions(make_seeds(centres, 1.0), GRID, make_mask(inside, OBLIQUE))
        assert weights.status == (OK, OUTSIDE_IMAGE, OUTSIDE_MASK)


class TestVoxels:
    MASK = np.random.default_rng(0).random(SHAPE) < 0.1

    def test_voxels_of_a_mask_come_in_the_order_of_nilearn(self):
        weights = place_regions(make_parcels(self.MASK, OBLIQUE, as_voxels=True), GRID, None)
        numbers = np.arange(self.MASK.size, dtype=np.float64).reshape(SHAPE)
        masker = NiftiMasker(nib.Nifti1Image(self.MASK.astype(np.uint8), OBLIQUE), reports=False, standardize=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Of defaults to come.
            expected = masker.fit_transform(nib.Nifti1Image(numbers[..., None], OBLIQUE))
        np.testing.assert_array_equal(weights.matrix @ flat(numbers), expected[0])

    def test_voxels_of_a_mask_are_numbered(self):
        weights = place_regions(make_parcels(self.MASK, OBLIQUE, as_voxels=True), GRID, None)
        n = np.count_nonzero(self.MASK)
        assert weights.names == tuple(f"voxel {number}" for number in range(n))
        assert (weights.indices, weights.kind) == (tuple(range(n)), "voxels")
        assert weights.single_points.rows.tolist() == [0] * n

    def test_voxels_know_where_they_are(self):
        weights = place_regions(make_parcels(self.MASK, OBLIQUE, as_voxels=True), GRID, None)
        np.testing.assert_array_equal(voxel_indices(weights), np.argwhere(self.MASK))
        np.testing.assert_allclose(weights.centres, nib.affines.apply_affine(OBLIQUE, np.argwhere(self.MASK)))

    def test_voxels_of_a_parcellation_are_numbered_region_by_region(self):
        labels = np.zeros(SHAPE, dtype=np.int16)
        labels[2, 3, 4:7] = 8
        labels[1, 1, 1], labels[6, 0, 0], labels[0, 7, 2] = 3, 3, 3
        weights = place_regions(make_parcels(labels, OBLIQUE, as_voxels=True), GRID, None)
        assert weights.names == tuple(f"roi {index} voxel {number}" for index in (3, 8) for number in range(3))
        assert voxel_indices(weights).tolist() == [[0, 7, 2], [1, 1, 1], [6, 0, 0], [2, 3, 4], [2, 3, 5], [2, 3, 6]]
        assert weights.single_points.rows.tolist() == [0, 0, 0, 1, 1, 1]
        np.testing.assert_array_equal(dense(weights) @ flat(labels), [3, 3, 3, 8, 8, 8])

    def test_regions_as_a_whole_are_those_without_the_option(self):
        weights = place_regions(make_parcels(LABELS, OBLIQUE, as_voxels=True), GRID, None)
        whole = place_regions(make_parcels(LABELS, OBLIQUE), GRID, None)
        assert weights.whole_regions.names == whole.whole_regions.names == ("roi 1", "roi 2", "roi 5")
        np.testing.assert_array_equal(dense(weights.whole_regions), dense(whole))

    def test_mask_leaves_out_columns_and_regions_say_why(self):
        regions = make_parcels(LABELS, OBLIQUE, as_voxels=True)
        weights = place_regions(regions, GRID, make_mask(LABELS == 2, OBLIQUE))
        assert weights.names == tuple(f"roi 2 voxel {number}" for number in range(70))
        assert weights.whole_regions.status == (OUTSIDE_MASK, OK, OUTSIDE_MASK)
        assert (set(weights.status), weights.n_points.tolist()) == ({OK}, [1] * 70)


def brute_force(centre, radius, grid):
    """Return a sphere by the written definition, looking at every voxel of the grid.

    A voxel is in it when its centre is within the radius; where there is none, and without a radius, it is the voxel
    that holds the sphere's centre; where the image has none, nothing.
    """
    ijk = np.indices(grid.shape).reshape(3, -1).T
    distances = np.linalg.norm(ijk @ grid.matrix[:3, :3].T + grid.matrix[:3, 3] - centre, axis=1)
    inside = np.zeros(grid.shape, dtype=bool)
    if radius is not None:
        # What is inside or not by the last digit is another test's.
        assume(np.abs(distances - radius).min() > 1e-6)
        inside.flat[distances < radius] = True
    if not inside.any():
        place = np.linalg.solve(grid.matrix[:3, :3], centre - grid.matrix[:3, 3])
        assume(np.abs(place - np.floor(place) - 0.5).min() > 1e-6)
        nearest = np.round(place).astype(int)
        if np.all((nearest >= 0) & (nearest < grid.shape)):
            inside[tuple(nearest)] = True
    return inside


FRACTIONAL = np.array([[0.7, 0, 0, -2.35], [0, 0.7, 0, 1.1], [0, 0, 0.7, -0.45], [0, 0, 0, 1]])
ROTATED = np.eye(4)
ROTATED[:3, :3] = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0] * [2.0, 2.0, 3.5]
AFFINES = {"RAS": RAS, "LAS": LAS, "FRACTIONAL": FRACTIONAL, "OBLIQUE": OBLIQUE, "ROTATED": ROTATED}


def sphere_of(centre, radius, grid):
    """Return the voxels of one sphere as a volume."""
    weights = place_regions(make_seeds([centre], radius), grid, None)
    return weights.members.toarray()[0].astype(bool).reshape(grid.shape, order="F")


class TestSpheres:
    @pytest.mark.parametrize("affine", AFFINES.values(), ids=AFFINES)
    @given(data=st.data())
    @settings(deadline=None, max_examples=60)
    def test_voxels_are_those_of_the_written_definition(self, affine, data):
        shape = data.draw(st.tuples(*[st.integers(1, 9)] * 3), label="shape")
        # From inside to two voxels beyond every side.
        place = [data.draw(st.floats(-2, n + 1), label="place") for n in shape]
        size = np.linalg.norm(affine[:3, 0])
        radius = data.draw(st.none() | st.floats(0.05 * size, 5 * size), label="radius")
        grid, centre = make_grid(shape, affine), nib.affines.apply_affine(affine, place)
        np.testing.assert_array_equal(sphere_of(centre, radius, grid), brute_force(centre, radius, grid))

    @pytest.mark.parametrize("affine", [RAS, LAS, FRACTIONAL, ROTATED], ids=["RAS", "LAS", "FRACTIONAL", "ROTATED"])
    @given(place=st.tuples(st.floats(-0.4, 6.4), st.floats(-0.4, 7.4), st.floats(-0.4, 8.4)))
    @settings(deadline=None, max_examples=40)
    def test_without_a_radius_it_is_the_nearest_voxel(self, affine, place):
        centre = nib.affines.apply_affine(affine, place)
        ijk = np.argwhere(np.ones(SHAPE))
        distances = np.linalg.norm(nib.affines.apply_affine(affine, ijk) - centre, axis=1)
        nearest = np.sort(distances)
        assume(nearest[1] - nearest[0] > 1e-6)
        found = np.argwhere(sphere_of(centre, None, make_grid(SHAPE, affine)))
        assert found.tolist() == [ijk[distances.argmin()].tolist()]

    @pytest.mark.parametrize("affine", [RAS, LAS, FRACTIONAL], ids=["RAS", "LAS", "FRACTIONAL"])
    @pytest.mark.parametrize("steps", [1, 2])
    def test_voxels_at_the_very_radius_are_inside(self, affine, steps):
        grid, ijk = make_grid(SHAPE, affine), np.argwhere(np.ones(SHAPE))
        expected = np.sum((ijk - [3, 4, 4]) ** 2, axis=1) <= steps**2
        found = sphere_of(nib.affines.apply_affine(affine, [3, 4, 4]), steps * affine[1, 1], grid)
        np.testing.assert_array_equal(found[tuple(ijk.T)], expected)

    def test_weights_are_one_nth_each(self):
        weights = place_regions(make_seeds([[0, 0, 9], [0, 3, 9]], 3.0), make_grid(SHAPE, RAS), None)
        assert weights.n_points.tolist() == [7, 7]
        assert set(weights.matrix.data) == {1 / 7}

    def test_mask_takes_voxels_out_and_the_others_weigh_more(self):
        inside = np.ones(SHAPE, dtype=bool)
        inside[3, 4, 5] = False
        weights = place_regions(make_seeds([[0, 0, 9]], 3.0), make_grid(SHAPE, RAS), make_mask(inside, RAS))
        assert (weights.n_points.tolist(), weights.matrix.nnz, set(weights.matrix.data)) == ([7], 6, {1 / 6})

    def test_radius_that_reaches_no_centre_is_the_nearest_voxel(self):
        assert np.argwhere(sphere_of([1.2, 0, 9], 0.5, make_grid(SHAPE, RAS))).tolist() == [[3, 4, 5]]

    @pytest.mark.parametrize("radius", [None, 0.5, 2.0])
    def test_seed_beyond_the_image_whose_sphere_does_not_reach_it_is_empty(self, radius):
        assert not sphere_of([-9 - 2.1, 0, 9], radius, make_grid(SHAPE, RAS)).any()

    def test_seed_beyond_the_image_has_the_voxels_that_its_sphere_reaches(self):
        assert np.argwhere(sphere_of([-9 - 2.1, 0, 9], 2.2, make_grid(SHAPE, RAS))).tolist() == [[0, 4, 5]]

    # nilearn also takes the first voxel whose centre in mm, cut to whole numbers, is the seed's: half-millimetre
    # voxels at 1.0 and at 1.5 mm are both "1".
    @pytest.mark.parametrize("radius", [None, 0.1])
    def test_wrong_second_voxel_of_nilearn_is_not_taken(self, radius):
        affine = np.diag([0.5, 0.5, 0.5, 1])
        numbers = np.arange(np.prod(SHAPE), dtype=np.float64).reshape(SHAPE)
        masker = NiftiSpheresMasker([[1.5, 1.5, 1.5]], radius=radius, reports=False, standardize=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Of defaults to come.
            by_nilearn = masker.fit_transform(nib.Nifti1Image(numbers[..., None], affine))
        weights = place_regions(make_seeds([[1.5, 1.5, 1.5]], radius), make_grid(SHAPE, affine), None)
        assert by_nilearn[0] == (numbers[3, 3, 3] + numbers[2, 2, 2]) / 2
        assert weights.matrix @ flat(numbers) == numbers[3, 3, 3]


class TestOverlap:
    def place(self, *centres, radius=3.0):
        return place_regions(make_seeds(centres, radius), make_grid(SHAPE, RAS), None)

    def test_pairs_are_named_with_their_shared_voxels(self):
        # Steps of 3 mm: crosses of seven voxels share two.
        weights = self.place([-3, 0, 9], [0, 0, 9], [6, 9, 0], [0, 0, 9])
        with pytest.raises(RegionsError) as caught:
            check_overlap(weights)
        assert str(caught.value) == (
            "spheres overlap (voxels shared): roi 0 and roi 1 (2), roi 0 and roi 3 (2), roi 1 and roi 3 (7); "
            "give a smaller --radius, or --allow_overlap to permit it."
        )

    def test_many_pairs_are_counted(self):
        weights = self.place(*[[0, 0, 9]] * 6)
        with pytest.raises(RegionsError, match=r"roi 1 and roi 5 \(7\).*\(7\) and 5 more pairs; give a smaller"):
            check_overlap(weights)

    def test_spheres_apart_are_permitted(self):
        check_overlap(self.place([-6, 0, 9], [3, 0, 9]))

    def test_two_seeds_in_one_voxel_overlap_without_a_radius(self):
        with pytest.raises(RegionsError, match=r"roi 0 and roi 1 \(1\)"):
            check_overlap(self.place([0, 0, 9], [1, 0, 9], radius=None))
