"""The pixels in which a mesh of the cortex is seen from the side, without a graphics library."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from niimasker.inputs.gifti.files import Mesh
from niimasker.inputs.hemispheres import SideName

View = Literal["lateral", "medial"]

# Rounding must not leave a gap between triangles.
_TOLERANCE = 1e-9


@dataclass(frozen=True, eq=False)
class Projection:
    """The pixels that show a mesh, from which triangle each is filled, and how bright it is.

    Parameters
    ----------
    height, width
        Of the picture in pixels.
    pixels
        Their positions in the picture, row after row, of shape (n_pixels,).
    corners
        The vertices of the triangle in each pixel, of shape (n_pixels, 3).
    shares
        The weight of each corner, which sum to 1, of shape (n_pixels, 3).
    brightness
        The light on each pixel, from 0 to 1, of shape (n_pixels,).
    """

    height: int
    width: int
    pixels: np.ndarray
    corners: np.ndarray
    shares: np.ndarray
    brightness: np.ndarray

    @property
    def nearest(self) -> np.ndarray:
        """The nearest vertex to each pixel."""
        return np.asarray(self.corners[np.arange(len(self.corners)), self.shares.argmax(axis=1)])

    def interpolate(self, values: np.ndarray) -> np.ndarray:
        """Return values of vertices, of shape (n_vertices,), in each pixel."""
        return _mean_over_corners(values, self.corners, self.shares)

    def fill(self, values: np.ndarray, empty: float) -> np.ndarray:
        """Return the values of all pixels as a picture, whose last axes are those of the values."""
        picture = np.full((self.height * self.width, *values.shape[1:]), empty, dtype=values.dtype)
        picture[self.pixels] = values
        return picture.reshape(self.height, self.width, *values.shape[1:])


@lru_cache(maxsize=4)
def project(mesh: Mesh, side: SideName, view: View, *, width: int, scale: float) -> Projection:
    """Return how a hemisphere is seen from its outer (lateral) or inner (medial) side, with the top of the brain up.

    The last four are cached, because runs on a template's surface have the same.

    Parameters
    ----------
    width
        In pixels; the mesh is in the middle.
    scale
        Pixels per mm.
    """
    # The eye lies on the x axis: at the left of a left hemisphere it sees its lateral side, and the front on the left.
    towards_eye = -1 if (side == "left") == (view == "lateral") else 1
    low, high = mesh.coordinates.min(axis=0), mesh.coordinates.max(axis=0)
    depth, across, up = ((mesh.coordinates - (low + high) / 2) * scale).T
    height = int(np.ceil((high[2] - low[2]) * scale)) + 2
    columns, rows = towards_eye * across + width / 2, height / 2 - up
    directions = _find_directions(mesh)
    # The back of a closed mesh is never seen.
    front = np.flatnonzero(towards_eye * directions[:, 0] > 0)
    front = front[np.argsort(towards_eye * depth[mesh.triangles[front]].sum(axis=1), kind="stable")]
    pixels, painted, shares = _rasterize(columns[mesh.triangles[front]], rows[mesh.triangles[front]], height, width)
    corners = mesh.triangles[front[painted]]
    normals = _find_normals(mesh, directions)
    facing = towards_eye * _mean_over_corners(normals[:, 0], corners, shares)
    upward = _mean_over_corners(normals[:, 2], corners, shares)
    # A soft light from the eye, and a little more from above.
    brightness = np.clip(0.6 + 0.36 * np.clip(facing, 0, 1) + 0.08 * upward, 0, 1)
    return Projection(height, width, pixels, corners, shares.astype(np.float32), brightness.astype(np.float32))


def find_normals(mesh: Mesh) -> np.ndarray:
    """Return the unit vectors that point out of a closed mesh at each vertex, of shape (n_vertices, 3)."""
    return _find_normals(mesh, _find_directions(mesh))


def _find_directions(mesh: Mesh) -> np.ndarray:
    """Return a vector that points out of a closed mesh for each triangle, twice as long as the triangle is large."""
    first, second, third = (mesh.coordinates[mesh.triangles[:, corner]] for corner in range(3))
    directions = np.cross(second - first, third - first)
    # The volume within a mesh comes out positive if its triangles run anticlockwise, as seen from outside.
    return directions if np.einsum("ij,ij->", first, directions) >= 0 else -directions


def _find_normals(mesh: Mesh, directions: np.ndarray) -> np.ndarray:
    corners = mesh.triangles.ravel()
    sums = [np.bincount(corners, np.repeat(directions[:, axis], 3), mesh.n_vertices) for axis in range(3)]
    normals = np.stack(sums, axis=1)
    return np.asarray(normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), np.finfo(float).tiny))


def _mean_over_corners(values: np.ndarray, corners: np.ndarray, shares: np.ndarray) -> np.ndarray:
    return np.asarray(np.einsum("ij,ij->i", values[corners], shares))


def _rasterize(x: np.ndarray, y: np.ndarray, height: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the pixels whose centres lie in a triangle, the last such triangle, and the shares of its corners.

    Parameters
    ----------
    x, y
        Columns and rows of the corners, of shape (n_triangles, 3), from the farthest triangle to the nearest. The
        triangles are so small that the distance of their middle decides.
    """
    doubled_areas = (x[:, 1] - x[:, 0]) * (y[:, 2] - y[:, 0]) - (x[:, 2] - x[:, 0]) * (y[:, 1] - y[:, 0])
    left, top = (np.ceil(part.min(axis=1) - 0.5).astype(np.int64) for part in (x, y))
    right, bottom = (np.floor(part.max(axis=1) - 0.5).astype(np.int64) for part in (x, y))
    n_columns, n_rows = np.maximum(right - left + 1, 0), np.maximum(bottom - top + 1, 0)
    n_pixels = n_columns * n_rows
    # Every pixel of the box around every triangle.
    number = np.repeat(np.arange(len(x)), n_pixels)
    within = np.arange(n_pixels.sum()) - np.repeat(np.cumsum(n_pixels) - n_pixels, n_pixels)
    down, along = np.divmod(within, n_columns[number])
    column, row = left[number] + along, top[number] + down
    shares = []
    for second, third in ((1, 2), (2, 0)):
        # The share of a corner is linear in the place of the pixel's centre.
        by_column = (y[:, second] - y[:, third]) / doubled_areas
        by_row = (x[:, third] - x[:, second]) / doubled_areas
        constant = (x[:, second] * y[:, third] - x[:, third] * y[:, second]) / doubled_areas
        constant += 0.5 * (by_column + by_row)
        shares.append(by_column[number] * column + by_row[number] * row + constant[number])
    shares.append(1 - shares[0] - shares[1])
    inside = np.flatnonzero(np.minimum(np.minimum(shares[0], shares[1]), shares[2]) >= -_TOLERANCE)
    # The last of several values assigned to a pixel stays: that of the nearest triangle.
    last = np.full(height * width, -1)
    last[row[inside] * width + column[inside]] = inside
    pixels = np.flatnonzero(last >= 0)
    chosen = last[pixels]
    return pixels, number[chosen], np.stack([share[chosen] for share in shares], axis=1)
