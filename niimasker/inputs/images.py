"""Open an image: what its header says, before any voxel is read."""

from __future__ import annotations

import json
import math
import zlib
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from nibabel.tripwire import TripWireError

from niimasker.errors import BrokenImageError, ImageError, warn

# What nibabel and the decompressors raise for a file that is not, or not wholly, an image.
_READ_ERRORS = (ImageFileError, HeaderDataError, OSError, EOFError, ValueError, zlib.error, TripWireError)

_SECONDS_PER_UNIT = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}

# The highest ratios that the formats reach: deflate codes 258 bytes in 2 bits, the others compress zeros without end.
_MOST_COMPRESSED = {".gz": 1032, ".bz2": 10**6, ".zst": 10**6}

# Outside of this a repetition time is most likely written in other units than it says.
T_R_MIN, T_R_MAX = 0.05, 20.0


@dataclass(frozen=True)
class Grid:
    """Where voxels lie: a shape and the affine from voxel indices to mm."""

    shape: tuple[int, int, int]
    affine: tuple[tuple[float, ...], ...]

    @classmethod
    def of(cls, img: nib.nifti1.Nifti1Pair) -> Grid:
        """Return the grid of a loaded image."""
        rows = np.asarray(img.affine, dtype=np.float64).tolist()
        return cls(tuple(int(n) for n in img.shape[:3]), tuple(map(tuple, rows)))  # type: ignore[arg-type]

    @property
    def matrix(self) -> np.ndarray:
        """The affine, as an array of shape (4, 4)."""
        return np.array(self.affine)

    @property
    def n_voxels(self) -> int:
        """The number of voxels of a volume."""
        return math.prod(self.shape)


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


@dataclass(frozen=True)
class ImageSeries:
    """The header's facts of a 4D image; no voxel has been read.

    Parameters
    ----------
    t_r
        Repetition time in seconds; None when neither the JSON file beside the image nor the header says it.
    t_r_source
        "sidecar", "header" or None.
    header_t_r
        What the header alone says.
    is_placed
        Whether the header says which space its affine leads to.
    """

    path: Path
    grid: Grid
    n_volumes: int
    t_r: float | None
    t_r_source: str | None
    voxels: VoxelStorage
    header_t_r: float | None = None
    is_placed: bool = True


def load_image(image_path: Path) -> nib.nifti1.Nifti1Pair:
    """Return an image whose voxels are still on disk, its header checked.

    Raises
    ------
    ImageError
        The file does not exist, or is not what an image of voxels in space is.
    BrokenImageError
        The file is damaged.
    """
    if not image_path.is_file():
        found = "a folder" if image_path.is_dir() else "no such file"
        raise ImageError(f"{image_path}: {found}; expected a NIfTI image.")
    if image_path.suffix.lower() in (".txt", ".xlsx", ".json", ".1d"):
        raise ImageError(f"{image_path}: no NIfTI image; a table of coordinates has the ending .tsv or .csv.")
    try:
        img = nib.load(image_path)
    except _READ_ERRORS as error:
        raise BrokenImageError(
            f"{image_path}: not a NIfTI image that can be read ({_first_line(error)}); fetch or make it again."
        ) from error
    if not isinstance(img, nib.nifti1.Nifti1Pair):
        raise ImageError(f"{image_path}: found a {type(img).__name__}; expected a NIfTI image.")
    _check_header(img, image_path)
    _check_size(storage_of(img, image_path))
    return img


def _check_header(img: nib.nifti1.Nifti1Pair, image_path: Path) -> None:
    shown = "x".join(map(str, img.shape))
    if img.ndim < 3:
        raise ImageError(f"{image_path}: a {img.ndim}D image ({shown}); expected a 3D image, or a 4D one.")
    if min(img.shape) < 1:
        raise ImageError(f"{image_path}: an image without voxels ({shown}); fetch or make it again.")
    if img.get_data_dtype().kind not in "iuf":
        raise ImageError(f"{image_path}: its voxels are of type {img.get_data_dtype()}; expected real numbers.")
    if not np.isfinite(img.affine).all() or np.linalg.matrix_rank(img.affine) < 4:
        raise BrokenImageError(f"{image_path}: its affine does not place voxels in space; mend the header.")


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


def is_plain_float32(img: nib.nifti1.Nifti1Pair) -> bool:
    """Return whether an image's voxels are float32, and not scaled."""
    if not nib.is_proxy(img.dataobj):
        return bool(img.dataobj.dtype == np.float32)
    return img.get_data_dtype() == np.float32 and (img.dataobj.slope, img.dataobj.inter) == (1.0, 0.0)


def open_series(image_path: Path) -> ImageSeries:
    """Return what the header of a 4D image says.

    Raises
    ------
    ImageError
        The file is not a 4D NIfTI image.
    BrokenImageError
        The file is damaged.
    """
    img = load_image(image_path)
    shown = f"a {img.ndim}D image ({'x'.join(map(str, img.shape))})"
    if img.ndim < 4:
        raise ImageError(f"{image_path}: {shown}; expected a 4D series of volumes.")
    # Some converters write time as the fifth axis or leave empty axes behind it.
    if len([n for n in img.shape[3:] if n != 1]) > 1:
        raise ImageError(f"{image_path}: {shown}; split it into 4D series of volumes.")
    sidecar_t_r, header_t_r = _sidecar_t_r(image_path), _header_t_r(img.header)
    t_r = header_t_r if sidecar_t_r is None else sidecar_t_r
    source = "sidecar" if sidecar_t_r is not None else "header" if header_t_r is not None else None
    voxels = storage_of(img, image_path)
    return ImageSeries(
        image_path, Grid.of(img), voxels.n_volumes, t_r, source, voxels, header_t_r, is_placed(img.header)
    )


def is_placed(header: nib.nifti1.Nifti1Header) -> bool:
    """Return whether a header says which space its affine leads to."""
    return bool(header["sform_code"] > 0 or header["qform_code"] > 0)


def _sidecar_t_r(image_path: Path) -> float | None:
    sidecar_path = image_path.with_name(image_stem(image_path) + ".json")
    if not sidecar_path.is_file():
        return None
    try:
        content = json.loads(sidecar_path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        warn(f"{sidecar_path.name} cannot be read ({_first_line(error)}); its RepetitionTime is not used.")
        return None
    t_r = content.get("RepetitionTime") if isinstance(content, dict) else None
    if isinstance(t_r, bool) or not isinstance(t_r, (int, float)):
        return None
    return float(t_r) if 0 < t_r < math.inf else None


def _header_t_r(header: nib.nifti1.Nifti1Header) -> float | None:
    # Without units the 1 that programs leave in pixdim[4] looks like a repetition time: it is not trusted.
    scale = _SECONDS_PER_UNIT.get(header.get_xyzt_units()[1])
    # Through its decimal digits: as a float, NIfTI-1's 0.8 is 0.800000012.
    t_r = float(str(header["pixdim"][4]))
    return round(t_r * scale, 9) if scale and np.isfinite(t_r) and t_r > 0 else None


def image_stem(image_path: Path) -> str:
    """Return an image's file name without .nii, .nii.gz or the like; other dots stay."""
    name = image_path.name
    for compression in _MOST_COMPRESSED:
        name = name.removesuffix(compression)
    return name.removesuffix(".nii") if name.endswith(".nii") else Path(name).stem


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
