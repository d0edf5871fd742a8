from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# Half of hypothesis's default: the default run stays under two minutes on two cores.
settings.register_profile("short", max_examples=50, deadline=None)
settings.load_profile("short")


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real images; tests that need it are skipped where NIIMASKER_DATA does not name it."""
    folder = os.environ.get("NIIMASKER_DATA")
    if not folder:
        pytest.skip("NIIMASKER_DATA is not set")
    return Path(folder).resolve()
