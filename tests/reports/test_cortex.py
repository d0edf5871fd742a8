from __future__ import annotations

import dataclasses
import io
from base64 import b64decode
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from nilearn import datasets
from PIL import Image
from scipy import sparse
from surface_files import make_space, make_sphere
from surface_views import label_weights

from niimasker.inputs.gifti.files import Mesh, read_mesh
from niimasker.inputs.grayordinates import CORTEX_LEFT, CORTEX_RIGHT, Grayordinates, SurfaceModel, VoxelModel
from niimasker.inputs.spaces import Grid
from niimasker.inputs.surfaces.meshes import CortexMesh, Meshes, find_meshes
from niimasker.reports.colour_scales import VIRIDIS, ColourBar
from niimasker.reports.cortex import draw_cortex
from niimasker.reports.packing import unpack, unpack_compressed
from niimasker.reports.pictures import CortexPicture, VolumePicture, explain_missing_mesh, make_picture
from niimasker.reports.projections import find_normals, project
from niimasker.reports.sulci import find_depths

SPHERE = Mesh(*make_sphere(30, 40), None)
N = SPHERE.n_vertices
GRID = Grid((4, 5, 6), ((2.0, 0, 0, -4), (0, 2.0, 0, -4), (0, 0, 2.0, -4), (0, 0, 0, 1.0)))
RED, BLUE = "#ff0000", "#0000ff"


def place_of(projection, vertex) -> np.ndarray:
    """Mean row and column, as shares of the picture, of the pixels nearest to a vertex."""
    pixels = projection.pixels[projection.nearest == vertex]
    return np.array([np.mean(pixels // projection.width), np.mean(pixels % projection.width)]) / (
        projection.height,
        projection.width,
    )


def look(side, view, mesh=SPHERE, *, width=120):
    return project(mesh, side, view, width=width, scale=1.0)


class TestProjection:
    @pytest.mark.parametrize(
        ("side", "view", "front"),
        [("left", "lateral", 0), ("left", "medial", 1), ("right", "lateral", 1), ("right", "medial", 0)],
    )
    def test_front_and_top_of_the_brain_are_where_they_are_seen(self, side, view, front):
        coordinates = SPHERE.coordinates.copy()
        # A vertex at the front, a little above the middle and towards the eye.
        towards_eye = -1 if (side, view) in {("left", "lateral"), ("right", "medial")} else 1
        vertex = int(np.argmax(coordinates @ [0.2 * towards_eye, 1, 0.3]))
        row, column = place_of(look(side, view), vertex)
        assert row < 0.5
        assert column < 0.3 if front == 0 else column > 0.7

    @pytest.mark.parametrize(("side", "view", "sign"), [("left", "lateral", -1), ("left", "medial", 1)])
    def test_what_is_nearer_to_the_eye_hides_what_is_behind(self, side, view, sign):
        seen = SPHERE.coordinates[look(side, view).nearest]
        assert (sign * seen[:, 0] > -4).all()

    def test_disc_is_filled(self):
        projection = look("left", "lateral")
        assert len(projection.pixels) == pytest.approx(np.pi * 50**2, rel=0.02)
        filled = projection.fill(np.ones(len(projection.pixels), dtype=bool), False)
        edges = np.diff(filled.astype(int), axis=1)
        assert (np.count_nonzero(edges, axis=1) <= 2).all()

    def test_shares_of_corners_give_the_place_of_each_pixel(self):
        projection = look("left", "lateral")
        np.testing.assert_allclose(projection.shares.sum(axis=1), 1, atol=1e-5)
        assert (projection.shares >= -1e-6).all()
        np.testing.assert_allclose(
            60 - projection.interpolate(SPHERE.coordinates[:, 1]), projection.pixels % 120 + 0.5, atol=1e-4
        )

    def test_order_of_corners_does_not_matter(self):
        inside_out = Mesh(SPHERE.coordinates, SPHERE.triangles[:, ::-1], None)
        np.testing.assert_allclose(find_normals(inside_out), find_normals(SPHERE), atol=1e-12)
        np.testing.assert_array_equal(look("left", "lateral", inside_out).pixels, look("left", "lateral").pixels)

    def test_normals_of_a_sphere_point_outwards(self):
        np.testing.assert_allclose(find_normals(SPHERE), SPHERE.coordinates / 50, atol=0.05)

    def test_middle_is_brighter_than_the_rim(self):
        projection = look("left", "lateral")
        picture = projection.fill(projection.brightness, 0.0)
        assert picture[51, 60] > 0.9
        assert 0.5 < picture[51, 13] < 0.75

    def test_empty_picture_has_the_fill_value(self):
        projection = look("left", "lateral")
        assert (projection.fill(np.ones((len(projection.pixels), 3)), -1.0)[0, 0] == -1).all()


class TestSulci:
    def test_hollow_is_deep_and_bump_is_not(self):
        coordinates = SPHERE.coordinates.copy()
        hollow = np.linalg.norm(coordinates - [50, 0, 0], axis=1) < 12
        bump = np.linalg.norm(coordinates - [-50, 0, 0], axis=1) < 12
        coordinates[hollow] *= 0.6
        coordinates[bump] *= 1.1
        depths = find_depths(Mesh(coordinates, SPHERE.triangles, None))
        assert depths[hollow].mean() > 0 > depths[bump].mean()

    def test_sulci_of_fsaverage5_are_those_of_freesurfer(self):
        files = datasets.fetch_surf_fsaverage("fsaverage5")
        depths = find_depths(read_mesh(Path(files["pial_left"])))
        sulcal = datasets.load_fsaverage_data("fsaverage5", mesh_type="pial", data_type="sulcal").data.parts["left"]
        assert np.mean((depths > 0) == (np.ravel(sulcal) > 0)) > 0.78


class TestColours:
    def test_ends_and_middle_are_the_scale_s(self):
        colours = ColourBar("tSNR", 0.0, 50.0).colour(np.array([-3.0, 0.0, 25.0, 50.0, 99.0]))
        shown = ["#" + "".join(f"{round(part):02x}" for part in colour) for colour in colours]
        assert shown == [VIRIDIS[0], VIRIDIS[0], VIRIDIS[5], VIRIDIS[-1], VIRIDIS[-1]]

    def test_lightness_grows_along_the_scale(self):
        colours = ColourBar("", 0.0, 1.0).colour(np.linspace(0, 1, 50)) / 255
        lightness = colours**2.2 @ [0.2126, 0.7152, 0.0722]
        assert (np.diff(lightness) > 0).all()

    def test_end_says_that_values_lie_above_it(self):
        assert ColourBar("", 0.0, 120.0).ends == ("0", "120")
        assert ColourBar("", 0.0, 120.0, has_values_above=True).ends == ("0", "≥ 120")


def facts_of(n_regions, coverage=None, tsnr=None, status=None) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "name": [f"region {number}" for number in range(1, n_regions + 1)],
            "coverage": np.ones(n_regions) if coverage is None else coverage,
            "tsnr": np.full(n_regions, 40.0) if tsnr is None else tsnr,
            "status": ["ok"] * n_regions if status is None else status,
        }
    )


def meshes_of(*structures, anatomical=None) -> Meshes:
    cortices = tuple(CortexMesh(structure, SPHERE, anatomical) for structure in structures)
    return Meshes(cortices, "inflated", None, "sphere.surf.gii", ())


def back_and_front(space) -> np.ndarray:
    """Labels: region 1 behind the middle of a sphere, region 2 in front of it, nothing in a band between."""
    y = SPHERE.coordinates[:, 1]
    labels = np.where(y < -10, 1, np.where(y > 10, 2, 0))
    return np.concatenate([labels[model.vertices] for model in space.models])


def picture_of(space, labels=None, *, mean=None, meshes=None) -> CortexPicture:
    labels = back_and_front(space) if labels is None else labels
    names = [f"region {number}" for number in range(1, labels.max() + 1)]
    weights = label_weights(space, labels, names)
    return make_picture(weights, mean, meshes_of(*(m.structure for m in space.models)) if meshes is None else meshes)


def pixels_of(uri) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(b64decode(uri.partition(",")[2])))).astype(int)


def draw(space=None, colours=(RED, BLUE), facts=None, **given):
    space = make_space(N) if space is None else space
    return draw_cortex(picture_of(space, **given), colours, facts_of(2) if facts is None else facts)


class TestDrawing:
    def test_regions_have_their_colours_on_both_sides(self):
        (uri,) = draw().maps[0].images
        pixels = pixels_of(uri)
        height, width = pixels.shape[:2]
        assert width == 1120
        row = 38 + (height - 38) // 2
        # From the left the front, region 2, is on the left; from the middle it is on the right.
        lateral_front, lateral_back = pixels[row, 150], pixels[row, 410]
        medial_back, medial_front = pixels[row, 710], pixels[row, 970]
        for blue in (lateral_front, medial_front):
            assert blue[2] > 150 > 40 > blue[0]
        for red in (lateral_back, medial_back):
            assert red[0] > 150 > 40 > red[2]

    def test_vertices_without_region_and_without_signal_are_light_and_dark_grey(self):
        mean = np.where(SPHERE.coordinates[:, 2] > 5, 100.0, 0.0)
        pixels = pixels_of(draw(mean=mean).maps[0].images[0])
        above, below = pixels[150, 280], pixels[500, 280]
        assert np.ptp(above) < 6
        assert np.ptp(below) < 6
        assert above.mean() > below.mean() + 40

    def test_vertices_that_the_file_does_not_have_are_dark_grey(self):
        upper = np.flatnonzero(SPHERE.coordinates[:, 2] > 5).astype(np.int32)
        space = Grayordinates((SurfaceModel(CORTEX_LEFT, N, upper),))
        pixels = pixels_of(draw(space).maps[0].images[0])
        assert pixels[150, 280].mean() > pixels[500, 280].mean() + 40
        assert np.ptp(pixels[500, 410]) < 6

    def test_regions_are_separated_by_dark_lines(self):
        labels = np.where(SPHERE.coordinates[:, 1] < 0, 1, 2)
        grey = pixels_of(draw(labels=labels, colours=("#808080", "#808080")).maps[0].images[0]).mean(axis=2)
        assert grey[300, 250:310].min() < 0.75 * grey[300, 240]

    def test_hemispheres_have_a_picture_each_left_first(self):
        space = make_space(N, N)
        drawing = draw(Grayordinates(space.models[::-1]))
        assert [len(each.images) for each in drawing.maps] == [2, 2, 2, 2]
        assert drawing.views == ("left hemisphere, lateral and medial", "right hemisphere, medial and lateral")
        assert "2 of 2 regions in colour on the inflated surface (sphere.surf.gii)" in drawing.description
        assert drawing.description.endswith("lateral and medial views of both hemispheres")

    def test_regions_in_colour_without_a_signal_are_counted(self):
        drawing = draw(facts=facts_of(2, status=["ok", "constant"]))
        assert "2 of 2 regions in colour, 1 of them without a signal, on the inflated surface" in drawing.description

    def test_maps_of_values_have_the_colours_of_their_bar(self):
        drawing = draw(facts=facts_of(2, coverage=[1.0, 0.0], tsnr=[30.0, 57.3]))
        assert [each.title for each in drawing.maps] == ["Regions", "Coverage", "tSNR", "Correlation"]
        ends = [each.bar and (each.bar.low, each.bar.high) for each in drawing.maps]
        assert ends == [None, (0.0, 1.0), (0.0, 58.0), (-1.0, 1.0)]
        pixels = pixels_of(drawing.maps[1].images[0])
        front, back = pixels[300, 150], pixels[300, 410]
        assert back[0] > 180 > 90 > back[2]  # the yellow of 1
        assert 30 < front[2] < 110 > 30 > front[1]  # the violet of 0

    def test_region_without_a_value_is_grey(self):
        drawing = draw(facts=facts_of(2, tsnr=[np.nan, 50.0]))
        assert np.ptp(pixels_of(drawing.maps[2].images[0])[300, 410]) < 6

    @pytest.mark.parametrize("tsnr", [np.nan, 0.0])
    def test_without_tsnr_there_is_no_map_of_it(self, tsnr):
        drawing = draw(facts=facts_of(2, tsnr=[tsnr, tsnr]))
        assert [each.title for each in drawing.maps] == ["Regions", "Coverage", "Correlation"]

    @pytest.mark.parametrize(
        ("tsnr", "ends"),
        [
            ([20.0, 57.3], ("0", "58")),
            ([0.0123, 0.0456], ("0", "0.046")),
            ([-3.21, -1.0], ("-3.3", "0")),
            ([0.0] * 99 + [5.0], ("0", "5")),
            ([40.0] * 98 + [45.0, 900.0], ("0", "≥ 45")),
        ],
    )
    def test_scale_of_tsnr_begins_at_0_and_leaves_out_extreme_regions(self, tsnr, ends):
        n_regions = len(tsnr)
        labels = np.arange(N) % n_regions + 1
        drawing = draw(labels=labels, colours=(RED,) * n_regions, facts=facts_of(n_regions, tsnr=np.array(tsnr)))
        assert drawing.maps[2].bar.ends == ends

    def test_sulci_of_the_folded_mesh_are_darker_on_the_inflated_one(self):
        coordinates = SPHERE.coordinates.copy()
        hollow = np.linalg.norm(coordinates - [-50, 0, 0], axis=1) < 20
        coordinates[hollow] *= 0.5
        folded = Mesh(coordinates, SPHERE.triangles, None)
        labels = np.zeros(N, dtype=int)
        labels[0] = 1
        meshes = meshes_of(CORTEX_LEFT, anatomical=folded)
        pixels = pixels_of(draw(labels=labels, colours=(RED,), facts=facts_of(1), meshes=meshes).maps[0].images[0])
        assert pixels[300, 280].mean() < pixels[300, 840].mean() - 15

    def test_map_that_the_page_paints_is_white_where_the_regions_are(self):
        drawing = draw(facts=facts_of(2, tsnr=[30.0, 50.0]))
        assert [each.is_painted_in_page for each in drawing.maps] == [False, False, False, True]
        pixels, regions = (pixels_of(drawing.maps[number].images[0])[300, 150] for number in (3, 0))
        assert np.ptp(pixels) < 6 < np.ptp(regions)
        assert pixels.min() >= regions.max() - 6

    def test_pixels_have_the_labels_of_the_hits(self):
        (picture,) = draw(facts=facts_of(2)).hits["pictures"]
        pixels = unpack_compressed(picture["pixels"]).reshape(picture["pixels"]["shape"])
        labels, lengths = unpack(picture["runs"]).astype(int)
        hits = np.repeat(labels, lengths).reshape(picture["shape"])
        assert set(hits.ravel()) == {0, 1, 2}
        np.testing.assert_array_equal(pixels[2::4, 2::4], hits)

    def test_hits_are_the_labels_of_the_picture(self):
        hits = draw(facts=facts_of(2, coverage=[1.0, 0.52], tsnr=[33.333, np.nan])).hits
        assert hits["names"] == ["region 1", "region 2"]
        assert hits["numbers"] == [", coverage 1.00, tSNR 33.3", ", coverage 0.52"]
        (picture,) = hits["pictures"]
        regions, lengths = unpack(picture["runs"]).astype(int)
        labels = np.repeat(regions, lengths).reshape(picture["shape"])
        height, width = labels.shape
        assert width == 280
        middle = height // 2
        assert [labels[middle, column] for column in (37, 102, 177, 242)] == [2, 1, 1, 2]
        assert labels[0, 0] == labels[middle, 70] == 0

    def test_one_cortex_of_real_size_is_small_on_the_page(self):
        space = make_space(10_242)
        meshes = find_meshes(space, "bold.func.gii", [])
        places = meshes.cortices[0].anatomical.coordinates
        labels = np.floor(places[:, 1] / 18) * 10 + np.floor(places[:, 2] / 18)
        labels = np.unique(labels, return_inverse=True)[1] + 1
        drawing = draw(space, labels=labels, meshes=meshes, colours=(RED, BLUE) * 40, facts=facts_of(80))
        assert sum(len(each.images[0]) for each in drawing.maps) < 400_000


class TestPictures:
    def test_grid_s_picture_is_a_volume_on_the_mean_image(self):
        space = Grayordinates((), None)
        matrix = sparse.csr_array(([1.0], ([0], [7])), shape=(1, 120))
        weights = dataclasses.replace(label_weights(space, np.zeros(0, dtype=int), ["a"]), space=GRID, matrix=matrix)
        picture = make_picture(weights, np.arange(120.0), None)
        assert isinstance(picture, VolumePicture)
        assert picture.labels.values[3, 1, 0] == 1
        assert picture.background.values[3, 1, 0] == 7

    def voxels(self):
        voxels = np.array([[1, 2, 3], [3, 4, 5], [0, 0, 1]], dtype=np.int32)
        return Grayordinates(
            (
                VoxelModel("THALAMUS_LEFT", voxels[:2]),
                SurfaceModel(CORTEX_RIGHT, N, np.arange(5, dtype=np.int32)),
                VoxelModel("CAUDATE_LEFT", voxels[2:]),
            ),
            GRID,
        )

    def test_voxels_of_grayordinates_are_a_volume_of_their_own(self):
        labels = np.array([1, 1, 2, 2, 2, 2, 0, 3])
        mean = np.array([10.0, 11, 0, 0, 0, 0, 0, 12])
        picture = picture_of(self.voxels(), labels, mean=mean, meshes=meshes_of(CORTEX_RIGHT))
        assert picture.voxels.background_name == "the run's mean in its voxels"
        assert [picture.voxels.labels.values[place] for place in [(1, 2, 3), (3, 4, 5), (0, 0, 1)]] == [1, 1, 3]
        assert np.count_nonzero(picture.voxels.labels.values) == 3
        assert picture.voxels.background.values[3, 4, 5] == 11
        (hemisphere,) = picture.hemispheres
        assert hemisphere.labels[:6].tolist() == [2, 2, 2, 2, 0, 0]

    @pytest.mark.parametrize("mean", [None, np.array([1.0, -1, 0, 0, 0, 0, 0, 2])], ids=["unknown", "around 0"])
    def test_without_a_mean_image_voxels_are_grey(self, mean):
        picture = picture_of(self.voxels(), np.array([1, 1, 1, 1, 1, 1, 1, 0]), mean=mean).voxels
        assert picture.background_name == "the run's voxels"
        assert np.count_nonzero(picture.background.values) == 3
        assert picture.background.values.max() == 1

    def test_surface_has_no_volume(self):
        assert picture_of(make_space(N)).voxels is None

    @pytest.mark.parametrize(
        ("n_vertices", "name"),
        [
            (32_492, "TemplateFlow's tpl-fsLR_den-32k_hemi-L_midthickness.surf.gii"),
            (163_842, "a mesh of its space, named like sub-01_hemi-L_midthickness.surf.gii, and the same file of"),
        ],
    )
    def test_missing_mesh_is_explained_with_the_way_out(self, n_vertices, name):
        space = make_space(n_vertices)
        picture = make_picture(label_weights(space, np.ones(n_vertices, dtype=int), ["a"]), None, None)
        assert picture.hemispheres == ()
        text = explain_missing_mesh(picture)
        assert f"The regions on the cortex are not drawn, because no mesh of {n_vertices:,} vertices was found" in text
        assert f"{name}" in text
        assert "beside the image or the atlas" in text

    def test_hemisphere_with_a_mesh_is_drawn_without_the_other(self):
        picture = picture_of(make_space(N, N), meshes=meshes_of(CORTEX_RIGHT))
        assert [hemisphere.side for hemisphere in picture.hemispheres] == ["right"]
        assert "The regions on one hemisphere are not drawn" in explain_missing_mesh(picture)

    def test_finer_mesh_is_drawn_by_its_first_vertices(self):
        space = make_space(4 * N)
        labels = np.repeat([1, 2], [10, 4 * N - 10])
        (hemisphere,) = picture_of(space, labels, meshes=meshes_of(CORTEX_LEFT)).hemispheres
        np.testing.assert_array_equal(hemisphere.labels, labels[:N])
