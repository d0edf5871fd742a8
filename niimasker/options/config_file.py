"""Read the JSON file of options, or the record of an earlier call; `options.settings` says what each option means."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from niimasker.errors import SettingsError, shorten_text
from niimasker.options.json_files import describe_mistake, parse_json, read_json_text, refuse_duplicates
from niimasker.options.merging import suggest
from niimasker.options.paths import is_named_pipe
from niimasker.options.settings import (
    COMMAND_LINE_OPTIONS,
    DEPRECATED,
    OPTIONS,
    PER_CALL_OPTIONS,
    config_template,
)

_ONLY_COMMAND_LINE = {option.name for option in (*OPTIONS, *COMMAND_LINE_OPTIONS) if option.only_command_line}


def read_config(config_path: Path) -> dict[str, Any]:
    """Return the options in a JSON file; null, "", [] and {} count as not given.

    Of a parameters.json that niimasker wrote, these are the recorded options that shape the results, with None for
    those that had no value. The output directory and the options about how one call runs are those of the new call.

    Raises
    ------
    SettingsError
        The file cannot be read, is not one JSON object, or has a key that is not an option.
    """
    try:
        if is_named_pipe(config_path):
            raise ValueError("it is not a regular file")
        text = read_json_text(config_path, encoding="utf-8-sig")
    except OSError as error:
        raise SettingsError(
            f"{shorten_text(str(config_path))}: the configuration cannot be read ({error.strerror}); give a JSON file."
        ) from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{config_path}: the configuration is not UTF-8 text; save it as UTF-8.") from error
    except ValueError as error:
        raise SettingsError(f"{config_path}: not a configuration: {error}; give a JSON object of options.") from error
    config = _parse_json(text, config_path)
    if _is_record(config):
        return _read_record(config["parameters"], config_path)
    for key in config:
        _check_key(key, config_path)
    return {key: value for key, value in config.items() if not _is_empty(value)}


def _is_record(config: Mapping[str, Any]) -> bool:
    """Return whether the content of a JSON file is that of a parameters.json that niimasker wrote."""
    return all(isinstance(config.get(key), dict) for key in ("parameters", "meta_data"))


def _read_record(parameters: Mapping[str, Any], config_path: Path) -> dict[str, Any]:
    """Return the options of a record; what had no value has none again, whatever the command line says."""
    defaults = config_template()
    left_out = _ONLY_COMMAND_LINE | PER_CALL_OPTIONS
    # A name that is deprecated or of another version is in each record of its version, with or without a value.
    known = {key: value for key, value in parameters.items() if key in defaults or not _is_empty(value)}
    recorded = {key: value for key, value in known.items() if key not in left_out}
    for key in recorded:
        _check_key(key, config_path)
    return {key: defaults[key] if _is_empty(value) else value for key, value in recorded.items()}


def _is_empty(value: Any) -> bool:
    return value is None or value in ("", [], {})


def _parse_json(text: str, config_path: Path) -> dict[str, Any]:
    try:
        config = parse_json(text, object_pairs_hook=refuse_duplicates(config_path))
    except json.JSONDecodeError as error:
        mistake = describe_mistake(error, if_empty="start from config_template.json")
        raise SettingsError(f"{config_path}, {mistake}.") from error
    except ValueError as error:
        raise SettingsError(f"{config_path}: not a configuration: {error}; give a JSON object of options.") from error
    if not isinstance(config, dict):
        raise SettingsError(f"{config_path}: expected one JSON object, {{...}}, with an option per key.")
    return config


def _check_key(key: str, config_path: Path) -> None:
    if key in _ONLY_COMMAND_LINE:
        raise SettingsError(f"{config_path}: {key!r} can only be given on the command line; remove it from the file.")
    if key not in config_template() and key not in DEPRECATED:
        raise SettingsError(
            f"{config_path}: unknown option {shorten_text(key)!r}; {suggest(shorten_text(key), config_template())}."
        )
