"""The arrays of GIFTI files: how each is stored, and its values."""

from __future__ import annotations

import binascii
import html
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import pybase64
from isal import isal_zlib

from niimasker.inputs.blocks import READ_ERRORS
from niimasker.inputs.gifti.content import BrokenGiftiError
from niimasker.inputs.images import MAX_COMPRESSION_RATIO
from niimasker.options.paths import describe_missing_file

Value = TypeVar("Value")

# By NIfTI's name without its prefix. GIFTI has uint8, int32 and float32; some programs write others.
_TYPES = {
    name.upper(): np.dtype(name)
    for name in ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64")
}
# gifticlib once wrote the names of its own constants for encodings and byte orders.
_BYTE_ORDERS = {"LittleEndian": "<", "BigEndian": ">", "GIFTI_ENDIAN_LITTLE": "<", "GIFTI_ENDIAN_BIG": ">"}
_INDEX_ORDERS = {"RowMajorOrder": "C", "ColumnMajorOrder": "F"}
_MAX_AXES = 6

_EXTERNAL_NAME = re.compile(rb'ExternalFileName\s*=\s*"([^"]+)"')
# The first array begins within the first of these numbers of bytes; the second bounds what follows.
_FIRST_BYTES, _MAX_EXTERNAL_BYTES = 2**16, 2**26

_ASCII, _BASE64, _GZIP, _EXTERNAL = "ASCII", "Base64Binary", "GZipBase64Binary", "ExternalFileBinary"
_ENCODINGS = {
    **{name: name for name in (_ASCII, _BASE64, _GZIP, _EXTERNAL)},
    "GIFTI_ENCODING_ASCII": _ASCII,
    "GIFTI_ENCODING_B64BIN": _BASE64,
    "GIFTI_ENCODING_B64GZ": _GZIP,
    "GIFTI_ENCODING_EXTBIN": _EXTERNAL,
}

# The first bytes of gzip's format. GIFTI's GZip is zlib's format.
_GZIP_MAGIC = b"\x1f\x8b"
_ZLIB_BITS, _GZIP_BITS = 15, 31


@dataclass(frozen=True)
class ArrayDescription:
    """How an array is stored.

    Parameters
    ----------
    intent
        NIfTI's name without its prefix, such as `TIME_SERIES`; `NONE` where the file gives none.
    dtype
        With the file's byte order.
    index_order
        "C" where the last index is the fastest, "F" where the first is.
    encoding
        GIFTI's name, such as `GZipBase64Binary`.
    external_name
        The file with the values, relative to the folder of the GIFTI file.
    external_offset
        The byte of that file at which they begin.
    """

    intent: str
    dtype: np.dtype
    shape: tuple[int, ...]
    index_order: str
    encoding: str
    external_name: str = ""
    external_offset: int = 0

    @property
    def n_values(self) -> int:
        """The number of values."""
        return math.prod(self.shape)

    @property
    def n_bytes(self) -> int:
        """The size of the values in memory."""
        return self.n_values * self.dtype.itemsize

    @property
    def min_text_bytes(self) -> float:
        """The least that the text of the values takes in the file."""
        return {
            _ASCII: 2 * self.n_values - 1,
            _BASE64: self.n_bytes * 4 / 3,
            _GZIP: self.n_bytes / MAX_COMPRESSION_RATIO[".gz"] * 4 / 3,
            _EXTERNAL: 0,
        }[self.encoding]

    @property
    def max_text_bytes(self) -> int:
        """The most that the text of the values takes in the file, with indents and line breaks."""
        return 2**16 + (64 * self.n_values if self.encoding == _ASCII else 2 * self.n_bytes)


def describe_array(attributes: Mapping[str, str]) -> ArrayDescription:
    """Return how an array is stored, by the attributes of its tag.

    Raises
    ------
    BrokenGiftiError
        An attribute is missing, or has a value that cannot be read.
    """
    encoding = _find("Encoding", attributes.get("Encoding", ""), _ENCODINGS)
    dtype = _find("DataType", attributes.get("DataType", "").removeprefix("NIFTI_TYPE_"), _TYPES)
    if encoding != _ASCII:
        dtype = np.dtype(_find("Endian", attributes.get("Endian", ""), _BYTE_ORDERS) + dtype.str[1:])
    shape = _read_shape(attributes)
    index_order = "C"
    if len(shape) > 1:
        index_order = _find("ArrayIndexingOrder", attributes.get("ArrayIndexingOrder", ""), _INDEX_ORDERS)
    offset = _read_number("ExternalFileOffset", attributes.get("ExternalFileOffset") or "0")
    external_name = attributes.get("ExternalFileName", "")
    intent = attributes.get("Intent", "NONE").removeprefix("NIFTI_INTENT_")
    return ArrayDescription(intent, dtype, shape, index_order, encoding, external_name, offset)


def _find(name: str, text: str, values: Mapping[str, Value]) -> Value:
    if text not in values:
        found = f"is {text[:40]!r}" if text else "is missing"
        names = [each for each in values if not each.startswith("GIFTI_")]
        raise BrokenGiftiError(f"the {name} of an array {found}; expected {', '.join(names)}")
    return values[text]


def _read_shape(attributes: Mapping[str, str]) -> tuple[int, ...]:
    n_axes = _read_number("Dimensionality", attributes.get("Dimensionality", ""))
    if not 1 <= n_axes <= _MAX_AXES:
        raise BrokenGiftiError(f"the Dimensionality of an array is {n_axes}; expected 1 to {_MAX_AXES}")
    shape = tuple(_read_number(f"Dim{axis}", attributes.get(f"Dim{axis}", "")) for axis in range(n_axes))
    if min(shape) < 1:
        raise BrokenGiftiError(f"an array without values ({'x'.join(map(str, shape))})")
    # Axes of length 1 behind the first one are none.
    while len(shape) > 1 and shape[-1] == 1:
        shape = shape[:-1]
    return shape


def _read_number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        found = f"is {text[:40]!r}" if text else "is missing"
        raise BrokenGiftiError(f"the {name} of an array {found}; expected a number")
    return int(text)


def list_external_files(path: Path) -> list[Path]:
    """Return the files that hold the values of a GIFTI file's arrays, where these are not in the file itself."""
    if path.suffix.lower() != ".gii":
        return []
    try:
        with path.open("rb") as file:
            content = file.read(_FIRST_BYTES)
            # Without values of its own a file is small.
            content += file.read(_MAX_EXTERNAL_BYTES) if _EXTERNAL_NAME.search(content) else b""
    except OSError:
        return []
    names = dict.fromkeys(_EXTERNAL_NAME.findall(content))
    return [path.parent / html.unescape(name.decode("utf-8", errors="replace")) for name in names]


def find_external_file(description: ArrayDescription, folder: Path) -> Path | None:
    """Return the file with an array's values, None if they are in the GIFTI file.

    Raises
    ------
    BrokenGiftiError
        There is no such file, or it is too short.
    """
    if description.encoding != _EXTERNAL:
        return None
    if not description.external_name:
        raise BrokenGiftiError("it names no file with its values (ExternalFileName)")
    path = folder / description.external_name
    if found := describe_missing_file(path):
        is_link = found == "no such file" and path.is_symlink()
        shown = "a link to a file that does not exist" if is_link else found
        raise BrokenGiftiError(f"{description.external_name}, the file with its values: {shown}")
    n_bytes = max(0, path.stat().st_size - description.external_offset)
    if n_bytes < description.n_bytes:
        raise BrokenGiftiError(
            f"{description.external_name}, the file with its values, holds {n_bytes:,} bytes of an array of "
            f"{description.n_bytes:,}"
        )
    return path


def decode_array(description: ArrayDescription, text: bytes, folder: Path) -> np.ndarray:
    """Return the values of an array, in the file's type and byte order.

    Parameters
    ----------
    text
        The text of the array's Data element.
    folder
        The folder of the GIFTI file.

    Raises
    ------
    BrokenGiftiError
        The values are damaged, or more or fewer than the array's dimensions say.
    """
    values = _DECODERS[description.encoding](description, text, folder)
    return values.reshape(description.shape, order="C" if description.index_order == "C" else "F")


def _decode_ascii(description: ArrayDescription, text: bytes, folder: Path) -> np.ndarray:
    words = text.split()
    if len(words) != description.n_values:
        raise _make_size_error(description, len(words), "values", description.n_values)
    try:
        with np.errstate(over="ignore"):
            return np.array(words).astype(description.dtype)
    except (ValueError, OverflowError) as error:
        raise BrokenGiftiError(f"an array holds text that is no {description.dtype} ({error})") from error


def _decode_base64(description: ArrayDescription, text: bytes, folder: Path) -> np.ndarray:
    return _view(description, _read_base64(text))


def _decode_gzip(description: ArrayDescription, text: bytes, folder: Path) -> np.ndarray:
    content = _read_base64(text)
    # ISA-L takes about half of zlib's time. One byte more than needed tells a stream that holds more.
    decompressor = isal_zlib.decompressobj(_GZIP_BITS if content.startswith(_GZIP_MAGIC) else _ZLIB_BITS)
    try:
        values = decompressor.decompress(content, description.n_bytes + 1)
    except READ_ERRORS as error:
        raise BrokenGiftiError(f"an array's compressed values are damaged: {error}") from error
    if not decompressor.eof and len(values) <= description.n_bytes:
        raise BrokenGiftiError("an array's compressed values end early")
    return _view(description, values)


def _decode_external(description: ArrayDescription, text: bytes, folder: Path) -> np.ndarray:
    path = find_external_file(description, folder)
    assert path is not None
    try:
        with path.open("rb") as file:
            file.seek(description.external_offset)
            return _view(description, file.read(description.n_bytes))
    except OSError as error:
        raise BrokenGiftiError(f"{path.name}, the file with its values: {error.strerror}") from error


def _read_base64(text: bytes) -> bytes:
    try:
        return pybase64.b64decode(text, validate=True)
    except binascii.Error:
        pass
    try:
        return pybase64.b64decode(text.translate(None, b" \t\r\n"), validate=True)
    except binascii.Error as error:
        raise BrokenGiftiError("an array's base64 code is damaged") from error


def _view(description: ArrayDescription, content: bytes) -> np.ndarray:
    if len(content) != description.n_bytes:
        shown = f"more than {description.n_bytes:,}" if len(content) > description.n_bytes else len(content)
        raise _make_size_error(description, shown, "bytes", description.n_bytes)
    return np.frombuffer(content, dtype=description.dtype)


def _make_size_error(description: ArrayDescription, found: object, unit: str, expected: int) -> BrokenGiftiError:
    shape = "x".join(map(str, description.shape))
    return BrokenGiftiError(
        f"an array of {shape} {description.dtype.name} holds {found} {unit} instead of {expected:,}"
    )


_DECODERS: dict[str, Callable[[ArrayDescription, bytes, Path], np.ndarray]] = {
    _ASCII: _decode_ascii,
    _BASE64: _decode_base64,
    _GZIP: _decode_gzip,
    _EXTERNAL: _decode_external,
}
