"""The thresholds of --judge, from a JSON file or an object."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping
from typing import Any

from niimasker.errors import SettingsError, find_nearest, shorten_text
from niimasker.options.json_files import read_option_file
from niimasker.options.thresholds import CONCERNS_ABOVE, DEFAULT_THRESHOLDS, Threshold, Thresholds
from niimasker.options.value_checks import HintError, check_path

_KEYS = tuple(field.name for field in dataclasses.fields(Thresholds))
_EXPECTED = 'expected an object such as {"minutes": {"amber": 9, "red": 5}}'


def read_thresholds(given: Any) -> Thresholds:
    """Return thresholds; values that are not given keep their defaults.

    Parameters
    ----------
    given
        The name of a JSON file, or an object such as ``{"minutes": {"amber": 9, "red": 5}, "coverage": None}``.

    Raises
    ------
    SettingsError
        The file cannot be read, or holds a key or number that is not valid.
    ValueError
        The value is neither a name nor an object.
    """
    if isinstance(given, Thresholds):
        return given
    if isinstance(given, Mapping):
        return _make_thresholds(given, "--judge")
    path = check_path(given)
    if str(given).lstrip().startswith("{"):
        raise HintError("write the object into a .json file and give the name of that file")
    content = read_option_file(path, "judge", expected=_EXPECTED, noun="thresholds")
    return _make_thresholds(content, f"--judge: {path}")


def _make_thresholds(given: Mapping[Any, Any], where: str) -> Thresholds:
    for key in given:
        _check_key(key, _KEYS, where)
    thresholds = {key: _make_threshold(key, _unwrap(value), where) for key, value in given.items()}
    return dataclasses.replace(DEFAULT_THRESHOLDS, **thresholds)


def _check_key(key: Any, known: tuple[str, ...], where: str) -> None:
    if key in known:
        return
    # The keys of a Python dictionary may not be text.
    text = shorten_text(str(key))
    close = find_nearest(text, known)
    hint = f"the nearest is {close!r}" if close else f"the keys are {', '.join(known)}"
    raise SettingsError(f"{where}: unknown key {text!r}; {hint}.")


def _make_threshold(key: str, value: Any, where: str) -> Threshold | None:
    if value is None:
        return None
    where = f"{where}: {key}"
    if not isinstance(value, Mapping):
        raise SettingsError(
            f"{where}: expected {_give_example(key)}, or null to judge runs without it, found {_format(value)}."
        )
    numbers = {name: _unwrap(number) for name, number in value.items()}
    for name in numbers:
        _check_key(name, ("amber", "red"), where)
    for name in ("amber", "red"):
        if numbers.get(name) is None:
            raise SettingsError(f"{where} has no {name!r}; give both thresholds, as in {_give_example(key)}.")
        _check_number(key, name, numbers[name], where)
    threshold = Threshold(numbers["amber"], numbers["red"])
    _check_order(key, threshold, where)
    return threshold


def _give_example(key: str) -> str:
    """Return the default of a key as JSON."""
    return json.dumps(dataclasses.asdict(getattr(DEFAULT_THRESHOLDS, key)))


def _check_number(key: str, name: str, number: Any, where: str) -> None:
    most = 1.0 if key == "coverage" else sys.float_info.max
    expected = "a number from 0 to 1" if key == "coverage" else "a number, 0 or above"
    is_number = isinstance(number, (int, float)) and not isinstance(number, bool)
    # The comparison is written so that NaN fails.
    if not is_number or not 0 <= number <= most:
        raise SettingsError(f"{where}: expected {expected}, as {name}, found {_format(number)}.")


def _check_order(key: str, threshold: Threshold, where: str) -> None:
    amber, red = threshold.amber, threshold.red
    if key in CONCERNS_ABOVE and amber > red:
        raise SettingsError(
            f"{where}: amber {amber:g} is above red {red:g}, but higher values are worse; give amber the lower number."
        )
    if key not in CONCERNS_ABOVE and amber < red:
        raise SettingsError(
            f"{where}: amber {amber:g} is below red {red:g}, but lower values are worse; give amber the higher number."
        )


def _unwrap(value: Any) -> Any:
    # R's jsonlite writes every value as a list.
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _format(value: Any) -> str:
    return shorten_text(json.dumps(value, default=str))
