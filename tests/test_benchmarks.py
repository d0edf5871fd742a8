"""The benchmarks, which no test runs, import names that the package has."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

from niimasker.cli import main

FOLDER = Path(__file__).parents[1] / "benchmarks"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.name)
def test_names_that_benchmarks_import_exist(path):
    imports = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.ImportFrom)]
    imported = [(node.module, alias.name) for node in imports for alias in node.names]
    missing = [
        (module, name)
        for module, name in imported
        if module.split(".")[0] == "niimasker" and not hasattr(importlib.import_module(module), name)
    ]
    assert missing == []


def test_presets_of_the_pipelines_benchmark_can_be_applied_to_its_tables(tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(FOLDER)
    names, tables = importlib.import_module("pipeline_names"), importlib.import_module("fmriprep_tables")
    write_small_runs = importlib.import_module("pipeline_data").write_small_runs
    write_small_runs(tmp_path, 1)
    tables.write_fmriprep_table(tmp_path / "moved.tsv", names.N_VOLUMES, is_steady=False)
    presets = dict.fromkeys([names.ONE, *names.TEN, *names.FILTERING])
    given = ["-i", str(tmp_path / "*_bold.nii"), "-r", str(tmp_path / names.SMALL_ATLAS), "--pipelines", *presets]
    for table in ([], ["--regressor_files", str(tmp_path / "moved.tsv")]):
        assert main([str(tmp_path / "out"), *given, *table, "--dry_run"]) == 0
        assert f"{len(presets)} to do, 0 to skip, 0 with errors" in capsys.readouterr().out
