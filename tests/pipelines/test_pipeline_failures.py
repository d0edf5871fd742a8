"""A pipeline that the data do not allow fails for its run alone; a warning is that of its pipeline alone."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cleaned_studies import N_VOLUMES, OPTIONS, WORDS, censor_runs, save_confounds, write_study
from pipeline_tables import (
    call,
    extract_quietly,
    facts_in,
    files_of,
    results_in,
    sidecars_of,
    statuses,
    summary,
    tables_alone,
    tables_of,
    write_pipelines,
)

from niimasker import extract
from niimasker.errors import NiimaskerWarning
from niimasker.options.settings import ENGINES

pytestmark = pytest.mark.usefixtures("study")
GOOD = {"raw": {}, "csf": {"regressors": ["csf"], "connectivity": ["pearson"]}}
COMPCOR = {"regressors": ["compcor"]}
# Leaves so few degrees of freedom that a warning says so.
FEW = {"few": {"regressors": ["Params24", "csf", "white_matter", "global_signal"]}}


def add_components(number: int) -> None:
    """Give the table of a run CompCor's components, and the JSON file that describes them."""
    path = Path(f"sub-{number:02}_task-rest_desc-confounds_timeseries.tsv")
    table = pd.read_csv(path, sep="\t", na_values="n/a")
    names = [f"a_comp_cor_{component:02}" for component in range(4)]
    table[names] = np.random.default_rng(number).normal(size=(N_VOLUMES, 4))
    save_confounds(path, table)
    description = {name: {"Method": "aCompCor", "Mask": "combined", "Retained": True} for name in names}
    path.with_suffix(".json").write_text(json.dumps(description))


def call_with(pipelines: dict, *words: object, output: str = "out"):
    """Process the study with pipelines."""
    return call(output, *WORDS, "--pipelines", write_pipelines("pipelines.json", pipelines), *words)


BAD = {
    "no components": (COMPCOR, "compcor|comp_cor"),
    "all censored": ({"censor_file": "sub-*_censor.txt"}, "censored"),
    "too many regressors": ({"regressors": ["Params24", "wm_csf"], "low_pass": 0.05}, "degrees of freedom"),
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("bad", BAD)
def test_pipeline_fails_alone(engine, bad):
    """Of both runs the first does not allow the pipeline, or neither does."""
    add_components(2)
    censor_runs((1,))
    cleaning, reason = BAD[bad]
    fails = {"01", "02"} if bad == "too many regressors" else {"01"}
    result = call_with({"raw": {}, "bad": cleaning, "csf": GOOD["csf"]}, "--engine", engine)
    assert result.code == 1
    assert "Traceback" not in result.err
    ends = {
        (f"sub-{run}", name): "failed" if name == "bad" and run in fails else "done"
        for run in ("01", "02")
        for name in ("raw", "bad", "csf")
    }
    assert statuses() == ends
    table = summary()
    failed = table[table["status"] == "failed"]
    assert all(re.search(reason, each) for each in failed["reason"])
    assert table.loc[table["status"] == "done", "reason"].isna().all()
    call_with(GOOD, "--engine", engine, output="good")
    for name in GOOD:
        assert files_of("out", name) == files_of("good", name)
    bad_files = results_in("out").keys() - results_in("good").keys()
    assert {path[:6] for path in bad_files} == {"sub-01", "sub-02"} - {f"sub-{run}" for run in fails}


def test_message_names_pipeline_and_image():
    censor_runs((1,))
    result = call_with({"raw": {}, "my.scrubbing": {"censor_file": "sub-*_censor.txt"}})
    (line,) = result.failures
    assert "my.scrubbing" in line or "desc-myscrubbing" in line
    assert "sub-01" in line
    assert "1 of 4 runs failed" in result.out


def test_reason_is_that_of_the_single_call():
    censor_runs((1,))
    options = {"censor_file": "sub-*_censor.txt"}
    alone = [outcome.reason for outcome in extract_quietly("alone", **OPTIONS, **options)]
    both = extract_quietly("out", **OPTIONS, pipelines={"raw": {}, "bad": options})
    assert [outcome.reason for outcome in both if outcome.run.pipeline == "bad"] == alone
    assert tables_of("out", "bad") == tables_alone("alone")


def test_broken_image_fails_with_all_its_pipelines():
    path = Path("sub-01_task-rest_bold.nii")
    path.write_bytes(path.read_bytes()[:-2000])
    assert call_with(GOOD).code == 1
    assert statuses() == {
        (run, name): "failed" if run == "sub-01" else "done" for run in ("sub-01", "sub-02") for name in GOOD
    }


def test_pipeline_that_no_run_allows_leaves_the_others():
    result = call_with({**GOOD, "bad": COMPCOR})
    assert result.code == 1
    assert [end for (_, name), end in statuses().items() if name == "bad"] == ["failed"] * 2
    call_with(GOOD, output="good")
    assert results_in("out") == results_in("good")


def test_fail_fast_stops_at_the_first_pipeline_that_fails():
    write_study(4)
    censor_runs((1,))
    for number in (3, 4):
        Path(f"sub-{number:02}_task-rest_censor.txt").write_text("0\n" * N_VOLUMES)
    result = call_with({"bad": {"censor_file": "sub-*_censor.txt"}, **GOOD}, "--fail_fast")
    assert result.code == 1
    ends = statuses()
    assert len(ends) == 4 * 3
    assert ends["sub-01", "bad"] == "failed"
    assert {end for (run, _), end in ends.items() if run != "sub-01"} == {"not started"}
    # What is not listed as done has left no file.
    done = {f"{run}_task-rest_bold_desc-{name}" for (run, name), end in ends.items() if end == "done"}
    assert {path.rpartition("_timeseries")[0] for path in results_in("out") if "_timeseries" in path} == done


class TestWarnings:
    def test_warning_of_a_pipeline_is_in_its_sidecar_alone(self):
        result = call_with({**GOOD, **FEW})
        assert result.code == 0
        assert "degrees of freedom are left" in result.err
        for name in GOOD:
            assert [sidecar["Warnings"] for sidecar in sidecars_of("out", name)] == [[], []]
        for sidecar in sidecars_of("out", "few"):
            assert any("degrees of freedom" in text for text in sidecar["Warnings"])
        table = summary()
        assert set(table.loc[table["n_warnings"] > 0, "pipeline"]) == {"few"}

    def test_warning_says_which_pipeline(self):
        result = call_with({**GOOD, **FEW})
        (line,) = [line for line in result.lines if "degrees of freedom" in line]
        assert "few" in line.replace("few or", "")

    def test_python_warns_of_it(self):
        with pytest.warns(NiimaskerWarning, match="degrees of freedom"):
            extract("out", no_report=True, **OPTIONS, pipelines={**GOOD, **FEW})

    def test_warning_about_the_image_is_in_all_sidecars(self):
        pipelines = {**GOOD, **FEW}
        extract_quietly("out", **OPTIONS, pipelines=pipelines, min_coverage=0.9, mask_img="mask.nii")
        for name, cleaning in pipelines.items():
            extract_quietly(name, **OPTIONS, **cleaning, min_coverage=0.9, mask_img="mask.nii")
            assert facts_in(files_of("out", name)) == facts_in(results_in(name))
