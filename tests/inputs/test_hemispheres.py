from __future__ import annotations

from pathlib import Path

import pytest

from niimasker.inputs.hemispheres import find_other_hemisphere, name_pair, read_hemisphere

# Left, right and shared name, and both names as one text.
PAIRS = [
    # fMRIPrep, by version.
    (
        "sub-1_bold_space-fsaverage5.L.func.gii",
        "sub-1_bold_space-fsaverage5.R.func.gii",
        "sub-1_bold_space-fsaverage5.func.gii",
        "sub-1_bold_space-fsaverage5.{L,R}.func.gii",
    ),
    (
        "sub-1_space-fsaverage5_hemi-L.func.gii",
        "sub-1_space-fsaverage5_hemi-R.func.gii",
        "sub-1_space-fsaverage5.func.gii",
        "sub-1_space-fsaverage5_hemi-{L,R}.func.gii",
    ),
    (
        "sub-1_hemi-L_space-fsLR_bold.func.gii.gz",
        "sub-1_hemi-R_space-fsLR_bold.func.gii.gz",
        "sub-1_space-fsLR_bold.func.gii.gz",
        "sub-1_hemi-{L,R}_space-fsLR_bold.func.gii.gz",
    ),
    # dHCP.
    ("s_hemi-left_bold.func.gii", "s_hemi-right_bold.func.gii", "s_bold.func.gii", "s_hemi-{left,right}_bold.func.gii"),
    # FreeSurfer and what others make of its names.
    ("lh.rest.func.gii", "rh.rest.func.gii", "rest.func.gii", "{lh,rh}.rest.func.gii"),
    ("rest.lh.func.gii", "rest.rh.func.gii", "rest.func.gii", "rest.{lh,rh}.func.gii"),
    ("rest.LH.func.gii", "rest.RH.func.gii", "rest.func.gii", "rest.{LH,RH}.func.gii"),
    ("rest_lh.native.func.gii", "rest_rh.native.func.gii", "rest.native.func.gii", "rest_{lh,rh}.native.func.gii"),
    ("rest-lh.func.gii", "rest-rh.func.gii", "rest.func.gii", "rest-{lh,rh}.func.gii"),
    ("s_hemi-lh_mask.label.gii", "s_hemi-rh_mask.label.gii", "s_mask.label.gii", "s_hemi-{lh,rh}_mask.label.gii"),
    # HCP.
    ("1.L.rest.32k_fs_LR.func.gii", "1.R.rest.32k_fs_LR.func.gii", "1.rest.32k_fs_LR.func.gii", None),
    ("tfMRI_REST_L.func.gii", "tfMRI_REST_R.func.gii", "tfMRI_REST.func.gii", "tfMRI_REST_{L,R}.func.gii"),
    # TemplateFlow.
    ("tpl-fsLR_L_sphere.surf.gii", "tpl-fsLR_R_sphere.surf.gii", "tpl-fsLR_sphere.surf.gii", None),
    # The hemisphere twice.
    (
        "desc-A_L_space-fsaverage5_hemi-lh.label.gii",
        "desc-A_R_space-fsaverage5_hemi-rh.label.gii",
        "desc-A_space-fsaverage5.label.gii",
        "desc-A_{L_space-fsaverage5_hemi-lh,R_space-fsaverage5_hemi-rh}.label.gii",
    ),
    ("rest.L.10k_fsavg_L.func.gii", "rest.R.10k_fsavg_R.func.gii", "rest.10k_fsavg.func.gii", None),
    # A task of one hand.
    (
        "sub-1_task-left_hemi-L_bold.func.gii",
        "sub-1_task-left_hemi-R_bold.func.gii",
        "sub-1_task-left_bold.func.gii",
        None,
    ),
    ("sub-1_task-rh.L.func.gii", "sub-1_task-rh.R.func.gii", "sub-1_task-rh.func.gii", None),
]


@pytest.mark.parametrize(("left", "right", "shared", "both"), PAIRS)
def test_names_of_a_pair_are_told_from_one_another(left, right, shared, both):
    of_left, of_right = read_hemisphere(left), read_hemisphere(right)
    assert (of_left.side, of_left.other_name, of_left.shared_name) == ("L", right, shared)
    assert (of_right.side, of_right.other_name, of_right.shared_name) == ("R", left, shared)
    assert both is None or name_pair(left, right) == both


@pytest.mark.parametrize(
    "name",
    [
        "rest.func.gii",
        "sub-1_task-left_bold.func.gii",
        "sub-1_task-rh_acq-lh_bold.func.gii",
        "sub-L_bold.func.gii",
        "rfMRI_REST1_LR_Atlas_MSMAll.dtseries.nii",
        "rfMRI_REST2_RL.32k_fs_LR.func.gii",
        "sub-lh1_bold.func.gii",
    ],
)
def test_other_names_have_no_hemisphere(name):
    assert read_hemisphere(name) is None
    assert find_other_hemisphere(Path("func", name)) is None


def test_partner_lies_in_the_same_folder():
    assert find_other_hemisphere(Path("a/lh.b/lh.rest.gii")) == Path("a/lh.b/rh.rest.gii")
