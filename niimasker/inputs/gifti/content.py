"""What a parser finds in a GIFTI file beside the values of its arrays: metadata, labels and the tags of arrays."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# The most that is held of metadata, labels and tags before the next array, and the longest tag or comment.
MAX_HELD_BYTES = 2**24
# What an entry of a list or table takes beside its text.
_ENTRY_BYTES = 200


class BrokenGiftiError(ValueError):
    """The content of a GIFTI file is damaged; the message is the reason, without the file's name."""


@dataclass(frozen=True)
class ArrayElement:
    """An array as the file describes it, before its values.

    Parameters
    ----------
    attributes
        The attributes of its tag, such as `DataType` and `Dim0`.
    metadata
        Its own metadata.
    """

    attributes: Mapping[str, str]
    metadata: dict[str, str]


class Content:
    """What the parser has found so far; its methods are expat's handlers.

    Attributes
    ----------
    arrays
        Arrays that have not been taken yet. The parser stands at the beginning of the last one's text while
        `is_in_data` is true.
    text
        Pieces of the text of the current element, None for an element whose text is not needed.
    n_characters
        The length of `text`.
    since_event
        The bytes that the parser has been given since it last called one of the methods.
    """

    def __init__(self) -> None:
        self.n_arrays: int | None = None
        self.metadata: dict[str, str] = {}
        self.labels: dict[int, str] = {}
        self.arrays: deque[ArrayElement] = deque()
        self.is_in_data = False
        self.text: list[str] | None = None
        self.n_characters = 0
        self.n_held = 0
        self.since_event = 0
        self._depth = 0
        self._array: ArrayElement | None = None
        self._has_data = False
        self._name = self._key = ""

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Take in the beginning of an element."""
        self.since_event = 0
        self._depth += 1
        self._hold(_ENTRY_BYTES + sum(map(len, attributes.values())))
        if self._depth == 1 and tag != "GIFTI":
            raise BrokenGiftiError(f"its root element is {tag[:40]}, not GIFTI")
        if tag == "GIFTI":
            self.n_arrays = _read_count(attributes.get("NumberOfDataArrays"))
        elif tag == "DataArray":
            self._array, self._has_data = ArrayElement(attributes, {}), False
        elif tag == "Data" and self._array is not None:
            self.arrays.append(self._array)
            self.is_in_data = self._has_data = True
        elif tag == "MD":
            self._name = ""
        elif tag == "Label":
            # Caret called it Index before version 1.0 of the format.
            self._key = attributes.get("Key", attributes.get("Index", ""))
        if tag in ("Name", "Value", "Label", "Data"):
            self.text, self.n_characters = [], 0

    def end(self, tag: str) -> None:
        """Take in the end of an element."""
        self.since_event = 0
        self._depth -= 1
        text = "".join(self.text or ()).strip() if tag != "Data" else ""
        if tag == "Name":
            self._name = text
        elif tag == "Value":
            (self.metadata if self._array is None else self._array.metadata)[self._name] = text
        elif tag == "Label":
            self.labels[_read_key(self._key, text)] = text
        elif tag == "Data":
            self.is_in_data = False
        elif tag == "DataArray" and self._array is not None:
            # Without Data, as values in an external file may be.
            if not self._has_data:
                self.arrays.append(self._array)
            self._array = None
            # Arrays are not held.
            self.n_held = 0
        if tag != "Data":
            self.text = None

    def add_text(self, text: str) -> None:
        """Take in a piece of an element's text."""
        self.since_event = 0
        if self.text is not None:
            self.text.append(text)
            self.n_characters += len(text)
            if not self.is_in_data:
                self._hold(len(text))

    def refuse_entity(self, name: str, *_: Any) -> None:
        """Raise BrokenGiftiError: entities that contain each other can take any amount of memory."""
        raise BrokenGiftiError(f"it declares the entity {name[:40]}, which GIFTI files do not have")

    def _hold(self, n_bytes: int) -> None:
        self.n_held += n_bytes
        if self.n_held > MAX_HELD_BYTES:
            raise BrokenGiftiError(f"its metadata or labels are larger than {MAX_HELD_BYTES // 2**20} MB")


def _read_count(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return int(text)
    except ValueError as error:
        raise BrokenGiftiError(f"its NumberOfDataArrays is {text[:40]!r}, no number") from error


def _read_key(text: str, name: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise BrokenGiftiError(f"the key of its label {name[:40]!r} is {text[:40]!r}, no integer") from error
