"""Samples of points: taken from one reading of an image, whatever its format; nibabel reads the expected values."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from cifti_images import N_POINTS, make_dtseries
from gifti_files import save_series
from images import OBLIQUE, RAS, save, save_stored
from placing import make_parcels

from niimasker.inputs.cifti.series import iter_series
from niimasker.inputs.gifti.series import iter_surface_blocks
from niimasker.inputs.series import open_series
from niimasker.inputs.spaces import Grid
from niimasker.inputs.tissues import CSF, GREY_MATTER, WHITE_MATTER, Tissues
from niimasker.inputs.volumes import iter_blocks
from niimasker.regions.placing.placement import make_placement
from niimasker.signals.point_samples import MAX_POINTS, PointSampler, Sampling, choose_points
from niimasker.signals.reading import ReadOptions, read_signals
from niimasker.signals.timeline import Timeline

SHAPE, N_VOLUMES = (9, 10, 11), 14
RNG = np.random.default_rng(3)
BRAIN = np.pad(np.ones((7, 8, 9), bool), 1)
VALUES = (1000 + 50 * RNG.normal(size=(*SHAPE, N_VOLUMES))) * BRAIN[..., None]
REGIONS = make_parcels((BRAIN * RNG.integers(1, 4, SHAPE)).astype(np.int16), OBLIQUE)


def make_grid(shape=SHAPE, affine=OBLIQUE):
    return Grid(shape, tuple(map(tuple, affine.tolist())))


def read(path, *timelines, engine="stream", tissues=None):
    series = open_series(path)
    placement = make_placement([REGIONS], series.space, None, smoothing_fwhm=None, engine=engine)
    options = ReadOptions(sampling=Sampling(series.space, tissues))
    return [raw.sample for raw in read_signals(series, timelines or [Timeline(N_VOLUMES, 0)], placement, options)]


def flat(img):
    return img.get_fdata().reshape(-1, img.shape[-1], order="F").T


@pytest.mark.parametrize("engine", ["stream", "nilearn"])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize(
    ("dtype", "slope", "intercept"), [("<f4", 1, 0), (">i2", 1, 0), ("<i2", 0.25, 100.0), ("<f8", 1, 0)]
)
def test_values_are_those_of_the_image(tmp_path, engine, suffix, dtype, slope, intercept):
    stored = np.round((VALUES - intercept) / slope).astype(dtype)
    path = save_stored(tmp_path / f"bold{suffix}", stored, slope=slope, intercept=intercept)
    (sample,) = read(path, engine=engine)
    expected = flat(nib.load(path))[:, sample.sampled.points].astype(np.float32)
    # One rounding to float32, of a value scaled in another order.
    np.testing.assert_allclose(sample.values, expected, rtol=2e-7)
    assert sample.values.dtype == np.float32
    np.testing.assert_array_equal(np.sort(sample.sampled.points), np.flatnonzero(BRAIN.flatten(order="F")))


def test_small_blocks_give_the_same_sample(tmp_path):
    series = open_series(save(tmp_path / "bold.nii", VALUES))
    (expected,) = read(series.path)
    sampler = PointSampler(Sampling(series.space), series.storage, first=0)
    assert len(list(sampler.watch(iter_blocks(series.storage, block_bytes=1)))) == N_VOLUMES
    np.testing.assert_array_equal(sampler.sample().values, expected.values)


def test_censored_volumes_and_other_pipelines_do_not_change_the_choice(tmp_path):
    censored = np.isin(np.arange(N_VOLUMES), (2, 5))
    of_run = Timeline(N_VOLUMES, 2, {"user": censored})
    changed = VALUES.copy()
    changed[..., [0, 1, 2, 5]] = RNG.normal(size=(*SHAPE, 4))
    samples = [
        read(save(tmp_path / f"{name}.nii.gz", values), *timelines)[-1]
        for name, values, timelines in (
            ("alone", VALUES, [of_run]),
            ("with another", VALUES, [Timeline(N_VOLUMES, 0), of_run]),
            ("changed", changed, [of_run]),
        )
    ]
    for sample in samples[1:]:
        np.testing.assert_array_equal(sample.sampled.points, samples[0].sampled.points)
        np.testing.assert_array_equal(sample.values[of_run.kept], samples[0].values[of_run.kept])


def test_pipelines_with_the_same_first_volume_share_a_sample(tmp_path):
    path = save(tmp_path / "bold.nii.gz", VALUES)
    censored = np.arange(N_VOLUMES) == 8
    first, second = read(path, Timeline(N_VOLUMES, 1), Timeline(N_VOLUMES, 1, {"user": censored}))
    assert first is second


def test_signals_are_the_same_with_a_sample(tmp_path):
    series = open_series(save(tmp_path / "bold.nii.gz", VALUES))
    placement = make_placement([REGIONS], series.space, None, smoothing_fwhm=None, engine="stream")
    timelines = [Timeline(N_VOLUMES, 0)]
    (plain,) = read_signals(series, timelines, placement)
    (sampled,) = read_signals(series, timelines, placement, ReadOptions(sampling=Sampling(series.space)))
    assert plain.sample is None
    assert sampled.values.tobytes() == plain.values.tobytes()


def test_grayordinates_are_ordered_by_structure(tmp_path):
    path = make_dtseries(9).write(tmp_path / "bold.dtseries.nii")
    series = open_series(path)
    sampler = PointSampler(Sampling(series.space), series.storage, first=0)
    assert (
        sum(len(block) for _, block in sampler.watch_points(iter_series(series.storage, block_bytes=200))) == N_POINTS
    )
    sample = sampler.sample()
    expected = nib.load(path).get_fdata()[:, sample.sampled.points].astype(np.float32)
    np.testing.assert_array_equal(sample.values, expected)
    names = [sample.sampled.groups[member] for member in sample.sampled.members]
    assert names == ["left cortex"] * 6 + ["right cortex"] * 4 + ["subcortex and cerebellum"] * 5


def test_vertices_without_signal_are_not_sampled(tmp_path):
    values = RNG.normal(size=(12, 40)).astype(np.float32)
    values[:, :7] = 0
    series = open_series(save_series(tmp_path / "hemi-R_bold.func.gii", values, structure="CortexRight"))
    sampler = PointSampler(Sampling(series.space), series.storage, first=0)
    list(sampler.watch(iter_surface_blocks(series.storage)))
    sample = sampler.sample()
    np.testing.assert_array_equal(sample.sampled.points, np.arange(7, 40))
    np.testing.assert_array_equal(sample.values, values[:, 7:])
    assert {sample.sampled.groups[member] for member in sample.sampled.members} == {"right cortex"}


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_tissues_have_their_share_of_the_sample(share):
    shape = (30, 30, 30)
    labels = RNG.choice([0, GREY_MATTER, WHITE_MATTER, CSF], shape, p=[0.4, 0.3, 0.2, 0.1]).astype(np.int8)
    volume = np.where(RNG.random(shape) < share, 500.0, 0.0)
    tissues = Tissues(labels.flatten(order="F"), None)
    chosen = choose_points(Sampling(make_grid(shape), tissues), volume.flatten(order="F"))
    counts = np.bincount(labels[(labels > 0) & (volume > 0)])[1:]
    assert len(chosen.points) == len(np.unique(chosen.points)) == MAX_POINTS
    assert chosen.groups == ("grey matter", "white matter", "CSF")
    np.testing.assert_array_equal(tissues.labels[chosen.points], chosen.members + 1)
    assert (np.diff(chosen.members) >= 0).all()
    # Evenly spaced points of ordered ones: each tissue's number is its share, to one point.
    np.testing.assert_allclose(np.bincount(chosen.members), MAX_POINTS * counts / counts.sum(), atol=1)


def test_voxels_of_a_tissue_are_ordered_from_bottom_to_top():
    flipped = RAS @ np.diag([1.0, 1, -1, 1])
    tissues = Tissues(np.ones(np.prod(SHAPE), np.int8), None)
    chosen = choose_points(Sampling(make_grid(SHAPE, flipped), tissues), np.ones(np.prod(SHAPE)))
    k = np.unravel_index(chosen.points, SHAPE, order="F")[2]
    assert (np.diff(k) <= 0).all()


@pytest.mark.parametrize("n", [13, 70])
def test_voxels_without_tissues_are_ordered_from_the_edge_of_the_brain(n):
    """In a ball, the distance from the edge is the radius less that from the centre."""
    affine = np.diag([2.0, 3.0, 2.5, 1])
    places = nib.affines.apply_affine(affine, np.stack(np.indices((n,) * 3), -1) - (n - 1) / 2)
    from_centre = np.linalg.norm(places, axis=-1)
    volume = np.where(from_centre < 0.9 * n, 1000.0, 30.0)
    chosen = choose_points(Sampling(make_grid((n,) * 3, affine)), volume.flatten(order="F"))
    of_chosen = from_centre.flatten(order="F")[chosen.points]
    assert of_chosen.max() < 0.9 * n
    assert chosen.groups == ("brain",)
    # A large brain is thinned out: neighbours may change places by the width of the voxels that are left.
    step = 1 if n == 13 else 2
    assert np.diff(np.maximum.accumulate(of_chosen[::-1])).max() <= 3 * step
    assert (np.minimum.accumulate(of_chosen) + 3.0 * step * np.sqrt(3) >= of_chosen).all()


def test_demeaned_image_has_a_brain():
    volume = RNG.normal(size=SHAPE) * BRAIN
    chosen = choose_points(Sampling(make_grid()), volume.flatten(order="F"))
    np.testing.assert_array_equal(np.sort(chosen.points), np.flatnonzero(BRAIN.flatten(order="F")))


def test_image_without_signal_has_no_sample(tmp_path):
    assert read(save(tmp_path / "bold.nii.gz", np.zeros((*SHAPE, N_VOLUMES)))) == [None]


def test_long_run_has_a_smaller_sample(tmp_path):
    values = RNG.normal(1000, 50, (15, 15, 12, 1000)).astype(np.float32)
    series = open_series(save(tmp_path / "bold.nii.gz", values))
    sampler = PointSampler(Sampling(series.space), series.storage, first=0)
    list(sampler.watch(iter_blocks(series.storage)))
    assert sampler.sample().values.shape == (1000, 800)
