"""What all tables of an output folder have in common, and how two analyses differ, in words."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from niimasker.errors import list_names, shorten_text
from niimasker.options.pipelines import fold_label
from niimasker.options.settings import OPTIONS, Option
from niimasker.regions.roi_files import name_without_folder

# The parts of a run's fingerprint that all runs of a study share.
SHARED_PARTS = ("settings", "software", "regions", "outputs")
_REGION_OPTIONS = ("roi_file", "labels", "mask_img")
_OUTPUT_OPTIONS = ("output_layout", "atlas_name")


@dataclass(frozen=True, eq=False)
class PipelineAnalysis:
    """What the tables of a pipeline are made with: its part of their fingerprint, and its settings for messages."""

    fingerprint: str
    settings: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Analysis:
    """What the tables of an output folder are made with.

    Parameters
    ----------
    parts
        Checksums and texts that are equal for all runs of an analysis, by `SHARED_PARTS`.
    settings
        The options as JSON files record them, for messages.
    pipelines
        What each pipeline is, by name; empty without pipelines.
    """

    parts: Mapping[str, str]
    settings: Mapping[str, Any]
    pipelines: Mapping[str, PipelineAnalysis] = field(default_factory=dict)

    @cached_property
    def checksum(self) -> str:
        """A short text that differs between analyses; those of different pipelines have the same."""
        return _shorten({**self.parts, "has pipelines": True} if self.pipelines else dict(self.parts), 12)

    def checksum_of(self, pipeline: str) -> str:
        """Return a short text that differs between analyses and what they do in a pipeline."""
        if not pipeline:
            return self.checksum
        return f"{self.checksum}-{_shorten(self.pipelines[pipeline].fingerprint, 8)}"

    @property
    def own_checksum(self) -> str:
        """The checksum of tables that are of a single pipeline, or of none."""
        return self.checksum_of(next(iter(self.pipelines), ""))

    def includes(self, checksum: str | None, pipeline: str) -> bool:
        """Return whether tables may lie in one folder with those of this analysis.

        A pipeline that this analysis does not have may stand beside its own, unless their files have the same names.

        Parameters
        ----------
        checksum
            Their analysis, as `checksum_of` returns it.
        """
        if checksum is None or not pipeline:
            return checksum == self.checksum
        if pipeline in self.pipelines:
            return checksum == self.checksum_of(pipeline)
        if not self.pipelines or self.find_namesake(pipeline):
            return False
        return checksum.partition("-")[0] == self.checksum

    def find_namesake(self, pipeline: str) -> str | None:
        """Return the pipeline of this analysis whose files have the names of another one's; None if there is none."""
        return next((name for name in self.pipelines if fold_label(name) == fold_label(pipeline)), None)

    def agrees_with(self, other: Analysis) -> bool:
        """Return whether the tables of two analyses may lie in one folder."""
        if not other.pipelines:
            return self.includes(other.checksum, "")
        return all(self.includes(other.checksum_of(name), name) for name in other.pipelines)


def describe_difference(theirs: Analysis, ours: Analysis) -> tuple[str, str]:
    """Return what one analysis has that another has not, and the other way round."""
    pairs = list(_list_differences(theirs, ours)) or [("other files", "these")]
    left, right = (", ".join(dict.fromkeys(words)) for words in zip(*pairs, strict=True))
    return left, right


def _shorten(content: Any, n_digits: int) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:n_digits]


def _list_differences(theirs: Analysis, ours: Analysis) -> Iterator[tuple[str, str]]:
    if bool(theirs.pipelines) != bool(ours.pipelines):
        yield _name_pipelines(theirs), _name_pipelines(ours)
    yield from _compare_pipelines(theirs, ours)
    changed = [part for part in SHARED_PARTS if part in theirs.parts and theirs.parts[part] != ours.parts[part]]
    if "settings" in changed:
        # Where one of them has pipelines, the options of these are told with their names.
        has_pipelines = bool(theirs.pipelines or ours.pipelines)
        options = [each for each in OPTIONS if each.affects_results and not (has_pipelines and each.varies)]
        yield from _compare_options(options, theirs.settings, ours.settings)
        if not has_pipelines:
            yield from _compare_tables(theirs.settings, ours.settings)
    if "regions" in changed:
        options = [each for each in OPTIONS if each.name in _REGION_OPTIONS]
        pairs = list(_compare_options(options, theirs.settings, ours.settings))
        yield from pairs or [_compare_files(theirs, ours)]
    if "outputs" in changed:
        options = [each for each in OPTIONS if each.name in _OUTPUT_OPTIONS]
        pairs = list(_compare_options(options, theirs.settings, ours.settings))
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


def _name_pipelines(analysis: Analysis) -> str:
    return f"pipelines {list_names(list(analysis.pipelines))}" if analysis.pipelines else "no pipelines"


def _compare_pipelines(theirs: Analysis, ours: Analysis) -> Iterator[tuple[str, str]]:
    """Yield how pipelines differ that have the same name, or files of the same names."""
    options = [option for option in OPTIONS if option.varies and option.affects_results]
    for name in [name for name in theirs.pipelines if name in ours.pipelines]:
        their, our = theirs.pipelines[name], ours.pipelines[name]
        if their.fingerprint == our.fingerprint:
            continue
        pairs = list(_compare_options(options, their.settings, our.settings))
        pairs += _compare_tables(their.settings, our.settings)
        for left, right in pairs or [("other options", "those of this call")]:
            yield f"pipeline {name} with {left}", f"pipeline {name} with {right}"
    for name in [name for name in theirs.pipelines if name not in ours.pipelines]:
        if namesake := ours.find_namesake(name):
            yield f"pipeline {name}", f"pipeline {namesake}, whose files have the same names"


def _compare_options(
    options: list[Option], theirs: Mapping[str, Any], ours: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    for option in options:
        values = [settings.get(option.name, option.default) for settings in (theirs, ours)]
        left, right = (_describe(option.name, value) for value in values)
        if left != right:
            yield left, right


def _compare_tables(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the difference between regressing out all columns of --regressor_files and none."""
    values = [bool(settings.get("regressor_files")) for settings in (theirs, ours)]
    if values[0] != values[1] and not any(settings.get("regressors") for settings in (theirs, ours)):
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
