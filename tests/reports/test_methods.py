from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from niimasker.errors import NiimaskerWarning
from niimasker.inputs.preprocessing import Program
from niimasker.options.merging import make_settings
from niimasker.options.pipelines import read_presets
from niimasker.reports.methods import describe_methods
from niimasker.reports.point_words import GRAYORDINATES, VERTICES, VOXELS
from niimasker.reports.references import (
    CIRIC_2017,
    DUPRE_2021,
    FRITSCH_1984,
    LEDOIT_2004,
    LINDQUIST_2019,
    NIIMASKER,
    POWER_2012,
    POWER_2014,
)
from niimasker.signals.filtering import Cleaning
from niimasker.signals.nuisance import Nuisance
from niimasker.signals.timeline import Timeline

NONE = np.zeros(100, dtype=bool)


def describe(
    *,
    n_discarded=0,
    censored=(),
    regressors=(),
    words=(),
    left_out=(),
    n_left=80.0,
    orthogonalised=(),
    preserved=(),
    kinds=("labels",),
    points=VOXELS,
    is_denoised=False,
    programs=(),
    pipeline="",
    **given,
):
    """The paragraph of a run of 100 volumes, with regressors that words choose."""
    if regressors:
        given["regressors"] = list(words)
        given.setdefault("regressor_files", ["confounds.tsv"])
    settings = make_settings({"output_dir": "out", "input_files": ["a.nii"], "roi_file": ["x/atlas.nii"], **given})
    marks = NONE.copy()
    marks[list(censored)] = True
    timeline = Timeline(100, n_discarded, {"user": marks} if censored else {})
    standardize = settings.standardize_method if settings.standardize else None
    cleaning = Cleaning(
        settings.detrend, standardize, settings.high_pass, settings.low_pass, 2.0, "header", settings.interpolation
    )
    nuisance = Nuisance(
        tuple(regressors),
        np.zeros((100, len(regressors))),
        dict.fromkeys(left_out, "constant"),
        n_left,
        orthogonalised,
        preserved,
    )
    return describe_methods(
        settings,
        cleaning,
        timeline,
        nuisance,
        kinds,
        points,
        is_denoised=is_denoised,
        programs=programs,
        pipeline=pipeline,
    )


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
        ({"mask_img": "auto"}, "restricted to each run's brain mask"),
        ({"mask_img": "auto", "points": VERTICES}, "restricted to each run's cortex mask"),
        ({"mask_img": "sub-{sub}_desc-gm_mask.nii"}, "restricted to each run's own desc-gm_mask.nii"),
        ({"roi_file": ["sub-{sub}_desc-aseg_dseg.nii"]}, "regions of each run's own desc-aseg_dseg.nii as the mean"),
        ({"roi_file": ["x/{hemi}.A.annot"]}, "regions of lh.A.annot and rh.A.annot as the mean"),
        ({"roi_file": ["x/a.dlabel.nii:b/c"]}, "regions of the map b/c of a.dlabel.nii as the mean"),
        ({"roi_file": ["sub-{sub}_hemi-{hemi}_dseg.label.gii"]}, "regions of each run's own dseg.label.gii as the"),
        ({"roi_file": ["{sub}/{hemi}.A.annot"]}, "regions of each run's own A.annot as the mean"),
        ({"mask_img": "x/{hemi}.m.shape.gii"}, "restricted to the mask lh.m.shape.gii and rh.m.shape.gii,"),
        ({"mask_img": "sub-{sub}_hemi-L_m.shape.gii"}, "restricted to each run's own m.shape.gii"),
        ({"kinds": ("spheres",), "radius": 5}, "spheres of 5 mm radius around the coordinates of atlas.nii"),
        ({"kinds": ("spheres",)}, "extracted from the voxels nearest to the coordinates of atlas.nii, with"),
        ({"kinds": ("maps",)}, "the probabilistic maps of atlas.nii by least squares"),
        ({"as_voxels": True}, "as the signal of each voxel"),
        ({"points": VERTICES}, "the regions of atlas.nii on the cortical surface as the mean over vertices, with"),
        (
            {"points": GRAYORDINATES},
            "the regions of atlas.nii in grayordinates (vertices of the cortical surface and voxels of other "
            "structures) as the mean over grayordinates, with",
        ),
        (
            {"points": VERTICES, "kinds": ("maps",)},
            "the probabilistic maps of atlas.nii on the cortical surface by least squares",
        ),
        (
            {"points": GRAYORDINATES, "kinds": ("weights",)},
            "as the mean over grayordinates, weighted by its values, with",
        ),
        ({"points": VERTICES, "as_voxels": True}, "as the signal of each vertex"),
        ({"points": VERTICES, "valid_voxels": True}, "Vertices that were not finite or did not vary over time"),
        ({"points": GRAYORDINATES, "min_coverage": 0.6}, "was covered by grayordinates that were finite"),
        ({"roi_file": ["nilearn:schaefer:n_rois=100"]}, "nilearn's atlas schaefer:n_rois=100 (Schaefer et al., 2018)"),
        ({"roi_file": ["a.nii", "b.nii"], "kinds": ("labels", "maps")}, "a.nii as the mean over voxels and the prob"),
        ({"n_discarded": 1}, "The first volume of the run was discarded."),
        ({"n_discarded": 4, "discard_scans": 4}, "The first 4 volumes of the run were discarded."),
        (
            {"n_discarded": 1, "discard_scans": "auto"},
            "first volume of the run was discarded, because the confounds table marks it as not in the steady state.",
        ),
        (
            {"n_discarded": 2, "discard_scans": "auto"},
            "2 volumes of the run were discarded, because the confounds table marks them as not in the steady state.",
        ),
        ({"censored": (5, 6)}, "Volumes marked beforehand (n = 2) were censored. In all, 98 of 100 volumes were kept."),
        ({"valid_voxels": True}, "Voxels that were not finite or did not vary over time were left out."),
        ({"min_coverage": 0.6}, "Regions of which less than 60 % was covered by voxels"),
        ({"engine": "nilearn"}, "using the maskers of nilearn"),
        ({"detrend": True}, "Time series were linearly detrended."),
        ({"high_pass": 0.01, "low_pass": 0.1}, "band-pass filtered from 0.01 to 0.1 Hz"),
        ({"low_pass": 0.1}, "low-pass filtered at 0.1 Hz"),
        ({"detrend": True, "high_pass": 0.01}, "linearly detrended and high-pass filtered at 0.01 Hz"),
        (
            {"regressors": ["csf", "wm"]},
            "Nuisance regressors (n = 2) were then regressed out by ordinary least squares (Ciric et al., 2017): the "
            "mean signal of cerebrospinal fluid, and 1 other regressor (wm). This left",
        ),
        ({"regressors": ["csf"], "n_left": 26.46}, "This left 26 degrees of freedom in all."),
        ({"regressors": ["csf"], "n_left": 9.46}, "This left 9.5 degrees of freedom in all."),
        (
            {"regressors": ["ICA_1"], "orthogonalised": ("ICA_1",), "preserved": ("ICA_0", "ICA_2")},
            "The time series of 1 rejected independent component were orthogonalised to those of 2 accepted components "
            "(DuPre et al., 2021). Nuisance regressors (n = 1)",
        ),
        ({"standardize": True}, "zero mean and unit sample standard deviation"),
        ({"connectivity": ["pearson"]}, "Connectivity between regions was measured by Pearson correlations."),
        ({"connectivity": "precision"}, "by inverse covariances estimated with Ledoit-Wolf shrinkage (Ledoit and Wolf"),
        (
            {"connectivity": ["precision", "covariance", "partial_correlation", "pearson"], "fisher_z": True},
            "by Pearson correlations, and by partial correlations, covariances and inverse covariances estimated with "
            "Ledoit-Wolf shrinkage (Ledoit and Wolf, 2004). Correlations were transformed to Fisher z.",
        ),
        ({"standardize": True, "standardize_method": "psc"}, "percent signal change relative to its mean before"),
    ],
)
def test_every_step_is_described_with_its_numbers(given, part):
    assert part in describe(**given).text


@pytest.mark.parametrize(
    ("given", "cited"),
    [
        ({}, set()),
        ({"low_pass": 0.1}, set()),
        ({"regressors": ["csf"]}, {CIRIC_2017}),
        ({"regressors": ["csf"], "low_pass": 0.1}, {CIRIC_2017, LINDQUIST_2019}),
        ({"regressors": ["ICA_1"], "orthogonalised": ("ICA_1",), "preserved": ("ICA_0",)}, {CIRIC_2017, DUPRE_2021}),
        ({"scrub": True, "regressor_files": ["c.tsv"]}, {POWER_2014}),
        ({"connectivity": ["pearson"]}, set()),
        ({"connectivity": ["pearson", "correlation"]}, {LEDOIT_2004}),
    ],
)
def test_references_are_those_that_apply(given, cited):
    paragraph = describe(**given)
    for each in (CIRIC_2017, DUPRE_2021, LEDOIT_2004, LINDQUIST_2019, POWER_2012, POWER_2014):
        assert (each.short in paragraph.text) == (each in cited)
        assert (each.full in paragraph.references) == (each in cited)
        assert (f"{{{each.key}," in paragraph.bibtex) == (each in cited)


def test_scrubbing_says_its_thresholds():
    text = describe(scrub=True, regressor_files=["c.tsv"], fd_threshold=0.3, std_dvars_threshold=0, censored=(4,)).text
    assert "Volumes with a framewise displacement above 0.3 mm were censored" in text
    assert "DVARS" not in text
    assert "99 of 100 volumes were kept" in text


@pytest.mark.parametrize(
    ("given", "part"),
    [
        ({"censor_before": 1}, "above 1.5, and the 1 volume before each of them (Power et al., 2012), were censored,"),
        ({"censor_after": 2}, "above 1.5, and the 2 volumes after each of them (Power et al., 2012), were censored,"),
        ({"censor_before": 1, "censor_after": 2}, ", and the 1 volume before and the 2 volumes after each of them ("),
    ],
)
def test_scrubbing_says_its_neighbours(given, part):
    paragraph = describe(scrub=True, regressor_files=["c.tsv"], **given)
    assert part in paragraph.text
    assert POWER_2012.full in paragraph.references


def test_single_voxels_are_described_without_mask_and_mean():
    with pytest.warns(NiimaskerWarning, match="--valid_voxels is ignored"):
        text = describe(as_voxels=True, mask_img="mask.nii", valid_voxels=True).text
    assert "mask.nii" not in text
    assert "left out" not in text


@pytest.mark.parametrize(
    ("interpolation", "words", "is_cited"),
    [
        ("pchip", "monotone cubic interpolation (Fritsch and Butland, 1984)", True),
        ("linear", "linear interpolation", False),
        ("cubic", "cubic spline", False),
    ],
)
@pytest.mark.parametrize("step", [{"detrend": True}, {"low_pass": 0.1}])
def test_bridges_of_gaps_are_described_where_a_step_needs_them(interpolation, words, is_cited, step):
    paragraph = describe(interpolation=interpolation, censor_file="c.txt", censored=(4, 5), **step)
    assert f"; censored volumes were replaced by {words}" in paragraph.text
    assert "before this step and removed after it." in paragraph.text
    assert (FRITSCH_1984.full in paragraph.references) == is_cited


@pytest.mark.parametrize("given", [{"detrend": True}, {"censored": (4, 5), "standardize": True}])
def test_nothing_is_said_of_bridges_where_there_are_none(given):
    paragraph = describe(**given)
    assert "interpolation" not in paragraph.text
    assert FRITSCH_1984.full not in paragraph.references


def test_volumes_censored_beside_scrubbing_are_described_separately():
    text = describe(scrub=True, regressor_files=["c.tsv"], scrub_segment=1, censored=(4, 9)).text
    assert "standardised DVARS above 1.5 were censored (Power et al., 2014)." in text
    assert "Volumes marked beforehand (n = 2) were censored." in text


def test_regressors_that_were_left_out_are_not_described():
    text = describe(regressors=["csf"], words=["csf", "flat"], left_out=("flat",)).text
    assert "(n = 1) were then regressed out" in text
    assert "flat" not in text


def test_many_unknown_regressors_are_counted_not_named():
    text = describe(regressors=[f"column_{number}" for number in range(30)]).text
    assert "Nuisance regressors (n = 30) were" in text
    assert ": 30 other regressors. This left" in text


@pytest.mark.parametrize(
    ("given", "is_said"),
    [
        ({}, False),
        ({"detrend": True}, False),
        ({"connectivity": ["pearson"]}, True),
        ({"connectivity": ["pearson"], "is_denoised": True}, False),
        ({"connectivity": ["pearson"], "regressors": ["csf"]}, False),
    ],
)
def test_missing_regression_is_said_where_connectivity_is_measured(given, is_said):
    assert ("No nuisance regression was applied." in describe(**given).text) == is_said


def test_sentences_follow_the_order_of_the_steps():
    text = describe(
        n_discarded=2, censored=(5,), detrend=True, regressors=["csf"], standardize=True, connectivity=["pearson"]
    ).text
    parts = ("were discarded", "were censored", "were extracted", "linearly detrended", "regressed out", "standardised")
    places = [text.index(part) for part in (*parts, "Connectivity between")]
    assert places == sorted(places)


class TestOtherReferences:
    def test_programs_are_named_first_with_their_versions_from_first_to_last(self):
        paragraph = describe(programs=(Program("xcp_d", "0.10.6"), Program("fMRIPrep", "24.1.1")))
        assert paragraph.text.startswith(
            "The images had been preprocessed with fMRIPrep 24.1.1 (Esteban et al., 2019) and XCP-D 0.10.6 (Mehta et "
            "al., 2024). Time series were extracted"
        )
        assert any(each.startswith("Esteban O,") for each in paragraph.references)
        assert "@article{mehta2024," in paragraph.bibtex

    def test_niimasker_is_among_the_references(self):
        paragraph = describe()
        assert f"The niimasker developers. {NIIMASKER.short}" in " ".join(paragraph.references)
        assert "@misc{niimasker," in paragraph.bibtex

    def test_references_of_the_atlas_s_files_are_listed(self, tmp_path):
        (tmp_path / "atlas_description.json").write_text('{"ReferencesAndLinks": ["One et al., 2001"]}')
        paragraph = describe(roi_file=[str(tmp_path / "atlas.nii")])
        assert "atlas.nii: One et al., 2001" in paragraph.references
        assert "@misc{atlas:atlas:1," in paragraph.bibtex

    @pytest.mark.parametrize(
        ("given", "uncited"),
        [
            ({}, ("the atlas", "the preprocessing")),
            ({"roi_file": ["a.nii", "b.nii"], "kinds": ("labels", "labels")}, ("the atlases", "the preprocessing")),
            ({"programs": (Program("fMRIPrep", "24.1.1"),)}, ("the atlas",)),
            ({"programs": (Program("mine", ""), Program("fMRIPrep", ""))}, ("the atlas", "the preprocessing")),
            ({"roi_file": ["nilearn:aal"]}, ("the preprocessing",)),
            ({"roi_file": ["nilearn:aal"], "programs": (Program("fMRIPrep", ""),)}, ()),
        ],
    )
    def test_what_is_not_known_is_said(self, given, uncited):
        assert describe(**given).uncited == uncited


def describe_preset(name, **changed):
    options = {**read_presets()[name], **changed}
    return describe(pipeline=name, regressors=("trans_x",), words=options.pop("regressors"), **options)


class TestPresets:
    @pytest.mark.parametrize("name", read_presets())
    def test_preset_is_named_with_the_publication_that_the_page_of_pipelines_gives(self, name):
        page = (Path(__file__).parents[2] / "docs" / "pipelines.md").read_text("utf-8")
        (row,) = [line for line in page.splitlines() if line.startswith(f"| {name} |") and "et al." in line]
        first, year = row.strip("| ").rsplit("| ", 1)[1].split(" et al. ")
        described = describe_preset(name)
        (source,) = re.findall(rf"niimasker's preset {re.escape(name)}, a [a-z ]+ \((.*?)\)\.", described.text)
        assert source == f"{first} et al., {year}"
        assert any(entry.startswith(first) and year in entry for entry in described.references)

    def test_pipeline_that_has_only_the_name_of_a_preset_is_not_it(self):
        for changed in ({"low_pass": 0.1}, {"regressors": ["motion=basic"]}, {"detrend": False}):
            assert "preset" not in describe_preset("24P", **changed).text
        assert "preset" not in describe(pipeline="mine").text
        assert "preset" not in describe().text


@pytest.mark.parametrize("names", [("a_comp_cor_00", "a_comp_cor_01"), ("t_comp_cor_00", "t_comp_cor_01")])
def test_components_are_cited(names):
    described = describe(regressors=names)
    assert "2 " + names[0][0] + "CompCor components (Behzadi et al., 2007). This left" in described.text
    assert any("10.1016/j.neuroimage.2007.04.042" in entry for entry in described.references)
    assert "@article{behzadi2007," in described.bibtex
