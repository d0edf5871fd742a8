"""CONTRIBUTING.md and the files beside it agree with the code."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

import niimasker

ROOT = Path(__file__).parents[2]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
LAYERS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"][0]["layers"]


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_links_to_files_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#]+)\)", (ROOT / page).read_text("utf-8"))
    files = {link for link in links if "://" not in link}
    assert {link for link in files if not (ROOT / link).exists()} == set()


def test_paths_named_in_contributing_exist():
    paths = set(re.findall(r"`((?:niimasker|tests|benchmarks)/[\w/.]*)`", CONTRIBUTING))
    assert len(paths) > 30
    assert {path for path in paths if not (ROOT / path).exists()} == set()


def test_the_column_of_wings_is_the_one_that_import_linter_keeps():
    first_cells = re.findall(r"^\| (`niimasker/.*?) \|", CONTRIBUTING.partition("\n## How a run")[0], re.MULTILINE)
    modules = [name for cell in first_cells for name in re.findall(r"niimasker/(\w+)", cell)]
    assert modules == [layer.removeprefix("niimasker.") for layer in LAYERS]


def test_names_of_the_code_in_contributing_exist():
    named = {
        "niimasker/regions/atlases/sources.py": "ATLASES",
        "niimasker/inputs/regressor_words.py": "WORDS",
        "niimasker/options/settings.py": "CONNECTIVITY_KINDS",
    }
    for path, name in named.items():
        assert f"`{name}`" in CONTRIBUTING
        assert re.search(rf"^{name}\b", (ROOT / path).read_text("utf-8"), re.MULTILINE) or (
            f" {name} =" in (ROOT / path).read_text("utf-8")
        )


def test_citation_names_this_version():
    citation = (ROOT / "CITATION.cff").read_text("utf-8")
    assert re.findall(r"^version: (.+)$", citation, re.MULTILINE) == [niimasker.__version__]


def test_hooks_before_a_commit_are_the_checks_of_ci():
    hooks = re.findall(r"entry: (.+)$", (ROOT / ".pre-commit-config.yaml").read_text("utf-8"), re.MULTILINE)
    checks = re.findall(r"^\"\$venv/bin/(ruff|mypy|lint-imports)\"(.*)$", (ROOT / ".ci/run").read_text("utf-8"), re.M)
    assert hooks == [f"{tool}{arguments}".removesuffix(" .") for tool, arguments in checks]


def test_types_are_declared_for_who_imports_the_package():
    assert (ROOT / "niimasker/py.typed").is_file()
