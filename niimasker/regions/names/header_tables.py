"""The label table that some programs keep in an image's header: AFNI's, Workbench's, and atlases in XML."""

from __future__ import annotations

import html
import logging
import re
from pathlib import Path

import nibabel as nib

from niimasker.errors import RegionsError, count, warn
from niimasker.inputs.images import read_extensions
from niimasker.regions.names.documents import read_xml
from niimasker.regions.names.joins import NamesJoin
from niimasker.regions.names.label_table import LabelTable, NumberColumn
from niimasker.regions.names.matching import Named, finish_names

_log = logging.getLogger(__name__)

_AFNI = "AFNI's label table in its header"
# A point of ATLAS_LABEL_TABLE, and a line of VALUE_LABEL_DTABLE. AFNI writes both as text within XML.
_POINT = re.compile(r"<ATLAS_POINT\b(.*?)/>", re.DOTALL)
_ATTRIBUTE = re.compile(r"""\b(STRUCT|VAL)\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_TABLE = re.compile(r"<VALUE_LABEL_DTABLE\b[^>]*>(.*?)</VALUE_LABEL_DTABLE>", re.DOTALL)
_PAIR = re.compile(r"""["'](\d+)["']\s+["']([^"']*)["']""")
_XML = re.compile(r"<(\w*:?atlas|LabelTable)\b.*</\1>", re.DOTALL | re.IGNORECASE)


def name_by_header(img: nib.nifti1.Nifti1Pair, indices: tuple[int, ...], image_path: Path) -> Named | None:
    """Return each region's name in the label table of an image's header, None where that names no region.

    Regions that it does not name keep their index as name, with a warning.
    """
    table = read_header_table(img, image_path)
    if table is None:
        return None
    by_index = dict(zip(table.columns[0].numbers, table.names, strict=True))
    n_named = sum(bool(by_index.get(index)) for index in indices)
    if not n_named:
        _log.debug("%s: %s names none of its regions", image_path, table.format)
        return None
    if n_named < len(indices):
        warn(
            f"{image_path.name}: {table.format} names {n_named} of {count(len(indices), 'region')}; the others are "
            "named by their index."
        )
    names = [by_index.get(index) or f"roi {index}" for index in indices]
    return finish_names(names, NamesJoin(image_path, table.format, table.columns[0].title), indices, image_path.name)


def read_header_table(img: nib.nifti1.Nifti1Pair, image_path: Path) -> LabelTable | None:
    """Return the label table in an image's header, None where there is none that can be read."""
    for content in read_extensions(img):
        # AFNI writes its tables with entities in entities.
        text = html.unescape(html.unescape(content.decode("utf-8", errors="replace").strip("\0")))
        if (table := _read_afni(text, image_path) or _read_document(content, image_path)) is not None:
            return table
    return None


def _read_afni(text: str, image_path: Path) -> LabelTable | None:
    points = [
        {key: first or second for key, first, second in _ATTRIBUTE.findall(point)} for point in _POINT.findall(text)
    ]
    pairs = [
        (int(each["VAL"]), each["STRUCT"]) for each in points if each.get("VAL", "").isdigit() and "STRUCT" in each
    ]
    for table in _TABLE.findall(text) if not pairs else ():
        pairs += [(int(value), name) for value, name in _PAIR.findall(table)]
    return _make_table(image_path, _AFNI, pairs, "its values")


def _make_table(image_path: Path, form: str, pairs: list[tuple[int, str]], title: str) -> LabelTable | None:
    if not pairs:
        return None
    values, names = zip(*pairs, strict=True)
    return LabelTable(image_path, form, tuple(name.strip() for name in names), (NumberColumn(title, values),))


def _read_document(content: bytes, image_path: Path) -> LabelTable | None:
    """Return the labels of an atlas, or of a label table such as Workbench's, in XML."""
    found = _XML.search(content.decode("utf-8", errors="replace"))
    if found is None:
        return None
    try:
        table = read_xml(found[0], image_path)
    except RegionsError:
        return None
    if table is None or not table.columns:
        return None
    pairs = [(n, name) for n, name in zip(table.columns[0].numbers, table.names, strict=True) if n is not None]
    return _make_table(image_path, f"{table.format} in its header", pairs, table.columns[0].title)
