"""What Python callers have at hand are values of options as JSON's are."""

from __future__ import annotations

import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path, PurePosixPath

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from niimasker.errors import SettingsError
from niimasker.options.merging import make_settings

MINIMAL = {"output_dir": "out", "input_files": ["bold.nii.gz"], "roi_file": "atlas.nii.gz"}


class Place(os.PathLike):
    def __fspath__(self):
        return "mask.nii"


@pytest.mark.parametrize(
    ("name", "value", "taken"),
    [
        ("t_r", nib.Nifti1Image(np.zeros((2, 2, 2, 2)), np.diag([3, 3, 3, 1])).header.get_zooms()[3], 1.0),
        ("t_r", np.float32(0.8), 0.8),
        ("t_r", np.array(0.8, dtype=np.float32), 0.8),
        ("t_r", np.array([0.72], dtype=np.float32), 0.72),
        ("t_r", np.float64(2.5), 2.5),
        ("t_r", np.int16(2), 2.0),
        ("t_r", Decimal("0.72"), 0.72),
        ("n_jobs", np.int64(2), 2),
        ("discard_scans", np.uint8(4), 4),
        ("discard_scans", np.str_("auto"), "auto"),
        ("standardize", np.bool_(True), True),
        ("standardize", np.array(True), True),
        ("regressors", np.array(["csf", "trans_x"]), ("csf", "trans_x")),
        ("regressors", {"motion": np.str_("full"), "n_compcor": np.int64(5)}, ("motion=full", "n_compcor=5")),
        ("participant_label", (1, 2), ("1", "2")),
        ("participant_label", range(1, 3), ("1", "2")),
        ("participant_label", np.arange(1, 3), ("1", "2")),
        ("participant_label", np.str_("01"), ("01",)),
        ("participant_label", pd.Series(["01", "02"], index=[5, 7]), ("01", "02")),
        ("participant_label", pd.Index(["01", "02"]), ("01", "02")),
        ("input_files", Path("a.nii"), ("a.nii",)),
        ("input_files", (Path("a.nii"), PurePosixPath("b.nii")), ("a.nii", "b.nii")),
        ("input_files", np.array([Path("a.nii"), "b.nii"], dtype=object), ("a.nii", "b.nii")),
        ("mask_img", Place(), Path("mask.nii")),
        ("mask_img", Path("mask.nii"), Path("mask.nii")),
        ("connectivity", ("pearson",), ("pearson",)),
        ("entities", {"reg": np.str_("default"), "run": (1, 2)}, ("reg=default", "run=1", "run=2")),
        ("exclude", pd.Series(["sub-07"]), ("sub-07",)),
    ],
    ids=lambda part: repr(part)[:30],
)
def test_values_of_python_are_those_of_json(name, value, taken):
    found = getattr(make_settings({**MINIMAL, name: value}), name)
    assert found == taken
    assert type(found) is type(taken)
    if isinstance(found, tuple):
        assert {type(item) for item in found} == {str}


IMAGE = nib.Nifti1Image(np.zeros((2, 2, 2)), np.eye(4))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("t_r", np.array([1.0, 2.0]), "--t_r: expected a number above 0, in seconds, found [1.0, 2.0]."),
        ("t_r", np.float32("nan"), "--t_r: expected a number above 0, in seconds, found NaN."),
        (
            "t_r",
            np.timedelta64(2, "s"),
            '--t_r: expected a number above 0, in seconds, found "2 seconds".',
        ),
        ("t_r", 1j, '--t_r: expected a number above 0, in seconds, found "1j".'),
        ("t_r", np.bool_(True), "--t_r: expected a number above 0, in seconds, found true."),
        ("n_jobs", np.float64(1.5), "--n_jobs: expected a whole number, 1 or above, or -1, found 1.5."),
        ("mask_img", IMAGE, '--mask_img: expected a file name, found "a Nifti1Image".'),
        ("mask_img", b"mask.nii", "--mask_img: expected a file name, found \"b'mask.nii'\"."),
        (
            "regressors",
            pd.DataFrame({"a": [1.0]}),
            "--regressors: expected a string, a list of strings, or an object such as "
            '{"motion": "full", "high_pass": true}, found "a DataFrame".',
        ),
        (
            "input_files",
            {"b.nii"},
            "--input_files: expected a file name or a list of file names, found \"{'b.nii'}\".",
        ),
        (
            "pipelines",
            {36: {"regressors": "Params36"}},
            "--pipelines: 36 cannot be the name of a pipeline; give letters and digits, at most 100, with spaces or "
            ". + - _ between them.",
        ),
        ("labels", np.array([["a"]]), '--labels: expected a string or a list of strings, found [["a"]].'),
    ],
    ids=lambda part: repr(part)[:30],
)
def test_what_is_no_value_is_a_settings_error(name, value, message):
    with pytest.raises(SettingsError) as caught:
        make_settings({**MINIMAL, name: value})
    assert str(caught.value) == message


def test_help_imports_no_numpy():
    code = "import sys; from niimasker.cli import main\ntry: main(['-h'])\nfinally: assert 'numpy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_extract_takes_them(tmp_path, monkeypatch):
    from images import make_labels, make_series, save

    from niimasker import extract

    monkeypatch.chdir(tmp_path)
    image_path = save(Path("bold.nii.gz"), make_series(make_labels()), t_r=2.0)
    atlas_path = save(Path("atlas.nii.gz"), make_labels())
    (outcome,) = extract(
        tmp_path / "out",
        input_files=np.array([str(image_path)]),
        roi_file=(atlas_path,),
        t_r=nib.load(image_path).header.get_zooms()[3],
        labels=pd.Series(["a", "b", "c"]),
        n_jobs=np.int64(1),
        no_report=np.bool_(True),
    )
    assert outcome.status == "done"
