"""Two names that are equal but for the hemisphere become one with {hemi}."""

from __future__ import annotations

import pytest

from niimasker.errors import SettingsError
from niimasker.options.command_line import read_command_line
from niimasker.options.hemisphere_names import group_hemispheres, join_names
from niimasker.options.merging import make_settings


def settings_of(**options):
    return make_settings({"output_dir": "out", "input_files": "a.dtseries.nii", "roi_file": "a.dlabel.nii", **options})


PAIRS = [
    ("lh.aparc.annot", "rh.aparc.annot", "{hemi}.aparc.annot"),
    ("a/A_hemi-L_dseg.label.gii", "a/A_hemi-R_dseg.label.gii", "a/A_hemi-{hemi}_dseg.label.gii"),
    ("A.L.32k.label.gii.gz", "A.R.32k.label.gii.gz", "A.{hemi}.32k.label.gii.gz"),
    ("A_hemi-left.shape.gii", "A_hemi-right.shape.gii", "A_hemi-{hemi}.shape.gii"),
    ("hemi-lh_A.gii", "hemi-rh_A.gii", "hemi-{hemi}_A.gii"),
    ("A_L.GII", "A_R.GII", "A_{hemi}.GII"),
    ("lh/lh.A.annot", "rh/rh.A.annot", "{hemi}/{hemi}.A.annot"),
    ("lh/A.annot", "rh/A.annot", "{hemi}/A.annot"),
    (r"C:\data\lh.A.annot", r"C:\data\rh.A.annot", r"C:\data\{hemi}.A.annot"),
    ("L/A_hemi-L.label.gii", "L/A_hemi-R.label.gii", "L/A_hemi-{hemi}.label.gii"),
    ("sub-{sub}_hemi-L_A.label.gii", "sub-{sub}_hemi-R_A.label.gii", "sub-{sub}_hemi-{hemi}_A.label.gii"),
    ("A.L.label.gii:Net L", "A.R.label.gii:Net L", "A.{hemi}.label.gii:Net L"),
]


@pytest.mark.parametrize(("left", "right", "joined"), PAIRS)
def test_two_hemispheres_are_one_name_in_either_order(left, right, joined):
    assert join_names(left, right) == joined == join_names(right, left)
    assert join_names(left, left) is None


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("A_hemi-L_dseg.nii.gz", "A_hemi-R_dseg.nii.gz"),
        ("lh.A.annot", "rh.B.annot"),
        ("lh.A.annot", "rh.A.annot.gz"),
        ("lh.A.annot", "L.A.annot"),
        ("x/lh.A.annot", "y/rh.A.annot"),
        ("Lh.A.annot", "Rh.A.annot"),
        ("AL.annot", "AR.annot"),
        ("A.label.gii:L", "A.label.gii:R"),
        ("A.L.label.gii:1", "A.R.label.gii:2"),
        ("{hemi}.A.annot", "{hemi}.A.annot"),
        ("nilearn:a:L", "nilearn:a:R"),
    ],
)
def test_other_names_stay_two(text, other):
    assert join_names(text, other) is None
    assert group_hemispheres([text, other]) == (text, other)


def test_pairs_stand_where_their_first_file_stood():
    texts = ["rh.A.annot", "b.nii", "rh.B.annot", "lh.B.annot", "lh.A.annot", "lh.C.annot"]
    assert group_hemispheres(texts) == ("{hemi}.A.annot", "b.nii", "{hemi}.B.annot", "lh.C.annot")


def test_each_file_is_of_one_pair_only():
    assert group_hemispheres(["lh.A.annot", "rh.A.annot", "rh.A.annot"]) == ("{hemi}.A.annot", "rh.A.annot")


@pytest.mark.parametrize("names", [["lh.A.annot", "rh.A.annot"], ["rh.A.annot", "lh.A.annot"], "{hemi}.A.annot"])
def test_settings_count_atlases(names):
    settings = settings_of(roi_file=names, atlas_name="A")
    assert (settings.roi_file, settings.atlas_name) == (("{hemi}.A.annot",), ("A",))


def test_volumes_of_two_hemispheres_are_two_atlases():
    names = ("A_hemi-L_dseg.nii.gz", "A_hemi-R_dseg.nii.gz")
    assert settings_of(roi_file=names).roi_file == names
    with pytest.raises(SettingsError, match="--atlas_name has 1 name but --roi_file has 2"):
        settings_of(roi_file=names, atlas_name="A")


@pytest.mark.parametrize("names", [["rh.m.shape.gii", "lh.m.shape.gii"], "{hemi}.m.shape.gii", ["{hemi}.m.shape.gii"]])
def test_mask_is_one_path(names):
    assert str(settings_of(mask_img=names).mask_img) == "{hemi}.m.shape.gii"


@pytest.mark.parametrize("names", [["a.nii", "b.nii"], ["lh.m.shape.gii", "rh.n.shape.gii"], ["lh.m.gii"] * 2])
def test_two_masks_are_refused_with_what_is_allowed(names):
    with pytest.raises(SettingsError, match=r"--mask_img: expected a file name, found .* \(two files must be those of"):
        settings_of(mask_img=names)


PAIR = ["lh.m.shape.gii", "rh.m.shape.gii"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["out", "-m", *PAIR], PAIR),
        (["-m", *PAIR, "out"], PAIR),
        (["-m", *PAIR, "-r", "a.nii", "--", "out"], PAIR),
        (["-m", "m.nii.gz", "out"], ["m.nii.gz"]),
        (["-m", "auto", "out", "-r", "a.nii"], ["auto"]),
        (["out", "-m", "m.nii.gz"], "m.nii.gz"),
        (["-m", "m.nii.gz", "-r", "a.nii", "out"], "m.nii.gz"),
    ],
)
def test_output_dir_may_follow_masks(words, expected):
    given = read_command_line(words)
    assert given["output_dir"] == "out"
    assert given["mask_img"] == expected or [given["mask_img"]] == expected


@pytest.mark.parametrize(
    "words", [["-m", *PAIR], ["-m", "m.nii.gz"], ["-r", *PAIR], ["-r", "lh.A.annot", "rh.A.annot"]]
)
def test_files_of_hemispheres_are_no_output_dir(words):
    with pytest.raises(SettingsError, match="output_dir is missing"):
        read_command_line(words)
