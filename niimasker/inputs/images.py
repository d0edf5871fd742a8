"""Open an image: what its header says, before any voxel is read."""

from __future__ import annotations

import contextlib
import io
import logging
import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.imageclasses import all_image_classes
from nibabel.openers import ImageOpener
from nibabel.spatialimages import HeaderDataError
from nibabel.tripwire import TripWireError

from niimasker.errors import BrokenImageError, ImageError, clip, warn
from niimasker.inputs.free_memory import free_bytes
from niimasker.options.paths import why_no_file

# What nibabel and the decompressors raise for a file that is not, or not wholly, an image.
_READ_ERRORS = (ImageFileError, HeaderDataError, OSError, EOFError, ValueError, zlib.error, TripWireError)

# The highest ratios that the formats reach: deflate codes 258 bytes in 2 bits, the others compress zeros without end.
_MOST_COMPRESSED = {".gz": 1032, ".bz2": 10**6, ".zst": 10**6}

# Of what stands between header and voxels: AFNI's longest histories and label tables take less than one.
_MOST_EXTENSION_BYTES = 2**24

# Of more than these a volume is not believed before it has been decompressed: 256 x 256 x 256, where most have 10^6.
_MANY_VOXELS = 2**24
_PIECE_BYTES = 2**20
# As float64: a volume read, one being read, its differences from the first, and the regions on its grid.
_COPIES_OF_A_VOLUME = 4


@dataclass(frozen=True)
class VoxelStorage:
    """How an image's voxels are written.

    Parameters
    ----------
    image_path
        The image, for messages.
    path
        The file that holds the voxels, which is another one for a pair of .hdr and .img.
    offset
        The byte at which they begin.
    n_voxels, n_volumes
        Of a volume, and how many of them.
    slope, intercept
        A voxel is slope * value + intercept.
    """

    image_path: Path
    path: Path
    offset: int
    dtype: np.dtype
    n_voxels: int
    n_volumes: int
    slope: float
    intercept: float

    @property
    def volume_bytes(self) -> int:
        """The size of a volume, decompressed."""
        return self.n_voxels * self.dtype.itemsize

    def first_byte(self, volume: int) -> int:
        """Return where a volume begins in the decompressed file."""
        return self.offset + volume * self.volume_bytes


def load_image(image_path: Path) -> nib.nifti1.Nifti1Pair:
    """Return an image whose voxels are still on disk, its header checked.

    Raises
    ------
    ImageError
        The file does not exist, or is not what an image of voxels in space is.
    BrokenImageError
        The file is damaged.
    """
    if found := why_no_file(image_path):
        if found == "no such file" and image_path.is_symlink():
            raise BrokenImageError(f"{image_path}: a link to a file that is not here; fetch it, as with datalad get.")
        raise ImageError(f"{clip(str(image_path))}: {found}; expected a NIfTI image.")
    if image_path.suffix.lower() in (".txt", ".xlsx", ".json", ".1d"):
        raise ImageError(f"{image_path}: no NIfTI image; a table of coordinates has the ending .tsv or .csv.")
    try:
        # nibabel takes a name with a leading tilde for a home directory; `to_path` has found that it is none.
        img, mended = _open(image_path.absolute() if str(image_path).startswith("~") else image_path)
    except _READ_ERRORS as error:
        raise BrokenImageError(
            f"{image_path}: not a NIfTI image that can be read ({first_line(error)}); fetch or make it again."
        ) from error
    _check_shape(img, image_path)
    _check_size(storage_of(img, image_path))
    for said in mended:
        warn(f"{image_path}: its header is not right: {said}.")
    return img


def _open(image_path: Path) -> tuple[nib.nifti1.Nifti1Pair, list[str]]:
    """Return an image and what was mended in its header.

    `nibabel.load` would also read what stands between header and voxels into memory, whatever its size.
    """
    klass = _class_of(image_path)
    if not issubclass(klass, nib.nifti1.Nifti1Pair):
        raise ImageError(f"{image_path}: found a {klass.__name__}; expected a NIfTI image.")
    file_map = klass.filespec_to_file_map(image_path)
    with ImageOpener(file_map.get("header", file_map["image"]).filename, "rb") as file:
        header_bytes = file.read(klass.header_class.template_dtype.itemsize)
    header = klass.header_class.from_fileobj(io.BytesIO(header_bytes), check=False)
    _check_numbers(header)
    mended = _mend_header(header)
    affine = header.get_best_affine()
    _check_affine(affine, image_path)
    voxels = klass.ImageArrayProxy(file_map["image"].filename, header.copy())
    return klass(voxels, affine, header, file_map=file_map), mended


def _class_of(image_path: Path) -> Any:
    sniffed = None
    for klass in all_image_classes:
        is_one, sniffed = klass.path_maybe_image(image_path, sniffed)
        if is_one:
            return klass
    return type(nib.load(image_path))  # raises, and says why


class _Mended(logging.Handler):
    """Keeps what nibabel tells of a header that it mends."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        # What cannot be mended is raised after it is told, and what stays as it is does no harm here.
        if record.levelno < logging.ERROR and "leaving at current value" not in record.getMessage():
            self.said.append(record.getMessage())


def _mend_header(header: nib.nifti1.Nifti1Header) -> list[str]:
    """Return what nibabel mends in a header; it raises for what cannot be mended."""
    logger, mended = logging.Logger("nibabel"), _Mended()
    logger.addHandler(mended)
    header.check_fix(logger=logger)
    return mended.said


def _check_numbers(header: nib.nifti1.Nifti1Header) -> None:
    """Refuse numbers that nibabel passes over: a slope that is infinite would be taken for none."""
    if not np.isfinite(header["vox_offset"]):
        raise HeaderDataError(f"its voxels would begin at byte {header['vox_offset']}")
    if np.isinf(header["scl_slope"]):
        raise HeaderDataError(f"its voxels would be scaled by {header['scl_slope']}")


def _check_affine(affine: np.ndarray, image_path: Path) -> None:
    if not np.isfinite(affine).all() or np.linalg.matrix_rank(affine) < 4:
        raise BrokenImageError(f"{image_path}: its affine does not place voxels in space; mend the header.")


def _check_shape(img: nib.nifti1.Nifti1Pair, image_path: Path) -> None:
    shown = "x".join(map(str, img.shape))
    if img.ndim < 3:
        raise ImageError(f"{image_path}: a {img.ndim}D image ({shown}); expected a 3D image, or a 4D one.")
    if min(img.shape) < 1:
        raise BrokenImageError(f"{image_path}: an image without voxels ({shown}); fetch or make it again.")
    if img.get_data_dtype().kind not in "iuf":
        raise ImageError(f"{image_path}: its voxels are of type {img.get_data_dtype()}; expected real numbers.")


def storage_of(img: nib.nifti1.Nifti1Pair, image_path: Path) -> VoxelStorage:
    """Return how an image's voxels are written."""
    data = img.dataobj
    return VoxelStorage(
        image_path,
        Path(img.file_map["image"].filename),
        int(data.offset),
        data.dtype,
        math.prod(img.shape[:3]),
        math.prod(img.shape[3:]),
        float(data.slope),
        float(data.inter),
    )


def _check_size(voxels: VoxelStorage) -> None:
    # A broken header promises anything; no memory is taken for more than the file can hold.
    if not voxels.path.is_file():
        raise BrokenImageError(f"{voxels.image_path}: {voxels.path.name}, the file with its voxels, is missing.")
    most_bytes = voxels.path.stat().st_size * _MOST_COMPRESSED.get(voxels.path.suffix.lower(), 1) - voxels.offset
    n_most = max(0, most_bytes) // voxels.volume_bytes
    if n_most < voxels.n_volumes:
        raise BrokenImageError(
            f"{voxels.image_path}: broken: its header says {voxels.n_volumes} volumes, its size allows {n_most} "
            "at most; fetch or make it again."
        )
    if voxels.n_voxels > _MANY_VOXELS:
        check_memory(voxels.image_path, "a volume", _COPIES_OF_A_VOLUME * 8 * voxels.n_voxels)
        _check_first_volume(voxels)


def check_memory(image_path: Path, what: str, n_bytes: int) -> None:
    """Raise ImageError when a part of an image takes more memory than is free."""
    free = free_bytes()
    if n_bytes > free:
        raise ImageError(
            f"{image_path}: {what} of it takes {n_bytes / 1e9:.1f} GB of memory, and {free / 1e9:.1f} GB are free; "
            "resample it to larger voxels, or use a machine with more memory."
        )


def _check_first_volume(voxels: VoxelStorage) -> None:
    """Refuse a compressed file that does not hold the volume by which regions would be placed."""
    if voxels.path.suffix.lower() not in _MOST_COMPRESSED:
        return
    left = voxels.first_byte(1)
    with contextlib.suppress(*_READ_ERRORS), ImageOpener(voxels.path, "rb") as file:
        while left > 0 and (piece := file.read(min(left, _PIECE_BYTES))):
            left -= len(piece)
    if left > 0:
        raise BrokenImageError(
            f"{voxels.image_path}: broken: its header says {voxels.n_volumes} volumes, the file ends within the first; "
            "fetch or make it again."
        )


def read_extensions(img: nib.nifti1.Nifti1Pair) -> list[bytes]:
    """Return what the extensions of an image's header hold; none where they cannot be read."""
    if not nib.is_proxy(img.dataobj) or not img.file_map["image"].filename:
        return []
    file_map = img.file_map
    is_single = isinstance(img, nib.nifti1.Nifti1Image)
    header_bytes = img.header_class.template_dtype.itemsize
    last = int(img.dataobj.offset) if is_single else header_bytes + _MOST_EXTENSION_BYTES
    try:
        with ImageOpener(file_map.get("header", file_map["image"]).filename, "rb") as file:
            file.read(header_bytes)
            content = file.read(min(max(0, last - header_bytes), _MOST_EXTENSION_BYTES))
    except _READ_ERRORS:
        return []
    return _split_extensions(content, "<" if img.header.endianness == "<" else ">")


def _split_extensions(content: bytes, byte_order: str) -> list[bytes]:
    """Return the extensions in the bytes between header and voxels: four flags, then each with its size and code."""
    extensions = []
    place = 4
    while content[:1] == b"\1" and place + 8 <= len(content):
        size = struct.unpack_from(f"{byte_order}i", content, place)[0]
        if size < 8 or place + size > len(content):
            break
        extensions.append(content[place + 8 : place + size])
        place += size
    return extensions


def is_plain_float32(img: nib.nifti1.Nifti1Pair) -> bool:
    """Return whether an image's voxels are float32, and not scaled."""
    if not nib.is_proxy(img.dataobj):
        return bool(img.dataobj.dtype == np.float32)
    return img.get_data_dtype() == np.float32 and (img.dataobj.slope, img.dataobj.inter) == (1.0, 0.0)


def is_placed(header: nib.nifti1.Nifti1Header) -> bool:
    """Return whether a header says which space its affine leads to."""
    return bool(header["sform_code"] > 0 or header["qform_code"] > 0)


def image_stem(image_path: Path) -> str:
    """Return an image's file name without .nii, .nii.gz or the like; other dots stay."""
    name = image_path.name
    for compression in _MOST_COMPRESSED:
        name = name.removesuffix(compression)
    return name.removesuffix(".nii") if name.endswith(".nii") else Path(name).stem


def first_line(error: Exception) -> str:
    """Return the first line of an error's text, or what it is called where it has none."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
