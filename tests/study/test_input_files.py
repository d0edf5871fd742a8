"""The files that a study reads, which none of its outputs may replace."""

from __future__ import annotations

from types import SimpleNamespace

from ica_files import FMRIPREP_MIXING, NOISE_COMPONENTS, make_mixing, write_fmriprep

from niimasker.inputs.runs import Run
from niimasker.options.merging import make_settings
from niimasker.study.input_files import list_inputs


def test_files_that_one_pipeline_reads_are_inputs(tmp_path):
    table_path = write_fmriprep(tmp_path, make_mixing())
    pipelines = {"plain": {}, "orthogonal": {"regressors": ["ica_aroma=orthogonal"]}}
    settings = make_settings(
        {"output_dir": tmp_path, "input_files": "a.nii", "roi_file": "b.nii", "pipelines": pipelines}
        | {"regressor_files": str(table_path), "regressors": "csf"}
    )
    for pipeline, expected in (("plain", False), ("orthogonal", True)):
        run = Run(tmp_path / "a.nii", table_path, "a", pipeline=pipeline)
        inputs = list_inputs(SimpleNamespace(settings=settings, all_runs=(run,)))
        assert [tmp_path / name in inputs for name in (FMRIPREP_MIXING, NOISE_COMPONENTS)] == [expected] * 2
