"""Confounds tables, written and real, and the loading of them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import pytest

from niimasker.errors import ConfoundsError, NiimaskerWarning
from niimasker.inputs.confounds import Confounds, load_confounds

RUN_1 = "fmriprep-21.0.2/sub-104/func/sub-104_task-sharedreward_run-1_desc-confounds_timeseries.tsv"
RUN_2 = "fmriprep-21.0.2/sub-104/func/sub-104_task-sharedreward_run-2_desc-confounds_timeseries.tsv"
REST = "fmriprep-24.1.1/sub-042/func/sub-042_task-restingstate_desc-confounds_timeseries.tsv"
ORACLES_OWN = "load_confounds-tests/test_desc-confounds_regressors.tsv"
OLD = "fmriprep-1.1.4/sub-001/func/sub-001_task-MGT_run-01_bold_confounds.tsv"
N_VOLUMES = {RUN_1: 202, RUN_2: 202, REST: 120, ORACLES_OWN: 30, OLD: 453}

MOTION = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")
SUFFIXES = ("", "_derivative1", "_power2", "_derivative1_power2")
FULL_MOTION = tuple(f"{name}{suffix}" for name in MOTION for suffix in SUFFIXES)
IMAGE = Path("sub-1_bold.nii.gz")


def load(path: Path, regressors: Sequence[str] = (), n_volumes: int = 3) -> Confounds:
    return load_confounds([path], regressors, n_volumes=n_volumes, image_path=IMAGE)


def load_quietly(path: Path, regressors: Sequence[str], n_volumes: int) -> Confounds:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NiimaskerWarning)
        return load(path, regressors, n_volumes)


def refuse(path: Path, regressors: Sequence[str] = ("a",), n_volumes: int = 3) -> str:
    """Return the message of the error that loading raises."""
    with pytest.raises(ConfoundsError) as caught:
        load(path, regressors, n_volumes)
    message = str(caught.value)
    assert "\n" not in message
    return message


def write(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


def write_table(folder: Path, names: Sequence[str], n_rows: int = 3) -> Path:
    """Write a table whose value is 10 * the column's position + the row, both from 0."""
    rows = [[str(10 * position + row) for position in range(len(names))] for row in range(n_rows)]
    return write(folder / "run.tsv", "\n".join("\t".join(cells) for cells in [list(names), *rows]) + "\n")
