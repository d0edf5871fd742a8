from __future__ import annotations

import pytest

from niimasker.errors import RegionsError
from niimasker.options.merging import make_settings
from niimasker.regions.atlas_names import name_atlases


def keys(*roi_files: str, names=(), as_entities=True) -> list[str]:
    given = {"roi_file": roi_files, "atlas_name": names, "output_layout": "bids" if as_entities else "flat"}
    return list(name_atlases(make_settings({"output_dir": "out", "input_files": "bold.nii", **given})))


SCHAEFER = "tpl-MNI152NLin6Asym_atlas-Schaefer2018_{}_dseg.nii.gz"


class TestEntities:
    @pytest.mark.parametrize(
        ("roi_file", "key"),
        [
            ("a/tpl-MNI152NLin6Asym_res-01_atlas-Schaefer2018_desc-100Parcels7Networks_dseg.nii.gz", "Schaefer2018"),
            ("sub-01_seg-aseg_dseg.nii.gz", "aseg"),
            ("sub-01_atlas-A_seg-b_dseg.nii.gz", "A"),
            ("a/my_atlas (v2).nii.gz", "myatlasv2"),
            ("seeds.tsv", "seeds"),
            ("nilearn:schaefer:400-7-2", "schaefer40072"),
            ("nilearn:harvard_oxford:cort-maxprob-thr25-2mm", "harvardoxfordcortmaxprobthr252mm"),
        ],
    )
    def test_name_is_the_entitys_value_or_the_reduced_name(self, roi_file, key):
        assert keys(roi_file) == [key]

    def test_atlases_that_share_an_entity_are_told_apart_by_others(self):
        assert keys(
            SCHAEFER.format("seg-7n_scale-100"),
            SCHAEFER.format("seg-7n_scale-200"),
            SCHAEFER.format("res-2_desc-400Parcels7Networks"),
            "Tian.nii.gz",
        ) == ["Schaefer20187n100", "Schaefer20187n200", "Schaefer2018400Parcels7Networks", "Tian"]

    def test_segmentations_that_share_a_value_are_told_apart_by_others(self):
        assert keys("seg-a_desc-x_dseg.nii", "seg-a_desc-y_dseg.nii") == ["ax", "ay"]

    @pytest.mark.parametrize(
        "roi_files",
        [(SCHAEFER.format("res-1"), SCHAEFER.format("res-2")), ("a_b.nii", "ab.nii"), ("a.nii", "atlas-a_dseg.nii")],
    )
    def test_those_that_nothing_tells_apart_are_refused_with_the_way_out(self, roi_files):
        with pytest.raises(RegionsError, match=r"more than one atlas is named .*; .*--atlas_name"):
            keys(*roi_files)

    def test_name_without_letter_or_digit_is_refused_with_the_way_out(self):
        with pytest.raises(RegionsError, match=r"the name of a/脳\.nii has no letter or digit; .*--atlas_name"):
            keys("a/脳.nii")


class TestGivenNames:
    @pytest.mark.parametrize("as_entities", [True, False])
    def test_they_name_the_atlases_in_order(self, as_entities):
        roi_files = ["a/atlas.nii", "b/atlas.nii", "脳.nii"]
        assert keys(*roi_files, names=("A", "B", "C"), as_entities=as_entities) == ["A", "B", "C"]

    def test_one_name_for_two_is_refused(self):
        with pytest.raises(RegionsError, match="more than one atlas is named 'A'"):
            keys("a.nii", "b.nii", names=("A", "A"))


class TestOtherLayouts:
    def test_names_of_files_stay(self):
        assert keys("atlas-A_dseg.nii", "b.v2.tsv", as_entities=False) == ["atlas-A_dseg", "b.v2"]

    def test_one_name_for_two_is_refused(self):
        with pytest.raises(RegionsError, match="more than one atlas is named 'a'"):
            keys("x/a.nii", "y/a.nii", as_entities=False)
