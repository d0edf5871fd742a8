"""Framewise displacement from motion parameters: the column of fMRIPrep's tables, and AFNI's order and units."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from confounds_tables import IMAGE, MOTION, N_VOLUMES, OLD, ORACLES_OWN, REST, RUN_1, RUN_2, load, write, write_table
from hypothesis import given
from hypothesis import strategies as st

from niimasker.errors import ConfoundsError, NiimaskerWarning
from niimasker.inputs.confounds import load_confounds
from niimasker.inputs.framewise_displacement import complete_measures, is_computed, measure_displacement

TABLES = [RUN_1, RUN_2, REST, OLD]
# Parameters have six significant digits, fMRIPrep's displacement all of a float's: sums of the same numbers in another
# order differ by a few units in the last place of a value near 10.
TOLERANCE = 1e-13


def read(data_dir, name):
    """The columns of a real table by today's names, and its framewise displacement."""
    table = pd.read_csv(data_dir / "confounds" / name, sep="\t", na_values="n/a")
    motion = table[list(MOTION) if "trans_x" in table else ["X", "Y", "Z", "RotX", "RotY", "RotZ"]]
    column = table["framewise_displacement" if "trans_x" in table else "FramewiseDisplacement"]
    return motion.set_axis(MOTION, axis=1), column.to_numpy()


@pytest.mark.parametrize("name", TABLES)
def test_it_is_the_column_of_real_tables_of_fmriprep(data_dir, name):
    measures = load(data_dir / "confounds" / name, ["scrub"], N_VOLUMES[name]).measures
    _, column = read(data_dir, name)
    np.testing.assert_allclose(measures.framewise_displacement, column, rtol=0)
    computed = complete_measures(measures, head_radius=50.0).framewise_displacement
    np.testing.assert_allclose(computed, column, rtol=0, atol=TOLERANCE)
    assert [f"{value:.12g}" for value in computed] == [f"{value:.12g}" for value in column]


def test_it_is_the_column_of_nilearn_s_test_table_but_for_two_volumes(data_dir):
    # The parameters of volume 0 are not those that the table's derivatives of volume 1 were computed from, and the
    # displacement of volume 11 is 0.02 above that of the table's own derivatives. Numbers have ten decimals.
    table = pd.read_csv(data_dir / "confounds" / ORACLES_OWN, sep="\t", na_values="n/a")
    computed, column = measure_displacement(table[list(MOTION)].to_numpy()), table["framewise_displacement"]
    assert np.flatnonzero(~np.isclose(computed[1:], column[1:], rtol=0, atol=1e-8)).tolist() == [0, 10]
    derivatives = table[[f"{name}_derivative1" for name in MOTION]].abs() * [1, 1, 1, 50, 50, 50]
    assert derivatives.sum(axis=1)[1] == pytest.approx(column[1], abs=1e-8)
    assert derivatives.sum(axis=1)[11] + 0.02 == pytest.approx(column[11], abs=1e-8)


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize(("digits", "tolerance"), [("%.17g", TOLERANCE), ("%.4f", 6e-4)], ids=["all", "as printed"])
def test_the_same_motion_in_the_order_and_units_of_afni_has_the_same(data_dir, tmp_path, name, digits, tolerance):
    # 3dvolreg prints four decimals, so that a change is off by up to 1e-4 mm or degrees: three of 1e-4 mm, and three of
    # 1e-4 degrees, which are 0.9e-4 mm at 50 mm.
    motion, column = read(data_dir, name)
    degrees = np.degrees(motion[["rot_z", "rot_x", "rot_y"]])
    rows = pd.concat([degrees, motion[["trans_z", "trans_x", "trans_y"]]], axis=1)
    np.savetxt(tmp_path / "motion.1D", rows, fmt=digits)
    loaded = load_confounds(
        [tmp_path / "motion.1D"], ["scrub"], n_volumes=len(rows), image_path=IMAGE, motion_format="afni"
    )
    computed = complete_measures(loaded.measures, None).framewise_displacement
    np.testing.assert_allclose(computed[1:], column[1:], rtol=0, atol=tolerance)


def test_afni_s_own_norm_of_the_same_table_is_found_again(tmp_path):
    # 1d_tool.py -infile motion.1D -derivative -collapse_cols euclidean_norm -write -, of AFNI (August 2026) prints
    # these: the root of the sum of squares, degrees and mm alike. It is another measure than framewise displacement.
    rows = ["0 0 0 0 0 0", "0.1 -0.2 0.05 0.3 -0.1 0.2", "0.5 0.1 0.05 1.3 -0.1 0.2", "0.5 0.1 0.05 1.3 -0.1 0.2"]
    rows += ["0.5 0.1 0.05 1.4 -0.1 0.25", "-0.5 0.4 0.05 1.4 -0.3 0.25", "-0.5 0.4 0.05 1.4 -0.3 0.25"]
    printed = ["0.438748", "1.11803", "0", "0.111803", "1.06301", "0"]
    path = write(tmp_path / "motion.1D", "# a comment\n" + "\n".join(rows) + "\n")
    loaded = load_confounds([path], ["scrub"], n_volumes=7, image_path=IMAGE, motion_format="afni")
    changes = np.diff(loaded.measures.motion, axis=0) * [1, 1, 1, *[180 / np.pi] * 3]
    assert [f"{norm:.6g}" for norm in np.linalg.norm(changes, axis=1).round(12)] == printed


@given(st.floats(0, 200), st.lists(st.tuples(*[st.floats(-5, 5)] * 6), min_size=1, max_size=9))
def test_formula(head_radius, rows):
    motion = np.array(rows)
    computed = measure_displacement(motion, head_radius)
    assert len(computed) == len(rows)
    assert np.isnan(computed[0])
    expected = [
        sum(
            abs(new - old) * (head_radius if axis > 2 else 1) for axis, (old, new) in enumerate(zip(*pair, strict=True))
        )
        for pair in itertools.pairwise(rows)
    ]
    np.testing.assert_allclose(computed[1:], expected, rtol=1e-12, atol=1e-12)


def test_missing_parameter_leaves_two_volumes_unknown():
    motion = np.zeros((5, 6))
    motion[2, 4] = np.nan
    assert np.isnan(measure_displacement(motion)).tolist() == [True, False, True, True, False]


@pytest.fixture
def measures(tmp_path):
    """Measures of a table whose framewise displacement is not that of its motion parameters."""
    return load(write_table(tmp_path, [*MOTION, "framewise_displacement"]), ["scrub"]).measures


def test_column_is_used_unless_a_head_radius_is_given(measures):
    # Every parameter changes by 1 in each row.
    assert complete_measures(measures, None) is measures
    assert not is_computed(measures.displacement_source)
    with pytest.warns(NiimaskerWarning, match="the head would turn by 115 degrees, which is implausible"):
        computed = complete_measures(measures, 35.0)
    assert computed.framewise_displacement[1:].tolist() == [3 + 3 * 35] * 2
    assert computed.displacement_source == "motion parameters, head radius 35 mm"
    assert is_computed(computed.displacement_source)


def test_head_radius_needs_motion_parameters(tmp_path):
    path = write_table(tmp_path, [*MOTION[:5], "framewise_displacement"])
    measures = load(path, ["scrub"]).measures
    assert complete_measures(measures, None) is measures
    with pytest.raises(ConfoundsError, match=r"has no motion parameters .* leave --head_radius out"):
        complete_measures(measures, 50.0)
