"""The kinds of regressors, by the names of columns of fMRIPrep's tables of several generations."""

from __future__ import annotations

from pathlib import Path

import pytest

from niimasker.inputs.regressor_kinds import (
    ANATOMICAL,
    AROMA,
    COSINES,
    EDGE,
    GLOBAL,
    INDEPENDENT,
    KINDS,
    MEASURES,
    MOTION,
    OTHERS,
    SPIKES,
    TEMPORAL,
    TISSUES,
    group_by_kind,
    kind_of,
    split_expansion,
)


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (MOTION, "trans_x rot_z trans_y_derivative1 rot_x_power2 rot_y_derivative1_power2 X Z RotX RotZ"),
        (COSINES, "cosine00 cosine11 cosine_03 Cosine00"),
        (TISSUES, "csf white_matter csf_wm tcompcor csf_derivative1 white_matter_derivative1_power2 CSF WhiteMatter"),
        (GLOBAL, "global_signal global_signal_power2 GlobalSignal"),
        (ANATOMICAL, "a_comp_cor_00 c_comp_cor_02 w_comp_cor_11 aCompCor00"),
        (TEMPORAL, "t_comp_cor_00 tCompCor05"),
        (EDGE, "edge_comp_00"),
        (AROMA, "aroma_motion_01 aroma_orth_motion_12 AROMAAggrComp01"),
        (INDEPENDENT, "ICA_00 ICA_4"),
        (SPIKES, "motion_outlier00 non_steady_state_outlier00 non_steady_state_outlier_01 NonSteadyStateOutlier0"),
        (MEASURES, "framewise_displacement dvars std_dvars rmsd FramewiseDisplacement stdDVARS vx-wisestdDVARS"),
        (OTHERS, "heart_rate Xylem trans_x_filtered cosine csf2 roi global_signal_mean _derivative1"),
    ],
)
def test_kind_is_known_from_the_name(kind: str, names: str) -> None:
    assert {name: kind_of(name) for name in names.split()} == dict.fromkeys(names.split(), kind)


def test_names_are_grouped_in_the_order_of_kinds() -> None:
    groups = group_by_kind(["heart_rate", "csf", "rot_x", "trans_x", "trans_x_derivative1"])
    assert groups == {
        MOTION: ("rot_x", "trans_x", "trans_x_derivative1"),
        TISSUES: ("csf",),
        OTHERS: ("heart_rate",),
    }
    assert list(groups) == [kind for kind in KINDS if kind in groups]


def test_expansions_are_split_from_the_name() -> None:
    assert split_expansion("rot_x_derivative1_power2") == ("rot_x", "_derivative1", "_power2")
    assert split_expansion("rot_x_power2") == ("rot_x", "", "_power2")
    assert split_expansion("heart_rate") == ("heart_rate", "", "")


def test_every_column_of_fmripreps_tables_has_a_kind(data_dir: Path) -> None:
    tables = sorted((data_dir / "confounds").glob("**/*.tsv"))
    assert len(tables) >= 4
    for table in tables:
        assert OTHERS not in group_by_kind(table.read_text().splitlines()[0].split("\t"))
