"""Regressors in words for a methods section."""

from __future__ import annotations

import pytest

from niimasker.reports.regressor_phrases import describe_regressors

SIX = [f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz"]
FULL = ("", "_derivative1", "_power2", "_derivative1_power2")
SIX_WORDS = "three translations and three rotations"


def expand(names, suffixes=FULL):
    return [f"{name}{suffix}" for name in names for suffix in suffixes]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (SIX, f"6 motion parameters ({SIX_WORDS})"),
        (["X", "Y", "Z", "RotX", "RotY", "RotZ"], f"6 motion parameters ({SIX_WORDS})"),
        (expand(SIX, FULL[:2]), f"12 motion parameters ({SIX_WORDS}, and their temporal derivatives)"),
        (expand(SIX, ("", "_power2")), f"12 motion parameters ({SIX_WORDS}, and their squares)"),
        (
            expand(SIX),
            f"24 motion parameters ({SIX_WORDS}, their temporal derivatives, and the squares of both)",
        ),
        (SIX[:2], "2 motion parameters (trans_x, trans_y)"),
        ([*SIX, "rot_x_power2"], f"7 motion parameters ({', '.join(SIX)}, rot_x_power2)"),
        (["cosine00"], "1 cosine regressor"),
        ([f"a_comp_cor_{number:02}" for number in range(10)], "10 aCompCor components (Behzadi et al., 2007)"),
        (["t_comp_cor_00", "edge_comp_00"], "1 tCompCor component (Behzadi et al., 2007), and 1 brain-edge component"),
        (["aroma_motion_01", "aroma_motion_02"], "2 ICA-AROMA components"),
        (["ICA_01", "motion_outlier00"], "1 independent component, and 1 spike regressor"),
        (["csf"], "the mean signal of cerebrospinal fluid"),
        (["CSF", "WhiteMatter"], "the mean signals of white matter and cerebrospinal fluid"),
        (
            expand(["csf", "white_matter"]),
            "the mean signals of white matter and cerebrospinal fluid with temporal derivatives and the squares of "
            "both",
        ),
        (["csf_power2"], "1 tissue signal (csf_power2)"),
        (expand(["global_signal"], FULL[:2]), "the global signal with temporal derivatives"),
        (["global_signal_power2"], "1 global signal (global_signal_power2)"),
        (["heart", "dvars"], "1 framewise measure (dvars), and 1 other regressor (heart)"),
        ([f"column_{number}" for number in range(13)], "13 other regressors"),
        (
            [*expand(SIX), *(f"cosine0{number}" for number in range(3)), "csf", "white_matter", "global_signal"],
            f"24 motion parameters ({SIX_WORDS}, their temporal derivatives, and the squares of both), 3 cosine "
            "regressors, the mean signals of white matter and cerebrospinal fluid, and the global signal",
        ),
    ],
)
def test_regressors_are_described_by_kind(names, words):
    assert describe_regressors(names) == words
