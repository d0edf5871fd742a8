"""Open a NIfTI image and check its header, before any voxel is read."""

from __future__ import annotations

import contextlib
import io
import logging
import math
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.imageclasses import all_image_classes
from nibabel.openers import ImageOpener
from nibabel.spatialimages import HeaderDataError
from nibabel.tripwire import TripWireError

from niimasker.errors import BrokenImageError, ImageError, TooLittleMemoryError, shorten_text, warn
from niimasker.inputs.free_memory import free_bytes
from niimasker.inputs.storage import VoxelStorage
from niimasker.options.paths import describe_missing_file

# What nibabel and the decompressors raise for a file that is no image or a damaged one.
_READ_ERRORS = (ImageFileError, HeaderDataError, OSError, EOFError, ValueError, zlib.error, TripWireError)

# Bounds on the formats' compression ratios: deflate codes 258 bytes in 2 bits, bzip2 and Zstandard have no such bound.
MAX_COMPRESSION_RATIO = {".gz": 1032, ".bz2": 10**6, ".zst": 10**6}

# The most that is read between header and voxels; AFNI's histories and label tables take far less.
_MAX_EXTENSION_BYTES = 2**24

# What CIFTI and GIFTI put before their ending is part of it.
_COMPOUND_ENDINGS = (
    *(f".{kind}.nii" for kind in ("dtseries", "ptseries", "dlabel", "dscalar", "pscalar", "dconn", "pconn")),
    *(f".{kind}.gii" for kind in ("func", "label", "shape", "surf", "time", "annot")),
    ".nii",
)

# Voxels above which a volume is decompressed to check that it exists: 256 x 256 x 256, where most volumes have 10^6.
_LARGE_VOLUME = 2**24
_PIECE_BYTES = 2**20
# In memory at once, as float64: a volume, the next one being read, differences from the first, and regions on its grid.
COPIES_PER_VOLUME = 4


def load_image(image_path: Path) -> nib.nifti1.Nifti1Pair:
    """Return an image with a checked header, its voxels not yet read.

    Raises
    ------
    ImageError
        The file does not exist, or is not a NIfTI image of at least three axes.
    BrokenImageError
        The file is damaged.
    """
    check_is_file(image_path, "a NIfTI image")
    if image_path.suffix.lower() in (".txt", ".xlsx", ".json", ".1d"):
        raise ImageError(f"{image_path}: not a NIfTI image; a table of coordinates has the ending .tsv or .csv.")
    try:
        # nibabel would expand a leading tilde; `expand_home` has found that no home directory has this name.
        img, fixes = _open(image_path.absolute() if str(image_path).startswith("~") else image_path)
    except _READ_ERRORS as error:
        raise BrokenImageError(
            f"{image_path}: cannot be read as a NIfTI image ({first_line(error)}); fetch or make it again."
        ) from error
    _check_shape(img, image_path)
    _check_size(describe_storage(img, image_path))
    for fix in fixes:
        warn(f"{image_path}: its header was corrected when read: {fix}.")
    return img


def check_is_file(image_path: Path, expected: str) -> None:
    """Raise ImageError or BrokenImageError if a path is not that of a file, with what was expected there."""
    if found := describe_missing_file(image_path):
        if found == "no such file" and image_path.is_symlink():
            raise BrokenImageError(
                f"{image_path}: a link to a file that does not exist; fetch it, as with datalad get."
            )
        raise ImageError(f"{shorten_text(str(image_path))}: {found}; expected {expected}.")
    if not os.access(image_path, os.R_OK):  # nibabel would say that it cannot work out the file's type
        raise BrokenImageError(f"{image_path}: permission denied; make it readable.")


def _open(image_path: Path) -> tuple[nib.nifti1.Nifti1Pair, list[str]]:
    """Return an image and the corrections made to its header.

    `nibabel.load` would also read everything between header and voxels into memory, whatever its size.
    """
    klass = _find_image_class(image_path)
    if not issubclass(klass, nib.nifti1.Nifti1Pair):
        raise ImageError(f"{image_path}: found a {klass.__name__}; expected a NIfTI image.")
    file_map = klass.filespec_to_file_map(image_path)
    with ImageOpener(file_map.get("header", file_map["image"]).filename, "rb") as file:
        header_bytes = file.read(klass.header_class.template_dtype.itemsize)
    header = klass.header_class.from_fileobj(io.BytesIO(header_bytes), check=False)
    _check_header_numbers(header)
    fixes = _fix_header(header)
    affine = header.get_best_affine()
    _check_affine(affine, image_path)
    voxels = klass.ImageArrayProxy(file_map["image"].filename, header.copy())
    return klass(voxels, affine, header, file_map=file_map), fixes


def _find_image_class(image_path: Path) -> Any:
    sniffed = None
    for klass in all_image_classes:
        matches, sniffed = klass.path_maybe_image(image_path, sniffed)
        if matches:
            return klass
    return type(nib.load(image_path))  # raises an error that says why


class _HeaderFixes(logging.Handler):
    """Collects nibabel's messages about the header fields that it corrects."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        # Errors are raised as well as logged, and fields left at their value do no harm here.
        if record.levelno < logging.ERROR and "leaving at current value" not in record.getMessage():
            self.messages.append(record.getMessage())


def _fix_header(header: nib.nifti1.Nifti1Header) -> list[str]:
    """Let nibabel correct a header and return its messages; raise HeaderDataError where it cannot."""
    logger, fixes = logging.Logger("nibabel"), _HeaderFixes()
    logger.addHandler(fixes)
    header.check_fix(logger=logger)
    return fixes.messages


def _check_header_numbers(header: nib.nifti1.Nifti1Header) -> None:
    """Raise HeaderDataError for numbers that nibabel does not check; it ignores an infinite slope."""
    if not np.isfinite(header["vox_offset"]):
        raise HeaderDataError(f"its voxels would begin at byte {header['vox_offset']}")
    if np.isinf(header["scl_slope"]):
        raise HeaderDataError(f"its voxels would be scaled by {header['scl_slope']}")


def _check_affine(affine: np.ndarray, image_path: Path) -> None:
    if not np.isfinite(affine).all() or np.linalg.matrix_rank(affine) < 4:
        raise BrokenImageError(f"{image_path}: its affine is singular or not finite; correct the header.")


def _check_shape(img: nib.nifti1.Nifti1Pair, image_path: Path) -> None:
    shown = "x".join(map(str, img.shape))
    if img.ndim < 3:
        raise ImageError(f"{image_path}: a {img.ndim}D image ({shown}); expected a 3D image, or a 4D one.")
    if min(img.shape) < 1:
        raise BrokenImageError(f"{image_path}: an image without voxels ({shown}); fetch or make it again.")
    if img.get_data_dtype().kind not in "iuf":
        raise ImageError(f"{image_path}: its voxels are of type {img.get_data_dtype()}; expected real numbers.")


def describe_storage(img: nib.nifti1.Nifti1Pair, image_path: Path) -> VoxelStorage:
    """Return how an image's voxels are stored."""
    data = img.dataobj
    return VoxelStorage(
        image_path=image_path,
        path=Path(img.file_map["image"].filename),
        offset=int(data.offset),
        dtype=data.dtype,
        n_points=math.prod(img.shape[:3]),
        n_volumes=math.prod(img.shape[3:]),
        slope=float(data.slope),
        intercept=float(data.inter),
    )


def _check_size(voxels: VoxelStorage) -> None:
    """Check the sizes in a header against the file, before memory is allocated for them."""
    if not voxels.path.is_file():
        raise BrokenImageError(f"{voxels.image_path}: {voxels.path.name}, the file with its voxels, is missing.")
    max_bytes = voxels.path.stat().st_size * MAX_COMPRESSION_RATIO.get(voxels.path.suffix.lower(), 1) - voxels.offset
    max_volumes = max(0, max_bytes) // voxels.volume_bytes
    if max_volumes < voxels.n_volumes:
        raise BrokenImageError(
            f"{voxels.image_path}: broken: its header says {voxels.n_volumes} volumes, its size allows {max_volumes} "
            "at most; fetch or make it again."
        )
    if voxels.n_points > _LARGE_VOLUME:
        check_memory(voxels.image_path, "reading a volume", COPIES_PER_VOLUME * 8 * voxels.n_points)
        _check_first_volume(voxels)


def check_memory(image_path: Path, action: str, n_bytes: int, *, way_out: str = "resample it to larger voxels") -> None:
    """Raise TooLittleMemoryError when an action on an image needs more memory than is free."""
    free = free_bytes()
    if n_bytes > free:
        raise TooLittleMemoryError(
            f"{image_path}: {action} takes {n_bytes / 1e9:.1f} GB of memory, and {free / 1e9:.1f} GB are free; "
            f"{way_out}, or use a machine with more memory."
        )


def _check_first_volume(voxels: VoxelStorage) -> None:
    """Raise BrokenImageError for a compressed file that ends within its first volume."""
    if voxels.path.suffix.lower() not in MAX_COMPRESSION_RATIO:
        return
    n_left = voxels.first_byte(1)
    with contextlib.suppress(*_READ_ERRORS), ImageOpener(voxels.path, "rb") as file:
        while n_left > 0 and (piece := file.read(min(n_left, _PIECE_BYTES))):
            n_left -= len(piece)
    if n_left > 0:
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
    last = int(img.dataobj.offset) if is_single else header_bytes + _MAX_EXTENSION_BYTES
    try:
        with ImageOpener(file_map.get("header", file_map["image"]).filename, "rb") as file:
            file.read(header_bytes)
            content = file.read(min(max(0, last - header_bytes), _MAX_EXTENSION_BYTES))
    except _READ_ERRORS:
        return []
    return [content[place] for _, place in find_extensions(content, img.header.endianness)]


def find_extensions(content: bytes, byte_order: str) -> list[tuple[int, slice]]:
    """Return the code and the place of each extension in the bytes between header and voxels.

    These bytes are four flags, then each extension with its size and code.

    Parameters
    ----------
    byte_order
        "<" or ">".
    """
    extensions = []
    place = 4
    while content[:1] == b"\1" and place + 8 <= len(content):
        size, code = struct.unpack_from(f"{byte_order}2i", content, place)
        if size < 8 or place + size > len(content):
            break
        extensions.append((code, slice(place + 8, place + size)))
        place += size
    return extensions


def is_unscaled_float32(img: nib.nifti1.Nifti1Pair) -> bool:
    """Return whether an image's voxels are stored as float32 without scaling."""
    if not nib.is_proxy(img.dataobj):
        return bool(img.dataobj.dtype == np.float32)
    return img.get_data_dtype() == np.float32 and (img.dataobj.slope, img.dataobj.inter) == (1.0, 0.0)


def has_known_space(header: nib.nifti1.Nifti1Header) -> bool:
    """Return whether a header says which space its affine maps to, by a code of sform or qform above 0."""
    return bool(header["sform_code"] > 0 or header["qform_code"] > 0)


def image_stem(image_path: Path) -> str:
    """Return an image's file name without .nii.gz, .dtseries.nii, .func.gii or the like; other dots stay."""
    name = image_path.name
    for compression in MAX_COMPRESSION_RATIO:
        name = name.removesuffix(compression)
    ending = next((each for each in _COMPOUND_ENDINGS if name.endswith(each)), None)
    return name.removesuffix(ending) if ending else Path(name).stem


def first_line(error: Exception) -> str:
    """Return the first line of an error's text, or the error's type if it has none."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
