from __future__ import annotations

import numpy as np
import pytest

from niimasker.outputs.methods import CIRIC_2017, LINDQUIST_2019, POWER_2014, describe_methods
from niimasker.settings import make_settings
from niimasker.signals.filtering import Cleaning
from niimasker.signals.nuisance import Nuisance
from niimasker.signals.timeline import Timeline

NONE = np.zeros(100, dtype=bool)


def describe(*, n_discarded=0, censored=(), regressors=(), n_left=80.0, kinds=("labels",), **given):
    """The paragraph of a run of 100 volumes."""
    if regressors:
        given.setdefault("regressor_files", ["confounds.tsv"])
    settings = make_settings({"output_dir": "out", "input_files": ["a.nii"], "roi_file": ["x/atlas.nii"], **given})
    marks = NONE.copy()
    marks[list(censored)] = True
    timeline = Timeline(100, n_discarded, {"user": marks} if censored else {})
    standardize = settings.standardize_method if settings.standardize else None
    cleaning = Cleaning(settings.detrend, standardize, settings.high_pass, settings.low_pass, 2.0, "header")
    nuisance = Nuisance(tuple(regressors), np.zeros((100, len(regressors))), {}, n_left)
    return describe_methods(settings, cleaning, timeline, nuisance, kinds)


def test_plain_extraction_names_atlas_and_says_nothing_of_cleaning():
    text = describe().text
    assert "regions of atlas.nii as the mean over voxels" in text
    assert "regress" not in text
    assert "filtered" not in text


@pytest.mark.parametrize(
    ("given", "part"),
    [
        ({"smoothing_fwhm": 6}, "a Gaussian kernel of 6 mm full width at half maximum"),
        ({"mask_img": "x/mask.nii"}, "restricted to the mask mask.nii"),
        ({"kinds": ("spheres",), "radius": 5}, "spheres of 5 mm radius around the coordinates of atlas.nii"),
        ({"kinds": ("spheres",)}, "the nearest voxels around the coordinates"),
        ({"kinds": ("maps",)}, "the probabilistic maps of atlas.nii by least squares"),
        ({"as_voxels": True}, "as the signal of each voxel"),
        ({"roi_file": ["nilearn:schaefer:n_rois=100"]}, "nilearn's atlas schaefer:n_rois=100"),
        ({"roi_file": ["a.nii", "b.nii"], "kinds": ("labels", "maps")}, "a.nii as the mean over voxels and the prob"),
        ({"n_discarded": 1}, "The first 1 volume of the run was discarded."),
        ({"n_discarded": 4}, "The first 4 volumes of the run were discarded."),
        ({"censored": (5, 6)}, "2 volumes marked beforehand were censored; 98 of 100 volumes were kept."),
        ({"detrend": True}, "Time series were linearly detrended."),
        ({"high_pass": 0.01, "low_pass": 0.1}, "band-pass filtered from 0.01 to 0.1 Hz"),
        ({"low_pass": 0.1}, "low-pass filtered at 0.1 Hz"),
        ({"detrend": True, "high_pass": 0.01}, "linearly detrended and high-pass filtered at 0.01 Hz"),
        ({"regressors": ["csf", "wm"]}, "Nuisance regressors (n = 2: csf, wm) were then regressed out"),
        ({"regressors": ["csf"], "n_left": 12.5}, "left 12.5 degrees of freedom"),
        ({"standardize": True}, "zero mean and unit sample standard deviation"),
        ({"standardize": True, "standardize_method": "psc"}, "percent of its mean"),
    ],
)
def test_what_was_done_is_said_with_its_numbers(given, part):
    assert part in describe(**given).text


@pytest.mark.parametrize(
    ("given", "cited"),
    [
        ({}, set()),
        ({"low_pass": 0.1}, set()),
        ({"regressors": ["csf"]}, {CIRIC_2017}),
        ({"regressors": ["csf"], "low_pass": 0.1}, {CIRIC_2017, LINDQUIST_2019}),
        ({"scrub": True, "regressor_files": ["c.tsv"]}, {POWER_2014}),
    ],
)
def test_references_are_those_that_apply(given, cited):
    paragraph = describe(**given)
    for short, full in (CIRIC_2017, LINDQUIST_2019, POWER_2014):
        assert (short in paragraph.text) == ((short, full) in cited)
        assert (full in paragraph.references) == ((short, full) in cited)


def test_scrubbing_says_its_thresholds():
    text = describe(scrub=True, regressor_files=["c.tsv"], fd_threshold=0.3, std_dvars_threshold=0, censored=(4,)).text
    assert "Volumes with a framewise displacement above 0.3 mm were censored" in text
    assert "DVARS" not in text
    assert "99 of 100 volumes were kept" in text


def test_many_regressors_are_counted_not_named():
    assert "(n = 30)" in describe(regressors=[f"column_{number}" for number in range(30)]).text
