"""The page of censoring has every interpolation, and errors that the benchmark finds."""

from __future__ import annotations

import importlib.util

import pytest
from documentation import ROOT, table

from niimasker.options.settings import INTERPOLATIONS

COLUMNS = ("monotone cubic", "cubic spline", "straight lines")
OTHERS = ("Lomb-Scargle", "sines projected out", "nilearn's sample_mask")
ERRORS = table("gaps", "censored", *COLUMNS, *OTHERS)
WITH_CONFOUNDS = table("size of confounds", "censored", *COLUMNS)
# The tables are of 100 runs with fixed seeds.
N_RUNS = 100
# Errors are printed with three decimals.
ROUNDING = 0.0006


@pytest.fixture(scope="module")
def gaps():
    spec = importlib.util.spec_from_file_location("gaps", ROOT / "benchmarks/gaps.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_interpolation_is_described():
    assert tuple(row[0] for row in table("`--interpolation`", "bridge between two kept volumes")) == INTERPOLATIONS


def test_rows_and_columns_are_those_that_the_benchmark_prints(gaps):
    assert (*COLUMNS, *OTHERS) == tuple(gaps.METHODS)
    assert [row[0] for row in ERRORS[:4]] == list(gaps.PATTERNS)
    assert [float(row[0]) for row in WITH_CONFOUNDS] == list(gaps.SIZES_OF_CONFOUNDS)


@pytest.mark.parametrize("row", ERRORS[:2], ids=lambda row: row[0])
def test_errors_of_long_gaps_are_what_is_said(gaps, row):
    pattern = gaps.PATTERNS[row[0]]
    found = gaps.measure_errors(pattern, [gaps.METHODS[name] for name in COLUMNS], N_RUNS)
    assert found == pytest.approx([float(cell) for cell in row[2:5]], abs=ROUNDING)
    assert f"{gaps.measure_share(pattern, N_RUNS):.0%}" == row[1]


def test_errors_of_large_confounds_are_what_is_said(gaps):
    *_, row = WITH_CONFOUNDS
    methods = [gaps.METHODS[name] for name in COLUMNS]
    found = gaps.measure_errors(gaps.PATTERNS[gaps.BURSTS], methods, N_RUNS, confounds_size=float(row[0]))
    assert found == pytest.approx([float(cell) for cell in row[2:]], abs=ROUNDING)


def test_errors_of_real_gaps_are_what_is_said(gaps, data_dir):
    paths = sorted((data_dir / "confounds").glob("fmriprep-*/*/func/*.tsv"))
    patterns = gaps.measured_patterns(paths)
    rows = {row[0]: row for row in ERRORS[4:]}
    assert list(rows) == list(patterns)
    for name, pattern in patterns.items():
        found = gaps.measure_errors(pattern, [gaps.METHODS[column] for column in COLUMNS], N_RUNS)
        assert found == pytest.approx([float(cell) for cell in rows[name][2:5]], abs=ROUNDING)
