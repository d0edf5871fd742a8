"""Read JSON files that may hold anything."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from niimasker.errors import SettingsError, shorten_text

# The largest JSON files of fMRIPrep, for confounds tables with thousands of components, have about 10^6 characters.
_MAX_CHARACTERS = 2**24


def read_json_text(path: Path, *, encoding: str = "utf-8") -> str:
    """Return the text of a JSON file.

    Raises
    ------
    OSError, ValueError
        The file cannot be read, is not text in that encoding, or is longer than any JSON file meant for niimasker.
    """
    with path.open(encoding=encoding) as file:
        text = file.read(_MAX_CHARACTERS + 1)
    if len(text) > _MAX_CHARACTERS:
        raise ValueError(f"it is longer than {_MAX_CHARACTERS:,} characters")
    return text


def parse_json(text: str, **options: Any) -> Any:
    """Return the value of a JSON text; `options` are passed to `json.loads`.

    Raises
    ------
    ValueError
        The text is not JSON, is nested too deeply, or contains a number of too many digits.
    """
    try:
        return json.loads(text, **options)
    except json.JSONDecodeError:
        raise
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    except ValueError as error:
        raise ValueError("a number in it has thousands of digits") from error


def read_json(path: Path, *, encoding: str = "utf-8", **options: Any) -> Any:
    """Return the value in a JSON file; raises as `read_json_text` and `parse_json` do, and for a pipe."""
    if path.is_fifo():  # opening a pipe without a writer would block
        raise ValueError("it is not a regular file")
    return parse_json(read_json_text(path, encoding=encoding), **options)


def read_option_file(path: Path, option: str, *, expected: str, noun: str) -> Mapping[str, Any]:
    """Return the object in a JSON file that is given for an option.

    The file may also hold the option as a configuration does: an object with the option's name as its only key.

    Parameters
    ----------
    option
        Its name, such as pipelines.
    expected
        What the file should hold, for messages.
    noun
        What its object has, for messages.

    Raises
    ------
    SettingsError
        The file cannot be read, is not JSON, or holds no such object.
    """
    try:
        content = read_json(path, encoding="utf-8-sig", object_pairs_hook=refuse_duplicates(path))
    except OSError as error:
        raise SettingsError(f"--{option}: {path} cannot be read ({error.strerror}); give a JSON file.") from error
    except json.JSONDecodeError as error:
        raise SettingsError(f"--{option}: {path}, {describe_mistake(error, if_empty=expected)}.") from error
    except ValueError as error:
        raise SettingsError(f"--{option}: {path} is not valid JSON ({error}); {expected}.") from error
    if isinstance(content, Mapping) and set(content) == {option}:
        content = content[option]
    if not isinstance(content, Mapping) or not content:
        raise SettingsError(f"--{option}: {path} holds no {noun}; {expected}.")
    return content


def refuse_duplicates(path: Path) -> Callable[[list[tuple[str, Any]]], dict[str, Any]]:
    """Return an `object_pairs_hook` of `json.loads` that raises SettingsError where an object of a file repeats a name.

    Without it the last value would be taken, and the others would be lost without a word.
    """

    def make_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        duplicates = sorted(name for name, n in Counter(name for name, _ in pairs).items() if n > 1)
        if duplicates:
            raise SettingsError(f"{path}: {shorten_text(duplicates[0])!r} is given twice; keep one of them.")
        return dict(pairs)

    return make_object


def describe_mistake(error: json.JSONDecodeError, *, if_empty: str) -> str:
    """Return where a text is not JSON, and what is probably wrong there; `if_empty` is the way out of an empty text."""
    return f"line {error.lineno}, column {error.colno}: not valid JSON ({error.msg}); {_guess_cause(error, if_empty)}"


def _guess_cause(error: json.JSONDecodeError, if_empty: str) -> str:
    text, position = error.doc, error.pos
    before, here = text[:position].rstrip(), text[position:].lstrip()
    if error.msg.startswith("Extra data"):
        return "probably one bracket too many: delete what follows the end of the object"
    if error.msg.startswith(("Invalid control character", "Unterminated string")):
        return "probably a quote is missing on this line"
    if before.endswith(",") and here[:1] in ("}", "]", ""):
        return "probably a comma after the last item: delete it"
    if re.match(r",\s*[}\]]", here):
        return "probably a comma after the last item: delete it"
    if not text.strip():
        return f"the file is empty: {if_empty}"
    if here.startswith("'"):
        return "probably single quotes: JSON needs double quotes"
    if here.startswith(("//", "#", "/*")):
        return "probably a comment: JSON does not allow comments"
    if here.startswith(("True", "False", "None")):
        return "probably Python's spelling: JSON writes true, false and null"
    if "\\" in text[max(position - 1, 0) : position + 1]:
        return "probably a backslash in a path: write / or \\\\"
    if here[:1] in ('"', "{", "["):
        return "probably a comma is missing before this place"
    return "probably a quote, comma or bracket is missing before this place"
