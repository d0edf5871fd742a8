"""How the values of an image are stored in its files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Storage:
    """How an image's values are stored.

    Parameters
    ----------
    image_path
        The image, for messages.
    n_points
        Points of one volume.
    slope, intercept
        Scaling: a value is slope * stored + intercept.
    """

    image_path: Path
    n_points: int
    n_volumes: int
    slope: float = 1.0
    intercept: float = 0.0

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files that hold the values, in the order in which they are read."""
        return (self.image_path,)

    def scale(self, values: np.ndarray) -> np.ndarray:
        """Return stored values in the image's units."""
        return np.asarray(self.slope * values + self.intercept)


@dataclass(frozen=True, kw_only=True)
class ArrayStorage(Storage):
    """Values as one array of numbers in a file.

    Parameters
    ----------
    path
        The file that holds the values; for a pair of .hdr and .img it is the .img.
    offset
        The byte at which the values begin.
    """

    path: Path
    offset: int
    dtype: np.dtype

    @property
    def paths(self) -> tuple[Path, ...]:
        """The file that holds the values."""
        return (self.path,)

    @property
    def n_bytes(self) -> int:
        """The size of the uncompressed array."""
        return self.n_points * self.n_volumes * self.dtype.itemsize


@dataclass(frozen=True, kw_only=True)
class VoxelStorage(ArrayStorage):
    """An array of NIfTI: one volume after the other."""

    @property
    def volume_bytes(self) -> int:
        """The size of an uncompressed volume."""
        return self.n_points * self.dtype.itemsize

    def first_byte(self, volume: int) -> int:
        """Return the byte of the uncompressed file at which a volume begins."""
        return self.offset + volume * self.volume_bytes


@dataclass(frozen=True, kw_only=True)
class GrayordinateStorage(ArrayStorage):
    """An array of CIFTI-2: one point's whole series after the other."""

    @property
    def series_bytes(self) -> int:
        """The size of a point's uncompressed series."""
        return self.n_volumes * self.dtype.itemsize


@dataclass(frozen=True, kw_only=True)
class SurfaceStorage(Storage):
    """Values in one GIFTI file per hemisphere, each with an array per volume or one array of all volumes.

    Parameters
    ----------
    hemisphere_paths
        The files, left before right.
    n_vertices
        The number of vertices in each file.
    """

    hemisphere_paths: tuple[Path, ...]
    n_vertices: tuple[int, ...]

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files, left before right."""
        return self.hemisphere_paths
