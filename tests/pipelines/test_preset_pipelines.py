"""Presets on real tables take the columns and the volumes that nilearn takes by the strategies of the benchmark."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from confounds_tables import N_VOLUMES, REST, RUN_1
from images import make_labels, save
from nilearn.interfaces.fmriprep import load_confounds, load_confounds_strategy
from pipeline_tables import call, extract_quietly, label_of, record, statuses

# The publication has no limit of DVARS; nilearn takes None for its default.
SCRUBBING = {"denoise_strategy": "scrubbing", "std_dvars_threshold": 1e9}
GSR = {"global_signal": "basic"}
# Wang et al. 2024, as they call nilearn.
BENCHMARK = {
    "baseline": {"strategy": ["high_pass"]},
    "simple": {"denoise_strategy": "simple"},
    "simple+gsr": {"denoise_strategy": "simple", **GSR},
    "scrubbing.5": {**SCRUBBING, "fd_threshold": 0.5},
    "scrubbing.5+gsr": {**SCRUBBING, "fd_threshold": 0.5, **GSR},
    "scrubbing.2": {**SCRUBBING, "fd_threshold": 0.2},
    "scrubbing.2+gsr": {**SCRUBBING, "fd_threshold": 0.2, **GSR},
    "compcor": {"denoise_strategy": "compcor"},
    "compcor6": {"denoise_strategy": "compcor", "n_compcor": 6},
    "aroma": {"denoise_strategy": "ica_aroma"},
}
CIRIC = ("24P", "36P", "36P+scrub", "aCompCor")
LABELS = make_labels((1, 2))


@pytest.fixture(params=[REST, RUN_1], ids=["24.1.1", "21.0.2"])
def run(request, data_dir, folder) -> Path:
    """An image of noise in the current folder, beside a real table."""
    table_path = data_dir / "confounds" / request.param
    for path in (table_path, table_path.with_suffix(".json")):
        shutil.copy(path, folder)
    values = np.random.default_rng(0).normal(1000, 10, (*LABELS.shape, N_VOLUMES[request.param])).astype(np.float32)
    save(Path("atlas.nii.gz"), LABELS)
    stem = table_path.name.removesuffix("_desc-confounds_timeseries.tsv")
    return save(Path(f"{stem}_space-MNI152NLin6Asym_desc-preproc_bold.nii.gz"), values, t_r=2.0)


def of_nilearn(image: Path, options: dict) -> tuple[pd.DataFrame, list[int]]:
    """Return nilearn's columns and the volumes that it keeps."""
    load = load_confounds if "strategy" in options else load_confounds_strategy
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        columns, kept = load(str(image), demean=False, **options)
    return columns, list(range(len(columns)) if kept is None else kept)


def stem_of(image: Path, name: str) -> str:
    return f"out/{image.name.removesuffix('.nii.gz')}_desc-{label_of(name)}"


def test_presets_are_nilearns_strategies(run):
    names = [name for name in BENCHMARK if name != "aroma"]
    outcomes = extract_quietly("out", input_files=run, roi_file="atlas.nii.gz", pipelines=names)
    assert [outcome.run.pipeline for outcome in outcomes] == names
    for outcome, name in zip(outcomes, names, strict=True):
        columns, kept = of_nilearn(run, BENCHMARK[name])
        if outcome.reason is not None:
            # Too few volumes for so many columns: nilearn says nothing.
            assert len(kept) - columns.shape[1] < 2, (name, outcome.reason)
            continue
        found = pd.read_csv(f"{stem_of(run, name)}_regressors.tsv", sep="\t", na_values="n/a")
        assert sorted(found) == sorted(columns), name
        np.testing.assert_allclose(found.loc[kept, columns.columns], columns.loc[kept], rtol=1e-7, atol=1e-8)
        outliers = Path(f"{stem_of(run, name)}_outliers.tsv")
        n_volumes = len(found)
        gone = (
            pd.read_csv(outliers, sep="\t").to_numpy().any(axis=1) if outliers.exists() else np.zeros(n_volumes, bool)
        )
        assert np.flatnonzero(~gone).tolist() == kept, name


def test_motion_presets_have_the_columns_of_their_names(run):
    options = {"input_files": run, "roi_file": "atlas.nii.gz"}
    ends = {each.run.pipeline: each.reason for each in extract_quietly("out", **options, pipelines=list(CIRIC))}
    assert set(ends) == set(CIRIC)
    for name, n_columns in (("24P", 24), ("36P", 36), ("36P+scrub", 36)):
        if ends[name] is None:
            found = pd.read_csv(f"{stem_of(run, name)}_regressors.tsv", sep="\t", nrows=1)
            assert len([column for column in found if not column.startswith("cosine")]) == n_columns


def test_aroma_takes_images_that_aroma_has_cleaned_alone(run):
    words = ["-r", "atlas.nii.gz", "--pipelines", "simple", "aroma", "--no_report"]
    assert call("out", "-i", run, *words).code == 1
    assert list(statuses().values()) == ["done", "failed"]
    cleaned = Path(run.name.replace("desc-preproc", "desc-smoothAROMAnonaggr"))
    shutil.copy(run, cleaned)
    assert call("cleaned", "-i", cleaned, *words).code == 0
    columns, _ = of_nilearn(cleaned, BENCHMARK["aroma"])
    stem = stem_of(cleaned, "aroma").replace("out", "cleaned")
    assert sorted(pd.read_csv(f"{stem}_regressors.tsv", sep="\t", nrows=1)) == sorted(columns)


def test_every_preset_is_known(run):
    words = ["-i", run, "-r", "atlas.nii.gz", "--no_report", "--pipelines", *BENCHMARK, *CIRIC]
    assert call("out", *words).code in (0, 1)
    assert list(record()["parameters"]["pipelines"]) == [*BENCHMARK, *CIRIC]
