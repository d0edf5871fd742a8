from __future__ import annotations

import pytest


@pytest.fixture
def no_network(monkeypatch, tmp_path):
    """Send whatever wants out to a port on which nobody listens: it fails at once, and without DNS."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.setenv(name.lower(), "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy", "NILEARN_SHARED_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NILEARN_DATA", str(tmp_path / "default"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)  # Talairach's fetcher leaves a temporary folder behind


@pytest.fixture
def atlas_dir(tmp_path):
    return tmp_path / "atlases"
