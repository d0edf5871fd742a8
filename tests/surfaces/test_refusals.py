"""What cannot be used is refused in one line that says what was found and the way out."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from atlas_files import put_schaefer
from extracting import assert_signals, extract_run, numbers_in, read, refuse, run
from images import RAS, make_labels, make_series, save
from made_up_surfaces import (
    SIDES,
    Structure,
    cortex,
    labels_axis,
    make_models,
    members_of,
    models_axis,
    parcels_axis,
    save_annot,
    save_cifti,
    save_dlabel,
    save_dtseries,
    save_func,
    save_gifti,
    save_label_gii,
    save_label_pair,
    save_shape,
    scalars_axis,
    series_axis,
    write_nifti2,
)
from region_means import mean_of_each
from small_brain import (
    BRAIN,
    KEYS,
    N_MESH,
    NAMES,
    TABLE,
    make_values,
    write_atlas,
    write_brain,
    write_hemispheres,
)

pytestmark = pytest.mark.usefixtures("folder")

RUN, ATLAS = "rest.dtseries.nii", "atlas.dlabel.nii"
LEFT, LEFT_ATLAS = "rest_hemi-L_bold.func.gii", "atlas_hemi-L.label.gii"
MESH_KEYS, MESH_NAMES = np.repeat([1, 2, 4], 14), {1: "a", 2: "b", 4: "c"}


@pytest.fixture
def grayordinates() -> np.ndarray:
    """Write a run and an atlas of grayordinates, and return the values."""
    values = make_values()
    write_brain(values)
    write_atlas()
    return values


@pytest.fixture
def left() -> np.ndarray:
    """Write a run and an atlas of the left hemisphere, and return the values."""
    values = make_values(N_MESH)
    save_func(LEFT, values, primary="CortexLeft")
    save_label_gii(LEFT_ATLAS, MESH_KEYS, MESH_NAMES, primary="CortexLeft")
    return values


class TestOtherKindsOfFiles:
    @pytest.fixture(autouse=True)
    def volumes(self, folder) -> None:
        labels = make_labels()
        save(Path("bold.nii.gz"), make_series(labels), RAS, t_r=2.0)
        save(Path("volume.nii.gz"), labels, RAS)

    def test_volume_of_regions_on_grayordinates(self, grayordinates):
        line = refuse("out", "-i", RUN, "-r", "volume.nii.gz")
        assert "volume.nii.gz" in line

    def test_volume_of_regions_on_a_surface(self, left):
        line = refuse("out", "-i", LEFT, "-r", "volume.nii.gz")
        assert "volume.nii.gz" in line

    def test_grayordinates_of_regions_on_a_volume(self, grayordinates):
        assert ATLAS in refuse("out", "-i", "bold.nii.gz", "-r", ATLAS)

    @pytest.mark.parametrize("name", [LEFT_ATLAS, "lh.atlas.annot"])
    def test_surface_of_regions_on_a_volume(self, left, name):
        save_annot("lh.atlas.annot", MESH_KEYS, MESH_NAMES)
        assert name in refuse("out", "-i", "bold.nii.gz", "-r", name)

    def test_mask_of_another_kind(self, grayordinates, left):
        save(Path("mask.nii.gz"), (make_labels() > 0).astype(np.uint8), RAS)
        assert "mask.nii.gz" in refuse("out", "-i", RUN, "-r", ATLAS, "-m", "mask.nii.gz")
        save_shape("mask_hemi-L.shape.gii", MESH_KEYS == 1)
        line = refuse("out", "-i", "bold.nii.gz", "-r", "volume.nii.gz", "-m", "mask_hemi-L.shape.gii")
        assert "mask_hemi-L.shape.gii" in line

    @pytest.mark.parametrize("image", [RUN, LEFT])
    def test_atlas_of_nilearn_that_is_a_volume(self, grayordinates, left, image):
        put_schaefer(Path("atlases"), "a", "b")
        line = refuse("out", "-i", image, "-r", "nilearn:schaefer:100-7-2", "--atlas_dir", "atlases")
        assert "schaefer" in line

    @pytest.mark.parametrize("image", [RUN, LEFT])
    @pytest.mark.parametrize("radius", [[], ["--radius", "6"]], ids=["", "radius"])
    def test_coordinates(self, grayordinates, left, image, radius):
        Path("seeds.tsv").write_text("x\ty\tz\n0\t0\t0\n")
        assert "seeds.tsv" in refuse("out", "-i", image, "-r", "seeds.tsv", *radius)

    def test_a_volume_beside_a_surface_is_done(self, left):
        """One of two runs does not fit the atlas: it alone fails."""
        result = run("out", "-i", "bold.nii.gz", LEFT, "-r", "volume.nii.gz", "--no_report")
        assert result.code == 1
        (failed,) = [line for line in result.lines if line.startswith("niimasker: failed: ")]
        assert LEFT in failed
        assert Path("out/bold_timeseries.tsv").is_file()


class TestOptions:
    def test_smoothing_of_grayordinates(self, grayordinates):
        line = refuse("out", "-i", RUN, "-r", ATLAS, "--smoothing_fwhm", "4")
        assert "--smoothing_fwhm" in line
        assert "wb_command -cifti-smoothing" in line

    def test_smoothing_of_a_surface(self, left):
        line = refuse("out", "-i", LEFT, "-r", LEFT_ATLAS, "--smoothing_fwhm", "4")
        assert "--smoothing_fwhm" in line
        assert "wb_command" in line

    def test_no_smoothing_is_fine(self, grayordinates):
        extracted = extract_run("out", input_files=RUN, roi_file=ATLAS, smoothing_fwhm=0)
        assert_signals(extracted, mean_of_each(grayordinates, KEYS, NAMES))

    def test_nilearn_on_grayordinates(self, grayordinates):
        line = refuse("out", "-i", RUN, "-r", ATLAS, "--engine", "nilearn")
        assert "--engine" in line
        assert RUN in line


class TestMeshes:
    def test_atlas_of_another_density_names_both(self, surfaces_dir):
        image = surfaces_dir / "fsaverage5_rest/sub-01_task-rest_hemi-L_space-fsaverage5_bold.func.gii"
        atlas = surfaces_dir / "workbench/atlas-Schaefer100Tian_hemi-L_space-fsLR_den-32k_dseg.label.gii"
        line = refuse("out", "-i", image, "-r", atlas)
        assert {10242, 32492} <= numbers_in(line)
        assert "fsaverage5" in line
        assert "fsLR" in line

    def test_grayordinates_on_another_density_name_both(self, surfaces_dir):
        image = surfaces_dir / "cifti_jl/test.dtseries.nii"
        atlas = surfaces_dir / "small_meshes/Conte69.parcellations_VGD11b.6k_fs_LR.dlabel.nii"
        line = refuse("out", "-i", image, "-r", f"{atlas}:1")
        assert {5762, 32492} <= numbers_in(line)

    def test_surface_with_an_annotation_of_another_density(self, left):
        save_annot("lh.atlas.annot", np.repeat([1, 2], 81), {1: "a", 2: "b"})
        line = refuse("out", "-i", LEFT, "-r", "lh.atlas.annot")
        assert {42, 162} <= numbers_in(line)

    def test_mask_of_another_density(self, left):
        save_shape("mask_hemi-L.shape.gii", np.arange(162) < 80)
        line = refuse("out", "-i", LEFT, "-r", LEFT_ATLAS, "-m", "mask_hemi-L.shape.gii")
        assert {42, 162} <= numbers_in(line)

    @pytest.mark.parametrize(
        ("image", "atlas"),
        [
            (
                "sub-01_task-rest_hemi-L_space-fsLR_den-164k_bold.func.gii",
                "tpl-fsaverage_hemi-L_den-164k_atlas-A_dseg.label.gii",
            ),
            (
                "sub-01_task-rest_hemi-L_space-fsaverage_bold.func.gii",
                "tpl-fsLR_den-164k_hemi-L_atlas-A_dseg.label.gii",
            ),
        ],
        ids=["fsLR", "fsaverage"],
    )
    def test_meshes_of_163842_vertices_are_told_apart_by_names(self, image, atlas):
        keys = np.arange(163842) // 50000 + 1
        save_gifti(image, [keys.astype("u1")] * 2, primary="CortexLeft")
        save_label_gii(atlas, keys, {1: "a", 2: "b", 3: "c", 4: "d"})
        line = refuse("out", "-i", image, "-r", atlas)
        assert "fsLR" in line
        assert "fsaverage" in line

    def test_meshes_of_163842_vertices_of_one_space_are_fine(self):
        keys = np.arange(163842) // 50000 + 1
        values = np.stack([keys, keys * 2]).astype("u1")
        image = "sub-01_task-rest_hemi-L_space-fsaverage_bold.func.gii"
        atlas = "tpl-fsaverage_hemi-L_den-164k_atlas-A_dseg.label.gii"
        save_gifti(image, list(values), primary="CortexLeft")
        save_label_gii(atlas, keys, {1: "a", 2: "b", 3: "c", 4: "d"})
        extracted = extract_run("out", input_files=image, roi_file=atlas)
        np.testing.assert_allclose(extracted.signals, [[1, 2, 3, 4], [2, 4, 6, 8]])

    def test_hemispheres_of_two_densities(self):
        write_hemispheres(make_values(N_MESH), make_values(162))
        save_label_pair("atlas_hemi-{hemi}.label.gii", MESH_KEYS, MESH_KEYS, MESH_NAMES)
        line = refuse("out", "-i", "rest_hemi-*_bold.func.gii", "-r", "atlas_hemi-{hemi}.label.gii")
        assert {42, 162} <= numbers_in(line)


class TestVoxels:
    """The same structure in voxels of another size, or at places between those of the run."""

    @staticmethod
    def write_thalamus(affine: np.ndarray) -> None:
        voxels = np.array([[i, j, 4] for i in (2, 3, 4) for j in (3, 4, 5, 6)])
        models = make_models(Structure("THALAMUS_LEFT", voxels), affine=affine, shape=(9, 10, 11))
        save_dlabel(ATLAS, np.full(models.n_points, 9), models, TABLE)

    def test_of_another_size_name_both_sizes(self, grayordinates):
        self.write_thalamus(np.array([[-3.0, 0, 0, 90], [0, 3, 0, -126], [0, 0, 3, -72], [0, 0, 0, 1]]))
        line = refuse("out", "-i", RUN, "-r", ATLAS)
        assert {2, 3} <= numbers_in(line)
        assert "mm" in line

    def test_between_those_of_the_run(self, grayordinates):
        affine = BRAIN.affine.copy()
        affine[0, 3] += 1
        self.write_thalamus(affine)
        line = refuse("out", "-i", RUN, "-r", ATLAS)
        assert ATLAS in line
        assert "mm" in line

    def test_of_real_files_of_2_and_3_mm(self, surfaces_dir):
        real = surfaces_dir / "cifti_jl/test.dscalar.nii"
        image = surfaces_dir / "cifti_jl/test.dtseries.nii"
        line = refuse("out", "-i", image, "-r", real)
        assert {2, 3} <= numbers_in(line)

    def test_whose_places_differ_by_rounding_are_the_same(self, grayordinates):
        affine = BRAIN.affine + np.array([[0, 0, 0, 1e-5]] * 3 + [[0, 0, 0, 0]])
        self.write_thalamus(affine)
        extracted = extract_run("out", input_files=RUN, roi_file=ATLAS)
        expected = mean_of_each(grayordinates, KEYS, NAMES)["Thalamus"]
        np.testing.assert_allclose(extracted.signals["Thalamus"], expected, rtol=1e-9)


class TestNoSeries:
    @pytest.fixture(params=["dscalar", "dlabel", "ptseries", "pscalar", "pconn", "dconn"])
    def no_series(self, request, grayordinates) -> str:
        """Write a file that holds no series of points, and return its name."""
        name = f"rest.{request.param}.nii"
        points, parcels = models_axis(BRAIN), parcels_axis(members_of(BRAIN, KEYS, NAMES), BRAIN)
        first, second = {
            "dscalar": (scalars_axis(["a", "b"]), points),
            "dlabel": (labels_axis({"a": TABLE}), points),
            "ptseries": (series_axis(4), parcels),
            "pscalar": (scalars_axis(["a"]), parcels),
            "pconn": (parcels, parcels),
            "dconn": (points, points),
        }[request.param]
        save_cifti(name, np.ones((first.length, second.length)), first, second)
        return name

    def test_is_refused(self, no_series):
        line = refuse("out", "-i", no_series, "-r", ATLAS)
        assert no_series in line
        assert "dtseries" in line

    def test_is_refused_under_the_name_of_a_series(self, no_series):
        Path(no_series).rename("other.dtseries.nii")
        assert "other.dtseries.nii" in refuse("out", "-i", "other.dtseries.nii", "-r", ATLAS)

    @pytest.mark.parametrize(
        "name", ["cifti_jl/test.dscalar.nii", "cifti_jl/test.pconn.nii", "cifti_jl/test.ptseries.nii"]
    )
    def test_real_files_are_refused(self, surfaces_dir, grayordinates, name):
        assert Path(name).name in refuse("out", "-i", surfaces_dir / name, "-r", ATLAS)

    @pytest.mark.parametrize("name", ["atlas_hemi-L.label.gii", "thickness_hemi-L.shape.gii", "lh.pial.surf.gii"])
    def test_surfaces_without_a_series_are_refused(self, left, name):
        save_shape("thickness_hemi-L.shape.gii", np.ones(N_MESH))
        points, triangles = np.ones((N_MESH, 3), dtype="f4"), np.zeros((80, 3), dtype="i4")
        save_gifti("lh.pial.surf.gii", [points, triangles], intent="NIFTI_INTENT_POINTSET")
        assert name in refuse("out", "-i", name, "-r", LEFT_ATLAS)


CIFTI_1 = """<CIFTI Version="1.0" NumberOfMatrices="1"><Matrix>
<MatrixIndicesMap AppliesToMatrixDimension="0" IndicesMapToDataType="CIFTI_INDEX_TYPE_TIME_POINTS" TimeStep="2" \
TimeStepUnits="NIFTI_UNITS_SEC"/>
<MatrixIndicesMap AppliesToMatrixDimension="1" IndicesMapToDataType="CIFTI_INDEX_TYPE_BRAIN_MODELS">
<BrainModel IndexOffset="0" IndexCount="42" ModelType="CIFTI_MODEL_TYPE_SURFACE" \
BrainStructure="CIFTI_STRUCTURE_CORTEX_LEFT" SurfaceNumberOfNodes="42"></BrainModel>
</MatrixIndicesMap></Matrix></CIFTI>
"""


class TestDamage:
    def test_cifti_1_is_refused_with_the_command_that_converts(self, grayordinates):
        stored = make_values(N_MESH).T.copy()
        write_nifti2(Path("old.dtseries.nii"), CIFTI_1.encode(), (1, 1, 1, 1, 8, 42), stored, (3002, "ConnDenseSeries"))
        line = refuse("out", "-i", "old.dtseries.nii", "-r", ATLAS)
        assert "CIFTI-1" in line
        assert "wb_command -file-convert -cifti-version-convert" in line

    @pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
    def test_truncated_grayordinates(self, grayordinates, share):
        content = Path(RUN).read_bytes()
        Path(RUN).write_bytes(content[: int(share * len(content))])
        assert RUN in refuse("out", "-i", RUN, "-r", ATLAS)

    @pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
    def test_truncated_surface(self, left, share):
        content = Path(LEFT).read_bytes()
        Path(LEFT).write_bytes(content[: int(share * len(content))])
        assert LEFT in refuse("out", "-i", LEFT, "-r", LEFT_ATLAS)

    @pytest.mark.parametrize("name", [ATLAS, LEFT_ATLAS, "lh.atlas.annot"])
    def test_truncated_atlas(self, grayordinates, left, name):
        save_annot("lh.atlas.annot", MESH_KEYS, MESH_NAMES)
        content = Path(name).read_bytes()
        Path(name).write_bytes(content[: len(content) // 2])
        line = refuse("out", "-i", RUN if name == ATLAS else LEFT, "-r", name)
        assert line.startswith("niimasker: error: ")
        assert name in line

    @pytest.mark.parametrize("compress", [bytes, gzip.compress])
    def test_truncated_run_leaves_the_others(self, grayordinates, compress):
        content = compress(Path(RUN).read_bytes())
        name = "broken.dtseries.nii.gz" if compress is gzip.compress else "broken.dtseries.nii"
        Path(name).write_bytes(content[: len(content) - 1000])
        result = run("out", "-i", RUN, name, "-r", ATLAS, "--no_report")
        assert result.code == 1
        (failed,) = [line for line in result.lines if line.startswith("niimasker: failed: ")]
        assert name in failed
        assert failed.endswith("fetch or make it again.")
        assert read("out/rest_timeseries.tsv").shape == (8, 6)

    def test_external_file_that_is_missing(self, left):
        save_gifti(LEFT, list(make_values(N_MESH)), primary="CortexLeft", encoding="ExternalFileBinary")
        Path(f"{LEFT}.data").unlink()
        line = refuse("out", "-i", LEFT, "-r", LEFT_ATLAS)
        assert f"{LEFT}.data" in line

    def test_text_that_is_no_gifti(self, left):
        Path(LEFT).write_text("<html><body>404</body></html>")
        assert LEFT in refuse("out", "-i", LEFT, "-r", LEFT_ATLAS)


class TestHemispheres:
    @pytest.mark.parametrize("name", [LEFT, "lh.rest.func.gii", "sub-01.L.func.gii"])
    def test_structure_in_the_file_that_contradicts_its_name(self, left, name):
        save_func(name, left, primary="CortexRight")
        line = refuse("out", "-i", name, "-r", LEFT_ATLAS)
        assert name in line
        assert "cortexright" in line.lower().replace("_", "")

    def test_structure_in_an_atlas_that_contradicts_its_name(self, left):
        save_label_gii(LEFT_ATLAS, MESH_KEYS, MESH_NAMES, primary="CortexRight")
        line = refuse("out", "-i", LEFT, "-r", LEFT_ATLAS)
        assert LEFT_ATLAS in line
        assert "cortexright" in line.lower().replace("_", "")

    @pytest.mark.parametrize("primary", [None, "Invalid", "CortexLeft"])
    def test_structure_may_be_absent_or_invalid(self, left, primary):
        save_func(LEFT, left, primary=primary)
        save_label_gii(LEFT_ATLAS, MESH_KEYS, MESH_NAMES, primary=primary)
        extracted = extract_run("out", input_files=LEFT, roi_file=LEFT_ATLAS)
        assert_signals(extracted, mean_of_each(left, MESH_KEYS, MESH_NAMES))

    @pytest.mark.parametrize(("side", "structure"), [("L", "CORTEX_LEFT"), ("R", "CORTEX_RIGHT")])
    def test_structure_tells_the_hemisphere_where_the_name_does_not(self, side, structure):
        values = make_values(N_MESH)
        save_func("rest.func.gii", values, primary=SIDES[side])
        save_label_gii("atlas.label.gii", MESH_KEYS, MESH_NAMES, primary=SIDES[side])
        extracted = extract_run("out", input_files="rest.func.gii", roi_file="atlas.label.gii")
        assert_signals(extracted, mean_of_each(values, MESH_KEYS, MESH_NAMES))
        assert set(extracted.regions["structure"]) == {structure}

    def test_unequal_numbers_of_volumes_fail_the_run(self):
        write_hemispheres(make_values(N_MESH), make_values(N_MESH, 7))
        write_hemispheres(make_values(N_MESH), make_values(N_MESH), "other_hemi-{hemi}_bold.func.gii")
        save_label_pair("atlas_hemi-{hemi}.label.gii", MESH_KEYS, MESH_KEYS, MESH_NAMES)
        result = run("out", "-i", "*_bold.func.gii", "-r", "atlas_hemi-{hemi}.label.gii", "--no_report")
        assert result.code == 1
        (failed,) = [line for line in result.lines if line.startswith("niimasker: failed: ")]
        assert {7, 8} <= numbers_in(failed)
        assert "rest_hemi-" in failed
        assert len(list(Path("out").glob("*_timeseries.tsv"))) == 1

    @pytest.mark.parametrize("side", ["L", "R"])
    def test_missing_partner_is_a_warning_and_a_run_of_one_hemisphere(self, side):
        values = make_values(N_MESH)
        save_func(f"sub-01_hemi-{side}_bold.func.gii", values, primary=SIDES[side])
        save_label_gii(f"atlas_hemi-{side}.label.gii", MESH_KEYS, MESH_NAMES)
        options = {"input_files": f"sub-01_hemi-{side}_bold.func.gii", "roi_file": f"atlas_hemi-{side}.label.gii"}
        extracted = extract_run("out", **options)
        assert_signals(extracted, mean_of_each(values, MESH_KEYS, MESH_NAMES))
        assert extracted.warnings_with(f"sub-01_hemi-{side}_bold.func.gii")

    def test_missing_partner_does_not_fail_the_command(self, left):
        result = run("out", "-i", LEFT, "-r", LEFT_ATLAS, "--no_report")
        assert result.code == 0
        assert result.failures == []
        assert any("warning" in line and LEFT in line for line in result.lines)


def test_atlas_that_is_missing_its_other_hemisphere_by_pattern(left):
    line = refuse("out", "-i", LEFT, "-r", "nowhere_hemi-{hemi}.label.gii")
    assert "nowhere_hemi-" in line


def test_atlas_is_no_image_and_no_image_is_an_atlas(grayordinates):
    save_dtseries("b.dtseries.nii", grayordinates, BRAIN)
    assert "b.dtseries.nii" in refuse("out", "-i", RUN, "-r", "b.dtseries.nii")


def test_shuffled_axes_of_a_transposed_file_are_refused(grayordinates):
    """Points first, volumes second: nothing that Workbench writes under this name."""
    save_cifti("t.dtseries.nii", grayordinates.T, models_axis(BRAIN), series_axis(len(grayordinates)))
    assert "t.dtseries.nii" in refuse("out", "-i", "t.dtseries.nii", "-r", ATLAS)


def test_models_that_do_not_cover_the_values_are_refused(grayordinates):
    axis = models_axis(make_models(cortex("L", np.arange(30), N_MESH)))
    content = axis.content.replace('IndexCount="30"', 'IndexCount="31"')
    save_cifti(RUN, np.ones((4, 30)), series_axis(4), type(axis)(30, axis.attributes, content))
    assert RUN in refuse("out", "-i", RUN, "-r", ATLAS)


def test_vertex_outside_of_its_mesh_is_refused(grayordinates):
    save_dtseries(RUN, np.ones((4, 3)), make_models(cortex("L", [0, 1, N_MESH], N_MESH)))
    assert RUN in refuse("out", "-i", RUN, "-r", ATLAS)


def test_keys_that_are_no_whole_numbers_are_refused(grayordinates):
    save_dlabel(ATLAS, KEYS + 0.5, BRAIN, TABLE)
    assert ATLAS in refuse("out", "-i", RUN, "-r", ATLAS)


def test_images_in_volumes_are_extracted_as_ever(grayordinates):
    labels = make_labels()
    save(Path("bold.nii.gz"), make_series(labels), RAS, t_r=2.0)
    save(Path("volume.nii.gz"), labels, RAS)
    extracted = extract_run("out", input_files="bold.nii.gz", roi_file="volume.nii.gz")
    np.testing.assert_allclose(extracted.signals["roi 5"], 50 + np.arange(12), rtol=1e-9)
    assert not {"structure", "n_vertices"} & set(extracted.regions.columns)
