"""Regions on the mean volume of a run: which cuts are shown, and the picture of them.

Pillow draws it: matplotlib would do no more here, and takes 1.4 s to import.
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

# In pixels: as wide as a page on a screen.
_WIDTH, _TITLE, _GAP = 1260, 20, 10
_OPACITY = 0.6

# What is darker, as a share of the brightest voxels, is air.
_DARK = 0.1

# Of so few regions each gets a cut of its own before any other cut is chosen.
_FEW_REGIONS = 14


@dataclass(frozen=True)
class Upright:
    """A volume whose axes run, as nearly as its grid allows, from left to right, back to front and foot to head.

    Parameters
    ----------
    background
        In the image's units, of shape (n_x, n_y, n_z).
    labels
        0 where there is no region, else the position of the region counted from 1.
    affine
        From its voxels to mm.
    """

    background: np.ndarray
    labels: np.ndarray
    affine: np.ndarray

    @property
    def sizes(self) -> np.ndarray:
        """The voxels' edges in mm."""
        return np.asarray(nib.affines.voxel_sizes(self.affine))

    def millimetres(self, axis: int, cut: int) -> float:
        """Return where the middle of a cut lies along its axis."""
        centre = (np.array(self.labels.shape) - 1) / 2
        centre[axis] = cut
        # Not -0.
        return round(float(nib.affines.apply_affine(self.affine, centre)[axis]), 1) + 0.0


def turn_upright(background: np.ndarray, labels: np.ndarray, affine: np.ndarray) -> Upright:
    """Return volumes of one grid with their axes swapped and flipped; no voxel is resampled."""
    orientation = nib.io_orientation(affine)
    turned = affine @ nib.orientations.inv_ornt_aff(orientation, background.shape)
    return Upright(
        nib.apply_orientation(background, orientation), nib.apply_orientation(labels, orientation), np.asarray(turned)
    )


def crop(upright: Upright) -> Upright:
    """Return the box that holds all regions and whatever is a tenth as bright as the brightest voxels."""
    background = upright.background
    bright = background > _DARK * np.percentile(background, 99)
    shown = bright | (upright.labels > 0)
    sides = [np.flatnonzero(shown.any(axis=tuple(other for other in range(3) if other != axis))) for axis in range(3)]
    if not all(len(side) for side in sides):
        return upright
    starts = [max(side[0] - 1, 0) for side in sides]
    box = tuple(slice(start, side[-1] + 2) for start, side in zip(starts, sides, strict=True))
    affine = upright.affine.copy()
    affine[:3, 3] = nib.affines.apply_affine(upright.affine, starts)
    return Upright(background[box], upright.labels[box], affine)


def choose_cuts(labels: np.ndarray, axis: int) -> list[int]:
    """Return seven cuts along an axis where the regions are, in ascending order; all planes where there are fewer.

    Every region counts the same, however large it is. Of a few regions each is cut; otherwise the cuts are the
    quantiles of where regions lie. Regions in fewer planes are shown with the planes beside them.
    """
    by_place = np.moveaxis(labels, axis, 0).reshape(labels.shape[axis], -1)
    n_all, n_places = int(labels.max()) + 1, len(by_place)
    counts = np.stack([np.bincount(place, minlength=n_all)[1:] for place in by_place], axis=1)
    counts = counts[counts.any(axis=1)]
    if not len(counts):
        return _spread_evenly(n_places)
    n_regions, shares = len(counts), counts / counts.sum(axis=1, keepdims=True)
    held = shares.sum(axis=0)
    cuts = _cut_each(shares) if n_regions <= _FEW_REGIONS else []
    cumulated = np.cumsum(held) / n_regions
    middles = np.searchsorted(cumulated, (np.arange(N_CUTS) + 0.5) / N_CUTS)
    with_regions = np.flatnonzero(held)
    nearby = sorted(range(n_places), key=lambda cut: (np.abs(with_regions - cut).min(), -held[cut]))
    chosen = list(dict.fromkeys([*cuts, *_from_the_middle(middles.tolist()), *nearby]))[:N_CUTS]
    return sorted(chosen)


def _spread_evenly(n_places: int) -> list[int]:
    return list(map(int, np.unique(np.linspace(0, n_places - 1, N_CUTS + 2).round()[1:-1])))


def _from_the_middle(cuts: list[int]) -> list[int]:
    return sorted(cuts, key=lambda cut: abs(cut - cuts[len(cuts) // 2]))


def _cut_each(shares: np.ndarray) -> list[int]:
    """Return cuts one after the other, each through most of what no cut before it has met."""
    cuts: list[int] = []
    unmet = np.ones(len(shares), dtype=bool)
    while unmet.any() and len(cuts) < N_CUTS:
        met = shares > 0
        best = int(np.argmax(met[unmet].sum(axis=0) + shares[unmet].mean(axis=0)))
        cuts.append(best)
        unmet &= ~met[:, best]
    return cuts


def plot_regions(upright: Upright, colours: Sequence[str]) -> Image.Image:
    """Return a picture of three rows of cuts along x, y and z, the left side of the brain on the left."""
    low, high = _grey_range(upright.background)
    palette = np.array([(0, 0, 0), *map(ImageColor.getrgb, colours)])
    cuts = [choose_cuts(upright.labels, axis) for axis in range(3)]
    # One scale for all rows.
    scale = min((_WIDTH / N_CUTS - _GAP) / _extent(upright, axis, 0) for axis in range(3))
    heights = [round(scale * _extent(upright, axis, 1)) for axis in range(3)]
    picture = Image.new("RGB", (_WIDTH, sum(heights) + 3 * _TITLE))
    draw = ImageDraw.Draw(picture)
    top = _TITLE
    for axis, its_cuts in enumerate(cuts):
        width = round(scale * _extent(upright, axis, 0))
        for number, cut in enumerate(its_cuts):
            left = round((number + (N_CUTS - len(its_cuts)) / 2 + 0.5) * _WIDTH / N_CUTS - width / 2)
            grey = np.clip((_face(upright.background, axis, cut) - low) / (high - low), 0, 1)
            pixels = _enlarge(_paint(grey, _face(upright.labels, axis, cut), palette), heights[axis], width)
            picture.paste(Image.fromarray(pixels), (left, top))
            _write(draw, left + width / 2, top - _TITLE / 2, f"{_AXES[axis]} = {upright.millimetres(axis, cut):g} mm")
            if axis:  # along x a cut shows one side alone
                _write(draw, left + 7, top + 8, "L")
                _write(draw, left + width - 7, top + 8, "R")
        top += heights[axis] + _TITLE
    return picture


def _grey_range(background: np.ndarray) -> tuple[float, float]:
    inside = background[background != 0]
    if not len(inside):
        return 0.0, 1.0
    low, high = np.percentile(inside, (2, 99))
    return (float(low), float(high)) if high > low else (float(low) - 1.0, float(low) + 1.0)


def _extent(upright: Upright, axis: int, side: int) -> float:
    """Return the width or the height in mm of a cut along an axis."""
    shown = [other for other in range(3) if other != axis][side]
    return float(upright.labels.shape[shown] * upright.sizes[shown])


def _face(volume: np.ndarray, axis: int, cut: int) -> np.ndarray:
    """Return a cut as rows of pixels from top to bottom."""
    return np.asarray(np.moveaxis(volume, axis, 0)[cut].T[::-1])


def _paint(grey: np.ndarray, labels: np.ndarray, palette: np.ndarray) -> np.ndarray:
    # 32 greys: the noise of a mean volume in 256 doubles the file and shows nothing more.
    shades = np.repeat((np.rint(grey * 31) * (255 / 31))[..., None], 3, axis=2)
    opacity = np.where(labels > 0, _OPACITY, 0.0)[..., None]
    return np.asarray(shades * (1 - opacity) + palette[labels] * opacity).round().astype(np.uint8)


def _enlarge(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return a picture at another size, each pixel the nearest voxel's."""
    rows = ((np.arange(height) + 0.5) * picture.shape[0] / height).astype(int)
    columns = ((np.arange(width) + 0.5) * picture.shape[1] / width).astype(int)
    return np.asarray(picture[rows][:, columns])


def _write(draw: ImageDraw.ImageDraw, x: float, y: float, text: str) -> None:
    font = ImageFont.load_default(12)
    draw.text((x, y), text, fill="white", stroke_fill="black", stroke_width=2, anchor="mm", font=font)


def to_data_uri(picture: Image.Image) -> str:
    """Return a picture as a PNG that is part of a page."""
    buffer = io.BytesIO()
    picture.save(buffer, format="png")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
