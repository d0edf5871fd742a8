"""Exactness: signals of the streaming engine against nilearn's maskers, called directly on the same numbers."""

from __future__ import annotations

import gc
import warnings
from dataclasses import dataclass

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from images import LAS, OBLIQUE, RAS, save, save_stored
from nilearn.maskers import NiftiLabelsMasker, NiftiMapsMasker, NiftiMasker, NiftiSpheresMasker
from placing import flat, make_maps, make_mask, make_parcels, make_seeds

from niimasker import extract
from niimasker.errors import NiimaskerWarning, RegionsError
from niimasker.inputs.series import open_series
from niimasker.regions.placing.placement import make_placement
from niimasker.regions.placing.weights import CONSTANT, NO_SIGNAL, OK
from niimasker.signals.accumulation import accumulate
from niimasker.signals.extraction import make_signals
from niimasker.signals.reading import read_signals
from niimasker.signals.timeline import Timeline

SHAPE = (9, 10, 11)
N_VOLUMES = 20
KINDS = ["labels", "spheres", "maps", "mask mean", "mask voxels", "parcellation voxels"]
# Rounded to float32, as in a header, so that kernel widths are the same on both sides to the last digit.
TILTED = OBLIQUE.astype(np.float32).astype(np.float64)
AFFINES = {"RAS": RAS, "LAS": LAS, "TILTED": TILTED}

# In units of the signal's standard deviation. Both sides get the same numbers and compute in float64, whatever the type
# on disk: integers and float32 become float64 without rounding, so no type needs more than another. What is left is the
# order of sums, some 1e-16 of the baseline, which is up to 2e4 standard deviations of these signals. Scaled integers
# are rounded elsewhere (slope * sum + intercept here, a sum of slope * value + intercept there), but these terms are
# of the baseline's size too. The condition of the maps, whose square the normal equations lose, is below 3. The largest
# difference in the whole matrix is 5e-11.
TOLERANCE = 1e-9


def assert_equal_in_sd(found, expected, tolerance=TOLERANCE):
    assert found.shape == expected.shape
    assert (np.abs(found - expected).max(axis=0) / expected.std(axis=0)).max() < tolerance


@dataclass(frozen=True)
class Storage:
    """How voxels are stored: type, slope and intercept."""

    dtype: str
    slope: float = 1.0
    intercept: float = 0.0


STORAGES = {
    "float64": Storage("<f8"),
    "float32": Storage("<f4"),
    "int16": Storage("<i2"),
    "int16 scaled": Storage("<i2", 0.0371, 812.5),
    "uint8": Storage("u1"),
    "big-endian int16": Storage(">i2"),
    "big-endian float32": Storage(">f4"),
}


def make_stored(storage, rng):
    """Return voxels of a type, with a baseline that differs between voxels and a time course."""
    baseline, spread = {"u1": (120, 20), "<i2": (9000, 60), ">i2": (9000, 60)}.get(storage.dtype, (1000, 10))
    course = rng.normal(size=(*SHAPE, N_VOLUMES))
    return (baseline * rng.uniform(0.8, 1.2, (*SHAPE, 1)) + spread * course).astype(storage.dtype)


@pytest.fixture(scope="module", autouse=True)
def cheap_garbage_collection():
    """Speed up nilearn's garbage collection at every call, which would otherwise visit all imported objects."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """For each affine the files of every type, with and without compression, and their voxels as float64."""
    folder = tmp_path_factory.mktemp("images")
    made = {}
    for axes, affine in AFFINES.items():
        rng = np.random.default_rng(0)
        made[axes] = []
        for name, storage in STORAGES.items():
            stored = make_stored(storage, rng)
            values = stored.astype(np.float64) * float(np.float32(storage.slope)) + storage.intercept
            paths = [folder / f"{axes}-{name.replace(' ', '-')}{suffix}" for suffix in (".nii", ".nii.gz")]
            for path in paths:
                save_stored(path, stored, affine, slope=storage.slope, intercept=storage.intercept)
            made[axes].append((name, paths, values))
    return made


def make_regions(kind, affine):
    """Return regions that reach the edges of the volume."""
    rng = np.random.default_rng(1)
    if kind in ("labels", "parcellation voxels"):
        labels = rng.choice([0, 2, 3, 7, 40], size=SHAPE, p=[0.6, 0.1, 0.1, 0.1, 0.1])
        labels[:5, 0, 0] = [2, 3, 7, 40, 2]
        return make_parcels(labels, affine, as_voxels=kind != "labels")
    if kind in ("mask mean", "mask voxels"):
        inside = rng.random(SHAPE) < 0.1
        inside[:5, 0, 0] = True
        return make_parcels(inside, affine, as_voxels=kind == "mask voxels")
    if kind == "maps":
        return make_maps(rng.random((*SHAPE, 3)) * (rng.random((*SHAPE, 3)) < 0.4), affine)
    # Overlapping, at the edge, and beyond it. nilearn adds to a sphere the first voxel whose centre, cut to whole mm,
    # is the seed's: it is within 2 * sqrt(3) mm of the seed, which a larger radius holds anyway, so that nilearn is
    # right here. Without a radius, or with a small one on a fractional grid, it is not: see test_weights.
    places = [[2, 2, 3], [3, 3, 3], [8, 9, 10], [0, 5, 4], [-0.8, 5, 4]]
    return make_seeds(nib.affines.apply_affine(affine, places), 6.5)


def by_nilearn(kind, regions, inside, volumes, affine, fwhm):
    """Return the signals of nilearn's masker on volumes of float64."""
    options = {"smoothing_fwhm": fwhm, "standardize": None, "reports": False}
    mask_img = None if inside is None else nib.Nifti1Image(inside.astype(np.uint8), affine)
    if kind == "spheres":
        seeds = regions.definition
        masker = NiftiSpheresMasker(
            seeds.coordinates.tolist(), seeds.radius, mask_img=mask_img, allow_overlap=True, **options
        )
    elif kind == "maps":
        masker = NiftiMapsMasker(nib.Nifti1Image(regions.definition.weights, affine), mask_img=mask_img, **options)
    elif regions.as_voxels:
        # nilearn does not extract voxels of several regions: one mask is used, and its columns are put in region order.
        labels = regions.definition.labels * (1 if inside is None else inside)
        masker = NiftiMasker(nib.Nifti1Image((labels > 0).astype(np.uint8), affine), **options)
        return by_masker(masker, volumes, affine)[:, np.argsort(labels[labels > 0], kind="stable")]
    else:
        masker = NiftiLabelsMasker(nib.Nifti1Image(regions.definition.labels, affine), mask_img=mask_img, **options)
    return by_masker(masker, volumes, affine)


def by_masker(masker, volumes, affine):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Of overlaps, and of defaults to come.
        return masker.fit_transform(nib.Nifti1Image(volumes, affine))


def extract_signals(series, timeline, placement):
    (raw,) = read_signals(series, [timeline], placement)
    return make_signals(raw, series, placement)


def extract_file(path, placement, first=0):
    series = open_series(path)
    return extract_signals(series, Timeline(series.n_volumes, first), placement)


@pytest.mark.parametrize("axes", AFFINES)
@pytest.mark.parametrize("fwhm", [None, 6.0], ids=["plain", "smoothed"])
@pytest.mark.parametrize("masked", [False, True], ids=["whole", "masked"])
@pytest.mark.parametrize("kind", KINDS)
def test_signals_of_every_type_equal_those_of_nilearn(images, kind, masked, fwhm, axes):
    grid = open_series(images[axes][0][1][0]).space
    regions = make_regions(kind, grid.matrix)
    inside = np.random.default_rng(2).random(SHAPE) < 0.7 if masked else None
    mask = make_mask(inside, grid.matrix) if masked else None
    placement = make_placement([regions], grid, mask, smoothing_fwhm=fwhm, engine="stream")
    # A masker processes each volume independently, so that one call serves the volumes of all types.
    together = np.concatenate([values for _, _, values in images[axes]], axis=-1)
    expected = by_nilearn(kind, regions, inside, together, grid.matrix, fwhm)
    for (_, paths, _), its_expected in zip(images[axes], np.split(expected, len(images[axes])), strict=True):
        for path in paths:
            (signals,) = extract_file(path, placement)
            assert_equal_in_sd(signals.values, its_expected)


def test_images_hold_what_nilearn_gets(images):
    for name, paths, values in images["TILTED"]:
        for path in paths:
            np.testing.assert_array_equal(nib.load(path).get_fdata(), values, err_msg=name)


@pytest.mark.parametrize("axes", AFFINES)
@pytest.mark.parametrize("kind", KINDS)
def test_nilearn_engine_gives_the_same(images, kind, axes):
    _, (path, _), _ = images[axes][3]
    grid = open_series(path).space
    regions = make_regions(kind, grid.matrix)
    found, expected = (
        extract_file(path, make_placement([regions], grid, None, smoothing_fwhm=6.0, engine=engine))[0]
        for engine in ("stream", "nilearn")
    )
    assert_equal_in_sd(found.values, expected.values)
    np.testing.assert_array_equal(found.n_valid, expected.n_valid)
    np.testing.assert_allclose(found.tsnr, expected.tsnr, rtol=1e-9)


# Scaling, baselines, discarded volumes


def run(path, regions, *, fwhm=None, first=0, engine="stream"):
    """Return the signals of one atlas."""
    placement = make_placement([regions], open_series(path).space, None, smoothing_fwhm=fwhm, engine=engine)
    return extract_file(path, placement, first)[0]


@pytest.fixture
def labels():
    return make_regions("labels", TILTED)


def means_of(volumes, regions):
    """Return the means over regions, of shape (n_volumes, n_regions), computed with numpy."""
    return np.stack([volumes[regions.definition.labels == index].mean(axis=0) for index in regions.indices], axis=1)


@pytest.mark.parametrize(("slope", "intercept"), [(-0.5, 0), (-0.0371, 812.5), (2.0, 1e5), (1.0, -9000), (1e-4, 0)])
@pytest.mark.parametrize("fwhm", [None, 6.0])
def test_scaling_of_either_sign_is_that_of_the_voxels(tmp_path, labels, slope, intercept, fwhm):
    stored = make_stored(STORAGES["int16"], np.random.default_rng(0))
    path = save_stored(tmp_path / "run.nii", stored, TILTED, slope=slope, intercept=intercept)
    values = nib.load(path).get_fdata()
    expected = by_nilearn("labels", labels, None, values, TILTED, fwhm)
    assert_equal_in_sd(run(path, labels, fwhm=fwhm).values, expected)


@pytest.mark.parametrize("kind", ["maps", "mask voxels", "spheres"])
def test_scaling_with_a_negative_slope_holds_for_other_kinds(tmp_path, kind):
    stored = make_stored(STORAGES["int16"], np.random.default_rng(0))
    path = save_stored(tmp_path / "run.nii", stored, TILTED, slope=-0.5, intercept=20_000)
    regions = make_regions(kind, TILTED)
    expected = by_nilearn(kind, regions, None, nib.load(path).get_fdata(), TILTED, 6.0)
    assert_equal_in_sd(run(path, regions, fwhm=6.0).values, expected)


@pytest.mark.parametrize("fwhm", [None, 6.0])
@pytest.mark.parametrize("kind", ["labels", "maps", "mask voxels"])
def test_baseline_of_10_000_in_float32_stays_exact(tmp_path, kind, fwhm):
    rng = np.random.default_rng(0)
    stored = (10_000 + 10 * rng.normal(size=(*SHAPE, N_VOLUMES))).astype(np.float32)
    path, regions = save_stored(tmp_path / "run.nii.gz", stored, TILTED), make_regions(kind, TILTED)
    expected = by_nilearn(kind, regions, None, stored.astype(np.float64), TILTED, fwhm)
    assert_equal_in_sd(run(path, regions, fwhm=fwhm).values, expected)


def test_first_volume_far_from_the_others_costs_no_digits(tmp_path, labels):
    # Before steady state, the first volume can be several times as bright as the others.
    rng = np.random.default_rng(0)
    volumes = 10_000 + 10 * rng.normal(size=(*SHAPE, N_VOLUMES))
    volumes[..., 0] *= 5
    found = run(save(tmp_path / "run.nii", volumes, TILTED), labels)
    assert_equal_in_sd(found.values[1:], means_of(volumes, labels)[1:])


@pytest.mark.parametrize("first", [1, 7, N_VOLUMES - 1])
@pytest.mark.parametrize("engine", ["stream", "nilearn"])
def test_volumes_left_out_leave_no_trace(tmp_path, labels, first, engine):
    volumes = np.random.default_rng(0).normal(size=(*SHAPE, N_VOLUMES))
    whole = run(save(tmp_path / "whole.nii", volumes, TILTED), labels, first=first, engine=engine)
    volumes[..., :first] = np.nan
    cut = run(save(tmp_path / "cut.nii", volumes, TILTED), labels, first=first, engine=engine)
    np.testing.assert_array_equal(whole.values, cut.values)
    np.testing.assert_array_equal(whole.n_valid, cut.n_valid)
    np.testing.assert_array_equal(whole.tsnr, cut.tsnr)


def test_maps_that_depend_on_each_other_give_the_smallest_solution_of_maps_of_one_length(tmp_path):
    rng = np.random.default_rng(0)
    maps = np.round(rng.random((*SHAPE, 2)) * 16)
    regions = make_maps(np.concatenate([maps, maps.sum(axis=-1, keepdims=True)], axis=-1), TILTED)
    volumes = 1000 + rng.normal(size=(*SHAPE, N_VOLUMES))
    # nilearn is no reference here: it divides by a singular value of rounding size, which gives signals of 3e14.
    matrix = flat(regions.definition.weights)
    lengths = np.linalg.norm(matrix, axis=0)
    expected = (np.linalg.pinv(matrix / lengths, rcond=1e-10) @ flat(volumes) / lengths[:, None]).T
    assert_equal_in_sd(run(save(tmp_path / "run.nii", volumes, TILTED), regions).values, expected)


@pytest.mark.parametrize("difference", [1e-1, 1e-2, 1e-4])
def test_maps_that_are_nearly_equal_lose_no_more_than_normal_equations_must(tmp_path, difference):
    rng = np.random.default_rng(0)
    one = rng.random(SHAPE)
    regions = make_maps(np.stack([one, one + difference * rng.random(SHAPE)], axis=-1), TILTED)
    volumes = 1000 + rng.normal(size=(*SHAPE, N_VOLUMES))
    expected = by_nilearn("maps", regions, None, volumes, TILTED, None)
    found = run(save(tmp_path / "run.nii", volumes, TILTED), regions).values
    # The relative error is the rounding error times the square of the condition number, not times the number itself.
    condition = np.linalg.cond(flat(regions.definition.weights))
    lost = 10 * np.finfo(np.float64).eps * condition**2
    np.testing.assert_allclose(found, expected, rtol=0, atol=lost * np.abs(expected).max())
    # The error is in the baseline and the same in each volume, so that the time course keeps its digits.
    course, expected_course = found - found.mean(axis=0), expected - expected.mean(axis=0)
    # Except for the digits of the baseline that nilearn's least squares lose.
    rounding = np.finfo(np.float64).eps * condition * np.abs(expected).max()
    np.testing.assert_allclose(course, expected_course, rtol=0, atol=lost * np.abs(expected_course).max() + rounding)


# Voxels that are not finite


def spoil(volumes):
    """Put values that are not finite into 7 voxels: in the first, the last, some and all volumes."""
    spoiled = volumes.copy()
    spoiled[0, 0, 0, 0] = np.nan
    spoiled[1, 0, 0, -1] = np.inf
    spoiled[2, 0, 0, :] = -np.inf
    spoiled[3, 0, 0, 3:5] = [np.inf, np.nan]
    spoiled[4, 0, 0, :] = np.nan
    spoiled[8, 9, 10, 5] = np.nan
    spoiled[5, 5, 5, [0, 7]] = [-np.inf, np.nan]
    return spoiled


def clean_of(volumes):
    return np.nan_to_num(volumes, nan=0.0, posinf=0.0, neginf=0.0)


@pytest.mark.parametrize("dtype", ["<f8", "<f4", ">f4"])
@pytest.mark.parametrize("engine", ["stream", "nilearn"])
@pytest.mark.parametrize("fwhm", [None, 6.0])
@pytest.mark.parametrize("kind", KINDS)
def test_values_that_are_not_finite_count_as_0(tmp_path, kind, fwhm, engine, dtype):
    volumes = spoil(1000 + np.random.default_rng(0).normal(size=(*SHAPE, N_VOLUMES))).astype(dtype)
    path, regions = save_stored(tmp_path / "run.nii", volumes, TILTED), make_regions(kind, TILTED)
    expected = by_nilearn(kind, regions, None, clean_of(volumes.astype(np.float64)), TILTED, fwhm)
    with pytest.warns(NiimaskerWarning, match="of the voxels read hold NaN or infinite values"):
        found = run(path, regions, fwhm=fwhm, engine=engine).values
    # A voxel that is never finite has no standard deviation.
    varies = expected.std(axis=0) > 0
    np.testing.assert_allclose(found[:, ~varies], 0, atol=1e-12)
    assert_equal_in_sd(found[:, varies], expected[:, varies])


@pytest.mark.parametrize("engine", ["stream", "nilearn"])
def test_voxels_that_are_not_finite_are_counted_where_regions_are(tmp_path, engine):
    volumes = spoil(1000 + np.random.default_rng(0).normal(size=(*SHAPE, N_VOLUMES)))
    labels = np.zeros(SHAPE, dtype=np.int16)
    labels[:, :5] = 1  # Without the two voxels further back.
    with pytest.warns(NiimaskerWarning) as caught:
        run(save(tmp_path / "run.nii", volumes, TILTED), make_parcels(labels, TILTED), engine=engine)
    assert [str(warning.message) for warning in caught] == [
        "5 of the voxels read hold NaN or infinite values; those values count as 0."
    ]


@pytest.mark.parametrize("fwhm", [None, 6.0])
@pytest.mark.parametrize("engine", ["stream", "nilearn"])
def test_values_that_are_not_finite_count_as_0_after_scaling(tmp_path, labels, engine, fwhm):
    stored = spoil(np.random.default_rng(0).normal(size=(*SHAPE, N_VOLUMES))).astype(np.float32)
    path = save_stored(tmp_path / "run.nii", stored, TILTED, slope=-0.5, intercept=30)
    volumes = clean_of(stored.astype(np.float64) * -0.5 + 30)
    expected = by_nilearn("labels", labels, None, volumes, TILTED, fwhm)
    with pytest.warns(NiimaskerWarning, match="of the voxels read hold NaN or infinite values"):
        assert_equal_in_sd(run(path, labels, engine=engine, fwhm=fwhm).values, expected)


@pytest.mark.parametrize("engine", ["stream", "nilearn"])
def test_infinities_of_both_signs_in_one_voxel_are_no_other_case(tmp_path, labels, engine):
    volumes = 1000 + np.random.default_rng(0).normal(size=(*SHAPE, N_VOLUMES))
    volumes[3, 0, 0, 3:5] = [np.inf, -np.inf]
    path = save(tmp_path / "run.nii", volumes, TILTED)
    with pytest.warns(NiimaskerWarning, match="1 of the voxels read hold NaN or infinite values"):
        found = run(path, labels, engine=engine).values
    assert_equal_in_sd(found, means_of(clean_of(volumes), labels))


def test_large_finite_values_give_no_warning(tmp_path, labels):
    volumes = np.full((*SHAPE, N_VOLUMES), 3e38, dtype=np.float32)  # A warning is an error in this test run.
    volumes[..., ::2] = -1e38
    found = run(save_stored(tmp_path / "run.nii", volumes, TILTED), labels).values
    np.testing.assert_allclose(found, means_of(volumes.astype(np.float64), labels), rtol=1e-12)


# Coverage, validity, tSNR


def regions_table(folder, volumes, labels, *, engine="stream", **options):
    """Return the regions table of a run."""
    save(folder / "bold.nii", volumes)
    save(folder / "atlas.nii", labels)
    (outcome,) = extract(
        folder / engine,
        no_report=True,
        input_files=f"{folder}/bold.nii",
        roi_file=folder / "atlas.nii",
        engine=engine,
        **options,
    )
    return pd.read_csv(outcome.tables[0].regions_path, sep="\t")


@pytest.mark.parametrize("engine", ["stream", "nilearn"])
class TestRegionsTable:
    """A region of 10 voxels with a mean of 100 and a standard deviation of 2, before some are changed."""

    LABELS = np.zeros((9, 10, 11), dtype=np.int16)
    LABELS[4, :, 5] = 3

    def make(self):
        volumes = np.full((*SHAPE, N_VOLUMES), 100.0)
        volumes += np.where(np.arange(N_VOLUMES) % 2, 2.0, -2.0)
        return volumes

    def facts(self, folder, volumes, engine, **options):
        table = regions_table(folder, volumes, self.LABELS, engine=engine, **options)
        return table.loc[0, ["n_voxels", "n_valid", "coverage", "mean", "tsnr"]].tolist()

    def test_valid_voxels_all_count(self, tmp_path, engine):
        assert self.facts(tmp_path, self.make(), engine) == pytest.approx([10, 10, 1, 100, 50])

    def test_tsnr_is_the_mean_over_voxels(self, tmp_path, engine):
        volumes = self.make()
        volumes[4, :5, 5] *= 3  # The same ratio.
        volumes[4, 5:, 5] += 100  # Twice the ratio.
        assert self.facts(tmp_path, volumes, engine) == pytest.approx([10, 10, 1, 250, 75])

    @pytest.mark.parametrize("value", [0.0, 0.1, 1e6 / 3])
    def test_dead_and_constant_voxels_hold_no_signal(self, tmp_path, engine, value):
        volumes = self.make()
        volumes[4, :4, 5] = value
        expected = [10, 6, 0.6, (6 * 100 + 4 * value) / 10, 50]
        assert self.facts(tmp_path, volumes, engine) == pytest.approx(expected, rel=1e-5)

    def test_constant_voxels_of_float32_are_constant(self, tmp_path, engine):
        volumes = self.make().astype(np.float32)
        volumes[4, :4, 5] = np.float32(0.1)
        assert self.facts(tmp_path, volumes, engine)[1] == 6

    @pytest.mark.filterwarnings("ignore::niimasker.errors.NiimaskerWarning")
    def test_voxels_that_are_not_finite_hold_no_signal_and_count_as_0_in_the_mean(self, tmp_path, engine):
        volumes = self.make()
        volumes[4, 0, 5, :] = np.nan
        volumes[4, 1, 5, ::2] = np.inf
        volumes[4, 2, 5, 3] = np.nan
        # Volumes alternate between 98 and 102; values that are not finite count as 0.
        mean = (7 * 100 + 0 + 102 / 2 + (100 * N_VOLUMES - 102) / N_VOLUMES) / 10
        assert self.facts(tmp_path, volumes, engine) == pytest.approx([10, 7, 0.7, mean, 50], rel=1e-5)

    @pytest.mark.filterwarnings("ignore::niimasker.errors.NiimaskerWarning")
    def test_region_without_a_valid_voxel_has_no_tsnr(self, tmp_path, engine):
        volumes = self.make()
        volumes[4, :, 5] = 7
        with pytest.warns(NiimaskerWarning, match=r"1 of 1 regions without signal \(constant\): roi 3\.$"):
            found = self.facts(tmp_path, volumes, engine)
        assert found[:4] == pytest.approx([10, 0, 0, 7])
        assert np.isnan(found[4])

    def test_region_without_a_valid_voxel_says_so(self, tmp_path, engine):
        volumes = self.make()
        volumes[4, :, 5] = 7
        labels = self.LABELS.copy()
        labels[5, :, 5] = 4
        signals = run(save(tmp_path / "run.nii", volumes), make_parcels(labels, OBLIQUE), engine=engine)
        assert signals.status == (CONSTANT, OK)
        np.testing.assert_allclose(signals.values, np.where([True, False], 7, volumes[5, 0, 5][:, None]), rtol=1e-12)

    @pytest.mark.filterwarnings("ignore::niimasker.errors.NiimaskerWarning")
    def test_region_without_a_finite_voxel_says_so(self, tmp_path, engine):
        volumes = self.make()
        volumes[4, :, 5] = np.nan
        labels = self.LABELS.copy()
        labels[5, :, 5] = 4
        signals = run(save(tmp_path / "run.nii", volumes), make_parcels(labels, OBLIQUE), engine=engine)
        assert signals.status == (NO_SIGNAL, OK)

    def test_single_voxels_have_the_row_of_their_region(self, tmp_path, engine):
        volumes = self.make()
        volumes[4, :4, 5] = 7
        path = save(tmp_path / "run.nii", volumes)
        whole, voxels = (
            run(path, make_parcels(self.LABELS, OBLIQUE, as_voxels=as_voxels), engine=engine)
            for as_voxels in (False, True)
        )
        assert voxels.values.shape == (N_VOLUMES, 10)
        for name in ("n_valid", "tsnr", "status"):
            np.testing.assert_array_equal(getattr(voxels, name), getattr(whole, name))

    def test_single_volume_has_a_signal(self, tmp_path, engine):
        path = save(tmp_path / "run.nii", self.make()[..., :1])
        assert run(path, make_parcels(self.LABELS, OBLIQUE), engine=engine).status == (OK,)

    def test_voxels_beside_the_region_do_not_count(self, tmp_path, engine):
        volumes = self.make()
        volumes[3, :, 5] = 0
        assert self.facts(tmp_path, volumes, engine) == pytest.approx([10, 10, 1, 100, 50])

    def test_smoothing_changes_the_signal_alone(self, tmp_path, engine):
        volumes = self.make()
        volumes[4, :4, 5] = 0
        found = self.facts(tmp_path, volumes, engine, smoothing_fwhm=5.0)
        assert [found[place] for place in (0, 1, 2, 4)] == pytest.approx([10, 6, 0.6, 50])

    def test_mask_lowers_the_coverage(self, tmp_path, engine):
        mask = np.ones(SHAPE, dtype=np.uint8)
        mask[4, :3, 5] = 0
        found = self.facts(tmp_path, self.make(), engine, mask_img=save(tmp_path / "mask.nii", mask))
        assert found == pytest.approx([10, 7, 0.7, 100, 50])

    def test_discarded_volumes_do_not_count(self, tmp_path, engine):
        volumes = self.make()
        volumes[..., :2] = np.array([0, 5000])
        assert self.facts(tmp_path, volumes, engine, discard_scans=2) == pytest.approx([10, 10, 1, 100, 50])

    def test_scaling_holds_for_mean_and_tsnr(self, tmp_path, engine):
        stored = (self.make() - 100).astype(np.int16)
        save(tmp_path / "atlas.nii", self.LABELS)
        path = save_stored(tmp_path / "run.nii", stored, TILTED, slope=-0.5, intercept=30)
        (outcome,) = extract(
            tmp_path / "out", input_files=str(path), roi_file=tmp_path / "atlas.nii", engine=engine, no_report=True
        )
        table = pd.read_csv(outcome.tables[0].regions_path, sep="\t")
        assert table.loc[0, ["n_valid", "mean", "tsnr"]].tolist() == pytest.approx([10, 30, 30])


@pytest.mark.filterwarnings("ignore::niimasker.errors.NiimaskerWarning")
@pytest.mark.parametrize("smoothing", [None, 6.0])
@pytest.mark.parametrize("masked", [False, True], ids=["whole", "masked"])
@pytest.mark.parametrize("kind", KINDS)
def test_both_engines_write_the_same_regions_table(tmp_path, kind, masked, smoothing):
    volumes = spoil(1000 + np.random.default_rng(0).normal(size=(*SHAPE, N_VOLUMES)))
    volumes[:3, :3] = 0
    volumes[5:, 7:] = 0.1
    files = {"input_files": str(save(tmp_path / "bold.nii", volumes, TILTED)), "roi_file": write_atlas(tmp_path, kind)}
    options = {"radius": 6.5, "allow_overlap": True} if kind == "spheres" else {"as_voxels": kind.endswith("voxels")}
    if masked:
        mask = (np.random.default_rng(2).random(SHAPE) < 0.7).astype(np.uint8)
        options["mask_img"] = save(tmp_path / "mask.nii", mask)
    tables = []
    for engine in ("stream", "nilearn"):
        (outcome,) = extract(
            tmp_path / engine, **files, **options, smoothing_fwhm=smoothing, engine=engine, no_report=True
        )
        tables.append(outcome.tables[0].regions_path.read_bytes())
    assert tables[0] == tables[1]


def write_atlas(folder, kind, affine=TILTED):
    regions = make_regions(kind, affine)
    path = folder / f"{kind.replace(' ', '-')}.nii.gz"
    if kind == "spheres":
        path = path.with_name("spheres.tsv")
        pd.DataFrame(regions.definition.coordinates, columns=list("xyz")).to_csv(path, sep="\t", index=False)
        return path
    if kind == "maps":
        return save(path, regions.definition.weights, affine)
    return save(path, regions.definition.labels, affine)


# Several atlases, blocks


def read_all(outcome):
    """Return the bytes written for each atlas: tables of signals, regions and voxels."""
    paths = [
        [path for path in (tables.signals_path, tables.regions_path, tables.points_path) if path]
        for tables in outcome.tables
    ]
    return [[path.read_bytes() for path in its_paths] for its_paths in paths]


@pytest.mark.filterwarnings("ignore:.*less than half of their voxels")
@pytest.mark.filterwarnings("ignore:.*field of view")
@pytest.mark.parametrize("smoothing", [None, 6.0])
@pytest.mark.parametrize(
    ("kinds", "options"),
    [
        (["labels", "spheres", "maps", "mask mean"], {"radius": 6.5, "allow_overlap": True}),
        (["mask voxels", "parcellation voxels"], {"as_voxels": True}),
    ],
    ids=["means", "voxels"],
)
def test_several_atlases_in_one_pass_give_the_bytes_of_each_alone(tmp_path, kinds, options, smoothing):
    volumes = 1000 + np.random.default_rng(0).normal(size=(*SHAPE, N_VOLUMES))
    shared = {
        "input_files": str(save(tmp_path / "bold.nii", volumes, TILTED)),
        "n_decimals": 15,
        "smoothing_fwhm": smoothing,
        "detrend": True,
    }
    paths = [write_atlas(tmp_path, kind) for kind in kinds]
    (together,) = extract(tmp_path / "together", roi_file=paths, no_report=True, **shared, **options)
    assert [tables.atlas for tables in together.tables] == [kind.replace(" ", "-") for kind in kinds]
    for path, found in zip(paths, read_all(together), strict=True):
        its_options = {} if options.get("radius") and path.suffix != ".tsv" else options
        (alone,) = extract(tmp_path / path.stem, roi_file=path, no_report=True, **shared, **its_options)
        assert read_all(alone) == [found]


@pytest.mark.parametrize("kind", KINDS)
@given(sizes=st.lists(st.integers(1, N_VOLUMES), min_size=1, max_size=8), seed=st.integers(0, 2**16))
@settings(deadline=None, max_examples=15)
def test_size_of_blocks_changes_nothing(kind, sizes, seed):
    rng = np.random.default_rng(seed)
    volumes = flat(spoil(1000 + rng.normal(size=(*SHAPE, N_VOLUMES)))).T
    regions = make_regions(kind, TILTED)
    grid = make_mask(np.ones(SHAPE), TILTED).grid
    operator = make_placement([regions], grid, None, smoothing_fwhm=6.0, engine="stream").extractor
    blocks = np.split(volumes, [cut for cut in np.cumsum(sizes) if cut < N_VOLUMES])
    everything = [np.ones(N_VOLUMES, dtype=bool)]
    (found,), (expected,) = accumulate(blocks, operator, everything), accumulate([volumes], operator, everything)
    assert_equal_in_sd(found.compute_signals(operator), expected.compute_signals(operator), 1e-12)
    found, expected = found.statistics, expected.statistics
    np.testing.assert_array_equal(found.is_finite, expected.is_finite)
    np.testing.assert_array_equal(found.deviation > 0, expected.deviation > 0)
    np.testing.assert_allclose(found.mean, expected.mean, rtol=1e-12)
    np.testing.assert_allclose(found.deviation, expected.deviation, rtol=1e-12)


def test_statistics_of_points_are_means_and_deviations_of_voxels():
    rng = np.random.default_rng(0)
    volumes = 10_000 + 10 * rng.normal(size=(*SHAPE, N_VOLUMES))
    volumes[0, 0, 0], volumes[1, 1, 1] = 0.1, np.nan
    regions = make_parcels(np.ones(SHAPE), TILTED)
    grid = make_mask(np.ones(SHAPE), TILTED).grid
    operator = make_placement([regions], grid, None, smoothing_fwhm=None, engine="stream").extractor
    (found,) = accumulate(np.array_split(flat(volumes).T, 3), operator, [np.ones(N_VOLUMES, dtype=bool)])
    statistics = found.statistics
    np.testing.assert_allclose(statistics.mean, flat(clean_of(volumes)).mean(axis=1), rtol=1e-13)
    np.testing.assert_allclose(statistics.deviation, flat(clean_of(volumes)).std(axis=1), rtol=1e-9, atol=1e-12)
    assert np.flatnonzero(~statistics.is_finite).tolist() == [1 + 9 * (1 + 10 * 1)]
    assert statistics.deviation[0] == 0


# Nothing left


@pytest.mark.parametrize("engine", ["stream", "nilearn"])
@pytest.mark.parametrize("fwhm", [None, 6.0])
@pytest.mark.parametrize("kind", KINDS)
def test_run_without_any_region_left_says_why(tmp_path, kind, fwhm, engine):
    away = TILTED.copy()
    away[0, 3] += 1000
    path = save(tmp_path / "run.nii", np.zeros((*SHAPE, 3)), TILTED)
    with pytest.raises(RegionsError) as caught:
        run(path, make_regions(kind, away), fwhm=fwhm, engine=engine)
    assert (
        str(caught.value)
        == f"{path}: no region is left (empty: outside the image); are image and regions in the same space?"
    )


@pytest.mark.parametrize("engine", ["stream", "nilearn"])
@pytest.mark.parametrize("fwhm", [None, 6.0])
@pytest.mark.parametrize("kind", KINDS)
def test_atlas_of_which_nothing_is_left_leaves_the_others(tmp_path, labels, kind, fwhm, engine):
    away = TILTED.copy()
    away[0, 3] += 1000
    path = save(tmp_path / "run.nii", np.random.default_rng(0).normal(size=(*SHAPE, 3)), TILTED)
    atlases = [make_regions(kind, away), labels]
    placement = make_placement(atlases, open_series(path).space, None, smoothing_fwhm=fwhm, engine=engine)
    series = open_series(path)
    empty, full = extract_signals(series, Timeline(3, 0), placement)
    assert np.isnan(empty.values).all()
    assert_equal_in_sd(full.values, run(path, labels, fwhm=fwhm, engine=engine).values)
