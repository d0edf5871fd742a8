"""Spaces in the names of image and atlas are compared, with their cohorts and whatever their spelling."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from niimasker.errors import record_warnings
from niimasker.regions.definitions import Origin
from niimasker.regions.placing.template_spaces import check_spaces


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
