from __future__ import annotations

import socket
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nilearn import datasets
from surface_files import make_space, make_sphere, save_mesh

from niimasker.errors import ImageError, NiimaskerWarning
from niimasker.inputs.grayordinates import CORTEX_LEFT, CORTEX_RIGHT, Grayordinates, SurfaceModel, VoxelModel
from niimasker.inputs.spaces import Grid
from niimasker.inputs.surfaces import meshes
from niimasker.inputs.surfaces.mesh_files import (
    list_mesh_folders,
    list_templateflow_folders,
    read_mesh_name,
    read_surface_space,
)
from niimasker.inputs.surfaces.meshes import find_meshes, locate_vertices, read_cortex_mesh

COORDINATES, TRIANGLES = make_sphere()
N = len(COORDINATES)
BOLD = "sub-01_task-rest_hemi-L_space-fsLR_den-32k_bold.func.gii"


def save_pair(folder, name, *, shift=0.0):
    """Both hemispheres of a mesh whose name has {hemi}; the right one lies 100 mm to the right."""
    for hemi, right in (("L", 0.0), ("R", 100.0)):
        save_mesh(folder / name.format(hemi=hemi), COORDINATES + np.array([right + shift, 0, 0]), TRIANGLES)


def find(folder, image_name=BOLD, space=None):
    return find_meshes(make_space(N, N) if space is None else space, image_name, [folder])


class TestNames:
    @pytest.mark.parametrize(
        ("name", "side", "kind", "space"),
        [
            ("sub-01_hemi-L_space-fsLR_den-32k_midthickness.surf.gii", "L", "midthickness", "fsLR"),
            ("sub-01_hemi-R_inflated.surf.gii", "R", "inflated", "fsnative"),
            ("sub-01_inflated.L.surf.gii", "L", "inflated", "fsnative"),
            ("tpl-fsLR_den-32k_hemi-L_midthickness.surf.gii", "L", "midthickness", "fsLR"),
            ("tpl-fsLR_den-32k_hemi-R_veryinflated.surf.gii", "R", "very_inflated", "fsLR"),
            ("tpl-fsaverage_den-10k_hemi-L_pial.surf.gii", "L", "pial", "fsaverage"),
            ("100307.L.midthickness.32k_fs_LR.surf.gii", "L", "midthickness", "fsLR"),
            ("S1200.R.very_inflated_MSMAll.32k_fs_LR.surf.gii", "R", "very_inflated", "fsLR"),
            ("lh.pial", "L", "pial", None),
            ("rh.white.T1", "R", "white", None),
            ("lh.inflated.surf.gii.gz", "L", "inflated", None),
        ],
    )
    def test_name_says_hemisphere_kind_and_space(self, name, side, kind, space):
        read = read_mesh_name(name)
        assert (read.side, read.kind, read.space) == (side, kind, space)

    @pytest.mark.parametrize(
        "name",
        [
            "tpl-fsLR_den-32k_hemi-L_sphere.surf.gii",
            "tpl-fsLR_den-32k_hemi-L_desc-vaavg_midthickness.shape.gii",
            "tpl-fsLR_den-32k_midthickness.surf.gii",
            "lh.pial.stats",
            "._lh.pial",
            "._sub-01_hemi-L_pial.surf.gii",
        ],
    )
    def test_other_files_are_no_meshes(self, name):
        assert read_mesh_name(name) is None

    @pytest.mark.parametrize(
        ("name", "space"),
        [
            ("sub-01_task-rest_hemi-L_space-fsaverage5_bold.func.gii", "fsaverage"),
            ("sub-01_task-rest_bold_space-fsaverage5.L.func.gii", "fsaverage"),
            ("sub-01_task-rest_hemi-L_space-fsaverage_den-10k_bold.func.gii", "fsaverage"),
            ("sub-01_task-rest_space-fsLR_den-91k_bold.dtseries.nii", "fsLR"),
            ("sub-01_task-rest_space-fsnative_hemi-L_bold.func.gii", "fsnative"),
            ("sub-01_task-rest_space-MNI152NLin6Asym_bold.dtseries.nii", None),
            ("rfMRI_REST1_LR_Atlas_MSMAll.dtseries.nii", None),
            ("lh.fsaverage5.func.gii", "fsaverage"),
            ("Schaefer400.fsaverage_LR32k.dlabel.nii", "fsLR"),
        ],
    )
    def test_space_of_surfaces_is_read(self, name, space):
        assert read_surface_space(name) == space

    def test_folders_are_the_run_s_its_anat_folders_and_those_of_the_atlases(self):
        image = Path("out/sub-01/ses-1/func/sub-01_ses-1_bold.dtseries.nii")
        assert list_mesh_folders(image, [Path("atlases/a.dlabel.nii")]) == (
            Path("out/sub-01/ses-1/func"),
            Path("out/sub-01/ses-1/anat"),
            Path("out/sub-01/anat"),
            Path("out/sub-01/fsaverage_LR32k"),
            Path("atlases"),
        )

    def test_folder_of_the_hcp_s_meshes_is_searched(self):
        image = Path("100307/MNINonLinear/Results/rfMRI_REST1_LR/rfMRI_REST1_LR_Atlas.dtseries.nii")
        assert Path("100307/MNINonLinear/fsaverage_LR32k") in list_mesh_folders(image, [])

    def test_working_directory_may_be_the_run_s_folder(self, tmp_path, monkeypatch):
        folder = tmp_path / "sub-01" / "ses-1" / "func"
        folder.mkdir(parents=True)
        monkeypatch.chdir(folder)
        found = {path.resolve() for path in list_mesh_folders(Path("sub-01_ses-1_bold.func.gii"), [])}
        assert {tmp_path / "sub-01" / "ses-1" / "anat", tmp_path / "sub-01" / "anat"} <= found

    def test_templateflow_s_folder_is_where_it_says(self):
        assert list_templateflow_folders({"TEMPLATEFLOW_HOME": "/tf"})[0] == Path("/tf/tpl-fsLR")
        assert list_templateflow_folders({})[1] == Path("~/.cache/templateflow/tpl-fsaverage").expanduser()


class TestFiles:
    @pytest.mark.parametrize(
        "name",
        [
            "sub-01_hemi-{hemi}_space-fsLR_den-32k_midthickness.surf.gii",
            "tpl-fsLR_den-32k_hemi-{hemi}_midthickness.surf.gii",
            "100307.{hemi}.midthickness.32k_fs_LR.surf.gii",
        ],
    )
    def test_mesh_beside_the_run_is_found(self, tmp_path, name):
        save_pair(tmp_path, name)
        meshes = find(tmp_path)
        assert [cortex.structure for cortex in meshes.cortices] == [CORTEX_LEFT, CORTEX_RIGHT]
        assert meshes.drawn_kind == meshes.anatomical_kind == "midthickness"
        assert meshes.source == ", ".join(name.format(hemi=hemi) for hemi in "LR")
        np.testing.assert_array_equal(meshes.cortices[0].drawn.triangles, TRIANGLES)

    def test_inflated_is_drawn_and_midthickness_says_where_vertices_lie(self, tmp_path):
        for kind, shift in (("inflated", 1000.0), ("pial", 2.0), ("midthickness", 1.0), ("sphere", 5.0)):
            save_pair(tmp_path, "sub-01_hemi-{hemi}_space-fsLR_den-32k_" + kind + ".surf.gii", shift=shift)
        meshes = find(tmp_path)
        assert (meshes.drawn_kind, meshes.anatomical_kind) == ("inflated", "midthickness")
        places = locate_vertices(make_space(N, N), meshes)
        expected = np.concatenate([COORDINATES + np.array([x, 0, 0]) for x in (1, 101)])
        np.testing.assert_allclose(places, expected, atol=1e-4)
        assert len(meshes.paths) == 4

    def test_inflated_alone_says_nothing_about_places(self, tmp_path):
        save_pair(tmp_path, "sub-01_hemi-{hemi}_space-fsLR_den-32k_inflated.surf.gii")
        meshes = find(tmp_path)
        assert meshes.anatomical_kind is None
        assert np.isnan(locate_vertices(make_space(N, N), meshes)).all()

    @pytest.mark.parametrize(
        "name",
        [
            "sub-02_hemi-{hemi}_space-fsLR_den-32k_midthickness.surf.gii",
            "sub-01_ses-2_hemi-{hemi}_space-fsLR_den-32k_midthickness.surf.gii",
            "sub-01_hemi-{hemi}_midthickness.surf.gii",
            "tpl-fsaverage_den-10k_hemi-{hemi}_midthickness.surf.gii",
        ],
    )
    def test_mesh_of_another_subject_session_or_space_is_not_used(self, tmp_path, name):
        save_pair(tmp_path, name)
        assert find(tmp_path, "sub-01_ses-1_task-rest_hemi-L_space-fsLR_den-32k_bold.func.gii") is None

    def test_mesh_of_another_number_of_vertices_is_not_used(self, tmp_path):
        save_pair(tmp_path, "tpl-fsLR_den-32k_hemi-{hemi}_midthickness.surf.gii")
        assert find(tmp_path, space=make_space(N + 1, N + 1)) is None

    def test_run_in_the_subject_s_own_space_has_the_subject_s_meshes(self, tmp_path):
        left, right = make_sphere(6), make_sphere(9)
        save_mesh(tmp_path / "sub-01_hemi-L_pial.surf.gii", *left)
        save_mesh(tmp_path / "sub-01_hemi-R_pial.surf.gii", *right)
        space = make_space(len(left[0]), len(right[0]))
        meshes = find(tmp_path, "sub-01_task-rest_hemi-L_space-fsnative_bold.func.gii", space)
        assert [cortex.drawn.n_vertices for cortex in meshes.cortices] == [len(left[0]), len(right[0])]

    def test_subject_s_own_mesh_comes_before_the_template_s(self, tmp_path):
        save_pair(tmp_path, "tpl-fsLR_den-32k_hemi-{hemi}_inflated.surf.gii")
        save_pair(tmp_path, "sub-01_hemi-{hemi}_space-fsLR_den-32k_midthickness.surf.gii")
        assert find(tmp_path).drawn_kind == "midthickness"

    def test_meshes_of_several_subjects_without_bids_names_are_not_guessed_between(self, tmp_path):
        save_pair(tmp_path, "100307.{hemi}.midthickness.32k_fs_LR.surf.gii")
        save_pair(tmp_path, "100408.{hemi}.midthickness.32k_fs_LR.surf.gii")
        assert find(tmp_path) is None

    def test_first_folder_wins(self, tmp_path):
        save_pair(tmp_path / "b", "tpl-fsLR_den-32k_hemi-{hemi}_pial.surf.gii")
        save_pair(tmp_path / "a", "tpl-fsLR_den-32k_hemi-{hemi}_white.surf.gii")
        folders = [tmp_path / "none", tmp_path / "b", tmp_path / "a"]
        assert find_meshes(make_space(N, N), BOLD, folders).drawn_kind == "pial"

    def test_run_of_one_hemisphere_needs_one_mesh(self, tmp_path):
        save_mesh(tmp_path / "tpl-fsLR_den-32k_hemi-R_pial.surf.gii", COORDINATES, TRIANGLES)
        (cortex,) = find(tmp_path, space=make_space(None, N)).cortices
        assert cortex.structure == CORTEX_RIGHT

    def test_pair_with_one_mesh_has_that_one(self, tmp_path):
        save_mesh(tmp_path / "tpl-fsLR_den-32k_hemi-R_pial.surf.gii", COORDINATES, TRIANGLES)
        meshes = find(tmp_path)
        assert meshes.find(CORTEX_LEFT) is None
        places = locate_vertices(make_space(N, N), meshes)
        assert np.isnan(places[:N]).all()
        np.testing.assert_allclose(places[N:], COORDINATES, atol=1e-4)

    def test_unnamed_run_of_164k_vertices_is_not_guessed_between_fsaverage_and_fslr(self, tmp_path, monkeypatch):
        monkeypatch.setattr("niimasker.inputs.surfaces.meshes.AMBIGUOUS_N_VERTICES", N)
        save_pair(tmp_path, "tpl-fsLR_den-164k_hemi-{hemi}_pial.surf.gii")
        assert find(tmp_path, "bold.func.gii").drawn_kind == "pial"
        save_pair(tmp_path, "tpl-fsaverage_den-164k_hemi-{hemi}_white.surf.gii")
        assert find(tmp_path, "bold.func.gii") is None
        assert find(tmp_path, "bold_space-fsaverage.func.gii").drawn_kind == "white"
        assert find(tmp_path, "bold_space-fsLR_den-164k.func.gii").drawn_kind == "pial"

    def test_vertices_of_cifti_are_found_by_their_number_and_voxels_have_no_place(self, tmp_path):
        save_pair(tmp_path, "tpl-fsLR_den-32k_hemi-{hemi}_pial.surf.gii")
        vertices = np.array([7, 3, 50], dtype=np.int32)
        space = Grayordinates(
            (
                VoxelModel("THALAMUS_LEFT", np.array([[1, 2, 3]], dtype=np.int32)),
                SurfaceModel(CORTEX_RIGHT, N, vertices),
            ),
            Grid((4, 5, 6), tuple(map(tuple, np.eye(4).tolist()))),
        )
        places = locate_vertices(space, find(tmp_path, "sub-01_space-fsLR_den-91k_bold.dtseries.nii", space))
        assert np.isnan(places[0]).all()
        np.testing.assert_allclose(places[1:], COORDINATES[vertices] + [100, 0, 0], atol=1e-4)

    def test_without_mesh_no_place_is_known(self):
        assert np.isnan(locate_vertices(make_space(N), None)).all()

    def test_space_without_cortex_has_no_mesh(self, tmp_path):
        voxels = VoxelModel("THALAMUS_LEFT", np.zeros((1, 3), dtype=np.int32))
        space = Grayordinates((voxels,), Grid((2, 2, 2), tuple(map(tuple, np.eye(4).tolist()))))
        assert find(tmp_path, space=space) is None


class TestReading:
    def test_freesurfer_s_geometry_is_moved_to_the_scanner_s_coordinates(self, tmp_path):
        path = tmp_path / "lh.pial"
        volume = {
            "head": np.array([2, 0, 20], dtype=np.int32),
            "valid": "1  # volume info valid",
            "filename": "orig.mgz",
            "volume": np.array([256, 256, 256]),
            "voxelsize": np.ones(3),
            "xras": np.array([-1.0, 0, 0]),
            "yras": np.array([0.0, 0, -1]),
            "zras": np.array([0.0, 1, 0]),
            "cras": np.array([5.0, -3.0, 2.0]),
        }
        nib.freesurfer.write_geometry(path, COORDINATES, TRIANGLES, volume_info=volume)
        mesh = read_cortex_mesh(path)
        np.testing.assert_allclose(mesh.coordinates, COORDINATES + np.array([5, -3, 2]), atol=1e-4)
        np.testing.assert_array_equal(mesh.triangles, TRIANGLES)

    def test_freesurfer_s_geometry_that_does_not_say_where_its_volume_lies_is_read_as_it_is(self, tmp_path):
        mesh = read_cortex_mesh(save_mesh(tmp_path / "rh.white", COORDINATES, TRIANGLES))
        np.testing.assert_allclose(mesh.coordinates, COORDINATES, atol=1e-4)

    @pytest.mark.parametrize("name", ["tpl-fsLR_den-32k_hemi-L_pial.surf.gii", "lh.pial"])
    def test_damaged_mesh_is_warned_of_and_not_used(self, tmp_path, name):
        (tmp_path / name).write_bytes(b"no mesh at all")
        with pytest.warns(NiimaskerWarning, match=f"not used as a mesh of the cortex: .*{name}: "):
            assert find(tmp_path, space=make_space(N)) is None

    def test_file_that_templateflow_has_not_fetched_is_passed_over(self, tmp_path):
        (tmp_path / "tpl-fsLR_den-32k_hemi-L_pial.surf.gii").touch()
        assert find(tmp_path, space=make_space(N)) is None

    def test_triangles_that_do_not_fit_are_refused(self, tmp_path):
        path = save_mesh(tmp_path / "lh.pial", COORDINATES, TRIANGLES + 1)
        with pytest.raises(ImageError, match=r"lh\.pial: a triangle names a vertex that is none of the 98"):
            read_cortex_mesh(path)

    def test_places_that_are_no_numbers_are_refused(self, tmp_path):
        path = save_mesh(tmp_path / "lh.pial.surf.gii", COORDINATES * np.nan, TRIANGLES)
        with pytest.raises(ImageError, match=r"lh\.pial\.surf\.gii: the places of some vertices are not numbers"):
            read_cortex_mesh(path)

    def test_mesh_of_the_other_hemisphere_than_its_name_says_is_warned_of_and_not_used(self, tmp_path):
        path = save_mesh(tmp_path / "tpl-fsLR_den-32k_hemi-L_pial.surf.gii", COORDINATES, TRIANGLES, "CortexRight")
        with pytest.warns(NiimaskerWarning, match=f"{path}: is of CORTEX_RIGHT; expected CORTEX_LEFT by its name"):
            assert find(tmp_path, space=make_space(N)) is None


class TestFsaverage5:
    @pytest.fixture(autouse=True)
    def no_network(self, monkeypatch):
        def refuse(*arguments):
            raise AssertionError("the network is used")

        monkeypatch.setattr(socket.socket, "connect", refuse)

    @pytest.mark.parametrize(
        "image_name",
        [
            "sub-01_hemi-L_space-fsaverage5_bold.func.gii",
            "sub-01_hemi-L_space-fsaverage_den-10k_bold.func.gii",
            "bold.func.gii",
        ],
    )
    def test_nilearn_s_mesh_is_used(self, tmp_path, image_name):
        meshes = find(tmp_path, image_name, make_space(10_242, 10_242))
        assert (meshes.source, meshes.drawn_kind, meshes.anatomical_kind) == (
            "nilearn's fsaverage5",
            "inflated",
            "pial",
        )
        pial = datasets.load_fsaverage("fsaverage5")["pial"].parts
        places = locate_vertices(make_space(10_242, 10_242), meshes)
        np.testing.assert_allclose(places[:10_242], pial["left"].coordinates, atol=1e-4)
        np.testing.assert_allclose(places[10_242:], pial["right"].coordinates, atol=1e-4)
        names = {str(path) for path in meshes.paths}
        files = datasets.fetch_surf_fsaverage("fsaverage5")
        assert names == {files[f"{kind}_{side}"] for kind in ("infl", "pial") for side in ("left", "right")}

    def test_renamed_files_are_found_through_nilearn(self, tmp_path, monkeypatch):
        monkeypatch.setattr(meshes, "find_spec", lambda name: None)
        meshes._read_fsaverage5.cache_clear()
        found = find(tmp_path, "bold_space-fsaverage5.L.func.gii", make_space(10_242))
        assert found.paths[0] == Path(datasets.fetch_surf_fsaverage("fsaverage5")["infl_left"])

    def test_run_in_another_space_is_not_drawn_on_it(self, tmp_path):
        assert find(tmp_path, "sub-01_hemi-L_space-fsnative_bold.func.gii", make_space(10_242)) is None

    @pytest.mark.parametrize("n_vertices", [40_962, 163_842])
    def test_finer_fsaverage_is_drawn_on_its_first_vertices_which_give_no_places(self, tmp_path, n_vertices):
        space = make_space(n_vertices)
        meshes = find(tmp_path, "sub-01_hemi-L_space-fsaverage_bold.func.gii", space)
        assert meshes.cortices[0].drawn.n_vertices == 10_242
        assert "whose vertices are the first of the run's" in meshes.source
        assert np.isnan(locate_vertices(space, meshes)).all()

    def test_other_surface_of_164k_vertices_is_not_drawn_on_it(self, tmp_path):
        for image_name in ("bold.func.gii", "sub-01_hemi-L_space-fsLR_den-164k_bold.func.gii"):
            assert find(tmp_path, image_name, make_space(163_842)) is None

    def test_coarser_meshes_of_fsaverage_are_the_first_vertices_of_finer_ones(self):
        triangles = datasets.load_fsaverage("fsaverage5")["sphere"].parts["left"].faces
        edges = np.concatenate([triangles[:, pair] for pair in ([0, 1], [1, 2], [2, 0])])
        n_coarse = 2_562  # of fsaverage4
        new = edges[(edges[:, 0] >= n_coarse) & (edges[:, 1] < n_coarse), 0]
        # Each new vertex halves an edge of the coarser mesh: it lies between two of its vertices.
        assert (np.bincount(new, minlength=10_242)[n_coarse:] == 2).all()
        assert not ((edges[:, 0] < n_coarse) & (edges[:, 1] < n_coarse)).any()
