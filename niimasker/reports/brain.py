"""The picture of the regions on the mean volume of a run, and the choice of its cuts.

It is drawn with Pillow: matplotlib would add nothing here and takes 1.4 s to import.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import nibabel as nib
import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

N_CUTS = 7
_AXES = "xyz"

# In pixels. The picture is as wide as a page on a screen.
_WIDTH, _TITLE, _GAP = 1260, 20, 10
_OPACITY = 0.6

# Voxels darker than this share of the brightest voxels are air.
_AIR_LEVEL = 0.1

# With at most this many regions, each is cut before any other cut is chosen.
_FEW_REGIONS = 14


@dataclass(frozen=True)
class RasVolumes:
    """Volumes of one grid in the orientation closest to RAS+, as nibabel's `as_closest_canonical` gives it.

    Parameters
    ----------
    background
        Mean volume in the image's units, of shape (n_x, n_y, n_z).
    labels
        0 for no region, otherwise the position of the region counted from 1.
    affine
        From voxels to mm.
    """

    background: np.ndarray
    labels: np.ndarray
    affine: np.ndarray

    @property
    def sizes(self) -> np.ndarray:
        """Edge lengths of a voxel in mm."""
        return np.asarray(nib.affines.voxel_sizes(self.affine))

    def millimetres(self, axis: int, cut: int) -> float:
        """Return the coordinate of the middle of a cut along its axis."""
        centre = (np.array(self.labels.shape) - 1) / 2
        centre[axis] = cut
        # Not -0.
        return round(float(nib.affines.apply_affine(self.affine, centre)[axis]), 1) + 0.0


def reorient_to_ras(background: np.ndarray, labels: np.ndarray, affine: np.ndarray) -> RasVolumes:
    """Return volumes of one grid with their axes permuted and flipped; no voxel is resampled."""
    orientation = nib.io_orientation(affine)
    ras_affine = affine @ nib.orientations.inv_ornt_aff(orientation, background.shape)
    return RasVolumes(
        nib.apply_orientation(background, orientation),
        nib.apply_orientation(labels, orientation),
        np.asarray(ras_affine),
    )


def find_brain(volumes: RasVolumes) -> np.ndarray:
    """Return whether each voxel is in a region or brighter than a tenth of the brightest voxels."""
    background = volumes.background
    bright = background > _AIR_LEVEL * np.percentile(background, 99)
    return np.asarray(bright | (volumes.labels > 0))


def crop(volumes: RasVolumes) -> RasVolumes:
    """Return the bounding box of the brain and all regions."""
    background, shown = volumes.background, find_brain(volumes)
    sides = [np.flatnonzero(shown.any(axis=tuple(other for other in range(3) if other != axis))) for axis in range(3)]
    if not all(len(side) for side in sides):
        return volumes
    starts = [max(side[0] - 1, 0) for side in sides]
    box = tuple(slice(start, side[-1] + 2) for start, side in zip(starts, sides, strict=True))
    affine = volumes.affine.copy()
    affine[:3, 3] = nib.affines.apply_affine(volumes.affine, starts)
    return RasVolumes(background[box], volumes.labels[box], affine)


def choose_cuts(labels: np.ndarray, axis: int) -> list[int]:
    """Return seven cuts along an axis through the regions, in ascending order; all planes of a smaller volume.

    Every region has the same weight, whatever its size. Few regions are each cut at least once; the cuts through many
    regions are quantiles of their positions. If the regions lie in fewer than seven planes, neighbouring planes are
    added.
    """
    planes = np.moveaxis(labels, axis, 0).reshape(labels.shape[axis], -1)
    n_labels, n_planes = int(labels.max()) + 1, len(planes)
    counts = np.stack([np.bincount(plane, minlength=n_labels)[1:] for plane in planes], axis=1)
    counts = counts[counts.any(axis=1)]
    if not len(counts):
        return _spread_evenly(n_planes)
    n_regions, shares = len(counts), counts / counts.sum(axis=1, keepdims=True)
    plane_weights = shares.sum(axis=0)
    cuts = _cut_every_region(shares) if n_regions <= _FEW_REGIONS else []
    cumulated = np.cumsum(plane_weights) / n_regions
    quantiles = np.searchsorted(cumulated, (np.arange(N_CUTS) + 0.5) / N_CUTS)
    with_regions = np.flatnonzero(plane_weights)
    nearby = sorted(range(n_planes), key=lambda cut: (np.abs(with_regions - cut).min(), -plane_weights[cut]))
    chosen = list(dict.fromkeys([*cuts, *_middle_first(quantiles.tolist()), *nearby]))[:N_CUTS]
    return sorted(chosen)


def _spread_evenly(n_planes: int) -> list[int]:
    return list(map(int, np.unique(np.linspace(0, n_planes - 1, N_CUTS + 2).round()[1:-1])))


def _middle_first(cuts: list[int]) -> list[int]:
    return sorted(cuts, key=lambda cut: abs(cut - cuts[len(cuts) // 2]))


def _cut_every_region(shares: np.ndarray) -> list[int]:
    """Return cuts chosen one by one, each through as many regions as possible that earlier cuts missed."""
    cuts: list[int] = []
    is_missed = np.ones(len(shares), dtype=bool)
    while is_missed.any() and len(cuts) < N_CUTS:
        is_in_plane = shares > 0
        best = int(np.argmax(is_in_plane[is_missed].sum(axis=0) + shares[is_missed].mean(axis=0)))
        cuts.append(best)
        is_missed &= ~is_in_plane[:, best]
    return cuts


def plot_regions(volumes: RasVolumes, colours: Sequence[str]) -> Image.Image:
    """Return a picture with three rows of cuts, along x, y and z; the left side of the brain is on the left."""
    low, high = find_grey_range(volumes.background)
    palette = np.array([(0, 0, 0), *map(ImageColor.getrgb, colours)])
    cuts = [choose_cuts(volumes.labels, axis) for axis in range(3)]
    # All rows have the same scale.
    scale = min((_WIDTH / N_CUTS - _GAP) / _extent(volumes, axis, 0) for axis in range(3))
    heights = [round(scale * _extent(volumes, axis, 1)) for axis in range(3)]
    picture = Image.new("RGB", (_WIDTH, sum(heights) + 3 * _TITLE))
    draw = ImageDraw.Draw(picture)
    top = _TITLE
    for axis, axis_cuts in enumerate(cuts):
        width = round(scale * _extent(volumes, axis, 0))
        for number, cut in enumerate(axis_cuts):
            left = round((number + (N_CUTS - len(axis_cuts)) / 2 + 0.5) * _WIDTH / N_CUTS - width / 2)
            grey = np.clip((_cut_pixels(volumes.background, axis, cut) - low) / (high - low), 0, 1)
            pixels = _enlarge(_paint(grey, _cut_pixels(volumes.labels, axis, cut), palette), heights[axis], width)
            picture.paste(Image.fromarray(pixels), (left, top))
            _write(draw, left + width / 2, top - _TITLE / 2, f"{_AXES[axis]} = {volumes.millimetres(axis, cut):g} mm")
            if axis:  # a cut along x shows one side of the brain only
                _write(draw, left + 7, top + 8, "L")
                _write(draw, left + width - 7, top + 8, "R")
        top += heights[axis] + _TITLE
    return picture


def find_grey_range(background: np.ndarray) -> tuple[float, float]:
    """Return the values of an image that are black and white."""
    inside = background[background != 0]
    if not len(inside):
        return 0.0, 1.0
    low, high = np.percentile(inside, (2, 99))
    return (float(low), float(high)) if high > low else (float(low) - 1.0, float(low) + 1.0)


def _extent(volumes: RasVolumes, axis: int, side: int) -> float:
    """Return the width (side 0) or height (side 1) in mm of a cut along an axis."""
    shown = [other for other in range(3) if other != axis][side]
    return float(volumes.labels.shape[shown] * volumes.sizes[shown])


def _cut_pixels(volume: np.ndarray, axis: int, cut: int) -> np.ndarray:
    """Return a cut as rows of pixels from top to bottom."""
    return np.asarray(np.moveaxis(volume, axis, 0)[cut].T[::-1])


def _paint(grey: np.ndarray, labels: np.ndarray, palette: np.ndarray) -> np.ndarray:
    # 32 greys are enough: with 256, the noise of a mean volume doubles the size of the file.
    shades = np.repeat((np.rint(grey * 31) * (255 / 31))[..., None], 3, axis=2)
    opacity = np.where(labels > 0, _OPACITY, 0.0)[..., None]
    return np.asarray(shades * (1 - opacity) + palette[labels] * opacity).round().astype(np.uint8)


def _enlarge(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return a picture at another size, with nearest-neighbour interpolation."""
    rows = ((np.arange(height) + 0.5) * picture.shape[0] / height).astype(int)
    columns = ((np.arange(width) + 0.5) * picture.shape[1] / width).astype(int)
    return np.asarray(picture[rows][:, columns])


def _write(draw: ImageDraw.ImageDraw, x: float, y: float, text: str) -> None:
    font = ImageFont.load_default(12)
    draw.text((x, y), text, fill="white", stroke_fill="black", stroke_width=2, anchor="mm", font=font)


def to_data_uri(picture: Image.Image) -> str:
    """Return a picture as a PNG data URI, to be embedded in a page."""
    buffer = io.BytesIO()
    picture.save(buffer, format="png")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
