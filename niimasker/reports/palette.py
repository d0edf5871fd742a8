"""Colours of regions."""

from __future__ import annotations

import colorsys

# Okabe and Ito's colours without black, yellow first of those that are hard to see on white.
_FEW = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#b8a800")
_GOLDEN = 0.6180339887498949


def region_colours(n_regions: int) -> tuple[str, ...]:
    """Return a colour per region as #rrggbb: for a few, those that colour-blind readers tell apart.

    For more, hues in golden steps at three lightnesses, so that regions next to each other in the atlas differ.
    """
    if n_regions <= len(_FEW):
        return _FEW[:n_regions]
    return tuple(_spread(position) for position in range(n_regions))


def _spread(position: int) -> str:
    # None so light that its line is lost on white.
    lightness, saturation = ((0.45, 0.65), (0.56, 0.5), (0.32, 0.7))[position % 3]
    parts = colorsys.hls_to_rgb((0.55 + position * _GOLDEN) % 1.0, lightness, saturation)
    return "#" + "".join(f"{round(255 * part):02x}" for part in parts)
