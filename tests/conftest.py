from __future__ import annotations

import gc
import os
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings

# Half of hypothesis's default: the default run stays under two minutes on two cores.
# The same examples each time: what fails in one place fails everywhere. NIIMASKER_FUZZ draws others.
settings.register_profile("short", max_examples=50, deadline=None, derandomize="NIIMASKER_FUZZ" not in os.environ)
settings.load_profile("short")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep the garbage collector away from what lives to the end: modules, tests and their parameters.

    Walking through them again and again takes a third of the collection's time, and more than a second at each
    `gc.collect` of a test.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real images; tests that need it are skipped where NIIMASKER_DATA does not name it."""
    folder = os.environ.get("NIIMASKER_DATA")
    if not folder:
        pytest.skip("NIIMASKER_DATA is not set")
    return Path(folder).resolve()
