"""Ten runs and more: the group's tables of each pipeline are those of its own call."""

from __future__ import annotations

from pathlib import Path

import pytest
from cleaned_studies import WORDS, write_study
from pipeline_tables import call, label_of, write_pipelines

PIPELINES = {"raw": {}, "csf.1": {"regressors": ["csf"], "detrend": True}}
ALONE = {"raw": [], "csf.1": ["--regressors", "csf", "--detrend"]}


@pytest.fixture(scope="module")
def outputs(tmp_path_factory) -> Path:
    """A folder with the outputs of both pipelines together and alone."""
    folder = tmp_path_factory.mktemp("group")
    words = [*WORDS, "--connectivity", "pearson"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_study(10)
        assert call("out", *words, "--pipelines", write_pipelines("p.json", PIPELINES)).code == 0
        for name, own in ALONE.items():
            assert call(name, *words, *own).code == 0
    return folder


def group_tables(folder: Path) -> dict[str, bytes]:
    """Return the content of the tables of the group, by their names."""
    return {path.name: path.read_bytes() for path in sorted((folder / "niimasker_data").glob("group*.tsv"))}


@pytest.mark.parametrize("name", PIPELINES)
def test_each_pipeline_has_the_numbers_of_its_own_call(outputs, name):
    together, alone = group_tables(outputs / "out"), group_tables(outputs / name)
    part = f"_desc-{label_of(name)}."
    assert {path.replace(part, "."): content for path, content in together.items() if part in path} == alone
    assert alone


def test_no_table_is_of_all_pipelines_together(outputs):
    assert all("_desc-" in name for name in group_tables(outputs / "out"))
