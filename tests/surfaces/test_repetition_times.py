"""The repetition time of surfaces and grayordinates: --t_r, JSON file, header."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from extracting import extract_run, run
from made_up_surfaces import save_dtseries, save_func, save_label_gii
from small_brain import BRAIN, N_MESH, make_values, write_atlas

pytestmark = pytest.mark.usefixtures("folder")

STEM = "sub-01_task-rest_space-fsLR_den-91k_bold"
SURFACE_STEM = "sub-01_task-rest_hemi-L_space-fsnative_bold"


def extract_grayordinates(series: dict, **options: object):
    save_dtseries(f"{STEM}.dtseries.nii", make_values(n_volumes=40), BRAIN, **series)
    return extract_run("out", input_files=f"{STEM}.dtseries.nii", roi_file=write_atlas(), **options)


def extract_surface(time_step: str | None, **options: object):
    save_func(f"{SURFACE_STEM}.func.gii", make_values(N_MESH, 40), primary="CortexLeft", time_step=time_step)
    save_label_gii("atlas_hemi-L.label.gii", np.repeat([1, 2, 4], 14), {1: "a", 2: "b", 4: "c"})
    return extract_run("out", input_files=f"{SURFACE_STEM}.func.gii", roi_file="atlas_hemi-L.label.gii", **options)


@pytest.mark.parametrize(
    ("series", "t_r"),
    [
        ({"step": 0.8}, 0.8),
        ({"step": 720.0, "exponent": -3}, 0.72),
        ({"step": 72.0, "exponent": -2, "start": 0.0}, 0.72),
        ({"step": 0.2, "exponent": 1}, 2.0),
        ({"step": 2.2, "start": 1.0}, 2.2),
        ({"step": 1.0}, 1.0),
    ],
    ids=str,
)
def test_step_in_seconds_is_the_repetition_time(series, t_r):
    assert extract_grayordinates(series).sidecar["RepetitionTime"] == pytest.approx(t_r, abs=1e-9)


@pytest.mark.parametrize("unit", ["HERTZ", "METER", "RADIAN"])
def test_step_in_another_unit_is_none(unit):
    assert extract_grayordinates({"step": 0.8, "unit": unit}).sidecar["RepetitionTime"] is None


def test_step_of_0_is_none():
    assert extract_grayordinates({"step": 0.0}).sidecar["RepetitionTime"] is None


def test_step_of_1_beside_a_start_of_1_is_suspected():
    extracted = extract_grayordinates({"step": 1.0, "start": 1.0})
    assert extracted.warnings_with(STEM, "--t_r")


def test_suspected_step_is_not_used_by_a_filter_in_silence():
    save_dtseries(f"{STEM}.dtseries.nii", make_values(n_volumes=40), BRAIN, step=1.0, start=1.0)
    words = ["out", "-i", f"{STEM}.dtseries.nii", "-r", write_atlas(), "--high_pass", "0.02", "--no_report"]
    assert any("--t_r" in line for line in run(*words).lines)


def test_given_time_silences_the_suspicion():
    extracted = extract_grayordinates({"step": 1.0, "start": 1.0}, t_r=2.2)
    assert extracted.sidecar["RepetitionTime"] == 2.2
    assert extracted.sidecar["RepetitionTimeSource"] == "t_r"


@pytest.mark.parametrize("name", [f"{STEM}.json", f"{STEM}.dtseries.json", "task-rest_bold.json"])
def test_json_file_comes_before_the_header(name):
    Path(name).write_text(json.dumps({"RepetitionTime": 0.8}))
    sidecar = extract_grayordinates({"step": 0.8}).sidecar
    assert (sidecar["RepetitionTime"], sidecar["RepetitionTimeSource"]) == (0.8, "sidecar")


@pytest.mark.parametrize("name", [f"{STEM}.json", f"{STEM}.dtseries.json"])
def test_json_file_that_differs_from_the_header_is_used_with_a_warning(name):
    Path(name).write_text(json.dumps({"RepetitionTime": 2.2}))
    extracted = extract_grayordinates({"step": 1.0, "start": 1.0})
    assert extracted.sidecar["RepetitionTime"] == 2.2


@pytest.mark.parametrize("time_step", [None, "0", "0.000000"])
def test_surface_without_a_time_step_has_no_repetition_time(time_step):
    assert extract_surface(time_step).sidecar["RepetitionTime"] is None


@pytest.mark.parametrize("name", [f"{SURFACE_STEM}.json", "task-rest_bold.json"])
@pytest.mark.parametrize("time_step", [None, "0.000000"])
def test_json_file_of_a_surface(name, time_step):
    Path(name).write_text(json.dumps({"RepetitionTime": 1.5, "StartTime": 0.75}))
    sidecar = extract_surface(time_step).sidecar
    assert (sidecar["RepetitionTime"], sidecar["RepetitionTimeSource"]) == (1.5, "sidecar")
    assert sidecar["StartTime"] == 0.75


def test_given_time_of_a_surface():
    assert extract_surface("0.000000", t_r=1.25).sidecar["RepetitionTime"] == 1.25


def test_filter_without_a_repetition_time_is_refused():
    save_func(f"{SURFACE_STEM}.func.gii", make_values(N_MESH, 40), primary="CortexLeft", time_step="0")
    save_label_gii("atlas_hemi-L.label.gii", np.repeat([1, 2, 4], 14), {1: "a", 2: "b", 4: "c"})
    words = ["-i", f"{SURFACE_STEM}.func.gii", "-r", "atlas_hemi-L.label.gii", "--high_pass", "0.02", "--no_report"]
    result = run("out", *words)
    assert result.code == 2
    assert "--t_r" in result.err


def test_real_file_has_its_repetition_time(surfaces_dir):
    extracted = extract_run(
        "out",
        input_files=surfaces_dir / "cifti_jl/test.dtseries.nii",
        roi_file=surfaces_dir / "ciftify_rois/rois_for_tests.dlabel.nii",
    )
    assert extracted.sidecar["RepetitionTime"] == 0.8


@pytest.mark.parametrize("known_by", ["sidecar", "option"])
def test_suspected_step_is_no_warning_where_the_repetition_time_is_known(known_by):
    if known_by == "sidecar":
        Path(f"{STEM}.json").write_text('{"RepetitionTime": 2.2}', encoding="utf-8")
    options = {"t_r": 2.2} if known_by == "option" else {}
    extracted = extract_grayordinates({"step": 1.0, "start": 1.0}, **options)
    assert not extracted.warnings_with("a step of 1 s")
    assert extracted.sidecar["RepetitionTime"] == 2.2
