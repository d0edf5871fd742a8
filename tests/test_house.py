"""The package's column of wings, as a reader of the folder names sees it; import-linter keeps the imports."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest

import niimasker

PACKAGE = Path(niimasker.__file__).parent
ROOT = Path(__file__).parents[1]
FOLDERS = [path.parent for path in sorted(PACKAGE.rglob("__init__.py")) if path.parent != PACKAGE]
MODULES = [path for path in sorted(PACKAGE.rglob("*.py")) if path.name != "__init__.py"]
MOST_ROOT_MODULES, MOST_LINES = 7, 300
# One noun: the list of all options.
LONG_MODULES = {"options/settings.py"}


def name(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def test_root_holds_few_modules():
    at_root = sorted(path.stem for path in PACKAGE.glob("*.py"))
    assert len(at_root) <= MOST_ROOT_MODULES, at_root


def test_every_wing_and_root_module_has_a_line_of_its_own_in_the_column():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract["name"] == "Imports go one way")
    at_root = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__", "__main__"}
    wings = {folder.name for folder in FOLDERS if folder.parent == PACKAGE}
    assert sorted(layers) == sorted(f"niimasker.{each}" for each in at_root | wings)


@pytest.mark.parametrize("folder", FOLDERS, ids=name)
def test_folder_says_what_lives_there_and_nothing_else(folder):
    (docstring,) = ast.parse((folder / "__init__.py").read_text("utf-8")).body
    assert isinstance(docstring, ast.Expr)
    assert 2 <= docstring.value.value.count(".") <= 8


@pytest.mark.parametrize("module", MODULES, ids=name)
def test_module_holds_one_noun(module):
    assert module.stem not in (module.parent.name, module.parent.name.removesuffix("s"))
    n_lines = len(module.read_text("utf-8").splitlines())
    assert n_lines <= MOST_LINES or name(module) in LONG_MODULES


def test_tests_mirror_the_wings():
    wings = {folder.name for folder in FOLDERS if folder.parent == PACKAGE}
    assert wings <= {path.name for path in (ROOT / "tests").iterdir() if path.is_dir()}
