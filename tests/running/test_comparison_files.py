"""The files that compare pipelines: written in one call, or not, with the reason."""

from __future__ import annotations

import pandas as pd
import pytest
from compared_pipelines import PIPELINES, make_correlations, write_study

from niimasker.errors import NiimaskerWarning
from niimasker.outputs.study_names import name_comparison_files
from niimasker.running.comparison_files import try_comparison_files


@pytest.fixture
def study(tmp_path):
    (tmp_path / "niimasker_data").mkdir()
    return write_study(tmp_path, *make_correlations())


def write(study, *, has_page: bool = True):
    return try_comparison_files(study.settings, study.rows, study.keys, has_page=has_page)


def test_page_and_table_are_written(study, tmp_path):
    note = write(study)
    assert (note.page_name, note.text) == ("pipelines.html", "3 pipelines over 14 runs that all of them kept")
    files = name_comparison_files(tmp_path)
    assert files.page_path.is_file()
    assert pd.read_csv(files.numbers_path, sep="\t")["pipeline"].tolist() == list(PIPELINES)


def test_table_alone_is_written_without_pages(study, tmp_path):
    assert write(study, has_page=False).page_name is None
    files = name_comparison_files(tmp_path)
    assert (files.page_path.exists(), files.numbers_path.exists()) == (False, True)


def test_nothing_is_written_for_few_runs(study, tmp_path):
    for row in study.rows[:12]:
        row.update(mean_fd=None)
    for row in study.rows[12:14]:
        row.update(status="failed", reason="broken")
    note = write(study)
    assert note.page_name is None
    assert note.text.startswith("No comparison of pipelines: it needs 10 runs that every pipeline kept")
    assert not name_comparison_files(tmp_path).numbers_path.exists()


def test_nothing_is_written_before_all_runs_are_processed(study):
    study.rows[4].update(status="not started")
    assert write(study).text.endswith("once every run has been processed, and 1 run did not start.")


def test_error_is_a_warning(study, tmp_path):
    study.rows[0].update(n_volumes=None)
    with pytest.warns(NiimaskerWarning, match="the comparison of pipelines is not written: "):
        note = write(study)
    assert note.text.startswith("No comparison of pipelines: ")
