"""CIFTI headers that contradict themselves, the standard or the file: one line says how, before memory is taken."""

from __future__ import annotations

import contextlib
import gzip
import os
import tracemalloc

import nibabel as nib
import numpy as np
import pytest
from cifti_images import (
    N_POINTS,
    STRUCTURES,
    Parts,
    brain_models,
    label_axis,
    make_dtseries,
    make_parts,
    make_values,
    parcels_axis,
    scalar_axis,
    series_axis,
)
from hypothesis import given
from hypothesis import strategies as st
from images import save

from niimasker.errors import BrokenImageError, ImageError, NiimaskerError, record_warnings
from niimasker.inputs.cifti.files import open_cifti_series, read_cifti_header, read_cifti_maps, read_cifti_parcels
from niimasker.inputs.cifti.layout import is_cifti

N_VOLUMES = 9
DIM, DATATYPE, SCALING, OFFSET = 16, 12, 176, 168  # bytes of NIfTI-2's fields
WAY_OUT = "; fetch or make the file again."


def reason_of(path, read=open_cifti_series):
    """Return what is said to be wrong with a header."""
    with pytest.raises(BrokenImageError) as caught:
        read(path)
    message, start = str(caught.value), f"{path}: a broken CIFTI header: "
    assert "\n" not in message
    assert message.startswith(start)
    assert message.endswith(WAY_OUT)
    return message[len(start) : -len(WAY_OUT)]


def message_of(path, error=ImageError, read=open_cifti_series):
    with pytest.raises(error) as caught:
        read(path)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{path}: ")


def test_the_file_that_is_changed_below_is_whole(tmp_path):
    series = open_cifti_series(make_dtseries(N_VOLUMES).write(tmp_path / "run.dtseries.nii"))
    assert (series.storage.n_points, series.storage.n_volumes) == (N_POINTS, N_VOLUMES)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('IndexOffset="6"', 'IndexOffset="7"', "the points of CORTEX_RIGHT begin at 7; expected 6"),
        ('IndexOffset="6"', 'IndexOffset="-6"', "the points of CORTEX_RIGHT begin at -6; expected 0"),
        ('IndexOffset="0"', 'IndexOffset="1"', "the points of CORTEX_LEFT begin at 1; expected 0"),
        ('IndexOffset="6"', "", "its XML gives no IndexOffset"),
        ('IndexOffset="6"', 'IndexOffset="six"', "its IndexOffset is 'six'; expected an integer"),
        ('IndexCount="6"', 'IndexCount="5"', "CORTEX_LEFT lists 6 points; its IndexCount is 5"),
        ("0 1 2 5 7 11", "0 1 2 5 7", "CORTEX_LEFT lists 5 points; its IndexCount is 6"),
        ("0 1 2 5 7 11", "0 1 2 5 7 12", "CORTEX_LEFT lists vertex 12; its mesh has 12 vertices"),
        ("0 1 2 5 7 11", "0 1 2 5 5 11", "CORTEX_LEFT lists vertex 5 twice"),
        ("0 1 2 5 7 11", "0 1 2 5 7 -1", "an element VertexIndices holds more than non-negative integers"),
        ("0 1 2 5 7 11", "0 1 2 5 7 1.5", "an element VertexIndices holds more than non-negative integers"),
        ("0 1 2 5 7 11", "0 1 2 5 7 ४", "an element VertexIndices holds more than non-negative integers"),
        ("0 1 2 5 7 11", "0 1 <b/> 2 5 7 11", "an element VertexIndices holds more than non-negative integers"),
        ("0 1 2 5 7 11", "", "CORTEX_LEFT lists 0 points; its IndexCount is 6"),
        (
            "0 1 2 5 7 11",
            "0 1 2 5 7 99999999999999999999",
            f"CORTEX_LEFT lists vertex {2**63 - 1}; its mesh has 12 vertices",
        ),
        ('Vertices="12"', 'Vertices="0"', "the mesh of CORTEX_LEFT has 0 vertices; expected 1 to 10000000"),
        (
            'Vertices="12"',
            'Vertices="99999999999"',
            "the mesh of CORTEX_LEFT has 99999999999 vertices; expected 1 to 10000000",
        ),
        ("VertexIndices>", "Other>", "an element BrainModel has no VertexIndices"),
        ("CORTEX_RIGHT", "CORTEX_LEFT", "it has CORTEX_LEFT twice"),
        ("PUTAMEN_RIGHT", "THALAMUS_LEFT", "it has THALAMUS_LEFT twice"),
        ("CIFTI_STRUCTURE_CORTEX_LEFT", "", "the BrainStructure of an element BrainModel is empty"),
        ("TYPE_SURFACE", "TYPE_SPHERE", "CORTEX_LEFT is of type CIFTI_MODEL_TYPE_SPHERE; expected a surface or voxels"),
        ("0 0 0\n2 1 0", "0 0 0\n1 2 3", "it lists voxel [1, 2, 3] twice"),
        ("0 0 0\n2 1 0", "0 0 0\n2 6 0", "PUTAMEN_RIGHT lists voxel [2, 6, 0]; its volume has 5x6x7 voxels"),
        ("0 0 0\n2 1 0", "0 0 0\n2 1", "an element VoxelIndicesIJK lists 5 integers; expected three for each voxel"),
        ('"5,6,7"', '"5,6"', "its VolumeDimensions are 5,6; expected three from 1 to 32768"),
        ('"5,6,7"', '"5,6,0"', "its VolumeDimensions are 5,6,0; expected three from 1 to 32768"),
        ('"5,6,7"', '"5,6,99999"', "its VolumeDimensions are 5,6,99999; expected three from 1 to 32768"),
        ('"5,6,7"', '"5,6,a"', "its VolumeDimensions is 'a'; expected an integer"),
        ("Volume>", "Volumen>", None),
        ('MeterExponent="-3"', "", "its XML gives no MeterExponent"),
        ('MeterExponent="-3"', 'MeterExponent="999"', "its MeterExponent is 999; expected -15 to 15"),
        (">-2.0000000000 ", ">0 ", "its volume's affine is singular or not finite"),
        (">-2.0000000000 ", ">nan ", "its volume's affine is singular or not finite"),
        (">-2.0000000000 ", ">inf ", "its volume's affine is singular or not finite"),
        (">-2.0000000000 ", ">", "its volume's affine has 15 numbers; expected 16"),
        (">-2.0000000000 ", ">x ", "its volume's affine is 'x'; expected a number"),
        (" 1.0000000000<", " 2.0<", "its volume's affine is singular or not finite"),
        ('Points="9"', 'Points="8"', "its XML describes 8 steps, its matrix has 9"),
        ('NumberOfSeriesPoints="9"', "", "its XML gives no NumberOfSeriesPoints"),
        ('SeriesStep="0.8"', "", "its XML gives no SeriesStep"),
        ('SeriesStep="0.8"', 'SeriesStep="long"', "its SeriesStep is 'long'; expected a number"),
        ('SeriesUnit="SECOND"', "", "its XML gives no SeriesUnit"),
        ('SeriesExponent="0"', 'SeriesExponent="-400"', "its SeriesExponent is -400; expected -15 to 15"),
        ('Dimension="1"', 'Dimension="0"', "its index maps apply to dimensions 0, 0; expected one for 0 and one for 1"),
        ('Dimension="1"', 'Dimension="2"', "its index maps apply to dimensions 0, 2; expected one for 0 and one for 1"),
        ('Dimension="1"', 'Dimension=""', "its AppliesToMatrixDimension is ''; expected an integer"),
        ('Version="2.0"', "", "its XML has no element CIFTI with a version"),
        ("CIFTI_INDEX_TYPE_SERIES", "", None),
        ("<Matrix>", "<Other>", None),
        ("<BrainModel", "<!ENTITY a 'b'><BrainModel", None),
        ("<CIFTI", "<!DOCTYPE CIFTI [<!ENTITY a 'aaaa'>]><CIFTI", "its XML declares a document type"),
        ("<Matrix>", "<Matrix>&unknown;", None),
        ("<Matrix>", "<Matrix>\x01", None),
        ("</CIFTI>", "", None),
        ("</CIFTI>", "</CIFTI><more/>", None),
    ],
)
def test_what_is_wrong_is_named(tmp_path, old, new, reason):
    path = (
        make_dtseries(N_VOLUMES)
        .edit(old, new, 1 if old.startswith("TYPE_SUR") else -1)
        .write(tmp_path / "run.dtseries.nii")
    )
    if reason is None:
        with pytest.raises(ImageError) as caught:
            open_cifti_series(path)
        assert "\n" not in str(caught.value)
    else:
        assert reason_of(path) == reason


@pytest.mark.parametrize("structures", [STRUCTURES[:3], STRUCTURES[:1]])
def test_models_that_do_not_fill_the_matrix_give_both_numbers(tmp_path, structures):
    whole, other = make_dtseries(N_VOLUMES), make_dtseries(N_VOLUMES, structures)
    path = Parts(whole.header, other.xml, whole.matrix).write(tmp_path / "run.dtseries.nii")
    n_described = len(brain_models(structures))
    assert reason_of(path) == f"its XML describes {n_described} grayordinates, its matrix has {N_POINTS}"


class TestMapsAndParcels:
    def test_number_of_maps_is_checked(self, tmp_path):
        parts = make_parts(make_values(3), (scalar_axis("abc"), brain_models()))
        two = make_parts(make_values(2), (scalar_axis("ab"), brain_models()))
        path = Parts(parts.header, two.xml, parts.matrix).write(tmp_path / "a.dscalar.nii")
        assert reason_of(path, read_cifti_maps) == "its XML describes 2 maps, its matrix has 3"

    @pytest.mark.parametrize(
        ("old", "new", "reason"),
        [
            ('Key="7"', 'Key="seven"', "its Key is 'seven'; expected an integer"),
            ('Key="7"', "", "its XML gives no Key"),
            ("LabelTable>", "Table>", "an element NamedMap has no LabelTable"),
            ("MapName>", "Name>", "an element NamedMap has no MapName"),
        ],
    )
    def test_label_tables_are_checked(self, tmp_path, old, new, reason):
        parts = make_parts(make_values(1), (label_axis([{7: "seven"}]), brain_models()))
        assert reason_of(parts.edit(old, new).write(tmp_path / "a.dlabel.nii"), read_cifti_maps) == reason

    @pytest.mark.parametrize(
        ("old", "new", "reason"),
        [
            (">0 11<", ">0 5<", "vertex 5 of CORTEX_LEFT is listed twice, by B, A"),
            (">0 11<", ">0 0<", "vertex 0 of CORTEX_LEFT is listed twice, by A"),
            (">0 11<", ">0 12<", "CORTEX_LEFT lists vertex 12; its mesh has 12 vertices"),
            ("1 2 3\n1 2 4", "1 2 3\n1 2 3", "voxel [1, 2, 3] is listed twice, by A"),
            ("1 2 3\n1 2 4", "1 2 3\n9 2 4", "it lists voxel [9, 2, 4]; its volume has 5x6x7 voxels"),
            (
                '<Surface BrainStructure="CIFTI_STRUCTURE_CORTEX_LEFT"',
                '<Surface BrainStructure="CIFTI_STRUCTURE_CEREBELLUM"',
                "its parcels have vertices of CORTEX_LEFT, but it gives no Surface for them",
            ),
            ("Volume>", "Volumen>", None),
            ('Name="empty"', "", "its XML gives no Name"),
            ('<Parcel Name="empty"', '<Other Name="empty"', None),
        ],
    )
    def test_parcels_are_checked(self, tmp_path, old, new, reason):
        parts = make_parts(np.zeros((9, 3), np.float32), (series_axis(9), parcels_axis())).edit(old, new)
        path = parts.write(tmp_path / "a.ptseries.nii")
        assert reason is None or reason_of(path, read_cifti_parcels) == reason
        with pytest.raises(ImageError):
            read_cifti_parcels(path)


class TestNiftiHeader:
    @pytest.mark.parametrize(
        ("dim", "reason"),
        [
            (
                (6, 1, 1, 1, 1, N_POINTS, N_VOLUMES, 1),
                f"its XML describes {N_VOLUMES} steps, its matrix has {N_POINTS}",
            ),
            ((4, 3, 5, N_VOLUMES, 1, 1, 1, 1), "its dimensions are 3x5x9x1; expected 1x1x1x1 and the two of a matrix"),
            (
                (6, 1, 1, 1, 2, N_VOLUMES, 1, 1),
                "its dimensions are 1x1x1x2x9x1; expected 1x1x1x1 and the two of a matrix",
            ),
            ((6, 1, 1, 1, 1, N_VOLUMES, 0, 1), "its matrix has no values (9x0)"),
            ((6, 1, 1, 1, 1, -N_VOLUMES, -N_POINTS, 1), "its matrix has no values (-9x-15)"),
        ],
    )
    def test_dimensions_are_checked(self, tmp_path, dim, reason):
        path = make_dtseries(N_VOLUMES).patch(DIM, "<8q", *dim).write(tmp_path / "run.dtseries.nii")
        assert reason_of(path) == reason

    def test_seventh_dimension_of_one_is_none(self, tmp_path):
        dim = (7, 1, 1, 1, 1, N_VOLUMES, N_POINTS, 1)
        path = make_dtseries(N_VOLUMES).patch(DIM, "<8q", *dim).write(tmp_path / "run.dtseries.nii")
        assert open_cifti_series(path).storage.n_volumes == N_VOLUMES

    def test_three_dimensions_are_refused(self, tmp_path):
        dim = (7, 1, 1, 1, 1, N_VOLUMES, 5, 3)
        path = make_dtseries(N_VOLUMES).patch(DIM, "<8q", *dim).write(tmp_path / "run.dtseries.nii")
        assert message_of(path) == "a CIFTI file of three dimensions (1x1x1x1x9x5x3); expected one of two."

    @pytest.mark.parametrize(("code", "name"), [(32, "complex64"), (128, "RGB")])
    def test_values_that_are_no_real_numbers_are_refused(self, tmp_path, code, name):
        path = make_dtseries(N_VOLUMES).patch(DATATYPE, "<h", code).write(tmp_path / "run.dtseries.nii")
        assert message_of(path) == f"its values are of type {name}; expected real numbers."

    @pytest.mark.parametrize("code", [-1, 3, 9999])
    def test_unknown_type_is_broken(self, tmp_path, code):
        path = make_dtseries(N_VOLUMES).patch(DATATYPE, "<h", code).write(tmp_path / "run.dtseries.nii")
        assert reason_of(path) == f"its datatype is {code}, which NIfTI does not define"

    @pytest.mark.parametrize("scaling", [(np.inf, 0.0), (2.0, np.nan), (2.0, np.inf)])
    def test_scaling_that_is_not_finite_is_broken(self, tmp_path, scaling):
        path = make_dtseries(N_VOLUMES).patch(SCALING, "<2d", *scaling).write(tmp_path / "run.dtseries.nii")
        assert reason_of(path) == f"its values would be scaled by {scaling[0]} and shifted by {scaling[1]}"

    @pytest.mark.parametrize("offset", [-1, 0, 539, 2**26 + 1, 2**62])
    def test_offset_is_checked_before_anything_is_read(self, tmp_path, offset):
        path = make_dtseries(N_VOLUMES).write(tmp_path / "run.dtseries.nii")
        content = bytearray(path.read_bytes())
        content[OFFSET : OFFSET + 8] = int(offset).to_bytes(8, "little", signed=True)
        path.write_bytes(content)
        assert reason_of(path) == f"its matrix would begin at byte {offset}; expected 540 to {2**26}"

    def test_size_of_the_extension_is_checked(self, tmp_path):
        path = make_dtseries(N_VOLUMES).write(tmp_path / "run.dtseries.nii")
        content = path.read_bytes()
        for size in (-8, 0, 7, 2**30):
            path.write_bytes(content[:544] + size.to_bytes(4, "little", signed=True) + content[548:])
            assert message_of(path) == "a NIfTI-2 file without CIFTI's XML; expected a CIFTI-2 file."


class TestSize:
    @pytest.mark.parametrize("n_points", [0, 1, 7, N_POINTS - 1])
    @pytest.mark.parametrize("n_more", [0, 35])
    def test_short_file_counts_what_it_may_hold(self, tmp_path, n_points, n_more):
        path = make_dtseries(N_VOLUMES).write(tmp_path / "run.dtseries.nii")
        os.truncate(path, path.stat().st_size - 4 * N_VOLUMES * (N_POINTS - n_points) + n_more)
        assert message_of(path, BrokenImageError) == (
            f"broken: its header says {N_POINTS} grayordinates, its size allows {n_points} at most; "
            "fetch or make it again."
        )

    def test_long_file_gives_both_sizes(self, tmp_path):
        path = make_dtseries(N_VOLUMES).write(tmp_path / "run.dtseries.nii")
        path.write_bytes(path.read_bytes() + b"\0")
        n_bytes = 4 * N_VOLUMES * N_POINTS
        assert message_of(path, BrokenImageError) == (
            f"broken: its header says {N_POINTS} grayordinates, the file holds {n_bytes + 1} bytes of values and not "
            f"{n_bytes}; fetch or make it again."
        )

    @pytest.mark.parametrize("n_bytes", [0, 100, 539, 540, 545, 1000])
    def test_file_that_ends_within_its_header_is_refused(self, tmp_path, n_bytes):
        path = make_dtseries(N_VOLUMES).write(tmp_path / "run.dtseries.nii")
        os.truncate(path, n_bytes)
        expected = (
            "not a NIfTI-2 file; expected a CIFTI-2 file."
            if n_bytes < 540
            else "cannot be read as a CIFTI-2 file (the file ends within its header); fetch or make it again."
        )
        assert message_of(path) == expected

    @pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
    def test_promised_volumes_take_no_memory(self, tmp_path, suffix):
        parts = make_dtseries(N_VOLUMES).patch(DIM + 40, "<q", 2**40).edit('Points="9"', f'Points="{2**40}"')
        path = parts.write(tmp_path / f"run.dtseries{suffix}")
        tracemalloc.start()
        try:
            assert "its size allows 0 at most" in message_of(path, BrokenImageError)
            assert tracemalloc.get_traced_memory()[1] < 5 * 2**20
        finally:
            tracemalloc.stop()

    def test_gzip_cut_within_its_header_is_broken(self, tmp_path):
        path = make_dtseries(N_VOLUMES).write(tmp_path / "run.dtseries.nii.gz")
        path.write_bytes(path.read_bytes()[:300])
        assert message_of(path, BrokenImageError).startswith("cannot be read as a CIFTI-2 file (")

    def test_bomb_of_elements_is_refused(self, tmp_path):
        parts = make_dtseries(N_VOLUMES)
        bomb = parts.edit("<BrainModel ", "<a/>" * 2_000_001 + "<BrainModel ", 1)
        assert reason_of(bomb.write(tmp_path / "a.dtseries.nii.gz")) == "its XML has more than 1,000,000 elements"
        deep = parts.edit("<Matrix>", "<Matrix>" + "<a>" * 200_000, 1)
        assert reason_of(deep.write(tmp_path / "b.dtseries.nii")) == "its XML nests elements too deeply"

    def test_large_header_is_refused_before_it_is_read(self, tmp_path):
        path = tmp_path / "run.dtseries.nii.gz"
        plain = make_dtseries(N_VOLUMES).write(tmp_path / "plain.dtseries.nii").read_bytes()
        offset = (2**40).to_bytes(8, "little")
        path.write_bytes(gzip.compress(plain[:OFFSET] + offset + plain[OFFSET + 8 :] + bytes(10**7)))
        assert reason_of(path).startswith("its matrix would begin at byte 1099511627776")
        assert is_cifti(path)  # by its intent


class TestOtherFiles:
    @pytest.mark.parametrize(
        ("klass", "found"),
        [(nib.Nifti1Image, "not a NIfTI-2 file"), (nib.Nifti2Image, "a NIfTI-2 file without CIFTI's XML")],
    )
    def test_volume_is_named_for_what_it_is(self, tmp_path, klass, found):
        path = save(tmp_path / "run.dtseries.nii", np.zeros((2, 3, 4)), klass=klass)
        assert message_of(path) == f"{found}; expected a CIFTI-2 file."

    def test_missing_file_and_folder_are_named(self, tmp_path):
        assert message_of(tmp_path / "a.dtseries.nii") == "no such file; expected a CIFTI-2 file."
        assert message_of(tmp_path) == "a folder; expected a CIFTI-2 file."
        (tmp_path / "link.dtseries.nii").symlink_to(tmp_path / "annexed")
        assert message_of(tmp_path / "link.dtseries.nii", BrokenImageError) == (
            "a link to a file that does not exist; fetch it, as with datalad get."
        )


SMALL = (
    make_dtseries(2),
    make_parts(make_values(1), (label_axis([{7: "seven", 0: "???"}]), brain_models())),
    make_parts(np.zeros((2, 3), np.float32), (series_axis(2), parcels_axis())),
)
READERS = (read_cifti_header, open_cifti_series, read_cifti_maps, read_cifti_parcels)


@given(st.data())
def test_no_change_of_a_file_gives_another_error_than_ours(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("fuzz") / "run.dtseries.nii"
    content = bytearray(data.draw(st.sampled_from(SMALL)).write(path).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255) | st.sampled_from(b'0123456789-.e<>/"& '))
    cut = data.draw(st.none() | st.integers(0, len(content)))
    path.write_bytes(content[:cut])
    for read in READERS:
        with contextlib.suppress(NiimaskerError), record_warnings():
            read(path)
