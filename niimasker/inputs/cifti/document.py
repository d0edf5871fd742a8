"""The XML header of a CIFTI-2 file: its index maps, and the elements, attributes and numbers in them."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.parsers import expat

import numpy as np

_INDEX_TYPE = "CIFTI_INDEX_TYPE_"
_MAP_PATH = ["CIFTI", "Matrix", "MatrixIndicesMap"]
_MODELS_START = re.compile(rb"""<MatrixIndicesMap\s[^<>]*["']CIFTI_INDEX_TYPE_BRAIN_MODELS["'][^<>]*(?<!/)>""")
_MAP_END, _EMPTY_MAP = b"</MatrixIndicesMap>", b"<MatrixIndicesMap/>"

# A thousand times as many as a label table of 1,000 regions has.
_MAX_ELEMENTS = 10**6
_MAX_DEPTH = 100

# Powers of ten of a unit, from 10^-15 to 10^15.
_MAX_EXPONENT = 15

_DIGITS_AND_SPACE = b"0123456789 \t\r\n"


class HeaderError(ValueError):
    """A header that contradicts itself or CIFTI's standard; the text says how, without naming the file."""


@dataclass(frozen=True)
class IndexMap:
    """What the indices along a dimension of a CIFTI matrix stand for.

    Parameters
    ----------
    attributes
        The attributes of the element MatrixIndicesMap.
    xml
        The whole element.
    """

    attributes: Mapping[str, str]
    xml: bytes

    @property
    def kind(self) -> str:
        """CIFTI's name without its prefix, such as `BRAIN_MODELS`."""
        return read_attribute(self.attributes, "IndicesMapToDataType").removeprefix(_INDEX_TYPE)

    @property
    def dimensions(self) -> tuple[int, ...]:
        """The dimensions that the map applies to; the values of dimension 0 follow each other in the file."""
        text = read_attribute(self.attributes, "AppliesToMatrixDimension")
        return tuple(parse_integer(part, "AppliesToMatrixDimension") for part in text.split(","))


@dataclass(frozen=True)
class CiftiDocument:
    """A CIFTI header, its index maps not yet parsed.

    Parameters
    ----------
    version
        The version of the format, such as "2".
    """

    version: str
    maps: tuple[IndexMap, ...]

    def arrange_maps(self) -> tuple[IndexMap, IndexMap]:
        """Return the index maps of dimensions 0 and 1; one map may be that of both."""
        by_dimension = [(dimension, index_map) for index_map in self.maps for dimension in index_map.dimensions]
        dimensions = sorted(dimension for dimension, _ in by_dimension)
        if dimensions != [0, 1]:
            shown = ", ".join(map(str, dimensions[:6])) or "none"
            raise HeaderError(f"its index maps apply to dimensions {shown}; expected one for 0 and one for 1")
        arranged = dict(by_dimension)
        return arranged[0], arranged[1]


@dataclass
class _MapFinder:
    """Finds the index maps in a document as expat goes through it, without parsing what they contain.

    Parameters
    ----------
    taken_out
        The maps whose content the document is given without, by their empty elements.
    """

    xml: bytes
    taken_out: Mapping[bytes, bytes]
    parser: expat.XMLParserType
    version: str = ""
    maps: list[IndexMap] = field(default_factory=list)
    _path: list[str] = field(default_factory=list)
    _attributes: dict[str, str] = field(default_factory=dict)
    _begin: int = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._path.append(name)
        if len(self._path) > _MAX_DEPTH:
            raise HeaderError("its XML nests elements too deeply")
        if self._path == ["CIFTI"]:
            self.version = attributes.get("Version", "")
        if self._path == _MAP_PATH:
            self._attributes, self._begin = attributes, self.parser.CurrentByteIndex

    def end(self, _name: str) -> None:
        if self._path == _MAP_PATH:
            content = self.xml[self._begin : self.parser.CurrentByteIndex]
            # An element that ends with /> has no end tag: expat then gives its beginning again.
            element = content + _MAP_END if content else _EMPTY_MAP
            self.maps.append(IndexMap(self._attributes, self.taken_out.get(element, element)))
        self._path.pop()

    def refuse_doctype(self, *_: object) -> None:
        # Declared entities can expand a small file to gigabytes; CIFTI declares none.
        raise HeaderError("its XML declares a document type")


def read_document(xml: bytes) -> CiftiDocument:
    """Return the version and the index maps of a CIFTI header.

    Raises
    ------
    HeaderError
        The XML is damaged, is no CIFTI header, or declares a document type.
    """
    shortened, taken_out = _take_out_models(xml)
    # CIFTI is UTF-8, whatever an XML declaration says: elements are cut out of the bytes.
    parser = expat.ParserCreate("UTF-8")
    finder = _MapFinder(shortened, taken_out, parser)
    parser.StartElementHandler, parser.EndElementHandler = finder.start, finder.end
    parser.StartDoctypeDeclHandler = finder.refuse_doctype
    try:
        parser.Parse(shortened, True)
    except expat.ExpatError as error:
        raise HeaderError(f"its XML is damaged ({error})") from error
    if not finder.version:
        raise HeaderError("its XML has no element CIFTI with a version")
    return CiftiDocument(finder.version, tuple(finder.maps))


def _take_out_models(xml: bytes) -> tuple[bytes, dict[bytes, bytes]]:
    """Return a header without the content of the map of brain models, and the whole map by its empty one.

    That content is nearly all of a header, and most of the time that expat takes. The map is found again in the parsed
    document by its empty element, unless it stands in a comment.
    """
    start = _MODELS_START.search(xml)
    end = -1 if start is None else xml.find(_MAP_END, start.end())
    if start is None or end < 0:
        return xml, {}
    whole = xml[start.start() : end + len(_MAP_END)]
    return xml[: start.end()] + xml[end:], {start[0] + _MAP_END: whole}


def parse_map(xml: bytes) -> ET.Element:
    """Return an index map as a tree."""
    if xml.count(b"<") > 2 * _MAX_ELEMENTS:
        raise HeaderError(f"its XML has more than {_MAX_ELEMENTS:,} elements")
    try:
        return ET.fromstring(xml, parser=ET.XMLParser(encoding="UTF-8"))
    except ET.ParseError as error:
        raise HeaderError(f"its XML is damaged ({error})") from error


def find_child(element: ET.Element, name: str) -> ET.Element:
    """Return the first child of a name; raise HeaderError if there is none."""
    child = element.find(name)
    if child is None:
        raise HeaderError(f"an element {element.tag} has no {name}")
    return child


def read_attribute(attributes: Mapping[str, str], name: str) -> str:
    """Return an attribute; raise HeaderError if it is missing."""
    try:
        return attributes[name]
    except KeyError:
        raise HeaderError(f"its XML gives no {name}") from None


def read_integer(attributes: Mapping[str, str], name: str) -> int:
    """Return an attribute that is an integer."""
    return parse_integer(read_attribute(attributes, name), name)


def read_exponent(attributes: Mapping[str, str], name: str) -> int:
    """Return an attribute that is the power of ten of a unit."""
    exponent = read_integer(attributes, name)
    if abs(exponent) > _MAX_EXPONENT:
        raise HeaderError(f"its {name} is {exponent}; expected {-_MAX_EXPONENT} to {_MAX_EXPONENT}")
    return exponent


def parse_integer(text: str, name: str) -> int:
    """Return an integer written in a text; `name` says in a message what it is."""
    try:
        return int(text)
    except ValueError:
        raise HeaderError(f"its {name} is {text[:40]!r}; expected an integer") from None


def parse_number(text: str, name: str) -> float:
    """Return a number written in a text; `name` says in a message what it is."""
    try:
        return float(text)
    except ValueError:
        raise HeaderError(f"its {name} is {text[:40]!r}; expected a number") from None


def parse_indices(element: ET.Element) -> np.ndarray:
    """Return the non-negative integers that an element lists, int64 of shape (n,)."""
    text = (element.text or "").strip()
    if len(element) or text.encode().translate(None, _DIGITS_AND_SPACE):
        raise HeaderError(f"an element {element.tag} holds more than non-negative integers")
    # NumPy reads 150,000 integers in 4 ms, where int() takes 24 ms.
    return np.fromstring(text, dtype=np.int64, sep=" ") if text else np.zeros(0, dtype=np.int64)
