"""Ten runs and more: the group's tables of each pipeline are those of its own call."""

from __future__ import annotations

import shutil
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


def test_later_call_with_one_of_the_pipelines_leaves_the_group_of_the_other(outputs, tmp_path, monkeypatch):
    shutil.copytree(outputs, tmp_path / "copy", symlinks=True)
    monkeypatch.chdir(tmp_path / "copy")
    before = group_tables(Path("out"))
    words = [*WORDS, "--connectivity", "pearson", "--resume"]
    assert call("out", *words, "--pipelines", write_pipelines("one.json", {"raw": {}})).code == 0
    assert group_tables(Path("out")) == before
    added = write_pipelines("more.json", {"trend": {"detrend": True}})
    assert call("out", *words, "--pipelines", added).code == 0
    assert group_tables(Path("out")).keys() > before.keys()
    assert before.items() <= group_tables(Path("out")).items()


def test_pipeline_whose_runs_are_removed_has_no_group_any_more(outputs, tmp_path, monkeypatch):
    shutil.copytree(outputs, tmp_path / "copy", symlinks=True)
    monkeypatch.chdir(tmp_path / "copy")
    for path in Path("out").glob("**/*_desc-csf1_*"):
        path.unlink(missing_ok=True)
    words = [*WORDS, "--connectivity", "pearson", "--resume"]
    assert call("out", *words, "--pipelines", write_pipelines("one.json", {"raw": {}})).code == 0
    assert {name for name in group_tables(Path("out")) if "csf1" in name} == set()
