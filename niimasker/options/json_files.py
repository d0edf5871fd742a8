"""Read a JSON file that may hold anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

# fMRIPrep's largest, of a table with thousands of components, has some 10^6.
_MOST_CHARACTERS = 2**24


def read_json_text(path: Path, *, encoding: str = "utf-8") -> str:
    """Return a JSON file's text.

    Raises
    ------
    OSError, ValueError
        It cannot be read, is no text in that encoding, or longer than any JSON that is meant for niimasker.
    """
    with path.open(encoding=encoding) as file:
        text = file.read(_MOST_CHARACTERS + 1)
    if len(text) > _MOST_CHARACTERS:
        raise ValueError(f"it is longer than {_MOST_CHARACTERS:,} characters")
    return text


def parse_json(text: str, **options: Any) -> Any:
    """Return what a JSON text holds; `options` are those of `json.loads`.

    Raises
    ------
    ValueError
        It is no JSON, nested too deeply, or holds a number too long to be one.
    """
    try:
        return json.loads(text, **options)
    except json.JSONDecodeError:
        raise
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    except ValueError as error:
        raise ValueError("a number in it has thousands of digits") from error


def read_json(path: Path) -> Any:
    """Return what a JSON file holds; errors as for `read_json_text` and `parse_json`, and for a pipe."""
    if path.is_fifo():  # without a writer it would be waited for
        raise ValueError("it is no regular file")
    return parse_json(read_json_text(path))
