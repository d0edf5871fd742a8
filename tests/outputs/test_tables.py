from __future__ import annotations

import json
import os
import stat

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from images import LAS, OBLIQUE, SHAPE, make_labels, save

from niimasker.errors import OutputError
from niimasker.inputs.spaces import Grid
from niimasker.outputs.files import copy_file, replacing, write_image, write_json
from niimasker.outputs.regions_used import write_regions_used
from niimasker.outputs.study_names import RegionsUsed
from niimasker.outputs.tables import regions_table, text_column, write_records, write_signals
from niimasker.regions.definitions import Mask
from niimasker.regions.loading import load_regions
from niimasker.regions.placing.placement import place_regions
from niimasker.regions.roi_files import parse_roi_file
from niimasker.signals.extraction import Signals

GRID = Grid.from_image(nib.Nifti1Image(np.zeros(SHAPE), LAS))

WRITERS = {
    "json": lambda path: write_json(path, {"a": 1}),
    "image": lambda path: write_image(path, nib.Nifti1Image(np.ones(SHAPE), OBLIQUE)),
    "copy": lambda path: copy_file(save(path.parents[1] / "source.nii", np.ones(SHAPE)), path),
}


@pytest.fixture
def umask():
    """Set the umask for a test's time."""
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


def load(path, radius=None):
    """Return the regions of one --roi_file."""
    (regions,) = load_regions([str(path)], labels=[], as_voxels=False, radius=radius, atlas_dir=None)
    return regions


def write_seeds(path, *centres):
    """Write a table of coordinates in mm."""
    rows = ["\t".join(map(str, centre)) for centre in centres]
    path.write_text("\n".join(["x\ty\tz", *rows, ""]))
    return path


class TestReplacing:
    def test_file_is_under_its_name_at_the_end(self, tmp_path):
        path = tmp_path / "a.tsv"
        with replacing(path) as temporary:
            temporary.write_text("new")
            assert not path.exists()
        assert path.read_text() == "new"
        assert list(tmp_path.iterdir()) == [path]

    def test_old_file_stays_until_the_end(self, tmp_path):
        path = tmp_path / "a.tsv"
        path.write_text("old")
        with replacing(path) as temporary:
            temporary.write_text("new")
            assert path.read_text() == "old"
        assert path.read_text() == "new"

    @pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
    def test_exception_inside_leaves_the_old_file_and_nothing_else(self, tmp_path, error):
        path = tmp_path / "a.tsv"
        path.write_text("old")
        with pytest.raises(error), replacing(path) as temporary:  # noqa: PT012
            temporary.write_text("half")
            raise error
        assert path.read_text() == "old"
        assert list(tmp_path.iterdir()) == [path]

    def test_full_disk_is_an_output_error_and_leaves_nothing(self, tmp_path):
        path = tmp_path / "a.tsv"
        with pytest.raises(OutputError, match=r"a\.tsv.*No space left"), replacing(path) as temporary:  # noqa: PT012
            temporary.write_text("half")
            raise OSError(28, "No space left on device")
        assert list(tmp_path.iterdir()) == []

    def test_temporary_file_lies_beside_its_file(self, tmp_path):
        with replacing(tmp_path / "x" / "a.tsv") as temporary:
            assert temporary.parent.parent == tmp_path / "x"
            temporary.touch()
        assert [path.name for path in (tmp_path / "x").iterdir()] == ["a.tsv"]

    def test_two_writers_of_one_file_do_not_share_a_temporary(self, tmp_path):
        path = tmp_path / "a.tsv"
        with replacing(path) as first, replacing(path) as second:
            assert first != second
            first.write_text("first")
            second.write_text("second")
        assert list(tmp_path.iterdir()) == [path]


class TestEveryWriter:
    @pytest.mark.parametrize("writer", WRITERS)
    def test_folders_above_are_made(self, tmp_path, writer):
        path = tmp_path / "x" / "y" / "a.nii.gz"
        WRITERS[writer](path)
        assert list(path.parent.glob("*")) == [path]

    @pytest.mark.parametrize("writer", WRITERS)
    @pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
    def test_permissions_follow_the_umask(self, tmp_path, umask, writer, mask):
        umask(mask)
        path = tmp_path / "x" / "a.nii"
        WRITERS[writer](path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask

    @pytest.mark.parametrize("writer", WRITERS)
    def test_file_in_the_place_of_the_folder_is_an_output_error(self, tmp_path, writer):
        (tmp_path / "x").write_text("")
        with pytest.raises(OutputError, match=r"x/a\.nii cannot be written"):
            WRITERS[writer](tmp_path / "x" / "a.nii")

    @pytest.mark.parametrize("writer", WRITERS)
    def test_folder_in_the_place_of_the_file_is_an_output_error(self, tmp_path, writer):
        path = tmp_path / "x" / "a.nii"
        path.mkdir(parents=True)
        with pytest.raises(OutputError, match=r"a\.nii cannot be written"):
            WRITERS[writer](path)
        assert list((tmp_path / "x").iterdir()) == [path]

    @pytest.mark.parametrize(
        "name", ["a" * 243 + "_signals.tsv", "語" * 81 + "_signals.tsv"], ids=["ASCII", "Japanese"]
    )
    def test_name_as_long_as_the_file_system_permits(self, tmp_path, name):
        assert len(name.encode()) == 255
        write_json(tmp_path / name, {})
        assert (tmp_path / name).is_file()


class TestSignals:
    def test_table_holds_a_header_and_a_row_per_volume(self, tmp_path):
        write_signals(tmp_path / "a.tsv", np.array([[1.0, -2.5], [1 / 3, 1e6]]), ["roi 1", "roi 2"], n_decimals=3)
        assert (tmp_path / "a.tsv").read_bytes() == b"roi 1\troi 2\n1.000\t-2.500\n0.333\t1000000.000\n"

    @pytest.mark.parametrize(
        ("n_decimals", "expected"), [(0, "3"), (2, "2.72"), (8, "2.71828183"), (12, "2.718281828459")]
    )
    def test_decimals_are_as_many_as_asked(self, tmp_path, n_decimals, expected):
        write_signals(tmp_path / "a.tsv", np.array([[np.e]]), ["a"], n_decimals=n_decimals)
        assert (tmp_path / "a.tsv").read_text() == f"a\n{expected}\n"

    def test_missing_values_are_na_in_every_row(self, tmp_path):
        write_signals(tmp_path / "a.tsv", np.array([[1, np.nan], [2, np.nan]]), ["a", "b"], n_decimals=1)
        assert (tmp_path / "a.tsv").read_text() == "a\tb\n1.0\tn/a\n2.0\tn/a\n"

    def test_missing_value_of_a_single_column_is_na(self, tmp_path):
        write_signals(tmp_path / "a.tsv", np.array([[np.nan]]), ["a"], n_decimals=1)
        assert (tmp_path / "a.tsv").read_text() == "a\nn/a\n"

    def test_values_survive_to_the_last_decimal(self, tmp_path):
        values = np.random.default_rng(0).normal(1e4, 10, (20, 7))
        write_signals(tmp_path / "a.tsv", values, list("abcdefg"), n_decimals=8)
        read = pd.read_csv(tmp_path / "a.tsv", sep="\t").to_numpy()
        np.testing.assert_allclose(read, values, rtol=0, atol=5.1e-9)

    @pytest.mark.parametrize("name", ['a "b"', '"', "it's", "a, b", "額葉", "Área 3b", "#1", "a;b", " a", "n/a", "1"])
    def test_names_survive_reading(self, tmp_path, name):
        write_signals(tmp_path / "a.tsv", np.ones((2, 2)), [name, "other"], n_decimals=2)
        assert list(pd.read_csv(tmp_path / "a.tsv", sep="\t").columns) == [name, "other"]

    @settings(deadline=None)
    @given(
        names=st.lists(
            st.text(st.characters(categories=["L", "M", "N", "P", "S"]), min_size=1), min_size=1, unique=True
        )
    )
    def test_any_names_survive_reading(self, tmp_path_factory, names):
        path = tmp_path_factory.mktemp("names") / "a.tsv"
        write_signals(path, np.ones((1, len(names))), names, n_decimals=1)
        assert list(pd.read_csv(path, sep="\t").columns) == names


class TestRecords:
    def test_numbers_have_six_digits_and_missing_ones_are_na(self, tmp_path):
        table = pd.DataFrame({"name": ["a", None], "mean": [1234.56789, np.nan], "n": [614454277, 2]})
        write_records(tmp_path / "a.tsv", table)
        assert (tmp_path / "a.tsv").read_text() == "name\tmean\tn\na\t1234.57\t614454277\nn/a\tn/a\t2\n"

    def test_text_survives_reading(self, tmp_path):
        texts = ['a "b"', "a, b", "額葉", "it's"]
        write_records(tmp_path / "a.tsv", pd.DataFrame({"name": texts}))
        assert pd.read_csv(tmp_path / "a.tsv", sep="\t")["name"].tolist() == texts


RECORD_COLUMNS = {
    "floats": st.lists(st.floats(width=64), min_size=4, max_size=4),
    "integers": st.lists(st.integers(-(2**40), 2**40), min_size=4, max_size=4),
    "booleans": st.lists(st.booleans(), min_size=4, max_size=4),
    "texts": st.lists(st.none() | st.text(max_size=5), min_size=4, max_size=4).map(text_column),
    "missing integers": st.lists(st.none() | st.integers(0, 9), min_size=4, max_size=4).map(
        lambda values: pd.Series(values, dtype="Int64")
    ),
    "anything": st.lists(st.none() | st.floats() | st.integers() | st.text(max_size=3), min_size=4, max_size=4).map(
        lambda values: pd.Series(values, dtype=object)
    ),
}


class TestRecordsAgainstPandas:
    @given(
        columns=st.lists(st.sampled_from(list(RECORD_COLUMNS)).flatmap(RECORD_COLUMNS.__getitem__), max_size=4),
        names=st.permutations(["x", "mean", "a b", "n/a"]),
        float_format=st.sampled_from(["%.6g", "%.10g"]),
    )
    def test_any_table_has_the_bytes_that_pandas_writes(self, tmp_path_factory, columns, names, float_format):
        folder = tmp_path_factory.mktemp("records")
        check_records(folder, pd.DataFrame(dict(zip(names, columns, strict=False))), float_format)

    def test_rows_of_a_long_table_stay_in_order(self, tmp_path):
        n_rows = 25_000
        names = text_column([f"edge {n}" for n in range(n_rows)])
        check_records(tmp_path, pd.DataFrame({"name": names, "r": np.arange(n_rows) / 7}), "%.12g")


def check_records(folder, table, float_format):
    """Check that a table is written as pandas writes it."""
    write_records(folder / "written.tsv", table, float_format)
    table.to_csv(
        folder / "pandas.tsv",
        sep="\t",
        index=False,
        na_rep="n/a",
        float_format=float_format,
        encoding="utf-8",
        errors="backslashreplace",
    )
    assert (folder / "written.tsv").read_bytes() == (folder / "pandas.tsv").read_bytes()


class TestJson:
    def test_other_letters_are_written_as_they_are(self, tmp_path):
        write_json(tmp_path / "a.json", {"名前": "Área"})
        text = (tmp_path / "a.json").read_text(encoding="utf-8")
        assert '"名前": "Área"' in text
        assert json.loads(text) == {"名前": "Área"}

    @pytest.mark.parametrize("missing", [float("nan"), float("inf")])
    def test_number_without_a_value_is_no_broken_json(self, tmp_path, missing):
        def refuse(word):
            raise AssertionError(f"{word} is no JSON")

        write_json(tmp_path / "a.json", {"t_r": missing, "list": [1.5, missing]})
        content = json.loads((tmp_path / "a.json").read_text(), parse_constant=refuse)
        assert content == {"t_r": None, "list": [1.5, None]}

    def test_file_name_that_is_no_unicode_is_written(self, tmp_path):
        name = os.fsdecode(b"caf\xe9.nii")
        write_json(tmp_path / "a.json", {"image": name})
        assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"image": name}

    def test_content_that_is_no_json_leaves_the_old_file(self, tmp_path):
        write_json(tmp_path / "a.json", {"a": 1})
        with pytest.raises(TypeError):
            write_json(tmp_path / "a.json", {"a": object()})
        assert json.loads((tmp_path / "a.json").read_text()) == {"a": 1}
        assert len(list(tmp_path.iterdir())) == 1


class TestImage:
    @pytest.mark.parametrize(("name", "start"), [("a.nii", b"\x5c\x01"), ("a.b.nii.gz", b"\x1f\x8b")])
    def test_suffix_decides_on_compression(self, tmp_path, name, start):
        write_image(tmp_path / name, nib.Nifti1Image(make_labels(), OBLIQUE))
        assert (tmp_path / name).read_bytes()[:2] == start
        np.testing.assert_array_equal(nib.load(tmp_path / name).dataobj, make_labels())

    def test_dots_in_the_name_do_not_matter(self, tmp_path):
        write_image(tmp_path / "atlas.v2.nii", nib.Nifti1Image(make_labels(), OBLIQUE))
        np.testing.assert_array_equal(nib.load(tmp_path / "atlas.v2.nii").dataobj, make_labels())


class TestCopy:
    def test_content_is_the_same(self, tmp_path):
        source = save(tmp_path / "a.nii.gz", make_labels())
        copy_file(source, tmp_path / "x" / "a.nii.gz")
        assert (tmp_path / "x" / "a.nii.gz").read_bytes() == source.read_bytes()

    def test_file_copied_on_itself_stays(self, tmp_path):
        source = save(tmp_path / "a.nii.gz", make_labels())
        before = source.read_bytes()
        copy_file(source, tmp_path / "x" / ".." / "a.nii.gz")
        assert source.read_bytes() == before

    def test_older_copy_is_replaced(self, tmp_path):
        (tmp_path / "b.nii").write_text("old")
        copy_file(save(tmp_path / "a.nii", make_labels()), tmp_path / "b.nii")
        assert (tmp_path / "b.nii").read_bytes() == (tmp_path / "a.nii").read_bytes()


class TestRegionsTable:
    """Two slabs of regions, the first of 5 x 2 x 7 voxels, and a third one outside of the mask."""

    @pytest.fixture
    def table(self, tmp_path):
        labels = make_labels((1, 2, 5))
        regions = load(save(tmp_path / "atlas.nii", labels, LAS))
        weights = place_regions(regions, GRID, Mask(labels < 5, GRID))
        values = np.array([[1.0, 10, np.nan], [3, 20, np.nan]])
        facts = {
            "n_valid": np.array([70, 35, 0]),
            "coverage": np.array([1, 0.5, 0]),
            # Not of these values: of the signals as they were read.
            "mean": np.array([3, 16, np.nan]),
            "tsnr": np.array([50, 60, np.nan]),
        }
        return regions_table(weights, Signals(values, **facts, status=weights.status))

    def test_columns_are_those_of_the_design(self, table):
        expected = ["index", "name", "x", "y", "z", "n_voxels", "n_valid", "coverage", "mean", "tsnr", "status"]
        assert list(table.columns) == expected

    def test_row_holds_a_region(self, table):
        row = table.iloc[1]
        assert row[["index", "name", "n_voxels", "n_valid", "coverage", "mean", "tsnr", "status"]].tolist() == [
            *(2, "roi 2", 70, 35, 0.5, 16, 60, "ok")
        ]
        assert row[["x", "y", "z"]].tolist() == pytest.approx((LAS @ [3, 3.5, 4, 1])[:3])

    def test_region_outside_of_the_mask_keeps_its_row_and_says_why(self, table):
        assert table["index"].tolist() == [1, 2, 5]
        assert "mask" in table["status"].iloc[2]

    def test_region_without_voxels_has_no_signal(self, table, tmp_path):
        write_records(tmp_path / "a.tsv", table)
        read = pd.read_csv(tmp_path / "a.tsv", sep="\t", keep_default_na=False)
        assert read.loc[2, ["mean", "tsnr"]].tolist() == ["n/a", "n/a"]


def used_seeds(tmp_path, roi_path):
    roi_file = parse_roi_file(str(roi_path))
    return RegionsUsed(roi_file, (tmp_path / "out/seeds.tsv",), tmp_path / "out/spheres_img.nii.gz")


class TestRegionsUsed:
    def test_roi_file_is_copied(self, tmp_path):
        roi_path = save(tmp_path / "in" / "atlas.v2.nii.gz", make_labels())
        files = RegionsUsed(parse_roi_file(str(roi_path)), (tmp_path / "out/atlas.v2.nii.gz",))
        write_regions_used(files, load(roi_path), [GRID])
        assert [path.name for path in (tmp_path / "out").iterdir()] == ["atlas.v2.nii.gz"]
        assert (tmp_path / "out" / "atlas.v2.nii.gz").read_bytes() == roi_path.read_bytes()

    def test_seeds_are_kept_as_table_and_image(self, tmp_path):
        roi_path = write_seeds(tmp_path / "seeds.tsv", (0, 0, 9))
        files = used_seeds(tmp_path, roi_path)
        write_regions_used(files, load(roi_path, radius=3.0), [GRID])
        assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["seeds.tsv", "spheres_img.nii.gz"]

    def test_spheres_are_labels_from_1_around_their_centres(self, tmp_path):
        # On a grid of 3 mm a radius of 3 mm takes a voxel and its six neighbours.
        centres = [(LAS @ [i, 3, 4, 1])[:3] for i in (2, 5)]
        roi_path = write_seeds(tmp_path / "seeds.tsv", *centres)
        files = used_seeds(tmp_path, roi_path)
        write_regions_used(files, load(roi_path, radius=3.0), [GRID])
        img = nib.load(tmp_path / "out" / "spheres_img.nii.gz")
        labels = np.asarray(img.dataobj)
        assert [np.count_nonzero(labels == n) for n in (1, 2)] == [7, 7]
        assert (labels[2, 3, 4], labels[1, 3, 4], labels[2, 3, 5], labels[5, 3, 4]) == (1, 1, 1, 2)
        np.testing.assert_array_equal(img.affine, LAS)
