"""The page of a run on a surface or in grayordinates."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from surface_files import make_space, make_sphere, save_mesh
from surface_views import surface_view

from niimasker.inputs.grayordinates import CORTEX_LEFT, Grayordinates, SurfaceModel, VoxelModel
from niimasker.inputs.spaces import Grid
from niimasker.regions.placing.weights import RegionKind
from niimasker.reports.run_page import make_report

COORDINATES, TRIANGLES = make_sphere()
N = len(COORDINATES)
NAMES = ("L_Vis", "<b>L_Som</b>", "L_Thalamus")
MESH = "tpl-fsLR_den-32k_hemi-L_midthickness.surf.gii"
GRID = Grid((4, 5, 6), ((2.0, 0, 0, -4), (0, 2.0, 0, -4), (0, 0, 2.0, -4), (0, 0, 0, 1.0)))


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """The current folder, in a home without TemplateFlow's files."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TEMPLATEFLOW_HOME", str(tmp_path / "templateflow"))
    return tmp_path


def grayordinates() -> Grayordinates:
    """The left cortex without a wall of 10 vertices, and two voxels."""
    vertices = np.arange(N - 10, dtype=np.int32)
    voxels = np.array([[1, 2, 3], [2, 2, 3]], dtype=np.int32)
    return Grayordinates((SurfaceModel(CORTEX_LEFT, N, vertices), VoxelModel("THALAMUS_LEFT", voxels)), GRID)


def page(space=None, *, image="sub-01_space-fsLR_den-91k_bold.dtseries.nii", folder=".", **given) -> str:
    """The HTML of a run with the regions 1 and 2 on the cortex, and 3 in voxels if there are any."""
    space = grayordinates() if space is None else space
    labels = np.where(space.is_vertex, np.arange(space.n_points) % 3, 3)
    names = NAMES[: labels.max()]
    values = 500 + np.random.default_rng(0).normal(size=(20, space.n_points))
    return make_report(surface_view(Path(folder) / image, space, labels, names, values, **given), assets="assets")


def text_of(html) -> str:
    return " ".join(re.sub("<[^>]*>", " ", html).split())


class TestPicture:
    def test_cortex_and_voxels_have_a_picture_each(self):
        save_mesh(Path(MESH), COORDINATES, TRIANGLES)
        html = page()
        titles = re.findall("<h2 id=.*?>(.*?)</h2>", html)
        assert titles[1:3] == ["Regions on the cortex", "Regions in voxels"]
        assert "2 of 3 regions in colour on the midthickness surface (" + MESH + ")" in html
        assert "1 of 3 regions in colour on the run&#39;s mean in its voxels" in html
        assert html.count("<img src=") == 5
        assert '<script src="assets/cortex.js" defer></script>' in html

    def test_maps_are_radio_buttons_of_which_the_regions_are_chosen(self):
        save_mesh(Path(MESH), COORDINATES, TRIANGLES)
        inputs = re.findall("<input type=.radio. name=.map.*?>", page())
        assert [" checked" in each for each in inputs] == [True, False, False, False]
        # The last one needs a script.
        assert [" hidden" in each for each in inputs] == [False, False, False, True]
        assert len({re.search('name="(.*?)"', each)[1] for each in inputs}) == 1

    def test_alternative_texts_name_map_and_view(self):
        save_mesh(Path(MESH), COORDINATES, TRIANGLES)
        texts = re.findall('<img src=.*? alt="(.*?)">', page())
        assert texts[:2] == [
            "Regions: left hemisphere, lateral and medial",
            "Coverage: left hemisphere, lateral and medial",
        ]

    def test_names_are_escaped_in_the_data_for_the_pointer(self):
        save_mesh(Path(MESH), COORDINATES, TRIANGLES)
        assert "<b>L_Som" not in page()

    def test_without_a_mesh_the_page_says_what_to_do(self):
        html = page(make_space(32_492), image="sub-01_space-fsLR_den-91k_bold.dtseries.nii")
        assert (
            "The regions on the cortex are not drawn, because no mesh of 32,492 vertices was found; to see them, put "
            "TemplateFlow&#39;s tpl-fsLR_den-32k_hemi-L_midthickness.surf.gii and the same file of hemi-R beside the "
            "image or the atlas. The table" in html
        )
        assert "<img" not in html
        assert "cortex.js" not in html

    @pytest.mark.parametrize("where", ["sub-01/anat", "atlases", "templateflow/tpl-fsLR"])
    def test_mesh_is_found_in_the_subject_s_the_atlas_s_and_templateflow_s_folder(self, where):
        save_mesh(Path(where) / MESH, COORDINATES, TRIANGLES)
        html = page(folder="sub-01/func", roi_file="atlases/atlas.dlabel.nii")
        assert "in colour on the midthickness surface" in html

    def test_mesh_that_cannot_be_read_leaves_the_page_without_a_picture(self):
        Path(MESH).write_text("<GIFTI>", "utf-8")
        assert "The regions on the cortex are not drawn" in page()

    def test_fsaverage5_needs_no_file(self):
        html = page(make_space(10_242, 10_242), image="sub-01_hemi-L_space-fsaverage5_bold.func.gii")
        assert (
            "on the inflated surface (nilearn&#39;s fsaverage5), in lateral and medial views of both hemispheres"
            in html
        )


class TestWords:
    @pytest.mark.parametrize("kind", sorted({*get_args(RegionKind)} - {"spheres", "voxels"}))
    def test_every_kind_of_regions_on_points_has_a_page(self, kind):
        nouns = {
            "labels": "extract 3 regions",
            "maps": "extract 3 probabilistic maps",
            "weights": "extract 3 weighted regions",
        }
        assert nouns[kind] in text_of(page(kind=kind))

    def test_title_of_two_hemispheres_names_both_by_one_name(self):
        left, right = ("sub-01_hemi-L_bold.func.gii", "sub-01_hemi-R_bold.func.gii")
        html = page(make_space(N, N), image=left, further_images=(Path(right),))
        assert re.findall("<h1>(.*?)</h1>", html) == ["sub-01"]
        assert re.findall('<p class="title-rest">(.*?)</p>', html) == ["both hemispheres"]
        assert re.findall('<p class="quiet path">(.*?)</p>', html) == [left, right]

    def test_title_of_one_hemisphere_names_it(self):
        html = page(make_space(N), image="sub-01_hemi-L_bold.func.gii")
        assert re.findall("<h1>(.*?)</h1>", html) == ["sub-01"]
        assert re.findall('<p class="title-rest">(.*?)</p>', html) == ["left hemisphere"]

    def test_table_says_structure_vertices_and_voxels(self):
        html = page()
        table = re.search('<table class="sortable regions.*?</table>', html, re.DOTALL)[0]
        assert re.findall("<th .*?>(.*?)</th>", table)[:5] == ["Index", "Name", "Structure", "Vertices", "Voxels"]
        rows = [text_of(row).split() for row in re.findall("<tr.*?</tr>", table, re.DOTALL)[1:]]
        assert [row[-7:-4] for row in rows] == [
            ["CORTEX_LEFT", "29", "0"],
            ["CORTEX_LEFT", "29", "0"],
            ["THALAMUS_LEFT", "0", "2"],
        ]
        assert "averaged over grayordinates" in table

    def test_table_of_a_surface_has_no_voxels(self):
        html = page(make_space(N))
        table = re.search('<table class="sortable regions.*?</table>', html, re.DOTALL)[0]
        assert re.findall("<th .*?>(.*?)</th>", table)[:5] == ["Index", "Name", "Structure", "Vertices", "Coverage"]
        assert "averaged over vertices" in table

    def test_methods_say_what_regions_are_means_over(self):
        assert "regions of atlas.dlabel.nii on the cortical surface as the mean over vertices" in text_of(
            page(make_space(N))
        )
        assert "as the mean over grayordinates" in text_of(page())

    def test_surface_page_says_nothing_of_voxels(self):
        save_mesh(Path("tpl-fsLR_den-32k_hemi-L_inflated.surf.gii"), COORDINATES, TRIANGLES)
        text = text_of(page(make_space(N), image="sub-01_space-fsLR_den-32k_hemi-L_bold.func.gii"))
        before_settings = text.partition("All settings, with defaults")[0]
        assert "voxel" not in before_settings.lower()
