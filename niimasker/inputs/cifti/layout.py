"""The NIfTI-2 part of a CIFTI-2 file: how its matrix is stored, and the XML that says what it holds."""

from __future__ import annotations

import re
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.nifti1 import data_type_codes
from nibabel.tripwire import TripWireError

from niimasker.errors import BrokenImageError, ImageError
from niimasker.inputs.blocks import READ_ERRORS, open_decompressed
from niimasker.inputs.cifti.document import HeaderError
from niimasker.inputs.images import MAX_COMPRESSION_RATIO, check_is_file, find_extensions, first_line
from niimasker.inputs.storage import GrayordinateStorage

_NAME = re.compile(r".*\.[dp](?:label|scalar|tseries|conn)\.nii(?:\.gz)?", re.IGNORECASE | re.DOTALL)
_HEADER_BYTES = 540
_MAGIC = b"n+2\0\r\n\032\n"
_INTENTS = range(3000, 3100)
_EXTENSION_CODE = 32

# The most that is read before the matrix: a hundred times what the header of 91,282 grayordinates takes.
_MAX_OFFSET = 2**26

# TripWireError: a compression for which no package is installed; ValueError: a name that cannot be that of a file.
_FILE_ERRORS = (*READ_ERRORS, TripWireError, ValueError)


@dataclass(frozen=True)
class CiftiLayout:
    """Where a CIFTI file's matrix is, and the XML of its header.

    Parameters
    ----------
    storage
        Dimension 0 of the matrix, whose values follow each other in the file, are its volumes.
    """

    storage: GrayordinateStorage
    xml: bytes

    @property
    def shape(self) -> tuple[int, int]:
        """The lengths of dimensions 0 and 1 of the matrix."""
        return self.storage.n_volumes, self.storage.n_points


def names_cifti(name: str) -> bool:
    """Return whether a file is by its name one of CIFTI, as atlas.dlabel.nii is."""
    return _NAME.fullmatch(name) is not None


def is_cifti(path: Path) -> bool:
    """Return whether a file is of CIFTI by its content, whatever its name; by its name if it cannot be read.

    It is a NIfTI-2 file with an intent code of CIFTI or a header extension of CIFTI's code.
    """
    try:
        with ExitStack() as stack:
            if not path.is_file():
                return False
            file = open_decompressed(path, stack)
            header = _parse_nifti2(file.read(_HEADER_BYTES))
            return header is not None and (
                int(header["intent_code"]) in _INTENTS or _find_xml(_read_extensions(file, header), header) is not None
            )
    except (HeaderError, *_FILE_ERRORS):
        return names_cifti(path.name)


def read_layout(path: Path) -> CiftiLayout:
    """Return how a CIFTI file is stored, checked against the size of the file.

    Raises
    ------
    ImageError
        The file does not exist, is not a CIFTI file, or its matrix is not one of two dimensions and real numbers.
    BrokenImageError
        The file is damaged or shorter than its header says; if it is not compressed, also if it is longer.
    HeaderError
        The header contradicts itself.
    """
    check_is_file(path, "a CIFTI-2 file")
    try:
        with ExitStack() as stack:
            file = open_decompressed(path, stack)
            header = _parse_nifti2(file.read(_HEADER_BYTES))
            content = b"" if header is None else _read_extensions(file, header)
    except HeaderError:
        raise
    except _FILE_ERRORS as error:
        raise BrokenImageError(
            f"{path}: cannot be read as a CIFTI-2 file ({first_line(error)}); fetch or make it again."
        ) from error
    xml = None if header is None else _find_xml(content, header)
    if header is None or xml is None:
        found = "not a NIfTI-2 file" if header is None else "a NIfTI-2 file without CIFTI's XML"
        raise ImageError(f"{path}: {found}; expected a CIFTI-2 file.")
    storage = _describe_storage(header, path)
    _check_size(storage)
    return CiftiLayout(storage, xml)


def _parse_nifti2(content: bytes) -> Any:
    """Return a NIfTI-2 header of either byte order, None if it is none."""
    if len(content) < _HEADER_BYTES or content[4:12] != _MAGIC:
        return None
    header = nib.Nifti2Header(content, check=False)
    return header if int(header["sizeof_hdr"]) == _HEADER_BYTES else None


def _read_extensions(file: Any, header: Any) -> bytes:
    """Return the bytes between header and matrix."""
    offset = int(header["vox_offset"])
    if not _HEADER_BYTES <= offset <= _MAX_OFFSET:
        raise HeaderError(f"its matrix would begin at byte {offset}; expected {_HEADER_BYTES} to {_MAX_OFFSET}")
    content: bytes = file.read(offset - _HEADER_BYTES)
    if len(content) < offset - _HEADER_BYTES:
        raise EOFError("the file ends within its header")
    return content


def _find_xml(content: bytes, header: Any) -> bytes | None:
    extensions = find_extensions(content, header.endianness)
    place = next((place for code, place in extensions if code == _EXTENSION_CODE), None)
    # Extensions are filled up with zeros to a multiple of 16 bytes.
    return None if place is None else content[place.start : content.rfind(b">", place.start, place.stop) + 1]


def _describe_storage(header: Any, path: Path) -> GrayordinateStorage:
    n_volumes, n_points = _read_shape(header, path)
    slope, intercept = _read_scaling(header)
    return GrayordinateStorage(
        image_path=path,
        path=path,
        offset=int(header["vox_offset"]),
        dtype=_read_dtype(header, path),
        n_points=n_points,
        n_volumes=n_volumes,
        slope=slope,
        intercept=intercept,
    )


def _read_shape(header: Any, path: Path) -> tuple[int, int]:
    """Return the lengths of dimensions 0 and 1; NIfTI's own four dimensions come before them and are 1."""
    n_dimensions, *lengths = header["dim"].tolist()
    shown = "x".join(map(str, lengths[: min(max(n_dimensions, 1), 7)]))
    if n_dimensions == 7 and lengths[6] != 1:
        raise ImageError(f"{path}: a CIFTI file of three dimensions ({shown}); expected one of two.")
    if n_dimensions not in (6, 7) or lengths[:4] != [1, 1, 1, 1]:
        raise HeaderError(f"its dimensions are {shown}; expected 1x1x1x1 and the two of a matrix")
    if min(lengths[4:6]) < 1:
        raise HeaderError(f"its matrix has no values ({lengths[4]}x{lengths[5]})")
    return lengths[4], lengths[5]


def _read_dtype(header: Any, path: Path) -> np.dtype:
    code = int(header["datatype"])
    try:
        dtype: np.dtype = np.dtype(data_type_codes.dtype[code])
    except KeyError:
        raise HeaderError(f"its datatype is {code}, which NIfTI does not define") from None
    if dtype.kind not in "iuf":
        raise ImageError(f"{path}: its values are of type {data_type_codes.label[code]}; expected real numbers.")
    return np.dtype(dtype.newbyteorder(header.endianness))


def _read_scaling(header: Any) -> tuple[float, float]:
    """Return slope and intercept; a slope of 0 or NaN stands for none."""
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    if slope == 0 or np.isnan(slope):
        return 1.0, 0.0
    if not np.isfinite([slope, intercept]).all():
        raise HeaderError(f"its values would be scaled by {slope} and shifted by {intercept}")
    return slope, intercept


def _check_size(storage: GrayordinateStorage) -> None:
    """Check the sizes in a header against the file, before memory is allocated for them."""
    path = storage.path
    ratio = MAX_COMPRESSION_RATIO.get(path.suffix.lower(), 1)
    n_bytes = path.stat().st_size * ratio - storage.offset
    if n_bytes < storage.n_bytes:
        n_possible = max(0, n_bytes) // storage.series_bytes
        raise BrokenImageError(
            f"{path}: broken: its header says {storage.n_points} grayordinates, its size allows {n_possible} at most; "
            "fetch or make it again."
        )
    if ratio == 1 and n_bytes > storage.n_bytes:
        raise BrokenImageError(
            f"{path}: broken: its header says {storage.n_points} grayordinates, the file holds {n_bytes} bytes of "
            f"values and not {storage.n_bytes}; fetch or make it again."
        )
