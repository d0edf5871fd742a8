"""Which files a value of --roi_file or --mask_img stands for."""

from __future__ import annotations

from pathlib import Path

import pytest

from niimasker.regions.roi_files import (
    RoiFile,
    name_for_all_images,
    name_without_hemisphere,
    parse_mask,
    parse_roi_file,
)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def touch(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def files(text: str) -> list[str]:
    return [path.as_posix() for path in parse_roi_file(text).paths]


class TestOneFile:
    @pytest.mark.parametrize("text", ["atlas.nii.gz", "A_hemi-L_dseg.nii.gz", "lh.seeds.tsv", "lh.A.dlabel.nii", "a/b"])
    def test_text_without_hemisphere_or_map_is_its_path(self, text):
        touch("A_hemi-R_dseg.nii.gz", "rh.seeds.tsv", "rh.A.dlabel.nii")
        assert parse_roi_file(text) == RoiFile(text, (Path(text),), None)

    def test_home_is_expanded(self, monkeypatch, folder):
        monkeypatch.setenv("HOME", str(folder))
        touch("lh.A.annot", "rh.A.annot")
        assert parse_roi_file("~/a.nii").path == folder / "a.nii"
        assert parse_roi_file("~/a.dlabel.nii:B").path == folder / "a.dlabel.nii"
        assert parse_roi_file("~/{hemi}.A.annot").paths == (folder / "lh.A.annot", folder / "rh.A.annot")

    def test_home_of_a_mask_is_expanded_already(self):
        assert parse_mask(Path("~/m.nii")).path == Path("~/m.nii")

    def test_query_has_no_file(self):
        roi_file = parse_roi_file("nilearn:a.nii:b")
        assert (roi_file.paths, roi_file.map_name, roi_file.name) == ((), None, "nilearn:a.nii:b")

    @pytest.mark.parametrize(
        ("text", "kind"),
        [
            ("nilearn:aal", "is_query"),
            ("a.tsv", "is_table"),
            ("a.CSV", "is_table"),
            ("a.nii.gz", "is_image"),
            ("a", "is_image"),
            ("a.dlabel.nii", "is_image"),
            ("a.dscalar.nii:x.csv", "is_image"),
            ("a.ptseries.nii.gz", "is_image"),
            ("a.annot", "is_image"),
            ("a.label.gii", "is_image"),
        ],
    )
    def test_kind_is_told_by_the_name(self, text, kind):
        roi_file = parse_roi_file(text)
        kinds = {"is_query", "is_table", "is_image"}
        assert {each for each in kinds if getattr(roi_file, each)} == {kind}


class TestHemispheres:
    @pytest.mark.parametrize(
        ("left", "right"),
        [
            ("A_hemi-L_dseg.label.gii", "A_hemi-R_dseg.label.gii"),
            ("x/lh.A.annot", "x/rh.A.annot"),
            ("A.L.32k.label.gii.gz", "A.R.32k.label.gii.gz"),
            ("A_hemi-left_m.shape.gii", "A_hemi-right_m.shape.gii"),
            ("A_hemi-lh_m.shape.gii", "A_hemi-rh_m.shape.gii"),
            ("rh-old/lh.A.annot", "rh-old/rh.A.annot"),
        ],
    )
    def test_one_stands_for_both_if_the_other_lies_beside_it(self, left, right):
        touch(left)
        assert files(left) == [left]
        assert files(right) == [left, right]
        touch(right)
        assert files(left) == files(right) == [left, right]
        assert [path.as_posix() for path in parse_mask(Path(right)).paths] == [left, right]

    def test_right_alone(self):
        touch("rh.A.annot")
        assert files("rh.A.annot") == ["rh.A.annot"]

    def test_other_one_in_another_folder_or_format_is_no_partner(self):
        touch("lh.A.annot", "x/rh.A.annot", "rh.A.annot.gz", "rh.A.label.gii")
        assert files("lh.A.annot") == ["lh.A.annot"]

    def test_folder_is_no_partner(self):
        touch("lh.A.annot", "rh.A.annot/x")
        assert files("lh.A.annot") == ["lh.A.annot"]

    def test_partner_that_is_not_fetched_is_there(self):
        touch("lh.A.annot")
        Path("rh.A.annot").symlink_to(".git/annex/none")
        assert files("lh.A.annot") == ["lh.A.annot", "rh.A.annot"]

    @pytest.mark.parametrize(
        ("text", "left", "right"),
        [
            ("A_hemi-{hemi}_dseg.label.gii", "A_hemi-L_dseg.label.gii", "A_hemi-R_dseg.label.gii"),
            ("A_hemi-{hemi}_dseg.label.gii", "A_hemi-left_dseg.label.gii", "A_hemi-right_dseg.label.gii"),
            ("A.{hemi}.label.gii", "A.lh.label.gii", "A.rh.label.gii"),
            ("x/{hemi}.aparc.annot", "x/lh.aparc.annot", "x/rh.aparc.annot"),
            ("x/{hemi}.aparc.annot", "x/L.aparc.annot", "x/R.aparc.annot"),
            ("A_{hemi}.gii", "A_L.gii", "A_R.gii"),
            ("A{hemi}.gii", "AL.gii", "AR.gii"),
            ("{hemi}/A.annot", "lh/A.annot", "rh/A.annot"),
        ],
    )
    def test_field_stands_for_the_spelling_that_exists_and_needs_both(self, text, left, right):
        for name in (left, right):
            touch(name)
            assert files(text) == [left, right]
            if name == left:
                Path(name).unlink()

    def test_usual_spelling_of_the_field_comes_first(self):
        touch("L.A.annot", "lh.A.annot", "hemi-L_A.gii", "hemi-lh_A.gii")
        assert files("{hemi}.A.annot")[0] == "lh.A.annot"
        assert files("hemi-{hemi}_A.gii")[0] == "hemi-L_A.gii"

    def test_field_without_any_file_stands_for_the_usual_names(self):
        assert files("{hemi}.A.annot") == ["lh.A.annot", "rh.A.annot"]
        assert files("A_hemi-{hemi}_dseg.label.gii") == ["A_hemi-L_dseg.label.gii", "A_hemi-R_dseg.label.gii"]

    def test_file_of_that_very_name_is_that_file(self):
        touch("{hemi}.A.annot")
        assert files("{hemi}.A.annot") == ["{hemi}.A.annot"]

    def test_name_lists_both(self):
        assert parse_roi_file("x/{hemi}.A.annot").name == "lh.A.annot and rh.A.annot"


class TestMaps:
    @pytest.mark.parametrize(
        ("text", "file", "map_name"),
        [
            ("a.dlabel.nii:Schaefer100", "a.dlabel.nii", "Schaefer100"),
            ("x/a.dscalar.nii.gz:2", "x/a.dscalar.nii.gz", "2"),
            ("a.nii:Yeo: 7 networks/b.nii:c", "a.nii", "Yeo: 7 networks/b.nii:c"),
            ("a.func.gii:b", "a.func.gii", "b"),
            (r"C:\a.dlabel.nii:b", r"C:\a.dlabel.nii", "b"),
        ],
    )
    def test_map_follows_the_first_colon_after_the_ending(self, text, file, map_name):
        assert parse_roi_file(text) == RoiFile(text, (Path(file),), map_name)
        assert parse_mask(Path(text)).map_name == map_name

    @pytest.mark.parametrize("text", [r"C:\a.dlabel.nii", "C:/a.nii.gz", "a:b", "a.tsv:b", "lh.a.annot:b", "a.nii:"])
    def test_other_colons_are_part_of_the_name(self, text):
        assert parse_roi_file(text) == RoiFile(text, (Path(text),), None)

    def test_existing_file_of_that_name_has_no_map_chosen(self):
        touch("a.nii", "a.nii:b")
        assert parse_roi_file("a.nii:b").map_name is None
        assert parse_roi_file("a.nii:c").map_name == "c"

    def test_map_of_both_hemispheres(self):
        touch("A.L.label.gii", "A.R.label.gii")
        for text in ("A.L.label.gii:b", "A.{hemi}.label.gii:b"):
            roi_file = parse_roi_file(text)
            assert [path.name for path in roi_file.paths] == ["A.L.label.gii", "A.R.label.gii"]
            assert roi_file.map_name == "b"
            assert roi_file.name == "A.L.label.gii and A.R.label.gii:b"


SAME_NAMES = [
    ("A_dseg.label.gii", ["A_hemi-L_dseg.label.gii", "x/A_hemi-R_dseg.label.gii", "A_hemi-{hemi}_dseg.label.gii"]),
    ("aparc.annot", ["lh.aparc.annot", "~/rh.aparc.annot", "{hemi}.aparc.annot"]),
    ("A.32k.label.gii", ["A.L.32k.label.gii", "A.R.32k.label.gii", "A.{hemi}.32k.label.gii"]),
    ("A_m.gii", ["A_hemi-lh_m.gii", "A_hemi-right_m.gii", "A_hemi-{hemi}_m.gii"]),
]


@pytest.mark.parametrize(("name", "texts"), SAME_NAMES)
def test_name_does_not_depend_on_which_hemisphere_is_given(name, texts):
    assert {name_without_hemisphere(text) for text in texts} == {name}
    assert {name_for_all_images(text) for text in texts} == {name}


def test_name_keeps_the_map_where_it_tells_atlases_apart():
    assert name_without_hemisphere("x/a.dlabel.nii:b/c") == "a.dlabel.nii:b/c"
    assert name_for_all_images("x/a.dlabel.nii:b/c") == "a.dlabel.nii"


@pytest.mark.parametrize(
    "text", ["x/sub-{sub}_hemi-L_desc-a.nii", "atlas_hemi-R.nii.gz", "nilearn:aal:SPM5", "seeds.tsv"]
)
def test_names_of_volumes_and_tables_stay(text):
    assert name_without_hemisphere(text) == Path(text).name
