from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real images; tests that need it are skipped where NIIMASKER_DATA does not name it."""
    folder = os.environ.get("NIIMASKER_DATA")
    if not folder:
        pytest.skip("NIIMASKER_DATA is not set")
    return Path(folder).resolve()
