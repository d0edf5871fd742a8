from __future__ import annotations

import gzip
import struct
import tracemalloc

import nibabel as nib
import numpy as np
import pytest
from images import OBLIQUE, SHAPE, make_labels, make_series, save

from niimasker.errors import BrokenImageError, ImageError, NiimaskerWarning, RegionsError
from niimasker.regions.atlas_images import load_voxel_mask
from niimasker.regions.coordinates import read_seeds
from niimasker.regions.definitions import Maps, Parcellation, Seeds
from niimasker.regions.loading import load_regions

LABELS = make_labels((1, 2, 5))


def load(path, *, labels=(), as_voxels=False, radius=None, atlas_dir=None):
    """Return the regions of one --roi_file."""
    options = {"labels": list(labels), "as_voxels": as_voxels, "radius": radius, "atlas_dir": atlas_dir}
    (regions,) = load_regions([str(path)], **options)
    return regions


def load_values(tmp_path, values, **options):
    """Return the regions of an image with these voxels."""
    return load(save(tmp_path / "roi.nii.gz", values), **options)


def load_seeds(path, **options):
    """Return the seeds of a table, with a radius."""
    return load(path, radius=5.0, **options)


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def message_of(tmp_path, values, **options):
    """Return what is said of an image that holds no regions."""
    with pytest.raises(RegionsError, match=r"roi\.nii\.gz") as caught:
        load_values(tmp_path, values, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def promise(path, shape):
    """Write a small file whose header promises a large uint8 image."""
    header = nib.Nifti1Header()
    header["dim"] = [len(shape), *shape, *[1] * (7 - len(shape))]
    header.set_data_dtype(np.uint8)
    header["vox_offset"] = 352
    header["magic"] = b"n+1"
    header.set_sform(OBLIQUE, 1)
    path.write_bytes(gzip.compress(header.binaryblock + bytes(500)))
    return path


class TestOneValue:
    @pytest.mark.parametrize(
        ("value", "dtype"),
        [(1, "uint8"), (255, "uint8"), (-3, "int16"), (0.5, "float32"), (1e-4, "float64"), (7.4, "float64")],
    )
    def test_single_value_is_a_single_region(self, tmp_path, value, dtype):
        regions = load_values(tmp_path, np.where(LABELS, value, 0).astype(dtype))
        assert isinstance(regions.definition, Parcellation)
        assert len(regions.indices) == len(regions.names) == 1
        np.testing.assert_array_equal(regions.definition.labels != 0, LABELS != 0)

    @pytest.mark.parametrize("value", [1, 7, 255])
    def test_whole_value_is_the_index(self, tmp_path, value):
        regions = load_values(tmp_path, np.where(LABELS, value, 0).astype(np.int16))
        assert (regions.indices, regions.names) == ((value,), (f"roi {value}",))
        assert set(np.unique(regions.definition.labels)) == {0, value}

    def test_region_without_background_is_whole(self, tmp_path):
        assert load_values(tmp_path, np.ones(SHAPE)).definition.labels.all()


class TestSeveralValues:
    @pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "float32", "float64"])
    def test_every_type_gives_the_same_regions(self, tmp_path, dtype):
        regions = load_values(tmp_path, LABELS.astype(dtype))
        assert (regions.indices, regions.names) == ((1, 2, 5), ("roi 1", "roi 2", "roi 5"))
        np.testing.assert_array_equal(regions.definition.labels, LABELS)
        np.testing.assert_allclose(regions.definition.grid.matrix, OBLIQUE, atol=1e-5)

    def test_indices_ascend_wherever_the_regions_lie(self, tmp_path):
        assert load_values(tmp_path, make_labels((12, 3, 7))).indices == (3, 7, 12)

    def test_values_whole_within_a_thousandth_are_rounded(self, tmp_path):
        shift = np.random.default_rng(0).uniform(-9e-4, 9e-4, SHAPE)
        regions = load_values(tmp_path, np.where(LABELS, LABELS + shift, 0))
        assert regions.indices == (1, 2, 5)
        np.testing.assert_array_equal(regions.definition.labels, LABELS)

    @pytest.mark.parametrize("noise", [1e-6, -1e-6, 9e-4])
    def test_background_whole_within_a_thousandth_is_background(self, tmp_path, noise):
        regions = load_values(tmp_path, np.where(LABELS, LABELS, noise))
        assert regions.indices == (1, 2, 5)
        np.testing.assert_array_equal(regions.definition.labels, LABELS)

    def test_mask_with_noise_in_its_background_is_a_single_region(self, tmp_path):
        regions = load_values(tmp_path, np.where(LABELS, 1.0, 1e-6))
        assert regions.indices == (1,)
        np.testing.assert_array_equal(regions.definition.labels != 0, LABELS != 0)

    @pytest.mark.parametrize("wrong", [2.5, 2.002, -2.0, np.inf, -np.inf])
    def test_value_that_is_no_index_is_shown(self, tmp_path, wrong):
        said = message_of(tmp_path, np.where(LABELS == 2, wrong, LABELS))
        assert f"{wrong:g}" in said.lower() or (not np.isfinite(wrong) and "infinite values" in said.lower())
        assert "whole numbers" in said

    def test_many_wrong_values_are_shown_in_part(self, tmp_path):
        values = np.linspace(0.1, 0.9, np.prod(SHAPE)).reshape(SHAPE)
        assert len(message_of(tmp_path, values).removeprefix(str(tmp_path))) < 250

    @pytest.mark.parametrize("values", [LABELS * 1.0, (LABELS > 0) * 1.0], ids=["labels", "mask"])
    def test_nan_around_regions_is_background_and_told_once(self, tmp_path, values):
        with pytest.warns(NiimaskerWarning) as caught:
            regions = load_values(tmp_path, np.where(LABELS, values, np.nan))
        assert [str(each.message) for each in caught] == [
            f"{tmp_path / 'roi.nii.gz'}: {np.count_nonzero(LABELS == 0)} voxels of it are NaN and counted as 0."
        ]
        np.testing.assert_array_equal(regions.definition.labels, values)

    def test_nan_alone_is_no_region(self, tmp_path):
        assert "every voxel is NaN" in message_of(tmp_path, np.full(SHAPE, np.nan))

    def test_image_of_zeros_is_refused(self, tmp_path):
        assert "every voxel is 0" in message_of(tmp_path, np.zeros(SHAPE))

    def test_large_index_is_exact(self, tmp_path):
        allen = 614_454_277
        regions = load_values(tmp_path, np.where(LABELS == 5, np.int32(allen), LABELS))
        assert (regions.indices[-1], regions.names[-1]) == (allen, f"roi {allen}")

    def test_index_beyond_int32_is_refused_with_the_largest(self, tmp_path):
        said = message_of(tmp_path, np.where(LABELS == 5, 3e9, LABELS).astype(np.uint32))
        assert "2147483647" in said

    @pytest.mark.parametrize("shape", [(*SHAPE, 1), (*SHAPE, 1, 1)])
    def test_axes_of_one_are_no_dimension(self, tmp_path, shape):
        path = save(tmp_path / "roi.nii", LABELS.reshape(shape))
        content = bytearray(path.read_bytes())
        struct.pack_into(f"<{len(shape) + 1}h", content, 40, len(shape), *shape)
        path.write_bytes(content)
        regions = load(path)
        assert regions.indices == (1, 2, 5)
        assert regions.definition.labels.shape == SHAPE

    def test_image_of_two_dimensions_is_refused_by_name(self, tmp_path):
        with pytest.raises(ImageError, match=r"roi\.nii\.gz: a 2D image \(8x9\); expected a 3D image, or a 4D one\.$"):
            load_values(tmp_path, LABELS[3])

    def test_radius_of_an_image_is_ignored_with_a_warning(self, tmp_path):
        with pytest.warns(NiimaskerWarning, match=r"--radius is ignored"):
            assert load_values(tmp_path, LABELS, radius=5.0).indices == (1, 2, 5)

    def test_given_names_come_in_ascending_order_of_index(self, tmp_path):
        assert load_values(tmp_path, make_labels((12, 3, 7)), labels=["a", "b", "c"]).names == ("a", "b", "c")

    def test_names_join_by_index(self, tmp_path):
        table = write(tmp_path / "names.csv", "name,index\ntwelve,12\nthree,3\nseven,7\n")
        regions = load_values(tmp_path, make_labels((12, 3, 7)), labels=[str(table)])
        assert regions.names == ("three", "seven", "twelve")

    def test_names_that_do_not_fit_name_the_image(self, tmp_path):
        assert "2 names" in message_of(tmp_path, LABELS, labels=["a", "b"])


class TestMaps:
    def test_fourth_axis_holds_maps(self, tmp_path):
        values = np.stack([LABELS == 1, 0.5 * (LABELS == 2), -0.25 * (LABELS == 5)], axis=-1)
        regions = load_values(tmp_path, values)
        assert isinstance(regions.definition, Maps)
        assert (regions.indices, regions.names) == ((1, 2, 3), ("roi 1", "roi 2", "roi 3"))
        np.testing.assert_allclose(regions.definition.weights, values)

    def test_maps_on_the_fifth_axis_are_read(self, tmp_path):
        values = np.stack([LABELS == 1, LABELS == 2], axis=-1)[:, :, :, None].astype(np.float32)
        regions = load_values(tmp_path, values)
        assert regions.definition.weights.shape == (*SHAPE, 2)

    def test_other_5d_image_is_refused_by_name(self, tmp_path):
        assert "5D" in message_of(tmp_path, np.ones((*SHAPE, 2, 3)))

    def test_infinite_values_are_refused(self, tmp_path):
        values = np.ones((*SHAPE, 2))
        values[3, 4, 5, 1] = np.inf
        assert "infinite values" in message_of(tmp_path, values)

    def test_nan_in_maps_counts_as_0_and_is_told_once(self, tmp_path):
        values = np.ones((*SHAPE, 2))
        values[3, 4, 5, 1] = np.nan
        with pytest.warns(NiimaskerWarning, match=r"roi\.nii\.gz: 1 voxel of it is NaN and counted as 0\.$"):
            regions = load_values(tmp_path, values)
        np.testing.assert_array_equal(regions.definition.weights, np.nan_to_num(values))

    def test_maps_of_zeros_are_refused(self, tmp_path):
        assert "0" in message_of(tmp_path, np.zeros((*SHAPE, 3)))

    def test_empty_map_keeps_its_column_and_has_no_centre(self, tmp_path):
        regions = load_values(tmp_path, 1.0 * np.stack([LABELS == 1, LABELS == 9], axis=-1))
        assert regions.indices == (1, 2)
        assert np.isnan(regions.centres[1]).all()

    def test_names_come_in_order(self, tmp_path):
        assert load_values(tmp_path, np.ones((*SHAPE, 2)), labels=["a", "b"]).names == ("a", "b")

    def test_scaled_maps_are_scaled(self, tmp_path):
        path = save(tmp_path / "roi.nii", np.stack([LABELS, LABELS], axis=-1))
        content = bytearray(path.read_bytes())
        struct.pack_into("<ff", content, 112, 0.25, 1.0)
        path.write_bytes(content)
        np.testing.assert_allclose(load(path).definition.weights[..., 0], LABELS * 0.25 + 1)


def ball(centre: tuple[int, int, int], width: float, shape=(21, 22, 23)) -> np.ndarray:
    """Return percentages that fall off from a centre, as maps of probabilities over 40 subjects have them."""
    squares = sum((axis - place) ** 2 for axis, place in zip(np.ogrid[tuple(map(slice, shape))], centre, strict=True))
    return np.round(np.round(40 * np.exp(-squares / (2 * width**2))) * 2.5)


class TestFourDimensions:
    def test_stack_of_parcellations_is_refused_with_the_way_out(self, tmp_path):
        stack = np.stack([LABELS, make_labels((3, 1, 4, 2)), make_labels((7, 9))], axis=-1)
        assert message_of(tmp_path, stack).endswith(
            "roi.nii.gz: a stack of 3 parcellations, as each volume holds several whole numbers; expected one 3D "
            "parcellation, or probabilistic maps. Take one volume out of it, as with fslroi or nibabel's "
            "img.slicer[..., 0]."
        )

    def test_percentages_are_maps(self, tmp_path):
        maps = np.stack([ball((8, 9, 10), 3), ball((12, 11, 10), 4), ball((10, 14, 8), 2)], axis=-1).astype(np.uint8)
        assert len(np.unique(maps)) > 30
        regions = load_values(tmp_path, maps)
        np.testing.assert_array_equal(regions.definition.weights, maps)

    @pytest.mark.parametrize("values", [(1, 1), (1, 2), (255, 255)])
    def test_masks_are_maps(self, tmp_path, values):
        masks = np.stack([(LABELS == 1) * values[0], (LABELS == 2) * values[1]], axis=-1).astype(np.int16)
        assert load_values(tmp_path, masks).indices == (1, 2)

    @pytest.mark.parametrize("sign", [1, -1])
    def test_single_map_is_a_map_with_its_weights(self, tmp_path, sign):
        weights = (sign * LABELS / 8.0)[..., None]
        regions = load_dim(tmp_path, weights)
        assert isinstance(regions.definition, Maps)
        np.testing.assert_allclose(regions.definition.weights, weights)
        assert (regions.indices, regions.names) == ((1,), ("roi 1",))

    @pytest.mark.parametrize("values", [LABELS, LABELS > 0, 0.5 * (LABELS > 0)], ids=["labels", "mask", "mask of 0.5"])
    def test_single_volume_of_labels_or_of_a_mask_is_a_parcellation(self, tmp_path, values):
        assert isinstance(load_dim(tmp_path, values[..., None].astype(np.float64)).definition, Parcellation)

    def test_fractions_in_three_dimensions_are_no_regions(self, tmp_path):
        assert "cannot be a region's index" in message_of(tmp_path, LABELS / 8.0)


def load_dim(tmp_path, values):
    """Return the regions of an image whose header keeps a fourth axis of one volume."""
    path = save(tmp_path / "roi.nii", values)
    content = bytearray(path.read_bytes())
    struct.pack_into("<5h", content, 40, 4, *values.shape)
    path.write_bytes(content)
    assert nib.load(path).shape == values.shape
    return load(path)


class TestCentres:
    def test_centre_of_a_region_is_the_mean_of_its_voxels_in_mm(self, tmp_path):
        # Slabs along the second axis, two voxels thick from 1 on; the other axes are filled but for their ends.
        middle = [(SHAPE[0] - 1) / 2, 0, (SHAPE[2] - 1) / 2, 1]
        expected = [(OBLIQUE @ np.add(middle, [0, j, 0, 0]))[:3] for j in (1.5, 3.5, 5.5)]
        np.testing.assert_allclose(load_values(tmp_path, LABELS).centres, expected, atol=1e-5)

    def test_centres_follow_ascending_indices(self, tmp_path):
        centres = load_values(tmp_path, make_labels((5, 2, 1))).centres
        np.testing.assert_allclose(centres[::-1], load_values(tmp_path, make_labels((1, 2, 5))).centres)

    def test_centre_of_a_map_is_weighted(self, tmp_path):
        weights = np.zeros((*SHAPE, 2))
        weights[1, 2, 3, 0], weights[5, 2, 3, 0] = 1, 3  # (1 * 1 + 5 * 3) / 4 = 4
        weights[2, 3, 4, 1] = 1
        expected = [(OBLIQUE @ [4, 2, 3, 1])[:3], (OBLIQUE @ [2, 3, 4, 1])[:3]]
        np.testing.assert_allclose(load_values(tmp_path, weights).centres, expected, atol=1e-5)

    def test_centres_of_seeds_are_their_coordinates(self, tmp_path):
        table = write(tmp_path / "seeds.tsv", "x\ty\tz\n1\t2\t3\n-4.5\t5e0\t0\n")
        np.testing.assert_allclose(load_seeds(table).centres, [[1, 2, 3], [-4.5, 5, 0]])


class TestCoordinates:
    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("seeds.tsv", "x\ty\tz\n1\t2\t3\n-4.5\t5\t6\n"),
            ("seeds.csv", "x,y,z\n1,2,3\n-4.5,5,6\n"),
            ("seeds.tsv", "name\tz\tnetwork\tx\ty\na\t3\tVis\t1\t2\nb\t6\tDMN\t-4.5\t5\n"),
            ("seeds.csv", '"z","y","name","x"\n3,2,"a, left",1\n6,5,b,-4.5\n'),
            ("seeds.TSV", "x\ty\tz\r\n1\t2\t3\r\n-4.5\t5\t6\r\n"),
            ("seeds.tsv", "\ufeffx\ty\tz\n1\t2\t3\n-4.5\t5\t6"),
        ],
        ids=["tsv", "csv", "others", "quotes", "windows", "byte order mark"],
    )
    def test_columns_are_found_by_name(self, tmp_path, name, text):
        regions = load_seeds(write(tmp_path / name, text))
        assert isinstance(regions.definition, Seeds)
        np.testing.assert_allclose(regions.definition.coordinates, [[1, 2, 3], [-4.5, 5, 6]])

    def test_default_names_count_from_0(self, tmp_path):
        regions = load_seeds(write(tmp_path / "seeds.tsv", "x\ty\tz\n1\t2\t3\n4\t5\t6\n"))
        assert (regions.indices, regions.names) == ((0, 1), ("roi 0", "roi 1"))

    def test_radius_is_kept(self, tmp_path):
        assert load_seeds(write(tmp_path / "seeds.tsv", "x\ty\tz\n1\t2\t3\n")).definition.radius == 5.0

    def test_without_radius_a_warning_says_nearest_voxel(self, tmp_path):
        with pytest.warns(NiimaskerWarning, match="no --radius.*voxel nearest"):
            regions = load(write(tmp_path / "seeds.tsv", "x\ty\tz\n1\t2\t3\n"))
        assert regions.definition.radius is None

    def test_missing_columns_are_named_with_those_found(self, tmp_path):
        with pytest.raises(RegionsError, match=r"seeds\.tsv: no column y, z; .*found x, w"):
            read_seeds(write(tmp_path / "seeds.tsv", "x\tw\n1\t2\n"))

    @pytest.mark.parametrize("text", ["left", "", "1,5,5", "nan", "inf", "n/a"])
    def test_value_that_is_no_number_is_shown_with_its_place(self, tmp_path, text):
        with pytest.raises(RegionsError, match=rf"seeds\.tsv: '{text}' in column y, row 2"):
            read_seeds(write(tmp_path / "seeds.tsv", f"x\ty\tz\n1\t2\t3\n1\t{text}\t3\n"))

    def test_row_that_is_too_short_is_refused(self, tmp_path):
        with pytest.raises(RegionsError, match=r"seeds\.tsv.*row 2"):
            read_seeds(write(tmp_path / "seeds.tsv", "x\ty\tz\n1\t2\t3\n1\t2\n"))

    # pandas takes a first value without header as the row's name, and the others shift.
    @pytest.mark.parametrize("rows", ["10\t20\t30\t6\n", "10\t20\t30\t6\n11\t21\t31\t6\n"])
    def test_rows_longer_than_the_header_are_refused(self, tmp_path, rows):
        with pytest.raises(RegionsError, match=r"seeds\.tsv"):
            read_seeds(write(tmp_path / "seeds.tsv", "x\ty\tz\n" + rows))

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("", " is empty; give a table with columns x, y, z in mm."),
            ("x\ty\tz\n", ": no coordinates below its header; give one row per sphere."),
        ],
        ids=["empty", "header alone"],
    )
    def test_table_without_rows_is_refused(self, tmp_path, text, said):
        table = write(tmp_path / "seeds.tsv", text)
        with pytest.raises(RegionsError) as caught:
            read_seeds(table)
        assert str(caught.value) == f"{table}{said}"

    def test_missing_table_is_named(self, tmp_path):
        with pytest.raises(RegionsError, match=r"seeds\.tsv.*No such file"):
            load_seeds(tmp_path / "seeds.tsv")

    def test_folder_is_named(self, tmp_path):
        (tmp_path / "seeds.tsv").mkdir()
        with pytest.raises(RegionsError, match=r"seeds\.tsv"):
            load_seeds(tmp_path / "seeds.tsv")

    def test_binary_file_is_named(self, tmp_path):
        (tmp_path / "seeds.tsv").write_bytes(b"\x1f\x8b\x08\x00\xff\xfe")
        with pytest.raises(RegionsError, match=r"seeds\.tsv"):
            load_seeds(tmp_path / "seeds.tsv")

    def test_given_names_come_row_by_row(self, tmp_path):
        table = write(tmp_path / "seeds.tsv", "x\ty\tz\n1\t2\t3\n4\t5\t6\n")
        assert load_seeds(table, labels=["a", "b"]).names == ("a", "b")

    @pytest.mark.parametrize("first", [0, 1, 7])
    def test_own_table_names_its_rows_whatever_its_index(self, tmp_path, first):
        text = f"index\tname\tx\ty\tz\n{first + 1}\tb\t1\t2\t3\n{first}\ta\t4\t5\t6\n"
        table = write(tmp_path / "seeds.tsv", text)
        assert load_seeds(table, labels=[str(table)]).names == ("b", "a")

    def test_own_table_below_the_home_folder_names_its_rows(self, tmp_path, monkeypatch):
        monkeypatch.setenv("HOME", str(tmp_path))
        write(tmp_path / "seeds.tsv", "index\tname\tx\ty\tz\n2\tb\t1\t2\t3\n1\ta\t4\t5\t6\n")
        assert load_seeds("~/seeds.tsv", labels=["~/seeds.tsv"]).names == ("b", "a")

    def test_too_few_names_are_refused_with_both_counts(self, tmp_path):
        table = write(tmp_path / "seeds.tsv", "x\ty\tz\n1\t2\t3\n4\t5\t6\n")
        with pytest.raises(RegionsError, match=r"1 name.*seeds\.tsv has 2 regions.*index 1"):
            load_seeds(table, labels=["a"])


class TestVoxels:
    @pytest.mark.parametrize("value", [1, 255, 0.5, -1])
    def test_voxels_of_a_single_mask_are_marked(self, tmp_path, value):
        regions = load_values(tmp_path, np.where(LABELS, value, 0.0), as_voxels=True)
        assert regions.as_voxels
        np.testing.assert_array_equal(regions.definition.labels != 0, LABELS != 0)

    def test_without_the_option_they_are_not(self, tmp_path):
        assert not load_values(tmp_path, np.sign(LABELS)).as_voxels

    def test_labels_are_ignored_with_a_warning(self, tmp_path):
        with pytest.warns(NiimaskerWarning, match=r"--labels is ignored.*--as_voxels"):
            load_values(tmp_path, np.sign(LABELS), as_voxels=True, labels=["a"])

    def test_labels_that_do_not_fit_are_ignored_too(self, tmp_path):
        with pytest.warns(NiimaskerWarning, match=r"--labels is ignored.*--as_voxels"):
            load_values(tmp_path, np.sign(LABELS), as_voxels=True, labels=["a", "b"])

    def test_maps_are_refused(self, tmp_path):
        said = message_of(tmp_path, np.ones((*SHAPE, 4)), as_voxels=True)
        assert "--as_voxels needs a mask or a parcellation" in said
        assert "mask" in said

    def test_coordinates_are_refused(self, tmp_path):
        table = write(tmp_path / "seeds.tsv", "x\ty\tz\n1\t2\t3\n")
        with pytest.raises(RegionsError, match=r"--as_voxels.*mask.*seeds\.tsv holds coordinates"):
            load_seeds(table, as_voxels=True)


class TestMask:
    @pytest.mark.parametrize(("value", "dtype"), [(1, "uint8"), (255, "uint8"), (1, "float32"), (0.5, "float64")])
    def test_voxels_that_are_not_0_are_inside(self, tmp_path, value, dtype):
        mask = load_voxel_mask(save(tmp_path / "mask.nii.gz", np.where(LABELS, value, 0).astype(dtype)))
        np.testing.assert_array_equal(mask.voxels, LABELS != 0)
        np.testing.assert_allclose(mask.grid.matrix, OBLIQUE, atol=1e-5)

    @pytest.mark.parametrize(
        ("values", "said"),
        [
            (LABELS, "0, 1, 2, 5"),
            (np.zeros(SHAPE), "found 0"),
            (np.where(LABELS, 1.0, np.nan), "nan"),
            (make_series(LABELS), "4D"),
        ],
        ids=["several values", "empty", "NaN", "4D"],
    )
    def test_other_images_are_refused_by_what_they_hold(self, tmp_path, values, said):
        with pytest.raises(RegionsError, match=rf"mask\.nii\.gz: .*{said}"):
            load_voxel_mask(save(tmp_path / "mask.nii.gz", values))

    def test_image_of_two_dimensions_is_refused_by_name(self, tmp_path):
        with pytest.raises(ImageError, match=r"mask\.nii\.gz: a 2D image \(7x8\); expected a 3D image, or a 4D one\.$"):
            load_voxel_mask(save(tmp_path / "mask.nii.gz", np.ones(SHAPE[:2])))

    def test_missing_file_is_named(self, tmp_path):
        with pytest.raises(ImageError, match=r"mask\.nii: no such file"):
            load_voxel_mask(tmp_path / "mask.nii")


class TestDamage:
    def test_missing_file_is_named(self, tmp_path):
        with pytest.raises(ImageError, match=r"roi\.nii: no such file"):
            load(tmp_path / "roi.nii")

    def test_file_that_is_no_image_is_named(self, tmp_path):
        with pytest.raises(ImageError, match=r"roi\.txt"):
            load(write(tmp_path / "roi.txt", "1 2 3\n"))

    def test_colours_are_refused(self, tmp_path):
        colours = np.zeros(SHAPE, dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
        with pytest.raises((RegionsError, ImageError), match=r"roi\.nii\.gz"):
            load_values(tmp_path, colours)

    @pytest.mark.parametrize("shape", [(30000, 30000, 30000), (900, 900, 900), (900, 900, 900, 2)])
    @pytest.mark.parametrize("reader", [load, load_voxel_mask])
    def test_promise_of_a_header_decides_no_allocation(self, tmp_path, shape, reader):
        path = promise(tmp_path / "roi.nii.gz", shape)
        tracemalloc.start()
        try:
            with pytest.raises((BrokenImageError, RegionsError), match=r"roi\.nii\.gz"):
                reader(path)
            assert tracemalloc.get_traced_memory()[1] < 50e6
        finally:
            tracemalloc.stop()


class TestRealRegions:
    @pytest.mark.parametrize(
        ("path", "n_regions"),
        [
            ("atlas/Schaefer2018_100Parcels_7Networks_order_FSLMNI152_2mm.nii.gz", 100),
            ("atlas/schaefer400x7MNI.nii.gz", 400),
            ("atlas/AAL_space-MNI152NLin6_res-4x4x4.nii.gz", 116),
            ("bold/pyhrf/subj0_parcellation.nii.gz", 2),
            ("bold/pyhrf/subj0_single_roi.nii.gz", 1),
            ("bold/haxby/masks/hoc.nii.gz", 21),
            ("bold/haxby/masks/vt.nii.gz", 1),
        ],
    )
    def test_parcellations_have_their_regions(self, data_dir, path, n_regions):
        regions = load(data_dir / path)
        assert isinstance(regions.definition, Parcellation)
        assert len(regions.indices) == n_regions

    def test_gaps_in_the_indices_stay(self, data_dir):
        regions = load(data_dir / "bold/haxby/masks/hoc.nii.gz")
        assert regions.names[:4] == ("roi 1", "roi 3", "roi 4", "roi 7")

    def test_schaefer_regions_lie_nearest_to_their_published_centres(self, data_dir):
        name = "Schaefer2018_100Parcels_7Networks_order_FSLMNI152_2mm"
        published = read_seeds(data_dir / "atlas" / f"{name}.Centroid_XYZ.tsv").coordinates
        centres = load(data_dir / "atlas" / f"{name}.nii.gz").centres
        distances = np.linalg.norm(centres[:, None] - published, axis=2)
        np.testing.assert_array_equal(distances.argmin(axis=1), np.arange(100))

    def test_seeds_lie_at_the_centres_of_the_parcellation(self, data_dir):
        folder = data_dir / "bold" / "pyhrf"
        seeds = load_seeds(folder / "coordinates.tsv")  # right to left, the parcellation is left to right
        np.testing.assert_allclose(load(folder / "subj0_parcellation.nii.gz").centres[::-1], seeds.centres, atol=0.1)
