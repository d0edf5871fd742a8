"""The benchmarks, which no test runs, import names that the package has."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

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
