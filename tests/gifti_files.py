"""GIFTI files as programs write them and as they should not be, written tag by tag."""

from __future__ import annotations

import base64
import gzip
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

ASCII, BASE64, GZIP, EXTERNAL = ENCODINGS = ("ASCII", "Base64Binary", "GZipBase64Binary", "ExternalFileBinary")
BYTE_ORDERS = {"<": "LittleEndian", ">": "BigEndian"}
INDEX_ORDERS = {"C": "RowMajorOrder", "F": "ColumnMajorOrder"}

DOCTYPE = '<!DOCTYPE GIFTI SYSTEM "http://www.nitrc.org/frs/download.php/115/gifti.dtd">'


@dataclass
class ArrayText:
    """An array, and how it is written; attributes replace those that fit the values, and None leaves one out."""

    values: np.ndarray
    intent: str = "TIME_SERIES"
    encoding: str = GZIP
    byte_order: str = "<"
    index_order: str = "C"
    metadata: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, str | None] = field(default_factory=dict)
    text: str | None = None
    external_name: str = ""
    external_offset: int = 0

    @property
    def content(self) -> bytes:
        """The values in the file's byte order and index order."""
        dtype = self.values.dtype.newbyteorder(self.byte_order)
        return self.values.astype(dtype).tobytes(order=self.index_order)

    def encode(self) -> str:
        if self.text is not None:
            return self.text
        if self.encoding == ASCII:
            return "\n".join(map(str, self.values.ravel(order=self.index_order).tolist()))
        if self.encoding == EXTERNAL:
            return ""
        content = self.content if self.encoding == BASE64 else zlib.compress(self.content)
        return base64.b64encode(content).decode()

    def write(self) -> str:
        attributes = {
            "Intent": f"NIFTI_INTENT_{self.intent}",
            "DataType": f"NIFTI_TYPE_{self.values.dtype.name.upper()}",
            "ArrayIndexingOrder": INDEX_ORDERS[self.index_order],
            "Dimensionality": str(self.values.ndim),
            **{f"Dim{axis}": str(n) for axis, n in enumerate(self.values.shape)},
            "Encoding": self.encoding,
            "Endian": BYTE_ORDERS[self.byte_order],
            "ExternalFileName": self.external_name,
            "ExternalFileOffset": str(self.external_offset) if self.external_name else "",
            **self.attributes,
        }
        shown = " ".join(f'{name}="{value}"' for name, value in attributes.items() if value is not None)
        return f"<DataArray {shown}>\n{write_metadata(self.metadata)}<Data>{self.encode()}</Data>\n</DataArray>\n"


def write_metadata(metadata: Mapping[str, str]) -> str:
    entries = (
        f"<MD><Name><![CDATA[{name}]]></Name><Value><![CDATA[{value}]]></Value></MD>"
        for name, value in metadata.items()
    )
    return f"<MetaData>{''.join(entries)}</MetaData>\n"


def write_document(
    arrays: Sequence[ArrayText],
    *,
    structure: str | None = None,
    metadata: Mapping[str, str] | None = None,
    labels: Mapping[int, str] | None = None,
    n_arrays: int | str | None = None,
    head: str = DOCTYPE,
) -> bytes:
    """Return the text of a file."""
    entries = {} if structure is None else {"AnatomicalStructurePrimary": structure}
    table = "".join(f'<Label Key="{key}"><![CDATA[{name}]]></Label>' for key, name in (labels or {}).items())
    n = len(arrays) if n_arrays is None else n_arrays
    return "".join(
        [
            f'<?xml version="1.0" encoding="UTF-8"?>\n{head}\n<GIFTI Version="1.0" NumberOfDataArrays="{n}">\n',
            write_metadata({**entries, **(metadata or {})}),
            f"<LabelTable>{table}</LabelTable>\n",
            *(array.write() for array in arrays),
            "</GIFTI>\n",
        ]
    ).encode()


def save_gifti(path: Path, arrays: Sequence[ArrayText], **options) -> Path:
    """Write a file, and beside it the files with the values of its external arrays; return its path."""
    content = write_document(arrays, **options)
    for array in arrays:
        if array.encoding == EXTERNAL:
            with (path.parent / array.external_name).open("ab") as file:
                file.write(array.content)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def make_volumes(values: np.ndarray, **options) -> list[ArrayText]:
    """Return an array per volume of values of shape (n_volumes, n_vertices)."""
    if options.get("encoding") == EXTERNAL:
        size = values[0].nbytes
        offsets = range(0, values.nbytes, size)
        return [ArrayText(row, external_offset=offset, **options) for row, offset in zip(values, offsets, strict=True)]
    return [ArrayText(row, **options) for row in values]


def save_series(path: Path, values: np.ndarray, *, structure: str | None = None, **options) -> Path:
    """Write a series of shape (n_volumes, n_vertices), an array per volume; return its path."""
    if options.get("encoding") == EXTERNAL:
        options.setdefault("external_name", f"{path.name}.dat")
    return save_gifti(path, make_volumes(values, **options), structure=structure)
