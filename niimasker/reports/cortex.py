"""The picture of regions on the cortex: maps of the regions and of their values, on both sides of each hemisphere.

It is drawn with numpy and Pillow: a page shows it without WebGL, and it prints.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image, ImageColor, ImageDraw, ImageFont, features

from niimasker.reports.colour_scales import ColourBar
from niimasker.reports.packing import pack_compressed, pack_whole
from niimasker.reports.pictures import CortexPicture, Hemisphere, count_shown
from niimasker.reports.projections import Projection, View, project
from niimasker.reports.seed_colours import CORRELATION_BAR
from niimasker.reports.sulci import find_depths

# In pixels, two of which are one of a page on a wide screen: a view, the space around its hemisphere, and its title.
_WIDTH, _MARGIN, _TITLE = 560, 12, 38

# Views of the hemispheres side by side, as they lie in the head.
_VIEWS: dict[str, tuple[View, View]] = {"left": ("lateral", "medial"), "right": ("medial", "lateral")}

# Greys of vertices without a region, from 0 to 255, and the share of light on the borders of regions.
_NO_DATA, _SULCUS, _GYRUS = 138.0, 184.0, 214.0
_BORDER = 0.55

# Colours cover this percentage of regions, so that an extreme one does not make all others alike.
_PERCENTILE_IN_RANGE = 98

# One in so many pixels, each way, says which region is under the pointer.
_HIT_STEP = 4


@dataclass(frozen=True)
class CortexMap:
    """One map: its name, a picture of each hemisphere, and the colours of its values."""

    title: str
    images: tuple[str, ...]
    bar: ColourBar | None = None

    @property
    def is_painted_in_page(self) -> bool:
        """Whether cortex.js paints the regions, which are white in the images."""
        return self.bar == CORRELATION_BAR


@dataclass(frozen=True)
class CortexDrawing:
    """The maps of the cortex, to switch between.

    Parameters
    ----------
    description
        What they show, in words.
    views
        The views in the picture of each hemisphere.
    hits
        For each hemisphere the region in each place and each pixel of its picture, and the text about each region, for
        cortex.js.
    """

    maps: tuple[CortexMap, ...]
    description: str
    views: tuple[str, ...]
    hits: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class _Pair:
    """The two views of a hemisphere: what their pixels show, as pictures of shape (height, width).

    Parameters
    ----------
    labels
        0 for no region, otherwise the position of the region counted from 1.
    greys
        The brightness of what is no region's, from 0 to 255.
    light
        From 0 to 1, with darker borders between regions; 0 where there is no cortex.
    """

    labels: np.ndarray
    greys: np.ndarray
    light: np.ndarray


def draw_cortex(picture: CortexPicture, colours: Sequence[str], facts: pd.DataFrame) -> CortexDrawing:
    """Return the maps of the regions, their coverage and their tSNR.

    Parameters
    ----------
    colours
        One per region, as #rrggbb.
    facts
        One row per region, as in regions.tsv.
    """
    widest = max(np.ptp(hemisphere.mesh.drawn.coordinates[:, 1]) for hemisphere in picture.hemispheres)
    scale = (_WIDTH - 2 * _MARGIN) / widest
    pairs = [_project_pair(hemisphere, scale) for hemisphere in picture.hemispheres]
    region_colours = np.array([ImageColor.getrgb(colour) for colour in colours], dtype=np.float64).reshape(-1, 3)
    maps = [CortexMap("Regions", _paint_all(picture, pairs, region_colours))]
    for title, bar, values in _list_values(facts):
        painted = np.full((len(values), 3), np.nan)
        is_known = np.isfinite(values)
        painted[is_known] = bar.colour(values[is_known])
        maps.append(CortexMap(title, _paint_all(picture, pairs, painted), bar))
    white = np.full((len(facts), 3), 255.0)
    maps.append(CortexMap("Correlation", _paint_all(picture, pairs, white), CORRELATION_BAR))
    return CortexDrawing(
        tuple(maps),
        _describe(picture, facts["status"].tolist()),
        tuple(_name_views(hemisphere) for hemisphere in picture.hemispheres),
        _list_hits(pairs, facts),
    )


def _list_values(facts: pd.DataFrame) -> list[tuple[str, ColourBar, np.ndarray]]:
    """Return the values of regions that have maps, with their colours; tSNR only if the regions have any."""
    coverage, tsnr = (facts[name].to_numpy(dtype=np.float64) for name in ("coverage", "tsnr"))
    listed = [("Coverage", ColourBar("share of the region with a valid signal", 0.0, 1.0), coverage)]
    known = tsnr[np.isfinite(tsnr)]
    if known.any():
        low, high = known.min(initial=0.0), max(np.percentile(known, _PERCENTILE_IN_RANGE, method="higher"), 0.0)
        low, high = _round_outwards(low, high if low < high else known.max(initial=0.0))
        bar = ColourBar("temporal signal-to-noise ratio before cleaning", low, high, bool(known.max() > high))
        listed.append(("tSNR", bar, tsnr))
    return listed


def _round_outwards(low: float, high: float) -> tuple[float, float]:
    """Return a range with ends of two digits that holds another."""
    step = 10.0 ** (np.floor(np.log10(max(-low, high))) - 1)
    return float(f"{np.floor(low / step) * step:.6g}"), float(f"{np.ceil(high / step) * step:.6g}")


def _project_pair(hemisphere: Hemisphere, scale: float) -> _Pair:
    mesh = hemisphere.mesh
    depths = np.zeros(mesh.drawn.n_vertices)
    # On a folded surface the light alone shows the sulci.
    if mesh.anatomical is not None and mesh.anatomical is not mesh.drawn:
        depths = find_depths(mesh.anatomical)
    views = [
        _show(hemisphere, project(mesh.drawn, hemisphere.side, view, width=_WIDTH, scale=scale), depths)
        for view in _VIEWS[hemisphere.side]
    ]
    labels, greys, light = (np.concatenate(parts, axis=1) for parts in zip(*views, strict=True))
    light[_find_borders(labels, light > 0)] *= _BORDER
    return _Pair(labels, greys, light)


def _show(
    hemisphere: Hemisphere, projection: Projection, depths: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the labels, greys and light of a view."""
    nearest = projection.nearest
    greys = np.where(projection.interpolate(depths) > 0, _SULCUS, _GYRUS)
    greys[~hemisphere.has_data[nearest]] = _NO_DATA
    return (
        projection.fill(hemisphere.labels[nearest], 0),
        projection.fill(greys, 0.0),
        projection.fill(projection.brightness, 0.0),
    )


def _paint_all(picture: CortexPicture, pairs: Sequence[_Pair], colours: np.ndarray) -> tuple[str, ...]:
    return tuple(
        _to_data_uri(_add_titles(_paint(pair, colours), hemisphere))
        for hemisphere, pair in zip(picture.hemispheres, pairs, strict=True)
    )


def _paint(pair: _Pair, colours: np.ndarray) -> np.ndarray:
    """Return the pixels of a picture; regions whose colour is NaN are grey.

    Parameters
    ----------
    colours
        Red, green and blue of each region from 0 to 255, of shape (n_regions, 3).
    """
    is_cortex = pair.light > 0
    labels, light = pair.labels[is_cortex], pair.light[is_cortex].astype(np.float32)
    of_labels = np.concatenate([np.full((1, 3), np.nan), colours]).astype(np.float32)
    painted, is_grey = of_labels[labels], np.isnan(of_labels[:, 0])[labels]
    painted[is_grey] = pair.greys[is_cortex][is_grey, None]
    pixels = np.full((*is_cortex.shape, 3), 255, dtype=np.uint8)
    pixels[is_cortex] = painted * light[:, None] + 0.5
    return pixels


def _find_borders(labels: np.ndarray, is_cortex: np.ndarray) -> np.ndarray:
    """Return the pixels of the cortex beside or below which is another region."""
    borders = np.zeros(labels.shape, dtype=bool)
    for axis in range(2):
        one, other = (tuple([slice(None)] * axis + [part]) for part in (slice(None, -1), slice(1, None)))
        borders[one] |= (labels[one] != labels[other]) & is_cortex[one] & is_cortex[other]
    return borders


def _add_titles(pixels: np.ndarray, hemisphere: Hemisphere) -> Image.Image:
    """Return a picture with a line above it that names the views."""
    height, width = pixels.shape[:2]
    image = Image.new("RGB", (width, height + _TITLE), "white")
    image.paste(Image.fromarray(pixels), (0, _TITLE))
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(26)
    for number, view in enumerate(_VIEWS[hemisphere.side]):
        middle = (number + 0.5) * _WIDTH
        draw.text((middle, _TITLE / 2), f"{hemisphere.side}, {view}", fill="#56616c", anchor="mm", font=font)
    return image


def _to_data_uri(image: Image.Image) -> str:
    """Return a picture as a data URI: WebP is a quarter of the size of PNG, but not all builds of Pillow write it."""
    buffer = io.BytesIO()
    if features.check("webp"):
        image.save(buffer, format="webp", quality=85, method=2)
        kind = "webp"
    else:
        image.save(buffer, format="png")
        kind = "png"
    return f"data:image/{kind};base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _describe(picture: CortexPicture, status: Sequence[str]) -> str:
    labels = np.concatenate([hemisphere.labels for hemisphere in picture.hemispheres])
    sides = [hemisphere.side for hemisphere in picture.hemispheres]
    seen = "both hemispheres" if len(sides) > 1 else f"the {sides[0]} hemisphere"
    return (
        f"{count_shown(labels, status)} on the {picture.surface} surface ({picture.source}), in "
        f"lateral and medial views of {seen}"
    )


def _name_views(hemisphere: Hemisphere) -> str:
    first, second = _VIEWS[hemisphere.side]
    return f"{hemisphere.side} hemisphere, {first} and {second}"


def _tell(row: Mapping[Any, Any]) -> str:
    """Return what is shown of the region under the pointer."""
    numbers = (f"coverage {row['coverage']:.2f}", f"tSNR {round(row['tsnr'], 1) + 0.0:.1f}")
    return ", ".join(["", *(text for text in numbers if not text.endswith("nan"))])


def _list_hits(pairs: Sequence[_Pair], facts: pd.DataFrame) -> dict[str, Any]:
    return {
        "names": facts["name"].tolist(),
        "numbers": [_tell(row) for row in facts.to_dict("records")],
        "pictures": [_pack_hits(pair) for pair in pairs],
    }


def _pack_hits(pair: _Pair) -> dict[str, Any]:
    """Return which region is in each place of a picture, as lengths of runs of the same region along its rows."""
    labels = pair.labels[_HIT_STEP // 2 :: _HIT_STEP, _HIT_STEP // 2 :: _HIT_STEP]
    flat, column = labels.ravel(), np.tile(np.arange(labels.shape[1]), len(labels))
    starts = np.flatnonzero((np.diff(flat, prepend=-1) != 0) | (column == 0))
    lengths = np.diff(np.append(starts, len(flat)))
    top = _TITLE / (pair.labels.shape[0] + _TITLE)
    return {
        "shape": list(labels.shape),
        "top": round(top, 4),
        "runs": pack_whole(np.stack([flat[starts], lengths])),
        "pixels": {"shape": list(pair.labels.shape), **pack_compressed(pair.labels)},
    }
