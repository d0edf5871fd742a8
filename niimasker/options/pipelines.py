"""Pipelines: named ways of cleaning, from the presets of the package, JSON files and objects."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from niimasker.errors import SettingsError, find_nearest, shorten_text
from niimasker.options.json_files import read_json, read_option_file
from niimasker.options.paths import expand_home
from niimasker.options.settings import OPTIONS_BY_NAME, Option, Pipeline, make_label

_PRESETS_PATH = Path(__file__).with_name("presets.json")
# Long names leave no room for the image's in the name of a file, which may have 255 characters.
_MAX_CHARACTERS = 100
_NAME = re.compile(rf"[0-9A-Za-z](?:[0-9A-Za-z .+_-]{{,{_MAX_CHARACTERS - 2}}}[0-9A-Za-z])?")
_EXPECTED = 'expected an object such as {"24P": {"regressors": "Params24"}}'

# Returns the checked value of an option; raises SettingsError.
Check = Callable[[Option, Any], Any]


@cache
def read_presets() -> Mapping[str, Mapping[str, Any]]:
    """Return the options of each pipeline that the package provides, by its name."""
    presets: Mapping[str, Mapping[str, Any]] = read_json(_PRESETS_PATH)
    return presets


def read_pipelines(given: Sequence[str | Mapping[str, Any]], check: Check) -> tuple[Pipeline, ...]:
    """Return pipelines with checked options.

    Parameters
    ----------
    given
        Names of presets, JSON files, and objects with the options of each pipeline by its name.
    check
        Returns the checked value of an option.

    Raises
    ------
    SettingsError
        A preset does not exist, a file cannot be read, an option may not differ between pipelines or is not valid, or
        two pipelines cannot be told apart by the names of their files.
    """
    pipelines = tuple(_make_pipeline(name, options, check) for name, options in _list_pipelines(given))
    labels: dict[str, str] = {}
    for pipeline in pipelines:
        label = fold_label(pipeline.name)
        if label in labels:
            raise SettingsError(
                f"--pipelines: {labels[label]!r} and {pipeline.name!r} would write files of the same name "
                f"(desc-{pipeline.label}); rename one of them."
                if labels[label] != pipeline.name
                else f"--pipelines: {pipeline.name!r} is given twice; keep one of them."
            )
        labels[label] = pipeline.name
    return pipelines


def fold_label(name: str) -> str:
    """Return the label of a pipeline in lower case: some disks take names that differ in case alone for the same."""
    return make_label(name).casefold()


def _list_pipelines(given: Sequence[str | Mapping[Any, Any]]) -> Iterator[tuple[Any, Any]]:
    """Yield each pipeline's name and options as they are given; the keys of a Python dictionary may not be text."""
    for item in given:
        if isinstance(item, str):
            yield from _find_by_name(item).items()
        else:
            yield from item.items()


def _find_by_name(text: str) -> Mapping[str, Any]:
    """Return the pipelines that a word of the command line stands for: a preset, or those of a file."""
    presets = read_presets()
    if text in presets:
        return {text: presets[text]}
    path = expand_home(text)
    if path.suffix.lower() != ".json" and not path.is_file():
        raise SettingsError(
            f"--pipelines: {shorten_text(text)!r} is neither a preset nor a .json file; {_suggest(text, presets)}."
        )
    return read_option_file(path, "pipelines", expected=_EXPECTED, noun="pipelines")


def _suggest(text: str, presets: Mapping[str, Any]) -> str:
    """Return what a word that names no pipelines may have been meant as."""
    if text.lstrip().startswith("{"):
        return "write the object into a .json file and give the name of that file"
    if "," in text:
        return "separate several by spaces, in JSON give a list"
    close = find_nearest(text, presets)
    return f"the nearest is {close!r}" if close else f"the presets are {', '.join(presets)}"


def _make_pipeline(name: Any, options: Any, check: Check) -> Pipeline:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        shown = repr(shorten_text(name) if isinstance(name, str) else name)
        raise SettingsError(
            f"--pipelines: {shown} cannot be the name of a pipeline; "
            f"give letters and digits, at most {_MAX_CHARACTERS}, with spaces or . + - _ between them."
        )
    if isinstance(options, list) and len(options) == 1:
        options = options[0]  # R's jsonlite writes every value as a list.
    if not isinstance(options, Mapping):
        raise SettingsError(
            f'--pipelines: pipeline {name!r} is not an object of options, such as {{"regressors": "Params24"}}.'
        )
    try:
        return Pipeline(name, tuple((option, _check_option(option, value, check)) for option, value in options.items()))
    except SettingsError as error:
        raise name_pipeline(name, error) from error


def name_pipeline(name: str, error: SettingsError) -> SettingsError:
    """Return an error in the options of a pipeline with the pipeline's name."""
    return SettingsError(f"pipeline {name!r}: {error}")


def _check_option(name: Any, value: Any, check: Check) -> Any:
    # The keys of a Python dictionary may not be text.
    text = str(name)
    option = OPTIONS_BY_NAME.get(text)
    varying = [each.name for each in OPTIONS_BY_NAME.values() if each.varies]
    if option is None:
        close = find_nearest(text, varying)
        hint = f"the nearest is {close!r}" if close else f"a pipeline may set {', '.join(varying)}"
        raise SettingsError(f"unknown option {shorten_text(text)!r}; {hint}.")
    if not option.varies:
        raise SettingsError(
            f"{name!r} is the same for all pipelines, which share one reading of each image; give it once, as "
            f'--{name} or beside "pipelines", or in a call of its own. A pipeline may set {", ".join(varying)}.'
        )
    # As in a JSON file of options, but what the call gives does not count either.
    return option.default if value is None or value in ("", [], {}) else check(option, value)
