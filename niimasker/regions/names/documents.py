"""Label tables that are documents: the XML of FSL's and SPM's atlases, label tables in XML, and JSON."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from niimasker.errors import RegionsError, shorten_text
from niimasker.inputs.delimiters import parse_whole
from niimasker.regions.names.columns import is_header, make_label_table
from niimasker.regions.names.label_table import LabelTable, NumberColumn, is_background

_FSL, _SPM, _KEYS = "the XML of an FSL atlas", "the XML of an SPM atlas", "an XML label table with keys"
_JSON = "JSON"
# What FSL's documentation says of the attribute index, by the type of the atlas: in an atlas of labels it is the value
# in the image; in a probabilistic one the number of the map from 0, to which its images of labels add 1.
_ADDED = {"label": 0, "probabilistic": 1}


def read_xml(text: str, path: Path) -> LabelTable | None:
    """Return the names of an atlas in XML, None for a text that is no XML.

    Raises
    ------
    RegionsError
        The XML is broken, or holds no labels.
    """
    if not text.lstrip().startswith("<"):
        return None
    try:
        root = ElementTree.fromstring(text.strip())
    except ElementTree.ParseError as error:
        raise RegionsError(f"{path} is no XML that can be read ({error}); fetch or make it again.") from error
    labels = [each for each in root.iter() if _tag(each) == "label"]
    for read in (_read_fsl, _read_spm, _read_keys):
        if labels and (table := read(root, labels, path)) is not None:
            return table
    raise RegionsError(
        f"{path}: XML without labels; expected those of an FSL or SPM atlas: <label index=...>name</label>."
    )


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2].lower()


def _read_fsl(root: ElementTree.Element, labels: Sequence[ElementTree.Element], path: Path) -> LabelTable | None:
    indices = [parse_whole(label.get("index", "")) for label in labels]
    numbers = [index for index in indices if index is not None]
    if len(numbers) < len(labels):
        return None
    ordered = sorted(zip(numbers, ("".join(label.itertext()).strip() for label in labels), strict=True))
    kind = next((element.text or "" for element in root.iter() if _tag(element) == "type"), "").strip().lower()
    # An atlas of labels counts from 1 where its label 0 is a region: then its type may be wrong.
    may_add = kind == "label" and ordered[0][0] == 0 and not is_background(ordered[0][1])
    added = {*([_ADDED[kind]] if kind in _ADDED else []), *([1] if may_add else [])}
    columns = tuple(
        NumberColumn(
            f"attribute index{' + 1' if each else ''}", tuple(index + each for index, _ in ordered), is_index=True
        )
        for each in sorted(added)
    )
    names = tuple(name for _, name in ordered)
    return LabelTable(path, _FSL, names, columns, order="the order of its attribute index, which counts from 0")


def _read_spm(root: ElementTree.Element, labels: Sequence[ElementTree.Element], path: Path) -> LabelTable | None:
    fields = [{_tag(field): (field.text or "").strip() for field in label} for label in labels]
    if not all("index" in each and "name" in each for each in fields):
        return None
    column = NumberColumn("element index", tuple(parse_whole(each["index"]) for each in fields), is_index=True)
    return LabelTable(path, _SPM, tuple(each["name"] for each in fields), (column,))


def _read_keys(root: ElementTree.Element, labels: Sequence[ElementTree.Element], path: Path) -> LabelTable | None:
    keys = tuple(parse_whole(label.get("Key") or label.get("key") or "") for label in labels)
    if None in keys:
        return None
    names = tuple("".join(label.itertext()).strip() for label in labels)
    return LabelTable(path, _KEYS, names, (NumberColumn("attribute Key", keys, is_index=True),), has_colors=True)


def read_json(text: str, path: Path) -> LabelTable | None:
    """Return the names in a JSON list or object, None for a text that is no JSON.

    Raises
    ------
    RegionsError
        The JSON is broken, or of another form.
    """
    if not text.lstrip().startswith(("[", "{")):
        return None
    try:
        return _from_json(json.loads(text, object_pairs_hook=_unlike_keys), path)
    except (ValueError, RecursionError) as error:
        # A list may begin with a bracket: WFU PickAtlas writes what it is of into its first line.
        if path.suffix.lower() != ".json":
            return None
        raise RegionsError(f"{path} is no JSON that can be read ({shorten_text(str(error))}); correct it.") from error


def _unlike_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    twice = next((key for key in keys if keys.count(key) > 1), None) if len(set(keys)) < len(keys) else None
    if twice is not None:
        raise ValueError(f"the key {twice!r} is there twice")
    return dict(pairs)


def _from_json(value: Any, path: Path) -> LabelTable:
    if isinstance(value, list) and value:
        return _from_list(value, path)
    if isinstance(value, dict) and value:
        return _from_object(value, path)
    raise RegionsError(_other_form(path))


def _other_form(path: Path) -> str:
    return (
        f"{path}, {_JSON}: expected a list of names, a list of objects with a name and an index each, or an object of "
        "names by index."
    )


def _from_list(values: list[Any], path: Path) -> LabelTable:
    if all(isinstance(value, str) for value in values):
        return LabelTable(path, _JSON, tuple(value.strip() for value in values))
    if all(isinstance(value, dict) for value in values):
        headings = list(dict.fromkeys(key for value in values for key in value))
        return _from_rows([[value.get(key) for key in headings] for value in values], headings, path)
    if all(isinstance(value, list) for value in values) and len({len(value) for value in values}) == 1:
        rows = [[_to_cell(cell) for cell in value] for value in values]
        if is_header(rows[0], rows[1:]):
            return _from_rows(values[1:], rows[0], path)
        return make_label_table(path, rows, None, form=_JSON)
    raise RegionsError(_other_form(path))


def _from_object(value: dict[str, Any], path: Path) -> LabelTable:
    keys, values = list(value), list(value.values())
    if {"R", "G", "B", "labels"} <= set(keys):
        return _from_color_map(value, path)
    if len(keys) == 1 and isinstance(values[0], (list, dict)):
        return _from_json(values[0], path)
    if all(isinstance(each, list) for each in values) and len({len(each) for each in values}) == 1:
        return _from_rows(list(zip(*values, strict=True)), keys, path)
    if all(parse_whole(key) is not None for key in keys):
        if all(isinstance(each, dict) for each in values):
            table = _from_list(values, path)
            index = NumberColumn("its keys", tuple(map(parse_whole, keys)), is_index=True)
            return LabelTable(path, _JSON, table.names, (index, *table.columns))
        return _from_rows(list(zip(keys, values, strict=True)), ["key", "name"], path)
    if all(isinstance(each, int) for each in values):
        return _from_rows(list(zip(keys, values, strict=True)), ["name", "value"], path)
    return _from_part(value, path)


def _from_color_map(value: dict[str, Any], path: Path) -> LabelTable:
    """Return the labels of a colour map of NiiVue: of the indices I, or of their places from 0."""
    labels = value["labels"]
    indices = value.get("I", list(range(len(labels))))
    if not isinstance(labels, list) or not isinstance(indices, list) or len(indices) != len(labels):
        raise RegionsError(_other_form(path))
    numbers = tuple(parse_whole(str(index)) for index in indices)
    column = NumberColumn("list I" if "I" in value else "the place in its labels", numbers, is_index=True)
    return LabelTable(path, "a colour map of NiiVue", tuple(map(_to_cell, labels)), (column,), has_colors=True)


def _from_part(value: dict[str, Any], path: Path) -> LabelTable:
    """Return the only table among the values of an object, or the only one with numbers."""
    tables = []
    for part in value.values():
        if isinstance(part, (list, dict)):
            with contextlib.suppress(RegionsError):
                tables.append(_from_json(part, path))
    found = [table for table in tables if table.columns] or tables
    if len(found) != 1:
        raise RegionsError(_other_form(path))
    return found[0]


def _from_rows(rows: Sequence[Sequence[Any]], headings: Sequence[str], path: Path) -> LabelTable:
    # Lists and objects within a row are colours and the like.
    places = [place for place in range(len(headings)) if not any(isinstance(row[place], (list, dict)) for row in rows)]
    cells = [[_to_cell(row[place]) for place in places] for row in rows]
    return make_label_table(path, cells, [headings[place] for place in places], form=_JSON)


def _to_cell(value: Any) -> str:
    return "" if value is None else str(value).strip()
