from __future__ import annotations

from pathlib import Path

import pytest
from cleaned_studies import write_study


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """The current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def study(folder) -> Path:
    """The current folder: two runs with confounds, and two atlases."""
    write_study(2)
    return folder
