"""Checks of the values of options: each returns the value in Settings, or raises ValueError."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from niimasker.options.hemisphere_names import group_hemispheres
from niimasker.options.paths import expand_home

# A BIDS label, or a shell pattern of such labels.
_VALUE = r"(?:[0-9A-Za-z+*?]|\[!?[0-9A-Za-z+-]+\])+"
# With or without its entity (task-rest, rest); a space may have a cohort (MNIInfant:cohort-2).
_LABEL = re.compile(f"([a-z]+-)?{_VALUE}(:[a-z]+-{_VALUE})*")
# tedana writes desc-optcom_whitened.
_DESC = re.compile(f"([a-z]+-)?{_VALUE}(_{_VALUE})*")
_ENTITY = re.compile(f"([a-z]+)=({_VALUE}([_:-]{_VALUE})*)")


def make_number_check(minimum: float, *, above: bool) -> Callable[[Any], float]:
    """Return a check of numbers: at least `minimum`, or above it."""

    def check(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError
        # The comparison is written so that NaN fails. Infinity is not a useful cut-off, width or duration.
        if not ((value > minimum if above else value >= minimum) and value < float("inf")):
            raise ValueError
        return float(value)

    return check


def make_integer_check(allowed: Callable[[int], bool]) -> Callable[[Any], int]:
    """Return a check of whole numbers."""

    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or value != int(value):
            raise ValueError
        if not allowed(int(value)):
            raise ValueError
        return int(value)

    return check


def check_flag(value: Any) -> bool:
    """Return true or false."""
    if not isinstance(value, bool):
        raise ValueError
    return value


class HintError(ValueError):
    """A value is not valid; the message is a hint that the description of valid values does not give."""


def check_text(value: Any) -> str:
    """Return a text without control characters; a path counts as its text."""
    text = str(value) if isinstance(value, Path) else value
    if not isinstance(text, str):
        raise ValueError
    if any(ord(character) < 32 for character in text):
        raise HintError("it contains a control character; in JSON, write a path with / or \\\\")
    return text


def check_texts(value: Any) -> tuple[str, ...]:
    """Return texts; a single one counts as a list, and whole numbers as text."""
    values = [value] if isinstance(value, (str, Path)) else value
    if not isinstance(values, (list, tuple)):
        raise ValueError
    return tuple(str(item) if type(item) is int else check_text(item) for item in values)


def check_label(value: Any, allowed: re.Pattern[str] = _LABEL) -> str:
    """Return a BIDS label, with or without its entity, or a pattern of labels."""
    # In JSON, a run is often given as a number: "run": 1.
    text = str(value) if type(value) is int else check_text(value)
    if not allowed.fullmatch(text):
        raise ValueError
    return text


def check_desc(value: Any) -> str:
    """Return the label of desc-, of which tedana writes several joined by _."""
    return check_label(value, _DESC)


def check_entities(value: Any) -> tuple[str, ...]:
    """Return texts such as reg=default; an object {"reg": "default", "run": [1, 2]} gives one for each value."""
    if isinstance(value, Mapping):
        value = [f"{key}={item}" for key, items in value.items() for item in list_labels(items)]
    texts = check_texts(value)
    wrong = next((text for text in texts if not _ENTITY.fullmatch(text)), None)
    if wrong is not None:
        key, _, label = wrong.partition("-")
        is_file_name_part = "=" not in wrong and _ENTITY.fullmatch(f"{key}={label}")
        raise HintError(f"write {key}={label}") if is_file_name_part else ValueError
    return texts


def list_labels(value: Any) -> list[Any]:
    """Return a single label or a list of them as a list."""
    labels = list(value) if isinstance(value, (list, tuple)) else [value]
    if not labels or not all(type(label) in (str, int) for label in labels):
        raise ValueError
    return labels


def check_labels(value: Any) -> tuple[str, ...]:
    """Return BIDS labels; a single one counts as a list."""
    return tuple(map(check_label, value if isinstance(value, (list, tuple)) else [value]))


def check_names(value: Any) -> tuple[str, ...]:
    """Return names of letters and digits."""
    texts = check_texts(value)
    if not all(text.isascii() and text.isalnum() for text in texts):
        raise ValueError
    return texts


def check_path(value: Any) -> Path:
    """Return a path, with the home directory filled in."""
    return expand_home(check_text(value))


def check_rois(value: Any) -> tuple[str, ...]:
    """Return names of regions' files and queries; of the files of two hemispheres, the name that stands for both."""
    return group_hemispheres(check_texts(value))


def check_mask(value: Any) -> Path:
    """Return the path of a mask; of the files of two hemispheres, the name that stands for both."""
    if not isinstance(value, (list, tuple)) or len(value) < 2:
        return check_path(value)
    names = group_hemispheres(list(map(check_text, value)))
    if len(names) > 1:
        raise HintError("two files must be those of the two hemispheres, with names that are equal otherwise")
    return check_path(names[0])


def check_count_or_auto(value: Any) -> int | str:
    """Return a whole number, 0 or above, or auto."""
    return "auto" if value == "auto" else make_integer_check(lambda n: n >= 0)(value)


@dataclass(frozen=True)
class Shard:
    """One part of a study: every `n_shards`-th run, starting with run `number`, counted from 1."""

    number: int
    n_shards: int

    def __str__(self) -> str:
        return f"{self.number}/{self.n_shards}"


def check_shard(value: Any) -> Shard:
    """Return a part such as 3/40."""
    if isinstance(value, Shard):
        return value
    number, _, n_shards = check_text(value).partition("/")
    if not (number.isdecimal() and n_shards.isdecimal() and 1 <= int(number) <= int(n_shards)):
        raise ValueError
    return Shard(int(number), int(n_shards))


def check_share(value: Any) -> float:
    """Return a number from 0 to 1."""
    share = make_number_check(0, above=False)(value)
    if share > 1:
        raise ValueError
    return share


def check_pipelines(value: Any) -> tuple[str | Mapping[str, Any], ...]:
    """Return names of presets, file names and objects of pipelines, as `options.pipelines` reads them."""
    items = value if isinstance(value, (list, tuple)) else [value]
    return tuple(item if isinstance(item, Mapping) else check_text(item) for item in items)


def check_words(value: Any) -> tuple[str, ...]:
    """Return words; an object such as {"motion": "full", "high_pass": true} becomes motion=full high_pass."""
    if not isinstance(value, Mapping):
        return check_texts(value)
    # R's jsonlite writes every value as a list.
    single = {key: item[0] if isinstance(item, list) and len(item) == 1 else item for key, item in value.items()}
    given = {key: item for key, item in single.items() if item is not False and item is not None}
    invalid = [key for key, item in given.items() if item is not True and type(item) not in (str, int, float)]
    if invalid:
        raise HintError(f"{invalid[0]!r} takes a single string or number, true or false")
    if not given:
        raise HintError('every word in it is off; leave it out to use all columns, or give "none"')
    return check_texts([key if item is True else f"{key}={item}" for key, item in given.items()])
