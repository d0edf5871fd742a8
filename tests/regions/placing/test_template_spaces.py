"""Spaces in the names of image and atlas are compared, with their cohorts and whatever their spelling."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from niimasker.errors import ImageError, record_warnings
from niimasker.inputs.grayordinates import CORTEX_LEFT, Outline
from niimasker.regions.definitions import Origin
from niimasker.regions.placing.template_spaces import check_spaces, check_template_meshes


def warnings_of(image_space, source):
    series = SimpleNamespace(path=Path(f"sub-01_task-rest{image_space}_bold.nii.gz"), has_known_space=True)
    with record_warnings() as recorded:
        check_spaces(series, Origin(source, has_known_space=True))
    return recorded


def differing(image_space, regions_space, source):
    return [
        f"the image's name says space {image_space}, but {source} is in {regions_space}; regions may lie beside the "
        "brain areas that they are named after."
    ]


@pytest.mark.parametrize(
    ("image_space", "source"),
    [
        ("_space-MNI152NLin6Asym_res-2", "tpl-MNI152NLin6Asym_res-02_dseg.nii.gz"),
        ("_space-MNIInfant_cohort-1", "tpl-MNIInfant_cohort-1_dseg.nii.gz"),
        ("_space-MNIInfant+1", "tpl-MNIInfant_cohort-1_dseg.nii.gz"),
        ("_space-MNI152NLin2009cAsym", "nilearn:schaefer"),
        ("", "tpl-MNI152NLin6Asym_dseg.nii.gz"),
        ("_space-T1w", "atlas.nii.gz"),
    ],
)
def test_same_space_gives_no_warning(image_space, source):
    assert warnings_of(image_space, source) == []


@pytest.mark.parametrize(
    ("image_space", "source", "shown", "regions_space"),
    [
        ("_space-T1w", "tpl-MNI152NLin6Asym_dseg.nii.gz", "T1w", "MNI152NLin6Asym"),
        ("_space-MNIInfant_cohort-1", "tpl-MNIInfant_cohort-2_dseg.nii", "MNIInfant:cohort-1", "MNIInfant:cohort-2"),
        ("_space-MNIInfant+1", "space-MNIInfant+2_dseg.nii", "MNIInfant:cohort-1", "MNIInfant:cohort-2"),
        ("_space-MNIInfant_cohort-1", "nilearn:aal", "MNIInfant:cohort-1", "MNI"),
    ],
)
def test_other_space_or_cohort_is_warned_of(image_space, source, shown, regions_space):
    assert warnings_of(image_space, source) == differing(shown, regions_space, source)


def test_other_spelling_of_a_space_is_the_same_with_a_hint():
    source = "tpl-MNI152NLin6Asym_dseg.nii.gz"
    assert warnings_of("_space-MNI152NLin6ASym", source) == [
        f"the image's name says space MNI152NLin6ASym, which is taken for MNI152NLin6Asym, that of {source}."
    ]


def check_meshes(image_name, source, n_vertices):
    outline = Outline(((CORTEX_LEFT, n_vertices),), (), None)
    check_template_meshes(SimpleNamespace(path=Path(image_name)), Origin(source, has_known_space=True, outline=outline))


@pytest.mark.parametrize("source", ["tpl-fsLR_den-164k_hemi-L_dseg.label.gii", "L.aparc.164k_fs_LR.label.gii"])
def test_meshes_of_two_templates_with_one_number_of_vertices_are_refused(source):
    with pytest.raises(ImageError, match=r"on the mesh of fsaverage by its name, .* on that of fsLR;"):
        check_meshes("sub-01_hemi-L_space-fsaverage_bold.func.gii", source, 163_842)


@pytest.mark.parametrize(
    ("source", "n_vertices"),
    [
        ("tpl-fsaverage_den-164k_hemi-L_dseg.label.gii", 163_842),
        ("lh.aparc.annot", 163_842),
        # No mesh of fsLR has these vertices, whatever the name of the file reminds of.
        ("lh.fsLR_to_fsaverage5.label.gii", 10_242),
    ],
)
def test_other_names_of_meshes_are_accepted(source, n_vertices):
    check_meshes("sub-01_hemi-L_space-fsaverage_bold.func.gii", source, n_vertices)


def test_density_of_fsaverage_is_the_same_space():
    series = SimpleNamespace(path=Path("sub-01_hemi-L_space-fsaverage5_bold.func.gii"), has_known_space=True)
    outline = Outline(((CORTEX_LEFT, 10_242),), (), None)
    with record_warnings() as recorded:
        check_spaces(series, Origin("tpl-fsaverage_hemi-L_den-10k_dseg.label.gii", True, outline))
    assert recorded == []
