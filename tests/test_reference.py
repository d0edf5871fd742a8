"""The tables that niimasker 0.0.4 wrote, from the same JSON files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from niimasker.cli import main
from niimasker.options.settings import ENGINES

# 0.0.4 computed in float32 and printed 8 decimals; nilearn 0.7.1 and today's agree to 4e-7 of the standard deviation.
TOLERANCE = 1e-4

CASES = [
    "labels",
    "labels_named_clean",
    "labels_smoothed",
    "mask_mean",
    "mask_voxels",
    "mask_voxels_smoothed",
    "labels_with_gaps",
    "labels_in_mask",
    "confounds_named_columns",
    "discard_scans",
    "spheres",
    "spheres_single_voxel",
    "spheres_in_mask",
]


@pytest.fixture(params=ENGINES)
def engine(request) -> str:
    return request.param


def run_case(name: str, engine: str, data_dir: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> pd.DataFrame:
    monkeypatch.chdir(data_dir)  # The cases' paths are relative to the data.
    config = json.loads(Path("reference-0.0.4/cases.json").read_text())[name]["config"]
    config_path = folder / "Config.json"
    config_path.write_text(json.dumps(config))
    assert main([str(folder / "out"), "-c", str(config_path), "--engine", engine]) == 0
    (table_path,) = (folder / "out").glob("*_timeseries.tsv")
    return pd.read_csv(table_path, sep="\t")


def read_reference(name: str, data_dir: Path) -> pd.DataFrame:
    return pd.read_csv(data_dir / "reference-0.0.4" / f"{name}_timeseries.tsv", sep="\t")


def assert_close_in_sd(found: pd.DataFrame, expected: pd.DataFrame, scale: float = 1.0) -> None:
    difference = (found - expected * scale).abs().max() / expected.std()
    assert difference.max() < TOLERANCE


@pytest.mark.parametrize("name", CASES)
def test_tables_equal_those_of_0_0_4(name, engine, data_dir, tmp_path, monkeypatch):
    found = run_case(name, engine, data_dir, tmp_path, monkeypatch)
    expected = read_reference(name, data_dir)
    assert list(found.columns) == list(expected.columns)
    standardized = json.loads((data_dir / "reference-0.0.4/cases.json").read_text())[name]["config"].get("standardize")
    # 0.0.4 divided by the population's standard deviation, nilearn today by the sample's.
    scale = np.sqrt((len(expected) - 1) / len(expected)) if standardized else 1.0
    assert_close_in_sd(found, expected, scale)


def test_regions_that_0_0_4_dropped_are_kept_as_missing(engine, data_dir, tmp_path, monkeypatch):
    found = run_case("atlas_resampled", engine, data_dir, tmp_path, monkeypatch)
    expected = read_reference("atlas_resampled", data_dir)
    assert list(found.columns) == [f"roi {index}" for index in range(1, 117)]
    assert found.drop(columns=expected.columns).isna().all(axis=None)
    assert_close_in_sd(found[expected.columns], expected)
