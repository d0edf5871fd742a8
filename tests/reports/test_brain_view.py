"""The volumes of the interactive view of a brain."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from niimasker.reports import brain_view
from niimasker.reports.brain import crop, reorient_to_ras
from niimasker.reports.brain_view import find_centres, make_brain_view
from niimasker.reports.packing import pack_rows, unpack, unpack_compressed

# Axes of different lengths that run to the left, to the back and upwards, and voxels that are no cubes.
SHAPE = (15, 18, 11)
AFFINE = np.array([[-2.0, 0, 0, 14], [0, -3, 0, 20], [0, 0, 4, -16], [0, 0, 0, 1]])


def make_volumes(shape=SHAPE, *, n_regions=6, seed=0):
    """A bright ellipsoid, with regions scattered in it as irregular blobs."""
    rng = np.random.default_rng(seed)
    places = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij"), axis=-1)
    inside = (places**2).sum(axis=-1) < 0.9
    seeds = rng.uniform(-0.7, 0.7, (n_regions, 3))
    nearest = ((places[..., None, :] - seeds) ** 2).sum(axis=-1).argmin(axis=-1)
    labels = np.where(inside & (rng.random(shape) < 0.7), nearest + 1, 0).astype(np.int32)
    background = np.where(inside, 500 + 100 * places[..., 0] + rng.normal(size=shape), 0.0)
    return background, labels


def view_of(background, labels, n_regions=6, **given):
    volumes = crop(reorient_to_ras(background, labels, AFFINE))
    names = [f"region {number}" for number in range(1, n_regions + 1)]
    return volumes, make_brain_view(volumes, names, ["#000000"] * n_regions, **given)


def volume(view, name):
    return unpack_compressed(view.data[name]).reshape(view.data["shape"])


def labels_at_shown_voxels(view, labels):
    """The labels that nibabel finds where the page shows each voxel."""
    voxels = np.indices(view.data["shape"]).reshape(3, -1).T
    millimetres = nib.affines.apply_affine(np.vstack([view.data["affine"], [0, 0, 0, 1]]), voxels)
    found = nib.affines.apply_affine(np.linalg.inv(AFFINE), millimetres)
    assert np.abs(found - found.round()).max() < 1e-4
    indices = found.round().astype(int)
    # The crop leaves a margin that may lie outside the image.
    is_inside = ((indices >= 0) & (indices < labels.shape)).all(axis=1)
    assert is_inside.all()
    return labels[tuple(indices.T)].reshape(view.data["shape"])


def test_unpacked_labels_are_the_atlas_s_at_the_same_millimetres():
    background, labels = make_volumes()
    volumes, view = view_of(background, labels)
    assert view.step == 1
    np.testing.assert_array_equal(volume(view, "labels"), volumes.labels)
    np.testing.assert_array_equal(volume(view, "labels"), labels_at_shown_voxels(view, labels))


def test_more_than_255_regions_keep_their_labels():
    background, labels = make_volumes((20, 24, 18), n_regions=300)
    _, view = view_of(background, labels, 300)
    assert view.data["labels"]["bytes"] == 2
    np.testing.assert_array_equal(volume(view, "labels"), labels_at_shown_voxels(view, labels))


def test_greys_grow_with_the_mean_image_and_are_0_outside_the_brain():
    background, labels = make_volumes()
    volumes, view = view_of(background, labels)
    greys = volume(view, "greys")
    np.testing.assert_array_equal(greys == 0, volumes.background == 0)
    inside = greys > 0
    order = np.argsort(volumes.background[inside])
    assert (np.diff(greys[inside][order].astype(int)) >= 0).all()
    assert (greys[inside].min(), greys.max()) == (1, view.data["brightest"])


def test_inverse_leads_back_to_the_voxel():
    _, view = view_of(*make_volumes())
    affine, inverse = (np.vstack([view.data[key], [0, 0, 0, 1]]) for key in ("affine", "inverse"))
    np.testing.assert_allclose(inverse @ affine, np.eye(4), atol=1e-6)


def test_centre_is_the_region_s_voxel_nearest_to_its_centre_of_mass():
    background, labels = make_volumes()
    labels[labels == 4] = 0
    volumes, view = view_of(background, labels)
    assert view.data["centres"][3] is None
    for label in (1, 2, 3, 5, 6):
        mean = np.array(ndimage.center_of_mass(volumes.labels == label))
        voxels = np.argwhere(volumes.labels == label)
        distances = np.linalg.norm((voxels - mean) * volumes.sizes, axis=1)
        centre = np.unravel_index(view.data["centres"][label - 1], volumes.labels.shape)
        assert volumes.labels[centre] == label
        assert np.linalg.norm((centre - mean) * volumes.sizes) == pytest.approx(distances.min())


def test_centre_of_a_hollow_region_is_in_the_region():
    labels = np.zeros((9, 9, 9), dtype=np.int32)
    labels[1:8, 1:8, 1:8] = 1
    labels[2:7, 2:7, 2:7] = 2
    volumes = reorient_to_ras(labels.astype(float), labels, np.eye(4))
    places = [np.unravel_index(centre, labels.shape) for centre in find_centres(volumes, 2)]
    assert [labels[place] for place in places] == [1, 2]
    assert places[1] == (4, 4, 4)


class TestCoarserGrid:
    def test_large_grid_shows_some_voxels_with_their_own_labels(self, monkeypatch):
        monkeypatch.setattr(brain_view, "MAX_VOXELS", 2000)
        background, labels = make_volumes((21, 24, 18))
        _, view = view_of(background, labels)
        assert view.step == 2
        np.testing.assert_array_equal(volume(view, "labels"), labels_at_shown_voxels(view, labels))

    def test_every_region_keeps_a_voxel(self, monkeypatch):
        monkeypatch.setattr(brain_view, "MAX_VOXELS", 2000)
        background, labels = make_volumes((21, 24, 18))
        # Single voxels in the middle, of which every second would be left out.
        labels[9:12, 12, 9] = [7, 8, 9]
        _, view = view_of(background, labels, 9)
        found = volume(view, "labels")
        assert view.step == 2
        assert set(range(1, 10)) <= set(found.ravel().tolist())
        assert found.ravel()[view.data["centres"]].tolist() == list(range(1, 10))

    def test_volumes_that_do_not_compress_are_shown_coarser(self):
        background, labels = make_volumes((30, 36, 24))
        noise = np.where(background > 0, background * np.random.default_rng(1).random(background.shape), 0.0)
        sizes = {}
        for max_bytes in (10**6, 5000):
            _, view = view_of(noise, labels, max_bytes=max_bytes)
            sizes[view.step] = sum(len(view.data[key]["deflated"]) for key in ("greys", "labels"))
        assert min(sizes) == 1
        assert max(sizes) > 1
        assert sizes[1] > 5000 >= sizes[max(sizes)]


def test_more_regions_than_two_bytes_hold_have_no_view():
    volumes = reorient_to_ras(*make_volumes(), AFFINE)
    assert make_brain_view(volumes, [""] * 65_536, [""] * 65_536) is None


def test_signals_of_one_byte_give_the_correlations_that_colours_need():
    """Rounding to 254 steps adds noise of about 0.8 % of a signal's SD.

    The range is about 7 SD, and the noise's SD is a step / sqrt(12). Over 200 volumes a correlation then changes by
    about 0.008 * sqrt(2) / sqrt(200) = 0.0008, and the largest of 300,000 changes is about five times as large.
    """
    signals = np.random.default_rng(2).normal(size=(780, 200)) + np.random.default_rng(3).normal(size=200)
    packed = pack_rows(signals)
    assert packed["packed"] == 8
    changes = np.corrcoef(unpack(packed)) - np.corrcoef(signals)
    assert np.abs(changes).max() < 0.005
