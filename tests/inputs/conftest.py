from __future__ import annotations

import gc
import threading
import warnings
from collections.abc import Iterator

import pytest


@pytest.fixture
def nothing_is_left() -> Iterator[None]:
    """Check that a test leaves no thread and no open file behind."""
    n_threads = threading.active_count()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        yield
        gc.collect()
    assert [str(warning.message) for warning in caught] == []
    assert threading.active_count() == n_threads
