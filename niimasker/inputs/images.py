"""Open an image: its header's facts, then its volumes."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError

from niimasker.errors import BrokenImageError, ImageError, warn

# What nibabel and the decompressors raise for a file that is not, or not wholly, an image.
_READ_ERRORS = (ImageFileError, HeaderDataError, OSError, EOFError, ValueError, zlib.error)

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
    def of(cls, img: nib.spatialimages.SpatialImage) -> Grid:
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
        return int(np.prod(self.shape))


@dataclass(frozen=True)
class VoxelStorage:
    """How voxels are written: from a byte of a file on, in a type, to be scaled by slope * value + intercept."""

    path: Path
    offset: int
    dtype: np.dtype
    slope: float
    intercept: float


@dataclass(frozen=True)
class ImageSeries:
    """The header's facts of a 4D image; no voxel has been read.

    Parameters
    ----------
    t_r
        Repetition time in seconds; None when neither the JSON file beside the image nor the header says it.
    t_r_source
        "sidecar", "header" or None.
    """

    path: Path
    grid: Grid
    n_volumes: int
    t_r: float | None
    t_r_source: str | None
    voxels: VoxelStorage

    @property
    def volume_bytes(self) -> int:
        """The size of a volume on disk, decompressed."""
        return self.grid.n_voxels * self.voxels.dtype.itemsize


def load_image(image_path: Path) -> nib.spatialimages.SpatialImage:
    """Return an image whose voxels are still on disk.

    Raises
    ------
    ImageError
        The file does not exist.
    BrokenImageError
        The file is no image.
    """
    if not image_path.is_file():
        found = "a folder" if image_path.is_dir() else "no such file"
        raise ImageError(f"{image_path}: {found}; expected a NIfTI image.")
    try:
        img = nib.load(image_path)
    except _READ_ERRORS as error:
        raise BrokenImageError(f"{image_path}: not a NIfTI image that can be read ({_first_line(error)}).") from error
    if not isinstance(img, nib.spatialimages.SpatialImage):
        raise ImageError(f"{image_path}: found a {type(img).__name__}; expected a NIfTI image of voxels.")
    if not np.isfinite(img.affine).all() or np.linalg.matrix_rank(img.affine) < 4:
        raise BrokenImageError(f"{image_path}: its affine does not place voxels in space; mend the header.")
    return img


def read_voxels(img: nib.spatialimages.SpatialImage, dtype: type = np.float64) -> np.ndarray:
    """Return all voxels of an image, scaled.

    Raises
    ------
    BrokenImageError
        The file ends early or is damaged.
    """
    try:
        return np.asanyarray(img.dataobj, dtype=dtype)
    except _READ_ERRORS as error:
        raise BrokenImageError(
            f"{img.get_filename()}: broken, its voxels cannot be read ({_first_line(error)}); fetch or make it again."
        ) from error


def open_series(image_path: Path) -> ImageSeries:
    """Return what the header of a 4D image says.

    Raises
    ------
    ImageError
        The file is no image, or not a 4D one.
    """
    img = load_image(image_path)
    if not isinstance(img, nib.nifti1.Nifti1Pair):
        raise ImageError(f"{image_path}: found a {type(img).__name__}; expected a 4D NIfTI image.")
    n_volumes = _count_volumes(img.shape, image_path)
    t_r, t_r_source = _find_t_r(img.header, image_path)
    series = ImageSeries(image_path, Grid.of(img), n_volumes, t_r, t_r_source, _find_voxels(img, image_path))
    _check_size(series)
    return series


def _find_voxels(img: nib.nifti1.Nifti1Pair, image_path: Path) -> VoxelStorage:
    data = img.dataobj
    if data.dtype.kind not in "iuf":
        raise ImageError(f"{image_path}: its voxels are of type {data.dtype}; expected real numbers.")
    voxels_path = Path(img.file_map["image"].filename)
    return VoxelStorage(voxels_path, int(data.offset), data.dtype, float(data.slope), float(data.inter))


def _check_size(series: ImageSeries) -> None:
    # A broken header promises anything; no memory is taken for more than the file can hold.
    voxels = series.voxels
    if not voxels.path.is_file():
        raise BrokenImageError(f"{series.path}: {voxels.path.name}, the file with its voxels, is missing.")
    most_bytes = voxels.path.stat().st_size * _MOST_COMPRESSED.get(voxels.path.suffix, 1) - voxels.offset
    n_most = max(0, most_bytes) // series.volume_bytes
    if n_most < series.n_volumes:
        raise BrokenImageError(
            f"{series.path}: broken: its header says {series.n_volumes} volumes, its size allows {n_most} at most; "
            "fetch or make it again."
        )


def _count_volumes(shape: tuple[int, ...], image_path: Path) -> int:
    shown = "x".join(map(str, shape))
    # Some converters write time as the fifth axis or leave empty axes behind it.
    series = [n for n in shape[3:] if n != 1]
    if len(shape) < 4:
        raise ImageError(f"{image_path}: a {len(shape)}D image ({shown}); expected a 4D series of volumes.")
    if len(series) > 1:
        raise ImageError(f"{image_path}: a {len(shape)}D image ({shown}); split it into 4D series of volumes.")
    if min(shape) < 1:
        raise ImageError(f"{image_path}: an image without voxels ({shown}); expected a 4D series of volumes.")
    return series[0] if series else 1


def _find_t_r(header: nib.nifti1.Nifti1Header, image_path: Path) -> tuple[float | None, str | None]:
    sidecar = _sidecar_t_r(image_path)
    if sidecar is not None:
        return sidecar, "sidecar"
    in_header = _header_t_r(header)
    if in_header is not None:
        return in_header, "header"
    return None, None


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
    return float(t_r) if isinstance(t_r, (int, float)) and not isinstance(t_r, bool) and t_r > 0 else None


def _header_t_r(header: nib.nifti1.Nifti1Header) -> float | None:
    # Without units the 1 that programs leave in pixdim[4] looks like a repetition time: it is not trusted.
    scale = _SECONDS_PER_UNIT.get(header.get_xyzt_units()[1])
    t_r = float(header["pixdim"][4])
    return round(t_r * scale, 9) if scale and np.isfinite(t_r) and t_r > 0 else None


def image_stem(image_path: Path) -> str:
    """Return an image's file name without .nii or .nii.gz; other dots stay."""
    name = image_path.name
    for suffix in (".nii.gz", ".nii"):
        if name.endswith(suffix):
            return name.removesuffix(suffix)
    return image_path.stem


def load_volumes(series: ImageSeries, first: int) -> nib.Nifti1Image:
    """Return the volumes from one on, as a float64 image of shape (*grid.shape, n_volumes - first).

    float64, because float32 is too coarse for means over a baseline of 10,000, and because some of nilearn's maskers
    keep an image's integer type in their output.

    Raises
    ------
    BrokenImageError
        The file ends early or is damaged.
    """
    voxels = read_voxels(load_image(series.path))
    volumes = voxels.reshape((*series.grid.shape, series.n_volumes))[..., first:]
    return nib.Nifti1Image(volumes, series.grid.matrix)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
