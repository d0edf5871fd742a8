"""A file's state tells every change once it is settled, and a checksum is of the content that the file has."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest

from niimasker.inputs import file_states
from niimasker.inputs.file_states import (
    FileState,
    checksum,
    list_changed,
    read_settled_states,
    read_state,
    read_states,
)

NOW = 1_700_000_000_123_456_789
MILLISECOND, SECOND = 10**6, 10**9


def make_state(modified_ns: int, changed_ns: int) -> FileState:
    return FileState(1, modified_ns, changed_ns, 1, is_settled=False)


@pytest.mark.parametrize(
    ("modified_ns", "changed_ns", "milliseconds"),
    [
        (NOW - 30 * MILLISECOND, NOW - 30 * MILLISECOND, -10),
        (NOW - 5 * MILLISECOND, NOW - 5 * MILLISECOND, 15),
        # cp -p and rsync -t set the time of modification, not that of the change.
        (0, NOW - 5 * MILLISECOND, 15),
        (1_600_000_000 * SECOND, NOW - 5 * MILLISECOND, 15),
        (NOW - 5 * MILLISECOND, 0, 15),
        # The clock of a file server may be ahead.
        (NOW + SECOND, NOW + SECOND, 20),
        (NOW + SECOND, 0, 20),
        # A file system without fractions of a second.
        (1_699_999_999 * SECOND, 1_699_999_999 * SECOND, 2000 - 1123.456789),
        (1_699_999_990 * SECOND, 1_699_999_990 * SECOND, 2000 - 10123.456789),
    ],
)
def test_state_settles_after_the_grain_of_the_clock(modified_ns, changed_ns, milliseconds):
    found = make_state(modified_ns, changed_ns).nanoseconds_to_settle(NOW)
    assert found / MILLISECOND == pytest.approx(milliseconds)


def wait_for_clock() -> None:
    time.sleep(0.05)


def test_new_file_is_not_settled_and_may_have_changed(tmp_path):
    path = tmp_path / "a"
    path.write_text("1")
    before = read_states({"a": path})
    assert not before["a"].is_settled
    assert list_changed(before, read_states({"a": path})) == ["a"]
    wait_for_clock()
    settled = read_states({"a": path})
    assert settled["a"].is_settled
    assert settled == before
    assert list_changed(settled, read_states({"a": path})) == []


@pytest.mark.parametrize("how", ["written", "replaced", "removed", "grown"])
def test_settled_state_tells_every_change(tmp_path, how):
    path, other = tmp_path / "a", tmp_path / "b"
    for each in (path, other):
        each.write_text("1")
        os.utime(each, (1e9, 1e9))
    wait_for_clock()
    before = read_states({"a": path})
    match how:
        case "written":
            path.write_text("2")
            os.utime(path, (1e9, 1e9))
        case "replaced":
            other.replace(path)
        case "removed":
            path.unlink()
        case "grown":
            path.write_text("12")
    assert list_changed(before, read_states({"a": path})) == ["a"]


def test_files_that_appear_or_are_no_longer_read_count_as_changed(tmp_path):
    path = tmp_path / "a"
    missing = read_states({"a": path})
    assert missing == {"a": None}
    assert list_changed(missing, read_states({"a": path})) == []
    path.write_text("1")
    assert list_changed(missing, read_states({"a": path})) == ["a"]
    assert list_changed(missing, {}) == ["a"]
    assert list_changed({}, missing) == ["a"]


@pytest.mark.parametrize("name", ["", "a\0b", "fifo", "folder/missing"])
def test_what_is_no_file_is_missing(tmp_path, name):
    os.mkfifo(tmp_path / "fifo")
    assert read_state(tmp_path / name) is None


def test_old_files_are_not_waited_for(tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_text("1")
    wait_for_clock()
    monkeypatch.setattr(file_states.time, "sleep", lambda seconds: pytest.fail("waited"))
    assert read_settled_states({"a": path, "b": tmp_path / "b"}) == {"a": read_state(path), "b": None}


def test_new_files_are_waited_for_once(tmp_path):
    paths = {name: tmp_path / name for name in "abcdef"}
    for path in paths.values():
        path.write_text("1")
    start = time.perf_counter()
    states = read_settled_states(paths)
    assert time.perf_counter() - start < 0.1
    assert all(state.is_settled for state in states.values())


def test_file_whose_server_is_ahead_settles(tmp_path):
    path = tmp_path / "a"
    path.write_text("1")
    os.utime(path, (4e9, 4e9))
    wait_for_clock()
    assert not read_state(path).is_settled
    assert read_settled_states({"a": path})["a"].is_settled


def test_file_that_is_written_meanwhile_is_not_settled(tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_text("1")
    monkeypatch.setattr(file_states.time, "sleep", lambda seconds: path.write_text("12"))
    assert not read_settled_states({"a": path})["a"].is_settled


def test_checksum_is_of_the_content_and_read_once(tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_text("1")
    wait_for_clock()
    assert checksum(path) == hashlib.sha256(b"1").hexdigest()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", lambda *_, **__: pytest.fail("read again"))
        assert checksum(path) == hashlib.sha256(b"1").hexdigest()
    # Written within the clock's grain, again and again, so that states may repeat.
    for number in range(200):
        path.write_text(str(number % 10))
        os.utime(path, (1e9, 1e9))
        assert checksum(path) == hashlib.sha256(str(number % 10).encode()).hexdigest()
