from __future__ import annotations

import gzip
import json
import os
import re
import struct
import tracemalloc

import nibabel as nib
import numpy as np
import pytest
from images import N_VOLUMES, OBLIQUE, SHAPE, make_labels, make_series, save

from niimasker.errors import BrokenImageError, ImageError, NiimaskerWarning
from niimasker.inputs.images import image_stem, load_image
from niimasker.inputs.series import Series, open_series
from niimasker.inputs.volumes import read_values, read_voxels

EXPECTED = make_series(make_labels())
SLOPE, INTERCEPT = 112, 116  # bytes of a NIfTI-1 header


def load_volumes(series: Series, first: int) -> np.ndarray:
    values = read_values(series.storage, first, dtype=np.float64)
    return values.T.reshape((*series.space.shape, -1), order="F")


def read(path):
    """Return all voxels of a series."""
    return load_volumes(open_series(path), 0)


def message_of(path):
    """Return what is said of a file that cannot be read."""
    with pytest.raises(ImageError) as caught:
        read(path)
    return str(caught.value)


def with_header(path, **fields):
    """Write the usual int16 series under a header with these fields changed."""
    plain = save(path.with_name("plain.nii"), EXPECTED.astype(np.int16)).read_bytes()
    header = nib.Nifti1Header(plain[:348], check=False)
    for name, value in fields.items():
        header[name] = value
    content = header.binaryblock + plain[348:]
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def noise_bytes(tmp_path, shape=(20, 21, 22, 12)):
    """Return a NIfTI file of noise, so that it stays large when it is compressed."""
    values = np.random.default_rng(0).integers(0, 3000, shape).astype(np.int16)
    return save(tmp_path / "noise.nii", values).read_bytes()


class TestSameNumbers:
    @pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
    @pytest.mark.parametrize("dtype", ["int16", "uint8", "int32", "float32", "float64"])
    def test_every_type_reads_alike(self, tmp_path, dtype, suffix):
        path = save(tmp_path / f"run{suffix}", EXPECTED.astype(dtype))
        assert load_image(path).get_data_dtype() == dtype
        np.testing.assert_allclose(read(path), EXPECTED)

    @pytest.mark.parametrize("dtype", [">i2", ">f4"])
    def test_big_endian_reads_alike(self, tmp_path, dtype):
        path = tmp_path / "run.nii"
        nib.Nifti1Image(EXPECTED.astype(dtype), OBLIQUE, nib.Nifti1Header(endianness=">")).to_filename(path)
        assert struct.unpack(">i", path.read_bytes()[:4]) == (348,)
        np.testing.assert_allclose(read(path), EXPECTED)

    @pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
    def test_slope_and_intercept_are_applied(self, tmp_path, suffix):
        path = with_header(tmp_path / f"run{suffix}", scl_slope=0.25, scl_inter=-100)
        np.testing.assert_allclose(read(path), EXPECTED * 0.25 - 100)

    @pytest.mark.parametrize("slope", [0, np.nan])
    def test_slope_that_means_unscaled_leaves_the_numbers(self, tmp_path, slope):
        np.testing.assert_allclose(read(with_header(tmp_path / "run.nii", scl_slope=slope)), EXPECTED)

    @pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
    def test_nifti_2_reads_alike(self, tmp_path, suffix):
        path = save(tmp_path / f"run{suffix}", EXPECTED.astype(np.int16), klass=nib.Nifti2Image)
        np.testing.assert_allclose(read(path), EXPECTED)

    @pytest.mark.parametrize("suffix", [".hdr", ".img"])
    def test_pair_of_header_and_image_reads_alike(self, tmp_path, suffix):
        save(tmp_path / "run.img", EXPECTED.astype(np.int16), klass=nib.Nifti1Pair)
        np.testing.assert_allclose(read(tmp_path / f"run{suffix}"), EXPECTED)

    @pytest.mark.parametrize("axes", ["RAS", "LAS", "LPS", "PSL", "AIL", "SPR"])
    def test_orientations_hold_the_same_number_at_the_same_place(self, tmp_path, axes):
        values = np.arange(np.prod(SHAPE) * 2, dtype=np.float64).reshape((*SHAPE, 2))
        ras = nib.Nifti1Image(values, OBLIQUE)
        turn = nib.orientations.ornt_transform(nib.io_orientation(OBLIQUE), nib.orientations.axcodes2ornt(tuple(axes)))
        turned = ras.as_reoriented(turn)
        path = save(tmp_path / "run.nii", np.asarray(turned.dataobj), turned.affine)
        series = open_series(path)
        assert "".join(nib.aff2axcodes(series.space.matrix)) == axes
        places = nib.affines.apply_affine(OBLIQUE, np.argwhere(np.ones(SHAPE)))
        i, j, k = nib.affines.apply_affine(np.linalg.inv(series.space.matrix), places).round().astype(int).T
        np.testing.assert_allclose(read(path)[i, j, k], values.reshape(-1, 2))

    def test_gzip_of_several_members_reads_alike(self, tmp_path):
        content = save(tmp_path / "plain.nii", EXPECTED.astype(np.int16)).read_bytes()
        path = tmp_path / "run.nii.gz"
        path.write_bytes(gzip.compress(content[:4000]) + gzip.compress(content[4000:]))
        np.testing.assert_allclose(read(path), EXPECTED)

    def test_volumes_are_float64(self, tmp_path):
        assert read(save(tmp_path / "run.nii", EXPECTED.astype(np.int16))).dtype == np.float64

    def test_first_volumes_can_be_left_out(self, tmp_path):
        series = open_series(save(tmp_path / "run.nii", EXPECTED))
        np.testing.assert_allclose(load_volumes(series, 3), EXPECTED[..., 3:])


class TestShape:
    def test_header_gives_grid_and_number_of_volumes(self, tmp_path):
        series = open_series(save(tmp_path / "run.nii", EXPECTED))
        assert (series.space.shape, series.n_volumes) == (SHAPE, N_VOLUMES)
        np.testing.assert_allclose(series.space.matrix, OBLIQUE, atol=1e-5)

    @pytest.mark.parametrize("shape", [(*SHAPE, 1, N_VOLUMES), (*SHAPE, N_VOLUMES, 1), (*SHAPE, N_VOLUMES, 1, 1)])
    def test_axes_of_one_are_no_dimension(self, tmp_path, shape):
        path = save(tmp_path / "run.nii", EXPECTED.reshape(shape))
        # nibabel drops empty axes at the end when it writes; the header says them here.
        content = bytearray(path.read_bytes())
        struct.pack_into(f"<{len(shape) + 1}h", content, 40, len(shape), *shape)
        path.write_bytes(content)
        assert open_series(path).n_volumes == N_VOLUMES
        np.testing.assert_allclose(read(path), EXPECTED)

    def test_single_volume_with_a_fourth_axis_is_a_series(self, tmp_path):
        assert open_series(with_header(tmp_path / "run.nii", dim=[4, *SHAPE, 1, 1, 1, 1])).n_volumes == 1

    @pytest.mark.parametrize(
        ("shape", "said"),
        [
            ((*SHAPE, 6, 2), "a 5D image (7x8x9x6x2); split it into 4D series of volumes."),
            (SHAPE, "a 3D image (7x8x9); expected a 4D series of volumes."),
            (SHAPE[:2], "a 2D image (7x8); expected a 3D image, or a 4D one."),
        ],
    )
    def test_other_dimensions_are_refused_by_name(self, tmp_path, shape, said):
        path = save(tmp_path / "run.nii", np.ones(shape))
        with pytest.raises(ImageError) as caught:
            open_series(path)
        assert str(caught.value) == f"{path}: {said}"

    @pytest.mark.parametrize("shape", [(7, 8, 0, 12), (7, 8, 9, 0)])
    def test_axis_of_zero_is_refused_by_name(self, tmp_path, shape):
        path = with_header(tmp_path / "run.nii", dim=[4, *shape, 1, 1, 1])
        with pytest.raises(ImageError, match=rf"run\.nii.*{'x'.join(map(str, shape))}"):
            open_series(path)


class TestRepetitionTime:
    @pytest.mark.parametrize(("unit", "value"), [("sec", 2.4), ("msec", 2400), ("usec", 2.4e6)])
    def test_header_says_it_in_its_unit(self, tmp_path, unit, value):
        series = open_series(save(tmp_path / "run.nii", EXPECTED, t_r=value, unit=unit))
        assert (series.t_r, series.t_r_source) == (pytest.approx(2.4, abs=1e-6), "header")

    @pytest.mark.parametrize("unit", ["unknown", "hz"])
    def test_header_without_a_unit_of_time_is_not_trusted(self, tmp_path, unit):
        series = open_series(save(tmp_path / "run.nii", EXPECTED, t_r=1.0, unit=unit))
        assert (series.t_r, series.t_r_source) == (None, None)

    @pytest.mark.parametrize("value", [0, -2, np.nan, np.inf])
    def test_header_without_a_positive_number_says_nothing(self, tmp_path, value):
        series = open_series(save(tmp_path / "run.nii", EXPECTED, t_r=value))
        assert (series.t_r, series.t_r_source) == (None, None)

    @pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
    def test_json_beside_the_image_comes_before_the_header(self, tmp_path, suffix):
        path = save(tmp_path / f"sub-01.v2{suffix}", EXPECTED, t_r=1.0)
        (tmp_path / "sub-01.v2.json").write_text(json.dumps({"RepetitionTime": 2.5}))
        series = open_series(path)
        assert (series.t_r, series.t_r_source) == (2.5, "sidecar")

    @pytest.mark.parametrize("content", ["{}", "[]", *(f'{{"RepetitionTime": {x}}}' for x in ("null", "0", "-2"))])
    def test_json_without_it_leaves_it_to_the_header(self, tmp_path, content):
        path = save(tmp_path / "run.nii", EXPECTED, t_r=2.0)
        (tmp_path / "run.json").write_text(content)
        series = open_series(path)
        assert (series.t_r, series.t_r_source) == (2.0, "header")

    @pytest.mark.parametrize("value", ["true", "NaN", "Infinity"])
    def test_json_value_that_is_no_time_leaves_it_to_the_header(self, tmp_path, value):
        path = save(tmp_path / "run.nii", EXPECTED, t_r=2.0)
        (tmp_path / "run.json").write_text(f'{{"RepetitionTime": {value}}}')
        assert open_series(path).t_r_source == "header"

    @pytest.mark.parametrize("content", [b'{"RepetitionTime": 2.5,}', b"", b"\xff\xfe\x00"])
    def test_broken_json_is_named_in_a_warning(self, tmp_path, content):
        path = save(tmp_path / "run.nii", EXPECTED, t_r=2.0)
        (tmp_path / "run.json").write_bytes(content)
        with pytest.warns(NiimaskerWarning, match=r"run\.json.*RepetitionTime"):
            series = open_series(path)
        assert (series.t_r, series.t_r_source) == (2.0, "header")


class TestWrongFile:
    def test_missing_file_is_wrong_use(self, tmp_path):
        with pytest.raises(ImageError, match=r"nope\.nii: no such file") as caught:
            load_image(tmp_path / "nope.nii")
        assert not isinstance(caught.value, BrokenImageError)

    def test_folder_is_wrong_use(self, tmp_path):
        folder = tmp_path / "run.nii"
        folder.mkdir()
        with pytest.raises(ImageError, match=r"run\.nii: a folder") as caught:
            load_image(folder)
        assert not isinstance(caught.value, BrokenImageError)

    @pytest.mark.parametrize("name", ["run.nii", "run.dtseries.nii", "lh.run.func.gii"])
    def test_file_that_cannot_be_read_says_so(self, tmp_path, name):
        path = tmp_path / name
        path.touch(mode=0)
        if os.access(path, os.R_OK):
            pytest.skip("root reads every file")
        with pytest.raises(BrokenImageError, match=rf"{re.escape(name)}: permission denied"):
            open_series(path)

    @pytest.mark.parametrize("content", [b"", b"no image at all\n" * 40], ids=["empty", "text"])
    @pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".hdr"])
    def test_file_without_an_image_is_broken(self, tmp_path, content, suffix):
        path = tmp_path / f"run{suffix}"
        path.write_bytes(content)
        with pytest.raises(BrokenImageError, match=r"run\..*cannot be read as a NIfTI image"):
            open_series(path)

    @pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
    def test_wrong_magic_is_broken(self, tmp_path, suffix):
        path = with_header(tmp_path / f"run{suffix}", magic=b"abc")
        with pytest.raises(BrokenImageError, match=r"run\.nii.*cannot be read as a NIfTI image"):
            open_series(path)

    def test_unknown_type_is_broken(self, tmp_path):
        path = with_header(tmp_path / "run.nii", datatype=9999)
        with pytest.raises(BrokenImageError, match=r"run\.nii.*9999"):
            open_series(path)

    @pytest.mark.parametrize("vox_offset", [np.nan, -500, 1e9])
    def test_voxels_that_start_nowhere_are_broken(self, tmp_path, vox_offset):
        path = with_header(tmp_path / "run.nii", vox_offset=vox_offset)
        with pytest.raises(BrokenImageError, match=r"run\.nii"):
            read(path)

    @pytest.mark.parametrize("row", [[np.nan] * 4, [np.inf] * 4, [0] * 4], ids=["NaN", "infinite", "singular"])
    def test_affine_that_places_no_voxel_is_broken(self, tmp_path, row):
        path = with_header(tmp_path / "run.nii", srow_x=row)
        with pytest.raises(BrokenImageError, match=r"run\.nii.*affine"):
            open_series(path)

    def test_header_without_its_image_is_broken(self, tmp_path):
        save(tmp_path / "run.img", EXPECTED, klass=nib.Nifti1Pair).unlink()
        with pytest.raises(BrokenImageError, match=r"run\.img"):
            read(tmp_path / "run.hdr")

    def test_colours_are_refused(self, tmp_path):
        colours = np.zeros((*SHAPE, 2), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
        assert "run.nii" in message_of(save(tmp_path / "run.nii", colours))

    def test_complex_numbers_are_refused(self, tmp_path):
        assert "run.nii" in message_of(save(tmp_path / "run.nii", (EXPECTED + 1j).astype(np.complex64)))


class TestDamage:
    @pytest.mark.parametrize("n_bytes", [3, 100, 347, 348, 352, 400, 6000, -1])
    def test_short_file_is_broken(self, tmp_path, n_bytes):
        content = save(tmp_path / "plain.nii", EXPECTED.astype(np.int16)).read_bytes()
        path = tmp_path / "run.nii"
        path.write_bytes(content[:n_bytes])
        with pytest.raises(BrokenImageError, match=r"run\.nii"):
            read(path)

    @pytest.mark.parametrize("n_bytes", [1, 5, 11, 100, 300, 1000, 90_000, -1000, -9])
    def test_short_gzip_is_broken(self, tmp_path, n_bytes):
        path = tmp_path / "run.nii.gz"
        path.write_bytes(gzip.compress(noise_bytes(tmp_path))[:n_bytes])
        with pytest.raises(BrokenImageError, match=r"run\.nii\.gz"):
            read(path)

    # Stored without compression a changed byte is a changed voxel; only the checksum at the end knows.
    # 12 MB: indexed_gzip, where it is installed, checks the first part of a file when it opens it.
    def test_changed_byte_in_a_gzip_is_broken(self, tmp_path):
        content = bytearray(gzip.compress(noise_bytes(tmp_path, (80, 80, 80, 12)), 0))
        content[len(content) // 2] ^= 0x55
        path = tmp_path / "run.nii.gz"
        path.write_bytes(content)
        with pytest.raises(BrokenImageError, match=r"run\.nii\.gz"):
            read(path)

    @pytest.mark.parametrize("place", [-8, -1], ids=["checksum", "length"])
    def test_wrong_trailer_of_a_gzip_is_broken(self, tmp_path, place):
        content = bytearray(gzip.compress(noise_bytes(tmp_path, (80, 80, 80, 12)), 0))
        content[place] ^= 0x55
        path = tmp_path / "run.nii.gz"
        path.write_bytes(content)
        with pytest.raises(BrokenImageError, match=r"run\.nii\.gz"):
            read(path)

    @pytest.mark.parametrize("content", [b"", b"no image\n" * 60, b"\x1f\x8b\x08\x00"], ids=["empty", "text", "cut"])
    def test_file_that_is_no_image_says_the_way_out(self, tmp_path, content):
        path = tmp_path / "run.nii.gz"
        path.write_bytes(content)
        assert "again" in message_of(path)

    def test_damaged_voxels_say_the_way_out_in_one_line(self, tmp_path):
        path = tmp_path / "run.nii.gz"
        path.write_bytes(gzip.compress(noise_bytes(tmp_path))[:90_000])
        message = message_of(path)
        assert "again" in message
        assert "\n" not in message

    def test_roi_file_that_is_cut_off_is_broken(self, tmp_path):
        path = tmp_path / "atlas.nii.gz"
        path.write_bytes(gzip.compress(noise_bytes(tmp_path))[:90_000])
        with pytest.raises(BrokenImageError, match=r"atlas\.nii\.gz"):
            read_voxels(load_image(path), np.float64)


class TestHugeHeader:
    """A kilobyte that promises terabytes."""

    @pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
    @pytest.mark.parametrize("shape", [(30000, 30000, 30000, 1), (30000, 30000, 30000, 100), (700, 700, 700, 1)])
    def test_promise_decides_no_allocation(self, tmp_path, shape, suffix):
        path = with_header(tmp_path / f"run{suffix}", dim=[4, *shape, 1, 1, 1])
        tracemalloc.start()
        try:
            with pytest.raises(BrokenImageError, match=r"run\.nii"):
                read(path)
            assert tracemalloc.get_traced_memory()[1] < 50e6
        finally:
            tracemalloc.stop()

    @pytest.mark.parametrize("n", [2**31, 2**40, 2**62])
    def test_nifti_2_with_axes_beyond_any_memory_is_broken(self, tmp_path, n):
        path = save(tmp_path / "run.nii", EXPECTED.astype(np.int16), klass=nib.Nifti2Image)
        content = bytearray(path.read_bytes())
        struct.pack_into("<5q", content, 16, 4, n, n, n, 2)
        path.write_bytes(content)
        with pytest.raises(BrokenImageError, match=r"run\.nii"):
            read(path)


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("run.nii", "run"),
        ("run.nii.gz", "run"),
        ("sub-01.feat.v2.nii.gz", "sub-01.feat.v2"),
        ("a.nii.b.nii", "a.nii.b"),
        ("run.img", "run"),
    ],
)
def test_image_stem_keeps_dots_inside(tmp_path, name, stem):
    assert image_stem(tmp_path / name) == stem


class TestRealImages:
    def test_slope_and_intercept(self, data_dir):
        path = data_dir / "odd" / "int16_scl_slope.nii.gz"
        content = gzip.decompress(path.read_bytes())
        header = nib.Nifti1Header(content[:348])
        slope, intercept = (float(header[name]) for name in ("scl_slope", "scl_inter"))
        assert (slope, intercept) == (pytest.approx(0.0754, abs=1e-4), pytest.approx(3100.8, abs=0.1))
        stored = np.frombuffer(content, header.get_data_dtype(), offset=int(header["vox_offset"]))
        expected = stored.reshape((17, 21, 3, 20), order="F") * slope + intercept
        np.testing.assert_allclose(read(path), expected, rtol=1e-12)

    def test_sagittal_axes(self, data_dir):
        series = open_series(data_dir / "odd" / "sagittal_PSL.nii")
        assert "".join(nib.aff2axcodes(series.space.matrix)) == "PSL"
        assert (series.space.shape, series.n_volumes, series.t_r) == ((64, 64, 36), 6, pytest.approx(3.2))

    def test_nifti_2(self, data_dir):
        path = data_dir / "odd" / "nifti2.nii.gz"
        assert (open_series(path).space.shape, open_series(path).n_volumes) == ((32, 20, 12), 2)
        assert read(path).std() > 0

    def test_gzip_cut_off_half_way(self, data_dir):
        path = data_dir / "odd" / "truncated_gzip.nii.gz"
        assert open_series(path).n_volumes == 60
        with pytest.raises(BrokenImageError, match=r"truncated_gzip\.nii\.gz.*again"):
            read(path)

    def test_header_without_image(self, data_dir):
        assert "header_only.hdr" in message_of(data_dir / "odd" / "header_only.hdr")

    def test_pixdim_without_unit_is_not_trusted(self, data_dir):
        series = open_series(data_dir / "bold" / "pyhrf" / "subj0_bold_session0.nii.gz")
        assert (series.n_volumes, series.t_r, series.t_r_source) == (125, None, None)

    def test_repetition_time_of_a_header(self, data_dir):
        series = open_series(data_dir / "bold" / "haxby" / "run-01" / "bold_25mm.nii.gz")
        assert (series.n_volumes, series.t_r, series.t_r_source) == (121, 2.5, "header")
