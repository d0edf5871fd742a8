"""Which runs are compared, which pipeline lost the others, and why there is no comparison."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from compared_pipelines import N_RUNS, PIPELINES, make_correlations, make_row, write_study
from group_members import NAMES

from niimasker.group.compared_runs import LeftOut, find_compared_runs, reason_without_comparison
from niimasker.group.edges import matrix_of
from niimasker.outputs.naming import name_files
from niimasker.outputs.tables import write_relmat


@pytest.fixture
def study(tmp_path):
    """14 runs of three pipelines, all done."""
    return write_study(tmp_path, *make_correlations())


def found(study):
    return find_compared_runs(study.settings, study.rows, study.keys)


def reason(study) -> str:
    return reason_without_comparison(study.settings, found(study))


def row_of(study, run: int, pipeline: str) -> dict:
    (row,) = (row for row in study.rows if f"run-{run + 1}_" in row["image"] and row["pipeline"] == pipeline)
    return row


def image_of(run: int) -> str:
    return f"sub-{run:02}_run-{run + 1}_bold.nii.gz"


class TestLeftOut:
    def test_no_run_is_if_every_pipeline_kept_all(self, study):
        runs = found(study)
        assert (runs.n_runs, runs.left_out, runs.n_subjects) == (N_RUNS, (), N_RUNS)
        assert runs.pipelines == PIPELINES
        assert [len(members) for members in runs.members.values()] == [N_RUNS] * 3

    @pytest.mark.parametrize("status", ["failed", "excluded"])
    def test_run_that_one_pipeline_lost(self, study, status):
        row_of(study, 2, "24P").update(status=status, reason="few volumes", mean_fd=None)
        runs = found(study)
        assert runs.left_out == (LeftOut(image_of(2), "24P", "few volumes"),)
        assert {len(members) for members in runs.members.values()} == {N_RUNS - 1}
        assert [runs.losses[name].n_runs_lost for name in PIPELINES] == [0, 1, 0]

    def test_run_that_a_pipeline_has_not_started_or_has_no_row_of(self, study):
        row_of(study, 2, "24P").update(status="not started")
        study.rows.remove(row_of(study, 5, "baseline"))
        assert found(study).left_out == (
            LeftOut(image_of(2), "24P", "it did not start"),
            LeftOut(image_of(5), "baseline", "it did not start"),
        )

    def test_run_without_motion_is_lost_by_no_pipeline(self, study):
        for pipeline, value in zip(PIPELINES, (None, np.nan, None), strict=True):
            row_of(study, 4, pipeline).update(mean_fd=value)
        runs = found(study)
        assert runs.left_out == (LeftOut(image_of(4), None, "its mean framewise displacement is not known"),)
        assert {losses.n_runs_lost for losses in runs.losses.values()} == {0}

    def test_motion_is_that_of_a_pipeline_that_does_not_filter_it(self, study):
        first, second, *_ = PIPELINES
        study.settings[first] = dataclasses.replace(study.settings[first], motion_filter="notch")
        row_of(study, 4, first).update(mean_fd=0.01)
        row_of(study, 4, second).update(mean_fd=0.4)
        runs = found(study)
        assert {members[4].mean_fd for members in runs.members.values()} == {0.4}

    def test_run_with_other_regions(self, study):
        for pipeline in PIPELINES:
            row = row_of(study, 4, pipeline)
            (tables,) = name_files(study.settings[pipeline], row["output"], study.keys).tables
            write_relmat(tables.relmat_paths[0], matrix_of(np.zeros(15), 6), ["x", *NAMES[1:]])
        assert found(study).left_out == (LeftOut(image_of(4), None, "its regions have other names"),)

    def test_run_whose_table_of_one_pipeline_is_gone(self, study):
        row = row_of(study, 4, "24P")
        (tables,) = name_files(study.settings["24P"], row["output"], study.keys).tables
        tables.relmat_paths[0].unlink()
        why = "a table of its connectivity or regions is missing"
        assert found(study).left_out == (LeftOut(image_of(4), "24P", why),)

    def test_rows_of_other_pipelines_take_no_part(self, study):
        study.rows.append(make_row("/data/other_bold.nii.gz", "other", "older", 0.1))
        assert found(study).n_runs == N_RUNS

    def test_images_of_one_name_are_shown_by_their_paths(self, study):
        for pipeline in PIPELINES:
            row_of(study, 0, pipeline)["image"] = f"/other/{image_of(3)}"
        (row,) = (row for row in study.rows if row["image"].startswith("/other") and row["pipeline"] == "24P")
        row.update(status="failed", reason="broken")
        (left_out,) = found(study).left_out
        assert left_out.run == f"/other/{image_of(3)}"

    def test_losses_are_over_compared_runs(self, study):
        row_of(study, 0, "scrubbing.2+gsr").update(n_volumes=80, n_censored=120, degrees_of_freedom=20)
        whole = found(study).losses["scrubbing.2+gsr"]
        assert whole.censored_share == pytest.approx((13 * 20 + 120) / (14 * 200))
        assert whole.degrees_of_freedom_lost_share == pytest.approx(1 - (13 * 147.6 + 20) / (14 * 200))
        row_of(study, 0, "baseline").update(status="failed", reason="broken")
        assert found(study).losses["scrubbing.2+gsr"].censored_share == pytest.approx(0.1)


class TestReason:
    def test_there_is_none_for_ten_runs(self, study):
        for run in range(N_RUNS - 10):
            row_of(study, run, "24P").update(status="failed", reason="few volumes")
        assert reason(study) == ""

    def test_nine_runs_are_too_few_and_who_lost_the_others_is_said(self, study):
        for run in range(3):
            row_of(study, run, "24P").update(status="failed", reason="few volumes")
        row_of(study, 3, "baseline").update(status="excluded", reason="too much motion")
        for pipeline in PIPELINES:
            row_of(study, 4, pipeline).update(mean_fd=None)
        assert reason(study) == (
            "it needs 10 runs that every pipeline kept and whose mean framewise displacement is known; 9 of 14 runs "
            f"are (left out by 24P: {image_of(0)}, {image_of(1)}, {image_of(2)}; left out by baseline: {image_of(3)}; "
            f"left out for all pipelines: {image_of(4)})."
        )

    def test_no_run_at_all(self, study):
        for row in study.rows:
            row.update(status="failed", reason="no space", mean_fd=None)
        assert reason(study).startswith(
            "it needs two pipelines with results of 10 runs; there are fewer for baseline (0), 24P (0), "
            f"scrubbing.2+gsr (0) (left out by baseline: {image_of(0)}, "
        )
        assert (found(study).any_members, found(study).n_subjects) == ((), 0)

    def test_pipeline_with_few_runs_does_not_take_the_others_along(self, study):
        for run in range(5):
            row_of(study, run, "24P").update(status="failed", reason="no column matches aroma", mean_fd=None)
        runs = found(study)
        assert reason(study) == ""
        assert (runs.pipelines, runs.few_runs) == (("baseline", "scrubbing.2+gsr"), {"24P": 9})
        assert len(runs.any_members) == N_RUNS
        assert LeftOut(image_of(4), "24P", "no column matches aroma") in runs.left_out

    def test_ten_runs_of_one_pipeline_alone_are_not_compared(self, study):
        for run in range(5):
            for pipeline in ("24P", "baseline"):
                row_of(study, run, pipeline).update(status="failed", reason="broken")
        assert reason(study).startswith("it needs two pipelines with results of 10 runs; there are fewer for baseline")
        assert found(study).pipelines == ("scrubbing.2+gsr",)

    def test_motion_that_one_pipeline_knows_is_that_of_all(self, study):
        for run in range(N_RUNS):
            row_of(study, run, "baseline").update(mean_fd=None)
        assert reason(study) == ""
        expected = {row_of(study, run, "24P")["mean_fd"] for run in range(N_RUNS)}
        assert set(found(study).mean_fd.tolist()) == expected

    def test_one_pipeline_is_not_compared(self, study):
        study = dataclasses.replace(study, settings={"24P": study.settings["24P"]})
        assert reason(study) == "there is one pipeline."

    def test_pipelines_without_a_common_kind(self, study):
        own = dataclasses.replace(study.settings["24P"], connectivity=("covariance",))
        study = dataclasses.replace(study, settings={**study.settings, "24P": own})
        assert reason(study) == "the pipelines have no kind of --connectivity in common."

    def test_motion_that_does_not_vary(self, study):
        for row in study.rows:
            row["mean_fd"] = 0.125
        assert reason(study) == "the mean framewise displacement of all runs is 0.125 mm."
