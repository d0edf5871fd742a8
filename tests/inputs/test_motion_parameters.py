"""Files of motion parameters without a header, in the order and units of FSL, AFNI, SPM and the HCP."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from confounds_tables import FULL_MOTION, IMAGE, MOTION, REST, write

from niimasker.errors import ConfoundsError, NiimaskerWarning
from niimasker.inputs.confounds import load_confounds
from niimasker.inputs.motion_parameters import FORMATS, read_confounds
from niimasker.options.settings import MOTION_FORMATS

# Two volumes, the second 1, 2, 3 mm along x, y, z and 4, 5, 6 hundredths of a radian about them from the first.
MOVED = dict(zip(MOTION, (1, 2, 3, 0.04, 0.05, 0.06), strict=True))
DEGREES = {name: np.degrees(value) for name, value in MOVED.items()}
ROWS = {
    # mcflirt: rotations about x, y, z in radians, then translations in mm.
    "fsl": [MOVED[name] for name in ("rot_x", "rot_y", "rot_z", "trans_x", "trans_y", "trans_z")],
    # spm_realign: x, y, z in mm, then pitch, roll and yaw, which are about x, y, z, in radians.
    "spm": [MOVED[name] for name in MOTION],
    # 3dvolreg -help: roll about I-S, pitch about R-L, yaw about A-P in degrees; displacements dS, dL, dP in mm.
    "afni": [*(DEGREES[name] for name in ("rot_z", "rot_x", "rot_y")), 3, 1, 2],
    # The HCP's reference manual: x, y, z in mm, rotations in degrees, then the derivatives of all.
    "hcp": [1, 2, 3, *(DEGREES[name] for name in ("rot_x", "rot_y", "rot_z"))],
}


def load(path, motion_format, regressors=(), n_volumes=2):
    with warnings.catch_warnings():
        # All columns are many for so few volumes.
        warnings.simplefilter("ignore", NiimaskerWarning)
        return load_confounds([path], regressors, n_volumes=n_volumes, image_path=IMAGE, motion_format=motion_format)


def write_rows(path, *rows, start=""):
    return write(path, start + "\n".join(" ".join(map(repr, map(float, row))) for row in rows) + "\n")


def refuse(path, motion_format="fmriprep"):
    with pytest.raises(ConfoundsError) as caught:
        read_confounds(path, motion_format)
    return str(caught.value)


def test_all_formats_are_offered():
    assert ("fmriprep", *FORMATS) == MOTION_FORMATS
    assert FORMATS.keys() == ROWS.keys()


@pytest.mark.parametrize("motion_format", ROWS)
@pytest.mark.parametrize("name", ["run.par", "run.txt", "run.1D", "run.csv"])
def test_each_program_s_order_and_units_become_those_of_fmriprep(tmp_path, motion_format, name):
    path = write_rows(tmp_path / name, [0] * 6, ROWS[motion_format])
    if name.endswith("csv"):
        path.write_text(path.read_text().replace(" ", ","))
    loaded = load(path, motion_format)
    assert set(loaded.names) == set(MOTION)
    found = dict(zip(loaded.names, loaded.values[1], strict=True))
    assert found == pytest.approx(MOVED, abs=1e-15)
    np.testing.assert_allclose(loaded.measures.motion, [[0] * 6, [*MOVED.values()]], atol=1e-15)


def test_dfile_of_3dvolreg_has_a_number_before_and_two_measures_behind(tmp_path):
    path = write_rows(tmp_path / "dfile.1D", [0, *[0] * 6, 9, 9], [1, *ROWS["afni"], 9, 9])
    loaded = load(path, "afni")
    assert dict(zip(loaded.names, loaded.values[1], strict=True)) == pytest.approx(MOVED)


def test_comments_of_afni_are_left_out(tmp_path):
    path = write_rows(tmp_path / "motion.1D", [0] * 6, ROWS["afni"], start="# 3dvolreg -1Dfile\n#\n")
    np.testing.assert_allclose(load(path, "afni").measures.motion[1], [*MOVED.values()])


def test_derivatives_of_the_hcp_are_those_of_the_file(tmp_path):
    path = write_rows(tmp_path / "Movement_Regressors.txt", [0] * 12, [*ROWS["hcp"], 7, 0, 0, 0, 0, 180])
    loaded = load(path, "hcp", ["trans_x_derivative1", "rot_z_derivative1", "rot_z_derivative1_power2"])
    assert loaded.values.tolist()[1] == pytest.approx([7, np.pi, np.pi**2])
    assert set(load(path, "hcp").names) == {*MOTION, *(f"{name}_derivative1" for name in MOTION)}


@pytest.mark.parametrize("motion_format", ["fsl", "spm"])
def test_derivatives_and_squares_are_those_of_fmriprep(data_dir, tmp_path, motion_format):
    table = pd.read_csv(data_dir / "confounds" / REST, sep="\t", dtype=str)
    orders = {"fsl": [*MOTION[3:], *MOTION[:3]], "spm": [*MOTION]}
    path = tmp_path / "run.txt"
    table[orders[motion_format]].to_csv(path, sep=" ", header=False, index=False)
    loaded = load(path, motion_format, ["motion=full"], len(table))
    assert set(loaded.names) == set(FULL_MOTION)
    expected = table[list(loaded.names)].replace("n/a", np.nan).astype(float).bfill()
    # fMRIPrep computes them in another order of additions, from the same six digits.
    np.testing.assert_allclose(loaded.values, expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["motion=basic"], MOTION),
        (["motion=full"], FULL_MOTION),
        (["rot_*"], [name for name in FULL_MOTION if name.startswith("rot_")]),
        (["trans_x"], ["trans_x"]),
        ((), MOTION),
    ],
)
def test_columns_are_chosen_as_in_tables_of_fmriprep(tmp_path, words, names):
    path = write_rows(tmp_path / "rp_bold.txt", *np.random.default_rng(0).normal(size=(30, 6)).round(3) / 100)
    assert set(load(path, "spm", words, 30).names) == set(names)


def test_table_with_a_header_keeps_its_names(tmp_path):
    path = write(tmp_path / "run.tsv", "csf\ttrans_x\n1\t2\n3\t4\n")
    loaded = load(path, "afni")
    assert (loaded.names, loaded.values.tolist()) == (("csf", "trans_x"), [[1, 2], [3, 4]])
    assert loaded.measures.motion is None


def test_six_columns_without_names_ask_for_the_format(tmp_path):
    path = write_rows(tmp_path / "run.par", [0] * 6, ROWS["fsl"])
    assert refuse(path) == (
        f"{path} has no header: its first row holds no names (0.0, 0.0, 0.0, 0.0, 0.0, 0.0); put a row with the "
        "columns' names above it, or say with --motion_format which program's motion parameters these are "
        "(fsl, afni, spm, hcp)."
    )


def test_other_tables_without_names_do_not(tmp_path):
    assert refuse(write_rows(tmp_path / "run.txt", [0] * 7)).endswith("put a row with the columns' names above it.")


@pytest.mark.parametrize(
    ("motion_format", "n_columns", "expected"), [("fsl", 7, "6"), ("afni", 12, "6 or 9"), ("hcp", 9, "6 or 12")]
)
def test_wrong_number_of_columns_says_what_the_format_has(tmp_path, motion_format, n_columns, expected):
    path = write_rows(tmp_path / "run.1D", [0] * n_columns)
    assert refuse(path, motion_format).startswith(
        f"{path} has {n_columns} columns and no header; --motion_format {motion_format} expects {expected}, the file "
    )


@pytest.mark.parametrize("cell", ["x", "inf", "n/a"])
@pytest.mark.parametrize("motion_format", ["afni", "fsl"])
def test_cell_without_a_number_is_refused_where_it_is_used(tmp_path, motion_format, cell):
    path = write(tmp_path / "run.1D", f"0 0 0 0 0 0\n{cell} 0 0 0 0 0\n0 0 0 0 0 0\n")
    name = "rot_z" if motion_format == "afni" else "rot_x"
    with pytest.raises(ConfoundsError, match=f"run.1D: column '{name}' (holds|is|has) .*in row 2 "):
        load(path, motion_format, ["motion=basic"], 3)
    assert np.isnan(load(path, motion_format, ["trans_x"], 3).measures.motion[1]).sum() == 1
