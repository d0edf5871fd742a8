"""Titles of runs, from the names of their images."""

from __future__ import annotations

import pytest

from niimasker.reports.run_titles import Title, make_title


@pytest.mark.parametrize(
    ("image_name", "main", "rest"),
    [
        (
            "sub-05_task-rest_run-01_space-MNI152NLin2009cAsym_res-2_desc-preproc_bold.nii.gz",
            "sub-05 · rest · run 1",
            "MNI152NLin2009cAsym · res-2",
        ),
        (
            "sub-05_ses-02_task-rest_acq-mb_dir-AP_run-2_echo-3_desc-optcom_whitened_bold.nii.gz",
            "sub-05 · ses-02 · rest · acq-mb · dir-AP · run 2 · echo 3",
            "optcom_whitened",
        ),
        (
            "sub-01_task-rest_space-MNIPediatricAsym_cohort-2_desc-smoothAROMAnonaggr_bold.nii",
            "sub-01 · rest",
            "MNIPediatricAsym · cohort-2 · smoothAROMAnonaggr",
        ),
        ("sub-01_task-rest_bold_space-T1w_preproc.nii.gz", "sub-01 · rest", "T1w"),
        ("sub-01_task-rest_hemi-L_space-fsnative_bold.func.gii", "sub-01 · rest", "fsnative · left hemisphere"),
        (
            "sub-01_task-rest_hemi-{L,R}_space-fsaverage5_bold.func.gii",
            "sub-01 · rest",
            "fsaverage5 · both hemispheres",
        ),
        ("sub-01_task-rest_space-fsLR_den-91k_bold.dtseries.nii", "sub-01 · rest", "fsLR · 91k"),
        ("sub-05_task-rest_part-mag_bold.nii.gz", "sub-05 · rest", "part-mag"),
        ("sub-05_task-rest_cbv.nii.gz", "sub-05 · rest", "cbv"),
        ("rfMRI_REST1_LR.nii.gz", "rfMRI_REST1_LR.nii.gz", ""),
        ("task-rest_run-1_bold.nii.gz", "task-rest_run-1_bold.nii.gz", ""),
    ],
)
def test_title_says_in_words_what_tells_runs_apart(image_name: str, main: str, rest: str) -> None:
    assert make_title(image_name) == Title(main, rest)


def test_pipeline_is_the_end_of_the_title() -> None:
    assert make_title("sub-05_task-rest_run-1_bold.nii.gz", "36P").main == "sub-05 · rest · run 1 · pipeline 36P"
    assert make_title("image.nii", "36P").main == "image.nii · pipeline 36P"
