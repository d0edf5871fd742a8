from __future__ import annotations

import pytest
from atlas_files import error_of

from niimasker.regions.atlases.queries import parse_query
from niimasker.regions.atlases.sources import ATLASES

pytestmark = pytest.mark.usefixtures("no_network")


@pytest.mark.parametrize(
    ("query", "arguments"),
    [
        ("nilearn:yeo:thin_7", {"n_networks": 7, "thickness": "thin"}),
        ("nilearn:yeo:thick_7", {"n_networks": 7, "thickness": "thick"}),
        ("nilearn:yeo:thin_17", {"n_networks": 17, "thickness": "thin"}),
        ("nilearn:yeo:thick_17", {"n_networks": 17, "thickness": "thick"}),
        ("nilearn:basc:sym-20", {"version": "sym", "resolution": 20}),
        ("nilearn:basc:asym-444", {"version": "asym", "resolution": 444}),
        ("nilearn:basc:sym-007", {"version": "sym", "resolution": 7}),
        ("nilearn:schaefer:400-17-2", {"n_rois": 400, "yeo_networks": 17, "resolution_mm": 2}),
        ("nilearn:aal:SPM12", {"version": "SPM12"}),
        ("nilearn:aal", {"version": "SPM12"}),
        ("nilearn:destrieux", {"lateralized": True}),
        ("nilearn:destrieux:lateralized", {"lateralized": True}),
        ("nilearn:talairach:ba", {"level_name": "ba"}),
    ],
)
def test_queries_of_0_0_4_keep_their_meaning(query, arguments):
    assert parse_query(query, ATLASES).arguments == arguments


@pytest.mark.parametrize(
    ("query", "arguments"),
    [
        ("nilearn:destrieux:nonlateralized", {"lateralized": False}),
        ("nilearn:schaefer", {"n_rois": 400, "yeo_networks": 7, "resolution_mm": 1}),
        ("nilearn:schaefer:100", {"n_rois": 100, "yeo_networks": 7, "resolution_mm": 1}),
        ("nilearn:yeo", {"n_networks": 7, "thickness": "thick"}),
        ("nilearn:basc:asym", {"version": "asym", "resolution": 7}),
        ("nilearn:msdl", {}),
        ("nilearn:difumo:128-3", {"dimension": 128, "resolution_mm": 3}),
        ("nilearn:pauli:deterministic", {"atlas_type": "deterministic"}),
        ("nilearn:smith:20-brainmap", {"dimension": 20, "resting": False}),
        ("nilearn:allen:rsn28", {}),
        ("nilearn:craddock:200-temporal-2level", {"homogeneity": "temporal", "grp_mean": False}),
        ("nilearn:juelich:prob-2mm", {"atlas_name": "prob-2mm", "symmetric_split": False}),
        (
            "nilearn:harvard_oxford:cort-maxprob-thr25-2mm",
            {"atlas_name": "cort-maxprob-thr25-2mm", "symmetric_split": False},
        ),
        (
            "nilearn:harvard_oxford:sub-maxprob-thr25-2mm:symmetric_split",
            {"atlas_name": "sub-maxprob-thr25-2mm", "symmetric_split": True},
        ),
    ],
)
def test_query_is_translated_to_the_fetchers_keywords(query, arguments):
    assert parse_query(query, ATLASES).arguments == arguments


def test_unknown_atlas_lists_all_and_suggests_the_nearest(atlas_dir):
    assert error_of("nilearn:shaefer:400-17-2", atlas_dir) == (
        "nilearn:shaefer:400-17-2: there is no atlas 'shaefer'. Did you mean 'schaefer'? Valid names: aal, allen, "
        "basc, craddock, destrieux, difumo, harvard_oxford, juelich, msdl, pauli, schaefer, smith, talairach, yeo."
    )


def test_wrong_parameter_lists_the_valid_ones_and_suggests_the_nearest(atlas_dir):
    assert error_of("nilearn:aal:spm12", atlas_dir) == (
        "nilearn:aal:spm12: 'spm12' is not a valid <version> in nilearn:aal:<version>. Did you mean 'SPM12'? "
        "Valid for <version>: SPM12, SPM8, SPM5, 3v2."
    )


def test_wrong_parameter_without_a_near_one_suggests_nothing(atlas_dir):
    assert error_of("nilearn:schaefer:400-12", atlas_dir) == (
        "nilearn:schaefer:400-12: '12' is not a valid <networks> in nilearn:schaefer:<n_rois>-<networks>-<resolution>. "
        "Valid for <networks>: 7, 17."
    )


def test_missing_parameter_without_default_lists_the_valid_ones(atlas_dir):
    assert error_of("nilearn:talairach", atlas_dir) == (
        "nilearn:talairach lacks <level>: write nilearn:talairach:<level>. "
        "Valid for <level>: hemisphere, lobe, gyrus, tissue, ba."
    )


def test_too_many_parameters_show_the_grammar(atlas_dir):
    assert error_of("nilearn:basc:sym-20-2", atlas_dir) == (
        "nilearn:basc:sym-20-2 has 3 parameters, but basc takes 2: write nilearn:basc:<version>-<scale>."
    )
    assert error_of("nilearn:msdl:39", atlas_dir).endswith("msdl takes 0: write nilearn:msdl.")


def test_colon_in_place_of_a_dash_is_refused(atlas_dir):
    assert "'20:2' is not a valid <scale>" in error_of("nilearn:basc:sym-20:2", atlas_dir)


@pytest.mark.parametrize("atlas", ["harvard_oxford:cort-prob-2mm", "juelich:prob-2mm"])
def test_probabilistic_maps_are_not_split(atlas, atlas_dir):
    assert error_of(f"nilearn:{atlas}:symmetric_split", atlas_dir) == (
        f"nilearn:{atlas}:symmetric_split: probabilistic maps cannot be split at the midline; "
        "leave out symmetric_split or use a maxprob atlas."
    )
