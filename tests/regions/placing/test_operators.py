"""Operators: the products with a volume's voxels are what smoothing and averaging that volume gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from images import OBLIQUE, RAS, SHAPE, make_labels
from placing import flat, make_grid, make_maps, make_mask, make_parcels, make_seeds
from scipy import ndimage

from niimasker.regions.placing.operators import make_operator, stack
from niimasker.regions.placing.placement import place_regions
from niimasker.regions.placing.smoothing import smoothing_sigma

LABELS = make_labels((1, 2, 5))
GRID = make_grid(SHAPE, OBLIQUE)
RNG = np.random.default_rng(0)
VOLUMES = 1000 + RNG.normal(size=(*SHAPE, 4))

# Both sides sum the same 1e3-sized float64 products in another order: rounding is 1e-13, the signals' SD about 0.1.
TOLERANCE = 1e-10


def smooth(volumes, affine, fwhm):
    """Smooth every volume as nilearn does: a Gaussian along each axis, in turn."""
    sizes = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
    for axis, size in enumerate(sizes):
        volumes = ndimage.gaussian_filter1d(volumes, fwhm / (size * np.sqrt(8 * np.log(2))), axis=axis)
    return volumes


def place(regions, grid=GRID, mask=None):
    return place_regions(regions, grid, mask)


def apply(operator, volumes=VOLUMES):
    """Return what an operator makes of volumes, of shape (n_regions, n_volumes)."""
    return operator.finish(operator.sum(flat(volumes)[operator.points]))


def some_regions(kind, shape=SHAPE, affine=OBLIQUE, rng=RNG):
    """Return regions of a kind all over a grid, up to its edges."""
    if kind in ("labels", "voxels"):
        labels = rng.choice([0, 1, 4], shape)
        labels[-1, -1, -1] = 1
        return make_parcels(labels, affine, as_voxels=kind == "voxels")
    if kind == "maps":
        return make_maps(rng.random((*shape, 2)) * (rng.random((*shape, 2)) < 0.5), affine)
    return make_seeds([affine[:3, 3], affine[:3, 3] + affine[:3, :3] @ np.array(shape) / 2], 7.0)


KINDS = ["labels", "voxels", "maps", "spheres"]


class TestWithoutSmoothing:
    @pytest.mark.parametrize("fwhm", [None, 0, 0.0])
    def test_labels_give_means(self, fwhm):
        found = apply(make_operator(place(make_parcels(LABELS, OBLIQUE)), fwhm))
        expected = [VOLUMES[index == LABELS].mean(axis=0) for index in (1, 2, 5)]
        np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)

    def test_voxels_give_their_own_values(self):
        weights = place(some_regions("voxels"))
        found = apply(make_operator(weights, None))
        np.testing.assert_array_equal(found, VOLUMES[tuple(weights.single_points.places[axis] for axis in "ijk")])

    def test_only_voxels_of_regions_are_read(self):
        operator = make_operator(place(make_parcels(LABELS, OBLIQUE)), None)
        np.testing.assert_array_equal(operator.points, np.flatnonzero(flat(LABELS)))

    def test_row_without_voxels_gives_0(self):
        weights = place(make_parcels(LABELS, OBLIQUE), mask=make_mask(LABELS != 2, OBLIQUE))
        np.testing.assert_array_equal(apply(make_operator(weights, None))[1], 0)

    def test_maps_give_least_squares(self):
        weights = place(some_regions("maps"))
        expected = np.linalg.lstsq(weights.matrix.toarray().T, flat(VOLUMES), rcond=None)[0]
        np.testing.assert_allclose(apply(make_operator(weights, None)), expected, rtol=0, atol=TOLERANCE)

    @pytest.mark.parametrize("scale", [1e-6, 1e6])
    def test_scale_of_the_maps_divides_the_signals(self, scale):
        regions = some_regions("maps")
        scaled = make_maps(regions.definition.weights * scale, OBLIQUE)
        found = apply(make_operator(place(scaled), None)) * scale
        np.testing.assert_allclose(found, apply(make_operator(place(regions), None)), rtol=0, atol=TOLERANCE)

    @pytest.mark.parametrize("scale", [1e-9, 1e-3, 1e9])
    def test_faint_map_is_not_taken_for_none(self, scale):
        maps = some_regions("maps").definition.weights
        found = apply(make_operator(place(make_maps(maps * [1, scale], OBLIQUE)), None))
        expected = apply(make_operator(place(make_maps(maps, OBLIQUE)), None))
        np.testing.assert_allclose(found * [[1], [scale]], expected, rtol=0, atol=TOLERANCE)

    def test_maps_that_depend_on_each_other_give_the_smallest_solution_of_maps_of_one_length(self):
        maps = np.round(RNG.random((*SHAPE, 2)) * 16)
        weights = place(make_maps(np.concatenate([maps, maps.sum(axis=-1, keepdims=True)], axis=-1), OBLIQUE))
        matrix = weights.matrix.toarray().T
        lengths = np.linalg.norm(matrix, axis=0)
        expected = np.linalg.pinv(matrix / lengths, rcond=1e-10) @ flat(VOLUMES) / lengths[:, None]
        np.testing.assert_allclose(apply(make_operator(weights, None)), expected, rtol=0, atol=TOLERANCE)

    def test_map_given_twice_shares_its_signal(self):
        one = some_regions("maps").definition.weights[..., :1]
        found = apply(make_operator(place(make_maps(np.concatenate([one, one], axis=-1), OBLIQUE)), None))
        alone = apply(make_operator(place(make_maps(one, OBLIQUE)), None))
        np.testing.assert_allclose(found, np.concatenate([alone, alone]) / 2, rtol=0, atol=TOLERANCE)

    def test_map_without_voxels_leaves_the_others_as_they_are(self):
        maps = some_regions("maps").definition.weights
        with_empty = np.concatenate([maps[..., :1], np.zeros((*SHAPE, 1)), maps[..., 1:]], axis=-1)
        found = apply(make_operator(place(make_maps(with_empty, OBLIQUE)), None))
        expected = apply(make_operator(place(make_maps(maps, OBLIQUE)), None))
        np.testing.assert_allclose(found[[0, 2]], expected, rtol=0, atol=TOLERANCE)


class TestSmoothing:
    def test_width_becomes_the_deviation_along_each_axis_in_voxels(self):
        grid = make_grid(SHAPE, np.diag([2.0, 3.0, 4.0, 1]))
        expected = np.array([6 / 2, 6 / 3, 6 / 4]) / 2.3548200450309493
        np.testing.assert_allclose(smoothing_sigma(grid, 6), expected, rtol=1e-15)

    @pytest.mark.parametrize("kind", KINDS)
    @given(data=st.data())
    @settings(deadline=None, max_examples=40)
    def test_smoothed_weights_equal_smoothing_every_volume(self, kind, data):
        shape = data.draw(st.tuples(*[st.integers(1, 12)] * 3), label="shape")
        affine = data.draw(st.sampled_from([RAS, OBLIQUE]), label="affine")
        # Up to a deviation of 6 voxels, whose kernel of 24 to both sides is longer than any volume here.
        fwhm = data.draw(st.floats(0.1, 45), label="fwhm")
        rng = np.random.default_rng(data.draw(st.integers(0, 2**16), label="seed"))
        weights = place(some_regions(kind, shape, affine, rng), make_grid(shape, affine))
        volumes = 1000 + rng.normal(size=(*shape, 3))
        plain = make_operator(weights, None)
        expected = apply(plain, smooth(volumes, affine, fwhm))
        # Nearly equal maps, on grids of a few voxels, amplify rounding by their products' condition.
        amplified = 1 if plain_solve(plain) is None else max(1, np.abs(plain_solve(plain)).max())
        found = apply(make_operator(weights, fwhm), volumes)
        np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE * amplified)

    @pytest.mark.parametrize("ijk", [(0, 0, 0), (6, 7, 8), (0, 4, 8), (3, 3, 4)])
    @pytest.mark.parametrize("fwhm", [2.0, 8.0, 60.0])
    def test_single_voxel_at_the_edge_is_that_voxel_of_the_smoothed_volume(self, ijk, fwhm):
        labels = np.zeros(SHAPE, dtype=np.int16)
        labels[ijk] = 1
        found = apply(make_operator(place(make_parcels(labels, OBLIQUE)), fwhm))
        np.testing.assert_allclose(found[0], smooth(VOLUMES, OBLIQUE, fwhm)[ijk], rtol=0, atol=TOLERANCE)

    @pytest.mark.parametrize("kind", ["labels", "spheres"])
    def test_rows_still_sum_to_1(self, kind):
        operator = make_operator(place(some_regions(kind)), 8.0)
        np.testing.assert_allclose(operator.matrix.sum(axis=1), 1, rtol=1e-12)

    def test_only_the_box_that_kernels_reach_is_read(self):
        labels = np.zeros((40, 41, 42), dtype=np.int16)
        labels[20, 20, 20] = 1
        grid = make_grid(labels.shape, np.eye(4))
        # A deviation of 2 voxels: 8 to each side.
        operator = make_operator(place(make_parcels(labels, np.eye(4)), grid), 2 * np.sqrt(8 * np.log(2)))
        assert len(operator.points) == 17**3

    def test_smoothing_reaches_beyond_the_mask(self):
        # As nilearn does: volumes are smoothed first, and masked then.
        inside = RNG.random(SHAPE) < 0.5
        weights = place(make_parcels(LABELS, OBLIQUE), mask=make_mask(inside, OBLIQUE))
        smoothed = smooth(VOLUMES, OBLIQUE, 6.0)
        expected = [smoothed[(index == LABELS) & inside].mean(axis=0) for index in (1, 2, 5)]
        np.testing.assert_allclose(apply(make_operator(weights, 6.0)), expected, rtol=0, atol=TOLERANCE)

    @pytest.mark.parametrize("kind", KINDS)
    def test_columns_are_left_as_they_were(self, kind):
        operator = make_operator(place(some_regions(kind)), 6.0)
        columns = flat(VOLUMES)[operator.points]
        before = columns.copy()
        operator.finish(operator.sum(columns))
        np.testing.assert_array_equal(columns, before)


def plain_solve(operator):
    return getattr(operator, "solve", None)


class TestStacking:
    @pytest.mark.parametrize("fwhm", [None, 6.0])
    @pytest.mark.parametrize("kind", KINDS)
    @given(seed=st.integers(0, 2**16))
    @settings(deadline=None, max_examples=10)
    def test_within_more_voxels_gives_the_same_values(self, kind, fwhm, seed):
        rng = np.random.default_rng(seed)
        operator = make_operator(place(some_regions(kind, rng=rng)), fwhm)
        more = np.union1d(operator.points, rng.choice(GRID.n_points, 50))
        np.testing.assert_array_equal(apply(operator.within(more)), apply(operator))

    @pytest.mark.parametrize("fwhm", [None, 6.0])
    @given(kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=4))
    @settings(deadline=None, max_examples=15)
    def test_stack_gives_the_values_of_each_one_below_the_other(self, kinds, fwhm):
        operators = [make_operator(place(some_regions(kind)), fwhm) for kind in kinds]
        stacked = stack(operators, GRID)
        np.testing.assert_array_equal(apply(stacked), np.concatenate([apply(each) for each in operators]))

    def test_stack_reads_the_voxels_of_all(self):
        operators = [
            make_operator(place(make_parcels(np.where(index == LABELS, 1, 0), OBLIQUE)), None) for index in (1, 5)
        ]
        expected = np.flatnonzero(flat(np.isin(LABELS, [1, 5])))
        np.testing.assert_array_equal(stack(operators, GRID).points, expected)

    def test_atlas_that_is_empty_on_the_grid_gives_rows_of_0(self):
        empty = place(make_parcels(LABELS, OBLIQUE), mask=make_mask(LABELS == 0, OBLIQUE))
        full = place(make_parcels(LABELS, OBLIQUE))
        found = apply(stack([make_operator(empty, 6.0), make_operator(full, 6.0)], GRID))
        np.testing.assert_array_equal(found[:3], 0)
        np.testing.assert_array_equal(found[3:], apply(make_operator(full, 6.0)))

    def test_mask_that_is_empty_on_the_grid_gives_no_rows(self):
        affine = OBLIQUE.copy()
        affine[0, 3] += 1000
        far = make_grid(SHAPE, affine)
        empty = place_regions(make_parcels(LABELS == 1, OBLIQUE, as_voxels=True), far, None)
        full = place_regions(make_seeds([far.matrix[:3, 3]], 3.0), far, None)
        stacked = stack([make_operator(empty, 6.0), make_operator(full, 6.0)], far)
        np.testing.assert_array_equal(apply(stacked), apply(make_operator(full, 6.0)))
