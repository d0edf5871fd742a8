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


FREESURFER = "{hemi}.Schaefer2018_100Parcels_7Networks_order.annot"
FSLR = "atlas-Schaefer100Tian_hemi-{hemi}_space-fsLR_den-32k_dseg.label.gii"


class TestSurfaces:
    @pytest.mark.parametrize(
        ("both", "sides", "flat", "key"),
        [
            (FREESURFER, "lh rh", "Schaefer2018_100Parcels_7Networks_order", "Schaefer2018100Parcels7Networksorder"),
            (FSLR, "L R", "atlas-Schaefer100Tian_space-fsLR_den-32k_dseg", "Schaefer100Tian"),
            ("x/tpl-A_hemi-{hemi}_atlas-A_seg-7n_dseg.gii.gz", "L R", "tpl-A_atlas-A_seg-7n_dseg", "A_seg-7n"),
            ("Glasser.{hemi}.32k_fs_LR.label.gii", "L R", "Glasser.32k_fs_LR", "Glasser32kfsLR"),
            ("A_hemi-{hemi}_dseg.label.gii", "left right", "A_dseg", "Adseg"),
            ("A_hemi-{hemi}_dseg.label.gii", "lh rh", "A_dseg", "Adseg"),
            ("{hemi}.aparc.annot.gz", "lh rh", "aparc", "aparc"),
            ("{hemi}.aparc.annot.gii", "lh rh", "aparc", "aparc"),
            ("surf/sub-{sub}/label/{hemi}.aparc.a2009s.annot", "lh rh", "aparc.a2009s", "aparca2009s"),
            ("sub-{sub}_hemi-{hemi}_desc-a_dseg.label.gii", "L R", "desc-a_dseg", "a"),
        ],
    )
    def test_name_has_no_hemisphere_and_no_ending_whichever_is_given(self, both, sides, flat, key):
        left, right = (both.replace("{hemi}", side) for side in sides.split())
        ways = [(left,), (right,), (both,), (left, right), (right, left)]
        assert [keys(*way) for way in ways] == [[key]] * 5
        assert [keys(*way, as_entities=False) for way in ways] == [[flat]] * 5

    def test_hemispheres_in_two_folders_of_other_names_are_refused_with_the_way_out(self):
        with pytest.raises(RegionsError, match="put the files of both hemispheres into one folder, or name each"):
            keys("a/lh.A.annot", "b/rh.A.annot")

    def test_other_atlases_of_one_name_are_not_called_hemispheres(self):
        with pytest.raises(RegionsError, match="rename one of them, or name each with --atlas_name"):
            keys("a/lh.A.annot", "b/lh.A.annot")


class TestMaps:
    @pytest.mark.parametrize(
        ("roi_file", "flat", "key"),
        [
            ("A.dlabel.nii", "A", "A"),
            ("x/A.dlabel.nii:2", "A-2", "A2"),
            ("A.dlabel.nii:Yeo 7/(a: b)", "A-Yeo-7-a-b", "AYeo7ab"),
            ("A.dlabel.nii:../../b", "A-b", "Ab"),
            ("atlas-A_seg-7n_dseg.dlabel.nii:lh x", "atlas-A_seg-7n_dseg-lh-x", "Alhx_seg-7n"),
            ("sub-{sub}_atlas-A.dlabel.nii:x", "atlas-A-x", "Ax"),
        ],
    )
    def test_name_of_the_map_is_part_of_the_name(self, roi_file, flat, key):
        assert keys(roi_file) == [key]
        assert keys(roi_file, as_entities=False) == [flat]

    def test_two_maps_of_one_file_are_two_atlases(self):
        assert keys("A.dlabel.nii:a", "A.dlabel.nii:b", as_entities=False) == ["A-a", "A-b"]


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
