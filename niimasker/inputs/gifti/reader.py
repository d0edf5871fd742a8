"""Parse a GIFTI file piece by piece: its metadata, its table of labels, and its arrays one after the other."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from xml.parsers import expat

from niimasker.inputs.blocks import READ_ERRORS, Digest, open_decompressed
from niimasker.inputs.gifti.content import MAX_HELD_BYTES, ArrayElement, BrokenGiftiError, Content
from niimasker.inputs.images import first_line

# Smaller pieces than this take longer in all, and larger ones leave the processor's cache.
_PIECE_BYTES = 2**17

# An array's values stand between these tags, which have no attributes.
_DATA_START = re.compile(rb"<Data[ \t\r\n]*/?>")
_DATA_END = re.compile(rb"</Data[ \t\r\n]*>")

_EARLY_END = "the file ends early"
# What expat finds at the end of a file that is cut: no element, or something that is not closed.
_END_ERRORS = {
    expat.errors.codes[message]
    for message in (
        expat.errors.XML_ERROR_NO_ELEMENTS,
        expat.errors.XML_ERROR_UNCLOSED_TOKEN,
        expat.errors.XML_ERROR_PARTIAL_CHAR,
        expat.errors.XML_ERROR_UNCLOSED_CDATA_SECTION,
    )
}


class GiftiReader:
    """Reads the arrays of a GIFTI file in their order; the text of one array at most is in memory.

    expat reads everything but the text of arrays, for which it would take half as long as decoding does.

    Parameters
    ----------
    file
        The uncompressed file.
    """

    def __init__(self, file: Any) -> None:
        self._file = file
        self._content = Content()
        self._buffer = b""
        self._position = 0
        self._is_finished = False
        self._parser = expat.ParserCreate()
        self._parser.buffer_text, self._parser.buffer_size = True, _PIECE_BYTES
        self._parser.StartElementHandler = self._content.start
        self._parser.EndElementHandler = self._content.end
        self._parser.CharacterDataHandler = self._content.add_text
        self._parser.EntityDeclHandler = self._content.refuse_entity

    @property
    def n_arrays(self) -> int | None:
        """The number of arrays by the attribute NumberOfDataArrays, None where there is none."""
        return self._content.n_arrays

    @property
    def metadata(self) -> Mapping[str, str]:
        """The metadata of the file that have been read; they stand before the first array."""
        return self._content.metadata

    @property
    def labels(self) -> Mapping[int, str]:
        """The names of labels by key; they stand before the first array."""
        return self._content.labels

    def next_array(self) -> ArrayElement | None:
        """Return the next array without its values; None after the last one, when the whole file has been read.

        Raises
        ------
        BrokenGiftiError
            The file is damaged.
        """
        while self._content.is_in_data:
            self._content.text = []
            self._feed_to(_DATA_END)
        while not self._content.arrays and not self._is_finished:
            self._feed_to(_DATA_START)
        return self._content.arrays.popleft() if self._content.arrays else None

    def read_text(self, max_bytes: int) -> bytes:
        """Return the text of the array that `next_array` returned last, empty if it has none.

        Parameters
        ----------
        max_bytes
            The size that the text may have.
        """
        if self._content.arrays or not self._content.is_in_data:
            return b""
        text = b"".join(self._iter_text(max_bytes))
        while len(self._buffer) - self._position < len(b"</Data"):
            self._extend()
        if b"&" in text or not self._buffer.startswith(b"</Data", self._position):
            return self._read_marked_text(text, max_bytes)
        return text

    def _iter_text(self, max_bytes: int) -> Iterator[bytes]:
        """Yield the text up to the next tag."""
        n_left = max_bytes
        while True:
            end = self._buffer.find(b"<", self._position)
            piece = self._buffer[self._position : len(self._buffer) if end < 0 else end]
            n_left -= len(piece)
            _check_length(n_left)
            yield piece
            self._position += len(piece)
            if end >= 0:
                return
            self._extend()

    def _read_marked_text(self, text: bytes, max_bytes: int) -> bytes:
        """Return the text of an array that holds more than characters, such as a CDATA section."""
        self._parse(text)
        while self._content.is_in_data:
            _check_length(max_bytes - self._content.n_characters)
            self._feed_to(_DATA_END)
        return "".join(self._content.text or ()).encode()

    def _feed_to(self, tag: re.Pattern[bytes]) -> None:
        """Let expat read up to the end of the next tag of a kind, or if there is none so far what has been read."""
        found = tag.search(self._buffer, self._position)
        if found is not None:
            self._feed(found.end())
            return
        # What begins with the last "<" may be an incomplete tag of this kind, unless it is long.
        last = self._buffer.rfind(b"<", self._position)
        self._feed(len(self._buffer) if last < 0 or len(self._buffer) - last > _PIECE_BYTES else last)
        if not self._extend(is_end_allowed=True):
            self._feed(len(self._buffer), is_last=True)
            self._is_finished = True

    def _extend(self, *, is_end_allowed: bool = False) -> bool:
        """Read on; return False at the end of the file, which is an error unless allowed."""
        is_first = not self._buffer
        try:
            piece = self._file.read(_PIECE_BYTES)
        except READ_ERRORS as error:
            raise BrokenGiftiError(first_line(error)) from error
        if is_first and b"\0" in piece[:4]:
            raise BrokenGiftiError("it is no XML in UTF-8")
        if not piece and not is_end_allowed:
            raise BrokenGiftiError(_EARLY_END)
        self._buffer = self._buffer[self._position :] + piece
        self._position = 0
        return bool(piece)

    def _feed(self, end: int, *, is_last: bool = False) -> None:
        content, self._position = self._buffer[self._position : end], end
        self._parse(content, is_last=is_last)

    def _parse(self, content: bytes, *, is_last: bool = False) -> None:
        self._content.since_event += len(content)
        try:
            self._parser.Parse(content, is_last)
        except expat.ExpatError as error:
            reason = _EARLY_END if is_last and error.code in _END_ERRORS else expat.errors.messages[error.code]
            raise BrokenGiftiError(reason) from error
        except BrokenGiftiError:
            raise
        except (LookupError, ValueError) as error:  # an encoding that does not exist, or that expat cannot read
            raise BrokenGiftiError(first_line(error)) from error
        if self._content.since_event > MAX_HELD_BYTES:
            raise BrokenGiftiError(f"a tag or comment is larger than {MAX_HELD_BYTES // 2**20} MB")


def _check_length(n_left: int) -> None:
    if n_left < 0:
        raise BrokenGiftiError("an array holds more than its dimensions say")


@contextmanager
def open_gifti(path: Path, digest: Digest | None = None) -> Iterator[GiftiReader]:
    """Open a GIFTI file, which may be compressed.

    Parameters
    ----------
    digest
        Gets the bytes of the file, as stored; all of them once `GiftiReader.next_array` has returned None.
    """
    with ExitStack() as stack:
        try:
            file = open_decompressed(path, stack, digest)
        except READ_ERRORS as error:
            raise BrokenGiftiError(first_line(error)) from error
        yield GiftiReader(file)
