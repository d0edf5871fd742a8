"""What all tables of an output folder have in common, and how two analyses differ, in words."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from niimasker.errors import shorten_text
from niimasker.options.settings import OPTIONS, Option
from niimasker.regions.roi_files import name_without_folder

# The parts of a run's fingerprint that all runs of a study share.
SHARED_PARTS = ("settings", "software", "regions", "outputs")
_REGION_OPTIONS = ("roi_file", "labels", "mask_img")
_OUTPUT_OPTIONS = ("output_layout", "atlas_name")


@dataclass(frozen=True, eq=False)
class Analysis:
    """What the tables of an output folder are made with.

    Parameters
    ----------
    parts
        Checksums and texts that are equal for all runs of an analysis, by `SHARED_PARTS`.
    settings
        The options as JSON files record them, for messages.
    """

    parts: Mapping[str, str]
    settings: Mapping[str, Any]

    @cached_property
    def checksum(self) -> str:
        """A short text that differs between analyses."""
        return hashlib.sha256(json.dumps(dict(self.parts), sort_keys=True).encode()).hexdigest()[:12]


def describe_difference(theirs: Analysis, ours: Analysis) -> tuple[str, str]:
    """Return what one analysis has that another has not, and the other way round."""
    pairs = list(_list_differences(theirs, ours)) or [("other files", "these")]
    left, right = (", ".join(dict.fromkeys(words)) for words in zip(*pairs, strict=True))
    return left, right


def _list_differences(theirs: Analysis, ours: Analysis) -> Iterator[tuple[str, str]]:
    changed = [part for part in SHARED_PARTS if part in theirs.parts and theirs.parts[part] != ours.parts[part]]
    if "settings" in changed:
        yield from _compare_options([option for option in OPTIONS if option.affects_results], theirs, ours)
        yield from _compare_tables(theirs, ours)
    if "regions" in changed:
        pairs = list(_compare_options([each for each in OPTIONS if each.name in _REGION_OPTIONS], theirs, ours))
        yield from pairs or [_compare_files(theirs, ours)]
    if "outputs" in changed:
        pairs = list(_compare_options([each for each in OPTIONS if each.name in _OUTPUT_OPTIONS], theirs, ours))
        # An atlas of another name is told by its file already.
        yield from pairs if pairs or changed != ["outputs"] else [(_name_atlases(theirs), _name_atlases(ours))]
    if "software" in changed:
        yield theirs.parts.get("software", "another version"), ours.parts["software"]


def _name_atlases(analysis: Analysis) -> str:
    return f"atlas names {analysis.parts['outputs'].partition(': ')[2]}"


def _compare_files(theirs: Analysis, ours: Analysis) -> tuple[str, str]:
    """Return how regions differ that are given by the same names."""
    # The file of the other hemisphere may have been added or removed.
    left, right = (analysis.parts["regions"].partition(": ")[2] for analysis in (theirs, ours))
    if left == right:
        return "an earlier content of the atlas or its names", "the present one"
    return f"regions of {left}", f"regions of {right}"


def _compare_options(options: list[Option], theirs: Analysis, ours: Analysis) -> Iterator[tuple[str, str]]:
    for option in options:
        values = [analysis.settings.get(option.name, option.default) for analysis in (theirs, ours)]
        left, right = (_describe(option.name, value) for value in values)
        if left != right:
            yield left, right


def _compare_tables(theirs: Analysis, ours: Analysis) -> Iterator[tuple[str, str]]:
    """Yield the difference between regressing out all columns of --regressor_files and none."""
    values = [bool(analysis.settings.get("regressor_files")) for analysis in (theirs, ours)]
    if values[0] != values[1] and not any(analysis.settings.get("regressors") for analysis in (theirs, ours)):
        words = ("no regressor_files", "regressor_files")
        yield words[values[0]], words[values[1]]


def _describe(name: str, value: Any) -> str:
    if value in (None, False, "", [], ()):
        return f"no {name}"
    if value is True:
        return name
    words = value if isinstance(value, (list, tuple)) else [value]
    texts = [name_without_folder(str(word)) if name in _REGION_OPTIONS else str(word) for word in words]
    return shorten_text(f"{name} {' '.join(texts)}")
