"""The JSON files that describe an image: beside it, and those that BIDS lets it inherit from folders above."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from niimasker.errors import RunError, warn
from niimasker.inputs.descriptions import find_dataset
from niimasker.inputs.entities import Entities, is_hidden, read_name
from niimasker.inputs.images import first_line, image_stem
from niimasker.options.json_files import read_json

_EXTENSION = ".json"


@dataclass(frozen=True)
class _Folder:
    """A folder's JSON files of one suffix, such as bold, by the entities of their names."""

    path: Path
    files: Mapping[Entities, str]

    @cached_property
    def keys(self) -> frozenset[frozenset[str]]:
        """The sets of entities that the names have, without their values; a folder has few."""
        return frozenset(frozenset(key for key, _ in entities) for entities in self.files)

    def find(self, entities: Entities) -> list[Path]:
        """Return the files whose entities are all among the given ones, those with most of them first."""
        values = dict(entities)
        wanted = [frozenset((key, values[key]) for key in keys) for keys in self.keys if keys <= values.keys()]
        found = [each for each in wanted if each in self.files]
        ordered = sorted(found, key=lambda each: (-len(each), self.files[each]))
        return [self.path / self.files[each] for each in ordered]


class Sidecars:
    """Finds the JSON files of images; each folder is listed once, however many images it holds."""

    def __init__(self) -> None:
        self._folders: dict[tuple[str, str], _Folder] = {}
        self._applicable: dict[tuple[str, str], tuple[_Folder, ...]] = {}

    def find(self, image_path: Path) -> tuple[Path, ...]:
        """Return an image's JSON files, the nearest first.

        The file beside the image with the image's name comes first. An image named by BIDS entities inherits from other
        files with its suffix, up to the root of its dataset, whose entities it shares: first the nearest folder's,
        within a folder those with most entities.
        """
        own = image_path.with_name(image_stem(image_path) + _EXTENSION)
        name = read_name(image_path.name)
        inherited: list[Path] = []
        if "sub" in name.entities and name.suffix:
            entities = frozenset(name.entities.items())
            for folder in self._find_applicable(image_path.parent, name.suffix):
                inherited += folder.find(entities)
        if own in inherited or os.path.lexists(own):
            return (own, *(path for path in inherited if path != own))
        return tuple(inherited)

    def _find_applicable(self, folder: Path, suffix: str) -> tuple[_Folder, ...]:
        """Return a folder and those above it, up to the root of its dataset, that have JSON files of a suffix."""
        key = str(folder), suffix
        if key not in self._applicable:
            # Links are not resolved: in a DataLad dataset they lead to a store without file names.
            root, absolute = find_dataset(folder), Path(os.path.abspath(folder))  # noqa: PTH100
            n_above = len(absolute.parts) - len(root.parts)
            folders = [self._list_folder(each, suffix) for each in (folder, *absolute.parents[:n_above])]
            self._applicable[key] = tuple(each for each in folders if each.files)
        return self._applicable[key]

    def _list_folder(self, folder: Path, suffix: str) -> _Folder:
        key = str(folder), suffix
        if key not in self._folders:
            files = {}
            with contextlib.suppress(OSError):
                ending = f"{suffix}{_EXTENSION}"
                for file_name in sorted(os.listdir(folder)):  # noqa: PTH208
                    if file_name.endswith(ending) and not is_hidden(file_name):
                        name = read_name(file_name)
                        if (name.suffix, name.extension) == (suffix, _EXTENSION):
                            files[frozenset(name.entities.items())] = file_name
            self._folders[key] = _Folder(folder, files)
        return self._folders[key]


@dataclass(frozen=True)
class Entry:
    """A value of a JSON file, and the file."""

    value: Any
    path: Path


def read_sidecars(paths: Sequence[Path], keys: Sequence[str]) -> dict[str, Entry]:
    """Return the values of some keys, each from the first file that has it.

    Raises
    ------
    RunError
        Two files of one folder differ in a value, and neither is more specific than the other.
    """
    contents = {path: content for path in paths if (content := _read(path, keys)) is not None}
    found: dict[str, Entry] = {}
    for key in keys:
        entries = [Entry(content[key], path) for path, content in contents.items() if key in content]
        if entries:
            found[key] = entries[0]
            _check_agreement(key, *entries)
    return found


def _check_agreement(key: str, first: Entry, *others: Entry) -> None:
    for other in others:
        if other.value != first.value and _are_equally_near(first.path, other.path):
            raise RunError(
                f"{first.path} and {other.path.name} apply to the same image and differ in {key}: "
                f"{first.value} and {other.value}; correct one of them."
            )


def _are_equally_near(path: Path, other: Path) -> bool:
    if path.parent != other.parent:
        return False
    entities, others = (read_name(each.name).entities.items() for each in (path, other))
    return not others <= entities


def _read(path: Path, keys: Sequence[str]) -> dict[str, Any] | None:
    try:
        content = read_json(path)
    except (OSError, ValueError) as error:
        *others, last = keys
        warn(f"{path.name} cannot be read ({first_line(error)}); its {', '.join(others)} and {last} are not used.")
        return None
    return content if isinstance(content, dict) else None
