from __future__ import annotations

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def surfaces_dir(data_dir) -> Path:
    """The folder of real surfaces and grayordinates."""
    return data_dir / "surfaces"


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """The current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def wb_command() -> str:
    """Workbench's program; tests that need it are skipped where it is not installed."""
    found = shutil.which("wb_command")
    if found is None:
        pytest.skip("wb_command is not installed")
    return found
