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
_COMPOUND_EXTENSIONS = (".dtseries", ".func")


@dataclass(frozen=True)
class _Folder:
    """A folder's JSON files of one kind, such as those of bold, by the entities of their names."""

    path: Path
    files: Mapping[Entities, Sequence[str]]

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
        return [self.path / name for each in ordered for name in self.files[each]]


# The suffix and the extensions of the JSON files that an image inherits from.
_Kind = tuple[str, tuple[str, ...]]


class Sidecars:
    """Finds the JSON files of images; each folder is listed once, however many images it holds."""

    def __init__(self) -> None:
        self._folders: dict[tuple[str, _Kind], _Folder] = {}
        self._applicable: dict[tuple[str, _Kind], tuple[_Folder, ...]] = {}

    def find(self, *image_paths: Path) -> tuple[Path, ...]:
        """Return the JSON files of an image, which is one file or a file of each hemisphere; the nearest first.

        The file beside the image with the image's name comes first. An image named by BIDS entities inherits from other
        files with its suffix, up to the root of its dataset, whose entities it shares: first the nearest folder's,
        within a folder those with most entities. A name may also end in .dtseries.json or .func.json, as the image's
        does.
        """
        own: list[Path] = []
        inherited: list[Path] = []
        for image_path in image_paths:
            extensions = _list_extensions(image_path.name)
            found = self._find_inherited(image_path, extensions)
            named = [image_path.with_name(image_stem(image_path) + extension) for extension in extensions]
            own += [path for path in named if path in found or os.path.lexists(path)]
            inherited += found
        return tuple(dict.fromkeys([*own, *inherited]))

    def _find_inherited(self, image_path: Path, extensions: tuple[str, ...]) -> list[Path]:
        name = read_name(image_path.name)
        if not ("sub" in name.entities and name.suffix):
            return []
        entities = frozenset(name.entities.items())
        folders = self._find_applicable(image_path.parent, (name.suffix, extensions))
        return [path for folder in folders for path in folder.find(entities)]

    def _find_applicable(self, folder: Path, kind: _Kind) -> tuple[_Folder, ...]:
        """Return a folder and those above it, up to the root of its dataset, that have JSON files of a kind."""
        key = str(folder), kind
        if key not in self._applicable:
            # Links are not resolved: in a DataLad dataset they lead to a store without file names.
            root, absolute = find_dataset(folder), Path(os.path.abspath(folder))  # noqa: PTH100
            n_above = len(absolute.parts) - len(root.parts)
            folders = [self._list_folder(each, kind) for each in (folder, *absolute.parents[:n_above])]
            self._applicable[key] = tuple(each for each in folders if each.files)
        return self._applicable[key]

    def _list_folder(self, folder: Path, kind: _Kind) -> _Folder:
        key = str(folder), kind
        if key not in self._folders:
            suffix, extensions = kind
            endings = tuple(f"{suffix}{extension}" for extension in extensions)
            files: dict[Entities, list[str]] = {}
            with contextlib.suppress(OSError):
                for file_name in sorted(os.listdir(folder)):  # noqa: PTH208
                    if file_name.endswith(endings) and not is_hidden(file_name):
                        name = read_name(file_name)
                        if name.suffix == suffix and name.extension in extensions:
                            files.setdefault(frozenset(name.entities.items()), []).append(file_name)
            self._folders[key] = _Folder(folder, files)
        return self._folders[key]


def _list_extensions(image_name: str) -> tuple[str, ...]:
    """Return the extensions of an image's JSON files: .json, and for grayordinates .dtseries.json as well."""
    compound = next((each for each in _COMPOUND_EXTENSIONS if f"{each}." in image_name), None)
    return (_EXTENSION,) if compound is None else (_EXTENSION, f"{compound}{_EXTENSION}")


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
    return not others < entities


def _read(path: Path, keys: Sequence[str]) -> dict[str, Any] | None:
    try:
        content = read_json(path)
    except (OSError, ValueError) as error:
        *others, last = keys
        warn(f"{path.name} cannot be read ({first_line(error)}); its {', '.join(others)} and {last} are not used.")
        return None
    return content if isinstance(content, dict) else None
