from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from niimasker.inputs.entities import RUN_ENTITIES, read_name, run_entities, show_entities, strip_zeros


@pytest.mark.parametrize(
    ("name", "entities", "suffix", "extension"),
    [
        ("sub-01_task-rest_bold.nii.gz", "sub-01 task-rest", "bold", ".nii.gz"),
        ("sub-01_ses-a_task-rest_dir-AP_run-1_echo-2_space-T1w_desc-preproc_bold.nii", None, "bold", ".nii"),
        ("sub-01_task-rest_desc-confounds_timeseries.tsv", None, "timeseries", ".tsv"),
        ("sub-01_task-rest_space-fsLR_den-91k_bold.dtseries.nii", None, "bold", ".dtseries.nii"),
        ("sub-1_space-MNIInfant_cohort-1_res-2_desc-brain_mask.nii.gz", None, "mask", ".nii.gz"),
        ("bold.nii.gz", "", "bold", ".nii.gz"),
    ],
)
def test_names_are_taken_apart(name, entities, suffix, extension):
    read = read_name(name)
    expected = name.split(".")[0].split("_")[:-1] if entities is None else entities.split()
    assert [f"{key}-{value}" for key, value in read.entities.items()] == expected
    assert (read.suffix, read.extension) == (suffix, extension)


@pytest.mark.parametrize(
    ("former", "today"),
    [
        ("sub-1_task-a_bold_space-T1w_preproc.nii.gz", "sub-1_task-a_space-T1w_desc-preproc_bold.nii.gz"),
        ("sub-1_task-a_bold_space-T1w_brainmask.nii.gz", "sub-1_task-a_space-T1w_desc-brain_mask.nii.gz"),
        ("sub-1_task-a_bold_confounds.tsv", "sub-1_task-a_desc-confounds_timeseries.tsv"),
        ("sub-1_task-a_desc-confounds_regressors.tsv", "sub-1_task-a_desc-confounds_timeseries.tsv"),
        (
            "sub-1_task-a_bold_space-T1w_variant-smoothAROMAnonaggr_preproc.nii.gz",
            "sub-1_task-a_space-T1w_desc-smoothAROMAnonaggr_bold.nii.gz",
        ),
    ],
)
def test_former_names_are_read_as_todays(former, today):
    assert read_name(former) == read_name(today)


def test_folders_give_no_entities():
    assert read_name("sub-02/ses-1/func/bold.nii.gz").entities == {}


def test_entities_of_a_run_leave_out_those_of_its_versions():
    name = "sub-1_ses-b_task-a_run-2_echo-1_space-T1w_res-2_desc-preproc_bold.nii.gz"
    assert run_entities(name) == {("sub", "1"), ("ses", "b"), ("task", "a"), ("run", "2"), ("echo", "1")}


@pytest.mark.parametrize(
    ("name", "value", "plain"),
    [("run", "01", "1"), ("echo", "002", "2"), ("run", "0", "0"), ("run", "00", "0"), ("run", "10", "10")],
)
def test_counted_values_lose_their_padding(name, value, plain):
    assert strip_zeros(name, value) == plain


@pytest.mark.parametrize("name", ["sub", "ses", "task", "acq"])
def test_other_values_keep_their_zeros(name):
    assert strip_zeros(name, "01") == "01"


def test_entities_are_shown_in_the_order_of_names():
    assert show_entities(frozenset({("run", "1"), ("task", "rest"), ("sub", "01")})) == "sub-01 task-rest run-1"


@given(
    entities=st.fixed_dictionaries(
        {}, optional=dict.fromkeys(RUN_ENTITIES, st.text("0123456789abcXYZ", min_size=1, max_size=5))
    ),
    n_zeros=st.integers(0, 3),
)
def test_runs_are_the_same_whatever_the_padding(entities, n_zeros):
    padded = {**entities, "run": "0" * n_zeros + entities["run"]} if "run" in entities else entities
    names = ["_".join([*(f"{key}-{each[key]}" for key in each), "bold.nii.gz"]) for each in (entities, padded)]
    assert run_entities(names[0]) == run_entities(names[1])
    assert len(run_entities(names[0])) == len(entities)
