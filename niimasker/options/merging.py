"""Merge the command line with the JSON file, and check each option."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from niimasker.errors import SettingsError, find_nearest, shorten_text, warn
from niimasker.options.combinations import check_combinations, check_pipelines, check_required
from niimasker.options.pipelines import read_pipelines
from niimasker.options.python_values import to_json_value
from niimasker.options.settings import DEPRECATED, OPTIONS_BY_NAME, Option, Settings
from niimasker.options.value_checks import HintError


def suggest(name: str, names: Iterable[str]) -> str:
    """Return the end of an error message: the name nearest to a mistyped one, or all names if none is near."""
    close = find_nearest(name, names)
    return f"the nearest is {close!r}" if close else "the options are " + ", ".join(names)


def make_settings(given: Mapping[str, Any], config: Mapping[str, Any] | None = None) -> Settings:
    """Return checked settings; the JSON file overrides the given options, and these override the defaults.

    Parameters
    ----------
    given
        Options from the command line as JSON values, or from a Python call, where NumPy's scalars and arrays, tuples
        and paths work too.
    config
        Options from the JSON file, as `niimasker.options.config_file.read_config` returns them; None stands for no
        value, whatever is given.

    Raises
    ------
    SettingsError
        An option is unknown, a value is not valid, or options cannot be combined.
    """
    merged = _rename_deprecated(_merge(given, config or {}))
    unknown = [name for name in merged if name not in OPTIONS_BY_NAME]
    if unknown:
        raise SettingsError(f"unknown option {unknown[0]!r}; {suggest(unknown[0], OPTIONS_BY_NAME)}.")
    settings = Settings(**{name: _check_value(OPTIONS_BY_NAME[name], value) for name, value in merged.items()})
    check_required(settings)
    if not settings.pipelines:
        check_combinations(settings)
        return settings
    # So far the option holds what was given.
    given_pipelines: Sequence[Any] = settings.pipelines
    settings = dataclasses.replace(settings, pipelines=read_pipelines(given_pipelines, _check_value))
    check_pipelines(settings)
    return settings


def follows_preset(name: str, settings: Settings) -> bool:
    """Return whether settings have every option as a preset sets it.

    Parameters
    ----------
    name
        The name of a preset.
    settings
        Those of one pipeline, which may have its name.
    """
    (preset,) = read_pipelines([name], _check_value)
    return all(getattr(settings, option) == value for option, value in preset.options)


def _merge(given: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    values = {name: to_json_value(value) for name, value in given.items()}
    given = {name: value for name, value in values.items() if not _is_empty(value)}
    for name in sorted(given.keys() & config.keys()):
        if _normalise(name, given[name]) != _normalise(name, config[name]):
            warn(
                f"--{name} is {_format_value(given[name])} on the command line and {_format_value(config[name])} "
                "in the JSON file; the JSON file wins."
            )
    return {name: value for name, value in {**given, **config}.items() if value is not None}


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, (str, list)) and not value)


def _normalise(name: str, value: Any) -> Any:
    # A list of one item equals that item, and an object equals its words.
    with contextlib.suppress(SettingsError, KeyError):
        return _check_value(OPTIONS_BY_NAME[name], value)
    return value


def _format_value(value: Any) -> str:
    return shorten_text(json.dumps(value, default=_describe))


def _describe(value: Any) -> str:
    # The text of an image or of an array takes many lines.
    text = str(value)
    return text if len(text.splitlines()) == 1 else f"a {type(value).__name__}"


def _rename_deprecated(merged: dict[str, Any]) -> dict[str, Any]:
    for old, new in DEPRECATED.items():
        if old not in merged:
            continue
        if new in merged:
            raise SettingsError(f"both {old!r} and {new!r} are given; {old!r} is the old name of {new!r}: keep one.")
        warn(f"{old!r} is deprecated and read as {new!r}; use that name.")
        merged[new] = merged.pop(old)
    return merged


def _check_value(option: Option, value: Any) -> Any:
    if isinstance(value, list) and len(value) == 1 and not isinstance(option.default, tuple):
        value = value[0]  # R's jsonlite writes every value as a list.
    try:
        return option.option_type.check(value)
    except (ValueError, OverflowError) as error:
        name = option.name if option.positional else f"--{option.name}"
        why = f" ({error})" if isinstance(error, HintError) else ""
        raise SettingsError(
            f"{name}: expected {option.option_type.expected}, found {_format_value(value)}{why}."
        ) from error
