"""Random pipelines beside each other write what each writes in a call of its own; censored values change nothing."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from cleaned_studies import IMAGES, save_series
from hypothesis import given, settings
from hypothesis import strategies as st
from pipeline_tables import assert_as_alone, extract_quietly, label_of, only_tables, results_in, tables_of
from random_cases import OPTIONS_OF_CLEANING, cases

from niimasker.options.settings import ENGINES, OPTIONS

# nilearn's maskers do not read CIFTI files.
IMAGES_OF = {"stream": IMAGES, "nilearn": tuple(kind for kind in IMAGES if kind != "dtseries")}


@contextlib.contextmanager
def new_folder() -> Iterator[None]:
    """Be in a folder of its own, that is removed in the end."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)


def reasons(outcomes: list[Any]) -> dict[str, str | None]:
    """Return why the run of each pipeline failed."""
    return {outcome.run.pipeline: outcome.reason for outcome in outcomes}


@pytest.mark.parametrize("engine", ENGINES)
@given(data=st.data())
@settings(max_examples=16)
def test_each_pipeline_is_its_own_call_byte_for_byte(engine, data):
    case = data.draw(cases(IMAGES_OF[engine]))
    with new_folder():
        options = {**case.write(), "engine": engine}
        ends = reasons(extract_quietly("out", **options, pipelines=case.pipelines))
        assert list(ends) == list(case.pipelines)
        for name, cleaning in case.pipelines.items():
            (alone,) = extract_quietly(f"alone {name}", **{**options, **cleaning})
            assert ends[name] == alone.reason
            assert_as_alone("out", name, f"alone {name}")
        n_files = len(only_tables(results_in("out")))
        assert n_files == sum(len(tables_of("out", name)) for name in case.pipelines)


def left_out(path: Path) -> np.ndarray:
    """Return which volumes a table of outliers has as discarded or censored."""
    return pd.read_csv(path, sep="\t").to_numpy().any(axis=1)


@pytest.mark.parametrize("engine", ENGINES)
@given(data=st.data(), others=st.sampled_from([np.nan, np.inf, -1e6, None]))
@settings(max_examples=12)
def test_values_of_censored_volumes_change_nothing(engine, data, others):
    """Each pipeline in turn has new values in all that it does not keep; the others keep some of these volumes."""
    case = data.draw(cases(tuple(kind for kind in IMAGES_OF[engine] if kind != "int16")))
    with new_folder():
        options = {**case.write(), "engine": engine, "pipelines": case.pipelines}
        values = case.make_values()
        done = {outcome.run.pipeline for outcome in extract_quietly("out", **options) if outcome.reason is None}
        for name in sorted(done):
            tables = tables_of("out", name)
            outliers = [path for path in tables if path.endswith("_outliers.tsv")]
            if not outliers:
                continue
            (path,) = Path("out").glob(f"*_desc-{label_of(name)}_outliers.tsv")
            gone = left_out(path)
            changed = values.copy()
            rng = np.random.default_rng(case.seed)
            changed[gone] = rng.uniform(-9e3, 9e3, changed[gone].shape) if others is None else others
            save_series(case.image, changed)
            extract_quietly("changed", **options)
            assert tables_of("changed", name) == tables


def test_all_that_may_differ_is_drawn():
    assert {option.name for option in OPTIONS if option.varies} == OPTIONS_OF_CLEANING
