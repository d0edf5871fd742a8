"""A file is read once while readings are shared, and gives each reader the same value, error and warnings."""

from __future__ import annotations

import pytest

from niimasker.errors import ConfoundsError, record_warnings, warn
from niimasker.inputs.shared_readings import read_once, share_readings


@pytest.fixture
def reader():
    """A function that reads, and the arguments that it was called with."""
    calls = []

    @read_once
    def read(name, *, suffix=""):
        calls.append((name, suffix))
        warn(f"{name} is odd")
        if name == "broken":
            raise ConfoundsError(f"{name} cannot be read")
        return [name + suffix]

    return read, calls


def read_with_warnings(read, *args, **options):
    with record_warnings() as recorded:
        value = read(*args, **options)
    return value, recorded


def test_value_and_warnings_are_repeated_without_reading_again(reader):
    read, calls = reader
    with share_readings():
        first, second = (read_with_warnings(read, "a") for _ in range(2))
    assert first == second == (["a"], ["a is odd"])
    assert first[0] is second[0]
    assert calls == [("a", "")]


def test_error_and_its_warnings_are_repeated_without_reading_again(reader):
    read, calls = reader
    with share_readings(), record_warnings() as recorded:
        for _ in range(2):
            with pytest.raises(ConfoundsError, match="broken cannot be read"):
                read("broken")
    assert recorded == ["broken is odd"] * 2
    assert calls == [("broken", "")]


def test_other_arguments_are_read_too(reader):
    read, calls = reader
    with share_readings():
        values = [
            read_with_warnings(read, *args, **options)[0] for args, options in ((["a"], {}), (["a"], {"suffix": "b"}))
        ]
    assert values == [["a"], ["ab"]]
    assert len(calls) == 2


def test_nothing_is_shared_outside_or_kept_afterwards(reader):
    read, calls = reader
    for _ in range(2):
        read_with_warnings(read, "a")
    for _ in range(2):
        with share_readings():
            read_with_warnings(read, "a")
    assert len(calls) == 4
