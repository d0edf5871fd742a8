from __future__ import annotations

import itertools

import pytest

from niimasker.errors import RegionsError
from niimasker.options.merging import make_settings
from niimasker.regions.atlas_names import name_atlases
from niimasker.regions.atlases.sources import ATLASES


def keys(*roi_files: str, names=(), as_entities=True) -> list[str]:
    given = {"roi_file": roi_files, "atlas_name": names, "output_layout": "bids" if as_entities else "flat"}
    return list(name_atlases(make_settings({"output_dir": "out", "input_files": "bold.nii", **given})))


SCHAEFER = "tpl-MNI152NLin6Asym_atlas-Schaefer2018_{}_dseg.nii.gz"


class TestEntities:
    @pytest.mark.parametrize(
        ("roi_file", "key"),
        [
            (SCHAEFER.format("desc-100Parcels7Networks"), "Schaefer2018100Parcels7Networks"),
            (SCHAEFER.format("res-01_desc-200Parcels7Networks"), "Schaefer2018200Parcels7Networks"),
            (SCHAEFER.format("seg-7n_scale-100"), "Schaefer2018_seg-7n_scale-100"),
            (SCHAEFER.format("scale-200_seg-17n_res-2"), "Schaefer2018_seg-17n_scale-200"),
            ("tpl-MNI152NLin6Asym_atlas-4S_scale-156_res-01_dseg.nii.gz", "4S_scale-156"),
            ("tpl-MNI152NLin6Asym_atlas-4S156Parcels_res-01_dseg.nii.gz", "4S156Parcels"),
            ("atlas-4S156Parcels_space-MNI152NLin6Asym_res-01_dseg.nii.gz", "4S156Parcels"),
            ("tpl-MNIInfant_cohort-1_atlas-UNC_dseg.nii.gz", "UNC"),
            ("sub-01_ses-1_acq-mprage_run-1_desc-aparcaseg_dseg.nii.gz", "aparcaseg"),
            ("sub-01_seg-aseg_dseg.nii.gz", "aseg"),
            ("sub-01_seg-a_scale-3_desc-x_dseg.nii.gz", "ax_scale-3"),
            ("sub-01_desc-brain_mask.nii.gz", "brainmask"),
            ("tpl-A_atlas-DiFuMo_desc-64dimensions_probseg.nii.gz", "DiFuMo64dimensionsprobseg"),
            ("tpl-A_atlas-HO_label-Thalamus_desc-th25_dseg.nii.gz", "HOThalamusth25"),
            ("tpl-A_atlas-HO_hemi-L_dseg.nii.gz", "HOL"),
            ("tpl-A_res-2_label-GM_probseg.nii.gz", "GMprobseg"),
            ("atlas-Schaefer_400_7networks.nii.gz", "Schaefer4007networks"),
            ("atlas-Harvard-Oxford_dseg.nii", "HarvardOxford"),
            ("AAL_space-MNI152NLin6_res-4x4x4.nii.gz", "AAL"),
            ("tpl-A_res-2_dseg.nii.gz", "tplAres2dseg"),
            ("atlas-_dseg.nii", "atlasdseg"),
            ("a/my_atlas (v2).nii.gz", "myatlasv2"),
            ("seeds.tsv", "seeds"),
            ("tpl-A_atlas-Power2011_seeds.tsv", "Power2011seeds"),
            ("nilearn:schaefer:400-7-2", "schaefer40072"),
            ("nilearn:harvard_oxford:cort-maxprob-thr25-2mm", "harvardoxfordcortmaxprobthr252mm"),
            ("anat/sub-{sub}_ses-{ses}_desc-aparcaseg_dseg.nii.gz", "aparcaseg"),
            ("sub-{sub}_*desc-aparcaseg_dseg.nii.gz", "aparcaseg"),
            ("sub-{sub}_atlas-A_scale-{scale}_dseg.nii.gz", "A"),
            ("sub-{sub}.nii.gz", "sub"),
        ],
    )
    def test_name_is_made_of_the_entities_or_of_the_whole_name(self, roi_file, key):
        assert keys(roi_file) == [key]

    def test_name_is_the_same_whatever_else_is_in_the_call(self):
        roi_files = [
            SCHAEFER.format("desc-100Parcels7Networks"),
            SCHAEFER.format("desc-200Parcels7Networks"),
            SCHAEFER.format("seg-7n_scale-100"),
            SCHAEFER.format("seg-7n_scale-200"),
            SCHAEFER.format("seg-17n_scale-100"),
            "tpl-A_atlas-HO_dseg.nii.gz",
            "tpl-A_atlas-HO_probseg.nii.gz",
            "nilearn:schaefer:100",
            "nilearn:schaefer:200",
            "Tian.nii.gz",
        ]
        alone = [key for roi_file in roi_files for key in keys(roi_file)]
        assert keys(*roi_files) == alone
        assert len(set(alone)) == len(roi_files)

    @pytest.mark.parametrize("name", [name for name in ATLASES if name != "craddock"])
    def test_all_queries_of_an_atlas_have_different_names(self, name):
        source = ATLASES[name]
        words = itertools.product(*(list(parameter.words) for parameter in source.parameters))
        queries = [f"nilearn:{name}:{source.separator.join(each)}" for each in words]
        assert len(set(keys(*queries))) == len(queries)

    @pytest.mark.parametrize(
        "roi_files",
        [
            (SCHAEFER.format("res-1"), SCHAEFER.format("res-2")),
            ("a_b.nii", "ab.nii"),
            ("a.nii", "atlas-a_dseg.nii"),
            ("a.nii", "A.tsv"),
        ],
    )
    def test_those_that_nothing_tells_apart_are_refused_with_the_way_out(self, roi_files):
        with pytest.raises(RegionsError, match=r"more than one atlas is named .*; .*--atlas_name"):
            keys(*roi_files)

    @pytest.mark.parametrize(("roi_file", "as_entities"), [("a/脳.nii", True), ("a/.nii.gz", True), ("a/.nii", False)])
    def test_name_without_letter_or_digit_is_refused_with_the_way_out(self, roi_file, as_entities):
        with pytest.raises(RegionsError, match=rf"the name of {roi_file} has no letter or digit; .*--atlas_name"):
            keys(roi_file, as_entities=as_entities)


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

    def test_names_that_differ_in_case_are_one_file_on_some_disks(self):
        with pytest.raises(RegionsError, match="more than one atlas is named 'a'"):
            keys("x/a.nii", "y/A.nii", as_entities=False)
